package apply_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

func record(source, name string, aliases ...string) model.Advisory {
	return model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: source, ID: name}, Aliases: aliases}
}

func (w *world) shelf() apply.Shelf {
	return look(w, func(v *index.View) (apply.Shelf, error) { return v.Shelf() })
}

func (w *world) stage(run string, part int, put []model.Advisory, gone ...model.AdvisoryKey) model.Stage {
	return model.Stage{Stamp: w.stamp(), Run: run, Part: part, Put: put, Delete: gone}
}

func (w *world) commit(run string, parts int) model.Commit {
	return model.Commit{Stamp: w.stamp(), Run: run, Parts: parts, Kind: model.RunIngest}
}

func (w *world) canonical(id string) (c model.Canonical, ok bool) {
	c = look(w, func(v *index.View) (model.Canonical, error) {
		c, found, err := v.Canonical(id)
		ok = found
		return c, err
	})
	return c, ok
}

func (w *world) events() []model.CanonicalEvent {
	return look(w, func(v *index.View) ([]model.CanonicalEvent, error) { return v.Events(0, 0) })
}

func (w *world) result(run string) apply.RunResult {
	return look(w, func(v *index.View) (apply.RunResult, error) {
		r, ok, err := v.RunResult(run)
		if !ok {
			w.t.Fatalf("run %q is not remembered", run)
		}
		return r, err
	})
}

