package key

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
)

// Text, as FormText, keeps the order of the texts:
//
//	+--------------------------------+------+------+
//	| bytes, each 00 written as 00 FF |  00  |  01  |
//	+--------------------------------+------+------+
//
// No text is a prefix of another, so what follows it never takes part in the comparison of two
// different texts.
const (
	escape     = 0x00
	escapedNul = 0xFF
	terminator = 0x01
)

func appendText(b []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, escape)
		if i < 0 {
			return append(append(b, s...), escape, terminator)
		}
		b = append(append(b, s[:i]...), escape, escapedNul)
		s = s[i+1:]
	}
}

func start(s Space, room int) []byte { return append(make([]byte, 0, 1+room), byte(s)) }

func appendNumber(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

func appendShort(b []byte, n uint16) []byte { return binary.BigEndian.AppendUint16(b, n) }

// After returns the smallest key that is greater than every key with the given prefix. The prefix must
// not be all 0xFF; no keyspace has that byte.
func After(prefix []byte) []byte {
	b := append([]byte(nil), prefix...)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0xFF {
			b[i]++
			return b[:i+1]
		}
	}
	return nil
}

// Prefix returns what every key of the keyspace starts with.
func (s Space) Prefix() []byte { return []byte{byte(s)} }

// cursor reads the parts of one key; the first part that does not fit latches the error.
type cursor struct {
	key  []byte
	rest []byte
	bad  string
}

func read(s Space, k []byte) *cursor {
	c := &cursor{key: k, rest: k}
	if len(k) == 0 || k[0] != byte(s) {
		c.bad = "not of keyspace " + s.String()
		return c
	}
	c.rest = k[1:]
	return c
}

func (c *cursor) id() (id [16]byte) {
	if c.bad == "" && len(c.rest) < len(id) {
		c.bad = "too short for an id"
	}
	if c.bad != "" {
		return id
	}
	copy(id[:], c.rest)
	c.rest = c.rest[len(id):]
	return id
}

func (c *cursor) number() uint64 {
	if c.bad == "" && len(c.rest) < 8 {
		c.bad = "too short for a number"
	}
	if c.bad != "" {
		return 0
	}
	n := binary.BigEndian.Uint64(c.rest)
	c.rest = c.rest[8:]
	return n
}

func (c *cursor) short() uint16 {
	if c.bad == "" && len(c.rest) < 2 {
		c.bad = "too short for a number"
	}
	if c.bad != "" {
		return 0
	}
	n := binary.BigEndian.Uint16(c.rest)
	c.rest = c.rest[2:]
	return n
}

func (c *cursor) one() byte {
	if c.bad == "" && len(c.rest) < 1 {
		c.bad = "too short for a byte"
	}
	if c.bad != "" {
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b
}

func (c *cursor) text() string {
	if c.bad != "" {
		return ""
	}
	var s strings.Builder
	for i := 0; i < len(c.rest); i++ {
		if c.rest[i] != escape {
			continue
		}
		s.Write(c.rest[:i])
		if i+1 == len(c.rest) {
			break
		}
		switch c.rest[i+1] {
		case terminator:
			c.rest = c.rest[i+2:]
			return s.String()
		case escapedNul:
			s.WriteByte(0)
			c.rest, i = c.rest[i+2:], -1
			continue
		}
		c.bad = "text with an unknown escape"
		return ""
	}
	c.bad = "text without an end"
	return ""
}

// done returns the error of the whole key: a part that did not fit, or bytes left over.
func (c *cursor) done() error {
	if c.bad == "" && len(c.rest) != 0 {
		c.bad = "bytes after the last part"
	}
	if c.bad == "" {
		return nil
	}
	k := c.key
	if len(k) > 64 {
		k = k[:64]
	}
	return fault.New(fault.Corrupt, "read key", "%x: %s; restore this folder from a snapshot", k, c.bad)
}

// Describe returns the key as text for people, as in task/0190…/0190…; a key that does not
// decode is shown in hexadecimal.
func Describe(k []byte) string {
	for _, e := range Table() {
		if len(k) == 0 || k[0] != byte(e.Space) {
			continue
		}
		parts, err := split(e, k)
		if err != nil {
			break
		}
		return e.Name + "/" + strings.Join(parts, "/")
	}
	return hex.EncodeToString(k)
}

// split reads the parts of a key as the table says they are.
func split(e Entry, k []byte) ([]string, error) {
	c := read(e.Space, k)
	var parts []string
	for _, p := range e.Parts {
		switch p.Form {
		case FormByte:
			parts = append(parts, hexByte(c.one()))
		case FormID:
			id := c.id()
			parts = append(parts, hex.EncodeToString(id[:]))
		case FormNumber:
			parts = append(parts, fmt.Sprint(c.number()))
		case FormText:
			parts = append(parts, c.text())
		case FormShort:
			parts = append(parts, fmt.Sprint(c.short()))
		}
	}
	return parts, c.done()
}

func hexByte(b byte) string { return hex.EncodeToString([]byte{b}) }
