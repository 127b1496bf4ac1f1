package link

import "encoding/binary"

// records knows where the records of TLS begin and end in what is read of a connection. TLS reads as much as its buffer
// has room for, and makes the buffer twice as large wherever a part of the next record came with the one that it wanted. It never
// gives it back: of ten thousand links each held some 10 KB for nothing. Read by read record, the buffer stays as large as
// the largest one needs.
type records struct {
	head [5]byte // type, version, length
	have int     // bytes of head
	rest int     // of the record whose head was read, bytes to come
}

// next returns how many bytes of at most n to read: no more than to the end of the head or the record.
func (r *records) next(n int) int {
	if r.rest > 0 {
		return min(n, r.rest)
	}
	return min(n, len(r.head)-r.have)
}

// read takes in what was read.
func (r *records) read(p []byte) {
	for len(p) > 0 {
		if r.rest > 0 {
			n := min(len(p), r.rest)
			p, r.rest = p[n:], r.rest-n
			continue
		}
		n := copy(r.head[r.have:], p)
		p, r.have = p[n:], r.have+n
		if r.have == len(r.head) {
			r.have, r.rest = 0, int(binary.BigEndian.Uint16(r.head[3:]))
		}
	}
}
