package detail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
)

func expire(t *testing.T, s *Store) Expired {
	t.Helper()
	gone, err := s.Expire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return gone
}

func TestRetentionByKind(t *testing.T) {
	c := newClocks()
	s := openWith(t, t.TempDir(), Options{Now: c.now, Uptime: c.uptime})
	put(t, s, 1, Packages, 1, "old packages")
	put(t, s, 1, OSFacts, 1, "old facts")
	put(t, s, 2, Packages, 1, "only packages")
	c.pass(500 * day) // in force for long, and replaced only now
	put(t, s, 1, Packages, 2, "new packages")
	put(t, s, 1, OSFacts, 2, "new facts")
	var events []Entry
	for kind, id := range map[Kind]byte{Output: 1, Audit: 2} {
		events = append(events, Entry{Host: host(1), Kind: kind, ID: [16]byte{id}, Body: []byte{id}})
	}
	if _, err := s.PutAll(events); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		pass time.Duration
		gone Expired
	}{
		{0, Expired{}},
		{90 * day, Expired{}},
		{time.Hour, Expired{Versions: 1, Events: 1}}, // the facts and the output
		{274 * day, Expired{}},
		{day, Expired{Versions: 1}}, // the packages, a year and an hour after they were replaced
		{365 * day, Expired{}},
		{day, Expired{Events: 1}}, // the audit body
		{3650 * day, Expired{}},   // what a host has never goes
	} {
		c.pass(step.pass)
		if gone := expire(t, s); gone != step.gone {
			t.Fatalf("after %s more: %+v went, want %+v", step.pass, gone, step.gone)
		}
	}
	wantBody(t, s, 1, Packages, 2, "new packages")
	wantBody(t, s, 1, OSFacts, 2, "new facts")
	wantBody(t, s, 2, Packages, 1, "only packages")
}

// More than one batch, over several hosts, the oldest first.
func TestExpireInBatches(t *testing.T) {
	c := newClocks()
	s := openWith(t, t.TempDir(), Options{Now: c.now, Uptime: c.uptime})
	const hosts, versions = 30, 30
	for v := range versions {
		var entries []Entry
		for h := range hosts {
			entries = append(entries, Entry{Host: host(h), Kind: Packages, AsOf: 1, Body: fmt.Append(nil, h, v)})
		}
		if _, err := s.PutAll(entries); err != nil {
			t.Fatal(err)
		}
		c.pass(day)
	}
	// The last version came a day ago, the one before it was replaced then, and so on.
	c.pass(365*day - 9*day)
	if gone := expire(t, s); gone.Versions != hosts*(versions-10) {
		t.Fatalf("%+v went, want %d versions", gone, hosts*(versions-10))
	}
	for h := range hosts {
		if got := numbers(t, s, h, Packages); len(got) != 10 || got[0] != versions {
			t.Fatalf("host %d has %v", h, got)
		}
	}
	if h, u := rows(t, s, prefixVersion), rows(t, s, prefixUser); h != 10*hosts || u != h {
		t.Fatalf("%d versions, %d user rows", h, u)
	}
	var events []Entry
	for i := range MaxEvents + 150 {
		events = append(events, Entry{Host: host(1), Kind: Output, ID: [16]byte{byte(i >> 8), byte(i)}, Body: []byte("x")})
	}
	for some := range slices.Chunk(events, 50) {
		if _, err := s.PutAll(some); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Second)
	}
	if gone := expire(t, s); gone.Events != 150 {
		t.Fatalf("%+v went, want 150 events", gone)
	}
	if _, _, ok, _ := s.Event(host(1), Output, events[149].ID); ok {
		t.Error("an event that is one too many is left")
	}
	if _, _, ok, _ := s.Event(host(1), Output, events[150].ID); !ok {
		t.Error("one of the newest events went")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Expire(ended); err == nil {
		t.Error("a cancelled pass must say so")
	}
}

func TestRetiredHosts(t *testing.T) {
	c := newClocks()
	there := map[model.HostID]bool{host(1): true, host(2): true}
	var failing error
	s := openWith(t, t.TempDir(), Options{Now: c.now, Uptime: c.uptime, Exists: func(h model.HostID) (bool, error) { return there[h], failing }})
	for h := 1; h <= 3; h++ {
		put(t, s, h, Packages, 1, "old")
		put(t, s, h, Packages, 1, "same")
		put(t, s, h, Certificates, 1, fmt.Sprint("of ", h))
		if _, err := s.PutAll([]Entry{{Host: host(h), Kind: Output, Body: []byte("out")}, {Host: host(h), Kind: Audit, Body: []byte("note")}}); err != nil {
			t.Fatal(err)
		}
	}
	expire(t, s)
	c.pass(20 * day)
	delete(there, host(2))
	there[host(3)] = true // its row came after its body
	expire(t, s)
	c.pass(29 * day)
	if gone := expire(t, s); gone != (Expired{}) {
		t.Fatalf("%+v went", gone)
	}
	failing = errors.New("no rows")
	c.pass(2 * day)
	if _, err := s.Expire(t.Context()); !errors.Is(err, failing) {
		t.Fatalf("with an unknown directory: %v", err)
	}
	failing = nil
	if gone := expire(t, s); gone != (Expired{Hosts: 1}) {
		t.Fatalf("%+v went, want one host", gone)
	}
	if _, _, _, ok, err := s.Get(host(2), Packages); ok || err != nil {
		t.Errorf("a retired host: %t, %v", ok, err)
	}
	if _, _, ok, _ := s.Event(host(2), Audit, [16]byte{}); !ok {
		t.Error("the audit record went with the host")
	}
	if err := s.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantBody(t, s, 1, Packages, 1, "same")
	wantBody(t, s, 3, Certificates, 1, "of 3")
	if n := rows(t, s, prefixRetired); n != 0 {
		t.Errorf("%d marks are left", n)
	}
	if h, p := rows(t, s, prefixVersion), rows(t, s, prefixPointer); h != 6 || p != 4 {
		t.Errorf("%d versions, %d pointers", h, p)
	}
	c.pass(100 * day)
	if gone := expire(t, s); gone.Hosts != 0 || gone.Events != 2 {
		t.Errorf("%+v went", gone)
	}
}

