package chaos

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// kills runs rounds of kill -9.
func kills(t *testing.T, rounds int, start func(dir string) *exec.Cmd, stores ...string) *Outcome {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "stores")
	nothing := func() error { return nil }
	r := Rig{
		Start: func(int) *exec.Cmd { return start(dir) },
		Break: nothing, Mend: nothing, Late: true, // being killed is the break
		Fresh: func() error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)) }, FreshEvery: 40,
		Least: 2 * time.Millisecond, Most: 60 * time.Millisecond, Rand: dice(t),
	}
	if err := r.Fresh(); err != nil {
		t.Fatal(err)
	}
	out, err := r.Run(rounds, stores)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out)
	return out
}

// After a kill -9 at any moment, also while it starts, every store has what it acknowledged.
func TestKills(t *testing.T) {
	stores := []string{"log", "vote", "node", "index", "queue", "detail"}
	out := kills(t, rounds(60, 1000), func(dir string) *exec.Cmd { return child(dir, stores) }, stores...)
	if !out.OK() {
		t.Error("kills took what was acknowledged")
	}
	for _, s := range stores {
		if out.Acked[s] < uint64(out.Rounds) {
			t.Errorf("%s acknowledged %d writes in %d rounds: this proves nothing", s, out.Acked[s], out.Rounds)
		}
	}
}

// The same rounds find what is wrong with raft-wal 0.4.0.
func TestKillsFindAKnownBug(t *testing.T) {
	program := filepath.Join(t.TempDir(), "walbug")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join("testdata", "walbug")
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if msg, err := build.CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: raft-wal 0.4.0 cannot be built here (it is a module of its own, which the go command fetches): %v\n%s", err, msg)
	}
	if out := kills(t, 1000, func(dir string) *exec.Cmd { return exec.Command(program, dir) }, "wal"); out.OK() {
		t.Errorf("raft-wal 0.4.0 survived %d kills: these rounds prove nothing", out.Rounds)
	}
}
