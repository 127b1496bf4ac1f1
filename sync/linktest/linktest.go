// Package linktest is a link in memory, for tests: a pair of sessions with streams, as sync/link makes
// them, whose faults are chosen by the test and repeat from a seed.
//
// It owns nothing but bytes in flight. It is never part of a program.
package linktest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/exchange"
)

// Faults says what goes wrong on a link. The zero value is a perfect one.
type Faults struct {
	// CutAfter is how many bytes get through, both directions and all streams together, before the link
	// is cut: in the middle of a frame, and with what was not read yet lost. Zero: it is not cut.
	CutAfter int64
	// MaxDelay is the longest time a write takes.
	MaxDelay time.Duration
	// Rand chooses the delays and the sizes of reads. Nil: no delay, and reads as large as they can be.
	Rand *rand.Rand
}

// ErrCut is what every call returns once the link is cut.
var ErrCut = errors.New("linktest: the link was cut")

// Session is one end of a link. It satisfies exchange.Session.
type Session struct {
	link   *link
	other  *Session
	peer   exchange.Peer
	accept chan net.Conn
}

// link is what both ends share.
type link struct {
	faults Faults
	mu     sync.Mutex // guards faults.Rand and streams
	rest   atomic.Int64
	done   chan struct{}
	once   sync.Once
	cut    atomic.Bool
	open   []*conn
}

// Pair returns the two ends of a new link. Each is told the other's pin.
func Pair(diallerPin, acceptorPin string, f Faults) (dialler, acceptor *Session) {
	l := &link{faults: f, done: make(chan struct{})}
	l.rest.Store(f.CutAfter)
	dialler = &Session{link: l, peer: exchange.Peer{Pin: acceptorPin, Remote: "memory:upper"}, accept: make(chan net.Conn, 64)}
	acceptor = &Session{link: l, peer: exchange.Peer{Pin: diallerPin, Remote: "memory:lower"}, accept: make(chan net.Conn, 64)}
	dialler.other, acceptor.other = acceptor, dialler
	return dialler, acceptor
}

// Peer implements exchange.Session.
func (s *Session) Peer() exchange.Peer { return s.peer }

// Done implements exchange.Session.
func (s *Session) Done() <-chan struct{} { return s.link.done }

// Close ends the link in good order: what was written can still be read.
func (s *Session) Close() error { s.link.end(false); return nil }

// Cut ends the link at once.
func (s *Session) Cut() { s.link.end(true) }

// Open implements exchange.Session.
func (s *Session) Open(ctx context.Context) (net.Conn, error) {
	mine, theirs := s.link.pipe()
	select {
	case s.other.accept <- theirs:
		return mine, nil
	case <-s.link.done:
		return nil, s.link.ended()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept implements exchange.Session.
func (s *Session) Accept(ctx context.Context) (net.Conn, error) {
	select {
	case c := <-s.accept:
		return c, nil
	case <-s.link.done:
		return nil, s.link.ended()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *link) ended() error {
	if l.cut.Load() {
		return fault.New(fault.Unreachable, "", "%w", ErrCut)
	}
	return fault.New(fault.Unreachable, "", "the session was closed")
}

// end closes every stream, once.
func (l *link) end(cut bool) {
	l.once.Do(func() {
		l.cut.Store(cut)
		close(l.done)
		l.mu.Lock()
		open := l.open // one that is opened from here on sees done
		l.mu.Unlock()
		// Not under the lock: a reader holds its half while it asks for a size.
		for _, c := range open {
			c.in.end(cut)
			c.out.end(cut)
		}
	})
}

// take returns how many of n bytes may still pass.
func (l *link) take(n int) (allowed int, cut bool) {
	if l.faults.CutAfter == 0 {
		return n, false
	}
	rest := l.rest.Add(-int64(n))
	if rest >= 0 {
		return n, false
	}
	return max(0, n+int(rest)), true
}

func (l *link) delay() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults.Rand == nil || l.faults.MaxDelay == 0 {
		return 0
	}
	return time.Duration(l.faults.Rand.Int64N(int64(l.faults.MaxDelay)))
}

func (l *link) size(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults.Rand == nil || n < 2 {
		return n
	}
	return 1 + l.faults.Rand.IntN(n)
}

// pipe returns the two ends of a new stream.
func (l *link) pipe() (a, b *conn) {
	x, y := newHalf(), newHalf()
	a, b = &conn{link: l, in: x, out: y}, &conn{link: l, in: y, out: x}
	l.mu.Lock()
	l.open = append(l.open, a, b)
	l.mu.Unlock()
	select {
	case <-l.done: // it ended meanwhile
		x.end(l.cut.Load())
		y.end(l.cut.Load())
	default:
	}
	return a, b
}
