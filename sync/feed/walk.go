package feed

import (
	"bytes"
	"compress/gzip"
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

// Walk calls fn with every record in paths: .json, .ndjson and .csv files, also packed as .gz, folders (with all below them,
// in the order of names), and .zip, .tar, .tar.gz, .tgz and .tar.zst archives (in their own order). Files of other
// kinds in a folder are passed over; one that is named in paths is an error. A table, a file with a record on each line, and a
// list of records that is too long for one are handed over in pieces, with a number in their names. It stops at the first
// error of fn and returns it. Kinds of its own errors: NotFound for a path that does not exist or cannot be
// read, Invalid for one that is no feed, Corrupt for a damaged file, TooLarge for one beyond the limits.
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
		case archive(full) != nil:
			err = w.archive(full, name)
		case isFile(full):
			err = w.file(full, name)
		default:
			err = fault.New(fault.Invalid, "read", "%s is no feed: give .json, .ndjson or .csv files, also as .gz, folders, .zip, .tar, .tar.gz or .tar.zst", p)
		}
		if err != nil {
			return unmark(err)
		}
	}
	return nil
}

// File is Walk for one file at full whose own name says nothing, such as one that was fetched: name is FOLDER/NAME, as it
// would be in a folder. Where the name says nothing either, the file's first bytes do.
func File(ctx context.Context, full, name string, fn Func) error {
	w := walker{ctx: ctx, lim: DefaultLimits(), fn: fn}
	if archive(name) == nil && !isFile(name) {
		ext, err := sniff(full)
		if err != nil {
			return err
		}
		name += ext
	}
	if archive(name) != nil {
		return unmark(w.archive(full, name))
	}
	return unmark(w.file(full, name))
}

// sniff finds what a file is by how it begins, and returns the end that its name should have.
func sniff(full string) (string, error) {
	f, err := os.Open(full)
	if err != nil {
		return "", missing(full, err)
	}
	defer f.Close()
	var begun [512]byte
	n, err := io.ReadFull(f, begun[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", missing(full, err)
	}
	head := begun[:n]
	if z, err := gzip.NewReader(bytes.NewReader(head)); err == nil {
		var inside [300]byte
		m, _ := io.ReadFull(z, inside[:]) // it is cut off, and what comes before that is enough
		switch ext := plain(inside[:m]); {
		case ext != "":
			return ext + extGZ, nil
		case m > 262 && string(inside[257:262]) == "ustar":
			return ".tar.gz", nil
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return ".zip", nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return ".tar.zst", nil
	case n > 262 && string(head[257:262]) == "ustar":
		return ".tar", nil
	}
	if ext := plain(head); ext != "" {
		return ext, nil
	}
	return "", fault.New(fault.Invalid, "read", "it is no feed: neither JSON nor a table, nor a .zip, .tar, .tar.gz, .tar.zst or .gz of them")
}

// plain says what a text begins like; "": like neither form.
func plain(head []byte) string {
	head = bytes.TrimLeft(head, " \t\r\n\xef\xbb\xbf")
	switch {
	case len(head) == 0:
		return ""
	case head[0] == '{' || head[0] == '[':
		return extJSON
	case head[0] == '#' || bytes.HasPrefix(head, []byte("cve,")):
		return extCSV
	}
	return ""
}

type walker struct {
	ctx context.Context
	lim Limits
	fn  Func
	buf []byte // of the record at hand, used again for the next

	unpacked int64 // bytes that came out of single files packed with gzip
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
		case !isFile(child) && archive(child) == nil || strings.HasPrefix(e.Name(), "."):
			continue
		default:
			info, statErr := os.Stat(child)
			switch {
			case statErr != nil:
				err = missing(child, statErr)
			case !info.Mode().IsRegular():
				continue
			case archive(child) != nil:
				err = w.archive(child, childName)
			default:
				err = w.file(child, childName)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// file reads one file that is no archive.
func (w *walker) file(full, name string) error {
	f, err := os.Open(full)
	if err != nil {
		return missing(full, err)
	}
	defer f.Close()
	err = w.contents(name, f)
	var unread *os.PathError
	switch {
	case err == nil || marked(err):
		return err
	case errors.As(err, &unread):
		return missing(full, err)
	}
	return w.damaged(full, err)
}

// damaged says what is wrong with a file from what its reader met.
func (w *walker) damaged(full string, err error) error {
	switch {
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	case fault.KindOf(err) != fault.Other:
		return fault.Wrap("read "+full, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Corrupt, "read", "%s ends early: copy or download it again", full)
	}
	return fault.New(fault.Corrupt, "read", "%s is damaged or not what its name says: %w", full, err)
}

// record hands one record over that stands alone, cut where it is too long.
func (w *walker) record(name string, r io.Reader) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	raw, err := readCut(r, w.buf, w.lim.Record)
	w.buf = raw[:0]
	if err != nil {
		return err
	}
	return w.give(name, raw)
}

// give hands one record over.
func (w *walker) give(name string, raw []byte) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if name = label(name, w.lim.Name); !isRecord(name) {
		return nil
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
func (w *walker) archive(full, name string) error {
	stem := path.Base(name)
	for _, ext := range []string{".zst", ".gz", ".tar", ".tgz", ".zip"} {
		stem = strings.TrimSuffix(stem, ext)
	}
	if stem == "all" || stem == "" {
		stem = strings.TrimPrefix(path.Base(path.Dir(name)), ".")
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
	if err = archive(name)(&inner, f); err == nil || marked(err) {
		return err
	}
	return w.damaged(full, err)
}
