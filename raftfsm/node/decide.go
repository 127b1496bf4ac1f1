package node

import (
	"cmp"
	"fmt"
	"time"
)

// Policy says when the leader changes who is a member by itself. The zero value is the default.
type Policy struct {
	// Beat is how often the leader asks the others how they are. Default 1 s.
	Beat time.Duration
	// StableFor is how long a node must have answered without a gap until it is given a vote. Default 10 s.
	StableFor time.Duration
	// MaxLag is how many entries it may be behind then, with its log and with its rows. It must also have all that the
	// leader's rows had when it began to answer: after a snapshot, few entries are no sign of that. Default 250.
	MaxLag uint64
	// DeadAfter is how long a node must have been silent until it is removed. Default 72 h. One whose
	// replacement has joined under the same name goes as soon as it was silent for StableFor.
	DeadAfter time.Duration
	// MaxVoters is how many nodes have a vote at most; the others follow. Default 5.
	MaxVoters int
}

func (p Policy) filled() Policy {
	p.Beat = cmp.Or(p.Beat, time.Second)
	p.StableFor = cmp.Or(p.StableFor, 10*time.Second)
	p.MaxLag = cmp.Or(p.MaxLag, 250)
	p.DeadAfter = cmp.Or(p.DeadAfter, 72*time.Hour)
	p.MaxVoters = cmp.Or(p.MaxVoters, 5)
	return p
}

// fewestVoters is how many voters the leader never goes below by itself: with two, either of them stops the
// group.
const fewestVoters = 3

// view is a group as its leader sees it.
type view struct {
	now     time.Time
	self    string
	changed time.Time // when the leader last saw who is a member change
	peers   []peer    // itself too, in the order of the configuration
}

// peer is a member of a view.
type peer struct {
	id, name string
	voter    bool
	healthy  bool
	since    time.Time // since when it is healthy
	contact  time.Time // when it was last heard, or since when the leader leads
	lag      uint64    // entries behind the leader
	rows     uint64    // entries that its rows are behind those of the leader
	bare     bool      // its rows are not yet where those of the leader were when it came
	entry    uint32    // the version of entries that it reads
	full     bool      // it has too little room on its disk to take changes in
	removed  bool      // the registry says that it is no member any more
	noVote   bool      // an operator took its vote
	moved    bool      // it is the leader, and is reached elsewhere than the configuration says
}

// title is how a peer is called in a text.
func (p *peer) title() string {
	if p.name == "" {
		return p.id
	}
	return p.name + " (" + p.id + ")"
}

// doing is what a step does.
type doing uint8

const (
	nothing   doing = 0
	promote   doing = 1 // give id a vote
	remove    doing = 2 // take id out of the group
	handOver  doing = 3 // let another node lead: id, or any where id is the leader
	readdress doing = 4 // the leader is reached elsewhere
)

// step is what the leader does next, and why; of nothing, what it waits for, or "".
type step struct {
	do  doing
	id  string
	why string
}

// votes counts the voters of a view, and the healthy ones among them; without is left out.
func (v *view) votes(without string) (all, healthy int) {
	for i := range v.peers {
		if p := &v.peers[i]; p.voter && p.id != without {
			all++
			if p.healthy {
				healthy++
			}
		}
	}
	return all, healthy
}

func majority(n int) int { return n/2 + 1 }

