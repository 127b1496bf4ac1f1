package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpu is time that processors worked: for the engine's own processes, and for this one, which asks.
type cpu struct{ server, client time.Duration }

func (a cpu) minus(b cpu) cpu { return cpu{a.server - b.server, a.client - b.client} }

// each says what one of n answers took, in microseconds.
func (a cpu) each(n float64) string {
	us := func(d time.Duration) float64 { return float64(d.Microseconds()) / max(n, 1) }
	if a.server == 0 { // all of it is in this process
		return fmt.Sprintf("%.1f", us(a.client))
	}
	return fmt.Sprintf("%.0f+%.0f", us(a.server), us(a.client))
}

// spent is the processor time that an engine took so far. What runs within this process is the client's.
func (b *bench) spent(e Engine) cpu {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // cannot fail for oneself
	out := cpu{client: time.Duration(u.Utime.Nano() + u.Stime.Nano())}
	switch e.Name() {
	case "PostgreSQL":
		out.server = familyCPU(b.pg.server.cmd.Process.Pid)
	case "HTTPS":
		out.server = familyCPU(b.web.cmd.Process.Pid)
	}
	return out
}

// ticks is how many there are of the unit of /proc/PID/stat in a second, on every Linux that Go runs on.
const ticks = 100

// familyCPU is what a process and its children took, those that have ended among them.
func familyCPU(pid int) (sum time.Duration) {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is good
	for _, path := range paths {
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil { // ended meanwhile
			continue
		}
		parent, own, ended, ok := statTimes(string(b))
		switch {
		case !ok:
		case id == pid:
			sum += own + ended
		case parent == pid:
			sum += own
		}
	}
	return sum
}

// statTimes reads the line of /proc/PID/stat: the parent, what the process took itself and what its ended children
// did. The name in brackets may have anything in it, so the fields are counted from behind it.
func statTimes(line string) (parent int, own, ended time.Duration, ok bool) {
	at := strings.LastIndexByte(line, ')')
	f := strings.Fields(line[at+1:])
	if at < 0 || len(f) < 15 {
		return 0, 0, 0, false
	}
	var n [5]int64
	for i, k := range []int{1, 11, 12, 13, 14} { // ppid, utime, stime, cutime, cstime
		v, err := strconv.ParseInt(f[k], 10, 64)
		if err != nil {
			return 0, 0, 0, false
		}
		n[i] = v
	}
	tick := time.Second / ticks
	return int(n[0]), time.Duration(n[1]+n[2]) * tick, time.Duration(n[3]+n[4]) * tick, true
}
