package uplink_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/sync/wire"
)

// dialled takes the next dial, welcomes it and returns the session, whose further streams are fetches.
func (u *tier) dialled(w wire.Welcome) *linktest.Session {
	u.t.Helper()
	s := <-u.dials
	u.dials <- s
	u.welcome(w)
	synctest.Wait()
	return s
}

func TestFetchFromAnOlderPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newTier(t, uplink.Config{Outbox: newBox(1, 0, 0)})
		defer u.stop()
		d := uplink.OpenDownload(filepath.Join(t.TempDir(), "bundle"))
		if _, err := u.link.Fetch(t.Context(), model.Cursor{}, d); !fault.Is(err, fault.Unreachable) {
			t.Errorf("before the link: %v", err)
		}
		u.dialled(wire.Welcome{MaxVersion: 2})
		_, err := u.link.Fetch(t.Context(), model.Cursor{}, d)
		if !fault.Is(err, fault.Version) || !strings.Contains(err.Error(), `"controller" speaks link protocol 2`) {
			t.Errorf("of version 2: %v", err)
		}
	})
}

// answer gives one fetch what frames says, and closes the stream.
func answer(t *testing.T, s *linktest.Session, frames func(q wire.Fetch, w stream)) {
	t.Helper()
	st, err := s.Accept(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	defer st.Close()
	body, err := wire.Expect(st, wire.TypeFetch, wire.MaxControl)
	if err != nil {
		t.Error(err)
		return
	}
	q, err := wire.Decode[wire.Fetch](body)
	if err != nil {
		t.Error(err)
	}
	frames(q, st)
}

func write(t *testing.T, w stream, typ wire.Type, body any) {
	t.Helper()
	if err := wire.WriteFrame(w, typ, body); err != nil {
		t.Error(err)
	}
}

func TestFetchRefusesWhatIsNotTheFile(t *testing.T) {
	raw := []byte(strings.Repeat("advisories ", 1000))
	held := model.Cursor{At: 3, Seq: 3}
	good := wire.Fetched{From: held, To: model.Cursor{At: 9, Seq: 9}, Size: int64(len(raw)), Digest: sha256.Sum256(raw)}
	for _, c := range []struct {
		name   string
		frames func(wire.Fetch, stream, *testing.T)
		want   fault.Kind
		text   string
		kept   int64
	}{
		{"whole", func(_ wire.Fetch, w stream, t *testing.T) {
			write(t, w, wire.TypeFetched, good)
			write(t, w, wire.TypeAnswer, wire.Chunk(raw))
			write(t, w, wire.TypeEnd, nil)
		}, 0, "", good.Size},
		{"from a later cursor", func(_ wire.Fetch, w stream, t *testing.T) {
			f := good
			f.From.Seq++
			write(t, w, wire.TypeFetched, f)
		}, fault.Corrupt, "begins after", 0},
		{"from the middle of a file that was not begun", func(_ wire.Fetch, w stream, t *testing.T) {
			f := good
			f.Offset = 7
			write(t, w, wire.TypeFetched, f)
		}, fault.Corrupt, "another file than the one that was begun", 0},
		{"more than was announced", func(_ wire.Fetch, w stream, t *testing.T) {
			write(t, w, wire.TypeFetched, good)
			write(t, w, wire.TypeAnswer, wire.Chunk(append(raw, '!')))
		}, fault.TooLarge, "more came than", 0},
		{"ended early", func(_ wire.Fetch, w stream, t *testing.T) {
			write(t, w, wire.TypeFetched, good)
			write(t, w, wire.TypeAnswer, wire.Chunk(raw[:100]))
			write(t, w, wire.TypeEnd, nil)
		}, fault.Corrupt, "ended the file at byte 100", 100},
		{"given up", func(_ wire.Fetch, w stream, t *testing.T) {
			write(t, w, wire.TypeFetched, good)
			write(t, w, wire.TypeAnswer, wire.Chunk(raw[:100]))
			write(t, w, wire.TypeFault, wire.FaultOf(fault.New(fault.ReadOnly, "", "the disk failed")))
		}, fault.ReadOnly, "the disk failed", 100},
		{"another frame", func(_ wire.Fetch, w stream, t *testing.T) {
			write(t, w, wire.TypeFetched, good)
			write(t, w, wire.TypePing, nil)
		}, fault.Corrupt, "a ping frame in a file", 0},
		{"cut", func(_ wire.Fetch, w stream, t *testing.T) {
			write(t, w, wire.TypeFetched, good)
			write(t, w, wire.TypeAnswer, wire.Chunk(raw[:100]))
		}, fault.Unreachable, "before the file was whole", 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newTier(t, uplink.Config{Outbox: newBox(1, 0, 0)})
				defer u.stop()
				s := u.dialled(wire.Welcome{MaxVersion: 3})
				d := uplink.OpenDownload(filepath.Join(t.TempDir(), "bundle"))
				done := make(chan struct{})
				go func() {
					defer close(done)
					answer(t, s, func(q wire.Fetch, w stream) {
						if q.From != held || q.Part != nil {
							t.Errorf("asked for %+v", q)
						}
						c.frames(q, w, t)
					})
				}()
				_, err := u.link.Fetch(t.Context(), held, d)
				<-done
				if (err == nil) != (c.text == "") || err != nil && (!fault.Is(err, c.want) || !strings.Contains(err.Error(), c.text)) {
					t.Errorf("got %v of kind %v", err, fault.KindOf(err))
				}
				if have, _ := d.Progress(); have != c.kept {
					t.Errorf("%d bytes were kept, want %d", have, c.kept)
				}
			})
		})
	}
}

