// Package raftfsm is the state machine behind the Raft log: it turns committed entries into rows of
// storage/index, and the whole state into a snapshot and back.
//
// It owns the order of applying: each entry once, all of it or none of it, its rows and its index in
// one batch. It has no clock, no randomness and no network, so that equal logs give equal rows on
// every node. It never proposes and never sends. DESIGN.md says how the applied index, snapshots and
// log truncation fit together.
package raftfsm

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/raftfsm/entry"
	"github.com/skerryhq/skerry/storage/index"
)

// groupBytes bounds the entries, in bytes as logged, that share one commit.
const groupBytes = 4 << 20

// RequestsKept is how long what came of a request is remembered, in log indexes. Whoever sends the same
// request again within them learns what came of it, and nothing happens a second time. An entry whose
// request was made earlier than that is refused with fault.Expired, since nobody can tell any more.
const RequestsKept = 262_144

// dropMost bounds the requests that one entry makes this forget, so that none takes long.
const dropMost = 1024

// applying is what the watch is told of applying one change, and of each part of one that takes long.
const applying = "applying a change"

// Watch is told when something that could hang begins and ends, always in that order, from one goroutine.
type Watch interface {
	Begin(what string)
	End()
}

var _ raft.BatchingFSM = (*FSM)(nil)

type unwatched struct{}

func (unwatched) Begin(string) {}
func (unwatched) End()         {}

// FSM is the state machine. Raft calls it from one goroutine; Err and Failed may be called from any.
type FSM struct {
	// Scratch is a folder of this FSM's own, on the file system of the store, for snapshots under way.
	// It must be set before Snapshot or Restore; node.Open sets it where it is empty, and removes what
	// a crash left in it.
	Scratch string
	// Watch is told of what could hang. New sets one that does nothing, node.Open one that ends the node; it
	// must not be set once entries are applied.
	Watch Watch

	version  atomic.Uint32 // see EntryVersion; 0: not known
	lax      atomic.Uint64 // see Flooded
	position uint64        // of the last commit by this FSM
	dropped  uint64        // no request is remembered from below this log index

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
	f := &FSM{Watch: unwatched{}, store: store, env: env, log: log, failed: make(chan struct{})}
	f.env.Lax = func() { f.lax.Add(1) }
	f.env.Step = func() { // what goes on does not hang
		f.Watch.End()
		f.Watch.Begin(applying)
	}
	return f
}

// flood is how many items that early versions of entries are too lenient with are a reason to make entries of a newer one.
const flood = 100

// Flooded reports whether that many came since the start; see apply.Env.
func (f *FSM) Flooded() bool { return f.lax.Load() >= flood }

// EntryVersion returns the highest version of a log entry that the rows come from, at least entry.Lowest. Each
// node of the group reads it, for otherwise that entry would not have been proposed.
func (f *FSM) EntryVersion() (uint32, error) {
	if v := f.version.Load(); v != 0 {
		return v, nil
	}
	view := f.store.View()
	defer view.Close()
	v, err := view.EntryVersion()
	if err != nil {
		return 0, err
	}
	// Applying may have raised it meanwhile.
	f.version.CompareAndSwap(0, max(uint32(v), entry.Lowest))
	return f.version.Load(), nil
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
	entry entry.Entry
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
	for i := range group {
		var err error
		if group[i].entry, err = entry.Read(group[i].data); err != nil {
			// What comes before it is applied; it and what follows is not.
			stop(i, f.fail(group[i].index, err))
			group = group[:i]
			break
		}
	}
	if len(group) == 0 {
		return
	}
	refused, err := f.applyOnce(group)
	if err == nil && refused == nil {
		return
	}
	for i := range group {
		p := &group[i]
		refused, err := f.applyOnce(group[i : i+1])
		if err == nil && refused != nil {
			p.err = refused
			err = f.refuse(p)
		}
		if err != nil {
			stop(i, f.fail(p.index, err))
			return
		}
	}
}

// errExpired is the refusal of an entry that may be a repeat of one that is forgotten.
var errExpired = fault.New(fault.Expired, "", "the request came so late that nobody can tell any more whether it was carried out before: nothing was done now; look whether it was, and make it anew if not")

// applyOnce puts entries into one transaction and commits it with the position of the last. A refusal
// leaves nothing of it; err is of the store, or of a change that this version does not know.
func (f *FSM) applyOnce(group []pending) (refused, err error) {
	c := f.begin()
	defer c.tx.Discard()
	for i := range group {
		p := &group[i]
		if p.err, err = c.repeat(p); err != nil {
			return nil, err
		}
		switch {
		case errors.Is(p.err, errRepeated):
			p.err = nil
		case p.err == errExpired:
			return p.err, nil
		case p.err == nil:
			if err := c.apply(p.entry); err != nil {
				if refusal(err) {
					return err, nil
				}
				return nil, err
			}
			if err := c.remember(p, index.Outcome{Index: p.index}); err != nil {
				return nil, err
			}
		}
	}
	return nil, c.end(group)
}

// refuse moves the position past an entry that was refused, and remembers why.
func (f *FSM) refuse(p *pending) error {
	c := f.begin()
	defer c.tx.Discard()
	if p.err != errExpired {
		if err := c.remember(p, index.Outcome{Index: p.index, Refused: true, Kind: fault.KindOf(p.err), Text: p.err.Error()}); err != nil {
			return err
		}
	}
	return c.end([]pending{*p})
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
