package raftlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

func fileName(id uint64) string { return fmt.Sprintf("%016x.log", id) }

var isFile = regexp.MustCompile(`^([0-9a-f]{16})\.log$`)

// Open opens the log in a folder, or begins one in a folder that is empty or missing. It fails with
// fault.Corrupt where something that was acknowledged cannot be read, as far as that shows without reading all of
// it, with fault.Version for the log of a newer program, and with fault.ReadOnly where the disk refuses. Nothing
// else may have the folder open.
func Open(dir string, o Options) (*Log, error) {
	op := "open the Raft log in " + dir
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegment
	}
	if o.SegmentBytes < minSegment || o.SegmentBytes > maxSegment {
		return nil, fault.New(fault.Invalid, op, "a segment of %d bytes; it has %d to %d", o.SegmentBytes, minSegment, maxSegment)
	}
	l := &Log{dir: dir, size: o.SegmentBytes, noSync: o.NoSync, sync: syncData, nextID: 1, keys: map[string][]byte{}}
	if o.NoSync {
		l.sync = func(*os.File) error { return nil }
	}
	if err := l.open(); err != nil {
		for _, s := range l.segs {
			_ = s.f.Close()
		}
		if l.state != nil {
			_ = l.state.Close()
		}
		if l.folder != nil {
			_ = l.folder.Close()
		}
		if fault.KindOf(err) == fault.Other {
			err = fault.New(fault.ReadOnly, "", "%w", err)
		}
		return nil, fault.Wrap(op, err)
	}
	return l, nil
}

func (l *Log) open() error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	var err error
	if l.folder, err = os.Open(l.dir); err != nil {
		return err
	}
	s, gen, found, err := readState(l.dir)
	if err != nil {
		return err
	}
	if !found {
		if err := l.begin(); err != nil {
			return err
		}
	}
	if l.state, err = os.OpenFile(filepath.Join(l.dir, stateFile), os.O_RDWR, 0); err != nil {
		return err
	}
	if found {
		l.gen, l.nextID, l.first = gen, s.NextID, s.First
		for k, v := range s.Keys {
			l.keys[k] = v
		}
		for _, one := range s.Segments {
			if err := l.load(one); err != nil {
				return err
			}
		}
		if n := len(l.segs); n > 0 {
			l.last = l.segs[n-1].last()
		}
		if l.first == 0 || l.last < l.first {
			// An open segment that never got an entry.
			l.first, l.last = 0, 0
			if n := len(l.segs); n > 0 && len(l.segs[0].at) > 0 {
				l.first, l.last = l.segs[0].base, l.segs[n-1].last()
			}
		}
	}
	if err := l.putState(l.segs, l.first, l.keys); err != nil {
		return err
	}
	return l.sweep()
}

// begin makes the file of the state, in a folder that has no segments.
func (l *Log) begin() error {
	names, err := os.ReadDir(l.dir)
	if err != nil {
		return err
	}
	for _, e := range names {
		if isFile.MatchString(e.Name()) {
			return fault.New(fault.Corrupt, "", "there are entries and no file %q", stateFile)
		}
	}
	tmp := filepath.Join(l.dir, stateFile+".tmp")
	if l.state, err = os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		return err
	}
	defer l.state.Close()
	if _, err := l.state.WriteAt(make([]byte, 2*slotSize), 0); err != nil {
		return err
	}
	if err := l.putState(nil, 0, nil); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(l.dir, stateFile)); err != nil {
		return err
	}
	return l.syncDir()
}

// load opens a segment that the state names.
func (l *Log) load(one segmentState) error {
	s := &segment{id: one.ID, base: one.Base, seed: seedOf(one.ID), sealed: one.Last != 0, index: one.Index}
	var err error
	if s.f, err = os.OpenFile(filepath.Join(l.dir, s.name()), os.O_RDWR, 0); errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.Corrupt, "", "%s is missing", s.name())
	} else if err != nil {
		return err
	}
	l.segs = append(l.segs, s)
	info, err := s.f.Stat()
	if err != nil {
		return err
	}
	s.size = info.Size()
	from, to := int64(0), s.size
	if s.sealed {
		b := make([]byte, headSize)
		if _, err := s.f.ReadAt(b, 0); err != nil && err != io.EOF {
			return err
		}
		if err := s.checkHead(b); err != nil {
			return err
		}
		from = min(s.index, s.size)
		to = min(s.size, from+maxSegment)
	}
	b := make([]byte, to-from)
	if _, err := s.f.ReadAt(b, from); err != nil && err != io.EOF {
		return err
	}
	if s.sealed {
		return s.readIndex(b, one.Last-one.Base+1)
	}
	if s.size < one.Size || s.size < headSize {
		return fault.New(fault.Corrupt, "", "%s has %d bytes of %d", s.name(), s.size, one.Size)
	}
	if err := s.checkHead(b[:headSize]); err != nil {
		return err
	}
	if err := s.scan(b, one.End); err != nil {
		return err
	}
	// The last batch may be in the memory of the kernel alone: after a kill, or after a sync that failed, which the
	// kernel does not repeat. Raft takes for durable what it finds here.
	if n := len(s.at); n > 0 {
		r, _, err := parse(b[s.at[n-1]:], s.seed)
		if err != nil {
			return err
		}
		proven := int64(r.durable)
		if _, err := s.f.WriteAt(b[proven:s.end], proven); err != nil {
			return err
		}
		return l.sync(s.f)
	}
	return nil
}

