package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/link"
)

// group makes the nodes of one test: real identities of one authority, and mutual TLS between them.
type group struct {
	t  testing.TB
	ca *enroll.CA
	n  byte

	mu    sync.Mutex
	names map[string]string // pin -> id
}

func newGroup(t testing.TB) *group {
	t.Helper()
	ca, err := enroll.OpenCA(t.TempDir(), "test", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &group{t: t, ca: ca, names: map[string]string{}}
}

// node is a Mesh behind a port.
type node struct {
	*Mesh
	id    enroll.Node
	name  string
	addr  string
	dials atomic.Int64

	cancel context.CancelFunc
	wg     sync.WaitGroup
	served chan error // why sessions ended
}

// identity makes a node that serves nothing yet.
func (g *group) identity(name string) *node {
	g.t.Helper()
	g.n++
	id, err := enroll.FoundNode(g.t.TempDir(), g.ca, enroll.Founding{Member: model.NodeID{g.n}, Group: model.NodeID{0xee}, Name: name})
	if err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	g.names[id.Pin()] = name
	g.mu.Unlock()
	return &node{id: id, name: name, served: make(chan error, 100)}
}

func (n *node) mesh() {
	n.Mesh = New(Config{Self: n.name, Dial: func(ctx context.Context, addr string) (Session, error) {
		n.dials.Add(1)
		s, err := link.Dial(ctx, addr, n.id.DialNode(link.ProtoPeer, nil))
		if err != nil {
			return nil, err // not a nil *link.Session in an interface
		}
		return s, nil
	}})
}

// node makes a node and starts it on a port of its own; prepare registers what it serves.
func (g *group) node(name string, prepare func(*Mesh)) *node {
	g.t.Helper()
	n := g.identity(name)
	n.mesh()
	if prepare != nil {
		prepare(n.Mesh)
	}
	g.start(n, "127.0.0.1:0")
	return n
}

func (g *group) start(n *node, addr string) {
	g.t.Helper()
	tcp, err := net.Listen("tcp", addr)
	if err != nil {
		g.t.Fatal(err)
	}
	n.addr = tcp.Addr().String()
	cert := n.id.Certificate()
	s, err := link.NewServer(tcp, link.ServerConfig{Certificate: func(string) (*tls.Certificate, error) { return &cert, nil }})
	if err != nil {
		g.t.Fatal(err)
	}
	l := s.Listen(link.ProtoPeer)
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	m := n.Mesh
	n.wg.Go(func() { _ = s.Run(ctx) })
	n.wg.Go(func() {
		admit := link.AcceptConfig{Admit: func(_ context.Context, p link.Peer) error {
			if g.who(p.Pin) == "" {
				return fault.New(fault.Denied, "", "nobody here has that key")
			}
			return nil
		}}
		_ = link.Sessions(ctx, l, 100, admit, func(ctx context.Context, s *link.Session) {
			select {
			case n.served <- m.Serve(ctx, s, g.who(s.Peer().Pin)):
			default:
			}
		})
	})
	g.t.Cleanup(n.stop)
}

func (g *group) who(pin string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.names[pin]
}

func (n *node) stop() {
	n.cancel()
	n.wg.Wait()
	if err := n.Mesh.Close(); err != nil {
		panic(err)
	}
}

func echo(_ context.Context, from string, body []byte) ([]byte, error) {
	return append([]byte(from+":"), body...), nil
}

func TestCall(t *testing.T) {
	g := newGroup(t)
	b := g.node("b", func(m *Mesh) {
		m.Handle("echo", echo)
		m.Handle("raft/", func(ctx context.Context, _ string, _ []byte) ([]byte, error) { return []byte(Route(ctx)), nil })
		m.Handle("raft/propose", func(context.Context, string, []byte) ([]byte, error) { return []byte("its own"), nil })
		m.HandleStream("stream", func(_ context.Context, _ string, _ []byte, s net.Conn) error { return nil })
		m.Handle("fail/", func(ctx context.Context, _ string, body []byte) ([]byte, error) {
			var kind fault.Kind
			for k := range fault.Kind(14) {
				if strings.HasSuffix(Route(ctx), "/"+k.String()) {
					kind = k
				}
			}
			return []byte("lost"), fault.New(kind, "do it", "%s", body)
		})
		m.Handle("large", func(context.Context, string, []byte) ([]byte, error) { return make([]byte, MaxBody+1), nil })
	})
	a := g.node("a", nil)
	for _, size := range []int{0, 1, 4096, maxPiece, maxPiece + 1, largeBody * 3, MaxBody - 2} {
		body := bytes.Repeat([]byte{'x', 'y', 'z'}, size/3+1)[:size]
		got, err := a.Call(t.Context(), b.addr, "echo", body)
		if err != nil || sha256.Sum256(got) != sha256.Sum256(append([]byte("a:"), body...)) {
			t.Fatalf("%d bytes: %d came back, %v", size, len(got), err)
		}
	}
	for route, want := range map[string]string{"raft/status": "raft/status", "raft/x/y": "raft/x/y", "raft/propose": "its own"} {
		if got, err := a.Call(t.Context(), b.addr, route, nil); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", route, got, err)
		}
	}
	for k := range fault.Kind(14) {
		_, err := a.Call(t.Context(), b.addr, "fail/"+k.String(), []byte(`site "oslo" is – said to be – gone`))
		if fault.KindOf(err) != k || err == nil || err.Error() != `do it: site "oslo" is – said to be – gone` {
			t.Errorf("%s: kind %s: %v", k, fault.KindOf(err), err)
		}
	}
	if _, err := a.Call(t.Context(), b.addr, "fail/denied", []byte("\x1b[2J\nno")); err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
		t.Errorf("a text with control characters: %q", err)
	}
	if _, err := a.Call(t.Context(), b.addr, "fail/denied", bytes.Repeat([]byte("ä"), 1<<16)); !fault.Is(err, fault.Denied) || len(err.Error()) > maxText {
		t.Errorf("a long text: %s, %d bytes", fault.KindOf(err), len(err.Error()))
	}
	for route, want := range map[string]fault.Kind{
		"unknown": fault.Version, "raft": fault.Version, "raft/": fault.Version, "stream": fault.Version, "": fault.Invalid, "Raft/x": fault.Invalid,
		strings.Repeat("a", 65): fault.Invalid, "large": fault.TooLarge,
	} {
		if _, err := a.Call(t.Context(), b.addr, route, nil); !fault.Is(err, want) {
			t.Errorf("route %q: kind %s: %v", route, fault.KindOf(err), err)
		}
	}
	if _, err := a.Call(t.Context(), b.addr, "echo", make([]byte, MaxBody+1)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a large body: %v", err)
	}
	if _, err := a.Call(t.Context(), b.addr, "echo", make([]byte, MaxBody)); !fault.Is(err, fault.TooLarge) { // with the "a:" in front
		t.Errorf("a large answer: %v", err)
	}
	if n := a.dials.Load(); n != 1 {
		t.Errorf("it dialled %d times", n)
	}
	if got, err := b.Call(t.Context(), a.addr, "echo", nil); !fault.Is(err, fault.Version) {
		t.Errorf("the other way: %q, %v", got, err)
	}
}

