package controller

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/wire"
)

// Bounds of the bundles that are kept for sites to fetch.
const (
	maxBundles   = 16
	bundlesBytes = 512 << 20
	smallBundle  = 256 << 10       // bytes; one that reaches back further than is needed is given all the same
	failedFor    = 5 * time.Second // for which an export that failed is not tried again
	exportTime   = 10 * time.Minute
)

// bundles makes the bundles that sites fetch, and keeps the newest: as many sites as there are that hold the same cost one
// export. The files have no names, so that nothing is left of them. Its methods are safe for concurrent use.
type bundles struct {
	dir    string // of the files while they are made
	export func(ctx context.Context, w io.Writer, from model.Cursor) (bundle.Manifest, error)
	shelf  func() (apply.Shelf, error)
	now    func() time.Time
	log    *slog.Logger
	most   int64 // bytes of all that is kept

	ctx     context.Context // of the exports; ends with close
	stop    context.CancelFunc
	running sync.WaitGroup
	one     chan struct{} // held by the one export at a time

	mu     sync.Mutex                // guards what follows
	kept   []*keptBundle             // the one that was used last comes last
	making map[model.Cursor]*making  // by From
	failed map[model.Cursor]failedAt // by From; of the last moments
}

// keptBundle is a bundle in a file without a name.
type keptBundle struct {
	wire.Fetched
	file  *os.File
	users int
	gone  bool // closed once nobody uses it
}

// making is an export under way.
type making struct {
	done chan struct{} // closed when what follows is set
	made *keptBundle
	err  error
}

type failedAt struct {
	at  time.Time
	err error
}

func newBundles(dir string, shelf func() (apply.Shelf, error), now func() time.Time, log *slog.Logger) *bundles {
	b := &bundles{dir: dir, shelf: shelf, now: now, log: log, most: bundlesBytes, one: make(chan struct{}, 1), making: map[model.Cursor]*making{}, failed: map[model.Cursor]failedAt{}}
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b
}

// close ends what is being made, and lets go of what is kept.
func (b *bundles) close() error {
	b.stop()
	b.running.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.kept {
		b.letGoLocked(k)
	}
	b.kept = nil
	return nil
}

// give fits hub.Config.Bundles.
func (b *bundles) give(ctx context.Context, _ model.NodeID, from model.Cursor, part *wire.Fetched) (hub.Bundle, error) {
	const op = "give advisories to a site"
	shelf, err := b.shelf()
	if err != nil {
		return hub.Bundle{}, err
	}
	if shelf.Cursor.Compare(from) <= 0 {
		return hub.Bundle{}, fault.New(fault.NotFound, op, "nothing changed after %q", from)
	}
	want := from
	// A site that is far behind takes what is whole: every such site takes the same.
	if behind := shelf.Cursor.Seq - from.Seq; !from.IsZero() && uint64(behind) > uint64(shelf.AdvisoryN)/2 {
		want = model.Cursor{}
	}
	for {
		b.mu.Lock()
		k := b.findLocked(from, want, shelf.Cursor, part)
		if k != nil {
			k.users++
			b.mu.Unlock()
			return hub.Bundle{Fetched: k.Fetched, File: k.file, Close: sync.OnceFunc(func() { b.release(k) })}, nil
		}
		if f, ok := b.failed[want]; ok {
			if b.now().Sub(f.at) < failedFor {
				b.mu.Unlock()
				return hub.Bundle{}, fault.Later(f.err, failedFor)
			}
			delete(b.failed, want)
		}
		m := b.beginLocked(want)
		b.mu.Unlock()
		if m == nil {
			return hub.Bundle{}, fault.New(fault.Unreachable, op, "this server is stopping")
		}
		select {
		case <-m.done:
		case <-ctx.Done():
			return hub.Bundle{}, context.Cause(ctx)
		}
		if m.err != nil {
			return hub.Bundle{}, m.err
		}
		// What was made holds at least what there was; more may have come since, and is fetched the next time.
		shelf.Cursor, want, part = m.made.To, m.made.From, nil
	}
}

