package raftfsm

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of what is packed.
const (
	listName = "files.json" // {"files":[{"name":…,"size":…,"sha256":…}, …]}, one for each file, in order

	maxList  = 32 << 20 // bytes of files.json
	maxFiles = 100_000
	maxBytes = 4 << 40 // bytes of all files together
	maxName  = 128

	tarBlock = 512
	tarEnd   = 2 * tarBlock
)

type fileList struct {
	Files []File `json:"files"`
}

// Packer writes files one after the other as a tar stream. The list of them, with their sizes and sums, comes behind
// them, so that each is read once.
type Packer struct {
	t     *tar.Writer
	files []File
}

// NewPacker returns a Packer that writes to w.
func NewPacker(w io.Writer) *Packer { return &Packer{t: tar.NewWriter(w)} }

// JSON writes v as an entry that is not listed, and returns its bytes.
func (p *Packer) JSON(name string, v any) ([]byte, error) {
	b, err := model.Encode(v)
	if err != nil {
		return nil, err
	}
	if err := p.t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(b)), Mode: 0o600}); err != nil {
		return nil, err
	}
	_, err = p.t.Write(b)
	return b, err
}

// File writes the file at path, as long as it is now, under name.
func (p *Packer) File(name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fault.New(fault.Other, "", "%s is no plain file", path)
	}
	if err := p.t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: 0o600}); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(p.t, sum), f, info.Size()); err != nil {
		return err
	}
	p.files = append(p.files, File{name, info.Size(), hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// List writes the list of the files so far, and returns its bytes.
func (p *Packer) List() ([]byte, error) { return p.JSON(listName, fileList{p.files}) }

// Close writes the end of the stream, and leaves what is below open.
func (p *Packer) Close() error { return p.t.Close() }

// Unpacker reads what a Packer wrote, and trusts nothing of it: names, kinds of entries, counts and sizes are held to
// bounds before anything is taken. Its errors are of kind fault.Corrupt, unless they say otherwise. It is
// for one goroutine.
type Unpacker struct {
	what    string
	allowed func(string) bool
	in      *counted
	t       *tar.Reader

	entry *tar.Header // of Next
	got   []File
	total int64
}

type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

// NewUnpacker returns an Unpacker of r. What says what it is, as in "the backup"; allowed says which names a listed
// file may have: those that are no path out of a folder.
func NewUnpacker(r io.Reader, what string, allowed func(name string) bool) *Unpacker {
	in := &counted{Reader: r}
	return &Unpacker{what: what, allowed: allowed, in: in, t: tar.NewReader(in)}
}

func (u *Unpacker) damaged(format string, args ...any) error {
	return fault.New(fault.Corrupt, "", u.what+" is damaged: "+format, args...)
}

// JSON returns the bytes of the next entry, which must have that name and at most that many bytes.
func (u *Unpacker) JSON(name string, most int64) ([]byte, error) {
	e, err := u.t.Next()
	if err != nil || e.Name != name || e.Typeflag != tar.TypeReg || e.Size > most {
		return nil, u.damaged("there is no proper %s where it belongs", name)
	}
	b, err := io.ReadAll(io.LimitReader(u.t, most))
	if err != nil {
		return nil, u.damaged("%s: %w", name, err)
	}
	return b, nil
}

// Next goes on to the next file. At the list it returns io.EOF: List is to follow.
func (u *Unpacker) Next() (name string, size int64, err error) {
	e, err := u.t.Next()
	switch {
	case errors.Is(err, io.EOF):
		return "", 0, u.damaged("it ends before %s", listName)
	case err != nil:
		return "", 0, u.damaged("%w", err)
	case e.Name == listName:
		u.entry = e
		return "", 0, io.EOF
	case e.Typeflag != tar.TypeReg || !u.allowed(e.Name):
		return "", 0, u.damaged("%.*q is not the name of a file in it", maxName, e.Name)
	}
	for k := range e.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse") { // a few bytes would become terabytes of zeros
			return "", 0, u.damaged("%s is a sparse file", e.Name)
		}
	}
	if u.total += e.Size; len(u.got) == maxFiles || e.Size > maxBytes || u.total > maxBytes {
		return "", 0, u.damaged("it has more than %d files or %d bytes", maxFiles, int64(maxBytes))
	}
	u.entry = e
	return e.Name, e.Size, nil
}

// Copy writes the file that Next came to to w. An error of w that is one of a file system comes back as it is.
func (u *Unpacker) Copy(w io.Writer) error {
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), u.t)
	var disk *fs.PathError
	if errors.As(err, &disk) {
		return err
	}
	if err != nil {
		return u.damaged("%s: %w", u.entry.Name, err)
	}
	u.got = append(u.got, File{u.entry.Name, n, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// File writes the file that Next came to, as a new file at path, durable when it returns. A disk that does not take it
// is of kind fault.ReadOnly. The folder is for the caller to make durable.
func (u *Unpacker) File(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return u.damaged("it has %s twice", u.entry.Name)
	}
	if err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := u.Copy(w); err != nil {
		if !fault.Is(err, fault.Corrupt) {
			err = fault.New(fault.ReadOnly, "", "%w", err)
		}
		return err
	}
	if err := w.Flush(); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	if err := f.Sync(); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	return nil
}

// List reads the list, compares it with the files that came, and returns its bytes.
func (u *Unpacker) List() ([]byte, error) {
	if u.entry.Size > maxList || u.entry.Typeflag != tar.TypeReg {
		return nil, u.damaged("%s is %d bytes, the limit is %d", listName, u.entry.Size, maxList)
	}
	b, err := io.ReadAll(io.LimitReader(u.t, maxList))
	if err != nil {
		return nil, u.damaged("%w", err)
	}
	var list fileList
	if err := model.Decode(b, &list); err != nil {
		return nil, u.damaged("%s: %w", listName, err)
	}
	if len(list.Files) != len(u.got) {
		return nil, u.damaged("it has %d files and lists %d", len(u.got), len(list.Files))
	}
	for i, f := range list.Files {
		if f != u.got[i] {
			return nil, u.damaged("%s is not the file that is listed", u.got[i].Name)
		}
	}
	return b, nil
}

// Files returns how many files came, and their bytes.
func (u *Unpacker) Files() (n int, bytes int64) { return len(u.got), u.total }

// End checks that no entry follows.
func (u *Unpacker) End() error {
	if _, err := u.t.Next(); !errors.Is(err, io.EOF) {
		return u.damaged("there is something behind its last entry")
	}
	return nil
}

// Whole is End for a stream that was written to its very end by Close, with nothing behind that.
func (u *Unpacker) Whole() error {
	last := u.in.n
	if err := u.End(); err != nil {
		return err
	}
	if u.in.n-last < tarEnd {
		return u.damaged("it was cut off at its end")
	}
	if n, _ := io.ReadFull(u.in, make([]byte, 1)); n != 0 { // an error of reading is no byte
		return u.damaged("there is something behind its end")
	}
	return nil
}