func TestRoutesThatCannotBe(t *testing.T) {
	for _, names := range [][]string{{"a", "a"}, {""}, {"A"}, {"a b"}, {strings.Repeat("x", 65)}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q was taken", names)
				}
			}()
			m := New(Config{})
			for _, n := range names {
				m.Handle(n, echo)
			}
		}()
	}
}

// Many calls in both directions at once share one session each way.
func TestManyCalls(t *testing.T) {
	g := newGroup(t)
	serve := func(m *Mesh) { m.Handle("echo", echo) }
	a, b := g.node("a", serve), g.node("b", serve)
	var wg sync.WaitGroup
	for i := range 50 {
		for _, pair := range [][2]*node{{a, b}, {b, a}} {
			wg.Go(func() {
				for j := range 20 {
					body := fmt.Appendf(nil, "%d-%d", i, j)
					got, err := pair[0].Call(t.Context(), pair[1].addr, "echo", body)
					if err != nil || string(got) != pair[0].name+":"+string(body) {
						t.Errorf("%q, %v", got, err)
					}
				}
			})
		}
	}
	wg.Wait()
	if a.dials.Load() != 1 || b.dials.Load() != 1 {
		t.Errorf("they dialled %d and %d times", a.dials.Load(), b.dials.Load())
	}
}

