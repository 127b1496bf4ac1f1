package apply_test

import (
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

func TestAdvisories(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	w.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	shelf := func() apply.Shelf { return look(w, func(v *index.View) (apply.Shelf, error) { return v.Shelf() }) }
	one := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "s", ID: "1"}, Aliases: []string{"CVE-2024-0001"}}
	two := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "s", ID: "2"}}
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{one, two}}, model.Generation{Stamp: w.stamp()})
	first := shelf()
	if first.AdvisoryN != 2 || first.Generation != 1 || first.Cursor.Seq != 2 {
		t.Fatalf("%+v", first)
	}
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{one}})
	if s := shelf(); s.Cursor != first.Cursor {
		t.Fatalf("an equal record moved the cursor to %s", s.Cursor)
	}
	two.Summary = "changed"
	back := model.Stamp{Actor: "x", At: first.Cursor.At - 50_000} // the clock was set back
	w.must(model.Advisories{Stamp: back, Put: []model.Advisory{two}})
	s := shelf()
	if s.Cursor.Seq != 3 || s.Cursor.At < first.Cursor.At || s.AdvisoryN != 2 {
		t.Fatalf("after a change with the clock set back: %+v", s)
	}
	w.must(model.Advisories{Stamp: w.stamp(), Delete: []model.AdvisoryKey{one.AdvisoryKey, {Source: "s", ID: "none"}}}, model.Generation{Stamp: w.stamp()})
	if s = shelf(); s.AdvisoryN != 1 || s.Cursor.Seq != 4 {
		t.Fatalf("after a removal: %+v", s)
	}

	// A site is told how far they go, and no record by itself.
	items := look(w, func(v *index.View) ([]model.Item, error) {
		items, _, err := v.Directives(model.NodeID(berlin), 0, 100, 1<<20, true)
		return items, err
	})
	if len(items) != 1 || items[0].Kind != model.ItemShelf {
		t.Fatalf("what goes down: %+v", items)
	}
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	for range 2 {
		site.receive(groupID, items...)
	}
	at := look(site, func(v *index.View) (apply.Shelf, error) { return v.Shelf() })
	if at.Above != s.Cursor || at.AdvisoryN != 0 || at.Generation != 0 || len(at.Imported) != 0 {
		t.Fatalf("at the site: %+v (of items %+v)", at, items)
	}

	// What a program of before sends at a site gets the site's own cursors.
	kept := two
	kept.Cursor = model.Cursor{At: 5, Seq: 900}
	site.must(model.Advisories{Stamp: site.stamp(), Put: []model.Advisory{kept}, Keep: true})
	got := look(site, func(v *index.View) (model.Advisory, error) { a, _, err := v.Advisory(two.AdvisoryKey); return a, err })
	if got.Summary != "changed" || got.Cursor.Seq != 1 {
		t.Fatalf("at the site: %+v", got)
	}
}
