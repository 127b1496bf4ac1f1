// Package space knows how much room the disk of a data folder has left, and says so before any store on it
// fails for want of it.
//
// It owns the marks below which a server stops changing things, and the ballast: a file that only takes up room,
// and is given up when the room is nearly gone, so that what frees room (a compaction, cutting a log) has some to
// work in. It never writes to a store and never stops anybody: those who write ask Err first.
package space

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// Level is how much room there is.
type Level uint8

// The levels.
const (
	Plenty   Level = iota // all is well
	Low                   // nothing new is to be written
	Critical              // nothing at all is to be written, but what frees room
)

// String returns the level as metrics and the API name it.
func (l Level) String() string { return [...]string{"plenty", "low", "critical"}[l] }

// Bounds and defaults.
const (
	maxLow   = 1 << 30 // bytes: where the twentieth part of a disk would be more than anybody needs
	interval = 250 * time.Millisecond
	ballast  = "ballast"
)

// Config says what to watch.
type Config struct {
	Dir string // the data folder; the ballast lies in it
	// Low and Critical are the marks in bytes that are free for this user, and Ballast the size of that file.
	// 0: a twentieth of the disk, at most 1 GiB; half of Low; half of Low.
	Low, Critical, Ballast int64
	// Free returns what of the disk with that folder is free for this user, and its size, in bytes; nil: as the
	// system says.
	Free func(dir string) (free, total int64, err error)
	// Changed, if set, is told of every new level, in order. It must be quick.
	Changed func(Level)
	Log     *slog.Logger // nil: nothing is logged
}

// Space watches one disk. Its methods are safe for concurrent use.
type Space struct {
	Config

	mu    sync.Mutex // guards what follows
	level Level
	free  int64
	total int64
	held  bool // the ballast is there
}

// State is what an operator wants to know.
type State struct {
	Level         Level
	Free, Total   int64 // bytes; free is without the ballast
	Low, Critical int64 // bytes; the marks
	Ballast       int64 // bytes; 0 while it is given up
}

// Open looks at the disk for the first time, so that a server on a full one knows it before it writes. It is Invalid
// for marks that do not fit each other.
func Open(c Config) (*Space, error) {
	if c.Free == nil {
		c.Free = statfs
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	_, total, err := c.Free(c.Dir)
	if err != nil {
		return nil, fault.New(fault.Other, "look at the disk", "%s: %w", c.Dir, err)
	}
	if c.Low == 0 {
		c.Low = min(maxLow, total/20)
	}
	if c.Critical == 0 {
		c.Critical = c.Low / 2
	}
	if c.Ballast == 0 {
		c.Ballast = c.Low / 2
	}
	if c.Critical < 0 || c.Ballast < 0 || c.Critical >= c.Low {
		return nil, fault.New(fault.Invalid, "look at the disk", "the mark low (%s) must be above the mark critical (%s)", size(c.Low), size(c.Critical))
	}
	s := &Space{Config: c, total: total}
	if info, err := os.Stat(s.path()); err == nil {
		s.held = info.Size() > 0
	}
	s.Look()
	return s, nil
}

func (s *Space) path() string { return filepath.Join(s.Dir, ballast) }

// Run looks again and again until ctx ends.
func (s *Space) Run(ctx context.Context) error {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			s.Look()
		}
	}
}

// Look looks at the disk now. Where the system gives no answer, what was known before stays.
func (s *Space) Look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	free, total, err := s.Free(s.Dir)
	if err != nil {
		s.Log.Error("the disk gives no word of its free space", "folder", s.Dir, "err", err)
		return
	}
	s.free, s.total = free, total
	was := s.level
	s.level = s.judge(free)
	if s.level == Critical && s.held {
		s.drop()
	}
	if s.level == Plenty && !s.held && free >= s.enough()+s.Ballast {
		s.take()
	}
	if s.level == was {
		return
	}
	if s.level > was {
		s.Log.Error("the disk is filling up", "folder", s.Dir, "level", s.level.String(), "free", size(free), "low", size(s.Low), "critical", size(s.Critical))
	} else {
		s.Log.Info("the disk has room again", "folder", s.Dir, "level", s.level.String(), "free", size(free))
	}
	if s.Changed != nil {
		s.Changed(s.level)
	}
}

// enough is what must be free before the level is plenty again: more than the mark, so that it does not go to
// and fro.
func (s *Space) enough() int64 { return s.Low + s.Low/4 }

func (s *Space) judge(free int64) Level {
	switch {
	case free < s.Critical:
		return Critical
	case free < s.Low:
		return Low
	case s.level != Plenty && free < s.enough():
		return Low
	}
	return Plenty
}

// drop gives the ballast up.
func (s *Space) drop() {
	if err := os.Remove(s.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Log.Error("the ballast cannot be given up", "file", s.path(), "err", err)
		return
	}
	s.held = false
	s.Log.Warn("the ballast was given up", "file", s.path(), "bytes", size(s.Ballast))
}

// take makes the ballast. Without it a server works as well, until the disk is full.
func (s *Space) take() {
	if s.Ballast == 0 {
		return
	}
	if err := reserve(s.path(), s.Ballast); err != nil {
		_ = os.Remove(s.path())
		s.Log.Warn("there is no ballast", "file", s.path(), "err", err)
		return
	}
	s.held = true
}

// State returns what is known of the disk.
func (s *Space) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := State{Level: s.level, Free: s.free, Total: s.total, Low: s.Low, Critical: s.Critical}
	if s.held {
		st.Ballast = s.Ballast
	}
	return st
}

// Err returns nil where there is room at a level better than at, and else an error of kind Full that says what is
// to be done. Those who take something new in ask for Low; those who only keep up with others, for Critical.
func (s *Space) Err(at Level) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.level < at {
		return nil
	}
	return fault.New(fault.Full, "", "the disk with %s has %s left, and below %s nothing is changed: remove other files there or enlarge the disk; work goes on by itself then",
		s.Dir, size(s.free), size(s.Low))
}

// Fits returns nil where what is about to be written, of so many bytes, leaves the mark low free, and else an error of kind Full with
// the numbers.
func (s *Space) Fits(need int64) error {
	if err := s.Err(Low); err != nil {
		return err
	}
	s.Look()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free-need >= s.Low {
		return nil
	}
	return fault.New(fault.Full, "", "the disk with %s has %s left, this may take up to %s of it, and %s are to stay free: remove other files there or enlarge the disk, and try again",
		s.Dir, size(s.free), size(need), size(s.Low))
}

// size writes bytes for people.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for v >= unit && i < 3 {
		v, i = v/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGT"[i])
}
