package api

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/feed"
	"github.com/skerryhq/skerry/ui/schema"
)

// advisory is a record over few fields.
func advisory(source, id string, aliases []string, ecosystem, name, fixed string, more ...func(*model.Advisory)) model.Advisory {
	a := model.Advisory{
		AdvisoryKey: model.AdvisoryKey{Source: source, ID: id}, Aliases: aliases, Published: model.TimeOf(noon), Summary: "a flaw in " + name,
		Affected: []model.Affected{{Ecosystem: ecosystem, Name: name, Ranges: []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}, {Fixed: fixed}}}}}},
	}
	for _, f := range more {
		f(&a)
	}
	return a
}

func scored(vector string) func(*model.Advisory) {
	return func(a *model.Advisory) { a.Severity = []model.Score{{Type: "CVSS_V3", Score: vector}} }
}

const (
	critical = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	medium   = "CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:L/A:L"
)

// puts takes records in, and removals, as one run.
func (r *rowRig) puts(records []model.Advisory, gone ...model.AdvisoryKey) {
	r.Helper()
	run, err := r.server.newRun(r.Context(), model.RunIngest, false)
	if err != nil {
		r.Fatal(err)
	}
	for _, a := range records {
		if err := run.add(r.Context(), a); err != nil {
			r.Fatal(err)
		}
	}
	for _, k := range gone {
		if err := run.drop(r.Context(), k); err != nil {
			r.Fatal(err)
		}
	}
	c, err := run.end(r.Context())
	if err == nil {
		err = r.rows.Propose(r.Context(), c)
	}
	if err != nil {
		r.Fatal(err)
	}
}

// shelved is a controller with some records that belong together and some that do not.
func shelved(t *testing.T) *rowRig {
	r := newHQ(t)
	r.puts([]model.Advisory{
		advisory("ghsa", "GHSA-aaaa-bbbb-cccc", []string{"CVE-2026-1111"}, "npm", "express", "4.1.0", scored(critical)),
		advisory("nvd", "CVE-2026-1111", nil, "npm", "express", "4.1.0", scored(medium), func(a *model.Advisory) { a.Affected = nil; a.CWEs = []string{"CWE-79"} }),
		advisory("cisa-kev", "KEV-CVE-2026-1111", nil, "", "", "", func(a *model.Advisory) {
			a.Affected, a.Upstream, a.Exploit = nil, []string{"CVE-2026-1111"}, &model.Exploit{Known: model.TimeOf(noon)}
		}),
		advisory("debian-dsa", "DSA-5000-1", nil, "Debian:12", "openssl", "3.0.11-1~deb12u2", func(a *model.Advisory) { a.Upstream = []string{"CVE-2026-2222", "CVE-2026-1111"} }),
		advisory("debian-dsa", "DSA-5001-1", []string{"CVE-2026-3333"}, "Debian:12", "curl", "7.88.1-10+deb12u5"),
		advisory("pypa", "PYSEC-2026-9", []string{"CVE-2026-4444"}, "PyPI", "Django_Rest", "2.0", func(a *model.Advisory) { a.Withdrawn = model.TimeOf(noon) }),
	})
	return r
}

func TestGetAdvisory(t *testing.T) {
	r := shelved(t)
	get := func(id string) schema.Canonical {
		r.Helper()
		return read[schema.Canonical](r.rig, r.do("GET", "/api/v1/advisories/"+url.PathEscape(id), nil), 200)
	}
	c := get("CVE-2026-1111")
	if len(c.Members) != 3 || len(c.Records) != 3 || c.MergeHash != merge.Hash("CVE-2026-1111") || c.Known == nil || !slices.Contains(c.CWEs, "CWE-79") || !slices.Contains(c.Aliases, "GHSA-aaaa-bbbb-cccc") {
		t.Errorf("%+v", c)
	}
	for _, id := range []string{"cve-2026-1111", "GHSA-aaaa-bbbb-cccc", "ghsa-AAAA-bbbb-cccc", c.MergeHash, "KEV-CVE-2026-1111"} {
		if got := get(id); got.ID != c.ID {
			t.Errorf("%s is %s", id, got.ID)
		}
	}
	if i := slices.IndexFunc(c.Related, func(n schema.Neighbour) bool { return n.ID == "DSA-5000-1" }); i < 0 || c.Related[i].How != "names this" || c.Related[i].By != "debian-dsa/DSA-5000-1" {
		t.Errorf("related: %+v", c.Related)
	}
	dsa := get("DSA-5000-1")
	if i := slices.IndexFunc(dsa.Related, func(n schema.Neighbour) bool { return n.ID == "CVE-2026-1111" }); i < 0 || dsa.Related[i].How != "upstream" || dsa.Related[i].Summary == "" {
		t.Errorf("related to the DSA: %+v", dsa.Related)
	}
	if got := dsa.Records[0].Affected[0]; got.Purl != "pkg:deb/debian/openssl" || got.Ranges[0] != ">= 0, < 3.0.11-1~deb12u2" {
		t.Errorf("%+v", got)
	}
	// Nobody has a record of it; who names it is shown.
	if named := get("CVE-2026-2222"); len(named.Members) != 0 || len(named.Related) != 1 || named.Related[0].ID != "DSA-5000-1" {
		t.Errorf("%+v", named)
	}
	r.refused(r.do("GET", "/api/v1/advisories/CVE-1999-1", nil), 404, fault.NotFound, "CVE-1999-1")
	r.refused(r.do("GET", "/api/v1/advisories/sha256:00", nil), 404, fault.NotFound, "merge hash")
}

