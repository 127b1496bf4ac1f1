package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/entry"
)

// tend is what a node knows of the others.
type tend struct {
	mu         sync.Mutex // guards what follows
	leads      time.Time  // since when this node leads; zero while it does not
	term       uint64     // in which it does
	config     string     // who is a member, as text
	changed    time.Time  // when that changed, as this leader saw it
	members    map[string]*fellow
	said       string // what decide said last
	acting     bool   // a step of decide is under way
	reading    bool   // a fence for Age is under way
	announcing bool   // this node tells the others its new address
	leaderless time.Time
	took       map[string]time.Time // the nodes that this one took out as dead, and when each was heard last
}

// fellow is what is known of another node. Times are of this node's reign as the leader.
type fellow struct {
	asking bool
	entry  uint32    // the highest version of entries that it said it reads when it was asked last
	said   time.Time // when that was; kept from reign to reign
	heard  time.Time // of its last good answer; zero: none
	since  time.Time // since when it answers without a gap; zero: it does not
	health Health    // its last good answer
	lag    uint64    // entries that it was behind this leader then
	rows   uint64    // the same of its rows
	goal   uint64    // the entry that the rows of this leader had when it began to answer
	err    string    // what came of the last question, where that was no good answer
	tell   *bool     // whether it is to keep that it has no vote; nil: nothing to tell
}

func (t *tend) start() { t.members, t.took = map[string]*fellow{}, map[string]time.Time{} }

// forget makes nothing of what was heard under another leader, but the version, which is of no leader.
func (m *fellow) forget() {
	*m = fellow{asking: m.asking, entry: m.entry, said: m.said}
}

// gapN is how many beats a node may be silent and count as healthy.
const gapN = 3

func (m *fellow) healthy(now time.Time, p Policy) bool {
	return !m.since.IsZero() && now.Sub(m.heard) <= gapN*p.Beat
}

func (t *tend) fellowLocked(id string) *fellow {
	m := t.members[id]
	if m == nil {
		m = &fellow{}
		t.members[id] = m
	}
	return m
}

// servers returns the members of the group as Raft has them; the slice is not to be changed.
func (n *Node) servers() []raft.Server { return n.raft.GetConfiguration().Configuration().Servers }

// sole reports whether this node is the only voter.
func (n *Node) sole() bool {
	voters, own := 0, false
	for _, s := range n.servers() {
		if s.Suffrage == raft.Voter {
			voters++
			own = own || string(s.ID) == n.id
		}
	}
	return voters == 1 && own
}

// Member reports whether this node is in its group, with a vote or without, as far as it knows. One that was removed
// while it could not be reached may not know it.
func (n *Node) Member() bool {
	return slices.ContainsFunc(n.servers(), func(s raft.Server) bool { return string(s.ID) == n.id })
}

// lately is since when a node must have said which version of entries it reads, for that to count still.
func (n *Node) lately() time.Time { return n.now().Add(-gapN * n.policy.Beat) }

// common returns the highest version of entries that every node of the group reads, and the names of those
// that read no higher one. Who did not say it since that time may have gone back to an older program, and counts as
// one that reads the lowest. What the log holds already is read by all.
func (n *Node) common(since time.Time) (version uint32, behind string, err error) {
	floor, err := n.fsm.EntryVersion()
	if err != nil || floor >= entry.Version {
		return floor, "", err
	}
	version = entry.Version
	var names []string
	t := &n.tend
	servers := n.servers()
	t.mu.Lock()
	for _, s := range servers {
		if string(s.ID) == n.id {
			continue
		}
		v := uint32(entry.Lowest)
		if m := t.members[string(s.ID)]; m != nil && !m.said.Before(since) {
			v = max(v, m.entry)
		}
		if v < entry.Version {
			names = append(names, string(s.ID))
			version = min(version, v)
		}
	}
	t.mu.Unlock()
	for i, id := range names {
		if name, _ := n.registered(id); name != "" {
			names[i] = name
		}
	}
	return max(version, floor), "node " + strings.Join(names, ", "), nil
}

// registered returns what the registry says of a member; "" where it does not know it.
func (n *Node) registered(id string) (name string, removed bool) {
	node, err := model.ParseNodeID(id)
	if err != nil {
		return "", false
	}
	v := n.store.View()
	defer v.Close()
	m, ok, err := v.Member(node)
	if err != nil || !ok {
		return "", false // a damaged row is found elsewhere
	}
	return m.Name, m.Status == model.MemberRemoved
}

