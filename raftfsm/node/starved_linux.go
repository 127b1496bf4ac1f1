package node

import (
	"runtime"
	"syscall"
	"time"
)

// processor works for so long and returns what share of a processor it got. It takes four times as long at most.
func processor(work time.Duration) float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &r); err != nil {
			return 0
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	from, had := time.Now(), used()
	for {
		took, got := time.Since(from), used()-had
		if got >= work || took >= 4*work {
			return float64(got) / float64(took)
		}
	}
}
