package serve

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/detail"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/storage/queue"
)

// TestReachTellsEachChangeOnce: what is called at every frame must cost nothing where nothing changed.
func TestReachTellsEachChangeOnce(t *testing.T) {
	up := map[model.NodeID]bool{}
	var told []string
	r := NewReach(func(id model.NodeID) bool { return up[id] }, func(site model.SiteID, up bool) { told = append(told, fmt.Sprint(site[15], up)) })
	a, b := model.NodeID{15: 1}, model.NodeID{15: 2}
	r.Look(a)
	up[a] = true
	r.Look(a)
	r.Look(a)
	r.Look(b)
	up[a], up[b] = false, true
	r.Look(b)
	r.Look(a)
	r.Look(a)
	if want := []string{"1 true", "2 true", "1 false"}; !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
}

func TestCheckFolder(t *testing.T) {
	data := t.TempDir()
	if _, err := CheckFolder(t.Context(), data); !fault.Is(err, fault.NotFound) {
		t.Errorf("no store: %v", err)
	}
	if left, _ := os.ReadDir(data); len(left) > 0 {
		t.Errorf("a store was made: %v", left)
	}
	store, err := index.Open(filepath.Join(data, "index"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CheckFolder(t.Context(), data); !fault.Is(err, fault.Conflict) {
		t.Errorf("while it is open: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if report, err := CheckFolder(t.Context(), data); err != nil || !report.OK {
		t.Errorf("%+v, %v", report, err)
	}
}

// A site's folder has two more stores, and what is wrong in them is told as well.
func TestCheckFolderOfSite(t *testing.T) {
	data := t.TempDir()
	store, err := index.Open(filepath.Join(data, "index"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	bodies, err := detail.Open(filepath.Join(data, "detail"), detail.Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bodies.Put(model.HostID{15: 1}, detail.Packages, 1, []byte("[]")); err != nil {
		t.Fatal(err)
	}
	outbox := filepath.Join(data, "outbox.db")
	q, err := queue.Open(outbox, queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.Close(), bodies.Close(), q.Close()); err != nil {
		t.Fatal(err)
	}
	if report, err := CheckFolder(t.Context(), data); err != nil || !report.OK || report.Bodies != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	manifest := filepath.Join(data, "detail", "MANIFEST")
	for _, path := range []string{outbox, manifest} {
		if err := os.WriteFile(path, bytes.Repeat([]byte{7}, 64<<10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := CheckFolder(t.Context(), data); err != nil || report.OK || report.FaultN != 2 {
		t.Errorf("with two stores damaged: %+v, %v", report, err)
	}
}
