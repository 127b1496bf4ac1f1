package detail

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// aging tells how old records are. It is a clock of the folder's own, because no clock of a branch box can be
// trusted with throwing things away: one that is ten years ahead for an hour must not expire everything.
//
// It counts the time that the store was open, by a clock that only rises. The time that it was closed is
// added once in a run, when the wall clock has stood by it for a whole day of running, and for at most
// maxAway. So a wrong clock can age what is kept by a month per day of running with it and never more, and a
// clock that cannot be trusted errs by keeping things longer.
type aging struct {
	now0   func() time.Time
	uptime func() time.Duration
	opened time.Duration // uptime then

	mu    sync.Mutex // guards what follows
	base  int64      // milliseconds of age when the store was opened, with the time away once that is known
	saved model.Time // the wall clock when the run before last saved; zero: there was none
	done  bool       // the time away was added
	since time.Duration
	low   time.Duration // the least time away that the wall clock has said since then
	high  time.Duration
}

const (
	proof   = 24 * time.Hour      // how long the wall clock must stand by what it says
	slip    = time.Hour           // how far it may move meanwhile
	maxAway = 31 * 24 * time.Hour // of what it says, at most this is believed
)

// keyAge holds, big-endian: age u64 (ms), wall clock u64 (ms), when the store was last looked after.
var keyAge = []byte("mage")

var processStart = time.Now()

func sinceStart() time.Duration { return time.Since(processStart) }

func openAging(db *badger.DB, now func() time.Time, uptime func() time.Duration) (*aging, error) {
	a := &aging{now0: now, uptime: uptime, opened: uptime(), done: true}
	err := db.View(func(tx *badger.Txn) error {
		row, err := tx.Get(keyAge)
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return row.Value(func(v []byte) error {
			if len(v) != 16 {
				return fault.New(fault.Corrupt, "", "its age is not a number; restore it from a backup")
			}
			a.base, a.saved = int64(binary.BigEndian.Uint64(v)), model.Time(binary.BigEndian.Uint64(v[8:]))
			a.done = a.saved == 0
			return nil
		})
	})
	a.look()
	return a, err
}

// now returns the age of the folder in milliseconds. It never goes back by more than what was not saved
// before a crash.
func (a *aging) now() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.base + a.running().Milliseconds()
}

func (a *aging) running() time.Duration { return a.uptime() - a.opened }

// look asks the wall clock how long the store was closed, and believes it when it has said the same for long.
func (a *aging) look() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done {
		return
	}
	up := a.running()
	away := a.now0().Sub(a.saved.Std()) - up
	if low, high := min(a.low, away), max(a.high, away); (a.low != 0 || a.high != 0) && high-low <= slip {
		a.low, a.high = low, high
	} else {
		a.since, a.low, a.high = up, away, away
	}
	if up-a.since < proof {
		return
	}
	a.done = true
	if a.low > 0 {
		a.base += min(a.low, maxAway).Milliseconds()
	}
}

// saveAge makes the age durable, so that a crash takes no more than what came after.
func (s *Store) saveAge() error {
	s.mu.Lock()
	latched := s.latched
	s.mu.Unlock()
	if latched != nil {
		return nil // said already
	}
	s.aging.look()
	v := binary.BigEndian.AppendUint64(nil, uint64(s.aging.now()))
	v = binary.BigEndian.AppendUint64(v, uint64(model.TimeOf(s.now())))
	return s.update("save the age of the detail tier", func(tx *badger.Txn) error { return tx.Set(keyAge, v) })
}
