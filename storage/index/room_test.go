package index

import (
	"fmt"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
)

// Who takes in a run has the room for it at once, and what the transaction wrote before stays in it.
func TestRoomForARun(t *testing.T) {
	s := openMem(t)
	stamp := model.Stamp{Actor: "account:ann", At: 1_700_000_000_000}
	stage := model.Stage{Stamp: stamp, Run: "r"}
	for i := range 2000 {
		stage.Put = append(stage.Put, model.Advisory{
			AdvisoryKey: model.AdvisoryKey{Source: "s", ID: fmt.Sprint("X-", i)}, Summary: strings.Repeat("text ", 80),
			Affected: []model.Affected{{Ecosystem: "npm", Name: fmt.Sprint("p", i)}},
		})
	}
	change := func(tx *Tx, c model.Change) {
		t.Helper()
		_, err := apply.Change(tx, apply.Env{Role: model.RoleSite}, c)
		ok(t, err)
	}
	tx := s.Begin()
	defer tx.Discard()
	change(tx, model.Found{Stamp: stamp, Self: model.NodeID{1}, Role: model.RoleSite, Name: "here"})
	change(tx, stage)
	run, is, err := tx.OpenRun()
	ok(t, err)
	if !is || run.Bytes < 500_000 {
		t.Fatalf("the run has %d bytes", run.Bytes)
	}
	before := tx.batch.Count()
	p, is, err := tx.Part("r", 0)
	ok(t, err)
	if !is || len(p.Put) != 2000 {
		t.Fatalf("the part has %d records", len(p.Put))
	}
	room := cap(tx.batch.Repr())
	if want := runGrows * int(run.Bytes); room < want || tx.batch.Count() != before {
		t.Errorf("there is room for %d bytes, want %d; %d entries, want %d", room, want, tx.batch.Count(), before)
	}
	change(tx, model.Commit{Stamp: stamp, Run: "r", Parts: 1, Kind: model.RunIngest})
	if n := cap(tx.batch.Repr()); n != room {
		t.Errorf("the room was %d and is %d: what was written needs %d", room, n, tx.batch.Len())
	}
	ok(t, tx.Commit(1, true))
	v := s.View()
	defer v.Close()
	if sh, err := v.Shelf(); err != nil || sh.AdvisoryN != 2000 {
		t.Errorf("%d records, %v", sh.AdvisoryN, err)
	}
	if self, _, err := v.Self(); err != nil || self.Name != "here" {
		t.Errorf("what was written before is %+v, %v", self, err)
	}
}
