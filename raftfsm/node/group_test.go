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
		if err != nil || s.Leader != w.leader().id || s.Node != s.Leader || len(s.Members) != 3 || s.Entry != 3 || s.Commit == 0 || s.First != 1 {
			t.Errorf("node %s: %+v, %v", id, s, err)
		}
		for _, m := range s.Members {
			if !m.Voter || !m.Healthy || m.Leader != (m.ID == s.Leader) || m.Address != w.addr(m.ID) || m.Health.Entry != 3 || !m.Health.Note.Ready {
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

func TestMembers(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.group(1)
	ctx := soon(t)
	a := w.at("a")
	refused := func(err error, k fault.Kind, part string) {
		t.Helper()
		if !fault.Is(err, k) || !strings.Contains(err.Error(), part) {
			t.Errorf("got %v (%s), want kind %s with %q", err, fault.KindOf(err), k, part)
		}
	}
	refused(a.RemoveMember(ctx, "a"), fault.Conflict, "last voter")
	refused(a.Demote(ctx, "a"), fault.Conflict, "last voter")
	refused(a.Transfer(ctx, ""), fault.Conflict, "no other voter")
	refused(a.Promote(ctx, "x"), fault.NotFound, "its members are a")
	refused(a.AddMember(ctx, "x", "nowhere"), fault.Invalid, "HOST:PORT")
	refused(a.AddMember(ctx, "", "h:1"), fault.Invalid, "an id")
	refused(a.AddMember(ctx, "x", w.addr("a")), fault.Conflict, "remove it")
	if err := a.RemoveMember(ctx, "x"); err != nil {
		t.Errorf("a member that is not there: %v", err)
	}
	if err := errors.Join(a.AddMember(ctx, "a", w.addr("a")), a.Transfer(ctx, "a"), a.Promote(ctx, "a")); err != nil {
		t.Errorf("what is so already: %v", err)
	}
	// One that cannot be reached gets no vote, whoever asks for it.
	if err := a.AddMember(ctx, "ghost", "127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	refused(a.Promote(ctx, "ghost"), fault.Conflict, "does not answer")
	if err := a.RemoveMember(ctx, "ghost"); err != nil {
		t.Fatal(err)
	}
	w.join("b")
	w.join("c")
	w.voters(3)
	b := w.at("b")

	// By way of a follower, and of the one that it is about.
	if err := b.Transfer(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	if l := w.awaitLeader(); l.id != "c" {
		t.Fatalf("%s leads", l.id)
	}
	if err := w.at("c").Demote(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	w.until("c has no vote", func() string {
		s, err := b.Status(ctx)
		for _, m := range s.Members {
			if m.ID == "c" && !m.Voter && m.NoVote && m.Healthy && !strings.Contains(s.Next, "c") {
				return ""
			}
		}
		return fmt.Sprintf("%+v, %v", s, err)
	})
	refused(b.Transfer(ctx, "c"), fault.Conflict, "has no vote")
	w.kill("c")
	w.start("c", false) // it keeps that
	w.until("c is back, and still has no vote", func() string {
		s, err := b.Status(ctx)
		for _, m := range s.Members {
			if m.ID == "c" && !m.Voter && m.NoVote && m.Healthy {
				return ""
			}
		}
		return fmt.Sprintf("%+v, %v", s, err)
	})
	if err := b.Promote(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	w.voters(3)

	// With one of three away, neither of the others can be spared.
	w.kill("c")
	w.until("c is missed", func() string {
		s, _ := w.awaitLeader("c").Status(ctx)
		for _, m := range s.Members {
			if m.ID == "c" && m.Healthy {
				return "it counts as healthy"
			}
		}
		return ""
	})
	refused(b.RemoveMember(ctx, "a"), fault.Conflict, "bring c back first")
	refused(a.Demote(ctx, "b"), fault.Conflict, "bring c back first")
	if err := b.RemoveMember(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	// A leader that is removed hands over; one that was removed knows it.
	if err := b.Transfer(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	w.awaitLeader("a")
	w.voters(2)
	if err := b.RemoveMember(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	w.awaitLeader("b")
	if err := a.Propose(ctx, account(1)); err != nil {
		t.Fatal(err)
	}
	if s := a.status(); len(s.Members) != 1 || s.Members[0].ID != "a" {
		t.Errorf("%+v", s)
	}
}

// A node that is silent for long is removed once the group can spare it, and a moved one is found again.
func TestDeadAndMovedMembers(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.tune = func(_ string, c *Config) { c.Policy.DeadAfter = 300 * time.Millisecond }
	w.group(4)
	w.kill("d")
	w.until("d is removed", func() string {
		if s := w.awaitLeader("d").status(); len(s.Members) != 3 {
			return fmt.Sprintf("%+v", s)
		}
		return ""
	})
	l := w.awaitLeader("d")
	gone := w.other(l.id, "d")
	w.kill(gone.id)
	w.until("the next one is missed and stays", func() string {
		s := w.awaitLeader(gone.id).status()
		if len(s.Members) != 3 {
			t.Fatalf("%+v", s)
		}
		if !strings.Contains(s.Next, "add a node in its place") {
			return s.Next
		}
		return ""
	})
	w.mu.Lock()
	w.seats[gone.id].addr = "127.0.0.1:0" // another port
	w.mu.Unlock()
	w.start(gone.id, false)
	w.voters(3)
	w.until("the group knows where it is", func() string {
		l := w.awaitLeader()
		if got, want := string(l.addressOf(gone.id)), w.addr(gone.id); got != want {
			return fmt.Sprintf("node %s is at %s, the leader %s has %s", gone.id, want, l.id, got)
		}
		return ""
	})
	w.settle()
}
