package detail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// clocks are what a test moves time with.
type clocks struct {
	mu   sync.Mutex
	wall time.Time
	up   time.Duration
}

func newClocks() *clocks { return &clocks{wall: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)} }

// pass lets time pass for both.
func (c *clocks) pass(d time.Duration) { c.shift(d, d) }

func (c *clocks) shift(wall, up time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wall, c.up = c.wall.Add(wall), c.up+up
}

func (c *clocks) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wall
}

func (c *clocks) uptime() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up
}

func open(t *testing.T, dir string) *Store { return openWith(t, dir, Options{}) }

func openWith(t *testing.T, dir string, o Options) *Store {
	t.Helper()
	o.MinFree = -1
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !s.db.IsClosed() {
			_ = s.Close()
		}
	})
	return s
}

func host(n int) model.HostID { return model.HostID{byte(n >> 8), byte(n)} }

func put(t *testing.T, s *Store, h int, kind Kind, asOf model.Time, body string) string {
	t.Helper()
	sum, err := s.Put(host(h), kind, asOf, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256([]byte(body))
	if sum != hex.EncodeToString(want[:]) {
		t.Fatalf("the digest of %q is %s", body, sum)
	}
	return sum
}

func wantBody(t *testing.T, s *Store, h int, kind Kind, asOf model.Time, body string) {
	t.Helper()
	got, at, sum, ok, err := s.Get(host(h), kind)
	if err != nil || !ok || string(got) != body || at != asOf || sum != digestOf([]byte(body)).String() {
		t.Fatalf("host %d kind %d: %q as of %d, digest %s, %t, %v; want %q as of %d", h, kind, got, at, sum, ok, err, body, asOf)
	}
}

// rows counts what is stored under the prefix.
func rows(t *testing.T, s *Store, prefix byte) int {
	t.Helper()
	n := 0
	err := s.db.View(func(tx *badger.Txn) error {
		it := tx.NewIterator(badger.IteratorOptions{Prefix: []byte{prefix}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPutGetRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "detail")
	s := open(t, dir)
	big := strings.Repeat(`{"name":"libc6"},`, 400_000) // 6.8 MB
	noise := make([]byte, 3<<20)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	put(t, s, 1, Packages, 10, big)
	put(t, s, 1, Certificates, 11, "")
	put(t, s, 2, Packages, 12, string(noise))
	if _, _, _, ok, err := s.Get(host(2), Certificates); ok || err != nil {
		t.Fatalf("a body that was never put: %t, %v", ok, err)
	}
	if _, err := s.Put(host(3), Packages, 1, make([]byte, MaxBody+1)); !fault.Is(err, fault.TooLarge) {
		t.Fatalf("a body above the limit: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	wantBody(t, s, 1, Packages, 10, big)
	wantBody(t, s, 1, Certificates, 11, "")
	wantBody(t, s, 2, Packages, 12, string(noise))
	if b, ok, err := s.Body(digestOf(noise).String()); err != nil || !ok || !bytes.Equal(b, noise) {
		t.Fatalf("by digest: %d bytes, %t, %v", len(b), ok, err)
	}
	if _, ok, err := s.Body(strings.Repeat("0", 64)); ok || err != nil {
		t.Fatalf("an unknown digest: %t, %v", ok, err)
	}
	for _, bad := range []string{"", "zz", strings.Repeat("0", 63), strings.Repeat("0", 65), strings.Repeat("z", 64)} {
		if _, _, err := s.Body(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("the digest %q: %v", bad, err)
		}
	}
}

func TestBodiesAreSharedAndSwept(t *testing.T) {
	c := newClocks()
	s := openWith(t, t.TempDir(), Options{Now: c.now, Uptime: c.uptime})
	var entries []Entry
	for h := range 300 {
		entries = append(entries, Entry{Host: host(h), Kind: Packages, AsOf: 1, Body: []byte("same")})
		entries = append(entries, Entry{Host: host(h), Kind: Certificates, AsOf: 1, Body: fmt.Append(nil, "own ", h)})
	}
	if _, err := s.PutAll(entries); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, s, prefixBody); n != 301 {
		t.Fatalf("%d bodies, want 301", n)
	}
	old := put(t, s, 0, Packages, 1, "same")
	put(t, s, 0, Packages, 2, "newer") // one of many users leaves
	entries = nil
	for h := range 290 { // 290 bodies, several batches, are to lose their only user
		entries = append(entries, Entry{Host: host(h), Kind: Certificates, AsOf: 2, Body: []byte("shared now")})
	}
	if _, err := s.PutAll(entries); err != nil {
		t.Fatal(err)
	}
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, s, prefixBody); n != 1+1+300+1 {
		t.Fatalf("%d bodies with their history, want 303", n)
	}
	c.pass(366 * day)
	if gone, err := s.Expire(t.Context()); err != nil || gone != (Expired{Versions: 1 + 290}) {
		t.Fatalf("expired %+v, %v", gone, err)
	}
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, s, prefixBody); n != 1+1+10+1 {
		t.Fatalf("%d bodies after the sweep, want 13", n)
	}
	wantBody(t, s, 0, Packages, 2, "newer")
	wantBody(t, s, 1, Packages, 1, "same")
	wantBody(t, s, 289, Certificates, 2, "shared now")
	wantBody(t, s, 290, Certificates, 1, "own 290")
	for h := range 300 {
		if err := s.Delete(host(h)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(host(999)); err != nil {
		t.Fatalf("deleting an unknown host: %v", err)
	}
	if _, ok, err := s.Body(old); !ok || err != nil {
		t.Fatalf("Delete itself must leave the body to GC: %t, %v", ok, err)
	}
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []byte{prefixBody, prefixPointer, prefixUser, prefixVersion} {
		if n := rows(t, s, prefix); n != 0 {
			t.Errorf("%d rows %q are left of nothing", n, prefix)
		}
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	s.loosen()
	if err := s.GC(stopped); err == nil {
		t.Error("a cancelled GC must say so")
	}
	if err := s.RunGC(stopped); err != nil {
		t.Errorf("RunGC ends with %v", err)
	}
}

// Hosts flap between few bodies, so that each body is swept and put again all the time.
func TestGCBesidePuts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	c := newClocks()
	s := openWith(t, t.TempDir(), Options{Now: c.now, Uptime: c.uptime})
	var wg sync.WaitGroup
	for w := range 4 {
		rnd := rand.New(rand.NewPCG(seed, uint64(w)))
		wg.Go(func() {
			for range 60 {
				h, body := host(rnd.IntN(3)), []byte{byte(rnd.IntN(4))}
				if _, err := s.Put(h, Packages, 1, body); err != nil {
					t.Error(err)
				}
				if _, _, _, ok, err := s.Get(h, Packages); err != nil || !ok {
					t.Errorf("right after a put: %t, %v", ok, err)
				}
			}
		})
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				c.pass(366 * day)
				if _, err := s.Expire(t.Context()); err != nil {
					t.Error(err)
				}
				if err := s.GC(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	wg.Wait()
	close(stop)
	<-done
	c.pass(366 * day)
	if _, err := s.Expire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p, h, u := rows(t, s, prefixPointer), rows(t, s, prefixVersion), rows(t, s, prefixUser); p != u || h != u || p == 0 {
		t.Fatalf("%d pointers, %d versions, %d user rows", p, h, u)
	}
	if b := rows(t, s, prefixBody); b > 3 {
		t.Fatalf("%d bodies for 3 hosts", b)
	}
}

func TestDamageIsFoundAndMended(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(v []byte) []byte
		kind  fault.Kind
	}{
		"another body": {func([]byte) []byte { return nil }, fault.Corrupt},
		"cut":          {func(v []byte) []byte { return v[:len(v)-3] }, fault.Corrupt},
		"short":        {func(v []byte) []byte { return v[:4] }, fault.Corrupt},
		"length":       {func(v []byte) []byte { v[4]++; return v }, fault.Corrupt},
		"huge":         {func(v []byte) []byte { v[1] = 0xff; return v }, fault.Corrupt},
		"packing":      {func(v []byte) []byte { v[0] = 9; return v }, fault.Version},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir())
			sum := put(t, s, 1, Packages, 1, "the body, the whole body")
			err := s.db.Update(func(tx *badger.Txn) error {
				v := tc.spoil(s.pack([]byte("the body, the whole body")))
				if v == nil {
					v = s.pack([]byte("another body"))
				}
				return tx.Set(bodyKey(digestOf([]byte("the body, the whole body"))), v)
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, _, _, err := s.Get(host(1), Packages); !fault.Is(err, tc.kind) || !strings.Contains(err.Error(), sum) {
				t.Fatalf("reading a damaged body: %v", err)
			}
			if v, err := s.Verify(t.Context()); err != nil || v.Bodies != 1 || v.Damaged != 1 || len(v.First) != 1 || !strings.Contains(v.First[0], sum) {
				t.Fatalf("one damaged body is damage of the store: %+v, %v", v, err)
			}
			if tc.kind != fault.Corrupt {
				return
			}
			if s.Damaged() != 1 {
				t.Errorf("%d damaged bodies are known", s.Damaged())
			}
			put(t, s, 2, Packages, 1, "another host's")
			put(t, s, 1, Packages, 2, "the body, the whole body")
			if v, err := s.Verify(t.Context()); err != nil || v.Damaged != 0 || s.Damaged() != 0 {
				t.Errorf("after it was reported again: %+v, %v, %d known", v, err, s.Damaged())
			}
			wantBody(t, s, 1, Packages, 2, "the body, the whole body")
		})
	}
}

// TestADamagedBodyThatGoes is no longer counted.
func TestADamagedBodyThatGoes(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, 1, Packages, 1, "gone soon")
	err := s.db.Update(func(tx *badger.Txn) error { return tx.Set(bodyKey(digestOf([]byte("gone soon"))), []byte("x")) })
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Verify(t.Context()); err != nil || v.Damaged != 1 || s.Damaged() != 1 {
		t.Fatalf("%+v, %v", v, err)
	}
	if err := s.Delete(host(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.Damaged() != 0 {
		t.Errorf("%d damaged bodies are known of those that are there", s.Damaged())
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if _, err := Open(dir, Options{MinFree: -1}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second process: %v", err)
	}
	put(t, s, 1, Packages, 1, "before")
	s.minFree, s.free = 100<<20, func(string) (int64, error) { return 99 << 20, nil }
	if _, err := s.Put(host(1), Packages, 2, []byte("after")); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("a put on a nearly full disk: %v", err)
	}
	wantBody(t, s, 1, Packages, 1, "before")
	if err := s.db.Update(func(tx *badger.Txn) error { return tx.Set(keyFormat, []byte{0, 0, 0, 9}) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{MinFree: -1}); !fault.Is(err, fault.Version) {
		t.Errorf("a newer format: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "x"), Options{MinFree: 1 << 62}); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("open on a nearly full disk: %v", err)
	}
	// A kill -9 does not show what Badger's default loses in a power cut, so the setting itself is held.
	if !s.settings().SyncWrites {
		t.Error("SyncWrites is off")
	}
}

// After a closed database every commit fails; the first failure is final.
func TestFailedCommitLatches(t *testing.T) {
	s := open(t, t.TempDir())
	put(t, s, 1, Packages, 1, "x")
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	err := s.update("test", func(tx *badger.Txn) error { return nil })
	if err == nil {
		err = s.update("test", func(tx *badger.Txn) error { return tx.Set([]byte("k"), nil) })
	}
	if !fault.Is(err, fault.ReadOnly) {
		t.Fatalf("a commit to a closed database: %v", err)
	}
	<-s.Failed()
	if err := s.Err(); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("it says of itself %v", err)
	}
	called := false
	if err := s.update("test", func(*badger.Txn) error { called = true; return nil }); !fault.Is(err, fault.ReadOnly) || called {
		t.Fatalf("the next write: %v, tried: %t", err, called)
	}
}

// TestPutAllBeyondOneTransaction stores more than Badger takes in one transaction.
func TestPutAllBeyondOneTransaction(t *testing.T) {
	s := open(t, t.TempDir())
	var entries []Entry
	for i := range 60_000 {
		var h model.HostID
		h[0], h[1], h[2], h[3] = 1, byte(i>>16), byte(i>>8), byte(i)
		entries = append(entries, Entry{Host: h, Kind: Packages, AsOf: model.Time(i + 1), Body: fmt.Appendf(nil, "%d", i)})
	}
	sums, err := s.PutAll(entries)
	if err != nil || len(sums) != len(entries) {
		t.Fatalf("%d digests, %v", len(sums), err)
	}
	for _, i := range []int{0, 1, 30_000, len(entries) - 1} {
		body, asOf, sum, ok, err := s.Get(entries[i].Host, Packages)
		if err != nil || !ok || sum != sums[i] || asOf != model.Time(i+1) || string(body) != fmt.Sprint(i) {
			t.Fatalf("entry %d: %q at %d, %v, %v", i, body, asOf, ok, err)
		}
	}
}
