package merge

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

const (
	v31critical = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	v31medium   = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N"
	v2high      = "AV:N/AC:L/Au:N/C:C/I:C/A:C"
)

func day(t testing.TB, s string) (out model.Time) {
	t.Helper()
	if err := out.UnmarshalText([]byte(s + "T00:00:00Z")); err != nil {
		t.Fatal(err)
	}
	return out
}

func v3(vector string) []model.Score { return []model.Score{{Type: "CVSS_V3", Score: vector}} }

// trouble is one vulnerability as seven sources have it, who do not agree.
func trouble(t testing.TB) (model.Canonical, []model.Advisory) {
	key := func(source, id string) model.AdvisoryKey { return model.AdvisoryKey{Source: source, ID: id} }
	records := []model.Advisory{
		{AdvisoryKey: key("nvd", "CVE-2024-1000"), Summary: "A flaw in foo allows.", Severity: v3(v31critical), Published: day(t, "2024-01-02"), CWEs: []string{"CWE-79"}},
		{AdvisoryKey: key("vulnrichment", "CVE-2024-1000"), Severity: v3(v31medium), Published: day(t, "2024-01-01"), CWEs: []string{"CWE-80"}},
		{AdvisoryKey: key("ghsa", "GHSA-aaaa-bbbb-cccc"), Aliases: []string{"CVE-2024-1000"}, Summary: "XSS in foo", Severity: v3(v31medium), Affected: []model.Affected{
			{Ecosystem: "npm", Name: "foo"}, {Ecosystem: "Debian:12", Name: "foo", Outside: true},
		}},
		{AdvisoryKey: key("debian-dsa", "DSA-1-1"), Aliases: []string{"CVE-2024-1000"}, Affected: []model.Affected{
			{Ecosystem: "Debian:12", Name: "foo", Severity: []model.Score{{Type: "Word", Score: "low"}}},
		}},
		{AdvisoryKey: key("bellsoft", "BELL-CVE-2024-1000"), Aliases: []string{"CVE-2024-1000"}, Withdrawn: day(t, "2024-03-01"), Summary: "CVE-2024-1000 does not affect", Severity: v3(v31medium)},
		{AdvisoryKey: key("cisa-kev", "KEV-CVE-2024-1000"), Upstream: []string{"CVE-2024-1000"}, Summary: "Foo XSS", Published: day(t, "2024-02-02"), Exploit: &model.Exploit{Known: day(t, "2024-02-02")}},
		{AdvisoryKey: key("epss", "EPSS-CVE-2024-1000"), Upstream: []string{"CVE-2024-1000"}, Exploit: &model.Exploit{Probability: 0.5, ScoredAt: day(t, "2024-04-01")}},
	}
	groups := usual.group(sortedRecords(records))
	if len(groups) != 1 || groups[0].ID != "CVE-2024-1000" || len(groups[0].Members) != len(records) {
		t.Fatalf("groups are %+v", groups)
	}
	return model.Canonical{ID: groups[0].ID, Hash: Hash(groups[0].ID), Members: groups[0].Members}, records
}

func sortedRecords(list []model.Advisory) []Record {
	out := make([]Record, len(list))
	for i := range list {
		out[i] = RecordOf(list[i])
	}
	slices.SortFunc(out, func(a, b Record) int { return a.AdvisoryKey.Compare(b.AdvisoryKey) })
	return out
}

func TestHead(t *testing.T) {
	c, records := trouble(t)
	want := model.CanonicalHead{
		Summary: "XSS in foo", Severity: model.SeverityCritical, Published: day(t, "2024-01-01"),
		Known: day(t, "2024-02-02"), Probability: 0.5,
		Differing: 5, // severity, cvss, published, withdrawn, cwes
	}
	for range len(records) {
		if got := Head(c.ID, records); got != want {
			t.Fatalf("from %s first:\n got %+v\nwant %+v", records[0].AdvisoryKey, got, want)
		}
		records = append(records[1:], records[0])
	}
}

// What one source touches last wins nothing.
func TestModifiedDecidesNothing(t *testing.T) {
	c, records := trouble(t)
	want := Resolve(c, records)
	for i := range records {
		records[i].Modified = model.Time(1000 * (i + 1))
		if got := Resolve(c, records); !reflect.DeepEqual(got, want) {
			t.Errorf("%s was modified, and another value won", records[i].AdvisoryKey)
		}
	}
}

func TestHeadOfLittle(t *testing.T) {
	if got := Head("X-1", nil); got != (model.CanonicalHead{Severity: model.SeverityUnknown}) {
		t.Errorf("of nothing: %+v", got)
	}
	x := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "nvd", ID: "CVE-2024-1"}, Summary: strings.Repeat("é", 100)}
	if got := Head("CVE-2024-1", []model.Advisory{x}); got.Summary != strings.Repeat("é", 80) || got.Differing != 0 {
		t.Errorf("long: %+v", got)
	}
}

