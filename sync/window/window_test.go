package window

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // as the program has

	"github.com/skerryhq/skerry/engine/fault"
)

func TestOpen(t *testing.T) {
	at := func(zone, text string) time.Time {
		t.Helper()
		l, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		v, err := time.ParseInLocation("Mon 2006-01-02 15:04:05", text, l)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	const berlin = "Europe/Berlin"
	nights := []string{"mon-fri 20:00-06:00 Europe/Berlin", "sat,sun"}
	for _, c := range []struct {
		in         []string
		zone, when string
		open       bool
		next       string // in the same zone; "": never
	}{
		{nights, berlin, "Wed 2026-01-14 19:59:59", false, "Wed 2026-01-14 20:00:00"},
		{nights, berlin, "Wed 2026-01-14 20:00:00", true, "Thu 2026-01-15 06:00:00"},
		{nights, berlin, "Thu 2026-01-15 05:59:59", true, "Thu 2026-01-15 06:00:00"},
		{nights, berlin, "Thu 2026-01-15 06:00:00", false, "Thu 2026-01-15 20:00:00"},
		// Friday's night runs into Saturday, which is in UTC here: from 01:00 to 01:00 in Berlin.
		{nights, berlin, "Sat 2026-01-17 00:30:00", true, "Mon 2026-01-19 01:00:00"},
		{nights, berlin, "Mon 2026-01-19 01:00:00", false, "Mon 2026-01-19 20:00:00"},
		{[]string{"fri-mon"}, "UTC", "Tue 2026-01-13 00:00:00", false, "Fri 2026-01-16 00:00:00"},
		{[]string{"fri-mon"}, "UTC", "Mon 2026-01-19 23:59:59", true, "Tue 2026-01-20 00:00:00"},
		{[]string{"daily"}, "UTC", "Tue 2026-01-13 00:00:00", true, ""},
		{[]string{"daily 00:00-12:00", "daily 12:00-24:00"}, "UTC", "Tue 2026-01-13 12:00:00", true, ""},
		{[]string{"daily 22:00-24:00"}, "UTC", "Tue 2026-01-13 23:59:00", true, "Wed 2026-01-14 00:00:00"},
		// The clocks of Berlin leap from 02:00 to 03:00 on 29 March 2026: the night has an hour less.
		{[]string{"daily 22:00-06:00 Europe/Berlin"}, "UTC", "Sat 2026-03-28 21:00:00", true, "Sun 2026-03-29 04:00:00"},
		{[]string{"daily 02:15-02:45 Europe/Berlin"}, "UTC", "Sat 2026-03-28 01:20:00", true, "Sat 2026-03-28 01:45:00"},
		// And back from 03:00 to 02:00 on 25 October: an hour more.
		{[]string{"daily 22:00-06:00 Europe/Berlin"}, "UTC", "Sat 2026-10-24 20:00:00", true, "Sun 2026-10-25 05:00:00"},
		{[]string{"daily 22:00-06:00 America/New_York"}, "UTC", "Sun 2026-11-01 10:59:59", true, "Sun 2026-11-01 11:00:00"},
		// Kathmandu has three quarters of an hour.
		{[]string{"daily 06:00-07:00 Asia/Kathmandu"}, "UTC", "Tue 2026-01-13 00:15:00", true, "Tue 2026-01-13 01:15:00"},
		// The year ends.
		{[]string{"thu 23:00-01:00"}, "UTC", "Fri 2027-01-01 00:30:00", true, "Fri 2027-01-01 01:00:00"},
		{[]string{"wed"}, "UTC", "Thu 2026-12-31 00:00:00", false, "Wed 2027-01-06 00:00:00"},
	} {
		w, err := Parse(c.in)
		if err != nil {
			t.Fatal(err)
		}
		now := at(c.zone, c.when)
		if got := w.Open(now); got != c.open {
			t.Errorf("%q at %s: open is %v", c.in, c.when, got)
		}
		var want time.Time
		if c.next != "" {
			want = at(c.zone, c.next)
		}
		if got := w.Next(now); !got.Equal(want) {
			t.Errorf("%q at %s: next is %v, want %v", c.in, c.when, got.UTC(), want.UTC())
		}
	}
}

// In every minute of a year with its two leaps, Next is where Open changes, and there is no such place before.
func TestNextIsTheNextChange(t *testing.T) {
	w, err := Parse([]string{"mon-fri 20:30-06:15 Europe/Berlin", "sun 02:10-02:50 Europe/Berlin", "sat America/New_York"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
	for now.Before(time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC)) {
		next := w.Next(now)
		if !next.After(now) || w.Open(next) == w.Open(now) || w.Open(next.Add(-time.Second)) != w.Open(now) {
			t.Fatalf("after %v comes %v", now, next)
		}
		if next.Sub(now) > 12*time.Minute {
			for at := now; at.Before(next); at = at.Add(11 * time.Minute) {
				if w.Open(at) != w.Open(now) {
					t.Fatalf("between %v and %v it is another at %v", now, next, at)
				}
			}
		}
		now = next
	}
}

func TestParseRefuses(t *testing.T) {
	many := make([]string, MaxHours+1)
	for i := range many {
		many[i] = "daily"
	}
	for _, c := range []struct {
		in   []string
		want string
	}{
		{nil, "no hours"},
		{many, "at most 32"},
		{[]string{""}, "it is empty"},
		{[]string{"weekdays"}, `"weekdays" is no day`},
		{[]string{"mon-"}, `"mon-" is no day`},
		{[]string{"mon,,tue"}, `"" is no day`},
		{[]string{"Mon"}, `"Mon" is no day`},
		{[]string{"mon-wed,tue"}, "tue stands in it twice"},
		{[]string{"mon 20:00"}, `"20:00" is no span`},
		{[]string{"mon 20:00-"}, `"" is no time of the day`},
		{[]string{"mon 8:00-10:00"}, `"8:00" is no time of the day`},
		{[]string{"mon 20:00-25:00"}, `"25:00" is no time`},
		{[]string{"mon 20:60-21:00"}, `"20:60" is no time`},
		{[]string{"mon 24:00-01:00"}, "nothing begins at 24:00"},
		{[]string{"mon 20:00-20:00"}, "begins and ends at the same time"},
		{[]string{"mon 20:00-21:00 Berlin"}, `"Berlin" is no time zone`},
		{[]string{"mon Local"}, `"Local" is no time zone`},
		{[]string{"mon ../../etc/passwd"}, "is no time zone"},
		{[]string{"mon 20:00-21:00 Europe/Berlin extra"}, `more than is understood: "extra"`},
		{[]string{"mon", strings.Repeat("x", 300)}, "at most 200"},
	} {
		if w, err := Parse(c.in); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, %v; want %q", c.in, w, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"mon-fri 20:00-06:00 Europe/Berlin", "sat,sun", "daily 00:00-24:00 UTC", "mon 2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		w, err := Parse([]string{in})
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		now := time.Date(2026, 3, 28, 23, 30, 0, 0, time.UTC)
		if next := w.Next(now); !next.IsZero() && (!next.After(now) || w.Open(next) == w.Open(now)) {
			t.Fatalf("%q: after %v comes %v", in, now, next)
		}
	})
}
