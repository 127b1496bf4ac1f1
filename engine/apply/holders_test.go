package apply_test

import (
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// TestHolders: by whom else a record is held is kept, and is no change of it.
func TestHolders(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	a, b := model.NodeID{15: 101}, model.NodeID{15: 102}
	own := record("osv", "X-1", "CVE-2024-0001")
	w.must(w.stage("r0", 0, []model.Advisory{own}), w.commit("r0", 1))
	before := w.shelf()
	cursor := func() model.Cursor { return model.Cursor{At: w.at, Seq: model.Seq(w.at)} }
	from := func(origin model.NodeID, run string, s model.Stage) {
		t.Helper()
		s.Stamp, s.Run = w.stamp(), run
		c := w.commit(run, 1)
		c.Kind, c.Imported = model.RunImport, &model.Imported{BundleHash: run, Origin: origin, OriginName: "x", To: cursor()}
		c.Have = w.shelf().Imported[origin.String()]
		w.must(s, c)
	}
	is := func(origin model.NodeID, also ...model.NodeID) {
		t.Helper()
		got := look(w, func(v *index.View) (model.Advisory, error) { x, _, err := v.Advisory(own.AdvisoryKey); return x, err })
		if got.Origin != origin || !slices.Equal(got.Also, also) || got.Cursor != before.Cursor {
			t.Errorf("%+v, want it of %v and %v", got, origin, also)
		}
		if s := w.shelf(); s.Generation != before.Generation || s.Cursor != before.Cursor {
			t.Errorf("that was taken for a change: %+v, %+v", before, s)
		}
		w.sound()
	}
	keys := []model.AdvisoryKey{own.AdvisoryKey, {Source: "osv", ID: "unknown"}}
	from(a, "r1", model.Stage{Alike: keys})
	is(model.NodeID{}, a)
	from(a, "r2", model.Stage{Alike: keys}) // once more
	is(model.NodeID{}, a)
	from(b, "r3", model.Stage{Alike: keys})
	is(model.NodeID{}, a, b)
	from(a, "r4", model.Stage{Left: keys})
	is(model.NodeID{}, b)
	s := w.stage("r5", 0, nil)
	s.Left = keys
	w.must(s, w.commit("r5", 1)) // this server itself
	is(b)
	from(b, "r6", model.Stage{Left: keys}) // nobody else has it
	is(b)
	for i := range 2 * model.MaxAlso {
		from(model.NodeID{14: 1, 15: byte(i)}, "m"+string(rune('A'+i)), model.Stage{Alike: keys})
	}
	if got := look(w, func(v *index.View) (model.Advisory, error) { x, _, err := v.Advisory(own.AdvisoryKey); return x, err }); len(got.Also) != model.MaxAlso {
		t.Errorf("%d origins are kept", len(got.Also))
	}
}
