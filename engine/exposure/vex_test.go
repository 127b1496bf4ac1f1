package exposure

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

func says(id string, at model.Time, status model.StatementStatus, products ...string) model.Advisory {
	return model.Advisory{AdvisoryKey: key("vex", id), Aliases: []string{"CVE-2026-0001"}, Statements: []model.Statement{{Products: products, Status: status, At: at, Justification: "why"}}}
}

// one returns the verdict and the reason of the only finding.
func one(t *testing.T, s shelf, os model.OS, p model.Package) string {
	t.Helper()
	found, _, err := Match(model.Inventory{OS: os, Packages: []model.Package{p}}, s)
	if err != nil || len(found) > 1 {
		t.Fatal(found, err)
	}
	if len(found) == 0 {
		return "none"
	}
	return strings.TrimSpace(fmt.Sprint(found[0].Verdict, " ", found[0].Reason))
}

func TestStatementsCloseFindings(t *testing.T) {
	a := model.Advisory{AdvisoryKey: key("deb", "D-1"), Aliases: []string{"CVE-2026-0001"}, Affected: []model.Affected{below("Debian:12", "curl", "2:1")}}
	p := model.Package{Manager: "dpkg", Name: "libcurl4", Version: "1:7.88-1+b1", Source: "curl", SourceVersion: "1:7.88-1"}
	const closed = "suppressed not affected (why), says vex/V-1"
	not := model.StatementNotAffected
	for _, c := range []struct {
		name string
		said []model.Advisory
		want string
	}{
		{"nobody says anything", nil, "affected"},
		{"of every version", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/curl")}, closed},
		{"of this version", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/curl@1%3A7.88-1?arch=source&distro=debian-12")}, closed},
		{"of this version, its epoch apart", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/curl@7.88-1?epoch=1")}, closed},
		{"of the release by its name", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/curl?distro=bookworm")}, closed},
		{"of a point release", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/curl?distro=debian-12.5")}, closed},
		{"of another version", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/curl@7.88-2")}, "affected"},
		{"of another release", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/curl?distro=debian-11")}, "affected"},
		{"of another distribution", []model.Advisory{says("V-1", 1, not, "pkg:deb/ubuntu/curl")}, "affected"},
		{"of another package", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/wget", "no purl", "pkg:deb")}, "affected"},
		{"fixed in this version", []model.Advisory{says("V-1", 1, model.StatementFixed, "pkg:deb/debian/curl@1:7.88-1")}, "suppressed fixed (why), says vex/V-1"},
		{"fixed, and in which version nobody says", []model.Advisory{says("V-1", 1, model.StatementFixed, "pkg:deb/debian/curl")}, "affected"},
		{"looked into", []model.Advisory{says("V-1", 1, model.StatementUnderReview, "pkg:deb/debian/curl")}, "unknown under investigation, says vex/V-1"},
		{"affected", []model.Advisory{says("V-1", 1, model.StatementAffected, "pkg:deb/debian/curl")}, "affected"},
		{"the newest counts", []model.Advisory{says("V-1", 3, not, "pkg:deb/debian/curl"), says("V-2", 2, model.StatementAffected, "pkg:deb/debian/curl")}, closed},
		{"of the same time the careful one", []model.Advisory{says("V-1", 2, not, "pkg:deb/debian/curl"), says("V-2", 2, model.StatementAffected, "pkg:deb/debian/curl")}, "affected"},
		{"taken back", []model.Advisory{func() model.Advisory { a := says("V-1", 1, not, "pkg:deb/debian/curl"); a.Withdrawn = 1; return a }()}, "affected"},
		{"of another vulnerability, related to this one", []model.Advisory{func() model.Advisory {
			a := says("V-1", 1, not, "pkg:deb/debian/curl")
			a.Aliases, a.Related = []string{"CVE-2026-0002"}, []string{"CVE-2026-0001"}
			return a
		}()}, "affected"},
	} {
		if got := one(t, append(shelf{a}, c.said...), model.OS{ID: "debian", Version: "12"}, p); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// Nothing of it counts; what it hangs on is told.
	s := shelf{a, says("V-1", 1, not, "pkg:deb/debian/curl")}
	_, counts, err := Match(model.Inventory{OS: model.OS{ID: "debian", Version: "12"}, Packages: []model.Package{p}}, s)
	if err != nil || counts != (model.SeverityCounts{}) {
		t.Errorf("counted %+v, %v", counts, err)
	}
	l := Parts(model.Inventory{OS: model.OS{ID: "debian", Version: "12"}, Packages: []model.Package{p}})[0].Lookup
	v, err := NewMatcher(s).Judge([]model.Lookup{l})
	if err != nil || !slices.Equal(v[0].Leans, []model.AdvisoryKey{key("vex", "V-1")}) {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestPackageURLs(t *testing.T) {
	for _, c := range []struct {
		text string
		l    model.Lookup
		want bool
	}{
		{"pkg:npm/%40scope/name@1.0.0", model.Lookup{Ecosystem: "npm", Name: "@scope/name", Version: "1.0.0"}, true},
		{"pkg:npm/name@1.0.0", model.Lookup{Ecosystem: "npm", Name: "@scope/name", Version: "1.0.0"}, false},
		{"pkg:maven/org.apache/log@2.0", model.Lookup{Ecosystem: "Maven", Name: "org.apache:log", Version: "2.0"}, true},
		{"pkg:golang/example.org/a/b@v1.2.0", model.Lookup{Ecosystem: "Go", Name: "example.org/a/b", Version: "v1.2.0"}, true},
		{"pkg:pypi/Foo_Bar", model.Lookup{Ecosystem: "PyPI", Name: "foo-bar", Version: "1"}, true},
		{"pkg:rpm/almalinux/nodejs@16.1-1.el8?epoch=1&arch=x86_64", model.Lookup{Ecosystem: "AlmaLinux:8", Name: "nodejs", Version: "1:16.1-1.el8"}, true},
		{"pkg:apk/alpine/curl?distro=3.17", model.Lookup{Ecosystem: "Alpine:v3.17", Name: "curl", Version: "1"}, true},
		{"pkg:apk/alpine/curl?distro=alpine-3.17.2", model.Lookup{Ecosystem: "Alpine:v3.17", Name: "curl", Version: "1"}, true},
		{"pkg:apk/alpine/curl?distro=3.1", model.Lookup{Ecosystem: "Alpine:v3.17", Name: "curl", Version: "1"}, false},
		{"pkg:apk/alpine/curl?distro=rolling", model.Lookup{Ecosystem: "Alpine:v3.17", Name: "curl", Version: "1"}, false},
		{"pkg:deb/ubuntu/curl?distro=ubuntu-22.04", model.Lookup{Ecosystem: "Ubuntu:22.04:LTS", Name: "curl", Version: "1"}, true},
		{"pkg:generic/curl", model.Lookup{Ecosystem: "", Name: "curl", Version: "1"}, false},
	} {
		p, ok := readPURL(c.text)
		var vs versions
		how, there := p.of(&vs, &c.l, familyOf(c.l.Ecosystem))
		if got := ok && there && how == ofAll; got != c.want {
			t.Errorf("%s names %+v: %v, want %v (read as %+v, %v)", c.text, c.l, got, c.want, p, ok)
		}
	}
}

// TestStatementsOfBinaryPackages: where advisories go by source, what is said of one binary package goes for that alone.
func TestStatementsOfBinaryPackages(t *testing.T) {
	a := model.Advisory{AdvisoryKey: key("deb", "D-1"), Aliases: []string{"CVE-2026-0001"}, Affected: []model.Affected{below("Debian:12", "openssl", "3.1")}}
	pkg := func(name string) model.Package {
		return model.Package{Manager: "dpkg", Name: name, Version: "3.0-1", Source: "openssl", SourceVersion: "3.0-1"}
	}
	inv := model.Inventory{OS: model.OS{ID: "debian", Version: "12"}, Packages: []model.Package{pkg("libssl3"), pkg("libcrypto3"), pkg("openssl")}}
	const not, affected, review, fixed = model.StatementNotAffected, model.StatementAffected, model.StatementUnderReview, model.StatementFixed
	for _, c := range []struct {
		name string
		said []model.Advisory
		want string // of libcrypto3, libssl3, openssl: a affected, u unknown, s suppressed
	}{
		{"of one", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/libssl3")}, "asa"},
		{"of one in this version", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/libssl3@3.0-1?arch=amd64&distro=debian-12")}, "asa"},
		{"of one in another version", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/libssl3@3.0-2")}, "aaa"},
		{"of one in another release", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/libssl3?distro=debian-11")}, "aaa"},
		{"of the source", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/openssl?arch=source")}, "sss"},
		{"of the source, by its name alone", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/openssl")}, "sss"},
		{"of the binary package that is called like the source", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/openssl?arch=amd64")}, "aas"},
		{"of one whose source is named beside it", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/libssl3?upstream=openssl")}, "asa"},
		{"of a source of that name", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/libssl3?arch=source")}, "aaa"},
		{"of two in one statement", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/libssl3", "pkg:deb/debian/libcrypto3")}, "ssa"},
		{"fixed in one", []model.Advisory{says("V-1", 1, fixed, "pkg:deb/debian/libssl3@3.0-1")}, "asa"},
		{"fixed in one, and in which version nobody says", []model.Advisory{says("V-1", 1, fixed, "pkg:deb/debian/libssl3")}, "aaa"},
		{"looked into in one", []model.Advisory{says("V-1", 1, review, "pkg:deb/debian/libssl3")}, "aua"},
		{"looked into in another version of one", []model.Advisory{says("V-1", 1, review, "pkg:deb/debian/libssl3@9")}, "aaa"},
		{"of the source, and later of one that it is", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/openssl"), says("V-2", 2, affected, "pkg:deb/debian/libssl3")}, "sas"},
		{"of the source, and later of one that some version is", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/openssl"), says("V-2", 2, affected, "pkg:deb/debian/libssl3@9")}, "sas"},
		{"of one that it is, and later of the source that it is not", []model.Advisory{says("V-1", 2, not, "pkg:deb/debian/openssl"), says("V-2", 1, affected, "pkg:deb/debian/libssl3")}, "sss"},
		{"of the same time the careful one", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/libssl3"), says("V-2", 1, affected, "pkg:deb/debian/libssl3")}, "aaa"},
		{"of one, and later of the source that it is looked into", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/libssl3"), says("V-2", 2, review, "pkg:deb/debian/openssl")}, "uuu"},
		{"of more than are kept", []model.Advisory{says("V-1", 1, not, "pkg:deb/debian/openssl"), says("V-2", 2, affected, "pkg:deb/debian/libssl3"), func() model.Advisory {
			var all []string
			for i := range 2 * apartMax {
				all = append(all, fmt.Sprintf("pkg:deb/debian/a%d", i))
			}
			return says("V-3", 3, not, all...)
		}()}, "sas"},
	} {
		found, counts, err := Match(inv, append(shelf{a}, c.said...))
		got := ""
		for _, f := range found { // by package
			got += string(f.Verdict[:1])
			if f.Apart != nil {
				t.Errorf("%s: %+v is listed with what goes for others", c.name, f)
			}
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %s, want %s: %+v, %v", c.name, got, c.want, found, err)
		}
		if want := strings.Count(c.want, "u"); counts.Uncertain != want || (counts.Total() == 1) != strings.Contains(c.want, "a") {
			t.Errorf("%s: counted %+v", c.name, counts)
		}
	}
}

// Whatever stands in a statement: it is a package URL in bounds or none, and is never more than it says.
func FuzzPURL(f *testing.F) {
	for _, s := range []string{
		"pkg:deb/debian/curl@7.88.1-10%2Bdeb12u5?arch=source&distro=debian-12", "pkg:npm/%40scope/name@1.0.0#sub", "pkg:golang/example.org/a/b", "pkg:",
		"pkg://npm/x", "pkg:npm/@", "pkg:npm/%zz", "pkg:npm/a?b=%zz", "pkg:rpm/fedora/curl@1?epoch=1&epoch=2", strings.Repeat("pkg:npm/a", 200),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := readPURL(s)
		if !ok {
			return
		}
		if p.name == "" || p.kind == "" || len(p.name)+len(p.version)+len(p.namespace) > purlMax {
			t.Errorf("%q is read as %+v", s, p)
		}
		var vs versions
		l := model.Lookup{Ecosystem: "Debian:12", Name: "curl", Version: "1"}
		if how, there := p.of(&vs, &l, debian); how != ofOther && there && (p.name != "curl" || p.kind != "deb") {
			t.Errorf("%q is taken for curl: %+v", s, p)
		}
	})
}

// What a source has no authority to say closes nothing.
func TestStatementsOutsideCloseNothing(t *testing.T) {
	a := model.Advisory{AdvisoryKey: key("deb", "D-1"), Aliases: []string{"CVE-2026-0001"}, Affected: []model.Affected{below("Debian:12", "curl", "2:1")}}
	said := says("V-1", 1, model.StatementNotAffected, "pkg:deb/debian/curl")
	p := model.Package{Manager: "dpkg", Name: "curl", Version: "1:7.88-1"}
	if got := one(t, shelf{a, said}, model.OS{ID: "debian", Version: "12"}, p); !strings.HasPrefix(got, "suppressed") {
		t.Error(got)
	}
	said.Statements[0].Outside = true
	if got := one(t, shelf{a, said}, model.OS{ID: "debian", Version: "12"}, p); got != "affected" {
		t.Error(got)
	}
}
