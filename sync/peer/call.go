package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// lane is the way to one address. The Mesh's mutex guards it.
type lane struct {
	live    *live    // the session, while it lives
	dialing *attempt // a dial under way, which all wait for that call meanwhile
	failed  error    // of the last dial, until until
	until   time.Time
}

// drop forgets the session, if it is this one or was is nil, and returns it.
func (l *lane) drop(was *live) *live {
	s := l.live
	if was == nil || s == was {
		l.live = nil
	}
	return s
}

type attempt struct {
	done chan struct{}
	live *live
	err  error
}

// live is a session that this end dialled.
type live struct {
	session Session
	alive   *pulse
}

func (s *live) ended() bool {
	select {
	case <-s.session.Done():
		return true
	default:
		return false
	}
}

// Call asks the node at addr and returns its answer, at most MaxBody bytes. An error of the Handler there
// comes back with its kind and text. Every other error says what happened on the way: Unreachable where the
// node cannot be reached, stopped answering or was cut off (the question may have been heard all the same),
// or where ctx ended, whose cause it then wraps; Version where the node does not know the route; TooLarge
// and Invalid for what cannot be sent. Without a deadline in ctx the limit is DefaultTimeout.
func (m *Mesh) Call(ctx context.Context, addr, route string, body []byte) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
	}
	op := "ask controller " + addr + " for " + route
	p, err := m.open(ctx, addr, kindCall, route, body)
	if err != nil {
		return nil, explain(ctx, op, err)
	}
	defer p.Conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = p.Conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	answer, err := io.ReadAll(io.LimitReader(p, MaxBody+1))
	switch {
	case p.said != nil:
		return nil, p.said
	case err != nil:
		return nil, explain(ctx, op, err)
	case len(answer) > MaxBody:
		return nil, fault.New(fault.TooLarge, op, "the answer exceeds the limit of %d bytes", MaxBody)
	}
	return answer, nil
}

// Stream opens a stream to the node at addr, whose Streamer gets body. It returns when the node serves it;
// from then on ctx plays no part. The connection reads io.EOF where the Streamer returned nil, its error
// where it returned one, and any other error where the stream was cut. It has a method CloseWrite() error, which
// ends what this end sends; Close without it is an error at the other end. One goroutine may read and one
// write.
func (m *Mesh) Stream(ctx context.Context, addr, route string, body []byte) (net.Conn, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, DefaultTimeout)
		defer cancel()
	}
	op := "open stream " + route + " to controller " + addr
	p, err := m.open(ctx, addr, kindStream, route, body)
	if err != nil {
		return nil, explain(ctx, op, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = p.Conn.SetDeadline(time.Unix(1, 0)) })
	t, err := p.next()
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil && t != pieceOpen {
		err = fault.New(fault.Corrupt, "", "it began without being opened")
	}
	if err != nil {
		_ = p.Conn.Close()
		if p.said != nil {
			return nil, p.said
		}
		return nil, explain(ctx, op, err)
	}
	return p, nil
}

// explain is the error of the way there. The end of ctx is the cause of whatever it broke off.
func explain(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		return fault.New(fault.Unreachable, op, "no answer came in time: %w", context.Cause(ctx))
	}
	if fault.KindOf(err) == fault.Other {
		return fault.New(fault.Unreachable, op, "%w", err)
	}
	return fault.Wrap(op, err)
}

// open opens a stream on the session to addr and sends the head and the body. Where the session turns out
// to be over before anything was sent, it is dialled once more.
func (m *Mesh) open(ctx context.Context, addr string, k kind, route string, body []byte) (*pipe, error) {
	h := head{kind: k, route: route, size: len(body)}
	if end, ok := ctx.Deadline(); ok && k == kindCall {
		h.wait = max(time.Until(end), time.Millisecond)
	}
	b, err := appendHead(nil, h)
	if err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		s, err := m.session(ctx, addr)
		if err != nil {
			return nil, err
		}
		conn, err := s.session.Open(ctx)
		if err != nil && !again && ctx.Err() == nil && s.ended() {
			continue
		}
		if err != nil {
			return nil, err
		}
		p := newPipe(conn, s.alive, m.stall)
		if err := p.pour(ctx, append(b, body[:min(len(body), maxPiece)]...), body); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return p, nil
	}
}

