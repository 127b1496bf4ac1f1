package api

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// freshRig is a node of a group whose Fresh counts, and does what a test says.
type freshRig struct {
	*rig
	asked atomic.Int64
	err   error
	then  func()
}

func newFresh(t *testing.T) *freshRig {
	f := &freshRig{}
	f.rig = newRig(t, func(c *Config) {
		c.Group = &fakeGroup{}
		c.Age = func() time.Duration { return 1500 * time.Millisecond }
		c.Fresh = func(context.Context) error {
			f.asked.Add(1)
			if f.then != nil {
				f.then()
			}
			return f.err
		}
	})
	return f
}

var noLeader = fault.New(fault.Unreachable, "read what the group has", "there is no leader now")

func TestReadsMissNothing(t *testing.T) {
	f := newFresh(t)
	f.then = func() { // what was acknowledged elsewhere comes while this node asks
		if f.mem.sites[berlin].Name == "" {
			f.site(berlin, "berlin", model.HostUp)
		}
	}
	for _, path := range []string{"/sites/berlin", "/sites", "/hosts", "/hosts/facets?fields=status", "/hosts/group?by=status,site", "/overview", "/audit", "/hosts/export"} {
		delete(f.mem.sites, berlin)
		f.mem.edit(func() {})
		w := f.do("GET", "/api/v1"+path, nil)
		if w.Code != 200 || w.Header().Get(ageHeader) != "0.000" || f.mem.sites[berlin].Name == "" {
			t.Errorf("%s: %d %s, age %q", path, w.Code, w.Body, w.Header().Get(ageHeader))
		}
	}
}

func TestWhatAsksTheGroup(t *testing.T) {
	f := newFresh(t)
	f.site(berlin, "berlin")
	for _, c := range []struct {
		ask  string
		want int64
		age  string
	}{
		{"GET /api/v1/sites", 1, "0.000"},
		{"GET /api/v1/sites?consistency=stale", 0, "1.500"},
		{"GET /api/v1/hosts?q=status:up&consistency=stale&limit=2", 0, "1.500"},
		{"GET /api/v1/sites/berlin?consistency=stale", 0, "1.500"},
		{"GET /api/v1/sites/berlin", 1, "0.000"},
		{"GET /api/v1/cluster", 0, "1.500"},
		{"GET /api/v1/cluster/backup", 1, "0.000"},
		{"POST /api/v1/sites/berlin/token", 1, "0.000"}, // it decides by what it reads
		{"GET /healthz", 0, ""},
		{"GET /readyz", 0, ""},
		{"GET /", 0, ""},
		{"GET /login", 0, ""},
		{"GET /openapi.json", 0, ""},
	} {
		f.asked.Store(0)
		method, path, _ := strings.Cut(c.ask, " ")
		w := f.do(method, path, nil)
		if f.asked.Load() != c.want || w.Header().Get(ageHeader) != c.age {
			t.Errorf("%s: status %d, the group was asked %d times, want %d; age %q, want %q", c.ask, w.Code, f.asked.Load(), c.want, w.Header().Get(ageHeader), c.age)
		}
	}
	f.asked.Store(0)
	f.refused(f.as("", "GET", "/api/v1/sites", nil), 401, fault.Login, "log in")
	w := f.do("GET", "/api/v1/sites", nil, "Cookie", "a=b") // something, but no login
	f.refused(w, 401, fault.Login, "log in")
	f.refused(f.do("POST", "/api/v1/login", schema.Login{Account: "a", Password: "b"}, "Cookie", "a=b"), 401, fault.Login, "wrong")
}

func TestConsistencyIsStaleOrAbsent(t *testing.T) {
	f := newFresh(t)
	for _, path := range []string{"/sites?consistency=none", "/hosts?consistency=", "/sites/x?consistency", "/sites?consistency=stale&consistency=stale", "/hosts?%63onsistency=%7a"} {
		w := f.do("GET", "/api/v1"+path, nil)
		f.refused(w, 422, fault.Invalid, "consistency: ")
		if p := read[schema.Problem](f.rig, w, 422); len(p.Errors) != 1 || p.Errors[0].Location != "query.consistency" {
			t.Errorf("%s: %+v", path, p)
		}
	}
	f.site(berlin, "berlin")
	f.refused(f.do("POST", "/api/v1/sites/berlin/token?consistency=stale", nil), 422, fault.Invalid, "there is no such parameter")
	// What is not the parameter stays as it was, byte for byte.
	w := f.do("GET", "/api/v1/hosts?q=name%3A%22consistency=stale%22&colour=1&consistency=stale", nil)
	f.refused(w, 422, fault.Invalid, "colour: there is no such parameter")
	if n := f.asked.Load(); n != 1 {
		t.Errorf("the group was asked %d times, want once, for the token", n)
	}
	site := newRig(t, func(c *Config) { c.Role = model.RoleSite })
	if w := site.do("GET", "/api/v1/overview?consistency=stale", nil); w.Code != 200 || w.Header().Get(ageHeader) != "" {
		t.Errorf("at a site: %d, age %q", w.Code, w.Header().Get(ageHeader))
	}
}

