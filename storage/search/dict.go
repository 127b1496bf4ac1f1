package search

import (
	"github.com/skerryhq/skerry/engine/query"
)

// dict is a column of words: each distinct value has a number, each ordinal the number of its value, and
// each value the list of its ordinals. Number 0 is "no value" and has no list.
type dict struct {
	of     []uint32            // by ordinal
	words  []string            // by number, as the hosts spell them
	folded []string            // by number, folded
	posts  []post              // by number
	number map[string]uint32   // word -> number
	alike  map[string][]uint32 // folded word -> numbers
	unused []uint32            // numbers of values that no host has any more
	epoch  uint64              // rises when a value comes or goes: what was derived from the words is then stale
	ranks  ranks
}

func newDict() *dict {
	return &dict{words: []string{""}, folded: []string{""}, posts: make([]post, 1), number: map[string]uint32{}, alike: map[string][]uint32{}}
}

// grow makes room for ordinals below n.
func (d *dict) grow(n int) { d.of = grown(d.of, n) }

// grown returns s with at least n elements; the new ones are zero.
func grown[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	if n <= cap(s) {
		return s[:n]
	}
	bigger := make([]T, n, max(n, len(s)+len(s)/4+1024))
	copy(bigger, s)
	return bigger
}

// take returns the number of a word, giving it one if it has none.
func (d *dict) take(word string) uint32 {
	if word == "" {
		return 0
	}
	if n, ok := d.number[word]; ok {
		return n
	}
	var n uint32
	folded := query.Fold(word)
	if last := len(d.unused) - 1; last >= 0 {
		n = d.unused[last]
		d.unused = d.unused[:last]
		d.words[n], d.folded[n], d.posts[n] = word, folded, post{}
	} else {
		n = uint32(len(d.words))
		d.words, d.folded, d.posts = append(d.words, word), append(d.folded, folded), append(d.posts, post{})
	}
	d.number[word] = n
	d.alike[folded] = append(d.alike[folded], n)
	d.epoch++
	return n
}

// drop forgets a number that no ordinal has any more.
func (d *dict) drop(n uint32) {
	word, folded := d.words[n], d.folded[n]
	delete(d.number, word)
	same := d.alike[folded]
	for i, m := range same {
		if m == n {
			same = append(same[:i:i], same[i+1:]...)
			break
		}
	}
	if len(same) == 0 {
		delete(d.alike, folded)
	} else {
		d.alike[folded] = same
	}
	d.words[n], d.folded[n], d.posts[n] = "", "", post{}
	d.unused = append(d.unused, n)
	d.epoch++
}

// set gives the ordinal a word ("" for none) and reports whether that is another one than before.
func (d *dict) set(ord uint32, word string) bool {
	was := d.of[ord]
	if d.words[was] == word {
		return false
	}
	d.clear(ord)
	if n := d.take(word); n != 0 {
		d.of[ord] = n
		d.posts[n].add(ord)
	}
	return true
}

// clear takes the ordinal's word away.
func (d *dict) clear(ord uint32) {
	n := d.of[ord]
	if n == 0 {
		return
	}
	d.of[ord] = 0
	d.posts[n].remove(ord)
	if d.posts[n].empty() {
		d.drop(n)
	}
}

// word returns the ordinal's word.
func (d *dict) word(ord uint32) string { return d.words[d.of[ord]] }

// matching returns the numbers of the values that a pattern matches, rising or not.
func (q *question) matching(d *dict, p query.Pattern) []uint32 {
	if p.Shape == query.ShapeExact {
		return d.alike[p.Text]
	}
	return q.wordsWhere(d, 20, func(n uint32) bool { return p.Match(d.folded[n]) })
}

// wordsWhere is dict.where within the budget of a question: one look costs that many steps. After an error the
// result means nothing.
func (q *question) wordsWhere(d *dict, cost int, keep func(n uint32) bool) []uint32 {
	const together = 4096
	var out []uint32
	for n := uint32(1); n < uint32(len(d.words)); n++ {
		if n%together == 0 && !q.spend(together*cost) {
			return nil
		}
		if d.words[n] != "" && keep(n) {
			out = append(out, n)
		}
	}
	return out
}

// where returns the numbers of the values in use for which keep is true.
func (d *dict) where(keep func(n uint32) bool) []uint32 {
	var out []uint32
	for n := uint32(1); n < uint32(len(d.words)); n++ {
		if d.words[n] != "" && keep(n) {
			out = append(out, n)
		}
	}
	return out
}