// pour sends the head with the first part of the body, and then the rest of it.
func (p *pipe) pour(ctx context.Context, first, body []byte) error {
	stop := context.AfterFunc(ctx, func() { _ = p.Conn.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	rest := body[min(len(body), maxPiece):]
	for piece := first; ; {
		// Not the pipe's own sending: there are no pieces yet, and ctx is the limit.
		if _, err := p.Conn.Write(piece); err != nil {
			return fault.New(fault.Unreachable, "", "the question could not be sent whole: %w", err)
		}
		if len(rest) == 0 {
			return nil
		}
		n := min(len(rest), maxPiece)
		piece, rest = rest[:n], rest[n:]
	}
}

// session returns the session to addr, and dials it where there is none.
func (m *Mesh) session(ctx context.Context, addr string) (*live, error) {
	m.mu.Lock()
	if m.ended {
		m.mu.Unlock()
		return nil, errClosed
	}
	l := m.lanes[addr]
	if l == nil {
		l = &lane{}
		m.lanes[addr] = l
	}
	if s := l.live; s != nil && !s.ended() {
		m.mu.Unlock()
		return s, nil
	}
	a := l.dialing
	if a == nil {
		if l.failed != nil && time.Now().Before(l.until) {
			defer m.mu.Unlock()
			return nil, l.failed
		}
		a = &attempt{done: make(chan struct{})}
		l.dialing = a
		m.wg.Go(func() { m.dial(addr, l, a) })
	}
	m.mu.Unlock()
	select {
	case <-a.done:
		return a.live, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// dial dials addr for all who wait, and then keeps the session alive until it ends.
func (m *Mesh) dial(addr string, l *lane, a *attempt) {
	ctx, cancel := context.WithTimeout(m.ctx, dialTime)
	s, err := m.conf.Dial(ctx, addr)
	if err != nil && ctx.Err() != nil && m.ctx.Err() == nil {
		err = fault.New(fault.Unreachable, "", "%s did not answer within %s", addr, dialTime)
	}
	cancel()
	m.mu.Lock()
	l.dialing = nil
	if err == nil && m.ended {
		err = errClosed
		defer s.Close()
	}
	if err != nil {
		l.failed, l.until, a.err = err, time.Now().Add(dialPause), err
	} else {
		l.failed = nil
		a.live = &live{session: s, alive: newPulse()}
		l.live = a.live
	}
	m.mu.Unlock()
	close(a.done)
	if err != nil {
		return
	}
	m.log.Debug("session to another controller opened", "addr", addr)
	err = m.keep(s, a.live.alive)
	m.mu.Lock()
	l.drop(a.live)
	m.mu.Unlock()
	_ = s.Close()
	m.log.Debug("session to another controller ended", "addr", addr, "err", err)
}

// keep beats on a session that this end dialled, and returns why it ended.
func (m *Mesh) keep(s Session, alive *pulse) error {
	ctx, cancel := context.WithCancelCause(m.ctx)
	defer cancel(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := s.Open(ctx)
		if err != nil {
			cancel(err)
			return
		}
		defer conn.Close()
		p := newPipe(conn, alive, m.silence)
		b, err := appendHead(nil, head{kind: kindBeat, route: "beat", size: len(m.conf.Self)})
		if err == nil {
			err = p.pour(ctx, append(b, m.conf.Self...), nil)
		}
		if err == nil {
			m.beats(ctx, p)
			err = fault.New(fault.Unreachable, "", "the other controller ended the session")
		}
		cancel(err)
	}()
	err := m.watch(ctx, s, alive)
	cancel(err)
	_ = s.Close()
	<-done
	return err
}
