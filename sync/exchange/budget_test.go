package exchange_test

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/linktest"
)

// flood is a source of one large item.
type flood struct{ size int }

func (flood) Epoch() model.Epoch                          { return 1 }
func (flood) Acked(context.Context, model.Position) error { return nil }
func (f flood) Next(ctx context.Context, after model.Seq, _, _ int) ([]model.Item, model.Seq, error) {
	if after > 0 {
		<-ctx.Done()
		return nil, 0, ctx.Err()
	}
	rng := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, f.size/2) // what nothing makes much smaller
	for i := range text {
		text[i] = byte(rng.Uint32())
	}
	return []model.Item{{Seq: 1, Kind: model.ItemPackages, Key: "k", Payload: []byte(`"` + hex.EncodeToString(text) + `"`)}}, 1, nil
}

// gate is a sink that takes one run when it is let.
type gate struct {
	let  chan struct{}
	took *sync.WaitGroup
}

func (gate) Held(context.Context) (model.Position, error) { return model.Position{}, nil }
func (g gate) Accept(ctx context.Context, e model.Epoch, items []model.Item) (model.Position, error) {
	select {
	case <-g.let:
		g.took.Done()
		return model.Position{Epoch: e, Seq: items[len(items)-1].Seq}, nil
	case <-ctx.Done():
		return model.Position{}, ctx.Err()
	}
}

// many runs that many links into one budget, and returns how each upper end ended when stop is called.
func many(t *testing.T, links, size int, b *exchange.Budget, g gate) (stop func() []error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	quiet := slog.New(slog.DiscardHandler)
	ends := make([]error, links)
	var running sync.WaitGroup
	for i := range links {
		d, a := linktest.Pair("lower", "upper", linktest.Faults{})
		up, err := d.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		down, err := a.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			_ = exchange.Run(ctx, up, &exchange.Config{Source: flood{size}, Sink: g, PeerEpoch: 1, Log: quiet})
		})
		running.Go(func() {
			ends[i] = exchange.Run(ctx, down, &exchange.Config{Source: flood{0}, Sink: g, PeerEpoch: 1, Log: quiet, Budget: b})
		})
	}
	return func() []error { cancel(); running.Wait(); return ends }
}

func none(time.Duration) time.Duration { return 0 }

// However many report at once, no more than the budget is held, and in the end all have been taken.
func TestManyReportAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const links, size, most = 60, 100_000, 1 << 20
		b := exchange.NewBudget(most, none)
		g := gate{make(chan struct{}), new(sync.WaitGroup)}
		g.took.Add(2 * links)
		stop := many(t, links, size, b, g)
		synctest.Wait()
		if used := b.Used(); used == 0 || used > most {
			t.Errorf("%d bytes are held, at most %d may be", used, most)
		}
		for range 2 * links {
			g.let <- struct{}{}
			synctest.Wait()
			if used := b.Used(); used > most {
				t.Errorf("%d bytes are held, at most %d may be", used, most)
			}
		}
		g.took.Wait()
		for _, err := range stop() {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a link ended with %v", err)
			}
		}
		if used := b.Used(); used != 0 {
			t.Errorf("%d bytes are held by nobody", used)
		}
	})
}

// Where nothing is taken for long, those that wait are told to come again, and what they had is given back.
func TestNoRoomInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := exchange.NewBudget(1<<20, none)
		g := gate{make(chan struct{}), new(sync.WaitGroup)}
		stop := many(t, 30, 100_000, b, g)
		time.Sleep(601 * time.Second)
		busy := 0
		for _, err := range stop() {
			if after, _ := fault.RetryAfter(err); fault.Is(err, fault.Busy) && after == 15*time.Second {
				busy++
			} else if !errors.Is(err, context.Canceled) {
				t.Errorf("a link ended with %v", err)
			}
		}
		if busy == 0 || busy == 30 {
			t.Errorf("%d of 30 were told to come again", busy)
		}
		if used := b.Used(); used != 0 {
			t.Errorf("%d bytes are held by nobody", used)
		}
	})
}

// One frame has room whatever it needs, or it never would.
func TestOneAloneHasRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := exchange.NewBudget(10, none)
		g := gate{make(chan struct{}), new(sync.WaitGroup)}
		g.took.Add(6)
		stop := many(t, 3, 100_000, b, g)
		for range 6 {
			g.let <- struct{}{}
		}
		g.took.Wait()
		stop()
	})
}

// held is a stream that notes whether what comes on it is held, and says what it is told of what came.
type held struct {
	net.Conn
	on   atomic.Bool
	came atomic.Uint64
}

func (h *held) Came() uint64 { return h.came.Load() }

func (h *held) Hold(on bool) { h.on.Store(on) }

// Who waits for room counts as heard while something of it comes, however long that takes, and not when nothing does. What comes
// is left on the line for so long.
func TestWhoWaitsIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := exchange.NewBudget(150_000, none)
		g := gate{make(chan struct{}), new(sync.WaitGroup)}
		g.took.Add(2)
		var running sync.WaitGroup
		streams, heard := make([]*held, 2), make([]atomic.Int64, 2) // when each was last heard
		for i := range 2 {
			d, a := linktest.Pair("lower", "upper", linktest.Faults{})
			up, err := d.Open(ctx)
			if err != nil {
				t.Fatal(err)
			}
			down, err := a.Accept(ctx)
			if err != nil {
				t.Fatal(err)
			}
			streams[i] = &held{Conn: down}
			quiet := slog.New(slog.DiscardHandler)
			running.Go(func() {
				_ = exchange.Run(ctx, up, &exchange.Config{Source: flood{100_000}, Sink: g, PeerEpoch: 1, Log: quiet})
			})
			running.Go(func() {
				err := exchange.Run(ctx, streams[i], &exchange.Config{
					Source: quietSource{}, Sink: g, PeerEpoch: 1, Log: quiet, Budget: b, Heard: func() { heard[i].Store(time.Now().UnixNano()) },
				})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("link %d ended with %v", i, err)
				}
			})
		}
		for range 10 {
			time.Sleep(10 * time.Second)
			streams[0].came.Add(1)
			streams[1].came.Add(1)
		}
		time.Sleep(6 * time.Second) // beyond the next look
		waiting := 0
		for i := range 2 {
			if streams[i].on.Load() {
				waiting++
			}
			if ago := time.Duration(time.Now().UnixNano() - heard[i].Load()); ago > 10*time.Second {
				t.Errorf("link %d counts as silent for %v", i, ago)
			}
		}
		time.Sleep(100 * time.Second)
		for i := range 2 {
			if ago := time.Duration(time.Now().UnixNano() - heard[i].Load()); streams[i].on.Load() != (ago > 90*time.Second) {
				t.Errorf("link %d counts as silent for %v; held: %v", i, ago, streams[i].on.Load())
			}
		}
		if waiting != 1 {
			t.Errorf("%d links are held, want the one that waits", waiting)
		}
		for range 2 {
			g.let <- struct{}{}
		}
		g.took.Wait()
		synctest.Wait()
		for i := range 2 {
			if streams[i].on.Load() {
				t.Errorf("link %d is held for nothing", i)
			}
		}
		cancel()
		running.Wait()
	})
}

// quietSource has nothing to send.
type quietSource struct{}

func (quietSource) Epoch() model.Epoch                          { return 1 }
func (quietSource) Acked(context.Context, model.Position) error { return nil }
func (quietSource) Next(ctx context.Context, _ model.Seq, _, _ int) ([]model.Item, model.Seq, error) {
	<-ctx.Done()
	return nil, 0, ctx.Err()
}
