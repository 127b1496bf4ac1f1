package raftfsm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/entry"
	"github.com/skerryhq/skerry/storage/index"
)

func requestID(n int) model.RequestID { return model.RequestID{0: byte(n), 1: byte(n >> 8), 15: 1} }

// named gives an entry a request and another index.
func named(l *raft.Log, index uint64, id int, base uint64) *raft.Log {
	again := *l
	again.Index, again.Data = index, entry.WithRequest(l.Data, entry.Request{ID: requestID(id), Base: base})
	return &again
}

// requested makes a log whose entries have requests, some of them twice or too late, over so many indexes
// that most are forgotten again.
func requested(rnd *rand.Rand, logs []*raft.Log) []*raft.Log {
	var out []*raft.Log
	at := uint64(0)
	for i, l := range logs {
		at += 1 + rnd.Uint64N(4*RequestsKept/uint64(len(logs)))
		again := *l
		again.Index = at
		if l.Type != raft.LogCommand || l.Data[0] == 2 && rnd.IntN(4) > 0 {
			out = append(out, &again)
			continue
		}
		base := at - 1
		if rnd.IntN(20) == 0 {
			base -= min(base, RequestsKept+rnd.Uint64N(3))
		}
		out = append(out, named(l, at, i, base))
		if rnd.IntN(3) == 0 {
			at += 1 + rnd.Uint64N(3)
			out = append(out, named(l, at, i, base))
		}
		if was := rnd.IntN(len(logs)); rnd.IntN(3) == 0 && was < i && logs[was].Type == raft.LogCommand {
			at++
			out = append(out, named(logs[was], at, was, at-min(at, rnd.Uint64N(2*RequestsKept))))
		}
	}
	return out
}

func note(t *testing.T, n int) *raft.Log {
	return logged(t, 0, model.Note{Stamp: stamp(n), Action: "test.note", Object: fmt.Sprint(n), OK: true})
}

