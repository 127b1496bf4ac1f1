package uplink_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/sync/wire"
)

var (
	self  = model.NodeID{0x51}
	upper = model.NodeID{0xc0}
	quiet = slog.New(slog.DiscardHandler)
)

// box is an outbox in memory whose numbers a test can set.
type box struct {
	epoch model.Epoch

	mu            sync.Mutex // guards what follows
	head, dropped model.Seq
	items         []model.Item
	change        chan struct{}
}

func newBox(epoch model.Epoch, head, dropped model.Seq) *box {
	return &box{epoch: epoch, head: head, dropped: dropped, change: make(chan struct{})}
}

func (b *box) add() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.head++
	b.items = append(b.items, model.Item{Seq: b.head, Kind: model.ItemHost, Key: "k"})
	close(b.change)
	b.change = make(chan struct{})
}

func (b *box) waiting() int { b.mu.Lock(); defer b.mu.Unlock(); return int(b.head - b.dropped) }

func (b *box) Epoch() model.Epoch { return b.epoch }

func (b *box) Head() model.Seq { b.mu.Lock(); defer b.mu.Unlock(); return b.head }

func (b *box) Dropped() model.Seq { b.mu.Lock(); defer b.mu.Unlock(); return b.dropped }

func (b *box) After(after model.Seq, _, _ int) ([]model.Item, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, it := range b.items {
		if it.Seq > after {
			return append([]model.Item(nil), b.items[i:]...), nil
		}
	}
	return nil, nil
}

func (b *box) DropThrough(seq model.Seq) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropped = max(b.dropped, seq)
	return nil
}