func TestExplainAdvisory(t *testing.T) {
	r := shelved(t)
	x := read[schema.Explained](r.rig, r.do("GET", "/api/v1/advisories/GHSA-aaaa-bbbb-cccc/explain", nil), 200)
	if x.ID != "CVE-2026-1111" || x.Scheme != merge.Scheme || len(x.Members) != 3 {
		t.Errorf("%+v", x)
	}
	for _, m := range x.Members {
		if m.Why == "" || m.Class == "" {
			t.Errorf("%+v", m)
		}
	}
	i := slices.IndexFunc(x.Fields, func(f schema.Resolved) bool { return f.Name == "severity" })
	if i < 0 || !x.Fields[i].Differs || len(x.Fields[i].Said) != 2 || x.Fields[i].Rule == "" {
		t.Errorf("fields: %+v", x.Fields)
	}
	r.refused(r.do("GET", "/api/v1/advisories/CVE-2026-2222/explain", nil), 404, fault.NotFound, "others name it")
}

func TestSearchAdvisories(t *testing.T) {
	r := shelved(t)
	search := func(query string) (ids []string, page schema.Canonicals) {
		r.Helper()
		page = read[schema.Canonicals](r.rig, r.do("GET", "/api/v1/advisories?"+query, nil), 200)
		for _, c := range page.Canonicals {
			ids = append(ids, c.ID)
		}
		return ids, page
	}
	for query, want := range map[string]string{
		"":                                   "CVE-2026-1111 CVE-2026-3333 CVE-2026-4444 DSA-5000-1",
		"q=openssl+dsa":                      "DSA-5000-1",
		"q=EXPRESS":                          "CVE-2026-1111",
		"q=ghsa-aaaa+flaw":                   "CVE-2026-1111",
		"q=nothing":                          "",
		"severity=unknown,none":              "CVE-2026-3333 CVE-2026-4444 DSA-5000-1",
		"source=pypa":                        "CVE-2026-4444",
		"package=openssl":                    "DSA-5000-1",
		"package=django-rest":                "CVE-2026-4444",
		"package=pkg:deb/debian/curl":        "CVE-2026-3333",
		"package=pkg:deb/ubuntu/curl":        "",
		"known_exploited=true":               "CVE-2026-1111",
		"withdrawn=only":                     "CVE-2026-4444",
		"withdrawn=exclude&q=flaw":           "CVE-2026-1111 CVE-2026-3333 DSA-5000-1",
		"changed_since=1h":                   "CVE-2026-1111 CVE-2026-3333 CVE-2026-4444 DSA-5000-1",
		"changed_since=2030-01-01T00:00:00Z": "",
		"purl=pkg:deb/debian/openssl@3.0.11-1~deb12u1": "DSA-5000-1",
		"purl=pkg:deb/debian/openssl@3.0.11-1~deb12u2": "",
		"purl=pkg:npm/express@4.0.0":                   "CVE-2026-1111",
		"purl=pkg:npm/express@4.1.0":                   "",
		"purl=pkg:npm/express":                         "CVE-2026-1111",
	} {
		if got, page := search(query); strings.Join(got, " ") != want || page.Total != len(got) {
			t.Errorf("%s: %q of %d, want %q", query, got, page.Total, want)
		}
	}
	if _, page := search("purl=pkg:npm/express@4.0.0"); page.Canonicals[0].Verdict != "affected" || page.Canonicals[0].Fixed != "4.1.0" {
		t.Errorf("%+v", page.Canonicals)
	}
	var all []string
	for query := "limit=1"; ; {
		ids, page := search(query)
		all = append(all, ids...)
		if page.Next == "" {
			break
		}
		if query = "limit=1&cursor=" + page.Next; len(all) > 9 {
			t.Fatal("the pages do not end")
		}
	}
	if strings.Join(all, " ") != "CVE-2026-1111 CVE-2026-3333 CVE-2026-4444 DSA-5000-1" {
		t.Errorf("by pages: %q", all)
	}
	for query, says := range map[string]string{"severity=dire": "dire", "purl=openssl": "package URL", "changed_since=soon": "soon", "cursor=*": "cursor"} {
		r.refused(r.do("GET", "/api/v1/advisories?"+query, nil), 400, fault.Invalid, says)
	}
}

