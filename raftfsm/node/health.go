package node

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// HealthNote is what the program around a node says of itself. At most maxNote bytes of JSON.
type HealthNote struct {
	Software string   `json:"software,omitzero"` // name and version
	Ready    bool     `json:"ready"`
	Reasons  []string `json:"reasons,omitzero"` // why it is not
	Disk     string   `json:"disk,omitzero"`    // of how full it is, for people
	Links    int      `json:"links,omitzero"`   // of sites that it holds
}

// Health is what a node says of itself when it is asked.
type Health struct {
	ID      string     `json:"id"`
	Address string     `json:"address"` // where others reach it
	Entry   uint32     `json:"entry"`   // the highest version of log entries that it reads
	Term    uint64     `json:"term"`
	Last    uint64     `json:"last"`   // index of the last entry in its log
	Commit  uint64     `json:"commit"` // index of the last one that it knows to be committed
	Applied uint64     `json:"applied"`
	Leader  string     `json:"leader,omitzero"` // the id of the leader that it knows of
	NoVote  bool       `json:"no_vote,omitzero"`
	Full    bool       `json:"full,omitzero"` // it has no room to take changes in, or has not had it for long yet
	Note    HealthNote `json:"note"`
}

// inquiry is the question for Health.
type inquiry struct {
	// NoVote, where it is set, says whether this node is to ask for no vote any more; it keeps that.
	NoVote *bool `json:"no_vote,omitzero"`
	// Term is that in which the asker leads; without it nothing is kept.
	Term uint64 `json:"term,omitzero"`
}

const maxHealth = 64 << 10 // bytes of an answer

// cramped reports whether this node has too little room on its disk to take changes in, and whether it had within
// Policy.StableFor, as far as it was asked.
func (n *Node) cramped() (here, lately bool) {
	now := n.now()
	if n.room(false) != nil {
		n.fullAt.Store(now.UnixNano())
		return true, true
	}
	at := n.fullAt.Load()
	return false, at != 0 && now.Sub(time.Unix(0, at)) < n.policy.StableFor
}

// health returns what this node says of itself.
func (n *Node) health() Health {
	_, leader := n.raft.LeaderWithID()
	_, full := n.cramped()
	return Health{
		ID: n.id, Address: n.gate.Addr().String(), Entry: n.version, Term: n.raft.CurrentTerm(), Last: n.raft.LastIndex(),
		Commit: n.raft.CommitIndex(), Applied: n.store.Applied(), Leader: string(leader), NoVote: n.noVote.Load(), Full: full, Note: n.note(),
	}
}

// leads returns nil where from is the leader that this node knows of, in that term; 0 is any.
func (n *Node) leads(from string, term uint64) error {
	_, leader := n.raft.LeaderWithID()
	if own := n.raft.CurrentTerm(); string(leader) != from || from == "" || term != 0 && term != own {
		return fault.New(fault.Denied, "", "node %s does not lead this group in term %d, as far as node %s knows; only the leader is obeyed", fault.Clip(from, 64), max(term, own), n.id)
	}
	return nil
}

func (n *Node) answerHealth(from string, q inquiry) ([]byte, error) {
	if q.NoVote != nil {
		if q.Term == 0 {
			return nil, fault.New(fault.Denied, "", "node %s orders something and does not say in which term it leads", fault.Clip(from, 64))
		}
		if err := n.leads(from, q.Term); err != nil {
			return nil, err
		}
		if err := n.keepNoVote(*q.NoVote); err != nil {
			return nil, err
		}
	}
	return model.Encode(n.health())
}

// keepNoVote makes or removes the mark that this node is to have no vote.
func (n *Node) keepNoVote(set bool) error {
	if n.noVote.Load() == set {
		return nil
	}
	var err error
	if set {
		err = os.WriteFile(n.noVotePath(), nil, 0o600)
	} else {
		err = os.Remove(n.noVotePath())
	}
	if err != nil && !os.IsNotExist(err) {
		return fault.New(fault.ReadOnly, "keep that this node has no vote", "%w", err)
	}
	n.noVote.Store(set)
	return nil
}

// ask asks another node how it is.
func (n *Node) ask(ctx context.Context, addr string, q inquiry) (Health, error) {
	body, err := model.Encode(q)
	if err != nil {
		return Health{}, err
	}
	b, err := n.peers.Call(ctx, addr, routeHealth, body)
	var h Health
	if err == nil && len(b) > maxHealth {
		err = fault.New(fault.TooLarge, "", "its answer has %d bytes, the limit is %d", len(b), maxHealth)
	}
	if err == nil {
		err = model.Decode(b, &h)
	}
	return h, err
}

// run asks the other nodes how they are while this one leads, changes who is a member by Policy, and keeps
// what is read here from growing old without being noticed.
func (n *Node) run() {
	tick := time.NewTicker(n.policy.Beat)
	defer tick.Stop()
	for {
		reign := n.reign.now()
		n.beat()
		select {
		case <-reign.Done():
		case <-tick.C:
		case <-n.ended:
			return
		}
	}
}

// beat starts what is due, and waits for none of it.
func (n *Node) beat() {
	t := &n.tend
	now := n.now()
	n.cramped()
	if servers := n.servers(); len(servers) > 0 {
		member := func(addr string) bool {
			return slices.ContainsFunc(servers, func(s raft.Server) bool { return string(s.Address) == addr })
		}
		n.gate.trim(member, now, n.policy.Beat)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n.calmLocked(now)
	if !t.reading {
		t.reading = true
		n.background(func(ctx context.Context) {
			_ = n.Fresh(ctx) // it is for Age alone
			t.mu.Lock()
			defer t.mu.Unlock()
			t.reading = false
		})
	}
	if n.raft.State() != raft.Leader {
		t.leads = time.Time{}
		t.announceLocked(n)
		return
	}
	term := n.raft.CurrentTerm()
	if t.leads.IsZero() || t.term != term {
		t.leads, t.term, t.changed = now, term, now
		for _, m := range t.members {
			m.forget()
		}
	}
	servers := n.servers()
	n.followLocked(servers, now)
	if !t.acting {
		if s := decide(t.viewLocked(n, servers, now), n.policy); s.do != nothing {
			t.said, t.acting = s.why, true
			n.background(func(ctx context.Context) { n.act(ctx, s) })
		} else {
			t.said = s.why
		}
	}
}

// background runs fn beside everything else, with the time that a call of an operator would have. Close waits
// for it.
func (n *Node) background(fn func(ctx context.Context)) {
	n.watched.Go(func() {
		ctx, cancel := context.WithTimeout(n.alive, n.limit)
		defer cancel()
		fn(ctx)
	})
}

// calmLocked makes elections last longer while none succeeds: where the disks are so slow that no vote is
// durable in time, shorter ones would never end.
func (n *Node) calmLocked(now time.Time) {
	t := &n.tend
	if _, leader := n.raft.LeaderWithID(); leader != "" || len(n.servers()) == 0 {
		t.leaderless = time.Time{}
	} else if t.leaderless.IsZero() {
		t.leaderless = now
	}
	want := time.Duration(election)
	if !t.leaderless.IsZero() && now.Sub(t.leaderless) > 3*time.Second {
		want = slowElection
	}
	c := n.raft.ReloadableConfig()
	if c.ElectionTimeout == want {
		return
	}
	c.HeartbeatTimeout, c.ElectionTimeout = heartbeat, want
	if err := n.raft.ReloadConfig(c); err != nil {
		n.log.Warn("the wait for votes could not be changed", "err", err)
	}
}
