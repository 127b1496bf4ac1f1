package node

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/entry"
)

// Propose makes the changes happen, together or not at all, on whichever node of the group it is called. When
// it returns nil they are durable on a majority of the group and applied here.
//
// Where the leader is lost or does not answer, Propose tries again until ctx or Config.ApplyTimeout ends. A
// proposal has an id, that of model.WithRequest or one made here, and the state machine carries out each id
// once, so that trying again is safe, for this call as for the next one with the same id. What came of an id
// is known for raftfsm.RequestsKept entries. Runs of items (model.Received) alone have none: their watermark
// does the same.
//
// An error of engine/apply comes back as it is: nothing happened. fault.Invalid and fault.TooLarge say that the
// changes cannot be proposed, fault.Version that a node of the group cannot read them yet, and fault.Expired
// that nobody can tell any more whether they happened before. fault.ReadOnly says that the group cannot write
// now (no leader, a failed disk), and fault.Unreachable that ctx ended first; in both cases the text says so
// where the changes may happen all the same.
func (n *Node) Propose(ctx context.Context, changes ...model.Change) error {
	const op = "propose"
	b, err := entry.Encode(changes)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if err := n.ready(ctx, op); err != nil {
		return err
	}
	p := proposal{entry: b, first: true, again: runsAlone(changes), limit: n.limit}
	if takesLong(changes) {
		p.limit = max(n.limit, longLimit)
	}
	if !p.again {
		p.id = model.RequestOf(ctx)
	}
	servers := n.servers()
	switch {
	case len(servers) == 0:
		return fault.New(fault.ReadOnly, op, "this node is in no group yet: it was not added, or it was removed")
	case len(servers) > 1 && !p.again && p.id.IsZero():
		if _, err := io.ReadFull(n.random, p.id[:]); err != nil {
			return fault.New(fault.Other, op, "no random number for the request: %w", err)
		}
	}
	if !p.id.IsZero() {
		p.base = n.raft.LastIndex()
	}
	if len(servers) == 1 {
		_, state, err := n.lead(ctx, &p)
		if state == notTried {
			return n.patient(ctx, op, &p) // it was just started, perhaps
		}
		return err
	}
	return n.patient(ctx, op, &p)
}

// runsAlone reports whether there is nothing but runs of items.
func runsAlone(changes []model.Change) bool {
	for _, c := range changes {
		if c.Tag() != model.TagReceived {
			return false
		}
	}
	return true
}

// longLimit is how long is waited for a run of advisory changes to be taken in, which is one change of tens of thousands of
// rows: on a slow machine that is done for minutes.
const longLimit = 5 * time.Minute

func takesLong(changes []model.Change) bool {
	for _, c := range changes {
		if c.Tag() == model.TagCommit {
			return true
		}
	}
	return false
}

// proposal is an entry on its way into the log.
type proposal struct {
	entry []byte // without the request
	id    model.RequestID
	base  uint64
	// first says that no attempt before can have been carried out.
	first bool
	// again says that carrying it out twice is as good as once.
	again bool
	limit time.Duration // for all attempts
}

// state is what is known of an attempt.
type state uint8

const (
	decided  state = 1 // the outcome stands
	notTried state = 2 // it cannot have been carried out
	unknown  state = 3 // it may be carried out, or have been, and may be tried again
	lost     state = 4 // trying again here is in vain, or must not be: the group could not tell a repeat
)

// errPatience is why a wait of this package ended.
var errPatience = errors.New("it took too long")

// patient tries until the outcome stands, or until ctx or the limit ends.
func (n *Node) patient(ctx context.Context, op string, p *proposal) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.limit, errPatience)
	defer cancel()
	var pause pause
	for {
		reign := n.reign.now()
		index, state, err := n.attempt(ctx, reign, p)
		switch state {
		case decided:
			if err != nil {
				return err
			}
			return n.applied(ctx, op, index)
		case lost:
			return err
		case unknown:
			p.first = false
		}
		if e := n.ready(ctx, op); e != nil {
			if n.Err() == nil && err != nil && errors.Is(context.Cause(ctx), errPatience) {
				e = err // says more
			}
			if !p.first {
				e = inDoubt(op, e)
			}
			return e
		}
		pause.wait(ctx, reign)
	}
}

// pause is the wait between attempts, which grows.
type pause struct{ next time.Duration }

