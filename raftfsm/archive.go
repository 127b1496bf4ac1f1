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
	"path/filepath"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// An archive is a snapshot as one tar stream, for what leaves the node, in this order:
//
//	snapshot.json       {"format":1,"applied":N}: N is the applied index of the rows
//	FILE …              the files of the checkpoint, by name
//	files.json          {"files":[{"name":…,"size":…,"sha256":…}, …]}, one for each FILE, in order
//
// The list comes last so that each file is read once. Format history: 1, the first. Before snapshots were folders, Raft's
// own had this form too.
const (
	archiveFormat = 1
	headName      = "snapshot.json"
	listName      = "files.json"

	maxHead  = 4 << 10  // bytes of snapshot.json
	maxList  = 32 << 20 // bytes of files.json
	maxFiles = 100_000
	maxBytes = 4 << 40 // bytes of all files together
	maxName  = 128
)

type archiveHead struct {
	Format  int    `json:"format"`
	Applied uint64 `json:"applied"`
}

type archiveList struct {
	Files []File `json:"files"`
}

// WriteArchive writes the checkpoint in the folder dir, whose last entry is applied, to w as an archive.
func WriteArchive(w io.Writer, dir string, applied uint64) error {
	t := tar.NewWriter(w)
	if err := putJSON(t, headName, archiveHead{archiveFormat, applied}); err != nil {
		return err
	}
	names, err := os.ReadDir(dir) // sorted
	if err != nil {
		return err
	}
	list := archiveList{Files: make([]File, 0, len(names))}
	for _, n := range names {
		f, err := putFile(t, dir, n.Name())
		if err != nil {
			return err
		}
		list.Files = append(list.Files, f)
	}
	if err := putJSON(t, listName, list); err != nil {
		return err
	}
	return t.Close()
}

func putJSON(t *tar.Writer, name string, v any) error {
	b, err := model.Encode(v)
	if err != nil {
		return err
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(b)), Mode: 0o600}); err != nil {
		return err
	}
	_, err = t.Write(b)
	return err
}

func putFile(t *tar.Writer, dir, name string) (File, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return File{}, err
	}
	if !info.Mode().IsRegular() || !plain(name) {
		return File{}, fault.New(fault.Other, "", "%s in the checkpoint is no plain file", name)
	}
	if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: 0o600}); err != nil {
		return File{}, err
	}
	sum := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(t, sum), f, info.Size()); err != nil {
		return File{}, err
	}
	return File{name, info.Size(), hex.EncodeToString(sum.Sum(nil))}, nil
}

