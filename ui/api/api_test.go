package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

var (
	noon   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	group  = model.NodeID{15: 1}
	berlin = model.SiteID{15: 2}
	oslo   = model.SiteID{15: 3}
)

// rig is a server over rows in memory, with a clock that stands still.
type rig struct {
	*testing.T
	mem    *memory
	links  fakeLinks
	asker  *fakeAsker
	server *Server

	mu  sync.Mutex
	now time.Time
}

func (r *rig) clock() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now }

func (r *rig) pass(d time.Duration) { r.mu.Lock(); defer r.mu.Unlock(); r.now = r.now.Add(d) }

type fakeLinks map[model.NodeID]Link

func (l fakeLinks) Live(id model.NodeID) (Link, bool) { x, ok := l[id]; return x, ok }

type fakeAsker struct {
	answer any
	err    error
	asked  []string
}

func (f *fakeAsker) Ask(_ context.Context, id model.NodeID, route string, params map[string]string) ([]byte, error) {
	f.asked = append(f.asked, id.String()+" "+route+" "+params[model.ParamHost])
	if f.err != nil {
		return nil, f.err
	}
	return model.Encode(f.answer)
}

type fakeTokens struct{}

func (fakeTokens) NewToken(kind model.MemberKind, id model.NodeID) (string, string, string, error) {
	return "skerry1." + string(kind), "hash-of-" + id.String(), "pin", nil
}

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{T: t, mem: newMemory(), links: fakeLinks{}, asker: &fakeAsker{}, now: noon}
	r.mem.self = model.Found{Self: group, Role: model.RoleController, Name: "hq"}
	c := Config{
		Role: model.RoleController, Version: "test", Data: t.TempDir(), Store: r.mem, Proposer: r.mem, Links: r.links, Directory: r.mem,
		Tokens: fakeTokens{}, Asker: r.asker, Now: r.clock, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&c)
	}
	if c.Role == model.RoleController {
		r.mem.lost = func(id model.SiteID) bool { return !r.links[model.NodeID(id)].Up }
	}
	r.server = New(c)
	return r
}

// site adds an enrolled site with hosts of the given status.
func (r *rig) site(id model.SiteID, name string, hosts ...model.HostStatus) {
	r.mem.sites[id] = model.Site{ID: id, Name: name}
	r.mem.members[model.NodeID(id)] = model.Member{
		ID: model.NodeID(id), Kind: model.MemberSite, Name: name,
		Status: model.MemberEnrolled, EnrolledAt: model.TimeOf(noon.Add(-time.Hour)),
	}
	n := model.SiteCounts{Site: id, Hosts: int64(len(hosts)), ByStatus: map[string]int64{}, LastItem: model.TimeOf(noon.Add(-time.Minute))}
	for i, status := range hosts {
		h := model.Host{ID: hostID(id, i), Site: id, Status: status, FactsAt: model.TimeOf(noon.Add(-time.Minute))}
		h.Hostname = name + "-" + string(rune('a'+i))
		r.mem.hosts[h.ID] = h
		n.ByStatus[string(status)]++
	}
	r.mem.counts[id] = n
}

func hostID(site model.SiteID, i int) model.HostID {
	return model.HostID{13: byte(i + 1), 15: site[15]}
}

// do sends a request as the local administrator, unless the request carries a login of its own.
func (r *rig) do(method, path string, body any, header ...string) *httptest.ResponseRecorder {
	r.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case []byte:
		reader = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			r.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	req := httptest.NewRequest(method, "https://hq"+path, reader)
	req.Header.Set("Content-Type", "application/json")
	local := true
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		local = local && header[i] != "Authorization" && header[i] != "Cookie"
	}
	if local {
		req = req.WithContext(context.WithValue(req.Context(), actorKey{}, actor{name: "local:0", local: true}))
	}
	w := httptest.NewRecorder()
	r.server.ServeHTTP(w, req)
	return w
}

