package exchange

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/wire"
)

var alice, bob, carol = model.NodeID{1}, model.NodeID{2}, model.NodeID{3}

// parted is an item in parts of so many bytes.
func parted(t *testing.T, seq model.Seq, size, each int) []wire.Part {
	t.Helper()
	raw, b, err := wire.Begin(1, model.Item{Seq: seq, Kind: model.ItemPackages, Key: "k", Payload: []byte(`"` + strings.Repeat("x", size) + `"`)})
	if err != nil {
		t.Fatal(err)
	}
	var out []wire.Part
	for b.Have < b.Size {
		n := min(each, b.Size-b.Have)
		out = append(out, wire.Part{Begun: b, Bytes: raw[b.Have : b.Have+n]})
		b.Have += n
	}
	return out
}

func TestSpool(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := NewSpool(10_000, func() time.Time { return now })
	add := func(who model.NodeID, p wire.Part, want fault.Kind) []byte {
		t.Helper()
		raw, err := s.add(who, p)
		if (err == nil) != (want == 0) || err != nil && !fault.Is(err, want) {
			t.Fatalf("part of %d at %d: %v, want kind %v", p.Seq, p.Have, err, want)
		}
		return raw
	}
	nothing := model.Position{}
	first := parted(t, 7, 4000, 1000)
	if s.Begun(alice, 1, nothing) != nil {
		t.Error("something has begun")
	}
	add(alice, first[0], 0)
	add(alice, first[1], 0)
	if b := s.Begun(alice, 1, nothing); b == nil || b.Have != 2000 || !b.Same(first[0].Begun) {
		t.Fatalf("begun is %+v", b)
	}
	add(alice, first[3], fault.Corrupt) // one is missing
	add(bob, first[2], fault.Corrupt)   // another's
	other := parted(t, 7, 4001, 1000)
	add(alice, other[2], fault.Corrupt) // other bytes under the same number
	var whole []byte
	for _, p := range first[2:] {
		whole = add(alice, p, 0)
	}
	if run, err := first[0].Whole(whole); err != nil || len(run.Items) != 1 || s.used != 0 || len(s.by) != 0 {
		t.Fatalf("whole: %+v, %v; %d bytes are kept", run, err, s.used)
	}
	// What is covered, or of another epoch, is let go.
	add(alice, first[0], 0)
	if s.Begun(alice, 1, model.Position{Epoch: 1, Seq: 7}) != nil || s.used != 0 {
		t.Error("what is held is kept")
	}
	add(alice, first[0], 0)
	if s.Begun(alice, 2, nothing) != nil || s.used != 0 {
		t.Error("what is of another life is kept")
	}
	// A second beginning takes the place of the first.
	add(alice, first[0], 0)
	add(alice, first[0], 0)
	if s.used != 1000 {
		t.Errorf("%d bytes are kept of 1,000", s.used)
	}
	// Room is made at the cost of whom nobody goes on with, and of nobody else.
	big := parted(t, 9, 9000, 3000)
	now = now.Add(time.Second)
	add(bob, big[0], 0)
	add(bob, big[1], 0)
	now = now.Add(spoolLive / 2)
	add(carol, big[0], 0)
	_, err := s.add(carol, big[1])
	if after, ok := fault.RetryAfter(err); !fault.Is(err, fault.Busy) || !ok || after != spoolWait {
		t.Fatalf("no room: %v", err)
	}
	if s.Begun(carol, 1, nothing) != nil || s.Begun(bob, 1, nothing) == nil {
		t.Error("who found no room keeps some, or another lost theirs")
	}
	now = now.Add(spoolLive)
	for _, p := range big[:3] {
		add(carol, p, 0)
	}
	if s.Begun(alice, 1, nothing) != nil {
		t.Error("the oldest is still there")
	}
	// And at last everything is forgotten.
	now = now.Add(2 * spoolKeep)
	if s.Begun(bob, 1, nothing) != nil || s.used != 0 || len(s.by) != 0 {
		t.Errorf("%d bytes of %d are kept for ever", s.used, len(s.by))
	}
}

