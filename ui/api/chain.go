package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/durable"
)

// chain keeps which records the bundles of an origin named, where everything of it comes in several that follow each other, as after it
// was restored from a backup: only behind the last is it known which records it has lost. It is a folder with a file for each
// bundle, on this server alone; where one is missing nothing is taken for lost.
type chain struct{ dir string }

// link is the head of a file.
type link struct {
	From model.Cursor `json:"from"`
	To   model.Cursor `json:"to"`
	N    int          `json:"n"` // of the sums that follow, of eight bytes each
}

// What a chain has at the most. One that would have more ends: then nothing is taken for lost.
const (
	linksMost = 10_000
	chainMost = 256 << 20 // bytes of all its files
)

func (s *Server) chain(origin model.NodeID) (chain, error) {
	dir, err := s.spool()
	return chain{filepath.Join(dir, "chains", origin.String())}, err
}

func (c chain) path(to model.Cursor) string {
	return filepath.Join(c.dir, fmt.Sprintf("%016x-%016x", uint64(to.Seq), uint64(to.At)))
}

// sumOf names a record in eight bytes. Two of the same sum only make that a record stays which was lost.
func sumOf(k model.AdvisoryKey) uint64 {
	sum := sha256.Sum256([]byte(k.Source + "\x00" + k.ID))
	return binary.BigEndian.Uint64(sum[:])
}

// add keeps what the bundle from one cursor to another named. One from the beginning begins the chain anew; one that is too many ends it.
func (c chain) add(from, to model.Cursor, sums []uint64) error {
	const op = "keep what a bundle named"
	if from.IsZero() {
		if err := c.end(); err != nil {
			return err
		}
	}
	if fits, err := c.fits(len(sums)*8, linksMost, chainMost); err != nil {
		return err
	} else if !fits {
		return c.end()
	}
	head, err := model.Encode(link{from, to, len(sums)})
	if err != nil {
		return fault.New(fault.Invalid, op, "%w", err)
	}
	b := append(head, '\n')
	for _, s := range sums {
		b = binary.BigEndian.AppendUint64(b, s)
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fault.New(fault.ReadOnly, op, "%w", err)
	}
	if err := durable.Write(c.path(to), b, 0o600); err != nil {
		return fault.New(fault.ReadOnly, op, "%w", err)
	}
	return nil
}

// fits reports whether a file of so many bytes more leaves the chain within so many files and bytes.
func (c chain) fits(size, files int, bytes int64) (bool, error) {
	all, err := os.ReadDir(c.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fault.New(fault.ReadOnly, "keep what a bundle named", "%w", err)
	}
	bytes -= int64(size)
	for _, f := range all {
		if info, err := f.Info(); err == nil { // else it is gone
			bytes -= info.Size()
		}
	}
	return len(all) < files && bytes >= 0, nil
}

// read returns the file of the bundle that ended there; false: it is not there, or damaged.
func (c chain) read(to model.Cursor) (l link, sums []byte, ok bool) {
	if info, err := os.Stat(c.path(to)); err != nil || info.Size() > chainMost+1024 { // its head besides
		return l, nil, false
	}
	b, err := os.ReadFile(c.path(to))
	if err != nil {
		return l, nil, false
	}
	head, sums, ok := bytes.Cut(b, []byte("\n"))
	if !ok || model.Decode(head, &l) != nil || l.To != to || l.N < 0 || len(sums) != l.N*8 || l.From.Compare(l.To) >= 0 {
		return l, nil, false
	}
	return l, sums, true
}

// goesOn reports whether the chain ends where a bundle begins.
func (c chain) goesOn(from model.Cursor) bool {
	_, _, ok := c.read(from)
	return ok
}

// named returns the sums of all records that the bundles from the beginning to there named; false: one of the bundles is not known.
func (c chain) named(to model.Cursor) (map[uint64]struct{}, bool) {
	all := map[uint64]struct{}{}
	for range linksMost {
		l, sums, ok := c.read(to)
		if !ok {
			return nil, false
		}
		for ; len(sums) > 0; sums = sums[8:] {
			all[binary.BigEndian.Uint64(sums)] = struct{}{}
		}
		if to = l.From; to.IsZero() {
			return all, true
		}
	}
	return nil, false
}

// end forgets the chain; none is no error.
func (c chain) end() error {
	if err := os.RemoveAll(c.dir); err != nil {
		return fault.New(fault.ReadOnly, "forget what bundles named", "%w", err)
	}
	return nil
}
