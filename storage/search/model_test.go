package search

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/plain"
)

// world is an index and the plain model of it.
type world struct {
	x *Index
	p *plain.Directory
}

func newWorld() *world {
	return &world{New(1), plain.New()}
}

func (w *world) step(t *rapid.T) {
	switch rapid.IntRange(0, 19).Draw(t, "step") {
	case 0, 1, 2:
		id := plain.DrawID(t)
		delete(w.p.Hosts, id)
		w.x.Apply([]Change{{ID: id, Gone: true}})
	case 3, 4, 5:
		id, b := plain.DrawID(t), plain.DrawBeat(t)
		if h, ok := w.p.Hosts[id]; ok {
			h.SetBeat(b)
			w.p.Hosts[id] = h
		}
		w.x.Apply([]Change{{ID: id, Beat: &b}})
	case 6:
		s := plain.DrawSite(t)
		w.p.Sites[s.ID] = s
		w.x.PutSite(s)
	case 7:
		id, up := plain.DrawSiteID(t), rapid.Bool().Draw(t, "up")
		w.p.Lost[id] = !up
		w.x.Reach(id, up)
	case 8:
		id, at := plain.DrawSiteID(t), plain.DrawTime(t)
		w.p.Judged[id] = max(w.p.Judged[id], at)
		w.x.Judged(id, at)
	case 9:
		if rapid.Bool().Draw(t, "lists") {
			w.x.grams.bound = gramsFresh
			w.x.Tend()
			break
		}
		for w.x.grams.freshN > 0 && rapid.Bool().Draw(t, "grams") {
			w.x.grams.bound = 0
			w.x.Tend()
		}
	case 10:
		w.reload(t)
	default:
		h := plain.DrawHost(t)
		w.p.Hosts[h.ID] = h
		w.x.Apply([]Change{{ID: h.ID, Host: &h}})
	}
}

// reload puts an index in the place of the present one that was loaded from its checkpoint.
func (w *world) reload(t *rapid.T) {
	next := New(1)
	next.tuning = w.x.tuning
	next.places.vouched = w.x.places.vouched
	for _, s := range w.p.Sites {
		next.PutSite(s)
	}
	for id, lost := range w.p.Lost {
		next.Reach(id, !lost)
	}
	for id, at := range w.p.Judged {
		next.Judged(id, at)
	}
	chunks := func(yield func([]byte, error) bool) {
		for b := range w.x.Chunks() {
			if !yield(bytes.Clone(b), nil) {
				return
			}
		}
	}
	// The beats come with the checkpoint, in two parts, or behind it.
	var parts [2][]Change
	for id, h := range w.p.Hosts {
		b := h.Beat()
		parts[int(id[15])%2] = append(parts[int(id[15])%2], Change{ID: id, Beat: &b})
	}
	if rapid.Bool().Draw(t, "beats behind") {
		if _, err := next.Load(chunks); err != nil {
			t.Fatal(err)
		}
		next.Apply(slices.Concat(parts[:]...))
	} else {
		// One of a host that is not there.
		parts[0] = append(parts[0], Change{ID: model.HostID{0xFF, 1}, Beat: &model.HostBeat{Status: model.HostUp}})
		came, err := next.Load(chunks, inBatches(parts[0]), inBatches(parts[1]))
		if err != nil || came != len(w.p.Hosts)+1 {
			t.Fatalf("%d beats of %d hosts and one came, and %v", came, len(w.p.Hosts), err)
		}
	}
	w.x = next
}

// inBatches gives changes in batches that are written over, as a source of beats may.
func inBatches(all []Change) iter.Seq2[[]Change, error] {
	return func(yield func([]Change, error) bool) {
		room := make([]Change, 40)
		for len(all) > 0 {
			n := copy(room, all)
			all = all[n:]
			if !yield(room[:n], nil) {
				return
			}
			clear(room)
		}
	}
}

func (w *world) verify(t *rapid.T) {
	if lines := w.wrong(); len(lines) > 0 {
		t.Fatal(lines[0])
	}
}

