package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Whoever writes an export to /dev/null as root must find the device there afterwards.
func TestWriteWholeLeavesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe, file, link := filepath.Join(dir, "pipe"), filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	for _, path := range []string{pipe, link, os.DevNull} {
		if n, err := writeWhole(path, strings.NewReader("whole"), 0o600); err != nil || n != 5 {
			t.Errorf("%s: wrote %d bytes, %v", path, n, err)
		}
	}
	got := make([]byte, 5)
	if n, err := reader.Read(got); err != nil || string(got[:n]) != "whole" {
		t.Errorf("the pipe had %q, %v", got[:n], err)
	}
	if raw, err := os.ReadFile(file); err != nil || string(raw) != "whole" {
		t.Errorf("behind the link there is %q, %v", raw, err)
	}
	for path, want := range map[string]os.FileMode{pipe: os.ModeNamedPipe, link: os.ModeSymlink, os.DevNull: os.ModeDevice} {
		if info, err := os.Lstat(path); err != nil || info.Mode()&want == 0 {
			t.Errorf("%s is another thing now: %v, %v", path, info.Mode(), err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".part-*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if _, err := writeWhole(dir, strings.NewReader("x"), 0o600); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder gives %v", err)
	}
	if _, err := writeWhole(filepath.Join(dir, "none", "x"), strings.NewReader("x"), 0o600); err == nil || !strings.Contains(err.Error(), "there is no folder") {
		t.Errorf("a folder that is not there gives %v", err)
	}
}
