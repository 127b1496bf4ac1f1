// Package fleet makes fleets of hosts, the searches that operators run over them and the stream of changes
// that their sites report, all deterministic: for benchmarks, simulations and tests of any size.
//
// It owns what a realistic fleet looks like: a few large sites and many small ones, tags of which few
// are everywhere and most are rare, host names that follow habits. Every host is a pure function of
// (Seed, site, number), so that a million of them need no memory. Another seed gives another fleet of
// the same kind; nothing may be tuned to one. It stores nothing and sends nothing.
package fleet

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"sort"
	"time"
)

// T0 is the present of every fleet: what the ages of its hosts are counted from.
var T0 = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// NTags is how many distinct tags a fleet draws from.
const NTags = 2000

// Config sizes a fleet.
type Config struct {
	Seed  uint64 // another seed is another fleet
	Hosts int    // at least Sites
	Sites int    // at least 1, at most 65,536
}

// Fleet is a fleet: its sites, its tags, and its hosts as they are asked for. It never changes, so any
// number of goroutines may use it.
type Fleet struct {
	Config
	Sites []Site    // by falling number of hosts
	Tags  []string  // from the most to the least frequent
	zipf  []float64 // cumulative weights of Tags
}

func rng(a, b uint64) *rand.Rand { return rand.New(rand.NewPCG(a, b)) }

func uuidFrom(r *rand.Rand) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], r.Uint64())
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var d [36]byte
	hex.Encode(d[0:8], b[0:4])
	d[8] = '-'
	hex.Encode(d[9:13], b[4:6])
	d[13] = '-'
	hex.Encode(d[14:18], b[6:8])
	d[18] = '-'
	hex.Encode(d[19:23], b[8:10])
	d[23] = '-'
	hex.Encode(d[24:36], b[10:16])
	return string(d[:])
}

// New lays out the sites and tags of a fleet.
func New(c Config) *Fleet {
	f := &Fleet{Config: c}
	r := rng(c.Seed, 0x5173)
	// The weights of the sites are log-normal, so that a few of them hold much of the fleet.
	w := make([]float64, c.Sites)
	var sum float64
	for i := range w {
		w[i] = math.Exp(r.NormFloat64() * 1.3)
		sum += w[i]
	}
	sort.Sort(sort.Reverse(sort.Float64Slice(w)))
	left := c.Hosts
	perCity := map[string]int{}
	next := uint32(10) << 24
	for i := range c.Sites {
		n := max(1, int(math.Round(w[i]/sum*float64(c.Hosts))))
		n = min(n, left-(c.Sites-1-i)) // each of the others gets one
		if i == c.Sites-1 {
			n = left
		}
		left -= n
		ct := cities[r.IntN(len(cities))]
		perCity[ct.code]++
		kind := "branch"
		switch {
		case i < c.Sites/20+1:
			kind = "dc"
		case i < c.Sites/6:
			kind = []string{"dc", "cloud"}[r.IntN(2)]
		case r.IntN(4) == 0:
			kind = "plant"
		}
		bits := 24
		for bits > 9 && (1<<(32-bits)) < n*2 {
			bits--
		}
		size := uint32(1) << (32 - bits)
		next = (next + size - 1) / size * size
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], next)
		next += size
		p := netip.PrefixFrom(netip.AddrFrom4(a), bits)
		f.Sites = append(f.Sites, Site{
			Idx: i, ID: uuidFrom(r), Code: fmt.Sprintf("%s%02d", ct.code, perCity[ct.code]),
			Kind: kind, Region: ct.region, Country: ct.country, City: ct.name,
			Lat: round(ct.lat+r.NormFloat64()*0.05, 4), Lng: round(ct.lng+r.NormFloat64()*0.05, 4),
			Hosts: n, Net: p.String(), net4: p, outage: r.IntN(100) == 0,
		})
	}
	kinds := []string{"app", "team", "cost", "owner", "tier", "svc", "patch", "zone"}
	head := []string{"env:prod", "managed", "env:dev", "pci", "backup:daily", "env:stg", "patch:auto", "tier:1", "tier:2", "gdpr", "env:qa", "critical", "legacy", "dmz", "monitored", "sox", "hipaa", "canary", "maintenance", "frozen"}
	f.Tags = append(f.Tags, head...)
	for i := len(head); i < NTags; i++ {
		f.Tags = append(f.Tags, fmt.Sprintf("%s:%s-%03d", kinds[i%len(kinds)], lastn[(i/7)%len(lastn)], i))
	}
	var cum float64
	for i := range f.Tags {
		cum += 1 / math.Pow(float64(i+1), 1.02)
		f.zipf = append(f.zipf, cum)
	}
	return f
}

func round(x float64, n int) float64 {
	p := math.Pow(10, float64(n))
	return math.Round(x*p) / p
}

// tag draws a tag: few of them are common and most are rare (Zipf).
func (f *Fleet) tag(r *rand.Rand) string {
	x := r.Float64() * f.zipf[len(f.zipf)-1]
	return f.Tags[sort.SearchFloat64s(f.zipf, x)]
}

// Order calls fn with the site and number of every host in the order in which first syncs that run at the
// same time would bring them: batch hosts of each site in turn, while it has any. It stops at the first
// error and returns it.
func (f *Fleet) Order(batch int, fn func(s, n int) error) error {
	pos := make([]int, len(f.Sites))
	for {
		any := false
		for s := range f.Sites {
			for k := 0; k < batch && pos[s] < f.Sites[s].Hosts; k++ {
				any = true
				if err := fn(s, pos[s]); err != nil {
					return err
				}
				pos[s]++
			}
		}
		if !any {
			return nil
		}
	}
}
