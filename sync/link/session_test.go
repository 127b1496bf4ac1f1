package link

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// pair returns both ends of a session over TCP and TLS.
func pair(t *testing.T) (lower, upper *Session) {
	t.Helper()
	a := newAuthority(t)
	var l net.Listener
	s := serve(t, a.present(nil), func(s *Server) { l = s.Listen(ProtoLink) })
	cert, pin := member(t)
	type result struct {
		s   *Session
		err error
	}
	accepted := make(chan result, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			accepted <- result{nil, err}
			return
		}
		s, err := Accept(context.Background(), conn, AcceptConfig{Admit: func(_ context.Context, p Peer) error {
			if p.Pin != pin {
				return fault.New(fault.Denied, "", "pin %s, want %s", p.Pin, pin)
			}
			return nil
		}})
		accepted <- result{s, err}
	}()
	conf := a.dial(t)
	conf.Cert, conf.Proto = cert, ""
	lower, err := Dial(t.Context(), s.Addr().String(), conf)
	if err != nil {
		t.Fatal(err)
	}
	r := <-accepted
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { lower.Close(); r.s.Close() })
	if r.s.Peer().Pin != pin || r.s.Peer().Remote == "" || lower.Peer().Remote != s.Addr().String() {
		t.Fatalf("peers are %+v and %+v", lower.Peer(), r.s.Peer())
	}
	return lower, r.s
}

// Streams open in both directions at once, and carry what is written, in order.
func TestStreams(t *testing.T) {
	lower, upper := pair(t)
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, dir := range [][2]*Session{{lower, upper}, {upper, lower}} {
		wg.Go(func() {
			for range 20 {
				c, err := dir[1].Accept(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				wg.Go(func() { io.Copy(c, c); c.Close() })
			}
		})
		for i := range 20 {
			wg.Go(func() {
				c, err := dir[0].Open(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				want := bytes.Repeat([]byte{byte(i)}, 300<<10) // more than the first window
				go func() { c.Write(want) }()
				got := make([]byte, len(want))
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("stream %d: echo differs, %v", i, err)
				}
			})
		}
	}
}

// A member whom Admit refuses gets the kind and the text, and no session; so does one whose key is
// not the one that was expected.
func TestAdmit(t *testing.T) {
	a := newAuthority(t)
	var l net.Listener
	s := serve(t, a.present(nil), func(s *Server) { l = s.Listen(ProtoLink) })
	known, pin := member(t)
	refused := make(chan error, 1)
	go Sessions(t.Context(), l, 4, AcceptConfig{Admit: func(_ context.Context, p Peer) error {
		if p.Pin == pin {
			return nil
		}
		err := fault.New(fault.Denied, "admit", "no member here has the key %s…: enroll again\x1b[2J", p.Pin[:8])
		refused <- err
		return err
	}}, func(ctx context.Context, s *Session) { <-s.Done() })

	conf := a.dial(t) // a fresh key
	conf.Proto = ProtoLink
	_, err := Dial(t.Context(), s.Addr().String(), conf)
	if !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "refused this member: admit: no member here has the key") {
		t.Errorf("got %v", err)
	}
	if strings.ContainsRune(fmt.Sprint(err), '\x1b') {
		t.Error("a control sequence came through")
	}
	select {
	case <-refused:
	case <-time.After(5 * time.Second):
		t.Error("Admit was not asked")
	}
	conf.Cert = known
	member, err := Dial(t.Context(), s.Addr().String(), conf)
	if err != nil {
		t.Fatal(err)
	}
	member.Close()
}

// Close at either end frees whoever waits in the session or in a stream, at both ends.
func TestCloseUnblocks(t *testing.T) {
	for name, close := range map[string]func(lower, upper *Session) error{
		"own end":   func(lower, _ *Session) error { return lower.Close() },
		"other end": func(_, upper *Session) error { return upper.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			lower, upper := pair(t)
			stream, err := lower.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := upper.Accept(t.Context()); err != nil {
				t.Fatal(err)
			}
			errs := make(chan error, 3)
			go func() { _, err := lower.Accept(context.Background()); errs <- err }()
			go func() { _, err := stream.Read(make([]byte, 1)); errs <- err }()
			go func() {
				for {
					if _, err := stream.Write(make([]byte, 64<<10)); err != nil {
						errs <- err
						return
					}
				}
			}()
			if lower.Err() != nil {
				t.Error("a living session has an error")
			}
			close(lower, upper)
			for range cap(errs) {
				select {
				case err := <-errs:
					if err == nil {
						t.Error("a blocked call returned without an error")
					}
				case <-time.After(5 * time.Second):
					t.Fatal("a call is still blocked")
				}
			}
			<-lower.Done()
			if !fault.Is(lower.Err(), fault.Unreachable) {
				t.Errorf("the cause is %v", lower.Err())
			}
			if _, err := lower.Open(t.Context()); !fault.Is(err, fault.Unreachable) {
				t.Errorf("open after the end: %v", err)
			}
		})
	}
}