// decide says what the leader is to do about who is a member: at most one thing, and nothing that leaves
// fewer healthy voters than a majority. It is a function of its arguments alone.
func decide(v view, p Policy) step {
	voters, healthy := v.votes("")
	if healthy < majority(voters) {
		return step{why: fmt.Sprintf("only %d of %d voters are healthy: nobody is added or removed until they are back", healthy, voters)}
	}
	for i := range v.peers {
		if q := &v.peers[i]; q.id == v.self && q.moved {
			return step{readdress, q.id, "tell the group where its leader is now"}
		}
	}
	cramped := v.makeRoom(p)
	if cramped.do != nothing {
		return cramped
	}
	waits := ""
	for i := range v.peers {
		q := &v.peers[i]
		if q.voter || q.removed || q.noVote {
			continue
		}
		switch {
		case voters >= p.MaxVoters:
			waits = fmt.Sprintf("%s follows without a vote: the group has %d voters", q.title(), voters)
		case !q.healthy:
			waits = fmt.Sprintf("%s does not answer, and gets no vote until it does", q.title())
		case v.now.Sub(q.since) < p.StableFor:
			waits = fmt.Sprintf("%s gets a vote once it is stable for %s", q.title(), p.StableFor)
		case max(q.lag, q.rows) > p.MaxLag:
			waits = fmt.Sprintf("%s gets a vote once it has caught up; it is %d entries behind", q.title(), max(q.lag, q.rows))
		case q.bare:
			waits = fmt.Sprintf("%s gets a vote once it has the rows of the group", q.title())
		case healthy+1 < majority(voters+1):
			waits = fmt.Sprintf("%s gets no vote while so many voters are silent", q.title())
		default:
			return step{promote, q.id, "give " + q.title() + " a vote"}
		}
	}
	for i := range v.peers {
		q := &v.peers[i]
		s := v.clear(q, p)
		if s.do != nothing {
			return s
		}
		waits = cmp.Or(waits, s.why)
	}
	return step{why: cmp.Or(cramped.why, waits)}
}

// makeRoom lets a voter lead that has room on its disk, where the leader has none: the leader alone takes changes in. What
// a node says of its room is slow to become better, so that the lead does not go to and fro.
func (v *view) makeRoom(p Policy) step {
	best, full := -1, false
	for i := range v.peers {
		q := &v.peers[i]
		switch {
		case q.id == v.self:
			full = q.full
		case q.voter && q.healthy && !q.full && !q.removed && !q.noVote && max(q.lag, q.rows) <= p.MaxLag:
			if best < 0 || q.lag < v.peers[best].lag {
				best = i
			}
		}
	}
	switch {
	case !full:
		return step{}
	case best < 0:
		return step{why: "the disk of the leader is nearly full, and no other voter has room: the group takes nothing in until one has"}
	}
	q := &v.peers[best]
	return step{handOver, q.id, "let " + q.title() + " lead, which has room: the disk of the leader is nearly full"}
}

// clear says whether a node is to be removed, and why not where it might be.
func (v *view) clear(q *peer, p Policy) step {
	silent := v.now.Sub(q.contact)
	dead := !q.healthy && silent >= p.DeadAfter
	replaced := !q.healthy && silent >= p.StableFor && v.replacement(q)
	if !q.removed && !dead && !replaced {
		return step{}
	}
	why := fmt.Sprintf("remove %s, silent for %s", q.title(), silent.Round(time.Second))
	switch {
	case q.removed:
		why = "remove " + q.title() + ", which is no member any more"
	case !dead:
		why = "remove " + q.title() + ", which was replaced"
	}
	if v.now.Sub(v.changed) < p.StableFor {
		return step{why: "the group has just changed; next: " + why}
	}
	if !q.voter {
		return step{remove, q.id, why}
	}
	left, healthy := v.votes(q.id)
	switch {
	case left == 0:
		return step{why: q.title() + " is the last voter and stays"}
	case healthy < majority(left):
		return step{why: fmt.Sprintf("%s stays: without it only %d of %d voters would be healthy", q.title(), healthy, left)}
	case left < fewestVoters && !q.removed:
		return step{why: fmt.Sprintf("%s stays, though it is silent: the group would be left with %d voters; add a node in its place", q.title(), left)}
	case q.id == v.self:
		return step{handOver, q.id, why}
	}
	return step{remove, q.id, why}
}

// replacement reports whether another node that is well has the name of q.
func (v *view) replacement(q *peer) bool {
	for i := range v.peers {
		r := &v.peers[i]
		if r.id != q.id && q.name != "" && r.name == q.name && r.healthy && !r.removed {
			return true
		}
	}
	return false
}
