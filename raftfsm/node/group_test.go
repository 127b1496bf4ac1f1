package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/entry"
)

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// note is a change that is not idempotent: each one applied is an entry of the audit record.
func note(n int) model.Note {
	return model.Note{Stamp: stamp(n), Action: "test.note", Object: fmt.Sprint(n), OK: true}
}

// notes counts the notes in the audit record of a node by their number.
func (w *world) notes(t testing.TB) map[int]int {
	t.Helper()
	v := w.store.View()
	defer v.Close()
	all, err := v.Audit(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	count := map[int]int{}
	for _, e := range all {
		var n int
		if e.Action == "test.note" {
			if _, err := fmt.Sscan(e.Object, &n); err != nil {
				t.Fatal(err)
			}
			count[n]++
		}
	}
	return count
}

// A group grows from one to three without a start of any node, and takes changes and reads on each of them.
func TestGroupForms(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.group(3)
	ctx := soon(t)
	for i := range 30 {
		n := w.at(w.ids()[i%3])
		if err := n.Propose(ctx, note(i), account(i)); err != nil {
			t.Fatal(err)
		}
		if !n.has(t, i) {
			t.Fatalf("node %s took a change and does not have it", n.id)
		}
		other := w.at(w.ids()[(i+1)%3])
		if err := other.Fresh(ctx); err != nil || !other.has(t, i) {
			t.Fatalf("node %s, after a fence, does not have what node %s has: %v", other.id, n.id, err)
		}
	}
	for _, id := range w.ids() {
		n := w.at(id)
		if err := n.Propose(ctx, found(2)); !fault.Is(err, fault.Conflict) || strings.Contains(err.Error(), "may or may not") {
			t.Errorf("a refusal on node %s: %v", id, err)
		}
		if err := n.Propose(ctx); !fault.Is(err, fault.Invalid) {
			t.Errorf("nothing, on node %s: %v", id, err)
		}
		s, err := n.Status(ctx)
		if err != nil || s.Leader != w.leader().id || s.Node != s.Leader || len(s.Members) != 3 || s.Entry != entry.Version || s.Commit == 0 || s.First != 1 {
			t.Errorf("node %s: %+v, %v", id, s, err)
		}
		for _, m := range s.Members {
			if !m.Voter || !m.Healthy || m.Leader != (m.ID == s.Leader) || m.Address != w.addr(m.ID) || m.Health.Entry != entry.Version || !m.Health.Note.Ready {
				t.Errorf("member %+v", m)
			}
		}
		if age := n.Age(); age > 5*time.Second {
			t.Errorf("the rows of node %s are %s old", id, age)
		}
	}
	w.settle()
	for n, times := range w.at("b").notes(t) {
		if times != 1 {
			t.Errorf("note %d was applied %d times", n, times)
		}
	}
}

// The same request, by whichever node and however often, is carried out once.
func TestRequestIsCarriedOutOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.group(3)
	ctx := soon(t)
	for i := range 6 {
		id := model.RequestID{byte(i + 1)}
		refused := i%2 == 1
		for _, at := range []string{"a", "b", "c", "b"} {
			changes := []model.Change{note(i)}
			if refused {
				changes = append(changes, found(2))
			}
			err := w.at(at).Propose(model.WithRequest(ctx, id), changes...)
			if refused != fault.Is(err, fault.Conflict) || !refused && err != nil {
				t.Errorf("request %d at %s: %v", i, at, err)
			}
		}
	}
	w.settle()
	if got := fmt.Sprint(w.at("a").notes(t)); got != "map[0:1 2:1 4:1]" {
		t.Errorf("the notes are %s", got)
	}
	// In a group of one as well, over a start.
	w = newTown(t)
	w.group(1)
	for range 3 {
		if err := w.at("a").Propose(model.WithRequest(ctx, model.RequestID{1}), note(1)); err != nil {
			t.Fatal(err)
		}
		w.kill("a")
		w.start("a", true)
		if err := w.at("a").WaitLeader(ctx); err != nil {
			t.Fatal(err)
		}
	}
	w.settle()
	if got := fmt.Sprint(w.at("a").notes(t)); got != "map[1:1]" {
		t.Errorf("the notes are %s", got)
	}
}

