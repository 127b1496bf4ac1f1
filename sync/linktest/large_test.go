package linktest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
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

// noise is a JSON text of about n bytes that nothing makes smaller by much.
func noise(rng *rand.Rand, n int) string {
	raw := make([]byte, n/2)
	for i := range raw {
		raw[i] = byte(rng.Uint32())
	}
	return `"` + hex.EncodeToString(raw) + `"`
}

// catch is a Sink that remembers the digests of what came.
type catch struct {
	mu  sync.Mutex // guards what follows
	at  model.Position
	got []model.Item
	new chan struct{}
}

func (c *catch) Held(context.Context) (model.Position, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at, nil
}

func (c *catch) Accept(_ context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range items {
		if !c.at.Covers(epoch, it.Seq) {
			c.got = append(c.got, it)
		}
	}
	c.at = model.Position{Epoch: epoch, Seq: items[len(items)-1].Seq}
	select {
	case c.new <- struct{}{}:
	default:
	}
	return c.at, nil
}

// Items of several megabytes arrive in both directions over links of which none carries half of one: each link
// goes on where the last one was cut.
func TestALargeItemGoesOnWhereItWasCut(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	up := steady{newUpper(seed)}
	door := hub.New(hub.Config{
		Self: upperID, Name: "controller", Software: "test", Epoch: func() model.Epoch { return 4 },
		Proposer: up, Reader: up, Now: time.Now, Log: quiet, Settle: time.Microsecond,
	})
	q, err := queue.Open(filepath.Join(t.TempDir(), "queue.db"), queue.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	const size, room = 4 << 20, 1 << 20
	big, down := noise(rng, size), noise(rng, size)
	_, err = q.Append([]model.Item{
		{Kind: model.ItemMove, Key: "before", Payload: []byte(`1`)},
		{Kind: model.ItemPackages, Key: "big", Payload: []byte(big)},
		{Kind: model.ItemMove, Key: "after", Payload: []byte(`1`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range []model.Item{
		{Kind: model.ItemOrder, Key: "before", Payload: []byte(`1`)},
		{Kind: model.ItemAdvisory, Key: "big", Payload: []byte(down)},
		{Kind: model.ItemOrder, Key: "after", Payload: []byte(`1`)},
	} {
		up.order(it)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var serving sync.WaitGroup
	links := 0
	below := &catch{new: make(chan struct{}, 1)}
	drop := journal{q, make(chan struct{}, 1)}
	l := uplink.New(uplink.Config{
		Self: lowerID, Name: "lower", Software: "test", Upper: upperID, Outbox: outboxOnly{drop}, Sink: below,
		Resync: func(context.Context) error { return errors.New("a resync was asked for") },
		Now:    time.Now, Log: quiet, Jitter: func(time.Duration) time.Duration { return time.Millisecond },
		Dial: func(context.Context) (exchange.Session, error) {
			links++
			d, a := linktest.Pair("lower", "upper", linktest.Faults{CutAfter: room + rng.Int64N(room/4)})
			serving.Go(func() { _ = door.Serve(ctx, a, &model.Member{ID: lowerID, Kind: model.MemberHost, Name: "lower"}) })
			return d, nil
		},
	})
	serving.Go(func() { _ = l.Run(ctx) })
	done := func() bool {
		below.mu.Lock()
		defer below.mu.Unlock()
		return q.Len() == 0 && len(below.got) >= 3
	}
	for !done() {
		select {
		case <-drop.step:
		case <-below.new:
		case <-ctx.Done():
			t.Fatalf("after %d links %d items wait above, and %d came down", links, q.Len(), len(below.got))
		}
	}
	cancel()
	serving.Wait()

	if up.effects["before"] != 1 || up.effects["after"] != 1 || up.newest["big"] != big {
		t.Errorf("above: %v, and %d bytes of %d", up.effects, len(up.newest["big"]), len(big))
	}
	if len(below.got) != 3 || below.got[0].Key != "before" || below.got[2].Key != "after" || sha256.Sum256(below.got[1].Payload) != sha256.Sum256([]byte(down)) {
		t.Errorf("below: %d items came", len(below.got))
	}
	// Neither would ever arrive if each link began anew: zstd makes half of an item, which is more than a link carries.
	if links < 3 {
		t.Errorf("%d links were enough: nothing was cut", links)
	}
}
