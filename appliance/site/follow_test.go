package site

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/sync/wire"
)

// chase is a follower between a controller and a shelf that a test sets.
type chase struct {
	*follower
	mu       sync.Mutex // guards what follows
	above    model.Cursor
	held     model.Cursor
	last     model.Time // when something was last imported
	up       bool
	fetchErr error
	takeErr  error
	fetched  []time.Duration // when
	taken    int
	brought  int // files that came over the line
	began    time.Time
	bound    int64  // of a file; 0: none
	mark     string // of the rules
	late     string // is the mark once a file was judged
	other    bool   // the controller has another file now
}

func at(seq model.Seq) model.Cursor { return model.Cursor{At: model.Time(seq), Seq: seq} }

func newChase(t *testing.T, dir string) *chase {
	t.Helper()
	c := &chase{up: true, began: time.Now()}
	upper := model.NodeID{0xc0}
	locked := func(fn func()) { c.mu.Lock(); defer c.mu.Unlock(); fn() }
	c.follower = &follower{
		upper: upper,
		shelf: func() (s apply.Shelf, _ error) {
			locked(func() { s = apply.Shelf{Above: c.above, Imported: map[string]model.Cursor{upper.String(): c.held}} })
			return s, nil
		},
		imported: func() (last model.Time, _ error) { locked(func() { last = c.last }); return last, nil },
		fetch: func(_ context.Context, from model.Cursor, d *uplink.Download) (head wire.Fetched, err error) {
			locked(func() {
				c.fetched = append(c.fetched, time.Since(c.began))
				if from != c.held {
					t.Errorf("asked from %v, and %v is held", from, c.held)
				}
				head, err = wire.Fetched{From: from, To: c.above, Size: 7}, c.fetchErr
			})
			if _, missing := os.Stat(d.Path()); err == nil && missing == nil {
				return head, nil // whole, and not taken in yet
			}
			if err == nil {
				err = d.Admit(head)
			}
			if err == nil {
				locked(func() { c.brought++ })
				err = os.WriteFile(d.Path(), []byte(head.To.String()), 0o600)
			}
			return head, err
		},
		take: func(_ context.Context, f *os.File) error {
			raw := make([]byte, 64)
			n, _ := f.Read(raw)
			to, err := model.ParseCursor(string(raw[:n]))
			if err != nil {
				t.Error(err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.taken++
			if c.late != "" {
				c.mark, c.late = c.late, ""
			}
			if c.takeErr == nil {
				c.held, c.last = to, model.TimeOf(time.Now())
			}
			return c.takeErr
		},
		online: func() (up bool) { locked(func() { up = c.up }); return up },
		admit: func(size int64) (err error) {
			locked(func() {
				if c.bound > 0 && size > c.bound {
					err = fault.New(fault.TooLarge, "", "Bundle too large")
				}
			})
			return err
		},
		renewed: func(context.Context, model.Cursor, *uplink.Download) (other bool, _ error) {
			locked(func() { other = c.other })
			return other, nil
		},
		rules: func() (mark string) { locked(func() { mark = c.mark }); return mark },
		room:  func() error { return nil }, now: time.Now, jitter: func(time.Duration) time.Duration { return 0 },
		log: slog.New(slog.DiscardHandler), path: filepath.Join(dir, "state.json"), download: uplink.OpenDownload(filepath.Join(dir, "part")),
	}
	c.open()
	return c
}

// set changes what the test sets, and says so where it is something that the follower is told of.
func (c *chase) set(change func()) {
	c.mu.Lock()
	change()
	c.mu.Unlock()
	c.nudge()
	synctest.Wait()
}

// rest lets time pass until nothing is left to do. What the test has read before is read before anybody changes it: by the lock.
func (c *chase) rest(d time.Duration) {
	c.mu.Lock()
	until := time.Now().Add(d)
	c.mu.Unlock()
	time.Sleep(time.Until(until))
	synctest.Wait()
}

// again is that of the follower, until nothing is left to do.
func (c *chase) again() {
	c.rest(0)
	c.follower.again()
	synctest.Wait()
}

func (c *chase) start(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestFollowsTheController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		c := newChase(t, dir)
		stop := c.start(t)
		if len(c.fetched) != 0 {
			t.Errorf("nothing is there, and it was fetched at %v", c.fetched)
		}
		c.set(func() { c.above = at(10) })
		if len(c.fetched) != 1 || c.held != at(10) {
			t.Errorf("fetched at %v, holds %v", c.fetched, c.held)
		}
		c.set(func() {})
		if age, n, known := c.drift(); len(c.fetched) != 1 || age != 0 || n != 0 || !known {
			t.Errorf("level: fetched at %v, drift %v %d %v", c.fetched, age, n, known)
		}
		if row := c.row("hq", "https://hq"); row.State != "current" || row.Held != at(10).String() || *row.AgeSec != 0 {
			t.Errorf("level: %+v", row)
		}
		c.rest(time.Hour)

		// While the link is down it grows old, and nothing is tried.
		c.set(func() { c.up = false })
		c.rest(30 * time.Hour)
		if age, n, known := c.drift(); age < 30*time.Hour || age > 30*time.Hour+followLook || n != 0 || !known {
			t.Errorf("without a link: drift %v %d %v", age, n, known)
		}
		if row := c.row("hq", "https://hq"); row.State != "old" {
			t.Errorf("without a link: %+v", row)
		}
		c.set(func() { c.above = at(25) })
		if _, n, _ := c.drift(); len(c.fetched) != 1 || n != 15 {
			t.Errorf("without a link: fetched at %v, %d changes are missing", c.fetched, n)
		}
		// A stick brings it forward.
		c.set(func() { c.last = model.TimeOf(time.Now()) })
		if age, _, _ := c.drift(); age != 0 {
			t.Errorf("after a stick: drift %v", age)
		}
		if row := c.row("hq", ""); row.State != "behind" || row.BehindN != 15 {
			t.Errorf("after a stick that was not the newest: %+v", row)
		}
		c.rest(time.Hour)
		stop()

		// Over a restart it is known.
		c2 := newChase(t, dir)
		c2.above, c2.held, c2.up, c2.last = c.above, c.held, false, c.last
		if age, n, known := c2.drift(); age != time.Hour || n != 15 || !known {
			t.Errorf("after a restart: drift %v %d %v", age, n, known)
		}
		stop = c2.start(t)
		c2.set(func() { c2.up = true })
		if c2.held != at(25) {
			t.Errorf("when the link is back it holds %v", c2.held)
		}
		stop()
	})
}

