package api

import (
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// An older bundle that is forced in moves back how far its origin is held, and says so; a delta that changes nothing does not.
func TestWhatIsForcedInSaysWhereToGoOn(t *testing.T) {
	hq := newHQ(t)
	r := newBerlin(t)
	var bundles [][]byte
	var ends []string
	next := func(version string, n int) {
		from := ""
		if len(ends) > 0 {
			from = ends[len(ends)-1]
		}
		hq.ingest(packed(t, records(n, version)))
		w := hq.do("GET", "/api/v1/federation/export?from="+escape(from), nil)
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		bundles, ends = append(bundles, w.Body.Bytes()), append(ends, w.Header().Get("X-Skerry-Cursor"))
	}
	held := func() string { return r.shelf().Imported[group.String()].String() }
	next("8.0", 1)
	next("8.0", 2) // one more
	next("9.0", 1) // the first again
	r.trusts(hq.rig, "federation")
	for _, b := range bundles {
		if done := read[schema.ImportResult](r.rig, r.imports(b, ""), 200); done.RewoundFrom != "" {
			t.Errorf("%+v", done)
		}
	}
	if done := read[schema.ImportResult](r.rig, r.imports(bundles[1], "force=true"), 200); done.RewoundFrom != "" || held() != ends[2] {
		t.Errorf("a delta that changed nothing: %+v, held through %s of %q", done, held(), ends)
	}
	if done := read[schema.ImportResult](r.rig, r.imports(bundles[0], "force=true&dry_run=true"), 200); done.RewoundFrom != ends[2] || held() != ends[2] {
		t.Errorf("tried: %+v, held through %s", done, held())
	}
	if done := read[schema.ImportResult](r.rig, r.imports(bundles[0], "force=true"), 200); done.RewoundFrom != ends[2] || done.ImportedCursor != ends[0] || held() != ends[0] {
		t.Errorf("%+v, held through %s of %q", done, held(), ends)
	}
	if p := read[schema.Partner](r.rig, r.do("GET", "/api/v1/federation/sites/"+group.String(), nil), 200); p.LastCursor != ends[0] {
		t.Errorf("%+v", p)
	}
	r.refused(r.imports(bundles[2], ""), 409, fault.Conflict, "gap")
	for _, b := range bundles[1:] {
		read[schema.ImportResult](r.rig, r.imports(b, ""), 200)
	}
	if held() != ends[2] || r.shelf().AdvisoryN != 2 {
		t.Errorf("gone on: %s, %d", held(), r.shelf().AdvisoryN)
	}
}

// A cursor that was made up, or is of another server, would leave out changes in silence.
func TestACursorOfAnotherServer(t *testing.T) {
	hq := newHQ(t)
	hq.ingest(packed(t, records(1, "8.0")))
	hq.pass(time.Hour)
	hq.ingest(packed(t, records(2, "8.0")))
	hq.pass(time.Hour)
	first := model.Cursor{At: model.TimeOf(noon), Seq: 1}
	hq.exported(escape(first.String()))
	made := func(at time.Time, seq model.Seq) string {
		return escape(model.Cursor{At: model.TimeOf(at), Seq: seq}.String())
	}
	for _, wrong := range []string{made(noon.Add(time.Second), 1), made(noon.Add(-time.Hour), 1), made(noon.Add(2*time.Hour), 2)} {
		hq.refused(hq.do("GET", "/api/v1/federation/export?from="+wrong, nil), 400, fault.Invalid, "a cursor of another server")
	}
	hq.ingest(packed(t, records(1, "9.0"))) // the first change is no more: the cursor lies before the second
	hq.exported(escape(first.String()))
	hq.refused(hq.do("GET", "/api/v1/federation/export?from="+made(noon.Add(90*time.Minute), 1), nil), 400, fault.Invalid, "a cursor of another server")
}
