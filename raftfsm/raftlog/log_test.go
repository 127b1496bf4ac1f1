package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

var (
	_ raft.LogStore          = (*Log)(nil)
	_ raft.StableStore       = (*Log)(nil)
	_ raft.MonotonicLogStore = (*Log)(nil)
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string) *Log {
	t.Helper()
	// The kernel keeps what it has when a test ends; the power is cut elsewhere.
	l, err := Open(dir, Options{SegmentBytes: minSegment, NoSync: true})
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func random(rnd *rand.Rand, index uint64) *raft.Log {
	n := rnd.IntN(200)
	if rnd.IntN(20) == 0 {
		n = rnd.IntN(3 * minSegment)
	}
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	e := &raft.Log{Index: index, Term: 1 + rnd.Uint64N(5), Type: raft.LogType(rnd.IntN(5)), Data: data}
	if rnd.IntN(3) == 0 {
		e.Extensions = []byte("more")
	}
	if rnd.IntN(2) == 0 {
		e.AppendedAt = time.Unix(1_700_000_000, rnd.Int64N(1e9))
	}
	return e
}

func same(a, b *raft.Log) bool {
	return a.Index == b.Index && a.Term == b.Term && a.Type == b.Type && bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Extensions, b.Extensions) && a.AppendedAt.Equal(b.AppendedAt)
}

// plain is what a log is held against.
type plain struct {
	first, last uint64
	entries     map[uint64]*raft.Log
	keys        map[string]string
}

func (p *plain) check(l *Log) error {
	first, err := l.FirstIndex()
	if err != nil {
		return err
	}
	last, err := l.LastIndex()
	if err != nil {
		return err
	}
	if first != p.first || last != p.last {
		return fmt.Errorf("it has %d to %d, want %d to %d", first, last, p.first, p.last)
	}
	var got raft.Log
	for i := p.first; i <= p.last && i > 0; i++ {
		if err := l.GetLog(i, &got); err != nil {
			return err
		}
		if !same(&got, p.entries[i]) {
			return fmt.Errorf("entry %d is %+v, want %+v", i, got, p.entries[i])
		}
	}
	for _, i := range []uint64{0, p.first - 1, p.last + 1} {
		if err := l.GetLog(i, &got); !errors.Is(err, raft.ErrLogNotFound) {
			return fmt.Errorf("entry %d, which is not in it: %v", i, err)
		}
	}
	for k, v := range p.keys {
		got, err := l.Get([]byte(k))
		if err != nil {
			return err
		}
		if string(got) != v {
			return fmt.Errorf("%s is %q, want %q", k, got, v)
		}
	}
	return nil
}

// step does something at random to the log, and returns what it then holds.
func (p *plain) step(l *Log, rnd *rand.Rand) (next *plain, err error) {
	q := p.clone()
	switch n := rnd.IntN(20); {
	case n < 12:
		index := p.last + 1
		if p.last == 0 {
			index = 1 + rnd.Uint64N(1000)
			q.first = index
		}
		var batch []*raft.Log
		for range 1 + rnd.IntN(10) {
			q.last = index + uint64(len(batch))
			q.entries[q.last] = random(rnd, q.last)
			batch = append(batch, q.entries[q.last])
		}
		return q, l.StoreLogs(batch)
	case n < 15 && p.last > 0: // the front, and now and then all
		to := min(p.first+rnd.Uint64N(30), p.last+1)
		if rnd.IntN(10) == 0 {
			to = p.last
		}
		if q.first = to + 1; q.first > q.last {
			q.first, q.last = 0, 0
		}
		return q, l.DeleteRange(p.first, to)
	case n < 17 && p.last > p.first:
		from := max(p.first+1, p.last-min(p.last, rnd.Uint64N(20)))
		q.last = from - 1
		return q, l.DeleteRange(from, p.last)
	}
	k, v := fmt.Sprint("key", rnd.IntN(5)), fmt.Sprint(rnd.Uint64())
	q.keys[k] = v
	return q, l.Set([]byte(k), []byte(v))
}

func (p *plain) clone() *plain {
	return &plain{p.first, p.last, maps.Clone(p.entries), maps.Clone(p.keys)}
}

func newPlain() *plain { return &plain{entries: map[uint64]*raft.Log{}, keys: map[string]string{}} }

