package api

import (
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// TestAuthorities: what a source may speak for is said while the server runs, and what is held is judged again in one run, of whoever
// brought it.
func TestAuthorities(t *testing.T) {
	r := newHQ(t)
	got := read[schema.Ingested](r.rig, r.do("POST", "/api/v1/advisories/ingest?source=acme", packed(t, records(300, "8.0")), "Content-Type", "application/zstd"), 200)
	if got.Created != 300 || got.OutsideN != 300 {
		t.Fatalf("%+v", got)
	}
	theirs := model.AdvisoryKey{Source: "acme", ID: "THEIRS-1"}
	run, err := r.server.newRun(t.Context(), model.RunIngest, false)
	if err != nil {
		t.Fatal(err)
	}
	run.origin = model.NodeID{7}
	err = run.add(t.Context(), model.Advisory{
		AdvisoryKey: theirs, Aliases: []string{"CVE-2026-9001"}, Affected: []model.Affected{{Ecosystem: "Debian:12", Name: "wget"}},
		Statements: []model.Statement{{Status: model.StatementNotAffected, Products: []string{"pkg:deb/debian/curl"}}},
	})
	if err == nil {
		err = r.server.store(t.Context(), run, "", &schema.Ingested{})
	}
	if err != nil {
		t.Fatal(err)
	}
	outside := func() (n int) {
		r.Helper()
		v, done := r.server.c.Store.View()
		defer done()
		if err := v.EachAdvisory(func(a model.Advisory) error {
			if a.Affected[0].Outside {
				n++
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := outside(); n != 301 {
		t.Fatalf("%d are outside", n)
	}
	put := func(source string, may ...string) schema.AuthorityDone {
		r.Helper()
		return read[schema.AuthorityDone](r.rig, r.do("PUT", "/api/v1/advisories/authorities/"+source, schema.AuthoritySet{Ecosystems: append([]string{}, may...)}), 200)
	}
	before := r.shelf().Generation
	if done := put("acme", " Debian:12 ", "npm", "Debian"); done.JudgedN != 301 || done.BuiltIn || !slices.Equal(done.Ecosystems, []string{"Debian", "npm"}) || outside() != 0 || r.shelf().Generation != before+1 {
		t.Errorf("%+v, %d are outside, generation %d", done, outside(), r.shelf().Generation)
	}
	a, ok := look2(r, func(v View) (model.Advisory, bool, error) { return v.Advisory(theirs) })
	if !ok || a.Origin != (model.NodeID{7}) || a.Statements[0].Outside {
		t.Errorf("what came from elsewhere is now %+v", a)
	}
	if audit := r.audited("authority.put"); len(audit) != 1 || audit[0].Object != "acme" {
		t.Errorf("audited as %+v", audit)
	}
	if done := put("acme", "npm", "Debian"); done.JudgedN != 0 || r.shelf().Generation != before+1 {
		t.Errorf("the same again: %+v", done)
	}
	find := func(source string) (row schema.Authority) {
		for _, x := range read[[]schema.Authority](r.rig, r.do("GET", "/api/v1/advisories/authorities", nil), 200) {
			if x.Source == source {
				row = x
			}
		}
		return row
	}
	if x, y, z := find("acme"), find("debian"), find("nvd"); x.BuiltIn || len(x.Ecosystems) != 2 || !y.BuiltIn || y.Ecosystems[0] != "Debian" || !z.BuiltIn || z.Ecosystems == nil {
		t.Errorf("%+v %+v %+v", x, y, z)
	}
	if done := put("acme"); done.JudgedN != 301 || !done.BuiltIn || outside() != 301 || find("acme").Source != "" {
		t.Errorf("as it is built in: %+v", done)
	}
	if done := put("debian", "*"); done.JudgedN != 0 || !slices.Equal(find("debian").Ecosystems, []string{"*"}) {
		t.Errorf("%+v", done)
	}
	r.refused(r.do("PUT", "/api/v1/advisories/authorities/acme", schema.AuthoritySet{Ecosystems: []string{" :12"}}), 400, fault.Invalid, "want it without a release")
	r.refused(r.do("PUT", "/api/v1/advisories/authorities/ACME", schema.AuthoritySet{Ecosystems: []string{"npm"}}), 400, fault.Invalid, "")
}
