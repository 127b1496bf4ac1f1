// Package wire is the form of everything that two nodes of a federation say to each other over one
// stream: frames, the bodies in them, and the history of their version.
//
// It owns the bytes (see DESIGN.md) and their bounds. It never dials, knows no TLS, keeps no state
// between frames and does not judge what a body means: who may say it and what follows is the
// business of sync/exchange, sync/hub, sync/uplink and sync/enroll.
package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Type says what the body of a frame is. Types are numbers on the wire: append, never reorder.
type Type uint8

// The frame types.
const (
	TypeHello    Type = 1  // Hello: first on the items stream, from the dialling side
	TypeWelcome  Type = 2  // Welcome: the accepting side's answer to Hello
	TypeItems    Type = 3  // Items: a run of items, either direction
	TypeAck      Type = 4  // Ack: how far the receiver durably holds
	TypeAsk      Type = 5  // Ask: first on a question stream, from the side that accepted the link
	TypeAnswer   Type = 6  // Chunk: a piece of the answer's JSON
	TypeEnd      Type = 7  // no body: the answer is whole, or the stream ends in good order
	TypeFault    Type = 8  // Fault: why the sender gives up; nothing follows
	TypePing     Type = 9  // no body: say something
	TypePong     Type = 10 // no body: the answer to Ping
	TypeEnroll   Type = 11 // Enroll: the only frame a newcomer sends
	TypeEnrolled Type = 12 // Enrolled: the answer to Enroll
	TypePart     Type = 13 // Part: a piece of one item that is too large for one run; from version 2
	TypeFetch    Type = 14 // Fetch: first on a stream of its own, from the side that dialled; from version 3
	TypeFetched  Type = 15 // Fetched: the answer to Fetch, before the Chunks of the file; from version 3
)

var typeNames = [...]string{
	"none", "hello", "welcome", "items", "ack", "ask", "answer", "end",
	"fault", "ping", "pong", "enroll", "enrolled", "part", "fetch", "fetched",
}

// String returns the lower-case name, for messages.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type_%d", uint8(t))
}

// Bounds of a frame's body, in bytes after expansion.
const (
	// MaxFrame bounds every frame: one item with the largest payload, and its envelope.
	MaxFrame = model.MaxPayload + 1<<20
	// MaxControl is enough for every frame that carries neither items nor a piece of an answer.
	MaxControl = 64 << 10
	// MaxChunk is the largest piece of an answer that a sender puts in one frame: on a thin line whatever
	// else is to be said waits for no more than that.
	MaxChunk = 32 << 10
)

const (
	headerLen    = 8
	flagZstd     = 1 << 0
	compressFrom = 256 // shorter bodies gain nothing
	readStep     = 64 << 10
)

// Chunk is a body that is sent as it is, without JSON around it: a piece of an answer.
type Chunk []byte

// AppendFrame appends a whole frame to dst. A nil body makes an empty one; a Chunk is taken as it is;
// a Part has its own form; anything else is encoded as JSON. The error is of kind TooLarge where the body exceeds MaxFrame.
func AppendFrame(dst []byte, t Type, body any) ([]byte, error) {
	var raw []byte
	switch b := body.(type) {
	case nil:
	case Chunk:
		raw = b
	case Part:
		raw = b.encode()
	default:
		var err error
		if raw, err = model.Encode(body); err != nil {
			return dst, fault.New(fault.Invalid, "", "encode a %s frame: %w", t, err)
		}
	}
	if len(raw) > MaxFrame {
		return dst, fault.New(fault.TooLarge, "", "a %s frame of %d bytes exceeds the bound of %d", t, len(raw), MaxFrame)
	}
	start := len(dst)
	dst = append(dst, byte(t), 0, 0, 0, 0, 0, 0, 0)
	if len(raw) >= compressFrom {
		dst = compress(dst, raw)
		if len(dst)-start-headerLen < len(raw) {
			dst[start+1] = flagZstd
		} else {
			dst = append(dst[:start+headerLen], raw...)
		}
	} else {
		dst = append(dst, raw...)
	}
	binary.BigEndian.PutUint32(dst[start+4:], uint32(len(dst)-start-headerLen))
	return dst, nil
}

