package search

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/skerryhq/skerry/engine/query"
)

// gramsFixture is an index of grams and the plain map that it must agree with.
type gramsFixture struct {
	texts names
	grams *grams
	want  map[uint32]string
}

func newGramsFixture(bound int) *gramsFixture {
	f := &gramsFixture{want: map[uint32]string{}}
	f.grams = newGrams(&f.texts)
	f.grams.bound = bound
	return f
}

func (f *gramsFixture) set(ord uint32, s string) {
	f.texts.set(ord, s)
	f.grams.set(ord)
	f.want[ord] = s
}

func (f *gramsFixture) remove(ord uint32, clearFirst bool) {
	if clearFirst {
		f.texts.set(ord, "")
	}
	f.grams.remove(ord)
	delete(f.want, ord)
}

// ask compares one search with a look at every name.
func (f *gramsFixture) ask(t *testing.T, pattern string, shape query.Shape, within *roaring.Bitmap) {
	t.Helper()
	matches := strings.Contains
	if shape == query.ShapeSuffix {
		matches = strings.HasSuffix
	}
	want := []uint32{}
	for ord, s := range f.want {
		if matches(s, pattern) && (within == nil || within.Contains(ord)) {
			want = append(want, ord)
		}
	}
	slices.Sort(want)
	got := []uint32{}
	if !f.grams.find([]byte(pattern), shape, within, func(ords []uint32) bool { got = append(got, ords...); return true }) {
		t.Fatal("find says that it was stopped")
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%q, shape %d: %d ordinals, not %d, or others", pattern, shape, len(got), len(want))
	}
}

// pattern chooses what to look for: mostly a piece of a name that is there.
func (f *gramsFixture) pattern(r *rand.Rand, name string) string {
	if len(name) == 0 {
		return ""
	}
	from := r.IntN(len(name))
	n := min(1+r.IntN(6), len(name)-from)
	if r.IntN(3) == 0 {
		from = len(name) - n
	}
	p := []byte(name[from : from+n])
	if r.IntN(6) == 0 {
		p[r.IntN(len(p))] = "az09-._\x00A\xff{"[r.IntN(11)]
	}
	return string(p)
}

func TestGramsAgainstAMap(t *testing.T) {
	kinds := map[string]func(r *rand.Rand, i int) string{
		// Bytes that share a symbol.
		"shared": func(r *rand.Rand, _ int) string {
			b := make([]byte, r.IntN(8))
			for i := range b {
				b[i] = []byte{'A', 'A' + gramShared, 'a', '.', '\x00', 0xff}[r.IntN(6)]
			}
			return string(b)
		},
		"repeats": func(r *rand.Rand, _ int) string { return strings.Repeat("ab"[:1+r.IntN(2)], r.IntN(9)) },
	}
	maps.Copy(kinds, structuresNames)
	for kind, name := range kinds {
		t.Run(kind, func(t *testing.T) {
			r := seeded(t, 51)
			f := newGramsFixture(300)
			var taken *gramSnapshot
			var built *gramIndex
			builds := 0
			for step := range 3000 {
				ord := uint32(r.IntN(3))<<16 + uint32(r.IntN(1500)) - uint32(r.IntN(2))
				if ord > 3<<16 {
					ord = 0
				}
				switch {
				case r.IntN(3) == 0:
					f.remove(ord, r.IntN(2) == 0)
				default:
					f.set(ord, name(r, step))
				}
				// A build goes on beside the changes, and now and then comes to nothing.
				if taken == nil {
					if segment, ok := f.grams.needsBuild(); ok {
						taken = f.grams.snapshot(segment)
						built = taken.index()
					}
				} else if r.IntN(60) == 0 {
					if r.IntN(8) == 0 {
						later := f.grams.snapshot(taken.segment)
						if f.grams.install(taken, built) {
							t.Fatal("an index was installed that is older than the last snapshot")
						}
						taken, built = later, nil
					}
					if !f.grams.install(taken, built) {
						t.Fatal("the last snapshot was refused")
					}
					taken = nil
					builds++
				}
				if step%500 == 0 {
					f.texts.compact()
				}
				if step%40 != 0 {
					continue
				}
				p := f.pattern(r, name(r, step))
				shape := []query.Shape{query.ShapeContains, query.ShapeSuffix}[r.IntN(2)]
				f.ask(t, p, shape, nil)
				few, many := roaring.New(), roaring.New()
				for range 20 {
					few.Add(uint32(r.IntN(4)<<16 + r.IntN(1500)))
				}
				for range 3000 {
					many.Add(uint32(r.IntN(5)<<16 + r.IntN(1500)))
				}
				many.AddRange(100, 400)
				f.ask(t, p, shape, few)
				f.ask(t, p, shape, many)
				f.ask(t, p, shape, roaring.New())
			}
			fresh := 0
			for _, s := range f.grams.segments {
				fresh += s.fresh.len()
				if s.freshN != s.fresh.len() || s.liveN != s.live.len() {
					t.Fatalf("%d fresh, counted as %d; %d alive, counted as %d", s.fresh.len(), s.freshN, s.live.len(), s.liveN)
				}
			}
			if fresh != f.grams.freshN || builds == 0 {
				t.Fatalf("%d fresh, counted as %d, after %d builds", fresh, f.grams.freshN, builds)
			}
		})
	}
}

