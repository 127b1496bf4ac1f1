package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/durable"
)

// Waiting is a folder in which verified parts of sets wait for the others. What it holds outlives a crash; a part is there
// whole or not at all. One call at a time.
//
//	DIR/HEX/INDEX-of-OF.part    HEX: the digits of Split.Set
//	DIR/*.new                   a part on its way; removed by the next call
type Waiting struct {
	Dir      string        // made where it is missing; nothing else may be in it
	MaxBytes int64         // of all parts together; zero: 4 GiB
	MaxSets  int           // zero: 16
	Patience time.Duration // a set that got no part for so long is removed; zero: 30 days
}

// Waited says how far a set has come.
type Waited struct {
	Set     string
	Of      int
	Have    []int // indexes, from 1, sorted
	Missing []int // sorted; none: the set is whole
	Bytes   int64
	At      time.Time // when the newest part came
	// Dropped names sets that were removed to make room, the oldest first.
	Dropped []string
}

const unfinished = ".new"

// Add keeps the part that r has verified, and says how far its set has come. A part that is there already is replaced. Where
// there is no room, the sets that waited longest without a part are removed. Its errors: Invalid where r is no part, TooLarge
// where the set alone is too large, ReadOnly where it cannot be written.
func (w *Waiting) Add(ctx context.Context, r *Reader, now time.Time) (Waited, error) {
	const op = "keep a part"
	s := r.manifest.Split
	if s == nil || len(r.files) != 1 {
		return Waited{}, fault.New(fault.Invalid, op, "it is no part of a set")
	}
	if err := os.MkdirAll(w.Dir, 0o700); err != nil {
		return Waited{}, diskFault(op, err)
	}
	if err := w.Clean(now); err != nil {
		return Waited{}, err
	}
	temp, size, err := w.receive(ctx, op, r.files[0].src)
	if err != nil {
		return Waited{}, err
	}
	defer func() { _ = os.Remove(temp) }()
	dropped, err := w.makeRoom(op, s.Set, size)
	if err != nil {
		return Waited{}, err
	}
	dir := w.dir(s.Set)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Waited{}, diskFault(op, err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%d-of-%d.part", s.Index, s.Of))
	err = os.Chtimes(temp, now, now)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err := errors.Join(err, durable.SyncDir(dir), durable.SyncDir(w.Dir)); err != nil {
		return Waited{}, diskFault(op, err)
	}
	sets, err := w.Sets()
	if err != nil {
		return Waited{}, err
	}
	for _, set := range sets {
		if set.Set == s.Set {
			set.Dropped = dropped
			return set, nil
		}
	}
	return Waited{}, fault.New(fault.Other, op, "%s is not there any more", path)
}

// receive copies src into a file of the folder that has no part's name yet.
func (w *Waiting) receive(ctx context.Context, op string, src io.ReadSeeker) (string, int64, error) {
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return "", 0, fault.New(fault.Other, op, "%w", err)
	}
	f, err := os.CreateTemp(w.Dir, "*"+unfinished)
	if err != nil {
		return "", 0, diskFault(op, err)
	}
	in := &source{ctx: ctx, r: src, most: w.maxBytes()}
	n, err := io.Copy(f, in)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(f.Name())
		if in.err != nil {
			return "", 0, in.err
		}
		return "", 0, diskFault(op, err)
	}
	return f.Name(), n, nil
}

// makeRoom removes the oldest of other sets until size more bytes of set find room.
func (w *Waiting) makeRoom(op, set string, size int64) (dropped []string, err error) {
	sets, err := w.Sets()
	if err != nil {
		return nil, err
	}
	mine := size
	for _, s := range sets {
		if s.Set == set {
			mine += s.Bytes
		}
	}
	if mine > w.maxBytes() {
		return nil, fault.New(fault.TooLarge, op, "Bundle too large: the parts of one set may have %d bytes together", w.maxBytes())
	}
	sets = slices.DeleteFunc(sets, func(s Waited) bool { return s.Set == set })
	slices.SortStableFunc(sets, func(a, b Waited) int { return a.At.Compare(b.At) })
	total := mine
	for _, s := range sets {
		total += s.Bytes
	}
	for len(sets) > 0 && (len(sets) >= w.maxSets() || total > w.maxBytes()) {
		if err := w.Drop(sets[0].Set); err != nil {
			return dropped, err
		}
		dropped = append(dropped, sets[0].Set)
		total -= sets[0].Bytes
		sets = sets[1:]
	}
	return dropped, nil
}

