package index

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

func requestID(n int) model.RequestID {
	return model.RequestID{0: byte(n * 37), 1: byte(n >> 8), 2: byte(n), 15: 1}
}

func TestRequests(t *testing.T) {
	s := openMem(t)
	long := strings.Repeat("é", MaxOutcome)
	put := []Outcome{
		{Index: 7},
		{Index: 8, Refused: true, Kind: fault.Conflict, Text: "it is taken"},
		{Index: 300, Refused: true, Kind: fault.Other},
		{Index: 1 << 40, Refused: true, Kind: fault.Invalid, Text: long},
		{Index: 9, Refused: true, Kind: fault.Invalid, Text: "bad \xff text"},
	}
	write(t, s, func(tx *Tx) {
		for i, o := range put {
			ok(t, tx.PutRequest(requestID(i), o))
			if got, is, err := tx.Request(requestID(i)); err != nil || !is || got.Index != o.Index {
				t.Errorf("within the transaction: %+v, %t, %v", got, is, err)
			}
		}
		kind(t, tx.PutRequest(requestID(0), Outcome{Index: 10}), fault.Other, "already")
		kind(t, tx.PutRequest(model.RequestID{}, Outcome{Index: 10}), fault.Other)
		ok(t, tx.PutEntryVersion(3))
	})
	put[3].Text = strings.Repeat("é", (MaxOutcome-3)/2) + "…"
	put[4].Text = "bad ? text"
	for i, want := range put {
		got := read(t, s, func(v *View) (Outcome, error) {
			o, is, err := v.Request(requestID(i))
			if !is {
				t.Errorf("request %d is gone", i)
			}
			return o, err
		})
		if got != want {
			t.Errorf("request %d: %+v, want %+v", i, got, want)
		}
	}
	if v := read(t, s, func(v *View) (uint64, error) { return v.EntryVersion() }); v != 3 {
		t.Errorf("the version is %d", v)
	}
	if r, err := s.Check(t.Context()); err != nil || !r.OK() || r.Entries < len(put) {
		t.Errorf("%+v, %v", r, err)
	}
	// What Check must see: an entry without its row, and a row without its entry.
	for name, spoil := range map[string]func(tx *Tx) error{
		"no row":   func(tx *Tx) error { return tx.remove(key.Request(requestID(0))) },
		"no entry": func(tx *Tx) error { return tx.remove(key.RequestOrder(8, requestID(1))) },
		"garbage":  func(tx *Tx) error { return tx.batch.Set(key.Request(requestID(2)), []byte{formRequest}, nil) },
	} {
		was, err := s.Check(t.Context())
		ok(t, err)
		write(t, s, func(tx *Tx) { ok(t, spoil(tx)) })
		if r, err := s.Check(t.Context()); err != nil || r.FaultN <= was.FaultN {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// Dropping in pieces of any size, from where the last piece ended or from the beginning, leaves the same.
func TestDropRequests(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		s := openMem(t)
		at := map[int]uint64{}
		write(t, s, func(tx *Tx) {
			index := uint64(0)
			for i := range 50 {
				index += 1 + rng.Uint64N(5)
				at[i] = index
				ok(t, tx.PutRequest(requestID(i), Outcome{Index: index}))
			}
		})
		before, hint := rng.Uint64N(200), rng.IntN(2) == 0
		for from, done := uint64(0), false; !done; {
			write(t, s, func(tx *Tx) {
				next, err := tx.DropRequests(from, before, 1+rng.IntN(9))
				ok(t, err)
				if hint {
					from = next
				}
				done = next == before
			})
		}
		for i := range 50 {
			_, is, err := func() (Outcome, bool, error) { v := s.View(); defer v.Close(); return v.Request(requestID(i)) }()
			if want := at[i] >= before; err != nil || is != want {
				t.Fatalf("request at %d, dropped before %d: there %t, %v", at[i], before, is, err)
			}
		}
		if r, err := s.Check(t.Context()); err != nil || !r.OK() {
			t.Fatalf("%+v, %v", r, err)
		}
	}
}

func FuzzReadOutcome(f *testing.F) {
	for _, v := range []string{"", "\x05", "\x05\x01\xff", "\x05\x01\x04why", "\x05\xff\xff\xff", "\x04\x01\xff", "\x05\x01\xffx"} {
		f.Add([]byte(v))
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		o, err := readOutcome(v)
		if err != nil {
			if !fault.Is(err, fault.Corrupt) {
				t.Fatal(err)
			}
			return
		}
		if clipText(o.Text) != o.Text && len(o.Text) <= MaxOutcome-3 {
			t.Fatalf("%q is read and would not be written", o.Text)
		}
	})
}