// sweep removes files that are no part of the log, but for a few that can be used again.
func (l *Log) sweep() error {
	names, err := os.ReadDir(l.dir)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, s := range l.segs {
		used[s.name()] = true
	}
	for _, e := range names {
		m := isFile.FindStringSubmatch(e.Name())
		if m == nil || used[e.Name()] {
			continue
		}
		id, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			return err
		}
		// A file that the state never came to name has an id that is still to be given out.
		info, err := e.Info()
		if err != nil {
			return err
		}
		if id < l.nextID && info.Size() >= l.size && len(l.spare) < keepSpare {
			l.spare = append(l.spare, e.Name())
			continue
		}
		if err := os.Remove(filepath.Join(l.dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// rotate seals the segment at the end, and begins one that has room for an entry.
func (l *Log) rotate(e *raft.Log) (*segment, error) {
	keep := l.segs[:len(l.segs):len(l.segs)]
	var gone []*segment
	if old := l.tail(); old != nil && len(old.at) == 0 {
		keep, gone = keep[:len(keep)-1:len(keep)-1], []*segment{old}
	} else if old != nil {
		sealed := *old
		if err := l.seal(&sealed); err != nil {
			return nil, err
		}
		keep = append(keep[:len(keep)-1:len(keep)-1], &sealed)
	}
	if len(keep) >= MaxSegments {
		return nil, fmt.Errorf("the log has %d files, which is the limit; a snapshot must be taken", len(keep))
	}
	s := &segment{id: l.nextID, base: e.Index, size: max(l.size, headSize+recordSize(e)), end: headSize}
	s.seed = seedOf(s.id)
	s.crc = s.seed
	l.nextID++
	if err := l.make(s); err != nil {
		return nil, err
	}
	keep = append(keep, s)
	first := l.first
	if first == 0 {
		first = s.base
	}
	if err := l.putState(keep, first, l.keys); err != nil {
		_ = s.f.Close()
		return nil, err
	}
	l.mu.Lock()
	l.segs = keep
	l.mu.Unlock()
	return s, l.drop(gone)
}

// seal writes the index of a segment behind its records. It takes no more of them.
func (l *Log) seal(s *segment) error {
	b := s.appendIndex()
	s.sealed, s.index, s.indexEnd = true, s.end, s.end+int64(len(b))
	if _, err := s.f.WriteAt(b, s.index); err != nil {
		return err
	}
	return l.sync(s.f)
}

// make makes the file of a segment, from one that is no longer needed if there is one: writing over blocks that were
// written before is cheaper to sync.
func (l *Log) make(s *segment) (err error) {
	path := filepath.Join(l.dir, s.name())
	if n := len(l.spare); n > 0 && s.size == l.size {
		old := filepath.Join(l.dir, l.spare[n-1])
		l.spare = l.spare[:n-1]
		if err := os.Rename(old, path); err != nil {
			return err
		}
	}
	if s.f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = s.f.Close()
		}
	}()
	if err := reserve(s.f, s.size); err != nil {
		return err
	}
	if _, err := s.f.WriteAt(head(s.id, s.base), 0); err != nil {
		return err
	}
	if err := l.sync(s.f); err != nil {
		return err
	}
	return l.syncDir()
}

// syncDir makes the names in the folder durable. A sync of data alone need not do that.
func (l *Log) syncDir() error {
	if l.noSync {
		return nil
	}
	return l.folder.Sync()
}

// drop closes the files of segments that are no part of the log any more, and removes them or keeps them for use again.
func (l *Log) drop(gone []*segment) error {
	for _, s := range gone {
		if err := s.f.Close(); err != nil {
			return err
		}
		if s.size >= l.size && len(l.spare) < keepSpare {
			l.spare = append(l.spare, s.name())
			continue
		}
		if err := os.Remove(filepath.Join(l.dir, s.name())); err != nil {
			return err
		}
	}
	return nil
}