func TestNoLeader(t *testing.T) {
	f := newFresh(t)
	f.err = noLeader
	for _, path := range []string{"/sites", "/hosts", "/sites/berlin", "/hosts/watch", "/hosts/export", "/cluster/backup"} {
		w := f.do("GET", "/api/v1"+path, nil)
		f.refused(w, 503, fault.ReadOnly, "consistency=stale in the address reads what this node has")
		if !strings.Contains(w.Body.String(), "no leader now") || w.Header().Get("Retry-After") != "1" || w.Header().Get(ageHeader) != "1.500" {
			t.Errorf("%s: %s, %v", path, w.Body, w.Header())
		}
	}
	w := f.do("POST", "/api/v1/sites", schema.SiteEnroll{Name: "berlin"})
	f.refused(w, 503, fault.ReadOnly, "nothing was changed")
	if len(f.mem.proposed) != 0 {
		t.Errorf("proposed %+v", f.mem.proposed)
	}
	if w := f.do("GET", "/api/v1/cluster", nil); w.Code != 200 {
		t.Errorf("the group's status: %d", w.Code)
	}
	if w := f.do("GET", "/api/v1/sites?consistency=stale", nil); w.Code != 200 {
		t.Errorf("what this node has: %d", w.Code)
	}
}

// A login that was opened at another node is one here as well, though the rows of this one are behind.
func TestLoginOfAnotherNode(t *testing.T) {
	f := newFresh(t)
	other := newMemory()
	token := other.login("admin")
	f.then = func() {
		f.mem.edit(func() { f.mem.accounts, f.mem.sessions = other.accounts, other.sessions })
	}
	f.refused(f.as(token, "GET", "/api/v1/node?consistency=stale", nil), 401, fault.Login, "log in again")
	if w := f.as(token, "GET", "/api/v1/node", nil); w.Code != 200 {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
}

// TestLaneAsksTheGroup: a page for a program goes the same way as any other.
func TestLaneAsksTheGroup(t *testing.T) {
	f := newFresh(t)
	f.site(berlin, "berlin", model.HostUp)
	token := f.mem.login("admin")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- f.server.Serve(ctx, tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}))
	}()
	defer func() { stop(); <-done }()
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true}) // a test's own server on loopback
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := bufio.NewReader(c)
	f.now = time.Now()
	for _, q := range []struct {
		query, age string
		status     int
		asked      int64
		err        error
	}{
		{"", "0.000", 200, 1, nil},
		{"?consistency=stale", "1.500", 200, 0, nil},
		{"?limit=1&consistency=stale", "1.500", 200, 0, nil},
		{"", "1.500", 503, 1, noLeader},
		{"?consistency=other", "", 422, 0, nil},
	} {
		f.asked.Store(0)
		f.err = q.err
		fmt.Fprintf(c, "GET /api/v1/hosts%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", q.query, token)
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Discard(int(resp.ContentLength)); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != q.status || resp.Header.Get(ageHeader) != q.age || f.asked.Load() != q.asked {
			t.Errorf("%q: status %d, age %q, asked %d times", q.query, resp.StatusCode, resp.Header.Get(ageHeader), f.asked.Load())
		}
	}
}

// TestLoginsAreNotJudgedByOldRows: a node that has not heard from its group for long does not know who was locked out
// meanwhile, and lets nobody in by a login that it cannot judge: neither for what it has nor for what it says of itself.
func TestLoginsAreNotJudgedByOldRows(t *testing.T) {
	age := time.Duration(0)
	f := newFresh(t)
	f.server.c.Age = func() time.Duration { return age }
	f.server.c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	token := f.mem.login("admin")
	f.err = noLeader
	paths := []string{"/api/v1/sites?consistency=stale", "/api/v1/hosts?consistency=stale", "/api/v1/cluster", "POST /api/v1/storage/check", "/metrics"}
	f.server.c.Check = func(context.Context) (schema.StorageReport, error) { return schema.StorageReport{}, nil }
	who := actor{name: "account:admin", account: "admin"}
	who.session, _ = sessionID(token)
	for _, c := range []struct {
		age time.Duration
		in  bool
	}{{time.Second, true}, {staleLogins, true}, {staleLogins + time.Second, false}, {time.Second, true}} {
		age = c.age
		for _, path := range paths {
			method := http.MethodGet
			if to, posted := strings.CutPrefix(path, "POST "); posted {
				method, path = http.MethodPost, to
			}
			w := f.as(token, method, path, nil)
			if c.in && w.Code != 200 {
				t.Errorf("%s after %v: %d %s", path, c.age, w.Code, w.Body)
			}
			if !c.in {
				f.refused(w, 503, fault.ReadOnly, "5m1s")
			}
			if w := f.do(method, path, nil); w.Code != 200 { // the local socket: no login, and nothing to judge
				t.Errorf("%s by the local socket after %v: %d %s", path, c.age, w.Code, w.Body)
			}
		}
		if f.server.stillIn(who) != c.in {
			t.Errorf("after %v somebody who watches is in: %v", c.age, !c.in)
		}
	}
	// An account that is locked out is out for as long as that is known here, which is at once.
	f.mem.edit(func() { f.mem.accounts["admin"] = model.Account{Name: "admin", Disabled: true} })
	f.refused(f.as(token, "GET", paths[0], nil), 401, fault.Login, "log in again")
	// In a group that answers, the age is of the last answer, and nobody is turned away.
	f.err, age = nil, 0
	f.mem.edit(func() { f.mem.accounts["admin"] = model.Account{Name: "admin"} })
	if w := f.as(token, "GET", "/api/v1/sites", nil); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