// followLocked asks every other node that is not being asked.
func (n *Node) followLocked(servers []raft.Server, now time.Time) {
	t := &n.tend
	config := fmt.Sprint(servers)
	if config != t.config {
		t.config, t.changed = config, now
		for id := range t.members {
			if !slices.ContainsFunc(servers, func(s raft.Server) bool { return string(s.ID) == id }) {
				delete(t.members, id)
			}
		}
	}
	if n.peers == nil {
		return
	}
	for _, s := range servers {
		id := string(s.ID)
		if id == n.id {
			continue
		}
		m := t.fellowLocked(id)
		if m.asking {
			continue
		}
		m.asking = true
		q := inquiry{NoVote: m.tell}
		n.background(func(ctx context.Context) {
			n.inquire(ctx, s, q)
			t.mu.Lock()
			defer t.mu.Unlock()
			m.asking = false
		})
	}
}

// inquire asks one node how it is, and notes the answer.
func (n *Node) inquire(ctx context.Context, s raft.Server, q inquiry) {
	ctx, cancel := context.WithTimeout(ctx, gapN*n.policy.Beat)
	defer cancel()
	term := n.raft.CurrentTerm()
	q.Term = term
	// As of before it is asked: what is written meanwhile it need not have.
	last, applied := n.raft.LastIndex(), n.store.Applied()
	h, err := n.ask(ctx, string(s.Address), q)
	now := n.now()
	t := &n.tend
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.fellowLocked(string(s.ID))
	if err == nil && h.ID == string(s.ID) {
		m.entry, m.said = h.Entry, now
	}
	switch {
	case t.term != term || t.leads.IsZero():
		return // it was asked under another leader
	case err == nil && h.ID != string(s.ID):
		err = fmt.Errorf("at %s answers node %s", s.Address, h.ID)
	case err == nil && h.Leader != n.id:
		err = errStranger
	}
	if err != nil {
		m.err = err.Error()
		return
	}
	if !m.healthy(now, n.policy) {
		m.since, m.goal = now, applied
	}
	m.lag, m.rows = last-min(last, h.Last), applied-min(applied, h.Applied)
	if m.tell != nil && h.NoVote == *m.tell {
		m.tell = nil
	}
	m.heard, m.health, m.err = now, h, ""
}

var errStranger = errors.New("it does not follow this leader")

// strangers reports whether a node answered that does not know this leader.
func (t *tend) strangers() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.members {
		if m.err == errStranger.Error() {
			return true
		}
	}
	return false
}

// refresh asks all other nodes and waits for their answers: for an operator, who must not hear what was true
// a while ago.
func (n *Node) refresh(ctx context.Context) {
	if n.peers == nil {
		return
	}
	var all sync.WaitGroup
	for _, s := range n.servers() {
		if string(s.ID) != n.id {
			all.Go(func() { n.inquire(ctx, s, inquiry{}) })
		}
	}
	all.Wait()
}

// viewLocked is the group as decide sees it.
func (t *tend) viewLocked(n *Node, servers []raft.Server, now time.Time) view {
	v := view{now: now, self: n.id, changed: t.changed}
	last := n.raft.LastIndex()
	for _, s := range servers {
		id := string(s.ID)
		p := peer{id: id, voter: s.Suffrage == raft.Voter, contact: t.leads}
		p.name, p.removed = n.registered(id)
		if id == n.id {
			p.healthy, p.since, p.contact, p.noVote = true, t.leads, now, n.noVote.Load()
			p.moved = string(s.Address) != n.gate.Addr().String()
			p.full, _ = n.cramped()
		} else if m := t.members[id]; m != nil {
			p.healthy = m.healthy(now, n.policy)
			if p.healthy {
				p.since = m.since
			}
			if m.heard.After(p.contact) {
				p.contact = m.heard
			}
			p.noVote = m.health.NoVote || m.tell != nil && *m.tell
			p.lag, p.rows, p.bare = m.lag, m.rows, m.health.Applied < m.goal
			if !p.healthy {
				p.lag = last - min(last, m.health.Last)
			}
			p.entry, p.full = m.entry, m.health.Full
		}
		v.peers = append(v.peers, p)
	}
	return v
}

// relief reports whether this node, which leads and has no room, may let one lead in a moment that has.
func (n *Node) relief() bool {
	servers := n.servers()
	n.tend.mu.Lock()
	defer n.tend.mu.Unlock()
	now := n.now()
	v := n.tend.viewLocked(n, servers, now)
	voters, healthy := v.votes("")
	if voters > healthy && now.Sub(n.tend.leads) < gapN*n.policy.Beat || voters > 1 && n.tend.leads.IsZero() {
		return true // it has only begun to lead, and to ask
	}
	return v.makeRoom(n.policy).do != nothing
}

