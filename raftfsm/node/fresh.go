package node

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// Fresh returns when the rows here hold everything that was acknowledged anywhere in the group before the
// call. It writes nothing: the leader asks a majority whether anybody voted for another one since, and who
// follows asks the leader; calls that wait at the same time share the question. In a group with one voter
// the leader asks nobody. It fails with fault.Unreachable where the group does not answer before ctx or
// Config.ApplyTimeout ends.
func (n *Node) Fresh(ctx context.Context) error {
	const op = "read what the group has"
	if err := n.ready(ctx, op); err != nil {
		return err
	}
	if n.reads.alone(n) {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, n.limit, errPatience)
	defer cancel()
	var pause pause
	for {
		reign := n.reign.now()
		r := n.reads.join(n)
		var err error
		select {
		case <-r.done:
			if err = r.err; err == nil {
				if err = n.applied(ctx, op, r.index); err == nil {
					n.reads.passed(r.began)
				}
				return err
			}
		case <-ctx.Done():
			err = errors.New("the group did not answer in time")
		}
		if e := n.ready(ctx, op); e != nil {
			if n.Err() != nil {
				return e
			}
			return fault.New(fault.Unreachable, op, "%w", err)
		}
		pause.wait(ctx, reign)
	}
}

// Age returns how old the rows here may be: the time since the begin of the last Fresh that succeeded here. There is
// one every Policy.Beat at least, where the group can be reached. It is 0 in a group with one voter, at
// that one.
func (n *Node) Age() time.Duration {
	if n.reads.alone(n) {
		return 0
	}
	return max(0, n.now().Sub(n.reads.opened)-time.Duration(n.reads.at.Load()))
}

// reads is what the fences of one node share.
type reads struct {
	opened time.Time
	at     atomic.Int64  // since opened: the begin of the newest fence that was passed
	term   atomic.Uint64 // in which this node, as its leader, has committed an entry

	mu      sync.Mutex // guards what follows
	closed  bool       // no round begins any more
	running *round
	next    *round

	walk    sync.Mutex // guards what follows
	upto    uint64     // committed entries up to here were looked at
	command uint64     // the last command among them
}

// round is one question to the group.
type round struct {
	done  chan struct{}
	began time.Time
	index uint64 // the entry that the rows must hold
	err   error
}

// alone reports whether this node is the only voter and leads: then it has everything.
func (r *reads) alone(n *Node) bool {
	t := r.term.Load()
	return t != 0 && t == n.raft.CurrentTerm() && n.raft.State() == raft.Leader && n.sole()
}

// close lets no round begin any more.
func (r *reads) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// passed notes that a fence that began at that time was passed.
func (r *reads) passed(began time.Time) {
	at := int64(began.Sub(r.opened))
	for {
		was := r.at.Load()
		if at <= was || r.at.CompareAndSwap(was, at) {
			return
		}
	}
}

// join returns a round that has not begun before the call.
func (r *reads) join(n *Node) *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		q := &round{done: make(chan struct{}), err: errShut}
		close(q.done)
		return q
	}
	if r.running == nil {
		r.running = &round{done: make(chan struct{})}
		first := r.running
		n.watched.Go(func() { r.ask(n, first) })
		return first
	}
	if r.next == nil {
		r.next = &round{done: make(chan struct{})}
	}
	return r.next
}

// ask runs rounds until nobody waits for one.
func (r *reads) ask(n *Node, q *round) {
	for q != nil {
		q.began = n.now()
		func() {
			ctx, cancel := context.WithTimeoutCause(n.alive, n.limit, errPatience)
			defer cancel()
			q.index, q.err = n.question(ctx)
		}()
		close(q.done)
		r.mu.Lock()
		r.running, r.next = r.next, nil
		q = r.running
		r.mu.Unlock()
	}
}

// question returns the entry that a reader must have, from the leader, wherever it is.
func (n *Node) question(ctx context.Context) (uint64, error) {
	reign := n.reign.now()
	ctx, cancel := during(ctx, reign)
	defer cancel()
	addr, leader := n.raft.LeaderWithID()
	switch {
	case string(leader) == n.id:
		return n.lastAcknowledged(ctx)
	case addr == "":
		return 0, n.explain("", raft.ErrNotLeader)
	case n.peers == nil:
		return 0, fault.New(fault.Unreachable, "", "the leader is at %s, and this node has no way to ask it", addr)
	}
	b, err := n.peers.Call(ctx, string(addr), routeFence, nil)
	if err != nil {
		return 0, fault.New(fault.Unreachable, "", "the leader at %s did not answer (%w)", addr, err)
	}
	return readBe64(b)
}