// compare asks one question of both.
func (w *world) compare(t *rapid.T) {
	ctx := context.Background()
	where, s := plain.DrawExpr(t, rapid.IntRange(0, 2).Draw(t, "depth")), plain.DrawSort(t)
	want := w.p.Find(where, s)
	text := fmt.Sprintf("%s sorted by %s", query.Format(where), s)
	limit := rapid.IntRange(1, 12).Draw(t, "limit")
	var got []model.HostID
	for after, pages := (*query.Cursor)(nil), 0; ; pages++ {
		f, err := w.x.Find(ctx, query.Search{Where: where, Sort: s, After: after, Limit: limit, Now: plain.Now})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if f.Total != len(want) {
			t.Fatalf("%s: total %d, want %d", text, f.Total, len(want))
		}
		for _, hit := range f.Hits {
			got = append(got, hit.ID)
			h := w.p.Hosts[hit.ID]
			if shown := w.p.Shown(h); hit.Beat != shown.Beat() {
				t.Fatalf("%s: host %s is shown as %v, want %v", text, hit.ID, hit.Beat, shown.Beat())
			}
		}
		if !f.More {
			break
		}
		if len(f.Hits) == 0 || pages > len(want) {
			t.Fatalf("%s: %d hits, and more behind", text, len(f.Hits))
		}
		h := w.p.Shown(w.p.Hosts[f.Hits[len(f.Hits)-1].ID])
		c := query.CursorOf(s, &h, w.p.Env())
		after = &c
	}
	var ids []model.HostID
	for _, h := range want {
		ids = append(ids, h.ID)
	}
	if !slices.Equal(got, ids) {
		t.Fatalf("%s: got %v, want %v", text, got, ids)
	}
	if skip := rapid.IntRange(0, 5).Draw(t, "skip"); skip < len(ids) {
		f, err := w.x.Find(ctx, query.Search{Where: where, Sort: s, Skip: skip, Limit: 1, Now: plain.Now})
		if err != nil || len(f.Hits) != 1 || f.Hits[0].ID != ids[skip] {
			t.Fatalf("%s: behind %d hosts there is %v, %v; want %s", text, skip, f.Hits, err, ids[skip])
		}
	}
	w.compareCounts(t, where, want, text)
}

func (w *world) compareCounts(t *rapid.T, where query.Expr, want []model.Host, text string) {
	ctx := context.Background()
	n, err := w.x.Count(ctx, where, plain.Now)
	if err != nil || n != len(want) {
		t.Fatalf("%s: %d counted (%v), want %d", text, n, err, len(want))
	}
	var counted []query.Field
	for _, i := range query.Fields() {
		if i.Counted {
			counted = append(counted, i.Field)
		}
	}
	facets, total, err := w.x.Facets(ctx, where, plain.Now, counted, 100)
	if err != nil || total != len(want) {
		t.Fatalf("%s: facets of %d hosts, %v", text, total, err)
	}
	for i, f := range facets {
		sums := map[string]int{}
		for _, h := range want {
			for _, v := range w.p.Values(counted[i], &h) {
				sums[v]++
			}
		}
		if none := sums[""]; f.None != none {
			t.Fatalf("%s: %d hosts without %s, want %d", text, f.None, f.Field, none)
		}
		delete(sums, "")
		for _, v := range f.Values {
			if sums[query.Fold(v.Value)] != v.N {
				t.Fatalf("%s: %d hosts with %s %q, want %d", text, v.N, f.Field, v.Value, sums[query.Fold(v.Value)])
			}
		}
		if len(sums) != len(f.Values) || f.Distinct != len(sums) || !slices.IsSortedFunc(f.Values, compareCounts) {
			t.Fatalf("%s: values of %s: %v, want %v", text, f.Field, f.Values, sums)
		}
	}
	a, b := plain.Pick(t, counted...), plain.Pick(t, counted...)
	g, err := w.x.Group(ctx, where, plain.Now, a, b, 1000)
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[[2]string]int{}
	for _, h := range want {
		for _, va := range w.p.Values(a, &h) {
			for _, vb := range w.p.Values(b, &h) {
				pairs[[2]string{va, vb}]++
			}
		}
	}
	for _, p := range g.Groups {
		if pairs[[2]string{query.Fold(p.A), query.Fold(p.B)}] != p.N {
			t.Fatalf("%s: %d hosts with %s %q and %s %q, want %d", text, p.N, a, p.A, b, p.B, pairs[[2]string{query.Fold(p.A), query.Fold(p.B)}])
		}
	}
	if len(pairs) != len(g.Groups) || g.Distinct != len(pairs) || g.Total != len(want) {
		t.Fatalf("%s: groups by %s and %s: %+v, want %v", text, a, b, g, pairs)
	}
}

// TestModel holds the index against the plain model over random hosts, beats, removals, sites, reloads and
// questions.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		if rapid.Bool().Draw(t, "tuned") {
			small := func(what string) int { return rapid.IntRange(0, 5).Draw(t, what) }
			w.x.tuning = tuning{small("sort"), uint64(small("read")), small("stretch"), int32(small("wear")), small("pause"), small("cheap")}
		}
		if rapid.Bool().Draw(t, "vouched") {
			w.x.Vouched()
			for site := range 5 { // as many as are drawn, and the zero one
				w.p.Lost[model.SiteID{15: byte(site)}] = true
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.step(t)
		}
		w.verify(t)
		for range 4 {
			w.compare(t)
		}
	})
}