// plain reports whether a name is one that a checkpoint may have: no path, nothing hidden.
func plain(name string) bool {
	if name == "" || len(name) > maxName || name[0] == '.' || name == headName || name == listName {
		return false
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

func damaged(format string, args ...any) error {
	return fault.New(fault.Corrupt, "", "the snapshot is damaged: "+format, args...)
}

// SnapshotApplied returns the applied index of the rows in a snapshot; it reads its head only.
func SnapshotApplied(r io.Reader) (uint64, error) {
	h, err := readHead(tar.NewReader(r))
	return h.Applied, err
}

func readHead(t *tar.Reader) (archiveHead, error) {
	var h archiveHead
	e, err := t.Next()
	if err != nil || e.Name != headName || e.Size > maxHead {
		return h, damaged("it does not begin with %s", headName)
	}
	b, err := io.ReadAll(t)
	if err != nil {
		return h, damaged("%w", err)
	}
	if err := model.Decode(b, &h); err != nil {
		return h, damaged("%s: %w", headName, err)
	}
	if h.Format > archiveFormat {
		return h, fault.New(fault.Version, "", "the snapshot has format %d and this program reads up to %d; run the version that wrote it, or a newer one", h.Format, archiveFormat)
	}
	if h.Format < 1 {
		return h, damaged("its format is %d", h.Format)
	}
	return h, nil
}

// ReadArchive unpacks an archive into the folder dir, which it makes, checks it and makes it durable.
// It returns the applied index that the archive claims. Every bound is enforced while reading: what comes
// is refused with fault.Corrupt, or fault.Version, and a disk that does not take it says fault.ReadOnly. In each case
// what was unpacked so far is left in dir.
func ReadArchive(r io.Reader, dir string) (uint64, error) {
	t := tar.NewReader(r)
	head, err := readHead(t)
	if err != nil {
		return 0, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, fault.New(fault.ReadOnly, "", "%w", err)
	}
	var got []File
	var total int64
	for {
		e, err := t.Next()
		if errors.Is(err, io.EOF) {
			return 0, damaged("it ends before %s", listName)
		}
		if err != nil {
			return 0, damaged("%w", err)
		}
		if e.Name == listName {
			if err := checkList(t, e.Size, got); err != nil {
				return 0, err
			}
			break
		}
		if e.Typeflag != tar.TypeReg || !plain(e.Name) {
			return 0, damaged("%.*q is not the name of a plain file", maxName, e.Name)
		}
		for k := range e.PAXRecords {
			if strings.HasPrefix(k, "GNU.sparse") { // a few bytes would become terabytes of zeros
				return 0, damaged("%s is a sparse file", e.Name)
			}
		}
		if total += e.Size; len(got) == maxFiles || e.Size > maxBytes || total > maxBytes {
			return 0, damaged("it has more than %d files or %d bytes", maxFiles, int64(maxBytes))
		}
		f, err := takeFile(t, dir, e)
		if err != nil {
			return 0, err
		}
		got = append(got, f)
	}
	if _, err := t.Next(); !errors.Is(err, io.EOF) {
		return 0, damaged("there is something behind %s", listName)
	}
	d, err := os.Open(dir)
	if err != nil {
		return 0, fault.New(fault.ReadOnly, "", "%w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return 0, fault.New(fault.ReadOnly, "", "%w", err)
	}
	return head.Applied, nil
}

// takeFile writes one file. A name that came before is an error: the file exists then.
func takeFile(t *tar.Reader, dir string, e *tar.Header) (File, error) {
	f, err := os.OpenFile(filepath.Join(dir, e.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return File{}, damaged("it has %s twice", e.Name)
	}
	if err != nil {
		return File{}, fault.New(fault.ReadOnly, "", "%w", err)
	}
	defer f.Close()
	sum := sha256.New()
	w := bufio.NewWriterSize(f, 1<<20)
	n, err := io.Copy(io.MultiWriter(w, sum), t)
	var disk *fs.PathError
	if errors.As(err, &disk) {
		return File{}, fault.New(fault.ReadOnly, "", "%w", err)
	}
	if err != nil {
		return File{}, damaged("%s: %w", e.Name, err)
	}
	if err := w.Flush(); err != nil {
		return File{}, fault.New(fault.ReadOnly, "", "%w", err)
	}
	if err := f.Sync(); err != nil {
		return File{}, fault.New(fault.ReadOnly, "", "%w", err)
	}
	return File{e.Name, n, hex.EncodeToString(sum.Sum(nil))}, nil
}

// checkList compares what was read with the list at the end.
func checkList(t *tar.Reader, size int64, got []File) error {
	if size > maxList {
		return damaged("%s is %d bytes, the limit is %d", listName, size, maxList)
	}
	b, err := io.ReadAll(t)
	if err != nil {
		return damaged("%w", err)
	}
	var list archiveList
	if err := model.Decode(b, &list); err != nil {
		return damaged("%s: %w", listName, err)
	}
	if len(list.Files) != len(got) {
		return damaged("it has %d files and lists %d", len(got), len(list.Files))
	}
	for i, f := range list.Files {
		if f != got[i] {
			return damaged("%s is not the file that is listed", got[i].Name)
		}
	}
	return nil
}
