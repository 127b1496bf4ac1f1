package agentd

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

// How many intervals an agent may be silent before its hosts are late, and before they are down. One is no
// news: the agent may be heard a moment after it.
const (
	lateAfter = 2
	downAfter = 3
)

// maxStatuses bounds the hosts of one proposal.
const maxStatuses = 2000

// PresenceConfig is what a Presence needs; all fields but Interval and Clock are required.
type PresenceConfig struct {
	// Propose returns once the changes are durable and applied.
	Propose func(context.Context, ...model.Change) error
	// Hosts calls fn with the row of every host of this site.
	Hosts func(fn func(model.Host) error) error
	// Interval is how often an agent is heard at the least; 60 s if zero.
	Interval time.Duration
	// Now is what silence is measured by. It must go on evenly when the clock is set, as time.Now does.
	Now func() time.Time
	// Clock is what is written into rows; nil: Now.
	Clock func() time.Time
	Log   *slog.Logger
}

// Presence judges whether the agent of each host reports. A host is up as soon as its agent is heard
// on a link (any frame counts), late after two intervals of silence and down after three. A gateway speaks for all of
// its hosts at once: what it cannot reach, it reports as such itself.
//
// After a start nobody is judged late, nor down before three intervals: that this site was off says
// nothing about its hosts.
type Presence struct {
	c    PresenceConfig
	wake chan struct{} // an agent whose hosts are down was heard

	mu      sync.Mutex // guards what follows
	started time.Time
	said    time.Time // when it was last said that all hosts are judged
	agents  map[model.NodeID]*agent
	hosts   map[model.HostID]*host
}

type agent struct {
	heard  time.Time // zero: not since the start
	fallen bool      // some of its hosts are not up
}

type host struct {
	owner  model.NodeID
	status model.HostStatus // as the row has it
}

// NewPresence returns a Presence; it judges nobody before Run is called.
func NewPresence(c PresenceConfig) *Presence {
	if c.Interval == 0 {
		c.Interval = time.Minute
	}
	if c.Clock == nil {
		c.Clock = c.Now
	}
	return &Presence{
		c: c, wake: make(chan struct{}, 1), started: c.Now(),
		agents: map[model.NodeID]*agent{}, hosts: map[model.HostID]*host{},
	}
}

// Heard says that a frame of m arrived, or that its link opened.
func (p *Presence) Heard(m model.Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.agentLocked(m.ID)
	a.heard = p.c.Now()
	if a.fallen {
		a.fallen = false
		select {
		case p.wake <- struct{}{}:
		default: // Run is about to look anyway
		}
	}
}

// Accepted says that a run of m was applied, which brought the hosts in it up. Items without a payload
// were refused at the door.
func (p *Presence) Accepted(m model.Member, items []model.Item) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range items {
		switch items[i].Kind {
		case model.ItemFacts, model.ItemPackages, model.ItemCertificates:
		default:
			continue
		}
		id, err := model.ParseHostID(items[i].Key)
		if err != nil || items[i].Payload == nil {
			continue
		}
		h, ok := p.hosts[id]
		if !ok {
			h = &host{owner: m.ID}
			p.hosts[id] = h
		}
		if h.owner == m.ID {
			h.status = model.HostUp
		}
	}
}

// Forget takes a host that was retired out of the judgement.
func (p *Presence) Forget(id model.HostID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.hosts[id]; h != nil && h.owner == model.NodeID(id) {
		delete(p.agents, h.owner)
	}
	delete(p.hosts, id)
}

// Run judges until ctx ends; the error is of reading the hosts at the start. A proposal that fails is
// made again at the next look.
func (p *Presence) Run(ctx context.Context) error {
	err := p.c.Hosts(func(h model.Host) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if was, ok := p.hosts[h.ID]; ok && was.owner == h.Agent {
			return nil // reported since the rows were read
		}
		p.hosts[h.ID] = &host{h.Agent, h.Status}
		if h.Status != model.HostUp {
			p.agentLocked(h.Agent).fallen = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	tick := time.NewTicker(max(p.c.Interval/4, time.Millisecond))
	defer tick.Stop()
	for {
		p.judge(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-p.wake:
		}
	}
}

func (p *Presence) agentLocked(id model.NodeID) *agent {
	a, ok := p.agents[id]
	if !ok {
		a = &agent{}
		p.agents[id] = a
	}
	return a
}

// written is an instant of Now as the rows have it; zero for the zero time.
func (p *Presence) written(at time.Time) model.Time {
	if at.IsZero() {
		return 0
	}
	return model.TimeOf(p.c.Clock().Add(-p.c.Now().Sub(at)))
}

// judge proposes what changed, in portions, and once in an interval that all the rest is as it was.
func (p *Presence) judge(ctx context.Context) {
	changed, all := p.changed()
	for first := 0; first < len(changed) || all; {
		part := changed[first:min(len(changed), first+maxStatuses)]
		first += len(part)
		now := p.c.Now()
		whole := all && first == len(changed)
		err := p.c.Propose(ctx, model.HostStatuses{Stamp: model.Stamp{Actor: "system", At: p.written(now)}, Hosts: part, All: whole})
		if err != nil {
			if ctx.Err() == nil {
				p.c.Log.Warn("the hosts' presence was not stored; trying again", "reason", err.Error())
			}
			return
		}
		p.stored(part)
		if whole {
			p.mu.Lock()
			p.said = now
			p.mu.Unlock()
			return
		}
	}
}

// changed returns the hosts whose row no longer tells the truth, by id, and whether it is time to say
// that with them all hosts are judged.
func (p *Presence) changed() (out []model.HostStatusAt, all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.c.Now()
	all = len(p.hosts) > 0 && now.Sub(p.said) >= p.c.Interval
	for id, h := range p.hosts {
		a := p.agentLocked(h.owner)
		since := a.heard
		if since.IsZero() {
			since = p.started
		}
		want := model.HostUp
		switch {
		case now.Sub(since) >= downAfter*p.c.Interval:
			want = model.HostDown
		case a.heard.IsZero():
			want = h.status // nobody was heard yet, and it is too early to say
			all = false
		case now.Sub(since) >= lateAfter*p.c.Interval:
			want = model.HostLate
		}
		if want != h.status {
			out = append(out, model.HostStatusAt{Host: id, Status: want, LastSeen: p.written(a.heard)})
		}
	}
	slices.SortFunc(out, func(a, b model.HostStatusAt) int { return bytes.Compare(a.Host[:], b.Host[:]) })
	return out, all
}

// stored takes over what the rows have now.
func (p *Presence) stored(part []model.HostStatusAt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range part {
		h := p.hosts[s.Host]
		if h == nil {
			continue // forgotten since
		}
		h.status = s.Status
		if s.Status != model.HostUp {
			p.agentLocked(h.owner).fallen = true
		}
	}
}
