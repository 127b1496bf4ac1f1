package clock

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// machine is one whose clock a test sets.
type machine struct {
	path  string
	wall  time.Time
	count time.Duration
}

func (m *machine) pass(d time.Duration) { m.wall, m.count = m.wall.Add(d), m.count+d }

func (m *machine) open(evidence ...time.Time) *Clock {
	return Open(Config{Path: m.path, Evidence: evidence, Wall: func() time.Time { return m.wall }, Counter: func() time.Duration { return m.count }})
}

var (
	noon  = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	epoch = time.Unix(0, 0).UTC()
)

func start(t *testing.T) *machine {
	t.Helper()
	return &machine{path: filepath.Join(t.TempDir(), "clock.json"), wall: noon}
}

func same(t *testing.T, k *Clock, want time.Time, judged Judgement) {
	t.Helper()
	if s := k.State(); !s.Now.Equal(want) || s.Judged != judged {
		t.Fatalf("it is %v (%s); want %v (%s)", s.Now, s.Judged, want, judged)
	}
}

// TestColdBoots: with a clock of 1970, one of ten years ahead and a good one, each after a time without power.
func TestColdBoots(t *testing.T) {
	m := start(t)
	k := m.open()
	m.pass(time.Hour)
	same(t, k, noon.Add(time.Hour), Believed)
	if err := k.Save(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		wall   time.Time
		now    time.Time
		judged Judgement
	}{
		{"1970", epoch, noon.Add(time.Hour), Behind},
		{"ten years ahead", noon.AddDate(10, 0, 0), noon.Add(time.Hour), Doubted},
		{"a month later", noon.AddDate(0, 1, 0), noon.AddDate(0, 1, 0), Believed},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &machine{path: m.path, wall: c.wall}
			k := m.open()
			same(t, k, c.now, c.judged)
			m.pass(10 * time.Minute)
			same(t, k, c.now.Add(10*time.Minute), c.judged)
		})
	}
}

func TestEvidenceIsAFloor(t *testing.T) {
	m := start(t)
	m.wall = epoch
	same(t, m.open(time.Time{}, noon), noon, Behind)
	m.wall = noon.AddDate(9, 0, 0)
	same(t, m.open(noon), noon, Doubted)
	m.wall = epoch
	same(t, m.open(), epoch, Believed) // nothing at all is known
}

func TestSettingTheClock(t *testing.T) {
	m := start(t)
	k := m.open()
	m.wall = epoch
	same(t, k, noon, Behind)
	m.pass(time.Minute)
	same(t, k, noon.Add(time.Minute), Behind)
	m.wall = noon.Add(2 * time.Hour) // as NTP sets it
	same(t, k, noon.Add(2*time.Hour), Believed)

	m.wall = noon.Add(time.Hour) // set back: waited for at half the pace
	same(t, k, noon.Add(2*time.Hour), Believed)
	m.pass(time.Hour)
	same(t, k, noon.Add(2*time.Hour+30*time.Minute), Believed)
	m.pass(time.Hour)
	same(t, k, noon.Add(3*time.Hour), Believed)
	m.pass(time.Hour)
	same(t, k, noon.Add(4*time.Hour), Believed)
}

// TestWhoVouches: an authenticated party, or an operator.
func TestWhoVouches(t *testing.T) {
	m := start(t)
	ahead := noon.AddDate(2, 0, 0)
	m.wall = ahead
	k := m.open(noon)
	k.Learn(noon.Add(time.Hour))
	same(t, k, noon.Add(time.Hour), Doubted)
	k.Learn(noon) // never back
	same(t, k, noon.Add(time.Hour), Doubted)
	k.Learn(noon.AddDate(20, 0, 0)) // one that is as wrong
	same(t, k, noon.Add(time.Hour), Doubted)
	k.Learn(ahead.Add(time.Second)) // both say so
	same(t, k, ahead, Believed)

	m = start(t)
	m.wall = ahead
	k = m.open(noon)
	if s, err := k.Accept(); err != nil || s.Judged != Believed || !s.Now.Equal(ahead) {
		t.Fatal(s, err)
	}
	m.wall = epoch
	if _, err := k.Accept(); !fault.Is(err, fault.Conflict) {
		t.Fatal(err)
	}
	same(t, m.open(), ahead, Behind) // what was accepted is kept
}