// TestGramsBuilt asks of an index that knows every name, of every way to look.
func TestGramsBuilt(t *testing.T) {
	r := seeded(t, 52)
	f := newGramsFixture(0)
	for i := range 20_000 {
		f.set(uint32(i), structuresHost(r))
	}
	if segment, ok := f.grams.needsBuild(); !ok || segment != 0 {
		t.Fatal("20,000 fresh names need no build")
	}
	from := f.grams.snapshot(0)
	if _, ok := f.grams.needsBuild(); ok {
		t.Error("a segment that is being built needs a build")
	}
	f.grams.install(from, from.index())
	if _, ok := f.grams.needsBuild(); ok || f.grams.freshN != 0 {
		t.Error("a segment that was built needs a build")
	}
	half := roaring.New()
	for i := range uint32(10_000) {
		half.Add(2 * i)
	}
	for range 150 {
		p := f.pattern(r, f.want[uint32(r.IntN(20_000))])
		for _, shape := range []query.Shape{query.ShapeContains, query.ShapeSuffix} {
			f.ask(t, p, shape, nil)
			f.ask(t, p, shape, half)
		}
	}
	for _, p := range []string{"a", "-", "web", "prod", "-prod-0", "desktop-", "kafka-", "zzz", "ip-10-", strings.Repeat("web-", 60)} {
		f.ask(t, p, query.ShapeContains, nil)
		f.ask(t, p, query.ShapeSuffix, half)
	}
	calls := 0
	if f.grams.find([]byte("web"), query.ShapeContains, nil, func([]uint32) bool { calls++; return false }) || calls != 1 {
		t.Errorf("find went on %d times after it was told to stop", calls)
	}
}

// TestGramsWhileWriting lets the names change between two segments, as a reader does that lets writers in.
// What stays as it is must be found exactly once.
func TestGramsWhileWriting(t *testing.T) {
	r := seeded(t, 53)
	f := newGramsFixture(100)
	const n = 3 << 16
	for ord := uint32(0); ord < n; ord += 97 {
		f.set(ord, fmt.Sprintf("stays-%06d", ord))
	}
	within := roaring.New()
	within.AddRange(0, n)
	for round := range 16 {
		seen := map[uint32]int{}
		var only *roaring.Bitmap
		if round%2 == 1 {
			only = within
		}
		f.grams.find([]byte("stays"), query.ShapeContains, only, func(ords []uint32) bool {
			for _, ord := range ords {
				seen[ord]++
			}
			for range 150 {
				ord := uint32(r.IntN(4 << 16))
				if only != nil {
					only.Remove(uint32(r.IntN(n)) / 97 * 97 / 2)
				}
				if ord%97 != 0 || ord >= n {
					f.set(ord, "comes-and-goes")
				}
			}
			if segment, ok := f.grams.needsBuild(); ok {
				s := f.grams.snapshot(segment)
				f.grams.install(s, s.index())
			}
			return true
		})
		for ord := uint32(0); ord < n; ord += 97 {
			if only == nil && seen[ord] != 1 || seen[ord] > 1 {
				t.Fatalf("round %d: ordinal %d, which did not change, was found %d times", round, ord, seen[ord])
			}
		}
	}
}

