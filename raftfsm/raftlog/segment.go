package raftlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// A segment is a file of a fixed size, which is all there from its beginning on:
//
//	head, 32 bytes   | magic 8 | id u64 | base u64 | crc u32 | 0 u32 |
//	records, each at a multiple of 8, without a gap
//	index, once the segment is sealed, at the place that the state names
//
// A record:
//
//	0     4        8      12        16      24     32   40    44     45    48
//	| crc | length | prev | durable | index | term | at | ext | type | 0 0 0 | data … | extensions … | 0 to a multiple of 8
//
// All numbers are big-endian. crc is CRC-32C over the rest of the head, data and extensions, begun with the id of the segment:
// a file is used again without being cleared, and what an earlier segment left in it must not read. length is of
// data and extensions, ext of the extensions alone. at is the time of AppendedAt in nanoseconds since 1970; 0 is no time.
//
// prev is the crc of the record before, so that what a torn write left behind the place where it tore is not
// taken for a continuation once other records stand there. durable is the offset at which the record's batch begins:
// everything before it was synced before the record was written. So the end of the log is where the first
// record does not read, if it tore; and if a record further on says that this place was durable, then it is damage.
//
// The index: | magic u32 | count u32 | crc u32 | count times: offset u32 |.

const (
	headSize   = 32
	recordHead = 48
	indexHead  = 12
	align      = 8
	indexMagic = 0x534b4958
)

var (
	headMagic = []byte("SKRLOG01")
	castagn   = crc32.MakeTable(crc32.Castagnoli)
)

// segment is one file of the log.
type segment struct {
	id, base uint64
	f        *os.File
	size     int64    // that records may fill
	seed     uint32   // what sums begin with
	end      int64    // where the next record goes
	crc      uint32   // of the last record; of an empty segment, its seed
	at       []uint32 // offset of each entry
	sealed   bool
	index    int64 // of a sealed segment: where its index stands
	indexEnd int64 // of one that was sealed since Open: where its index ends
}

func seedOf(id uint64) uint32 {
	return crc32.Checksum(binary.BigEndian.AppendUint64(nil, id), castagn)
}

func (s *segment) name() string { return fileName(s.id) }

// last returns the index of the last entry; base-1 for none.
func (s *segment) last() uint64 { return s.base + uint64(len(s.at)) - 1 }

func head(id, base uint64) []byte {
	b := append(make([]byte, 0, headSize), headMagic...)
	b = binary.BigEndian.AppendUint64(b, id)
	b = binary.BigEndian.AppendUint64(b, base)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagn))
	return append(b, 0, 0, 0, 0)
}

// recordSize returns the bytes that an entry takes in a segment.
func recordSize(e *raft.Log) int64 {
	return padded(recordHead + int64(len(e.Data)) + int64(len(e.Extensions)))
}

func padded(n int64) int64 { return (n + align - 1) &^ (align - 1) }

// appendRecord appends the record of e, whose batch begins at the end of s, behind one with the sum prev.
func (s *segment) appendRecord(b []byte, e *raft.Log, prev uint32) ([]byte, uint32) {
	from := len(b)
	at := int64(0)
	if !e.AppendedAt.IsZero() {
		at = e.AppendedAt.UnixNano()
	}
	b = append(b, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Data)+len(e.Extensions)))
	b = binary.BigEndian.AppendUint32(b, prev)
	b = binary.BigEndian.AppendUint32(b, uint32(s.end))
	b = binary.BigEndian.AppendUint64(b, e.Index)
	b = binary.BigEndian.AppendUint64(b, e.Term)
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.Extensions)))
	b = append(b, byte(e.Type), 0, 0, 0)
	b = append(b, e.Data...)
	b = append(b, e.Extensions...)
	crc := crc32.Update(s.seed, castagn, b[from+4:])
	binary.BigEndian.PutUint32(b[from:], crc)
	for (len(b)-from)%align != 0 {
		b = append(b, 0)
	}
	return b, crc
}

// record is a record that was read; data and extensions are part of what it was read from.
type record struct {
	crc, prev, durable uint32
	index, term        uint64
	at                 int64
	kind               byte
	data, extensions   []byte
}

var errRecord = errors.New("the record does not fit its sum")

// parse reads the record at the beginning of b, and returns how many bytes it takes.
func parse(b []byte, seed uint32) (r record, size int64, err error) {
	if len(b) < recordHead {
		return r, 0, errRecord
	}
	n, ext := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[40:])
	if n > MaxEntry || ext > n || recordHead+int(n) > len(b) || b[45]|b[46]|b[47] != 0 {
		return r, 0, errRecord
	}
	r.crc = binary.BigEndian.Uint32(b)
	body := b[4 : recordHead+int(n)]
	if crc32.Update(seed, castagn, body) != r.crc {
		return r, 0, errRecord
	}
	r.prev, r.durable = binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
	r.index, r.term = binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])
	r.at, r.kind = int64(binary.BigEndian.Uint64(b[32:])), b[44]
	cut := recordHead + int(n-ext)
	r.data, r.extensions = b[recordHead:cut:cut], b[cut:recordHead+int(n)]
	return r, padded(recordHead + int64(n)), nil
}

