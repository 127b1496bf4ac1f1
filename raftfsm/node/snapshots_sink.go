package node

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
)

var _ raftfsm.Taker = (*sink)(nil)

// tableEnd is how the names of tables end.
const tableEnd = ".sst"

var errSum = errors.New("it does not fit its sum")

// sink is a snapshot that is being made, from one of three things: a checkpoint that Take is given, the manifest of
// files that a leader has sent before, or an archive. It is for one goroutine.
type sink struct {
	store *snapshots
	meta  folderMeta
	dir   string // its temporary one

	made     bool         // rows are there
	manifest bytes.Buffer // what was written, where it begins like one
	archive  *unpacking   // where an archive is written
	ended    bool
}

// unpacking is an archive on its way to a folder.
type unpacking struct {
	to      *io.PipeWriter
	done    chan struct{} // closed when the fields below are set
	applied uint64
	err     error
}

// ID implements raft.SnapshotSink.
func (k *sink) ID() string { return k.meta.ID }

func (k *sink) rows() string { return filepath.Join(k.dir, rowsName) }

// Take implements raftfsm.Taker.
func (k *sink) Take(rows string, applied uint64) error {
	if err := os.Rename(rows, k.rows()); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	k.made, k.meta.Applied = true, applied
	return nil
}

// Write implements io.Writer.
func (k *sink) Write(b []byte) (int, error) {
	if k.made || k.ended {
		return 0, fault.New(fault.Conflict, "write a snapshot", "it is complete")
	}
	if k.archive == nil && (k.manifest.Len() > 0 || len(b) > 0 && b[0] == '{') {
		if k.manifest.Len()+len(b) > raftfsm.MaxManifest {
			return 0, fault.New(fault.Corrupt, "write a snapshot", "its list of files is longer than %d bytes", raftfsm.MaxManifest)
		}
		return k.manifest.Write(b)
	}
	if k.archive == nil {
		k.unpack()
	}
	return k.archive.to.Write(b)
}

// unpack starts to make the rows of the archive that is written from now on.
func (k *sink) unpack() {
	r, w := io.Pipe()
	a := &unpacking{to: w, done: make(chan struct{})}
	k.archive = a
	go func() { // joined by end
		defer close(a.done)
		a.applied, a.err = raftfsm.ReadArchive(r, k.rows())
		if a.err != nil {
			_ = r.CloseWithError(a.err) // always nil
			return
		}
		// What pads the archive must be taken as well.
		_, a.err = io.Copy(io.Discard, r)
	}()
}

// end waits for the goroutine of unpack; cause is nil at the end of the archive.
func (k *sink) end(cause error) error {
	if k.archive == nil {
		return nil
	}
	_ = k.archive.to.CloseWithError(cause) // always nil
	<-k.archive.done
	k.made, k.meta.Applied = k.archive.err == nil, k.archive.applied
	return k.archive.err
}

// Close implements raft.SnapshotSink: the snapshot is complete and durable when it returns nil, and gone
// otherwise.
func (k *sink) Close() error {
	if k.ended {
		return nil
	}
	k.ended = true
	err := k.end(nil)
	if err == nil && k.manifest.Len() > 0 {
		k.meta.Applied, err = k.store.incoming.claim(k.manifest.Bytes(), k.rows())
		k.made = err == nil
	}
	if err == nil && !k.made {
		err = fault.New(fault.Corrupt, "", "nothing was written to it")
	}
	if err == nil {
		err = k.finish()
	}
	if err != nil {
		_ = os.RemoveAll(k.dir) // what is left is removed at the next start
		return fault.Wrap("write a snapshot", err)
	}
	k.store.reap()
	return nil
}

// Cancel implements raft.SnapshotSink.
func (k *sink) Cancel() error {
	if k.ended {
		return nil
	}
	k.ended = true
	_ = k.end(errors.New("the snapshot was given up")) // that it is one is known
	return os.RemoveAll(k.dir)
}

