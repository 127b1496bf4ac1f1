package index

import (
	"bytes"
	"slices"
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
	id model.HostID
	// there says whether there is such a host, as this transaction has it.
	there bool
	site  model.SiteID
	beat  model.HostBeat
	host  *model.Host // with its beat; nil where its row is not known
	row   []byte      // as it is to be; nil while it is as stored

	// What follows is how things stand in the store and the batch together.
	inStore    bool   // there is a row
	read       bool   // the next two are known
	stored     []byte // the row
	digest     string // the PackagesDigest of that row
	storedBeat model.HostBeat
	hasBeat    bool

	queued, touched bool // in Tx.queue, in Tx.touched
	// What was changed in the batch, for the journal and the index in memory.
	rowChanged, beatChanged bool
}

// head returns the state of a host, from the index in memory where this transaction has none yet; ok is false
// where there is no such host and was none in this transaction.
func (t *Tx) head(id model.HostID) (st *hostState, ok bool) {
	if st = t.hosts[id]; st != nil {
		return st, true
	}
	h, ok := t.memory.Head(id)
	if !ok {
		return nil, false
	}
	return t.newState(hostState{id: id, there: true, site: h.Site, beat: h.Beat, inStore: true, storedBeat: h.Beat, hasBeat: true}), true
}

// newState keeps the state of a host that had none.
func (t *Tx) newState(v hostState) *hostState {
	if t.used == statesN*len(t.states) {
		t.states = append(t.states, new([statesN]hostState))
	}
	st := &t.states[t.used/statesN][t.used%statesN]
	t.used++
	*st = v
	t.hosts[v.id] = st
	return st
}

