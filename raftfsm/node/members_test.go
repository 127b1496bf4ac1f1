package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

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
	w.until("b knows that it was removed", func() string {
		if b.Member() {
			return "it does not"
		}
		return ""
	})
	brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if err := b.Propose(brief, account(2)); err == nil || a.has(t, 2) {
		t.Errorf("a proposal on a node that was removed: %v", err)
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
	w.until("it is known since when d was dead", func() string {
		if last, out := w.awaitLeader("d").Gone("d"); !out || last.IsZero() || last.After(time.Now()) {
			return fmt.Sprint(last, out)
		}
		return ""
	})
	if _, out := l.Gone(l.id); out {
		t.Error("the leader takes itself for gone")
	}
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

// A node that has the entries of the group and not its rows gets no vote, however few entries there are and however
// well it answers: by itself no more than by an operator.
func TestNoVoteWithoutRows(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.group(1)
	ctx := soon(t)
	a := w.at("a")
	if err := a.Propose(ctx, account(1), account(2)); err != nil {
		t.Fatal(err)
	}
	b := w.start("b", false)
	hold := make(chan struct{})
	b.store.Tap(func([]byte) { <-hold })
	free := sync.OnceFunc(func() { close(hold) })
	defer free()
	if err := a.AddMember(ctx, "b", w.addr("b")); err != nil {
		t.Fatal(err)
	}
	w.until("b is well for long, and has every entry", func() string {
		s, err := a.Status(ctx)
		for _, m := range s.Members {
			switch {
			case m.ID != "b":
			case m.Voter:
				t.Fatalf("it got a vote with rows of %d: %+v", b.store.Applied(), s)
			case m.Healthy && m.Lag == 0 && m.Health.Last == s.Last && m.Contact-m.Since > model.TimeOf(time.UnixMilli(300)) && strings.Contains(s.Next, "has the rows"):
				return ""
			}
		}
		return fmt.Sprintf("%+v, %v", s, err)
	})
	if err := a.Promote(ctx, "b"); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "rows") {
		t.Errorf("a vote for one without rows: %v", err)
	}
	free()
	w.voters(2)
	w.settle()
}

// The connections to a node that was removed are closed, on every other node; those that it made itself are the
// stream layer's to close, which knows who made them.
func TestARemovedNodeIsCutOff(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.group(3)
	ctx := soon(t)
	for _, id := range w.ids() { // each has led, and so has dialled the others
		if err := w.at("a").Transfer(ctx, id); err != nil {
			t.Fatal(err)
		}
		if err := w.at(id).Propose(ctx, account(0)); err != nil && !fault.Is(err, fault.Exists) {
			t.Fatal(err)
		}
	}
	w.settle()
	c := w.addr("c")
	open := func() (n int) {
		for _, id := range []string{"a", "b"} {
			g := w.at(id).gate
			g.mu.Lock()
			for conn := range g.conns {
				if conn.(*gated).to == c {
					n++
				}
			}
			g.mu.Unlock()
		}
		return n
	}
	if open() == 0 {
		t.Fatal("nobody has a connection to c: the test proves nothing")
	}
	if err := w.at("a").RemoveMember(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	w.until("no connection to c", func() string {
		if n := open(); n > 0 {
			return fmt.Sprintf("%d are open", n)
		}
		return ""
	})
	w.until("c knows that it was removed", func() string {
		if w.at("c").Member() {
			return "it does not"
		}
		return ""
	})
	if err := w.at("b").Propose(ctx, account(1)); err != nil {
		t.Error(err)
	}
}