func read[T any](r *rig, w *httptest.ResponseRecorder, status int) T {
	r.Helper()
	var v T
	if w.Code != status {
		r.Fatalf("status %d, want %d; body %s", w.Code, status, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		r.Fatalf("%v in %s", err, w.Body)
	}
	return v
}

// refused checks a problem's shape, and that its detail says what it should.
func (r *rig) refused(w *httptest.ResponseRecorder, status int, kind fault.Kind, says string) {
	r.Helper()
	p := read[schema.Problem](r, w, status)
	if p.Status != status || p.Kind != kind.String() || p.Title == "" || !strings.Contains(p.Detail, says) || strings.Contains(p.Detail, "\n") {
		r.Errorf("problem %+v, want kind %s and a line with %q", p, kind, says)
	}
	if typ := w.Header().Get("Content-Type"); typ != "application/problem+json" {
		r.Errorf("content type %q", typ)
	}
}

func TestEveryKindHasAStatus(t *testing.T) {
	for k := fault.Other; !strings.HasPrefix(k.String(), "kind_"); k++ {
		if statuses[k] < 400 {
			t.Errorf("kind %s has status %d", k, statuses[k])
		}
	}
}

func TestRefusalsHaveOneShape(t *testing.T) {
	r := newRig(t)
	long := strings.Repeat("x", maxJSON+1)
	for name, c := range map[string]struct {
		w      *httptest.ResponseRecorder
		status int
		kind   fault.Kind
		says   string
	}{
		"no such operation":     {r.do("GET", "/api/v1/nonsense", nil), 404, fault.NotFound, "/openapi.json"},
		"wrong method":          {r.do("DELETE", "/api/v1/sites", nil), 404, fault.NotFound, "DELETE /api/v1/sites"},
		"not JSON":              {r.do("POST", "/api/v1/sites", "{"), 400, fault.Invalid, "JSON"},
		"unknown field":         {r.do("POST", "/api/v1/sites", `{"name":"a","colour":1}`), 422, fault.Invalid, "colour"},
		"bad name":              {r.do("POST", "/api/v1/sites", `{"name":"A b"}`), 422, fault.Invalid, `name: `},
		"out of range":          {r.do("POST", "/api/v1/sites", `{"name":"a","lat":91,"lng":0}`), 422, fault.Invalid, "lat: "},
		"half a position":       {r.do("POST", "/api/v1/sites", `{"name":"a","lat":1}`), 400, fault.Invalid, "both or neither"},
		"bad duration":          {r.do("POST", "/api/v1/sites", `{"name":"a","ttl":"soon"}`), 400, fault.Invalid, "as in 90s, 15m, 24h, 2d or 1w"},
		"unknown parameter":     {r.do("GET", "/api/v1/hosts?colour=red", nil), 422, fault.Invalid, "colour"},
		"unknown status":        {r.do("GET", "/api/v1/hosts?q=status:green", nil), 422, fault.Invalid, "green"},
		"too large":             {r.do("POST", "/api/v1/sites", `{"name":"`+long+`"}`), 413, fault.TooLarge, ""},
		"wrong type of content": {r.do("POST", "/api/v1/federation/import", "x"), 415, fault.Invalid, "application/zstd"},
		"agents of a site":      {r.do("GET", "/api/v1/agents", nil), 409, fault.Conflict, "this server is a controller"},
		"unknown site":          {r.do("GET", "/api/v1/sites/atlantis", nil), 404, fault.NotFound, `"atlantis"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{T: t}
			r.refused(c.w, c.status, c.kind, c.says)
		})
	}
}

func TestWhatCannotBeWrittenSaysSo(t *testing.T) {
	r := newRig(t)
	r.mem.refuse = fault.New(fault.ReadOnly, "propose", "no leader")
	r.refused(r.do("POST", "/api/v1/sites", `{"name":"berlin"}`), 503, fault.ReadOnly, "no leader")
	r.mem.refuse = io.ErrUnexpectedEOF
	r.refused(r.do("POST", "/api/v1/sites", `{"name":"berlin"}`), 500, fault.Other, "the server's log has it under request")
}

func TestSecurityHeadersAreOnEveryAnswer(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/", "/api/v1/node", "/api/v1/nonsense", "/healthz", "/some/view"} {
		w := r.do("GET", path, nil)
		for _, h := range []string{"Content-Security-Policy", "Strict-Transport-Security", "X-Content-Type-Options", "X-Frame-Options", "X-Request-Id"} {
			if w.Header().Get(h) == "" {
				t.Errorf("%s: no %s", path, h)
			}
		}
		if csp := w.Header().Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || strings.Contains(csp, "http:") {
			t.Errorf("%s: policy %q", path, csp)
		}
	}
}

func TestAnotherOriginsPageIsRefused(t *testing.T) {
	r := newRig(t)
	w := r.do("POST", "/api/v1/sites", `{"name":"berlin"}`, "Sec-Fetch-Site", "cross-site")
	r.refused(w, 403, fault.Denied, "another origin")
	if len(r.mem.sites) != 0 {
		t.Error("it was done all the same")
	}
}

func TestOpenAPI(t *testing.T) {
	raw, err := OpenAPI("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct{ Schemas map[string]json.RawMessage }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Paths["/api/v1/hosts/{host}/detail"]["get"] == nil || doc.Components.Schemas["HostDetail"] == nil || doc.Components.Schemas["Problem"] == nil {
		t.Error("operations or schemas are missing")
	}
	if doc.Components.Schemas["ErrorModel"] != nil || strings.Contains(string(raw), "#/components/schemas/ErrorModel") {
		t.Error("the router's own error type is in the document")
	}
	r := newRig(t)
	r.refused(r.do("GET", "/openapi.json", nil, "Authorization", "Bearer wrong"), 401, fault.Login, "")
	if w := r.do("GET", "/openapi.json", nil); w.Code != 200 {
		t.Errorf("status %d", w.Code)
	}
}

func TestPage(t *testing.T) {
	r := newRig(t)
	w := r.do("GET", "/sites/berlin", nil, "Cookie", "a=b")
	if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("a view: status %d, %s", w.Code, w.Header().Get("Content-Type"))
	}
	r.refused(r.do("GET", "/assets/gone-123.js", nil), 404, fault.NotFound, "reload")
	r.refused(r.do("POST", "/", nil), 405, fault.Invalid, "only read")
}

func TestReadiness(t *testing.T) {
	reasons := []string{"no leader"}
	r := newRig(t, func(c *Config) { c.Ready = func() []string { return reasons } })
	if w := r.do("GET", "/readyz", nil, "Cookie", "a=b"); w.Code != 503 || !strings.Contains(w.Body.String(), "no leader") {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
	reasons = nil
	if w := r.do("GET", "/readyz", nil, "Cookie", "a=b"); w.Code != 200 {
		t.Errorf("status %d, %s", w.Code, w.Body)
	}
}

func TestSocketKnowsItsUser(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "s")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	l, err := ListenSocket(path)
	if err != nil {
		t.Fatal(err)
	}
	go func() { done <- r.server.ServeSocket(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		for {
			c, err := d.DialContext(ctx, "unix", path)
			if err == nil || ctx.Err() != nil {
				return c, err
			}
			select { // the server is about to listen
			case err := <-done:
				t.Fatalf("serve: %v", err)
			default:
			}
		}
	}}}
	resp, err := client.Get("http://local/api/v1/node")
	if err != nil {
		t.Fatal(err)
	}
	var node schema.Node
	err = json.NewDecoder(resp.Body).Decode(&node)
	_ = resp.Body.Close()
	if err != nil || !strings.HasPrefix(node.Actor, "local:") || node.Name != "hq" {
		t.Errorf("node %+v, %v", node, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket mode %v, %v", info.Mode(), err)
	}
	if _, err := ListenSocket(path); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second server on the same socket: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// TestTextTravelsCompressed: and says so, and nothing is compressed for who did not ask.
func TestTextTravelsCompressed(t *testing.T) {
	r := newRig(t)
	for i := range 60 {
		r.site(model.SiteID{1, byte(i + 1)}, fmt.Sprintf("site-%d", i), model.HostUp)
	}
	plain := r.do("GET", "/api/v1/sites", nil)
	w := r.do("GET", "/api/v1/sites", nil, "Accept-Encoding", "gzip")
	if plain.Header().Get("Content-Encoding") != "" || w.Header().Get("Content-Encoding") != "gzip" || w.Body.Len() > plain.Body.Len()/4 {
		t.Fatalf("%q with %d bytes, beside %d plain", w.Header().Get("Content-Encoding"), w.Body.Len(), plain.Body.Len())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != plain.Body.String() {
		t.Errorf("what was compressed is not what was meant: %v", err)
	}
}
