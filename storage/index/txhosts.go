package index

import (
	"bytes"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/compact"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/key"
)

// hostState is what a transaction knows of one host: what it read, and what it is to write. A host that
// several changes of one transaction touch is read once and written once.
type hostState struct {
	id   model.HostID
	read bool // the row is known; else only that there is one, its site and its beat
	// there says whether there is such a host, as this transaction has it.
	there bool
	host  model.Host // with its beat; where read and there
	site  model.SiteID
	beat  model.HostBeat
	row   []byte // as it is to be, where read and there; nil while it is as stored

	// What follows is how things stand in the store and the batch together.
	stored     []byte // the row; nil: none
	digest     string // the PackagesDigest of that row
	storedBeat model.HostBeat
	hasBeat    bool

	queued, touched bool // in Tx.queue, in Tx.touched
	// What was changed in the batch, for the journal and the index in memory.
	rowChanged, beatChanged bool
}

// load returns the state of a host with its row read.
func (t *Tx) load(id model.HostID) (*hostState, error) {
	st := t.hosts[id]
	if st != nil && st.read {
		return st, nil
	}
	beat := model.HostBeat{}
	if st == nil {
		st = &hostState{id: id}
	} else {
		beat = st.beat // newer than what is stored
	}
	// What this transaction wrote of the row would be in the state: only what is committed is left to read.
	ok, err := readFrom(t.life.db, key.Host(id), func(v []byte) error {
		st.stored = t.keep(v)
		return t.rows.readHost(v, id, &st.host)
	})
	if err != nil {
		return nil, err
	}
	if ok && !st.hasBeat {
		st.hasBeat, err = readFrom(t.life.db, key.HostBeat(id), func(v []byte) error {
			var err error
			st.storedBeat, err = compact.ReadBeat(v)
			return err
		})
		if err != nil {
			return nil, err
		}
		if beat = st.storedBeat; !st.hasBeat {
			beat = st.host.Beat() // of a row in the JSON of schema 1
		}
	}
	st.read, st.there = true, ok
	if ok {
		st.digest = st.host.PackagesDigest
		st.site, st.beat = st.host.Site, beat
		st.host.SetBeat(beat)
	}
	t.hosts[id] = st
	return st, nil
}

// keep returns a copy of b that lives as long as the transaction.
func (t *Tx) keep(b []byte) []byte {
	if len(t.arena)+len(b) > cap(t.arena) {
		t.arena = make([]byte, 0, max(16<<10, len(b)))
	}
	from := len(t.arena)
	t.arena = append(t.arena, b...)
	return t.arena[from:len(t.arena):len(t.arena)]
}

// queueHost notes that a host is to be written.
func (t *Tx) queueHost(st *hostState) {
	if !st.touched {
		st.touched = true
		t.touched = append(t.touched, st)
	}
	if !st.queued {
		st.queued = true
		t.queue = append(t.queue, st)
	}
}

// Host implements apply.Tx. The lists and pointers of the host are shared with later reads of it.
func (t *Tx) Host(id model.HostID) (model.Host, bool, error) {
	st, err := t.load(id)
	if err != nil || !st.there {
		return model.Host{}, false, err
	}
	return st.host, true, nil
}

// HostHead implements apply.Tx: it answers from what this transaction wrote and from the index in memory.
func (t *Tx) HostHead(id model.HostID) (model.SiteID, model.HostBeat, bool, error) {
	if st := t.hosts[id]; st != nil {
		if !st.there {
			return model.SiteID{}, model.HostBeat{}, false, nil
		}
		return st.site, st.beat, true, nil
	}
	h, ok := t.memory.Head(id)
	return h.Site, h.Beat, ok, nil
}

// PutHost implements apply.Tx. The lists and pointers of h must not be changed afterwards. Text that is
// not UTF-8, and the zero id, are refused with fault.Invalid.
func (t *Tx) PutHost(h model.Host) error {
	if h.ID.IsZero() {
		return fault.New(fault.Invalid, "write a host", "it has no id")
	}
	st, err := t.load(h.ID)
	if err != nil {
		return err
	}
	// The index in memory knows four statuses, and must say the same of a host as its row does.
	h.Status = query.StatusOf(h.Status)
	if t.scratch, err = compact.AppendHost(t.scratch[:0], &h); err != nil {
		return fault.Wrap("write "+key.Describe(key.Host(h.ID)), err)
	}
	switch {
	case st.stored != nil && bytes.Equal(t.scratch, st.stored):
		st.row = nil
	case st.row == nil || !bytes.Equal(t.scratch, st.row):
		st.row = t.keep(t.scratch)
	}
	st.there, st.host, st.site, st.beat = true, h, h.Site, h.Beat()
	t.queueHost(st)
	return nil
}

