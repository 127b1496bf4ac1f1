package cli

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

// fleet is servers of one group, each of which does what a test says.
type fleet struct {
	servers []*httptest.Server
	asked   []string // server METHOD path?query
	keys    []string
	bodies  []string
	mu      sync.Mutex
}

// newFleet starts n servers; does answers for each of them.
func newFleet(t *testing.T, n int, does func(server int, w http.ResponseWriter, r *http.Request)) (*fleet, *app, *bytes.Buffer) {
	t.Helper()
	f := &fleet{}
	var pool bytes.Buffer
	var urls []string
	for i := range n {
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			f.mu.Lock()
			f.asked = append(f.asked, fmt.Sprintf("%d %s %s", i, r.Method, r.URL.RequestURI()))
			f.keys = append(f.keys, r.Header.Get("Idempotency-Key"))
			f.bodies = append(f.bodies, string(raw))
			f.mu.Unlock()
			does(i, w, r)
		}))
		t.Cleanup(s.Close)
		f.servers = append(f.servers, s)
		urls = append(urls, s.URL)
		_ = pem.Encode(&pool, &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pool.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	a, out := quiet()
	a.env = func(name string) (string, bool) {
		v, ok := map[string]string{"SKERRY_SERVER": strings.Join(urls, ","), "SKERRY_CA": ca, "XDG_CONFIG_HOME": t.TempDir()}[name]
		return v, ok
	}
	return f, a, out
}

func refuse(w http.ResponseWriter, status int, kind fault.Kind, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(schema.Problem{Title: "x", Status: status, Detail: detail, Kind: kind.String()})
}

func good(w http.ResponseWriter) {
	_ = json.NewEncoder(w).Encode([]schema.Site{{Name: "berlin"}})
}

func TestTheNextServerIsAsked(t *testing.T) {
	for name, c := range map[string]struct {
		does  func(server int, w http.ResponseWriter, r *http.Request)
		stop  []int
		asked []string
		code  int
		says  []string
	}{
		"the first is good": {
			does:  func(_ int, w http.ResponseWriter, _ *http.Request) { good(w) },
			asked: []string{"0"}, says: []string{"berlin"},
		},
		"the first is gone": {
			does: func(_ int, w http.ResponseWriter, _ *http.Request) { good(w) },
			stop: []int{0}, asked: []string{"1"}, says: []string{"berlin", "note: no server answers at https://127.0.0.1:", "; asking https://127.0.0.1:"},
		},
		"the first cannot now": {
			does: func(i int, w http.ResponseWriter, _ *http.Request) {
				if i == 0 {
					refuse(w, 503, fault.ReadOnly, "there is no leader now")
					return
				}
				good(w)
			},
			asked: []string{"0", "1"}, says: []string{"berlin", "note: there is no leader now; asking"},
		},
		"the first hangs up": {
			does: func(i int, w http.ResponseWriter, _ *http.Request) {
				if i == 0 {
					panic(http.ErrAbortHandler)
				}
				good(w)
			},
			asked: []string{"0", "1"}, says: []string{"berlin"},
		},
		"none can: the word of a server is what is shown": {
			does: func(_ int, w http.ResponseWriter, _ *http.Request) {
				refuse(w, 503, fault.ReadOnly, "there is no leader now")
			},
			stop: []int{0, 2}, asked: []string{"1"}, code: 1, says: []string{"skerry: there is no leader now\n"},
		},
		"a refusal is final": {
			does: func(_ int, w http.ResponseWriter, _ *http.Request) {
				refuse(w, 403, fault.Denied, "you may not")
			},
			asked: []string{"0"}, code: 1, says: []string{"skerry: you may not\n"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, a, out := newFleet(t, 3, c.does)
			for _, i := range c.stop {
				f.servers[i].Close()
			}
			if code := a.run(t.Context(), []string{"sites", "list"}); code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, out)
			}
			var asked []string
			for _, x := range f.asked {
				asked = append(asked, x[:1])
			}
			asked = slices.Compact(asked) // the transport asks once more where a connection was closed early
			if !slices.Equal(asked, c.asked) {
				t.Errorf("asked %q, want %q", f.asked, c.asked)
			}
			for _, says := range c.says {
				if !strings.Contains(out.String(), says) {
					t.Errorf("%q is not said: %s", says, out)
				}
			}
		})
	}
}

// A change is asked for everywhere under the same id, and with the same body.
func TestAChangeIsOneRequest(t *testing.T) {
	f, a, out := newFleet(t, 3, func(i int, w http.ResponseWriter, _ *http.Request) {
		switch i {
		case 0:
			refuse(w, 503, fault.ReadOnly, "it may or may not have happened")
		case 1:
			panic(http.ErrAbortHandler)
		default:
			_ = json.NewEncoder(w).Encode(schema.SavedSearch{Name: "mine"})
		}
	})
	if code := a.run(t.Context(), []string{"searches", "save", "mine", "status:up"}); code != 0 {
		t.Fatalf("exit code %d: %s", code, out)
	}
	if n := len(f.asked); n < 3 || !strings.HasPrefix(f.asked[n-1], "2 PUT") {
		t.Fatalf("asked %q", f.asked)
	}
	for i := range f.keys {
		if len(f.keys[i]) < 20 || f.keys[i] != f.keys[0] || f.bodies[i] != f.bodies[0] || f.bodies[i] == "" {
			t.Errorf("attempt %d: key %q, body %q", i, f.keys[i], f.bodies[i])
		}
	}
	first := f.keys[0]
	if a.run(t.Context(), []string{"searches", "save", "mine", "status:up"}); f.keys[len(f.keys)-1] == first {
		t.Error("another command has the key of the one before")
	}
	f.keys = nil
	if a.run(t.Context(), []string{"sites", "list"}); len(f.keys) == 0 || f.keys[0] != "" {
		t.Errorf("a read has a key: %q", f.keys)
	}
}

