package uplink_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/health"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/sync/wire"
)

// A link over real frames: before it is tried, when it is slow, and when it breaks again and again.
func TestMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(1, 0, 0)
		b.add() // waits since before
		u := newTier(t, uplink.Config{Outbox: b, Jitter: func(time.Duration) time.Duration { return time.Second }})
		m := uplink.NewMonitor(u.link)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = m.Run(ctx) }()
		expect := func(word health.Word, reason string) {
			t.Helper()
			synctest.Wait()
			if h := m.Look(b.waiting()); h.Word != word || !strings.Contains(h.Reason, reason) {
				t.Errorf("got %s: %q; want %s: %q", h.Word, h.Reason, word, reason)
			}
		}
		expect(health.Unknown, "no attempt")
		s, _ := u.welcome(wire.Welcome{})
		expect(health.Online, "")
		ack := func(seq model.Seq) {
			t.Helper()
			if err := wire.WriteFrame(s, wire.TypeAck, wire.Ack{Held: model.Position{Epoch: 1, Seq: seq}}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if _, body, err := wire.ReadFrame(s, wire.MaxFrame); err != nil {
			t.Fatalf("%q, %v", body, err)
		}
		time.Sleep(16 * time.Second)
		expect(health.Degraded, "what was sent 16s ago")
		since := m.Look(1).Since
		time.Sleep(2 * time.Second)
		if h := m.Look(1); !h.Since.Equal(since) || time.Since(h.Since) > 4*time.Second {
			t.Errorf("degraded since %v, at first since %v", h.Since, since)
		}
		ack(1)
		expect(health.Online, "")
		for range 3 {
			if err := wire.WriteFault(s, fault.New(fault.Unreachable, "", "gone")); err != nil {
				t.Fatal(err)
			}
			expect(health.Offline, "gone")
			time.Sleep(time.Second)
			s, _ = u.welcome(wire.Welcome{Held: model.Position{Epoch: 1, Seq: 1}})
		}
		expect(health.Degraded, "broke 3 times")
		stop()
		<-ended
		u.stop()
	})
}