// notes returns the objects of the notes in the audit record, oldest first.
func notes(t *testing.T, s *index.Store) []string {
	t.Helper()
	v := s.View()
	defer v.Close()
	all, err := v.Audit(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range slices.Backward(all) {
		if e.Action == "test.note" {
			out = append(out, e.Object)
		}
	}
	return out
}

// A request is carried out once, within one commit, in another one, and after a start; and who asks again
// hears what the first one heard.
func TestRequestOnce(t *testing.T) {
	f, s := newFSM(t)
	refusing := logged(t, 0, account(1, "half"), refused(3))
	batch := []*raft.Log{
		logged(t, 1, found()),
		named(note(t, 1), 2, 1, 1),
		named(note(t, 1), 3, 1, 1), // in the same commit
		named(note(t, 2), 4, 2, 1),
	}
	for i, r := range f.ApplyBatch(batch) {
		if r != nil {
			t.Errorf("entry %d: %v", i+1, r)
		}
	}
	// A refusal and its repeats, beside others that it takes out of their commit.
	out := f.ApplyBatch([]*raft.Log{
		named(note(t, 3), 5, 3, 4), named(refusing, 6, 4, 4), named(refusing, 7, 4, 4), named(note(t, 1), 8, 1, 1), named(note(t, 3), 9, 3, 4),
	})
	f = New(s, env, nil)
	out = append(out, f.ApplyBatch([]*raft.Log{named(refusing, 10, 4, 4), named(note(t, 2), 11, 2, 1), named(note(t, 4), 12, 4, 4)})...)
	for i, wantErr := range []bool{false, true, true, false, false, true, false, true} {
		err, _ := out[i].(error)
		if (err != nil) != wantErr || wantErr && (!fault.Is(err, fault.Conflict) || err.Error() != out[1].(error).Error()) {
			t.Errorf("entry %d: %v", i+5, out[i])
		}
	}
	if got := fmt.Sprint(notes(t, s)); got != "[1 2 3]" {
		t.Errorf("the notes are %s, each was to be there once", got)
	}
	if hasAccount(t, s, "half") || s.Applied() != 12 {
		t.Errorf("applied %d", s.Applied())
	}
	if v, err := f.EntryVersion(); v != 3 || err != nil {
		t.Errorf("the version is %d, %v", v, err)
	}
	if r, err := s.Check(t.Context()); err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestEntryVersion(t *testing.T) {
	f, s := newFSM(t)
	f.Apply(logged(t, 1, found()))
	for _, f := range []*FSM{f, New(s, env, nil)} {
		if v, err := f.EntryVersion(); v != entry.Lowest || err != nil {
			t.Errorf("version %d, %v", v, err)
		}
	}
	f.Apply(named(logged(t, 0, refused(3)), 2, 1, 1)) // it was in the log, whatever came of it
	for _, f := range []*FSM{f, New(s, env, nil)} {
		if v, err := f.EntryVersion(); v != 3 || err != nil {
			t.Errorf("version %d, %v", v, err)
		}
	}
}

// What came of a request is known for as long as is promised, and an entry that might be a repeat of a
// forgotten one changes nothing.
func TestRequestBound(t *testing.T) {
	f, s := newFSM(t)
	f.Apply(logged(t, 1, found()))
	f.Apply(named(note(t, 1), 10, 1, 9))
	if r := f.Apply(named(note(t, 1), 10+RequestsKept-2, 1, 9)); r != nil {
		t.Errorf("within the bound: %v", r)
	}
	if r := f.Apply(named(note(t, 2), 9+RequestsKept, 2, 9)); r != nil { // its base is exactly at the bound
		t.Errorf("a base at the bound: %v", r)
	}
	for i, base := range []uint64{9, 0} {
		r := f.Apply(named(note(t, 3), 10+RequestsKept+uint64(i), 3+i, base))
		if err, _ := r.(error); !fault.Is(err, fault.Expired) {
			t.Errorf("a base too far behind: %v", r)
		}
	}
	// Forgotten, and asked again with the base that it had.
	far := uint64(3 * RequestsKept)
	f.Apply(named(note(t, 5), far, 5, far-1))
	if r := f.Apply(named(note(t, 1), far+1, 1, 9)); !fault.Is(r.(error), fault.Expired) {
		t.Errorf("a forgotten request: %v", r)
	}
	f.Apply(named(note(t, 6), far+2, 3, far)) // the refusals were not remembered: 3 is free
	if got := fmt.Sprint(notes(t, s)); got != "[1 2 5 6]" {
		t.Errorf("the notes are %s", got)
	}
	v := s.View()
	defer v.Close()
	if _, ok, err := v.Request(requestID(1)); ok || err != nil {
		t.Errorf("a request of long ago is still there: %t, %v", ok, err)
	}
	if r, err := s.Check(t.Context()); err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
}

// However many requests are due at once, an entry drops a bounded number, and they are gone in the end.
func TestDroppingKeepsUp(t *testing.T) {
	f, s := newFSM(t)
	f.Apply(logged(t, 1, found()))
	const n = 3*dropMost + 10
	var batch []*raft.Log
	for i := range uint64(n) {
		batch = append(batch, named(note(t, 1), 2+i, int(i), 1))
	}
	f.ApplyBatch(batch)
	left := func() (left int) {
		v := s.View()
		defer v.Close()
		for i := range n {
			if _, ok, err := v.Request(requestID(i)); err != nil {
				t.Fatal(err)
			} else if ok {
				left++
			}
		}
		return left
	}
	far := uint64(2 * RequestsKept)
	for i, want := range []int{n - dropMost, n - 2*dropMost, n - 3*dropMost, 0} {
		f.Apply(named(note(t, 1), far+uint64(i), n+i, far))
		if got := left(); got != want {
			t.Fatalf("after %d entries %d are left, want %d", i+1, got, want)
		}
	}
}