// wait ends early when there may be another leader.
func (p *pause) wait(ctx, reign context.Context) {
	p.next = min(max(2*p.next, 10*time.Millisecond), 200*time.Millisecond)
	t := time.NewTimer(p.next)
	defer t.Stop()
	select {
	case <-reign.Done():
	case <-ctx.Done():
	case <-t.C:
	}
}

// attempt brings a proposal to the leader, here or elsewhere. The index is that of the entry.
func (n *Node) attempt(ctx, reign context.Context, p *proposal) (index uint64, _ state, err error) {
	addr, leader := n.raft.LeaderWithID()
	switch {
	case string(leader) == n.id:
		return n.lead(ctx, p)
	case addr == "":
		return 0, notTried, n.explain("propose", raft.ErrNotLeader)
	case n.peers == nil:
		return 0, lost, fault.New(fault.ReadOnly, "propose", "nothing was tried: the leader is at %s, and this node has no way to ask it", addr)
	}
	return n.forward(ctx, reign, string(addr), p)
}

// lead proposes to Raft on this node.
func (n *Node) lead(ctx context.Context, p *proposal) (index uint64, _ state, err error) {
	const op = "propose"
	if err := n.ready(ctx, op); err != nil {
		return 0, notTried, err
	}
	if err := n.room(false); err != nil {
		switch {
		case n.raft.State() != raft.Leader:
			return 0, notTried, n.explain(op, raft.ErrNotLeader)
		case n.relief():
			return 0, notTried, fault.Wrap(op, err) // another one leads in a moment
		}
		return p.turnedAway(fault.Wrap(op, err))
	}
	b, named := p.entry, false
	rows, err := n.fsm.EntryVersion()
	if err != nil {
		return 0, notTried, fault.Wrap(op, err)
	}
	need, want := entry.Needs(b), uint32(requests)
	if rows < rules && n.fsm.Flooded() {
		want = rules
	}
	if need > entry.Lowest || !p.id.IsZero() || want == rules {
		term := n.raft.CurrentTerm()
		read, behind, err := n.common(n.lately())
		if err == nil && read < entry.Version {
			// The rows of a leader that was just elected may be behind those of whoever asks.
			if err := n.caughtUp(ctx, term); err != nil {
				return 0, notTried, err
			}
			read, behind, err = n.common(n.lately())
		}
		// Before the first entry of a version all are asked again: one may have gone back to an older program since it
		// was heard, and a new leader has heard nobody.
		if floor, e := n.fsm.EntryVersion(); err == nil && e == nil && max(need, want) > floor && (read > floor || need > read) {
			now := n.now()
			n.refresh(ctx)
			read, behind, err = n.common(now)
		}
		switch {
		case err != nil:
			return 0, notTried, err
		case need > read:
			return p.turnedAway(fault.New(fault.Version, op, "this change is of version %d, and %s cannot read it yet, or does not answer: see that every node of the group runs, and upgrade it first", need, behind))
		case !p.id.IsZero() && read >= requests:
			named = true
			r := entry.Request{ID: p.id, Base: p.base}
			if p.first {
				r.Base = max(r.Base, n.raft.LastIndex()) // who proposed may be far behind
			}
			b = entry.WithRequest(b, r)
		}
		if want == rules {
			rows = max(rows, read)
		}
	}
	if rows >= rules { // all nodes read these, and apply them alike
		b = entry.Raised(b, min(rows, entry.Version))
	}
	wait := n.patience(ctx)
	response, index, err := n.await(ctx, op, func() (any, uint64, error) {
		f := n.raft.Apply(b, wait)
		if err := f.Error(); err != nil {
			return nil, 0, err
		}
		return f.Response(), f.Index(), nil
	})
	switch {
	case err == nil:
		refused, _ := response.(error)
		if n.fsm.Err() != nil { // the refusal is of this node, and another one may apply it
			return 0, uncertain(named || p.again), refused
		}
		return index, decided, refused
	case errors.Is(err, errUntried):
		return 0, notTried, err
	}
	return 0, uncertain(named || p.again), err
}

// Versions of entries that matter here: requests is the one that brought them, and rules the first that changed how changes
// of earlier versions are applied.
const (
	requests = 3
	rules    = apply.RulesOfRefusals
)

// turnedAway is what becomes of a proposal that is refused before it is tried: it may have been carried out before.
func (p *proposal) turnedAway(err error) (uint64, state, error) {
	if p.first {
		return 0, decided, err
	}
	return 0, lost, inDoubt("propose", err)
}

