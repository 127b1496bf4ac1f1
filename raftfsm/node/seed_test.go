package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// seeded makes the folder of a node in town whose rows are of another group's log, ended at entry 40.
func seeded(t *testing.T, w *town, id string) {
	t.Helper()
	dir := filepath.Join(w.dir, id)
	store, err := index.Open(filepath.Join(dir, "index"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	tx := store.Begin()
	for _, c := range []model.Change{found(1), account(1)} {
		if _, err := apply.Change(tx, apply.Env{Role: model.RoleController}, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(40, true); err != nil {
		t.Fatal(err)
	}
	rows := filepath.Join(dir, "rows")
	if err := store.Checkpoint(rows); err != nil {
		t.Fatal(err)
	}
	raft := filepath.Join(dir, "raft")
	if err := Seed(raft, id, "127.0.0.1:1", rows, 40); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(rows); err == nil {
		t.Error("the rows are there twice")
	}
	if err := Seed(raft, id, "127.0.0.1:1", rows, 40); !fault.Is(err, fault.Conflict) {
		t.Errorf("seeded twice: %v", err)
	}
}

func TestSeed(t *testing.T) {
	w := newTown(t)
	seeded(t, w, "a")
	a := w.start("a", true)
	if err := a.WaitLeader(soon(t)); err != nil {
		t.Fatal(err)
	}
	propose(t, a, account(2))
	if !a.has(t, 1) || !a.has(t, 2) || a.store.Applied() <= 40 {
		t.Errorf("applied %d", a.store.Applied())
	}
	if err := a.AddMember(soon(t), "a", w.addr("a")); err != nil { // it has another address than it was seeded with
		t.Fatal(err)
	}
	w.kill("a")
	a = w.start("a", true)
	if err := a.WaitLeader(soon(t)); err != nil {
		t.Fatal(err)
	}
	propose(t, a, account(3))
	// Who joins has the rows that no log tells of.
	b := w.join("b")
	w.voters(2)
	w.until("b knows that it is a member", func() string {
		if !b.Member() {
			return "it does not"
		}
		return ""
	})
	propose(t, b, account(4))
	for n := 1; n <= 4; n++ {
		if !b.has(t, n) {
			t.Errorf("the one that joined lacks user %d", n)
		}
	}
	w.settle()
	if a.hash(t) != b.hash(t) {
		t.Error("the two differ")
	}
}

// The snapshot alone suffices where the rows are lost.
func TestSeedBringsBackRows(t *testing.T) {
	w := newTown(t)
	seeded(t, w, "a")
	if err := os.RemoveAll(filepath.Join(w.dir, "a", "index")); err != nil {
		t.Fatal(err)
	}
	a := w.start("a", true)
	if err := a.WaitLeader(soon(t)); err != nil {
		t.Fatal(err)
	}
	propose(t, a, account(2))
	if !a.has(t, 1) || !a.has(t, 2) {
		t.Error("rows of the snapshot are missing")
	}
	if err := Seed(t.TempDir(), "", "x:1", "", 1); !fault.Is(err, fault.Invalid) {
		t.Errorf("without an id: %v", err)
	}
}
