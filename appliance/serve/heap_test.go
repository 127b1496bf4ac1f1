package serve

import (
	"runtime/debug"
	"testing"
)

func TestPercentFor(t *testing.T) {
	for links, want := range map[int]int{0: 30, 1000: 30, 1300: 30, 1400: 28, 3000: 20, 4999: 12, 5000: 10, 10_000: 10} {
		if is := percentFor(links); is != want {
			t.Errorf("%d links: %d, want %d", links, is, want)
		}
	}
}

// TestHeapFollows: what the process does is what is counted, also when links go again.
func TestHeapFollows(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	is := func() int { p := debug.SetGCPercent(100); debug.SetGCPercent(p); return p }
	var c heap
	c.follow(0)
	first := is()
	for range 6000 {
		c.follow(1)
	}
	most := is()
	for range 6000 {
		c.follow(-1)
	}
	if last := is(); first != 30 || most != 10 || last != 30 {
		t.Errorf("%d, with 6,000 links %d, without them again %d", first, most, last)
	}
	t.Setenv("GOGC", "77")
	for range 6000 {
		c.follow(1)
	}
	if is() != 30 {
		t.Error("GOGC of the environment is not heeded")
	}
}
