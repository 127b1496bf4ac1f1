package search

import (
	"cmp"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// systems are the operating systems in use: what stands in the dict column as one word, taken apart.
type systems struct {
	parsed []model.OS // by number of the dict
}

// osWord is the word of an operating system in the dict column.
func osWord(o model.OS) string {
	if o == (model.OS{}) {
		return ""
	}
	return o.ID + "\x00" + o.Version + "\x00" + o.Name + "\x00" + o.Codename
}

func osOf(word string) model.OS {
	var o model.OS
	for i, part := range strings.SplitN(word, "\x00", 4) {
		*[...]*string{&o.ID, &o.Version, &o.Name, &o.Codename}[i] = part
	}
	return o
}

// system returns the operating system of a number.
func (x *Index) system(n uint32) model.OS {
	if int(n) < len(x.systems.parsed) {
		return x.systems.parsed[n]
	}
	return model.OS{}
}

// setOS gives the ordinal an operating system.
func (x *Index) setOS(ord uint32, o model.OS) bool {
	changed := x.os.set(ord, osWord(o))
	n := x.os.of[ord]
	x.systems.parsed = grown(x.systems.parsed, int(n)+1)
	if changed {
		x.systems.parsed[n] = o
	}
	return changed
}

// compareSystems orders systems by id, then version.
func (x *Index) compareSystems(a, b uint32) int {
	return compareOS(x.systems.parsed[a], x.systems.parsed[b])
}

// compareOS orders operating systems as query.Less does: by id, then by version.
func compareOS(a, b model.OS) int {
	va, vb := query.Fold(a.Version), query.Fold(b.Version)
	return cmp.Or(strings.Compare(query.Fold(a.ID), query.Fold(b.ID)), query.CompareVersions(va, vb), strings.Compare(va, vb))
}

// systemLabel is how a system is counted.
func (x *Index) systemLabel(n uint32) string { return query.OSText(x.system(n)) }

// compareVersionWords orders the words of a dict as versions, then as text.
func (d *dict) compareVersionWords(a, b uint32) int {
	return cmp.Or(query.CompareVersions(d.folded[a], d.folded[b]), cmp.Compare(d.folded[a], d.folded[b]))
}

// compareWords orders the words of a dict as text.
func (d *dict) compareWords(a, b uint32) int { return cmp.Compare(d.folded[a], d.folded[b]) }
