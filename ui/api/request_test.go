package api

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// remembering does each request once, as a group of controllers does, and loses answers when it is told to.
type remembering struct {
	*memory
	came map[model.RequestID]error
	ids  []model.RequestID // of all proposals
	lose bool
}

func (p *remembering) Propose(ctx context.Context, changes ...model.Change) error {
	id := model.RequestOf(ctx)
	p.ids = append(p.ids, id)
	err, known := p.came[id]
	if !known || id.IsZero() {
		err = p.memory.Propose(ctx, changes...)
		if !id.IsZero() {
			p.came[id] = err
		}
	}
	if p.lose {
		p.lose = false
		return fault.New(fault.ReadOnly, "propose", "it may or may not have happened")
	}
	return err
}

func newRemembering(t *testing.T) (*rig, *remembering) {
	p := &remembering{came: map[model.RequestID]error{}}
	r := newRig(t, func(c *Config) { p.memory = c.Proposer.(*memory); c.Proposer = p })
	return r, p
}

// count is how many changes were carried out.
func (p *remembering) count() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.proposed) }

func TestRepeatIsCarriedOutOnce(t *testing.T) {
	r, p := newRemembering(t)
	r.site(berlin, "berlin", model.HostUp)
	search := schema.SearchPut{Query: "status:up"}
	for _, c := range []struct {
		name, method, path string
		body               any
		status             int // of the repeat
		says               string
	}{
		{"a search", "PUT", "/searches/mine", search, 200, "mine"},
		{"an account", "POST", "/accounts", schema.AccountPut{Name: "op", Password: "correct horse"}, 200, "op"},
		{"a site's place", "PATCH", "/sites/berlin", schema.SiteChange{City: new(string)}, 200, "berlin"},
		{"a site", "POST", "/sites", schema.SiteEnroll{Name: "oslo"}, 409, "make another for \\\"oslo\\\""},
		{"a command", "POST", "/commands", schema.Dispatch{Kind: model.CommandPing, Site: "berlin", Hosts: []string{"*"}}, 409, "the list of commands has it"},
		{"a command with an id", "POST", "/commands", schema.Dispatch{
			ID: model.CommandID{15: 9}.String(), Kind: model.CommandPing, Site: "berlin", Hosts: []string{"*"},
		}, 201, model.CommandID{15: 9}.String()},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &rig{T: t, mem: r.mem, server: r.server, now: r.now}
			before := p.count()
			p.lose = true
			key := "key of " + c.name
			r.refused(r.do(c.method, "/api/v1"+c.path, c.body, keyHeader, key), 503, fault.ReadOnly, "may or may not")
			w := r.do(c.method, "/api/v1"+c.path, c.body, keyHeader, key)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("the repeat: %d %s", w.Code, w.Body)
			}
			if n := p.count() - before; n != 1 {
				t.Errorf("carried out %d times", n)
			}
			if again := r.do(c.method, "/api/v1"+c.path, c.body, keyHeader, key); again.Code != c.status {
				t.Errorf("and once more: %d %s", again.Code, again.Body)
			}
		})
	}
	// What was refused is refused again, and not tried again.
	body := schema.SiteEnroll{Name: "oslo"}
	for range 2 {
		r.refused(r.do("POST", "/api/v1/sites", body, keyHeader, "twice"), 409, fault.Exists, "already")
	}
	if n := p.count(); n != 7 { // six, and the one that was refused
		t.Errorf("%d proposals were carried out", n)
	}
}

func TestWhatMakesARequest(t *testing.T) {
	r, p := newRemembering(t)
	r.site(berlin, "berlin")
	put := func(who, path, key, body string) model.RequestID {
		t.Helper()
		from := len(p.ids)
		header := []string{}
		if key != "" {
			header = append(header, keyHeader, key)
		}
		if who != "" {
			header = append(header, "Authorization", "Bearer "+r.mem.login(who))
		}
		if w := r.do("PUT", "/api/v1/searches/"+path, body, header...); w.Code >= 300 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if len(p.ids) != from+1 {
			t.Fatalf("%d proposals", len(p.ids)-from)
		}
		return p.ids[from]
	}
	first := put("", "a", "k", `{"query":"up"}`)
	if first.IsZero() || first != put("", "a", "k", `{"query":"up"}`) {
		t.Error("the same request has two ids, or none")
	}
	for what, id := range map[string]model.RequestID{
		"who":       put("admin", "a", "k", `{"query":"up"}`),
		"path":      put("", "b", "k", `{"query":"up"}`),
		"parameter": put("", "a?new=false", "k", `{"query":"up"}`),
		"key":       put("", "a", "K", `{"query":"up"}`),
		"body":      put("", "a", "k", `{"query":"down"}`),
	} {
		if id == first || id.IsZero() {
			t.Errorf("another %s is the same request", what)
		}
	}
	if id := put("", "a", "", `{"query":"up"}`); !id.IsZero() {
		t.Error("a request without a key has an id")
	}
}

