package raftfsm

import (
	"errors"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/raftfsm/entry"
	"github.com/skerryhq/skerry/storage/index"
)

// errRepeated says that a request succeeded before.
var errRepeated = errors.New("repeated")

// commit is one transaction of the state machine, and what is known of the requests once it is committed.
type commit struct {
	f       *FSM
	tx      *index.Tx
	version uint32 // as FSM.version
	dropped uint64 // as FSM.dropped
}

// begin starts a transaction; the caller discards it.
func (f *FSM) begin() *commit {
	if f.store.Applied() != f.position { // a start, or other rows by a snapshot
		f.version.Store(0)
		f.dropped = 0
	}
	return &commit{f: f, tx: f.store.Begin(), version: f.version.Load(), dropped: f.dropped}
}

// repeat says what came of the request of an entry before: nil where it is a new one, errRepeated where it
// succeeded, errExpired where nobody can tell, and otherwise why it was refused. err is of the store.
func (c *commit) repeat(p *pending) (came, err error) {
	r := p.entry.Request
	if r.ID.IsZero() {
		return nil, nil
	}
	o, ok, err := c.tx.Request(r.ID)
	switch {
	case err != nil:
		return nil, err
	case ok && o.Refused:
		return fault.New(o.Kind, "", "%s", o.Text), nil
	case ok:
		return errRepeated, nil
	case p.index > RequestsKept && r.Base < p.index-RequestsKept:
		return errExpired, nil
	}
	return nil, nil
}

// apply applies the changes of one entry, as entries of its version are.
func (c *commit) apply(e entry.Entry) error {
	env := c.f.env
	env.Version = e.Version
	for _, change := range e.Changes {
		c.f.Watch.Begin(applying)
		// There is no tier above a controller: what apply emits upward is nothing here.
		_, err := apply.Change(c.tx, env, change)
		c.f.Watch.End()
		if err != nil {
			return err
		}
	}
	return nil
}

// remember keeps what came of the request of an entry, and forgets what is long past.
func (c *commit) remember(p *pending, o index.Outcome) error {
	if p.entry.Request.ID.IsZero() {
		return nil
	}
	if err := c.tx.PutRequest(p.entry.Request.ID, o); err != nil {
		return err
	}
	if p.index <= RequestsKept {
		return nil
	}
	// A thousand at a time: looking for the first of them costs more than the rest.
	before := (p.index - RequestsKept) &^ (dropMost - 1)
	if before <= c.dropped {
		return nil
	}
	var err error
	c.dropped, err = c.tx.DropRequests(c.dropped, before, dropMost)
	return err
}

// end commits with the position of the last entry of group.
func (c *commit) end(group []pending) error {
	was := c.version
	if was == 0 {
		v, err := c.tx.EntryVersion()
		if err != nil {
			return err
		}
		was = max(uint32(v), entry.Lowest)
	}
	c.version = was
	for i := range group {
		c.version = max(c.version, group[i].entry.Version)
	}
	if c.version > was {
		if err := c.tx.PutEntryVersion(uint64(c.version)); err != nil {
			return err
		}
	}
	applied := group[len(group)-1].index
	// Not synced: the entry itself is durable in the log, and is applied again after a power cut.
	c.f.Watch.Begin("writing rows")
	err := c.tx.Commit(applied, false)
	c.f.Watch.End()
	if err != nil {
		return err
	}
	c.f.version.Store(c.version)
	c.f.dropped, c.f.position = c.dropped, applied
	return nil
}