// The wall clock of a branch box says anything. What is kept must not suffer.
func TestAgeBelievesNoClockAtOnce(t *testing.T) {
	const year = 365 * day
	keeps := func(days int) int64 { return (time.Duration(days) * day).Milliseconds() }
	for name, tc := range map[string]struct {
		// steps are taken before each look; a negative up is a restart, with the wall moved meanwhile.
		steps []struct{ wall, up time.Duration }
		want  int64
	}{
		"ten years ahead while running":               {[]struct{ wall, up time.Duration }{{10 * year, 0}, {day, day}, {day, day}}, keeps(2)},
		"ten years ahead and back":                    {[]struct{ wall, up time.Duration }{{10 * year, 0}, {day, day}, {-10 * year, 0}, {day, day}}, keeps(2)},
		"1970 and set right":                          {[]struct{ wall, up time.Duration }{{-56 * year, 0}, {time.Hour, time.Hour}, {56 * year, 0}, {day, day}}, keeps(1) + 3_600_000},
		"off for a week":                              {[]struct{ wall, up time.Duration }{{7 * day, -1}, {time.Hour, time.Hour}, {day, day}}, keeps(8) + 3_600_000},
		"off for a year":                              {[]struct{ wall, up time.Duration }{{year, -1}, {time.Hour, time.Hour}, {day, day}}, keeps(32) + 3_600_000},
		"a boot with a clock ahead that is set right": {[]struct{ wall, up time.Duration }{{10 * year, -1}, {time.Hour, time.Hour}, {-10 * year, 0}, {day, day}, {day, day}}, keeps(2) + 3_600_000},
		"boots with a clock ahead":                    {[]struct{ wall, up time.Duration }{{10 * year, -1}, {time.Hour, time.Hour}, {10 * year, -1}, {time.Hour, time.Hour}, {10 * year, -1}, {time.Hour, time.Hour}}, 3 * 3_600_000},
		"a boot in 1970, right after an hour":         {[]struct{ wall, up time.Duration }{{-56 * year, -1}, {time.Hour, time.Hour}, {56*year + 3*day, 0}, {day, day}}, keeps(4) + 3_600_000},
		"a clock that is nudged":                      {[]struct{ wall, up time.Duration }{{3 * day, -1}, {12*time.Hour + 10*time.Minute, 12 * time.Hour}, {12*time.Hour + 10*time.Minute, 12 * time.Hour}}, keeps(4)},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClocks()
			dir := t.TempDir()
			s := openWith(t, dir, Options{Now: c.now, Uptime: c.uptime})
			if got := s.aging.now(); got != 0 {
				t.Fatalf("a new folder has the age %d", got)
			}
			for _, step := range tc.steps {
				if step.up < 0 {
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					c.shift(step.wall, 0)
					s = openWith(t, dir, Options{Now: c.now, Uptime: c.uptime})
				} else {
					c.shift(step.wall, step.up)
				}
				if err := s.saveAge(); err != nil {
					t.Fatal(err)
				}
			}
			if got := s.aging.now(); got != tc.want {
				t.Errorf("the age is %s, want %s", time.Duration(got)*time.Millisecond, time.Duration(tc.want)*time.Millisecond)
			}
		})
	}
}

func TestClockAheadExpiresNothing(t *testing.T) {
	c := newClocks()
	s := openWith(t, t.TempDir(), Options{Now: c.now, Uptime: c.uptime})
	put(t, s, 1, Packages, 1, "old")
	put(t, s, 1, Packages, 1, "new")
	c.shift(3650*day, 0)
	for range 3 {
		if gone := expire(t, s); gone != (Expired{}) {
			t.Fatalf("%+v went with the clock", gone)
		}
		c.pass(2 * day)
	}
	put(t, s, 1, Packages, 1, "newer, of 2036")
	c.shift(-3650*day, 0)
	c.pass(366 * day)
	if gone := expire(t, s); gone != (Expired{Versions: 2}) { // though "newer" says that it is of 2036
		t.Fatalf("%+v went, want 2 versions", gone)
	}
}
