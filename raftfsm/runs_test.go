package raftfsm

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// run is the log of a run of n records in two parts, behind found().
func run(t *testing.T, n int) []*raft.Log {
	logs := []*raft.Log{logged(t, 1, found())}
	for part := range 2 {
		s := model.Stage{Stamp: stamp(1), Run: "r", Part: part}
		for i := range n / 2 {
			s.Put = append(s.Put, model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: fmt.Sprint("s", part), ID: fmt.Sprint("X-", i)}, Aliases: []string{fmt.Sprintf("CVE-2024-%04d", i)}})
		}
		logs = append(logs, logged(t, uint64(part+2), s))
	}
	return append(logs, logged(t, 4, model.Commit{Stamp: stamp(2), Run: "r", Parts: 2, Kind: model.RunIngest}))
}

// Taking in a run is one change that may last: whoever watches for a disk that hangs hears that it goes on, in pairs.
func TestALongChangeIsSeenToGoOn(t *testing.T) {
	f, s := newFSM(t)
	var w told
	f.Watch = &w
	for i, r := range f.ApplyBatch(run(t, 2000)) {
		if r != nil {
			t.Fatalf("entry %d: %v", i+1, r)
		}
	}
	begun := 0
	for i, what := range w {
		if i%2 == 1 != (what == "") {
			t.Fatalf("told %q", w)
		}
		if what == applying {
			begun++
		}
	}
	if begun < 4+2000/256 {
		t.Errorf("told of %d pieces", begun)
	}
	v := s.View()
	defer v.Close()
	if shelf, err := v.Shelf(); err != nil || shelf.AdvisoryN != 2000 {
		t.Errorf("%+v, %v", shelf, err)
	}
}

// A snapshot taken between the parts of a run, or behind it, goes on to the same rows as the log.
func TestARunGoesThroughASnapshot(t *testing.T) {
	logs := run(t, 40)
	whole, want := newFSM(t)
	whole.ApplyBatch(logs)
	for upto := range len(logs) + 1 {
		f, _ := newFSM(t)
		f.ApplyBatch(logs[:upto])
		other, rows := newFSM(t)
		if upto > 0 {
			if err := other.Restore(reader(archive(t, f))); err != nil {
				t.Fatal(err)
			}
		}
		other.ApplyBatch(slices.Clone(logs[upto:]))
		if hash(t, rows) != hash(t, want) {
			t.Errorf("through a snapshot behind entry %d: other rows", upto)
		}
		sound(t, rows)
	}
}

func sound(t *testing.T, s *index.Store) {
	t.Helper()
	if r, err := s.Check(t.Context()); err != nil || !r.OK() {
		t.Fatalf("%v, %q", err, r.Faults)
	}
}
