package raftfsm

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// An archive is a snapshot as one tar stream, for what leaves the node, in this order:
//
//	snapshot.json       {"format":1,"applied":N}: N is the applied index of the rows
//	FILE …              the files of the checkpoint, by name
//	files.json          see Packer
//
// Format history: 1, the first. Before snapshots were folders, Raft's own had this form too.
const (
	archiveFormat = 1
	headName      = "snapshot.json"
	maxHead       = 4 << 10 // bytes of snapshot.json

	theSnapshot = "the snapshot"
)

type archiveHead struct {
	Format  int    `json:"format"`
	Applied uint64 `json:"applied"`
}

// WriteArchive writes the checkpoint in the folder dir, whose last entry is applied, to w as an archive.
func WriteArchive(w io.Writer, dir string, applied uint64) error {
	p := NewPacker(w)
	if _, err := p.JSON(headName, archiveHead{archiveFormat, applied}); err != nil {
		return err
	}
	names, err := os.ReadDir(dir) // sorted
	if err != nil {
		return err
	}
	for _, n := range names {
		if !plain(n.Name()) {
			return fault.New(fault.Other, "", "%s in the checkpoint is no plain file", n.Name())
		}
		if err := p.File(n.Name(), filepath.Join(dir, n.Name())); err != nil {
			return err
		}
	}
	if _, err := p.List(); err != nil {
		return err
	}
	return p.Close()
}

// Plain reports whether a name is one that a file of a checkpoint may have: no path, nothing hidden, at most 128 of
// letters, digits and . _ -
func Plain(name string) bool { return plain(name) }

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
	return fault.New(fault.Corrupt, "", theSnapshot+" is damaged: "+format, args...)
}

// SnapshotApplied returns the applied index of the rows in a snapshot; it reads its head only.
func SnapshotApplied(r io.Reader) (uint64, error) {
	h, err := readHead(NewUnpacker(r, theSnapshot, plain))
	return h.Applied, err
}

func readHead(u *Unpacker) (archiveHead, error) {
	var h archiveHead
	b, err := u.JSON(headName, maxHead)
	if err != nil {
		return h, err
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
	u := NewUnpacker(r, theSnapshot, plain)
	head, err := readHead(u)
	if err != nil {
		return 0, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, fault.New(fault.ReadOnly, "", "%w", err)
	}
	for {
		name, _, err := u.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		if err := u.File(filepath.Join(dir, name)); err != nil {
			return 0, err
		}
	}
	if _, err := u.List(); err != nil {
		return 0, err
	}
	if err := u.End(); err != nil {
		return 0, err
	}
	return head.Applied, SyncDir(dir)
}
