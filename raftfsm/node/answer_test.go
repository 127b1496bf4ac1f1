package node

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/entry"
)

// versions returns the versions of the entries in a node's log.
func (w *world) versions(t *testing.T) map[uint32]int {
	t.Helper()
	out := map[uint32]int{}
	for i := uint64(1); i <= w.raft.LastIndex(); i++ {
		var l raft.Log
		if err := w.disk.GetLog(i, &l); err != nil {
			t.Fatal(err)
		}
		if l.Type == raft.LogCommand {
			out[entry.Needs(l.Data)]++
		}
	}
	return out
}

// While one node reads version 2 alone, nothing it cannot read is in the log; once it is upgraded, all of it may be, for
// ever.
func TestMixedVersions(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	old := map[string]bool{"c": true}
	w.tune = func(id string, c *Config) {
		if old[id] {
			c.entry = 2
		}
	}
	w.group(3)
	ctx := soon(t)
	newer := model.RemoveMember{Stamp: stamp(1), Member: model.NodeID{9}}
	for i, id := range w.ids() {
		n := w.at(id)
		if err := n.Propose(ctx, note(i)); err != nil {
			t.Errorf("on %s: %v", id, err)
		}
		if err := n.Propose(ctx, newer); !fault.Is(err, fault.Version) || !strings.Contains(err.Error(), "node c") {
			t.Errorf("a change of version 3 on %s: %v", id, err)
		}
		if s, err := n.Status(ctx); err != nil || s.Entry != 2 {
			t.Errorf("on %s: version %d, %v", id, s.Entry, err)
		}
	}
	w.settle()
	if v := w.at("c").versions(t); v[3] != 0 || v[1] == 0 {
		t.Errorf("the versions in the log are %v", v)
	}
	w.kill("c")
	old["c"] = false
	w.start("c", false)
	w.until("all read the newest version", func() string {
		if s, err := w.at("a").Status(ctx); s.Entry != entry.Version {
			return fmt.Sprintf("version %d, %v", s.Entry, err)
		}
		return ""
	})
	if err := w.at("b").Propose(ctx, newer); err != nil && fault.Is(err, fault.Version) {
		t.Errorf("after the upgrade: %v", err)
	}
	w.settle()
	if v := w.at("c").versions(t); v[3] == 0 {
		t.Errorf("the versions in the log are %v", v)
	}
	// A new leader knows it, also where it never heard of one of them.
	l := w.awaitLeader()
	w.kill(l.id)
	n := w.other(l.id)
	for i := range 3 {
		if err := n.Propose(model.WithRequest(ctx, model.RequestID{7}), note(100)); err != nil {
			t.Errorf("time %d: %v", i, err)
		}
	}
	if s, err := n.Status(ctx); err != nil || s.Entry != 3 {
		t.Errorf("version %d, %v", s.Entry, err)
	}
	w.start(l.id, false)
	w.settle()
	if got := n.notes(t)[100]; got != 1 {
		t.Errorf("a request was carried out %d times", got)
	}
}

