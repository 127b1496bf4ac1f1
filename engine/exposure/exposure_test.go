package exposure

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// shelf is a Shelf of a few records.
type shelf []model.Advisory

func (s shelf) AdvisoriesFor(ecosystem, pkg string, fn func(model.Advisory) error) error {
	for _, a := range s {
		for _, e := range a.Affected {
			if e.Ecosystem == ecosystem && e.Name == pkg {
				if err := fn(a); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

func (s shelf) AdvisoriesNaming(id string) ([]model.Advisory, error) {
	var out []model.Advisory
	for _, a := range s {
		if a.ID == id || slices.Contains(a.Aliases, id) || slices.Contains(a.Upstream, id) || slices.Contains(a.Related, id) {
			out = append(out, a)
		}
	}
	return out, nil
}

func below(ecosystem, name, fixed string) model.Affected {
	return model.Affected{Ecosystem: ecosystem, Name: name, Ranges: []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}, {Fixed: fixed}}}}}
}

func key(source, id string) model.AdvisoryKey { return model.AdvisoryKey{Source: source, ID: id} }

const (
	criticalVector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
	mediumVector   = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"
)

func TestMatchDebianBySource(t *testing.T) {
	s := shelf{
		{AdvisoryKey: key("deb", "D-1"), Upstream: []string{"CVE-2024-0001"}, Affected: []model.Affected{below("Debian:12", "curl", "7.88.1-10+deb12u5"), below("Debian:11", "curl", "9")}},
		{AdvisoryKey: key("deb", "D-2"), Upstream: []string{"CVE-2024-0002", "CVE-2024-0003"}, Severity: []model.Score{{Type: "Word", Score: "critical"}}, Affected: []model.Affected{below("Debian:12", "curl", "8")}},
		{AdvisoryKey: key("deb", "D-3"), Withdrawn: 5, Affected: []model.Affected{below("Debian:12", "curl", "9")}},
		{AdvisoryKey: key("deb", "D-4"), Affected: []model.Affected{{Ecosystem: "Debian:12", Name: "curl"}}},
		{AdvisoryKey: key("deb", "D-5"), Affected: []model.Affected{below("Debian:12", "curl", "7.88.1-10+deb12u4")}},
		{AdvisoryKey: key("deb", "D-6"), Affected: []model.Affected{below("Debian:12", "odd", "2")}},
		{AdvisoryKey: key("deb", "D-7"), Upstream: []string{"CVE-2024-0009"}, Affected: []model.Affected{below("Debian:12", "linux", "6.1.119-1")}},
		{AdvisoryKey: key("cvss", "CVE-2024-0001"), Severity: []model.Score{{Type: "CVSS_V3", Score: mediumVector}}},
		{AdvisoryKey: key("cvss", "CVE-2024-0003"), Severity: []model.Score{{Type: "CVSS_V3", Score: mediumVector}}},
		{AdvisoryKey: key("cvss", "withdrawn"), Aliases: []string{"CVE-2024-0001"}, Withdrawn: 1, Severity: []model.Score{{Type: "CVSS_V3", Score: criticalVector}}},
	}
	inv := model.Inventory{OS: model.OS{ID: "debian", Version: "12"}, Packages: []model.Package{
		{Manager: "dpkg", Name: "curl", Version: "7.88.1-10+deb12u4", Arch: "amd64", Source: "curl", SourceVersion: "7.88.1-10+deb12u4"},
		{Manager: "dpkg", Name: "libcurl4", Version: "7.88.1-10+deb12u4+b1", Arch: "amd64", Source: "curl", SourceVersion: "7.88.1-10+deb12u4"},
		{Manager: "dpkg", Name: "libcurl4", Version: "7.88.1-10+deb12u4+b1", Arch: "i386", Source: "curl", SourceVersion: "7.88.1-10+deb12u4"},
		{Manager: "dpkg", Name: "linux-image-6.1.0-27-amd64", Version: "6.1.115-1", Source: "linux-signed-amd64", SourceVersion: "6.1.115+1"},
		{Manager: "dpkg", Name: "odd", Version: "1_2"},
		{Manager: "rpm", Name: "curl", Version: "1-1"},
	}}
	found, counts, err := Match(inv, s)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%s %s %s (%s %s) fixed %q %s %s", f.Vulnerability, f.Advisory, f.Package, f.Source, f.Version, f.Fixed, f.Severity, f.Verdict))
	}
	want := []string{
		// another record rates this CVE; the withdrawn one does not count
		`CVE-2024-0001 deb/D-1 curl (curl 7.88.1-10+deb12u4) fixed "7.88.1-10+deb12u5" medium affected`,
		`CVE-2024-0001 deb/D-1 libcurl4 (curl 7.88.1-10+deb12u4) fixed "7.88.1-10+deb12u5" medium affected`,
		// nobody rates it alone: the rating of both
		`CVE-2024-0002 deb/D-2 curl (curl 7.88.1-10+deb12u4) fixed "8" critical affected`,
		`CVE-2024-0002 deb/D-2 libcurl4 (curl 7.88.1-10+deb12u4) fixed "8" critical affected`,
		// rated alone elsewhere: that goes before the rating of both
		`CVE-2024-0003 deb/D-2 curl (curl 7.88.1-10+deb12u4) fixed "8" medium affected`,
		`CVE-2024-0003 deb/D-2 libcurl4 (curl 7.88.1-10+deb12u4) fixed "8" medium affected`,
		`CVE-2024-0009 deb/D-7 linux-image-6.1.0-27-amd64 (linux 6.1.115-1) fixed "6.1.119-1" unknown affected`,
		// the package is named without versions
		`D-4 deb/D-4 curl (curl 7.88.1-10+deb12u4) fixed "" unknown unknown`,
		`D-4 deb/D-4 libcurl4 (curl 7.88.1-10+deb12u4) fixed "" unknown unknown`,
		// the installed version is none
		`D-6 deb/D-6 odd (odd 1_2) fixed "" unknown unknown`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if want := (model.SeverityCounts{Critical: 1, Medium: 2, Unknown: 1, Uncertain: 3}); counts != want {
		t.Errorf("counts %+v, want %+v", counts, want)
	}
}

