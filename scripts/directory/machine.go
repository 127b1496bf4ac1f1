package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// machine says where the figures come from.
func machine() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // an empty name is no reason to stop
	memory := "?"
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			kb, _ := strconv.ParseFloat(f[1], 64)
			memory = fmt.Sprintf("%.0f GiB", kb/(1<<20))
		}
	}
	return fmt.Sprintf("%s %s, %d cores (%s), %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]), runtime.NumCPU(), processor(), memory)
}

func processor() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// loads are the load averages over 1, 5 and 15 minutes.
func loads() string {
	b, err := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(b))
	if err != nil || len(f) < 3 {
		return "unknown"
	}
	return strings.Join(f[:3], " ")
}

// modules are the versions of what carries the two engines.
func modules() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var out []string
	for _, m := range info.Deps {
		switch m.Path {
		case "github.com/cockroachdb/pebble/v2", "github.com/RoaringBitmap/roaring/v2", "github.com/hashicorp/raft", "github.com/hashicorp/raft-wal", "github.com/jackc/pgx/v5":
			out = append(out, strings.TrimPrefix(m.Path, "github.com/")+" "+m.Version)
		}
	}
	return strings.Join(out, ", ")
}

// diskBytes is what the files below dir take.
func diskBytes(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		i, err := e.Info()
		if os.IsNotExist(err) {
			return nil // a store at work removes files
		}
		if err == nil {
			sum += i.Size()
		}
		return err
	})
	return sum, err
}

// evict takes the files below dir out of the system's cache, as far as they are on the disk already.
func evict(dir string) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return err
		}
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}