func (b *box) Wait(ctx context.Context, after model.Seq) error {
	for {
		b.mu.Lock()
		head, change := b.head, b.change
		b.mu.Unlock()
		if head > after {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sink holds nothing and takes everything.
type sink struct{ held model.Position }

func (s sink) Held(context.Context) (model.Position, error) { return s.held, nil }

func (s sink) Accept(_ context.Context, e model.Epoch, items []model.Item) (model.Position, error) {
	return model.Position{Epoch: e, Seq: items[len(items)-1].Seq}, nil
}

// tier is an upper side that is driven frame by frame: each dial gives it a stream.
type tier struct {
	t     *testing.T
	dials chan *linktest.Session
	stop  func()
	link  *uplink.Link
}

func newTier(t *testing.T, c uplink.Config) *tier {
	u := &tier{t: t, dials: make(chan *linktest.Session, 16)}
	c.Self, c.Name, c.Software, c.Upper, c.Now, c.Log = self, "oslo", "test", upper, time.Now, quiet
	if c.Dial == nil {
		c.Dial = func(context.Context) (exchange.Session, error) {
			d, a := linktest.Pair("p", "q", linktest.Faults{})
			u.dials <- a
			return d, nil
		}
	}
	if c.Sink == nil {
		c.Sink = sink{}
	}
	u.link = uplink.New(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- u.link.Run(ctx) }()
	u.stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	return u
}

type stream interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
}

// welcome takes the next dial, reads the Hello and answers it.
func (u *tier) welcome(w wire.Welcome) (stream, wire.Hello) {
	u.t.Helper()
	s, err := (<-u.dials).Accept(u.t.Context())
	if err != nil {
		u.t.Fatal(err)
	}
	body, err := wire.Expect(s, wire.TypeHello, wire.MaxControl)
	if err != nil {
		u.t.Fatal(err)
	}
	hello, err := wire.Decode[wire.Hello](body)
	if err != nil {
		u.t.Fatal(err)
	}
	if w.Node.IsZero() {
		w.Node = upper
	}
	w.MinVersion, w.MaxVersion, w.Name = max(1, w.MinVersion), max(1, w.MaxVersion), "controller"
	w.Epoch = max(1, w.Epoch)
	if err := wire.WriteFrame(s, wire.TypeWelcome, w); err != nil {
		u.t.Fatal(err)
	}
	return s, hello
}

func TestResync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(1, 50, 40)
		asked := 0
		u := newTier(t, uplink.Config{Outbox: b, Resync: func(context.Context) error { asked++; b.add(); return nil }})
		// The upper tier was restored from a backup: it holds 10, but 40 were dropped here.
		s, hello := u.welcome(wire.Welcome{Held: model.Position{Epoch: 1, Seq: 10}})
		if hello.Node != self || hello.Epoch != 1 {
			t.Errorf("hello %+v", hello)
		}
		body, err := wire.Expect(s, wire.TypeItems, wire.MaxFrame)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := wire.Decode[wire.Items](body); err != nil || r.Through != 51 || asked != 1 {
			t.Errorf("sent through %d, %v, after %d resyncs", r.Through, err, asked)
		}
		if err := wire.WriteFrame(s, wire.TypeAck, wire.Ack{Held: model.Position{Epoch: 1, Seq: 51}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if b.Dropped() != 51 || asked != 1 || !u.link.State().Online {
			t.Errorf("dropped through %d, %d resyncs, %+v", b.Dropped(), asked, u.link.State())
		}
		// The same again, now that the upper tier holds all: nothing is to be sent again.
		if err := wire.WriteFrame(s, wire.TypeEnd, nil); err != nil {
			t.Fatal(err)
		}
		u.welcome(wire.Welcome{Held: model.Position{Epoch: 1, Seq: 51}})
		synctest.Wait()
		if asked != 1 {
			t.Errorf("%d resyncs", asked)
		}
		u.stop()
	})
}

func TestRefusedWelcome(t *testing.T) {
	cases := []struct {
		name string
		w    wire.Welcome
		held model.Position
		text string
	}{
		{"held in a later epoch", wire.Welcome{Held: model.Position{Epoch: 3, Seq: 1}}, model.Position{}, "the other side holds items of epoch 3 of this node, which itself is in epoch 2"},
		{"held beyond the newest", wire.Welcome{Held: model.Position{Epoch: 2, Seq: 51}}, model.Position{}, "holds item 51 of epoch 2, but this node's newest is 50"},
		{"another node", wire.Welcome{Node: self}, model.Position{}, "but this node enrolled at " + upper.String()},
		{"a protocol of the future", wire.Welcome{MinVersion: 9, MaxVersion: 9}, model.Position{}, "upgrade this side"},
		{"an older copy of the upper tier", wire.Welcome{Epoch: 1}, model.Position{Epoch: 2, Seq: 5}, `"controller" comes in epoch 1`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newTier(t, uplink.Config{Outbox: newBox(2, 50, 0), Sink: sink{c.held}})
				u.welcome(c.w)
				synctest.Wait()
				if s := u.link.State(); s.Online || !strings.Contains(s.LastError, c.text) {
					t.Errorf("state %+v", s)
				}
				u.stop()
			})
		})
	}
}

func TestStatesAndReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var states []string
		u := newTier(t, uplink.Config{Outbox: newBox(1, 0, 0), Changed: func(s uplink.State) {
			word := "offline"
			if s.Online {
				word = "online at " + s.Upper
			}
			states = append(states, word+": "+s.LastError)
		}})
		began := time.Now()
		if s := u.link.State(); s.Online || !s.Since.Equal(began) || s.LastError != "" {
			t.Errorf("at the start %+v", s)
		}
		s, _ := u.welcome(wire.Welcome{})
		time.Sleep(5 * time.Second)
		if st := u.link.State(); !st.Online || !st.Since.Equal(began) {
			t.Errorf("online: %+v", st)
		}
		if err := wire.WriteFault(s, fault.New(fault.Denied, "", "site oslo is suspended")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s, _ = u.welcome(wire.Welcome{})
		synctest.Wait()
		if err := wire.WriteFrame(s, wire.TypeEnd, nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		// A dial that is answered by nobody.
		<-u.dials
		down := u.link.State().Since
		time.Sleep(50 * time.Second)
		u.stop()
		want := []string{
			"online at controller: ", "offline: the other side gave up: site oslo is suspended",
			"online at controller: ", "offline: the other side ended the link",
			"offline: open the link: the other side did not answer within 45s",
		}
		if len(states) < 5 || !reflect.DeepEqual(states[:5], want) {
			t.Errorf("states %q", states)
		}
		if !u.link.State().Since.Equal(down) {
			t.Errorf("offline since %v, then since %v", down, u.link.State().Since)
		}
	})
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seed = 7
		rng := rand.New(rand.NewPCG(seed, seed))
		var limits, at []time.Duration
		enough := make(chan struct{})
		began := time.Now()
		u := newTier(t, uplink.Config{
			Outbox: newBox(1, 0, 0),
			Jitter: func(limit time.Duration) time.Duration {
				if limits = append(limits, limit.Truncate(time.Millisecond)); len(limits) == 14 {
					close(enough)
				}
				return time.Duration(rng.Int64N(int64(limit)))
			},
			Dial: func(context.Context) (exchange.Session, error) {
				at = append(at, time.Since(began))
				if len(at) == 12 { // held for longer than any pause: what follows starts anew
					time.Sleep(2 * time.Minute)
				}
				return nil, fault.New(fault.Unreachable, "", "no route")
			},
			HelloTimeout: time.Hour,
		})
		<-enough
		u.stop()
		var want []time.Duration
		for _, s := range []float64{.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, .5, 1, 2} {
			want = append(want, time.Duration(s*float64(time.Second)))
		}
		if !reflect.DeepEqual(limits, want) {
			t.Errorf("limits %v", limits)
		}
		for i := 1; i < 11; i++ {
			if pause := at[i] - at[i-1]; pause > want[i-1]+time.Millisecond {
				t.Errorf("pause %d was %v, the limit is %v", i, pause, want[i-1])
			}
		}
	})
}

// What the upper tier says of when to try again holds, within bounds, and with a random part on top.
func TestRetryAfter(t *testing.T) {
	for _, c := range []struct{ said, least, most time.Duration }{
		{time.Second, time.Second, 1500 * time.Millisecond},
		{90 * time.Second, 90 * time.Second, 135 * time.Second},
		{20 * time.Hour, 10 * time.Minute, 15 * time.Minute},
	} {
		for _, dice := range []float64{0, 0.999999} {
			synctest.Test(t, func(t *testing.T) {
				var at []time.Duration
				began := time.Now()
				enough := make(chan struct{})
				u := newTier(t, uplink.Config{
					Outbox: newBox(1, 0, 0),
					Jitter: func(limit time.Duration) time.Duration { return time.Duration(dice * float64(limit)) },
					Dial: func(context.Context) (exchange.Session, error) {
						if at = append(at, time.Since(began)); len(at) == 2 {
							close(enough)
						}
						return nil, fault.Wrap("dial", fault.Later(fault.New(fault.Busy, "", "full"), c.said))
					},
				})
				<-enough
				u.stop()
				pause := at[1] - at[0]
				want := c.least
				if dice > 0 {
					want = c.most
				}
				if d := pause - want; d < -time.Millisecond || d > time.Millisecond {
					t.Errorf("told to wait %v with the dice at %v it waited %v, want %v", c.said, dice, pause, want)
				}
			})
		}
	}
	// The upper tier says it in a Fault as well.
	synctest.Test(t, func(t *testing.T) {
		u := newTier(t, uplink.Config{Outbox: newBox(1, 0, 0), Jitter: func(time.Duration) time.Duration { return 0 }})
		s, _ := u.welcome(wire.Welcome{})
		if err := wire.WriteFault(s, fault.Later(fault.New(fault.Unreachable, "", "stopping"), 7*time.Second)); err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		<-u.dials
		if took := time.Since(at); took != 7*time.Second {
			t.Errorf("it came back after %v", took)
		}
		u.stop()
	})
}
