package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestStatTimes(t *testing.T) {
	fields := func(name string) string {
		return "7 (" + name + ") S 3 7 7 0 -1 4194560 100 200 0 0 11 12 13 14 20 0 1 0 100"
	}
	for _, name := range []string{"postgres", "a) S 9 9 9", "", "a b (c"} {
		parent, own, ended, ok := statTimes(fields(name))
		if !ok || parent != 3 || own != 230*time.Millisecond || ended != 270*time.Millisecond {
			t.Errorf("%q: parent %d, %s and %s, %v", name, parent, own, ended, ok)
		}
	}
	for _, line := range []string{"", "7 (x) S 3", "7 x S", strings.Replace(fields("x"), " 12 ", " y ", 1)} {
		if _, _, _, ok := statTimes(line); ok {
			t.Errorf("%q was read", line)
		}
	}
}

// TestFamilyCPU: what a child does counts while it runs and after it has ended.
func TestFamilyCPU(t *testing.T) {
	before := familyCPU(os.Getpid())
	// It ends when it has worked for about a tenth of a second by the clock that is read here.
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
	if err := cmd.Run(); err != nil {
		t.Skipf("SKIPPED: there is no shell to measure: %v", err)
	}
	worked := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if took := familyCPU(os.Getpid()) - before; took < worked-2*time.Second/ticks {
		t.Errorf("%s are told of a child that worked for %s", took, worked)
	}
}
