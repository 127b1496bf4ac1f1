// Package pull fetches what sources publish, on schedule: a file by HTTPS or a folder that somebody else mirrors into, and
// hands what is new to the function that takes it in.
//
// It owns the schedule, the conversation with the far server (conditional requests, going on where a file broke off, every
// bound on it), and what is known of each source: how old it is and why it failed. It never says what a record means, never
// stores one, and never lets what failed take the place of what is there: a file is handed over when it is whole.
package pull

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// The kinds of sources.
const (
	KindOSV     = "osv"
	KindKEV     = "kev"
	KindEPSS    = "epss"
	KindNVD     = "nvd"
	KindCSAF    = "csaf"
	KindOpenVEX = "openvex"
	KindBundle  = "bundle" // a signed bundle of another server
)

// Kinds lists them, in order of display.
func Kinds() []string {
	return []string{KindOSV, KindKEV, KindEPSS, KindNVD, KindCSAF, KindOpenVEX, KindBundle}
}

// Source is one source, as it is configured.
type Source struct {
	Name string // unique; 1 to 64 of a-z 0-9 . _ -
	Kind string // of Kinds
	URL  string // https://…; empty: Path is set
	Path string // a folder or a file, absolute
	// CAFile has the certificates, as PEM, that the far server is trusted by; empty: those of the system.
	CAFile string
	// TokenFile has a line that is sent to the far server as a bearer token, of at most 4 KiB; empty: none is.
	TokenFile string
	Every     time.Duration // at least a minute
	// Of is the source that the records are of; empty: their folders say it.
	Of string
	// Ecosystems are those whose records are taken, without releases; empty: all. A record that names no package is taken.
	Ecosystems []string
}

// Each calls fn with every record of one pull; the bytes are valid until fn returns. It returns the first error of fn.
type Each func(fn func(name string, raw []byte) error) error

// Taken says what became of one pull.
type Taken struct {
	Read      int    `json:"read,omitzero"`
	Created   int    `json:"created,omitzero"`
	Updated   int    `json:"updated,omitzero"`
	Deleted   int    `json:"deleted,omitzero"`
	Unchanged int    `json:"unchanged,omitzero"`
	Malformed int    `json:"malformed,omitzero"` // records that were skipped
	Example   string `json:"example,omitzero"`   // the first of those, and why; may be empty
	Older     int    `json:"older,omitzero"`     // records of versions older than what is held: left out
	// Outside counts records that name ecosystems which their source may not speak for: those parts are kept and never matched.
	Outside int `json:"outside,omitzero"`
	// Through is up to where a bundle went, by what was verified in it: what comes after it is asked for next. Empty: nothing is
	// known of that, and the whole is asked for.
	Through string `json:"through,omitzero"`
}

// Config is what a Puller needs. Fields without a note are required.
type Config struct {
	Sources []Source
	Dir     string // a private folder of its own; made where it is not there
	// Leads says that this server is the one that pulls; nil: it always is.
	Leads func() bool
	// Ingest takes records in, all or none. An error of kind Busy says that it is to be tried again later.
	Ingest func(ctx context.Context, s Source, each Each) (Taken, error)
	// Import takes a bundle in. One that brings nothing new is no error; of kind Conflict is one that does not follow what is held,
	// of kind Busy that it could not be taken in now. Required where a source is of KindBundle.
	Import func(ctx context.Context, s Source, f *os.File) (Taken, error)
	// Room is an error where the disk has no room for more; nil: it has.
	Room func() error
	// Agent is what this server calls itself to others.
	Agent string
	Now   func() time.Time
	Log   *slog.Logger
	// Jitter returns a random duration from zero up to the limit; uniform if nil.
	Jitter func(limit time.Duration) time.Duration
}

const (
	atOnce    = 2                // sources that are fetched at the same time
	look      = 10 * time.Second // between two looks at who leads
	leastWait = time.Minute      // after a failure, doubled with each one up to Every
	warnEvery = 24 * time.Hour   // between two warnings of the same source's age
	oldAfter  = 3                // intervals after which a source counts as old
	oldLeast  = time.Hour        // and at the least
)

