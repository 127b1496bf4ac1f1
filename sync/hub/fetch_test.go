package hub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/sync/wire"
)

// idle is a store and an outbox of which nothing goes anywhere.
type idle struct{}

func (idle) Propose(context.Context, ...model.Change) error  { return nil }
func (idle) Watermark(model.NodeID) (model.Position, error)  { return model.Position{}, nil }
func (idle) Epoch() model.Epoch                              { return 1 }
func (idle) Head() model.Seq                                 { return 0 }
func (idle) Dropped() model.Seq                              { return 0 }
func (idle) After(model.Seq, int, int) ([]model.Item, error) { return nil, nil }
func (idle) DropThrough(model.Seq) error                     { return nil }
func (idle) Held(context.Context) (model.Position, error)    { return model.Position{}, nil }
func (idle) Accept(context.Context, model.Epoch, []model.Item) (model.Position, error) {
	return model.Position{}, errors.New("nothing was sent")
}

// outbox is idle with the other Wait.
type outbox struct{ idle }

func (outbox) Wait(ctx context.Context, _ model.Seq) error { <-ctx.Done(); return ctx.Err() }

// reader is idle with the Wait of a Reader.
type reader struct{ idle }

func (reader) Directives(_ model.NodeID, after model.Seq, _, _ int, _ bool) ([]model.Item, model.Seq, error) {
	return nil, after, nil
}

func (reader) Wait(ctx context.Context, after uint64) (uint64, error) {
	if after < 1 {
		return 1, nil
	}
	<-ctx.Done()
	return 0, ctx.Err()
}

// shelf has bundles to give.
type shelf struct {
	mu     sync.Mutex              // guards what follows
	files  map[model.Cursor][]byte // by their To
	newest model.Cursor
	asked  []wire.Fetch
	closed int
	err    error
	read   func(at int64) // told of each read; may be nil
}

func (s *shelf) bundles(_ context.Context, member model.NodeID, from model.Cursor, part *wire.Fetched) (Bundle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, wire.Fetch{From: from, Part: part})
	to := s.newest
	switch {
	case s.err != nil:
		return Bundle{}, s.err
	case member != (model.NodeID{0x51}):
		return Bundle{}, errors.New("another member")
	case part != nil && s.files[part.To] != nil:
		to = part.To
	}
	raw := s.files[to]
	return Bundle{
		Fetched: wire.Fetched{To: to, Size: int64(len(raw)), Digest: sha256.Sum256(raw)},
		File:    &watched{Reader: bytes.NewReader(raw), told: s.read},
		Close:   func() { s.mu.Lock(); s.closed++; s.mu.Unlock() },
	}, nil
}

type watched struct {
	*bytes.Reader
	told func(at int64)
}

func (w *watched) ReadAt(p []byte, at int64) (int, error) {
	if w.told != nil {
		w.told(at)
	}
	return w.Reader.ReadAt(p, at)
}

func blob(n int, seed byte) []byte {
	out := make([]byte, n)
	for i := range out {
		h := sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16), seed})
		out[i] = h[0]
	}
	return out
}

