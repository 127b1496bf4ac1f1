package search

import "slices"

// tagLists is a column of lists of words. The numbers of an ordinal's words stand together in one arena.
type tagLists struct {
	words *dict    // its column is not used
	at    []uint32 // by ordinal: where its numbers begin in the arena
	n     []uint8  // by ordinal: how many
	arena []uint32
	waste int // places of the arena that no ordinal uses
}

func newTagLists() *tagLists { return &tagLists{words: newDict()} }

func (t *tagLists) grow(n int) { t.at, t.n = grown(t.at, n), grown(t.n, n) }

// of returns the numbers of an ordinal's words; they alias the arena.
func (t *tagLists) of(ord uint32) []uint32 {
	at := t.at[ord]
	return t.arena[at : at+uint32(t.n[ord])]
}

// set replaces the words of an ordinal. More than 255 are cut, which no row that was let in has.
func (t *tagLists) set(ord uint32, words []string) {
	words = words[:min(len(words), 255)]
	if t.same(ord, words) {
		return
	}
	old := slices.Clone(t.of(ord))
	now := make([]uint32, 0, len(words))
	for _, w := range words {
		if w == "" {
			continue
		}
		// Two that differ in case are one value, as they are to a search.
		if n := t.words.take(w); !slices.ContainsFunc(now, func(m uint32) bool { return t.words.folded[m] == t.words.folded[n] }) {
			now = append(now, n)
		}
	}
	for _, n := range now {
		if !slices.Contains(old, n) {
			t.words.posts[n].add(ord)
		}
	}
	for _, n := range old {
		if !slices.Contains(now, n) {
			t.words.posts[n].remove(ord)
			t.forget(n)
		}
	}
	for _, w := range words {
		if n, ok := t.words.number[w]; ok {
			t.forget(n) // taken above for nothing
		}
	}
	if len(now) <= len(old) {
		copy(t.arena[t.at[ord]:], now)
		t.waste += len(old) - len(now)
	} else {
		t.waste += len(old)
		t.at[ord] = uint32(len(t.arena))
		t.arena = append(t.arena, now...)
	}
	t.n[ord] = uint8(len(now))
	if t.waste > 1<<16 && t.waste > len(t.arena)/2 {
		t.compact()
	}
}

// forget drops a word that no ordinal has.
func (t *tagLists) forget(n uint32) {
	if t.words.posts[n].empty() {
		t.words.drop(n)
	}
}

func (t *tagLists) same(ord uint32, words []string) bool {
	old := t.of(ord)
	if len(old) != len(words) {
		return false
	}
	for i, n := range old {
		if t.words.words[n] != words[i] {
			return false
		}
	}
	return true
}

// compact writes the arena anew, without waste.
func (t *tagLists) compact() {
	arena := make([]uint32, 0, len(t.arena)-t.waste+len(t.arena)/8)
	for ord := range t.at {
		list := t.of(uint32(ord))
		t.at[ord] = uint32(len(arena))
		arena = append(arena, list...)
	}
	t.arena, t.waste = arena, 0
}
