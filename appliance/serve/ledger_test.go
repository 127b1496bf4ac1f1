package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/api"
)

func TestLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		var mu sync.Mutex // guards got while Run and Asked may both write
		l := &Ledger{
			Propose: func(_ context.Context, changes ...model.Change) error {
				mu.Lock()
				defer mu.Unlock()
				for _, c := range changes {
					n := c.(model.Note)
					got = append(got, fmt.Sprint(n.Actor, " ", n.Object, " ", n.OK, " ", n.Detail["route"], " ", n.Detail["again"], " ", n.Detail["asked_by"]))
				}
				return nil
			},
			Now: time.Now, Log: slog.New(slog.DiscardHandler), Actor: "controller:1",
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _ = l.Run(ctx); close(done) }()
		q := api.Asked{Actor: "account:anna", Route: "host.packages", Object: "h1"}
		for range 50 { // pages of one answer
			l.Asked(ctx, q)
		}
		gone, stop := context.WithCancel(ctx)
		stop()
		failed := q
		failed.Err = errors.New("no link")
		l.Asked(gone, failed) // who went away asked all the same
		if want := []string{"controller:1 h1 true host.packages  account:anna", "controller:1 h1 false host.packages  account:anna"}; !slices.Equal(got, want) {
			t.Fatalf("at once: %q", got)
		}
		time.Sleep(70 * time.Second)
		synctest.Wait()
		if len(got) != 3 || got[2] != "controller:1 h1 true host.packages 49 account:anna" {
			t.Fatalf("after a minute: %q", got)
		}
		l.Asked(ctx, q)
		l.Asked(ctx, q)
		cancel()
		<-done
		if len(got) != 5 || got[4] != "controller:1 h1 true host.packages 1 account:anna" {
			t.Fatalf("at the end: %q", got)
		}
		got = nil
		for i := range 2 * ledgerOpen {
			q.Object = fmt.Sprint(i)
			l.Asked(t.Context(), q)
		}
		if len(got) != ledgerOpen+1 {
			t.Errorf("a flood of questions made %d entries", len(got))
		}
	})
}
