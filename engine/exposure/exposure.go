// Package exposure says which known vulnerabilities an inventory has: it compares the version
// ranges of advisories with installed packages, each in its ecosystem's own version order.
//
// It owns the mapping from an operating system and a package to OSV ecosystems, the table of what a
// valid version is, the evaluation of ranges as the OSV schema defines it (section "Evaluation"),
// the rating of severities, and the roll-up of many inventories to one site. A version that cannot be
// compared gives model.VerdictUnknown, never silence. It never stores anything, never asks a network,
// and gives the same findings in the same order for the same rows.
package exposure

import (
	"cmp"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// Shelf is where advisories are looked up. It must stay the same while a Matcher uses it: a snapshot.
// It is called from one goroutine.
type Shelf interface {
	// AdvisoriesFor calls fn with each advisory that names the package in the ecosystem. It stops at the
	// first error of fn and returns it. fn does not keep what it is given.
	AdvisoriesFor(ecosystem, pkg string, fn func(model.Advisory) error) error
	// AdvisoriesNaming returns each advisory whose id, or an alias, upstream or related id, is id.
	AdvisoriesNaming(id string) ([]model.Advisory, error)
}

// Match returns every finding of inv, sorted by vulnerability, package, version and advisory, and
// counts them. Beyond 200,000 findings it still names every vulnerability, but not with each of its
// packages. Errors are those of shelf. To match several inventories, keep a Matcher: it remembers what it found of
// each version of a package.
func Match(inv model.Inventory, shelf Shelf) ([]model.Finding, model.SeverityCounts, error) {
	return NewMatcher(shelf).Match(inv)
}

// Matcher matches inventories against one state of the advisories. What one version of a package has is worked out once
// and then listed for every inventory that has it, as most of a fleet's do. It is used by one goroutine.
type Matcher struct {
	shelf    Shelf
	known    map[lookup][]model.Finding // what is found of a lookup, without the package
	knownN   int                        // of them all together, and one for each lookup
	versions versions
	ratings  map[string]rating // of a vulnerability, over all records that name it
	most     int               // findings of one inventory; see findingsMax
	listed   map[claim]bool    // what was found of the present inventory since there were that many
}

const (
	// knownMax bounds what a Matcher remembers of lookups: findings of about 200 bytes.
	knownMax = 200_000
	// ratingsMax bounds what a Matcher remembers of severities.
	ratingsMax = 100_000
	// findingsMax bounds the findings of one inventory: an inventory may claim thousands of packages of one
	// source with thousands of advisories. From there on an advisory's vulnerability is listed for one more
	// package and not for all; no vulnerability is ever left out.
	findingsMax = 200_000
)

// claim is a finding without the package.
type claim struct {
	advisory model.AdvisoryKey
	id       string
	verdict  model.Verdict
}

// NewMatcher returns a Matcher on shelf.
func NewMatcher(shelf Shelf) *Matcher {
	m := &Matcher{known: map[lookup][]model.Finding{}, most: findingsMax}
	m.On(shelf)
	return m
}

// On has m go on with another snapshot that has the very same advisories. What was found is kept, and what served only to
// find it is not: a Matcher may be kept for as long as the advisories stay.
func (m *Matcher) On(shelf Shelf) {
	m.shelf, m.versions, m.ratings = shelf, versions{}, map[string]rating{}
}

// lookup is what a group of installed packages is matched by.
type lookup struct{ ecosystem, name, source, version string }

func (a lookup) compare(b lookup) int {
	return cmp.Or(strings.Compare(a.ecosystem, b.ecosystem), strings.Compare(a.name, b.name),
		strings.Compare(a.version, b.version), strings.Compare(a.source, b.source))
}

// Match returns every finding of inv as the function Match does.
func (m *Matcher) Match(inv model.Inventory) ([]model.Finding, model.SeverityCounts, error) {
	m.listed = map[claim]bool{}
	// Binary packages of one source share their fate, so each (ecosystem, name, version) is judged once.
	groups := map[lookup][]string{}
	for _, p := range inv.Packages {
		names, bySource := Ecosystems(inv.OS, p)
		for _, ecosystem := range names {
			l := lookup{ecosystem: ecosystem, name: p.Name, version: p.Version}
			if bySource {
				l.name, l.version = sourceOf(p)
				l.source = l.name
			}
			l.name = model.PackageName(ecosystem, l.name)
			groups[l] = append(groups[l], p.Name)
		}
	}
	order := make([]lookup, 0, len(groups))
	for l := range groups {
		order = append(order, l)
	}
	slices.SortFunc(order, lookup.compare)

	var found []model.Finding
	for len(order) > 0 {
		n := 1
		for n < len(order) && order[n].ecosystem == order[0].ecosystem && order[n].name == order[0].name {
			n++
		}
		same := order[:n]
		order = order[n:]
		if err := m.learn(same); err != nil {
			return nil, model.SeverityCounts{}, err
		}
		for _, l := range same {
			found = m.list(found, m.known[l], groups[l])
		}
	}
	found = distinct(found)
	return found, count(found), nil
}

// learn works out what lookups of one name have, unless that is known.
func (m *Matcher) learn(same []lookup) error {
	if m.knownN >= knownMax {
		clear(m.known)
		m.knownN = 0
	}
	var fresh []lookup
	for _, l := range same {
		if _, ok := m.known[l]; !ok {
			fresh = append(fresh, l)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	found := make([][]model.Finding, len(fresh))
	err := m.shelf.AdvisoriesFor(fresh[0].ecosystem, fresh[0].name, func(a model.Advisory) error {
		if !a.Withdrawn.IsZero() {
			return nil
		}
		entries := entriesFor(&a, fresh[0].ecosystem, fresh[0].name)
		for i, l := range fresh {
			var err error
			if found[i], err = m.judge(found[i], &a, entries, l); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, l := range fresh {
		m.known[l] = slices.Clip(found[i])
		m.knownN += 1 + len(found[i])
	}
	return nil
}

// judge appends the findings that one advisory makes for what l stands for, without the package.
func (m *Matcher) judge(to []model.Finding, a *model.Advisory, entries []*model.Affected, l lookup) ([]model.Finding, error) {
	family := familyOf(l.ecosystem)
	result := m.versions.affected(entries, family, l.version)
	if result == no {
		return to, nil
	}
	f := model.Finding{Advisory: a.AdvisoryKey, Source: l.source, Version: l.version, Verdict: model.VerdictAffected}
	if result == unknown {
		f.Verdict = model.VerdictUnknown
	} else {
		f.Fixed = m.versions.fixed(entries, family, l.version)
	}
	ids := Identifiers(*a)
	for _, id := range ids {
		f.Vulnerability = id
		var err error
		if f.Severity, err = m.severity(a, entries, id, len(ids) == 1); err != nil {
			return nil, err
		}
		to = append(to, f)
	}
	return to, nil
}

// list appends what is known of a lookup, for each of the installed packages that it stands for.
func (m *Matcher) list(to, known []model.Finding, packages []string) []model.Finding {
	for _, f := range known {
		for _, name := range packages {
			if len(to) >= m.most {
				c := claim{f.Advisory, f.Vulnerability, f.Verdict}
				if m.listed[c] {
					break
				}
				m.listed[c] = true
			}
			f.Package = name
			to = append(to, f)
		}
	}
	return to
}

// entriesFor returns the entries of a about that package.
func entriesFor(a *model.Advisory, ecosystem, name string) []*model.Affected {
	var out []*model.Affected
	for i := range a.Affected {
		e := &a.Affected[i]
		if e.Ecosystem == ecosystem && (e.Name == name || model.PackageName(ecosystem, e.Name) == name) {
			out = append(out, e)
		}
	}
	return out
}

// distinct sorts findings and removes repeats: one package installed for two architectures, or found
// through two names of its ecosystem. Where repeats differ in the verdict, the sure one stays.
func distinct(found []model.Finding) []model.Finding {
	slices.SortFunc(found, func(a, b model.Finding) int {
		return cmp.Or(compareFindings(a, b), strings.Compare(string(a.Verdict), string(b.Verdict)), cmp.Compare(b.Severity, a.Severity),
			strings.Compare(a.Fixed, b.Fixed))
	})
	return slices.CompactFunc(found, func(a, b model.Finding) bool { return compareFindings(a, b) == 0 })
}

func compareFindings(a, b model.Finding) int {
	return cmp.Or(strings.Compare(a.Vulnerability, b.Vulnerability), strings.Compare(a.Package, b.Package), strings.Compare(a.Version, b.Version),
		strings.Compare(a.Advisory.Source, b.Advisory.Source), strings.Compare(a.Advisory.ID, b.Advisory.ID))
}

// count counts the distinct vulnerabilities of findings sorted by vulnerability, each at the highest
// severity that a finding gives it.
func count(found []model.Finding) model.SeverityCounts {
	var c model.SeverityCounts
	eachVulnerability(found, func(_ string, worst model.Severity, uncertain int) {
		c.Uncertain += uncertain
		if worst != 0 {
			c.Add(worst)
		}
	})
	return c
}

// eachVulnerability calls fn once for each vulnerability of sorted findings: worst is the highest
// severity among its sure findings, 0 where it has none; uncertain is how many others it has.
func eachVulnerability(found []model.Finding, fn func(id string, worst model.Severity, uncertain int)) {
	for len(found) > 0 {
		id, worst, uncertain := found[0].Vulnerability, model.Severity(0), 0
		for len(found) > 0 && found[0].Vulnerability == id {
			if found[0].Verdict == model.VerdictAffected {
				worst = max(worst, found[0].Severity)
			} else {
				uncertain++
			}
			found = found[1:]
		}
		fn(id, worst, uncertain)
	}
}
