package raftfsm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Taker is a sink that keeps a snapshot as the folder that it is. The state machine hands it the folder instead of
// writing an archive to it.
type Taker interface {
	raft.SnapshotSink
	// Take moves the folder rows, a checkpoint whose last entry is applied, to where the sink wants it.
	Take(rows string, applied uint64) error
}

// Folder is a reader of a snapshot that is kept as a folder.
type Folder interface {
	// Rows returns the folder with the checkpoint, and its last entry. Nothing in it may be changed, and it is
	// there until the reader is closed.
	Rows() (dir string, applied uint64)
}

// folderOf returns the Folder in a reader that Raft may have wrapped.
func folderOf(r io.ReadCloser) (Folder, bool) {
	for {
		if f, ok := r.(Folder); ok {
			return f, true
		}
		w, ok := r.(raft.ReadCloserWrapper)
		if !ok {
			return nil, false
		}
		r = w.WrappedReadCloser()
	}
}

// LinkRows makes the folder to of the files of a checkpoint in from, on the same file system, and makes it durable. Files that a
// database never changes are shared; it may add to the others, so these are copied.
func LinkRows(from, to string) error {
	names, err := os.ReadDir(from)
	if err != nil {
		return fault.New(fault.Corrupt, "", "%w", err)
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	for _, n := range names {
		a, b := filepath.Join(from, n.Name()), filepath.Join(to, n.Name())
		if strings.HasSuffix(n.Name(), ".sst") && os.Link(a, b) == nil {
			continue
		}
		if err := copyFile(a, b); err != nil {
			return fault.New(fault.ReadOnly, "", "%w", err)
		}
	}
	return SyncDir(to)
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	return w.Sync()
}

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err == nil {
		err = d.Sync()
		_ = d.Close() // nothing was written through it
	}
	if err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	return nil
}

// File is one file of a checkpoint.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`   // bytes
	SHA256 string `json:"sha256"` // lower-case hex
}

// Manifest says what a snapshot consists of. It is what goes through Raft in the snapshot's place.
type Manifest struct {
	Format  int    `json:"format"` // 1, the first
	ID      string `json:"id"`     // of the snapshot at its owner: TERM-INDEX-MILLISECONDS
	Applied uint64 `json:"applied"`
	Files   []File `json:"files"` // by name
}

// MaxManifest bounds an encoded Manifest, in bytes.
const MaxManifest = 16 << 20

const manifestFormat = 1

// Bytes returns how many bytes the files have together.
func (m *Manifest) Bytes() int64 {
	var n int64
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// MakeManifest reads all files of the checkpoint in dir; ctx ends it early.
func MakeManifest(ctx context.Context, dir, id string, applied uint64) (*Manifest, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "", "%w", err)
	}
	m := &Manifest{Format: manifestFormat, ID: id, Applied: applied, Files: make([]File, len(names))}
	// Whoever waits for the snapshot waits for this first.
	var next atomic.Int64
	var hashing sync.WaitGroup
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	for range min(runtime.GOMAXPROCS(0), 4) {
		hashing.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(names)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				var err error
				if m.Files[i], err = HashFile(filepath.Join(dir, names[i].Name())); err != nil {
					stop(fault.New(fault.Corrupt, "", "%w", err))
				}
			}
		})
	}
	hashing.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

// HashFile reads a file and returns its base name, size and sum.
func HashFile(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{sum}, f, make([]byte, 256<<10))
	return File{filepath.Base(path), n, hex.EncodeToString(sum.Sum(nil))}, err
}

// ReadManifest reads what came from another node, within bounds: fault.Corrupt where it is no manifest, fault.Version where a
// newer version made it.
func ReadManifest(b []byte) (*Manifest, error) {
	if len(b) > MaxManifest {
		return nil, fault.New(fault.Corrupt, "", "the list of files has %d bytes, the limit is %d", len(b), MaxManifest)
	}
	m := &Manifest{}
	if err := model.Decode(b, m); err != nil {
		return nil, fault.New(fault.Corrupt, "", "the list of files: %w", err)
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Corrupt, "", "the list of files: "+format, args...)
	}
	switch {
	case m.Format > manifestFormat:
		return fault.New(fault.Version, "", "the list of files has format %d and this program reads up to %d; give this node the version of the others", m.Format, manifestFormat)
	case m.Format < 1:
		return bad("its format is %d", m.Format)
	case !SnapshotID(m.ID):
		return bad("%.*q is not the id of a snapshot", maxName, m.ID)
	case len(m.Files) > maxFiles:
		return bad("it has %d files, the limit is %d", len(m.Files), maxFiles)
	}
	last, total := "", int64(0)
	for _, f := range m.Files {
		switch {
		case !plain(f.Name) || f.Name <= last:
			return bad("%.*q is no plain name, or out of order", maxName, f.Name)
		case f.Size < 0 || f.Size > maxBytes || total+f.Size > maxBytes:
			return bad("%s has %d bytes; all may have %d together", f.Name, f.Size, int64(maxBytes))
		case !hexSum(f.SHA256):
			return bad("%s has no SHA-256 sum", f.Name)
		}
		last, total = f.Name, total+f.Size
	}
	return nil
}

func hexSum(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 2*sha256.Size
}

// SnapshotID reports whether s is the id of a snapshot: three decimal numbers with hyphens, at most 64 bytes.
func SnapshotID(s string) bool {
	parts := strings.Split(s, "-")
	if len(s) > 64 || len(parts) != 3 {
		return false
	}
	for _, p := range parts {
		if p == "" || len(p) > 20 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}