func TestGait(t *testing.T) {
	g := gait{firstRun}
	step := func(size int, took time.Duration, want int) {
		t.Helper()
		if g.acknowledged(size, took); g.size != want {
			t.Errorf("after %d bytes in %v runs have %d bytes, want %d", size, took, g.size, want)
		}
	}
	step(1000, time.Millisecond, firstRun) // says nothing of large runs
	step(firstRun, time.Millisecond, 2*firstRun)
	step(2*firstRun, 3*time.Second, 2*firstRun) // it takes its time
	step(2*firstRun, 9*time.Second, firstRun)
	for range 10 {
		g.acknowledged(g.size, time.Minute)
	}
	step(g.size, time.Minute, leastRun)
	for range 10 {
		g.acknowledged(g.size, time.Millisecond)
	}
	step(g.size, time.Millisecond, MaxRunBytes)
}

// A large item goes in parts to a peer of version 2 and whole to one of version 1; what the peer has of it already
// does not go again, and what comes behind it waits.
func TestLargeItemsInParts(t *testing.T) {
	large := model.Item{Seq: 2, Kind: model.ItemPackages, Key: "k", Payload: []byte(`"` + strings.Repeat("large ", 100_000) + `"`)}
	raw, b, err := wire.Begin(ours, large)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		version int
		begun   *wire.Begun
		from    int
	}{
		{"version 1", 1, nil, 0},
		{"from the beginning", 2, nil, 0},
		{"from the middle", 2, &wire.Begun{Epoch: b.Epoch, Seq: b.Seq, Size: b.Size, Digest: b.Digest, Have: 300_000}, 300_000},
		{"of another digest", 2, &wire.Begun{Epoch: b.Epoch, Seq: b.Seq, Size: b.Size, Have: 300_000}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(ours)
				m.add(1, 2, 3)
				m.out[1] = large
				w := startWith(t, m, Config{Version: c.version, PeerBegun: c.begun})
				w.expectItems(1, 1)
				if c.version == 1 {
					w.expectItems(2, 2)
				} else {
					at := c.from
					for at < b.Size {
						p, err := wire.DecodePart(w.expect(wire.TypePart))
						if err != nil || p.Have != at || !p.Same(b) || !bytes.Equal(p.Bytes, raw[at:at+len(p.Bytes)]) {
							t.Fatalf("part at %d of %d: %+v, %v", at, b.Size, p.Begun, err)
						}
						at += len(p.Bytes)
					}
				}
				w.expectItems(3, 3)
				w.send(wire.TypeAck, wire.Ack{Held: model.Position{Epoch: ours, Seq: 3}})
				synctest.Wait()
				if at := m.ackedAt(); at.Seq != 3 {
					t.Errorf("acknowledged through %d", at.Seq)
				}
				w.close()
			})
		})
	}
}

// An acknowledgement of a large item that has not left whole is a forgery.
func TestEarlyAckOfParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(ours)
		m.add(1)
		m.out[0].Payload = []byte(`"` + strings.Repeat("large ", 100_000) + `"`)
		w := startWith(t, m, Config{Version: 2})
		w.expect(wire.TypePart)
		w.send(wire.TypeAck, wire.Ack{Held: model.Position{Epoch: ours, Seq: 1}})
		w.drain()
		if err := <-w.end; !fault.Is(err, fault.Corrupt) || m.ackedAt().Seq != 0 {
			t.Errorf("got %v, acknowledged %+v", err, m.ackedAt())
		}
	})
}

// startWith is start with more of a Config.
func startWith(t *testing.T, m *memory, c Config) *bench {
	a, b := net.Pipe()
	ctx, stop := context.WithCancelCause(t.Context())
	w := &bench{t, m, b, stop, make(chan error, 1)}
	c.Source, c.Sink, c.PeerEpoch, c.Log = m, m, theirs, slog.New(slog.DiscardHandler)
	go func() { w.end <- Run(ctx, a, &c) }()
	return w
}

// close ends the exchange from the other side.
func (b *bench) close() {
	b.t.Helper()
	b.send(wire.TypeEnd, nil)
	if err := <-b.end; err != nil {
		b.t.Errorf("at the end: %v", err)
	}
}

// drain reads until there is nothing more.
func (b *bench) drain() { _, _ = io.Copy(io.Discard, b.peer) }
