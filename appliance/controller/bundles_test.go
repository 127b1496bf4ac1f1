package controller

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/wire"
)

// press is a log of advisories that bundles are made of.
type press struct {
	*bundles
	mu   sync.Mutex // guards what follows
	seq  model.Seq
	n    int
	size int
	made []model.Cursor // the From of each export
	err  error
	wait chan struct{} // closed to let exports end; nil: they end
}

func cursor(seq model.Seq) model.Cursor {
	if seq == 0 {
		return model.Cursor{}
	}
	return model.Cursor{At: model.Time(seq), Seq: seq}
}

func newPress(t *testing.T) *press {
	t.Helper()
	p := &press{seq: 1000, n: 1000, size: 300 << 10}
	shelf := func() (apply.Shelf, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return apply.Shelf{Cursor: cursor(p.seq), AdvisoryN: p.n}, nil
	}
	p.bundles = newBundles(t.TempDir(), shelf, time.Now, slog.New(slog.DiscardHandler))
	p.export = func(ctx context.Context, w io.Writer, from model.Cursor) (bundle.Manifest, error) {
		p.mu.Lock()
		p.made = append(p.made, from)
		err, wait, to, size := p.err, p.wait, cursor(p.seq), p.size
		p.mu.Unlock()
		if wait != nil {
			select {
			case <-wait:
			case <-ctx.Done():
				return bundle.Manifest{}, ctx.Err()
			}
		}
		if err != nil {
			return bundle.Manifest{}, err
		}
		body := make([]byte, size)
		copy(body, fmt.Sprint(from, to))
		_, err = w.Write(body)
		return bundle.Manifest{From: from, To: to}, err
	}
	return p
}

func (p *press) want(t *testing.T, from, first, last model.Seq, part *wire.Fetched) hub.Bundle {
	t.Helper()
	b, err := p.give(t.Context(), model.NodeID{1}, cursor(from), part)
	if err != nil {
		t.Fatalf("from %d: %v", from, err)
	}
	if b.From != cursor(first) || b.To != cursor(last) {
		t.Errorf("from %d: got %v to %v, want %d to %d", from, b.From, b.To, first, last)
	}
	raw := make([]byte, b.Size)
	if _, err := b.File.ReadAt(raw, 0); err != nil {
		t.Errorf("from %d: %v", from, err)
	}
	return b
}

func TestBundlesAreMadeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPress(t)
		p.wait = make(chan struct{})
		var asking sync.WaitGroup
		for range 1000 {
			asking.Go(func() { p.want(t, 900, 900, 1000, nil).Close() })
		}
		synctest.Wait()
		close(p.wait)
		asking.Wait()
		if len(p.made) != 1 {
			t.Errorf("for a thousand sites %d bundles were made", len(p.made))
		}
		p.wait = nil

		// Who is far behind takes what is whole, and so does the next one of those.
		p.want(t, 10, 0, 1000, nil).Close()
		p.want(t, 20, 0, 1000, nil).Close()
		p.want(t, 0, 0, 1000, nil).Close()
		if len(p.made) != 2 || p.made[1] != cursor(0) {
			t.Errorf("made %v", p.made)
		}
		if _, err := p.give(t.Context(), model.NodeID{1}, cursor(1000), nil); !fault.Is(err, fault.NotFound) {
			t.Errorf("nothing new: %v", err)
		}

		// What is small is given also to one who needs less of it.
		p.size, p.seq = 1000, 1010
		p.want(t, 1000, 1000, 1010, nil).Close()
		p.want(t, 1005, 1000, 1010, nil).Close()
		p.want(t, 999, 999, 1010, nil).Close()
		if len(p.made) != 4 {
			t.Errorf("made %v", p.made)
		}
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
}

// A site goes on with the file that it began, also where there is a newer one, for as long as it is kept; the one that is
// being sent is not closed under it.
func TestBundlesThatWereBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPress(t)
		first := p.want(t, 900, 900, 1000, nil)
		begun := first.Fetched
		begun.Offset = 7
		p.seq = 1100
		p.want(t, 900, 900, 1000, &begun).Close()
		p.want(t, 900, 900, 1100, nil).Close()
		p.want(t, 1000, 1000, 1100, &begun).Close() // it holds that by now
		for i := range model.Seq(maxBundles) {
			p.seq++
			p.want(t, 1000+i, 1000+i, p.seq, nil).Close()
		}
		if n := len(p.kept); n != maxBundles {
			t.Errorf("%d bundles are kept", n)
		}
		p.want(t, 900, 900, p.seq, &begun).Close()
		if _, err := first.File.ReadAt(make([]byte, 10), 0); err != nil {
			t.Errorf("the file that is being sent: %v", err)
		}
		first.Close()
		if _, err := first.File.ReadAt(make([]byte, 10), 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("when nobody reads it any more: %v", err)
		}
		if left, _ := os.ReadDir(p.dir); len(left) != 0 {
			t.Errorf("left in the folder: %v", left)
		}
		p.most = 1 << 20
		p.size = 1<<19 + 1
		p.seq++
		p.want(t, 1099, 1099, p.seq, nil).Close()
		p.seq++
		p.want(t, 1100, 1100, p.seq, nil).Close()
		if n := len(p.kept); n != 1 {
			t.Errorf("%d bundles are kept that have more than may be together", n)
		}
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
}

// An export that fails is not begun again for each site that asks.
func TestBundlesThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPress(t)
		p.err = fault.New(fault.ReadOnly, "", "the disk is full")
		for range 10 {
			if _, err := p.give(t.Context(), model.NodeID{1}, cursor(900), nil); !fault.Is(err, fault.ReadOnly) {
				t.Errorf("got %v", err)
			}
		}
		if len(p.made) != 1 {
			t.Errorf("tried %d times", len(p.made))
		}
		p.err = nil
		time.Sleep(failedFor)
		p.want(t, 900, 900, 1000, nil).Close()

		// Who gives up does not stop it for the others; the end of the server does.
		p.seq, p.wait = 1100, make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { _, err := p.give(ctx, model.NodeID{1}, cursor(1000), nil); ended <- err }()
		synctest.Wait()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that gave up: %v", err)
		}
		go func() { _, err := p.give(t.Context(), model.NodeID{2}, cursor(1000), nil); ended <- err }()
		synctest.Wait()
		if err := p.close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err == nil {
			t.Error("a bundle came of a server that has stopped")
		}
		if _, err := p.give(t.Context(), model.NodeID{2}, cursor(1000), nil); !fault.Is(err, fault.Unreachable) {
			t.Errorf("after the end: %v", err)
		}
	})
}
