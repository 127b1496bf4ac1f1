package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"github.com/skerryhq/skerry/engine/fault"
)

// visit is called with each entry of a bundle, in order. What it leaves unread is skipped.
type visit func(name string, r io.Reader) error

// walk reads src from its start to its end as a bundle: exactly the entries of entryNames in that
// order, nothing behind them, and never more than the limits. Src is a zstd file of a tar stream, or that stream itself;
// the seal, where it is not nil, learns which, and whether it holds. Every error names what is wrong;
// its kind is Corrupt, TooLarge, Denied (no signature), or Other where src itself could not be read.
func walk(ctx context.Context, src io.ReadSeeker, lim Limits, s *seal, fn visit) error {
	const op = "read bundle"
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return fault.New(fault.Other, op, "%w", err)
	}
	in := &source{ctx: ctx, r: src, most: lim.Compressed}
	var head [block]byte
	n, err := io.ReadFull(in, head[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return in.explain(err)
	}
	out := &expander{in: in, lim: lim}
	tarred := n == block && string(head[257:262]) == "ustar"
	if in.err == nil && n > 0 && !tarred && !zstdHead(head[:n]) {
		return fault.New(fault.Corrupt, op, "%s", foreign(head[:n]))
	}
	if tarred {
		in.most = lim.Expanded
		out.r = io.MultiReader(bytes.NewReader(head[:]), in)
		if s != nil {
			s.plain = true
		}
	} else {
		if s != nil {
			s.add(head[:n])
			in.seal = s
		}
		in.out = out
		z, err := zstd.NewReader(io.MultiReader(bytes.NewReader(head[:n]), in), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return in.explain(err)
		}
		defer z.Close()
		out.r = z
	}
	// Errors of the two counters pass through the decoders, which may dress them up; the counters know best.
	explain := func(err error) error {
		if out.err != nil {
			return out.err
		}
		return in.explain(err)
	}
	t := &tape{r: out}
	for i, want := range entryNames {
		name, err := t.next()
		if err == io.EOF {
			if want == signatureName {
				return fault.New(fault.Denied, "", "Signature verification failed: the bundle is not signed: %s is missing", signatureName)
			}
			return fault.New(fault.Corrupt, op, "the entry %s is missing", want)
		}
		if err != nil {
			return explain(err)
		}
		if name != want {
			return fault.New(fault.Corrupt, op, "entry %d is %q; a bundle has %q there", i+1, fault.Clip(name, maxQuote), want)
		}
		if err := fn(want, t); err != nil {
			return explain(err)
		}
	}
	if name, err := t.next(); err == nil {
		return fault.New(fault.Corrupt, op, "there is an entry %q behind %s", fault.Clip(name, maxQuote), signatureName)
	} else if err != io.EOF {
		return explain(err)
	}
	return nil
}

// zstdHead reports whether a file begins as zstd does, with content or with a frame that is skipped. Of fewer bytes than that takes
// nothing is said.
func zstdHead(head []byte) bool {
	if len(head) < 4 {
		return true
	}
	return string(head[:4]) == "\x28\xb5\x2f\xfd" || head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18"
}

// foreign says of a file that does not begin as a bundle does what it may be: another copy of it would not be one either.
func foreign(head []byte) string {
	like := "its first bytes are not those of one"
	switch text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n"); {
	case len(text) > 0 && (text[0] == '{' || text[0] == '['):
		like = "it looks like JSON. Advisories as files are ingested, at a controller"
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		like = "it looks like a zip archive. Advisories as files are ingested, at a controller"
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		like = "it looks like gzip. A bundle is taken as it was exported"
	case bytes.HasPrefix(head, []byte("-----BEGIN ")):
		like = "it looks like a key or a certificate"
	case bytes.IndexFunc(head, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == utf8.RuneError }) < 0:
		like = "it looks like text"
	}
	return "the file is no bundle: " + like
}

// source counts and bounds the compressed bytes, and remembers why reading stopped.
type source struct {
	ctx  context.Context
	r    io.Reader
	n    int64
	most int64
	seal *seal     // nil: none is looked for
	out  *expander // what came out of it; nil: that is not judged
	err  error
}

// explain returns what stopped the reading, where something that reads from s failed with err.
func (s *source) explain(err error) error {
	const op = "read bundle"
	switch {
	case s.err != nil:
		return s.err
	case fault.KindOf(err) != fault.Other:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Corrupt, op, "the file ends early: copy or download it again")
	}
	// What the unpacking met in it is words of the packer, and helps nobody.
	return fault.New(fault.Corrupt, op, "the file is damaged or is no bundle: copy or download it again")
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
		s.err = fault.New(fault.TooLarge, "", "Bundle too large: the file has more than %d bytes", s.most)
		return 0, s.err
	case s.out != nil && s.n > s.out.n+idle:
		s.err = fault.New(fault.TooLarge, "", "Bundle too large: it has %d bytes that are no content", idle)
		return 0, s.err
	case err != nil && err != io.EOF:
		s.err = fault.New(fault.Other, "read bundle", "%w", err)
		return n, s.err
	}
	if s.seal != nil {
		s.seal.add(p[:n])
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
		e.err = fault.New(fault.TooLarge, "", "Bundle too large: it expands to more than %d bytes", e.lim.Expanded)
	case e.n > ratioFree && e.n-ratioFree > e.in.n*e.lim.Ratio:
		e.err = fault.New(fault.TooLarge, "", "Bundle too large: it expands to more than %d times its size", e.lim.Ratio)
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
	seal     seal
}

// scan is the first pass: every byte is read, counted and hashed, nothing is parsed. What it learned
// until an error is returned with it.
func scan(ctx context.Context, src io.ReadSeeker, lim Limits) (seen, error) {
	var s seen
	left := lim.Lines
	err := walk(ctx, src, lim, &s.seal, func(name string, r io.Reader) (err error) {
		switch name {
		case manifestName:
			s.manifest, err = short(r, name, lim.Manifest)
		case signatureName:
			s.envelope, err = short(r, name, lim.Signature)
		default:
			p := Part{Name: name}
			sum := newHashing(r)
			err = lines(sum, name, lim.Line, func(n int, line []byte) error {
				if n > left {
					return fault.New(fault.TooLarge, "", "Bundle too large: it has more than %d lines", lim.Lines)
				}
				p.Lines = n
				p.Size += int64(len(line)) + 1
				return nil
			})
			left -= p.Lines
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