func TestWithdrawnOnlyTogether(t *testing.T) {
	kev := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "cisa-kev", ID: "KEV-1"}, Upstream: []string{"CVE-2024-1000"}, Exploit: &model.Exploit{Known: 1000}}
	nvd := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "nvd", ID: "CVE-2024-1000"}, Withdrawn: 5000} // Rejected
	alp := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "alpine", ID: "ALPINE-1"}, Aliases: []string{"CVE-2024-1000"}}
	gone := alp
	gone.Withdrawn = 9000
	for _, c := range []struct {
		name string
		in   []model.Advisory
		want model.Time
	}{
		{"NVD alone rejects it", []model.Advisory{nvd, alp, kev}, 0},
		{"all do", []model.Advisory{nvd, gone, kev}, 9000},
		{"nobody but NVD speaks of it", []model.Advisory{nvd}, 5000},
		{"facts alone say nothing of it", []model.Advisory{kev}, 0},
	} {
		if got := Head("CVE-2024-1000", c.in).Withdrawn; got != c.want {
			t.Errorf("%s: withdrawn at %d, want %d", c.name, got, c.want)
		}
	}
}

func TestResolve(t *testing.T) {
	c, records := trouble(t)
	r := Resolve(c, records)
	fields := map[string]Field{}
	for _, f := range r.Fields {
		fields[f.Name] = f
	}
	for _, x := range []struct{ name, value, source string }{
		{"summary", "XSS in foo", "ghsa"},
		{"severity", "critical " + v31critical, "nvd"},
		{"cvss", v31critical, "nvd"},
		{"published", "2024-01-01T00:00:00.000Z", "vulnrichment"},
		{"withdrawn", "in force", "nvd"},
		{"cwes", "CWE-79", "nvd"},
		{"known_exploited", "2024-02-02", "cisa-kev"},
		{"probability", "0.5 on 2024-04-01", "epss"},
	} {
		if f := fields[x.name]; f.Value != x.value || f.From.Source != x.source || f.Rule == "" {
			t.Errorf("%s is %q of %s (%s); want %q of %s", x.name, f.Value, f.From, f.Rule, x.value, x.source)
		}
	}
	if n := len(r.Differences()); n != 5 {
		t.Errorf("%d fields differ, want 5: %+v", n, r.Differences())
	}
	// Every value is kept with who gave it, those of withdrawn records too.
	said := map[string]string{}
	for _, s := range fields["severity"].Said {
		said[s.Source] = s.Value
	}
	if want := (map[string]string{"nvd": "critical " + v31critical, "vulnrichment": "medium " + v31medium, "ghsa": "medium " + v31medium, "debian-dsa": "low", "bellsoft": "medium " + v31medium}); !reflect.DeepEqual(said, want) {
		t.Errorf("of the severity they say %v", said)
	}
	// A distribution rates its own packages; who has no authority is shown behind it.
	if len(r.Ecosystems) != 2 || r.Ecosystems[0].Ecosystem != "Debian" || r.Ecosystems[0].From.Source != "debian-dsa" || r.Ecosystems[0].Severity != model.SeverityLow ||
		len(r.Ecosystems[0].Said) != 2 || !r.Ecosystems[0].Said[1].Outside || r.Ecosystems[1].From.Source != "ghsa" {
		t.Errorf("ecosystems: %+v", r.Ecosystems)
	}
	reasons := map[string]model.EdgeReason{}
	for _, m := range r.Members {
		reasons[m.Source] = m.Reason
		if m.Why == "" || m.Fact != (m.Source == "cisa-kev" || m.Source == "epss") || m.Withdrawn.IsZero() != (m.Source != "bellsoft") {
			t.Errorf("%+v", m)
		}
	}
	if reasons["nvd"] != model.EdgeID || reasons["ghsa"] != model.EdgeAlias || reasons["epss"] != model.EdgeFact {
		t.Errorf("joined by %v", reasons)
	}
	var ids []string
	for _, n := range r.Aliases {
		ids = append(ids, n.ID)
	}
	if !slices.Equal(ids, []string{"BELL-CVE-2024-1000", "CVE-2024-1000", "DSA-1-1", "GHSA-aaaa-bbbb-cccc"}) || len(r.Related) != 0 {
		t.Errorf("aliases %v, related %v", ids, r.Related)
	}
}