// finish writes meta.json and gives the snapshot its name.
func (k *sink) finish() error {
	names, err := os.ReadDir(k.rows())
	if err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	for _, e := range names {
		info, err := e.Info()
		if err != nil {
			return fault.New(fault.ReadOnly, "", "%w", err)
		}
		k.meta.Size += info.Size()
		if strings.HasSuffix(e.Name(), tableEnd) {
			continue
		}
		f, err := raftfsm.HashFile(filepath.Join(k.rows(), e.Name()))
		if err != nil {
			return fault.New(fault.ReadOnly, "", "%w", err)
		}
		k.meta.Lists = append(k.meta.Lists, f)
	}
	k.meta.Sum = k.meta.sum()
	b, err := model.Encode(k.meta)
	if err != nil {
		return err
	}
	if err := writeDurable(filepath.Join(k.dir, metaName), b); err != nil {
		return err
	}
	if err := raftfsm.SyncDir(k.dir); err != nil {
		return err
	}
	if err := os.Rename(k.dir, k.store.folder(k.meta.ID)); err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	return raftfsm.SyncDir(k.store.folder(""))
}

// writeDurable writes a file that is not there yet.
func writeDurable(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.Write(b)
		if err == nil {
			err = f.Sync()
		}
		if e := f.Close(); err == nil {
			err = e
		}
	}
	if err != nil {
		return fault.New(fault.ReadOnly, "", "%w", err)
	}
	return nil
}

var _ raftfsm.Folder = (*folderReader)(nil)

// folderReader is a snapshot that somebody reads. Whoever knows what it is uses the folder; whoever does not,
// reads an archive.
type folderReader struct {
	store *snapshots
	meta  *folderMeta
	rows  string

	packing sync.WaitGroup
	pipe    *io.PipeReader
	closed  sync.Once
}

// Rows implements raftfsm.Folder.
func (r *folderReader) Rows() (string, uint64) { return r.rows, r.meta.Applied }

// Read implements io.Reader; it is for one goroutine.
func (r *folderReader) Read(b []byte) (int, error) {
	if r.pipe == nil {
		var w *io.PipeWriter
		r.pipe, w = io.Pipe()
		r.packing.Go(func() {
			_ = w.CloseWithError(raftfsm.WriteArchive(w, r.rows, r.meta.Applied)) // always nil
		})
	}
	return r.pipe.Read(b)
}

// Close implements io.Closer.
func (r *folderReader) Close() error {
	r.closed.Do(func() {
		if r.pipe != nil {
			_ = r.pipe.Close() // always nil
			r.packing.Wait()
		}
		s := r.store
		s.mu.Lock()
		if s.open[r.meta.ID]--; s.open[r.meta.ID] == 0 {
			delete(s.open, r.meta.ID)
		}
		s.mu.Unlock()
		s.reap()
	})
	return nil
}

// check reads the whole snapshot and holds it against its sums: fault.Corrupt names what does not fit.
func (r *folderReader) check(ctx context.Context) error {
	for _, f := range r.meta.Lists {
		path := filepath.Join(r.rows, f.Name)
		if got, err := raftfsm.HashFile(path); err != nil || got != f {
			return fault.New(fault.Corrupt, "", "%s of the snapshot %s is damaged (%v)", path, r.meta.ID, cmp.Or(err, errSum))
		}
	}
	return r.store.tables(ctx, r.rows)
}

// manifest returns the list of the snapshot's files, encoded. The first time it reads all of them, and keeps the
// list beside them.
func (r *folderReader) manifest() ([]byte, *raftfsm.Manifest, error) {
	path := filepath.Join(filepath.Dir(r.rows), manifestName)
	if b, err := readBounded(path, raftfsm.MaxManifest); err == nil {
		// It was not made durable: a crash may have left anything.
		if m, err := raftfsm.ReadManifest(b); err == nil && m.ID == r.meta.ID && m.Applied == r.meta.Applied && m.Bytes() == r.meta.Size {
			return b, m, nil
		}
	}
	// Other nodes must not be sent what is damaged here: they would have sums of it.
	if err := r.check(r.store.ctx); err != nil {
		return nil, nil, err
	}
	m, err := raftfsm.MakeManifest(r.store.ctx, r.rows, r.meta.ID, r.meta.Applied)
	if err != nil {
		return nil, nil, err
	}
	b, err := model.Encode(m)
	if err != nil {
		return nil, nil, err
	}
	if len(b) > raftfsm.MaxManifest {
		return nil, nil, fault.New(fault.TooLarge, "", "its list of files has %d bytes, the limit is %d", len(b), raftfsm.MaxManifest)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		r.store.log.Warn("the list of a snapshot's files could not be kept; it is made again when it is needed", "err", err)
	}
	return b, m, nil
}
