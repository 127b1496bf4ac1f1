package hub_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/sync/wire"
)

var (
	self  = model.NodeID{0xc0}
	site  = model.Member{ID: model.NodeID{0x51}, Kind: model.MemberSite, Name: "oslo"}
	quiet = slog.New(slog.DiscardHandler)
)

// rows is a store with one member's watermark and a number of directives.
type rows struct {
	mu       sync.Mutex // guards what follows
	at       model.Position
	head     model.Seq
	proposed []model.Change
}

func (r *rows) Propose(_ context.Context, changes ...model.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.proposed = append(r.proposed, changes...)
	for _, c := range changes {
		if c, ok := c.(model.Received); ok {
			r.at = model.Position{Epoch: c.Epoch, Seq: c.Items[len(c.Items)-1].Seq}
		}
	}
	return nil
}

func (r *rows) Watermark(model.NodeID) (model.Position, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at, nil
}

func (r *rows) Directives(_ model.NodeID, after model.Seq, _, _ int, _ bool) ([]model.Item, model.Seq, error) {
	return nil, max(after, r.head), nil
}

func (r *rows) Wait(ctx context.Context, after uint64) (uint64, error) {
	if after < 1 {
		return 1, nil
	}
	<-ctx.Done()
	return 0, ctx.Err()
}

func newHub(r *rows) *hub.Hub {
	return hub.New(hub.Config{
		Self: self, Name: "controller", Software: "skerry test", Epoch: func() model.Epoch { return 2 },
		Proposer: r, Reader: r, Now: time.Now, Log: quiet,
	})
}

// none is an outbox without items, and a sink that takes everything.
type none struct{}

func (none) Epoch() model.Epoch                              { return 1 }
func (none) Head() model.Seq                                 { return 0 }
func (none) Dropped() model.Seq                              { return 0 }
func (none) After(model.Seq, int, int) ([]model.Item, error) { return nil, nil }
func (none) DropThrough(model.Seq) error                     { return nil }
func (none) Wait(ctx context.Context, _ model.Seq) error     { <-ctx.Done(); return ctx.Err() }
func (none) Held(context.Context) (model.Position, error)    { return model.Position{}, nil }
func (none) Accept(_ context.Context, e model.Epoch, items []model.Item) (model.Position, error) {
	return model.Position{Epoch: e, Seq: items[len(items)-1].Seq}, nil
}

// connect runs an uplink of the site against h until stop is called, which waits for both ends.
func connect(t *testing.T, h *hub.Hub, answers map[string]uplink.Answer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	online := make(chan struct{}, 16)
	l := uplink.New(uplink.Config{
		Self: site.ID, Name: site.Name, Software: "test", Upper: self, Outbox: none{}, Sink: none{}, Answers: answers,
		Resync: func(context.Context) error { return errors.New("not asked for") }, Now: time.Now, Log: quiet,
		Changed: func(s uplink.State) {
			if s.Online {
				online <- struct{}{}
			}
		},
		Dial: func(context.Context) (exchange.Session, error) {
			d, a := linktest.Pair("pin-site", "pin-controller", linktest.Faults{})
			running.Go(func() { _ = h.Serve(ctx, a, &site) })
			return d, nil
		},
	})
	running.Go(func() { _ = l.Run(ctx) })
	<-online
	return func() { cancel(); running.Wait() }
}

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(&rows{})
		big := strings.Repeat("packages ", 400_000)
		_, err := h.Ask(t.Context(), site.ID, "echo", nil)
		if !fault.Is(err, fault.Unreachable) || !strings.Contains(err.Error(), "never seen since this server started") {
			t.Errorf("before the first link: %v", err)
		}
		if _, ok := h.Live(site.ID); ok {
			t.Error("a link that never was is known")
		}
		stop := connect(t, h, map[string]uplink.Answer{
			"echo": func(_ context.Context, p map[string]string) (any, error) { return p, nil },
			"big":  func(context.Context, map[string]string) (any, error) { return big, nil },
			"denied": func(context.Context, map[string]string) (any, error) {
				return nil, fault.New(fault.NotFound, "", "no such host")
			},
			"slow": func(ctx context.Context, _ map[string]string) (any, error) { <-ctx.Done(); return nil, ctx.Err() },
		})
		if got, err := h.Ask(t.Context(), site.ID, "echo", map[string]string{"a": "1"}); err != nil || string(got) != `{"a":"1"}` {
			t.Errorf("echo: %s, %v", got, err)
		}
		if got, err := h.Ask(t.Context(), site.ID, "big", nil); err != nil || string(got) != `"`+big+`"` {
			t.Errorf("big: %d bytes, %v", len(got), err)
		}
		if _, err := h.Ask(t.Context(), site.ID, "denied", nil); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("denied: %v", err)
		}
		if _, err := h.Ask(t.Context(), site.ID, "other", nil); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), `does not answer "other"`) {
			t.Errorf("a route that is not listed: %v", err)
		}
		began := time.Now()
		if _, err := h.Ask(t.Context(), site.ID, "slow", nil); !fault.Is(err, fault.Unreachable) || time.Since(began) != 30*time.Second {
			t.Errorf("slow: %v after %v", err, time.Since(began))
		}
		s, ok := h.Live(site.ID)
		if !ok || !s.Up || s.Software != "test" || s.Remote != "memory:lower" {
			t.Errorf("live: %+v", s)
		}
		stop()
		if s, _ := h.Live(site.ID); s.Up || !s.Since.Equal(time.Now()) {
			t.Errorf("after the end: %+v", s)
		}
		_, err = h.Ask(t.Context(), site.ID, "echo", nil)
		if !fault.Is(err, fault.Unreachable) || !strings.Contains(err.Error(), "oslo has no link now; last seen 2000-01-01T00:00:30.000Z") {
			t.Errorf("after the link: %v", err)
		}
	})
}

