package queue

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/skerryhq/skerry/engine/model"
)

const childEnv = "SKERRY_QUEUE_CRASH_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		crashChild(path)
	}
	// bbolt leaves one behind when it refuses a damaged file.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("go.etcd.io/bbolt.(*DB).freepages.func2"))
}

// crashChild appends for ever, four callers at once, and says each number once it is durable. Now
// and then it drops, so that removal and compaction are hit too.
func crashChild(path string) {
	q, err := Open(path, Options{CompactBytes: 256 << 10})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	payload := `"` + strings.Repeat("x", 300) + `"`
	for range 4 {
		go func() {
			for i := 0; ; i++ {
				seq, err := q.Append([]model.Item{item(model.ItemMove, "k", payload)})
				if err == nil && i%40 == 39 {
					fmt.Println("drop", seq) // said before it is done: from here on it may be gone
					err = q.DropThrough(seq)
				}
				if err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				fmt.Println("have", seq)
			}
		}()
	}
	select {}
}

// After a kill -9 at any moment every acknowledged append is there, and no number comes twice.
func TestKill9LosesNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "q")
	var newest, dropped model.Seq
	for round := range 20 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		have := map[model.Seq]bool{}
		lines := bufio.NewScanner(out)
		for after := 1 + rnd.IntN(200); lines.Scan(); after-- {
			var what string
			var seq model.Seq
			if _, err := fmt.Sscan(lines.Text(), &what, &seq); err != nil {
				t.Fatalf("round %d: the child said %q", round, lines.Text())
			}
			switch what {
			case "have":
				if have[seq] {
					t.Fatalf("round %d: number %d came twice", round, seq)
				}
				have[seq] = true
			case "drop":
				dropped = max(dropped, seq)
			}
			if after == 0 {
				_ = cmd.Process.Kill() // the rest of the pipe is read on: it was acknowledged too
			}
		}
		_ = cmd.Wait()

		q, err := Open(path, Options{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		items, err := q.After(0, 1<<30, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		stored := map[model.Seq]bool{}
		for _, it := range items {
			stored[it.Seq] = true
		}
		for seq := range have {
			if seq <= newest {
				t.Fatalf("round %d: number %d was used before", round, seq)
			}
			if !stored[seq] && seq > dropped {
				t.Fatalf("round %d: number %d was acknowledged and is gone", round, seq)
			}
		}
		if q.Len() != len(items) {
			t.Fatalf("round %d: Len is %d, there are %d", round, q.Len(), len(items))
		}
		newest = q.Head()
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if newest < 100 {
		t.Fatalf("only %d appends in all: the test proves nothing", newest)
	}
}
