package peer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
)

// The form of what is said on a stream; DESIGN.md has the bytes.
const (
	version  = 1
	headLen  = 12
	pieceLen = 4
	maxPiece = 64 << 10
	maxText  = 4096 // bytes of a fault's text
	maxTime  = time.Hour
)

// kind says what the opener of a stream wants.
type kind uint8

const (
	kindCall   kind = 1 // one answer
	kindStream kind = 2 // bytes both ways
	kindBeat   kind = 3 // beats both ways, for as long as the session lives
)

// head begins a stream.
type head struct {
	kind  kind
	route string
	// wait is how long the asker waits for the answer; 0 where there is no limit.
	wait time.Duration
	size int // bytes of the body that follows
}

// appendHead appends the head with its route; the body goes behind it.
func appendHead(b []byte, h head) ([]byte, error) {
	switch {
	case !goodRoute(h.route):
		return nil, fault.New(fault.Invalid, "", "%q cannot be a route", fault.Clip(h.route, MaxRoute))
	case h.size > MaxBody:
		return nil, fault.New(fault.TooLarge, "", "the body has %d bytes; the limit is %d", h.size, MaxBody)
	}
	ms := min(h.wait, maxTime) / time.Millisecond
	if h.wait > 0 && ms == 0 {
		ms = 1
	}
	b = append(b, version, byte(h.kind))
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.route)))
	b = binary.BigEndian.AppendUint32(b, uint32(ms))
	b = binary.BigEndian.AppendUint32(b, uint32(h.size))
	return append(b, h.route...), nil
}

// readHead reads a head; its body is left in r. The error is Version for a newer form, Corrupt for what is
// no head, TooLarge beyond the bounds, Unreachable for a failed read.
func readHead(r io.Reader) (head, error) {
	var b [headLen]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return head{}, cut(err)
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	h := head{
		kind: kind(b[1]), wait: time.Duration(binary.BigEndian.Uint32(b[4:])) * time.Millisecond,
		size: int(min(binary.BigEndian.Uint32(b[8:]), MaxBody+1)),
	}
	switch {
	case b[0] == 0:
		return head{}, fault.New(fault.Corrupt, "", "this is no question between controllers")
	case b[0] > version || h.kind > kindBeat:
		return head{}, fault.New(fault.Version, "", "the question has version %d and kind %d, and this node reads version %d: upgrade this node", b[0], b[1], version)
	case h.kind == 0 || n == 0 || n > MaxRoute || h.wait > maxTime:
		return head{}, fault.New(fault.Corrupt, "", "the head of a question is damaged")
	case h.size > MaxBody:
		return head{}, fault.New(fault.TooLarge, "", "the body exceeds the limit of %d bytes", MaxBody)
	}
	name := make([]byte, n)
	if _, err := io.ReadFull(r, name); err != nil {
		return head{}, cut(err)
	}
	if h.route = string(name); !goodRoute(h.route) {
		return head{}, fault.New(fault.Corrupt, "", "%q is no route", fault.Printable(strings.ToValidUTF8(h.route, "?")))
	}
	return h, nil
}

// readBody reads n bytes without believing n: memory grows as they arrive.
func readBody(r io.Reader, n int) ([]byte, error) {
	if n <= largeBody {
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, cut(err)
		}
		return b, nil
	}
	var buf bytes.Buffer
	buf.Grow(largeBody)
	if _, err := io.CopyN(&buf, r, int64(n)); err != nil {
		return nil, cut(err)
	}
	return buf.Bytes(), nil
}

// pieceType says what a piece of an answer or a stream is.
type pieceType uint8

const (
	pieceData  pieceType = 1 // 1 to 64 KiB
	pieceEnd   pieceType = 2 // nothing follows in this direction
	pieceFault pieceType = 3 // the kind and text of an error; nothing follows
	pieceOpen  pieceType = 4 // the stream is being served
	pieceBeat  pieceType = 5
)

// appendPiece appends a piece with its bytes.
func appendPiece(b []byte, t pieceType, data []byte) []byte {
	return append(append(b, byte(t), byte(len(data)>>16), byte(len(data)>>8), byte(len(data))), data...)
}

// parsePiece reads the head of a piece: its type and how many bytes follow.
func parsePiece(b [pieceLen]byte) (pieceType, int, error) {
	t, n := pieceType(b[0]), int(b[1])<<16|int(b[2])<<8|int(b[3])
	ok := false
	switch t {
	case pieceData:
		ok = n >= 1 && n <= maxPiece
	case pieceFault:
		ok = n >= 1 && n <= 1+maxText
	case pieceEnd, pieceOpen, pieceBeat:
		ok = n == 0
	}
	if !ok {
		return 0, 0, fault.New(fault.Corrupt, "", "a piece of type %d with %d bytes is not known", b[0], n)
	}
	return t, n, nil
}

// appendFault appends the piece that carries err.
func appendFault(b []byte, err error) []byte {
	text := strings.ToValidUTF8(err.Error(), "?")
	for len(text) > maxText {
		_, n := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-n]
	}
	return appendPiece(b, pieceFault, append([]byte{byte(fault.KindOf(err))}, text...))
}

// parseFault returns the error that a fault's bytes carry. The text is foreign: what could disturb a
// terminal is taken out.
func parseFault(b []byte) error {
	text := strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, strings.ToValidUTF8(string(b[1:]), "?"))
	if text == "" {
		text = "the other controller gave no reason"
	}
	return &fault.Error{Kind: fault.Kind(b[0]), Err: errors.New(text)}
}

// cut is the error of a read that ended too early, or failed.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Unreachable, "", "the stream was cut")
	}
	return fault.New(fault.Unreachable, "", "%w", err)
}