// Whoever gives up is noticed by the Handler, and how long the asker waits is known to it.
func TestGivingUp(t *testing.T) {
	g := newGroup(t)
	started, ended := make(chan time.Duration, 1), make(chan error, 1)
	b := g.node("b", func(m *Mesh) {
		m.Handle("wait", func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			end, _ := ctx.Deadline()
			started <- time.Until(end)
			<-ctx.Done()
			ended <- context.Cause(ctx)
			return nil, context.Cause(ctx)
		})
	})
	a := g.node("a", nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		if left := <-started; left <= 0 || left > DefaultTimeout {
			t.Errorf("without a deadline, the handler has %s", left)
		}
		cancel(errors.New("the operator pressed Ctrl-C"))
	}()
	_, err := a.Call(ctx, b.addr, "wait", nil)
	if !fault.Is(err, fault.Unreachable) || !errors.Is(err, context.Cause(ctx)) || !strings.Contains(err.Error(), "Ctrl-C") {
		t.Errorf("got %v", err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("the handler's context ended with %v", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	_, err = a.Call(ctx, b.addr, "wait", nil)
	if !fault.Is(err, fault.Unreachable) || !strings.Contains(err.Error(), "in time") {
		t.Errorf("got kind %s: %v", fault.KindOf(err), err)
	}
	if left := <-started; left > 50*time.Millisecond {
		t.Errorf("the handler has %s of 50 ms", left)
	}
	<-ended
	if a.dials.Load() != 1 {
		t.Error("giving up cost the session")
	}
}

// halfClose is what a stream has beside net.Conn.
type halfClose interface{ CloseWrite() error }

func TestStream(t *testing.T) {
	g := newGroup(t)
	seen := make(chan error, 10)
	b := g.node("b", func(m *Mesh) {
		m.HandleStream("hash", func(_ context.Context, from string, body []byte, s net.Conn) error {
			h := sha256.New()
			_, err := io.Copy(h, s)
			seen <- err
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(s, "%s %s %x", from, body, h.Sum(nil))
			return err
		})
		m.HandleStream("give/", func(ctx context.Context, _ string, _ []byte, s net.Conn) error {
			block := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
			for range 20 {
				if _, err := s.Write(block); err != nil {
					seen <- err
					return err
				}
			}
			if Route(ctx) == "give/broken" {
				return fault.New(fault.Corrupt, "read file", "rows.3 is damaged")
			}
			return nil
		})
		m.Handle("call", echo)
	})
	a := g.node("a", nil)
	open := func(route string) net.Conn {
		t.Helper()
		s, err := a.Stream(t.Context(), b.addr, route, []byte("say"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	up := open("hash")
	data := bytes.Repeat([]byte("abc"), 1<<20)
	if n, err := up.Write(data); n != len(data) || err != nil {
		t.Fatal(n, err)
	}
	if err := up.(halfClose).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := up.Write([]byte("x")); err == nil {
		t.Error("it goes on after its end")
	}
	got, err := io.ReadAll(up)
	if want := fmt.Sprintf("a say %x", sha256.Sum256(data)); err != nil || string(got) != want || <-seen != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}

	if n, err := io.Copy(io.Discard, open("give/whole")); n != 3_200_000 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	n, err := io.Copy(io.Discard, open("give/broken"))
	if n != 3_200_000 || !fault.Is(err, fault.Corrupt) || err.Error() != "read file: rows.3 is damaged" {
		t.Errorf("%d bytes, then %v", n, err)
	}

	// Leaving in the middle is no proper end, for either side.
	up = open("hash")
	if _, err := up.Write(data[:1000]); err != nil {
		t.Fatal(err)
	}
	up.Close()
	if err := <-seen; err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the other side saw %v", err)
	}
	open("give/whole").Close()
	if err := <-seen; !fault.Is(err, fault.Unreachable) {
		t.Errorf("the giver saw %v", err)
	}

	for route, want := range map[string]fault.Kind{"unknown": fault.Version, "call": fault.Version, "X": fault.Invalid} {
		if s, err := a.Stream(t.Context(), b.addr, route, nil); !fault.Is(err, want) || s != nil {
			t.Errorf("%s: %v", route, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Stream(ctx, b.addr, "hash", nil); !fault.Is(err, fault.Unreachable) {
		t.Errorf("cancelled: %v", err)
	}
}

// A deadline of a stream's reader or writer is its own affair: reading goes on where it stopped.
func TestStreamDeadlines(t *testing.T) {
	g := newGroup(t)
	more := make(chan struct{})
	b := g.node("b", func(m *Mesh) {
		m.HandleStream("drip", func(_ context.Context, _ string, _ []byte, s net.Conn) error {
			for range 2 {
				<-more
				if _, err := s.Write([]byte("drop")); err != nil {
					return err
				}
			}
			return nil
		})
	})
	a := g.node("a", nil)
	s, err := a.Stream(t.Context(), b.addr, "drip", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		if err := s.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		if _, err := s.Read(make([]byte, 10)); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Fatalf("past the deadline: %v", err)
		}
		if err := s.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		more <- struct{}{}
		if got, err := io.ReadAll(io.LimitReader(s, 4)); err != nil || string(got) != "drop" {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if _, err := s.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if err := s.SetDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(make([]byte, 2<<20)); err == nil {
		t.Error("a write past its deadline went through")
	}
}
