package merge

import (
	"maps"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// Class says what sort of source one is; precedence goes by it.
type Class uint8

// The classes. Their order here is only that of the table in DESIGN.md; which of them goes before which depends on the field.
const (
	ClassOther     Class = 1 // a source that the table does not have
	ClassNVD       Class = 2 // the National Vulnerability Database, and corrections of it
	ClassCNA       Class = 3 // who assigned the CVE, and CISA's additions to it
	ClassReviewed  Class = 4 // reviewed across ecosystems: GitHub's database
	ClassEcosystem Class = 5 // the database of one language's or product's own security team
	ClassDistro    Class = 6 // what a distribution says of its own packages
	ClassFacts     Class = 7 // facts about a vulnerability: KEV, EPSS
	ClassDerived   Class = 8 // worked out from something else, such as changelogs
)

// everything in place of an ecosystem lets a source speak for all of them.
const everything = "*"

// speaker is one row of the table of authority.
type speaker struct {
	source     string
	class      Class
	ecosystems []string // without releases; none: it may speak for no package
}

// speakers is who may speak for which ecosystem. Where several may, the first in the table goes first.
var speakers = []speaker{
	{"nvd", ClassNVD, nil},
	{"anchore-nvd", ClassNVD, nil},
	{"cve", ClassCNA, nil},
	{"cvelist", ClassCNA, nil},
	{"vulnrichment", ClassCNA, nil},

	{"golang", ClassEcosystem, []string{"Go"}},
	{"rustsec", ClassEcosystem, []string{"crates.io"}},
	{"pypa", ClassEcosystem, []string{"PyPI"}},
	{"psf", ClassEcosystem, []string{"PyPI"}},
	{"rubysec", ClassEcosystem, []string{"RubyGems"}},
	{"drupal", ClassEcosystem, []string{"Packagist"}},
	{"friendsofphp", ClassEcosystem, []string{"Packagist"}},
	{"nodejs-wg", ClassEcosystem, []string{"npm"}},
	{"retirejs", ClassEcosystem, []string{"npm"}},
	{"cpan", ClassEcosystem, []string{"CPAN"}},
	{"haskell", ClassEcosystem, []string{"Hackage", "GHC"}},
	{"julia", ClassEcosystem, []string{"Julia"}},
	{"ocaml", ClassEcosystem, []string{"opam"}},
	{"r", ClassEcosystem, []string{"CRAN", "Bioconductor"}},
	{"bitnami", ClassEcosystem, []string{"Bitnami"}},
	{"kubernetes", ClassEcosystem, []string{"kubernetes"}},
	{"oss-fuzz", ClassEcosystem, []string{"OSS-Fuzz"}},
	{"android", ClassEcosystem, []string{"Android"}},
	{"curl", ClassEcosystem, []string{"curl"}},
	{"ghsa", ClassReviewed, reviewed},
	{"github", ClassReviewed, reviewed},
	{"github-reviewed", ClassReviewed, reviewed},
	{"github-advisory-database", ClassReviewed, reviewed},

	{"debian-dsa", ClassDistro, []string{"Debian"}},
	{"debian-dla", ClassDistro, []string{"Debian"}},
	{"debian", ClassDistro, []string{"Debian"}},
	{"debian-cve", ClassDistro, []string{"Debian"}},
	{"ubuntu", ClassDistro, []string{"Ubuntu"}},
	{"ubuntu-cve", ClassDistro, []string{"Ubuntu"}},
	{"ubuntu-usn", ClassDistro, []string{"Ubuntu"}},
	{"alpine", ClassDistro, []string{"Alpine"}},
	{"almalinux", ClassDistro, []string{"AlmaLinux"}},
	{"rocky", ClassDistro, []string{"Rocky Linux"}},
	{"redhat", ClassDistro, []string{"Red Hat"}},
	{"suse", ClassDistro, []string{"SUSE", "openSUSE"}},
	{"opensuse", ClassDistro, []string{"openSUSE"}},
	{"mageia", ClassDistro, []string{"Mageia"}},
	{"azurelinux", ClassDistro, []string{"Azure Linux"}},
	{"bellsoft", ClassDistro, []string{"Alpaquita", "BellSoft Hardened Containers"}},
	{"chainguard", ClassDistro, []string{"Chainguard", "Wolfi"}},
	{"wolfi", ClassDistro, []string{"Wolfi"}},
	{"cleanstart", ClassDistro, []string{"CleanStart"}},
	{"openeuler", ClassDistro, []string{"openEuler"}},
	{"minimos", ClassDistro, []string{"MinimOS"}},
	{"echo", ClassDistro, []string{"Echo"}},
	{"debian-changelog", ClassDerived, []string{"Debian"}},

	{"cisa-kev", ClassFacts, nil},
	{"kev", ClassFacts, nil},
	{"epss", ClassFacts, nil},

	// A collection of everybody's records, and an operator's own files: they come from who runs the server.
	{"osv", ClassOther, []string{everything}},
	{"local", ClassOther, []string{everything}},
	{"all", ClassOther, []string{everything}}, // the name of osv.dev's archives
}

// reviewed is what GitHub's database covers.
var reviewed = []string{
	"npm", "PyPI", "Go", "Maven", "NuGet", "RubyGems", "crates.io", "Packagist", "Pub", "Hex", "GitHub Actions", "SwiftURL",
}

// bySource finds the place of a source in the table; owned says which ecosystems have an authority in it.
var bySource, owned = func() (map[string]int, map[string]bool) {
	places, eco := map[string]int{}, map[string]bool{}
	for i, s := range speakers {
		places[s.source] = i
		for _, e := range s.ecosystems {
			if e != everything {
				eco[e] = true
			}
		}
	}
	return places, eco
}()

// place returns where source stands in the table; false: it is not there. A name that only adds a release to one that is
// there (almalinux9, alpine-v3.18, debian-12) stands for it.
func place(source string) (int, bool) {
	if i, ok := bySource[source]; ok {
		return i, true
	}
	base := strings.TrimRight(source, "0123456789.")
	if base == source {
		return 0, false
	}
	base = strings.TrimRight(strings.TrimSuffix(base, "-v"), "-_")
	i, ok := bySource[base]
	return i, ok
}

// ClassOf returns the class of a source.
func ClassOf(source string) Class {
	if i, ok := place(source); ok {
		return speakers[i].class
	}
	return ClassOther
}

// base returns an ecosystem without its release.
func base(ecosystem string) string {
	b, _, _ := strings.Cut(ecosystem, ":")
	return b
}

// MaySpeak reports whether source has authority for an ecosystem (its release plays no part). authorities are rows that
// take the place of what is built in, by source (see model.PutAuthority); nil: none. A source that neither has may speak for
// the ecosystem that it is named like, and for those that nobody in the table or the rows speaks for.
func MaySpeak(source, ecosystem string, authorities map[string][]string) bool {
	ecosystem = base(ecosystem)
	if row := authorities[source]; len(row) > 0 {
		return slices.ContainsFunc(row, func(e string) bool { return e == everything || base(e) == ecosystem })
	}
	if i, ok := place(source); ok {
		has := speakers[i].ecosystems
		return slices.Contains(has, ecosystem) || slices.Contains(has, everything)
	}
	if sourceName(ecosystem) == source {
		return true
	}
	if owned[ecosystem] {
		return false
	}
	for _, other := range slices.Sorted(maps.Keys(authorities)) {
		if slices.ContainsFunc(authorities[other], func(e string) bool { return base(e) == ecosystem }) {
			return false
		}
	}
	return true
}

// sourceName returns what a source is called that is named like its ecosystem: crates.io, rocky-linux, npm.
func sourceName(ecosystem string) string {
	return strings.ReplaceAll(strings.ToLower(ecosystem), " ", "-")
}

// Judge returns a with Outside set in the entries for whose ecosystem its source has no authority and in the statements about
// packages of such an ecosystem, and in no other. A statement about packages of both sorts becomes two. What a shares with
// the argument is not changed.
func Judge(a model.Advisory, authorities map[string][]string) model.Advisory {
	known := map[string]bool{}
	may := func(ecosystem string) bool {
		ecosystem = base(ecosystem)
		m, ok := known[ecosystem]
		if !ok {
			m = MaySpeak(a.Source, ecosystem, authorities)
			known[ecosystem] = m
		}
		return m
	}
	right := true
	for i := range a.Affected {
		right = right && a.Affected[i].Outside != may(a.Affected[i].Ecosystem)
	}
	if !right {
		a.Affected = slices.Clone(a.Affected)
		for i := range a.Affected {
			a.Affected[i].Outside = !may(a.Affected[i].Ecosystem)
		}
	}
	var judged []model.Statement
	for i, s := range a.Statements {
		in, out := parted(s.Products, may)
		if judged == nil && (len(out) == 0 || len(in) == 0) && s.Outside == (len(out) > 0) {
			continue
		}
		if judged == nil {
			judged = slices.Clone(a.Statements[:i])
		}
		if len(in) > 0 || len(out) == 0 {
			s.Products, s.Outside = in, false
			judged = append(judged, s)
		}
		if len(out) > 0 {
			s.Products, s.Outside = out, true
			judged = append(judged, s)
		}
	}
	if judged != nil {
		a.Statements = judged
	}
	return a
}

// parted parts products into those of ecosystems that may be spoken for, and others. One of no ecosystem that is known is no
// package that is ever matched, and harms nobody.
func parted(products []string, may func(string) bool) (in, out []string) {
	isOut := func(text string) bool {
		kind, space, _, _, _, ok := model.CutPURL(text)
		if !ok {
			return false
		}
		e, _, ok := model.PURLEcosystem(kind, space)
		return ok && !may(e)
	}
	if !slices.ContainsFunc(products, isOut) {
		return products, nil
	}
	for _, p := range products {
		if isOut(p) {
			out = append(out, p)
		} else {
			in = append(in, p)
		}
	}
	return in, out
}

// Speaks is what a source may speak for.
type Speaks struct {
	Source     string
	Ecosystems []string // without releases; "*": all
	Built      bool     // it is as it is built in
}

// Speakers returns who may speak for what: every source of the table and of the rows (see model.PutAuthority), by source.
func Speakers(authorities map[string][]string) []Speaks {
	all := make([]Speaks, 0, len(speakers)+len(authorities))
	for _, s := range speakers {
		if len(authorities[s.source]) == 0 {
			all = append(all, Speaks{s.source, s.ecosystems, true})
		}
	}
	for _, source := range slices.Sorted(maps.Keys(authorities)) {
		if len(authorities[source]) > 0 {
			all = append(all, Speaks{source, authorities[source], false})
		}
	}
	slices.SortFunc(all, func(a, b Speaks) int { return strings.Compare(a.Source, b.Source) })
	return all
}