// WriteFrame writes one frame in a single Write. See AppendFrame for the body.
func WriteFrame(w io.Writer, t Type, body any) error {
	buf, err := AppendFrame(nil, t, body)
	if err != nil {
		return err
	}
	if _, err := w.Write(buf); err != nil {
		return fault.New(fault.Unreachable, "", "write a %s frame: %w", t, err)
	}
	return nil
}

// ReadFrame reads one frame and returns its type and its expanded body, which the caller owns. max
// bounds the body in bytes, both as stored and as expanded; memory grows with the bytes that really
// arrive, whatever the header claims.
//
// The error is io.EOF, unwrapped, where the stream ends before a frame; Corrupt for bytes that are no
// frame; TooLarge beyond max; Version for a flag this version does not know; Unreachable for a
// failed read.
func ReadFrame(r io.Reader, max int) (Type, []byte, error) { return ReadFrameIn(r, max, nil) }

// expands is how much larger than its bytes on the line a packed body is taken for, before it is read.
const expands = 8

// ReadFrameIn is ReadFrame that asks for room before it reads a body, with about how many bytes that will have. The error of
// room is returned as it is, and the body stays on the line.
func ReadFrameIn(r io.Reader, max int, room func(n int) error) (Type, []byte, error) {
	var head [headerLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return 0, nil, io.EOF
		}
		return 0, nil, readError(err)
	}
	t, flags := Type(head[0]), head[1]
	n := int64(binary.BigEndian.Uint32(head[4:]))
	switch {
	case t == 0 || int(t) >= len(typeNames):
		return 0, nil, fault.New(fault.Corrupt, "", "frame type %d is not known: the other side does not speak this protocol, or a newer version of it", head[0])
	case flags&^flagZstd != 0:
		return 0, nil, fault.New(fault.Version, "", "a %s frame has the flags %#02x, which this version cannot read", t, flags)
	case head[2] != 0 || head[3] != 0:
		return 0, nil, fault.New(fault.Corrupt, "", "a %s frame has a damaged header", t)
	case n > int64(max):
		return 0, nil, fault.New(fault.TooLarge, "", "a %s frame of %d bytes exceeds the bound of %d", t, n, max)
	}
	if room != nil {
		size := n
		if flags&flagZstd != 0 {
			size = min(n*expands, int64(max))
		}
		if err := room(int(size)); err != nil {
			return 0, nil, err
		}
	}
	body, err := readBody(r, int(n))
	if err != nil {
		return 0, nil, readError(err)
	}
	if flags&flagZstd != 0 {
		if body, err = expand(body, max); err != nil {
			return 0, nil, fault.Wrap(fmt.Sprintf("expand a %s frame", t), err)
		}
	}
	return t, body, nil
}

// Expect reads one frame that must be of type want and returns its body. A fault frame becomes the
// error that it carries; another type is Corrupt.
func Expect(r io.Reader, want Type, max int) ([]byte, error) {
	t, body, err := ReadFrame(r, max)
	switch {
	case errors.Is(err, io.EOF):
		return nil, fault.New(fault.Unreachable, "", "the other side closed the stream where a %s frame was due", want)
	case err != nil:
		return nil, err
	case t == want:
		return body, nil
	case t == TypeFault:
		return nil, FaultError(body)
	}
	return nil, fault.New(fault.Corrupt, "", "got a %s frame where a %s frame was due", t, want)
}

// readBody reads n bytes without believing n: the buffer grows as they arrive.
func readBody(r io.Reader, n int) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if n <= readStep {
		body := make([]byte, n)
		_, err := io.ReadFull(r, body)
		return body, err
	}
	var buf bytes.Buffer
	buf.Grow(readStep)
	if _, err := io.CopyN(&buf, r, int64(n)); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.New(fault.Unreachable, "", "the stream was cut inside a frame")
	}
	return fault.New(fault.Unreachable, "", "read a frame: %w", err)
}
