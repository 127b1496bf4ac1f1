// Package raftfsm is the state machine behind the Raft log: it turns committed entries into rows of
// storage/index, and the whole state into a snapshot and back.
//
// It owns the order of applying: each entry once, all of it or none of it, its rows and its index in
// one batch. It has no clock, no randomness and no network, so that equal logs give equal rows on
// every node. It never proposes and never sends. DESIGN.md says how the applied index, snapshots and
// log truncation fit together.
package raftfsm

import (
	"log/slog"
	"sync"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/entry"
	"github.com/skerryhq/skerry/storage/index"
)

// groupBytes bounds the entries, in bytes as logged, that share one commit.
const groupBytes = 4 << 20

var _ raft.BatchingFSM = (*FSM)(nil)

// FSM is the state machine. Raft calls it from one goroutine; Err and Failed may be called from any.
type FSM struct {
	// Scratch is a folder of this FSM's own, on the file system of the store, for snapshots under way.
	// It must be set before Snapshot or Restore; node.Open sets it where it is empty, and removes what
	// a crash left in it.
	Scratch string

	store *index.Store
	env   apply.Env
	log   *slog.Logger

	mu     sync.Mutex // guards what follows
	err    error      // why nothing more is applied
	failed chan struct{}
}

// New returns the state machine over store; log may be nil. From here on nobody else may write to
// store.
func New(store *index.Store, env apply.Env, log *slog.Logger) *FSM {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &FSM{store: store, env: env, log: log, failed: make(chan struct{})}
}

// Err returns why nothing more is applied, or nil. Once set it stays.
func (f *FSM) Err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// Failed is closed when Err becomes set.
func (f *FSM) Failed() <-chan struct{} { return f.failed }

// fail stops the state machine at the entry before index. An entry that this node alone cannot apply
// (a damaged row, a full disk, a change that a newer version proposed) must not be passed over: the
// rows would differ from those of the other nodes for ever. The log keeps it, so that a repaired or
// newer node applies it at its next start.
func (f *FSM) fail(index uint64, cause error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = fault.New(fault.ReadOnly, "", "entry %d of the log could not be applied (%w); this node stopped there and changes nothing more until that is put right and it is started again", index, cause)
		f.log.Error("the state machine stopped", "index", index, "err", cause)
		close(f.failed)
	}
	return f.err
}

// Apply implements raft.FSM; the response is nil or an error.
func (f *FSM) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch implements raft.BatchingFSM. Each response is nil or an error: the refusal by engine/apply
// of that entry alone, or the reason why the state machine has stopped.
func (f *FSM) ApplyBatch(logs []*raft.Log) []any {
	out := make([]any, len(logs))
	var group []pending
	size := 0
	flush := func() {
		f.applyGroup(group)
		for _, p := range group {
			if p.err != nil {
				out[p.at] = p.err
			}
		}
		group, size = group[:0], 0
	}
	for i, l := range logs {
		// What is in the rows already comes again after a start: the log goes on from the last snapshot,
		// the rows from their last flush.
		if l.Type != raft.LogCommand || l.Index <= f.store.Applied() {
			continue
		}
		group = append(group, pending{at: i, index: l.Index, data: l.Data})
		if size += len(l.Data); size >= groupBytes {
			flush()
		}
	}
	flush()
	return out
}

// pending is an entry that is to be applied.
type pending struct {
	at    int // in the batch
	index uint64
	data  []byte
	err   error
}

// applyGroup applies entries and sets each one's err. They share a commit; where one of them is
// refused, the group is done again entry by entry, so that its rows, and only its rows, are missing.
func (f *FSM) applyGroup(group []pending) {
	if len(group) == 0 {
		return
	}
	stop := func(from int, err error) {
		for i := from; i < len(group); i++ {
			group[i].err = err
		}
	}
	if err := f.Err(); err != nil {
		stop(0, err)
		return
	}
	changes := make([][]model.Change, len(group))
	for i := range group {
		var err error
		if changes[i], err = entry.Decode(group[i].data); err != nil {
			// What comes before it is applied; it and what follows is not.
			stop(i, f.fail(group[i].index, err))
			group, changes = group[:i], changes[:i]
			break
		}
	}
	if len(group) == 0 {
		return
	}
	refused, err := f.applyOnce(changes, group[len(group)-1].index)
	if err == nil && refused == nil {
		return
	}
	for i := range group {
		refused, err := f.applyOnce(changes[i:i+1], group[i].index)
		if err == nil && refused != nil {
			group[i].err = refused
			_, err = f.applyOnce(nil, group[i].index) // the position moves all the same
		}
		if err != nil {
			stop(i, f.fail(group[i].index, err))
			return
		}
	}
}

// applyOnce puts entries into one transaction and commits it with the position applied. A refusal
// leaves nothing of it; err is of the store, or of a change that this version does not know.
func (f *FSM) applyOnce(entries [][]model.Change, applied uint64) (refused, err error) {
	tx := f.store.Begin()
	defer tx.Discard()
	for _, changes := range entries {
		for _, c := range changes {
			// There is no tier above a controller: what apply emits upward is nothing here.
			if _, err := apply.Change(tx, f.env, c); err != nil {
				if refusal(err) {
					return err, nil
				}
				return nil, err
			}
		}
	}
	// Not synced: the entry itself is durable in the log, and is applied again after a power cut.
	return nil, tx.Commit(applied, false)
}

// refusal reports whether err is about the change, and so the same on every node. Everything else is
// about this node.
func refusal(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Exists, fault.Conflict, fault.Denied, fault.Login, fault.Expired, fault.TooLarge:
		return true
	}
	return false
}
