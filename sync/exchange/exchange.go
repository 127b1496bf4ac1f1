// Package exchange moves items between two tiers over one stream, in both directions at once, so that
// each has its effect exactly once whatever breaks on the way. See DESIGN.md.
//
// It owns the protocol after Hello and Welcome: runs of items, acknowledgements, the window,
// keep-alive and the end of the stream. It never decides what an item means, who the other side is
// (the session proved that before) or when to dial again. Run joins every goroutine it starts.
package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/wire"
)

// Bounds of one run of items, and of what is proposed at once. They are what another member waits for at
// the most: proposals are served in turn, so a member with everything to send again has a place between
// two of another's, and no more.
const (
	MaxRunItems = 512
	MaxRunBytes = 1 << 20 // of payload; one item may exceed it alone
)

// Stream is one ordered, authenticated stream; net.Conn satisfies it.
type Stream interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Source is the log of what this side sends. Its methods are called by one goroutine each, at the
// same time as each other.
type Source interface {
	// Epoch returns the epoch of the items; it does not change while an exchange runs.
	Epoch() model.Epoch
	// Next returns items after the given place, Seq rising, and the place up to which nothing is
	// missing with them. It blocks until there is an item, or the place moved without one, or ctx ends.
	// At most maxItems, and maxBytes of payload, unless the first item alone has more.
	Next(ctx context.Context, after model.Seq, maxItems, maxBytes int) (items []model.Item, through model.Seq, err error)
	// Acked says that the other side durably holds everything through at. Losing this is harmless: the
	// other side says it again when the next stream opens.
	Acked(ctx context.Context, at model.Position) error
}

// Waker is a Source that need not be waited for: while it has nothing, a link has no goroutine for it.
type Waker interface {
	Source
	// Look is Next without the wait: no items and the place after where there is nothing. mark is for Wake.
	Look(after model.Seq, maxItems, maxBytes int) (items []model.Item, through model.Seq, mark uint64, err error)
	// Wake has fn called once, by whoever brings news, when there may be some since mark; fn is quick. After stop it is not
	// begun any more.
	Wake(mark uint64, fn func()) (stop func())
}

// Sink is where what the other side sends becomes durable.
type Sink interface {
	// Held returns how far the other side's items are durable here; zero: nothing.
	Held(ctx context.Context) (model.Position, error)
	// Accept makes items durable together with the position of the last one, and returns a position that
	// covers it. Items that are covered already have no effect.
	Accept(ctx context.Context, epoch model.Epoch, items []model.Item) (model.Position, error)
}

// Config is what one exchange needs beside its stream.
type Config struct {
	Source Source
	Sink   Sink
	// PeerEpoch is the epoch that the other side stated; items of another are refused.
	PeerEpoch model.Epoch
	// PeerHeld is how far the other side said that it holds ours, and PeerBegun what it has of the item that
	// came next in parts; nil: nothing.
	PeerHeld  model.Position
	PeerBegun *wire.Begun
	// Version is the protocol version agreed on; zero is 1.
	Version int
	// Spool keeps what came of an item in parts, under Origin; nil: for as long as this exchange runs.
	Spool  *Spool
	Origin model.NodeID // the other side
	// Budget bounds the memory of what arrives, over all exchanges that share it; nil: this one alone has its own bounds.
	Budget *Budget
	// Heard is called for every frame that arrives; it must be quick. May be nil.
	Heard func()
	Log   *slog.Logger
	// Keepalive is the longest pause between two frames sent; 10 s if zero.
	Keepalive time.Duration
	// Silence is how long nothing may arrive before the stream is given up; 30 s if zero.
	Silence time.Duration
}

// Remedy is what helps a member that runs from an older copy of its data, for the errors that say so.
const Remedy = "if it is to go on, stop every other copy and give it a new epoch: a site by `skerry site rebuild` that names its outbox, an agent by a new key (`skerry agents rekey` at its site)"

