package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// order is a change of the members that an operator wants. The leader carries it out.
type order struct {
	Do      string `json:"do"`
	ID      string `json:"id,omitzero"`
	Address string `json:"address,omitzero"`
}

const (
	orderAdd      = "add"
	orderPromote  = "promote"
	orderDemote   = "demote"
	orderRemove   = "remove"
	orderTransfer = "transfer"
)

// AddMember adds a node that follows without a vote, or tells the group another address of one it has; the
// leader gives it a vote once it is stable. The same again changes nothing. It fails with fault.Conflict where
// another member has the address.
//
// It may be called on any node, as the four below: the leader does it. Their errors are fault.NotFound for no
// such member, fault.Conflict for what would harm the group, with what to do about it, and fault.ReadOnly or
// fault.Unreachable where the group cannot be changed now.
func (n *Node) AddMember(ctx context.Context, id, addr string) error {
	return n.command(ctx, order{Do: orderAdd, ID: id, Address: addr})
}

// Promote gives a member a vote, without waiting until it is stable; it must answer, and not be far behind.
func (n *Node) Promote(ctx context.Context, id string) error {
	return n.command(ctx, order{Do: orderPromote, ID: id})
}

// Demote takes a member's vote; it goes on following, and is given no vote by itself any more. It fails where
// the other voters would be no healthy majority.
func (n *Node) Demote(ctx context.Context, id string) error {
	return n.command(ctx, order{Do: orderDemote, ID: id})
}

// RemoveMember takes a member out of the group; one that is not in it is no error. It fails where the other
// voters would be no healthy majority, and for the last voter. A member that leads hands over first.
func (n *Node) RemoveMember(ctx context.Context, id string) error {
	return n.command(ctx, order{Do: orderRemove, ID: id})
}

// Transfer lets another voter lead: the one with that id, or the one that has come furthest for "". It returns
// when this node knows of the new leader.
func (n *Node) Transfer(ctx context.Context, id string) error {
	_, was := n.raft.LeaderWithID()
	if id != "" && string(was) == id {
		return nil
	}
	if err := n.command(ctx, order{Do: orderTransfer, ID: id}); err != nil {
		return err
	}
	for {
		reign := n.reign.now()
		if _, now := n.raft.LeaderWithID(); now != "" && now != was {
			return nil
		}
		select {
		case <-reign.Done():
		case <-ctx.Done():
			return fault.New(fault.Unreachable, "hand over the leadership", "it was handed over, but no new leader is known yet: %w", context.Cause(ctx))
		case <-n.ended:
			return n.explain("hand over the leadership", raft.ErrRaftShutdown)
		}
	}
}

// TakeSnapshot takes a snapshot of this node's rows now and cuts the log behind it, as Raft does by itself
// from time to time. That there is nothing new since the last one is no error.
func (n *Node) TakeSnapshot(ctx context.Context) error {
	const op = "take a snapshot"
	if err := n.ready(ctx, op); err != nil {
		return err
	}
	_, _, err := n.await(ctx, op, func() (any, uint64, error) {
		err := n.raft.Snapshot().Error()
		if errors.Is(err, raft.ErrNothingNewToSnapshot) {
			err = nil
		}
		if err != nil && !errors.Is(err, raft.ErrRaftShutdown) {
			err = errRefused{fault.Wrap(op, err)}
		}
		return nil, 0, err
	})
	var refused errRefused
	if errors.As(err, &refused) {
		return refused.error
	}
	return err
}

