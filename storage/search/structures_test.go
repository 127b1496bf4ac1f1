package search

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// seeded returns a source of randomness and has its seed printed when the test fails.
func seeded(t testing.TB, seed uint64) *rand.Rand {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0x5ce771))
}

// structuresHost makes a name such as fleets have: a few common beginnings, most of them numbered.
func structuresHost(r *rand.Rand) string {
	site := func() string {
		return fmt.Sprintf("%c%c%c%d", 'a'+r.IntN(12), 'a'+r.IntN(12), 'a'+r.IntN(6), r.IntN(4))
	}
	role := []string{"web", "app", "db", "kafka", "cache", "dns", "store", "proxy"}[r.IntN(8)]
	switch r.IntN(6) {
	case 0:
		return fmt.Sprintf("desktop-%07x", r.IntN(1<<28))
	case 1:
		return fmt.Sprintf("ip-10-%d-%d-%d", r.IntN(256), r.IntN(256), r.IntN(256))
	case 2:
		return fmt.Sprintf("%s%c%04d", role, "pst"[r.IntN(3)], r.IntN(10000))
	}
	return fmt.Sprintf("%s-%s-%s-%04d", site(), role, []string{"prod", "stg", "test"}[r.IntN(3)], r.IntN(10000))
}

// structuresNames are ways to choose names: each is hard for something.
var structuresNames = map[string]func(r *rand.Rand, i int) string{
	"fleet":   func(r *rand.Rand, _ int) string { return structuresHost(r) },
	"equal":   func(*rand.Rand, int) string { return "localhost" },
	"rising":  func(_ *rand.Rand, i int) string { return fmt.Sprintf("fra1-web-prod-%08d", i) },
	"falling": func(_ *rand.Rand, i int) string { return fmt.Sprintf("fra1-web-prod-%08d", 99_999_999-i) },
	"hot": func(r *rand.Rand, i int) string {
		if i%2 == 0 {
			return structuresHost(r)
		}
		return fmt.Sprintf("fra1-web-prod-%08d", i)
	},
	"zeros": func(r *rand.Rand, _ int) string { return string(make([]byte, r.IntN(40))) },
	"bytes": func(r *rand.Rand, _ int) string {
		b := make([]byte, r.IntN(24))
		for i := range b {
			b[i] = "\x00\x01a\xfe\xff"[r.IntN(5)]
		}
		return string(b)
	},
	"long": func(r *rand.Rand, _ int) string {
		b := make([]byte, namesMax-r.IntN(3))
		for i := range b {
			b[i] = 'x'
		}
		b[len(b)-1-r.IntN(2)] = byte('a' + r.IntN(26))
		return string(b)
	},
}

func structuresID(r *rand.Rand) (id model.HostID) {
	for i := range id {
		id[i] = byte(r.Uint32())
	}
	return id
}

// structuresHeap returns how many bytes are in use.
func structuresHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// structuresFleet is n hosts, for benchmarks.
func structuresFleet(n int) (*names, []model.HostID) {
	r := rand.New(rand.NewPCG(1, 2))
	texts, ids := new(names), make([]model.HostID, n)
	for i := range n {
		texts.set(uint32(i), structuresHost(r))
		ids[i] = structuresID(r)
	}
	return texts, ids
}

// structuresMany is how many hosts benchmarks have.
const structuresMany = 1_000_000
