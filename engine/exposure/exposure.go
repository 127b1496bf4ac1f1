// Package exposure says which known vulnerabilities an inventory has: it compares the version
// ranges of advisories with installed packages, each in its ecosystem's own version order.
//
// It owns the mapping from an operating system and a package to OSV ecosystems, the table of what a
// valid version is, the evaluation of ranges as the OSV schema defines it (section "Evaluation"), what statements (VEX)
// do to a finding, the rating of severities, and the roll-up of many inventories to one site. What cannot be told
// gives model.VerdictUnknown with the reason, never silence. It never stores anything, never asks a network,
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
	// first error of fn and returns it. fn does not change what it is given.
	AdvisoriesFor(ecosystem, pkg string, fn func(model.Advisory) error) error
	// AdvisoriesNaming returns each advisory whose id, or an alias, upstream or related id, is id.
	AdvisoriesNaming(id string) ([]model.Advisory, error)
}

// Match returns every finding of inv, sorted by vulnerability, package, version and advisory, and
// counts them. Beyond MaxFindings it still names every vulnerability, but not with each of its
// packages. Errors are those of shelf. To match several inventories, keep a Matcher: it remembers what it found of
// each version of a package.
func Match(inv model.Inventory, shelf Shelf) ([]model.Finding, model.SeverityCounts, error) {
	return NewMatcher(shelf).Match(inv)
}

// Matcher matches inventories against one state of the advisories. What one version of a package has is worked out once
// and then listed for every inventory that has it, as most of a fleet's do. It is used by one goroutine.
type Matcher struct {
	shelf    Shelf
	known    map[model.Lookup][]model.Finding // what is found of a lookup, without the package
	knownN   int                              // of them all together, and one for each lookup
	versions versions
	names    map[string]*about // what all records say of a vulnerability
	most     int               // findings of one inventory; see Listing
}

const (
	// knownMax bounds what a Matcher remembers of lookups: findings of about 200 bytes.
	knownMax = 200_000
	// namesMax bounds what a Matcher remembers of vulnerabilities.
	namesMax = 100_000
)

// NewMatcher returns a Matcher on shelf.
func NewMatcher(shelf Shelf) *Matcher {
	m := &Matcher{known: map[model.Lookup][]model.Finding{}}
	m.On(shelf)
	return m
}

// On has m go on with another snapshot that has the very same advisories. What was found is kept, and what served only to
// find it is not: a Matcher may be kept for as long as the advisories stay.
func (m *Matcher) On(shelf Shelf) {
	m.shelf, m.versions, m.names = shelf, versions{}, map[string]*about{}
}

// Match returns every finding of inv as the function Match does.
func (m *Matcher) Match(inv model.Inventory) ([]model.Finding, model.SeverityCounts, error) {
	list := Listing{most: m.most}
	parts := Parts(inv)
	for len(parts) > 0 {
		n := 1
		for n < len(parts) && sameName(parts[n].Lookup, parts[0].Lookup) {
			n++
		}
		if err := m.learn(parts[:n]); err != nil {
			return nil, model.SeverityCounts{}, err
		}
		for _, p := range parts[:n] {
			list.Add(p.Lookup, m.known[p.Lookup], p.Packages)
		}
		parts = parts[n:]
	}
	found := list.Findings()
	return found, count(found), nil
}

// learn works out what lookups of one name have, unless that is known.
func (m *Matcher) learn(same []Part) error {
	if m.knownN >= knownMax {
		clear(m.known)
		m.knownN = 0
	}
	var fresh []model.Lookup
	for _, p := range same {
		if _, ok := m.known[p.Lookup]; !ok {
			fresh = append(fresh, p.Lookup)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	found, err := m.Judge(fresh)
	if err != nil {
		return err
	}
	for i, l := range fresh {
		m.known[l] = slices.Clip(found[i].Findings)
		m.knownN += 1 + len(found[i].Findings)
	}
	return nil
}

// distinct sorts findings and removes repeats: one package installed for two architectures, or found
// through two names of its ecosystem. Where repeats differ in the verdict, the sure one stays.
func distinct(found []model.Finding) []model.Finding {
	slices.SortFunc(found, func(a, b model.Finding) int {
		return cmp.Or(compareFindings(a, b), strings.Compare(string(a.Verdict), string(b.Verdict)), cmp.Compare(b.Severity, a.Severity),
			strings.Compare(a.Fixed, b.Fixed), strings.Compare(a.Reason, b.Reason))
	})
	return slices.CompactFunc(found, func(a, b model.Finding) bool { return compareFindings(a, b) == 0 })
}

func compareFindings(a, b model.Finding) int {
	return cmp.Or(strings.Compare(a.Vulnerability, b.Vulnerability), strings.Compare(a.Package, b.Package), strings.Compare(a.Version, b.Version),
		strings.Compare(a.Advisory.Source, b.Advisory.Source), strings.Compare(a.Advisory.ID, b.Advisory.ID))
}

// Count counts the distinct vulnerabilities of findings sorted by vulnerability, each at the highest severity that a
// finding of verdict affected gives it, and the findings of verdict unknown.
func Count(found []model.Finding) model.SeverityCounts { return count(found) }

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
// severity among its sure findings, 0 where it has none; uncertain is how many of which it cannot be told.
func eachVulnerability(found []model.Finding, fn func(id string, worst model.Severity, uncertain int)) {
	for len(found) > 0 {
		id, worst, uncertain := found[0].Vulnerability, model.Severity(0), 0
		for len(found) > 0 && found[0].Vulnerability == id {
			switch found[0].Verdict {
			case model.VerdictAffected:
				worst = max(worst, found[0].Severity)
			case model.VerdictUnknown:
				uncertain++
			}
			found = found[1:]
		}
		fn(id, worst, uncertain)
	}
}
