// Package hub is the upper tier's end of the link: the controller's for its sites, and a site's for
// its agents.
//
// It owns the registry of live links: it greets a session that was let in, proposes what comes up,
// sends down what is addressed to the member, and puts questions to it. It never decides who is let
// in (sync/link asks the caller before), never stores anything itself, and never takes a sender's
// word for who it is: the origin of every item is the member whose key opened the session.
package hub

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/health"
	"github.com/skerryhq/skerry/sync/wire"
)

// Proposer makes changes durable.
type Proposer interface {
	// Propose returns once all changes are durable and applied, or none of them.
	Propose(ctx context.Context, changes ...model.Change) error
}

// Reader reads committed rows. Its methods are safe for concurrent use.
type Reader interface {
	// Watermark returns how far the rows hold what origin sent.
	Watermark(origin model.NodeID) (model.Position, error)
	// Directives returns what goes down to a member after the given place, and with includeAll what goes
	// to every member: Seq rising, and the place up to which nothing is missing with it, which is the
	// newest number given out where there is nothing more.
	Directives(to model.NodeID, after model.Seq, limit, maxBytes int, includeAll bool) ([]model.Item, model.Seq, error)
	// Wait blocks until the number of commits is above after, and returns it; it starts at 1.
	Wait(ctx context.Context, after uint64) (uint64, error)
}

// Config is what a Hub needs. Fields without a note are required.
type Config struct {
	Self     model.NodeID // this controller group or site
	Name     string
	Software string             // for people, as in "skerry 0.1.0"
	Epoch    func() model.Epoch // of the directives; rises when this store is restored from a backup. 0: not known now
	Proposer Proposer
	Reader   Reader
	// ToAll includes the directives that are for every member: at a controller, not at a site.
	ToAll bool
	// Continues says that the numbers of directives go on from one epoch to the next, so that a member which holds those
	// of an earlier one is sent what follows them, and not all again: at a controller. Not at a site, where
	// they begin at 1 in each.
	Continues bool
	// Member, if set, returns a member as the rows have it now. Nil: as it was given to Serve.
	Member func(model.NodeID) (model.Member, bool, error)
	// Transform, if set, may replace a run of items before it is proposed and add changes to be applied
	// with it. It keeps the Seq of the last item.
	Transform func(ctx context.Context, m model.Member, items []model.Item) ([]model.Item, []model.Change, error)
	// Accepted, if set, is told of each run that was applied; Heard of each frame that came, and of the
	// link's opening. Both must be quick.
	Accepted func(m model.Member, items []model.Item)
	Heard    func(m model.Member)
	// Fresh, if set, returns when Reader holds all that any server of this tier has acknowledged. It is called
	// before a member is greeted: a server that is behind would name a watermark of the past, and be taken for
	// one that lost what it held. Its error refuses the link, and the member looks for another server.
	Fresh func(ctx context.Context) error
	// Single says that one process at a time has a member's key: at a site, for its agents. See rival.
	Single bool
	// Hearing and Report are told to each member that comes, see wire.Hello; whole seconds.
	Hearing, Report time.Duration
	Now             func() time.Time
	Log             *slog.Logger
	// Keepalive and Silence are as in exchange.Config; AskTimeout bounds a question whose ctx has no
	// earlier deadline (30 s if zero); HelloTimeout bounds the greeting (20 s if zero).
	Keepalive, Silence, AskTimeout, HelloTimeout time.Duration
	// Bundles, if set, gives members the advisories that they fetch: at a controller, to its sites. Nil: nothing is fetched here.
	Bundles Bundles
	// Settle is the least time between two looks for directives of one link, so that a busy store does
	// not wake every link at every commit; 25 ms if zero.
	Settle time.Duration
	// Jitter returns a random duration from zero up to the limit; uniform if nil.
	Jitter func(limit time.Duration) time.Duration
}

// LinkState is whether a member's link is open, and since when it is or is not.
type LinkState struct {
	Up       bool
	Since    time.Time // when it went up or, if down, when it was last up
	Remote   string    // network address of the present or last link
	Software string    // what the member said it runs
	// Late is why a link that is up is degraded; empty: it is not. LateSince is since when.
	Late      string
	LateSince time.Time
}

// Hub is safe for concurrent use.
type Hub struct {
	Config

	spool  *exchange.Spool  // of what comes up in parts
	budget *exchange.Budget // of what comes up and is not accepted yet
	news   *news            // of directives

	copies atomic.Uint64 // links that were refused beside one that lives

	asking   chan struct{} // a place for each question under way
	fetching chan struct{} // a place for each fetch under way

	mu    sync.Mutex // guards links
	links map[model.NodeID]*entry
}

