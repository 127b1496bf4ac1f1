package wire

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/skerryhq/skerry/engine/fault"
)

// The encoder and the decoders are made when the program starts and not on first use: they hold
// channels, and a channel that was made inside a test's bubble of fake time cannot be used outside it.
var (
	encoder = newEncoder()
	spare   = newDecoders(8)
)

// newEncoder returns an encoder whose EncodeAll may be called by many goroutines; it starts none.
func newEncoder() *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20),
		zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(min(4, runtime.GOMAXPROCS(0))))
	if err != nil {
		panic("wire: zstd options: " + err.Error()) // constants, which any test would find to be wrong
	}
	e.EncodeAll([]byte{0}, nil) // the channels are made on first use
	return e
}

func compress(dst, raw []byte) []byte { return encoder.EncodeAll(raw, dst) }

// decoders keeps a few for reuse. With a concurrency of one they run no goroutine and need no Close.
type decoders struct {
	mu   sync.Mutex // guards free
	free []*zstd.Decoder
}

func newDecoder() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		panic("wire: zstd options: " + err.Error())
	}
	return d
}

func newDecoders(n int) *decoders {
	d := &decoders{}
	for range n {
		d.free = append(d.free, newDecoder())
	}
	return d
}

// take returns a decoder, and how to give it back: one that had to be made is not kept.
func (d *decoders) take() (*zstd.Decoder, func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.free)
	if n == 0 {
		return newDecoder(), func() {}
	}
	z := d.free[n-1]
	d.free = d.free[:n-1]
	return z, func() {
		_ = z.Reset(nil) // lets go of the input; it can only fail with one
		d.mu.Lock()
		defer d.mu.Unlock()
		d.free = append(d.free, z)
	}
}

// expand returns what body expands to, at most max bytes. The output is counted here because the
// decoder's own memory bound does not bound a stream.
func expand(body []byte, max int) ([]byte, error) {
	d, give := spare.take()
	defer give()
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
