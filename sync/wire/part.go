package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"math"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Part is a piece of one item that is too large for one run. The pieces together are the JSON of the item;
// they come in order, with nothing else of the same sender's items between them. A receiver keeps what it has
// when the link breaks and says so in its next Hello or Welcome (Begun), and the sender goes on there.
//
//	 0         8         16        24        32        64
//	+---------+---------+---------+---------+---------+---------+
//	| epoch   | seq     | size    | offset  | digest  | bytes   |
//	+---------+---------+---------+---------+---------+---------+
//
// Numbers are big-endian. Size is of the whole item in bytes, digest the SHA-256 of it, offset where the bytes
// belong. There is at least one byte, and none beyond size.
type Part struct {
	Begun        // what the item is, and how much of it came before this piece
	Bytes []byte // at most MaxPart
}

// Begun is the first bytes of one item in parts.
type Begun struct {
	Epoch  model.Epoch `json:"epoch"`
	Seq    model.Seq   `json:"seq"`
	Size   int         `json:"size"`   // of the whole item's JSON, at most MaxFrame
	Digest Digest      `json:"digest"` // of the whole item's JSON
	Have   int         `json:"have"`   // bytes from its beginning
}

// Digest is a SHA-256.
type Digest [sha256.Size]byte

// MaxPart is the most bytes of an item that one part has.
const MaxPart = 256 << 10

const partHead = 64

// Same reports whether both are of one item with the same bytes.
func (b Begun) Same(c Begun) bool {
	return b.Epoch == c.Epoch && b.Seq == c.Seq && b.Size == c.Size && b.Digest == c.Digest
}

func (b *Begun) check() error {
	switch {
	case b.Epoch == 0 || b.Seq == 0:
		return fault.New(fault.Corrupt, "", "parts of an item without a number")
	case b.Size < 1 || b.Size > MaxFrame:
		return fault.New(fault.TooLarge, "", "item %d in parts has %d bytes; it may have 1 to %d", b.Seq, b.Size, MaxFrame)
	case b.Have < 0 || b.Have > b.Size:
		return fault.New(fault.Corrupt, "", "%d bytes of item %d, which has %d", b.Have, b.Seq, b.Size)
	}
	return nil
}

func (p Part) encode() []byte {
	out := make([]byte, 0, partHead+len(p.Bytes))
	for _, n := range []uint64{uint64(p.Epoch), uint64(p.Seq), uint64(p.Size), uint64(p.Have)} {
		out = binary.BigEndian.AppendUint64(out, n)
	}
	return append(append(out, p.Digest[:]...), p.Bytes...)
}

// DecodePart reads the body of a part frame; Bytes are a part of it. The error is Corrupt for what is no such
// body, TooLarge where a bound is exceeded.
func DecodePart(body []byte) (Part, error) {
	const op = "decode a part"
	if len(body) <= partHead {
		return Part{}, fault.New(fault.Corrupt, op, "it has %d bytes; %d is the least", len(body), partHead+1)
	}
	at := func(i int) uint64 { return binary.BigEndian.Uint64(body[8*i:]) }
	if at(2) > MaxFrame || at(3) > MaxFrame {
		return Part{}, fault.New(fault.TooLarge, op, "an item of %d bytes, the bound is %d", max(at(2), at(3)), MaxFrame)
	}
	if at(0) > math.MaxUint32 {
		return Part{}, fault.New(fault.Corrupt, op, "%d is no epoch", at(0))
	}
	p := Part{
		Begun: Begun{Epoch: model.Epoch(at(0)), Seq: model.Seq(at(1)), Size: int(at(2)), Have: int(at(3)), Digest: Digest(body[32:partHead])},
		Bytes: body[partHead:],
	}
	if err := p.check(); err != nil {
		return Part{}, fault.Wrap(op, err)
	}
	switch {
	case len(p.Bytes) > MaxPart:
		return Part{}, fault.New(fault.TooLarge, op, "it has %d bytes of an item; the bound is %d", len(p.Bytes), MaxPart)
	case len(p.Bytes) > p.Size-p.Have:
		return Part{}, fault.New(fault.Corrupt, op, "%d bytes at %d exceed item %d, which has %d", len(p.Bytes), p.Have, p.Seq, p.Size)
	}
	return p, nil
}

// Begin returns the JSON of an item for sending it in parts, and what it is to be called: with nothing sent yet.
func Begin(epoch model.Epoch, it model.Item) ([]byte, Begun, error) {
	raw, err := model.Encode(it)
	if err != nil {
		return nil, Begun{}, fault.New(fault.Invalid, "", "encode item %d: %w", it.Seq, err)
	}
	b := Begun{Epoch: epoch, Seq: it.Seq, Size: len(raw), Digest: sha256.Sum256(raw)}
	return raw, b, b.check()
}

// Whole returns the run of one item whose parts together are raw. The error is Corrupt where raw is not what
// the parts called it.
func (b Begun) Whole(raw []byte) (Items, error) {
	const op = "join the parts of an item"
	if len(raw) != b.Size || sha256.Sum256(raw) != b.Digest {
		return Items{}, fault.New(fault.Corrupt, op, "what came is not item %d as it was announced", b.Seq)
	}
	var it model.Item
	if err := model.Decode(raw, &it); err != nil {
		return Items{}, fault.New(fault.Corrupt, op, "%w", err)
	}
	if it.Seq != b.Seq {
		return Items{}, fault.New(fault.Corrupt, op, "item %d came under the number %d", it.Seq, b.Seq)
	}
	r := Items{Epoch: b.Epoch, Through: b.Seq, Items: []model.Item{it}}
	return r, fault.Wrap(op, r.check())
}