// TestAPeerWithAWrongClock: one greeting of a controller whose clock is wrong, by less than what would be doubted, does
// not move the time of a machine whose own clock is believed; it is shown. Where that clock is behind, it does move it.
func TestAPeerWithAWrongClock(t *testing.T) {
	m := start(t)
	k := m.open(noon.Add(-time.Hour))
	for _, off := range []time.Duration{80 * 24 * time.Hour, 2 * time.Minute, -80 * 24 * time.Hour, 0} {
		k.Learn(noon.Add(off))
		same(t, k, noon, Believed)
		if s := k.State(); s.Skew != off || !s.Told.Equal(noon) {
			t.Errorf("%v of the other side is shown as %v at %v", off, s.Skew, s.Told)
		}
	}
	m.wall = noon.Add(-time.Hour) // set back, and waited for
	k.Learn(noon.AddDate(0, 0, 80))
	same(t, k, noon, Believed)
	m.wall = epoch // a dead battery
	k.Learn(noon.Add(time.Hour))
	same(t, k, noon.Add(time.Hour), Behind)
}

// TestNeverBack: over random settings, crashes and starts.
func TestNeverBack(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	m := start(t)
	k := m.open()
	last := k.Now()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 2000 {
		switch dice.IntN(6) {
		case 0:
			m.wall = noon.Add(time.Duration(dice.Int64N(int64(20*365*24*time.Hour))) - 10*365*24*time.Hour)
		case 1: // a start after a crash, at most `every` after the floor was written
			if err := k.write(ahead); err != nil {
				t.Fatal(err)
			}
			for n := dice.IntN(4); n > 0; n-- {
				m.pass(every / 4)
				last = k.Now()
			}
			if dice.IntN(2) == 0 { // and the clock comes back without a battery
				m.wall = epoch
			}
			m.count = 0
			k = m.open()
		case 2:
			if err := k.Run(ctx); err != nil { // ended: the last word is the time itself
				t.Fatal(err)
			}
			m.count = 0
			k = m.open()
		case 3:
			k.Learn(noon.Add(time.Duration(dice.Int64N(int64(5 * 365 * 24 * time.Hour)))))
		default:
			m.pass(time.Duration(dice.Int64N(int64(time.Hour))))
		}
		now := k.Now()
		if now.Before(last.Truncate(time.Millisecond)) {
			t.Fatalf("%v after %v", now, last)
		}
		last = now
	}
}

func TestABrokenFileCostsTheFloorOnly(t *testing.T) {
	for _, raw := range []string{"", "{", `{"version":2,"floor":"2026-06-01T12:00:00.000Z"}`, `{"version":1}`, string(make([]byte, maxFile+1))} {
		m := start(t)
		if err := os.WriteFile(m.path, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		k := m.open()
		same(t, k, noon, Believed)
		if err := k.Save(); err != nil {
			t.Fatal(err)
		}
		m.wall = epoch
		same(t, m.open(), noon, Behind)
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"version":1,"floor":"2026-06-01T12:00:00.000Z"}`))
	f.Add([]byte(`{"version":1,"floor":"-1"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := decode(raw); err == nil && s.Floor <= 0 {
			t.Fatalf("%q gave %v", raw, s)
		}
	})
}

// TestCrashesDoNotMoveTheTime: with a clock that is right, the time after any number of crashes is the clock's.
func TestCrashesDoNotMoveTheTime(t *testing.T) {
	m := start(t)
	for range 100 {
		k := m.open()
		m.pass(time.Second)
		k.Now()
		if err := k.write(ahead); err != nil {
			t.Fatal(err)
		}
		m.pass(time.Second)
		same(t, k, m.wall, Believed)
		m.count = 0
	}
	same(t, m.open(), noon.Add(200*time.Second), Believed)
}
