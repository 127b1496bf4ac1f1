package hub_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/wire"
)

// numbered is rows that note where sending begins, and a member that is kept among them.
type numbered struct {
	rows
	member model.Member
	after  chan model.Seq
}

func (r *numbered) Directives(to model.NodeID, after model.Seq, limit, _ int, _ bool) ([]model.Item, model.Seq, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if to == site.ID {
		select {
		case r.after <- after:
		default:
		}
	}
	return nil, max(after, r.head), nil
}

func (r *numbered) Propose(ctx context.Context, changes ...model.Change) error {
	for _, c := range changes {
		if c, ok := c.(model.Overtaken); ok {
			r.mu.Lock()
			r.member.Ahead = c.Held
			r.mu.Unlock()
		}
	}
	return r.rows.Propose(ctx, changes...)
}

func (r *numbered) Member(model.NodeID) (model.Member, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.member, true, nil
}

// open greets as a member that holds some directives, and returns where sending to it began.
func (r *numbered) open(t *testing.T, epoch model.Epoch, continues bool, held model.Position) (model.Seq, error) {
	t.Helper()
	r.after = make(chan model.Seq, 1)
	h := hub.New(hub.Config{
		Self: self, Name: "c", Software: "s", Epoch: func() model.Epoch { return epoch }, Continues: continues,
		Proposer: r, Reader: r, Member: r.Member, Now: time.Now, Log: quiet,
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d, a := linktest.Pair("p", "q", linktest.Faults{})
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(ctx, a, &site) }() // with the row as it was when the session opened
	s, err := d.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := wire.WriteFrame(s, wire.TypeHello, wire.Hello{MinVersion: 1, MaxVersion: 1, Node: site.ID, Epoch: 6, Held: held}); err != nil {
		t.Fatal(err)
	}
	if _, err := wire.Expect(s, wire.TypeWelcome, wire.MaxControl); err != nil {
		<-ended
		return 0, err
	}
	at := <-r.after
	cancel()
	<-ended
	return at, nil
}

func TestWhereSendingGoesOn(t *testing.T) {
	const head = 1 << 40 // far on, as behind a restore
	for _, c := range []struct {
		name      string
		epoch     model.Epoch
		continues bool
		ahead     model.Position
		held      model.Position
		want      model.Seq
	}{
		{"a member of the same life", 2, true, model.Position{}, model.Position{Epoch: 2, Seq: 17}, 17},
		{"a member that held things of the life before", 2, true, model.Position{}, model.Position{Epoch: 1, Seq: 17}, 17},
		{"the same at a tier that numbers anew", 2, false, model.Position{}, model.Position{Epoch: 1, Seq: 17}, 0},
		{"one that holds nothing", 2, true, model.Position{}, model.Position{}, 0},
		{"one that was ahead in the life before", 2, true, model.Position{Epoch: 1, Seq: 17}, model.Position{Epoch: 1, Seq: 17}, 0},
		{"the same once it follows the new one", 2, true, model.Position{Epoch: 1, Seq: 17}, model.Position{Epoch: 2, Seq: 18}, 18},
		{"and in the life after that", 3, true, model.Position{Epoch: 1, Seq: 17}, model.Position{Epoch: 2, Seq: 18}, 18},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := site
				m.Ahead = c.ahead
				r := &numbered{rows: rows{head: head}, member: m}
				if got, err := r.open(t, c.epoch, c.continues, c.held); err != nil || got != c.want {
					t.Errorf("sending went on behind %d, %v; want %d", got, err, c.want)
				}
				if len(r.proposed) != 0 {
					t.Errorf("proposed %+v", r.proposed)
				}
			})
		})
	}
}

// A store that was put back from a copy stays refused by whoever knows more, also once its numbers have come past
// what that one holds; until it has a new epoch, in which everything is said again.
func TestAnOlderCopyOfTheStoreIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &numbered{rows: rows{head: 10}, member: site}
		held := model.Position{Epoch: 1, Seq: 15}
		for _, head := range []model.Seq{10, 14, 15, 900} {
			r.head = head
			_, err := r.open(t, 1, true, held)
			if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "directive 15 of epoch 1") || !strings.Contains(err.Error(), "cluster restore") {
				t.Errorf("with %d numbered: %v", head, err)
			}
		}
		if len(r.proposed) != 1 {
			t.Errorf("it was written down %d times", len(r.proposed))
		}
		if got, err := r.open(t, 2, true, held); err != nil || got != 0 {
			t.Errorf("in the new epoch sending went on behind %d, %v", got, err)
		}
		if _, err := r.open(t, 0, true, held); !fault.Is(err, fault.Unreachable) {
			t.Errorf("greeted by a server that does not know its epoch: %v", err)
		}
	})
}