func TestMatchNamesAndErrors(t *testing.T) {
	s := shelf{{AdvisoryKey: key("pypa", "P-1"), Affected: []model.Affected{below("PyPI", "foo-bar", "2.0")}}}
	inv := model.Inventory{Packages: []model.Package{{Name: "Foo_Bar", Version: "1.0rc1", Ecosystem: "PyPI"}}}
	found, counts, err := Match(inv, s)
	if err != nil || len(found) != 1 || found[0].Package != "Foo_Bar" || found[0].Vulnerability != "P-1" || counts.Unknown != 1 {
		t.Errorf("found %+v, counts %+v, error %v", found, counts, err)
	}
	if _, _, err := Match(inv, broken{s}); !errors.Is(err, errDisk) {
		t.Errorf("a failing shelf gave %v", err)
	}
	if found, counts, err := Match(model.Inventory{}, s); err != nil || len(found) != 0 || counts != (model.SeverityCounts{}) {
		t.Errorf("nothing installed: %v %v %v", found, counts, err)
	}
}

var errDisk = errors.New("disk")

// broken is a shelf that fails in its second question.
type broken struct{ shelf }

func (broken) AdvisoriesNaming(string) ([]model.Advisory, error) { return nil, errDisk }

func TestEvaluate(t *testing.T) {
	ev := func(s string) (out []model.Event) {
		for f := range strings.FieldsSeq(s) {
			switch v := f[1:]; f[0] {
			case '>':
				out = append(out, model.Event{Introduced: v})
			case '<':
				out = append(out, model.Event{Fixed: v})
			case '=':
				out = append(out, model.Event{LastAffected: v})
			case '|':
				out = append(out, model.Event{Limit: v})
			}
		}
		return out
	}
	for _, c := range []struct {
		events        string
		yes, no, dark string // versions by outcome
	}{
		{">0", "0 1.0.0 nonsense", "", ""},
		{">0 <1.5.0", "0.1.0 1.4.9 1.5.0-rc.1 v1.0.0", "1.5.0 2.0.0 1.5.0+build", "nonsense 1.5.x"},
		{"<1.5.0 >1.0.0", "1.0.0 1.4.9", "0.9.0 1.5.0", "nonsense"}, // any order
		{">1.0.0 <1.5.0 >2.0.0 <2.5.0", "1.0.0 2.0.0 2.4.9", "0.1.0 1.5.0 1.9.9 2.5.0", ""},
		{">5.16.0 =5.16.0 >5.16.1 =5.16.1", "5.16.0 5.16.1", "5.15.9 5.16.2", ""},
		{">1.0.0 =1.5.0", "1.0.0 1.5.0", "1.5.1 0.9.9", ""},
		{">0 |1.5.0", "1.4.9", "1.5.0 2.0.0", ""},
		{">0 <3.0.0 |1.5.0 |*", "1.4.9 2.0.0", "3.0.0", ""},
		{">1.0.0 <1.0.0", "", "0.9.0 1.0.0 1.1.0", ""},                // an empty range
		{">0 <1.0.0 >1.0.0 <2.0.0", "0.5.0 1.0.0 1.5.0", "2.0.0", ""}, // two that touch
		{">0 <sometime", "", "", "1.0.0 nonsense"},
		{">0 <1.0.0 >then", "", "", "0.5.0 2.0.0"},
	} {
		var vs versions
		for want, list := range map[outcome]string{yes: c.yes, no: c.no, unknown: c.dark} {
			for v := range strings.FieldsSeq(list) {
				if got := vs.inRange(&model.Range{Type: "SEMVER", Events: ev(c.events)}, none, v); got != want {
					t.Errorf("%s of %s: outcome %d, want %d", v, c.events, got, want)
				}
			}
		}
	}
}

