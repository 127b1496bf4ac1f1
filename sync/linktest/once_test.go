package linktest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/uplink"
)

var (
	upperID = model.NodeID{0xc0, 1}
	lowerID = model.NodeID{0x51, 2}
	quiet   = slog.New(slog.DiscardHandler)
)

// upper is the tier above: it applies runs as the state machine does, rows and watermark together,
// and its Propose fails now and then, before or after it applied.
type upper struct {
	mu       sync.Mutex // guards what follows
	rng      *rand.Rand
	at       model.Position
	effects  map[string]int    // events: key -> how often it had an effect
	newest   map[string]string // other items: key -> payload
	down     []model.Item      // directives
	commits  uint64
	change   chan struct{}
	proposed int
}

func newUpper(seed uint64) *upper {
	return &upper{rng: rand.New(rand.NewPCG(seed, 1)), effects: map[string]int{}, newest: map[string]string{}, commits: 1, change: make(chan struct{})}
}

func (u *upper) Propose(_ context.Context, changes ...model.Change) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.proposed++
	lost := fault.New(fault.ReadOnly, "propose", "leadership lost")
	dice := u.rng.IntN(20)
	if dice == 0 {
		return lost
	}
	for _, c := range changes {
		r := c.(model.Received)
		if r.Origin != lowerID {
			return fault.New(fault.Denied, "", "items of %s", r.Origin)
		}
		for _, it := range r.Items {
			if u.at.Covers(r.Epoch, it.Seq) {
				continue
			}
			if it.Kind.Event() {
				u.effects[it.Key]++
			} else {
				u.newest[it.Key] = string(it.Payload)
			}
			u.at = model.Position{Epoch: r.Epoch, Seq: it.Seq}
		}
	}
	u.announceLocked()
	if dice == 1 {
		return lost // applied all the same
	}
	return nil
}

func (u *upper) announceLocked() {
	u.commits++
	close(u.change)
	u.change = make(chan struct{})
}

func (u *upper) Watermark(model.NodeID) (model.Position, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.at, nil
}

func (u *upper) order(it model.Item) {
	u.mu.Lock()
	defer u.mu.Unlock()
	it.Seq = model.Seq(3 * (len(u.down) + 1)) // with gaps, as if others had been told things
	u.down = append(u.down, it)
	u.announceLocked()
}

func (u *upper) Directives(to model.NodeID, after model.Seq, limit, _ int, _ bool) ([]model.Item, model.Seq, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []model.Item
	for _, it := range u.down {
		if it.Seq <= after || to != lowerID {
			continue
		}
		if len(out) == min(limit, 7) {
			return out, out[len(out)-1].Seq, nil
		}
		out = append(out, it)
	}
	return out, max(after, model.Seq(3*len(u.down)+2)), nil
}

func (u *upper) Wait(ctx context.Context, after uint64) (uint64, error) {
	for {
		u.mu.Lock()
		n, change := u.commits, u.change
		u.mu.Unlock()
		if n > after {
			return n, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-change:
		}
	}
}

// journal is the agent's side of what comes down, and tells of each step of the queue.
type journal struct {
	*queue.Queue
	step chan struct{}
}

func (j journal) moved() {
	select {
	case j.step <- struct{}{}:
	default:
	}
}

func (j journal) Held(context.Context) (model.Position, error) { return j.Queue.Held(upperID) }

func (j journal) Accept(_ context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	defer j.moved()
	err := j.Take(upperID, epoch, items)
	return model.Position{Epoch: epoch, Seq: items[len(items)-1].Seq}, err
}

func (j journal) DropThrough(seq model.Seq) error {
	defer j.moved()
	return j.Queue.DropThrough(seq)
}

// outboxOnly keeps the two meanings of Held apart.
type outboxOnly struct{ uplink.Outbox }

func TestExactlyOnceThroughCuts(t *testing.T) {
	for _, seed := range []uint64{1, 2, 3, uint64(time.Now().UnixNano())} {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			exactlyOnce(t, seed)
		})
	}
}

