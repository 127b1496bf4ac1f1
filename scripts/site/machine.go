package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a process takes.
type usage struct {
	rss, peak int64         // bytes
	cpu       time.Duration // since its start
	files     int           // open
}

// ticks is how many units of CPU time Linux counts in a second.
const ticks = 100

func usageOf(pid int) (u usage, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(words[1], 10, 64)
		switch words[0] {
		case "VmRSS:":
			u.rss = n << 10
		case "VmHWM:":
			u.peak = n << 10
		}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	// The name of the program stands in brackets and may hold anything.
	words := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(words) < 13 {
		return u, fmt.Errorf("the system says of process %d: %s", pid, stat)
	}
	user, _ := strconv.ParseInt(words[11], 10, 64)
	system, _ := strconv.ParseInt(words[12], 10, 64)
	u.cpu = time.Duration(user+system) * time.Second / ticks
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	u.files = len(open)
	return u, err
}

// size is what a folder takes, in bytes.
type size struct{ logical, allocated int64 }

// sizeOf adds up the files below dir. Files that go meanwhile are not counted; one with several names counts once.
func sizeOf(dir string) (s size, err error) {
	seen := map[uint64]bool{}
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok || seen[st.Ino] {
			return nil
		}
		seen[st.Ino] = true
		s.logical += info.Size()
		s.allocated += st.Blocks * 512
		return nil
	})
	return s, err
}

// machine names what the figures were taken on, for people.
func machine() string {
	load, _ := os.ReadFile("/proc/loadavg")
	words := strings.Fields(string(load))
	return fmt.Sprintf("%s/%s, %d processors, %s, load %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), strings.Join(words[:min(3, len(words))], " "))
}

// mib writes bytes as MiB.
func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
