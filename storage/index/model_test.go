package index

import (
	"context"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/plain"
)

// machine is a store on a disk whose power fails, and what it should hold, commit by commit.
type machine struct {
	disk *Disk
	s    *Store
	now  *plain.Directory
	past map[uint64]*plain.Directory // by position; as each commit left it
	safe uint64                      // the last durable one
}

func copied(d *plain.Directory) *plain.Directory {
	return &plain.Directory{Hosts: maps.Clone(d.Hosts), Sites: maps.Clone(d.Sites), Lost: maps.Clone(d.Lost), Judged: maps.Clone(d.Judged)}
}

func (m *machine) open(t *rapid.T) {
	// Small limits, so that a few changes are checkpointed, and a few more make the index from the rows.
	l := limits{rows: rapid.IntRange(0, 20).Draw(t, "rows"), every: 1, atEnd: rapid.IntRange(0, 3).Draw(t, "at end"), replay: rapid.IntRange(0, 15).Draw(t, "replay")}
	s, err := Open(testDir, Options{Disk: m.disk, CacheBytes: 1 << 20, limits: l})
	if err != nil {
		t.Fatal(err)
	}
	m.s = s
}

func (m *machine) close(t *rapid.T) {
	if err := m.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// commit changes a few hosts and sites in one transaction, or discards it.
func (m *machine) commit(t *rapid.T) {
	next := copied(m.now)
	tx := m.s.Begin()
	defer tx.Discard()
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range rapid.IntRange(1, 8).Draw(t, "writes") {
		switch rapid.IntRange(0, 9).Draw(t, "write") {
		case 0, 1:
			id := plain.DrawID(t)
			check(tx.DeleteHost(id))
			delete(next.Hosts, id)
		case 2, 3:
			id, b := plain.DrawID(t), plain.DrawBeat(t)
			h, there := next.Hosts[id]
			site, beat, known, err := tx.HostHead(id)
			check(err)
			if known != there || there && (site != h.Site || beat.Status != h.Status) {
				t.Fatalf("the head of %s is %v %v %v, and the host is %v", id, site, beat, known, h)
			}
			outline, known, err := tx.HostOutline(id)
			check(err)
			var got, want model.SiteCounts
			if got.Add(&outline, 1); known {
				want.Add(&h, 1)
			} else {
				want.Add(&model.Host{}, 1)
			}
			if known != there || outline.Site != h.Site || outline.Beat() != beat || !got.SameSums(want) {
				t.Fatalf("the outline of %s is %+v %v, and the host is %+v", id, outline, known, h)
			}
			if there {
				check(tx.PutHostBeat(id, b))
				h.SetBeat(b)
				next.Hosts[id] = h
			}
		case 4:
			s := plain.DrawSite(t)
			check(tx.PutSite(s))
			next.Sites[s.ID] = s
		case 5:
			n := model.SiteCounts{Site: plain.DrawSiteID(t), JudgedAt: plain.DrawTime(t)}
			was, _, err := tx.Counts(n.Site)
			check(err)
			n.JudgedAt = max(n.JudgedAt, was.JudgedAt)
			check(tx.PutCounts(n))
			next.Judged[n.Site] = n.JudgedAt
		default:
			h := plain.DrawHost(t)
			check(tx.PutHost(h))
			next.Hosts[h.ID] = h
			got, ok, err := tx.Host(h.ID)
			check(err)
			if !ok || got.Hostname != h.Hostname {
				t.Fatalf("a transaction does not see the host that it put")
			}
		}
	}
	if rapid.IntRange(0, 6).Draw(t, "discard") == 0 {
		return
	}
	recount(t, tx)
	at, durable := m.s.Applied()+1, rapid.Bool().Draw(t, "durable")
	check(tx.Commit(at, durable))
	m.now, m.past[at] = next, copied(next)
	if durable {
		m.safe = at
	}
}

// found makes the store that of a controller, which keeps less and reads less.
func (m *machine) found(t *rapid.T) {
	tx := m.s.Begin()
	defer tx.Discard()
	if err := tx.PutSelf(model.Found{Self: model.NodeID{1}, Role: model.RoleController}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(1, true); err != nil {
		t.Fatal(err)
	}
	m.past[1], m.safe = copied(m.now), 1
}

// crash cuts the power, and opens what the disk kept.
func (m *machine) crash(t *rapid.T) {
	disk := m.disk.Crash(rapid.IntRange(0, 100).Draw(t, "kept"), rapid.Uint64().Draw(t, "seed"))
	m.close(t)
	m.disk = disk
	m.reopened(t)
}

func (m *machine) reopened(t *rapid.T) {
	m.open(t)
	at := m.s.Applied()
	if at < m.safe || m.past[at] == nil {
		t.Fatalf("the store is at %d, and %d was durable", at, m.safe)
	}
	m.now = copied(m.past[at])
	clear(m.now.Lost)
	m.safe = at
}

func (m *machine) ask(t *rapid.T) {
	ctx := context.Background()
	where, order := plain.DrawExpr(t, rapid.IntRange(0, 2).Draw(t, "depth")), plain.DrawSort(t)
	want := m.now.Find(where, order)
	var got []model.Host
	for q := (query.Search{Where: where, Sort: order, Limit: rapid.IntRange(1, 20).Draw(t, "limit"), Now: plain.Now}); ; {
		p, err := m.s.Find(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		if p.Total != len(want) {
			t.Fatalf("%s: %d hosts, want %d", query.Format(where), p.Total, len(want))
		}
		got = append(got, p.Hosts...)
		if p.Next == nil {
			break
		}
		// As it comes back from a client.
		c, err := query.ParseCursor(p.Next.String())
		if err != nil {
			t.Fatal(err)
		}
		q.After = &c
	}
	same := func(a, b model.Host) bool {
		x, err := model.Encode(a)
		y, err2 := model.Encode(b)
		return err == nil && err2 == nil && string(x) == string(y)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Fatalf("%s by %s: got %v, want %v", query.Format(where), order, got, want)
	}
}

// TestModel holds the store against a plain directory over random commits, restarts and power cuts.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{disk: NewMemDisk(), now: plain.New(), past: map[uint64]*plain.Directory{0: plain.New()}}
		m.open(t)
		if rapid.Bool().Draw(t, "controller") {
			m.found(t)
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch rapid.IntRange(0, 11).Draw(t, "step") {
			case 0:
				m.crash(t)
			case 1:
				m.close(t)
				m.safe = max(m.safe, m.s.Applied())
				m.reopened(t)
			case 2:
				id, up := plain.DrawSiteID(t), rapid.Bool().Draw(t, "up")
				m.s.SetReach(id, up)
				m.now.Lost[id] = !up
			default:
				m.commit(t)
			}
		}
		for range 2 {
			m.ask(t)
		}
		r, err := m.s.Check(context.Background())
		if err != nil || !r.OK() {
			t.Fatalf("%v: %v", err, r.Faults)
		}
		m.close(t)
	})
}