// What was deleted by an attempt whose answer was lost is not there for the next one.
func TestDeletedBefore(t *testing.T) {
	lost := true
	does := func(i int, w http.ResponseWriter, _ *http.Request) {
		if i == 0 && lost {
			refuse(w, 503, fault.ReadOnly, "it may or may not have happened")
			return
		}
		refuse(w, 404, fault.NotFound, `no search is saved as "mine"`)
	}
	_, a, out := newFleet(t, 2, does)
	if code := a.run(t.Context(), []string{"searches", "delete", "mine"}); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	lost = false
	if code := a.run(t.Context(), []string{"searches", "delete", "mine"}); code != 1 {
		t.Errorf("of one that never was: exit code %d", code)
	}
	lost = true
	f, a, _ := newFleet(t, 2, does)
	f.servers[0].Close() // it cannot have done anything
	if code := a.run(t.Context(), []string{"searches", "delete", "mine"}); code != 1 {
		t.Errorf("where nobody was reached: exit code %d", code)
	}
}

// A stream is sent to another server only as long as nothing of it was taken.
func TestStreamsAreNotSentAgain(t *testing.T) {
	f, a, _ := newFleet(t, 2, func(i int, w http.ResponseWriter, _ *http.Request) {
		if i == 0 {
			refuse(w, 503, fault.ReadOnly, "no leader")
			return
		}
		_, _ = w.Write([]byte("{}"))
	})
	c, err := a.client()
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.send(t.Context(), http.MethodPost, "/federation/import", nil, io.MultiReader(strings.NewReader("all of it")), "application/zstd")
	if !fault.Is(err, fault.ReadOnly) || len(f.asked) != 1 {
		t.Errorf("%v after %q", err, f.asked)
	}
	f.servers[0].Close()
	c, _ = a.client()
	resp, err := c.send(t.Context(), http.MethodPost, "/federation/import", nil, io.MultiReader(strings.NewReader("all of it")), "application/zstd")
	if err != nil || f.bodies[len(f.bodies)-1] != "all of it" {
		t.Fatalf("%v, %q", err, f.bodies)
	}
	_ = resp.Body.Close()
}

func TestStale(t *testing.T) {
	f, a, out := newFleet(t, 1, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("consistency") != "stale" {
			refuse(w, 503, fault.ReadOnly, "no leader; consistency=stale in the address reads what this node has")
			return
		}
		good(w)
	})
	if code := a.run(t.Context(), []string{"sites", "list"}); code != 1 || !strings.Contains(out.String(), "skerry: no leader; --stale reads what this node has\n") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if code := a.run(t.Context(), []string{"sites", "list", "--stale"}); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	f.asked = nil
	a.run(t.Context(), []string{"searches", "save", "mine", "status:up", "--stale"})
	for _, x := range f.asked {
		if strings.Contains(x, " PUT ") && strings.Contains(x, "stale") {
			t.Errorf("a change asks for what is old: %s", x)
		}
	}
}

func TestListsOfServers(t *testing.T) {
	all, err := parseServers("https://a, https://b:9443,https://a:8443,unix:///run/s.sock")
	if err != nil || listed(all) != "https://a:8443,https://b:9443,unix:///run/s.sock" {
		t.Errorf("%q, %v", listed(all), err)
	}
	for _, bad := range []string{"", "https://a,", ",https://a", "https://a,ftp://b", strings.Repeat("https://a,", maxServers) + "https://a"} {
		if _, err := parseServers(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	s := &savedContexts{Contexts: map[string]*savedContext{"group": {Server: "https://a:8443,https://b:8443", Token: "x"}, "other": {Server: "https://c", Token: "y"}}}
	for server, token := range map[string]string{"https://b": "x", "https://b,https://a": "x", "https://c:8443": "y", "https://a,https://c": "", "https://d": "", "nonsense": ""} {
		got := ""
		if c := s.at(server); c != nil {
			got = c.Token
		}
		if got != token {
			t.Errorf("the login at %s is %q, want %q", server, got, token)
		}
	}
}

// Who names one server of a group means that one, with the login at the group.
func TestOneOfAGroup(t *testing.T) {
	f, a, out := newFleet(t, 2, func(_ int, w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer tok" {
			refuse(w, 401, fault.Login, "log in first")
			return
		}
		good(w)
	})
	env, dir := a.env, t.TempDir()
	a.env = func(name string) (string, bool) {
		switch name {
		case "XDG_CONFIG_HOME":
			return dir, true
		case "SKERRY_SERVER":
			return "", false
		}
		return env(name)
	}
	both, _ := env("SKERRY_SERVER")
	if err := a.saveContexts(&savedContexts{Current: "g", Contexts: map[string]*savedContext{"g": {Server: both, Token: "tok"}}}); err != nil {
		t.Fatal(err)
	}
	if code := a.run(t.Context(), []string{"sites", "list", "--server", f.servers[1].URL}); code != 0 || len(f.asked) != 1 || f.asked[0][:1] != "1" {
		t.Errorf("exit code %d, asked %q: %s", code, f.asked, out)
	}
	a.server = ""
	f.servers[0].Close()
	if code := a.run(t.Context(), []string{"sites", "list"}); code != 0 {
		t.Errorf("by the context: exit code %d: %s", code, out)
	}
}