// Resume returns the place after which an origin of epoch own goes on, given what the other side
// holds. The error is of kind Conflict where the other side holds items of a later life of this
// origin: then this node runs from an older copy of its data, and what it sent would be lost.
func Resume(own model.Epoch, held model.Position) (model.Seq, error) {
	switch {
	case held.Epoch > own:
		return 0, fault.New(fault.Conflict, "resume the link",
			"the other side holds items of epoch %d of this node, which itself is in epoch %d: this node runs from an older copy of its data; %s",
			held.Epoch, own, Remedy)
	case held.Epoch < own:
		return 0, nil
	}
	return held.Seq, nil
}

// Run exchanges items until ctx ends, the stream breaks, the other side ends it (nil), or something
// is wrong. It closes the stream. Where the fault is on this side the other one is told before that.
func Run(ctx context.Context, s Stream, c *Config) error {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	e := newEngine(s, *c)
	e.crew.ctx, e.crew.cancel = inner, cancel
	defer s.Close()
	from, err := Resume(e.Source.Epoch(), e.PeerHeld)
	if err != nil {
		e.line.farewell(err)
		return err
	}
	e.after, e.sent = from, from

	stop := context.AfterFunc(inner, e.line.interrupt)
	defer stop()
	if from > 0 {
		e.settled(model.Position{Epoch: e.Source.Epoch(), Seq: from})
	}
	e.begin(e.send)
	alarm := e.keep()
	e.crew.fail(e.read())
	alarm.Stop()
	e.crew.wait()
	e.stopWaking()
	for {
		d, ok := e.inbox.take()
		if !ok {
			break
		}
		e.Budget.give(d.room)
	}
	err = e.crew.err
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case errors.Is(err, errEnded):
		return nil
	}
	if !errors.Is(err, errOfPeer) && !fault.Is(err, fault.Unreachable) {
		e.line.farewell(err)
	}
	return err
}

// newEngine fills in what c leaves open. It is apart from Run so that the stack of a goroutine that lives as long as a
// link stays small.
//
//go:noinline
func newEngine(s Stream, c Config) *engine {
	if c.Keepalive == 0 {
		c.Keepalive = 10 * time.Second
	}
	if c.Silence == 0 {
		c.Silence = 30 * time.Second
	}
	if c.Heard == nil {
		c.Heard = func() {}
	}
	if c.Spool == nil {
		c.Spool = NewSpool(wire.MaxFrame, time.Now)
	}
	return &engine{
		Config: c,
		line:   newLine(s, c.Silence),
		order:  newTurn(),
		gait:   gait{firstRun},
		slots:  make(chan struct{}, wire.Window),
	}
}

// errEnded says that the other side ended the stream in good order; errOfPeer marks what the other
// side gave as its reason, which needs no telling back.
var (
	errEnded  = errors.New("the other side ended the stream")
	errOfPeer = errors.New("the other side gave up")
)

// engine is one running exchange. A link that has nothing to say costs one goroutine, that of Run, which reads, and
// where its source is no Waker one that waits for it: the others come when they have something to do, and go.
type engine struct {
	Config
	crew
	line  *line
	after model.Seq     // the place that sending has reached; of whoever sends
	slots chan struct{} // one for each run on the way
	inbox desk[delivery]
	acked desk[model.Position] // the newest acknowledgement that the source has not seen
	pongs desk[struct{}]       // a Pong is due

	through model.Seq // how far the other side's items are accepted; of whoever accepts

	order turn // held while a run is numbered and written

	mu     sync.Mutex // guards what follows; taken inside order
	flying []flight   // the runs on the way, in the order they were sent
	sent   model.Seq  // the furthest Through sent, or held by the other side from the start
	gap    model.Seq  // how far the source came without items
	waking func()     // ends the wait for a Waker; nil: there is none
	gait   gait       // how large the runs are
}

// delivery is a run that waits to be accepted, and how much of the budget it has.
type delivery struct {
	wire.Items
	room int
}

// flight is a run on the way.
type flight struct {
	through model.Seq
	size    int       // bytes of payload
	at      time.Time // when it was given to the line
}

