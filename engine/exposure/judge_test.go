package exposure

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

func TestModuleStreamsAreKeptApart(t *testing.T) {
	e := below("AlmaLinux:8", "nodejs", "1:18.14.2-3.module_el8.7.0+3370+40ccb2a8")
	e.Modules = []string{"nodejs:18"}
	a := model.Advisory{AdvisoryKey: key("alma", "A-1"), Affected: []model.Affected{e}}
	plain := model.Advisory{AdvisoryKey: key("alma", "A-2"), Affected: []model.Affected{below("AlmaLinux:8", "nodejs", "1:19-1")}}
	const old = "1:16.18.1-3.module_el8.7.0+3371+ed8c43db"
	const doubt = "unknown the entry is about module nodejs:18, and the stream of the package is not known"
	for _, c := range []struct {
		version, label string
		s              shelf
		want           string
	}{
		{old, "nodejs:18:8070020230101:bd1311ed", shelf{a}, "affected"},
		{old, "nodejs:16:8070020230101:bd1311ed", shelf{a}, "none"},
		{old, "", shelf{a}, doubt},
		{"1:10.0-1.el8", "", shelf{a}, "none"}, // built for no module
		{"10", "", shelf{a}, doubt},            // nothing tells
		{"1:20.0-1.module_el8.9.0+1+a", "", shelf{a}, "none"},
		{old, "nodejs:16:8070020230101:bd1311ed", shelf{plain}, "affected"}, // the entry is about every stream
	} {
		if got := one(t, c.s, model.OS{ID: "almalinux", Version: "8.9"}, model.Package{Manager: "rpm", Name: "nodejs", Version: c.version, Module: c.label}); got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.version, c.label, got, c.want)
		}
	}
}

func TestEntriesWithoutAuthorityNeverMatch(t *testing.T) {
	e := below("Debian:12", "curl", "9")
	e.Outside = true
	p := model.Package{Manager: "dpkg", Name: "curl", Version: "1", Source: "curl"}
	if got := one(t, shelf{{AdvisoryKey: key("stranger", "S-1"), Affected: []model.Affected{e}}}, model.OS{ID: "debian", Version: "12"}, p); got != "none" {
		t.Errorf("%q", got)
	}
}

func TestWhatCannotBeToldSaysWhy(t *testing.T) {
	os := model.OS{ID: "debian", Version: "12"}
	p := model.Package{Manager: "dpkg", Name: "curl", Version: "2", Source: "curl"}
	open := func(source, id string, aliases ...string) model.Advisory {
		e := below("Debian:12", "curl", "9")
		e.Ranges[0].Events = e.Ranges[0].Events[:1]
		return model.Advisory{AdvisoryKey: key(source, id), Aliases: aliases, Affected: []model.Affected{e}}
	}
	fixed := func(id, version string, aliases ...string) model.Advisory {
		return model.Advisory{AdvisoryKey: key("other", id), Aliases: aliases, Affected: []model.Affected{below("Debian:12", "curl", version)}}
	}
	const cve = "CVE-2026-0001"
	for _, c := range []struct {
		name string
		s    shelf
		want string
	}{
		{"no end, and nobody else", shelf{open("a", "A-1", cve)}, "affected"},
		{"no end, fixed before what is installed elsewhere", shelf{open("a", "A-1", cve), fixed("B-1", "1", cve)}, "unknown a/A-1 names no fixed version, and other/B-1 says that it is fixed in 1"},
		{"no end, fixed in another vulnerability's record", shelf{open("a", "A-1", cve), fixed("B-1", "1", "CVE-2026-0002")}, "affected"},
		{"no end, fixed by a record of several vulnerabilities", shelf{open("a", "A-1", cve), fixed("B-1", "1", cve, "CVE-2026-0002")}, "affected"},
		{"no versions", shelf{{AdvisoryKey: key("a", "A-1"), Affected: []model.Affected{{Ecosystem: "Debian:12", Name: "curl"}}}}, "unknown the record names no versions"},
		{"a bound that is no version", shelf{fixed("B-1", "not a version")}, `unknown the version "not a version" in the record has no place in the order of Debian:12`},
	} {
		if got := one(t, c.s, os, p); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	p.Version = "1_2"
	if got := one(t, shelf{fixed("B-1", "3")}, os, p); got != `unknown the installed version "1_2" has no place in the order of Debian:12` {
		t.Errorf("%q", got)
	}
	p.Version = strings.Repeat("ä", 400) // a reason has a bound
	if got := one(t, shelf{fixed("B-1", "3")}, os, p); len(got) > reasonMax+10 || !strings.HasPrefix(got, "unknown the installed") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	// Both are named where the one open record is asked for the lookup's leans.
	v, err := NewMatcher(shelf{open("a", "A-1", cve), fixed("B-1", "1", cve)}).Judge([]model.Lookup{{Ecosystem: "Debian:12", Name: "curl", Source: "curl", Version: "2"}})
	if err != nil || !slices.Equal(v[0].Leans, []model.AdvisoryKey{key("other", "B-1")}) {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestStateAt(t *testing.T) {
	f := func(id string, v model.Verdict) model.Finding {
		return model.Finding{Vulnerability: id, Advisory: key("a", id), Verdict: v}
	}
	p := func(x model.Finding) *model.Finding { return &x }
	j := model.Judged{
		Cut: 10, Findings: []model.Finding{f("A", model.VerdictSuppressed), f("C", model.VerdictAffected)},
		Changes: []model.FindingChange{
			{At: 20, Now: p(f("B", model.VerdictAffected))},
			{At: 30, Was: p(f("A", model.VerdictAffected)), Now: p(f("A", model.VerdictSuppressed))},
			{At: 30, Was: p(f("B", model.VerdictAffected))},
			{At: 40, Now: p(f("C", model.VerdictAffected))},
		},
	}
	for _, c := range []struct {
		at    model.Time
		known bool
		want  []model.Finding
	}{
		{5, false, []model.Finding{f("A", model.VerdictAffected)}},
		{10, true, []model.Finding{f("A", model.VerdictAffected)}},
		{20, true, []model.Finding{f("A", model.VerdictAffected), f("B", model.VerdictAffected)}},
		{39, true, []model.Finding{f("A", model.VerdictSuppressed)}},
		{40, true, j.Findings},
	} {
		if got, known := StateAt(j, c.at); known != c.known || !reflect.DeepEqual(got, c.want) {
			t.Errorf("at %d: %+v %v, want %+v %v", c.at, got, known, c.want, c.known)
		}
	}
}
