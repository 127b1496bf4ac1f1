package uplink

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/durable"
	"github.com/skerryhq/skerry/sync/wire"
)

// Download is a file that comes in pieces, with a small one beside it that says what it is to become: what is there is
// kept when the link breaks and when the server stops. A power cut may leave bytes in it that nobody sent: they are found
// when it is whole. It is safe for concurrent use, by one Fetch at a time.
type Download struct {
	// Admit judges a file by what is announced of it, before a byte of it is fetched; an error of it ends the fetch. nil: every
	// file may come. To be set before the first Fetch.
	Admit func(head wire.Fetched) error

	path string

	busy sync.Mutex // held by the one who writes

	have, size atomic.Int64 // as of the last piece
	head       wire.Fetched // of whoever writes
}

// downloadFile is the form of the small file.
type downloadFile struct {
	Version int          `json:"version"` // 1
	Head    wire.Fetched `json:"head"`
}

const (
	headSuffix  = ".json"
	maxHeadFile = 4 << 10
	syncEvery   = 8 << 20 // bytes that a power cut may cost
)

// OpenDownload returns the download at path, whose folder is there, with what came of it before.
func OpenDownload(path string) *Download {
	d := &Download{path: path}
	raw, err := os.ReadFile(path + headSuffix)
	var f downloadFile
	if err != nil || len(raw) > maxHeadFile || model.Decode(raw, &f) != nil || f.Version != 1 || f.Head.Size < 1 || f.Head.Size > wire.MaxFetched {
		return d
	}
	if info, err := os.Stat(path); err == nil && info.Size() <= f.Head.Size {
		d.head = f.Head
		d.have.Store(info.Size())
		d.size.Store(f.Head.Size)
	}
	return d
}

// Path is where the file lies.
func (d *Download) Path() string { return d.path }

// Progress returns how many bytes are there, and of how many; 0, 0: nothing has begun.
func (d *Download) Progress() (have, size int64) { return d.have.Load(), d.size.Load() }

// Drop forgets what is there.
func (d *Download) Drop() error {
	d.busy.Lock()
	defer d.busy.Unlock()
	return d.drop()
}

func (d *Download) drop() error {
	d.head = wire.Fetched{}
	d.have.Store(0)
	d.size.Store(0)
	var errs []error
	for _, path := range []string{d.path + headSuffix, d.path} { // without its head a file counts for nothing
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fault.New(fault.ReadOnly, "drop a download", "%w", err)
	}
	return nil
}

// part is what the one who asks for it goes on with; nil: nothing that would do for who holds from.
func (d *Download) part(from model.Cursor) *wire.Fetched {
	if d.head.Size == 0 || d.head.From.Compare(from) > 0 || d.head.To.Compare(from) <= 0 {
		return nil
	}
	p := d.head
	p.Offset = d.have.Load()
	return &p
}

// begin opens the file at the offset of head.
func (d *Download) begin(head wire.Fetched) (*os.File, error) {
	const op = "keep what is fetched"
	switch {
	case head.Offset == 0:
		if err := d.drop(); err != nil {
			return nil, err
		}
		raw, err := model.Encode(downloadFile{Version: 1, Head: head})
		if err != nil {
			return nil, err
		}
		if err := durable.Write(d.path+headSuffix, raw, 0o600); err != nil {
			return nil, fault.New(fault.ReadOnly, op, "%w", err)
		}
		d.head = head
	case !d.head.Same(head) || d.have.Load() != head.Offset:
		return nil, fault.New(fault.Corrupt, op, "the other side goes on at byte %d of another file than the one that was begun", head.Offset)
	}
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.New(fault.ReadOnly, op, "%w", err)
	}
	if err := errors.Join(f.Truncate(head.Offset), seek(f, head.Offset)); err != nil {
		return nil, errors.Join(fault.New(fault.ReadOnly, op, "%w", err), f.Close())
	}
	d.size.Store(head.Size)
	return f, nil
}

func seek(f *os.File, at int64) error {
	_, err := f.Seek(at, io.SeekStart)
	return err
}

// add writes a piece behind those that are there.
func (d *Download) add(f *os.File, piece []byte) error {
	have := d.have.Load()
	if int64(len(piece)) > d.head.Size-have {
		return fault.New(fault.TooLarge, "keep what is fetched", "more came than the %d bytes that were announced", d.head.Size)
	}
	n, err := f.Write(piece)
	d.have.Store(have + int64(n))
	if err == nil && have/syncEvery != (have+int64(n))/syncEvery {
		err = f.Sync()
	}
	if err != nil {
		return fault.New(fault.ReadOnly, "keep what is fetched", "%w", err)
	}
	return nil
}

// whole reports whether the file is what was announced; one that is not is dropped.
func (d *Download) whole() error {
	const op = "judge what was fetched"
	f, err := os.Open(d.path)
	if err != nil {
		return fault.New(fault.Other, op, "%w", err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return fault.New(fault.Other, op, "%w", err)
	}
	if n == d.head.Size && wire.Digest(h.Sum(nil)) == d.head.Digest {
		return nil
	}
	err = fault.New(fault.Corrupt, op, "the file that came is not the one that was announced (%d of %d bytes); it is fetched anew", n, d.head.Size)
	return errors.Join(err, d.drop())
}
