package site

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/durable"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/sync/wire"
	"github.com/skerryhq/skerry/ui/schema"
)

// follower keeps the advisories of this site level with those of its controller: it is told how far those go, and fetches
// what is missing as a bundle, which is verified and imported as one from a stick would be.
type follower struct {
	upper model.NodeID
	shelf func() (apply.Shelf, error)
	// imported is when a bundle of the controller's last brought this site further, by whatever way it came; zero: never.
	imported func() (model.Time, error)
	fetch    func(ctx context.Context, from model.Cursor, d *uplink.Download) (wire.Fetched, error)
	take     func(ctx context.Context, f *os.File) error
	admit    func(size int64) error // whether a file of so many bytes may come; nil: it may
	// renewed asks the controller whether it has another file now than the one that is here.
	renewed  func(ctx context.Context, from model.Cursor, d *uplink.Download) (bool, error)
	rules    func() string // a mark of the keys and partners that files are judged by
	online   func() bool
	room     func() error
	now      func() time.Time
	jitter   func(limit time.Duration) time.Duration
	log      *slog.Logger
	path     string // of the file with followState
	download *uplink.Download
	progress func() (have, size int64) // of download
	news     chan struct{}             // has a place

	mu      sync.Mutex // guards what follows
	state   followState
	running bool
	waits   time.Time // until when it waits after a failure
	refused bool      // that failure was a refusal by what goes here, and
	under   string    // these were the rules
}

// followState is what is kept over a restart.
type followState struct {
	Version int `json:"version"` // 1
	// Level is when this site last held all that its controller has, as far as the two knew of each other.
	Level    model.Time `json:"level,omitzero"`
	Changed  model.Time `json:"changed,omitzero"` // when a bundle of the controller's was last imported by this way
	Failed   model.Time `json:"failed,omitzero"`
	Reason   string     `json:"reason,omitzero"` // why the newest attempt failed; empty where it did not. At most 512 bytes
	Failures int        `json:"failures,omitzero"`
}

const (
	followEvery = time.Hour       // beside what it is told
	followLook  = 5 * time.Minute // how exactly it is kept since when the two are level
	followFirst = 2 * time.Second // after a failure, doubled with each
	followMost  = 15 * time.Minute
	followStale = 3               // failures to take a file in, after which it is fetched anew
	followRules = 5 * time.Second // between looks whether what a file was refused by has changed
	maxFollow   = 64 << 10
	maxWhy      = 512
)

// open reads what was kept; a file that is missing or damaged counts as nothing known.
func (f *follower) open() {
	f.news = make(chan struct{}, 1)
	f.download.Admit = func(head wire.Fetched) error {
		if f.admit == nil {
			return nil
		}
		return localRefusal(f.admit(head.Size))
	}
	if f.progress == nil {
		f.progress = f.download.Progress
	}
	raw, err := os.ReadFile(f.path)
	var s followState
	if err == nil && len(raw) <= maxFollow && model.Decode(raw, &s) == nil && s.Version == 1 {
		f.state = s
	}
	f.state.Version = 1
}

// nudge says that something may have changed: the link, or how far the controller's advisories go.
func (f *follower) nudge() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// heard fits exchange.Received.Accepted.
func (f *follower) heard(items []model.Item) {
	for i := range items {
		if k := items[i].Kind; k == model.ItemShelf || k == model.ItemSigner {
			f.nudge()
			return
		}
	}
}

