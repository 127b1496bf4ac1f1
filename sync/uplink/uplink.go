// Package uplink is the lower tier's end of the link: a site's to its controller, and an agent's to
// its site; and the way in which a site makes changes durable.
//
// It owns the dialling and its pauses, the greeting, what of the outbox is sent and dropped, the
// answers to the upper tier's questions, and the group commit of a site (Proposer). It never decides
// what goes up (engine/apply does), and never drops an item that the upper tier does not durably hold.
package uplink

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/wire"
)

// Outbox is the durable log of what goes up; storage/queue satisfies it.
type Outbox interface {
	Epoch() model.Epoch
	// Head returns the newest Seq given out in this epoch, Dropped the highest one dropped through.
	Head() model.Seq
	Dropped() model.Seq
	After(after model.Seq, maxItems, maxBytes int) ([]model.Item, error)
	// DropThrough removes what the upper tier durably holds. It refuses a number above Head, and after
	// that every other until the epoch rises: the outbox is then an older copy of itself.
	DropThrough(model.Seq) error
	// Wait blocks until Head is above after.
	Wait(ctx context.Context, after model.Seq) error
}

// Answer answers one question of the upper tier with a value to be encoded as JSON.
type Answer func(ctx context.Context, params map[string]string) (any, error)

// Window is a schedule; sync/window satisfies it.
type Window interface {
	Open(now time.Time) bool
	// Next returns when Open next becomes another; zero: never.
	Next(now time.Time) time.Time
}

// Config is what a Link needs. Fields without a note are required.
type Config struct {
	Self     model.NodeID // this site or agent
	Name     string
	Software string       // for people, as in "skerry 0.1.0"
	Upper    model.NodeID // whom this node enrolled at
	// Dial opens a session whose other end has proved to be Upper's; see Endpoints for an upper tier of
	// several nodes.
	Dial   func(ctx context.Context) (exchange.Session, error)
	Outbox Outbox
	Sink   exchange.Sink // takes what comes down
	// Answers lists the questions that are answered, by route; every other one is refused.
	Answers map[string]Answer
	// Resync is called where the upper tier lost what it had acknowledged (it was restored from a
	// backup): it must append the present state to the outbox, durably, before it returns.
	Resync func(ctx context.Context) error
	// Told, if set, is told at each greeting what time it is at the upper tier, which has proved who it is. It must be quick.
	Told func(time.Time)
	// Process, Machine and Can are what an agent says of itself, see Run in wire.Hello and what follows it; a site says
	// nothing.
	Process, Machine string
	Can              *model.Abilities
	// Paced, if set, is told at each greeting how often the upper tier wishes a look at packages and certificates; zero: it
	// wishes nothing. It must be quick.
	Paced func(report time.Duration)
	// Changed, if set, is told of each change of state, in order; it must be quick.
	Changed func(State)
	Now     func() time.Time
	Log     *slog.Logger
	// Window says when the line may be used for all that waits; nil: always. While it is closed only events and
	// the kinds for which Urgent says so go up, with what is older than they are.
	Window Window
	Urgent func(model.ItemKind) bool
	// BackoffBase and BackoffCap bound the pause before the next dial: the n-th pause in a row is random
	// between zero and the lesser of the cap and base * 2^n. 500 ms and 30 s if zero. Where the upper tier says when
	// to try again, that holds instead.
	BackoffBase, BackoffCap time.Duration
	// Jitter returns a random duration from zero up to the limit; uniform if nil.
	Jitter func(limit time.Duration) time.Duration
	// Keepalive and Silence are as in exchange.Config; HelloTimeout bounds dialling and the greeting
	// together (45 s if zero).
	Keepalive, Silence, HelloTimeout time.Duration
}

// State is what an operator wants to know of the link.
type State struct {
	Online    bool
	Since     time.Time // when Online became what it is
	Upper     string    // the name that the upper tier gave itself; empty until first online
	LastError string    // why the last link or dial ended; empty while online
}

