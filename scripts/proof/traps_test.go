package proof

import (
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
)

// These are the traps of real advisory data, each on records that fell, or would have had others fall, into it.

// record returns one record of the tree.
func (s *shelf) record(t testing.TB, source, id string) model.Advisory {
	t.Helper()
	a, ok := s.records[model.AdvisoryKey{Source: source, ID: id}]
	if !ok {
		t.Fatalf("the tree has no %s/%s", source, id)
	}
	return a
}

// found matches one package on a host of that system.
func (s *shelf) found(t testing.TB, os model.OS, p model.Package) map[string]model.Finding {
	t.Helper()
	list, _, err := exposure.Match(model.Inventory{OS: os, Packages: []model.Package{p}}, s)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]model.Finding{}
	for _, f := range list {
		out[f.Advisory.ID] = f
	}
	return out
}

// verdict is what is found of one record; empty: nothing.
func verdict(m map[string]model.Finding, id string) model.Verdict { return m[id].Verdict }

// in is a package that says of itself which ecosystem it is of.
func in(ecosystem, name, version string) model.Package {
	return model.Package{Ecosystem: ecosystem, Name: name, Version: version}
}

// versions checks the verdict of one record for several versions of a package.
func (s *shelf) versions(t *testing.T, ecosystem, name, id string, want map[string]model.Verdict) {
	t.Helper()
	for version, v := range want {
		p := in(ecosystem, name, version)
		if strings.HasPrefix(ecosystem, "Debian") || strings.HasPrefix(ecosystem, "Alpine") || strings.HasPrefix(ecosystem, "Ubuntu") || strings.HasPrefix(ecosystem, "Alpaquita") {
			p.Source, p.SourceVersion = name, version
		}
		m := s.found(t, model.OS{}, p)
		if got := verdict(m, id); got != v {
			t.Errorf("%s %s %s: %q by %s, want %q (%+v)", ecosystem, name, version, got, id, v, m[id])
		} else if got == model.VerdictUnknown && m[id].Reason == "" {
			t.Errorf("%s %s %s: unknown by %s, and nobody says why", ecosystem, name, version, id)
		}
	}
}

// Several sources use one id: each keeps its record, and all of them are members of one canonical.
func TestTrapSameIDInSeveralSources(t *testing.T) {
	s := mustTree(t)
	by := map[string][]model.AdvisoryKey{}
	for k := range s.records {
		by[k.ID] = append(by[k.ID], k)
	}
	place := map[model.AdvisoryKey]string{}
	for _, g := range groups(t, s) {
		for _, e := range g.Members {
			place[e.AdvisoryKey] = g.ID
		}
	}
	n := 0
	for id, keys := range by {
		if len(keys) < 2 {
			continue
		}
		n++
		for _, k := range keys {
			if place[k] != place[keys[0]] {
				t.Errorf("%s is in %s, and %s in %s", k, place[k], keys[0], place[keys[0]])
			}
		}
		if model.IsCVE(id) && place[keys[0]] != id {
			t.Errorf("%s is in %s", id, place[keys[0]])
		}
	}
	if n != 1_048 {
		t.Errorf("%d ids are in several sources, want 1048", n)
	}
	// An erratum of several releases names the packages of its own release in each.
	if a, b := s.record(t, "almalinux8", "ALSA-2024:8121"), s.record(t, "almalinux9", "ALSA-2024:8121"); len(a.Affected) == 0 || len(b.Affected) == 0 {
		t.Error("an erratum of two releases lost its packages")
	}
}

// One source says that all of its records were modified in the year 1: that is unknown, orders nothing and wins nothing.
func TestTrapModifiedOfYearOne(t *testing.T) {
	s := mustTree(t)
	n := 0
	for _, g := range groups(t, s) {
		members := make([]model.Advisory, 0, len(g.Members))
		golang := false
		for _, e := range g.Members {
			a := s.records[e.AdvisoryKey]
			golang = golang || a.Source == "golang"
			members = append(members, a)
		}
		if !golang {
			continue
		}
		want := merge.Head(g.ID, members)
		for i := range members {
			if a := &members[i]; a.Source == "golang" {
				n++
				if !a.Modified.IsZero() || a.Cursor != (model.Cursor{}) {
					t.Errorf("%s was modified at %v", a.AdvisoryKey, a.Modified)
				}
				a.Modified = 253_402_300_799_999 // the last instant there is
			}
		}
		if got := merge.Head(g.ID, members); got != want {
			t.Errorf("%s: what was modified last wins:\n got %+v\nwant %+v", g.ID, got, want)
		}
	}
	if n != s.sources["golang"] {
		t.Errorf("%d records of %d", n, s.sources["golang"])
	}
	// Published in the year 1 is unknown as well.
	if a := s.record(t, "golang", "GO-2025-3643"); !a.Published.IsZero() {
		t.Errorf("published at %v", a.Published)
	}
}

