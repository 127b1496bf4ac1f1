package exchange

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/wire"
)

// memory is a Source and a Sink in memory.
type memory struct {
	epoch model.Epoch

	mu     sync.Mutex // guards what follows
	out    []model.Item
	head   model.Seq // through, where there is nothing more
	change chan struct{}
	acked  model.Position
	in     []model.Seq
	refuse error
	gate   chan struct{} // Accept waits for it, if set
}

func newMemory(epoch model.Epoch) *memory {
	return &memory{epoch: epoch, change: make(chan struct{})}
}

func (m *memory) add(seqs ...model.Seq) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range seqs {
		m.out = append(m.out, model.Item{Seq: s, Kind: model.ItemMove, Key: "k"})
		m.head = max(m.head, s)
	}
	close(m.change)
	m.change = make(chan struct{})
}

func (m *memory) reach(head model.Seq) {
	m.mu.Lock()
	m.head = head
	m.mu.Unlock()
	m.add()
}

func (m *memory) Epoch() model.Epoch { return m.epoch }

func (m *memory) Next(ctx context.Context, after model.Seq, maxItems, _ int) ([]model.Item, model.Seq, error) {
	for {
		m.mu.Lock()
		var items []model.Item
		for _, it := range m.out {
			if it.Seq > after && len(items) < maxItems {
				items = append(items, it)
			}
		}
		head, change := m.head, m.change
		m.mu.Unlock()
		if len(items) > 0 {
			return items[:1], items[0].Seq, nil // one by one, to fill the window
		}
		if head != after && (head > after || after > 1000) {
			return nil, head, nil
		}
		select {
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		case <-change:
		}
	}
}

func (m *memory) Acked(_ context.Context, at model.Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.acked = at
	return nil
}

func (m *memory) Held(context.Context) (model.Position, error) { return model.Position{}, nil }

func (m *memory) Accept(ctx context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	if m.gate != nil {
		select {
		case <-m.gate:
		case <-ctx.Done():
			return model.Position{}, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		return model.Position{}, m.refuse
	}
	for _, it := range items {
		m.in = append(m.in, it.Seq)
	}
	return model.Position{Epoch: epoch, Seq: items[len(items)-1].Seq}, nil
}

func (m *memory) received() []model.Seq {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]model.Seq(nil), m.in...)
}

func (m *memory) ackedAt() model.Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.acked
}

// bench is an exchange whose other side is driven frame by frame.
type bench struct {
	t    *testing.T
	m    *memory
	peer net.Conn
	stop context.CancelCauseFunc
	end  chan error
}

const ours, theirs = model.Epoch(2), model.Epoch(5)

func start(t *testing.T, m *memory, held model.Position) *bench {
	a, b := net.Pipe()
	ctx, stop := context.WithCancelCause(t.Context())
	w := &bench{t, m, b, stop, make(chan error, 1)}
	go func() {
		w.end <- Run(ctx, a, &Config{Source: m, Sink: m, PeerEpoch: theirs, PeerHeld: held, Log: slog.New(slog.DiscardHandler)})
	}()
	return w
}

func (b *bench) send(t wire.Type, body any) {
	b.t.Helper()
	if err := wire.WriteFrame(b.peer, t, body); err != nil {
		b.t.Fatal(err)
	}
}

// expect reads the next frame.
func (b *bench) expect(t wire.Type) []byte {
	b.t.Helper()
	got, body, err := wire.ReadFrame(b.peer, wire.MaxFrame)
	if err != nil || got != t {
		b.t.Fatalf("got a %v frame %q, %v; want %v", got, body, err, t)
	}
	return body
}

func (b *bench) expectItems(through model.Seq, seqs ...model.Seq) {
	b.t.Helper()
	r, err := wire.Decode[wire.Items](b.expect(wire.TypeItems))
	if err != nil {
		b.t.Fatal(err)
	}
	var got []model.Seq
	for _, it := range r.Items {
		got = append(got, it.Seq)
	}
	if r.Epoch != ours || r.Through != through || !reflect.DeepEqual(got, seqs) {
		b.t.Fatalf("got items %v through %d of epoch %d; want %v through %d", got, r.Through, r.Epoch, seqs, through)
	}
}

func (b *bench) expectAck(seq model.Seq) {
	b.t.Helper()
	a, err := wire.Decode[wire.Ack](b.expect(wire.TypeAck))
	if err != nil || a.Held != (model.Position{Epoch: theirs, Seq: seq}) {
		b.t.Fatalf("got %+v, %v; want an ack of %d", a, err, seq)
	}
}