// Answers of the leader that are lost leave nobody in doubt, and nothing twice.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := newTown(t)
	w.group(3)
	ctx := soon(t)
	if err := w.at("a").Propose(ctx, account(0)); err != nil { // the group uses requests from here on
		t.Fatal(err)
	}
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 0))
	lost := 0
	w.losing(func(_, _, route string) bool {
		mu.Lock()
		defer mu.Unlock()
		if route != routePropose || rnd.IntN(3) > 0 {
			return false
		}
		lost++
		return true
	})
	var all sync.WaitGroup
	for _, id := range w.ids() {
		n := w.at(id)
		for c := range 2 {
			all.Go(func() {
				for i := range 20 {
					if err := n.Propose(ctx, note(1000*int(id[0])+100*c+i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	w.settle()
	count := w.at("c").notes(t)
	for n, times := range count {
		if times != 1 {
			t.Errorf("note %d was applied %d times", n, times)
		}
	}
	if len(count) != 120 || lost == 0 {
		t.Errorf("%d notes of 120; %d answers were lost", len(count), lost)
	}
}

// load writes notes on every running node of a town until stop is called, which returns those that were acknowledged
// and how long the longest gap between two was.
func (w *town) load(writers int) (stop func() (acknowledged map[int]bool)) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	var mu sync.Mutex
	acknowledged := map[int]bool{}
	var next atomic.Int64
	for i := range writers {
		all.Go(func() {
			for k := i; ctx.Err() == nil; k++ {
				ids := w.ids()
				n := w.at(ids[k%len(ids)])
				if n == nil {
					continue
				}
				number := int(next.Add(1))
				if err := n.Propose(ctx, note(number)); err == nil {
					mu.Lock()
					acknowledged[number] = true
					mu.Unlock()
				}
			}
		})
	}
	return func() map[int]bool {
		cancel()
		all.Wait()
		return acknowledged
	}
}

// check compares what was acknowledged with what is there.
func (w *town) check(acknowledged map[int]bool) {
	w.t.Helper()
	w.settle()
	count := w.leader().notes(w.t)
	for n := range acknowledged {
		if count[n] == 0 {
			w.t.Errorf("note %d was acknowledged and is gone", n)
		}
	}
	for n, times := range count {
		if times > 1 {
			w.t.Errorf("note %d was applied %d times", n, times)
		}
	}
}

// Leaders are killed under load: nothing acknowledged is lost, nothing is applied twice, and writing resumes.
func TestKilledLeaders(t *testing.T) {
	t.Parallel()
	const rounds = 4
	w := newTown(t)
	w.group(3)
	if err := w.at("a").Propose(soon(t), account(0)); err != nil {
		t.Fatal(err)
	}
	w.settle() // every node knows that the group uses requests
	stop := w.load(4)
	var gaps []time.Duration
	for range rounds {
		l := w.awaitLeader()
		w.kill(l.id)
		began := time.Now()
		n := w.other(l.id)
		if err := n.Propose(soon(t), model.Note{Stamp: stamp(0), Action: "after.kill", OK: true}); err != nil {
			t.Errorf("a proposal after the leader was killed: %v", err)
		}
		gaps = append(gaps, time.Since(began))
		w.start(l.id, false)
		w.voters(3)
	}
	acknowledged := stop()
	w.check(acknowledged)
	slices.Sort(gaps)
	t.Logf("writing resumed after %s at the median, %s at worst; %d changes were acknowledged", gaps[len(gaps)/2], gaps[len(gaps)-1], len(acknowledged))
	if gaps[len(gaps)-1] > 5*time.Second || len(acknowledged) < 20 {
		t.Errorf("writing resumed after %v; %d changes were acknowledged", gaps, len(acknowledged))
	}
}

// Each node is started again in turn, under load: the members stay the same, and nothing is lost.
func TestRollingReboot(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.tune = func(_ string, c *Config) { c.Policy.DeadAfter = 10 * time.Second }
	w.group(3)
	if err := w.at("a").Propose(soon(t), account(0)); err != nil {
		t.Fatal(err)
	}
	w.settle()
	stop := w.load(3)
	for _, id := range w.ids() {
		n := w.at(id)
		if is, _ := n.Leader(); is {
			if err := n.Transfer(soon(t), ""); err != nil {
				t.Errorf("hand over before the reboot of %s: %v", id, err)
			}
		}
		w.kill(id)
		if err := w.other(id).Propose(soon(t), account(int(id[0]))); err != nil {
			t.Errorf("while %s is down: %v", id, err)
		}
		w.start(id, false)
		w.voters(3)
	}
	w.check(stop())
}

// A new member that the log no longer reaches gets the snapshot, and then the same rows.
func TestNewMemberGetsTheSnapshot(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.tune = func(id string, c *Config) {
		if id == "b" {
			c.Peers = nil
		}
	}
	w.group(1)
	a, ctx := w.at("a"), soon(t)
	for i := range 30 {
		if err := a.Propose(ctx, account(i)); err != nil {
			t.Fatal(err)
		}
	}
	now := a.raft.ReloadableConfig()
	now.TrailingLogs = 1
	if err := errors.Join(a.raft.ReloadConfig(now), a.TakeSnapshot(ctx)); err != nil {
		t.Fatal(err)
	}
	if first := a.status().First; first < 20 {
		t.Fatalf("the log was not cut: it begins at %d", first)
	}
	b := w.start("b", false)
	if err := b.Propose(ctx, account(99)); !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "in no group") {
		t.Errorf("a proposal to a node without a group: %v", err)
	}
	patience, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if err := b.WaitLeader(patience); !fault.Is(err, fault.ReadOnly) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a leader that cannot come: %v", err)
	}
	if err := a.AddMember(ctx, "b", w.addr("b")); err != nil {
		t.Fatal(err)
	}
	if err := a.Propose(ctx, account(30)); err != nil {
		t.Fatal(err)
	}
	w.until("b has caught up", func() string {
		if got, want := b.store.Applied(), a.store.Applied(); got < want {
			return fmt.Sprintf("it is at %d, the leader at %d", got, want)
		}
		return ""
	})
	if got, want := b.hash(t), a.hash(t); got != want {
		t.Errorf("b has rows %s, a %s", got, want)
	}
	if err := b.WaitLeader(ctx); err != nil {
		t.Fatal(err)
	}
	if is, addr := b.Leader(); is || addr != w.addr("a") {
		t.Errorf("on b: leader %t at %q", is, addr)
	}
	if err := b.Propose(ctx, account(98)); !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "the leader is at") {
		t.Errorf("a proposal on a node that can ask nobody: %v", err)
	}
}
