package api

import (
	"context"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/ui/schema"
)

// answering is a site that finds a vulnerability in two packages of two hosts.
func answering(asked *[]string) func(*Config) {
	return func(c *Config) {
		c.Controller = group
		c.Answer = func(_ context.Context, route string, p map[string]string) (any, error) {
			*asked = append(*asked, route+" "+p["name"]+" "+p["query"])
			found := func(host int, pkg, source string, v model.Verdict) model.ExposedAt {
				f := model.Finding{Vulnerability: "CVE-2026-0001", Package: pkg, Source: source, Verdict: v}
				return model.ExposedAt{FleetRow: model.FleetRow{Host: hostID(berlin, host)}, Standing: model.Standing{Finding: f}}
			}
			if p["name"] != "CVE-2026-0001" {
				return model.ExposedWhere{}, nil
			}
			return model.ExposedWhere{Rows: []model.ExposedAt{
				found(0, "libcurl4", "curl", model.VerdictAffected), found(0, "curl", "curl", model.VerdictAffected), found(1, "curl", "curl", model.VerdictUnknown),
				found(1, "other", "other", model.VerdictAffected), found(2, "curl", "curl", model.VerdictSuppressed),
			}}, nil
		}
	}
}

// What an acceptance covers at a site is said where it is made; a controller does not know.
func TestWhatAnAcceptanceCovers(t *testing.T) {
	var asked []string
	site, hq := newBerlin(t, answering(&asked)), newHQ(t)
	for _, r := range []*rowRig{site, hq} {
		r.puts([]model.Advisory{advisory("ghsa", "GHSA-1111-1111-1111", []string{"CVE-2026-0001"}, "npm", "a", "1")})
	}
	for _, x := range []struct {
		pkg  string
		want schema.Covered
	}{
		{"", schema.Covered{Findings: 4, Hosts: 2}},
		{"curl", schema.Covered{Findings: 3, Hosts: 2}}, // as installed, and what is built from it
		{"libcurl4", schema.Covered{Findings: 1, Hosts: 1}},
		{"wget", schema.Covered{}},
	} {
		ask := schema.AcceptanceMake{Vulnerability: "ghsa-1111-1111-1111", Package: x.pkg, Hosts: "os:debian", Reason: "r", Until: "1d"}
		a := read[schema.Acceptance](site.rig, site.do("POST", "/api/v1/exposure/acceptances", ask), 201)
		if a.Covers == nil || *a.Covers != x.want || a.Vulnerability != "CVE-2026-0001" || asked[len(asked)-1] != model.RouteExposureCVE+" CVE-2026-0001 os:debian" {
			t.Errorf("package %q: %+v %+v, asked %q", x.pkg, a, a.Covers, asked)
		}
		if a := read[schema.Acceptance](hq.rig, hq.do("POST", "/api/v1/exposure/acceptances", ask), 201); a.Covers != nil {
			t.Errorf("a controller says %+v", a.Covers)
		}
	}
}

// A site does not take back what its controller accepted: the two would never agree again.
func TestAnAcceptanceIsRevokedWhereItWasMade(t *testing.T) {
	var asked []string
	site, hq := newBerlin(t, answering(&asked)), newHQ(t)
	ask := schema.AcceptanceMake{Vulnerability: "CVE-2026-0001", Reason: "r", Until: "1d"}
	made := map[*rowRig]string{}
	for _, r := range []*rowRig{site, hq} {
		r.puts([]model.Advisory{advisory("ghsa", "GHSA-1111-1111-1111", []string{"CVE-2026-0001"}, "npm", "a", "1")})
		made[r] = read[schema.Acceptance](r.rig, r.do("POST", "/api/v1/exposure/acceptances", ask), 201).ID
	}
	above := look(hq, func(v View) (model.Acceptance, error) { a, _, err := v.Acceptance(made[hq]); return a, err })
	key := look(hq, View.Signers)[0]
	key.Revoked = true // it counts for nothing, and is still the controller's
	st := model.Stamp{Actor: "system", At: model.TimeOf(noon)}
	if err := site.rows.Propose(t.Context(), model.TrustSigner{Stamp: st, Key: key}, model.PutAcceptance{Stamp: st, Acceptance: above}); err != nil {
		t.Fatal(err)
	}
	site.refused(site.do("DELETE", "/api/v1/exposure/acceptances/"+above.ID, nil), 409, fault.Conflict, "made at the controller")
	for _, r := range []*rowRig{site, hq} {
		if w := r.do("DELETE", "/api/v1/exposure/acceptances/"+made[r], nil); w.Code != 204 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

// What nobody knows is not the same as what no host has.
func TestWhoHasWhatIsNotKnown(t *testing.T) {
	var asked []string
	r := newBerlin(t, answering(&asked))
	r.puts([]model.Advisory{
		advisory("ghsa", "GHSA-1111-1111-1111", []string{"CVE-2026-0001"}, "npm", "a", "1"),
		advisory("osv", "GO-2026-2", nil, "npm", "b", "1"),
	})
	c, _ := look2(r, func(v View) (model.Canonical, bool, error) { return v.Canonical("CVE-2026-0001") })
	for _, id := range []string{"CVE-2026-0001", "cve-2026-0001", "ghsa-1111-1111-1111", c.Hash} {
		if w := read[schema.ExposedWhere](r.rig, r.do("GET", "/api/v1/exposure/cve/"+id, nil), 200); w.Vulnerability != "CVE-2026-0001" || len(w.Hosts) != 5 {
			t.Errorf("%s: %+v", id, w)
		}
	}
	if w := read[schema.ExposedWhere](r.rig, r.do("GET", "/api/v1/exposure/cve/go-2026-2", nil), 200); w.Vulnerability != "GO-2026-2" || len(w.Hosts) != 0 {
		t.Errorf("no host has it: %+v", w)
	}
	r.refused(r.do("GET", "/api/v1/exposure/cve/CVE-1999-1", nil), 404, fault.NotFound, "no advisory here has or names")
	r.refused(r.do("GET", "/api/v1/exposure/cve/sha256:00", nil), 404, fault.NotFound, "merge hash")
}

// A site that was never enrolled has no hosts, and tries and imports bundles all the same.
func TestASiteThatWasNeverEnrolled(t *testing.T) {
	east, full := exporting(t, 50, "us-east", advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1"))
	store, err := index.Open(t.TempDir(), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	s := &rowStore{Store: store, role: model.RoleSite}
	r := &rowRig{rig: newRig(t, func(c *Config) { c.Role, c.Store, c.Proposer = model.RoleSite, s, s }), rows: s}
	r.trusts(east.rig, "federation")
	for i, query := range []string{"dry_run=true", ""} {
		done := read[schema.ImportResult](r.rig, r.imports(full, query), 200)
		if !done.Success || done.Counts.Created != 1 || r.shelf().AdvisoryN != i {
			t.Errorf("%q: %+v, %d held", query, done, r.shelf().AdvisoryN)
		}
	}
	for _, x := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/exposure/cve/GHSA-1111-1111-1111", nil},
		{"GET", "/exposure/diff?from=7d", nil},
		{"POST", "/exposure/acceptances", schema.AcceptanceMake{Vulnerability: "GHSA-1111-1111-1111", Reason: "r", Until: "1d"}},
	} {
		r.refused(r.do(x.method, "/api/v1"+x.path, x.body), 409, fault.Conflict, "enroll it at its controller first")
	}
}