// view returns the group as decide sees it, asked just now.
func (n *Node) view(ctx context.Context) (view, error) {
	n.tend.mu.Lock()
	if n.tend.leads.IsZero() { // beat has not noticed yet
		n.tend.leads, n.tend.term, n.tend.changed = n.now(), n.raft.CurrentTerm(), n.now()
		for _, m := range n.tend.members {
			m.forget()
		}
	}
	n.tend.mu.Unlock()
	var pause pause
	for began := n.now(); ; {
		n.refresh(ctx)
		if n.raft.State() != raft.Leader || ctx.Err() != nil || n.now().Sub(began) > time.Second || !n.tend.strangers() {
			break
		}
		pause.wait(ctx, n.reign.now()) // they will have heard of this leader in a moment
	}
	if n.raft.State() != raft.Leader {
		return view{}, n.explain("look after the group", raft.ErrNotLeader)
	}
	n.tend.mu.Lock()
	defer n.tend.mu.Unlock()
	return n.tend.viewLocked(n, n.servers(), n.now()), nil
}

// announceLocked tells the leader, whichever node it is, that this one is reached elsewhere now.
func (t *tend) announceLocked(n *Node) {
	if t.announcing || n.peers == nil {
		return
	}
	here := n.gate.Addr().String()
	servers := n.servers()
	moved := false
	for _, s := range servers {
		moved = moved || string(s.ID) == n.id && string(s.Address) != here
	}
	if !moved {
		return
	}
	t.announcing = true
	n.background(func(ctx context.Context) {
		body, err := model.Encode(order{Do: orderAdd, ID: n.id, Address: here})
		for _, s := range servers {
			if string(s.ID) == n.id || err != nil {
				continue
			}
			if _, e := n.peers.Call(ctx, string(s.Address), routeMember, body); e == nil {
				n.log.Info("the group was told where this node is now", "address", here)
				break
			}
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		t.announcing = false
	})
}

// act does a step that decide asked for.
func (n *Node) act(ctx context.Context, s step) {
	var err error
	switch s.do {
	case promote:
		err = n.change(ctx, func() raft.IndexFuture {
			return n.raft.AddVoter(raft.ServerID(s.id), n.addressOf(s.id), 0, n.patience(ctx))
		})
	case readdress:
		err = n.change(ctx, func() raft.IndexFuture {
			return n.raft.AddVoter(raft.ServerID(s.id), raft.ServerAddress(n.gate.Addr().String()), 0, n.patience(ctx))
		})
	case remove:
		last := n.lastHeard(s.id) // before it is forgotten with the membership
		err = n.change(ctx, func() raft.IndexFuture { return n.raft.RemoveServer(raft.ServerID(s.id), 0, n.patience(ctx)) })
		if err == nil {
			n.tend.mu.Lock()
			n.tend.took[s.id] = last
			n.tend.mu.Unlock()
		}
	case handOver:
		to := s.id
		if to == n.id {
			to = ""
		}
		err = n.transfer(ctx, to)
	}
	switch {
	case err == nil && s.do == readdress:
		n.log.Debug("the group was changed", "step", s.why)
	case err == nil:
		n.log.Info("the group was changed", "step", s.why)
	case n.alive.Err() == nil:
		n.log.Warn("the group could not be changed", "step", s.why, "err", err)
	}
	n.tend.mu.Lock()
	defer n.tend.mu.Unlock()
	n.tend.acting = false
}

// addressOf returns the address of a member as Raft has it; "" for none.
func (n *Node) addressOf(id string) raft.ServerAddress {
	for _, s := range n.servers() {
		if string(s.ID) == id {
			return s.Address
		}
	}
	return ""
}

// change changes the configuration of Raft and waits until that is committed.
func (n *Node) change(ctx context.Context, do func() raft.IndexFuture) error {
	const op = "change the members of the group"
	_, _, err := n.await(ctx, op, func() (any, uint64, error) {
		err := do().Error()
		switch {
		case err == nil, errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrEnqueueTimeout),
			errors.Is(err, raft.ErrRaftShutdown), errors.Is(err, raft.ErrLeadershipTransferInProgress):
			return nil, 0, err
		}
		return nil, 0, errRefused{fault.New(fault.Conflict, op, "%w", err)}
	})
	var refused errRefused
	if errors.As(err, &refused) {
		return refused.error
	}
	return err
}

// errRefused carries an error past explain.
type errRefused struct{ error }
