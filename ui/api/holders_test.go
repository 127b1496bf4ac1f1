package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// feeder is a controller whose bundles a site imports, each behind the last.
type feeder struct {
	*rowRig
	through string
}

func (f *feeder) feeds(t *testing.T, site *rowRig, query ...string) schema.ImportResult {
	t.Helper()
	done := read[schema.ImportResult](site.rig, site.imports(f.exported(escape(f.through)), strings.Join(query, "&")), 200)
	f.through = done.ImportedCursor
	return done
}

func (f *feeder) has(t *testing.T, fixed string, day int) {
	t.Helper()
	raw := fmt.Sprintf(`{"schema_version":"1.7.0","id":"DSA-1-1","modified":"2026-01-%02dT00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"curl"},"versions":[%q]}]}`, day, fixed)
	f.ingest(packed(t, map[string]string{"DSA-1-1.json": raw}))
}

func (f *feeder) hasNot(t *testing.T) {
	t.Helper()
	f.ingest(packed(t, map[string]string{"changes.ndjson": `{"op":"del","id":"DSA-1-1","path":"DSA-1-1.json"}`}))
}

// TestTwoThatIngestTheSame: two controllers take the same source in and both feed one site. While they publish what the source
// does, nothing of it is a conflict, whoever is first; nothing is lost when one lags behind; and what either says on its own is one.
func TestTwoThatIngestTheSame(t *testing.T) {
	key := model.AdvisoryKey{Source: "debian-dsa", ID: "DSA-1-1"}
	type step struct {
		by      int
		fixed   string
		day     int
		gone    bool
		want    string // version that the site holds then; "": it holds none
		differ  bool   // that is a conflict
		origins []int  // whose the record is, the first is Origin
	}
	for _, c := range []struct {
		name  string
		steps []step
		home  bool   // the first is the site's own controller
		query string // of each import
	}{
		{name: "the same, then the second goes on", steps: []step{
			{by: 0, fixed: "1", day: 1, want: "1", origins: []int{0}},
			{by: 1, fixed: "1", day: 1, want: "1", origins: []int{0, 1}},
			{by: 1, fixed: "2", day: 2, want: "2", origins: []int{1, 0}},
			{by: 0, fixed: "2", day: 2, want: "2", origins: []int{1, 0}},
			{by: 0, fixed: "3", day: 3, want: "3", origins: []int{0, 1}},
			{by: 1, fixed: "4", day: 4, want: "4", origins: []int{1, 0}},
		}},
		{name: "the first lags, and does not take back what the second has", steps: []step{
			{by: 0, fixed: "1", day: 1, want: "1", origins: []int{0}},
			{by: 1, fixed: "1", day: 1, want: "1", origins: []int{0, 1}},
			{by: 1, fixed: "3", day: 3, want: "3", origins: []int{1, 0}},
			{by: 0, fixed: "2", day: 2, want: "3", origins: []int{1, 0}},
			{by: 0, fixed: "3", day: 3, want: "3", origins: []int{1, 0}},
			{by: 1, fixed: "2", day: 2, want: "2", origins: []int{1, 0}},
		}},
		{name: "one removes it, then the other", steps: []step{
			{by: 0, fixed: "1", day: 1, want: "1", origins: []int{0}},
			{by: 1, fixed: "1", day: 1, want: "1", origins: []int{0, 1}},
			{by: 0, gone: true, want: "1", origins: []int{1}},
			{by: 1, gone: true},
		}},
		{name: "one that removed it brings it again", steps: []step{
			{by: 0, fixed: "1", day: 1, want: "1", origins: []int{0}},
			{by: 1, fixed: "1", day: 1, want: "1", origins: []int{0, 1}},
			{by: 1, gone: true, want: "1", origins: []int{0}},
			{by: 1, fixed: "1", day: 1, want: "1", origins: []int{0, 1}},
		}},
		{name: "they never agreed", steps: []step{
			{by: 0, fixed: "1", day: 1, want: "1", origins: []int{0}},
			{by: 1, fixed: "2", day: 1, want: "2", differ: true, origins: []int{1}},
			{by: 0, fixed: "3", day: 3, want: "3", differ: true, origins: []int{0}},
		}},
		{name: "of the site's controller another that had it alike makes nothing", home: true, steps: []step{
			{by: 0, fixed: "1", day: 1, want: "1", origins: []int{0}},
			{by: 1, fixed: "1", day: 1, want: "1", origins: []int{0, 1}},
			{by: 1, fixed: "9", day: 7, want: "1", differ: true, origins: []int{0, 1}},
			{by: 0, fixed: "2", day: 2, want: "2", origins: []int{0, 1}},
			{by: 1, gone: true, want: "2", origins: []int{0}},
			{by: 1, fixed: "9", day: 8, want: "2", differ: true, origins: []int{0}},
		}},
		{name: "nor where that one was first", home: true, steps: []step{
			{by: 1, fixed: "1", day: 1, want: "1", origins: []int{1}},
			{by: 0, fixed: "1", day: 1, want: "1", origins: []int{1, 0}},
			{by: 1, fixed: "9", day: 7, want: "1", differ: true, origins: []int{1, 0}},
			{by: 1, gone: true, want: "1", origins: []int{0}},
		}},
		{name: "nor where what is here is to win", home: true, query: "on_conflict=prefer_local", steps: []step{
			{by: 0, fixed: "1", day: 1, want: "1", origins: []int{0}},
			{by: 1, fixed: "1", day: 1, want: "1", origins: []int{0, 1}},
			{by: 1, fixed: "9", day: 7, want: "1", differ: true, origins: []int{0, 1}},
		}},
		{name: "but where the bundle is to win", home: true, query: "on_conflict=prefer_remote", steps: []step{
			{by: 0, fixed: "1", day: 1, want: "1", origins: []int{0}},
			{by: 1, fixed: "1", day: 1, want: "1", origins: []int{0, 1}},
			{by: 1, fixed: "9", day: 7, want: "9", origins: []int{1, 0}},
		}},
		{name: "one changed it after the other had gone", steps: []step{
			{by: 0, fixed: "1", day: 1, want: "1", origins: []int{0}},
			{by: 1, fixed: "1", day: 1, want: "1", origins: []int{0, 1}},
			{by: 0, gone: true, want: "1", origins: []int{1}},
			{by: 0, fixed: "2", day: 2, want: "2", differ: true, origins: []int{0}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			feeders := [2]*feeder{{rowRig: newHQ(t)}, {rowRig: newRowRig(t, model.RoleController, model.NodeID{15: 7}, "other")}}
			site := newBerlin(t, func(k *Config) {
				if c.home {
					k.Controller = feeders[0].self
				}
			})
			for i, f := range feeders {
				f.ingest(packed(t, map[string]string{"DSA-9-1.json": fmt.Sprintf(osv, "DSA-9-1", 9, "1")}))
				f.exported("") // makes the key
				pem := f.do("GET", "/api/v1/keys/federation/public", nil).Body.String()
				read[schema.Key](site.rig, site.do("POST", "/api/v1/keys/trust", schema.KeyTrust{Name: fmt.Sprint("key", i), Public: pem}), 200)
				if got := f.feeds(t, site); got.ConflictN != 0 {
					t.Fatalf("%+v", got)
				}
			}
			for i, s := range c.steps {
				f := feeders[s.by]
				if s.gone {
					f.hasNot(t)
				} else {
					f.has(t, s.fixed, s.day)
				}
				before := site.shelf()
				got := f.feeds(t, site, c.query)
				if (got.ConflictN > 0) != s.differ {
					t.Errorf("step %d: %d conflicts: %+v", i, got.ConflictN, got.Conflicts)
				}
				a, ok := look2(site, func(v View) (model.Advisory, bool, error) { return v.Advisory(key) })
				if ok != (s.want != "") || ok && a.Affected[0].Versions[0] != s.want {
					t.Fatalf("step %d: the site has %t %+v, want %q", i, ok, a, s.want)
				}
				if !ok {
					continue
				}
				var who []model.NodeID
				for _, n := range s.origins {
					who = append(who, feeders[n].self)
				}
				if is := append([]model.NodeID{a.Origin}, a.Also...); !slices.Equal(is, who) {
					t.Errorf("step %d: it is of %v, want %v", i, is, who)
				}
				if after := site.shelf(); got.Counts.Created+got.Counts.Updated+got.Counts.Deleted == 0 && (after.Generation != before.Generation || after.Cursor != before.Cursor) {
					t.Errorf("step %d: nothing changed, and yet a new generation: %+v %+v", i, before, after)
				}
			}
		})
	}
}

// TestWhatWasIngestedHereToo: a controller that ingests what a partner sends as well keeps it when the partner takes it back, and what it
// ingested on its own is in conflict.
func TestWhatWasIngestedHereToo(t *testing.T) {
	key := model.AdvisoryKey{Source: "debian-dsa", ID: "DSA-1-1"}
	here := &feeder{rowRig: newHQ(t)}
	partner := &feeder{rowRig: newRowRig(t, model.RoleController, model.NodeID{15: 7}, "other")}
	partner.has(t, "1", 1)
	partner.exported("")
	here.trusts(partner.rig, "federation")
	partner.feeds(t, here.rowRig)
	here.has(t, "1", 1)
	held := func() (model.Advisory, bool) {
		return look2(here.rowRig, func(v View) (model.Advisory, bool, error) { return v.Advisory(key) })
	}
	if a, _ := held(); a.Origin != partner.self || len(a.Also) != 1 || !a.Also[0].IsZero() {
		t.Fatalf("%+v", a)
	}
	partner.has(t, "2", 2)
	if got := partner.feeds(t, here.rowRig); got.ConflictN != 0 || got.Counts.Updated != 1 {
		t.Errorf("%+v", got)
	}
	partner.hasNot(t)
	if got := partner.feeds(t, here.rowRig); got.ConflictN != 0 || got.Counts.Deleted != 0 {
		t.Errorf("%+v", got)
	}
	if a, ok := held(); !ok || !a.Origin.IsZero() || len(a.Also) != 0 {
		t.Errorf("%t %+v", ok, a)
	}
	here.has(t, "3", 3)
	partner.has(t, "4", 4)
	if got := partner.feeds(t, here.rowRig); got.ConflictN == 0 {
		t.Errorf("%+v", got)
	}
	here.hasNot(t)
	if a, ok := held(); ok {
		t.Errorf("what is removed here stays: %+v", a)
	}
}