// fetcher is a site with a link to a hub that gives what s has. Each dial has the next of faults.
func fetcher(t *testing.T, s *shelf, faults ...linktest.Faults) (*Hub, *uplink.Link, func()) {
	t.Helper()
	upper, site := model.NodeID{0xc0}, model.Member{ID: model.NodeID{0x51}, Kind: model.MemberSite, Name: "oslo"}
	quiet := slog.New(slog.DiscardHandler)
	h := New(Config{
		Self: upper, Name: "controller", Software: "test", Epoch: func() model.Epoch { return 2 }, Bundles: s.bundles,
		Proposer: idle{}, Reader: reader{}, Now: time.Now, Log: quiet,
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	online := make(chan struct{}, 64)
	l := uplink.New(uplink.Config{
		Self: site.ID, Name: site.Name, Software: "test", Upper: upper, Outbox: outbox{}, Sink: idle{}, Now: time.Now, Log: quiet,
		Changed: func(s uplink.State) {
			if s.Online {
				online <- struct{}{}
			}
		},
		Dial: func(context.Context) (exchange.Session, error) {
			var f linktest.Faults
			if len(faults) > 0 {
				f, faults = faults[0], faults[1:]
			}
			d, a := linktest.Pair("pin-site", "pin-controller", f)
			running.Go(func() { _ = h.Serve(ctx, a, &site) })
			return d, nil
		},
	})
	running.Go(func() { _ = l.Run(ctx) })
	<-online
	return h, l, func() { cancel(); running.Wait() }
}

func wantFile(t *testing.T, d *uplink.Download, want []byte) {
	t.Helper()
	got, err := os.ReadFile(d.Path())
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file has %d bytes (%v), want the %d that were sent", len(got), err, len(want))
	}
	if have, size := d.Progress(); have != int64(len(want)) || size != have {
		t.Errorf("progress %d of %d", have, size)
	}
}

func TestFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := model.Cursor{At: 5, Seq: 5}, model.Cursor{At: 9, Seq: 9}
		s := &shelf{files: map[model.Cursor][]byte{first: blob(300_001, 1), second: blob(40_000, 2)}, newest: first}
		h, l, stop := fetcher(t, s)
		defer stop()
		d := uplink.OpenDownload(filepath.Join(t.TempDir(), "bundle"))
		head, err := l.Fetch(t.Context(), model.Cursor{}, d)
		if err != nil || head.To != first {
			t.Fatalf("got %+v, %v", head, err)
		}
		wantFile(t, d, s.files[first])

		// What is whole and was not taken in is not sent again; once it was, what follows is.
		if head, err = l.Fetch(t.Context(), model.Cursor{}, d); err != nil || head.To != first || len(s.asked) != 1 {
			t.Errorf("again: %+v, %v, asked %d times", head, err, len(s.asked))
		}
		s.newest = second
		if head, err = l.Fetch(t.Context(), first, d); err != nil || head.To != second || s.asked[1].From != first || s.asked[1].Part != nil {
			t.Errorf("the next: %+v, %v, asked %+v", head, err, s.asked)
		}
		wantFile(t, d, s.files[second])

		s.err = fault.New(fault.NotFound, "", "nothing is new")
		if _, err = l.Fetch(t.Context(), second, d); !fault.Is(err, fault.NotFound) {
			t.Errorf("nothing new: %v", err)
		}
		s.err = fault.Later(fault.New(fault.Busy, "", "too much to do"), 7*time.Second)
		if _, err = l.Fetch(t.Context(), second, d); !fault.Is(err, fault.Busy) {
			t.Errorf("busy: %v", err)
		} else if after, _ := fault.RetryAfter(err); after != 7*time.Second {
			t.Errorf("busy: to be tried again after %v", after)
		}
		wantFile(t, d, s.files[second])

		synctest.Wait() // those before have left their places
		s.err, h.fetching = nil, make(chan struct{})
		if _, err = l.Fetch(t.Context(), first, uplink.OpenDownload(filepath.Join(t.TempDir(), "other"))); !fault.Is(err, fault.Busy) {
			t.Errorf("without a place: %v", err)
		}
		synctest.Wait()
		if s.closed != 2 {
			t.Errorf("%d bundles of 2 were closed", s.closed)
		}
	})
}