func (w *world) hash() string {
	w.t.Helper()
	b, err := w.store.Hash(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func TestARunIsTakenInAtOnce(t *testing.T) {
	for _, role := range []model.Role{model.RoleController, model.RoleSite} {
		self := groupID
		if role == model.RoleSite {
			self = model.NodeID(berlin)
		}
		w := newWorld(t, role, self)
		one, two := record("osv", "GHSA-1", "CVE-2024-0001"), record("debian", "DSA-1", "CVE-2024-0001")
		first := w.stage("r1", 0, []model.Advisory{one})
		w.must(first)
		w.must(first) // a proposer that lost the answer
		three := record("osv", "GO-1")
		three.Affected = []model.Affected{{Ecosystem: "none", Name: "x"}, {Ecosystem: "Go", Name: "example.com/a"}}
		w.must(w.stage("r1", 1, []model.Advisory{two, three}))
		run := look(w, func(v *index.View) (apply.Run, error) { r, _, err := v.OpenRun(); return r, err })
		if run.ID != "r1" || run.Parts != 2 || run.At != w.at-1000 {
			t.Fatalf("%+v", run)
		}
		if s := w.shelf(); s.AdvisoryN != 0 || s.Generation != 0 || len(w.events()) != 0 {
			t.Fatalf("seen before it was taken in: %+v", s)
		}
		w.sound()
		before := w.audit().Seq
		end := w.commit("r1", 2)
		end.Detail = map[string]string{"files": "3"}
		w.must(end)
		want := apply.RunResult{Run: "r1", Kind: model.RunIngest, At: end.At, Created: 3, CanonicalCreated: 2, EdgesAdded: 3, Cursor: model.Cursor{At: end.At, Seq: 3}, Generation: 1}
		if got := w.result("r1"); got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
		s := w.shelf()
		if s.AdvisoryN != 3 || s.Generation != 1 || s.Cursor != want.Cursor {
			t.Fatalf("%+v", s)
		}
		c, ok := w.canonical("cve-2024-0001")
		if !ok || c.Hash != merge.Hash("CVE-2024-0001") || c.Since != end.At || c.Changed != end.At || len(c.Members) != 2 || c.Members[0].AdvisoryKey != two.AdvisoryKey {
			t.Fatalf("%+v", c)
		}
		if got := look(w, func(v *index.View) (model.Canonical, error) { c, _, err := v.CanonicalHashed(c.Hash); return c, err }); got.ID != c.ID {
			t.Errorf("by its hash: %+v", got)
		}
		e := w.audit()
		if e.Seq != before+1 || e.Action != "advisories.ingest" || e.Object != "r1" || e.Detail["files"] != "3" || e.Detail["created"] != "3" || e.Detail["canonicals_created"] != "2" {
			t.Errorf("%+v", e)
		}
		if ev := w.events(); len(ev) != 2 || ev[0].Seq != 1 || ev[1].Seq != 2 || ev[0].Action != model.CanonicalCreated || ev[0].Run != "r1" || ev[0].At != end.At {
			t.Errorf("%+v", ev)
		}
		if at, ok := cursorOf(w, 1); !ok || at != want.Cursor {
			t.Errorf("generation 1 goes to %s, %v", at, ok)
		}
		w.sound()
		was := w.hash()
		w.must(end) // all again
		w.must(first)
		if w.n -= 3; w.must(model.Abandon{Run: "none"}) != nil || w.hash() != was {
			t.Error("said again, it changed something")
		}

		// One that is as it is, one that changes, one that goes.
		two.Summary = "changed"
		w.must(w.stage("r2", 0, []model.Advisory{one, two}, model.AdvisoryKey{Source: "osv", ID: "GO-1"}, model.AdvisoryKey{Source: "osv", ID: "none"}), w.commit("r2", 1))
		if got := w.result("r2"); got.Created != 0 || got.Updated != 1 || got.Skipped != 1 || got.Deleted != 1 || got.CanonicalCreated != 0 || got.CanonicalUpdated != 1 || got.CanonicalDeleted != 1 || got.EdgesAdded != 0 {
			t.Errorf("%+v", got)
		}
		again, _ := w.canonical("CVE-2024-0001")
		if again.Since != c.Since || again.Changed != w.at-1000 {
			t.Errorf("%+v", again)
		}
		if ev := w.events()[2:]; len(ev) != 2 || ev[0].Action != model.CanonicalUpdated || ev[1].Action != model.CanonicalDeleted || ev[1].ID != "GO-1" || ev[0].AffectsKey != "" || ev[1].AffectsKey != "pkg:golang/example.com/a" {
			t.Errorf("%+v", ev)
		}
		// What changed nothing begins no generation.
		w.must(w.stage("r3", 0, []model.Advisory{one}), w.commit("r3", 1))
		if got := w.shelf(); got.Generation != 2 {
			t.Errorf("%+v", got)
		}
		w.sound()
	}
}

func cursorOf(w *world, generation uint64) (at model.Cursor, ok bool) {
	at = look(w, func(v *index.View) (model.Cursor, error) {
		c, found, err := v.CursorOf(generation)
		ok = found
		return c, err
	})
	return at, ok
}

func TestRunsAreRefused(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	some := []model.Advisory{record("osv", "A")}
	w.refused(fault.Invalid, w.stage("", 0, some))
	w.refused(fault.Invalid, w.stage(strings.Repeat("r", 129), 0, some))
	w.refused(fault.Invalid, w.stage("r", 0, []model.Advisory{record("", "A")}))
	w.refused(fault.Conflict, w.stage("r", 1, some))  // it never began
	w.refused(fault.Conflict, w.stage("r", -1, some)) // nor could it
	w.refused(fault.Conflict, w.commit("r", 1))
	w.refused(fault.Invalid, model.Commit{Stamp: w.stamp(), Run: "r", Kind: "other"})
	w.refused(fault.Invalid, model.Commit{Stamp: w.stamp(), Run: "r", Kind: model.RunImport})
	w.refused(fault.Invalid, model.Commit{Stamp: w.stamp(), Run: "r", Kind: model.RunPull, Parts: -1})
	many := model.Commit{Stamp: w.stamp(), Run: "r", Kind: model.RunImport, Imported: &model.Imported{Differences: make([]model.Difference, model.MaxDifferences+1)}}
	w.refused(fault.TooLarge, many)
	w.must(w.stage("r", 0, some))
	w.refused(fault.Conflict, w.stage("r", 2, some))  // a part is missing
	w.refused(fault.Conflict, w.commit("r", 2))       // another is missing
	w.refused(fault.Conflict, w.commit("r", 0))       // or too many are here
	w.refused(fault.Conflict, w.stage("s", 0, some))  // one at a time
	w.must(model.Abandon{Stamp: w.stamp(), Run: "s"}) // not that one
	w.refused(fault.Conflict, w.stage("s", 0, some))
	w.at = w.at.Add(model.RunPatience)
	w.must(w.stage("s", 0, some), w.stage("s", 1, some)) // whoever began r is gone
	w.refused(fault.Conflict, w.commit("r", 1))
	w.refused(fault.Conflict, w.stage("r", 1, some))
	w.must(model.Abandon{Stamp: w.stamp(), Run: "s"}, model.Abandon{Stamp: w.stamp(), Run: "s"})
	w.refused(fault.Conflict, w.commit("s", 2))
	w.sound()
	if s := w.shelf(); s.AdvisoryN != 0 || s.Generation != 0 {
		t.Errorf("%+v", s)
	}
	// Nothing new is a run too, beside one that is open.
	w.must(w.stage("r", 0, some))
	w.must(model.Commit{Stamp: w.stamp(), Run: "none", Kind: model.RunPull, Detail: map[string]string{"source": "osv"}})
	if e := w.audit(); e.Action != "advisories.pull" || e.Detail["created"] != "0" {
		t.Errorf("%+v", e)
	}
	w.must(w.commit("r", 1))
	w.sound()
}

// Records say whose bundle brought them; one that is as it is stays whoever brings it.
func TestAnImportIsRecorded(t *testing.T) {
	w := newWorld(t, model.RoleSite, model.NodeID(berlin))
	w.must(w.stage("local", 0, []model.Advisory{record("osv", "A")}), w.commit("local", 1))
	a, b := record("osv", "A"), record("osv", "B")
	a.Origin, b.Origin = groupID, groupID
	b.Cursor = model.Cursor{At: 1, Seq: 12345} // of the other log
	end := w.commit("b1", 1)
	end.Kind = model.RunImport
	end.Imported = &model.Imported{BundleHash: "sha256:aa", Origin: groupID, OriginName: "hq", To: model.Cursor{At: 7, Seq: 9000}, Skipped: 2, OnConflict: "prefer_local", DifferenceN: 3, Unsigned: true}
	w.must(w.stage("b1", 0, []model.Advisory{a, b}), end)
	s := w.shelf()
	if s.Imported[groupID.String()] != end.Imported.To || s.Cursor.Seq != 2 || s.AdvisoryN != 2 {
		t.Errorf("%+v", s)
	}
	got := look(w, func(v *index.View) ([]model.ImportRecord, error) { return v.Imports(0) })
	if len(got) != 1 || got[0].Created != 1 || got[0].Skipped != 3 || got[0].CanonicalCreated != 1 || got[0].EdgesAdded != 1 || got[0].At != end.At {
		t.Errorf("%+v", got)
	}
	for name, origin := range map[string]model.NodeID{"A": {}, "B": groupID} {
		x := look(w, func(v *index.View) (model.Advisory, error) {
			x, _, err := v.Advisory(model.AdvisoryKey{Source: "osv", ID: name})
			return x, err
		})
		if x.Origin != origin || x.Cursor.Seq > 2 {
			t.Errorf("%s: %+v", name, x)
		}
	}
	if e := w.audit(); e.Action != "bundle.import" || e.Object != "sha256:aa" || e.Detail["conflicts"] != "3" || e.Detail["unsigned"] != "yes" || e.Detail["origin"] != "hq" {
		t.Errorf("%+v", e)
	}
	if ev := w.events(); ev[1].Bundle != "sha256:aa" || ev[1].Origin != groupID {
		t.Errorf("%+v", ev)
	}
	// An older bundle does not take back how far that log is held.
	old := w.commit("b0", 0)
	old.Kind, old.Imported = model.RunImport, &model.Imported{BundleHash: "sha256:bb", Origin: groupID, To: model.Cursor{At: 6, Seq: 8000}}
	// Nor does one that was judged before another came first.
	w.refused(fault.Conflict, old)
	old.Have = end.Imported.To
	w.must(old)
	if s := w.shelf(); s.Imported[groupID.String()].Seq != 9000 || s.Generation != 2 {
		t.Errorf("%+v", s)
	}
}

// A site that was never enrolled has no identity, and imports all the same.
func TestImportWithoutIdentity(t *testing.T) {
	s, err := index.Open(t.TempDir(), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := &world{t: t, role: model.RoleSite, store: s, at: 1_700_000_000_000}
	end := w.commit("b", 1)
	end.Kind, end.Imported = model.RunImport, &model.Imported{BundleHash: "sha256:aa", Origin: groupID, To: model.Cursor{At: 7, Seq: 9}}
	w.must(w.stage("b", 0, []model.Advisory{record("osv", "A")}), end)
	if s := w.shelf(); s.AdvisoryN != 1 || s.Imported[groupID.String()].Seq != 9 {
		t.Errorf("%+v", s)
	}
}

// A run that a clock far ahead has begun keeps nobody from another one.
func TestARunOfTheFuture(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	ahead := w.stage("ahead", 0, []model.Advisory{record("osv", "A")})
	ahead.At += 365 * 24 * 3600_000
	w.must(ahead)
	w.must(w.stage("now", 0, []model.Advisory{record("osv", "B")}), w.commit("now", 1))
	if s := w.shelf(); s.AdvisoryN != 1 {
		t.Errorf("%+v", s)
	}
}

// What was left out of a partner's bundles comes once it may: how far its log is held is forgotten where its sources become more.
func TestMoreSourcesOfAPartner(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	partner := model.NodeID(id(77))
	held := func() model.Cursor { return w.shelf().Imported[partner.String()] }
	imported := func(name string) {
		end := w.commit(name, 0)
		end.Kind, end.Imported = model.RunImport, &model.Imported{BundleHash: "sha256:" + name, Origin: partner, To: model.Cursor{At: 7, Seq: 9}}
		w.must(end)
	}
	put := func(sources ...string) {
		w.must(model.PutPartner{Stamp: w.stamp(), Partner: model.Partner{Name: "east", Origin: partner, Enabled: true, Sources: sources}})
	}
	put("a", "b")
	imported("one")
	put("a")
	if held().IsZero() {
		t.Error("fewer sources: what is held is forgotten")
	}
	put("a", "c")
	if !held().IsZero() {
		t.Errorf("more sources: held through %v", held())
	}
	imported("two")
	w.must(model.DropPartner{Stamp: w.stamp(), Name: "east"})
	if !held().IsZero() {
		t.Errorf("no bound any more: held through %v", held())
	}
}

// randomRecord draws from so few names that records join, part and are guarded all the time.
func randomRecord(rng *rand.Rand) model.Advisory {
	names := []string{"CVE-2024-0001", "CVE-2024-0002", "cve-2024-0003", "GHSA-a", "ghsa-A", "GHSA-b", "GO-1", "go-1", "X"}
	a := record([]string{"a", "b", "c"}[rng.IntN(3)], names[rng.IntN(len(names))])
	if rng.IntN(4) == 0 {
		a.ID += "~2"
	}
	for range rng.IntN(3) {
		a.Aliases = append(a.Aliases, names[rng.IntN(len(names))])
	}
	slices.Sort(a.Aliases)
	a.Aliases = slices.Compact(a.Aliases)
	a.Summary = fmt.Sprint(rng.IntN(3))
	if rng.IntN(6) == 0 {
		a.Exploit = &model.Exploit{Known: 5}
		a.Related = names[:rng.IntN(2)]
	}
	return a
}

// Whatever comes and goes in whatever pieces, the canonicals are those that the records make when they are grouped at once, and who
// applies the runs again comes to the same rows.
func TestRegroupingIsGroupingAnew(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	a, b := newWorld(t, model.RoleController, groupID), newWorld(t, model.RoleController, groupID)
	known := map[string]bool{}
	for i := range 400 {
		run := fmt.Sprint(i)
		var changes []model.Change
		if rng.IntN(5) == 0 { // an entry of before there were runs, of that version or written by a node that is new
			version := []uint32{0, 5}[rng.IntN(2)]
			c := model.Advisories{Stamp: a.stamp(), Put: []model.Advisory{randomRecord(rng)}, Delete: []model.AdvisoryKey{randomRecord(rng).AdvisoryKey}}
			for _, w := range []*world{a, b} {
				w.version = version
				w.must(c, model.Generation{Stamp: c.Stamp})
				w.version = 0
			}
		} else {
			parts := rng.IntN(3)
			for p := range parts {
				s := a.stage(run, p, nil)
				for range rng.IntN(4) {
					s.Put = append(s.Put, randomRecord(rng))
				}
				for range rng.IntN(3) {
					s.Delete = append(s.Delete, randomRecord(rng).AdvisoryKey)
				}
				changes = append(changes, s)
			}
			changes = append(changes, a.commit(run, parts))
			a.must(changes...)
			b.must(changes...)
		}
		a.sound()
		if a.hash() != b.hash() {
			t.Fatalf("run %d: the rows differ", i)
		}
	}
	// The events tell the canonicals.
	for _, e := range a.events() {
		if (e.Action == model.CanonicalCreated) == known[merge.Fold(e.ID)] {
			continue // an entry of before told nobody
		}
		known[merge.Fold(e.ID)] = e.Action != model.CanonicalDeleted
	}
	if len(a.events()) < 100 {
		t.Errorf("%d events", len(a.events()))
	}
}

// A log of runs alone tells by its events which canonicals there are.
func TestEventsTellTheCanonicals(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	w := newWorld(t, model.RoleSite, model.NodeID(berlin))
	known := map[string]bool{}
	after := model.Seq(0)
	for i := range 60 {
		s := w.stage(fmt.Sprint(i), 0, nil)
		for range rng.IntN(5) {
			s.Put = append(s.Put, randomRecord(rng))
		}
		for range rng.IntN(4) {
			s.Delete = append(s.Delete, randomRecord(rng).AdvisoryKey)
		}
		w.must(s, w.commit(s.Run, 1))
		r := w.result(s.Run)
		for _, e := range look(w, func(v *index.View) ([]model.CanonicalEvent, error) { return v.Events(after, 0) }) {
			id := merge.Fold(e.ID)
			if e.Seq != after+1 {
				t.Fatalf("event %d is behind %d", e.Seq, after)
			}
			after = e.Seq
			switch e.Action {
			case model.CanonicalCreated:
				r.CanonicalCreated--
			case model.CanonicalUpdated:
				r.CanonicalUpdated--
			case model.CanonicalDeleted:
				r.CanonicalDeleted--
			}
			if (e.Action == model.CanonicalCreated) == known[id] {
				t.Fatalf("%+v, and it was known: %v", e, known[id])
			}
			if known[id] = e.Action != model.CanonicalDeleted; !known[id] {
				delete(known, id)
			}
		}
		if r.CanonicalCreated != 0 || r.CanonicalUpdated != 0 || r.CanonicalDeleted != 0 {
			t.Fatalf("run %d counts other events: %+v", i, r)
		}
		n := 0
		v := w.store.View()
		err := v.EachCanonical("", func(c model.Canonical) error {
			n++
			if !known[merge.Fold(c.ID)] {
				return fmt.Errorf("%s was not told", c.ID)
			}
			return nil
		})
		v.Close()
		if err != nil || n != len(known) {
			t.Fatalf("%d canonicals, %d told: %v", n, len(known), err)
		}
	}
}