// What fails is tried again further and further apart, whatever else happens meanwhile, and at once when somebody asks.
func TestFollowerWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChase(t, t.TempDir())
		defer c.start(t)()
		c.set(func() { c.above, c.fetchErr = at(10), fault.New(fault.Unreachable, "", "the link broke") })
		for range 100 {
			c.set(func() {})
		}
		c.rest(time.Minute)
		var want []time.Duration
		for at, step := time.Duration(0), followFirst; at < time.Minute; at, step = at+step, step*2 {
			want = append(want, at)
		}
		if len(c.fetched) != len(want) {
			t.Errorf("in a minute it was tried at %v, want %v", c.fetched, want)
		}
		if row := c.row("hq", ""); row.State != "failing" || !strings.Contains(row.Reason, "the link broke") || row.Failures != len(want) || row.NextAt == nil {
			t.Errorf("then %+v", row)
		}
		n := len(c.fetched)
		c.set(func() { c.fetchErr = nil })
		if len(c.fetched) != n {
			t.Error("news alone ended the wait")
		}
		c.again()
		if c.held != at(10) {
			t.Errorf("when somebody asked it was not fetched: %v", c.held)
		}

		// An older controller has nothing to fetch, and is asked now and then alone.
		n = len(c.fetched)
		c.set(func() {
			c.above, c.fetchErr = at(20), fault.New(fault.Version, "", "it speaks link protocol 2: upgrade it")
		})
		c.rest(time.Hour)
		if k := len(c.fetched) - n; k < 3 || k > 5 {
			t.Errorf("an older controller was asked %d times in an hour", k)
		}
		if row := c.row("hq", ""); !strings.Contains(row.Reason, "upgrade it") {
			t.Errorf("an older controller: %+v", row)
		}

		// A closed window says itself when it opens.
		c.set(func() { c.fetchErr = fault.Later(fault.New(fault.Busy, "", "the window is closed"), 5*time.Hour) })
		c.again()
		n = len(c.fetched)
		c.rest(5*time.Hour - time.Minute)
		if len(c.fetched) != n {
			t.Errorf("it was tried %d times while the window was closed", len(c.fetched)-n)
		}
		c.set(func() { c.fetchErr = nil })
		c.rest(2 * time.Minute)
		if c.held != at(20) {
			t.Errorf("when the window opened it was not fetched: %v", c.held)
		}
	})
}