// Link is one node's link to the tier above it.
type Link struct {
	Config
	spool *exchange.Spool // of what comes down in parts
	seen  sightings

	mu      sync.Mutex // guards what follows
	state   State
	sess    exchange.Session // nil while there is no link
	version int              // of the protocol that was agreed on
}

// spoolBytes bounds what is kept of a large item that is not whole yet.
const spoolBytes = 2 * wire.MaxFrame

// New returns a Link that is offline until Run is called.
func New(c Config) *Link {
	for _, d := range []struct {
		at    *time.Duration
		value time.Duration
	}{{&c.BackoffBase, 500 * time.Millisecond}, {&c.BackoffCap, 30 * time.Second}, {&c.HelloTimeout, 45 * time.Second}} {
		if *d.at == 0 {
			*d.at = d.value
		}
	}
	if c.Jitter == nil {
		c.Jitter = func(limit time.Duration) time.Duration { return rand.N(limit) }
	}
	if c.Changed == nil {
		c.Changed = func(State) {}
	}
	return &Link{Config: c, spool: exchange.NewSpool(spoolBytes, c.Now), state: State{Since: c.Now()}}
}

// State returns the present state.
func (l *Link) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// set moves the state; an unchanged Online keeps its Since.
func (l *Link) set(online bool, upper, lastError string) {
	l.mu.Lock()
	if l.state.Online != online {
		l.state.Online, l.state.Since = online, l.Now()
	}
	if upper != "" {
		l.state.Upper = upper
	}
	l.state.LastError = lastError
	s := l.state
	l.mu.Unlock()
	l.Changed(s)
}

// Run keeps the link up until ctx ends, whatever happens: a refusal is shown and tried again, because
// what was refused may be put right at the other end. It returns nil. To be called once.
func (l *Link) Run(ctx context.Context) error {
	for n := 0; ; n++ {
		began := time.Now()
		err := l.once(ctx)
		l.seen.ended(l.Now(), l.State().Online)
		if ctx.Err() != nil {
			l.set(false, "", "")
			return nil
		}
		if err == nil {
			err = errors.New("the other side ended the link")
		}
		// A link that held longer than any pause is no failed attempt.
		if time.Since(began) > l.BackoffCap {
			n = 0
		}
		l.set(false, "", err.Error())
		pause := l.pause(err, n)
		l.Log.Warn("link down", "reason", err.Error(), "retry_in", pause.Round(time.Millisecond).String())
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// Bounds of what the upper tier may say of when to try again.
const (
	leastRetry = time.Second
	mostRetry  = 10 * time.Minute
)

// pause returns how long to wait after the n-th failure in a row: as long as the upper tier asks for and up to
// half as long again, or a random part of what backoff allows.
func (l *Link) pause(err error, n int) time.Duration {
	if d, ok := fault.RetryAfter(err); ok {
		d = min(max(d, leastRetry), mostRetry)
		return d + l.Jitter(d/2+1)
	}
	return l.Jitter(backoff(l.BackoffBase, l.BackoffCap, n) + 1)
}

// backoff returns the limit of the n-th pause in a row, n from 0.
func backoff(base, limit time.Duration, n int) time.Duration {
	for ; n > 0 && base < limit; n-- {
		base *= 2
	}
	return min(base, limit)
}

// once dials, greets and runs one link to its end.
func (l *Link) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sess, stream, welcome, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer sess.Close()
	defer stream.Close()
	if err := l.reconcile(ctx, welcome.Held); err != nil {
		_ = wire.WriteFault(stream, err)
		return err
	}
	if l.Told != nil && welcome.Now != 0 {
		l.Told(welcome.Now.Std())
	}
	if l.Paced != nil {
		l.Paced(time.Duration(welcome.Report) * time.Second)
	}
	l.set(true, welcome.Name, "")
	l.Log.Info("link up", "upper", welcome.Name, "software", welcome.Software, "remote", sess.Peer().Remote,
		"held", uint64(welcome.Held.Seq), "skew", welcome.Now.Std().Sub(l.Now()).Round(time.Second).String())

	// On a thin line a write may be stuck behind much else: a node that is to stop does all the same.
	defer context.AfterFunc(ctx, func() {
		t := time.NewTimer(lastWord)
		defer t.Stop()
		select {
		case <-sess.Done():
		case <-t.C:
			sess.Close()
		}
	})()
	l.linked(sess, welcome.MaxVersion)
	defer l.linked(nil, 0)
	var answering sync.WaitGroup
	answering.Go(func() { l.answer(ctx, sess) })
	err = exchange.Run(ctx, stream, &exchange.Config{
		Source: source{l.Outbox, l}, Sink: l.Sink,
		PeerEpoch: welcome.Epoch, PeerHeld: welcome.Held, PeerBegun: welcome.Begun,
		Version: welcome.MaxVersion, Spool: l.spool, Origin: l.Upper,
		Log: l.Log, Keepalive: l.keepalive(welcome.Heard), Silence: l.Silence,
	})
	cancel()
	answering.Wait()
	return err
}

// keepalive is the longest pause between two frames: so that this node is heard as often as is wished, in seconds, whatever
// becomes of one frame.
func (l *Link) keepalive(wished int64) time.Duration {
	if l.Keepalive != 0 || wished <= 0 {
		return l.Keepalive
	}
	return min(time.Duration(wished)*time.Second/2, usualKeepalive)
}

const usualKeepalive = 10 * time.Second // as in exchange.Config

// lastWord is how long a link that is to end may take over saying so.
const lastWord = 2 * time.Second

// open dials and greets. On success the caller closes the session.
func (l *Link) open(ctx context.Context) (exchange.Session, net.Conn, wire.Welcome, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.HelloTimeout,
		fault.New(fault.Unreachable, "open the link", "the other side did not answer within %v", l.HelloTimeout))
	defer cancel()
	sess, err := l.Dial(ctx)
	if err != nil {
		return nil, nil, wire.Welcome{}, because(ctx, err)
	}
	stream, welcome, err := l.greet(ctx, sess)
	settled(sess, err)
	if err != nil {
		sess.Close()
		return nil, nil, welcome, because(ctx, err)
	}
	return sess, stream, welcome, nil
}

