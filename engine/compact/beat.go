package compact

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// A beat is 13 bytes, or longer where it holds what no program of ours writes:
//
//	+--------+-------------+-------------+      +----+---------------------+----------------------+-------------+
//	| status | at, 6 bytes | seen, 6 b.  |  or  | 80 | at as zigzag varint | seen, zigzag varint  | status text |
//	+--------+-------------+-------------+      +----+---------------------+----------------------+-------------+
//
// Status is 1 unknown, 2 up, 3 late, 4 down, 5 empty; times are milliseconds since 1970, big-endian.
const (
	beatLength = 13
	beatLong   = 0x80
)

var beatStatus = [...]model.HostStatus{1: model.HostUnknown, 2: model.HostUp, 3: model.HostLate, 4: model.HostDown, 5: ""}

// AppendBeat appends t to b.
func AppendBeat(b []byte, t model.HostBeat) []byte {
	code := byte(0)
	for i, s := range beatStatus {
		if i > 0 && s == t.Status {
			code = byte(i)
		}
	}
	if code == 0 || uint64(t.StatusAt)>>48 != 0 || uint64(t.LastSeen)>>48 != 0 {
		b = binary.AppendVarint(append(b, beatLong), int64(t.StatusAt))
		b = binary.AppendVarint(b, int64(t.LastSeen))
		return append(b, t.Status...)
	}
	b = append(b, code)
	b = appendSix(b, uint64(t.StatusAt))
	return appendSix(b, uint64(t.LastSeen))
}

func appendSix(b []byte, n uint64) []byte {
	return append(b, byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func six(b []byte) model.Time {
	return model.Time(uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:])))
}

// ReadBeat reads what AppendBeat wrote; everything else has kind fault.Corrupt.
func ReadBeat(v []byte) (t model.HostBeat, err error) {
	if len(v) == beatLength && v[0] >= 1 && int(v[0]) < len(beatStatus) {
		return model.HostBeat{Status: beatStatus[v[0]], StatusAt: six(v[1:]), LastSeen: six(v[7:])}, nil
	}
	if len(v) > 0 && v[0] == beatLong {
		r := Reader{s: string(v[1:])}
		t.StatusAt, t.LastSeen = model.Time(r.Varint()), model.Time(r.Varint())
		t.Status = model.HostStatus(r.s)
		if !r.bad && utf8.ValidString(r.s) {
			return t, nil
		}
	}
	return model.HostBeat{}, fault.New(fault.Corrupt, "", "%d bytes are not the beat of a host", len(v))
}
