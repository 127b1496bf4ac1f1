package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"go.etcd.io/bbolt"
)

func open(t *testing.T, path string) *Queue {
	t.Helper()
	q, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func item(kind model.ItemKind, key, payload string) model.Item {
	it := model.Item{Kind: kind, Key: key, AsOf: 1_700_000_000_000}
	if payload != "" {
		it.Payload = jsontext.Value(payload)
	}
	return it
}

func mustAppend(t *testing.T, q *Queue, items ...model.Item) model.Seq {
	t.Helper()
	seq, err := q.Append(items)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

// all returns the waiting items as "seq kind key payload".
func all(t *testing.T, q *Queue) []string {
	t.Helper()
	items, err := q.After(0, 1<<20, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, it := range items {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", it.Seq, it.Kind, it.Key, string(it.Payload))))
	}
	if len(out) != q.Len() {
		t.Fatalf("Len is %d, there are %d items", q.Len(), len(out))
	}
	return out
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestNewestPerKeyWins(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q"))
	mustAppend(t, q, item(model.ItemHost, "a", `1`), item(model.ItemFacts, "a", `2`), item(model.ItemHost, "b", `3`))
	mustAppend(t, q, item(model.ItemHost, "a", `4`))
	same(t, all(t, q), "2 facts a 2", "3 host b 3", "4 host a 4")
	mustAppend(t, q, item(model.ItemHostGone, "b", ""))
	mustAppend(t, q, item(model.ItemAdvisory, "b", `6`), item(model.ItemAdvisoryGone, "b", ""))
	same(t, all(t, q), "2 facts a 2", "4 host a 4", "5 host_gone b", "7 advisory_gone b")
	mustAppend(t, q, item(model.ItemHost, "b", `8`))
	same(t, all(t, q), "2 facts a 2", "4 host a 4", "7 advisory_gone b", "8 host b 8")
	if err := q.DropThrough(8); err != nil {
		t.Fatal(err)
	}
	if q.Len() != 0 || q.Bytes() != 0 {
		t.Fatalf("after a full drain there are %d items of %d bytes", q.Len(), q.Bytes())
	}
}

// A status says a part of what a row says. Were it kept when a newer row takes the place of the one before
// it, it would be sent first, and the receiver would be told of a host that it does not know.
func TestARowTakesThePlaceOfItsStatus(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q.db"))
	mustAppend(t, q, item(model.ItemHost, "a", "1"), item(model.ItemStatus, "a", "2"), item(model.ItemStatus, "b", "3"), item(model.ItemStatus, "a", "4"))
	same(t, all(t, q), "1 host a 1", "3 status b 3", "4 status a 4")
	mustAppend(t, q, item(model.ItemHost, "a", "5"))
	same(t, all(t, q), "3 status b 3", "5 host a 5")
	mustAppend(t, q, item(model.ItemStatus, "a", "6"), item(model.ItemHostGone, "a", ""), item(model.ItemHostGone, "b", ""))
	same(t, all(t, q), "7 host_gone a", "8 host_gone b")
	if err := q.SetEpoch(q.Epoch() + 1); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, q, item(model.ItemStatus, "a", "9"))
	same(t, all(t, q), "7 host_gone a", "8 host_gone b", "10 status a 9")
}

// TestKeysOfWhatWaits: of one family, until it is dropped.
func TestKeysOfWhatWaits(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q.db"))
	mustAppend(t, q, item(model.ItemHost, "a", "1"), item(model.ItemStatus, "c", "2"), item(model.ItemHostGone, "b", ""), item(model.ItemHost, "b", "3"),
		item(model.ItemMove, "d", "4"), item(model.ItemHost, "e", "5"), item(model.ItemHostGone, "e", ""))
	keys := func(kind model.ItemKind) (out string) {
		if err := q.Keys(kind, func(key string) error { out += key; return nil }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if h, g, s, m := keys(model.ItemHost), keys(model.ItemHostGone), keys(model.ItemStatus), keys(model.ItemMove); h != "abe" || g != h || s != "c" || m != "" {
		t.Errorf("hosts %q, gone %q, statuses %q, moves %q", h, g, s, m)
	}
	if err := q.DropThrough(4); err != nil {
		t.Fatal(err)
	}
	if h, s := keys(model.ItemHost), keys(model.ItemStatus); h != "e" || s != "" {
		t.Errorf("after a drop: hosts %q, statuses %q", h, s)
	}
	if err := q.Keys(model.ItemHost, func(string) error { return io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("the error of whoever asks: %v", err)
	}
}

func TestEventsAreNeverCompacted(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q"))
	mustAppend(t, q, item(model.ItemMove, "k", `1`), item(model.ItemMove, "k", `2`), item(model.ItemOrder, "k", `3`),
		item(model.ItemCommandHeld, "k", ""), item(model.ItemCommandHeld, "k", ""))
	same(t, all(t, q), "1 move k 1", "2 move k 2", "3 order k 3", "4 command_held k", "5 command_held k")
}

func TestAppendRefusesWhatCannotBeSent(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q"))
	big := jsontext.Value(`"` + strings.Repeat("x", model.MaxPayload) + `"`)
	for name, tc := range map[string]struct {
		it   model.Item
		kind fault.Kind
	}{
		"no kind":     {item("", "k", `1`), fault.Invalid},
		"kind with 0": {item("a\x00b", "k", `1`), fault.Invalid},
		"long key":    {item(model.ItemHost, strings.Repeat("k", model.MaxItemKey+1), `1`), fault.TooLarge},
		"big payload": {model.Item{Kind: model.ItemHost, Key: "k", Payload: big}, fault.TooLarge},
		"no JSON":     {item(model.ItemHost, "k", `{`), fault.Invalid},
	} {
		if _, err := q.Append([]model.Item{item(model.ItemHost, "good", `1`), tc.it}); !fault.Is(err, tc.kind) {
			t.Errorf("%s: got %v, want kind %s", name, err, tc.kind)
		}
	}
	if q.Len() != 0 || q.Head() != 0 {
		t.Errorf("a refused append left %d items, head %d", q.Len(), q.Head())
	}
}

func TestRestartKeepsSeqAndEpoch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	q := open(t, path)
	mustAppend(t, q, item(model.ItemHost, "a", `1`), item(model.ItemHost, "b", `2`))
	if err := q.SetEpoch(3); err != nil {
		t.Fatal(err)
	}
	same(t, all(t, q), "1 host a 1", "2 host b 2")
	mustAppend(t, q, item(model.ItemHost, "a", `3`))
	same(t, all(t, q), "2 host b 2", "4 host a 3")
	if err := q.DropThrough(4); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, path)
	if q.Epoch() != 3 || q.Head() != 4 || q.Dropped() != 4 || q.Len() != 0 {
		t.Fatalf("after a restart: epoch %d head %d dropped %d len %d", q.Epoch(), q.Head(), q.Dropped(), q.Len())
	}
	if seq := mustAppend(t, q, item(model.ItemHost, "a", `4`)); seq != 5 {
		t.Fatalf("the first append after the restart has number %d, want 5", seq)
	}
	if err := q.SetEpoch(2); !fault.Is(err, fault.Conflict) {
		t.Fatalf("going back an epoch: %v", err)
	}
	if err := q.SetEpoch(3); err != nil || q.Head() != 5 {
		t.Fatalf("the same epoch again: %v, head %d", err, q.Head())
	}
}

// A new epoch keeps what waits, its order, its events and its places, and is seen by whoever noted the head.
func TestNewEpochKeepsWhatWaits(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q"))
	mustAppend(t, q, item(model.ItemHost, "a", `1`), item(model.ItemMove, "m", `2`), item(model.ItemHost, "a", `3`), item(model.ItemMove, "m", `4`))
	if err := q.DropThrough(2); err != nil {
		t.Fatal(err)
	}
	bytes := q.Bytes()
	if err := q.SetEpoch(2); err != nil {
		t.Fatal(err)
	}
	same(t, all(t, q), "3 host a 3", "4 move m 4")
	if q.Head() != 5 || q.Dropped() != 0 || q.Bytes() != bytes {
		t.Fatalf("head %d dropped %d bytes %d, want 5, 0, %d", q.Head(), q.Dropped(), q.Bytes(), bytes)
	}
	mustAppend(t, q, item(model.ItemHost, "a", `5`))
	same(t, all(t, q), "4 move m 4", "6 host a 5")
	if err := q.DropThrough(5); err != nil {
		t.Fatal(err)
	}
	same(t, all(t, q), "6 host a 5")
}

// A new epoch does not read what waits: with 5,000,000 events that would be gigabytes of memory.
func TestNewEpochCostsTheSameWhateverWaits(t *testing.T) {
	cost := func(items int) uint64 {
		q := open(t, filepath.Join(t.TempDir(), "q"))
		payload := `"` + strings.Repeat("x", 1000) + `"`
		var run []model.Item
		for i := range items {
			run = append(run, item(model.ItemMove, fmt.Sprint(i), payload))
		}
		mustAppend(t, q, run...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := q.SetEpoch(2); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if q.Len() != items {
			t.Fatalf("%d of %d items wait", q.Len(), items)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := cost(1), cost(3_000); many > few+1<<20 {
		t.Errorf("with 3,000 items it took %d bytes of memory, with one %d", many, few)
	}
}

func TestAfterHonoursItsLimits(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q"))
	for i := range 5 {
		mustAppend(t, q, item(model.ItemMove, fmt.Sprint(i), `"0123456789"`)) // 13 bytes each
	}
	for _, tc := range []struct {
		after           model.Seq
		items, bytes, n int
		first           model.Seq
	}{
		{0, 10, 1000, 5, 1},
		{0, 2, 1000, 2, 1},
		{2, 10, 1000, 3, 3},
		{0, 10, 26, 2, 1},
		{0, 10, 25, 1, 1},
		{0, 10, 1, 1, 1},
		{0, 0, 1000, 1, 1},
		{5, 10, 1000, 0, 0},
		{99, 10, 1000, 0, 0},
	} {
		got, err := q.After(tc.after, tc.items, tc.bytes)
		if err != nil || len(got) != tc.n || (tc.n > 0 && got[0].Seq != tc.first) {
			t.Errorf("After(%d, %d, %d): %d items, %v; want %d from %d", tc.after, tc.items, tc.bytes, len(got), err, tc.n, tc.first)
		}
	}
	if err := q.DropThrough(6); !fault.Is(err, fault.Conflict) {
		t.Errorf("dropping beyond the head: %v", err)
	}
	if q.Len() != 5 {
		t.Errorf("a refused drop removed items: %d left", q.Len())
	}
}

// Concurrent appends get distinct numbers without gaps and share fsyncs; the model is a map.
func TestConcurrentAppendsShareCommits(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q"))
	var mu sync.Mutex
	commits := 0
	q.commit = func(tx *bbolt.Tx) error {
		mu.Lock()
		commits++
		mu.Unlock()
		return tx.Commit()
	}
	const callers, each = 16, 25
	seen := make(map[model.Seq]bool)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				seq, err := q.Append([]model.Item{item(model.ItemMove, fmt.Sprint(c), fmt.Sprint(i))})
				mu.Lock()
				if err != nil || seen[seq] {
					t.Errorf("append: number %d, %v", seq, err)
				}
				seen[seq] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != callers*each || q.Head() != callers*each || q.Len() != callers*each {
		t.Fatalf("%d numbers, head %d, len %d, want %d each", len(seen), q.Head(), q.Len(), callers*each)
	}
	if commits > callers*each/2 {
		t.Errorf("%d appends took %d commits: they do not share them", callers*each, commits)
	}
}

// A random walk against a plain model, with restarts.
func TestRandomAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "q")
	q := open(t, path)
	var waiting []model.Item
	var head, dropped model.Seq
	for step := range 400 {
		switch r := rnd.IntN(10); {
		case r < 7:
			var items []model.Item
			for range 1 + rnd.IntN(4) {
				kinds := []model.ItemKind{model.ItemHost, model.ItemHostGone, model.ItemFacts, model.ItemMove, model.ItemStatus}
				it := item(kinds[rnd.IntN(len(kinds))], fmt.Sprint(rnd.IntN(5)), fmt.Sprint(step))
				items = append(items, it)
				head++
				it.Seq = head
				whole := func(k model.ItemKind) bool { return k == model.ItemHost || k == model.ItemHostGone }
				waiting = slices.DeleteFunc(waiting, func(w model.Item) bool {
					switch {
					case w.Key != it.Key || it.Kind == model.ItemMove:
						return false
					case whole(it.Kind):
						return whole(w.Kind) || w.Kind == model.ItemStatus
					}
					return w.Kind == it.Kind
				})
				waiting = append(waiting, it)
			}
			if got := mustAppend(t, q, items...); got != head {
				t.Fatalf("step %d: number %d, want %d", step, got, head)
			}
		case r < 9:
			to := dropped + model.Seq(rnd.IntN(int(head-dropped)+1))
			if err := q.DropThrough(to); err != nil {
				t.Fatal(err)
			}
			dropped = to
			for len(waiting) > 0 && waiting[0].Seq <= to {
				waiting = waiting[1:]
			}
		default:
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			q = open(t, path)
		}
	}
	var want []string
	for _, it := range waiting {
		want = append(want, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", it.Seq, it.Kind, it.Key, string(it.Payload))))
	}
	same(t, all(t, q), want...)
	if q.Head() != head || q.Dropped() != dropped {
		t.Fatalf("head %d dropped %d, want %d and %d", q.Head(), q.Dropped(), head, dropped)
	}
}

func TestWait(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q"))
	done := make(chan error, 1)
	go func() { done <- q.Wait(t.Context(), 1) }()
	mustAppend(t, q, item(model.ItemHost, "a", `1`))
	mustAppend(t, q, item(model.ItemHost, "a", `2`))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { done <- q.Wait(ctx, 2) }()
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Fatalf("a cancelled wait: %v", err)
	}
	go func() { done <- q.Wait(t.Context(), 2) }()
	_ = q.Close()
	if err := <-done; !fault.Is(err, fault.ReadOnly) {
		t.Fatalf("a wait on a closed queue: %v", err)
	}
	if _, err := q.Append([]model.Item{item(model.ItemHost, "a", `3`)}); !fault.Is(err, fault.ReadOnly) {
		t.Fatalf("an append to a closed queue: %v", err)
	}
}

func TestFailedCommitLatches(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	q := open(t, path)
	mustAppend(t, q, item(model.ItemHost, "a", `1`))
	if err := q.Err(); err != nil {
		t.Errorf("a queue that is well says %v", err)
	}
	q.commit = func(*bbolt.Tx) error { return errors.New("input/output error") }
	if _, err := q.Append([]model.Item{item(model.ItemHost, "b", `2`)}); !fault.Is(err, fault.ReadOnly) {
		t.Fatalf("append on a failing disk: %v", err)
	}
	<-q.Failed()
	if err := q.Err(); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("it says of itself %v", err)
	}
	q.commit = (*bbolt.Tx).Commit // the disk says that it is well again: it is not believed
	for what, err := range map[string]error{
		"append": second(q.Append([]model.Item{item(model.ItemHost, "b", `2`)})),
		"drop":   q.DropThrough(1),
		"epoch":  q.SetEpoch(2),
		"take":   q.Take(model.NodeID{1}, 1, []model.Item{{Seq: 1, Kind: model.ItemSigner}}),
	} {
		if !fault.Is(err, fault.ReadOnly) {
			t.Errorf("%s after a failed commit: %v", what, err)
		}
	}
	same(t, all(t, q), "1 host a 1")
	_ = q.Close()
	same(t, all(t, open(t, path)), "1 host a 1")
}

func second[T any](_ T, err error) error { return err }

func TestDrainedFileShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	q, err := Open(path, Options{CompactBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	order := takeOrder(t, q, 1, 1)
	blob := `"` + strings.Repeat("x", 1<<18) + `"`
	for i := range 8 {
		mustAppend(t, q, item(model.ItemHost, fmt.Sprint(i), blob))
	}
	before, _ := fileSize(path)
	if err := q.DropThrough(q.Head()); err != nil {
		t.Fatal(err)
	}
	if seq := mustAppend(t, q, item(model.ItemHost, "next", `1`)); seq != 9 { // waits for the rewrite
		t.Fatalf("the number after the rewrite is %d, want 9", seq)
	}
	after, err := fileSize(path)
	if err != nil || before < 2<<20 || after > 1<<20 {
		t.Fatalf("the file went from %d to %d bytes (%v)", before, after, err)
	}
	if _, err := Open(path, Options{LockTimeout: time.Millisecond}); !fault.Is(err, fault.Conflict) {
		t.Fatalf("a second process on the swapped file: %v", err)
	}
	_ = q.Close()
	q = open(t, path)
	same(t, all(t, q), "9 host next 1")
	if recs, err := q.Orders(); err != nil || len(recs) != 1 || recs[0].Order.Command.ID != order {
		t.Fatalf("the journal after the rewrite: %v, %v", recs, err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	held := filepath.Join(dir, "held")
	open(t, held)
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("no queue ", 4096)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer")
	q := open(t, newer)
	if err := q.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyFormat, []byte{0, 0, 0, 99}) }); err != nil {
		t.Fatal(err)
	}
	_ = q.Close()
	for path, kind := range map[string]fault.Kind{
		held: fault.Conflict, garbage: fault.Corrupt, newer: fault.Version, filepath.Join(dir, "none", "q"): fault.NotFound,
	} {
		if _, err := Open(path, Options{LockTimeout: 10 * time.Millisecond}); !fault.Is(err, kind) || !strings.Contains(err.Error(), path) {
			t.Errorf("open %s: %v, want kind %s", path, err, kind)
		}
	}
	// What a crash during creation or compaction left does not disturb.
	fresh := filepath.Join(dir, "fresh")
	for _, suffix := range []string{suffixNew, suffixCompact} {
		if err := os.WriteFile(fresh+suffix, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(open(t, fresh).path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the new file: %v, %v", info, err)
	}
}
