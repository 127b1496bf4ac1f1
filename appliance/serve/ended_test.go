package serve_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/wire"
)

// marks is a store with the watermarks of members, and nothing that goes down.
type marks struct {
	mu sync.Mutex // guards at
	at map[model.NodeID]model.Position
}

func (r *marks) Propose(_ context.Context, changes ...model.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range changes {
		if c, ok := c.(model.Received); ok {
			r.at[c.Origin] = model.Position{Epoch: c.Epoch, Seq: c.Items[len(c.Items)-1].Seq}
		}
	}
	return nil
}

func (r *marks) Watermark(id model.NodeID) (model.Position, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.at[id], nil
}

func (r *marks) Directives(_ model.NodeID, after model.Seq, _, _ int, _ bool) ([]model.Item, model.Seq, error) {
	return nil, after, nil
}

func (r *marks) Wait(ctx context.Context, after uint64) (uint64, error) {
	if after < 1 {
		return 1, nil
	}
	<-ctx.Done()
	return 0, ctx.Err()
}

// What a member sends that it should not ends its own link, is counted by its reason, and leaves the links of others up;
// what was sent before is only passed over.
func TestALinkThatEndsIsCounted(t *testing.T) {
	item := func(seq model.Seq) model.Item {
		return model.Item{Seq: seq, Kind: model.ItemHost, Key: "k", Payload: []byte(`{}`)}
	}
	frame := func(typ wire.Type, body any) []byte {
		b, err := wire.AppendFrame(nil, typ, body)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	items := func(epoch model.Epoch, through model.Seq, list ...model.Item) []byte {
		return frame(wire.TypeItems, wire.Items{Epoch: epoch, Through: through, Items: list})
	}
	head := func(typ wire.Type, n uint32) []byte {
		return binary.BigEndian.AppendUint32([]byte{byte(typ), 0, 0, 0}, n)
	}
	hello := func(low, high int) []byte {
		return frame(wire.TypeHello, wire.Hello{MinVersion: low, MaxVersion: high, Node: model.NodeID{1}, Epoch: 6})
	}
	var many [][]byte
	for range 3 {
		many = append(many, items(6, 3, item(2), item(3)))
	}
	for name, tc := range map[string]struct {
		hello []byte // nil: a good one
		sent  [][]byte
		want  string // "": the link goes on
	}{
		"what is right":                {sent: [][]byte{items(6, 3, item(3))}},
		"the same again and again":     {sent: many},
		"what was held before that":    {sent: [][]byte{items(6, 3, item(3)), items(6, 1, item(1))}},
		"numbers that fall":            {sent: [][]byte{items(6, 3, item(3), item(2))}, want: "malformed"},
		"another epoch":                {sent: [][]byte{items(5, 3, item(3))}, want: "malformed"},
		"an item without a kind":       {sent: [][]byte{items(6, 3, model.Item{Seq: 3})}, want: "malformed"},
		"a frame out of its place":     {sent: [][]byte{frame(wire.TypeAsk, wire.Ask{Route: "r"})}, want: "malformed"},
		"an acknowledgement of no run": {sent: [][]byte{frame(wire.TypeAck, wire.Ack{Held: model.Position{Epoch: 2, Seq: 99}})}, want: "malformed"},
		"a frame of no type":           {sent: [][]byte{head(250, 2), []byte("{}")}, want: "malformed"},
		"no JSON":                      {sent: [][]byte{head(wire.TypeItems, 4), []byte("what")}, want: "malformed"},
		"a frame of 4 GiB":             {sent: [][]byte{head(wire.TypeItems, 1<<32-1)}, want: "too_large"},
		"a key beyond its bound":       {sent: [][]byte{items(6, 3, model.Item{Seq: 3, Kind: model.ItemHost, Key: strings.Repeat("k", model.MaxItemKey+1)})}, want: "too_large"},
		"no version in common":         {hello: hello(90, 99), want: "version"},
		"no greeting":                  {hello: items(6, 3, item(3)), want: "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rows := &marks{at: map[model.NodeID]model.Position{}}
				h := hub.New(hub.Config{
					Self: model.NodeID{0xc0}, Name: "c", Software: "s", Epoch: func() model.Epoch { return 2 }, Proposer: rows, Reader: rows, Now: time.Now,
					Log: slog.New(slog.DiscardHandler),
				})
				var door serve.Door
				var serving sync.WaitGroup
				connect := func(n byte, greeting []byte) (send func([]byte), end func()) {
					d, a := linktest.Pair("p", "q", linktest.Faults{})
					m := model.Member{ID: model.NodeID{n}, Kind: model.MemberSite, Name: "oslo"}
					serving.Go(func() { door.Ended(h.Serve(t.Context(), a, &m)) })
					s, err := d.Open(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					go func() { // nobody waits for who does not read
						for {
							if _, _, err := wire.ReadFrame(s, wire.MaxFrame); err != nil {
								return
							}
						}
					}()
					send = func(b []byte) {
						_, _ = s.Write(b) // the other end may have gone
						synctest.Wait()
					}
					send(greeting)
					return send, func() { _ = d.Close() }
				}
				bystander, leave := connect(2, frame(wire.TypeHello, wire.Hello{MinVersion: 1, MaxVersion: 1, Node: model.NodeID{2}, Epoch: 1}))
				if tc.hello == nil {
					tc.hello = hello(1, 1)
				}
				send, end := connect(1, tc.hello)
				for _, b := range tc.sent {
					send(b)
				}
				want := map[string]uint64{}
				if tc.want != "" {
					want[tc.want] = 1
				}
				if got := door.Refused(); !maps.Equal(got, want) {
					t.Errorf("counted %v, want %v", got, want)
				}
				if l, ok := h.Live(model.NodeID{1}); tc.want != "" && ok && l.Up || tc.want == "" && !l.Up {
					t.Errorf("its link: %+v", l)
				}
				bystander(items(1, 7, item(7)))
				if at, _ := rows.Watermark(model.NodeID{2}); at != (model.Position{Epoch: 1, Seq: 7}) {
					t.Errorf("what another one sends meanwhile is held through %+v", at)
				}
				leave()
				end()
				serving.Wait()
				if got := door.Refused(); !maps.Equal(got, want) {
					t.Errorf("in the end counted %v, want %v", got, want)
				}
			})
		})
	}
}
