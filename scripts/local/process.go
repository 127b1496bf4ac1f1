package local

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process takes of the machine.
type Usage struct {
	RSS, Peak int64         // memory now and at the most, bytes
	Anon      int64         // of RSS, what it has made
	File      int64         // of RSS, files that it has mapped: the system takes those back when it needs the room
	CPU       time.Duration // of all processors since its start
	Files     int           // open
}

// ticks is how many units of CPU time Linux counts in a second.
const ticks = 100

// UsageOf returns what the process takes, as Linux tells it in /proc (proc_pid_status(5), proc_pid_stat(5)).
func UsageOf(pid int) (u Usage, err error) {
	if u, err = MemoryOf(pid); err != nil {
		return u, err
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
	u.CPU = time.Duration(user+system) * time.Second / ticks
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	u.Files = len(open)
	return u, err
}

// MemoryOf is UsageOf for the memory alone, which costs little: it may be asked many times a second.
func MemoryOf(pid int) (u Usage, err error) {
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
			u.RSS = n << 10
		case "VmHWM:":
			u.Peak = n << 10
		case "RssAnon:":
			u.Anon = n << 10
		case "RssFile:", "RssShmem:":
			u.File += n << 10
		}
	}
	return u, nil
}
