package hub

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/health"
	"github.com/skerryhq/skerry/sync/wire"
)

// greet takes the items stream and its Hello. In the Hello it returns both versions are the one
// chosen, and Held is where sending goes on in the epoch of this side, which is returned with it. Whoever is refused is
// told why.
func (h *Hub) greet(ctx context.Context, s exchange.Session, m model.Member) (net.Conn, wire.Hello, model.Epoch, error) {
	ctx, cancel := context.WithTimeout(ctx, h.HelloTimeout)
	defer cancel()
	stream, err := s.Accept(ctx)
	if err != nil {
		return nil, wire.Hello{}, 0, fault.New(fault.Unreachable, "", "no items stream was opened: %w", err)
	}
	_ = stream.SetDeadline(time.Now().Add(h.HelloTimeout))
	stop := context.AfterFunc(ctx, func() { _ = stream.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	hello, err := h.hello(ctx, stream, m)
	var from model.Position
	if err == nil {
		from, err = h.resume(ctx, hello.Held, m)
	}
	if err != nil {
		_ = wire.WriteFault(stream, err)
		stream.Close()
		return nil, hello, 0, err
	}
	hello.Held = from
	return stream, hello, from.Epoch, nil
}

func (h *Hub) hello(ctx context.Context, stream net.Conn, m model.Member) (wire.Hello, error) {
	body, err := wire.Expect(stream, wire.TypeHello, wire.MaxControl)
	if err != nil {
		return wire.Hello{}, err
	}
	hello, err := wire.Decode[wire.Hello](body)
	if err != nil {
		return hello, err
	}
	v, err := wire.Negotiate(hello.MinVersion, hello.MaxVersion, hello.Software)
	if err != nil {
		return hello, err
	}
	hello.MinVersion, hello.MaxVersion = v, v
	if hello.Node != m.ID {
		return hello, fault.New(fault.Denied, "", "the key of %s %q was used by a node that calls itself %s: its identity files are mixed up; enroll it anew",
			m.Kind, m.Name, hello.Node)
	}
	if !m.Kind.Agent() && (hello.Run != "" || hello.Can != nil) {
		return hello, fault.New(fault.Denied, "", "the key of %s %q was used by an agent: stop that agent, and give it a data folder of its own", m.Kind, m.Name)
	}
	if h.Fresh != nil {
		if err := h.Fresh(ctx); err != nil {
			return hello, err
		}
	}
	held, err := h.Reader.Watermark(m.ID)
	if err != nil {
		return hello, err
	}
	if held.Epoch > hello.Epoch {
		return hello, fault.New(fault.Conflict, "", "%s %q comes in epoch %d, but items of its epoch %d are held here already: an older copy of it is running; %s",
			m.Kind, m.Name, hello.Epoch, held.Epoch, exchange.Remedy)
	}
	return hello, nil
}

// resume returns where sending to a member goes on, in the epoch of this side. It refuses a member that holds
// directives which this store never numbered: then this store was put back from a copy and kept its epoch, and what it
// sends would be taken for old. That is kept in the rows, because the numbers here come past those of the member
// sooner or later.
func (h *Hub) resume(ctx context.Context, held model.Position, m model.Member) (model.Position, error) {
	epoch := h.Epoch()
	if epoch == 0 {
		return model.Position{}, fault.New(fault.Unreachable, "", "this server cannot read its own rows now; try again in a moment")
	}
	if h.Member != nil {
		now, ok, err := h.Member(m.ID)
		if err != nil {
			return model.Position{}, err
		}
		if ok {
			m = now
		}
	}
	if m.Ahead.Epoch == epoch {
		return model.Position{}, overtaken(m, m.Ahead)
	}
	if held.Epoch > epoch {
		return model.Position{}, fault.New(fault.Conflict, "", "%s %q holds directives of epoch %d, and %q is in epoch %d: it was restored or replaced since, and this server is an older copy of it; stop this one for good",
			m.Kind, m.Name, held.Epoch, h.Name, epoch)
	}
	var from model.Seq // in an epoch that the member knows nothing of, from the beginning
	if held.Epoch == epoch {
		from = held.Seq
	}
	// What a member held that was ahead says nothing: it may lack what an older copy of this store sent under those numbers.
	if h.Continues && held.Epoch < epoch && held.Epoch > m.Ahead.Epoch {
		from = held.Seq
	}
	at := model.Position{Epoch: epoch, Seq: from}
	if from == 0 {
		return at, nil
	}
	// Nothing is addressed to this server itself, so that through is the newest number given.
	_, head, err := h.Reader.Directives(h.Self, 0, 1, 1, false)
	if err != nil || from <= head {
		return at, err
	}
	err = h.Proposer.Propose(ctx, model.Overtaken{Stamp: model.Stamp{Actor: "system", At: model.TimeOf(h.Now())}, Member: m.ID, Held: at})
	if err != nil {
		return model.Position{}, err
	}
	return model.Position{}, overtaken(m, at)
}

func overtaken(m model.Member, held model.Position) error {
	return fault.New(fault.Conflict, "", "%s %q holds directive %d of epoch %d, which this server had never sent: this server runs from an older copy of its data and needs a new epoch. "+
		"At a controller, back it up and restore that backup (`skerry cluster backup`, `skerry cluster restore`); at a site, stop it and run `skerry site rebuild` that names its outbox",
		m.Kind, m.Name, held.Seq, held.Epoch)
}

// sink proposes what comes up from m.
func (h *Hub) sink(m model.Member) *exchange.Received {
	actor := "agent:" + m.ID.String()
	if m.Kind == model.MemberSite {
		actor = "site:" + m.ID.String()
	}
	r := &exchange.Received{
		Origin: m.ID, Actor: actor, Watermark: h.Reader.Watermark, Propose: h.Proposer.Propose, Now: h.Now,
	}
	if h.Transform != nil {
		r.Prepare = func(ctx context.Context, items []model.Item) ([]model.Item, []model.Change, error) {
			return h.Transform(ctx, m, items)
		}
	}
	if h.Accepted != nil {
		r.Accepted = func(items []model.Item) { h.Accepted(m, items) }
	}
	return r
}

// enter makes s the link of g.member, in g.mine. An older one is told why it has to go; the channel is closed when
// that one has ended.
//
//go:noinline
func (h *Hub) enter(g *guest, s exchange.Session, end context.CancelCauseFunc) (older <-chan struct{}) {
	m, hello := &g.member, &g.hello
	mine := &entry{name: m.Name, sess: s, end: end, gone: make(chan struct{}), run: hello.Run, machine: hello.Machine, state: LinkState{
		Up: true, Since: h.Now(), Remote: s.Peer().Remote, Software: hello.Software,
	}}
	g.mine = mine
	h.mu.Lock()
	defer h.mu.Unlock()
	mine.judge = new(health.Judge)
	mine.heard.Store(h.Now().UnixNano())
	old := h.links[m.ID]
	h.links[m.ID] = mine
	if old != nil {
		mine.judge, mine.breaks = old.judge, slices.Clone(old.breaks)
		if old.state.Up { // its other end came back before this one noticed
			mine.brokeLocked(h.Now())
		}
	}
	if old == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	if old.end != nil {
		old.end(fault.New(fault.Conflict, "", "a newer link of the same member came from %s", mine.state.Remote))
	}
	return old.gone
}

// leave marks the member's link as down, unless a newer one took its place.
func (h *Hub) leave(id model.NodeID, e *entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.sess, e.end, e.sent = nil, nil, nil
	close(e.gone)
	if h.links[id] == e {
		e.state.Up, e.state.Since = false, h.Now()
		e.brokeLocked(h.Now())
	}
}

func (e *entry) brokeLocked(now time.Time) {
	if len(e.breaks) == maxBreaks {
		e.breaks = e.breaks[1:]
	}
	e.breaks = append(e.breaks, now)
}
