package hub_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/wire"
)

// What the older link of a member is still putting into the detail tier must not land behind what its
// newer link brings: the rows would then name a body that the tier no longer keeps.
func TestANewerLinkWaitsForTheOlderOnesLastRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rows{}
		release := make(chan struct{})
		h := hub.New(hub.Config{
			Self: self, Name: "c", Software: "s", Epoch: func() model.Epoch { return 1 }, Proposer: r, Reader: r, Now: time.Now, Log: quiet,
			Transform: func(_ context.Context, _ model.Member, items []model.Item) ([]model.Item, []model.Change, error) {
				<-release // a slow disk does not hear that the link is over
				return items, nil, nil
			},
		})
		ends := make(chan error, 2)
		dial := func(more ...wire.Items) <-chan wire.Welcome {
			d, a := linktest.Pair("p", "q", linktest.Faults{})
			go func() { ends <- h.Serve(t.Context(), a, &site) }()
			s, err := d.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := wire.WriteFrame(s, wire.TypeHello, wire.Hello{MinVersion: 1, MaxVersion: 1, Node: site.ID, Epoch: 6}); err != nil {
				t.Fatal(err)
			}
			for _, run := range more {
				if err := wire.WriteFrame(s, wire.TypeItems, run); err != nil {
					t.Fatal(err)
				}
			}
			welcome := make(chan wire.Welcome, 1)
			go func() {
				body, err := wire.Expect(s, wire.TypeWelcome, wire.MaxControl)
				if err != nil {
					t.Error(err)
				}
				w, err := wire.Decode[wire.Welcome](body)
				if err != nil {
					t.Error(err)
				}
				welcome <- w
				if len(more) == 0 {
					_ = wire.WriteFrame(s, wire.TypeEnd, nil)
				}
			}()
			return welcome
		}
		old := dial(wire.Items{Epoch: 6, Through: 3, Items: []model.Item{{Seq: 3, Kind: model.ItemHost, Key: "k", Payload: []byte(`1`)}}})
		<-old
		synctest.Wait() // the run is in Transform
		fresh := dial()
		synctest.Wait()
		select {
		case w := <-fresh:
			t.Fatalf("the newer link was welcomed (%+v) while the older one was at work", w)
		default:
		}
		close(release)
		if w := <-fresh; w.Held != r.at {
			t.Errorf("the newer link was told %+v; held is %+v", w.Held, r.at)
		}
		for range 2 {
			<-ends
		}
	})
}
