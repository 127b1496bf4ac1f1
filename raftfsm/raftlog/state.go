package raftlog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// The state is what the segments do not say themselves: which of them make up the log, where it begins and
// ends, and the values of raft.StableStore. Its file holds it twice:
//
//	at 0 and at 262,144: | magic u32 | crc u32 | length u32 | generation u64 | JSON |
//
// crc is CRC-32C over all that follows it. Every change writes the first copy, syncs, writes the second, syncs. So a
// torn write leaves the other copy, and so does damage to one: a vote that was cast is never forgotten.

const (
	stateFile  = "state"
	stateMagic = 0x534b5354
	stateHead  = 20
	slotSize   = 256 << 10

	stateVersion = 1
	maxKeys      = 64
	maxValue     = 1 << 10
)

// state is the JSON of the state.
type state struct {
	Version  int             `json:"version"`
	First    uint64          `json:"first,omitempty"` // 0: the log is empty
	NextID   uint64          `json:"nextId"`
	Segments []segmentState  `json:"segments,omitempty"`
	Keys     map[string]text `json:"keys,omitempty"`
}

type text []byte

// segmentState describes one segment. Sealed segments have Last and Index; of the others, the last one alone is
// not sealed.
type segmentState struct {
	ID    uint64 `json:"id"`
	Base  uint64 `json:"base"`
	Last  uint64 `json:"last,omitempty"`
	Index int64  `json:"index,omitempty"`
	End   int64  `json:"end,omitempty"`  // of one that is not sealed: all before it is durable
	Size  int64  `json:"size,omitempty"` // of one that is not sealed: the file has at least so many bytes
}

// decodeState reads one copy. ok is false for one that does not fit its sum.
func decodeState(b []byte) (s state, gen uint64, ok bool, err error) {
	if len(b) < stateHead || binary.BigEndian.Uint32(b) != stateMagic {
		return s, 0, false, nil
	}
	n := binary.BigEndian.Uint32(b[8:])
	if int64(n) > int64(len(b)-stateHead) || crc32.Checksum(b[8:stateHead+n], castagn) != binary.BigEndian.Uint32(b[4:]) {
		return s, 0, false, nil
	}
	var v struct {
		Version int `json:"version"`
	}
	body := b[stateHead : stateHead+n]
	if err := model.Decode(body, &v); err == nil && v.Version > stateVersion {
		return s, 0, false, fault.New(fault.Version, "", "the Raft log was written in form %d, this program reads form %d; run the version that wrote it, or a newer one", v.Version, stateVersion)
	}
	if err := model.Decode(body, &s); err != nil {
		return s, 0, false, fault.New(fault.Corrupt, "", "the state of the Raft log does not decode: %w", err)
	}
	return s, binary.BigEndian.Uint64(b[12:]), true, s.check()
}

// check holds the state against its own rules.
func (s *state) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Corrupt, "", "the state of the Raft log makes no sense: %s", fmt.Sprintf(format, args...))
	}
	if s.Version != stateVersion || len(s.Segments) > MaxSegments+1 || len(s.Keys) > maxKeys {
		return bad("version %d, %d segments, %d keys", s.Version, len(s.Segments), len(s.Keys))
	}
	for i, seg := range s.Segments {
		open := i == len(s.Segments)-1 && seg.Last == 0
		switch {
		case seg.Base == 0 || seg.ID == 0 || seg.ID >= s.NextID:
			return bad("segment %d of %d, base %d", seg.ID, s.NextID, seg.Base)
		case open && (seg.End < 0 || seg.Index != 0), !open && (seg.Last < seg.Base || seg.Last-seg.Base >= maxSegment || seg.Index < headSize):
			return bad("segment %d from %d to %d, index at %d, end %d", seg.ID, seg.Base, seg.Last, seg.Index, seg.End)
		case i > 0 && seg.Base != s.Segments[i-1].Last+1:
			return bad("segment %d begins at %d, the one before it ends at %d", seg.ID, seg.Base, s.Segments[i-1].Last)
		case i == 0 && s.First < seg.Base && s.First != 0, i == 0 && !open && s.First > seg.Last:
			return bad("the log begins at %d, its first segment at %d", s.First, seg.Base)
		}
	}
	return nil
}

