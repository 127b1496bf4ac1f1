package hub_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/uplink"
)

// single is a store that makes one proposal durable after the other, in the order in which they came.
type single struct {
	rows
	turn chan struct{} // held by the proposal that is written

	mu  sync.Mutex // guards what follows
	log []model.Received
}

func (s *single) Propose(_ context.Context, changes ...model.Change) error {
	s.turn <- struct{}{} // those who wait for a channel are served in the order they came
	defer func() { <-s.turn }()
	<-time.After(time.Millisecond) // the disk
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		s.log = append(s.log, c.(model.Received))
	}
	return nil
}

func (s *single) Watermark(model.NodeID) (model.Position, error) { return model.Position{}, nil }

// supply is an outbox in memory. With one it gives the next item only once the last was acknowledged, and
// tells idle when there is none left.
type supply struct {
	one  bool
	mu   sync.Mutex // guards what follows
	left []model.Item
	gone model.Seq
	wake chan struct{}
	idle chan struct{}
}

func newSupply(n int, one bool, payload string) *supply {
	s := &supply{one: one, wake: make(chan struct{}, 1), idle: make(chan struct{})}
	for i := range n {
		s.left = append(s.left, model.Item{Seq: model.Seq(i + 1), Kind: model.ItemHost, Key: fmt.Sprint(i), Payload: jsontext.Value(payload)})
	}
	return s
}

func (s *supply) Epoch() model.Epoch { return 1 }
func (s *supply) Head() model.Seq    { return 1 << 40 }
func (s *supply) Dropped() model.Seq { s.mu.Lock(); defer s.mu.Unlock(); return s.gone }

func (s *supply) After(seq model.Seq, maxItems, maxBytes int) ([]model.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.one && seq > s.gone {
		return nil, nil // the last one is on its way
	}
	n, size := 0, 0
	for n < len(s.left) && s.left[n].Seq <= seq {
		n++
	}
	rest := s.left[n:]
	n = 0
	for n < len(rest) && n < maxItems && (n == 0 || size+len(rest[n].Payload) <= maxBytes) && (n == 0 || !s.one) {
		size += len(rest[n].Payload)
		n++
	}
	return rest[:n], nil
}

func (s *supply) DropThrough(seq model.Seq) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.left) > 0 && s.left[0].Seq <= seq {
		s.left = s.left[1:]
	}
	if s.gone = max(s.gone, seq); len(s.left) == 0 {
		select {
		case <-s.idle:
		default:
			close(s.idle)
		}
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

func (s *supply) Wait(ctx context.Context, _ model.Seq) error {
	select {
	case <-s.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A site that sends all of its 27,000 rows again must not hold up another one: whatever that one has to
// say comes between two pieces of the resync, and a piece is small.
func TestAResyncLetsOtherSitesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rows, words = 27_000, 40
		st := &single{turn: make(chan struct{}, 1)}
		h := hub.New(hub.Config{
			Self: self, Name: "c", Software: "s", Epoch: func() model.Epoch { return 1 }, Proposer: st, Reader: st, Now: time.Now, Log: quiet,
		})
		large := model.Member{ID: model.NodeID{0xAA}, Kind: model.MemberSite, Name: "large"}
		small := model.Member{ID: model.NodeID{0xBB}, Kind: model.MemberSite, Name: "small"}
		row := `"` + strings.Repeat("x", 1000) + `"`
		boxes := map[model.NodeID]*supply{large.ID: newSupply(rows, false, row), small.ID: newSupply(words, true, `"up"`)}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		for _, m := range []model.Member{large, small} {
			l := uplink.New(uplink.Config{
				Self: m.ID, Name: m.Name, Software: "test", Upper: self, Outbox: boxes[m.ID], Sink: none{}, Now: time.Now, Log: quiet,
				Resync: func(context.Context) error { return errors.New("not asked for") }, Changed: func(uplink.State) {},
				Dial: func(context.Context) (exchange.Session, error) {
					d, a := linktest.Pair("pin-"+m.Name, "pin-controller", linktest.Faults{})
					running.Go(func() { _ = h.Serve(ctx, a, &m) })
					return d, nil
				},
			})
			running.Go(func() { _ = l.Run(ctx) })
		}
		for _, b := range boxes {
			select {
			case <-b.idle:
			case <-time.After(time.Hour):
				t.Error("not everything was taken within an hour")
			}
		}
		cancel()
		running.Wait()

		sent := map[model.NodeID]int{}
		between, worst, pieces, during := 0, 0, 0, 0
		for _, c := range st.log {
			size := 0
			for _, it := range c.Items {
				size += len(it.Payload)
			}
			if len(c.Items) > exchange.MaxRunItems || size > exchange.MaxRunBytes {
				t.Errorf("one proposal has %d items of %d bytes", len(c.Items), size)
			}
			if sent[c.Origin] += len(c.Items); c.Origin == large.ID {
				pieces++
				between++
				continue
			}
			if sent[small.ID] > 1 { // before its first the other may have begun long ago
				worst = max(worst, between)
			}
			between = 0
			if sent[large.ID] > 0 && sent[large.ID] < rows {
				during++
			}
		}
		if sent[large.ID] != rows || sent[small.ID] != words {
			t.Errorf("sent %v", sent)
		}
		if pieces < rows/exchange.MaxRunItems || during < words-2 {
			t.Errorf("%d pieces, and %d of %d words of the other site came through meanwhile: the test does not show what it is to show", pieces, during, words)
		}
		// One that is being written, and one that came to wait before the word did.
		if worst > 2 {
			t.Errorf("a word of the other site waited for %d pieces of the resync", worst)
		}
	})
}
