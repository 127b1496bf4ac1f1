package linktest_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/uplink"
)

// steady is an upper that never fails.
type steady struct{ *upper }

func (s steady) Propose(ctx context.Context, changes ...model.Change) error {
	for s.upper.Propose(ctx, changes...) != nil { // items that are covered have no effect
	}
	return nil
}

// TestEachArrivesAtOnce hands over one item at a time on a link that holds: a wake-up that is lost
// shows as an item that never comes, where a new link would have hidden it.
func TestEachArrivesAtOnce(t *testing.T) {
	const rounds = 150
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	up := steady{newUpper(1)}
	q, err := queue.Open(filepath.Join(t.TempDir(), "queue.db"), queue.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	j := journal{q, make(chan struct{}, 1)}
	door := hub.New(hub.Config{
		Self: upperID, Name: "controller", Software: "test", Epoch: func() model.Epoch { return 4 },
		Proposer: up, Reader: up, Now: time.Now, Log: quiet, Settle: time.Microsecond,
	})
	var serving sync.WaitGroup
	defer serving.Wait()
	running, stop := context.WithCancel(ctx)
	defer stop()
	links := 0
	link := uplink.New(uplink.Config{
		Self: lowerID, Name: "lower", Software: "test", Upper: upperID, Outbox: outboxOnly{j}, Sink: j, Now: time.Now, Log: quiet,
		Dial: func(context.Context) (exchange.Session, error) {
			links++
			d, a := linktest.Pair("lower", "upper", linktest.Faults{})
			serving.Go(func() { _ = door.Serve(running, a, &model.Member{ID: lowerID, Kind: model.MemberHost, Name: "lower"}) })
			return d, nil
		},
	})
	serving.Go(func() { _ = link.Run(running) })
	for n := range rounds {
		if n%2 == 0 {
			if _, err := q.Append([]model.Item{{Kind: model.ItemHost, Key: "k", Payload: []byte(`1`)}}); err != nil {
				t.Fatal(err)
			}
		} else {
			o := model.Order{Command: model.Command{ID: model.CommandID{1, byte(n)}}, Hosts: []model.HostID{{1}}}
			body, err := model.Encode(o)
			if err != nil {
				t.Fatal(err)
			}
			up.order(model.Item{Kind: model.ItemOrder, Key: o.Command.ID.String(), Payload: body})
		}
		for !settled(t, q, up.upper) {
			select {
			case <-j.step:
			case <-ctx.Done():
				t.Fatalf("round %d: the item never came", n)
			}
		}
	}
	stop()
	serving.Wait()
	if links != 1 {
		t.Errorf("%d links were needed", links)
	}
}
