// Package raftlog is the Raft log of a controller on disk: entries in segment files, and the few values that Raft
// keeps beside them.
//
// It owns one folder. What it has acknowledged is there after a power cut, and every record is checked against
// its sum each time it is read: damage is an error, never another entry. A batch costs one write and one sync of
// data. It knows nothing of what an entry means, starts no goroutine, and never repairs what was damaged: what
// was acknowledged and no longer reads can only come from the other nodes.
//
// The forms of the files stand in segment.go and state.go, the reasons in raftfsm/DESIGN.md.
package raftlog

import (
	"os"
	"slices"
	"sync"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// Bounds of the log.
const (
	// MaxEntry bounds data and extensions of one entry, in bytes.
	MaxEntry = 64 << 20
	// MaxSegments bounds the files of one log; a log that long needs a snapshot.
	MaxSegments = 512

	defaultSegment = 64 << 20
	minSegment     = 4 << 10
	maxSegment     = 1 << 30
	keepSpare      = 2 // segment files that are kept for use again
)

// Options tune a log. The zero value is the default.
type Options struct {
	// SegmentBytes is the size of a segment file, 4 KiB to 1 GiB; 0: 64 MiB. It may differ from one start to the next.
	SegmentBytes int64
	// NoSync leaves out every sync, so that a power cut takes what was acknowledged. It is for tests that must
	// see such a loss.
	NoSync bool
}

// Log is an open log. It implements raft.LogStore, raft.MonotonicLogStore and raft.StableStore; all methods
// are safe for concurrent use. Errors have the kinds Corrupt (damage), ReadOnly (the disk; final until the next
// Open), Invalid and TooLarge (the caller's).
type Log struct {
	dir    string
	size   int64
	noSync bool
	sync   func(*os.File) error // of data, and of the size of a file
	folder *os.File
	state  *os.File

	writing sync.Mutex // held by whoever writes; taken before mu
	buf     []byte     // of the writer
	failed  error      // of the writer: the first failed write
	gen     uint64     // of the writer: of the newest state on disk
	nextID  uint64     // of the writer: above every id that a file ever had
	spare   []string   // of the writer: names of files for use again

	mu    sync.RWMutex // guards what follows; a writer that holds writing may read it without
	segs  []*segment   // rising
	first uint64       // index of the first entry, 0 for none
	last  uint64
	keys  map[string][]byte
	shut  bool
}

// IsMonotonic says that entries follow each other without gaps: implements raft.MonotonicLogStore.
func (l *Log) IsMonotonic() bool { return true }

// FirstIndex returns the index of the first entry; 0 for none.
func (l *Log) FirstIndex() (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.first, l.closed()
}

// LastIndex returns the index of the last entry; 0 for none.
func (l *Log) LastIndex() (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.last, l.closed()
}

func (l *Log) closed() error {
	if l.shut {
		return fault.New(fault.ReadOnly, "", "the Raft log is closed")
	}
	return nil
}

// GetLog reads an entry into out, which shares no memory with the log. raft.ErrLogNotFound says that there is none;
// fault.Corrupt that there is one and it is damaged.
func (l *Log) GetLog(index uint64, out *raft.Log) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if err := l.closed(); err != nil {
		return err
	}
	if index == 0 || index < l.first || index > l.last {
		return raft.ErrLogNotFound
	}
	s := l.segs[l.holder(index)]
	if err := s.read(index, out); err != nil {
		return fault.Wrap("read the Raft log in "+l.dir, err)
	}
	return nil
}

// holder returns which segment an entry is in.
func (l *Log) holder(index uint64) int {
	n, found := slices.BinarySearchFunc(l.segs, index, func(s *segment, i uint64) int {
		switch {
		case s.base < i:
			return -1
		case s.base > i:
			return 1
		}
		return 0
	})
	if !found {
		n--
	}
	return n
}

// StoreLog appends one entry.
func (l *Log) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs appends entries, each with the index after the one before it, and returns when they are durable. A
// crash meanwhile leaves some first part of them. After an error the log takes no more writes, unless the error
// is Invalid or TooLarge.
func (l *Log) StoreLogs(entries []*raft.Log) error {
	const op = "write the Raft log"
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.writable(); err != nil {
		return fault.Wrap(op, err)
	}
	next := l.last + 1
	for i, e := range entries {
		if l.last == 0 && i == 0 {
			next = e.Index
		}
		if e.Index != next || next == 0 {
			return fault.New(fault.Invalid, op, "entry %d cannot follow %d", e.Index, next-1)
		}
		if n := len(e.Data) + len(e.Extensions); n > MaxEntry {
			return fault.New(fault.TooLarge, op, "entry %d has %d bytes, the limit is %d", e.Index, n, MaxEntry)
		}
		next++
	}
	for len(entries) > 0 {
		n, err := l.append(entries)
		if err != nil {
			return fault.Wrap(op, l.fail(err))
		}
		entries = entries[n:]
	}
	return nil
}

