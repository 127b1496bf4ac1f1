package search

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSorted(t *testing.T) {
	kinds := map[string]func(r *rand.Rand, i int) uint64{
		"random":  func(r *rand.Rand, _ int) uint64 { return r.Uint64() },
		"few":     func(r *rand.Rand, _ int) uint64 { return uint64(r.IntN(4)) },
		"equal":   func(*rand.Rand, int) uint64 { return 7 },
		"rising":  func(_ *rand.Rand, i int) uint64 { return uint64(i) },
		"falling": func(_ *rand.Rand, i int) uint64 { return ^uint64(i) },
		"ends":    func(r *rand.Rand, _ int) uint64 { return -uint64(r.IntN(2)) },
	}
	odd := func(a, b [3]uint64) int { return slices.Compare(a[:], b[:]) } // a key whose bytes build cannot read
	for kind, key := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Run("64", func(t *testing.T) { testSorted(t, cmp.Compare[uint64], key) })
			t.Run("odd", func(t *testing.T) {
				testSorted(t, odd, func(r *rand.Rand, i int) [3]uint64 { return [3]uint64{1, key(r, i)} })
			})
			t.Run("128", func(t *testing.T) {
				testSorted(t, compareWide, func(r *rand.Rand, i int) wide {
					return wide{key(r, i) >> 63, key(r, i)}
				})
			})
		})
	}
}

func testSorted[K comparable](t *testing.T, compare func(a, b K) int, key func(r *rand.Rand, i int) K) {
	r := seeded(t, 41)
	s := newSorted(compare)
	type pair = sortedPair[K]
	var want []pair
	find := func(p pair) (int, bool) { return slices.BinarySearchFunc(want, p, s.order) }
	for step := range 16_000 {
		p := pair{key(r, step), uint32(r.IntN(4000))}
		if grow := step/4000%2 == 0; len(want) > 0 && r.IntN(4) == 0 == grow {
			if r.IntN(8) > 0 {
				p = want[r.IntN(len(want))]
			}
			i, is := find(p)
			if s.remove(p.key, p.ord) != is {
				t.Fatalf("step %d: remove(%v) does not say whether it was there", step, p)
			}
			if is {
				want = slices.Delete(want, i, i+1)
			}
		} else {
			i, is := find(p)
			if s.add(p.key, p.ord) == is {
				t.Fatalf("step %d: add(%v) does not say whether it was there", step, p)
			}
			if !is {
				want = slices.Insert(want, i, p)
			}
		}
		if step%50 == 0 {
			sortedAsk(t, r, s, want, key(r, step), key(r, r.IntN(step+1)))
		}
		if step%2000 == 1999 {
			sortedCheck(t, s, want)
		}
	}
	sortedCheck(t, s, want)
	keys, ords := make([]K, 0, len(want)), make([]uint32, 0, len(want))
	for _, i := range r.Perm(len(want)) {
		keys, ords = append(keys, want[i].key), append(ords, want[i].ord)
	}
	keys, ords = append(keys, keys...), append(ords, ords...) // each twice
	s.build(keys, ords)
	sortedCheck(t, s, want)
	for _, p := range want {
		s.remove(p.key, p.ord)
	}
	sortedCheck(t, s, nil)
	if len(s.blocks) != 0 {
		t.Errorf("what was emptied has %d blocks", len(s.blocks))
	}
	s.build(nil, nil)
	sortedCheck(t, s, nil)
}

func TestSortedBuildLarge(t *testing.T) {
	r := seeded(t, 42)
	for kind, key := range map[string]func() wide{
		"dense":  func() wide { return wide{1 << 60, uint64(r.IntN(30_000))} },
		"spread": func() wide { return wide{r.Uint64(), r.Uint64()} },
		"fleet":  func() wide { return wide{0xfd20<<48 | uint64(r.IntN(3))<<8, r.Uint64() & 0xff00ff} },
		"equal":  func() wide { return wide{2, 3} },
	} {
		keys, ords := make([]wide, 60_000), make([]uint32, 60_000)
		want := make([]sortedPair[wide], len(keys))
		for i := range keys {
			keys[i], ords[i] = key(), uint32(r.IntN(50_000))
			want[i] = sortedPair[wide]{keys[i], ords[i]}
		}
		s := newSorted(compareWide)
		s.build(keys, ords)
		slices.SortFunc(want, s.order)
		t.Run(kind, func(t *testing.T) { sortedCheck(t, s, slices.Compact(want)) })
	}
}

