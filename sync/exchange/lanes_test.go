package exchange

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/wire"
)

func none(time.Duration) time.Duration { return 0 }

// let waits for room in a goroutine of its own; the channel has the result.
func let(t *testing.T, b *Budget, n int) chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- b.wait(t.Context(), n, func() {}) }()
	synctest.Wait()
	return done
}

// in says whether one that waited has its room.
func in(t *testing.T, c chan error) bool {
	t.Helper()
	select {
	case err := <-c:
		if err != nil {
			t.Error(err)
		}
		return true
	default:
		return false
	}
}

// Two large frames, of which one comes slowly and the other has no room beside it, keep no small one waiting.
func TestSmallOnesPassLargeOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(16<<20, none)
		if !b.take(9 << 20) {
			t.Fatal("the first large one has no room")
		}
		large := let(t, b, 9<<20)
		for _, wait := range []time.Duration{0, budgetFront - 1, 1, time.Minute} {
			time.Sleep(wait)
			if !b.take(16 << 10) {
				t.Errorf("%v later a small one has no room, and %d of %d bytes are held", wait, b.Used(), b.most)
			}
		}
		if in(t, large) {
			t.Error("the second large one has room beside the first")
		}
		b.give(9 << 20)
		synctest.Wait()
		if !in(t, large) {
			t.Error("the second large one has no room after the first")
		}
	})
}

// A large one that is first in turn lets small ones pass for a while, and then none but those that have room of their own.
func TestLargeOneHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 512 << 10
		b := NewBudget(32*n, none)
		for range 32 {
			if !b.take(n) {
				t.Fatal("small ones have no room in an empty budget")
			}
		}
		large := let(t, b, 12*n)
		if b.give(n); !b.take(n) {
			t.Error("a small one does not pass a large one that has just come")
		}
		small := let(t, b, n)
		time.Sleep(budgetFront)
		for i := range 12 {
			if in(t, large) || in(t, small) {
				t.Fatalf("after %d were gone the large one or one behind it was let in", i)
			}
			b.give(n)
			if synctest.Wait(); b.take(n) {
				t.Error("a small one passes a large one that has waited for long")
			}
		}
		if !in(t, large) || in(t, small) {
			t.Error("the large one has not had its turn, or the small one had it first")
		}
		b.give(12 * n)
		synctest.Wait()
		if !in(t, small) {
			t.Error("the small one waits for ever")
		}
	})
}

// Whatever comes, no more is held than the bound, or one large frame and what is kept for small ones; and each has its turn.
func TestLanesHoldTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 0))
		b := NewBudget(8<<20, none)
		var running sync.WaitGroup
		for range 400 {
			n := budgetFrom + rng.IntN(240<<10)
			if rng.IntN(4) == 0 {
				n = rng.IntN(wire.MaxFrame)
			}
			begin, hold := time.Duration(rng.Int64N(int64(20*time.Second))), time.Duration(rng.Int64N(int64(time.Second)))
			running.Go(func() {
				time.Sleep(begin)
				if !b.take(n) {
					if err := b.wait(t.Context(), n, func() {}); err != nil {
						t.Errorf("seed %d: %d bytes: %v", seed, n, err)
						return
					}
				}
				if used := b.Used(); used > max(b.most, wire.MaxFrame+b.most/budgetKept) {
					t.Errorf("seed %d: %d bytes are held", seed, used)
				}
				time.Sleep(hold)
				b.give(n)
			})
		}
		running.Wait()
		if b.Used() != 0 || len(b.small.waiting)+len(b.large.waiting) != 0 {
			t.Errorf("seed %d: %d bytes are held by nobody", seed, b.Used())
		}
	})
}

// A body that holds room ends its link when it comes too slowly, with a reason; a slow one that moves arrives.
func TestBodyThatComesSlowly(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int           // of the body
		step  int           // bytes that come at a time
		pause time.Duration // before each
		ends  time.Duration // after which the link ends; 0: it arrives
	}{
		{"a byte now and then", 9 << 20, 1, 29 * time.Second, lateGrace},
		{"a slow line", 512 << 10, 8 << 10, time.Second, 0},
		{"a stop of a while", 512 << 10, 256 << 10, 29 * time.Second, 0},
		{"large, and fast enough for what is small", 8 << 20, 9 << 10, time.Second, lateMost},
		{"too small for room", 12 << 10, 64, time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBudget(16<<20, none)
				theirs, ours := net.Pipe()
				frame := binary.BigEndian.AppendUint32([]byte{byte(wire.TypeItems), 0, 0, 0}, uint32(c.size))
				body := append([]byte(`{"epoch":1,"through":1,"items":[]`), strings.Repeat(" ", c.size)...)[:c.size]
				body[c.size-1] = '}'
				frame = append(frame, body...)
				said := make(chan error, 1)
				go func() {
					for {
						typ, body, err := wire.ReadFrame(theirs, wire.MaxFrame)
						switch {
						case err != nil:
							said <- err
							return
						case typ == wire.TypeFault:
							said <- wire.FaultError(body)
							return
						case typ == wire.TypeAck:
							said <- nil
						}
					}
				}()
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				began := time.Now()
				go func() {
					m := newMemory(1)
					ended <- Run(ctx, ours, &Config{Source: m, Sink: m, PeerEpoch: 1, Budget: b, Log: slog.New(slog.DiscardHandler)})
				}()
				var writing sync.WaitGroup
				defer writing.Wait()
				writing.Go(func() {
					_, _ = theirs.Write(frame[:8])
					for rest := frame[8:]; len(rest) > 0; {
						time.Sleep(c.pause)
						n := min(c.step, len(rest))
						if _, err := theirs.Write(rest[:n]); err != nil {
							return
						}
						rest = rest[n:]
					}
				})
				heard := <-said
				took := time.Since(began)
				if c.ends == 0 {
					if heard != nil || b.Used() != 0 {
						t.Errorf("after %v: %v, and %d bytes are held", took, heard, b.Used())
					}
					cancel()
					<-ended
					theirs.Close()
					<-said
					return
				}
				cancel()
				if after, _ := fault.RetryAfter(heard); !fault.Is(heard, fault.Busy) || after != budgetRest || took < c.ends || took > c.ends+5*time.Second {
					t.Errorf("after %v the other side was told %v, to come again in %v", took, heard, after)
				}
				if err := <-ended; !fault.Is(err, fault.Busy) || b.Used() != 0 {
					t.Errorf("the link ended with %v, and %d bytes are held", err, b.Used())
				}
				theirs.Close()
			})
		})
	}
}