func TestGramCut(t *testing.T) {
	r := seeded(t, 54)
	for range 500 {
		list := func(n int) []uint16 {
			l := make([]uint16, n)
			for i := range l {
				l[i] = uint16(r.IntN(1 + r.IntN(65_536)))
			}
			slices.Sort(l)
			return slices.Compact(l)
		}
		a, b := list(r.IntN(60)), list(r.IntN(6000))
		var want []uint16
		for _, v := range a {
			if _, ok := slices.BinarySearch(b, v); ok {
				want = append(want, v)
			}
		}
		if got := gramCut(slices.Clone(a), b); !slices.Equal(got, want) {
			t.Fatalf("%d of %d and %d: %v, not %v", len(got), len(a), len(b), got, want)
		}
	}
}

func TestGramSymbols(t *testing.T) {
	count := map[uint8]int{}
	for b := range 256 {
		s := gramSymbols[b]
		if s == gramPad || s > 63 {
			t.Fatalf("byte %#x has symbol %d", b, s)
		}
		count[s]++
	}
	for s, n := range count {
		if s <= gramExact && n != 1 {
			t.Errorf("symbol %d stands for %d bytes", s, n)
		}
	}
	for _, b := range []byte("abcdefghijklmnopqrstuvwxyz0123456789-._") {
		if gramSymbols[b] > gramExact {
			t.Errorf("%q shares its symbol", b)
		}
	}
	for name, want := range map[string][]uint32{
		"": {}, "c": {3 << 12}, "ab": {1<<12 | 2<<6, 2 << 12}, "abab": {1<<12 | 2<<6 | 1, 2<<12 | 1<<6 | 2, 1<<12 | 2<<6, 2 << 12},
	} {
		if got := gramsOf([]byte(name), new([namesMax]uint32)); !slices.Equal(got, want) {
			t.Errorf("the grams of %q are %#x, not %#x", name, got, want)
		}
	}
}

func benchmarkGrams(b *testing.B) (*grams, float64) {
	texts, _ := structuresFleet(structuresMany)
	before := structuresHeap()
	g := newGrams(texts)
	for ord := range uint32(structuresMany) {
		g.set(ord)
	}
	for segment, ok := g.needsBuild(); ok; segment, ok = g.needsBuild() {
		s := g.snapshot(segment)
		g.install(s, s.index())
	}
	return g, float64(structuresHeap()-before) / structuresMany
}

func BenchmarkGrams(b *testing.B) {
	g, size := benchmarkGrams(b)
	b.Run("build", func(b *testing.B) {
		s := g.snapshot(3)
		for b.Loop() {
			s.index()
		}
		g.install(s, nil)
		b.ReportMetric(size, "B/host")
		b.ReportMetric(float64(len(g.segments[3].index.lists)*2)/namesSegment, "listB/host")
		b.ReportMetric(float64(len(g.segments[3].index.starts)), "grams")
	})
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			g.install(g.snapshot(3), nil)
		}
	})
	find := func(name, pattern string, shape query.Shape, within *roaring.Bitmap) {
		b.Run(name+"="+pattern, func(b *testing.B) {
			n := 0
			for b.Loop() {
				n = 0
				g.find([]byte(pattern), shape, within, func(ords []uint32) bool { n += len(ords); return true })
			}
			b.ReportMetric(float64(n), "found")
		})
	}
	for _, p := range []string{"e", "we", "web", "kafka", "-prod-", "-prod-001", "desktop-0a", "fcb1-web", "zzzz"} {
		find("contains", p, query.ShapeContains, nil)
	}
	find("suffix", "01", query.ShapeSuffix, nil)
	find("suffix", "-0042", query.ShapeSuffix, nil)
	r := rand.New(rand.NewPCG(9, 9))
	few, tenth, half := roaring.New(), roaring.New(), roaring.New()
	for ord := range uint32(structuresMany) {
		switch v := r.IntN(10_000); {
		case v < 2:
			few.Add(ord)
			fallthrough
		case v < 1000:
			tenth.Add(ord)
			fallthrough
		case v < 5000:
			half.Add(ord)
		}
	}
	find("few", "kafka", query.ShapeContains, few)
	find("tenth", "kafka", query.ShapeContains, tenth)
	find("half", "kafka", query.ShapeContains, half)
	find("half", "web", query.ShapeContains, half)
	for _, s := range g.segments {
		s.index = nil
	}
	find("unbuilt", "kafka", query.ShapeContains, nil)
	find("unbuilt-tenth", "kafka", query.ShapeContains, tenth)
}
