package chaos

import (
	"os/exec"
	"testing"
	"time"
)

// faults runs rounds in which the system calls that make things durable get a fault, and the power is cut a little later.
func faults(t *testing.T, rounds int, fault string, linger time.Duration, stores ...string) *Outcome {
	t.Helper()
	if why := NoVolumes(); why != "" {
		t.Skip("SKIPPED: " + why)
	}
	if why := Missing(false, "strace"); why != "" {
		t.Skip("SKIPPED: " + why)
	}
	v, err := NewVolume(t.TempDir(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}()
	var injected *Injection
	r := Rig{
		Start: func(int) *exec.Cmd { return child(v.Dir, stores) },
		Spoil: func(pid int) (err error) { injected, err = Inject(pid, Syncs, fault); return err },
		Break: func() error {
			err := v.Cut()
			if injected != nil { // none, if it is broken while it opens
				injected.End()
				injected = nil
			}
			return err
		},
		Mend: func() error {
			if injected != nil { // a program that ends by itself when a sync fails
				injected.End()
				injected = nil
			}
			return v.Again()
		},
		Fresh: v.Format, FreshEvery: 20, Least: 20 * time.Millisecond, Most: 200 * time.Millisecond, Linger: linger, Rand: dice(t),
	}
	out, err := r.Run(rounds, stores)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out)
	return out
}

// When the disk says that a sync failed, nothing is acknowledged that a power cut then takes.
func TestFailedSyncs(t *testing.T) {
	stores := []string{"log", "vote", "node", "index", "queue", "detail"}
	out := faults(t, rounds(10, 200), "error=EIO", 200*time.Millisecond, stores...)
	if !out.OK() {
		t.Error("something was acknowledged after a sync had failed, or is gone")
	}
	if out.Gone < out.Rounds {
		t.Errorf("%d stores said in %d rounds that they cannot write: this proves nothing", out.Gone, out.Rounds)
	}
}

// A disk that holds every sync up for two seconds costs time and nothing else.
func TestStalledSyncs(t *testing.T) {
	stores := []string{"log", "vote", "node", "index", "queue", "detail"}
	if out := faults(t, rounds(3, 50), "delay_enter=2000000", 2500*time.Millisecond, stores...); !out.OK() {
		t.Error("a disk that stalls lost what was acknowledged")
	}
}
