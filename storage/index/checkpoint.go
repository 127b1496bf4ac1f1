package index

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/storage/key"
)

// A checkpoint of the index in memory is a run of parts under the commit that it reaches at the least: what
// was committed while it was being taken may be in it or not, and the journal names it. Part 0 is the
// head, the others are storage/search's own:
//
//	+----+-------------+-----------+      +----+--------------+------------+------------+-----------+
//	| 25 | commit be64 | part be64 |  ->  | 01 | applied be64 | parts be64 | bytes be64 | crc32c be32 |
//	+----+-------------+-----------+      +----+--------------+------------+------------+-----------+
//
// The checksum is over the other parts, one after the other. They are written to table files beside the
// database, which Pebble takes over whole: through its log and its memory tables they would hold up every
// commit that comes meanwhile. What went before, and the journal up to the commit, is then removed.
const (
	headLayout = 2
	headLength = 1 + 3*8 + 4
)

// tableBytes is the size from which the parts of a checkpoint go on in another table file.
const tableBytes = 32 << 20

// limits say when the index in memory is checkpointed, and when it is made anew.
type limits struct {
	rows   int           // ids in the journal from which on it is checkpointed
	every  time.Duration // and how long after a change at the latest
	atEnd  int           // ids in the journal from which on Close takes one
	replay int           // ids in the journal up to which a checkpoint is used at the next start
}

// keep looks after the index in memory until the store closes: it takes checkpoints, and does what may wait.
func (s *Store) keep() {
	defer close(s.kept)
	var timer <-chan time.Time // running while there is something to write
	failed := false            // the last one: another waits for the timer, not for the next commit
	s.tend()                   // what loading left for later
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
			s.tend()
			if !failed && !s.checkpointNow(s.limits.rows+1) {
				failed, timer = true, nil
			}
			if timer == nil {
				timer = s.after(s.limits.every)
			}
		case <-timer:
			timer = nil
			if failed = !s.checkpointNow(1); failed {
				timer = s.after(s.limits.every)
			}
		}
	}
}

// tend does what the index in memory left for later, as long as there is any.
func (s *Store) tend() {
	m, _ := s.present()
	for m.Tend() {
		select {
		case <-s.stop:
			return
		default:
		}
	}
}

// wakeKeeper tells keep that there is something to write. It never blocks.
func (s *Store) wakeKeeper() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// checkpointNow takes a checkpoint where the journal names at least that many ids. It returns false
// where that failed, which costs a longer next start and nothing else, unless the disk failed, which later
// commits then say.
func (s *Store) checkpointNow(atLeast int) bool {
	s.mu.Lock()
	l := s.life
	if l == nil || s.failed != nil {
		s.mu.Unlock()
		return true
	}
	l.users++
	s.mu.Unlock()
	defer s.unuse(l)
	if _, ids := l.journal.state(); ids < atLeast {
		return true
	}
	err := s.checkpoint(l)
	if err != nil {
		s.log.Warn("index: no checkpoint of the search index; the next start may take longer", "folder", s.folder(l.number), "error", err)
	}
	return err == nil
}

// checkpoint takes one.
func (s *Store) checkpoint(l *life) error {
	// Whatever this commit changed is in memory by now, and what comes later is named in the journal.
	commit, ids := l.journal.state()
	o := s.options(false)
	o.EnsureDefaults()
	w := &tableWriter{disk: s.disk.fs, prefix: s.folder(l.number) + searchName, options: o.MakeWriterOptions(6, format.MaxTableFormat())}
	w.options.Compression = sstable.FastestCompression // as options has it for what is written by compactions
	defer w.remove()
	var part, size uint64
	sum := uint32(0)
	var err error
	for chunk := range l.memory.Chunks() {
		part++
		size += uint64(len(chunk))
		sum = crc32.Update(sum, castagnoli, chunk)
		if err = w.set(key.SearchCheckpoint(commit, part), chunk); err != nil {
			break
		}
	}
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		return diskError("checkpoint the search index", w.prefix, err)
	}
	// The files become durable by themselves, so the commits that they hold must be so before.
	err = caught(func() error {
		if err := s.makeDurable(l.db); err != nil {
			return err
		}
		s.mu.Lock()
		applied := s.applied
		s.mu.Unlock()
		head := binary.BigEndian.AppendUint64([]byte{headLayout}, applied)
		head = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(head, part), size)
		head = binary.BigEndian.AppendUint32(head, sum)
		if err := w.set(key.SearchCheckpoint(commit, 0), head); err != nil {
			return err
		}
		if err := w.finish(); err != nil {
			return err
		}
		if err := l.db.Ingest(context.Background(), w.paths); err != nil {
			return err
		}
		b := l.db.NewBatch()
		defer b.Close()
		if err := b.DeleteRange(key.SpaceSearchCheckpoint.Prefix(), key.SearchCheckpoint(commit, 0), nil); err != nil {
			return err
		}
		if err := b.DeleteRange(key.SpaceHostJournal.Prefix(), key.HostJournal(commit+1, 0), nil); err != nil {
			return err
		}
		return b.Commit(pebble.NoSync)
	})
	if err != nil {
		return diskError("checkpoint the search index", s.folder(l.number), err)
	}
	l.journal.checkpointed(ids)
	s.log.Debug("index: the search index is checkpointed", "commit", commit, "parts", part, "bytes", size)
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// tableWriter writes rising keys to table files that Pebble can take over.
type tableWriter struct {
	disk    vfs.FS
	prefix  string
	options sstable.WriterOptions
	paths   []string
	table   *sstable.Writer
}

