package fleet

import (
	"math/rand/v2"
	"sort"
)

// The kinds of Delta.
const (
	OpBeat   = "hb"   // status, last seen, mtime and seq changed, nothing else
	OpAttr   = "attr" // the whole row; attributes changed
	OpNew    = "new"  // the whole row of a host that was not there
	OpRemove = "del"  // the host is gone
)

// Delta is one change that a site reports.
type Delta struct {
	Op       string `json:"op"`
	HostID   string `json:"host_id"`
	Status   string `json:"status,omitempty"`    // OpBeat
	LastSeen int64  `json:"last_seen,omitempty"` // OpBeat; Unix milliseconds
	ModTime  int64  `json:"mtime,omitempty"`     // OpBeat; Unix milliseconds
	Seq      uint64 `json:"seq,omitempty"`       // OpBeat
	Host     *Host  `json:"host,omitempty"`      // OpAttr, OpNew
}

// Batch is what a site sends in one piece.
type Batch struct {
	SiteID string  `json:"site_id"`
	Seq    uint64  `json:"seq"` // rises by one with each batch of its stream
	Deltas []Delta `json:"deltas"`
}

// DeltaStream is an endless stream of batches: 80 % heartbeats, 15 % changed attributes, 2.5 % new hosts,
// 2.5 % removals. Sites come in proportion to their size. One goroutine may use it.
type DeltaStream struct {
	f    *Fleet
	r    *rand.Rand
	cum  []int
	next []int          // next new host number per site
	dead []map[int]bool // removed host numbers per site
	seq  uint64
	now  int64
}

// Deltas starts stream id of as many as run side by side. Two streams never share a site: each has those
// whose number leaves the remainder id. The same id and number give the same stream; see DeltasFrom.
func (f *Fleet) Deltas(id, of int) *DeltaStream { return f.DeltasFrom(0, id, of) }

// DeltasFrom is Deltas in a later epoch (below 2^40), so that a later run against the same store repeats nothing of an
// earlier one. What earlier epochs added and removed is not known to it: it may name hosts that are gone,
// and its new hosts may be there.
func (f *Fleet) DeltasFrom(epoch uint64, id, of int) *DeltaStream {
	d := &DeltaStream{f: f, r: rng(f.Seed+epoch<<20, 0xde17a+uint64(id)), now: T0.UnixMilli() + 10_000 + int64(epoch)*100_000_000}
	t := 0
	for s := range f.Sites {
		// A batch of a large fleet names a host once only, so it comes from a site with hosts to spare.
		if s%of == id && (f.Sites[s].Hosts >= 1000 || f.Config.Hosts < 100_000) {
			t += f.Sites[s].Hosts
		}
		d.cum = append(d.cum, t)
		d.next = append(d.next, f.Sites[s].Hosts)
		d.dead = append(d.dead, map[int]bool{})
	}
	return d
}

// Next makes the next batch of n deltas, all of one site. In a fleet of 100,000 hosts or more it names no
// host twice, for n to 500.
func (d *DeltaStream) Next(n int) Batch {
	x := d.r.IntN(d.cum[len(d.cum)-1]) + 1
	s := sort.SearchInts(d.cum, x)
	site := &d.f.Sites[s]
	d.seq++
	d.now += 50
	b := Batch{SiteID: site.ID, Seq: d.seq, Deltas: make([]Delta, 0, n)}
	used := map[int]bool{}
	for len(b.Deltas) < n {
		k := d.r.IntN(1000)
		if k >= 950 && k < 975 {
			h := d.f.Host(s, d.next[s])
			used[d.next[s]] = true
			d.next[s]++
			h.LastSeen, h.ModTime, h.Seq = d.now, d.now, d.seq
			b.Deltas = append(b.Deltas, Delta{Op: OpNew, HostID: h.HostID, Host: &h})
			continue
		}
		i := d.r.IntN(d.next[s])
		if d.dead[s][i] || (used[i] && d.next[s] >= 2*n) {
			continue
		}
		used[i] = true
		switch {
		case k >= 975:
			if d.next[s] < 100 {
				continue
			}
			d.dead[s][i] = true
			h := d.f.Host(s, i)
			b.Deltas = append(b.Deltas, Delta{Op: OpRemove, HostID: h.HostID})
		case k >= 800:
			h := d.f.Host(s, i)
			h.LastSeen, h.ModTime, h.Seq = d.now-int64(d.r.IntN(60000)), d.now, d.seq
			h.Agent = agents[0]
			h.Compliance = round(100*d.r.Float64(), 1)
			h.CVECritical, h.CVEHigh = d.r.IntN(4), d.r.IntN(20)
			if d.r.IntN(3) == 0 && len(h.Tags) > 0 {
				h.Tags[d.r.IntN(len(h.Tags))] = d.f.tag(d.r)
				sort.Strings(h.Tags)
				h.Tags = dedup(h.Tags)
			}
			b.Deltas = append(b.Deltas, Delta{Op: OpAttr, HostID: h.HostID, Host: &h})
		default:
			h := d.f.Host(s, i)
			st := "up"
			if y := d.r.IntN(100); y < 3 {
				st = statuses[1+d.r.IntN(3)]
			}
			b.Deltas = append(b.Deltas, Delta{Op: OpBeat, HostID: h.HostID, Status: st, LastSeen: d.now - int64(d.r.IntN(60000)), ModTime: d.now, Seq: d.seq})
		}
	}
	return b
}

// dedup drops what is equal to the one before it.
func dedup(s []string) []string {
	o := s[:0]
	for i, x := range s {
		if i == 0 || x != s[i-1] {
			o = append(o, x)
		}
	}
	return o
}