func TestBadKeys(t *testing.T) {
	r, p := newRemembering(t)
	for _, key := range []string{"", strings.Repeat("x", maxKey+1), "a\tb", "schlüssel", "a\x7f"} {
		w := r.do("POST", "/api/v1/sites", schema.SiteEnroll{Name: "x"}, keyHeader, key)
		r.refused(w, 422, fault.Invalid, "Idempotency-Key: want 1 to 128 printable ASCII characters")
	}
	if len(p.ids) != 0 {
		t.Error("something was proposed all the same")
	}
	if w := r.do("POST", "/api/v1/sites", schema.SiteEnroll{Name: "x"}, keyHeader, strings.Repeat("~", maxKey)); w.Code != 201 {
		t.Errorf("the longest key: %d %s", w.Code, w.Body)
	}
	if w := r.do("GET", "/api/v1/sites", nil, keyHeader, "\x01"); w.Code != 200 {
		t.Errorf("a read has nothing to do with keys: %d", w.Code)
	}
	long := `{"name":"` + strings.Repeat("x", maxJSON) + `"}`
	r.refused(r.do("POST", "/api/v1/sites", long, keyHeader, "k"), 413, fault.TooLarge, "")
}

// What proposes in pieces would lose all but the first of them, if each had the id of the request.
func TestPiecesHaveNoID(t *testing.T) {
	r, p := newRemembering(t)
	var feed bytes.Buffer
	z, err := zstd.NewWriter(&feed)
	if err != nil {
		t.Fatal(err)
	}
	tarOf(t, z, "debian-dsa/DSA-1-1.json", `{"schema_version":"1.7.0","id":"DSA-1-1","modified":"2026-01-02T03:04:05Z",
"affected":[{"package":{"ecosystem":"Debian:12","name":"curl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}`)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w := r.do("POST", "/api/v1/advisories/ingest", feed.Bytes(), keyHeader, "k", "Content-Type", "application/zstd")
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	for i, id := range p.ids {
		if !id.IsZero() {
			t.Errorf("proposal %d of %d has the id of the request", i, len(p.ids))
		}
	}
	if len(p.ids) < 3 {
		t.Errorf("%d proposals", len(p.ids))
	}
	if r.do("POST", "/api/v1/login", schema.Login{Account: "nobody", Password: "x"}, keyHeader, "k"); !p.ids[len(p.ids)-1].IsZero() {
		t.Error("a login has an id")
	}
}

// A second proposal of one request is not a repeat of the first.
func TestOneProposalHasTheID(t *testing.T) {
	r, p := newRemembering(t)
	x := &exchange{Context: model.WithRequest(t.Context(), model.RequestID{1})}
	for range 3 {
		if err := r.server.c.Proposer.Propose(x, model.DropSearch{Name: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	r.server.noteOf(&exchange{Context: model.WithRequest(t.Context(), model.RequestID{2})}, model.Note{Action: "x"})
	if got := fmt.Sprint(p.ids); got != fmt.Sprint([]model.RequestID{{1}, {}, {}, {}}) {
		t.Error(got)
	}
}

func FuzzIdempotencyKey(f *testing.F) {
	for _, seed := range []string{"", "k", "a b", "\x00", strings.Repeat("x", maxKey), "ü"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if !goodKey(key) {
			return
		}
		if len(key) < 1 || len(key) > 128 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q is taken for a key", key)
		}
		req := httptest.NewRequest("POST", "https://hq/api/v1/sites", nil)
		id := requestOf("account:a", req, key, nil)
		if id.IsZero() || id == requestOf("account:a", req, key+"x", nil) || id == requestOf("account:a"+key, req, "", nil) {
			t.Fatalf("%q has the id of another request", key)
		}
	})
}

// tarOf writes a tar of one file.
func tarOf(t *testing.T, w io.Writer, name, text string) {
	t.Helper()
	a := tar.NewWriter(w)
	err := a.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(text)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = io.WriteString(a, text)
	}
	if err := errors.Join(err, a.Close()); err != nil {
		t.Fatal(err)
	}
}