func TestEntry(t *testing.T) {
	exact := model.Affected{Ecosystem: "Go", Name: "m", Versions: []string{"1.0.0", "odd one"}}
	both := below("Go", "m", "0.5.0")
	both.Versions = exact.Versions
	for _, c := range []struct {
		entry   model.Affected
		version string
		want    outcome
	}{
		{exact, "1.0.0", yes},
		{exact, "v1.0.0", yes},
		{exact, "odd one", yes},
		{exact, "0.1.0", no},
		{exact, "nonsense", no},
		{both, "0.1.0", yes},
		{both, "1.0.0", yes},
		{both, "0.5.0", no},
		{both, "nonsense", unknown},
		{model.Affected{Ecosystem: "Go", Name: "m"}, "1.0.0", unknown},
	} {
		var vs versions
		if got := vs.entry(&c.entry, semver, c.version); got != c.want {
			t.Errorf("%s of %+v: outcome %d, want %d", c.version, c.entry, got, c.want)
		}
	}
}

func TestFixed(t *testing.T) {
	branches := model.Affected{Ecosystem: "npm", Name: "a", Ranges: []model.Range{
		{Type: "SEMVER", Events: []model.Event{{Introduced: "0"}, {Fixed: "1.5.0"}, {Introduced: "2.0.0"}, {Fixed: "2.5.0"}}},
		{Type: "SEMVER", Events: []model.Event{{Introduced: "1.5.0"}, {Fixed: "1.5.2"}}},
	}}
	open := model.Affected{Ecosystem: "npm", Name: "a", Ranges: []model.Range{{Type: "SEMVER", Events: []model.Event{{Introduced: "1.0.0"}, {LastAffected: "3.0.0"}}}}}
	for _, c := range []struct {
		entries []*model.Affected
		version string
		want    string
	}{
		{[]*model.Affected{&branches}, "1.0.0", "1.5.2"}, // 1.5.0 is affected by the second range
		{[]*model.Affected{&branches}, "2.1.0", "2.5.0"},
		{[]*model.Affected{&open}, "2.0.0", ""},
		{[]*model.Affected{&branches, &open}, "2.1.0", ""}, // fixed in one entry, still listed by the other
	} {
		var vs versions
		if got := vs.fixed(c.entries, semver, c.version); got != c.want {
			t.Errorf("fixed after %s: %q, want %q", c.version, got, c.want)
		}
	}
}