// Sets returns how far all sets have come, in the order of their names.
func (w *Waiting) Sets() ([]Waited, error) {
	const op = "list waiting parts"
	names, err := os.ReadDir(w.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, diskFault(op, err)
	}
	var out []Waited
	for _, d := range names {
		set := "sha256:" + d.Name()
		if !d.IsDir() || !isHash(set) {
			continue
		}
		s, err := w.look(op, set)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// look says how far one set has come.
func (w *Waiting) look(op, set string) (Waited, error) {
	s := Waited{Set: set}
	files, err := os.ReadDir(w.dir(set))
	if err != nil {
		return s, diskFault(op, err)
	}
	for _, f := range files {
		var index, of int
		if n, err := fmt.Sscanf(f.Name(), "%d-of-%d.part", &index, &of); n != 2 || err != nil || index < 1 || index > of || of > MaxParts {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return s, diskFault(op, err)
		}
		s.Of = max(s.Of, of)
		s.Have = append(s.Have, index)
		s.Bytes += info.Size()
		if info.ModTime().After(s.At) {
			s.At = info.ModTime()
		}
	}
	slices.Sort(s.Have)
	s.Have = slices.Compact(s.Have)
	for i := 1; i <= s.Of; i++ {
		if !slices.Contains(s.Have, i) {
			s.Missing = append(s.Missing, i)
		}
	}
	return s, nil
}

// Held is a whole set, verified where it waited.
type Held struct {
	*Reader
	files []*os.File
}

// Close closes the files of the parts.
func (h *Held) Close() error {
	var err error
	for _, f := range h.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// Verify verifies the parts that wait of set, again, and together, as VerifySet does. It fails with kind Invalid while
// one is missing. After Conflict or Corrupt the set is of no use: Drop it.
func (w *Waiting) Verify(ctx context.Context, set string, c VerifyConfig) (*Held, error) {
	const op = "verify set"
	if !isHash(set) {
		return nil, fault.New(fault.Invalid, op, "%q names no set", fault.Clip(set, maxQuote))
	}
	files, err := os.ReadDir(w.dir(set))
	if err != nil {
		return nil, fault.New(fault.NotFound, op, "no part of %s waits here", set)
	}
	h := &Held{}
	var srcs []io.ReadSeeker
	for _, d := range files {
		f, err := os.Open(filepath.Join(w.dir(set), d.Name()))
		if err != nil {
			return nil, errors.Join(diskFault(op, err), h.Close())
		}
		h.files = append(h.files, f)
		srcs = append(srcs, f)
	}
	if h.Reader, err = VerifySet(ctx, srcs, c); err != nil {
		_ = h.Close()
		return nil, err
	}
	return h, nil
}

// Drop removes a set; one that is not there is no error.
func (w *Waiting) Drop(set string) error {
	const op = "remove waiting parts"
	if !isHash(set) {
		return fault.New(fault.Invalid, op, "%q names no set", fault.Clip(set, maxQuote))
	}
	if err := os.RemoveAll(w.dir(set)); err != nil {
		return diskFault(op, err)
	}
	return nil
}

// Clean removes what a crash left half written, and the sets that got no part within Patience.
func (w *Waiting) Clean(now time.Time) error {
	left, err := filepath.Glob(filepath.Join(w.Dir, "*"+unfinished))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return diskFault("remove waiting parts", err)
	}
	sets, err := w.Sets()
	if err != nil {
		return err
	}
	patience := w.Patience
	if patience == 0 {
		patience = 30 * 24 * time.Hour
	}
	for _, s := range sets {
		if now.Sub(s.At) > patience {
			err = errors.Join(err, w.Drop(s.Set))
		}
	}
	return err
}

func (w *Waiting) dir(set string) string {
	return filepath.Join(w.Dir, strings.TrimPrefix(set, "sha256:"))
}

func (w *Waiting) maxBytes() int64 {
	if w.MaxBytes == 0 {
		return 4 << 30
	}
	return w.MaxBytes
}

func (w *Waiting) maxSets() int {
	if w.MaxSets == 0 {
		return 16
	}
	return w.MaxSets
}