// append writes as many entries as one segment takes, at least one, and returns how many.
func (l *Log) append(entries []*raft.Log) (int, error) {
	s := l.tail()
	// A segment that a crash left without an entry may have been made for another one.
	if s == nil || s.end+recordSize(entries[0]) > s.size || len(s.at) == 0 && s.base != entries[0].Index {
		var err error
		if s, err = l.rotate(entries[0]); err != nil {
			return 0, err
		}
	}
	buf, crc, at := l.buf[:0], s.crc, make([]uint32, 0, len(entries))
	for _, e := range entries {
		if len(at) > 0 && s.end+int64(len(buf))+recordSize(e) > s.size {
			break
		}
		at = append(at, uint32(s.end)+uint32(len(buf)))
		buf, crc = s.appendRecord(buf, e, crc)
	}
	if cap(buf) <= 8<<20 {
		l.buf = buf
	}
	if _, err := s.f.WriteAt(buf, s.end); err != nil {
		return 0, err
	}
	if err := l.sync(s.f); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s.at, s.crc, s.end = append(s.at, at...), crc, s.end+int64(len(buf))
	if l.last == 0 {
		l.first = entries[0].Index
	}
	l.last = entries[len(at)-1].Index
	return len(at), nil
}

// tail returns the segment that takes entries; nil if there is none.
func (l *Log) tail() *segment {
	if n := len(l.segs); n > 0 && !l.segs[n-1].sealed {
		return l.segs[n-1]
	}
	return nil
}

// writable refuses what can only fail. The caller holds writing.
func (l *Log) writable() error {
	if l.failed != nil {
		return l.failed
	}
	return l.closed() // shut changes only under writing too
}

// fail makes a failed write the error of every later one: what a failed sync has dropped, no second one brings
// back. The caller holds writing.
func (l *Log) fail(err error) error {
	if l.failed == nil {
		l.failed = fault.New(fault.ReadOnly, "", "%s cannot be written (%w); put the disk right and start again", l.dir, err)
	}
	return l.failed
}

// DeleteRange removes the entries from lo to hi, which must be at the beginning or the end of the log, or all of it.
func (l *Log) DeleteRange(lo, hi uint64) error {
	const op = "cut the Raft log"
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.writable(); err != nil {
		return fault.Wrap(op, err)
	}
	if lo > hi || l.last == 0 || hi < l.first || lo > l.last {
		return nil
	}
	var err error
	switch {
	case lo > l.first && hi < l.last:
		return fault.New(fault.Invalid, op, "entries %d to %d are in the middle of %d to %d", lo, hi, l.first, l.last)
	case lo <= l.first:
		err = l.cutFront(hi + 1)
	default:
		err = l.cutBack(lo - 1)
	}
	if err != nil {
		return fault.Wrap(op, l.fail(err))
	}
	return nil
}

// cutFront lets the log begin at first; beyond its end, the log is empty.
func (l *Log) cutFront(first uint64) error {
	keep, last := l.segs, l.last
	if first > last {
		keep, first, last = nil, 0, 0
	} else {
		keep = keep[l.holder(first):]
	}
	gone := l.segs[:len(l.segs)-len(keep)]
	if err := l.putState(keep, first, l.keys); err != nil {
		return err
	}
	l.mu.Lock()
	l.segs, l.first, l.last = slices.Clone(keep), first, last
	l.mu.Unlock()
	return l.drop(gone)
}

// cutBack lets the log end at last, which is in it. What stood behind stays in its file and out of the log: the
// file is sealed, and the entries to come go to another one.
func (l *Log) cutBack(last uint64) error {
	n := l.holder(last)
	cut := *l.segs[n]
	sealing := !cut.sealed
	if sealing {
		// The index goes behind what is cut: until the state says otherwise, that is part of the log.
		if err := l.seal(&cut); err != nil {
			return err
		}
	}
	if keep := last - cut.base + 1; keep < uint64(len(cut.at)) {
		cut.end, cut.at = int64(cut.at[keep]), slices.Clone(cut.at[:keep])
	}
	keep := append(slices.Clone(l.segs[:n]), &cut)
	gone := l.segs[n+1:]
	if err := l.putState(keep, l.first, l.keys); err != nil {
		return err
	}
	l.mu.Lock()
	l.segs, l.last = keep, last
	l.mu.Unlock()
	if sealing {
		// It would keep its full size for a few entries. Whether this is durable does not matter.
		cut.size = cut.indexEnd
		if err := cut.f.Truncate(cut.size); err != nil {
			return err
		}
	}
	return l.drop(gone)
}

// Close lets the folder go. What was acknowledged is durable already. Closing twice is allowed.
func (l *Log) Close() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.shut {
		return nil
	}
	var err error
	if l.failed == nil {
		// Says where the log ends, so that damage to its last batch does not pass for a torn write.
		err = l.putState(l.segs, l.first, l.keys)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = true
	for _, s := range l.segs {
		_ = s.f.Close()
	}
	_ = l.state.Close()
	_ = l.folder.Close()
	if err != nil {
		return fault.New(fault.ReadOnly, "close the Raft log", "%w", err)
	}
	return nil
}