// inDoubt is the error of what may have happened. Its kind must not be one of a refusal, whatever ended the last attempt: of
// those everybody knows that nothing happened.
func inDoubt(op string, err error) error {
	k := fault.KindOf(err)
	if k != fault.Unreachable && k != fault.Full {
		k = fault.ReadOnly
	}
	return fault.New(k, op, "it may or may not have happened: %w", err)
}

func uncertain(repeatable bool) state {
	if repeatable {
		return unknown
	}
	return lost
}

// errUntried is in the errors of what never reached the log.
var errUntried = errors.New("nothing was written")

// Barrier returns when everything that was proposed before it, on this node as the leader, is applied.
// Its errors are those of Propose.
func (n *Node) Barrier(ctx context.Context) error {
	const op = "wait for the log"
	if err := n.ready(ctx, op); err != nil {
		return err
	}
	wait := n.patience(ctx)
	_, _, err := n.await(ctx, op, func() (any, uint64, error) { return nil, 0, n.raft.Barrier(wait).Error() })
	return err
}

// applied waits until the rows here hold the entry.
func (n *Node) applied(ctx context.Context, op string, index uint64) error {
	if n.store.Applied() >= index {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(n.alive, func() { cancel(errShut) })()
	for {
		version := n.store.Version()
		if n.store.Applied() >= index {
			return nil
		}
		if _, err := n.store.Wait(ctx, version); err != nil {
			if e := n.Err(); e != nil {
				err = e
			}
			return fault.New(fault.Unreachable, op, "the group has entry %d, and this node has not come that far yet (%w)", index, err)
		}
	}
}

// ready refuses at once what could only fail.
func (n *Node) ready(ctx context.Context, op string) error {
	if err := n.Err(); err != nil {
		return fault.Wrap(op, err)
	}
	select {
	case <-n.ended:
		return n.explain(op, raft.ErrRaftShutdown)
	default:
	}
	if err := context.Cause(ctx); err != nil {
		if errors.Is(err, errPatience) {
			return fault.New(fault.ReadOnly, op, "the group did not answer within %s; try again", n.limit)
		}
		return fault.New(fault.Unreachable, op, "the caller gave up: %w", err)
	}
	return nil
}

// patience is how long raft may let a caller wait for its turn.
func (n *Node) patience(ctx context.Context) time.Duration {
	if at, ok := ctx.Deadline(); ok {
		return max(min(time.Until(at), n.limit), time.Millisecond) // zero would mean for ever
	}
	return n.limit
}

// await asks Raft for something and waits for the answer, for ctx and for the end of Raft, which leaves
// some callers without one. The goroutine outlives the call only as long as Raft owes it that answer.
func (n *Node) await(ctx context.Context, op string, ask func() (any, uint64, error)) (any, uint64, error) {
	type answer struct {
		what  any
		index uint64
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		what, index, err := ask()
		done <- answer{what, index, err}
	}()
	select {
	case a := <-done:
		return a.what, a.index, n.explain(op, a.err)
	case <-ctx.Done():
		return nil, 0, fault.New(fault.Unreachable, op, "the caller gave up waiting (%w); it may still happen", context.Cause(ctx))
	case <-n.ended:
	}
	select {
	case a := <-done: // it was answered before the end
		return a.what, a.index, n.explain(op, a.err)
	default:
		return nil, 0, n.explain(op, raft.ErrRaftShutdown)
	}
}

// explain gives an error of Raft its kind and a text for the operator.
func (n *Node) explain(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case n.Err() != nil:
		return fault.Wrap(op, n.Err())
	case errors.Is(err, raft.ErrNotLeader):
		if _, addr := n.Leader(); addr != "" {
			return fault.New(fault.ReadOnly, op, "this node is not the leader; the leader is at %s (%w)", addr, errUntried)
		}
		if !n.Member() {
			return fault.New(fault.ReadOnly, op, "this node is not in the group: it was removed, or has just been added; where it was removed, let it join anew with an empty data folder (%w)", errUntried)
		}
		return fault.New(fault.ReadOnly, op, "there is no leader now: most nodes of this group cannot be reached; try again when they can (%w)", errUntried)
	case errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fault.New(fault.ReadOnly, op, "the leadership is being handed over; try again (%w)", errUntried)
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return fault.New(fault.ReadOnly, op, "the log was busy for too long; try again later (%w)", errUntried)
	case errors.Is(err, raft.ErrRaftShutdown):
		return fault.New(fault.ReadOnly, op, "this node is shutting down; it may or may not happen, try again after the start")
	}
	return fault.New(fault.ReadOnly, op, "the leadership was lost meanwhile (%w); it may or may not happen, try again", err)
}