// ended waits for the end and checks the kind of its error, and that the other side learns of it.
func (b *bench) ended(kind fault.Kind, text string, last wire.Type) {
	b.t.Helper()
	if last != 0 {
		b.expect(last)
	}
	err := <-b.end
	if !fault.Is(err, kind) || !strings.Contains(err.Error(), text) {
		b.t.Fatalf("ended with %v of kind %v; want kind %v and %q", err, fault.KindOf(err), kind, text)
	}
	if typ, body, err := wire.ReadFrame(b.peer, wire.MaxFrame); err != io.EOF {
		b.t.Errorf("after the end: %v %q, %v", typ, body, err)
	}
}

func run(seqs ...model.Seq) wire.Items {
	r := wire.Items{Epoch: theirs, Through: seqs[len(seqs)-1]}
	for _, s := range seqs {
		r.Items = append(r.Items, model.Item{Seq: s, Kind: model.ItemMove, Key: "k"})
	}
	return r
}

func TestAcknowledgesWhatIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(ours)
		m.gate = make(chan struct{})
		b := start(t, m, model.Position{})
		b.send(wire.TypeItems, run(1, 2, 7))
		synctest.Wait()
		if got := m.received(); got != nil {
			t.Fatalf("received %v before it was durable", got)
		}
		// While the store is busy, the link lives.
		b.send(wire.TypePing, nil)
		b.expect(wire.TypePong)
		close(m.gate)
		b.expectAck(7)
		// A place beyond the items, and a place alone.
		r := run(9)
		r.Through = 12
		b.send(wire.TypeItems, r)
		b.expectAck(12)
		b.send(wire.TypeItems, wire.Items{Epoch: theirs, Through: 20})
		b.expectAck(20)
		b.send(wire.TypeItems, wire.Items{Epoch: theirs, Through: 15})
		b.expectAck(20)
		if got := m.received(); !reflect.DeepEqual(got, []model.Seq{1, 2, 7, 9}) {
			t.Errorf("received %v", got)
		}
		b.send(wire.TypeEnd, nil)
		if err := <-b.end; err != nil {
			t.Errorf("a stream that the other side ended: %v", err)
		}
	})
}

func TestWindowAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(ours)
		m.add(1, 2, 3, 4, 5, 6, 7, 8, 9)
		b := start(t, m, model.Position{Epoch: ours, Seq: 2})
		for s := model.Seq(3); s < 3+wire.Window; s++ {
			b.expectItems(s, s)
		}
		synctest.Wait()
		if m.ackedAt() != (model.Position{Epoch: ours, Seq: 2}) {
			t.Errorf("the source knows %+v, the other side said 2", m.ackedAt())
		}
		// The window is full: only when the first two are acknowledged do two more leave.
		b.send(wire.TypePing, nil)
		b.expect(wire.TypePong)
		b.send(wire.TypeAck, wire.Ack{Held: model.Position{Epoch: ours, Seq: 4}})
		b.expectItems(7, 7)
		b.expectItems(8, 8)
		b.send(wire.TypePing, nil)
		b.expect(wire.TypePong)
		synctest.Wait()
		if m.ackedAt().Seq != 4 {
			t.Errorf("the source knows %+v", m.ackedAt())
		}
		b.stop(nil)
		b.expect(wire.TypeEnd)
		if err := <-b.end; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestStartsAnewInANewEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(ours)
		m.add(1)
		b := start(t, m, model.Position{Epoch: ours - 1, Seq: 900})
		b.expectItems(1, 1)
		b.stop(fault.New(fault.Conflict, "", "a newer link came"))
		b.ended(fault.Conflict, "newer link", wire.TypeFault)
	})
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(ours)
		b := start(t, m, model.Position{})
		began := time.Now()
		b.expect(wire.TypePing)
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("the first ping came after %v", d)
		}
		b.send(wire.TypePong, nil)
		time.Sleep(4 * time.Second)
		m.add(5)
		b.expectItems(5, 5)
		// A place reached without items goes in place of a ping.
		m.reach(8)
		b.expectItems(8)
		if d := time.Since(began); d != 24*time.Second {
			t.Errorf("the place came after %v", d)
		}
		b.send(wire.TypeAck, wire.Ack{Held: model.Position{Epoch: ours, Seq: 8}})
		b.expect(wire.TypePing)
		b.expect(wire.TypePing)
		go io.Copy(io.Discard, b.peer)
		// The last word of the other side was 30 s ago.
		if err := <-b.end; !fault.Is(err, fault.Unreachable) || !strings.Contains(err.Error(), "nothing was heard from the other side for 30s") {
			t.Errorf("ended with %v", err)
		}
		if d := time.Since(began); d != 54*time.Second {
			t.Errorf("given up after %v", d)
		}
	})
}

func TestSlowLineIsNotDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(ours)
		b := start(t, m, model.Position{})
		go io.Copy(io.Discard, b.peer)
		frame, err := wire.AppendFrame(nil, wire.TypeItems, run(1, 2, 3))
		if err != nil {
			t.Fatal(err)
		}
		for i := range frame { // one byte in 20 s
			time.Sleep(20 * time.Second)
			if _, err := b.peer.Write(frame[i : i+1]); err != nil {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
		synctest.Wait()
		if got := m.received(); len(got) != 3 {
			t.Errorf("received %v", got)
		}
		b.stop(nil)
		<-b.end
	})
}

func TestStuckPeerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(ours)
		m.add(1)
		b := start(t, m, model.Position{})
		began := time.Now()
		// The other side takes nothing, but pings on.
		var pinging sync.WaitGroup
		defer pinging.Wait()
		pinging.Go(func() {
			for wire.WriteFrame(b.peer, wire.TypePing, nil) == nil {
				time.Sleep(5 * time.Second)
			}
		})
		if err := <-b.end; !fault.Is(err, fault.Unreachable) || !strings.Contains(err.Error(), "took nothing") {
			t.Errorf("ended with %v", err)
		}
		if d := time.Since(began); d > 40*time.Second {
			t.Errorf("given up after %v", d)
		}
	})
}

func TestRefusals(t *testing.T) {
	cases := []struct {
		name string
		do   func(b *bench)
		kind fault.Kind
		text string
		last wire.Type
	}{
		{"ack of what was never sent", func(b *bench) {
			b.send(wire.TypeAck, wire.Ack{Held: model.Position{Epoch: ours, Seq: 4}})
		}, fault.Corrupt, "acknowledged 2/4; sent was through 2/3", wire.TypeFault},
		{"ack of another epoch", func(b *bench) {
			b.send(wire.TypeAck, wire.Ack{Held: model.Position{Epoch: ours + 1, Seq: 3}})
		}, fault.Corrupt, "acknowledged 3/3", wire.TypeFault},
		{"items of another epoch", func(b *bench) {
			r := run(1)
			r.Epoch++
			b.send(wire.TypeItems, r)
		}, fault.Corrupt, "items of epoch 6 came on a link of epoch 5", wire.TypeFault},
		{
			"a frame out of place", func(b *bench) { b.send(wire.TypeAsk, wire.Ask{Route: "r"}) },
			fault.Corrupt, "a ask frame has no place", wire.TypeFault,
		},
		{"a store that cannot write", func(b *bench) {
			b.m.mu.Lock()
			b.m.refuse = fault.New(fault.ReadOnly, "", "no quorum")
			b.m.mu.Unlock()
			b.send(wire.TypeItems, run(1))
		}, fault.ReadOnly, "no quorum", wire.TypeFault},
		{"the other side gives up", func(b *bench) {
			b.send(wire.TypeFault, wire.Fault{Kind: "read_only", Text: "disk full"})
		}, fault.ReadOnly, "the other side gave up: disk full", 0},
		{"the other side goes", func(b *bench) { b.peer.Close() }, fault.Unreachable, "closed the link", 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(ours)
				m.add(3)
				b := start(t, m, model.Position{})
				b.expectItems(3, 3)
				c.do(b)
				if c.name == "the other side goes" {
					if err := <-b.end; !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
						t.Errorf("ended with %v", err)
					}
					return
				}
				b.ended(c.kind, c.text, c.last)
			})
		})
	}
}

func TestWindowIsEnforced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(ours)
		m.gate = make(chan struct{})
		b := start(t, m, model.Position{})
		// One is with the store, the window waits, and one is too many.
		for s := model.Seq(1); s <= wire.Window+2; s++ {
			b.send(wire.TypeItems, run(s))
			synctest.Wait()
		}
		b.ended(fault.TooLarge, "without an acknowledgement", wire.TypeFault)
	})
}

func TestOlderCopiesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, newMemory(ours), model.Position{Epoch: ours + 1, Seq: 1})
		b.ended(fault.Conflict, "older copy", wire.TypeFault)
		// A log that is shorter than what the other side holds of it.
		m := newMemory(ours)
		m.add(3)
		b = start(t, m, model.Position{Epoch: ours, Seq: 2000})
		b.ended(fault.Conflict, "holds items through 2000 but this side has sent only through 3", wire.TypeFault)
	})
}
