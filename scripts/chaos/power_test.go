package chaos

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// child returns this test's own program as the program of a round.
func child(dir string, stores []string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childStores+"="+strings.Join(stores, " "))
	return cmd
}

func dice(t *testing.T) *rand.Rand {
	seed := Seed()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// cuts runs rounds of power cuts of the stores.
func cuts(t *testing.T, rounds int, stores ...string) *Outcome {
	t.Helper()
	if why := NoVolumes(); why != "" {
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
	r := Rig{
		Start: func(int) *exec.Cmd { return child(v.Dir, stores) },
		Break: v.Cut, Mend: v.Again, Fresh: v.Format, FreshEvery: 20,
		Least: 5 * time.Millisecond, Most: 120 * time.Millisecond, Rand: dice(t),
	}
	out, err := r.Run(rounds, stores)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out)
	return out
}

// Power cuts of every store that a controller or a site has: nothing that was acknowledged is lost, and everything can
// be read.
func TestPowerCuts(t *testing.T) {
	stores := []string{"log", "vote", "node", "index", "queue", "detail"}
	out := cuts(t, rounds(100, 3000), stores...)
	if !out.OK() {
		t.Error("power cuts took what was acknowledged")
	}
	for _, s := range stores {
		if out.Acked[s] < uint64(out.Rounds) {
			t.Errorf("%s acknowledged %d writes in %d rounds: this proves nothing", s, out.Acked[s], out.Rounds)
		}
	}
}

// The same rounds find a store that does not sync.
func TestPowerCutsFindWhatIsNotSynced(t *testing.T) {
	for _, store := range []string{"log-unsynced", "index-unsynced"} {
		t.Run(store, func(t *testing.T) {
			if out := cuts(t, 20, store); out.OK() {
				t.Errorf("%s lost nothing in %d rounds: these cuts prove nothing", store, out.Rounds)
			}
		})
	}
}
