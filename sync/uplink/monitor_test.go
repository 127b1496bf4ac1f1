package uplink

import (
	"context"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// growing is an outbox of one item for each number.
type growing struct{ head, dropped model.Seq }

func (g *growing) Epoch() model.Epoch { return 1 }
func (g *growing) Head() model.Seq    { return g.head }
func (g *growing) Dropped() model.Seq { return g.dropped }
func (g *growing) After(after model.Seq, _, _ int) ([]model.Item, error) {
	if after >= g.head {
		return nil, nil
	}
	return []model.Item{{Seq: after + 1}}, nil
}
func (g *growing) DropThrough(seq model.Seq) error       { g.dropped = seq; return nil }
func (g *growing) Wait(context.Context, model.Seq) error { return nil }

// A Monitor knows since when the oldest item waits, also while newer ones come and older ones go, and remembers
// no more than it may.
func TestMonitorKnowsTheOldest(t *testing.T) {
	zero := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := zero
	b := &growing{head: 5} // five wait from before: since when, nobody knows any more
	m := NewMonitor(&Link{Config: Config{Outbox: b, Now: func() time.Time { return now }}})
	waits := func() time.Time { return m.waitsLocked(now) }
	if at := waits(); !at.Equal(zero) {
		t.Errorf("what waits from before waits since %v", at)
	}
	for i := range 1000 { // more than are remembered one by one
		now = zero.Add(time.Duration(i+1) * time.Second)
		b.head++
		waits()
		if len(m.marks) > maxMarks+1 {
			t.Fatalf("%d marks", len(m.marks))
		}
	}
	for _, dropped := range []model.Seq{0, 4, 5, 105, 255, 400, 1003} {
		b.dropped = dropped
		want := max(int(dropped)-4, 0) // item dropped+1 came at that second
		came := zero.Add(time.Duration(want) * time.Second)
		if off := waits().Sub(came); off < 0 || off > now.Sub(came)/8+2*time.Second {
			t.Errorf("with %d dropped the oldest is said to wait %v later than it does", dropped, off)
		}
	}
	b.dropped = b.head
	if at := waits(); !at.IsZero() || len(m.marks) != 1 {
		t.Errorf("nothing waits, but since %v, with %d marks", at, len(m.marks))
	}
	now = now.Add(time.Hour)
	b.head++
	if at := waits(); !at.Equal(now) {
		t.Errorf("a new item waits since %v", at)
	}
	*b = growing{head: 2} // another epoch
	if at := waits(); !at.Equal(now) {
		t.Errorf("in a new epoch the oldest waits since %v", at)
	}
}
