package index

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

var discard = slog.New(slog.DiscardHandler)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// said is a log that remembers which of its messages came, and that the store tells how it was opened by.
type said struct {
	mu  sync.Mutex
	all []string
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, string(b))
	return len(b), nil
}

func (s *said) has(part string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.all, func(line string) bool { return strings.Contains(line, part) })
}

func (s *said) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

const (
	fromCheckpoint = "read from its checkpoint"
	anew           = "made anew from the rows"
)

// small are limits at which a test of a few hosts sees all that happens to a million.
var small = limits{rows: 40, every: time.Hour, atEnd: 1 << 30, replay: 60}

// never is a clock that stands still.
func never(time.Duration) <-chan time.Time { return nil }

// TestIndexInMemorySurvivesCrashes: after random changes, checkpoints at random moments and power cuts
// anywhere, also inside of a checkpoint, the index in memory is opened as the rows say, sometimes from a
// checkpoint and sometimes from the rows.
func TestIndexInMemorySurvivesCrashes(t *testing.T) {
	rng := seeded(t)
	disk := NewMemDisk()
	open := func(d *Disk) (*Store, *said) {
		log := &said{}
		s, err := Open(testDir, Options{Disk: d, CacheBytes: 1 << 20, Log: log.log(), limits: small, After: never})
		ok(t, err)
		return s, log
	}
	s, _ := open(disk)
	loaded, rebuilt := 0, 0
	left := func(d *Disk) {
		t.Helper()
		after, log := open(d)
		sound(t, after)
		if log.has(fromCheckpoint) {
			loaded++
		} else {
			rebuilt++
		}
		write(t, after, func(tx *Tx) { randomHosts(t, tx, rng, 5) })
		sound(t, after)
		ok(t, after.Close())
	}
	for n := range 80 {
		tx := s.Begin()
		randomHosts(t, tx, rng, 1+rng.IntN(12))
		ok(t, tx.Commit(uint64(n), rng.IntN(3) == 0)) // the keeper takes checkpoints meanwhile
		switch rng.IntN(8) {
		case 0:
			s.checkpointNow(1)
		case 1, 2:
			left(disk.Crash(pick(rng, 0, 30, 100), rng.Uint64()))
		case 3:
			done := make(chan struct{})
			go func() { s.checkpointNow(1); close(done) }()
			left(disk.Crash(pick(rng, 0, 30, 100), rng.Uint64()))
			<-done
		case 4:
			ok(t, s.Close())
			s, _ = open(disk)
			sound(t, s)
		}
	}
	ok(t, s.Close())
	if t.Logf("%d opened from a checkpoint, %d from the rows", loaded, rebuilt); loaded < 3 {
		t.Error("too little happened")
	}
}

// randomHosts puts, deletes and beats hosts, and moves sites.
func randomHosts(t testing.TB, tx *Tx, rng *rand.Rand, n int) {
	t.Helper()
	for range n {
		id := hostID(rng.IntN(60))
		switch rng.IntN(8) {
		case 0, 1, 2:
			h := full(rng.IntN(200))
			h.ID, h.Site = id, model.SiteID{byte(rng.IntN(3))}
			h.Tags = []string{pick(rng, "a", "b", "c"), pick(rng, "d", "é")}
			h.Status, h.LastSeen = pick(rng, model.HostUp, model.HostDown, model.HostLate), model.Time(rng.IntN(1000))
			if rng.IntN(3) == 0 {
				h.IPv4 = append(h.IPv4, "192.0.2.1", "no address")
			}
			ok(t, tx.PutHost(h))
		case 3:
			ok(t, tx.DeleteHost(id))
		case 4:
			ok(t, tx.PutSite(model.Site{ID: model.SiteID{byte(rng.IntN(3))}, Name: pick(rng, "x", "y"), Region: pick(rng, "", "eu")}))
		case 5:
			ok(t, tx.PutCounts(model.SiteCounts{Site: model.SiteID{byte(1 + rng.IntN(2))}, JudgedAt: model.Time(rng.IntN(2000))}))
		default:
			if _, _, there, err := tx.HostHead(id); err == nil && there {
				ok(t, tx.PutHostBeat(id, model.HostBeat{Status: pick(rng, model.HostUp, model.HostDown), StatusAt: model.Time(rng.IntN(1000)), LastSeen: model.Time(rng.IntN(1000))}))
			}
		}
	}
	recount(t, tx)
}