// read reads an entry that the segment holds.
func (s *segment) read(index uint64, out *raft.Log) error {
	n := index - s.base
	from, to := int64(s.at[n]), s.end
	if n+1 < uint64(len(s.at)) {
		to = int64(s.at[n+1])
	}
	if to <= from || to-from > padded(recordHead+MaxEntry) {
		return s.damaged(index, errRecord)
	}
	b := make([]byte, to-from)
	// The last record of a sealed segment that was cut ends earlier than this; that is for parse to find.
	if m, err := s.f.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
		return fault.New(fault.ReadOnly, "", "entry %d, %s: %w", index, s.name(), err)
	} else {
		b = b[:m]
	}
	r, _, err := parse(b, s.seed)
	if err != nil || r.index != index {
		return s.damaged(index, errRecord)
	}
	*out = raft.Log{Index: r.index, Term: r.term, Type: raft.LogType(r.kind), Data: r.data}
	if len(r.extensions) > 0 {
		out.Extensions = r.extensions
	}
	if r.at != 0 {
		out.AppendedAt = time.Unix(0, r.at)
	}
	return nil
}

func (s *segment) damaged(index uint64, why error) error {
	return fault.New(fault.Corrupt, "", "entry %d in %s is damaged (%w)", index, s.name(), why)
}

// scan finds the entries of an unsealed segment from its bytes. durable is an offset up to which the state knows
// that everything was synced. It fails with fault.Corrupt where acknowledged records do not read.
func (s *segment) scan(b []byte, durable int64) error {
	s.end, s.crc, s.at = headSize, s.seed, nil
	for {
		r, size, err := parse(b[min(s.end, int64(len(b))):], s.seed)
		if err != nil || r.prev != s.crc || r.index != s.base+uint64(len(s.at)) || int64(r.durable) > s.end {
			break
		}
		s.at = append(s.at, uint32(s.end))
		s.crc, s.end = r.crc, s.end+size
	}
	if s.end < durable || s.later(b) {
		return s.damaged(s.last()+1, errRecord)
	}
	return nil
}

// later reports whether a record behind the end was written after what stands at the end was durable.
func (s *segment) later(b []byte) bool {
	next := s.base + uint64(len(s.at))
	for from := s.end; from+recordHead <= int64(len(b)); from += align {
		h := b[from : from+recordHead]
		durable, index := int64(binary.BigEndian.Uint32(h[12:])), binary.BigEndian.Uint64(h[16:])
		if durable <= s.end || durable > from || index <= next || index-next > uint64(from-s.end) {
			continue
		}
		if _, _, err := parse(b[from:], s.seed); err == nil {
			return true
		}
	}
	return false
}

func (s *segment) appendIndex() []byte {
	b := binary.BigEndian.AppendUint32(nil, indexMagic)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.at)))
	b = append(b, 0, 0, 0, 0)
	for _, at := range s.at {
		b = binary.BigEndian.AppendUint32(b, at)
	}
	sum := crc32.Update(crc32.Update(s.seed, castagn, b[:8]), castagn, b[indexHead:])
	binary.BigEndian.PutUint32(b[8:], sum)
	return b
}

// readIndex takes the first n offsets of a sealed segment from the bytes of its index.
func (s *segment) readIndex(b []byte, n uint64) error {
	bad := fault.New(fault.Corrupt, "", "the index of %s is damaged", s.name())
	if len(b) < indexHead || binary.BigEndian.Uint32(b) != indexMagic {
		return bad
	}
	count := uint64(binary.BigEndian.Uint32(b[4:]))
	if count < n || n == 0 || uint64(len(b)-indexHead) < 4*count {
		return bad
	}
	list := b[indexHead : indexHead+4*count]
	if crc32.Update(crc32.Update(s.seed, castagn, b[:8]), castagn, list) != binary.BigEndian.Uint32(b[8:]) {
		return bad
	}
	s.at = make([]uint32, n)
	for i := range s.at {
		s.at[i] = binary.BigEndian.Uint32(list[4*i:])
	}
	// The end of the last one that is in the log.
	s.end = s.index
	if n < count {
		s.end = int64(binary.BigEndian.Uint32(list[4*n:]))
	}
	return nil
}

// checkHead compares the head of a file with what the state says.
func (s *segment) checkHead(b []byte) error {
	if !bytes.Equal(b, head(s.id, s.base)) {
		return fault.New(fault.Corrupt, "", "the head of %s is damaged", s.name())
	}
	return nil
}