func TestEcosystems(t *testing.T) {
	for _, c := range []struct {
		id, version, manager string
		want                 string
		bySource             bool
	}{
		{"debian", "12", "dpkg", "Debian:12", true},
		{"debian", "12.5", "dpkg", "Debian:12", true},
		{"debian", "6.0.10", "dpkg", "Debian:6.0", true},
		{"debian", "", "dpkg", "", true},
		{"ubuntu", "20.04", "dpkg", "Ubuntu:20.04 Ubuntu:20.04:LTS", true},
		{"linuxmint", "21", "dpkg", "", true},
		{"alpine", "3.17.2", "apk", "Alpine:v3.17", true},
		{"alpine", "3.24.0_alpha20260127", "apk", "Alpine:edge", true},
		{"alpine", "odd", "apk", "", true},
		{"alpaquita", "23", "apk", "Alpaquita:23", true},
		{"wolfi", "20230201", "apk", "Wolfi", true},
		{"almalinux", "9.4", "rpm", "AlmaLinux:9", false},
		{"rocky", "8.10", "rpm", "Rocky Linux:8", false},
		{"fedora", "41", "rpm", "", false},
		{"debian", "12", "pip", "", false},
	} {
		names, bySource := Ecosystems(model.OS{ID: c.id, Version: c.version}, model.Package{Manager: c.manager, Name: "a"})
		if strings.Join(names, " ") != c.want || bySource != c.bySource {
			t.Errorf("%s %s %s: %q by source %v, want %q, %v", c.id, c.version, c.manager, names, bySource, c.want, c.bySource)
		}
	}
	for _, c := range []struct {
		p        model.Package
		bySource bool
	}{
		{model.Package{Ecosystem: "npm", Name: "a"}, false},
		{model.Package{Ecosystem: "Debian:12", Name: "libcurl4", Source: "curl"}, true},
		{model.Package{Ecosystem: "Debian:12", Name: "curl"}, false},
		{model.Package{Ecosystem: "AlmaLinux:9", Name: "curl", Source: "curl"}, false},
	} {
		names, bySource := Ecosystems(model.OS{ID: "almalinux", Version: "9"}, c.p)
		if !slices.Equal(names, []string{c.p.Ecosystem}) || bySource != c.bySource {
			t.Errorf("%+v: %q by source %v", c.p, names, bySource)
		}
	}
}

func TestCompareAndValidity(t *testing.T) {
	for _, c := range []struct {
		ecosystem, rising string // versions in strictly rising order
		bad               []string
	}{
		{"Debian:12", "0.9~rc1 0.9 1.0-1~deb12u1 1.0-1 1.0-1+b1 1.0-1.1 1:0.1 1:0.1:2", []string{"", "1 2", "a:1", "1_2", "1-", ":1", "é", "1\n"}},
		{"Ubuntu:22.04", "1.0-1 1.0-1ubuntu1", []string{"1/2"}},
		{"AlmaLinux:9", "1.0~rc1-1 1.0-1.el9 1.0-1.el9_2 1.0^git1-1 1.1-1 1:0-1", []string{"", "1-2-3", "1 2", "x:1-1"}},
		{"Alpine:v3.17", "1.2_rc1-r0 1.2-r0 1.2-r1 1.2.1-r0 1.2.1a-r0 1.10-r0", []string{"", "1.2.-r0", "1.2-4", "v1.2", "1.2_foo1"}},
		{"npm", "1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0 1.0.1 1.10.0 v2.0.0", []string{"", "1.2.3.4", "1.9.0b1", "latest", "1.x", "^1.0.0"}},
		{"Go", "v0.0.0-20200101000000-abcdefabcdef 1.18 1.18.1 v2.0.0+incompatible", []string{"(devel)", "master"}},
		{"PyPI", "1.0.dev1 1.0a1 1.0rc1 1.0 1.0+local.1 1.0.post1 1.1 1!0.1", []string{"", "2019-09-12", "0.2.0-n653", "1.0 beta"}},
		{"RubyGems", "1.0.0.beta1 1.0.0 1.0.1 1.10.0", []string{"", "1.0.0-x86_64-linux", "a"}},
		{"Packagist", "1.0.0-dev 1.0.0-alpha1 1.0.0-Beta2 1.0.0-RC1 1.0.0 v1.0.1", []string{"", "dev-master", "1.0.0-stable", "1.0+x"}},
		{"Hackage", "0.9 1.0 1.0.1", []string{"1.0a", ""}},
		{"CRAN", "0.9 1.0-1 1.0.2", []string{"1.0a", ""}},
		{"Maven", "1.0-alpha-1 1.0 1.0.1 1.0.10", []string{"", "[1.0,2.0)", "${version}"}},
		{"NuGet", "1.0.0-beta 1.0.0 1.0.0.1 2.0", []string{"", "1.2.3.4.5"}},
		{"opam", "", []string{"1.0", "2.0"}},
	} {
		order := strings.Fields(c.rising)
		for i, a := range order {
			for j, b := range order {
				want := 0
				if i < j {
					want = -1
				} else if i > j {
					want = 1
				}
				if got, ok := Compare(c.ecosystem, a, b); !ok || got != want {
					t.Errorf("%s: compare(%s, %s) = %d, %v; want %d", c.ecosystem, a, b, got, ok, want)
				}
			}
		}
		for _, v := range c.bad {
			if _, ok := Compare(c.ecosystem, v, v); ok {
				t.Errorf("%s: %q was taken for a version", c.ecosystem, v)
			}
		}
	}
	if _, ok := Compare("npm", "1.0.0", "1.0.0-"+strings.Repeat("a", versionMax)); ok {
		t.Error("a version beyond the bound was taken")
	}
}