// findLocked returns what is kept and does: the file that the site has begun, else one that goes from want, or from somewhat
// before, through to.
func (b *bundles) findLocked(from, want, to model.Cursor, part *wire.Fetched) *keptBundle {
	at := -1
	for i, k := range b.kept {
		switch {
		case k.From.Compare(from) > 0 || k.To.Compare(from) <= 0:
		case part != nil && k.Same(*part):
			return b.usedLocked(i)
		case k.To.Compare(to) < 0:
		case k.From == want, k.Size <= smallBundle && at < 0:
			at = i
		}
	}
	if at < 0 {
		return nil
	}
	return b.usedLocked(at)
}

// usedLocked moves a bundle behind the others.
func (b *bundles) usedLocked(i int) *keptBundle {
	k := b.kept[i]
	b.kept = append(slices.Delete(b.kept, i, i+1), k)
	return k
}

// beginLocked begins an export, or returns the one that is under way; nil: no more is begun.
func (b *bundles) beginLocked(from model.Cursor) *making {
	if m := b.making[from]; m != nil {
		return m
	}
	if b.ctx.Err() != nil {
		return nil
	}
	m := &making{done: make(chan struct{})}
	b.making[from] = m
	b.running.Go(func() {
		k, err := b.make(from)
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.making, from)
		if m.made, m.err = k, err; err != nil {
			if !fault.Is(err, fault.NotFound) && b.ctx.Err() == nil {
				b.failed[from] = failedAt{b.now(), err}
				b.log.Warn("a bundle for the sites could not be made; they ask again", "from", from.String(), "reason", err.Error())
			}
		} else {
			b.keepLocked(k)
		}
		close(m.done)
	})
	return m
}

// make exports what changed after from.
func (b *bundles) make(from model.Cursor) (*keptBundle, error) {
	const op = "make a bundle for the sites"
	ctx, cancel := context.WithTimeout(b.ctx, exportTime)
	defer cancel()
	select {
	case b.one <- struct{}{}:
		defer func() { <-b.one }()
	case <-ctx.Done():
		return nil, fault.New(fault.Busy, op, "another one is still being made; try again")
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return nil, fault.New(fault.ReadOnly, op, "%w", err)
	}
	f, err := os.CreateTemp(b.dir, "fetched-*.zst")
	if err != nil {
		return nil, fault.New(fault.ReadOnly, op, "%w", err)
	}
	_ = os.Remove(f.Name()) // nothing is left behind, whatever happens
	h := sha256.New()
	began := b.now()
	m, err := b.export(ctx, io.MultiWriter(f, h), from)
	var size int64
	if err == nil {
		size, err = f.Seek(0, io.SeekEnd)
	}
	if err == nil && (size < 1 || size > wire.MaxFetched) {
		err = fault.New(fault.TooLarge, op, "it has %d bytes; at most %d are given", size, int64(wire.MaxFetched))
	}
	if err != nil {
		return nil, errors.Join(fault.Wrap(op, err), f.Close())
	}
	b.log.Info("a bundle for the sites was made", "from", m.From.String(), "to", m.To.String(), "bytes", size, "took", b.now().Sub(began).Round(time.Millisecond).String())
	return &keptBundle{Fetched: wire.Fetched{From: m.From, To: m.To, Size: size, Digest: wire.Digest(h.Sum(nil))}, file: f}, nil
}

// keepLocked keeps a bundle, in the place of those that were used longest ago where there are too many.
func (b *bundles) keepLocked(k *keptBundle) {
	b.kept = append(b.kept, k)
	total := int64(0)
	for _, k := range b.kept {
		total += k.Size
	}
	for len(b.kept) > 1 && (len(b.kept) > maxBundles || total > b.most) {
		total -= b.kept[0].Size
		b.letGoLocked(b.kept[0])
		b.kept = slices.Delete(b.kept, 0, 1)
	}
}

func (b *bundles) letGoLocked(k *keptBundle) {
	if k.gone = true; k.users == 0 {
		_ = k.file.Close()
	}
}

func (b *bundles) release(k *keptBundle) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k.users--; k.users == 0 && k.gone {
		_ = k.file.Close()
	}
}
