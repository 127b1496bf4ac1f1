package durable_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/skerryhq/skerry/sync/durable"
)

// holds checks what a file has, and that nothing else is in its folder.
func holds(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != text {
		t.Errorf("it has %q (%v), want %q", b, err, text)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != mode {
		t.Errorf("its mode is %v (%v), want %v", info.Mode(), err, mode)
	}
	alone(t, filepath.Dir(path), 1)
}

func alone(t *testing.T, dir string, want int) {
	t.Helper()
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != want {
		t.Errorf("the folder has %v (%v)", names, err)
	}
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	// What a crash left: longer than what comes, and open to others.
	if err := os.WriteFile(path+".new", []byte("half of what was to be written"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := durable.Write(path, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "first", 0o600)
	if err := durable.Write(path, []byte("2"), 0o640); err != nil {
		t.Fatal(err)
	}
	holds(t, path, "2", 0o640)
}

// Where it fails, everything is as it was, at whichever step that is.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := durable.Write(filepath.Join(dir, "missing", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into no folder: %v", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // no file takes the place of a folder
		t.Fatal(err)
	}
	if err := durable.Write(path, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if err := durable.Create(path, []byte("x"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a folder was replaced: %v", err)
	}
	alone(t, dir, 1)
}

func TestCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var all sync.WaitGroup
	made := make([]error, 8)
	for i := range made {
		all.Go(func() { made[i] = durable.Create(path, fmt.Appendf(nil, "by %d", i), 0o600) })
	}
	all.Wait()
	winner := -1
	for i, err := range made {
		switch {
		case err == nil && winner < 0:
			winner = i
		case !errors.Is(err, fs.ErrExist):
			t.Errorf("%d: %v after %d", i, err, winner)
		}
	}
	holds(t, path, fmt.Sprintf("by %d", winner), 0o600)
}
