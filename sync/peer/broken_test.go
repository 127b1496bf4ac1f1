package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// relay is a road between two nodes that can be blocked: what is on it stays there, and nobody is told.
type relay struct {
	l      net.Listener
	to     string
	mu     sync.Mutex
	gate   chan struct{} // closed while the road is free
	conns  []net.Conn
	wg     sync.WaitGroup
	closed bool
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{l: l, to: to, gate: make(chan struct{})}
	close(r.gate)
	r.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", r.to)
			if err != nil {
				c.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, c, up)
			if r.closed {
				c.Close()
				up.Close()
			}
			r.mu.Unlock()
			r.wg.Go(func() { r.copy(up, c) })
			r.wg.Go(func() { r.copy(c, up) })
		}
	})
	t.Cleanup(func() { l.Close(); r.cut(); r.free(); r.wg.Wait() })
	return r
}

func (r *relay) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		r.mu.Lock()
		gate := r.gate
		r.mu.Unlock()
		<-gate
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

func (r *relay) block() { r.mu.Lock(); r.gate = make(chan struct{}); r.mu.Unlock() }

func (r *relay) free() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.gate:
	default:
		close(r.gate)
	}
}

// cut ends all connections at once.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

// hang answers never, and says on the channel when it was asked.
func hang(asked chan<- struct{}) Handler {
	return func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		asked <- struct{}{}
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
}

// A road that carries nothing any more is noticed by both ends, in less than five seconds by the values that
// are used in earnest; when it is free again, the next call gets through.
func TestSilence(t *testing.T) {
	t.Parallel()
	g := newGroup(t)
	asked := make(chan struct{}, 1)
	b := g.node("b", func(m *Mesh) { m.Handle("hang", hang(asked)); m.Handle("echo", echo) })
	a := g.node("a", nil)
	r := newRelay(t, b.addr)
	addr := r.l.Addr().String()
	if _, err := a.Call(t.Context(), addr, "echo", nil); err != nil {
		t.Fatal(err)
	}
	called := make(chan error, 1)
	go func() { _, err := a.Call(t.Context(), addr, "hang", nil); called <- err }()
	<-asked
	began := time.Now()
	r.block()
	for _, c := range []chan error{called, b.served} {
		select {
		case err := <-c:
			if !fault.Is(err, fault.Unreachable) {
				t.Errorf("noticed as %v", err)
			}
		case <-time.After(6 * time.Second):
			t.Fatal("the silence was not noticed")
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("noticed after %s", d)
		}
	}
	r.cut()
	r.free()
	if got, err := a.Call(t.Context(), addr, "echo", nil); err != nil || string(got) != "a:" {
		t.Errorf("afterwards: %q, %v", got, err)
	}
}

// What is only slow is not taken for dead: an answer of many seconds, and a road that carries something.
func TestSlowIsNotDead(t *testing.T) {
	g := newGroup(t)
	release := make(chan struct{})
	b := g.identity("b")
	b.mesh()
	b.Mesh.Handle("slow", func(context.Context, string, []byte) ([]byte, error) { <-release; return []byte("done"), nil })
	a := g.identity("a")
	a.mesh()
	for _, m := range []*Mesh{a.Mesh, b.Mesh} {
		m.beat, m.silence = 20*time.Millisecond, 200*time.Millisecond
	}
	g.start(b, "127.0.0.1:0")
	g.start(a, "127.0.0.1:0")
	go func() { time.AfterFunc(600*time.Millisecond, func() { close(release) }) }()
	if got, err := a.Call(t.Context(), b.addr, "slow", nil); err != nil || string(got) != "done" || a.dials.Load() != 1 {
		t.Errorf("%q, %v, %d dials", got, err, a.dials.Load())
	}
}

