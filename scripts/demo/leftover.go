package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	prefix  = "skerry-demo-"
	pidFile = "demo.pid" // in a run's folder: who made it
)

// leftovers removes the folders below root of earlier runs that were killed before they could clean up:
// those of this user whose maker is gone and in which no process works. It returns which it removed.
func leftovers(root string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(root, prefix+"*"))
	if err != nil {
		return nil, err
	}
	var removed []string
	var errs []error
	for _, dir := range found {
		info, err := os.Lstat(dir)
		if err != nil || !info.IsDir() {
			continue
		}
		if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(dir, pidFile))
		pid, bad := strconv.Atoi(strings.TrimSpace(string(raw)))
		if err != nil || bad != nil || pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || inUse(dir) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			errs = append(errs, err)
			continue
		}
		removed = append(removed, dir)
	}
	return removed, errors.Join(errs...)
}

// inUse reports whether a process has dir as its working folder, as every process of a run has.
func inUse(dir string) bool {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return true
	}
	all, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil || len(all) == 0 {
		return true
	}
	for _, cwd := range all {
		if at, err := os.Readlink(cwd); err == nil && at == dir {
			return true
		}
	}
	return false
}