// Puller fetches sources. It is safe for concurrent use.
type Puller struct {
	Config
	clients []*http.Client // of each source; nil where it is a path
	kicks   []chan struct{}
	slots   chan struct{}
	stall   time.Duration // see stallTime; tests are quicker
	retry   time.Duration // see firstPause

	mu     sync.Mutex // guards what follows, and the file it is kept in
	states map[string]*State
	forms  map[string]Progress
}

// New returns a Puller that fetches nothing until Run is called. It fails with Invalid where a file of certificates cannot be
// used, with ReadOnly where the folder cannot be made.
func New(c Config) (*Puller, error) {
	const op = "prepare the sources of advisories"
	if c.Jitter == nil {
		c.Jitter = func(limit time.Duration) time.Duration { return rand.N(limit) }
	}
	if c.Leads == nil {
		c.Leads = func() bool { return true }
	}
	if c.Room == nil {
		c.Room = func() error { return nil }
	}
	p := &Puller{Config: c, slots: make(chan struct{}, atOnce), stall: stallTime, retry: firstPause, forms: map[string]Progress{}}
	if len(c.Sources) == 0 {
		return p, nil
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fault.New(fault.ReadOnly, op, "%w", err)
	}
	for _, s := range c.Sources {
		var client *http.Client
		if s.URL != "" {
			var err error
			if client, err = newClient(s.CAFile); err != nil {
				return nil, fault.Wrap(op+": "+s.Name, err)
			}
		}
		p.clients = append(p.clients, client)
		p.kicks = append(p.kicks, make(chan struct{}, 1))
	}
	p.states = loadStates(p.statePath())
	p.tidy()
	return p, nil
}

// tidy drops what belongs to no source any more.
func (p *Puller) tidy() {
	known := map[string]bool{stateFile: true}
	for _, s := range p.Sources {
		known[s.Name+partSuffix], known[s.Name+partSuffix+headSuffix] = true, true
	}
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return // what is in the way is met again by whoever writes
	}
	for _, e := range entries {
		if !known[e.Name()] && !e.IsDir() {
			_ = os.Remove(filepath.Join(p.Dir, e.Name()))
		}
	}
	for name := range p.states {
		if !slices.ContainsFunc(p.Sources, func(s Source) bool { return s.Name == name }) {
			delete(p.states, name)
		}
	}
}

// Run fetches until ctx ends, and returns nil then. To be called once.
func (p *Puller) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	for i := range p.Sources {
		running.Go(func() { p.follow(ctx, i) })
	}
	<-ctx.Done()
	return nil
}

// Ask has a source fetched as soon as may be. The error is NotFound for a source that is not configured, Conflict where
// another server pulls.
func (p *Puller) Ask(name string) error {
	const op = "fetch a source"
	i := slices.IndexFunc(p.Sources, func(s Source) bool { return s.Name == name })
	switch {
	case i < 0:
		return fault.New(fault.NotFound, op, "there is no source %q here; the list of sources has those there are", fault.Clip(name, 64))
	case !p.Leads():
		return fault.New(fault.Conflict, op, "the sources are fetched by the leader of the group: ask that one")
	}
	select {
	case p.kicks[i] <- struct{}{}:
	default: // it was asked for already
	}
	return nil
}

// follow fetches one source on its schedule.
func (p *Puller) follow(ctx context.Context, i int) {
	s := p.Sources[i]
	for {
		wait, kicked := p.due(s), false
		if !p.Leads() {
			wait = max(wait, look)
		}
		t := time.NewTimer(min(wait, look)) // clocks are set, and leaders change
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-p.kicks[i]:
			kicked = true
		case <-t.C:
		}
		t.Stop()
		p.warn(s)
		if !p.Leads() || !kicked && p.due(s) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case p.slots <- struct{}{}:
		}
		p.once(ctx, i)
		<-p.slots
	}
}