// On a line that breaks again and again the file comes all the same, as long as each attempt brings a part of it.
func TestFollowerOnALineThatBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChase(t, t.TempDir())
		c.progress = func() (int64, int64) { c.mu.Lock(); defer c.mu.Unlock(); return int64(len(c.fetched)), 1000 }
		defer c.start(t)()
		c.set(func() { c.above, c.fetchErr = at(10), fault.New(fault.Unreachable, "", "the link broke") })
		c.rest(10 * time.Minute)
		if n := len(c.fetched); n < 295 || n > 305 {
			t.Errorf("in ten minutes it was tried %d times", n)
		}
	})
}

// A file that cannot be taken in is taken in again without being fetched, unless it is at fault itself.
func TestFollowerKeepsWhatItFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChase(t, t.TempDir())
		defer c.start(t)()
		there := func() bool { _, err := os.Stat(c.download.Path()); return err == nil }
		c.set(func() { c.above, c.takeErr = at(10), fault.New(fault.ReadOnly, "", "the disk is full") })
		for range 9 {
			c.again()
		}
		if !there() || c.taken != 10 {
			t.Errorf("without room: there %v, taken %d times", there(), c.taken)
		}
		c.set(func() { c.above, c.held, c.taken, c.takeErr = at(5), at(5), 0, nil }) // level again
		c.again()
		c.rest(time.Hour)
		c.set(func() { c.above, c.takeErr = at(10), fault.New(fault.Conflict, "", "another one came first") })
		if !there() || c.taken != 1 {
			t.Errorf("there %v, taken %d times", there(), c.taken)
		}
		c.rest(followFirst)
		if !there() || c.taken != 2 {
			t.Errorf("there %v, taken %d times", there(), c.taken)
		}
		c.rest(2 * followFirst)
		if there() || c.taken != 3 {
			t.Errorf("after three failures: there %v, taken %d times", there(), c.taken)
		}
		c.set(func() { c.takeErr = fault.New(fault.Corrupt, "", "a digest is wrong") })
		c.again()
		if there() || c.taken != 4 {
			t.Errorf("a file that is at fault: there %v, taken %d times", there(), c.taken)
		}
		c.set(func() { c.takeErr = nil })
		c.again()
		if there() || c.held != at(10) {
			t.Errorf("at last: there %v, holds %v", there(), c.held)
		}
		if row := c.row("hq", ""); row.State != "current" || row.Reason != "" || row.FailedAt == nil {
			t.Errorf("at last: %+v", row)
		}
	})
}