// sortedCheck compares all pairs, and what is kept of the blocks.
func sortedCheck[K comparable](t *testing.T, s *sorted[K], want []sortedPair[K]) {
	t.Helper()
	var got []sortedPair[K]
	for b, block := range s.blocks {
		if s.counts[b] == 0 || s.heads[b] != (sortedPair[K]{block.keys[0], block.ords[0]}) {
			t.Fatalf("block %d of %d pairs does not begin with %v", b, s.counts[b], s.heads[b])
		}
		for i := range s.counts[b] {
			got = append(got, sortedPair[K]{block.keys[i], block.ords[i]})
		}
	}
	if !slices.Equal(got, want) || s.len() != len(want) {
		t.Fatalf("%d pairs, said to be %d, are not the %d that belong", len(got), s.len(), len(want))
	}
}

// sortedAsk compares a range.
func sortedAsk[K comparable](t *testing.T, r *rand.Rand, s *sorted[K], want []sortedPair[K], low, high K) {
	t.Helper()
	if r.IntN(4) > 0 && s.compare(low, high) > 0 {
		low, high = high, low
	}
	if len(want) > 0 && r.IntN(2) == 0 {
		low = want[r.IntN(len(want))].key
	}
	var in []sortedPair[K]
	var ords []uint32
	for _, p := range want {
		if s.compare(low, p.key) <= 0 && s.compare(p.key, high) <= 0 {
			in, ords = append(in, p), append(ords, p.ord)
		}
	}
	var got []uint32
	if !s.scan(low, high, func(o []uint32) bool { got = append(got, o...); return true }) || !slices.Equal(got, ords) {
		t.Fatalf("scan(%v, %v) finds %d ordinals, not %d, or others", low, high, len(got), len(ords))
	}
	var pairs []sortedPair[K]
	s.each(low, high, func(k K, ord uint32) { pairs = append(pairs, sortedPair[K]{k, ord}) })
	if !slices.Equal(pairs, in) || s.count(low, high) != len(in) {
		t.Fatalf("each(%v, %v) finds %d pairs, not %d, or others", low, high, len(pairs), len(in))
	}
	calls := 0
	if done := s.scan(low, high, func([]uint32) bool { calls++; return false }); done != (len(in) == 0) || calls > 1 {
		t.Fatalf("scan(%v, %v) called %d times after it was told to stop", low, high, calls)
	}
}

func BenchmarkSorted(b *testing.B) {
	b.Run("64", func(b *testing.B) {
		benchmarkSorted(b, cmp.Compare[uint64], func(r *rand.Rand) uint64 { return uint64(10<<24 | r.Uint32()>>8) })
	})
	b.Run("128", func(b *testing.B) {
		benchmarkSorted(b, compareWide, func(r *rand.Rand) wide {
			return wide{0xfd20 << 48, r.Uint64()}
		})
	})
}

func benchmarkSorted[K comparable](b *testing.B, compare func(a, b K) int, key func(r *rand.Rand) K) {
	r := rand.New(rand.NewPCG(1, 2))
	keys, ords := make([]K, structuresMany), make([]uint32, structuresMany)
	for i := range keys {
		keys[i], ords[i] = key(r), uint32(i)
	}
	s := newSorted(compare)
	before := structuresHeap()
	b.Run("build", func(b *testing.B) {
		for b.Loop() {
			s.build(keys, ords)
		}
		b.ReportMetric(float64(structuresHeap()-before)/structuresMany, "B/pair")
	})
	b.Run("remove+add", func(b *testing.B) {
		for b.Loop() {
			i := r.IntN(structuresMany)
			s.remove(keys[i], ords[i])
			s.add(keys[i], ords[i])
		}
	})
	b.Run("find", func(b *testing.B) {
		for b.Loop() {
			k := keys[r.IntN(structuresMany)]
			s.scan(k, k, func([]uint32) bool { return true })
		}
	})
	sorted := slices.SortedFunc(slices.Values(keys), compare)
	b.Run("scan", func(b *testing.B) {
		total := 0
		for b.Loop() {
			s.scan(sorted[0], sorted[len(sorted)-1], func(o []uint32) bool { total += len(o); return true })
		}
	})
}