// PutHostBeat implements apply.Tx.
func (t *Tx) PutHostBeat(id model.HostID, beat model.HostBeat) error {
	beat.Status = query.StatusOf(beat.Status)
	st := t.hosts[id]
	if st == nil {
		h, ok := t.memory.Head(id)
		if !ok {
			return errNoHost
		}
		if h.Beat == beat {
			return nil
		}
		st = &hostState{id: id, there: true, site: h.Site, storedBeat: h.Beat, hasBeat: true}
		t.hosts[id] = st
	}
	if !st.there {
		return errNoHost
	}
	if err := checkBeat(beat); err != nil {
		return err
	}
	st.beat = beat
	if st.read {
		st.host.SetBeat(beat)
	}
	t.queueHost(st)
	return nil
}

// DeleteHost implements apply.Tx; a host that is not there is no error.
func (t *Tx) DeleteHost(id model.HostID) error {
	st, err := t.load(id)
	if err != nil || !st.there {
		return err
	}
	st.there, st.host, st.row = false, model.Host{}, nil
	t.queueHost(st)
	return nil
}

// HostsWithPackages implements apply.Tx; fn may put that host.
func (t *Tx) HostsWithPackages(digest string, fn func(model.Host) error) error {
	return t.hostsWith(digest, t.Host, fn)
}

// writeHosts writes what is queued.
func (t *Tx) writeHosts() error {
	for _, st := range t.queue {
		st.queued = false
		if err := t.writeHost(st); err != nil {
			return err
		}
	}
	t.queue = t.queue[:0]
	return nil
}

func (t *Tx) writeHost(st *hostState) error {
	switch {
	case !st.there && st.stored == nil:
		return nil // put and deleted again
	case !st.there:
		st.rowChanged = true
		if st.digest != "" {
			if err := t.remove(key.HostPackages(st.digest, st.id)); err != nil {
				return err
			}
		}
		t.scratch = key.AppendHost(t.scratch[:0], st.id)
		if err := t.remove(t.scratch); err != nil {
			return err
		}
		t.scratch = key.AppendHostBeat(t.scratch[:0], st.id)
		if err := t.remove(t.scratch); err != nil {
			return err
		}
		st.stored, st.digest, st.hasBeat, st.storedBeat = nil, "", false, model.HostBeat{}
		return nil
	case st.read && st.row != nil:
		st.rowChanged = true
		if st.digest != st.host.PackagesDigest {
			if err := t.moveDigest(st); err != nil {
				return err
			}
		}
		t.scratch = key.AppendHost(t.scratch[:0], st.id)
		if err := t.batch.Set(t.scratch, st.row, nil); err != nil {
			return err
		}
		st.stored, st.row = st.row, nil
	}
	if st.hasBeat && st.beat == st.storedBeat {
		return nil
	}
	st.beatChanged = true
	t.scratch = key.AppendHostBeat(t.scratch[:0], st.id)
	n := len(t.scratch)
	t.scratch = compact.AppendBeat(t.scratch, st.beat)
	st.hasBeat, st.storedBeat = true, st.beat
	return t.batch.Set(t.scratch[:n], t.scratch[n:], nil)
}

// moveDigest writes the index entries of a host whose inventory is another than that of its stored row.
func (t *Tx) moveDigest(st *hostState) error {
	if st.digest != "" {
		if err := t.remove(key.HostPackages(st.digest, st.id)); err != nil {
			return err
		}
	}
	st.digest = st.host.PackagesDigest
	if st.digest == "" {
		return nil
	}
	return t.mark(key.HostPackages(st.digest, st.id))
}

// checkBeat refuses a status that is not UTF-8.
func checkBeat(t model.HostBeat) error {
	if !utf8.ValidString(string(t.Status)) {
		return fault.New(fault.Invalid, "write the beat of a host", "the status %q is not UTF-8", t.Status)
	}
	return nil
}
