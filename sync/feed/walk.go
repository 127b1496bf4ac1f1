package feed

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
)

// Walk calls fn with every record in paths: .json files, folders (with all below them, in the order
// of names), and .zip, .tar, .tar.gz, .tgz and .tar.zst archives (in their own order). Files of other
// kinds in a folder are passed over; one that is named in paths is an error. It stops at the first
// error of fn and returns it. Kinds of its own errors: NotFound for a path that does not exist or cannot be
// read, Invalid for one that is no feed, Corrupt for a damaged archive, TooLarge for one beyond the limits.
func Walk(ctx context.Context, paths []string, fn Func) error {
	return walk(ctx, paths, DefaultLimits(), fn)
}

func walk(ctx context.Context, paths []string, lim Limits, fn Func) error {
	w := walker{ctx: ctx, lim: lim, fn: fn}
	for _, p := range paths {
		full, err := filepath.Abs(p)
		if err != nil {
			return missing(p, err)
		}
		info, err := os.Stat(full)
		if err != nil {
			return missing(p, err)
		}
		// The names start with the folder that is named, or that the named file is in: it may tell the source.
		name := path.Join(base(filepath.Dir(full)), base(full))
		switch {
		case info.IsDir():
			err = w.folder(full, base(full), 0)
		case isRecord(full):
			err = w.file(full, name)
		case archive(full) != nil:
			err = w.archive(full)
		default:
			err = fault.New(fault.Invalid, "read", "%s is no feed: give OSV .json files, folders, .zip, .tar, .tar.gz or .tar.zst", p)
		}
		if err != nil {
			return unmark(err)
		}
	}
	return nil
}

type walker struct {
	ctx context.Context
	lim Limits
	fn  Func
	buf []byte // of the record at hand, used again for the next
}

// base is the last part of a path, empty for the root.
func base(full string) string {
	if b := filepath.Base(full); b != string(filepath.Separator) && b != "." {
		return b
	}
	return ""
}

func missing(p string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "read", "%s does not exist", p)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.NotFound, "read", "%s may not be read by this user", p)
	}
	return fault.New(fault.NotFound, "read", "%s cannot be read: %w", p, err)
}

// maxFolders bounds how deep folders are followed.
const maxFolders = 64

// folder walks a directory in the order of names. Links to files are followed, links to folders are
// not, so that it always ends.
func (w *walker) folder(full, name string, depth int) error {
	if depth > maxFolders {
		return fault.New(fault.TooLarge, "read", "%s is more than %d folders deep", full, maxFolders)
	}
	entries, err := os.ReadDir(full)
	if err != nil {
		return missing(full, err)
	}
	for _, e := range entries {
		child, childName := filepath.Join(full, e.Name()), path.Join(name, e.Name())
		switch {
		case e.IsDir():
			err = w.folder(child, childName, depth+1)
		case !isRecord(child) && archive(child) == nil:
			continue
		default:
			info, statErr := os.Stat(child)
			switch {
			case statErr != nil:
				err = missing(child, statErr)
			case !info.Mode().IsRegular():
				continue
			case isRecord(child):
				err = w.file(child, childName)
			default:
				err = w.archive(child)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) file(full, name string) error {
	f, err := os.Open(full)
	if err != nil {
		return missing(full, err)
	}
	defer f.Close()
	err = w.record(name, f)
	var unread *os.PathError
	if !marked(err) && errors.As(err, &unread) {
		return missing(full, err)
	}
	return err
}

// record hands one record over, cut where it is too long.
func (w *walker) record(name string, r io.Reader) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if name = label(name, w.lim.Name); !isRecord(name) {
		return nil
	}
	raw, err := readCut(r, w.buf, w.lim.Record)
	w.buf = raw[:0]
	if err != nil {
		return err
	}
	if err := w.fn(name, raw); err != nil {
		return callerError{err}
	}
	return nil
}

// callerError marks an error of the caller's function, so that it goes back untouched.
type callerError struct{ error }

func (e callerError) Unwrap() error { return e.error }

// marked reports whether err carries that mark.
func marked(err error) bool {
	var caller callerError
	return errors.As(err, &caller)
}

// unmark takes that mark off.
func unmark(err error) error {
	var caller callerError
	if errors.As(err, &caller) {
		return caller.error
	}
	return err
}

// readCut reads r into buf, at most most+1 bytes.
func readCut(r io.Reader, buf []byte, most int64) ([]byte, error) {
	r = io.LimitReader(r, most+1)
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// archive reads one archive. Entries that stand in no folder get the archive's name as their folder
// (debian-dsa.zip), or that of the archive's folder where it is called all, as osv.dev does it.
func (w *walker) archive(full string) error {
	stem := base(full)
	for _, ext := range []string{".zst", ".gz", ".tar", ".tgz", ".zip"} {
		stem = strings.TrimSuffix(stem, ext)
	}
	if stem == "all" || stem == "" {
		stem = base(filepath.Dir(full))
	}
	inner := *w
	inner.fn = func(name string, raw []byte) error {
		if !strings.Contains(name, "/") {
			name = path.Join(label(stem, w.lim.Name), name)
		}
		return w.fn(name, raw)
	}
	f, err := os.Open(full)
	if err != nil {
		return missing(full, err)
	}
	defer f.Close()
	err = archive(full)(&inner, f)
	switch {
	case err == nil || marked(err):
		return err
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	case fault.KindOf(err) != fault.Other:
		return fault.Wrap("read "+full, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Corrupt, "read", "%s ends early: copy or download it again", full)
	}
	return fault.New(fault.Corrupt, "read", "%s is damaged or not what its name says: %w", full, err)
}