// due returns how long it is until a source is to be fetched; zero or less: now.
func (p *Puller) due(s Source) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.stateLocked(s.Name)
	if st.Next.IsZero() {
		return 0
	}
	wait := st.Next.Std().Sub(p.Now())
	if wait > s.Every+s.Every/10 { // the interval was made shorter, or a clock was set
		return 0
	}
	return wait
}

// once fetches a source, and keeps what came of it.
func (p *Puller) once(ctx context.Context, i int) {
	s := p.Sources[i]
	began := p.Now()
	p.progress(s.Name, Progress{Running: true})
	news, taken, err := p.pull(ctx, i)
	p.progress(s.Name, Progress{})
	if ctx.Err() != nil {
		return
	}
	now := model.TimeOf(p.Now())
	p.mu.Lock()
	st := p.stateLocked(s.Name)
	st.Tried = now
	if err != nil {
		st.Failures++
		if fault.Is(err, fault.Conflict) {
			st.Cursor = "" // what is held here is not what follows it: the whole is fetched
		}
		st.Failed, st.Reason = now, fault.Clip(oneLine(err.Error()), maxReason)
		st.Next = model.TimeOf(p.Now().Add(p.pause(err, s, st.Failures)))
	} else {
		st.Failures, st.Reason, st.Checked = 0, "", now
		st.Next = model.TimeOf(p.Now().Add(s.Every - s.Every/20 + p.Jitter(s.Every/10+1)))
		if news.fresh {
			st.Changed, st.ETag, st.LastModified, st.Digest, st.Cursor = now, news.etag, news.lastModified, news.digest, news.cursor
			st.Taken = taken
		}
	}
	next, kept := st.Next, p.saveLocked()
	p.mu.Unlock()
	log := p.Log.With("source", s.Name, "kind", s.Kind)
	switch {
	case err != nil:
		log.Warn("a source of advisories was not fetched; what is there of it stays", "reason", oneLine(err.Error()), "next", next.String())
	case news.fresh:
		log.Info("a source of advisories was fetched", "read", taken.Read, "created", taken.Created, "updated", taken.Updated, "deleted", taken.Deleted,
			"older", taken.Older, "malformed", taken.Malformed, "took", p.Now().Sub(began).Round(time.Millisecond).String())
		if taken.Malformed > 0 {
			log.Warn("records of a source were skipped", "records", taken.Malformed, "first", taken.Example)
		}
		if taken.Outside > 0 {
			log.Warn("records of a source name ecosystems that it may not speak for: those parts are never matched", "records", taken.Outside, "of", s.Of)
		}
	default:
		log.Debug("a source of advisories has nothing new")
	}
	if kept != nil {
		log.Warn("what is known of the sources of advisories could not be kept; they are fetched anew after a start", "reason", kept.Error())
	}
}

// pause returns how long to wait after the n-th failure in a row.
func (p *Puller) pause(err error, s Source, n int) time.Duration {
	wait := leastWait
	for ; n > 1 && wait < s.Every; n-- {
		wait *= 2
	}
	wait = min(wait, s.Every)
	if after, ok := fault.RetryAfter(err); ok {
		wait = min(max(wait, after), s.Every)
	}
	return wait + p.Jitter(wait/10+1)
}

// warn says, now and then, that a source is old.
func (p *Puller) warn(s Source) {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.stateLocked(s.Name)
	now := p.Now()
	if !p.Leads() || !p.oldLocked(s, now) || !st.warned.IsZero() && now.Sub(st.warned) < warnEvery {
		return
	}
	st.warned = now
	p.Log.Warn("a source of advisories is old: what is known of vulnerabilities may be out of date", "source", s.Name,
		"last_fetched", st.Checked.String(), "every", s.Every.String(), "reason", st.Reason)
}

// oldLocked reports whether a source was not reached for several of its intervals, or never in several attempts.
func (p *Puller) oldLocked(s Source, now time.Time) bool {
	st := p.stateLocked(s.Name)
	if st.Checked.IsZero() {
		return st.Failures >= oldAfter
	}
	return now.Sub(st.Checked.Std()) > max(oldAfter*s.Every, oldLeast)
}
