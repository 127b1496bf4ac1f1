package index

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Disk is where the files of a store stand. It exists for tests: a store on a memory disk is opened in
// a moment, leaves nothing behind, and can be cut off from its power.
type Disk struct{ fs vfs.FS }

// NewMemDisk returns an empty disk in memory. It remembers which bytes were made durable.
func NewMemDisk() *Disk { return &Disk{&memDisk{MemFS: vfs.NewCrashableMem()}} }

// memDisk keeps links and power cuts apart: Pebble's own takes a lock for reading twice in a link, and a cut
// that waits in between would wait for ever.
type memDisk struct {
	*vfs.MemFS
	linking sync.Mutex
}

// Link implements vfs.FS.
func (d *memDisk) Link(from, to string) error {
	d.linking.Lock()
	defer d.linking.Unlock()
	return d.MemFS.Link(from, to)
}

// Lock implements vfs.FS.
func (d *memDisk) Lock(name string) (io.Closer, error) {
	d.linking.Lock()
	defer d.linking.Unlock()
	return d.MemFS.Lock(name)
}

// CrashClone is that of the disk in memory, at a moment without any of the above under way.
func (d *memDisk) CrashClone(c vfs.CrashCloneCfg) *vfs.MemFS {
	d.linking.Lock()
	defer d.linking.Unlock()
	return d.MemFS.CrashClone(c)
}

// Crash returns what a power cut at this moment leaves: everything made durable, and of the rest each
// block and each directory entry with a chance of keepPercent in 100, chosen by seed. d itself goes on.
// It panics for a disk that NewMemDisk did not make.
func (d *Disk) Crash(keepPercent int, seed uint64) *Disk {
	rng := rand.New(rand.NewPCG(seed, seed))
	mem := d.fs.(*memDisk)
	return &Disk{&memDisk{MemFS: mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: keepPercent, RNG: rng})}}
}

// pebbleLog hands Pebble's messages to slog.
type pebbleLog struct{ log *slog.Logger }

func (l pebbleLog) Infof(format string, args ...any)  { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l pebbleLog) Errorf(format string, args ...any) { l.log.Error(fmt.Sprintf(format, args...)) }

// Fatalf is called where Pebble cannot go on: the log or the list of files could not be written. It
// must not return. Commit turns the panic into an error; in a goroutine of Pebble it ends the
// process, which is right: nothing that happens after it would survive.
func (l pebbleLog) Fatalf(format string, args ...any) {
	panic(fatal{fmt.Errorf(format, args...)})
}

// fatal is what Fatalf panics with.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// caught calls fn and returns what it returned, or the error it ended in Fatalf with.
func caught(fn func() error) (err error) {
	defer func() {
		switch f := recover().(type) {
		case nil:
		case fatal:
			err = f.error
		default:
			panic(f)
		}
	}()
	return fn()
}

func closeDB(db *pebble.DB) error { return caught(db.Close) }