// TestCheckpointIsNotTrusted: whatever happens to the checkpoint or the journal, the index in memory is that
// of the rows, and the next checkpoint is good again.
func TestCheckpointIsNotTrusted(t *testing.T) {
	flip := func(at int) func(v []byte) []byte {
		return func(v []byte) []byte {
			v = slices.Clone(v)
			v[len(v)*at/100] ^= 0x10
			return v
		}
	}
	// change rewrites the value at the n-th key of a keyspace; a nil value removes it.
	change := func(space key.Space, n int, to func([]byte) []byte) func(*testing.T, *Store) {
		return func(t *testing.T, s *Store) {
			var k, v []byte
			i := 0
			view := s.View()
			ok(t, view.scan(space.Prefix(), func(at, value []byte) error {
				if i == n {
					k, v = slices.Clone(at), slices.Clone(value)
				}
				i++
				return nil
			}))
			ok(t, view.Close())
			if k == nil {
				t.Fatalf("there are only %d keys of %v", i, space)
			}
			if now := to(v); now != nil {
				ok(t, s.life.db.Set(k, now, nil))
			} else {
				ok(t, s.life.db.Delete(k, nil))
			}
		}
	}
	none := func([]byte) []byte { return nil }
	for name, damage := range map[string]func(*testing.T, *Store){
		"head":           change(key.SpaceSearchCheckpoint, 0, flip(50)),
		"head's sum":     change(key.SpaceSearchCheckpoint, 0, flip(99)),
		"short head":     change(key.SpaceSearchCheckpoint, 0, func(v []byte) []byte { return v[:5] }),
		"newer head":     change(key.SpaceSearchCheckpoint, 0, func(v []byte) []byte { v[0]++; return v }),
		"no head":        change(key.SpaceSearchCheckpoint, 0, none),
		"part":           change(key.SpaceSearchCheckpoint, 1, flip(30)),
		"later part":     change(key.SpaceSearchCheckpoint, 2, flip(70)),
		"lost part":      change(key.SpaceSearchCheckpoint, 1, none),
		"one more part":  func(t *testing.T, s *Store) { ok(t, s.life.db.Set(key.SearchCheckpoint(1, 99), []byte("x"), nil)) },
		"journal":        change(key.SpaceHostJournal, 0, func(v []byte) []byte { return v[:7] }),
		"lost journal":   change(key.SpaceHostJournal, 0, none),
		"foreign commit": func(t *testing.T, s *Store) { ok(t, s.life.db.Set(key.HostJournal(99, 0), make([]byte, 16), nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			disk := NewMemDisk()
			l := small
			l.rows = 1 << 30
			open := func() (*Store, *said) {
				log := &said{}
				s, err := Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20, Log: log.log(), limits: l, After: never})
				ok(t, err)
				return s, log
			}
			s, _ := open()
			write(t, s, func(tx *Tx) {
				for n := range 30 {
					ok(t, tx.PutHost(full(n)))
				}
			})
			s.checkpointNow(1)
			for n := range 3 { // in the journal
				write(t, s, func(tx *Tx) { ok(t, tx.PutHost(full(40+n))) })
			}
			sound(t, s)
			damage(t, s)
			if r := must(s.Check(t.Context())); r.OK() {
				t.Error("Check does not see it")
			}
			ok(t, s.Close())
			s, log := open()
			if !log.has(anew) {
				t.Error("it was trusted")
			}
			sound(t, s)
			s.checkpointNow(1)
			write(t, s, func(tx *Tx) { ok(t, tx.DeleteHost(hostID(3))) })
			ok(t, s.Close())
			s, log = open()
			if !log.has(fromCheckpoint) || s.life.memory.Len() != 32 {
				t.Errorf("the next checkpoint is no good: %d hosts", s.life.memory.Len())
			}
			sound(t, s)
			ok(t, s.Close())
		})
	}
}