func TestVectorsOfOtherVersionsDoNotContradict(t *testing.T) {
	a := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "nvd", ID: "CVE-2024-1000"}, Severity: v3("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N")}
	b := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "alpine", ID: "A-1"}, Aliases: []string{"CVE-2024-1000"}, Severity: []model.Score{{Type: "CVSS_V2", Score: v2high}}}
	if got := Head("CVE-2024-1000", []model.Advisory{a, b}); got.Differing != 0 || got.Severity != model.SeverityHigh {
		t.Errorf("%+v", got)
	}
	// A rating of several vulnerabilities at once is an upper bound.
	several := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "nvd", ID: "CVE-2024-1000"}, Upstream: []string{"CVE-2024-2000"}, Severity: v3(v31critical)}
	if got := Head("CVE-2024-1000", []model.Advisory{several, b}); got.Severity != model.SeverityHigh {
		t.Errorf("the rating of several won: %+v", got)
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		source, ecosystem string
		rows              map[string][]string
		want              bool
	}{
		{"debian-dsa", "Debian:12", nil, true},
		{"debian-12", "Debian:12", nil, true},
		{"almalinux9", "AlmaLinux:8", nil, true},
		{"alpine-v3.18", "Alpine:v3.18", nil, true},
		{"ubuntu-cve", "Ubuntu:Pro:14.04:LTS", nil, true},
		{"drupal", "Packagist:https://packages.drupal.org/8", nil, true},
		{"cleanstart", "CleanStart", nil, true},
		{"cleanstart", "Alpine", nil, false},
		{"oss-fuzz", "PyPI", nil, false},
		{"ghsa", "npm", nil, true},
		{"ghsa", "Debian:12", nil, false},
		{"nvd", "Debian:12", nil, false},
		{"someone", "Debian:12", nil, false},
		{"someone", "Leftpad OS:1", nil, true},
		{"npm", "npm", nil, true}, // a mirror's folder
		{"rocky-linux", "Rocky Linux:9", nil, true},
		{"osv", "Debian:12", nil, true},
		{"local", "npm", nil, true},
		{"someone", "Debian:12", map[string][]string{"someone": {"*"}}, true},
		{"someone", "Debian:12", map[string][]string{"someone": {"Debian"}}, true},
		{"someone", "npm", map[string][]string{"someone": {"Debian"}}, false},
		{"cleanstart", "Alpine", map[string][]string{"cleanstart": {"CleanStart", "Alpine"}}, true},
		{"debian-dsa", "Debian:12", map[string][]string{"debian-dsa": {}}, true}, // an empty row is none
		{"other", "Leftpad OS:1", map[string][]string{"someone": {"Leftpad OS"}}, false},
	} {
		if got := MaySpeak(c.source, c.ecosystem, c.rows); got != c.want {
			t.Errorf("%s for %s with %v: %v", c.source, c.ecosystem, c.rows, got)
		}
	}
	in := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "cleanstart", ID: "C-1"}, Affected: []model.Affected{
		{Ecosystem: "CleanStart", Name: "a", Outside: true}, {Ecosystem: "Alpine", Name: "a"},
	}}
	out := Judge(in, nil)
	if out.Affected[0].Outside || !out.Affected[1].Outside {
		t.Errorf("judged %+v", out.Affected)
	}
	if !in.Affected[0].Outside || in.Affected[1].Outside {
		t.Error("the argument was changed")
	}
}

func TestFieldDifferences(t *testing.T) {
	base := model.Advisory{
		AdvisoryKey: model.AdvisoryKey{Source: "ghsa", ID: "GHSA-1"}, Aliases: []string{"CVE-2024-1000"}, Summary: "old", Severity: v3(v31medium),
		Affected: []model.Affected{{Ecosystem: "npm", Name: "a", Versions: []string{"1"}}, {Ecosystem: "npm", Name: "b"}},
	}
	if got := FieldDifferences(base, base); got != nil {
		t.Errorf("the same: %+v", got)
	}
	other := base
	other.Affected = slices.Clone(base.Affected)
	other.Affected[0].Outside = true
	other.Cursor, other.Origin = model.Cursor{Seq: 7}, model.NodeID{1}
	if got := FieldDifferences(base, other); got != nil {
		t.Errorf("what the server adds: %+v", got)
	}
	other.Summary, other.Severity = "new", v3(v31critical)
	other.Aliases = []string{"CVE-2024-1000", "X-2"}
	other.Affected[0].Versions = []string{"1", "2"}
	other.Exploit = &model.Exploit{Ransomware: true}
	other.Withdrawn, other.Modified = 1000, 2000
	got := FieldDifferences(base, other)
	want := []model.Difference{
		{Field: "summary", Local: "old", Remote: "new"},
		{Field: "severity", Local: "medium", Remote: "critical"},
		{Field: "withdrawn", Remote: "1970-01-01T00:00:01.000Z"},
		{Field: "aliases", Remote: "X-2"},
		{Field: "exploit", Remote: `{"ransomware":true}`},
		{Field: "affected", Local: `{"ecosystem":"npm","name":"a","versions":["1"]}`, Remote: `{"ecosystem":"npm","name":"a","versions":["1","2"]}`},
		{Field: "modified", Remote: "1970-01-01T00:00:02.000Z"},
	}
	for i := range want {
		want[i].AdvisoryKey = base.AdvisoryKey
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	same := base
	same.Severity = v3("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:N/A:L")
	if got := FieldDifferences(base, same); len(got) != 1 || got[0].Local != v31medium {
		t.Errorf("same rating, other vector: %+v", got)
	}
	same.Summary = strings.Repeat("x", 5000)
	if got := FieldDifferences(base, same); len(got[0].Remote) != maxDifference {
		t.Errorf("a long value has %d bytes", len(got[0].Remote))
	}
}
