package link

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// Many more dial at once than the server greets: each waits its turn, none that speaks is thrown out to make room,
// and no more are worked on at once than may be.
func TestAStormIsGreetedInTurn(t *testing.T) {
	const dials, room = 96, 8
	a := newAuthority(t)
	conf := a.present(nil)
	conf.MaxPending, conf.MaxComputing = room, 2
	var now, most atomic.Int64
	given := conf.Certificate
	conf.Certificate = func(proto string) (*tls.Certificate, error) { // in the midst of the work
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		sum := sha256.Sum256(nil)
		for range 2000 { // the work
			sum = sha256.Sum256(sum[:])
		}
		return given(proto)
	}
	s := serve(t, conf, func(s *Server) {
		l := s.Listen(ProtoEnroll)
		var taking sync.WaitGroup
		taking.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Write([]byte("in"))
				c.Close()
			}
		})
		t.Cleanup(func() { s.Close(); taking.Wait() })
	})
	var storm sync.WaitGroup
	var failed atomic.Int64
	d := a.dial(t)
	for range dials {
		storm.Go(func() {
			c, err := DialConn(t.Context(), s.Addr().String(), d)
			if err == nil {
				_, err = c.Read(make([]byte, 2)) // what the server says when it has seen the client's key
				c.Close()
			}
			if err != nil {
				failed.Add(1)
				t.Log(err)
			}
		})
	}
	storm.Wait()
	if failed.Load() > 0 || most.Load() > 2 {
		t.Errorf("%d of %d dials failed; %d handshakes were worked on at once", failed.Load(), dials, most.Load())
	}
}

// Who comes when a server has all the links that it can hold is told to come back, and when; the server stays free
// for everything else.
func TestFullServerSaysWhenToComeBack(t *testing.T) {
	a := newAuthority(t)
	var l net.Listener
	s := serve(t, a.present(nil), func(s *Server) { l = s.Listen(ProtoLink) })
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	in := make(chan struct{}, 8)
	running.Go(func() {
		admit := AcceptConfig{Admit: func(context.Context, Peer) error { return nil }}
		_ = Sessions(ctx, l, 2, admit, func(ctx context.Context, s *Session) {
			in <- struct{}{}
			<-s.Done()
		})
	})
	defer running.Wait()
	defer stop()
	d := a.dial(t)
	d.Proto = ""
	var held []*Session
	for range 2 {
		x, err := Dial(t.Context(), s.Addr().String(), d)
		if err != nil {
			t.Fatal(err)
		}
		<-in
		held = append(held, x)
	}
	for range maxRefusing + 2 { // more than are refused at once
		_, err := Dial(t.Context(), s.Addr().String(), d)
		if after, ok := fault.RetryAfter(err); !fault.Is(err, fault.Busy) || !ok || after != fullWait {
			t.Fatalf("the third link: %v, retry after %v", err, after)
		}
	}
	held[0].Close()
	for {
		x, err := Dial(t.Context(), s.Addr().String(), d)
		if err == nil {
			x.Close()
			break
		}
		if !fault.Is(err, fault.Busy) {
			t.Fatal(err)
		}
	}
	held[1].Close()
}

// A refusal reads the same for a dialler that knows nothing of delays, and for one that does.
func TestVerdictSaysWhenToTryAgain(t *testing.T) {
	var later, plain countedBytes
	refusal := fault.New(fault.Busy, "", "come later")
	if err := errors.Join(writeVerdict(&later, fault.Later(refusal, 90*time.Second)), writeVerdict(&plain, refusal)); err != nil {
		t.Fatal(err)
	}
	if n := len(plain); string(later[:n]) != string(plain) || len(later) != n+4 {
		t.Errorf("with a delay it is %q, without %q", later, plain)
	}
	for want, b := range map[time.Duration]countedBytes{90 * time.Second: later, 0: plain} {
		err := readVerdict(&b)
		if after, _ := fault.RetryAfter(err); !fault.Is(err, fault.Busy) || err.Error() != "come later" || after != want {
			t.Errorf("got %v after %v, want %v", err, after, want)
		}
	}
}

// countedBytes is a buffer that can be read once more.
type countedBytes []byte

func (b *countedBytes) Write(p []byte) (int, error) { *b = append(*b, p...); return len(p), nil }

func (b *countedBytes) Read(p []byte) (int, error) {
	if len(*b) == 0 {
		return 0, net.ErrClosed
	}
	n := copy(p, *b)
	*b = (*b)[n:]
	return n, nil
}
