// Package chaos breaks Skerry on purpose and looks at what is left: power cuts, kills, disks that fail or stall, networks
// that part, and histories of what callers were told. It is the harness; its tests are the runs.
//
// It owns the means: a file system whose power can be cut (power.go), rounds of writing and cutting (rounds.go), faults
// put into system calls of a real program (trace.go), networks of namespaces (net.go), histories and their judge
// (history.go), real groups of controllers (cluster.go), files that are damaged (damage.go) and disks that are full
// (Volume.Fill). It never changes what it tests, and needs Linux; most of it needs root, and says so where it is missing.
//
// The short form runs in go test. SKERRY_CHAOS=long (make chaos) runs the long one, SKERRY_CHAOS_ROUNDS=N as many rounds
// as are wanted, SKERRY_CHAOS_SEED=N the same dice again. SKERRY_CHAOS_BIN=DIR tests the programs in that folder instead
// of this tree's.
package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Long reports whether the long form was asked for.
func Long() bool { return os.Getenv("SKERRY_CHAOS") == "long" }

// Rounds returns how many rounds to run: short or long by default.
func Rounds(short, long int) int {
	if n, err := strconv.Atoi(os.Getenv("SKERRY_CHAOS_ROUNDS")); err == nil && n > 0 {
		return n
	}
	if Long() {
		return long
	}
	return short
}

// Seed returns the seed of the dice: a new one, or that of SKERRY_CHAOS_SEED.
func Seed() uint64 {
	if n, err := strconv.ParseUint(os.Getenv("SKERRY_CHAOS_SEED"), 10, 64); err == nil {
		return n
	}
	return rand.Uint64()
}

// Missing returns what this machine lacks of root and the programs named; "" for nothing.
func Missing(root bool, programs ...string) string {
	var lacks []string
	if root && os.Getuid() != 0 {
		lacks = append(lacks, "root")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			lacks = append(lacks, "the program "+p)
		}
	}
	if len(lacks) == 0 {
		return ""
	}
	return "this needs " + strings.Join(lacks, " and ")
}

// run runs a program; its output is part of the error.
func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

var (
	starter sync.Once
	jobs    = make(chan func())
)

// start starts cmd as the head of a process group, which is killed when this program ends in any way. That is the
// business of the thread that started it, so one thread starts all and stays.
func start(cmd *exec.Cmd) error {
	starter.Do(func() {
		go func() {
			runtime.LockOSThread()
			for f := range jobs {
				f()
			}
		}()
	})
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	result := make(chan error)
	jobs <- func() { result <- cmd.Start() }
	return <-result
}
