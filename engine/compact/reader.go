package compact

import "encoding/binary"

// Reader reads the parts of a value one after the other. The first that does not fit latches: all that
// follow are empty, and OK says so.
type Reader struct {
	s   string // what is still to be read
	bad bool
}

// NewReader returns a reader of s; the texts that it returns are parts of s.
func NewReader(s string) Reader { return Reader{s: s} }

// OK reports whether everything fitted and nothing is left.
func (r *Reader) OK() bool { return !r.bad && r.s == "" }

// Len returns how many bytes are left.
func (r *Reader) Len() int { return len(r.s) }

// Fail latches: what was read cannot be.
func (r *Reader) Fail() { r.bad, r.s = true, "" }

// Uvarint reads a varint.
func (r *Reader) Uvarint() uint64 {
	if len(r.s) > 0 && r.s[0] < 0x80 { // nearly always
		n := uint64(r.s[0])
		r.s = r.s[1:]
		return n
	}
	var n uint64
	for i := range min(len(r.s), binary.MaxVarintLen64) {
		c := r.s[i]
		if c < 0x80 {
			if i == binary.MaxVarintLen64-1 && c > 1 {
				break
			}
			r.s = r.s[i+1:]
			return n | uint64(c)<<(7*i)
		}
		n |= uint64(c&0x7F) << (7 * i)
	}
	r.Fail()
	return 0
}

// Varint reads a zigzag varint.
func (r *Reader) Varint() int64 {
	n := r.Uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

// Bytes returns the next n bytes, or "" where there are fewer.
func (r *Reader) Bytes(n int) string {
	if n < 0 || n > len(r.s) {
		r.Fail()
		return ""
	}
	b := r.s[:n]
	r.s = r.s[n:]
	return b
}

// Text reads a text with its length.
func (r *Reader) Text() string {
	n := r.Uvarint()
	if n > uint64(len(r.s)) {
		r.Fail()
		return ""
	}
	return r.Bytes(int(n))
}