// because returns why ctx ended, if it did: what broke afterwards broke for that reason.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (l *Link) greet(ctx context.Context, sess exchange.Session) (net.Conn, wire.Welcome, error) {
	held, err := l.Sink.Held(ctx)
	if err != nil {
		return nil, wire.Welcome{}, err
	}
	stream, err := sess.Open(ctx)
	if err != nil {
		return nil, wire.Welcome{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })
	w, err := l.hello(stream, held)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		stream.Close()
		return nil, w, err
	}
	return stream, w, nil
}

func (l *Link) hello(stream net.Conn, held model.Position) (wire.Welcome, error) {
	err := wire.WriteFrame(stream, wire.TypeHello, wire.Hello{
		MinVersion: wire.MinVersion, MaxVersion: wire.MaxVersion,
		Node: l.Self, Name: l.Name, Software: l.Software, Epoch: l.Outbox.Epoch(), Held: held, Now: model.TimeOf(l.Now()),
		Begun: l.spool.Begun(l.Upper, 0, held), Run: l.Process, Machine: l.Machine, Can: l.Can,
	})
	if err != nil {
		return wire.Welcome{}, err
	}
	body, err := wire.Expect(stream, wire.TypeWelcome, wire.MaxControl)
	if err != nil {
		return wire.Welcome{}, err
	}
	w, err := wire.Decode[wire.Welcome](body)
	if err != nil {
		return w, err
	}
	v, err := wire.Negotiate(w.MinVersion, w.MaxVersion, w.Software)
	if err != nil {
		return w, err
	}
	w.MaxVersion = v
	if w.Node != l.Upper {
		return w, fault.New(fault.Denied, "open the link", "the other side is %s (%q), but this node enrolled at %s: check the address, or enroll anew", w.Node, w.Name, l.Upper)
	}
	if held.Epoch > w.Epoch {
		return w, fault.New(fault.Conflict, "open the link", "%q comes in epoch %d, but items of its epoch %d are held here already: it runs from an older copy of its data and needs a new epoch",
			w.Name, w.Epoch, held.Epoch)
	}
	return w, nil
}
