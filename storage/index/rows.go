package index

import (
	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/compact"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// A value is a version byte and the row:
//
//	+----+----------------------+      +----+-----------------------------+
//	| 01 | JSON of model.Encode |  or  | 02 | zstd frame of the same JSON |
//	+----+----------------------+      +----+-----------------------------+
//
// 03 begins a host (engine/compact), 04 the row of counts or the slot of a trend.
const (
	formJSON = 1
	formZstd = 2
)

const (
	maxRow      = 64 << 20 // bytes of one row's JSON
	compressRow = 4 << 10  // bytes of JSON from which a row that may be compressed is
	rowWindow   = 1 << 20  // bytes that the compression looks back; it keeps twice as many in memory for ever, and few rows are larger
)

// rowCodec writes and reads values. It is safe for concurrent use.
type rowCodec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

func newRowCodec() (*rowCodec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(rowWindow))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(maxRow))
	if err != nil {
		return nil, err
	}
	return &rowCodec{enc: enc, dec: dec}, nil
}

// encode returns the value of row; large rows are compressed where compress says so.
func (c *rowCodec) encode(row any, compress bool) ([]byte, error) {
	b, err := model.Encode(row)
	if err != nil {
		return nil, fault.New(fault.Invalid, "encode row", "%w", err)
	}
	if len(b) > maxRow {
		return nil, fault.New(fault.TooLarge, "encode row", "the row has %d bytes; the limit is %d", len(b), maxRow)
	}
	return c.pack(b, compress), nil
}

// pack returns the value of a row whose JSON is b.
func (c *rowCodec) pack(b []byte, compress bool) []byte {
	if compress && len(b) >= compressRow {
		return c.enc.EncodeAll(b, append(make([]byte, 0, len(b)/4), formZstd))
	}
	return append(append(make([]byte, 0, 1+len(b)), formJSON), b...)
}

// json returns the JSON of a value; it may alias v.
func (c *rowCodec) json(v []byte) ([]byte, error) {
	if len(v) == 0 {
		return nil, fault.New(fault.Corrupt, "", "the value is empty")
	}
	switch v[0] {
	case formJSON:
		return v[1:], nil
	case formZstd:
		b, err := c.dec.DecodeAll(v[1:], nil)
		if err != nil {
			return nil, fault.New(fault.Corrupt, "", "the value does not decompress: %w", err)
		}
		return b, nil
	}
	return nil, fault.New(fault.Corrupt, "", "the value has unknown form %d", v[0])
}

// decode reads the row that encode wrote.
func (c *rowCodec) decode(v []byte, row any) error {
	b, err := c.json(v)
	if err != nil {
		return err
	}
	if err := model.Decode(b, row); err != nil {
		return fault.New(fault.Corrupt, "", "the value does not decode: %w", err)
	}
	return nil
}

// readHost reads the row of the host id, in the form of engine/compact or in the JSON of schema 1. A row in
// JSON brings its beat along, one in compact form has none yet.
func (c *rowCodec) readHost(v []byte, id model.HostID, h *model.Host) error {
	if len(v) > 0 && v[0] == compact.FormHost {
		return compact.ReadHost(v, id, h)
	}
	*h = model.Host{}
	if err := c.decode(v, h); err != nil {
		return err
	}
	if h.ID != id {
		return fault.New(fault.Corrupt, "", "it holds the row of host %s", h.ID)
	}
	return nil
}
