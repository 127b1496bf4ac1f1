package merge

import (
	"maps"
	"slices"

	"github.com/skerryhq/skerry/engine/model"
)

// The guards. What is beyond them stands alone: a store with many records of one name costs time, and never a runaway group.
const (
	// MaxHaving is how many records one identity may join, the first by source and id; and how many records without any CVE may
	// be in the group of one.
	MaxHaving = 512
	// MaxFree is how many records without any CVE one chain of aliases may join.
	MaxFree = 64
)

// guards are the numbers above; tests make them small.
type guards struct{ having, free int }

var usual = guards{having: MaxHaving, free: MaxFree}

// Names finds records by their identities.
type Names interface {
	// Having returns the first records, by source and id, one of whose Identities is the folded identity: at most most, all where
	// most is 0.
	Having(identity string, most int) ([]Record, error)
}

// Group is one canonical and the records in it.
type Group struct {
	ID      string // the chief identity, as the first record that has it writes it; a CVE in upper case
	Members []model.Edge
}

// Regroup returns the groups of all records around the identities: those that have one of them, and whoever aliases join to
// those, directly or through others. To bring stored groups up to date after a change, pass the identities of the record as it
// was and as it is: the groups that it left, joined, parted or brought together are all among those returned.
// Groups are sorted by id, and their members by source and id. Errors are those of names.
func Regroup(names Names, identities []string) ([]Group, error) {
	return usual.regroup(names, identities)
}

func (lim guards) regroup(names Names, identities []string) ([]Group, error) {
	records, err := around(names, identities)
	if err != nil {
		return nil, err
	}
	return lim.group(records), nil
}

// anchor returns the identity that decides alone where r belongs: its own id where that is a CVE, its only CVE, the CVE that its
// facts are about, or, where it names several CVEs, its own id (guarded). Empty: its aliases decide.
func (r *Record) anchor() (id string, guarded string) {
	if r.Fact != "" {
		return r.Fact, ""
	}
	var cves []string
	for i, id := range r.IDs {
		if !model.IsCVE(id) {
			continue
		}
		if i == 0 {
			return Fold(id), ""
		}
		cves = append(cves, Fold(id))
	}
	switch len(cves) {
	case 0:
		return "", ""
	case 1:
		return cves[0], ""
	}
	return Fold(r.IDs[0]), slices.Min(cves)
}

// joins returns the folded identities by which r may be joined to others.
func (r *Record) joins() []string {
	at, guarded := r.anchor()
	if guarded != "" || r.Fact != "" {
		return []string{at}
	}
	out := make([]string, 0, len(r.IDs))
	for _, id := range r.IDs {
		if f := Fold(id); f == at || !model.IsCVE(id) {
			out = append(out, f)
		}
	}
	return out
}

// around gathers the records that identities reach, sorted by source and id. It stops at none: where a guard parts a group is
// only seen when all of it is, and what one change can reach must be the same from wherever it is looked at.
func around(names Names, identities []string) ([]Record, error) {
	seen := map[string]bool{}
	found := map[model.AdvisoryKey]Record{}
	var next []string
	want := func(ids []string) {
		for _, id := range ids {
			if !seen[id] {
				seen[id] = true
				next = append(next, id)
			}
		}
	}
	want(identities)
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		records, err := names.Having(id, 0)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			if _, ok := found[r.AdvisoryKey]; !ok {
				found[r.AdvisoryKey] = r
				want(r.joins())
			}
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Record) int { return a.AdvisoryKey.Compare(b.AdvisoryKey) }), nil
}