// A file whose bytes change under the one who sends it is noticed, and fetched anew.
func TestFetchOfOtherBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := model.Cursor{At: 5, Seq: 5}
		s := &shelf{files: map[model.Cursor][]byte{to: blob(100_000, 1)}, newest: to}
		spoil := true
		s.read = func(at int64) {
			if spoil && at > 0 {
				s.files[to][at] ^= 1 // the digest was taken before
				spoil = false
			}
		}
		_, l, stop := fetcher(t, s)
		defer stop()
		d := uplink.OpenDownload(filepath.Join(t.TempDir(), "bundle"))
		if _, err := l.Fetch(t.Context(), model.Cursor{}, d); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("got %v", err)
		}
		if have, size := d.Progress(); have != 0 || size != 0 {
			t.Errorf("%d of %d bytes were kept", have, size)
		}
		if _, err := l.Fetch(t.Context(), model.Cursor{}, d); err != nil {
			t.Fatal(err)
		}
		wantFile(t, d, s.files[to])
	})
}

// Over links that each carry a part of the file it arrives, also where this side starts anew in between, and where the
// other side has a newer file meanwhile.
func TestFetchGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := model.Cursor{At: 5, Seq: 5}, model.Cursor{At: 9, Seq: 9}
		s := &shelf{files: map[model.Cursor][]byte{first: blob(1<<20, 1)}, newest: first}
		var sent int64
		s.read = func(int64) { sent += wire.MaxChunk }
		var faults []linktest.Faults
		for range 3 {
			faults = append(faults, linktest.Faults{CutAfter: 400_000})
		}
		_, l, stop := fetcher(t, s, faults...)
		defer stop()
		path := filepath.Join(t.TempDir(), "bundle")
		d := uplink.OpenDownload(path)
		cuts, last := 0, int64(0)
		for {
			head, err := l.Fetch(t.Context(), model.Cursor{}, d)
			if err == nil {
				if head.To != first {
					t.Errorf("got the bundle through %v", head.To)
				}
				break
			}
			if !fault.Is(err, fault.Unreachable) {
				t.Fatal(err)
			}
			if have, _ := d.Progress(); have > last {
				last = have
				cuts++
				s.mu.Lock()
				s.files[second], s.newest = blob(1000, 2), second
				s.mu.Unlock()
				d = uplink.OpenDownload(path)
			}
			time.Sleep(time.Minute) // of the fake clock: the link is back
		}
		wantFile(t, d, s.files[first])
		if cuts < 2 || sent > int64(1<<20+(cuts+1)*256<<10) {
			t.Errorf("with %d cuts %d bytes were read for a file of %d", cuts, sent, 1<<20)
		}

		// What was begun and is not there any more is begun anew.
		s.mu.Lock()
		delete(s.files, first)
		s.mu.Unlock()
		if err := os.Truncate(path, 5000); err != nil {
			t.Fatal(err)
		}
		d = uplink.OpenDownload(path)
		if have, _ := d.Progress(); have != 5000 {
			t.Fatalf("%d bytes are there", have)
		}
		head, err := l.Fetch(t.Context(), model.Cursor{}, d)
		if err != nil || head.To != second {
			t.Fatalf("got %+v, %v", head, err)
		}
		wantFile(t, d, s.files[second])
	})
}

// A fetch that is begun while one of the same link hangs takes its place, and the hub waits for both before it ends.
func TestFetchTakesThePlaceOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := model.Cursor{At: 5, Seq: 5}
		s := &shelf{files: map[model.Cursor][]byte{to: blob(2<<20, 1)}, newest: to}
		_, l, stop := fetcher(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		s.read = func(at int64) {
			if at == 1<<20 {
				cancel()
			}
		}
		d := uplink.OpenDownload(filepath.Join(t.TempDir(), "bundle"))
		if _, err := l.Fetch(ctx, model.Cursor{}, d); !errors.Is(err, context.Canceled) {
			t.Errorf("the one that was given up: %v", err)
		}
		if _, err := l.Fetch(t.Context(), model.Cursor{}, d); err != nil {
			t.Fatal(err)
		}
		wantFile(t, d, s.files[to])
		stop()
		if s.closed != 2 || len(s.asked) != 2 || s.asked[1].Part == nil {
			t.Errorf("%d closed, asked %+v", s.closed, s.asked)
		}
	})
}
