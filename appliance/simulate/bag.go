package simulate

import "math/rand/v2"

// bag is a set of hosts that gives one at random, the same for the same draws and the same past.
type bag struct {
	all   []int
	place map[int]int // in all
}

func (b *bag) add(n int) {
	if b.place == nil {
		b.place = map[int]int{}
	}
	if _, ok := b.place[n]; !ok {
		b.place[n] = len(b.all)
		b.all = append(b.all, n)
	}
}

func (b *bag) remove(n int) {
	i, ok := b.place[n]
	if !ok {
		return
	}
	last := b.all[len(b.all)-1]
	b.all[i], b.place[last] = last, i
	b.all = b.all[:len(b.all)-1]
	delete(b.place, n)
}

// pick returns one of them; the bag is not empty.
func (b *bag) pick(r *rand.Rand) int { return b.all[r.IntN(len(b.all))] }
