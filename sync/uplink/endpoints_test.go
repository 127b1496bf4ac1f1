package uplink_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/uplink"
)

// still keeps the order as it is.
func still(int, func(i, j int)) {}

func endpoints(t *testing.T, list ...string) *uplink.Endpoints {
	t.Helper()
	e := uplink.OpenEndpoints(filepath.Join(t.TempDir(), "endpoints.json"), "home:1")
	e.Shuffle = still
	if err := e.Learn(list); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEndpointsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "endpoints.json")
	e := uplink.OpenEndpoints(path, "home:1")
	for _, list := range [][]string{nil, {"b:1", "a:1", "home:1", "a:1"}, {}} {
		if err := e.Learn(list); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"home:1", "a:1", "b:1"}
	again := uplink.OpenEndpoints(path, "home:1")
	again.Shuffle = still
	if got := again.List(); !slices.Equal(got, want) {
		t.Errorf("%q is left of %q", got, want)
	}
	for _, list := range [][]string{make([]string, uplink.MaxEndpoints+1), {""}, {strings.Repeat("x", 300)}} {
		if err := e.Learn(list); err == nil {
			t.Errorf("%.40q was learned", list)
		}
	}
	for _, damaged := range []string{"", "{", `{"version":2,"endpoints":["x:1"]}`, `{"version":1,"endpoints":[""]}`, strings.Repeat("x", 20<<10)} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := uplink.OpenEndpoints(path, "home:1").List(); !slices.Equal(got, []string{"home:1"}) {
			t.Errorf("%.40q gave %q", damaged, got)
		}
	}
	// A folder in its place, which no file can take.
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := e.Learn([]string{"c:1"}); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("a list that could not be written: %v", err)
	}
	e.Shuffle = still
	if got := e.List(); !slices.Equal(got, want) {
		t.Errorf("what was not written counts: %q", got)
	}
}

// session is one that only closes.
type session struct {
	exchange.Session
	closed chan struct{}
}

func newSession() *session { return &session{closed: make(chan struct{})} }

func (s *session) Close() error { close(s.closed); return nil }

func (s *session) Open(context.Context) (net.Conn, error) { return nil, net.ErrClosed }

// TestEndpointsDial: each case says after how long each address answers, below zero with a refusal; 0: never.
func TestEndpointsDial(t *testing.T) {
	const s = time.Second
	for _, tc := range []struct {
		name   string
		after  map[string]time.Duration
		want   string
		within time.Duration
		late   []string // whose sessions come too late, and are closed
	}{
		{"the first answers", map[string]time.Duration{"home:1": s, "a:1": s, "b:1": s}, "home:1", s, nil},
		{"the first refuses", map[string]time.Duration{"home:1": -s, "a:1": s, "b:1": s}, "a:1", 2 * s, nil},
		{"the first is silent", map[string]time.Duration{"home:1": 0, "a:1": s, "b:1": s}, "a:1", 3 * s, nil},
		{"the first is slow", map[string]time.Duration{"home:1": 4 * s, "a:1": 5 * s, "b:1": 0}, "home:1", 4 * s, []string{"a:1"}},
		{"all refuse", map[string]time.Duration{"home:1": -s, "a:1": -s, "b:1": -s}, "", 3 * s, nil},
		{"all are silent", map[string]time.Duration{}, "", 20 * s, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := endpoints(t, "a:1", "b:1")
			synctest.Test(t, func(t *testing.T) {
				made := map[string]*session{"home:1": newSession(), "a:1": newSession(), "b:1": newSession()}
				ctx, cancel := context.WithTimeout(t.Context(), 20*s)
				defer cancel()
				began := time.Now()
				var left atomic.Int64 // calls that have not returned
				got, err := e.Dial(ctx, func(ctx context.Context, addr string) (exchange.Session, error) {
					left.Add(1)
					after := tc.after[addr]
					if after == 0 {
						<-ctx.Done()
						left.Add(-1)
						return nil, context.Cause(ctx)
					}
					select {
					case <-time.After(max(after, -after)): // a clock of the test's own
					case <-ctx.Done():
					}
					left.Add(-1)
					if after < 0 {
						return nil, fault.New(fault.Unreachable, "dial", "%s is not for you", addr)
					}
					return made[addr], nil
				})
				if n := left.Load(); n != 0 {
					t.Errorf("%d attempts outlive the call", n)
				}
				if took := time.Since(began); took != tc.within {
					t.Errorf("it took %v, and not %v", took, tc.within)
				}
				if tc.want == "" {
					if err == nil || got != nil {
						t.Fatalf("%v, %v", got, err)
					}
					if text := err.Error(); len(tc.after) == 3 && !strings.Contains(text, "home:1 is not for you; ") || strings.Contains(text, "\n") {
						t.Errorf("it says %q, which is not the reasons in one line", text)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, addr := range tc.late {
					<-made[addr].closed
				}
				if err := got.Close(); err != nil {
					t.Fatal(err)
				}
				select {
				case <-made[tc.want].closed:
				default:
					t.Errorf("it is not the session of %s", tc.want)
				}
			})
		})
	}
}

// TestEndpointsRefusals: where there is one address, its refusal is told as it is; where there are several, each.
func TestEndpointsRefusals(t *testing.T) {
	refuse := func(_ context.Context, addr string) (exchange.Session, error) {
		return nil, fault.New(fault.Denied, "dial", "%s says no", addr)
	}
	if _, err := endpoints(t).Dial(t.Context(), refuse); !fault.Is(err, fault.Denied) {
		t.Errorf("one address: %v", err)
	}
	_, err := endpoints(t, "a:1").Dial(t.Context(), refuse)
	for _, addr := range []string{"home:1", "a:1"} {
		if !strings.Contains(fmt.Sprint(err), addr+" says no") {
			t.Errorf("%v does not tell of %s", err, addr)
		}
	}
}