func (w *tableWriter) set(k, v []byte) error {
	if w.table == nil {
		path := w.prefix + strconv.Itoa(len(w.paths))
		f, err := w.disk.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		w.paths = append(w.paths, path)
		w.table = sstable.NewWriter(objstorageprovider.NewFileWritable(f), w.options)
	}
	if err := w.table.Set(k, v); err != nil {
		return err
	}
	if w.table.Raw().EstimatedSize() < tableBytes {
		return nil
	}
	return w.finish()
}

// finish makes the table that is being written durable.
func (w *tableWriter) finish() error {
	if w.table == nil {
		return nil
	}
	err := w.table.Close()
	w.table = nil
	return err
}

// remove removes what Pebble did not take.
func (w *tableWriter) remove() {
	if w.table != nil {
		_ = w.table.Close() // it is removed in any case
	}
	for _, path := range w.paths {
		_ = w.disk.Remove(path) // taken over, or left for removeOthers
	}
}

// head is what the head of a checkpoint says.
type head struct {
	commit, applied, parts, bytes uint64
	sum                           uint32
}

// newestCheckpoint returns the head of the newest checkpoint; false: there is none.
func (r *Reader) newestCheckpoint() (h head, ok bool, err error) {
	prefix := key.SpaceSearchCheckpoint.Prefix()
	err = r.back(prefix, key.After(prefix), func(k, _ []byte) error {
		h.commit, _, err = key.ReadSearchCheckpoint(k)
		if err == nil {
			ok, err = true, errEnough
		}
		return err
	})
	if enough(err) != nil || !ok {
		return head{}, false, enough(err)
	}
	ok, err = r.read(key.SearchCheckpoint(h.commit, 0), func(v []byte) error {
		if len(v) != headLength || v[0] != headLayout {
			return fault.New(fault.Corrupt, "", "%d bytes are not the head of a checkpoint", len(v))
		}
		h.applied, h.parts, h.bytes = binary.BigEndian.Uint64(v[1:]), binary.BigEndian.Uint64(v[9:]), binary.BigEndian.Uint64(v[17:])
		h.sum = binary.BigEndian.Uint32(v[25:])
		return nil
	})
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "read the checkpoint of the search index", "that of commit %d has no head", h.commit)
	}
	return h, err == nil, err
}

// eachPart calls fn with the parts of a checkpoint; the error has kind fault.Corrupt where they are not
// what the head says. A part is only valid until fn returns.
func (r *Reader) eachPart(h head, fn func(part []byte) error) error {
	damaged := fault.New(fault.Corrupt, "read the checkpoint of the search index", "it is not what its head says")
	next, size, sum := uint64(1), uint64(0), uint32(0)
	err := r.scanRange(key.SearchCheckpoint(h.commit, 1), key.After(key.SpaceSearchCheckpoint.Prefix()), func(k, v []byte) error {
		commit, part, err := key.ReadSearchCheckpoint(k)
		if err != nil || commit != h.commit || part != next {
			return damaged
		}
		next++
		size += uint64(len(v))
		sum = crc32.Update(sum, castagnoli, v)
		return fn(v)
	})
	if err == nil && (next != h.parts+1 || size != h.bytes || sum != h.sum) {
		err = damaged
	}
	return err
}
