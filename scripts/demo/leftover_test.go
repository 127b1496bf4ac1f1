package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

func TestOnlyFoldersOfDeadRunsAreRemoved(t *testing.T) {
	root := t.TempDir()
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	gone, here := strconv.Itoa(dead.Process.Pid), strconv.Itoa(os.Getpid())
	made := func(name, pid string) string {
		dir := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Join(dir, "hq"), 0o700); err != nil {
			t.Fatal(err)
		}
		if pid != "" {
			if err := os.WriteFile(filepath.Join(dir, pidFile), []byte(pid+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	killed := made("skerry-demo-1", gone)
	busy := made("skerry-demo-2", gone)
	kept := []string{busy, made("skerry-demo-3", here), made("skerry-demo-4", ""), made("skerry-demo-5", "-1"), made("other-1", gone)}
	link := filepath.Join(root, "skerry-demo-6")
	if err := os.Symlink(kept[4], link); err != nil {
		t.Fatal(err)
	}
	// A server that outlived its starter still works in its folder.
	child := exec.Command("cat")
	child.Dir = busy
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	removed, err := leftovers(root)
	if err != nil || !slices.Equal(removed, []string{killed}) {
		t.Errorf("removed %q, %v; want %q", removed, err, killed)
	}
	for _, dir := range append(kept, link) {
		if _, err := os.Lstat(dir); err != nil {
			t.Error(err)
		}
	}
	_ = in.Close()
	_ = child.Wait()
	if removed, err := leftovers(root); err != nil || !slices.Equal(removed, []string{busy}) {
		t.Errorf("then removed %q, %v; want %q", removed, err, busy)
	}
}
