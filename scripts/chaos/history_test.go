package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory is a register in memory, with flaws.
type memory struct {
	mu      sync.Mutex
	rnd     *rand.Rand
	texts   map[string]string
	old     map[string]string // what was there before
	unsure, // of 1,000 writes: happens or not, and says that it does not know
	late, // of 1,000 writes: the same, and happens later
	stale, // of 1,000 reads: what was there before
	lossy, // of 1,000 writes: acknowledged and not done
	twice int // of 1,000 writes: done again later
}

func (m *memory) chance(n int) bool { return m.rnd.IntN(1000) < n }

func (m *memory) put(name, text string) {
	m.old[name] = m.texts[name]
	m.texts[name] = text
}

func (m *memory) Write(_ context.Context, name, text string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.chance(m.unsure):
		if m.chance(500) {
			m.put(name, text)
		}
		return errors.New("the answer was lost")
	case m.chance(m.late):
		time.AfterFunc(time.Millisecond, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.put(name, text)
		})
		return errors.New("the answer was lost")
	case m.chance(m.lossy):
		return nil
	case m.chance(m.twice):
		time.AfterFunc(time.Millisecond, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.put(name, text)
		})
	}
	m.put(name, text)
	return nil
}

func (m *memory) Read(_ context.Context, name string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.chance(m.stale) {
		return m.old[name], nil
	}
	return m.texts[name], nil
}

// The judge passes what is right, also where answers were lost, and finds each flaw.
func TestJudge(t *testing.T) {
	for name, tc := range map[string]struct {
		flaw func(*memory)
		ok   bool
	}{
		"none":         {func(*memory) {}, true},
		"lost answers": {func(m *memory) { m.unsure, m.late = 20, 20 }, true},
		"stale reads":  {func(m *memory) { m.stale = 5 }, false},
		"lost writes":  {func(m *memory) { m.lossy = 5 }, false},
		"done twice":   {func(m *memory) { m.twice = 20 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			seed := Seed()
			t.Logf("seed %d", seed)
			m := &memory{rnd: rand.New(rand.NewPCG(seed, 1)), texts: map[string]string{}, old: map[string]string{}}
			tc.flaw(m)
			h := NewHistory()
			Load{Clients: 8, Names: 5, Era: 100, Writes: 50, Pause: 100 * time.Microsecond, Timeout: time.Second, Seed: seed}.
				Drive(t.Context(), h, 600, func(int) Register { return m })
			err := h.Judge(20 * time.Second)
			if tc.ok && err != nil {
				t.Error(err)
			}
			if !tc.ok && (err == nil || !strings.Contains(err.Error(), "not linearizable")) {
				t.Errorf("%d operations on a register with %s passed: %v", h.Len(), name, err)
			}
		})
	}
}

// A hundred thousand operations are judged in seconds.
func TestJudgeAHundredThousand(t *testing.T) {
	m := &memory{rnd: rand.New(rand.NewPCG(1, 1)), texts: map[string]string{}, old: map[string]string{}, unsure: 5, late: 5}
	h := NewHistory()
	Load{Clients: 10, Names: 10, Era: 100, Writes: 50, Timeout: time.Second, Seed: 1}.
		Drive(t.Context(), h, 10_500, func(int) Register { return m })
	began := time.Now()
	if err := h.Judge(time.Minute); err != nil {
		t.Error(err)
	}
	if h.Len() < 100_000 {
		t.Errorf("only %d operations", h.Len())
	}
	t.Logf("%d operations, %d unknown, judged in %s", h.Len(), h.Unknown, time.Since(began).Round(time.Millisecond))
}

func TestResumed(t *testing.T) {
	m := &memory{rnd: rand.New(rand.NewPCG(1, 1)), texts: map[string]string{}, old: map[string]string{}}
	h := NewHistory()
	if _, ok := h.Resumed(0); ok {
		t.Error("writes resumed that never were")
	}
	if err := h.Write(t.Context(), 1, m, "a", "1"); err != nil {
		t.Fatal(err)
	}
	mark := h.At()
	if _, ok := h.Resumed(mark); ok {
		t.Error("a write from before counts")
	}
	if err := h.Write(t.Context(), 1, m, "a", "2"); err != nil {
		t.Fatal(err)
	}
	if took, ok := h.Resumed(mark); !ok || took <= 0 || took > time.Second {
		t.Errorf("writes resumed after %s, %v", took, ok)
	}
}