// What is written is read, across files, cuts at both ends and restarts.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 8 {
		dir, p := t.TempDir(), newPlain()
		l := open(t, dir)
		for range 60 {
			next, err := p.step(l, rnd)
			must(t, err)
			p = next
			if rnd.IntN(10) == 0 {
				must(t, l.Close())
				l = open(t, dir)
			}
			must(t, p.check(l))
		}
		names, err := filepath.Glob(filepath.Join(dir, "*.log"))
		must(t, err)
		if limit := len(l.segs) + keepSpare; len(names) > limit {
			t.Errorf("%d files are left, at most %d are needed", len(names), limit)
		}
	}
}

func TestRefusals(t *testing.T) {
	l := open(t, t.TempDir())
	must(t, l.StoreLogs([]*raft.Log{{Index: 7}, {Index: 8}, {Index: 9}}))
	for name, err := range map[string]error{
		"a gap":               l.StoreLog(&raft.Log{Index: 11}),
		"an index again":      l.StoreLog(&raft.Log{Index: 9}),
		"a cut in the middle": l.DeleteRange(8, 8),
	} {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := l.StoreLog(&raft.Log{Index: 10, Data: make([]byte, MaxEntry+1)}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("an entry that is too large: %v", err)
	}
	if err := l.Set([]byte("k"), make([]byte, maxValue+1)); !fault.Is(err, fault.TooLarge) {
		t.Errorf("a value that is too large: %v", err)
	}
	for i := range maxKeys {
		must(t, l.SetUint64(fmt.Append(nil, "key", i), uint64(i)))
	}
	if err := l.Set([]byte("one more"), nil); !fault.Is(err, fault.TooLarge) {
		t.Errorf("too many values: %v", err)
	}
	if n, err := l.GetUint64([]byte("key3")); n != 3 || err != nil {
		t.Errorf("a number: %d, %v", n, err)
	}
	if n, err := l.GetUint64([]byte("nothing")); n != 0 || err != nil {
		t.Errorf("a number that was never stored: %d, %v", n, err)
	}
	must(t, l.StoreLog(&raft.Log{Index: 10}))
	must(t, l.Close())
	if err := l.StoreLog(&raft.Log{Index: 11}); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := Open(t.TempDir(), Options{SegmentBytes: 1}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a tiny segment: %v", err)
	}
}

// The first failed sync is final: nothing is acknowledged after it, though the disk says yes again.
func TestFailedSyncIsFinal(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	must(t, l.StoreLog(&raft.Log{Index: 1, Data: []byte("kept")}))
	broken := errors.New("input/output error")
	l.sync = func(*os.File) error { return broken }
	if err := l.StoreLog(&raft.Log{Index: 2}); !fault.Is(err, fault.ReadOnly) || !errors.Is(err, broken) {
		t.Fatalf("a failed sync: %v", err)
	}
	l.sync = syncData
	if err := l.StoreLog(&raft.Log{Index: 2}); !errors.Is(err, broken) {
		t.Fatalf("a write after a failed sync: %v", err)
	}
	if err := l.Set([]byte("k"), nil); !errors.Is(err, broken) {
		t.Fatalf("a value after a failed sync: %v", err)
	}
	if err := l.DeleteRange(1, 1); !errors.Is(err, broken) {
		t.Fatalf("a cut after a failed sync: %v", err)
	}
	var e raft.Log
	must(t, l.GetLog(1, &e))
	if last, _ := l.LastIndex(); last != 1 {
		t.Errorf("the log ends at %d", last)
	}
	must(t, l.Close())
}

func TestNewerForm(t *testing.T) {
	dir := t.TempDir()
	l := open(t, dir)
	must(t, l.Set([]byte("k"), []byte("v")))
	must(t, l.Close())
	path := filepath.Join(dir, stateFile)
	b, err := os.ReadFile(path)
	must(t, err)
	body := strings.Replace(string(b[stateHead:200]), `"version":1`, `"version":2`, 1)
	copy(b[stateHead:], body)
	reseal(b)
	must(t, os.WriteFile(path, b, 0o600))
	if _, err := Open(dir, Options{}); !fault.Is(err, fault.Version) {
		t.Errorf("the log of a newer program: %v", err)
	}
}