// A checkpoint is taken after enough changes, after a while, and at the end; not where nothing changed.
func TestWhenCheckpointsAreTaken(t *testing.T) {
	disk := NewMemDisk()
	clock := make(chan time.Time)
	asked := make(chan time.Duration, 100)
	log := &said{}
	const taken = "the search index is checkpointed"
	open := func(l limits) *Store {
		s, err := Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20, Log: log.log(), limits: l, After: func(d time.Duration) <-chan time.Time {
			asked <- d
			return clock
		}})
		ok(t, err)
		return s
	}
	put := func(s *Store, from, n int) {
		write(t, s, func(tx *Tx) {
			for i := range n {
				ok(t, tx.PutHost(full(from+i)))
			}
		})
	}
	until := func(s *Store, ids int) {
		t.Helper()
		deadline := time.After(5 * time.Second)
		for {
			if _, n := s.life.journal.state(); n == ids {
				return
			}
			select {
			case <-deadline:
				t.Fatal("no checkpoint was taken")
			case <-time.After(time.Millisecond):
			}
		}
	}
	s := open(limits{rows: 10, every: 7 * time.Minute, atEnd: 5, replay: 100})
	put(s, 0, 3)
	if d := <-asked; d != 7*time.Minute {
		t.Fatalf("the timer is set to %v", d)
	}
	if log.has(taken) {
		t.Fatal("a checkpoint for three changes")
	}
	clock <- time.Time{}
	until(s, 0)
	put(s, 10, 11)
	until(s, 0)
	put(s, 30, 4)
	beat := model.HostBeat{Status: model.HostDown, StatusAt: 5}
	write(t, s, func(tx *Tx) {
		for n := range 11 {
			ok(t, tx.PutHostBeat(hostID(10+n), beat)) // beats are not in a checkpoint
		}
	})
	ok(t, s.Close())
	log.all = nil
	s = open(small)
	if !log.has(fromCheckpoint) || !log.has("again=4") {
		t.Errorf("the end of few changes: %q", log.all)
	}
	sound(t, s)
	ok(t, s.Close())
	s = open(limits{rows: 100, every: time.Hour, atEnd: 5, replay: 100})
	put(s, 50, 5)
	ok(t, s.Close())
	log.all = nil
	s = open(small)
	if !log.has(fromCheckpoint) || !log.has("again=0") {
		t.Errorf("the end of many changes: %q", log.all)
	}
	sound(t, s)
	ok(t, s.Close())
}

// A long journal is not read back host by host.
func TestLongJournal(t *testing.T) {
	disk := NewMemDisk()
	s, err := Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20, limits: limits{rows: 1 << 30, every: time.Hour, atEnd: 1 << 30, replay: 60}, After: never})
	ok(t, err)
	write(t, s, func(tx *Tx) { ok(t, tx.PutHost(full(0))) })
	s.checkpointNow(1)
	write(t, s, func(tx *Tx) {
		for n := range journalPart + 100 {
			ok(t, tx.PutHost(full(n)))
		}
	})
	ok(t, s.Close())
	log := &said{}
	s, err = Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20, Log: log.log(), limits: small, After: never})
	ok(t, err)
	if log.has(fromCheckpoint) || s.life.memory.Len() != journalPart+100 {
		t.Errorf("%d hosts: %q", s.life.memory.Len(), log.all)
	}
	ok(t, s.Close())
}
