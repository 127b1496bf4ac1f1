package exposure

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// Part is a Lookup of an inventory and the installed packages that it stands for: binary packages of one source share
// their fate.
type Part struct {
	model.Lookup
	Packages []string // names, sorted, distinct
}

// Parts returns what inv is matched by, sorted. Packages of which no ecosystem is known are in none.
func Parts(inv model.Inventory) []Part {
	groups := map[model.Lookup][]string{}
	for _, p := range inv.Packages {
		names, bySource := Ecosystems(inv.OS, p)
		if len(names) == 0 {
			continue
		}
		l := model.Lookup{Ecosystem: names[0], Name: p.Name, Version: p.Version, Module: stream(p.Module)}
		if len(names) > 1 {
			l.Also = names[1]
		}
		if bySource {
			l.Name, l.Version = sourceOf(p)
			l.Source = l.Name
		}
		l.Name = model.PackageName(l.Ecosystem, l.Name)
		groups[l] = append(groups[l], p.Name)
	}
	out := make([]Part, 0, len(groups))
	for _, l := range slices.SortedFunc(maps.Keys(groups), CompareLookups) {
		packages := groups[l]
		slices.Sort(packages)
		out = append(out, Part{l, slices.Compact(packages)})
	}
	return out
}

// CompareLookups orders by what advisories are looked up by, then by version: those of one name stand together.
func CompareLookups(a, b model.Lookup) int {
	return cmp.Or(strings.Compare(a.Ecosystem, b.Ecosystem), strings.Compare(a.Also, b.Also), strings.Compare(a.Name, b.Name),
		strings.Compare(a.Version, b.Version), strings.Compare(a.Source, b.Source), strings.Compare(a.Module, b.Module))
}

// sameName reports whether the same advisories are about a and b.
func sameName(a, b model.Lookup) bool {
	return a.Ecosystem == b.Ecosystem && a.Also == b.Also && a.Name == b.Name
}

// stream returns the NAME:STREAM of a module label, which goes on with a version, a context and more.
func stream(label string) string {
	name, rest, ok := strings.Cut(label, ":")
	if !ok {
		return ""
	}
	s, _, _ := strings.Cut(rest, ":")
	return name + ":" + s
}

// Expand lists what is found of a Lookup for each installed package that it stands for.
func Expand(to []model.Finding, l model.Lookup, found []model.Finding, packages []string) []model.Finding {
	for _, f := range found {
		f.Source, f.Version = l.Source, l.Version
		for _, name := range packages {
			to = append(to, f.For(name))
		}
	}
	return to
}

// MaxFindings bounds the findings that are listed of one inventory.
const MaxFindings = 200_000

// Listing lists the findings of one inventory from what is found of its parts. An inventory may claim thousands of packages
// of one source with thousands of advisories: beyond MaxFindings a vulnerability is listed for one more package and not for all; no
// vulnerability is ever left out. The zero value is ready to use.
type Listing struct {
	most   int // findings; 0: MaxFindings
	found  []model.Finding
	listed map[claim]bool // since there were that many
}

// claim is a finding without the package.
type claim struct {
	advisory model.AdvisoryKey
	id       string
	verdict  model.Verdict
}

// Add lists what is found of a part.
func (l *Listing) Add(at model.Lookup, found []model.Finding, packages []string) {
	most := l.most
	if most == 0 {
		most = MaxFindings
	}
	if len(l.found)+len(found)*len(packages) < most {
		l.found = Expand(l.found, at, found, packages)
		return
	}
	if l.listed == nil {
		l.listed = map[claim]bool{}
	}
	for _, f := range found {
		f.Source, f.Version = at.Source, at.Version
		for _, name := range packages {
			x := f.For(name)
			if len(l.found) >= most {
				c := claim{x.Advisory, x.Vulnerability, x.Verdict}
				if l.listed[c] {
					if len(f.Apart) == 0 {
						break
					}
					continue
				}
				l.listed[c] = true
			}
			l.found = append(l.found, x)
		}
	}
}

// Findings returns what was listed, sorted by vulnerability, package, version and advisory, each once.
func (l *Listing) Findings() []model.Finding {
	l.found = distinct(l.found)
	return l.found
}