// fence is question for another node, which waits for its own rows.
func (n *Node) fence(ctx context.Context) (uint64, error) {
	if _, leader := n.raft.LeaderWithID(); string(leader) != n.id {
		return 0, n.explain("answer a fence", raft.ErrNotLeader) // it is not to be sent in circles
	}
	r := n.reads.join(n)
	select {
	case <-r.done:
		return r.index, r.err
	case <-ctx.Done():
		return 0, fault.New(fault.Unreachable, "answer a fence", "%w", context.Cause(ctx))
	}
}

// lastAcknowledged returns the index of the last command that can have been acknowledged before the call.
// It fails where this node does not lead, or cannot know whether it still does.
func (n *Node) lastAcknowledged(ctx context.Context) (uint64, error) {
	term := n.raft.CurrentTerm()
	if n.raft.State() != raft.Leader {
		return 0, n.explain("", raft.ErrNotLeader)
	}
	if err := n.caughtUp(ctx, term); err != nil {
		return 0, err
	}
	index, err := n.lastCommand(n.raft.CommitIndex())
	if err != nil {
		return 0, err
	}
	return index, n.confirm(ctx, term)
}

// caughtUp returns once this node, which leads in that term, has applied what the leaders before it acknowledged: until
// it has committed an entry of its own it does not know how much that is.
func (n *Node) caughtUp(ctx context.Context, term uint64) error {
	if n.reads.term.Load() == term {
		return nil
	}
	if err := n.Barrier(ctx); err != nil {
		return err
	}
	if n.raft.CurrentTerm() != term || n.raft.State() != raft.Leader {
		return n.explain("", raft.ErrNotLeader)
	}
	n.reads.term.Store(term)
	return nil
}

// lastCommand returns the index of the last command at or below a committed index. What Raft writes for
// itself never comes to the rows, and so cannot be waited for.
func (n *Node) lastCommand(commit uint64) (uint64, error) {
	r := &n.reads
	r.walk.Lock()
	defer r.walk.Unlock()
	found := r.command
	for i := commit; i > r.upto; i-- {
		var l raft.Log
		// Past the guard, which ends goroutines of Raft.
		err := n.guard.store.GetLog(i, &l)
		if errors.Is(err, raft.ErrLogNotFound) {
			found = max(found, n.store.Applied()) // a snapshot holds it, and so do the rows
			break
		}
		if err != nil {
			return 0, n.guard.fail("reading the Raft log", err)
		}
		if l.Type == raft.LogCommand {
			found = i
			break
		}
	}
	if commit > r.upto {
		r.upto, r.command = commit, found
	}
	return r.command, nil
}

// confirm returns nil when, after it was called, a majority of the voters had not voted in any later term:
// then nobody else can have led, and have acknowledged anything, before the call.
//
// The heartbeats of Raft are no proof of that: an answer to one that was sent long ago counts there too, and
// after this process stood still for a while (a paused machine, a link that was cut and came back) there may
// be many of those.
func (n *Node) confirm(ctx context.Context, term uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	voters, own := 0, 0
	type answer struct {
		term uint64
		err  error
	}
	servers := n.servers()
	answers := make(chan answer, len(servers))
	for _, s := range servers {
		if s.Suffrage != raft.Voter {
			continue
		}
		voters++
		if string(s.ID) == n.id {
			own = 1
			continue
		}
		if n.peers == nil {
			return fault.New(fault.Unreachable, "", "this node has no way to ask the others")
		}
		go func() {
			b, err := n.peers.Call(ctx, string(s.Address), routeTerm, nil)
			var a answer
			if a.err = err; err == nil {
				a.term, a.err = readBe64(b)
			}
			answers <- a
		}()
	}
	have, asked := own, voters-own
	var last error
	for have <= voters/2 {
		if asked == 0 {
			return fault.New(fault.Unreachable, "", "%d of %d voters answered, which is no majority (%w)", have, voters, last)
		}
		select {
		case a := <-answers:
			asked--
			switch {
			case a.err != nil:
				last = a.err
			case a.term > term:
				return fault.New(fault.Unreachable, "", "another leader was elected meanwhile")
			default:
				have++
			}
		case <-ctx.Done():
			return fault.New(fault.Unreachable, "", "%w", context.Cause(ctx))
		}
	}
	if n.raft.CurrentTerm() != term {
		return fault.New(fault.Unreachable, "", "another leader was elected meanwhile")
	}
	return nil
}
