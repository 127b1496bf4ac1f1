package hub_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/uplink"
)

// Once the one who asked is gone, the member stops to work on the answer.
func TestAskIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(&rows{})
		began, ended := make(chan struct{}), make(chan error, 1)
		stop := connect(t, h, map[string]uplink.Answer{"slow": func(ctx context.Context, _ map[string]string) (any, error) {
			close(began)
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		}})
		defer stop()
		ctx, cancel := context.WithCancel(t.Context())
		asked := make(chan error, 1)
		go func() {
			_, err := h.Ask(ctx, site.ID, "slow", nil)
			asked <- err
		}()
		<-began
		at := time.Now()
		cancel()
		if err := <-ended; err == nil || time.Since(at) > 5*time.Second {
			t.Errorf("the member stopped with %v after %v", err, time.Since(at))
		}
		if err := <-asked; err == nil {
			t.Error("a question that was given up has an answer")
		}
	})
}

// What is no route is refused before anything is sent, and by the member too, should it be sent.
func TestAskNoRoute(t *testing.T) {
	h := newHub(&rows{})
	for _, route := range []string{"", "../etc/passwd", "host/detail", "host.detail?x=1", "https://example.com", "Host.Detail", "host..detail", ".", "host.detail\n", strings.Repeat("a", 65)} {
		if _, err := h.Ask(t.Context(), site.ID, route, nil); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", route, err)
		}
	}
}

// A member that does not answer holds as many questions as it may, and no place of others.
func TestAskBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(&rows{})
		var mu sync.Mutex
		now, most := 0, 0
		free := make(chan struct{})
		stop := connect(t, h, map[string]uplink.Answer{
			"slow": func(context.Context, map[string]string) (any, error) {
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				<-free
				mu.Lock()
				now--
				mu.Unlock()
				return nil, nil
			},
			model.RoutePackagesWhere: func(context.Context, map[string]string) (any, error) {
				return strings.Repeat("x", model.MaxAnswer(model.RoutePackagesWhere)), nil
			},
		})
		defer stop()
		var asking sync.WaitGroup
		for range 40 {
			asking.Go(func() {
				if _, err := h.Ask(t.Context(), site.ID, "slow", nil); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		mu.Lock()
		if now != 16 {
			t.Errorf("%d questions are under way at one member", now)
		}
		mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Ask(ctx, site.ID, "slow", nil); !fault.Is(err, fault.Busy) {
			t.Errorf("beyond the bound: %v", err)
		}
		close(free)
		asking.Wait()
		if most != 16 {
			t.Errorf("at most %d questions were under way", most)
		}
		if _, err := h.Ask(t.Context(), site.ID, model.RoutePackagesWhere, nil); !fault.Is(err, fault.TooLarge) {
			t.Errorf("an answer above its bound: %v", err)
		}
	})
}
