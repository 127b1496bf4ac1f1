package api

import (
	"bytes"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// far is what a server fetches from.
type far struct {
	rows  []schema.AdvisorySource
	asked []string
}

func (f *far) List() []schema.AdvisorySource { return f.rows }

func (f *far) Fetch(name string) error {
	f.asked = append(f.asked, name)
	if name != "kev" {
		return fault.New(fault.NotFound, "fetch a source", "there is no source %q here", name)
	}
	return nil
}

func TestSources(t *testing.T) {
	f := &far{rows: []schema.AdvisorySource{{Name: "kev", Kind: "kev", State: "current"}}}
	r := newHQ(t, func(c *Config) { c.Sources = f })
	if list := read[[]schema.AdvisorySource](r.rig, r.do("GET", "/api/v1/advisories/sources", nil), 200); len(list) != 1 || list[0].Name != "kev" || list[0].State != "current" {
		t.Errorf("%+v", list)
	}
	if w := r.do("POST", "/api/v1/advisories/sources/kev/fetch", nil); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r.refused(r.do("POST", "/api/v1/advisories/sources/nvd/fetch", nil), 404, fault.NotFound, "no source")
	if len(f.asked) != 2 {
		t.Errorf("asked for %q", f.asked)
	}
	none := newHQ(t)
	if list := read[[]schema.AdvisorySource](none.rig, none.do("GET", "/api/v1/advisories/sources", nil), 200); len(list) != 0 {
		t.Errorf("%+v", list)
	}
	none.refused(none.do("POST", "/api/v1/advisories/sources/kev/fetch", nil), 404, fault.NotFound, "advisories.sources")
}

// The bundles that members fetch are signed whatever keys there are: by the one that the server made, by the one that somebody
// made beside it, by the newest of several.
func TestWriteBundleFindsAKey(t *testing.T) {
	r := newHQ(t)
	r.puts([]model.Advisory{advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1")})
	signer := func() string {
		t.Helper()
		var b bytes.Buffer
		if _, err := r.server.WriteBundle(t.Context(), &b, model.Cursor{}); err != nil {
			t.Fatal(err)
		}
		site := newBerlin(t)
		site.trusts(r.rig, "federation")
		for _, name := range []string{"hq", "hq-2"} {
			if w := r.do("GET", "/api/v1/keys/"+name+"/public", nil); w.Code == 200 {
				site.trusts(r.rig, name)
			}
		}
		done := read[schema.ImportResult](site.rig, site.imports(b.Bytes(), ""), 200)
		if done.Counts.Created != 1 {
			t.Errorf("%+v", done)
		}
		return read[[]schema.ImportRecord](site.rig, site.do("GET", "/api/v1/federation/sites/hq/history", nil), 200)[0].Signer
	}
	first := signer()
	if audit := r.audited("bundle.export"); len(audit) != 1 || audit[0].Actor != "system" || audit[0].Detail["to"] == "" {
		t.Errorf("audited as %+v", audit)
	}
	r.mu.Lock()
	r.now = r.now.Add(time.Minute)
	r.mu.Unlock()
	if key := read[schema.Key](r.rig, r.do("POST", "/api/v1/keys", `{"name":"hq"}`), 201); key.Signs {
		t.Errorf("a second key signs at once: %+v", key)
	}
	if second := signer(); second != first { // what others trust goes on working
		t.Errorf("signed by %s, then by %s", first, second)
	}
	site := newBerlin(t)
	site.trusts(r.rig, "federation")
	named := r.do("GET", "/api/v1/federation/export?key=hq", nil).Body.Bytes()
	site.refused(site.imports(named, ""), 403, fault.Denied, "skerry keys trust")
	if done := read[schema.ImportResult](site.rig, site.imports(r.exported(""), ""), 200); len(done.TrustedKeys) != 1 {
		t.Errorf("whoever trusts one learns of the other: %+v", done)
	}
	r.do("POST", "/api/v1/keys/federation/revoke", `{}`)
	if second := signer(); second == first || second == "" {
		t.Errorf("signed by %s, which is revoked", second)
	}
	for _, k := range read[[]schema.Key](r.rig, r.do("GET", "/api/v1/keys", nil), 200) {
		if k.Signs != (k.Name == "hq") {
			t.Errorf("%+v", k)
		}
	}
}
