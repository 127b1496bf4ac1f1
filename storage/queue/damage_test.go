package queue

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// TestDamage: a file with a flipped bit or a cut end is refused, or has all that was stored, the newest commit perhaps
// excepted: bbolt then goes by the older of its two heads. It never ends the program, and never gives out another item.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "queue.db")
	q := open(t, path)
	want := map[model.Seq]string{}
	for i := range 400 {
		it := model.Item{Kind: model.ItemHost, Key: fmt.Sprintf("key-%03d", i), Payload: []byte(fmt.Sprintf(`{"n":%d,"text":"%0200d"}`, i, i))}
		seq, err := q.Append([]model.Item{it})
		if err != nil {
			t.Fatal(err)
		}
		want[seq] = it.Key + string(it.Payload)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	refused := 0
	for round := range 300 {
		raw := append([]byte(nil), whole...)
		at := dice.IntN(len(raw))
		what := fmt.Sprintf("bit %d of byte %d flipped", round%8, at)
		if round%10 == 0 {
			raw, what = raw[:at], fmt.Sprintf("cut at byte %d", at)
		} else {
			raw[at] ^= 1 << (round % 8)
		}
		hurt := filepath.Join(dir, fmt.Sprintf("hurt-%d.db", round)) // bbolt keeps the lock of one that it panicked at
		if err := os.WriteFile(hurt, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		q, err := Open(hurt, Options{})
		_ = os.Remove(hurt)
		if err != nil {
			if !fault.Is(err, fault.Corrupt) && !fault.Is(err, fault.Version) {
				t.Fatalf("%s: %v", what, err)
			}
			refused++
			continue
		}
		items, err := q.After(0, 1000, 1<<30)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if n := len(items); n != len(want) && n != len(want)-1 {
			t.Fatalf("%s: %d items of %d", what, n, len(want))
		}
		for _, it := range items {
			if want[it.Seq] != it.Key+string(it.Payload) {
				t.Fatalf("%s: item %d is %s %s", what, it.Seq, it.Key, it.Payload)
			}
		}
		if err := q.Close(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	if refused < 75 {
		t.Errorf("%d of 300 damaged files were refused: this proves little", refused)
	}
}

// TestPagesInACircle: a page that points to itself, or to one above it, is damage and no way without an end.
func TestPagesInACircle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	q := open(t, path)
	for i := range 400 {
		if _, err := q.Append([]model.Item{{Kind: model.ItemHost, Key: fmt.Sprintf("key-%03d", i), Payload: []byte(fmt.Sprintf(`{"text":"%0200d"}`, i))}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size, circles := os.Getpagesize(), 0
	for at := 0; at < len(whole); at += size {
		if binary.NativeEndian.Uint16(whole[at+8:]) != pageBranch || binary.NativeEndian.Uint64(whole[at:]) != uint64(at/size) {
			continue
		}
		raw := append([]byte(nil), whole...)
		binary.NativeEndian.PutUint64(raw[at+pageHead+8:], uint64(at/size))
		hurt := filepath.Join(t.TempDir(), "hurt.db")
		if err := os.WriteFile(hurt, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		switch q, err := Open(hurt, Options{}); {
		case err == nil: // a page that nothing points to any more
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
		case fault.Is(err, fault.Corrupt):
			circles++
		default:
			t.Error(err)
		}
	}
	if circles == 0 {
		t.Error("no page in use is a branch: this proves nothing")
	}
}

// TestAnOlderFormat: a file of format 1, whose values have no sums, is read as it is and goes on as one of this format.
func TestAnOlderFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	if err := create(path, 0); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	old := []byte(`{"seq":0,"kind":"host","key":"k","payload":{"a":1}}`)
	err = db.Update(func(tx *bbolt.Tx) error {
		m := tx.Bucket(bucketMeta)
		for _, put := range []func() error{
			func() error { return m.Put(keyFormat, binary.BigEndian.AppendUint32(nil, 1)) },
			func() error {
				return m.Put(keyState, state{epoch: 3, head: 7, count: 1, bytes: uint64(len(old))}.encode())
			},
			func() error { return tx.Bucket(bucketItems).Put(seqKey(7), old) },
			func() error { return tx.Bucket(bucketKeys).Put(place(model.ItemHost, "k"), seqKey(7)) },
		} {
			if err := put(); err != nil {
				return err
			}
		}
		return nil
	})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is of this format
		q := open(t, path)
		items, err := q.After(0, 10, 1<<20)
		if err != nil || len(items) != 1 || items[0].Key != "k" || string(items[0].Payload) != `{"a":1}` || q.Epoch() != 3 {
			t.Fatalf("%+v, %v", items, err)
		}
		_ = q.Close()
	}
	q := open(t, path)
	defer q.Close()
	if _, err := q.Append([]model.Item{{Kind: model.ItemHost, Key: "k", Payload: []byte(`{"a":2}`)}}); err != nil {
		t.Fatal(err)
	}
	items, err := q.After(0, 10, 1<<20)
	if err != nil || len(items) != 1 || items[0].Seq != 8 || string(items[0].Payload) != `{"a":2}` {
		t.Fatalf("%+v, %v", items, err)
	}
}
