package node

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// TestOrdersComeFromTheLeader: what the leader tells a node to keep, and the snapshots that it sends, are taken from the
// leader of this term and from nobody else that the group lets in.
func TestOrdersComeFromTheLeader(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.group(3)
	if err := w.at("a").Propose(soon(t), account(0)); err != nil {
		t.Fatal(err)
	}
	w.settle()
	l := w.awaitLeader()
	n := w.other(l.id)
	third := w.other(l.id, n.id)
	set := true
	term := n.raft.CurrentTerm()
	for name, tc := range map[string]struct {
		from string
		term uint64
	}{
		"a member that follows":  {third.id, term},
		"one that is no member":  {"stranger", term},
		"a leader of an old day": {l.id, term - 1},
		"a leader of tomorrow":   {l.id, term + 1},
		"one that says no term":  {l.id, 0},
	} {
		body, err := model.Encode(inquiry{NoVote: &set, Term: tc.term})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Answer(soon(t), tc.from, routeHealth, body); !fault.Is(err, fault.Denied) {
			t.Errorf("an order of %s: %v", name, err)
		}
		if n.noVote.Load() {
			t.Fatalf("an order of %s was obeyed", name)
		}
	}
	for _, from := range []string{third.id, "stranger"} {
		near, far := net.Pipe()
		said := make(chan string, 1)
		go func() {
			b, _ := io.ReadAll(near)
			said <- string(b)
		}()
		if err := n.ReceiveSnapshot(context.Background(), from, []byte("{}"), far); !fault.Is(err, fault.Denied) {
			t.Errorf("a snapshot of %s: %v", from, err)
		}
		if got := <-said; !strings.Contains(got, "only the leader") { // and the stream is closed
			t.Errorf("it was told %q", got)
		}
	}
	if t.Failed() || n.raft.CurrentTerm() != term {
		return
	}
	body, err := model.Encode(inquiry{NoVote: &set, Term: term})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Answer(soon(t), l.id, routeHealth, body); n.raft.CurrentTerm() == term && (err != nil || !n.noVote.Load()) {
		t.Errorf("an order of the leader: %v", err)
	}
}
