package index

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

func TestEvents(t *testing.T) {
	s := openMem(t)
	seqs := func(after model.Seq, limit int) (out []model.Seq) {
		for _, e := range read(t, s, func(v *View) ([]model.CanonicalEvent, error) { return v.Events(after, limit) }) {
			out = append(out, e.Seq)
		}
		return out
	}
	bounds := func() [2]model.Seq {
		v := s.View()
		defer v.Close()
		a, b, err := v.EventBounds()
		ok(t, err)
		return [2]model.Seq{a, b}
	}
	if got := bounds(); got != [2]model.Seq{} {
		t.Errorf("of nothing: %v", got)
	}
	write(t, s, func(tx *Tx) { ok(t, tx.PutEvents([]model.CanonicalEvent{{ID: "a"}, {ID: "b"}, {ID: "c"}})) })
	if !slices.Equal(seqs(0, 0), []model.Seq{1, 2, 3}) || !slices.Equal(seqs(1, 1), []model.Seq{2}) || len(seqs(3, 0)) != 0 || bounds() != [2]model.Seq{1, 3} {
		t.Errorf("%v %v %v", seqs(0, 0), seqs(1, 1), bounds())
	}
	// The newest stay.
	write(t, s, func(tx *Tx) {
		ok(t, tx.put(key.CanonicalEvent(model.MaxEvents), model.CanonicalEvent{Seq: model.MaxEvents}))
	})
	write(t, s, func(tx *Tx) { ok(t, tx.PutEvents([]model.CanonicalEvent{{ID: "x"}, {ID: "y"}})) })
	if got := seqs(0, 0); !slices.Equal(got, []model.Seq{3, model.MaxEvents, model.MaxEvents + 1, model.MaxEvents + 2}) || bounds() != [2]model.Seq{3, model.MaxEvents + 2} {
		t.Errorf("%v %v", got, bounds())
	}
	sound(t, s)
}

func TestEachCanonicalGoesOn(t *testing.T) {
	s := openMem(t)
	write(t, s, func(tx *Tx) {
		for _, id := range []string{"GHSA-b", "CVE-2024-0001", "ghsa-A"} {
			ok(t, tx.PutAdvisory(model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "s", ID: id}}))
		}
		regroup(t, tx)
	})
	sound(t, s)
	for id, is := range map[string]bool{"ghsa-a": true, "GHSA-c": false} {
		if got := read(t, s, func(v *View) (bool, error) { return v.HasCanonical(id) }); got != is {
			t.Errorf("%s: %v", id, got)
		}
	}
	after := func(id string) (out []string) {
		v := s.View()
		defer v.Close()
		ok(t, v.EachCanonical(id, func(c model.Canonical) error { out = append(out, c.ID); return nil }))
		return out
	}
	if all := after(""); !slices.Equal(all, []string{"CVE-2024-0001", "ghsa-A", "GHSA-b"}) {
		t.Errorf("%v", all)
	}
	if rest := after("cve-2024-0001"); !slices.Equal(rest, []string{"ghsa-A", "GHSA-b"}) || len(after("ghsa-B")) != 0 || len(after("D")) != 2 {
		t.Errorf("%v", rest)
	}
	stop := errors.New("stop")
	v := s.View()
	defer v.Close()
	if err := v.EachCanonical("", func(model.Canonical) error { return stop }); err != stop {
		t.Errorf("%v", err)
	}
}

func tried(n int, names ...string) []model.Change {
	stamp := model.Stamp{Actor: "account:ann", At: 1_700_000_000_000}
	s := model.Stage{Stamp: stamp, Run: "try"}
	for _, name := range names {
		s.Put = append(s.Put, model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "osv", ID: name}, Aliases: []string{"CVE-2024-0001"}})
	}
	return []model.Change{s, model.Commit{Stamp: stamp, Run: "try", Parts: n, Kind: model.RunIngest}}
}

