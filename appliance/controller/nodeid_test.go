package controller

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
)

// The node's id names it in the Raft group for ever: it must be whole on the disk before the group
// knows it, for with another one the group of one has no voter any more.
func TestNodeID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node-id")
	if err := os.WriteFile(path+".new", []byte("half of an"), 0o600); err != nil { // what a crash left
		t.Fatal(err)
	}
	first, err := nodeID(path)
	if err != nil || len(first) != 36 {
		t.Fatalf("%q, %v", first, err)
	}
	again, err := nodeID(path)
	if err != nil || again != first {
		t.Fatalf("%q after %q, %v", again, first, err)
	}
	if _, err := os.Stat(path + ".new"); err == nil {
		t.Error("a half-written file was left behind")
	}
	for _, damaged := range []string{"", "\n", first[:20]} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := nodeID(path); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), "restore") {
			t.Errorf("%q was taken as %q, %v", damaged, got, err)
		}
	}
}
