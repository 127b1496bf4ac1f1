package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// An error that repeats a password puts it into logs.
func TestErrorsDoNotRepeatSecrets(t *testing.T) {
	r := newRig(t)
	for name, body := range map[string]string{
		"too short": `{"name":"bob","password":"hunter2"}`,
		"no text":   `{"name":"bob","password":72727272}`,
	} {
		w := r.do("POST", "/api/v1/accounts", body)
		r.refused(w, 422, fault.Invalid, "password: ")
		if text := w.Body.String(); strings.Contains(text, "hunter2") || strings.Contains(text, "7272") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Attempts are limited for the whole network, too: one that never names an account twice would
// otherwise keep everybody else from logging in.
func TestFailedLoginsOfOneNetworkAreSlowedDown(t *testing.T) {
	now := noon
	l := newLimiter(func() time.Time { return now })
	for i := range int(perNetwork.burst) {
		if wait := l.take("net", perNetwork); wait > 0 {
			t.Fatalf("attempt %d waits for %s", i, wait)
		}
	}
	if wait := l.take("net", perNetwork); wait <= 0 {
		t.Error("there is no limit")
	}
	l.giveBack("net", perNetwork)
	if wait := l.take("net", perNetwork); wait > 0 {
		t.Errorf("after one that proved right: %s", wait)
	}

	r := newRig(t)
	var last int
	for i := range int(perNetwork.burst) + 1 {
		// The fill of the bucket is what counts here, not a hundred hashes.
		if i < int(perNetwork.burst)-1 {
			r.server.logins.take(network("192.0.2.1"), perNetwork)
			continue
		}
		w := r.as("", "POST", "/api/v1/login", schema.Login{Account: fmt.Sprint("account-", i), Password: "x"})
		last = w.Code
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("status %d", last)
	}
}

func TestNetworkOfAnAddress(t *testing.T) {
	for host, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::ffff": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "": "", "@": "@",
	} {
		if got := network(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

// TestAForcedOldBundleGoesBack: it is what its origin said then, and so is the cursor, so that what came after it comes again.
func TestAForcedOldBundleGoesBack(t *testing.T) {
	hq := newHQ(t)
	hq.ingest(packed(t, records(2, "8.0")))
	first, begun := hq.exported(""), hq.shelf().Cursor
	gone := model.AdvisoryKey{Source: "debian-dsa", ID: "DSA-1-1"}
	if err := hq.rows.Propose(t.Context(), model.Stage{Stamp: model.Stamp{Actor: "x", At: model.TimeOf(noon)}, Run: "r", Delete: []model.AdvisoryKey{gone}},
		model.Commit{Stamp: model.Stamp{Actor: "x", At: model.TimeOf(noon)}, Run: "r", Parts: 1, Kind: model.RunIngest}); err != nil {
		t.Fatal(err)
	}
	second, deleted := hq.exported(escape(begun.String())), hq.shelf().Cursor
	hq.ingest(packed(t, records(2, "8.0")))
	third := hq.exported(escape(deleted.String()))

	site := newBerlin(t)
	site.trusts(hq.rig, "federation")
	there := func() bool {
		_, ok := look2(site, func(v View) (model.Advisory, bool, error) { return v.Advisory(gone) })
		return ok
	}
	for i, b := range [][]byte{first, second, third} {
		read[schema.ImportResult](site.rig, site.imports(bytes.Clone(b), ""), 200)
		if there() != (i != 1) {
			t.Fatalf("after bundle %d: %v", i+1, there())
		}
	}
	again := read[schema.ImportResult](site.rig, site.imports(second, "force=true"), 200)
	if there() || again.Counts.Deleted != 1 || site.shelf().Imported[group.String()] != deleted {
		t.Errorf("%+v, held through %s", again.Counts, site.shelf().Imported[group.String()])
	}
	if audit := site.audited("bundle.import"); audit[0].Detail["forced"] != "yes" || audit[1].Detail["forced"] != "no" {
		t.Errorf("audited as %+v", audit[:2])
	}
	if read[schema.ImportResult](site.rig, site.imports(third, ""), 200); !there() {
		t.Error("what came after it did not come again")
	}
	strict := newBerlin(t, func(c *Config) { c.Federation.NoForce = true })
	strict.trusts(hq.rig, "federation")
	strict.refused(strict.imports(first, "force=true"), 403, fault.Denied, "does not allow to force")
}

// What kind of error a site's answer is, is the site's word. It must not log out whoever asked here.
func TestASiteCannotEndALogin(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp)
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	r.asker.err = fault.New(fault.Login, "", "log in again")
	r.refused(r.do("GET", "/api/v1/hosts/berlin-a/detail", nil), 403, fault.Denied, "ask site berlin")
}

// Connections beyond the bound are closed, and there is room again when others end.
func TestConnectionsAreBounded(t *testing.T) {
	r := newRig(t)
	r.server.conns = 2
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() { done <- r.server.Serve(ctx, l) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	get := func() (net.Conn, bool) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = c.Write([]byte("GET /healthz HTTP/1.1\r\nHost: hq\r\n\r\n"))
		n, _ := c.Read(make([]byte, 512))
		return c, n > 0
	}
	var open []net.Conn
	for i := range 3 {
		c, answered := get()
		if answered != (i < 2) {
			t.Fatalf("connection %d: answered %v", i+1, answered)
		}
		open = append(open, c)
	}
	_ = open[0].Close()
	for end := time.Now().Add(5 * time.Second); ; { // the server sees the close a moment later
		c, answered := get()
		_ = c.Close()
		if answered {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no room again")
		}
	}
	for _, c := range open {
		_ = c.Close()
	}
}

// FuzzOperations sends any body and query to each operation, as one who is logged in: nothing that comes
// from outside is this server's failure.
func FuzzOperations(f *testing.F) {
	type operation struct{ method, path string }
	var all []operation
	for path, item := range newServer(f).api.OpenAPI().Paths {
		path = strings.NewReplacer("{site}", "berlin", "{host}", "berlin-a", "{id}", "01a20040-fb75-730c-bccb-877490036495", "{name}", "k", "{identifier}", "CVE-2026-1").Replace(path)
		for method, there := range map[string]bool{"GET": item.Get != nil, "POST": item.Post != nil} {
			// A wait is what that parameter is for, and hashing is slow on purpose.
			if there && path != base+"/login" && path != base+"/accounts" {
				all = append(all, operation{method, path})
			}
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	for i := range all {
		for _, body := range []string{`{}`, `{"name":"a","lat":1e999,"hosts":["*"],"site":"berlin","kind":"ping"}`, `[[[`, "\x00"} {
			f.Add(uint8(i), "limit=1&after=x", body)
		}
	}
	f.Add(uint8(0), "from=2025-01-15T10:30:00.000Z%230042&q=%ff&before=-1", `{"name":"k","public":"-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----"}`)
	f.Fuzz(func(t *testing.T, n uint8, query, body string) {
		o := all[int(n)%len(all)]
		if strings.Contains(query, "w") {
			return
		}
		s := newServer(t)
		req := httptest.NewRequest(o.method, "https://hq"+o.path, strings.NewReader(body))
		req.URL.RawQuery = query
		req.Header.Set("Content-Type", "application/json")
		if strings.HasSuffix(o.path, "/ingest") || strings.HasSuffix(o.path, "/import") {
			req.Header.Set("Content-Type", "application/zstd")
		}
		req = req.WithContext(context.WithValue(req.Context(), actorKey{}, actor{name: "local:0", local: true}))
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s %s?%s %q: status %d, %s", o.method, o.path, query, body, w.Code, w.Body)
		}
	})
}

// Searches that nobody writes by hand: each is refused with a word, or answered, and soon.
func TestHostileSearches(t *testing.T) {
	r := newRig(t)
	r.fleet()
	many := strings.Repeat("name:a ", 1_000_000)
	for name, q := range map[string]string{
		"10 kB":               strings.Repeat("x", 10<<10),
		"a million terms":     many,
		"a million ors":       strings.ReplaceAll(many, " ", " or "),
		"deep":                strings.Repeat("(", 5000) + "a" + strings.Repeat(")", 5000),
		"deep and unfinished": strings.Repeat("(", 5000),
		"negations":           strings.Repeat("-", 4000) + "a",
		"stars":               "name:" + strings.Repeat("*a", 2000),
		"no UTF-8":            "name:\xff\xfe",
		"a NUL":               "name:a\x00b",
		"half a quote":        `name:"`,
		"a backslash":         `name:\`,
		"numbers":             "cve:>99999999999999999999999999999999 cpus:<-1e400",
		"times":               "seen:>99999999999999999y seen:<9999-99-99",
		"addresses":           "ip:1.2.3.4/99 ip:::/0 ip:1.2.3.4-::1",
		"directions":          "name:\u202eabc\u2066",
		"one of 4096 bytes":   strings.Repeat("a", 4096),
	} {
		for _, path := range []string{"/hosts?q=", "/hosts/facets?q=", "/hosts/group?by=os,site&q=", "/hosts/export?q=", "/hosts/complete?q="} {
			if len(q) > maxJSON && path != "/hosts?q=" && path != "/hosts/complete?q=" {
				continue // writing it into an address is what takes long
			}
			began := time.Now()
			w := r.do("GET", "/api/v1"+path+url.QueryEscape(q), nil)
			if w.Code != 200 && w.Code != 422 {
				t.Errorf("%s: %s: status %d, %.200s", name, path, w.Code, w.Body)
			}
			if w.Body.Len() > 64<<10 {
				t.Errorf("%s: %s: the answer has %d bytes", name, path, w.Body.Len())
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: %s took %s", name, path, took)
			}
		}
		if len(q) > maxJSON {
			continue
		}
		if w := r.do("PUT", "/api/v1/searches/x", schema.SearchPut{Query: q}); w.Code != 200 && w.Code != 201 && w.Code != 422 {
			t.Errorf("%s: saved: status %d, %.200s", name, w.Code, w.Body)
		}
	}
}

// Parameters that were never in an answer of this server.
func TestHostileParameters(t *testing.T) {
	r := newRig(t)
	r.fleet()
	long := strings.Repeat("a", 60<<10)
	for _, query := range []string{
		"after=" + long, "after=%00", "after=AQEA", "sort=" + long, "sort=%ff", "sort=-", "sort=--name", "facets=" + strings.Repeat("os,", 9999),
		"facets=%ff", "facets=,", "limit=1001", "limit=0", "limit=-1", "limit=9999999999999999999999", "limit=1e3", "limit=", "q=%zz", "q=a;b", long + "=1", "%ff=%ff",
	} {
		for _, path := range []string{"/hosts", "/hosts/export"} {
			w := r.do("GET", "/api/v1"+path+"?"+query, nil)
			if w.Code != 422 && !strings.HasPrefix(query, "sort=%ff") {
				t.Errorf("%s?%.60s: status %d, %.200s", path, query, w.Code, w.Body)
			}
			if w.Body.Len() > 16<<10 {
				t.Errorf("%s?%.60s: the answer has %d bytes", path, query, w.Body.Len())
			}
		}
	}
	for _, columns := range []string{long, strings.Repeat("name,", 999), "%00", "name,,os", strings.Repeat("name,", 63) + "name"} {
		w := r.do("GET", "/api/v1/hosts/export?columns="+columns, nil)
		if ok := strings.Count(columns, ",") == 63; (w.Code == 200) != ok || !ok && w.Code != 422 || w.Body.Len() > 16<<10 {
			t.Errorf("columns %.60s: status %d, %.200s", columns, w.Code, w.Body)
		}
	}
}

// FuzzSearch asks with any search, order, place and columns: nothing that comes from outside is this
// server's failure, and a problem points into the text.
func FuzzSearch(f *testing.F) {
	f.Add("status:down os:debian<12 -tag:lab", "-cve:critical", "", "name,os", "status,tag")
	f.Add("(region:eu or region:uk) seen:>2h", "seen", "AQEA", "x", "sitee")
	f.Add("name:\xff", "\x00", "\x00", ",", ",")
	s := newServer(f)
	f.Fuzz(func(t *testing.T, q, sort, after, columns, fields string) {
		for path, query := range map[string]url.Values{
			"/hosts":          {"q": {q}, "sort": {sort}, "after": {after}, "facets": {fields}},
			"/hosts/export":   {"q": {q}, "sort": {sort}, "columns": {columns}},
			"/hosts/facets":   {"q": {q}, "fields": {fields}},
			"/hosts/complete": {"q": {q}},
		} {
			req := httptest.NewRequest("GET", "https://hq"+base+path, nil)
			req.URL.RawQuery = query.Encode()
			req = req.WithContext(context.WithValue(req.Context(), actorKey{}, actor{name: "local:0", local: true}))
			w := httptest.NewRecorder()
			s.ServeHTTP(w, req)
			if w.Code != 200 && w.Code != 422 {
				t.Fatalf("%s?%s: status %d, %s", path, query.Encode(), w.Code, w.Body)
			}
			var p schema.Problem
			if w.Code != 200 && (json.Unmarshal(w.Body.Bytes(), &p) != nil || p.Pos != nil && (*p.Pos < 0 || *p.End < *p.Pos)) {
				t.Fatalf("%s", w.Body)
			}
		}
	})
}

// newServer is a controller with one site and one host.
func newServer(t testing.TB) *Server {
	mem := newMemory()
	mem.self = model.Found{Self: group, Role: model.RoleController, Name: "hq"}
	r := &rig{mem: mem, now: noon}
	r.site(berlin, "berlin", model.HostUp)
	return New(Config{
		Role: model.RoleController, Version: "test", Data: t.TempDir(), Store: mem, Proposer: mem, Links: fakeLinks{}, Directory: mem, Tokens: fakeTokens{},
		Asker: &fakeAsker{err: fault.New(fault.Unreachable, "ask", "no link")}, Now: func() time.Time { return noon },
	})
}

// FuzzStoredHash reads any text as a stored hash, which decides how much work one login is.
func FuzzStoredHash(f *testing.F) {
	f.Add(decoy)
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$AA$AA")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	s := newServer(f)
	f.Fuzz(func(t *testing.T, stored string) {
		if ok, err := s.passwordIs(t.Context(), "x", stored); ok || err != nil && !fault.Is(err, fault.Corrupt) {
			t.Errorf("%q: %v, %v", stored, ok, err)
		}
	})
}
