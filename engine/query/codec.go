package query

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/skerryhq/skerry/engine/fault"
)

// The form of a cursor, before base64url without padding. Version 1 is the first.
//
//	+---------+-------+------+-------+--------+--------+------+----------+-------+
//	| version | field | part | flags | number | length | text | host id  | CRC32 |
//	| 1 byte  | 1     | 1    | 1     | varint | varint | n    | 16 bytes | 4     |
//	+---------+-------+------+-------+--------+--------+------+----------+-------+
//
// part is 0 or the place in parts, from 1. flags: 1 falling, 2 has a value. The sum (IEEE, big-endian) is of
// all before it; it finds what was cut or mistyped, and protects from nobody.
const (
	cursorVersion   = 1
	maxCursorBytes  = 4 + binary.MaxVarintLen64 + 3 + MaxCursorText + 16 + 4
	cursorDesc      = 1
	cursorKnown     = 2
	maxCursorLength = (maxCursorBytes*4 + 2) / 3
)

// String returns the cursor as one word for a URL; ParseCursor reads it.
func (c Cursor) String() string {
	s := c.Sort.Normal()
	flags := byte(0)
	if s.Desc {
		flags |= cursorDesc
	}
	if c.Known {
		flags |= cursorKnown
	}
	b := []byte{cursorVersion, byte(s.Field), byte(slices.Index(parts[:], s.Part) + 1), flags}
	b = binary.AppendVarint(b, c.Number)
	text := c.Text[:min(len(c.Text), MaxCursorText)]
	b = binary.AppendUvarint(b, uint64(len(text)))
	b = append(b, text...)
	b = append(b, c.ID[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor reads what String wrote, and nothing else: any other text is fault.Invalid, that of another
// version fault.Version.
func ParseCursor(text string) (Cursor, error) {
	const op = "read the cursor of a page"
	bad := fault.New(fault.Invalid, op, "this is no cursor, or not all of it: take next from the page before, or start with the first page")
	if len(text) > maxCursorLength {
		return Cursor{}, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 4+1+1+16+4 {
		return Cursor{}, bad
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.ChecksumIEEE(body) != sum {
		return Cursor{}, bad
	}
	if b[0] != cursorVersion {
		return Cursor{}, fault.New(fault.Version, op, "it is of version %d, and this server reads %d: start with the first page", b[0], cursorVersion)
	}
	var c Cursor
	c.Sort = Sort{Field: Field(body[1]), Desc: body[3]&cursorDesc != 0}
	if n := int(body[2]); n > len(parts) {
		return Cursor{}, bad
	} else if n > 0 {
		c.Sort.Part = parts[n-1]
	}
	c.Known = body[3]&cursorKnown != 0
	body = body[4:]
	number, n := binary.Varint(body)
	if n <= 0 {
		return Cursor{}, bad
	}
	c.Number, body = number, body[n:]
	size, n := binary.Uvarint(body)
	if n <= 0 || size > MaxCursorText || uint64(len(body)-n) != size+16 {
		return Cursor{}, bad
	}
	c.Text = string(body[n : n+int(size)])
	copy(c.ID[:], body[n+int(size):])
	if !c.Sort.sortable() || !c.Known && (c.Number != 0 || c.Text != "") || c.String() != text {
		return Cursor{}, bad
	}
	return c, nil
}

// For returns an error of kind fault.Invalid if c is not of the order s.
func (c Cursor) For(s Sort) error {
	if c.Sort.Normal() == s.Normal() {
		return nil
	}
	return fault.New(fault.Invalid, "read the cursor of a page", "it is of the order %s, and this search is in the order %s: start with the first page", c.Sort, s)
}
