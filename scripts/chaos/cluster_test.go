package chaos

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/scripts/local"
)

var builtDir string // removed by TestMain

// built is the folder with the program under test: this tree's, or the one that SKERRY_CHAOS_BIN names.
var built = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("SKERRY_CHAOS_BIN"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "skerry-chaos-")
	if err != nil {
		return "", err
	}
	builtDir = dir
	cmd := exec.Command("go", "build", "-o", dir+"/", "../../appliance/cmd/skerry")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return dir, cmd.Run()
})

func cluster(t *testing.T, n int, w *Net) *Cluster {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	if why := Groups(bin); n > 1 && why != "" {
		t.Skip("SKIPPED: " + why)
	}
	dir, err := os.MkdirTemp("", "chaos-") // shorter than t.TempDir: socket paths have a limit
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewCluster(t.Context(), bin, dir, n, w)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
			for _, l := range logs {
				t.Logf("the end of %s:\n%s", filepath.Base(l), local.Tail(l, 25))
			}
		}
		_ = os.RemoveAll(dir)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// trouble is what is done to a group in a round, and undone at its end.
type trouble struct {
	name string
	do   func(c *Cluster, leader *Node, rnd *rand.Rand) error
	undo func(c *Cluster, leader *Node) error
	// These bound the median and the worst time until a write that begins after the trouble is acknowledged.
	median, worst time.Duration
}

// under runs a load on a group, rounds of trouble in it, and judges what the callers were told.
// prefix tells this load's registers from those of another one on the same group.
func under(t *testing.T, c *Cluster, prefix string, rounds int, tr trouble) {
	t.Helper()
	rnd := dice(t)
	h := NewHistory()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		// A client waits a little between two operations, so that a history is about moments, not about the machine's
		// patience; 220 names are in use: 4 such loads may share a group, which has at most 1,000 searches.
		Load{Prefix: prefix, Clients: 4 * len(c.Nodes), Names: 10, Era: 40, Eras: 22, Writes: 50, Pause: 2 * time.Millisecond, Timeout: 2 * time.Second, Seed: rnd.Uint64()}.
			Drive(ctx, h, 0, func(i int) Register { return c.Nodes[i%len(c.Nodes)].API() })
	}()
	var resumed []time.Duration
	for round := range rounds {
		var leader *Node
		if err := local.Until(ctx, 30*time.Second, "a leader", func() (bool, error) { leader = c.Leader(ctx); return leader != nil, nil }); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		settle(ctx, h, 20)
		if err := tr.do(c, leader, rnd); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		from := h.At()
		if len(c.Nodes) == 1 {
			if err := tr.undo(c, leader); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		var took time.Duration
		err := local.Until(ctx, 30*time.Second, "a write after the trouble", func() (ok bool, err error) { took, ok = h.Resumed(from); return ok, nil })
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		resumed = append(resumed, took)
		if len(c.Nodes) > 1 {
			if err := tr.undo(c, leader); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
	}
	settle(ctx, h, 50)
	cancel()
	<-loaded
	slices.Sort(resumed)
	median, worst := resumed[len(resumed)/2], resumed[len(resumed)-1]
	t.Logf("%s, %d nodes: %d rounds, %d operations, %d writes acknowledged, %d unknown, %d failed; writes resumed after %s (median), %s (worst)",
		tr.name, len(c.Nodes), rounds, h.Len(), h.Acked(), h.Unknown, h.Failed, median.Round(time.Millisecond), worst.Round(time.Millisecond))
	if err := h.Judge(2 * time.Minute); err != nil {
		t.Error(err)
	}
	// Other packages are tested at the same moment in the short form: times say something in the long one.
	if Long() && (median > tr.median || worst > tr.worst) {
		t.Errorf("writes resumed after %s (median) and %s (worst); at most %s and %s", median, worst, tr.median, tr.worst)
	}
}

// settle waits until n more writes are acknowledged.
func settle(ctx context.Context, h *History, n int) {
	before := h.Acked()
	_ = local.Until(ctx, 30*time.Second, "writes", func() (bool, error) { return h.Acked() >= before+n, nil }) // the caller sees what comes of it
}

var kill = trouble{
	name:   "kill -9 of the leader",
	do:     func(_ *Cluster, leader *Node, _ *rand.Rand) error { leader.Kill(); return nil },
	undo:   func(_ *Cluster, leader *Node) error { return leader.Start(context.Background()) },
	median: time.Second, worst: 2 * time.Second,
}

// A controller alone is killed again and again: what it told its callers stays true.
func TestOneControllerKilled(t *testing.T) {
	alone := kill
	alone.median, alone.worst = 10*time.Second, 20*time.Second // a start; how long it takes is measured elsewhere
	under(t, cluster(t, 1, nil), "", rounds(5, 100), alone)
}

func TestLeaderKilled(t *testing.T) {
	for _, n := range []int{3, 5} {
		t.Run(map[int]string{3: "three", 5: "five"}[n], func(t *testing.T) {
			under(t, cluster(t, n, nil), "", rounds(30, 500), kill)
		})
	}
}

// Networks that part: the leader alone, deaf or mute to one half, or now and then.
func TestPartitions(t *testing.T) {
	if why := NoNets(); why != "" {
		t.Skip("SKIPPED: " + why)
	}
	w, err := NewNet(3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	heal := func(*Cluster, *Node) error { return w.Heal() }
	c := cluster(t, 3, w) // ended before the network is
	for i, tr := range []trouble{
		{"the leader alone", func(_ *Cluster, l *Node, _ *rand.Rand) error { return w.Unplug(l.host) }, heal, 3 * time.Second, 3 * time.Second},
		{"the leader is not heard", func(_ *Cluster, l *Node, _ *rand.Rand) error {
			for i := range w.n {
				if i != l.host {
					if err := w.Drop(l.host, i); err != nil {
						return err
					}
				}
			}
			return nil
		}, heal, 3 * time.Second, 3 * time.Second},
		{"the leader hears nobody", func(_ *Cluster, l *Node, _ *rand.Rand) error {
			for i := range w.n {
				if i != l.host {
					if err := w.Drop(i, l.host); err != nil {
						return err
					}
				}
			}
			return nil
		}, heal, 3 * time.Second, 3 * time.Second},
		{"the leader's cable flaps", func(_ *Cluster, l *Node, rnd *rand.Rand) error {
			for range 5 {
				if err := w.Unplug(l.host); err != nil {
					return err
				}
				<-time.After(time.Duration(rnd.IntN(300)) * time.Millisecond)
				if err := w.Plug(l.host); err != nil {
					return err
				}
				<-time.After(time.Duration(rnd.IntN(300)) * time.Millisecond)
			}
			return nil
		}, heal, 3 * time.Second, 3 * time.Second},
	} {
		t.Run(tr.name, func(t *testing.T) { under(t, c, string(rune('a'+i)), rounds(3, 50), tr) })
	}
}