// command brings an order to the leader, and tries again while there is none.
func (n *Node) command(ctx context.Context, o order) error {
	op := o.Do + " a member of the group"
	if o.Do == orderTransfer {
		op = "hand over the leadership"
	}
	body, err := model.Encode(o)
	if err != nil {
		return fault.New(fault.Invalid, op, "%w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, n.limit, errPatience)
	defer cancel()
	var pause pause
	for {
		if e := n.ready(ctx, op); e != nil {
			if n.Err() == nil && err != nil && errors.Is(context.Cause(ctx), errPatience) {
				e = fault.Wrap(op, err)
			}
			return e
		}
		reign := n.reign.now()
		addr, leader := n.raft.LeaderWithID()
		switch {
		case string(leader) == n.id:
			err = n.obey(ctx, o)
		case addr == "":
			err = n.explain("", raft.ErrNotLeader)
		case n.peers == nil:
			return fault.New(fault.ReadOnly, op, "the leader is at %s, and this node has no way to ask it", addr)
		default:
			_, err = n.peers.Call(ctx, string(addr), routeMember, body)
		}
		if k := fault.KindOf(err); k != fault.ReadOnly && k != fault.Unreachable {
			return fault.Wrap(op, err)
		}
		pause.wait(ctx, reign)
	}
}

// obey carries out an order on the leader.
func (n *Node) obey(ctx context.Context, o order) error {
	if n.raft.State() != raft.Leader {
		return n.explain("", raft.ErrNotLeader)
	}
	if o.Do == orderAdd {
		return n.add(ctx, o)
	}
	v, err := n.view(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(v.peers, func(p peer) bool { return p.id == o.ID })
	switch {
	case o.Do == orderTransfer && o.ID == "":
		return n.transfer(ctx, "")
	case at < 0 && o.Do == orderRemove:
		return nil
	case at < 0:
		return fault.New(fault.NotFound, "", "the group has no member %q; its members are %s", o.ID, v.titles())
	}
	p := &v.peers[at]
	switch o.Do {
	case orderPromote:
		return n.promote(ctx, &v, p)
	case orderDemote:
		return n.demote(ctx, &v, p)
	case orderRemove:
		return n.remove(ctx, &v, p)
	case orderTransfer:
		switch {
		case p.id == n.id:
			return nil
		case !p.voter:
			return fault.New(fault.Conflict, "", "%s has no vote and cannot lead", p.title())
		}
		return n.transfer(ctx, p.id)
	}
	return fault.New(fault.Version, "", "this node does not know how to %q a member; upgrade it", fault.Clip(o.Do, 32))
}

func (v *view) titles() string {
	var all []string
	for i := range v.peers {
		all = append(all, v.peers[i].title())
	}
	return strings.Join(all, ", ")
}

func (n *Node) add(ctx context.Context, o order) error {
	if n.peers == nil {
		return fault.New(fault.Conflict, "", "this node was started without a way to ask other nodes, and stays alone")
	}
	if _, port, err := net.SplitHostPort(o.Address); err != nil || port == "" || len(o.Address) > 260 || o.ID == "" || len(o.ID) > 64 {
		return fault.New(fault.Invalid, "", "node %q at %q: a member has an id of 1 to 64 bytes and an address HOST:PORT of at most 260", fault.Clip(o.ID, 64), fault.Clip(o.Address, 64))
	}
	id, addr := raft.ServerID(o.ID), raft.ServerAddress(o.Address)
	for _, s := range n.servers() {
		switch {
		case s.ID == id && s.Address == addr:
			return nil
		case s.Address == addr:
			name, _ := n.registered(string(s.ID))
			return fault.New(fault.Conflict, "", "member %s is at %s already; remove it from the group first if it is no more", cmp.Or(name, string(s.ID)), addr)
		}
	}
	return n.change(ctx, func() raft.IndexFuture { return n.raft.AddNonvoter(id, addr, 0, n.patience(ctx)) }) // a voter keeps its vote
}

// tell lets a member keep whether it has no vote, now if it answers and later if not.
func (n *Node) tell(ctx context.Context, id string, noVote bool) error {
	if id == n.id {
		return n.keepNoVote(noVote)
	}
	n.tend.mu.Lock()
	n.tend.fellowLocked(id).tell = &noVote
	n.tend.mu.Unlock()
	for _, s := range n.servers() {
		if string(s.ID) == id && n.peers != nil {
			n.inquire(ctx, s, inquiry{NoVote: &noVote})
		}
	}
	return nil
}

func (n *Node) promote(ctx context.Context, v *view, p *peer) error {
	if !p.voter {
		voters, healthy := v.votes("")
		switch {
		case !p.healthy:
			return fault.New(fault.Conflict, "", "%s does not answer; a vote that is never cast counts against the group: see that it runs first", p.title())
		case max(p.lag, p.rows) > n.policy.MaxLag:
			return fault.New(fault.Conflict, "", "%s is %d entries behind; wait until it has caught up", p.title(), max(p.lag, p.rows))
		case p.bare:
			return fault.New(fault.Conflict, "", "%s has not all the rows that the group had when it came; wait until it has", p.title())
		case healthy+1 < majority(voters+1):
			return fault.New(fault.Conflict, "", "only %d of %d voters are healthy; bring back the others first", healthy, voters)
		}
	}
	if err := n.tell(ctx, p.id, false); err != nil || p.voter {
		return err
	}
	return n.change(ctx, func() raft.IndexFuture {
		return n.raft.AddVoter(raft.ServerID(p.id), n.addressOf(p.id), 0, n.patience(ctx))
	})
}

func (n *Node) demote(ctx context.Context, v *view, p *peer) error {
	if p.voter {
		if err := v.spare(p); err != nil {
			return err
		}
		if p.id == n.id {
			return n.leave(ctx, p)
		}
	}
	if err := n.tell(ctx, p.id, true); err != nil || !p.voter {
		return err
	}
	return n.change(ctx, func() raft.IndexFuture { return n.raft.DemoteVoter(raft.ServerID(p.id), 0, n.patience(ctx)) })
}

func (n *Node) remove(ctx context.Context, v *view, p *peer) error {
	if p.voter {
		if err := v.spare(p); err != nil {
			return err
		}
		if p.id == n.id {
			return n.leave(ctx, p)
		}
	}
	return n.change(ctx, func() raft.IndexFuture { return n.raft.RemoveServer(raft.ServerID(p.id), 0, n.patience(ctx)) })
}

// leave lets another node lead, which then does what was to be done to this one.
func (n *Node) leave(ctx context.Context, p *peer) error {
	if err := n.transfer(ctx, ""); err != nil {
		return err
	}
	return fault.New(fault.ReadOnly, "", "%s leads no more; ask the new leader", p.title())
}

// spare returns nil where a group can do without a voter.
func (v *view) spare(p *peer) error {
	left, healthy := v.votes(p.id)
	if left == 0 {
		return fault.New(fault.Conflict, "", "%s is the last voter: the group would end; add another node first, or stop this one to end the group", p.title())
	}
	if healthy >= majority(left) {
		return nil
	}
	var silent []string
	for i := range v.peers {
		if q := &v.peers[i]; q.voter && !q.healthy && q.id != p.id {
			silent = append(silent, q.title())
		}
	}
	return fault.New(fault.Conflict, "", "without %s only %d of %d voters would be healthy, and no majority: bring %s back first, or remove it instead", p.title(), healthy, left, strings.Join(silent, " and "))
}

// transfer hands the leadership over; to the voter that has come furthest where id is "".
func (n *Node) transfer(ctx context.Context, id string) error {
	var last error
	for range 5 {
		if n.raft.State() != raft.Leader {
			return nil
		}
		to := id
		if to == "" {
			var err error
			if to, err = n.furthest(ctx); err != nil {
				return err
			}
		}
		_, _, err := n.await(ctx, "hand over the leadership", func() (any, uint64, error) {
			return nil, 0, n.raft.LeadershipTransferToServer(raft.ServerID(to), n.addressOf(to)).Error()
		})
		if err == nil || n.raft.State() != raft.Leader {
			return nil
		}
		if last = err; ctx.Err() != nil {
			break
		}
		var p pause
		p.wait(ctx, n.reign.now())
	}
	if n.Err() != nil || ctx.Err() != nil {
		return last
	}
	return fault.New(fault.Conflict, "", "no other node took the leadership (%w): see that another voter is well, and try again", last)
}

// furthest returns the healthy voter beside this one whose log is longest, of those whose disks have room where there
// is one.
func (n *Node) furthest(ctx context.Context) (string, error) {
	v, err := n.view(ctx)
	if err != nil {
		return "", err
	}
	best := -1
	for i := range v.peers {
		p := &v.peers[i]
		if p.id == n.id || !p.voter || !p.healthy {
			continue
		}
		if best < 0 || v.peers[best].full && !p.full || v.peers[best].full == p.full && p.lag < v.peers[best].lag {
			best = i
		}
	}
	if best < 0 {
		return "", fault.New(fault.Conflict, "", "no other voter of the group answers; the leadership cannot be handed over")
	}
	return v.peers[best].id, nil
}

// Status is a group as its leader sees it, or as one node knows it where no leader answers.
type Status struct {
	Node    string   `json:"node"`             // the id of the node whose view this is
	Leader  string   `json:"leader,omitzero"`  // the id of the leader; "" for none
	Address string   `json:"address,omitzero"` // of the leader
	Term    uint64   `json:"term"`
	Last    uint64   `json:"last"`    // index of the last entry in the log
	Commit  uint64   `json:"commit"`  // index of the last committed one
	Applied uint64   `json:"applied"` // index of the last one in the rows
	First   uint64   `json:"first"`   // index of the first entry that is still in the log
	Entry   uint32   `json:"entry"`   // the highest version of entries that every member reads
	Members []Member `json:"members"`
	// Next is what the leader does next about the members, or waits for; "" for nothing.
	Next string `json:"next,omitzero"`
}

// Member is one node of a Status.
type Member struct {
	ID      string     `json:"id"`
	Name    string     `json:"name,omitzero"`
	Address string     `json:"address"`
	Voter   bool       `json:"voter"`
	Leader  bool       `json:"leader"`
	Healthy bool       `json:"healthy"`
	Since   model.Time `json:"since,omitzero"`   // since when it is healthy, under this leader
	Contact model.Time `json:"contact,omitzero"` // when it was heard last, under this leader; zero: never
	Lag     uint64     `json:"lag"`              // entries behind the leader
	NoVote  bool       `json:"no_vote,omitzero"` // an operator took its vote
	Health  Health     `json:"health"`           // what it said of itself when it was heard last
	Error   string     `json:"error,omitzero"`   // why it was not heard just now
}

// Status returns the group as its leader sees it. Where no leader answers within a few seconds, it is what this
// node knows: Leader is "" then, or Node is not Leader, and nothing is said of the others' health.
func (n *Node) Status(ctx context.Context) (Status, error) {
	const op = "look at the group"
	if err := n.ready(ctx, op); err != nil && n.Err() == nil {
		return Status{}, err
	}
	addr, leader := n.raft.LeaderWithID()
	if string(leader) == n.id || addr == "" || n.peers == nil {
		return n.status(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(n.limit, 3*time.Second))
	defer cancel()
	b, err := n.peers.Call(ctx, string(addr), routeStatus, nil)
	var s Status
	if err == nil {
		err = model.Decode(b, &s)
	}
	if err != nil {
		s = n.status()
		s.Next = fmt.Sprintf("the leader does not answer: %v", err)
	}
	return s, nil
}

// status returns the group as this node sees it.
func (n *Node) status() Status {
	addr, leader := n.raft.LeaderWithID()
	s := Status{
		Node: n.id, Leader: string(leader), Address: string(addr), Term: n.raft.CurrentTerm(), Last: n.raft.LastIndex(),
		Commit: n.raft.CommitIndex(), Applied: n.store.Applied(),
	}
	if first, err := n.guard.FirstIndex(); err == nil {
		s.First = first
	}
	if v, _, err := n.common(n.lately()); err == nil {
		s.Entry = v
	}
	t, now := &n.tend, n.now()
	servers := n.servers()
	t.mu.Lock()
	defer t.mu.Unlock()
	leads := s.Leader == n.id && !t.leads.IsZero()
	if leads {
		s.Next = t.said
	}
	v := t.viewLocked(n, servers, now)
	for i, p := range v.peers {
		m := Member{ID: p.id, Name: p.name, Address: string(servers[i].Address), Voter: p.voter, Leader: p.id == s.Leader}
		switch known := t.members[p.id]; {
		case p.id == n.id:
			m.Healthy, m.Health, m.NoVote, m.Contact = n.Err() == nil, n.health(), p.noVote, model.TimeOf(now)
			if leads {
				m.Since = model.TimeOf(t.leads)
			}
		case leads && known != nil:
			m.Healthy, m.Lag, m.NoVote, m.Health, m.Error = p.healthy, p.lag, p.noVote, known.health, known.err
			if p.healthy {
				m.Since = model.TimeOf(known.since)
			}
			if !known.heard.IsZero() {
				m.Contact = model.TimeOf(known.heard)
			}
		}
		s.Members = append(s.Members, m)
	}
	return s
}

// Figures are what is measured of one node.
type Figures struct {
	Leader                      bool
	Term, Last, Commit, Applied uint64
	Lag                         map[string]uint64 // of each other member by id; only at the leader
	Snapshot                    time.Time         // when the newest one was made; zero: there is none
}

// Figures returns what is measured of this node, without asking anybody.
func (n *Node) Figures() Figures {
	s := n.status()
	f := Figures{Leader: s.Leader == n.id, Term: s.Term, Last: s.Last, Commit: s.Commit, Applied: s.Applied}
	f.Snapshot, _ = n.snaps.newest()
	if f.Leader {
		f.Lag = map[string]uint64{}
		for _, m := range s.Members {
			if m.ID != n.id {
				f.Lag[m.ID] = m.Lag
			}
		}
	}
	return f
}
