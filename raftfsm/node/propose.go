package node

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/entry"
)

// Propose makes the changes happen, together or not at all. When it returns nil they are durable on a
// majority of the group and applied here.
//
// An error of engine/apply comes back as it is: nothing happened. fault.Invalid and fault.TooLarge
// say that the changes cannot be proposed. fault.ReadOnly says that this node cannot write now (not
// the leader, no leader, a failed disk), and fault.Unreachable that ctx ended first; in both cases the
// text says so where the changes may happen all the same. Proposing them again is then right, because
// a change that is repeated changes nothing.
func (n *Node) Propose(ctx context.Context, changes ...model.Change) error {
	const op = "propose"
	b, err := entry.Encode(changes)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if err := n.ready(ctx, op); err != nil {
		return err
	}
	wait := n.patience(ctx)
	response, err := n.await(ctx, op, func() (any, error) {
		f := n.raft.Apply(b, wait)
		if err := f.Error(); err != nil {
			return nil, err
		}
		return f.Response(), nil
	})
	if err != nil {
		return err
	}
	if refused, ok := response.(error); ok {
		return refused
	}
	return nil
}

// Barrier returns when everything that was proposed before it, on this node as the leader, is applied.
// Its errors are those of Propose.
func (n *Node) Barrier(ctx context.Context) error {
	const op = "wait for the log"
	if err := n.ready(ctx, op); err != nil {
		return err
	}
	wait := n.patience(ctx)
	_, err := n.await(ctx, op, func() (any, error) { return nil, n.raft.Barrier(wait).Error() })
	return err
}

// ready refuses at once what could only fail.
func (n *Node) ready(ctx context.Context, op string) error {
	if err := context.Cause(ctx); err != nil {
		return fault.New(fault.Unreachable, op, "nothing was tried: %w", err)
	}
	if err := n.Err(); err != nil {
		return fault.Wrap(op, err)
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
func (n *Node) await(ctx context.Context, op string, ask func() (any, error)) (any, error) {
	type answer struct {
		what any
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		what, err := ask()
		done <- answer{what, err}
	}()
	select {
	case a := <-done:
		return a.what, n.explain(op, a.err)
	case <-ctx.Done():
		return nil, fault.New(fault.Unreachable, op, "the caller gave up waiting (%w); it may still happen", context.Cause(ctx))
	case <-n.ended:
	}
	select {
	case a := <-done: // it was answered before the end
		return a.what, n.explain(op, a.err)
	default:
		return nil, n.explain(op, raft.ErrRaftShutdown)
	}
}

// explain gives an error of Raft its kind and a text for the operator.
func (n *Node) explain(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case n.Err() != nil:
		return fault.Wrap(op, n.Err())
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		if _, addr := n.Leader(); addr != "" {
			return fault.New(fault.ReadOnly, op, "this node is not the leader; the leader is at %s", addr)
		}
		return fault.New(fault.ReadOnly, op, "there is no leader now: most nodes of this group cannot be reached; try again when they can")
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return fault.New(fault.ReadOnly, op, "the log was busy for too long and nothing was written; try again later")
	case errors.Is(err, raft.ErrRaftShutdown):
		return fault.New(fault.ReadOnly, op, "this node is shutting down; it may or may not happen, try again after the start")
	}
	return fault.New(fault.ReadOnly, op, "the leadership was lost meanwhile (%w); it may or may not happen, try again", err)
}
