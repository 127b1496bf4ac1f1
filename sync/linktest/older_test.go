package linktest_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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

// A node that was put back to an older copy of its data is refused, and stays refused when its numbers
// have grown past what the upper tier holds: what it numbered anew would be taken for old and dropped.
func TestAnOlderCopyStaysRefusedWhenItsNumbersCatchUp(t *testing.T) {
	up := newUpper(1)
	door := hub.New(hub.Config{
		Self: upperID, Name: "controller", Software: "test", Epoch: func() model.Epoch { return 4 },
		Proposer: steady{up}, Reader: up, Now: time.Now, Log: quiet, Settle: time.Microsecond,
	})
	path := filepath.Join(t.TempDir(), "queue.db")
	open := func() *queue.Queue {
		t.Helper()
		q, err := queue.Open(path, queue.Options{Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	add := func(q *queue.Queue, life string, n int) {
		t.Helper()
		for i := range n {
			if _, err := q.Append([]model.Item{{Kind: model.ItemMove, Key: fmt.Sprint(life, i), Payload: []byte(`1`)}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	// link runs until the queue has drained or a dial has failed, and returns why it failed.
	link := func(q *queue.Queue) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var serving sync.WaitGroup
		j := journal{q, make(chan struct{}, 1)}
		failed := make(chan string, 1)
		l := uplink.New(uplink.Config{
			Self: lowerID, Name: "lower", Software: "test", Upper: upperID, Outbox: outboxOnly{j}, Sink: j,
			Resync: func(context.Context) error { return nil }, Now: time.Now, Log: quiet,
			Changed: func(s uplink.State) {
				if s.LastError != "" {
					select {
					case failed <- s.LastError:
					default:
					}
				}
			},
			Dial: func(context.Context) (exchange.Session, error) {
				d, a := linktest.Pair("lower", "upper", linktest.Faults{})
				serving.Go(func() { _ = door.Serve(ctx, a, &model.Member{ID: lowerID, Kind: model.MemberHost, Name: "lower"}) })
				return d, nil
			},
		})
		serving.Go(func() { _ = l.Run(ctx) })
		defer serving.Wait()
		defer cancel()
		for q.Len() > 0 {
			select {
			case <-j.step:
			case why := <-failed:
				return why
			case <-ctx.Done():
				t.Fatal("the link neither drained nor failed")
			}
		}
		return ""
	}
	q := open()
	add(q, "first", 3)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	older, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	q = open()
	add(q, "lost", 3)
	if why := link(q); why != "" {
		t.Fatal(why)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, older, 0o600); err != nil {
		t.Fatal(err)
	}

	q = open()
	if why := link(q); !strings.Contains(why, "an older copy of its data") {
		t.Fatalf("the restored node was let in: %q", why)
	}
	add(q, "after", 6) // numbered 4 to 9; 6 is held
	for range 2 {
		if why := link(q); !strings.Contains(why, "needs a new epoch") {
			t.Errorf("with numbers that caught up the link ended with %q", why)
		}
		if q.Len() != 9 || up.effects["after0"] != 0 {
			t.Fatalf("%d of 9 items are left, and the upper tier has %v", q.Len(), up.effects)
		}
		if err := q.Close(); err != nil { // it is remembered over a restart
			t.Fatal(err)
		}
		q = open()
	}
	defer q.Close()
	if err := q.SetEpoch(2); err != nil {
		t.Fatal(err)
	}
	if why := link(q); why != "" {
		t.Fatal(why)
	}
	for i := range 6 {
		if up.effects[fmt.Sprint("after", i)] != 1 {
			t.Fatalf("in its new epoch the node's items arrived as %v", up.effects)
		}
	}
}