func TestSeverityOf(t *testing.T) {
	v2, v4 := "AV:N/AC:L/Au:N/C:C/I:C/A:C", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:L/SC:N/SI:N/SA:N"
	for _, c := range []struct {
		scores []model.Score
		want   model.Severity
	}{
		{nil, model.SeverityUnknown},
		{[]model.Score{{Type: "CVSS_V3", Score: criticalVector}}, model.SeverityCritical},
		{[]model.Score{{Type: "CVSS_V3", Score: "CVSS:3.0/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:L"}}, model.SeverityLow},
		{[]model.Score{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"}}, model.SeverityNone},
		{[]model.Score{{Type: "CVSS_V2", Score: v2}}, model.SeverityHigh},
		{[]model.Score{{Type: "CVSS_V2", Score: "(" + v2 + ")"}}, model.SeverityHigh},
		{[]model.Score{{Type: "CVSS_V3", Score: criticalVector}, {Type: "CVSS_V4", Score: v4}}, model.SeverityMedium},
		{[]model.Score{{Type: "CVSS_V4", Score: "CVSS:4.0/oops"}, {Type: "CVSS_V2", Score: v2}}, model.SeverityHigh},
		{[]model.Score{{Type: "Ubuntu", Score: "negligible"}}, model.SeverityLow},
		{[]model.Score{{Type: "Ubuntu", Score: "Critical"}, {Type: "CVSS_V3", Score: mediumVector}}, model.SeverityMedium},
		{[]model.Score{{Type: "CVSS_V3", Score: mediumVector}, {Type: "CVSS_V3", Score: criticalVector}}, model.SeverityCritical},
		{[]model.Score{{Type: "CVSS_V3", Score: "9.8"}}, model.SeverityUnknown},
		// more metrics than the library has room for
		{[]model.Score{{Type: "CVSS_V2", Score: v2 + strings.Repeat("/E:U", 20)}}, model.SeverityUnknown},
	} {
		if got := SeverityOf(c.scores); got != c.want {
			t.Errorf("%v: %v, want %v", c.scores, got, c.want)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	for _, c := range []struct {
		a    model.Advisory
		want string
	}{
		{model.Advisory{AdvisoryKey: key("a", "CVE-2024-1234")}, "CVE-2024-1234"},
		{model.Advisory{AdvisoryKey: key("a", "CVE-2024-1234~2"), Aliases: []string{"CVE-2024-1234"}}, "CVE-2024-1234"},
		{model.Advisory{AdvisoryKey: key("a", "GHSA-a"), Aliases: []string{"cve-2024-22222", "CVE-2024-1"}}, "CVE-2024-22222"},
		{model.Advisory{AdvisoryKey: key("a", "D-1"), Upstream: []string{"CVE-2024-0002", "CVE-2024-0001"}, Related: []string{"CVE-2023-0001"}}, "CVE-2024-0001 CVE-2024-0002"},
		{model.Advisory{AdvisoryKey: key("a", "ALSA-1"), Related: []string{"CVE-2023-0001", "ALSA-2"}}, "CVE-2023-0001"},
		{model.Advisory{AdvisoryKey: key("a", "X-1"), Aliases: []string{"GHSA-a"}}, "X-1"},
	} {
		if got := strings.Join(Identifiers(c.a), " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.a, got, c.want)
		}
	}
}

func TestRollup(t *testing.T) {
	f := func(id, pkg string, s model.Severity, v model.Verdict) model.Finding {
		return model.Finding{Vulnerability: id, Package: pkg, Severity: s, Verdict: v}
	}
	r := NewRollup()
	dark := f("C", "c", model.SeverityHigh, model.VerdictUnknown)
	r.Add(model.Match{Findings: []model.Finding{f("A", "a", model.SeverityLow, model.VerdictAffected), f("A", "b", model.SeverityHigh, model.VerdictAffected), f("B", "a", model.SeverityHigh, model.VerdictAffected), dark}}, 3)
	r.Add(model.Match{Findings: []model.Finding{f("B", "a", model.SeverityHigh, model.VerdictAffected)}}, 2)
	r.Add(model.Match{Findings: []model.Finding{dark}}, 4)
	r.Add(model.Match{}, 5)
	r.Add(model.Match{Findings: []model.Finding{f("Z", "z", model.SeverityCritical, model.VerdictAffected)}}, 0) // no host has it any more
	want := model.Exposure{
		Counts: model.SeverityCounts{High: 2, Uncertain: 1}, AffectedHosts: 5, MatchedHosts: 14,
		Top: []model.TopEntry{{Vulnerability: "B", Severity: model.SeverityHigh, Hosts: 5}, {Vulnerability: "A", Severity: model.SeverityHigh, Hosts: 3}},
	}
	if got := r.Result(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	many := NewRollup()
	for i := range 50 {
		many.Add(model.Match{Findings: []model.Finding{f(fmt.Sprintf("CVE-%02d", i), "a", model.SeverityLow, model.VerdictAffected)}}, 1)
	}
	if got := many.Result(); len(got.Top) != 20 || got.Top[19].Vulnerability != "CVE-19" || got.Counts.Low != 50 {
		t.Errorf("%d entries, the last %+v, counts %+v", len(got.Top), got.Top[len(got.Top)-1], got.Counts)
	}
}

// FuzzCompare looks for texts that two orders of the same pair disagree on, or that panic.
func FuzzCompare(f *testing.F) {
	ecosystems := make([]string, 0, len(families))
	for name := range families {
		ecosystems = append(ecosystems, name)
	}
	slices.Sort(ecosystems)
	for i, v := range []string{"1.0", "1:2.0-1~x+b1", "1.0-1.el9_2", "1.2.3_p4-r5", "v1.2.3-rc.1+b", "1!2.0.post1.dev2+l.1", "1.0.0.pre", "1.0-RC1", "99999999999999999999999999.0"} {
		f.Add(uint8(i), v, "1.0")
	}
	f.Fuzz(func(t *testing.T, n uint8, a, b string) {
		ecosystem := ecosystems[int(n)%len(ecosystems)]
		ab, ok := Compare(ecosystem, a, b)
		ba, ok2 := Compare(ecosystem, b, a)
		if ok != ok2 || ab != -ba {
			t.Fatalf("%s: compare(%q, %q) = %d, %v but back %d, %v", ecosystem, a, b, ab, ok, ba, ok2)
		}
		if same, ok := Compare(ecosystem, a, a); ok && same != 0 {
			t.Fatalf("%s: %q is not equal to itself", ecosystem, a)
		}
	})
}

// FuzzSeverity looks for a score that panics.
func FuzzSeverity(f *testing.F) {
	f.Add(uint8(2), "AV:N/AC:L/Au:N/C:C/I:C/A:C")
	f.Add(uint8(2), "AV:N/AC:L/Au:N/C:C/I:C/A:C/E:U/RL:OF/RC:C/CDP:N/TD:N/CR:L/IR:L/AR:L/AR:L/AR:L")
	f.Add(uint8(3), criticalVector)
	f.Add(uint8(4), "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H/E:A")
	f.Fuzz(func(t *testing.T, n uint8, score string) {
		s := SeverityOf([]model.Score{{Type: fmt.Sprintf("CVSS_V%d", n%5), Score: score}})
		if s < model.SeverityUnknown || s > model.SeverityCritical {
			t.Fatalf("%q gives severity %d", score, s)
		}
	})
}