// While the window is closed nothing is fetched, and what is under way stops; it goes on in the next window.
func TestFetchHeedsTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &gate{open: true}
		u := newTier(t, uplink.Config{Outbox: newBox(1, 0, 0), Window: w})
		defer u.stop()
		s := u.dialled(wire.Welcome{MaxVersion: 3})
		raw := []byte(strings.Repeat("advisories ", 1000))
		good := wire.Fetched{To: model.Cursor{At: 9, Seq: 9}, Size: int64(len(raw)), Digest: sha256.Sum256(raw)}
		d := uplink.OpenDownload(filepath.Join(t.TempDir(), "bundle"))

		w.set(false, time.Now().Add(time.Hour))
		_, err := u.link.Fetch(t.Context(), model.Cursor{}, d)
		if after, _ := fault.RetryAfter(err); !fault.Is(err, fault.Busy) || after != time.Hour {
			t.Errorf("closed: %v, to be tried again after %v", err, after)
		}

		w.set(true, time.Time{})
		done := make(chan struct{})
		go answer(t, s, func(_ wire.Fetch, st stream) {
			defer close(done)
			write(t, st, wire.TypeFetched, good)
			write(t, st, wire.TypeAnswer, wire.Chunk(raw[:5000]))
			synctest.Wait() // it is taken
			w.set(false, time.Now().Add(2*time.Hour))
			write(t, st, wire.TypeAnswer, wire.Chunk(raw[5000:6000]))
			write(t, st, wire.TypeAnswer, wire.Chunk(raw[6000:]))
		})
		_, err = u.link.Fetch(t.Context(), model.Cursor{}, d)
		if have, _ := d.Progress(); !fault.Is(err, fault.Busy) || have < 5000 || have == good.Size {
			t.Errorf("closed in between: %v with %d bytes", err, have)
		}
		<-done

		w.set(true, time.Time{})
		done = make(chan struct{})
		go answer(t, s, func(q wire.Fetch, st stream) {
			defer close(done)
			f := good
			if q.Part == nil || !q.Part.Same(good) || q.Part.Offset < 5000 {
				t.Errorf("asked for %+v", q.Part)
				return
			}
			f.Offset = q.Part.Offset
			write(t, st, wire.TypeFetched, f)
			write(t, st, wire.TypeAnswer, wire.Chunk(raw[f.Offset:]))
			write(t, st, wire.TypeEnd, nil)
		})
		if _, err = u.link.Fetch(t.Context(), model.Cursor{}, d); err != nil {
			t.Error(err)
		}
		<-done
		if got, err := os.ReadFile(d.Path()); err != nil || string(got) != string(raw) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// The other side may say nothing at all: it is given up in time, and a stop is not waited for.
func TestFetchFromOneThatIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newTier(t, uplink.Config{Outbox: newBox(1, 0, 0), Silence: time.Hour})
		defer u.stop()
		u.dialled(wire.Welcome{MaxVersion: 3})
		d := uplink.OpenDownload(filepath.Join(t.TempDir(), "bundle"))
		began := time.Now()
		if _, err := u.link.Fetch(t.Context(), model.Cursor{}, d); !fault.Is(err, fault.Unreachable) || time.Since(began) != 5*time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		if _, err := u.link.Fetch(ctx, model.Cursor{}, d); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// What a damaged folder holds counts for nothing.
