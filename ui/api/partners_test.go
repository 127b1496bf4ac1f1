package api

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// exporting is a controller of another federation with records, and its full bundle.
func exporting(t *testing.T, id byte, name string, records ...model.Advisory) (*rowRig, []byte) {
	t.Helper()
	r := newRowRig(t, model.RoleController, model.NodeID{15: id}, name)
	r.puts(records)
	return r, r.exported("")
}

// TestWhoseBundlesAreTaken: everybody's who is trusted, until somebody is named; then those that are, as far as they may.
func TestWhoseBundlesAreTaken(t *testing.T) {
	east, full := exporting(t, 50, "us-east", advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1"), advisory("nvd", "CVE-2026-1", nil, "npm", "b", "1"))
	r := newHQ(t)
	r.trusts(east.rig, "federation")
	put := func(name, body string) schema.Partner {
		r.Helper()
		return read[schema.Partner](r.rig, r.do("PUT", "/api/v1/federation/sites/"+name, body), 200)
	}
	put("us-west", `{"display_name":"US West"}`)
	r.refused(r.imports(full, ""), 403, fault.Denied, "Site not allowed")
	if p := put("us-east", `{"max_bundle_size":100,"allowed_sources":["ghsa"]}`); !p.Policy || !p.Enabled || p.Status != "enabled" || p.LastCursor != "" {
		t.Errorf("%+v", p)
	}
	r.refused(r.imports(full, ""), 413, fault.TooLarge, "Bundle too large")
	put("us-east", `{"max_bundle_size":0,"enabled":false}`)
	r.refused(r.imports(full, ""), 403, fault.Denied, "disabled")
	put("us-east", `{"enabled":true}`)
	done := read[schema.ImportResult](r.rig, r.imports(full, ""), 200)
	if done.Counts.Created != 1 || done.LeftOut["nvd"] != 1 || r.shelf().AdvisoryN != 1 {
		t.Errorf("%+v", done)
	}
	list := read[[]schema.Partner](r.rig, r.do("GET", "/api/v1/federation/sites", nil), 200)
	if len(list) != 2 || list[0].Name != "us-east" || list[0].SiteID != east.self.String() || list[0].BundlesN != 1 || !slices.Equal(list[0].AllowedSources, []string{"ghsa"}) ||
		list[1].DisplayName != "US West" || list[1].LastSyncAt != nil {
		t.Errorf("%+v", list)
	}
	history := read[[]schema.ImportRecord](r.rig, r.do("GET", "/api/v1/federation/sites/us-east/history?limit=5", nil), 200)
	if len(history) != 1 || history[0].BundleHash != done.BundleHash || history[0].Counts != done.Counts || history[0].Signer == "" || history[0].LeftOutN != 1 || history[0].LeftOut["nvd"] != 1 {
		t.Errorf("%+v", history)
	}
	if audit := r.audited("bundle.import"); !audit[0].OK || audit[0].Detail["left_out"] != "1" {
		t.Errorf("audited as %+v", audit[0])
	}
	many := map[string]int{}
	for i := range model.MaxLeftOut + 10 {
		many[fmt.Sprintf("s%03d", i)] = i
	}
	if of, n := recorded(many); len(of) != model.MaxLeftOut || n != (model.MaxLeftOut+9)*(model.MaxLeftOut+10)/2 || of["s010"] != 10 || of["s009"] != 0 {
		t.Errorf("of many sources %d are recorded, %d records: %v", len(of), n, of)
	}
	if w := r.do("DELETE", "/api/v1/federation/sites/us-west", nil); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r.refused(r.do("DELETE", "/api/v1/federation/sites/us-west", nil), 404, fault.NotFound, "us-west")
	r.refused(r.do("GET", "/api/v1/federation/sites/atlantis/history", nil), 404, fault.NotFound, "atlantis")
	for _, name := range []string{"Bad%20Name", "US-East", "-x", "a%0Ab", strings.Repeat("x", 65)} {
		r.refused(r.do("PUT", "/api/v1/federation/sites/"+name, "{}"), 400, fault.Invalid, "no name that a bundle could carry")
	}
	r.refused(r.do("PUT", "/api/v1/federation/sites/us-east", `{"allowed_sources":["No Source"]}`), 400, fault.Invalid, "allowed_sources")

	configured := newHQ(t, func(c *Config) { c.Federation = Federation{AllowedSites: []string{"us-north"}, MaxBundle: 100} })
	configured.trusts(east.rig, "federation")
	configured.refused(configured.imports(full, ""), 403, fault.Denied, "Site not allowed")
	if list := read[[]schema.Partner](configured.rig, configured.do("GET", "/api/v1/federation/sites", nil), 200); len(list) != 1 || list[0].Name != "us-north" || !list[0].Enabled {
		t.Errorf("%+v", list)
	}
	// The first who is named shuts out everybody else, and the answer says whom.
	open := newHQ(t)
	open.trusts(east.rig, "federation")
	read[schema.ImportResult](open.rig, open.imports(full, ""), 200)
	for i, want := range [][]string{{"us-east"}, nil} {
		name := fmt.Sprintf("us-west-%d", i)
		p := read[schema.Partner](open.rig, open.do("PUT", "/api/v1/federation/sites/"+name, "{}"), 200)
		if p.OnlyNamed != (i == 0) || !slices.Equal(p.ShutOut, want) {
			t.Errorf("%s: %+v", name, p)
		}
	}
	// A site takes what its own controller made, whoever else is named.
	site := newBerlin(t, func(c *Config) { c.Controller, c.Federation.AllowedSites = east.self, []string{"nobody"} })
	site.trusts(east.rig, "federation")
	read[schema.ImportResult](site.rig, site.imports(full, ""), 200)
	// What it would refuse for its size it can say before it comes.
	read[schema.Partner](site.rig, site.do("PUT", "/api/v1/federation/sites/us-east", `{"max_bundle_size":100}`), 200)
	if err := site.server.AdmitSize(east.self, "us-east", 100); err != nil {
		t.Error(err)
	}
	if err := site.server.AdmitSize(east.self, "us-east", 101); !fault.Is(err, fault.TooLarge) {
		t.Error(err)
	}
	if err := site.server.AdmitSize(model.NodeID{77}, "us-north", 1); !fault.Is(err, fault.Denied) {
		t.Error(err)
	}
}

func TestUnsignedBundles(t *testing.T) {
	east, full := exporting(t, 50, "us-east", advisory("ghsa", "GHSA-1111-1111-1111", nil, "npm", "a", "1"))
	r := newHQ(t)
	r.refused(r.imports(full, ""), 403, fault.Denied, "Signature verification failed")
	r.refused(r.imports(full, "skip_signature=true"), 403, fault.Denied, "Signature verification failed")
	read[schema.Partner](r.rig, r.do("PUT", "/api/v1/federation/sites/us-east", `{"skip_signature":true}`), 200)
	r.refused(r.imports(full, ""), 403, fault.Denied, "Signature verification failed") // it has to be asked for
	done := read[schema.ImportResult](r.rig, r.imports(full, "skip_signature=true"), 200)
	if !done.Unsigned || done.Counts.Created != 1 || len(done.TrustedKeys) != 0 {
		t.Errorf("%+v", done)
	}
	if audit := r.audited("bundle.import"); len(audit) != 4 || audit[0].Detail["unsigned"] != "yes" || audit[1].OK {
		t.Errorf("audited as %+v", audit)
	}
	if keys := read[[]schema.Key](r.rig, r.do("GET", "/api/v1/keys", nil), 200); len(keys) != 0 {
		t.Errorf("an unsigned bundle made keys trusted: %+v", keys)
	}
	_ = east
}

func TestConflicts(t *testing.T) {
	east, full := exporting(t, 50, "us-east",
		advisory("ghsa", "GHSA-1111-1111-1111", []string{"CVE-2026-1"}, "npm", "a", "2", scored(critical)), advisory("ghsa", "GHSA-2222-2222-2222", nil, "npm", "b", "1"))
	local := []model.Advisory{
		advisory("ghsa", "GHSA-1111-1111-1111", []string{"CVE-2026-1"}, "npm", "a", "1", scored(medium)), advisory("ghsa", "GHSA-2222-2222-2222", nil, "npm", "b", "1"),
	}
	key := local[0].AdvisoryKey
	for strategy, fixed := range map[string]string{"": "2", "prefer_remote": "2", "prefer_local": "1", "fail": "1"} {
		t.Run(strategy, func(t *testing.T) {
			r := newHQ(t)
			r.trusts(east.rig, "federation")
			r.puts(local)
			before := r.shelf()
			query := ""
			if strategy != "" {
				query = "on_conflict=" + strategy
			}
			w := r.imports(full, query)
			a, _ := look2(r, func(v View) (model.Advisory, bool, error) { return v.Advisory(key) })
			if got := a.Affected[0].Ranges[0].Events[1].Fixed; got != fixed {
				t.Errorf("fixed in %s, want %s", got, fixed)
			}
			if strategy == "fail" {
				r.refused(w, 409, fault.Conflict, "a conflict")
				if r.shelf().Cursor != before.Cursor || len(r.shelf().Imported) != 0 {
					t.Error("something was imported")
				}
				return
			}
			done := read[schema.ImportResult](r.rig, w, 200)
			if len(done.Conflicts) < 2 || done.ConflictN != len(done.Conflicts) || done.Counts.Skipped == 0 {
				t.Fatalf("%+v", done)
			}
			for _, c := range done.Conflicts {
				if c.Resolution != cmpOr(strategy, "prefer_remote") || c.ID != key.ID || !strings.HasPrefix(c.MergeHash, "sha256:") || c.Local == c.Remote {
					t.Errorf("%+v", c)
				}
			}
			history := read[[]schema.ImportRecord](r.rig, r.do("GET", "/api/v1/federation/sites/us-east/history", nil), 200)
			if len(history) != 1 || history[0].ConflictN != done.ConflictN || history[0].OnConflict != cmpOr(strategy, "prefer_remote") {
				t.Errorf("%+v", history)
			}
		})
	}
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// TestABundleInParts: they come in any order, also over a restart, and become visible at once.
func TestABundleInParts(t *testing.T) {
	var many []model.Advisory
	for i := range 6000 {
		a := advisory("ghsa", fmt.Sprintf("GHSA-%04d-%04d-0000", i, i*7%9999), nil, "npm", fmt.Sprintf("p%d", i*7919%100_000), fmt.Sprintf("%d.%d", i*31%977, i*17%89))
		a.Summary = fmt.Sprintf("%x %x %x", i*2654435761%4294967296, i*40503%65536, i*97%1009)
		many = append(many, a)
	}
	east, _ := exporting(t, 50, "us-east", many...)
	part := func(n int) ([]byte, string) {
		t.Helper()
		w := east.do("GET", fmt.Sprintf("/api/v1/federation/export?split=65536&part=%d", n), nil)
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return bytes.Clone(w.Body.Bytes()), w.Header().Get("X-Skerry-Parts")
	}
	first, of := part(1)
	n, err := strconv.Atoi(of)
	if err != nil || n < 2 {
		t.Fatalf("%q parts: the test's records are too few", of)
	}
	var parts [][]byte
	for i := n; i > 0; i-- { // the last one first
		body, again := part(i)
		if again != of {
			t.Fatalf("%s parts, and then %s", of, again)
		}
		parts = append(parts, body)
	}
	east.refused(east.do("GET", "/api/v1/federation/export?split=65536&part=900", nil), 404, fault.NotFound, "no part 900")
	east.refused(east.do("GET", "/api/v1/federation/export?split=100", nil), 400, fault.Invalid, "split")

	r := newHQ(t)
	r.trusts(east.rig, "federation")
	for _, dry := range []bool{true, false} {
		for i, body := range parts {
			done := read[schema.ImportResult](r.rig, r.imports(body, fmt.Sprint("dry_run=", dry)), 200)
			last := i == len(parts)-1
			if last != (done.Waiting == nil) || done.Success != last || !last && (done.Waiting.Of != len(parts) || len(done.Waiting.Missing) != len(parts)-1-i || r.shelf().AdvisoryN != 0) {
				t.Fatalf("part %d: %+v", i+1, done)
			}
			if last && done.Counts.Created != len(many) {
				t.Fatalf("%+v", done)
			}
		}
	}
	// A dry run of the last part, where the others came to be imported, is one of the whole set, and leaves them where they wait.
	r = newHQ(t)
	r.trusts(east.rig, "federation")
	for i, body := range parts[:n-1] {
		if done := read[schema.ImportResult](r.rig, r.imports(body, ""), 200); done.Waiting == nil || len(done.Waiting.Missing) != n-1-i {
			t.Fatalf("part %d: %+v", i+1, done)
		}
	}
	for range 2 {
		done := read[schema.ImportResult](r.rig, r.imports(parts[n-1], "dry_run=true"), 200)
		if done.Waiting != nil || done.Counts.Created != len(many) || r.shelf().AdvisoryN != 0 {
			t.Fatalf("the last part, tried: %+v", done)
		}
	}
	if done := read[schema.ImportResult](r.rig, r.imports(parts[n-1], ""), 200); done.Waiting != nil || done.Counts.Created != len(many) {
		t.Fatalf("the last part: %+v", done)
	}
	if r.shelf().AdvisoryN != len(many) || len(r.audited("bundle.import")) != 1 {
		t.Errorf("%+v, %+v", r.shelf(), r.audited("bundle.import"))
	}
	r.refused(r.imports(first, ""), 409, fault.Conflict, "Cursor not after current")
}

// TestABoundedExport says where the next one begins.
func TestABoundedExport(t *testing.T) {
	hq := newHQ(t)
	hq.ingest(packed(t, records(5, "8.0")))
	r := newBerlin(t)
	from, n := "", 0
	for {
		w := hq.do("GET", "/api/v1/federation/export?max_items=2&from="+escape(from), nil)
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if n == 0 {
			r.trusts(hq.rig, "federation")
		}
		n++
		read[schema.ImportResult](r.rig, r.imports(w.Body.Bytes(), ""), 200)
		if from = w.Header().Get("X-Skerry-Cursor"); w.Header().Get("X-Skerry-More") == "" {
			break
		}
	}
	if n != 3 || r.shelf().AdvisoryN != 5 || r.shelf().Imported[group.String()] != hq.shelf().Cursor {
		t.Errorf("%d bundles, %+v", n, r.shelf())
	}
}

// TestAKeyIsRotated: whoever trusts the old one learns of the new one, and goes on when the old one has retired.
func TestAKeyIsRotated(t *testing.T) {
	hq, site := newHQ(t), newBerlin(t)
	hq.ingest(packed(t, records(1, "8.0")))
	read[schema.ImportResult](site.rig, func() *httptest.ResponseRecorder {
		full := hq.exported("")
		site.trusts(hq.rig, "federation")
		return site.imports(full, "")
	}(), 200)
	rotated := read[schema.Key](hq.rig, hq.do("POST", "/api/v1/keys/federation/rotate", `{"overlap":"30d"}`), 201)
	if rotated.Name != "federation-2" || rotated.State != "active" || !rotated.Private {
		t.Errorf("%+v", rotated)
	}
	hq.refused(hq.do("POST", "/api/v1/keys/federation/rotate", `{}`), 409, fault.Conflict, "retiring")
	hq.refused(hq.do("POST", "/api/v1/keys/nobody/rotate", `{}`), 404, fault.NotFound, "nobody")
	next := func(n int) schema.ImportResult {
		t.Helper()
		hq.ingest(packed(t, records(n, "8.0")))
		return read[schema.ImportResult](site.rig, site.imports(hq.exported(escape(site.shelf().Imported[group.String()].String())), ""), 200)
	}
	if done := next(2); !slices.Equal(done.TrustedKeys, []string{"federation-2"}) { // the other one was trusted before
		t.Errorf("%+v", done.TrustedKeys)
	}
	keys := read[[]schema.Key](site.rig, site.do("GET", "/api/v1/keys", nil), 200)
	states := map[string]string{}
	for _, k := range keys {
		states[k.Name] = k.State
	}
	if states["of-federation"] != "retiring" || states["federation-2"] != "active" {
		t.Errorf("%v", states)
	}
	hq.pass(31 * 24 * time.Hour)
	site.pass(31 * 24 * time.Hour)
	next(3)
	// One that is revoked where it was made is so here as well, by the next bundle.
	hq.do("POST", "/api/v1/keys/federation/revoke", `{}`)
	if done := next(4); !slices.Equal(done.RevokedKeys, []string{"of-federation"}) || len(done.TrustedKeys) != 0 {
		t.Errorf("%+v", done)
	}
	if k, _ := look2(site, func(v View) (model.SignerKey, bool, error) {
		all, err := v.Signers()
		i := slices.IndexFunc(all, func(k model.SignerKey) bool { return k.Name == "of-federation" })
		return all[i], true, err
	}); !k.Revoked {
		t.Errorf("%+v", k)
	}
	// A key that is trusted already is not trusted once more under another name.
	pem := hq.do("GET", "/api/v1/keys/federation-2/public", nil).Body.String()
	site.refused(site.do("POST", "/api/v1/keys/trust", schema.KeyTrust{Name: "other", Public: pem}), 409, fault.Exists, `already trusted as "federation-2"`)
	if k := read[schema.Key](site.rig, site.do("POST", "/api/v1/keys/trust", schema.KeyTrust{Name: "federation-2", Public: pem}), 200); k.State != "active" {
		t.Errorf("%+v", k)
	}
	// A key that is revoked signs nothing, and says nothing.
	full := hq.exported("")
	revoked := read[schema.Key](site.rig, site.do("POST", "/api/v1/keys/federation-2/revoke", `{"reason":"it leaked"}`), 200)
	if revoked.State != "revoked" {
		t.Errorf("%+v", revoked)
	}
	site.refused(site.imports(full, "force=true"), 403, fault.Denied, "Signature verification failed")
	if audit := site.audited("key.revoke"); len(audit) != 1 || audit[0].Reason != "it leaked" {
		t.Errorf("%+v", audit)
	}
	read[schema.Key](hq.rig, hq.do("POST", "/api/v1/keys/federation-2/revoke", `{}`), 200)
	hq.refused(hq.do("GET", "/api/v1/federation/export", nil), 403, fault.Denied, "none of the 2 keys")
	hq.refused(hq.do("POST", "/api/v1/keys", `{"name":"x","purposes":["magic"]}`), 400, fault.Invalid, "magic")
	read[schema.Key](hq.rig, hq.do("POST", "/api/v1/keys", `{"name":"risks","purposes":["acceptance"]}`), 201)
	hq.refused(hq.do("GET", "/api/v1/federation/export?key=risks", nil), 403, fault.Denied, "for something else")
}