// greet sends a Hello and returns the answer's error, if it was a fault.
func greet(t *testing.T, h *hub.Hub, hello wire.Hello) (wire.Welcome, error) {
	t.Helper()
	d, a := linktest.Pair("pin-site", "pin-controller", linktest.Faults{})
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = h.Serve(ctx, a, &site) })
	defer serving.Wait()
	defer cancel()
	stream, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := wire.WriteFrame(stream, wire.TypeHello, hello); err != nil {
		t.Fatal(err)
	}
	body, err := wire.Expect(stream, wire.TypeWelcome, wire.MaxControl)
	if err != nil {
		return wire.Welcome{}, err
	}
	w, err := wire.Decode[wire.Welcome](body)
	if err != nil {
		t.Fatal(err)
	}
	return w, nil
}

func TestGreeting(t *testing.T) {
	good := wire.Hello{MinVersion: 1, MaxVersion: 99, Node: site.ID, Name: "x", Software: "skerry 9", Epoch: 3, Held: model.Position{Epoch: 2, Seq: 40}}
	with := func(f func(*wire.Hello)) wire.Hello { h := good; f(&h); return h }
	cases := []struct {
		name  string
		hello wire.Hello
		kind  fault.Kind
		text  string
	}{
		{"good", good, 0, ""},
		{"a newer version only", with(func(h *wire.Hello) { h.MinVersion = 98 }), fault.Version, "upgrade this side"},
		{"another node's files", with(func(h *wire.Hello) { h.Node = self }), fault.Denied, "mixed up"},
		{"an agent with a site's files", with(func(h *wire.Hello) { h.Run = "r" }), fault.Denied, "was used by an agent"},
		{"an older copy of the member", with(func(h *wire.Hello) { h.Epoch = 1 }), fault.Conflict, "comes in epoch 1, but items of its epoch 3"},
		{"a copy of ours of a later life", with(func(h *wire.Hello) { h.Held.Epoch = 3 }), fault.Conflict, "older copy"},
		{"directives never given", with(func(h *wire.Hello) { h.Held.Seq = 41 }), fault.Conflict, "holds directive 41 of epoch 2, which this server had never sent"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w, err := greet(t, newHub(&rows{at: model.Position{Epoch: 3, Seq: 7}, head: 40}), c.hello)
			if c.text == "" {
				if err != nil || w.Node != self || w.MaxVersion != wire.MaxVersion || w.Epoch != 2 || w.Held != (model.Position{Epoch: 3, Seq: 7}) {
					t.Errorf("welcome %+v, %v", w, err)
				}
				return
			}
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v of kind %v", err, fault.KindOf(err))
			}
		})
	}
}

// TestGreetingWaitsForTheNewestRows: what is said to be held is what the rows hold once they are fresh, and where
// they cannot be, the member is turned away.
func TestGreetingWaitsForTheNewestRows(t *testing.T) {
	hello := wire.Hello{MinVersion: 1, MaxVersion: 99, Node: site.ID, Name: "x", Software: "skerry 9", Epoch: 3}
	r := &rows{}
	h := newHub(r)
	h.Fresh = func(context.Context) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.at = model.Position{Epoch: 3, Seq: 7}
		return nil
	}
	if w, err := greet(t, h, hello); err != nil || w.Held != (model.Position{Epoch: 3, Seq: 7}) {
		t.Errorf("welcome %+v, %v", w, err)
	}
	h.Fresh = func(context.Context) error { return fault.New(fault.ReadOnly, "", "there is no leader") }
	if _, err := greet(t, h, hello); !fault.Is(err, fault.ReadOnly) {
		t.Errorf("greeted by a server that is behind: %v", err)
	}
}

