package uplink_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/sync/window"
	"github.com/skerryhq/skerry/sync/wire"
)

// put appends items of given kinds, with a payload of size bytes each.
func (b *box) put(size int, kinds ...model.ItemKind) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range kinds {
		b.head++
		b.items = append(b.items, model.Item{Seq: b.head, Kind: k, Key: "k", Payload: []byte(`"` + strings.Repeat("x", size) + `"`)})
	}
	close(b.change)
	b.change = make(chan struct{})
}

// TestUrgentBehindABacklog: while the window is closed an event goes up with what is older, up to the 256 KiB that are
// promised: neither how large a run is at first, nor how many items one may have, holds it back.
func TestUrgentBehindABacklog(t *testing.T) {
	for _, c := range []struct {
		rows, size int
		goes       bool
	}{{15, 2000, true}, {17, 2000, true}, {100, 2000, true}, {130, 2000, true}, {3000, 50, true}, {140, 2000, false}, {6000, 50, false}} {
		t.Run(fmt.Sprintf("%d rows of %d bytes", c.rows, c.size), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, err := window.Parse([]string{"sat 08:00-09:00"})
				if err != nil {
					t.Fatal(err)
				}
				b := bounded{newBox(1, 0, 0)}
				u := newTier(t, uplink.Config{Outbox: b, Window: w, Keepalive: 10 * time.Second, Silence: 100 * time.Hour})
				b.put(c.size, slices.Repeat([]model.ItemKind{model.ItemHost}, c.rows)...)
				b.put(100, model.ItemMove)
				b.put(100, model.ItemHost) // what follows is not older
				s, _ := u.welcome(wire.Welcome{})
				var got atomic.Uint64
				go func() {
					for {
						typ, body, err := wire.ReadFrame(s, wire.MaxFrame)
						if err != nil {
							return
						}
						if typ != wire.TypeItems {
							continue
						}
						r, err := wire.Decode[wire.Items](body)
						if err != nil {
							t.Error(err)
							return
						}
						got.Store(uint64(r.Through))
						if wire.WriteFrame(s, wire.TypeAck, wire.Ack{Held: model.Position{Epoch: 1, Seq: r.Through}}) != nil {
							return
						}
					}
				}()
				time.Sleep(time.Minute)
				synctest.Wait()
				want := uint64(0)
				if c.goes {
					want = uint64(c.rows) + 1
				}
				if got.Load() != want {
					t.Errorf("items through %d went up, want %d", got.Load(), want)
				}
				u.stop()
			})
		})
	}
}

// bounded is a box that respects the bounds of After.
type bounded struct{ *box }

func (b bounded) After(after model.Seq, maxItems, maxBytes int) ([]model.Item, error) {
	items, err := b.box.After(after, maxItems, maxBytes)
	size := 0
	for i := range items {
		if size += len(items[i].Payload); i == maxItems || i > 0 && size > maxBytes {
			return items[:i], err
		}
	}
	return items, err
}

// While the window is closed, what is urgent goes up with what is older, and nothing else does; when it opens,
// everything does. The bubble's clock begins at midnight UTC on a Saturday.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := window.Parse([]string{"sat 08:00-09:00"})
		if err != nil {
			t.Fatal(err)
		}
		if !w.Next(time.Now()).Equal(time.Now().Add(8 * time.Hour)) {
			t.Fatalf("this test begins at %v", time.Now())
		}
		b := bounded{newBox(1, 0, 0)}
		u := newTier(t, uplink.Config{
			Outbox: b, Window: w, Keepalive: 10 * time.Second, Silence: 100 * time.Hour,
			Urgent: func(k model.ItemKind) bool { return k == "alerts" },
		})
		b.put(100, model.ItemHost, model.ItemHost)
		s, _ := u.welcome(wire.Welcome{})
		frames := make(chan wire.Items, 64)
		pings := 0
		go func() {
			defer close(frames)
			for {
				typ, body, err := wire.ReadFrame(s, wire.MaxFrame)
				if err != nil {
					return
				}
				switch typ {
				case wire.TypeItems:
					r, err := wire.Decode[wire.Items](body)
					if err != nil {
						t.Error(err)
					}
					frames <- r
				case wire.TypePing:
					pings++
				}
			}
		}()
		through := func(want model.Seq, when string) {
			t.Helper()
			synctest.Wait()
			var got model.Seq
			for len(frames) > 0 {
				got = (<-frames).Through
			}
			if got != want {
				t.Errorf("%s items through %d went up, want %d", when, got, want)
			}
			if got > 0 {
				if err := wire.WriteFrame(s, wire.TypeAck, wire.Ack{Held: model.Position{Epoch: 1, Seq: got}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		through(0, "at night")
		time.Sleep(time.Hour)
		if through(0, "an hour later"); pings < 300 {
			t.Errorf("%d pings in an hour", pings)
		}
		b.put(100, model.ItemMove)
		through(3, "with an event")
		b.put(100, model.ItemHost, "alerts", model.ItemStatus)
		through(5, "with an alert")
		// Too much is older than this event: it waits.
		b.put(200_000, model.ItemHost, model.ItemHost)
		b.put(100, model.ItemMove)
		through(0, "behind a large backlog")
		time.Sleep(6*time.Hour + 59*time.Minute)
		through(0, "just before it opens")
		time.Sleep(2 * time.Minute)
		through(9, "when it is open")
		b.put(100, model.ItemHost)
		through(10, "while it is open")
		time.Sleep(time.Hour)
		b.put(100, model.ItemHost)
		through(0, "after it closed")
		u.stop()
	})
}
