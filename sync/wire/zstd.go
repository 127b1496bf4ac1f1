package wire

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/fault"
)

// encoder is shared: EncodeAll may be called by many goroutines at once and starts none.
var encoder = sync.OnceValue(func() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20), zstd.WithEncoderCRC(false))
	if err != nil {
		panic("wire: zstd options: " + err.Error()) // constant options; cannot fail once tested
	}
	return e
})

// decoders are kept for reuse; with a concurrency of one they run no goroutine and need no Close.
var decoders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		panic("wire: zstd options: " + err.Error())
	}
	return d
}}

func compress(dst, raw []byte) []byte { return encoder().EncodeAll(raw, dst) }

// expand returns what body expands to, at most max bytes. The output is counted here because the
// decoder's own memory bound does not bound a stream.
func expand(body []byte, max int) ([]byte, error) {
	d := decoders.Get().(*zstd.Decoder)
	defer func() {
		_ = d.Reset(nil) // lets go of body; only Reset with a reader can fail
		decoders.Put(d)
	}()
	if err := d.Reset(bytes.NewReader(body)); err != nil {
		return nil, fault.New(fault.Corrupt, "", "the body is not zstd: %w", err)
	}
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(d, int64(max)+1))
	switch {
	case n > int64(max) || errors.Is(err, zstd.ErrWindowSizeExceeded):
		return nil, fault.New(fault.TooLarge, "", "%d bytes expand beyond the bound of %d", len(body), max)
	case err != nil:
		return nil, fault.New(fault.Corrupt, "", "the body is damaged zstd: %w", err)
	}
	return out.Bytes(), nil
}
