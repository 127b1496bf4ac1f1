package bundle

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/skerryhq/skerry/engine/fault"
)

// visit is called with each entry of a bundle, in order. What it leaves unread is skipped.
type visit func(name string, r io.Reader) error

// walk reads src from its start to its end as a bundle: exactly the entries of entryNames in that
// order, nothing behind them, and never more than the limits. Every error names what is wrong;
// its kind is Corrupt, TooLarge, Denied (no signature), or Other where src itself could not be read.
func walk(ctx context.Context, src io.ReadSeeker, lim Limits, fn visit) error {
	const op = "read bundle"
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return fault.New(fault.Other, op, "%w", err)
	}
	in := &source{ctx: ctx, r: src, most: lim.Compressed}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return fault.New(fault.Corrupt, op, "it is not a zstd file: %w", err)
	}
	defer z.Close()
	out := &expander{r: z, in: in, lim: lim}
	// Errors of the two counters pass through the decoders, which may dress them up; the counters know best.
	explain := func(err error) error {
		switch {
		case out.err != nil:
			return out.err
		case in.err != nil:
			return in.err
		case fault.KindOf(err) != fault.Other:
			return err
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fault.New(fault.Corrupt, op, "the file ends early: copy or download it again")
		}
		return fault.New(fault.Corrupt, op, "the file is damaged or no bundle: %w", err)
	}
	t := tar.NewReader(out)
	for i, want := range entryNames {
		h, err := t.Next()
		if err == io.EOF {
			if want == signatureName {
				return fault.New(fault.Denied, op, "the bundle is not signed: %s is missing", signatureName)
			}
			return fault.New(fault.Corrupt, op, "the entry %s is missing", want)
		}
		if err != nil {
			return explain(err)
		}
		if h.Name != want {
			return fault.New(fault.Corrupt, op, "entry %d is %q; a bundle has %q there", i+1, fault.Clip(h.Name, maxQuote), want)
		}
		// Sparse files and PAX records could make a reader see other bytes than another reader does.
		if h.Typeflag != tar.TypeReg || h.Format != tar.FormatUSTAR || len(h.PAXRecords) > 0 {
			return fault.New(fault.Corrupt, op, "the entry %s is not a plain USTAR file", want)
		}
		if err := fn(want, t); err != nil {
			return explain(err)
		}
	}
	if h, err := t.Next(); err == nil {
		return fault.New(fault.Corrupt, op, "there is an entry %q behind %s", fault.Clip(h.Name, maxQuote), signatureName)
	} else if err != io.EOF {
		return explain(err)
	}
	var rest [1]byte
	if n, err := io.ReadFull(out, rest[:]); n > 0 {
		return fault.New(fault.Corrupt, op, "there are bytes behind the last entry")
	} else if err != io.EOF {
		return explain(err)
	}
	return nil
}

// source counts and bounds the compressed bytes, and remembers why reading stopped.
type source struct {
	ctx  context.Context
	r    io.Reader
	n    int64
	most int64
	err  error
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	switch {
	case s.n > s.most:
		s.err = fault.New(fault.TooLarge, "read bundle", "the file has more than %d bytes", s.most)
		return 0, s.err
	case err != nil && err != io.EOF:
		s.err = fault.New(fault.Other, "read bundle", "%w", err)
		return n, s.err
	}
	return n, err
}

// expander counts and bounds what comes out of the decompressor; its own limits do not hold for streams.
type expander struct {
	r   io.Reader
	in  *source
	lim Limits
	n   int64
	err error
}

func (e *expander) Read(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	n, err := e.r.Read(p)
	e.n += int64(n)
	switch {
	case e.n > e.lim.Expanded:
		e.err = fault.New(fault.TooLarge, "read bundle", "the bundle expands to more than %d bytes", e.lim.Expanded)
	case e.n > ratioFree && e.n-ratioFree > e.in.n*e.lim.Ratio:
		e.err = fault.New(fault.TooLarge, "read bundle", "the bundle expands to more than %d times its size", e.lim.Ratio)
	default:
		return n, err
	}
	return 0, e.err
}

// seen is what the first pass learns of a bundle without believing any of it.
type seen struct {
	manifest []byte
	parts    []Part // as they really are
	envelope []byte
}

// scan is the first pass: every byte is read, counted and hashed, nothing is parsed. What it learned
// until an error is returned with it.
func scan(ctx context.Context, src io.ReadSeeker, lim Limits) (seen, error) {
	var s seen
	err := walk(ctx, src, lim, func(name string, r io.Reader) (err error) {
		switch name {
		case manifestName:
			s.manifest, err = short(r, name, lim.Manifest)
		case signatureName:
			s.envelope, err = short(r, name, lim.Signature)
		default:
			p := Part{Name: name}
			sum := newHashing(r)
			err = lines(sum, name, lim.Line, func(n int, line []byte) error {
				p.Lines = n
				p.Size += int64(len(line)) + 1
				return nil
			})
			p.SHA256 = sum.hex()
			s.parts = append(s.parts, p)
		}
		return err
	})
	return s, err
}

// short reads a whole entry of at most most bytes.
func short(r io.Reader, name string, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if b == nil {
		b = []byte{} // nil says that the entry was not reached
	}
	if int64(len(b)) > most {
		return nil, fault.New(fault.TooLarge, "read bundle", "%s has more than %d bytes", name, most)
	}
	return b, nil
}

// hashing hashes what is read through it.
type hashing struct {
	r io.Reader
	h hash.Hash
}

func newHashing(r io.Reader) *hashing { return &hashing{r: r, h: sha256.New()} }

func (h *hashing) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.h.Write(p[:n])
	return n, err
}

func (h *hashing) hex() string { return hex.EncodeToString(h.h.Sum(nil)) }
