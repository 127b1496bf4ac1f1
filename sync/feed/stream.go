package feed

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/skerryhq/skerry/engine/fault"
)

// Pack writes every record that Walk finds in paths to w, as the one stream that Unpack reads: zstd
// over tar, each record a file with its name. It returns how many records it wrote. Where there are none
// it fails with kind NotFound; its other errors are those of Walk and of w.
func Pack(ctx context.Context, paths []string, w io.Writer) (int, error) {
	return pack(ctx, paths, DefaultLimits(), w)
}

func pack(ctx context.Context, paths []string, lim Limits, w io.Writer) (int, error) {
	const op = "send advisories"
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(ownWindow))
	if err != nil {
		return 0, fault.Wrap(op, err)
	}
	t := tar.NewWriter(z)
	n, size := 0, int64(0)
	err = walk(ctx, paths, lim, func(name string, raw []byte) error {
		const block = 512 // of tar: a header, at most two more for a long name, and padding
		n, size = n+1, size+int64(len(raw))+5*block
		if n > lim.Entries || size > lim.Expanded {
			return fault.New(fault.TooLarge, op, "the records are more than one ingest takes (%d records or %d bytes): give fewer paths at once", lim.Entries, lim.Expanded)
		}
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(raw)), Mode: 0o644}); err != nil {
			return err
		}
		_, err := t.Write(raw)
		return err
	})
	if err != nil {
		z.Close()
		return 0, err
	}
	if err := t.Close(); err != nil {
		return 0, fault.Wrap(op, err)
	}
	if err := z.Close(); err != nil {
		return 0, fault.Wrap(op, err)
	}
	if n == 0 {
		return 0, fault.New(fault.NotFound, op, "there is no record (.json, .ndjson, .csv) in %s", fault.Clip(strings.Join(paths, ", "), maxQuote))
	}
	return n, nil
}

// Unpack calls fn with every record of a stream that Pack made, in its order, and stops at the first
// error of fn. The stream comes from outside: beyond DefaultLimits it fails with kind TooLarge, anything
// that Pack would not have written is Corrupt. Records before that place have been handed over.
func Unpack(ctx context.Context, r io.Reader, fn Func) error {
	return unpack(ctx, r, DefaultLimits(), fn)
}

func unpack(ctx context.Context, r io.Reader, lim Limits, fn Func) error {
	const op = "read advisories"
	in := &watched{r: r}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(ownWindow))
	if err != nil {
		return fault.New(fault.Corrupt, op, "the stream is not zstd: %w", err)
	}
	defer z.Close()
	w := &walker{ctx: ctx, lim: lim, fn: fn}
	err = unpackTar(w, z)
	switch {
	case err == nil || marked(err):
		return unmark(err)
	case ctx.Err() != nil:
		return ctx.Err()
	case in.err != nil:
		return fault.New(fault.Unreachable, op, "the stream broke off: %w", in.err)
	case fault.KindOf(err) != fault.Other:
		return fault.Wrap(op, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Corrupt, op, "the stream ends early: send it again")
	}
	return fault.New(fault.Corrupt, op, "the stream is damaged: %w", err)
}

// unpackTar is stricter than readTar: the stream has nothing but records with clean names.
func unpackTar(w *walker, r io.Reader) error {
	out := &bounded{r: r, left: w.lim.Expanded, most: w.lim.Expanded}
	t := tar.NewReader(out)
	for n := 1; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return out.first(err)
		}
		switch {
		case n > w.lim.Entries:
			return fault.New(fault.TooLarge, "", "it has more than %d entries", w.lim.Entries)
		case !clean(h, w.lim.Name):
			return fault.New(fault.Corrupt, "", "entry %d is %q, not an advisory file", n, fault.Clip(h.Name, maxQuote))
		case h.Size > w.lim.Record+1:
			return fault.New(fault.TooLarge, "", "%s has more than %d bytes", fault.Clip(h.Name, maxQuote), w.lim.Record)
		}
		if err := w.record(h.Name, t); err != nil {
			return out.first(err)
		}
	}
}

// clean reports whether Pack could have written that header: a plain file (a sparse one would grow without
// a byte being read), a .json or .csv with a name that is nothing but a label.
func clean(h *tar.Header, most int) bool {
	for key := range h.PAXRecords {
		if key != "path" {
			return false
		}
	}
	return h.Typeflag == tar.TypeReg && h.Format&tar.FormatGNU == 0 && len(h.Name) <= most &&
		fs.ValidPath(h.Name) && label(h.Name, most) == h.Name && isRecord(h.Name)
}

// watched remembers why its reader broke off, to tell a lost connection from a damaged stream.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}
