package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/uplink"
)

// agent is one simulated agent: a key and an identity of its own, the link of a real one, and what it has to say in
// memory.
type agent struct {
	n   int
	id  enroll.Identity
	out *outbox

	// What follows is guarded by crowd.mu.
	has      []int16   // its packages; nil: not reported yet
	upgrades int       // of packages, reported
	change   int       // the number of its newest change of facts
	due      time.Time // when its facts go up again; zero: never
}

// Told is what an agent last said, for whoever holds it against the rows.
type Told struct {
	ID       string `json:"id"`
	Change   int    `json:"change"`
	Upgrades int    `json:"upgrades"`
}

// tag is on the host's row when it has the change of that number.
func tag(change int) string { return fmt.Sprint("n", change) }

// facts is what the agent says of its host.
func (a *agent) facts(booted time.Time) model.Facts {
	n := a.n
	reboot := n%9 == 0
	return model.Facts{
		Hostname: fmt.Sprintf("host-%05d", n), FQDN: fmt.Sprintf("host-%05d.berlin.example", n),
		IPv4: []string{fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255)},
		MAC:  []string{fmt.Sprintf("02:00:5e:%02x:%02x:%02x", n>>16&255, n>>8&255, n&255)},
		OS:   debian, Kernel: fmt.Sprintf("6.1.0-%d-amd64", 18+n%8), Arch: "x86_64",
		BootedAt: model.TimeOf(booted.Add(-time.Duration(n%2000) * time.Hour).Truncate(time.Second)), RebootNeeded: &reboot,
		AgentVersion: "0.1.0", Tags: []string{"env:prod", tag(a.change), fmt.Sprint("team:", n%7)}, Owner: fmt.Sprint("team-", n%7),
		CPUs: 2 << (n % 4), MemoryMB: 4096 << (n % 4), Serial: fmt.Sprintf("BENCH%07d", n),
	}
}

// link returns the agent's link to the site.
func (a *agent) link(addr string, down *heldOnly, dialled func(error), changed func(online bool)) *uplink.Link {
	up := false
	return uplink.New(uplink.Config{
		Self: a.id.Member, Name: a.id.Name, Software: "skerry-agent bench", Upper: a.id.Upper,
		Dial: func(ctx context.Context) (exchange.Session, error) {
			l, err := link.Dial(ctx, addr, a.id.Dial(time.Now))
			dialled(err)
			if err != nil {
				return nil, err
			}
			return l, nil
		},
		Outbox: a.out, Sink: down,
		Process: rand.Text(), Machine: fmt.Sprintf("%032x", a.n+1), Can: &model.Abilities{
			Commands: []string{model.CommandInventoryRefresh, model.CommandPing},
			Items:    []string{string(model.ItemFacts), string(model.ItemOSFacts), string(model.ItemPackages)},
		},
		Answers: map[string]uplink.Answer{model.RouteAlive: func(context.Context, map[string]string) (any, error) { return nil, nil }},
		Resync:  func(context.Context) error { return nil },
		Changed: func(st uplink.State) {
			if st.Online != up {
				up = st.Online
				changed(up)
			}
		},
		Now: time.Now, Log: slog.New(slog.DiscardHandler), BackoffCap: time.Minute, // as a real agent
	})
}

// outbox is what an agent's queue is, in memory: the newest item of a kind takes the place of the one that waits. Bodies
// are made when they are sent, so that ten thousand of them are not kept.
type outbox struct {
	host  string
	epoch model.Epoch

	mu      sync.Mutex // guards what follows
	waiting []letter   // Seq rising
	head    model.Seq
	dropped model.Seq
	grown   chan struct{} // closed and replaced when there is more
}

type letter struct {
	seq  model.Seq
	kind model.ItemKind
	at   model.Time
	body func() ([]byte, error)
}

func newOutbox(id enroll.Identity) *outbox {
	return &outbox{host: id.Member.String(), epoch: max(id.Epoch, 1), grown: make(chan struct{})}
}

// put appends an item.
func (o *outbox) put(kind model.ItemKind, at time.Time, body func() ([]byte, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting = slices.DeleteFunc(o.waiting, func(l letter) bool { return l.kind == kind })
	o.head++
	o.waiting = append(o.waiting, letter{o.head, kind, model.TimeOf(at), body})
	close(o.grown)
	o.grown = make(chan struct{})
}

// has reports whether an item of that kind waits to be held by the site.
func (o *outbox) has(kind model.ItemKind) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.waiting, func(l letter) bool { return l.kind == kind })
}

// figures returns how many items there were, and how many of them wait.
func (o *outbox) figures() (head model.Seq, waiting int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.head, len(o.waiting)
}

// Epoch implements uplink.Outbox.
func (o *outbox) Epoch() model.Epoch { return o.epoch }

// Head implements uplink.Outbox.
func (o *outbox) Head() model.Seq { head, _ := o.figures(); return head }

// Dropped implements uplink.Outbox.
func (o *outbox) Dropped() model.Seq { o.mu.Lock(); defer o.mu.Unlock(); return o.dropped }

// After implements uplink.Outbox.
func (o *outbox) After(after model.Seq, maxItems, maxBytes int) ([]model.Item, error) {
	o.mu.Lock()
	waiting := slices.Clone(o.waiting)
	o.mu.Unlock()
	var out []model.Item
	size := 0
	for _, l := range waiting {
		if l.seq <= after || len(out) == maxItems {
			continue
		}
		body, err := l.body()
		if err != nil {
			return nil, err
		}
		if size += len(body) + len(o.host); size > maxBytes && len(out) > 0 {
			break
		}
		out = append(out, model.Item{Seq: l.seq, Kind: l.kind, Key: o.host, AsOf: l.at, Payload: body})
	}
	return out, nil
}

// DropThrough implements uplink.Outbox.
func (o *outbox) DropThrough(seq model.Seq) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if seq > o.head {
		return fmt.Errorf("the site holds item %d of host %s, which said %d", seq, o.host, o.head)
	}
	o.dropped = max(o.dropped, seq)
	o.waiting = slices.DeleteFunc(o.waiting, func(l letter) bool { return l.seq <= o.dropped })
	return nil
}

// Wait implements uplink.Outbox.
func (o *outbox) Wait(ctx context.Context, after model.Seq) error {
	for {
		o.mu.Lock()
		head, grown := o.head, o.grown
		o.mu.Unlock()
		if head > after {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// heldOnly takes everything that comes down and does nothing with it.
type heldOnly struct {
	mu sync.Mutex // guards what follows
	at model.Position
}

// Held implements exchange.Sink.
func (h *heldOnly) Held(context.Context) (model.Position, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at, nil
}

// Accept implements exchange.Sink.
func (h *heldOnly) Accept(_ context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(items) > 0 {
		h.at = model.Position{Epoch: epoch, Seq: items[len(items)-1].Seq}
	}
	return h.at, nil
}
