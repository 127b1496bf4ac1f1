package index

import (
	"bytes"
	"slices"

	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// The functions here are the one definition of what each index holds: the index keys of a row, sorted
// and distinct. The Put methods write the difference between the old row's and the new row's; Check
// compares all of them with what is there.

func memberEntries(m model.Member) [][]byte {
	if m.Status == model.MemberRemoved {
		return nil // neither its name nor its key finds it any more
	}
	e := [][]byte{key.MemberName(m.Kind, m.Name, m.ID)}
	if m.Pin != "" {
		e = append(e, key.MemberPin(m.Pin, m.ID))
	}
	return sorted(e)
}

// hostEntries are those of a site; a controller has none.
func hostEntries(h model.Host, upper bool) [][]byte {
	if upper || h.PackagesDigest == "" {
		return nil
	}
	return [][]byte{key.HostPackages(h.PackagesDigest, h.ID)}
}

func advisoryEntries(a model.Advisory) [][]byte {
	e := make([][]byte, 0, 2+len(a.Aliases)+len(a.Upstream)+len(a.Related)+len(a.Affected))
	e = append(e, key.AdvisoryCursor(a.Cursor, a.AdvisoryKey), key.AdvisoryIdentifier(a.ID, a.AdvisoryKey))
	for _, names := range [][]string{a.Aliases, a.Upstream, a.Related} {
		for _, n := range names {
			e = append(e, key.AdvisoryIdentifier(n, a.AdvisoryKey))
		}
	}
	for _, id := range merge.Identities(a) {
		e = append(e, key.AdvisoryIdentity(id, a.AdvisoryKey))
	}
	for _, p := range a.Affected {
		e = append(e, key.AdvisoryPackage(p.Ecosystem, p.Name, a.AdvisoryKey))
	}
	return sorted(e)
}

func canonicalEntries(c model.Canonical) [][]byte {
	e := make([][]byte, 0, 1+len(c.Members))
	e = append(e, key.CanonicalHash(c.Hash, c.ID))
	for _, m := range c.Members {
		e = append(e, key.AdvisoryCanonical(m.AdvisoryKey, c.ID))
	}
	return sorted(e)
}

func goneEntries(g advisoryGone) [][]byte {
	return [][]byte{key.AdvisoryCursor(g.Cursor, g.AdvisoryKey)}
}

func commandEntries(c model.Command) [][]byte {
	if terminal(c.State) {
		return nil
	}
	return [][]byte{key.CommandOpen(c.ID)}
}

// terminal reports whether a command in that state stays in it.
func terminal(s model.CommandState) bool {
	switch s {
	case model.CommandSucceeded, model.CommandFailed, model.CommandPartial, model.CommandCancelled, model.CommandExpired:
		return true
	}
	return false
}

func sorted(e [][]byte) [][]byte {
	slices.SortFunc(e, bytes.Compare)
	return slices.CompactFunc(e, bytes.Equal)
}

// compareHeads orders the first entries of two lists; an empty list is behind everything.
func compareHeads(a, b [][]byte) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return bytes.Compare(a[0], b[0])
}