func TestContextEndsWaiting(t *testing.T) {
	lower, _ := pair(t)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := lower.Accept(ctx); !errors.Is(err, why) {
		t.Errorf("accept: %v", err)
	}
	if _, err := lower.Open(ctx); !errors.Is(err, why) {
		t.Errorf("open: %v", err)
	}
}

// A peer that accepts nothing holds up its own streams only: opens beyond the backlog wait for ctx,
// and Close frees them.
func TestBacklog(t *testing.T) {
	lower, _ := pair(t)
	for range linkBacklog {
		if _, err := lower.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := lower.Open(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := lower.Close(); err != nil { // joins the open that was given up
		t.Error(err)
	}
}

func TestStreamLimit(t *testing.T) {
	lower, upper := pair(t)
	for range maxStreams {
		c, err := lower.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := upper.Accept(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The credit comes back with the peer's acknowledgement, which the read of an echo would show;
		// a write is enough to keep both ends in step.
		if _, err := c.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lower.Open(t.Context()); !fault.Is(err, fault.TooLarge) {
		t.Errorf("one stream too many: %v", err)
	}
}

// After everything is closed, no goroutine of a session or a server is left.
func TestNoLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("use", func(t *testing.T) {
		lower, upper := pair(t)
		c, err := lower.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d, err := upper.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "x")
		io.ReadFull(d, make([]byte, 1))
	})
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			buf := make([]byte, 64<<10)
			t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
		runtime.Gosched()
	}
}

// A peer whose machine vanished is noticed by the pings, without any TCP error.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		conf := muxConfig(ProtoPeer, slog.New(slog.DiscardHandler))
		s, err := newMux(near, true, conf)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		go io.Copy(io.Discard, far) // takes the pings, never answers
		session := &Session{mux: s, peer: Peer{Remote: "far"}}
		<-session.Done()
		if took := time.Since(start); took > keepAlive+writeStall {
			t.Errorf("it took %v", took)
		}
		if err := session.Err(); !fault.Is(err, fault.Unreachable) || !strings.Contains(err.Error(), "stopped answering") {
			t.Errorf("got %v", err)
		}
		far.Close()
		session.Close()
	})
}

var rewrite = flag.Bool("rewrite", false, "write the vectors anew")

func TestVerdictVectors(t *testing.T) {
	vectors := map[string]error{
		"welcome": nil,
		"denied":  fault.New(fault.Denied, "admit", "site \"north\" is suspended here: ask its operator to resume it"),
		"other":   errors.New("plain"),
		"long":    fault.New(fault.Expired, "", "%s", strings.Repeat("é", maxVerdict)),
	}
	for name, in := range vectors {
		var b bytes.Buffer
		if err := writeVerdict(&b, in); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "verdict-"+name+".hex")
		text := hex.EncodeToString(b.Bytes()) + "\n"
		if *rewrite {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("%s: got %s want %s", name, text, want)
		}
		out := readVerdict(&b)
		if (in == nil) != (out == nil) || fault.KindOf(in) != fault.KindOf(out) {
			t.Errorf("%s: wrote %v, read %v", name, in, out)
		}
		if out != nil && !strings.HasPrefix(in.Error(), out.Error()) {
			t.Errorf("%s: wrote %q, read %q", name, in, out)
		}
	}
}

func FuzzVerdict(f *testing.F) {
	paths, _ := filepath.Glob("testdata/verdict-*.hex")
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		b, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{1, 1, 5, 0xff, 0xff})
	f.Add([]byte{2, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		err := readVerdict(r)
		if read := len(b) - r.Len(); read > verdictHead+maxVerdict+4 {
			t.Errorf("it read %d bytes", read)
		}
		if err == nil && !bytes.HasPrefix(b, []byte{1, 0, 0, 0, 0}) {
			t.Errorf("%x is no welcome", b)
		}
		var refused *fault.Error
		if errors.As(err, &refused) && strings.ContainsAny(err.Error(), "\x1b\n\r\x00") {
			t.Errorf("control characters in %q", err)
		}
	})
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"https://controller.example":       "controller.example:8443",
		"https://controller.example:443/":  "controller.example:443",
		" https://[2001:db8::1]:9000 ":     "[2001:db8::1]:9000",
		"https://[2001:db8::1]":            "[2001:db8::1]:8443",
		"controller.example":               "controller.example:8443",
		"192.0.2.1:8444":                   "192.0.2.1:8444",
		"http://controller.example":        "",
		"https://controller.example/x":     "",
		"https://a:b@controller.example":   "",
		"https://controller.example:0":     "",
		"https://controller.example:70000": "",
		"https://controller.example?x":     "",
		"https://":                         "",
		"":                                 "",
		"https://%zz":                      "",
	} {
		got, err := Address(in)
		if got != want || (want == "") != fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %q, %v; want %q", in, got, err, want)
		}
	}
}