// entry is the one link of a member that counts, or what is left of it.
type entry struct {
	name   string
	state  LinkState
	sess   exchange.Session // nil when down
	end    context.CancelCauseFunc
	asking chan struct{} // a place for each question under way; nil: none was asked
	gone   chan struct{} // closed when the link has left: nothing of it is under way any more

	run, machine string         // as the member said
	rivals       map[string]int // attempts of other processes with its key while this one lived, by their runs
	looked       atomic.Int64   // when the member's standing was looked at, in Unix nanoseconds

	// What the judge sees. An entry takes the judge and the breaks of the one before it over.
	judge  *health.Judge
	breaks []time.Time  // when links of this member broke, lately; at most maxBreaks
	heard  atomic.Int64 // when the last frame came, in Unix nanoseconds
	sent   []sending    // directives on the way
}

// sending is a run on the way.
type sending struct {
	through model.Seq
	at      time.Time
}

const maxBreaks = 16

// spoolBytes bounds what is kept of large items that are not whole yet, over all members.
const spoolBytes = 64 << 20

// budgetBytes bounds what is in memory of large runs that came and are not accepted yet, over all members. At a site, whose
// members have one host each, hundreds of reports are there at once even with the smaller one, and it takes them in no sooner with more.
const (
	budgetBytes     = 256 << 20
	budgetOfSingles = 16 << 20
)

// New returns a Hub without links.
func New(c Config) *Hub {
	for _, d := range []struct {
		at    *time.Duration
		value time.Duration
	}{{&c.AskTimeout, 30 * time.Second}, {&c.HelloTimeout, 20 * time.Second}, {&c.Settle, 25 * time.Millisecond}} {
		if *d.at == 0 {
			*d.at = d.value
		}
	}
	if c.Heard == nil {
		c.Heard = func(model.Member) {}
	}
	if c.Jitter == nil {
		c.Jitter = func(limit time.Duration) time.Duration { return rand.N(limit) }
	}
	h := &Hub{Config: c, asking: make(chan struct{}, maxAsking), fetching: make(chan struct{}, maxFetching), spool: exchange.NewSpool(spoolBytes, c.Now), links: map[model.NodeID]*entry{}}
	most := budgetBytes
	if c.Single {
		most = budgetOfSingles
	}
	h.budget = exchange.NewBudget(most, h.Jitter)
	h.news = &news{hub: h}
	return h
}

// Live returns the state of a member's link; false where it has had none since this server started.
func (h *Hub) Live(id model.NodeID) (LinkState, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.links[id]
	if !ok {
		return LinkState{}, false
	}
	s := e.state
	if v := e.judgeLocked(h.Now()); v.Word == health.Degraded {
		s.Late, s.LateSince = v.Reason, v.Since
	}
	return s, true
}

// judgeLocked finds the word for the link.
func (e *entry) judgeLocked(now time.Time) health.Health {
	for len(e.breaks) > 0 && now.Sub(e.breaks[0]) > health.BreaksWithin {
		e.breaks = e.breaks[1:]
	}
	s := health.Sight{Now: now, Tried: true, Online: e.state.Up, Since: e.state.Since, Breaks: len(e.breaks), Heard: time.Unix(0, e.heard.Load())}
	if len(e.sent) > 0 {
		s.Sent = e.sent[0].at
	}
	return e.judge.Look(s)
}

// sends notes that a run of directives leaves, and taken that the member holds what is through.
func (h *Hub) sends(e *entry, through model.Seq) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.sent = append(e.sent, sending{through, h.Now()})
}

func (h *Hub) taken(e *entry, through model.Seq) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for n < len(e.sent) && e.sent[n].through <= through {
		n++
	}
	if e.sent = e.sent[n:]; len(e.sent) == 0 {
		e.sent = nil
	}
}

// Known returns the members that have or had a link since this server started, in no order.
func (h *Hub) Known() []model.NodeID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.links))
}

// Serve runs the link of a member that was let in, until ctx ends or the link does. It closes the
// session. A newer session of the same member takes the place of this one. It only reads m: the stack under a link, which
// waits for what comes, has no room for copies of it.
func (h *Hub) Serve(ctx context.Context, s exchange.Session, m *model.Member) error {
	defer s.Close()
	outer := ctx
	ctx, end := context.WithCancelCause(context.WithoutCancel(outer))
	defer end(nil)
	defer context.AfterFunc(outer, func() { end(h.stopping()) })()
	// On a thin line a write may be stuck behind much else: whoever is told to go goes all the same.
	defer context.AfterFunc(ctx, func() {
		t := time.NewTimer(lastWord)
		defer t.Stop()
		select {
		case <-s.Done():
		case <-t.C:
			s.Close()
		}
	})()
	err := h.serve(ctx, end, s, m)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	h.told(s, m, "link closed", "reason", reason(err))
	return err
}

// told logs something of a link.
//
//go:noinline
func (h *Hub) told(s exchange.Session, m *model.Member, text string, more ...any) {
	h.Log.Info(text, append([]any{"member", m.Name, "kind", string(m.Kind), "remote", s.Peer().Remote}, more...)...)
}

