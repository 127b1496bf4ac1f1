package peer

import (
	"context"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// Serve answers what the node from asks over s, which it takes over, until the session ends, ctx ends or
// the Mesh is closed. The error says why the session ended, and is never nil.
func (m *Mesh) Serve(ctx context.Context, s Session, from string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(m.ctx, func() { cancel(errClosed) })()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.Close()
	alive := newPulse()
	wg.Go(func() { cancel(m.watch(ctx, s, alive)) })
	slots := make(chan struct{}, maxServed)
	for {
		conn, err := s.Accept(ctx)
		if err != nil {
			if ctx.Err() == nil {
				cancel(err)
			}
			return fault.Wrap("serve controller "+from, context.Cause(ctx))
		}
		alive.feel()
		p := newPipe(conn, alive, m.stall)
		select {
		case slots <- struct{}{}:
		default:
			wg.Go(func() {
				defer conn.Close()
				_ = p.finish(fault.New(fault.Busy, "", "%d questions of this node are being answered; ask again later", maxServed))
			})
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			defer conn.Close()
			m.serve(ctx, p, from)
		})
	}
}

// serve answers one stream.
func (m *Mesh) serve(ctx context.Context, p *pipe, from string) {
	stop := context.AfterFunc(ctx, func() { _ = p.Conn.Close() })
	defer stop()
	_ = p.SetReadDeadline(time.Now().Add(headTime))
	h, err := readHead(p.raw())
	if err != nil {
		m.log.Debug("a question could not be read", "from", from, "err", err)
		_ = p.finish(err)
		return
	}
	if h.kind == kindBeat {
		if self, err := readBody(p.raw(), min(h.size, largeBody)); err == nil {
			_ = p.SetReadDeadline(time.Time{})
			m.log.Debug("session of another controller", "from", from, "calls_itself", fault.Printable(fault.Clip(string(self), 64)))
			m.beats(ctx, p)
		}
		return
	}
	r, ok := m.find(h.route)
	if !ok || (r.handle != nil) != (h.kind == kindCall) {
		_ = p.finish(fault.New(fault.Version, "", "this controller does not know the route %q: it runs another version of Skerry; upgrade the older one", h.route))
		return
	}
	limit := m.stall
	if h.wait > 0 {
		limit = h.wait
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	if h.size > largeBody {
		if err := m.held.Acquire(ctx, int64(h.size)); err != nil {
			_ = p.finish(fault.New(fault.Busy, "", "this controller is answering many large questions; ask again later"))
			return
		}
		defer m.held.Release(int64(h.size))
	}
	_ = p.SetReadDeadline(time.Now().Add(limit))
	body, err := readBody(p.raw(), h.size)
	if err != nil {
		_ = p.finish(err)
		return
	}
	_ = p.SetReadDeadline(time.Time{})
	ctx = context.WithValue(ctx, routeKey{}, h.route)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if h.kind == kindStream && p.send(appendPiece(nil, pieceOpen, nil)) != nil {
		return
	}
	p.lookAhead(func() { cancel(fault.New(fault.Unreachable, "", "the controller that asked has gone")) })
	defer p.lookBack()
	if h.kind == kindStream {
		_ = p.finish(r.stream(ctx, from, body, p))
		return
	}
	if end, ok := ctx.Deadline(); ok { // nobody waits for the answer beyond it
		_ = p.SetWriteDeadline(end)
	}
	answer, err := r.handle(ctx, from, body)
	switch {
	case err == nil && len(answer) > MaxBody:
		err = fault.New(fault.TooLarge, "", "the answer has %d bytes; the limit is %d", len(answer), MaxBody)
	case err == nil:
		if _, err := p.Write(answer); err != nil {
			m.log.Debug("an answer was not taken", "route", h.route, "to", from, "err", err)
			return
		}
	case ctx.Err() != nil && fault.KindOf(err) == fault.Other:
		err = fault.New(fault.Unreachable, "", "the answer was not there in time: %w", err)
	}
	_ = p.finish(err)
}