// Run follows until ctx ends, and returns nil then.
func (f *follower) Run(ctx context.Context) error {
	saved := model.Time(0)
	for {
		wait := followEvery + f.jitter(followEvery/10)
		level, behind, err := f.look()
		switch {
		case err != nil:
			f.failed(err, false)
			wait = followMost
		case behind && f.online():
			changed, waited := f.mayAgain()
			if wait = f.pause(); wait <= 0 || changed {
				had, _ := f.progress()
				if wait, err = 0, f.once(ctx); err != nil && ctx.Err() == nil {
					have, _ := f.progress()
					wait = f.failed(err, have > had)
				}
			} else if waited {
				wait = min(wait, followRules)
			}
		case level:
			wait = min(wait, followLook)
			if at := model.TimeOf(f.now()); saved == 0 || at.Std().Sub(saved.Std()) >= followLook {
				saved = at
				f.save(func(s *followState) { s.Reason, s.Failures = "", 0 })
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		if wait <= 0 {
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-f.news:
		case <-t.C:
		}
		t.Stop()
	}
}

// pause returns how long it is to wait still after a failure.
func (f *follower) pause() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waits.Sub(f.now())
}

// mayAgain reports whether what a file was refused by has changed since, and whether it is waited for that at all.
func (f *follower) mayAgain() (changed, waited bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.refused {
		return false, false
	}
	if f.rules() == f.under {
		return false, true
	}
	f.waits = time.Time{}
	return true, true
}

// look reports whether this site is level with its controller, and whether it is behind: neither where it does not know.
func (f *follower) look() (level, behind bool, err error) {
	s, err := f.shelf()
	if err != nil {
		return false, false, err
	}
	if s.Imported[f.upper.String()].Compare(s.Above) < 0 {
		return false, true, nil
	}
	if !f.online() {
		return false, false, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.Level = model.TimeOf(f.now())
	return true, false, nil
}

// once fetches what is missing and takes it in.
func (f *follower) once(ctx context.Context) error {
	if err := f.room(); err != nil {
		return err
	}
	s, err := f.shelf()
	if err != nil {
		return err
	}
	// What the file is judged by is noted before it is: the key that signed it may come down while it is looked at.
	rules := f.rules()
	f.mu.Lock()
	f.under = rules
	f.mu.Unlock()
	f.run(true)
	defer f.run(false)
	held := s.Imported[f.upper.String()]
	head, err := f.fetch(ctx, held, f.download)
	if err != nil {
		return err
	}
	if err := f.takeIn(ctx, held); err != nil {
		return err
	}
	now, err := f.shelf()
	if err != nil {
		return err
	}
	if at := now.Imported[f.upper.String()]; at.Compare(held) <= 0 {
		return errors.Join(fault.New(fault.Corrupt, "follow the controller", "the bundle through %s was imported, and this site holds the controller's advisories through %q as before", head.To, at), f.download.Drop())
	}
	f.log.Info("advisories of the controller were taken in", "from", head.From.String(), "to", head.To.String(), "bytes", head.Size)
	f.save(func(s *followState) {
		s.Changed, s.Reason, s.Failures = model.TimeOf(f.now()), "", 0
	})
	return nil
}

// refusal is an error by which this site does not want what the controller has: fetching that again would change nothing.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// localRefusal marks err as a refusal where it is one by what goes here.
func localRefusal(err error) error {
	if k := fault.KindOf(err); err != nil && (k == fault.Denied || k == fault.TooLarge) {
		return refusal{err}
	}
	return err
}

// takeIn imports the file that was fetched. One that is at fault itself is not kept, nor one that failed several times. One that this
// site refuses by its own rules is, as long as the controller has no other.
func (f *follower) takeIn(ctx context.Context, from model.Cursor) error {
	file, err := os.Open(f.download.Path())
	if err != nil {
		return errors.Join(fault.New(fault.Other, "open what was fetched", "%w", err), f.download.Drop())
	}
	err = localRefusal(errors.Join(f.take(ctx, file), file.Close()))
	if err == nil {
		return f.download.Drop()
	}
	f.mu.Lock()
	stale, again := f.state.Failures+1 >= followStale, f.refused
	f.mu.Unlock()
	switch fault.KindOf(err) {
	case fault.Corrupt, fault.Invalid, fault.Expired, fault.Version:
		stale = true
	case fault.Denied, fault.TooLarge:
		stale = false
		if again {
			stale, _ = f.renewed(ctx, from, f.download) // that it cannot be asked now is no news
		}
	case fault.Busy, fault.ReadOnly, fault.Unreachable: // it is no fault of the file
		stale = false
	}
	if stale && ctx.Err() == nil {
		err = errors.Join(err, f.download.Drop())
	}
	return err
}

// failed keeps why an attempt came to nothing, and returns how long to wait before the next. One that brought a part of the
// file is the first in a row: on a line that often breaks, the file comes in pieces.
func (f *follower) failed(err error, further bool) time.Duration {
	now := f.now()
	why := fault.Clip(strings.Join(strings.Fields(fault.Printable(err.Error())), " "), maxWhy)
	f.mu.Lock()
	news := why != f.state.Reason
	if further {
		f.state.Failures = 0
	}
	f.state.Failures++
	f.refused = errors.As(err, new(refusal))
	wait := followFirst
	for n := 1; n < f.state.Failures && wait < followMost; n++ {
		wait *= 2
	}
	wait = min(wait, followMost)
	if fault.Is(err, fault.Version) {
		wait = followMost // until somebody upgrades it
	}
	if after, ok := fault.RetryAfter(err); ok {
		wait = after
	}
	if f.refused {
		wait = followEvery
	}
	wait += f.jitter(wait/4 + 1)
	f.waits = now.Add(wait)
	f.mu.Unlock()
	if news {
		f.log.Warn("the advisories of the controller were not taken in; those that are here stay", "reason", why, "retry_in", wait.Round(time.Second).String())
	}
	f.save(func(s *followState) { s.Failed, s.Reason = model.TimeOf(now), why })
	return wait
}

func (f *follower) run(running bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running = running
	if running {
		f.waits = time.Time{}
	}
}

// save changes what is kept over a restart, and keeps it. That it could not be written costs nothing but that it is not known then.
func (f *follower) save(change func(*followState)) {
	f.mu.Lock()
	change(&f.state)
	raw, err := model.Encode(f.state)
	f.mu.Unlock()
	if err == nil {
		err = durable.Write(f.path, raw, 0o600)
	}
	if err != nil {
		f.log.Warn("what is known of the controller's advisories could not be kept", "reason", err.Error())
	}
}

// drift is how long ago this site was last known to hold what it should, and how many changes it lacks at most; false: it
// never was, and nothing was ever imported.
func (f *follower) drift() (age time.Duration, changes uint64, known bool) {
	s, err := f.shelf()
	if err != nil {
		return 0, 0, false
	}
	if held := s.Imported[f.upper.String()]; held.Compare(s.Above) < 0 {
		changes = uint64(s.Above.Seq - held.Seq)
	}
	if changes == 0 && f.online() {
		return 0, 0, true
	}
	last, err := f.imported()
	if err != nil {
		return 0, changes, false
	}
	f.mu.Lock()
	last = max(last, f.state.Level)
	f.mu.Unlock()
	if last.IsZero() {
		return 0, changes, false
	}
	return max(f.now().Sub(last.Std()), 0), changes, true
}

// row is what the list of sources says of the controller.
func (f *follower) row(name, url string) schema.AdvisorySource {
	age, changes, known := f.drift()
	s, _ := f.shelf() // what cannot be read is not shown
	f.mu.Lock()
	defer f.mu.Unlock()
	st := f.state
	row := schema.AdvisorySource{
		Name: name, Kind: "controller", From: url, EverySec: int64(followEvery / time.Second), Held: s.Imported[f.upper.String()].String(), BehindN: changes,
		CheckedAt: serve.When(st.Level), ChangedAt: serve.When(st.Changed), FailedAt: serve.When(st.Failed), Reason: st.Reason, Failures: st.Failures,
	}
	if known {
		seconds := int64(age / time.Second)
		row.AgeSec = &seconds
	}
	row.HaveBytes, row.SizeBytes = f.progress()
	switch {
	case f.running:
		row.State = "running"
	case st.Reason != "":
		row.State = "failing"
		if at := f.waits.UTC(); !f.waits.IsZero() {
			row.NextAt = &at
		}
	case known && age > oldAdvisories:
		row.State = "old"
	case !known:
		row.State = "never"
	case changes > 0:
		row.State = "behind"
	default:
		row.State = "current"
	}
	return row
}

// oldAdvisories is from when on a site that was not level with its controller is shown as old.
const oldAdvisories = 24 * time.Hour