// lastWord is how long a link that was told to end may take over saying why.
const lastWord = 2 * time.Second

// stopping is what the members are told when this server stops: to come back when it is there again, and not
// all at once.
func (h *Hub) stopping() error {
	h.mu.Lock()
	n := len(h.links)
	h.mu.Unlock()
	spread := time.Second + time.Duration(n)*perLink
	return fault.Later(fault.New(fault.Unreachable, "", "this server is stopping; the link comes back by itself"), time.Second+h.Jitter(spread))
}

// perLink is about what it costs to take one link back.
const perLink = 2 * time.Millisecond

func reason(err error) string {
	if err == nil {
		return "the member ended it"
	}
	return err.Error()
}

// serve runs a link. The goroutine that it is in lives as long as the link, so what is large on the stack is in
// functions that return before.
func (h *Hub) serve(ctx context.Context, end context.CancelCauseFunc, s exchange.Session, m *model.Member) error {
	g, err := h.letIn(ctx, s, m)
	if err != nil {
		return err
	}
	defer g.stream.Close()
	defer h.news.enter()()
	g.older = h.enter(g, s, end)
	defer h.leave(m.ID, g.mine)
	if err := h.welcome(ctx, g); err != nil {
		return err
	}
	if h.Bundles != nil && g.conf.Version >= wire.VersionFetch {
		fetching, stop := context.WithCancel(ctx)
		var served sync.WaitGroup
		served.Go(func() { h.fetches(fetching, s, m) })
		defer func() { stop(); served.Wait() }()
	}
	return exchange.Run(ctx, g.stream, g.conf)
}

// guest is a link that is being opened.
type guest struct {
	member model.Member
	hello  wire.Hello
	stream net.Conn
	epoch  model.Epoch // of this side
	mine   *entry
	older  <-chan struct{} // closed when the member's older link is gone
	conf   *exchange.Config
}

// letIn greets a member up to the point where its link counts.
//
//go:noinline
func (h *Hub) letIn(ctx context.Context, s exchange.Session, m *model.Member) (*guest, error) {
	stream, hello, epoch, err := h.greet(ctx, s, *m)
	if err != nil {
		return nil, fault.Wrap("greet "+string(m.Kind)+" "+m.Name, err)
	}
	log := h.Log.With("member", m.Name, "kind", string(m.Kind), "remote", s.Peer().Remote)
	if err := h.meet(ctx, s, *m, hello, log); err != nil {
		_ = wire.WriteFault(stream, err)
		stream.Close()
		return nil, fault.Wrap("greet "+string(m.Kind)+" "+m.Name, err)
	}
	skew := "unknown"
	if hello.Now != 0 {
		skew = hello.Now.Std().Sub(h.Now()).Round(time.Second).String()
	}
	log.Info("link open", "software", hello.Software, "epoch", hello.Epoch, "skew", skew)
	return &guest{member: *m, hello: hello, stream: stream, epoch: epoch}, nil
}

// welcome answers a member whose link counts from now on, and leaves in g.conf how it goes on.
//
//go:noinline
func (h *Hub) welcome(ctx context.Context, g *guest) error {
	m, hello, stream, epoch, mine, older := g.member, &g.hello, g.stream, g.epoch, g.mine, g.older
	h.Heard(m)
	sink := h.sink(m)
	// The member's older link, if any, was told to go. What it still has under way must not come behind
	// what this one brings: Transform would put an older body over a newer one. That one is waited for
	// even where this one is itself told to go, since a third waits for this one alone.
	<-older
	held, err := sink.Held(ctx)
	if err != nil {
		_ = wire.WriteFault(stream, err)
		return err
	}
	_ = stream.SetDeadline(time.Now().Add(h.HelloTimeout))
	err = wire.WriteFrame(stream, wire.TypeWelcome, wire.Welcome{
		MinVersion: hello.MaxVersion, MaxVersion: hello.MaxVersion,
		Node: h.Self, Name: h.Name, Software: h.Software, Epoch: epoch, Held: held, Now: model.TimeOf(h.Now()),
		Begun: h.spool.Begun(m.ID, hello.Epoch, held),
		Heard: int64(h.Hearing / time.Second), Report: int64(h.Report / time.Second),
	})
	if err != nil {
		return err
	}
	_ = stream.SetDeadline(time.Time{})
	g.conf = &exchange.Config{
		Source: &directives{Hub: h, to: m.ID, epoch: epoch, mine: mine}, Sink: sink,
		PeerEpoch: hello.Epoch, PeerHeld: hello.Held, PeerBegun: hello.Begun,
		Version: hello.MaxVersion, Spool: h.spool, Origin: m.ID, Budget: h.budget,
		Heard: func() { h.heard(mine, m) },
		Log:   h.Log.With("member", m.Name), Keepalive: h.Keepalive, Silence: h.Silence,
	}
	return nil
}