// What this site refuses by its own rules is not fetched again and again: it waits until they are others, or the file is.
func TestFollowerRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChase(t, t.TempDir())
		defer c.start(t)()
		is := func(what string, brought, taken int) {
			t.Helper()
			if c.brought != brought || c.taken != taken {
				t.Errorf("%s: %d files came and were judged %d times, want %d and %d", what, c.brought, c.taken, brought, taken)
			}
		}
		c.set(func() { c.above, c.takeErr = at(10), fault.New(fault.Denied, "", "Site not allowed") })
		is("at first", 1, 1)
		for range 50 {
			c.set(func() {})
		}
		c.rest(10*time.Hour + time.Minute)
		is("hours later", 1, 11)
		if row := c.row("hq", ""); row.State != "failing" || !strings.Contains(row.Reason, "Site not allowed") {
			t.Errorf("meanwhile %+v", row)
		}
		c.set(func() { c.mark = "another" })
		c.rest(followRules)
		is("under other rules", 1, 12)
		c.set(func() { c.other = true })
		c.rest(time.Hour)
		is("when there is another file, that it is refused as well", 1, 13)
		c.set(func() { c.other = false })
		c.rest(time.Hour)
		is("and when it was fetched", 2, 14)
		c.set(func() { c.mark, c.takeErr = "a third", nil })
		c.rest(followRules)
		is("at last", 2, 15)
		if row := c.row("hq", ""); c.held != at(10) || row.State != "current" {
			t.Errorf("at last it holds %v: %+v", c.held, row)
		}

		// What is larger than may be is known before it comes.
		asked := len(c.fetched)
		c.set(func() { c.above, c.bound = at(20), 6 })
		c.rest(5 * time.Hour)
		is("too large", 2, 15)
		if n := len(c.fetched) - asked; n < 5 || n > 6 {
			t.Errorf("asked %d times in five hours", n)
		}
		c.set(func() { c.bound, c.mark = 7, "a fourth" })
		c.rest(followRules)
		is("when it may come", 3, 16)
	})
}

// The key that signed a file may come down while the file is judged: it is judged again at once, not in an hour.
func TestFollowerWhoseRulesComeLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChase(t, t.TempDir())
		defer c.start(t)()
		c.set(func() {
			c.above, c.late, c.takeErr = at(10), "with the key", fault.New(fault.Denied, "", "Signature verification failed")
		})
		c.set(func() { c.takeErr = nil })
		c.rest(followRules)
		if c.held != at(10) || c.brought != 1 || c.taken != 2 {
			t.Errorf("it holds %v; %d files came and were judged %d times", c.held, c.brought, c.taken)
		}
	})
}

// A bundle that brings this site no further is no reason to fetch it again and again.
func TestFollowerThatComesNoFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChase(t, t.TempDir())
		defer c.start(t)()
		c.follower.take = func(context.Context, *os.File) error { return nil }
		c.set(func() { c.above = at(10) })
		c.rest(time.Minute)
		if n := len(c.fetched); n < 2 || n > 6 {
			t.Errorf("fetched %d times in a minute", n)
		}
		if row := c.row("hq", ""); !strings.Contains(row.Reason, "as before") {
			t.Errorf("then %+v", row)
		}
	})
}

func TestFollowerCannotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChase(t, t.TempDir())
		c.shelf = func() (apply.Shelf, error) { return apply.Shelf{}, errors.New("the store is closed") }
		defer c.start(t)()
		c.rest(time.Hour)
		if _, _, known := c.drift(); known || len(c.fetched) != 0 {
			t.Errorf("known %v, fetched %v", known, c.fetched)
		}
	})
}

// TestWhatAnotherBroughtIsNoNewsOfTheController: nor is what was forced in and goes back.
func TestWhatAnotherBroughtIsNoNewsOfTheController(t *testing.T) {
	upper, partner := model.NodeID{1}, model.NodeID{2}
	of := func(at model.Time, origin model.NodeID, forced bool) model.ImportRecord {
		return model.ImportRecord{At: at, Imported: model.Imported{Origin: origin, Forced: forced}}
	}
	for name, tc := range map[string]struct {
		imports []model.ImportRecord
		want    model.Time
	}{
		"nothing":      {nil, 0},
		"the newest":   {[]model.ImportRecord{of(9, upper, false), of(5, upper, false)}, 9},
		"a partner's":  {[]model.ImportRecord{of(9, partner, false), of(5, upper, false)}, 5},
		"forced":       {[]model.ImportRecord{of(9, upper, true), of(5, upper, false)}, 5},
		"only another": {[]model.ImportRecord{of(9, partner, false)}, 0},
	} {
		if got := lastOf(tc.imports, upper); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