func TestSilentDialler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := linktest.Pair("p", "q", linktest.Faults{})
		began := time.Now()
		err := newHub(&rows{}).Serve(t.Context(), a, &site)
		if !fault.Is(err, fault.Unreachable) || time.Since(began) != 20*time.Second {
			t.Errorf("no stream: %v after %v", err, time.Since(began))
		}
		d, a := linktest.Pair("p", "q", linktest.Faults{})
		if _, err := d.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		err = newHub(&rows{}).Serve(t.Context(), a, &site)
		if !fault.Is(err, fault.Unreachable) || time.Since(began) != 20*time.Second {
			t.Errorf("no hello: %v after %v", err, time.Since(began))
		}
	})
}

func TestANewerLinkTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(&rows{})
		hello := wire.Hello{MinVersion: 1, MaxVersion: 1, Node: site.ID, Epoch: 1}
		ends := make(chan error, 2)
		dial := func() (stream interface {
			Read([]byte) (int, error)
			Write([]byte) (int, error)
		},
		) {
			d, a := linktest.Pair("p", "q", linktest.Faults{})
			go func() { ends <- h.Serve(t.Context(), a, &site) }()
			s, err := d.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := wire.WriteFrame(s, wire.TypeHello, hello); err != nil {
				t.Fatal(err)
			}
			if _, err := wire.Expect(s, wire.TypeWelcome, wire.MaxControl); err != nil {
				t.Fatal(err)
			}
			return s
		}
		old := dial()
		fresh := dial()
		if _, err := wire.Expect(old, wire.TypeEnd, wire.MaxControl); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "a newer link of the same member") {
			t.Errorf("the older link was told %v", err)
		}
		if err := <-ends; !fault.Is(err, fault.Conflict) {
			t.Errorf("the older link ended with %v", err)
		}
		if s, _ := h.Live(site.ID); !s.Up {
			t.Error("the end of the older link took the newer one down")
		}
		if err := wire.WriteFrame(fresh, wire.TypeEnd, nil); err != nil {
			t.Fatal(err)
		}
		if err := <-ends; err != nil {
			t.Errorf("the newer link ended with %v", err)
		}
	})
}

func TestTheOriginIsTheSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rows{}
		var seen []string
		h := hub.New(hub.Config{
			Self: self, Name: "c", Software: "s", Epoch: func() model.Epoch { return 1 }, Proposer: r, Reader: r, Now: time.Now, Log: quiet,
			Heard: func(m model.Member) { seen = append(seen, "heard "+m.Name) },
			Accepted: func(m model.Member, items []model.Item) {
				seen = append(seen, "accepted "+m.Name+" "+string(items[0].Payload))
			},
			Transform: func(_ context.Context, m model.Member, items []model.Item) ([]model.Item, []model.Change, error) {
				items[0].Payload = []byte(`"ref"`)
				return items, []model.Change{model.Note{Action: "x", Object: m.Name}}, nil
			},
		})
		d, a := linktest.Pair("p", "q", linktest.Faults{})
		end := make(chan error, 1)
		go func() { end <- h.Serve(t.Context(), a, &site) }()
		s, err := d.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []struct {
			t    wire.Type
			body any
		}{
			{wire.TypeHello, wire.Hello{MinVersion: 1, MaxVersion: 1, Node: site.ID, Epoch: 6}},
			{wire.TypeItems, wire.Items{Epoch: 6, Through: 3, Items: []model.Item{{Seq: 3, Kind: model.ItemHost, Key: "k", Payload: []byte(`"body"`)}}}},
			{wire.TypeEnd, nil},
		} {
			if err := wire.WriteFrame(s, f.t, f.body); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if err := <-end; err != nil {
			t.Fatal(err)
		}
		got := r.proposed[0].(model.Received)
		if len(r.proposed) != 2 || got.Origin != site.ID || got.Epoch != 6 || got.Actor != "site:"+site.ID.String() || string(got.Items[0].Payload) != `"ref"` {
			t.Errorf("proposed %+v", r.proposed)
		}
		if strings.Join(seen, ", ") != `heard oslo, heard oslo, accepted oslo "ref", heard oslo` {
			t.Errorf("seen %q", seen)
		}
	})
}