// TestSearchesFollowTheRows: what is new, changed and gone shows at once, also where the stream of changes does not help.
func TestSearchesFollowTheRows(t *testing.T) {
	r := shelved(t)
	find := func(query string) int {
		r.Helper()
		return read[schema.Canonicals](r.rig, r.do("GET", "/api/v1/advisories?"+query, nil), 200).Total
	}
	if n := find(""); n != 4 {
		t.Fatal(n)
	}
	r.puts([]model.Advisory{
		advisory("debian-dsa", "DSA-5001-1", []string{"CVE-2026-3333"}, "Debian:12", "wget", "1.0"),
		advisory("debian-dsa", "DSA-6000-1", []string{"CVE-2026-5555"}, "Debian:12", "wget", "1.0"),
	}, model.AdvisoryKey{Source: "pypa", ID: "PYSEC-2026-9"})
	for query, want := range map[string]int{"": 4, "package=curl": 0, "package=wget": 2, "q=pysec": 0, "package=django-rest": 0} {
		if n := find(query); n != want {
			t.Errorf("%q: %d, want %d", query, n, want)
		}
	}
	sameAnew(t, r.server, func() { find("") })
}

// TestScoresOfNobody: of a quarter of a million scores those are held that are about something here, and that moved.
func TestScoresOfNobody(t *testing.T) {
	r := shelved(t)
	scores := func(lines string) schema.Ingested {
		r.Helper()
		raw := []byte("#model_version:v2026.01.01,score_date:2026-03-01T00:00:00+0000\ncve,epss,percentile\n" + lines)
		done, err := r.server.IngestFrom(r.Context(), model.RunPull, "epss", func(fn func(string, []byte) error) error { return fn("epss/epss.csv", raw) })
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	if got := scores("CVE-2026-1111,0.5,0.9\nCVE-2026-9999,0.9,0.99\n"); got.Created != 1 || got.PassedOver != 1 || got.Read != 2 {
		t.Errorf("%+v", got)
	}
	if got := scores("CVE-2026-1111,0.505,0.9\n"); got.Updated != 0 || got.PassedOver != 1 {
		t.Errorf("hardly moved: %+v", got)
	}
	if got := scores("CVE-2026-1111,0.52,0.9\n"); got.Updated != 1 {
		t.Errorf("moved: %+v", got)
	}
	c := read[schema.Canonical](r.rig, r.do("GET", "/api/v1/advisories/CVE-2026-1111", nil), 200)
	if c.Probability != 0.52 || len(c.Members) != 4 {
		t.Errorf("%+v", c)
	}
	if audit := r.audited("advisories.pull"); len(audit) != 2 || audit[0].Actor != "system" {
		t.Errorf("audited as %+v", audit)
	}
}

// TestASetOfChangesIsIngested: lines that put and that delete.
func TestASetOfChangesIsIngested(t *testing.T) {
	r := newHQ(t)
	r.ingest(packed(t, records(3, "8.0")))
	var b bytes.Buffer
	dir := t.TempDir()
	file := write(t, dir, "debian-dsa/2026-03-01.ndjson", `{"op":"del","id":"DSA-1-1","path":"DSA-1-1.json"}
{"op":"put","id":"DSA-9-1","path":"DSA-9-1.json","record":`+oneLine(fmt.Sprintf(osv, "DSA-9-1", 9, "8.0"))+`}
`)
	if _, err := feed.Pack(t.Context(), []string{file}, &b); err != nil {
		t.Fatal(err)
	}
	if got := r.ingest(b.Bytes()); got.Created != 1 || got.Deleted != 1 || got.AdvisoryN != 3 || got.MalformedN != 0 {
		t.Errorf("%+v", got)
	}
}

// TestASourceSpeaksForItsOwn: of another's ecosystem it is shown and not matched.
func TestASourceSpeaksForItsOwn(t *testing.T) {
	r := newHQ(t)
	r.puts([]model.Advisory{advisory("pypa", "PYSEC-2026-1", nil, "npm", "express", "4.0")})
	c := read[schema.Canonical](r.rig, r.do("GET", "/api/v1/advisories/PYSEC-2026-1", nil), 200)
	if !c.Records[0].Affected[0].Outside {
		t.Errorf("%+v", c.Records[0].Affected)
	}
	if got := read[schema.Canonicals](r.rig, r.do("GET", "/api/v1/advisories?purl=pkg:npm/express@1.0", nil), 200); got.Total != 0 {
		t.Errorf("%+v", got)
	}
}
