package index

import (
	"sync"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
	"github.com/skerryhq/skerry/storage/search"
)

// journal is the list, kept in the store, of the hosts whose rows changed since the index in memory was
// last checkpointed: what is to be read again at the next start. Every commit that changes a host's row
// has the next number and names those hosts, in the batch of the rows. The numbers are this node's own;
// they say nothing about the log, whose position a site may leave where it is for many commits.
//
//	+----+-------------+-----------+      +---------+---------+---
//	| 24 | commit be64 | part be16 |  ->  | host:16 | host:16 | … at most 4,096
//	+----+-------------+-----------+      +---------+---------+---
type journal struct {
	mu     sync.Mutex // guards what follows
	commit uint64     // the last one that the index in memory holds
	ids    int        // named since the last checkpoint, each as often as it is named
}

// journalPart is how many hosts one row of the journal names.
const journalPart = 4096

// state returns the last commit, and how many ids were named since the last checkpoint.
func (j *journal) state() (commit uint64, ids int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.commit, j.ids
}

// reached notes that the index in memory holds a commit that named n ids.
func (j *journal) reached(commit uint64, n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.commit = commit
	j.ids += n
}

// checkpointed notes that a checkpoint covers what was named before it began.
func (j *journal) checkpointed(ids int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ids -= ids
}

// writeJournal names the hosts whose rows this transaction changed.
func (t *Tx) writeJournal(ids []model.HostID) error {
	commit, _ := t.life.journal.state()
	for part := 0; len(ids) > 0; part++ {
		n := min(len(ids), journalPart)
		v := make([]byte, 0, n*len(ids[0]))
		for i := range n {
			v = append(v, ids[i][:]...)
		}
		ids = ids[n:]
		if part > 0xFFFF {
			return fault.New(fault.TooLarge, "commit to the index", "more than %d hosts change at once", journalPart<<16)
		}
		if err := t.batch.Set(key.HostJournal(commit+1, uint16(part)), v, nil); err != nil {
			return err
		}
	}
	return nil
}

// changes returns what this transaction did to hosts, for the index in memory, and the hosts whose rows
// it changed.
func (t *Tx) changes() ([]search.Change, []model.HostID) {
	all, rows := t.all[:0], t.changed[:0]
	for _, st := range t.touched {
		switch {
		case st.rowChanged && !st.there:
			all = append(all, search.Change{ID: st.id, Gone: true})
		case st.rowChanged:
			all = append(all, search.Change{ID: st.id, Host: st.host})
		case st.beatChanged:
			all = append(all, search.Change{ID: st.id, Beat: &st.beat})
			continue
		default:
			continue
		}
		rows = append(rows, st.id)
	}
	t.all, t.changed = all, rows
	return all, rows
}

// remember brings the index in memory to what was just committed.
func (t *Tx) remember(changes []search.Change, rows []model.HostID) {
	m, j := t.life.memory, t.life.journal
	for _, s := range t.sites {
		m.PutSite(s)
	}
	m.Apply(changes)
	for _, x := range t.judged {
		m.Judged(x.site, x.at)
	}
	if len(rows) == 0 {
		return
	}
	commit, _ := j.state()
	j.reached(commit+1, len(rows))
	t.store.wakeKeeper()
}

// readJournal calls fn with every id that the journal names after a commit, in the order of the commits,
// and returns the last commit. The error has kind fault.Corrupt where a commit is missing.
func (r *Reader) readJournal(after uint64, fn func(model.HostID)) (last uint64, err error) {
	last = after
	part := 0
	err = r.scanRange(key.HostJournal(after+1, 0), key.After(key.SpaceHostJournal.Prefix()), func(k, v []byte) error {
		commit, n, err := key.ReadHostJournal(k)
		if err != nil {
			return err
		}
		switch {
		case commit == last+1 && n == 0:
			last, part = commit, 0
		case commit == last && commit > after && int(n) == part+1:
			part++
		default:
			return fault.New(fault.Corrupt, "read "+key.Describe(k), "it does not follow part %d of commit %d", part, last)
		}
		if len(v) == 0 || len(v)%16 != 0 || len(v) > journalPart*16 {
			return fault.New(fault.Corrupt, "read "+key.Describe(k), "%d bytes are not ids of hosts", len(v))
		}
		for ; len(v) > 0; v = v[16:] {
			fn(model.HostID(v[:16]))
		}
		return nil
	})
	return last, err
}
