package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
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
