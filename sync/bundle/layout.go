package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/skerryhq/skerry/engine/fault"
)

// A bundle has three layouts, which hold the same entries byte for byte, so that the signature and the digests are the same:
// the zstd file, the plain tar inside it, and a folder with one file for each entry, which people can look into.

// File is an opened bundle of any layout, as Verify and Inspect read it.
type File interface {
	io.ReadSeeker
	io.Closer
}

// OpenAny opens the bundle at path, of whatever layout: a regular file, or a folder with the four entries. Other files in the
// folder are not looked at; links are not followed out of it. The errors have kind NotFound, Denied or Invalid.
func OpenAny(path string) (File, error) {
	const op = "open bundle"
	info, err := os.Stat(path)
	if err != nil {
		return nil, openFault(op, path, err)
	}
	if info.IsDir() {
		f, err := openFolder(path)
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		return f, nil
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, op, "%s is neither a file nor a folder", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, openFault(op, path, err)
	}
	return f, nil
}

func openFault(op, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, op, "%s is not there: %w", path, err)
	case errors.Is(err, fs.ErrPermission):
		return fault.New(fault.Denied, op, "%s may not be read: %w", path, err)
	}
	return fault.New(fault.Invalid, op, "%w", err)
}

// folder is the tar stream of the entries of a folder. It can be read again from the start.
type folder struct {
	files []*os.File
	sizes []int64
	r     io.Reader
}

func openFolder(path string) (*folder, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, openFault("", path, err)
	}
	defer func() { _ = root.Close() }()
	d := &folder{}
	for _, name := range entryNames {
		info, err := root.Lstat(name)
		if err == nil && !info.Mode().IsRegular() {
			err = fault.New(fault.Invalid, "", "%s in the folder %s is not a plain file", name, path)
		}
		var f *os.File
		if err == nil {
			f, err = root.Open(name)
		}
		if errors.Is(err, fs.ErrNotExist) && name == signatureName {
			break // an unsigned bundle, which its reader refuses as such
		}
		if err != nil {
			_ = d.Close()
			if errors.Is(err, fs.ErrNotExist) {
				return nil, fault.New(fault.NotFound, "", "the folder %s is no bundle: %s is missing", path, name)
			}
			if fault.KindOf(err) == fault.Other {
				err = openFault("", filepath.Join(path, name), err)
			}
			return nil, err
		}
		d.files, d.sizes = append(d.files, f), append(d.sizes, info.Size())
	}
	return d, nil
}

// Seek goes back to the start, the only place there is.
func (d *folder) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errors.New("a folder is read from its start only")
	}
	d.r = nil
	return 0, nil
}

func (d *folder) Read(p []byte) (int, error) {
	if d.r == nil {
		var pieces []io.Reader
		for i, f := range d.files {
			h, err := headerBlock(entryNames[i], d.sizes[i], Manifest{})
			if err != nil {
				return 0, err
			}
			// A file that shrinks meanwhile moves what follows, and the tar is broken; one that grows is cut.
			pieces = append(pieces, bytes.NewReader(h), io.NewSectionReader(f, 0, d.sizes[i]), bytes.NewReader(padding(d.sizes[i])))
		}
		d.r = io.MultiReader(append(pieces, bytes.NewReader(make([]byte, 2*block)))...)
	}
	return d.r.Read(p)
}

func (d *folder) Close() error {
	var err error
	for _, f := range d.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// Unpack writes the entries of src, a bundle of any layout, into the folder dir, which it makes; it must not be there yet, or be
// empty. It checks the form and the limits and no signature: whoever reads the folder does. After an error the folder may
// have a part of them.
func Unpack(ctx context.Context, src io.ReadSeeker, dir string) error {
	const op = "unpack bundle"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.New(fault.Invalid, op, "%w", err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) > 0 {
		if err != nil {
			return fault.New(fault.Invalid, op, "%w", err)
		}
		return fault.New(fault.Exists, op, "the folder %s is not empty: name a new one", dir)
	}
	out := &sink{op: op}
	return out.outcome(walk(ctx, src, DefaultLimits(), nil, func(name string, r io.Reader) error {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return out.failed(err)
		}
		out.w = f
		_, err = io.Copy(out, r)
		if late := errors.Join(f.Sync(), f.Close()); late != nil {
			return out.failed(late)
		}
		return err
	}))
}

// sink keeps errors of writing apart from those of reading.
type sink struct {
	op  string
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		return n, s.failed(err)
	}
	return n, nil
}

func (s *sink) failed(err error) error {
	if s.err == nil {
		s.err = diskFault(s.op, fmt.Errorf("it cannot be written: %w", err))
	}
	return s.err
}

// outcome returns what went wrong first in the whole: writing, or err.
func (s *sink) outcome(err error) error {
	if s.err != nil {
		return s.err
	}
	return fault.Wrap(s.op, err)
}

// Untar writes src, a bundle of any layout, to w as a plain tar stream, which is the same for the same manifest whatever src was.
// It checks what Unpack does.
func Untar(ctx context.Context, src io.ReadSeeker, w io.Writer) error {
	const op = "unpack bundle"
	lim := DefaultLimits()
	s, err := scan(ctx, src, lim)
	if err != nil {
		return err
	}
	m, err := decodeManifest(s.manifest, lim)
	if err != nil {
		return err
	}
	sizes := map[string]int64{manifestName: int64(len(s.manifest)), signatureName: int64(len(s.envelope))}
	for _, p := range s.parts {
		sizes[p.Name] = p.Size
	}
	out := &sink{op: op, w: w}
	err = walk(ctx, src, lim, nil, func(name string, r io.Reader) error {
		h, err := headerBlock(name, sizes[name], m)
		if err != nil {
			return out.failed(err)
		}
		if _, err := out.Write(h); err != nil {
			return err
		}
		n, err := io.Copy(out, r)
		if err == nil && n != sizes[name] {
			err = fault.New(fault.Corrupt, op, "the file changed while it was read")
		}
		if err == nil {
			_, err = out.Write(padding(n))
		}
		return err
	})
	if err == nil {
		_, err = out.Write(make([]byte, 2*block))
	}
	return out.outcome(err)
}
