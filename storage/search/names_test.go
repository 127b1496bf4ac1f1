package search

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestNamesAgainstAMap(t *testing.T) {
	for kind, name := range structuresNames {
		t.Run(kind, func(t *testing.T) {
			r := seeded(t, 11)
			var n names
			want := map[uint32]string{}
			type kept struct{ slice, bytes []byte }
			var old []kept
			for step := range 30_000 {
				ord := uint32(r.IntN(3)*namesSegment + r.IntN(500))
				s := name(r, step)
				if r.IntN(8) == 0 {
					s = ""
				}
				if was := want[ord]; n.set(ord, s) != (was != s) {
					t.Fatalf("step %d: set(%d) says wrongly whether %.40q changed to %.40q", step, ord, was, s)
				}
				want[ord] = s
				if r.IntN(100) == 0 {
					b := n.at(ord)
					old = append(old, kept{b, bytes.Clone(b)})
				}
				if r.IntN(200) == 0 {
					n.compactStep()
				}
				if step%7000 == 0 {
					n.compact()
				}
			}
			live := int64(0)
			for ord, s := range want {
				if got := string(n.at(ord)); got != s {
					t.Fatalf("at(%d) is %.40q, not %.40q", ord, got, s)
				}
				if s != "" {
					live += int64(namesSize(len(s)))
				}
			}
			for _, k := range old {
				if !bytes.Equal(k.slice, k.bytes) {
					t.Fatalf("a text that was handed out changed from %.40q to %.40q", k.bytes, k.slice)
				}
			}
			if n.live() != live {
				t.Fatalf("%d bytes live, not %d", n.live(), live)
			}
			n.compact()
			if n.compacting() {
				n.compact()
			}
			n.compact()
			if n.garbage() != 0 || n.compacting() {
				t.Fatalf("%d bytes of garbage after a whole compaction", n.garbage())
			}
			if chunks := len(n.chunks) - len(n.free); int64(chunks) > live/(namesChunk-namesMax)+1 {
				t.Fatalf("%d chunks hold %d bytes", chunks, live)
			}
		})
	}
}

func TestNamesBounds(t *testing.T) {
	var n names
	for _, size := range []int{0, 1, 2, 126, 127, 128, 129, 255, 256, namesMax - 1, namesMax} {
		s := strings.Repeat("n", size)
		n.set(70_000, s)
		if got := string(n.at(70_000)); got != s {
			t.Errorf("a text of %d bytes came back with %d", size, len(got))
		}
	}
	n.set(1, strings.Repeat("n", 5000))
	if len(n.at(1)) != namesMax {
		t.Errorf("a text of 5,000 bytes was cut to %d", len(n.at(1)))
	}
	for _, ord := range []uint32{0, 2, 69_999, 1 << 20, ^uint32(0)} {
		if n.at(ord) != nil {
			t.Errorf("ordinal %d, which was never set, has a text", ord)
		}
	}
	if b := n.at(1); cap(b) != len(b) {
		t.Error("appending to a text would write over the next one")
	}
}

// TestNamesFillChunks puts texts right up to the ends of chunks.
func TestNamesFillChunks(t *testing.T) {
	for _, size := range []int{5, 19, 126, 127, 128, 1000} {
		var n names
		text := func(i int) string { return fmt.Sprintf("%0*d", size, i%100_000) }
		count := 3 * namesChunk / size
		for i := range count {
			n.set(uint32(i), text(i))
		}
		for i := range count {
			if got := string(n.at(uint32(i))); got != text(i) {
				t.Fatalf("text %d of %d bytes is %.40q", i, size, got)
			}
		}
	}
}

// A view is read while others write, and sees nothing of it; the race detector holds this against the code.
func TestNamesViewStays(t *testing.T) {
	r := seeded(t, 12)
	var n names
	want := make([]string, 5000)
	for i := range want {
		want[i] = structuresHost(r)
		n.set(uint32(i), want[i])
	}
	for range 3 { // numbers of chunks are used again
		n.compact()
	}
	view := n.view(0)
	done := make(chan error)
	go func() {
		for range 20 {
			for i, s := range want {
				if got := string(view.at(uint16(i))); got != s {
					done <- fmt.Errorf("the view gives %q for %d, not %q", got, i, s)
					return
				}
			}
		}
		done <- nil
	}()
	for i := range 100_000 {
		n.set(uint32(r.IntN(len(want))), structuresHost(r))
		if i%20_000 == 0 {
			n.compact()
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	empty := n.view(9)
	if empty.at(3) != nil {
		t.Error("a view of a segment without names has one")
	}
}

func BenchmarkNames(b *testing.B) {
	before := structuresHeap()
	texts, _ := structuresFleet(structuresMany)
	size := structuresHeap() - before
	r := rand.New(rand.NewPCG(3, 4))
	b.Run("at", func(b *testing.B) {
		total := 0
		for b.Loop() {
			total += len(texts.at(uint32(r.IntN(structuresMany))))
		}
		b.ReportMetric(float64(size)/structuresMany, "B/host")
	})
	b.Run("set", func(b *testing.B) {
		s := [2]string{"ams1-web-prod-0001", "ams1-web-prod-0002"}
		for i := 0; b.Loop(); i++ {
			texts.set(uint32(r.IntN(structuresMany)), s[i&1])
		}
	})
	b.Run("compact", func(b *testing.B) {
		for b.Loop() {
			texts.compact()
		}
	})
}
