// Package clock gives a server a time that never goes back, whatever its hardware and its operator do to the clock of
// the machine.
//
// It owns the floor, the latest instant that is known to have passed, in a file of its own, and the judgement whether
// the machine's clock can be believed: one that stands before the floor cannot, nor one that is far ahead of it and
// has nobody to vouch for it. The time then goes on from the floor by the machine's own counting, so that whoever
// works by it keeps order, and certificates of this federation stay neither expired nor premature. It never sets the
// machine's clock, and never decides what is old.
package clock

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/durable"
)

// Bounds of what is believed.
const (
	// Leap is how far the machine's clock may be ahead of what is known without anybody who vouches for it. A box
	// may lie in a drawer for this long; a clock that lost its battery is years away.
	Leap = 90 * 24 * time.Hour
	// slack is how far two clocks may differ that agree.
	slack = time.Minute
	// back is how far the machine's clock may have been set back for the time here to wait for it, by going at half
	// its pace; further than that it is wrong.
	back = 24 * time.Hour
	// every is how often the floor is written. With it stands how far the time may have come before it is written
	// again, so that no time that was given out before a crash is given out again after it where the machine's clock
	// is of no help then.
	every = time.Minute
	ahead = every + every/4
)

const (
	version = 1
	maxFile = 4 << 10
)

// Judgement is what is thought of the machine's clock.
type Judgement string

// The judgements.
const (
	Believed Judgement = "believed" // the time is the machine's
	Behind   Judgement = "behind"   // it stands before the floor; the time goes on from the floor
	Doubted  Judgement = "doubted"  // it is more than Leap ahead, and nobody vouches for it
)

// Config says where the floor is kept.
type Config struct {
	// Path is the file; its folder must exist.
	Path string
	// Evidence are instants that are known to have passed, such as when this node's certificate was issued. Zero
	// ones are passed over.
	Evidence []time.Time
	// Wall is the machine's clock; nil: time.Now. Counter counts time since any moment, and is not moved when the
	// clock is set; nil: the system's.
	Wall    func() time.Time
	Counter func() time.Duration
	Log     *slog.Logger // nil: nothing is logged
}

// Clock gives the time. Its methods are safe for concurrent use.
type Clock struct {
	c Config

	mu     sync.Mutex    // guards what follows
	given  time.Time     // the latest time given out, or the floor of the start
	at     time.Duration // on the counter, when that was
	wall   time.Time     // what the machine's clock said then
	judged Judgement
	skew   time.Duration // what a peer's clock was ahead of the time here, when it last said; see State
	told   time.Time     // when that was; zero: never

	writing sync.Mutex // one write of the file at a time
}

// State is what an operator wants to know of the clock.
type State struct {
	Judged Judgement
	Now    time.Time // what this node goes by
	Wall   time.Time // what the machine's clock says
	// Skew is how far the clock of the party that Learn heard last was ahead of Now, and Told when that was; zero: never.
	Skew time.Duration
	Told time.Time
}

// stored is the form on disk.
type stored struct {
	Version int        `json:"version"`
	Floor   model.Time `json:"floor"`          // the time when this was written
	Until   model.Time `json:"until,omitzero"` // how far it may have come since; absent: no further
	// Steady says that the time was the machine's clock, so that this clock tells how far it has come.
	Steady bool `json:"steady,omitzero"`
}

// Open reads the floor. A file that is missing or cannot be read gives no floor: the evidence alone is one then, and
// the reason is logged. It fails for none of that, because a server without a clock must serve.
func Open(c Config) *Clock {
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.Counter == nil {
		start := time.Now()
		c.Counter = func() time.Duration { return time.Since(start) }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	k := &Clock{c: c, judged: Believed}
	was, err := load(c.Path)
	if err != nil {
		c.Log.Warn("the floor of the time cannot be read; going on without it", "file", c.Path, "reason", err.Error())
	}
	floor := was.Floor.Std()
	if lead := c.Wall().Sub(floor); was.Until > was.Floor && !(was.Steady && lead >= 0 && lead <= Leap) {
		floor = was.Until.Std()
	}
	for _, e := range c.Evidence {
		if e.After(floor) {
			floor = e
		}
	}
	k.given, k.at = floor, c.Counter()
	if floor.IsZero() { // nothing is known: the machine's clock is all there is
		k.given = c.Wall()
	}
	k.Now()
	return k
}

func load(path string) (s stored, err error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	return decode(raw)
}

func decode(raw []byte) (s stored, err error) {
	if len(raw) > maxFile {
		return stored{}, fault.New(fault.TooLarge, "", "it has %d bytes", len(raw))
	}
	if err := model.Decode(raw, &s); err != nil {
		return stored{}, fault.New(fault.Corrupt, "", "%w", err)
	}
	if s.Version != version {
		return stored{}, fault.New(fault.Version, "", "its version is %d; this one reads %d", s.Version, version)
	}
	if s.Floor <= 0 {
		return stored{}, fault.New(fault.Corrupt, "", "it has no floor")
	}
	return s, nil
}

// Now returns the time: at least that of every call before, on this start and on earlier ones.
func (k *Clock) Now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.nowLocked()
}