// readState reads the newer copy that can be read; none is false for a folder without a state.
func readState(dir string) (s state, gen uint64, found bool, err error) {
	f, err := os.Open(filepath.Join(dir, stateFile))
	if os.IsNotExist(err) {
		return s, 0, false, nil
	}
	if err != nil {
		return s, 0, false, fault.New(fault.ReadOnly, "", "%w", err)
	}
	defer f.Close()
	b := make([]byte, slotSize)
	for _, at := range []int64{0, slotSize} {
		n, err := f.ReadAt(b, at)
		if err != nil && err != io.EOF {
			return s, 0, false, fault.New(fault.ReadOnly, "", "%w", err)
		}
		one, g, ok, err := decodeState(b[:n])
		if err != nil {
			return s, 0, false, err
		}
		if ok && (!found || g > gen) {
			s, gen, found = one, g, true
		}
	}
	if !found {
		return s, 0, false, fault.New(fault.Corrupt, "", "neither copy of the state in %s can be read", f.Name())
	}
	return s, gen, true, nil
}

// putState makes what the log consists of durable. The caller holds writing.
func (l *Log) putState(segs []*segment, first uint64, keys map[string][]byte) error {
	s := state{Version: stateVersion, First: first, NextID: l.nextID, Keys: map[string]text{}}
	for k, v := range keys {
		s.Keys[k] = v
	}
	for _, g := range segs {
		one := segmentState{ID: g.id, Base: g.base, End: g.end, Size: g.size}
		if g.sealed {
			one.Last, one.Index, one.End, one.Size = g.last(), g.index, 0, 0
		}
		s.Segments = append(s.Segments, one)
	}
	body, err := model.Encode(s)
	if err != nil {
		return err
	}
	if len(body) > slotSize-stateHead {
		return fmt.Errorf("the state takes %d bytes of %d", len(body), slotSize)
	}
	l.gen++
	b := binary.BigEndian.AppendUint32(nil, stateMagic)
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	b = binary.BigEndian.AppendUint64(b, l.gen)
	b = append(b, body...)
	binary.BigEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagn))
	for _, at := range []int64{0, slotSize} {
		if _, err := l.state.WriteAt(b, at); err != nil {
			return err
		}
		if err := l.sync(l.state); err != nil {
			return err
		}
	}
	return nil
}

// Set stores a value of at most 1 KiB, durable when it returns: implements raft.StableStore.
func (l *Log) Set(key, val []byte) error {
	const op = "write beside the Raft log"
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.writable(); err != nil {
		return fault.Wrap(op, err)
	}
	if len(val) > maxValue || len(key) > maxValue {
		return fault.New(fault.TooLarge, op, "a value of %d bytes, the limit is %d", len(val), maxValue)
	}
	keys := maps.Clone(l.keys)
	keys[string(key)] = append([]byte{}, val...)
	if len(keys) > maxKeys {
		return fault.New(fault.TooLarge, op, "there are %d values already", maxKeys)
	}
	if err := l.putState(l.segs, l.first, keys); err != nil {
		return fault.Wrap(op, l.fail(err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = keys
	return nil
}

// Get returns a value; nil for none.
func (l *Log) Get(key []byte) ([]byte, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if v, ok := l.keys[string(key)]; ok {
		return append([]byte{}, v...), l.closed()
	}
	return nil, l.closed()
}

// SetUint64 is Set for a number.
func (l *Log) SetUint64(key []byte, val uint64) error {
	return l.Set(key, binary.BigEndian.AppendUint64(nil, val))
}

// GetUint64 returns a number; 0 for none.
func (l *Log) GetUint64(key []byte) (uint64, error) {
	v, err := l.Get(key)
	if err != nil || v == nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fault.New(fault.Corrupt, "read beside the Raft log", "%s is no number", key)
	}
	return binary.BigEndian.Uint64(v), nil
}