// A cut in the middle is no end: neither of an answer nor of a stream.
func TestCut(t *testing.T) {
	g := newGroup(t)
	wrote, asked := make(chan struct{}), make(chan struct{}, 1)
	b := g.node("b", func(m *Mesh) {
		m.HandleStream("give", func(ctx context.Context, _ string, _ []byte, s net.Conn) error {
			if _, err := s.Write([]byte("half")); err != nil {
				return err
			}
			close(wrote)
			<-ctx.Done()
			return nil
		})
		m.Handle("hang", hang(asked))
		m.Handle("echo", echo)
	})
	a := g.node("a", nil)
	r := newRelay(t, b.addr)
	addr := r.l.Addr().String()
	s, err := a.Stream(t.Context(), addr, "give", nil)
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan error, 1)
	go func() { _, err := a.Call(t.Context(), addr, "hang", nil); called <- err }()
	<-asked
	<-wrote
	half := make([]byte, 4)
	if _, err := io.ReadFull(s, half); err != nil || string(half) != "half" {
		t.Fatalf("%q, %v", half, err)
	}
	r.cut()
	if _, err := s.Read(half); !fault.Is(err, fault.Unreachable) || errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
	if err := <-called; !fault.Is(err, fault.Unreachable) {
		t.Errorf("the call ended with %v", err)
	}
	for range 10 { // each begins by finding the session gone
		if _, err := a.Call(t.Context(), addr, "echo", nil); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}
	if n := a.dials.Load(); n != 2 {
		t.Errorf("it dialled %d times", n)
	}
}

// A node that is away is reported at once, and found again at its old address.
func TestRedial(t *testing.T) {
	g := newGroup(t)
	b := g.node("b", func(m *Mesh) { m.Handle("echo", echo) })
	a := g.node("a", nil)
	if _, err := a.Call(t.Context(), b.addr, "echo", nil); err != nil {
		t.Fatal(err)
	}
	b.stop()
	before := a.dials.Load()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			began := time.Now()
			if _, err := a.Call(t.Context(), b.addr, "echo", nil); !fault.Is(err, fault.Unreachable) || !strings.Contains(err.Error(), b.addr) {
				t.Errorf("while it is away: %v", err)
			}
			if d := time.Since(began); d > 5*time.Second {
				t.Errorf("it took %s", d)
			}
		})
	}
	wg.Wait()
	if n := a.dials.Load() - before; n < 1 || n > 10 {
		t.Errorf("50 calls dialled %d times", n)
	}
	addr := b.addr
	b.mesh()
	b.Handle("echo", echo)
	g.start(b, addr)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for {
		_, err := a.Call(ctx, addr, "echo", nil)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		select {
		case <-time.After(dialPause): // as any caller would
		case <-ctx.Done():
		}
	}
}

// Who is refused is told so, and by whom.
func TestRefused(t *testing.T) {
	g := newGroup(t)
	b := g.node("b", nil)
	a := g.identity("a")
	a.mesh()
	defer a.Mesh.Close()
	g.mu.Lock()
	delete(g.names, a.id.Pin())
	g.mu.Unlock()
	if _, err := a.Call(t.Context(), b.addr, "echo", nil); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "nobody here has that key") {
		t.Errorf("got %v", err)
	}
}

// One that does not read costs its own stream only.
func TestStalledReader(t *testing.T) {
	g := newGroup(t)
	gave := make(chan error, 1)
	b := g.identity("b")
	b.mesh()
	b.Mesh.stall = 300 * time.Millisecond
	b.HandleStream("flood", func(_ context.Context, _ string, _ []byte, s net.Conn) error {
		_, err := s.Write(make([]byte, 64<<20))
		gave <- err
		return err
	})
	b.Handle("echo", echo)
	g.start(b, "127.0.0.1:0")
	a := g.node("a", nil)
	s, err := a.Stream(t.Context(), b.addr, "flood", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for done := false; !done; {
		if _, err := a.Call(t.Context(), b.addr, "echo", nil); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-gave:
			if !fault.Is(err, fault.Unreachable) {
				t.Errorf("the flood ended with %v", err)
			}
			done = true
		default:
		}
	}
}

// Close ends what is under way, at both ends, and nothing can be asked afterwards.
func TestClose(t *testing.T) {
	g := newGroup(t)
	started := make(chan struct{}, 2)
	b := g.node("b", func(m *Mesh) {
		m.Handle("hang", hang(started))
	})
	a, c := g.node("a", nil), g.node("c", nil)
	calls := make(chan error, 2)
	for _, n := range []*node{a, c} {
		go func() { _, err := n.Call(t.Context(), b.addr, "hang", nil); calls <- err }()
		<-started
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := <-calls; !fault.Is(err, fault.Unreachable) {
		t.Errorf("the asker closed: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := <-calls; !fault.Is(err, fault.Unreachable) {
		t.Errorf("the answerer closed: %v", err)
	}
	if _, err := a.Call(t.Context(), b.addr, "hang", nil); !fault.Is(err, fault.Unreachable) {
		t.Errorf("after Close: %v", err)
	}
}
