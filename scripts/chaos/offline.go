package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// Month is what many hosts report in a month, as the outbox of one gateway: Total reports of Hosts hosts in turn, made
// up when they are asked for, each with its number as a tag. What the hosts answer to orders comes behind them. It is
// the agent's side of a site that is cut off, and keeps nothing but a number. Its methods are safe for concurrent use.
type Month struct {
	Hosts int
	Total model.Seq
	From  time.Time     // of the first report
	Span  time.Duration // between the first and the last

	mu      sync.Mutex // guards what follows
	dropped model.Seq
	moves   []model.Item
	held    model.Position
	moved   chan struct{}
}

// MonthHost returns the id of a host.
func MonthHost(n int) (id model.HostID) {
	id[0], id[1], id[6], id[8] = 1, 0x9a, 0x70, 0x80
	id[13], id[14], id[15] = byte(n>>16), byte(n>>8), byte(n)
	return id
}

// Last returns the tag of the newest report of a host.
func (m *Month) Last(n int) string {
	rounds := (int(m.Total) - 1 - n) / m.Hosts
	return fmt.Sprint("n", rounds*m.Hosts+n+1)
}

// Epoch implements uplink.Outbox.
func (m *Month) Epoch() model.Epoch { return 1 }

// Head implements uplink.Outbox.
func (m *Month) Head() model.Seq {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Total + model.Seq(len(m.moves))
}

// Dropped implements uplink.Outbox.
func (m *Month) Dropped() model.Seq {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dropped
}

// After implements uplink.Outbox.
func (m *Month) After(after model.Seq, most, _ int) (out []model.Item, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for seq := after + 1; seq <= m.Total+model.Seq(len(m.moves)) && len(out) < most; seq++ {
		if seq > m.Total {
			it := m.moves[seq-m.Total-1]
			it.Seq = seq
			out = append(out, it)
			continue
		}
		n := int(seq-1) % m.Hosts
		raw, err := model.Encode(model.Facts{
			Hostname: fmt.Sprintf("till-%d", n), OS: model.OS{ID: "debian", Version: "12"}, IPv4: []string{fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255)},
			Tags: []string{fmt.Sprint("n", seq)},
		})
		if err != nil {
			return nil, err
		}
		at := m.From.Add(time.Duration(float64(m.Span) * float64(seq) / float64(m.Total)))
		out = append(out, model.Item{Seq: seq, Kind: model.ItemFacts, Key: MonthHost(n).String(), AsOf: model.TimeOf(at), Payload: raw})
	}
	return out, nil
}

// DropThrough implements uplink.Outbox.
func (m *Month) DropThrough(seq model.Seq) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropped = max(m.dropped, seq)
	return nil
}

// Wait implements uplink.Outbox.
func (m *Month) Wait(ctx context.Context, after model.Seq) error {
	for {
		m.mu.Lock()
		head := m.Total + model.Seq(len(m.moves))
		if m.moved == nil {
			m.moved = make(chan struct{})
		}
		moved := m.moved
		m.mu.Unlock()
		if head > after {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Held implements exchange.Sink.
func (m *Month) Held(context.Context) (model.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held, nil
}

// Accept implements exchange.Sink: each order is run at once on each of its hosts.
func (m *Month) Accept(_ context.Context, epoch model.Epoch, items []model.Item) (model.Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, it := range items {
		if m.held.Covers(epoch, it.Seq) {
			continue
		}
		m.held = model.Position{Epoch: epoch, Seq: it.Seq}
		var o model.Order
		if it.Kind != model.ItemOrder || model.Decode(it.Payload, &o) != nil {
			continue
		}
		for _, host := range o.Hosts {
			for _, state := range []model.CommandState{model.CommandDelivered, model.CommandRunning, model.CommandSucceeded} {
				move := model.Move{Command: o.Command.ID, Host: host, State: state, At: model.TimeOf(time.Now())}
				raw, err := model.Encode(move)
				if err != nil {
					return m.held, err
				}
				m.moves = append(m.moves, model.Item{
					Kind: model.ItemMove, Key: fmt.Sprintf("%s/%s/%s", o.Command.ID, host, state), AsOf: move.At, Payload: raw,
				})
			}
		}
	}
	if m.moved != nil {
		close(m.moved)
		m.moved = nil
	}
	return m.held, nil
}