func TestOpenDownload(t *testing.T) {
	head := `{"version":1,"head":{"to":"2023-11-14T22:28:20.000Z#4711","size":10,"digest":"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAk=","offset":0}}`
	for _, c := range []struct {
		name, head, body string
		have             int64
	}{
		{"good", head, "12345", 5},
		{"nothing", "", "", 0},
		{"no head", "", "12345", 0},
		{"no body", head, "", 0},
		{"a damaged head", head[:40], "12345", 0},
		{"a later form", strings.Replace(head, `"version":1`, `"version":2`, 1), "12345", 0},
		{"a size beyond the bound", strings.Replace(head, `"size":10`, `"size":10000000000`, 1), "12345", 0},
		{"a longer body", head, "12345678901", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "bundle")
			for name, text := range map[string]string{path: c.body, path + ".json": c.head} {
				if text == "" {
					continue
				}
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			d := uplink.OpenDownload(path)
			if have, _ := d.Progress(); have != c.have {
				t.Errorf("%d bytes are there, want %d", have, c.have)
			}
			if err := d.Drop(); err != nil {
				t.Error(err)
			}
			if left, _ := filepath.Glob(path + "*"); len(left) != 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

// gate is a window that a test opens and closes.
type gate struct {
	mu   sync.Mutex // guards what follows
	open bool
	next time.Time
}

func (g *gate) set(open bool, next time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.next = open, next
}

func (g *gate) Open(time.Time) bool { g.mu.Lock(); defer g.mu.Unlock(); return g.open }

func (g *gate) Next(time.Time) time.Time { g.mu.Lock(); defer g.mu.Unlock(); return g.next }

// What is announced is judged before it comes, and what is whole is asked after without coming again.
func TestFetchJudgesWhatIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newTier(t, uplink.Config{Outbox: newBox(1, 0, 0)})
		defer u.stop()
		raw := []byte("advisories")
		first := wire.Fetched{To: model.Cursor{At: 9, Seq: 9}, Size: int64(len(raw)), Digest: sha256.Sum256(raw)}
		d := uplink.OpenDownload(filepath.Join(t.TempDir(), "bundle"))
		no := fault.New(fault.TooLarge, "", "Bundle too large")
		d.Admit = func(head wire.Fetched) error {
			if head != first {
				t.Errorf("judged %+v", head)
			}
			return no
		}
		if _, err := u.link.Renewed(t.Context(), model.Cursor{}, d); err != nil {
			t.Errorf("with nothing here: %v", err)
		}
		s := u.dialled(wire.Welcome{MaxVersion: wire.VersionFetch})
		serve := func(head wire.Fetched, after ...[]byte) {
			go answer(t, s, func(q wire.Fetch, w stream) {
				if q.Part != nil && q.Part.Same(head) {
					head.Offset = q.Part.Offset
				}
				write(t, w, wire.TypeFetched, head)
				for _, piece := range after {
					write(t, w, wire.TypeAnswer, wire.Chunk(piece))
					write(t, w, wire.TypeEnd, nil)
				}
			})
		}
		serve(first)
		if _, err := u.link.Fetch(t.Context(), model.Cursor{}, d); !errors.Is(err, no) {
			t.Errorf("one that may not come: %v", err)
		}
		if _, err := os.Stat(d.Path()); err == nil {
			t.Error("something of it is kept")
		}
		no = nil
		serve(first, raw)
		if head, err := u.link.Fetch(t.Context(), model.Cursor{}, d); err != nil || head != first {
			t.Errorf("one that may: %+v, %v", head, err)
		}
		serve(first)
		if renewed, err := u.link.Renewed(t.Context(), model.Cursor{}, d); renewed || err != nil {
			t.Errorf("the same: %v, %v", renewed, err)
		}
		other := first
		other.To.Seq, other.Digest[0] = 10, other.Digest[0]+1
		serve(other)
		if renewed, err := u.link.Renewed(t.Context(), model.Cursor{}, d); !renewed || err != nil {
			t.Errorf("another: %v, %v", renewed, err)
		}
		if got, err := os.ReadFile(d.Path()); err != nil || string(got) != string(raw) {
			t.Errorf("what was here is now %q, %v", got, err)
		}
	})
}