// Advisories of Debian name source packages; binary packages have names, versions and epochs of their own.
func TestTrapSourceAgainstBinary(t *testing.T) {
	s := mustTree(t)
	host := model.OS{ID: "debian", Version: "12"}
	const id = "DEBCL-util-linux-CVE-2021-3995" // fixed in util-linux 2.37.3-1
	for _, c := range []struct {
		name string
		p    model.Package
		want model.Verdict
	}{
		{"a binary of the source, with an epoch that the source has not", model.Package{Manager: "dpkg", Name: "bsdutils", Version: "1:2.36.1-8", Source: "util-linux", SourceVersion: "2.36.1-8"}, model.VerdictAffected},
		{"the same, mended", model.Package{Manager: "dpkg", Name: "bsdutils", Version: "1:2.38.1-5+deb12u3", Source: "util-linux", SourceVersion: "2.38.1-5+deb12u3"}, ""},
		{"a binary that is called like another source", model.Package{Manager: "dpkg", Name: "util-linux", Version: "2.36.1-8", Source: "other", SourceVersion: "2.36.1-8"}, ""},
		{"a binary that was built again without a new source", model.Package{Manager: "dpkg", Name: "util-linux", Version: "2.37.3-1+b1", Source: "util-linux", SourceVersion: "2.37.3-1"}, ""},
	} {
		if got := verdict(s.found(t, host, c.p), id); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A tilde sorts before the end, and distributions mend old versions.
func TestTrapTildeAndBackports(t *testing.T) {
	s := mustTree(t)
	s.versions(t, "Debian:12", "openssl", "DEBCL-openssl-CVE-2023-5363", map[string]model.Verdict{ // 3.0.11-1~deb12u2
		"3.0.11-1~deb12u1": model.VerdictAffected, "3.0.11-1~deb12u2": "", "3.0.11-1": "", "3.0.11~rc1-1": model.VerdictAffected, "3.0.9-1": model.VerdictAffected, "3.0.13-1~deb12u1": "",
	})
	// Upstream mended it in 1.1.1o; Debian 11 did in its own 1.1.1n.
	s.versions(t, "Debian:11", "openssl", "DSA-5139-1", map[string]model.Verdict{"1.1.1n-0+deb11u1": model.VerdictAffected, "1.1.1n-0+deb11u2": "", "1.1.1k-1+deb11u2": model.VerdictAffected})
}

// Events need not be in order, a range may end where it begins, and what has no order is unknown.
func TestTrapUnsortedAndBrokenRanges(t *testing.T) {
	s := mustTree(t)
	s.versions(t, "PyPI", "plone", "PYSEC-2017-62", map[string]model.Verdict{ // 5.0-5.0.7, 4.0-4.3.12, 3.3-4.0a1
		"5.0.6": model.VerdictAffected, "5.0.7": "", "4.2": model.VerdictAffected, "4.3.12": "", "3.3.5": model.VerdictAffected, "3.2": "",
	})
	s.versions(t, "Bitnami", "redis", "BIT-redis-2025-32023", map[string]model.Verdict{ // 2.8-6.2.19, 7.0-7.2.10, 8.0-8.0.3, 7.4-7.4.5
		"7.4.4": model.VerdictAffected, "7.4.5": "", "7.2.10": "", "7.2.9": model.VerdictAffected, "8.0.2": model.VerdictAffected, "8.0.3": "", "6.2.18": model.VerdictAffected, "2.6.0": "",
	})
	s.versions(t, "crates.io", "arrow2", "RUSTSEC-2022-0012", map[string]model.Verdict{ // …, 0.9.0-0.9.2, 0.10.0-0.10.0
		"0.9.1": model.VerdictAffected, "0.9.2": "", "0.10.0": "", "0.7.0": model.VerdictAffected,
	})
	// Julia's packages of binaries are mended by building them again.
	s.versions(t, "Julia", "FFMPEG_jll", "JLSEC-2025-109", map[string]model.Verdict{ // 4.3.1+0-4.3.1+2
		"4.3.1+0": model.VerdictAffected, "4.3.1+1": model.VerdictAffected, "4.3.1+2": "", "4.3.2+0": "",
	})
	s.versions(t, "CPAN", "Net-Dropbear", "CPANSA-Net-Dropbear-2019-17362", map[string]model.Verdict{"0.01": model.VerdictUnknown})
}

// Errata about modules concern packages of that stream, although another stream's versions are lower.
func TestTrapModuleStreams(t *testing.T) {
	s := mustTree(t)
	a := s.record(t, "almalinux8", "ALSA-2024:6148")
	if len(a.Affected) == 0 || !slices.Equal(a.Affected[0].Modules, []string{"nodejs:18"}) {
		t.Fatalf("the modules of %s: %+v", a.AdvisoryKey, a.Affected)
	}
	host := model.OS{ID: "almalinux", Version: "8.10"}
	for _, c := range []struct {
		version, module string
		want            model.Verdict
	}{
		{"1:18.12.1-2.module_el8.7.0+3370+40ccb2a8", "nodejs:18", model.VerdictAffected},
		{"1:18.20.4-1.module_el8.10.0+3890+5a092792", "nodejs:18", ""},
		{"1:16.18.1-3.module_el8.7.0+3371+ed8c43db", "nodejs:16", ""},
		{"1:16.18.1-3.module_el8.7.0+3371+ed8c43db", "", model.VerdictUnknown}, // built for a module, and nobody says for which
		{"1:10.1-1.el8", "", ""}, // built for none
	} {
		p := model.Package{Manager: "rpm", Name: "nodejs", Version: c.version, Module: c.module}
		m := s.found(t, host, p)
		if got := verdict(m, a.ID); got != c.want {
			t.Errorf("nodejs %s of %q: %q, want %q (%+v)", c.version, c.module, got, c.want, m[a.ID])
		}
	}
	two := s.record(t, "almalinux8", "ALSA-2023:6980")
	if !slices.Equal(two.Affected[0].Modules, []string{"virt-devel:rhel", "virt:rhel"}) {
		t.Errorf("an erratum about two modules: %v", two.Affected[0].Modules)
	}
	for k, a := range s.records {
		for _, e := range a.Affected {
			if len(e.Modules) > 0 && !strings.HasPrefix(k.Source, "almalinux") {
				t.Errorf("%s has modules %v", k, e.Modules)
			}
		}
	}
}

// A source speaks for its own ecosystems only: the rest is kept, flagged, and never found.
func TestTrapSpeakingForOthers(t *testing.T) {
	s := mustTree(t)
	outside := map[string]int{}
	for k, a := range s.records {
		for _, e := range a.Affected {
			if e.Outside {
				base, _, _ := strings.Cut(e.Ecosystem, ":")
				outside[k.Source+" "+base]++
			}
		}
	}
	if len(outside) != 2 || outside["cleanstart Alpine"] == 0 || outside["oss-fuzz PyPI"] != 7 {
		t.Errorf("outside their authority are %v", outside)
	}
	t.Logf("outside their authority: %v", outside)
	const id = "OSV-2022-715" // of oss-fuzz, about a package of PyPI
	s.versions(t, "PyPI", "pillow", id, map[string]model.Verdict{"9.1.0": ""})
	// Without the rule it would be found.
	free := newShelf()
	free.add(merge.Judge(s.record(t, "oss-fuzz", id), map[string][]string{"oss-fuzz": {"*"}}))
	if got := verdict(free.found(t, model.OS{}, in("PyPI", "pillow", "9.1.0")), id); got != model.VerdictAffected {
		t.Errorf("with the authority: %q", got)
	}
}

// What is malformed is unknown, never safe: in the record, or on the host.
func TestTrapMalformedVersions(t *testing.T) {
	s := mustTree(t)
	s.versions(t, "Alpine:v3.5", "wget", "ALPINE-CVE-2017-6508", map[string]model.Verdict{"1.17-r0": model.VerdictUnknown}) // fixed in 1.18.-r2
	s.versions(t, "PyPI", "binderhub", "PYSEC-2021-371", map[string]model.Verdict{"0.1.0": model.VerdictUnknown})           // fixed in 0.2.0-n653
	s.versions(t, "Azure Linux:3", "golang", "AZL-34752", map[string]model.Verdict{"1.19.1-1.azl3": model.VerdictUnknown})  // fixed in "0: 1.20.10-1.azl3"
	s.versions(t, "PyPI", "plone", "PYSEC-2017-62", map[string]model.Verdict{"five": model.VerdictUnknown})
	s.versions(t, "Debian:12", "openssl", "DEBCL-openssl-CVE-2023-5363", map[string]model.Verdict{"not a version": model.VerdictUnknown})
}

// A range that is open in one release is open there, whatever another release has.
func TestTrapOpenRangesFixedElsewhere(t *testing.T) {
	s := mustTree(t)
	s.versions(t, "Alpaquita:23", "tiff", "BELL-CVE-2023-1916", map[string]model.Verdict{"4.6.0-r0": model.VerdictAffected, "4.4.0-r0": ""})
	s.versions(t, "Alpaquita:stream", "tiff", "BELL-CVE-2023-1916", map[string]model.Verdict{"4.6.0-r0": "", "4.5.0-r0": model.VerdictAffected})
	s.versions(t, "Ubuntu:16.04:LTS", "node-express", "UBUNTU-CVE-2014-6393", map[string]model.Verdict{"4.16.4-1": model.VerdictAffected})
	s.versions(t, "Ubuntu:19.10", "node-express", "UBUNTU-CVE-2014-6393", map[string]model.Verdict{"4.16.4-1": ""})
	// Within one record, an entry that is open outweighs another that ends.
	m := s.found(t, model.OS{}, in("Go", "github.com/mattermost/mattermost-plugin-playbooks", "1.41.0"))
	if f := m["GO-2025-3643"]; f.Verdict == "" || f.Fixed != "" {
		t.Errorf("an open entry beside one that ends: %+v", f)
	}
}
