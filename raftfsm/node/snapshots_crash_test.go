package node

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// A node that gets a snapshot makes it durable first, and throws away its log, which ends before it, last. Where it
// crashes in between, it goes on from the snapshot: what follows that does not follow the log.
func TestCrashBeforeTheLogIsThrownAway(t *testing.T) {
	w := newTown(t)
	a := w.start("a", true)
	if err := a.WaitLeader(soon(t)); err != nil {
		t.Fatal(err)
	}
	propose(t, a, found(1), account(1))
	last := a.raft.LastIndex()
	w.kill("a")

	// The snapshot of a group that has come further.
	const applied = 1000
	if last >= applied {
		t.Fatalf("the log ends at %d", last)
	}
	further, err := index.Open(filepath.Join(w.dir, "further"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer further.Close()
	tx := further.Begin()
	for _, c := range []model.Change{found(1), account(1), account(2)} {
		if _, err := apply.Change(tx, apply.Env{Role: model.RoleController}, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(applied, true); err != nil {
		t.Fatal(err)
	}
	rows := filepath.Join(w.dir, "rows")
	if err := further.Checkpoint(rows); err != nil {
		t.Fatal(err)
	}
	s, err := openSnapshots(filepath.Join(w.dir, "a", "raft"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	one := raft.Configuration{Servers: []raft.Server{{Suffrage: raft.Voter, ID: "a", Address: raft.ServerAddress(w.addr("a"))}}}
	to, err := s.Create(raft.SnapshotVersionMax, applied, 1, one, applied, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.(*sink).Take(rows, applied); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}

	for n := 3; n < 5; n++ { // the second start finds a log that begins behind the snapshot
		a = w.start("a", false)
		if err := a.WaitLeader(soon(t)); err != nil {
			t.Fatalf("%v; %v", err, a.Err())
		}
		propose(t, a, account(n))
		if !a.has(t, 2) || !a.has(t, n) {
			t.Errorf("rows are missing at entry %d", a.store.Applied())
		}
		w.kill("a")
	}
}

// Where the newest snapshot cannot be restored, an older one takes its place only if the log goes on from there.
func TestReachableSnapshots(t *testing.T) {
	dir := t.TempDir()
	s := newSnapshots(t, dir)
	files := map[string][]byte{"000001.sst": []byte("rows")}
	older, newer := keep(t, s, 10, 1, files), keep(t, s, 20, 1, files)
	log, err := openLog(dir, newLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	r := reachable{s, log}
	check := func(what string, want ...string) {
		t.Helper()
		list, err := r.List()
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, m := range list {
			ids = append(ids, m.ID)
		}
		equal(t, what, ids, want)
	}
	check("without a log", newer)
	for i := uint64(11); i < 16; i++ {
		if err := log.StoreLog(&raft.Log{Index: i, Term: 1}); err != nil {
			t.Fatal(err)
		}
	}
	check("with a log that goes on from both", newer, older)
	if err := log.DeleteRange(11, 12); err != nil {
		t.Fatal(err)
	}
	check("with one that was cut", newer)
	// One that ends before the newest is in the way of what follows that.
	if err := dropCovered(log, s); err != nil {
		t.Fatal(err)
	}
	if last, err := log.LastIndex(); err != nil || last != 0 {
		t.Errorf("the log still ends at %d, %v", last, err)
	}
	if err := log.StoreLog(&raft.Log{Index: 21, Term: 1}); err != nil {
		t.Fatal(err)
	}
	if err := dropCovered(log, s); err != nil {
		t.Fatal(err)
	}
	if last, err := log.LastIndex(); err != nil || last != 21 {
		t.Errorf("the log ends at %d, %v", last, err)
	}
}