func (k *Clock) nowLocked() time.Time {
	wall, count := k.c.Wall().Round(0), k.c.Counter()
	passed := max(0, count-k.at)
	own := k.given.Add(passed)
	was := k.judged
	switch lead := wall.Sub(own); {
	case lead > Leap:
		k.judged = Doubted
	case lead >= 0:
		k.judged, own = Believed, wall
	case lead >= -back:
		k.judged, own = Believed, later(wall, k.given.Add(passed/2))
	default:
		k.judged = Behind
	}
	k.given, k.at, k.wall = own, count, wall
	if k.judged != was {
		k.say(wall)
	}
	return own
}

func (k *Clock) say(wall time.Time) {
	at := []any{"clock", wall.UTC().Format(time.RFC3339), "time", k.given.UTC().Format(time.RFC3339)}
	switch k.judged {
	case Behind:
		k.c.Log.Warn("the clock of this machine is behind what is known to have passed; going on from there. Set the clock", at...)
	case Doubted:
		k.c.Log.Warn("the clock of this machine is far ahead of what is known to have passed; going on from there. "+
			"Set the clock, or accept it with `skerry site clock --accept`", at...)
	case Believed:
		k.c.Log.Info("the clock of this machine is believed", at...)
	}
}

// Learn takes in the time that a party says which has proved who it is. It vouches for the machine's clock where both
// agree, and moves the time on where the machine's clock is not gone by; it never moves it back, and no further ahead
// than Leap by itself. While the machine's clock is believed, another one that differs is noted and never followed: the
// time could not be taken back, and who is wrong of two is not known here.
func (k *Clock) Learn(at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, wall := k.nowLocked(), k.c.Wall().Round(0)
	was := k.skew
	k.skew, k.told = at.Sub(now), now
	switch agree := wall.Sub(at).Abs() <= slack; {
	case k.judged == Believed:
		if k.skew.Abs() > slack && (k.skew-was).Abs() > slack { // once, and not at each greeting
			k.c.Log.Warn("the clock of the other side differs from the one of this machine, which is gone by; see which of the two is wrong",
				"time", now.UTC().Format(time.RFC3339), "other", at.UTC().Format(time.RFC3339), "ahead", k.skew.Round(time.Second).String())
		}
		return
	case agree && wall.After(now): // Doubted until now
		k.given = wall
	case !at.After(now.Add(slack)), at.Sub(now) > Leap:
		return
	default:
		k.given = at
	}
	k.nowLocked()
}

// Accept takes the machine's clock for the truth because an operator says so. It is Conflict where that clock is behind
// the time here, which never goes back.
func (k *Clock) Accept() (State, error) {
	k.mu.Lock()
	now, wall := k.nowLocked(), k.c.Wall().Round(0)
	if wall.Before(now.Add(-back)) {
		k.mu.Unlock()
		return k.State(), fault.New(fault.Conflict, "accept the clock", "it says %s, and %s has passed already: set the clock of this machine first",
			wall.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if wall.After(now) {
		k.given = wall
	}
	k.nowLocked()
	k.mu.Unlock()
	return k.State(), k.Save()
}

// State returns what is thought of the clock now.
func (k *Clock) State() State {
	k.mu.Lock()
	defer k.mu.Unlock()
	return State{Now: k.nowLocked(), Judged: k.judged, Wall: k.c.Wall(), Skew: k.skew, Told: k.told}
}

// Run writes the floor now and then until ctx ends, and once more then. A disk that cannot be written costs the floor,
// and nothing else; that is logged once.
func (k *Clock) Run(ctx context.Context) error {
	t := time.NewTicker(every)
	defer t.Stop()
	failed := false
	for {
		err := k.write(ahead)
		if err != nil && !failed {
			k.c.Log.Warn("the floor of the time cannot be written", "reason", err.Error())
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return k.Save()
		case <-t.C:
		}
	}
}

// Save writes the time as the floor, durable when it returns: where nothing is given out after it, nothing is lost.
func (k *Clock) Save() error { return k.write(0) }

// write writes the time as the floor, and that it may come so much further before this is done again.
func (k *Clock) write(further time.Duration) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	k.mu.Lock()
	now := k.nowLocked()
	s := stored{Version: version, Floor: model.TimeOf(now), Steady: k.judged == Believed && now.Equal(k.wall)}
	k.mu.Unlock()
	if further > 0 {
		s.Until = model.TimeOf(now.Add(further))
	}
	raw, err := model.Encode(s)
	if err == nil {
		err = durable.Write(k.c.Path, append(raw, '\n'), 0o600)
	}
	if err != nil {
		return fault.New(fault.ReadOnly, "keep the floor of the time", "%s: %w", k.c.Path, err)
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