// load returns the state of a host with its row read.
func (t *Tx) load(id model.HostID) (*hostState, error) {
	st, known := t.hosts[id], true
	if st != nil && st.read {
		return st, nil
	}
	if st == nil {
		st, known = &hostState{id: id}, false
	}
	// What this transaction wrote of the row would be in the state: only what is committed is left to read.
	var h model.Host
	ok, err := readFrom(t.life.db, key.Host(id), func(v []byte) error {
		st.stored = t.keep(v)
		return t.rows.readHost(v, id, &h)
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
		if st.beat = st.storedBeat; !st.hasBeat {
			st.beat = h.Beat() // of a row in the JSON of schema 1
		}
	}
	st.read, st.inStore, st.digest = true, ok, h.PackagesDigest
	if !known {
		st.there, st.site = ok, h.Site
		st = t.newState(*st)
	}
	if st.there && st.host == nil {
		h.SetBeat(st.beat)
		st.host = &h
	}
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
	return *st.host, true, nil
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

// HostOutline implements apply.Tx, as HostHead does; a row is read where the index in memory is not exact.
func (t *Tx) HostOutline(id model.HostID) (model.Host, bool, error) {
	st := t.hosts[id]
	if st != nil && (st.host != nil || !st.there) {
		return t.Host(id)
	}
	h, exact, ok := t.memory.Outline(id)
	if !ok {
		return h, false, nil
	}
	if !exact {
		return t.Host(id)
	}
	if st != nil {
		h.SetBeat(st.beat)
	}
	return h, true, nil
}

// PutHost implements apply.Tx. The lists and pointers of h must not be changed afterwards. Text that is
// not UTF-8, and the zero id, are refused with fault.Invalid.
func (t *Tx) PutHost(h model.Host) error {
	if h.ID.IsZero() {
		return fault.New(fault.Invalid, "write a host", "it has no id")
	}
	st, err := t.toPut(&h)
	if err != nil {
		return err
	}
	// The index in memory knows four statuses, and must say the same of a host as its row does.
	h.Status = query.StatusOf(h.Status)
	if t.scratch, err = compact.AppendHost(t.scratch[:0], &h); err != nil {
		return fault.Wrap("write "+key.Describe(key.Host(h.ID)), err)
	}
	switch {
	case st.read && st.inStore && bytes.Equal(t.scratch, st.stored):
		st.row = nil
	case st.row == nil || !bytes.Equal(t.scratch, st.row):
		st.row = t.keep(t.scratch)
	}
	st.there, st.host, st.site, st.beat = true, &h, h.Site, h.Beat()
	t.queueHost(st)
	return nil
}

// toPut returns the state of a host that is to be put. A row is read where its index entries depend on it, and
// where it may be that the new one is the same.
func (t *Tx) toPut(h *model.Host) (*hostState, error) {
	if !t.atTop {
		return t.load(h.ID)
	}
	st, ok := t.head(h.ID)
	switch {
	case !ok:
		return t.newState(hostState{id: h.ID, read: true}), nil
	case st.inStore && !st.read && !t.memory.Differs(h):
		return t.load(h.ID)
	}
	return st, nil
}

// PutHostBeat implements apply.Tx.
func (t *Tx) PutHostBeat(id model.HostID, beat model.HostBeat) error {
	beat.Status = query.StatusOf(beat.Status)
	st, ok := t.head(id)
	if !ok || !st.there {
		return errNoHost
	}
	if err := checkBeat(beat); err != nil {
		return err
	}
	st.beat = beat
	if st.host != nil {
		st.host.SetBeat(beat)
	}
	t.queueHost(st)
	return nil
}

// DeleteHost implements apply.Tx; a host that is not there is no error.
func (t *Tx) DeleteHost(id model.HostID) (err error) {
	st, ok := t.head(id)
	if !t.atTop {
		st, err = t.load(id)
		ok = err == nil
	}
	if !ok || !st.there {
		return err
	}
	st.there, st.host, st.row = false, nil, nil
	t.queueHost(st)
	return nil
}

// HostsWithPackages implements apply.Tx; fn may put that host.
func (t *Tx) HostsWithPackages(digest string, fn func(model.Host) error) error {
	return t.hostsWith(digest, t.Host, fn)
}

// writeHosts writes what is queued.
func (t *Tx) writeHosts() error {
	// In the order of their keys, and the beats behind all rows, they go into the database with fewer steps.
	slices.SortFunc(t.queue, func(a, b *hostState) int { return bytes.Compare(a.id[:], b.id[:]) })
	for _, st := range t.queue {
		st.queued = false
		if err := t.writeHost(st); err != nil {
			return err
		}
	}
	for _, st := range t.queue {
		if err := t.writeBeat(st); err != nil {
			return err
		}
	}
	t.queue = t.queue[:0]
	return nil
}

func (t *Tx) writeHost(st *hostState) error {
	switch {
	case !st.there && !st.inStore:
		return nil // put and deleted again
	case !st.there:
		st.rowChanged = true
		if !t.atTop && st.digest != "" {
			if err := t.remove(key.HostPackages(st.digest, st.id)); err != nil {
				return err
			}
		}
		t.scratch = key.AppendHost(t.scratch[:0], st.id)
		if err := t.remove(t.scratch); err != nil {
			return err
		}
		st.inStore, st.read, st.stored, st.digest = false, true, nil, ""
	case st.row != nil:
		st.rowChanged = true
		if !t.atTop && st.digest != st.host.PackagesDigest {
			if err := t.moveDigest(st); err != nil {
				return err
			}
		}
		t.scratch = key.AppendHost(t.scratch[:0], st.id)
		if err := t.batch.Set(t.scratch, st.row, nil); err != nil {
			return err
		}
		st.inStore, st.read, st.stored, st.row = true, true, st.row, nil
	}
	return nil
}

// writeBeat writes the beat of a host that is there, and takes away that of one that is not.
func (t *Tx) writeBeat(st *hostState) error {
	switch {
	case !st.there && !st.hasBeat:
		return nil
	case !st.there:
		st.hasBeat, st.storedBeat = false, model.HostBeat{}
		t.scratch = key.AppendHostBeat(t.scratch[:0], st.id)
		return t.remove(t.scratch)
	case st.hasBeat && st.beat == st.storedBeat:
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