// What is tried is seen as it would be, and leaves nothing.
func TestTry(t *testing.T) {
	s := openMem(t)
	// A site that was never enrolled tries as well.
	ok(t, s.Try(tried(1, "A"), func(v *View) error {
		if r, done, err := v.RunResult("try"); err != nil || !done || r.Created != 1 {
			t.Errorf("%+v, %v, %v", r, done, err)
		}
		return nil
	}))
	write(t, s, func(tx *Tx) { ok(t, tx.PutSelf(model.Found{Self: model.NodeID{1}, Role: model.RoleSite})) })
	before, err := s.Hash(t.Context())
	ok(t, err)
	version := s.Version()
	called := 0
	err = s.Try(tried(1, "A", "B"), func(v *View) error {
		called++
		shelf, err := v.Shelf()
		ok(t, err)
		c, found, err := v.Canonical("CVE-2024-0001")
		ok(t, err)
		r, done, err := v.RunResult("try")
		ok(t, err)
		if shelf.AdvisoryN != 2 || shelf.Generation != 1 || !found || len(c.Members) != 2 || !done || r.Created != 2 || r.CanonicalCreated != 1 {
			t.Errorf("%+v, %+v, %+v", shelf, c, r)
		}
		return v.Close()
	})
	ok(t, err)
	stop := errors.New("stop")
	if err := s.Try(tried(1, "A"), func(*View) error { return stop }); err != stop {
		t.Errorf("%v", err)
	}
	kind(t, s.Try(tried(2, "A"), func(*View) error { called++; return nil }), fault.Conflict, "is not here with 2 parts")
	err = s.TryEach(func(yield func(model.Change, error) bool) { yield(nil, stop) }, func(*View) error { called++; return nil })
	if err != stop || called != 1 {
		t.Errorf("%v, called %d times", err, called)
	}
	after, err := s.Hash(t.Context())
	ok(t, err)
	if string(after) != string(before) || s.Version() != version {
		t.Error("it left something")
	}
	sound(t, s)

	// Advisories that come meanwhile make what was seen void; anything else does not.
	commit := func(c ...model.Change) {
		tx := s.Begin()
		defer tx.Discard()
		for _, c := range c {
			_, err := apply.Change(tx, apply.Env{Role: model.RoleSite}, c)
			ok(t, err)
		}
		ok(t, tx.Commit(s.Applied()+1, false))
	}
	ok(t, s.Try(tried(1, "A"), func(*View) error { commit(model.Note{Action: "x.y"}); return nil }))
	err = s.Try(tried(1, "A"), func(*View) error { commit(tried(1, "Z")...); return stop })
	kind(t, err, fault.Conflict, "try again")
	if strings.Contains(err.Error(), "stop") {
		t.Errorf("%v", err)
	}
	sound(t, s)
	ok(t, s.Try(nil, func(v *View) error {
		shelf, err := v.Shelf()
		if shelf.AdvisoryN != 1 {
			t.Errorf("%+v", shelf)
		}
		return err
	}))
}

// TestEachAdvisoryJSON: records as they are stored are the records, small and large, in the same order.
func TestEachAdvisoryJSON(t *testing.T) {
	s := openMem(t)
	write(t, s, func(tx *Tx) {
		for _, id := range []string{"b", "a", "c"} {
			ok(t, tx.PutAdvisory(model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "s", ID: id}, Summary: strings.Repeat(id, 10+10*compressRow*len(strings.Trim(id, "ab")))}))
		}
	})
	v := s.View()
	defer v.Close()
	var want, got []model.Advisory
	ok(t, v.EachAdvisory(func(a model.Advisory) error { want = append(want, a); return nil }))
	ok(t, v.EachAdvisoryJSON(func(raw []byte) error {
		var a model.Advisory
		got = append(got, a)
		return model.Decode(raw, &got[len(got)-1])
	}))
	if len(got) != 3 || !slices.EqualFunc(got, want, func(a, b model.Advisory) bool { return a.ID == b.ID && a.Summary == b.Summary }) {
		t.Errorf("%d records, %d as they are stored", len(want), len(got))
	}
	naming := read(t, s, func(v *View) ([]model.AdvisoryKey, error) { return v.KeysNaming("B") })
	if len(naming) != 1 || naming[0] != (model.AdvisoryKey{Source: "s", ID: "b"}) {
		t.Errorf("%v", naming)
	}
	stop := errors.New("stop")
	if err := v.EachAdvisoryJSON(func([]byte) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}
