// Package window reads weekly hours such as "mon-fri 20:00-06:00 Europe/Berlin" and says when they are open.
//
// It owns the form of such hours and their meaning on the nights when clocks change. It reads no clock: the
// caller gives the time. Where it finds time zones is the business of the program (import time/tzdata).
package window

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// MaxHours bounds the entries of one Window.
const MaxHours = 32

// maxQuote is how many bytes of foreign input a message quotes.
const maxQuote = 60

// Window is one or more weekly hours; it is open while one of them is. It never changes.
type Window struct{ hours []hours }

// hours are one entry: on these days, from a time of the day to another, in a zone.
type hours struct {
	days     [7]bool // by time.Weekday, of the beginning
	from, to clock   // to is on the next day where it is not after from
	zone     *time.Location
}

// clock is a time of the day in minutes; 24*60 is its end.
type clock int

const wholeDay clock = 24 * 60

// Parse reads entries of the form DAYS [HH:MM-HH:MM] [ZONE]. DAYS is daily, or a list such as mon-fri or sat,sun.
// Without hours it is the whole day. Hours that do not end after they begin end on the next day. ZONE is an IANA
// name such as Europe/Berlin; without one it is UTC. The error is Invalid and says what is wrong with which entry.
func Parse(entries []string) (*Window, error) {
	if len(entries) == 0 {
		return nil, fault.New(fault.Invalid, "", "there are no hours in it")
	}
	if len(entries) > MaxHours {
		return nil, fault.New(fault.Invalid, "", "there are %d entries: at most %d", len(entries), MaxHours)
	}
	w := &Window{}
	for _, text := range entries {
		h, err := parse(text)
		if err != nil {
			return nil, err
		}
		w.hours = append(w.hours, h)
	}
	return w, nil
}

// parse reads one entry.
func parse(text string) (hours, error) {
	bad := func(format string, args ...any) (hours, error) {
		return hours{}, fault.New(fault.Invalid, "", "%q: %s; want DAYS HH:MM-HH:MM ZONE, as in \"mon-fri 20:00-06:00 Europe/Berlin\" or \"sat,sun\"",
			fault.Clip(text, maxQuote), fmt.Sprintf(format, args...))
	}
	if len(text) > 200 {
		return bad("it has %d bytes, at most 200 are read", len(text))
	}
	words := strings.Fields(text)
	if len(words) == 0 {
		return bad("it is empty")
	}
	h := hours{to: wholeDay, zone: time.UTC}
	if err := h.readDays(words[0]); err != "" {
		return bad("%s", err)
	}
	words = words[1:]
	if len(words) > 0 && words[0][0] >= '0' && words[0][0] <= '9' {
		from, to, ok := strings.Cut(words[0], "-")
		if !ok {
			return bad("%q is no span of hours", fault.Clip(words[0], maxQuote))
		}
		var err string
		if h.from, err = readClock(from); err != "" {
			return bad("%s", err)
		}
		if h.to, err = readClock(to); err != "" {
			return bad("%s", err)
		}
		switch {
		case h.from == wholeDay:
			return bad("nothing begins at 24:00; write 00:00 of the next day")
		case h.from == h.to:
			return bad("it begins and ends at the same time; leave the hours out for the whole day")
		}
		words = words[1:]
	}
	if len(words) > 0 {
		zone, err := time.LoadLocation(words[0])
		if err != nil || words[0] == "Local" {
			return bad("%q is no time zone that is known here", fault.Clip(words[0], maxQuote))
		}
		h.zone = zone
		words = words[1:]
	}
	if len(words) > 0 {
		return bad("there is more than is understood: %q", fault.Clip(words[0], maxQuote))
	}
	return h, nil
}

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (h *hours) readDays(text string) string {
	if text == "daily" {
		h.days = [7]bool{true, true, true, true, true, true, true}
		return ""
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, span := strings.Cut(part, "-")
		a := slices.Index(dayNames, first)
		b := a
		if span {
			b = slices.Index(dayNames, last)
		}
		if a < 0 || b < 0 {
			return fmt.Sprintf("%q is no day: want mon, tue, wed, thu, fri, sat, sun, a span of them, or daily", fault.Clip(part, maxQuote))
		}
		for d := a; ; d = (d + 1) % 7 {
			if h.days[d] {
				return fmt.Sprintf("%s stands in it twice", dayNames[d])
			}
			h.days[d] = true
			if d == b {
				break
			}
		}
	}
	return ""
}

func readClock(text string) (clock, string) {
	var hour, minute int
	digits := len(text) == 5 && text[2] == ':'
	for i, c := range []byte(text) {
		digits = digits && (i == 2 || c >= '0' && c <= '9')
	}
	if digits {
		hour, minute = int(text[0]-'0')*10+int(text[1]-'0'), int(text[3]-'0')*10+int(text[4]-'0')
	}
	if !digits || minute > 59 || hour > 24 || hour == 24 && minute > 0 {
		return 0, fmt.Sprintf("%q is no time of the day: want 00:00 to 24:00", fault.Clip(text, maxQuote))
	}
	return clock(hour*60 + minute), ""
}

// span returns the hours that begin on the day of the given number in the zone; false: none do.
func (h *hours) span(year int, month time.Month, day int) (from, to time.Time, ok bool) {
	at := func(day int, c clock) time.Time {
		return time.Date(year, month, day, int(c)/60, int(c)%60, 0, 0, h.zone)
	}
	if !h.days[at(day, 12*60).Weekday()] {
		return from, to, false
	}
	end := day
	if h.to <= h.from {
		end++
	}
	from, to = at(day, h.from), at(end, h.to)
	return from, to, from.Before(to) // hours within the one that a clock leaps over are none
}

// Open reports whether it is open at an instant; the end of a span is outside of it.
func (w *Window) Open(now time.Time) bool {
	for i := range w.hours {
		h := &w.hours[i]
		y, m, d := now.In(h.zone).Date()
		for _, day := range []int{d - 1, d} {
			if from, to, ok := h.span(y, m, day); ok && !now.Before(from) && now.Before(to) {
				return true
			}
		}
	}
	return false
}

// Next returns the next instant at which Open becomes another; zero: never.
func (w *Window) Next(now time.Time) time.Time {
	var edges []time.Time
	for i := range w.hours {
		h := &w.hours[i]
		y, m, d := now.In(h.zone).Date()
		for day := d - 1; day <= d+8; day++ {
			if from, to, ok := h.span(y, m, day); ok {
				edges = append(edges, from, to)
			}
		}
	}
	slices.SortFunc(edges, time.Time.Compare)
	open := w.Open(now)
	for _, at := range edges {
		if at.After(now) && w.Open(at) != open {
			return at
		}
	}
	return time.Time{}
}
