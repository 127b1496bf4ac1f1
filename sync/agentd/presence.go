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

// returnsWithin is how long after a start agents that are there take to come back, at the most; it is half an interval
// where that is less. Who was up and is not back by then is unknown until heard or judged.
const returnsWithin = 15 * time.Second

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
	// Clock is what is written into rows; nil: Now. It must never go back.
	Clock func() time.Time
	// Settled, if set, is called once: when every agent was heard since the start, or those that were not have had their
	// time to come back and their hosts are written as unknown. Until then the rows say what was so before the start.
	Settled func()
	Log     *slog.Logger
}

// Presence judges whether the agent of each host reports. A host is up as soon as its agent is heard
// on a link (any frame counts), late after two intervals of silence and down after three. A gateway speaks for all of
// its hosts at once: what it cannot reach, it reports as such itself.
//
// After a start nobody is judged late, nor down before three intervals: that this site was off says
// nothing about its hosts. Nor does it say that they are up: those that do not come back are unknown meanwhile.
//
// That all hosts are judged is said as of the time until which each that is up was heard, and not of the moment at which it
// is said: what is shown as last seen goes by it, and must not be later than what was heard.
type Presence struct {
	c    PresenceConfig
	wake chan struct{} // an agent whose hosts are down was heard

	mu      sync.Mutex // guards what follows
	started time.Time
	said    time.Time  // when it was last said that all hosts are judged
	until   model.Time // as of when it was said; it only rises
	settled bool       // Settled was called
	awaited int        // agents of the rows at the start that were not heard since
	agents  map[model.NodeID]*agent
	hosts   map[model.HostID]*host
}

type agent struct {
	heard   time.Time  // zero: not since the start
	at      model.Time // the same by Clock, taken at that moment: what Clock says later of an earlier moment may differ
	awaited bool       // it has rows of before the start, and was not heard since
	fallen  bool       // some of its hosts are not up
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
	a.heard, a.at = p.c.Now(), model.TimeOf(p.c.Clock())
	last := false
	if a.awaited {
		a.awaited = false
		p.awaited--
		last = p.awaited == 0
	}
	if a.fallen || last {
		a.fallen = false
		select {
		case p.wake <- struct{}{}:
		default: // Run is about to look anyway
		}
	}
}

// Accepted says that a run of m was applied, which brought the hosts in it up. Items without a payload
// were refused at the door.
//
// A host that was not up stays so here until it is judged again: whether a judgement that it is down was applied before
// the run or behind it nobody can tell now, and a row that is down while this says up would stay so.
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
		if p.hosts[id] == nil {
			p.hosts[id] = &host{m.ID, model.HostUp}
		}
	}
}

// Forget takes a host that was retired out of the judgement.
func (p *Presence) Forget(id model.HostID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.hosts[id]; h != nil && h.owner == model.NodeID(id) {
		if a := p.agents[h.owner]; a != nil && a.awaited {
			p.awaited-- // the end of the time to come back notices where it was the last
		}
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
		a := p.agentLocked(h.Agent)
		if h.Status != model.HostUp {
			a.fallen = true
		}
		if a.heard.IsZero() && !a.awaited {
			a.awaited = true
			p.awaited++
		}
		return nil
	})
	if err != nil {
		return err
	}
	tick := time.NewTicker(max(p.c.Interval/4, time.Millisecond))
	defer tick.Stop()
	back := time.NewTimer(p.grace())
	defer back.Stop()
	for {
		p.judge(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-back.C:
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

// grace is how long after the start those that were up have to come back.
func (p *Presence) grace() time.Duration { return min(p.c.Interval/2, returnsWithin) }

// judge proposes what changed, in portions, and once in an interval that all the rest is as it was.
func (p *Presence) judge(ctx context.Context) {
	l := p.changed()
	if l.settled {
		defer p.settle()
	}
	for first := 0; first < len(l.changed) || l.all; {
		part := l.changed[first:min(len(l.changed), first+maxStatuses)]
		first += len(part)
		whole := l.all && first == len(l.changed)
		var changes []model.Change
		if len(part) > 0 {
			changes = append(changes, model.HostStatuses{Stamp: model.Stamp{Actor: "system", At: l.at}, Hosts: part})
		}
		if whole {
			changes = append(changes, model.HostStatuses{Stamp: model.Stamp{Actor: "system", At: l.until}, All: true})
		}
		if err := p.c.Propose(ctx, changes...); err != nil {
			if ctx.Err() == nil {
				p.c.Log.Warn("the hosts' presence was not stored; trying again", "reason", err.Error())
			}
			return
		}
		p.stored(part)
		if whole {
			p.mu.Lock()
			p.said, p.until = l.now, l.until
			p.mu.Unlock()
			return
		}
	}
}

// settle says, once, that the rows tell what was found since the start. Where they could not be written that is so as well:
// a disk that is full must not keep back the alert that says so.
func (p *Presence) settle() {
	p.mu.Lock()
	was := p.settled
	p.settled = true
	p.mu.Unlock()
	if !was && p.c.Settled != nil {
		p.c.Settled()
	}
}

// look is what one look at all hosts found.
type look struct {
	now     time.Time
	at      model.Time           // now as the rows have it
	changed []model.HostStatusAt // hosts whose row no longer tells the truth, by id
	all     bool                 // it is time to say that with them all hosts are judged
	until   model.Time           // every host that is up was heard until then, or later
	settled bool                 // who was there before the start was heard, or had the time to be
}

// changed looks at all hosts.
func (p *Presence) changed() look {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.c.Now()
	l := look{now: now, at: model.TimeOf(p.c.Clock())}
	l.until = l.at
	l.all = len(p.hosts) > 0 && now.Sub(p.said) >= p.c.Interval
	late := now.Sub(p.started) >= p.grace()
	l.settled = late || p.awaited <= 0
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
		case a.heard.IsZero(): // nobody was heard yet, and it is too early to say more
			want, l.all = h.status, false
			if late && want == model.HostUp {
				want = model.HostUnknown
			}
		case now.Sub(since) >= lateAfter*p.c.Interval:
			want = model.HostLate
		default:
			l.until = min(l.until, a.at)
		}
		if want != h.status {
			l.changed = append(l.changed, model.HostStatusAt{Host: id, Status: want, LastSeen: a.at})
		}
	}
	l.until = max(l.until, p.until)
	slices.SortFunc(l.changed, func(a, b model.HostStatusAt) int { return bytes.Compare(a.Host[:], b.Host[:]) })
	return l
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
