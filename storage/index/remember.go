package index

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skerryhq/skerry/engine/compact"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
	"github.com/skerryhq/skerry/storage/search"
)

// recall makes the index in memory of a database that was just opened: from its checkpoint and the
// journal, or, where anything of them does not fit, from the rows.
func (s *Store) recall(l *life) error {
	r := &Reader{from: l.db, rows: s.rows}
	from, ids, err := r.sinceCheckpoint(s.limits.replay)
	l.journal = &journal{commit: from.last, ids: from.named}
	if err == nil && from.ok {
		if err = s.recallCheckpoint(l, r, from.head, ids); err == nil {
			s.log.Debug("index: the search index is read from its checkpoint", "folder", s.folder(l.number), "hosts", l.memory.Len(), "again", len(ids))
			return nil
		}
	}
	if err != nil {
		if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Version {
			return err
		}
		s.log.Warn("index: the search index is made anew from the rows", "folder", s.folder(l.number), "reason", err)
		if err := forget(l.db); err != nil {
			return diskError("remove the checkpoint of the search index", s.folder(l.number), err)
		}
		l.journal = &journal{}
	}
	if err := s.rebuild(l, r); err != nil {
		return err
	}
	l.journal.ids = max(l.journal.ids, l.memory.Len())
	return nil
}

// memoryOf returns an index in memory without hosts, which knows of sites what was said and what their rows say.
func (s *Store) memoryOf(r *Reader) (*search.Index, error) {
	m := s.newMemory()
	if err := r.sites(m); err != nil {
		return nil, err
	}
	return m, r.judgements(m)
}

// newMemory returns an index in memory without hosts, which knows what was said of sites so far.
func (s *Store) newMemory() *search.Index {
	m := search.New(s.costly)
	if s.vouched {
		m.Vouched()
	}
	s.applying.RLock()
	defer s.applying.RUnlock()
	for site, up := range s.reached {
		m.Reach(site, up)
	}
	return m
}

// forget removes what is kept of the index in memory, which begins anew.
func forget(db *pebble.DB) error {
	return caught(func() error {
		b := db.NewBatch()
		defer b.Close()
		for _, space := range []key.Space{key.SpaceHostJournal, key.SpaceSearchCheckpoint} {
			if err := b.DeleteRange(space.Prefix(), key.After(space.Prefix()), nil); err != nil {
				return err
			}
		}
		return b.Commit(pebble.NoSync)
	})
}

// since is what is known of a checkpoint and of what followed it.
type since struct {
	head  head
	ok    bool // there is one, and little enough follows it
	last  uint64
	named int
}

// sinceCheckpoint reads the head of the newest checkpoint and what the journal names behind it, at most
// limit ids of which are of use.
func (r *Reader) sinceCheckpoint(limit int) (x since, ids map[model.HostID]struct{}, err error) {
	if x.head, x.ok, err = r.newestCheckpoint(); err != nil {
		return x, nil, err
	}
	ids = map[model.HostID]struct{}{}
	x.last, err = r.readJournal(x.head.commit, func(id model.HostID) {
		if x.named++; x.named <= limit {
			ids[id] = struct{}{}
		}
	})
	x.ok = x.ok && x.named <= limit
	return x, ids, err
}

// recallCheckpoint loads a checkpoint with the beats from their rows, and reads the rows of ids again.
func (s *Store) recallCheckpoint(l *life, r *Reader, h head, ids map[model.HostID]struct{}) error {
	m, err := s.memoryOf(r)
	if err != nil {
		return err
	}
	middle, err := r.middleHost()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	n, err := m.Load(r.partsAhead(ctx, &reading, h), r.beats(beatKey(key.SpaceHost.Prefix()), beatKey(middle)), r.beats(beatKey(middle), key.After(key.SpaceHostBeat.Prefix())))
	if err != nil {
		return err
	}
	if err := r.again(m, ids); err != nil {
		return err
	}
	// Each host has one beat: where the numbers agree, and all that changed was applied, none is missing.
	if known := m.Len(); n != known {
		return fault.New(fault.Corrupt, "load the checkpoint of the search index", "%d hosts are in it, and there are %d", known, n)
	}
	l.memory = m
	return nil
}