// A node that goes back to an older version is believed, and one that does not answer counts as an old one, until the log
// holds what only newer ones read; what the leader believes is asked again before the first entry of a version.
func TestANodeGoesBackToAnOlderVersion(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	var old atomic.Bool
	w.tune = func(id string, c *Config) {
		if id == "c" && old.Load() {
			c.entry = 2
		}
	}
	w.group(3)
	ctx := soon(t)
	l := w.awaitLeader()
	if l.id == "c" {
		if err := l.Transfer(ctx, "a"); err != nil {
			t.Fatal(err)
		}
	}
	newer := model.RemoveMember{Stamp: stamp(1), Member: model.NodeID{9}}
	reads := func(v uint32) {
		t.Helper()
		w.until(fmt.Sprintf("the group reads version %d", v), func() string {
			if s, err := w.awaitLeader("c").Status(ctx); err != nil || s.Entry != v {
				return fmt.Sprintf("version %d, %v", s.Entry, err)
			}
			return ""
		})
	}
	refused := func(when string) {
		t.Helper()
		l := w.awaitLeader("c")
		if err := l.Propose(ctx, newer); !fault.Is(err, fault.Version) || !strings.Contains(err.Error(), "node c") {
			t.Errorf("%s: a change of version 3: %v", when, err)
		}
		if err := l.Propose(ctx, note(1)); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	reads(entry.Version)
	old.Store(true)
	w.kill("c")
	reads(entry.Lowest)
	refused("while it is down")
	w.start("c", false)
	w.voters(3)
	refused("after it was started in the older version")
	// As if it had been so quick that nobody missed it.
	l = w.awaitLeader("c")
	l.tend.mu.Lock()
	m := l.tend.fellowLocked("c")
	m.entry, m.said = entry.Version, time.Now().Add(time.Hour)
	l.tend.mu.Unlock()
	refused("while the leader believes otherwise")
	w.settle()
	if v := w.at("c").versions(t); v[1] == 0 || v[3] != 0 {
		t.Errorf("the versions in the log are %v", v)
	}
	w.kill("c")
	old.Store(false)
	w.start("c", false)
	w.voters(3)
	reads(entry.Version)
	if err := w.at("b").Propose(ctx, newer); err != nil && fault.Is(err, fault.Version) {
		t.Errorf("after the upgrade: %v", err)
	}
}

func TestAnswerRefuses(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.group(1)
	a := w.at("a")
	whole := forwardBody(&proposal{entry: []byte{1, 0, 1, 17, 2, '{', '}'}})
	for name, tc := range map[string]struct {
		route string
		body  []byte
		kind  fault.Kind
	}{
		"unknown":            {"raft/nothing", nil, fault.NotFound},
		"no entry":           {routePropose, nil, fault.Invalid},
		"a form of tomorrow": {routePropose, append([]byte{2}, whole[1:]...), fault.Version},
		"a short one":        {routePropose, whole[:17], fault.Invalid},
		"garbage":            {routePropose, append(whole[:19:19], "garbage"...), fault.Invalid},
		"a named entry":      {routePropose, forwardBody(&proposal{entry: entry.WithRequest([]byte{1, 0, 1, 17, 2, '{', '}'}, entry.Request{ID: model.RequestID{1}})}), fault.Invalid},
		"a long question":    {routeHealth, bytes.Repeat([]byte(" "), maxQuestion+1), fault.TooLarge},
		"no inquiry":         {routeHealth, []byte("{"), fault.Invalid},
		"no order":           {routeMember, []byte("[]"), fault.Invalid},
		"an unknown order":   {routeMember, []byte(`{"do":"dance","id":"a"}`), fault.Version},
	} {
		if b, err := a.Answer(soon(t), "a", tc.route, tc.body); !fault.Is(err, tc.kind) {
			t.Errorf("%s: %q, %v (%s), want kind %s", name, b, err, fault.KindOf(err), tc.kind)
		}
	}
	for _, route := range []string{routePropose, routeFence, routeMember} {
		if _, err := a.Answer(soon(t), "stranger", route, whole); !fault.Is(err, fault.Denied) {
			t.Errorf("%s by a stranger: %v", route, err)
		}
	}
	if err := a.Err(); err != nil {
		t.Error(err)
	}
}

func TestForward(t *testing.T) {
	for _, p := range []proposal{
		{entry: []byte{1, 0, 1, 17, 2, '{', '}'}},
		{entry: []byte{1, 0, 1, 17, 2, '{', '}'}, first: true, base: 1 << 60, id: model.RequestID{1, 2}},
		{entry: []byte{1, 0, 1, 17, 2, '{', '}'}, again: true, base: 127},
	} {
		got, err := readForward(forwardBody(&p))
		if err != nil || !reflect.DeepEqual(*got, p) {
			t.Errorf("%+v came back as %+v, %v", p, got, err)
		}
	}
}

func FuzzReadForward(f *testing.F) {
	whole := forwardBody(&proposal{entry: []byte{1, 0, 1, 17, 2, '{', '}'}, id: model.RequestID{3}, base: 1 << 40})
	for i := range whole {
		f.Add(whole[:i])
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := readForward(b)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.Version {
				t.Fatalf("kind %s: %v", k, err)
			}
			return
		}
		again, err := readForward(forwardBody(p))
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%+v came back as %+v, %v", p, again, err)
		}
	})
}

// A flood of refused items makes the leader write entries of the version that rations them, once all nodes read it and
// not before; the state of all nodes stays the same.
func TestAFloodOfRefusedItems(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	var old atomic.Bool
	old.Store(true)
	w.tune = func(_ string, c *Config) {
		if old.Load() {
			c.entry = 4
		}
	}
	w.group(3)
	ctx := soon(t)
	site, seq := model.NodeID{8}, model.Seq(0)
	for _, c := range []model.Change{
		model.Invite{Stamp: stamp(1), Member: model.Member{ID: site, Kind: model.MemberSite, Name: "s", TokenHash: "h", TokenExpires: 2_000_000_000_000}, Site: &model.Site{ID: model.SiteID(site), Name: "s"}},
		model.Enroll{Stamp: stamp(1), Member: site, TokenHash: "h", Pin: "p"},
	} {
		if err := w.awaitLeader().Propose(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	refuse := func(n int) {
		t.Helper()
		run := model.Received{Stamp: stamp(2), Origin: site, Epoch: 1}
		for range n {
			seq++
			run.Items = append(run.Items, model.Item{Seq: seq, Kind: "rubbish", Key: "k"})
		}
		if err := w.awaitLeader().Propose(ctx, run); err != nil {
			t.Fatal(err)
		}
	}
	audited := func() model.Seq {
		v := w.awaitLeader().store.View()
		defer v.Close()
		e, err := v.Audit(0, 1)
		if err != nil || len(e) != 1 {
			t.Fatal(e, err)
		}
		return e[0].Seq
	}
	for range 3 {
		refuse(500)
	}
	if n := audited(); n < 1500 {
		t.Errorf("%d audit entries: a node that does not read the newest version would have come to others", n)
	}
	old.Store(false)
	for _, id := range w.ids() {
		w.kill(id)
		w.start(id, false)
		w.voters(3)
	}
	w.until("all read the newest version", func() string {
		if s, err := w.awaitLeader().Status(ctx); err != nil || s.Entry != entry.Version {
			return fmt.Sprintf("version %d, %v", s.Entry, err)
		}
		return ""
	})
	for !w.awaitLeader().fsm.Flooded() { // what it applied before it was started may count, or not
		refuse(500)
	}
	refuse(1)
	before := audited()
	for range 3 {
		refuse(500)
	}
	if n := audited() - before; n > 16 {
		t.Errorf("%d audit entries more", n)
	}
	w.settle()
}
