package uplink

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/durable"
	"github.com/skerryhq/skerry/sync/exchange"
)

// Bounds of what the upper tier may say of its addresses.
const (
	MaxEndpoints      = 16  // addresses that are kept
	maxEndpoint       = 260 // bytes of one
	maxEndpointsBytes = 16 << 10
)

// headStart is how long one address is tried alone before the next one is tried beside it.
const headStart = 2 * time.Second

// Endpoints knows under which addresses the upper tier is to be found, and finds one that answers. An upper tier
// that is a group of several nodes has several; the one that this node enrolled at is always among them. It is
// safe for concurrent use.
type Endpoints struct {
	path string
	home string
	// Shuffle orders addresses that nothing is known of; math/rand's if nil.
	Shuffle func(n int, swap func(i, j int))

	mu   sync.Mutex // guards what follows
	list []string   // without home
	good string     // the address of the last link that came up, or ""
}

// endpointsFile is the form on disk.
type endpointsFile struct {
	Version   int      `json:"version"` // 1
	Endpoints []string `json:"endpoints"`
	Good      string   `json:"good,omitzero"`
}

// OpenEndpoints reads what was learned before from the file at path. A file that is missing or damaged counts as
// nothing learned: home, HOST:PORT where this node enrolled, leads to the rest again.
func OpenEndpoints(path, home string) *Endpoints {
	e := &Endpoints{path: path, home: home}
	b, err := os.ReadFile(path)
	if err != nil || len(b) > maxEndpointsBytes {
		return e
	}
	var f endpointsFile
	if model.Decode(b, &f) != nil || f.Version != 1 || checkEndpoints(f.Endpoints) != nil {
		return e
	}
	e.list = without(f.Endpoints, home)
	if f.Good == home || slices.Contains(e.list, f.Good) {
		e.good = f.Good
	}
	return e
}

func checkEndpoints(list []string) error {
	if len(list) > MaxEndpoints {
		return fault.New(fault.TooLarge, "", "there are %d addresses, the limit is %d", len(list), MaxEndpoints)
	}
	for _, a := range list {
		if a == "" || len(a) > maxEndpoint {
			return fault.New(fault.Invalid, "", "%.40q is no address", a)
		}
	}
	return nil
}

func without(list []string, home string) []string {
	out := slices.DeleteFunc(slices.Clone(list), func(a string) bool { return a == home })
	slices.Sort(out)
	return slices.Compact(out)
}

// Learn replaces the addresses with those that the upper tier names, HOST:PORT each. It is durable when it
// returns. An empty list changes nothing: a tier that names none has nothing to say.
func (e *Endpoints) Learn(list []string) error {
	const op = "keep the addresses of the upper tier"
	if len(list) == 0 {
		return nil
	}
	if err := checkEndpoints(list); err != nil {
		return fault.Wrap(op, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	list = without(list, e.home)
	if slices.Equal(list, e.list) {
		return nil
	}
	was := e.list
	e.list = list
	if err := e.saveLocked(); err != nil {
		e.list = was
		return fault.Wrap(op, err)
	}
	return nil
}

// List returns the addresses in the order in which they are tried: the last good one, then the others at random.
func (e *Endpoints) List() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := append([]string{e.home}, e.list...)
	shuffle := e.Shuffle
	if shuffle == nil {
		shuffle = rand.Shuffle
	}
	shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if at := slices.Index(all, e.good); at > 0 {
		all = slices.Insert(slices.Delete(all, at, at+1), 0, e.good)
	}
	return all
}

// up notes at which address the link came up; refused that one which answered gave none. That this is kept over a
// restart only spares a detour: where it cannot be written, nothing is lost.
func (e *Endpoints) up(addr string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.good != addr {
		e.good = addr
		_ = e.saveLocked()
	}
}

func (e *Endpoints) refused(addr string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.good == addr {
		e.good = ""
	}
}

func (e *Endpoints) saveLocked() error {
	b, err := model.Encode(endpointsFile{Version: 1, Endpoints: append([]string{}, e.list...), Good: e.good})
	if err != nil {
		return err
	}
	if err := durable.Write(e.path, b, 0o600); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	return nil
}

// Dial opens a session at the first address that gives one. Each address has a start of two seconds before the
// next is tried beside it, and none where the one before has failed: a node that is gone without a word costs
// little, and one that answers is not passed over. The sessions that come too late are closed. Dial returns when every call of
// dial has: with the first session ctx ends for the others, which must heed it.
func (e *Endpoints) Dial(ctx context.Context, dial func(ctx context.Context, addr string) (exchange.Session, error)) (exchange.Session, error) {
	list := e.List()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		sess exchange.Session
		addr string
		err  error
	}
	answers := make(chan answer)
	next, pending := 0, 0
	start := func() {
		addr := list[next]
		next++
		pending++
		go func() {
			s, err := dial(ctx, addr)
			answers <- answer{s, addr, err}
		}()
	}
	rest := func() { // what is under way still answers
		cancel()
		for range pending {
			if a := <-answers; a.err == nil {
				a.sess.Close()
			}
		}
	}
	var errs []error
	start()
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	for {
		select {
		case a := <-answers:
			pending--
			if a.err == nil {
				rest()
				return &endpointSession{Session: a.sess, of: e, addr: a.addr}, nil
			}
			e.refused(a.addr)
			errs = append(errs, a.err)
			if next == len(list) && pending == 0 {
				return nil, joined(list, errs)
			}
			if next < len(list) {
				start()
				timer.Reset(headStart)
			}
		case <-timer.C:
			if next < len(list) {
				start()
				timer.Reset(headStart)
			}
		case <-ctx.Done():
			err := context.Cause(ctx)
			rest()
			return nil, err
		}
	}
}

// joined says why no address gave a session; where there is one only, as it said it itself.
func joined(list []string, errs []error) error {
	if len(list) == 1 {
		return errs[0]
	}
	return fault.New(fault.Unreachable, "open the link", "none of the %d addresses of the upper tier gave a link: %w", len(list), reasons(errs))
}

// reasons is errors together in one line.
type reasons []error

func (r reasons) Error() string {
	var texts []string
	for _, err := range r {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, "; ")
}

// Unwrap lets each of them be found.
func (r reasons) Unwrap() []error { return r }

// endpointSession remembers where it was opened.
type endpointSession struct {
	exchange.Session
	of   *Endpoints
	addr string
}

// settled tells how the greeting went at the address of a session.
func settled(s exchange.Session, err error) {
	if e, ok := s.(*endpointSession); ok {
		if err == nil {
			e.of.up(e.addr)
		} else {
			e.of.refused(e.addr)
		}
	}
}