// read takes frames off the stream. It never writes and never waits for anything but bytes and room for them, so that
// two sides that both write cannot block each other.
func (e *engine) read() error {
	room := 0 // of the budget, for the frame at hand
	defer func() { e.Budget.give(room) }()
	ask := func(n int) error {
		if n < budgetFrom {
			return nil
		}
		if !e.Budget.take(n) {
			if err := e.wait(n); err != nil {
				return err
			}
		}
		room = n
		e.line.holds(e.Budget != nil)
		return nil
	}
	for {
		t, body, err := wire.ReadFrameIn(e.line, wire.MaxFrame, ask)
		if e.line.late != nil {
			return fault.Later(e.line.late, budgetRest+e.Budget.jitter(budgetRest))
		}
		if errors.Is(err, io.EOF) {
			return fault.New(fault.Unreachable, "", "the other side closed the link")
		}
		if err != nil {
			return err
		}
		e.line.shrink() // of ten thousand links most say nothing for a while, and each would keep what its largest frame took
		e.line.holds(false)
		room = e.Budget.settle(room, len(body))
		e.Heard()
		switch t {
		case wire.TypeItems:
			err = e.arrived(body, room)
			room = 0 // it is with the run from here on
		case wire.TypePart:
			err = e.joined(body)
		case wire.TypeAck:
			err = e.confirmed(body)
		case wire.TypePing:
			e.ponged()
		case wire.TypePong:
		case wire.TypeEnd:
			return errEnded
		case wire.TypeFault:
			return fmt.Errorf("%w: %w", errOfPeer, wire.FaultError(body))
		default:
			err = fault.New(fault.Corrupt, "", "a %s frame has no place among items", t)
		}
		if err != nil {
			return err
		}
		e.Budget.give(room)
		room = 0
	}
}

// wait waits for room in the budget, with what comes meanwhile left on the line. The other side is not listened to, and counts as
// heard where something of it came all the same: pings do, and one that hangs sends none.
//
//go:noinline
func (e *engine) wait(n int) error {
	e.line.hold(true)
	defer e.line.hold(false)
	seen := e.line.came()
	return e.Budget.wait(e.crew.ctx, n, func() {
		if came := e.line.came(); came != seen {
			seen = came
			e.Heard()
		}
	})
}

func (e *engine) arrived(body []byte, room int) error {
	r, err := wire.Decode[wire.Items](body)
	if err == nil && r.Epoch != e.PeerEpoch {
		err = fault.New(fault.Corrupt, "", "items of epoch %d came on a link of epoch %d", r.Epoch, e.PeerEpoch)
	}
	if err != nil {
		e.Budget.give(room)
		return err
	}
	return e.due(r, room)
}

// due leaves a run to be accepted. Whatever it returns, the run has the room from then on.
func (e *engine) due(r wire.Items, room int) error {
	n, idle := e.inbox.put(delivery{r, room}, wire.Window+1)
	if n > wire.Window {
		return fault.New(fault.TooLarge, "", "more than %d runs of items came without an acknowledgement", wire.Window)
	}
	if idle {
		e.begin(e.accept)
	}
	return nil
}

// accept makes runs durable, one after the other, and acknowledges each, while there are any. The acknowledgement
// never exceeds what the other side sent on this stream.
func (e *engine) accept(ctx context.Context) error {
	for ctx.Err() == nil {
		r, ok := e.inbox.take()
		if !ok {
			return nil
		}
		if len(r.Items.Items) == 0 {
			e.Budget.give(r.room)
		}
		if n := len(r.Items.Items); n > 0 {
			held, err := e.Sink.Accept(ctx, r.Epoch, r.Items.Items)
			e.Budget.give(r.room)
			if err != nil {
				return err
			}
			if last := r.Items.Items[n-1].Seq; !held.Covers(r.Epoch, last) {
				return fault.New(fault.Other, "accept items", "the store holds %d/%d after items through %d/%d were given to it",
					held.Epoch, held.Seq, r.Epoch, last)
			}
		}
		// A place without items needs no storing: after a restart the other side comes to it again.
		e.through = max(e.through, r.Through)
		if err := e.line.write(wire.TypeAck, wire.Ack{Held: model.Position{Epoch: r.Epoch, Seq: e.through}}); err != nil {
			return err
		}
	}
	return nil
}