func exactlyOnce(t *testing.T, seed uint64) {
	const lives, perLife, keys, orders = 3, 400, 30, 40
	rng, cuts := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 2))
	up := newUpper(seed)
	door := hub.New(hub.Config{
		Self: upperID, Name: "controller", Software: "test", Epoch: func() model.Epoch { return 4 },
		Proposer: up, Reader: up, Now: time.Now, Log: quiet, Settle: time.Microsecond,
	})
	path := filepath.Join(t.TempDir(), "queue.db")
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	links := 0
	last := map[string]string{}
	for life := range lives {
		q, err := queue.Open(path, queue.Options{Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		j := journal{q, make(chan struct{}, 1)}
		var serving sync.WaitGroup
		running, stop := context.WithCancel(ctx)
		link := uplink.New(uplink.Config{
			Self: lowerID, Name: "lower", Software: "test", Upper: upperID, Outbox: outboxOnly{j}, Sink: j,
			Resync: func(context.Context) error { return errors.New("nothing was lost, but a resync was asked for") },
			Now:    time.Now, Log: quiet, Jitter: func(time.Duration) time.Duration { return time.Millisecond },
			Dial: func(context.Context) (exchange.Session, error) {
				links++
				f := linktest.Faults{CutAfter: 200 + cuts.Int64N(40_000), MaxDelay: time.Millisecond, Rand: rand.New(rand.NewPCG(seed, uint64(links)))}
				if links%10 == 0 {
					f.CutAfter = 0
				}
				d, a := linktest.Pair("lower", "upper", f)
				serving.Go(func() {
					_ = door.Serve(running, a, &model.Member{ID: lowerID, Kind: model.MemberHost, Name: "lower"})
				})
				return d, nil
			},
		})
		serving.Go(func() { _ = link.Run(running) })

		for n := range perLife {
			name := fmt.Sprintf("%d/%d", life, n)
			key := fmt.Sprintf("host-%d", rng.IntN(keys))
			payload := `"` + name + `"`
			items := []model.Item{{Kind: model.ItemHost, Key: key, Payload: []byte(payload)}, {Kind: model.ItemMove, Key: name, Payload: []byte(payload)}}
			if _, err := q.Append(items); err != nil {
				t.Fatal(err)
			}
			last[key] = payload
			if n%(perLife*lives/orders) == 0 {
				o := model.Order{Command: model.Command{ID: model.CommandID{byte(life + 1), byte(n >> 8), byte(n)}, Kind: model.CommandPing}, Hosts: []model.HostID{{1}}}
				body, err := model.Encode(o)
				if err != nil {
					t.Fatal(err)
				}
				up.order(model.Item{Kind: model.ItemOrder, Key: o.Command.ID.String(), Payload: body})
			}
		}
		// All but the last life end in the middle.
		for life == lives-1 && !settled(t, q, up) {
			select {
			case <-j.step:
			case <-ctx.Done():
				t.Fatalf("after %d links: %d items wait, the upper side is at %+v", links, q.Len(), up.at)
			}
		}
		stop()
		serving.Wait()
		if life == lives-1 {
			check(t, q, up, last, lives*perLife)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d links, %d proposals", links, up.proposed)
	if links < 5 {
		t.Errorf("only %d links: nothing was cut", links)
	}
}

// settled reports whether everything has arrived on both sides.
func settled(t *testing.T, q *queue.Queue, up *upper) bool {
	t.Helper()
	held, err := q.Held(upperID)
	if err != nil {
		t.Fatal(err)
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	return q.Len() == 0 && held.Seq == model.Seq(3*len(up.down)) && (held.Epoch == 4 || len(up.down) == 0)
}

func check(t *testing.T, q *queue.Queue, up *upper, last map[string]string, events int) {
	t.Helper()
	up.mu.Lock()
	defer up.mu.Unlock()
	if len(up.effects) != events {
		t.Errorf("%d events had an effect, %d were sent", len(up.effects), events)
	}
	for key, n := range up.effects {
		if n != 1 {
			t.Errorf("event %s had its effect %d times", key, n)
		}
	}
	for key, want := range last {
		if up.newest[key] != want {
			t.Errorf("%s ended as %s, the newest was %s", key, up.newest[key], want)
		}
	}
	records, err := q.Orders()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, r := range records {
		got = append(got, r.Order.Command.ID.String())
	}
	for _, it := range up.down {
		want = append(want, it.Key)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the journal has %d orders, %d were given", len(got), len(want))
	}
}
