package controller

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
)

// A controller that is started with a site's folder leaves nothing there.
func TestFolderOfASiteIsLeftAlone(t *testing.T) {
	data := shortDir(t)
	if err := os.WriteFile(filepath.Join(data, "outbox.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := Run(t.Context(), settings(data, "127.0.0.1:0", "a"), Options{Log: slog.New(slog.DiscardHandler), Version: "test"})
	refused(t, "a site's folder", err, fault.Conflict, "is the data folder of a site, and not of this controller")
	if left, err := os.ReadDir(data); err != nil || len(left) != 1 {
		t.Errorf("there is %v, %v", left, err)
	}
}