// partsAhead gives the parts of a checkpoint while the next ones are read by a goroutine in reading, until ctx ends.
func (r *Reader) partsAhead(ctx context.Context, reading *sync.WaitGroup, h head) iter.Seq2[[]byte, error] {
	const ahead = 8
	parts, used := make(chan []byte, ahead), make(chan []byte, ahead+2)
	var failed error
	reading.Go(func() {
		defer close(parts)
		failed = r.eachPart(h, func(part []byte) error {
			var room []byte
			select {
			case room = <-used:
			default:
			}
			select {
			case parts <- append(room[:0], part...):
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	return func(yield func([]byte, error) bool) {
		for part := range parts {
			if !yield(part, nil) {
				return
			}
			select {
			case used <- part:
			default:
			}
		}
		if failed != nil {
			yield(nil, failed)
		}
	}
}

// batchHosts is how many changes are handed to the index in memory at once.
const batchHosts = 512

// again brings the hosts with those ids to what their rows say.
func (r *Reader) again(m *search.Index, ids map[model.HostID]struct{}) error {
	changes := make([]search.Change, 0, len(ids))
	for id := range ids {
		h, ok, err := r.Host(id)
		if err != nil {
			return err
		}
		if ok {
			changes = append(changes, search.Change{ID: id, Host: &h})
		} else {
			changes = append(changes, search.Change{ID: id, Gone: true})
		}
	}
	m.Apply(changes)
	return nil
}

// beats gives the beats whose keys are in a range, in batches that are written over by the next.
func (r *Reader) beats(lower, upper []byte) iter.Seq2[[]search.Change, error] {
	return func(yield func([]search.Change, error) bool) {
		const batch = 1024
		changes, beats := make([]search.Change, 0, batch), make([]model.HostBeat, batch)
		err := r.scanRange(lower, upper, func(k, v []byte) error {
			if len(k) != 1+len(model.HostID{}) { // key.ReadHostBeat would say no more, and takes as long as all else here
				return fault.New(fault.Corrupt, "read "+key.Describe(k), "it is not the key of a beat")
			}
			n := len(changes)
			b, err := compact.ReadBeat(v)
			if err != nil {
				return readError(k, err)
			}
			beats[n] = b
			if changes = append(changes, search.Change{ID: model.HostID(k[1:]), Beat: &beats[n]}); n+1 < batch {
				return nil
			}
			if !yield(changes, nil) {
				return errEnough
			}
			changes = changes[:0]
			return nil
		})
		switch {
		case errors.Is(err, errEnough): // nobody wants more
		case err != nil:
			yield(nil, err)
		case len(changes) > 0:
			yield(changes, nil)
		}
	}
}

// sites tells the index in memory what the sites are called and where they are.
func (r *Reader) sites(m *search.Index) error {
	return each(r, key.SpaceSite.Prefix(), func(s model.Site) error {
		m.PutSite(s)
		return nil
	})
}

// judgements tells the index in memory when each site last judged its hosts.
func (r *Reader) judgements(m *search.Index) error {
	return r.scan(key.SpaceCounts.Prefix(), func(k, v []byte) error {
		site, err := key.ReadCounts(k)
		if err != nil {
			return err
		}
		var n model.SiteCounts
		if err := r.rows.readCounts(v, site, &n); err != nil {
			return readError(k, err)
		}
		if n.JudgedAt != 0 && !site.IsZero() {
			m.Judged(site, n.JudgedAt)
		}
		return nil
	})
}

// rebuild makes the index in memory from the rows. Two goroutines read them, one half of the keys each.
func (s *Store) rebuild(l *life, r *Reader) error {
	m, err := s.memoryOf(r)
	if err != nil {
		return err
	}
	middle, err := r.middleHost()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	batches := make(chan []search.Change, 4)
	var readers sync.WaitGroup
	for _, bounds := range [][2][]byte{{key.SpaceHost.Prefix(), middle}, {middle, key.After(key.SpaceHost.Prefix())}} {
		readers.Go(func() {
			if err := r.batches(ctx, bounds[0], bounds[1], batches); err != nil {
				cancel(err)
			}
		})
	}
	go func() {
		readers.Wait()
		close(batches)
	}()
	for b := range batches {
		m.Apply(b)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	l.memory = m
	return nil
}

// batches sends the hosts of a range of keys.
func (r *Reader) batches(ctx context.Context, lower, upper []byte, out chan<- []search.Change) error {
	var hosts []model.Host
	send := func() error {
		changes := make([]search.Change, len(hosts))
		for i := range hosts {
			changes[i] = search.Change{ID: hosts[i].ID, Host: &hosts[i]}
		}
		hosts = nil
		select {
		case out <- changes:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	err := r.eachHost(lower, upper, func(h *model.Host) error {
		if hosts == nil {
			hosts = make([]model.Host, 0, batchHosts)
		}
		if hosts = append(hosts, *h); len(hosts) == batchHosts {
			return send()
		}
		return nil
	})
	if err == nil && len(hosts) > 0 {
		err = send()
	}
	return err
}

// middleHost returns a key about halfway between the first and the last host.
func (r *Reader) middleHost() ([]byte, error) {
	prefix := key.SpaceHost.Prefix()
	first, last := key.After(prefix), key.After(prefix)
	err := r.iterate(prefix, key.After(prefix), func(it *pebble.Iterator) error {
		if it.First() {
			first = bytes.Clone(it.Key())
		}
		if it.Last() {
			last = bytes.Clone(it.Key())
		}
		return nil
	})
	if err != nil || len(first) < 9 || len(last) < 9 {
		return key.After(prefix), err
	}
	a, b := binary.BigEndian.Uint64(first[1:]), binary.BigEndian.Uint64(last[1:])
	return binary.BigEndian.AppendUint64(prefix, a+(b-a)/2), nil
}
