// Package health finds the one word for a link: whether it is up, and whether what it carries is late.
//
// It owns the words, what makes a link degraded, and how much better it must get until it is none any more. It only
// computes: it reads no clock, and holds no link. Both ends use it, each with what it sees.
package health

import (
	"fmt"
	"strings"
	"time"
)

// Word is what is said of the link, in one word that never flatters.
type Word string

// The words. A node that is not enrolled has no link, and says so itself.
const (
	Unknown  Word = "unknown"  // no attempt has ended since this server started
	Online   Word = "online"   // open, and what goes up arrives soon
	Degraded Word = "degraded" // open, but something is late
	Offline  Word = "offline"  // closed
	Removed  Word = "removed"  // closed for good: the upper tier says that this node is no member of it any more
)

// RemovedText reports whether that is what an upper tier says to a member that it removed, as hub.Standing puts it. The
// first that follows the member's name, in which there is no quote, counts: what an operator gave as the reason does not.
func RemovedText(text string) bool {
	_, rest, ok := strings.Cut(text, `" is `)
	return ok && strings.HasPrefix(rest, "removed here")
}

// Health is a Word with its reason, for people.
type Health struct {
	Word   Word
	Since  time.Time // when Word became what it is
	Reason string    // empty: nothing is to be said
}

// Sight is what a Judge looks at. Zero times are of what is not there.
type Sight struct {
	Now     time.Time
	Tried   bool      // a link came up or failed to since this server started
	Online  bool      // the link is open
	Since   time.Time // when Online became what it is
	Error   string    // why there is no link
	Breaks  int       // how often the link broke within BreaksWithin
	Heard   time.Time // when anything last came
	Sent    time.Time // when the oldest run was sent that is not acknowledged
	Waiting time.Time // since when the oldest item waits
	WaitN   int       // how many wait; 0: not counted
	Until   time.Time // what is not urgent waits until then on purpose
}

// What makes a link degraded, and what it takes until it is none any more: less than what made it so, for else
// the word would change with every report.
const (
	HeardLate, HeardFine     = 15 * time.Second, 12 * time.Second // something comes every 10 s
	SentLate, SentFine       = 15 * time.Second, 5 * time.Second
	WaitingLate, WaitingFine = time.Minute, 20 * time.Second
	BreaksMany, BreaksFew    = 3, 1
	BreaksWithin             = 5 * time.Minute
)

// Judge finds the word for a link. The zero value has seen nothing. It reads no clock.
type Judge struct {
	now Health
}

// Look takes in what is seen and returns what to say of it.
func (j *Judge) Look(s Sight) Health {
	word, reason := j.word(s)
	since := s.Now
	switch {
	case word == j.now.Word:
		since = j.now.Since
	case word == Offline || word == Online && j.now.Word != Degraded:
		since = s.Since // the link itself says when
	}
	j.now = Health{word, since, reason}
	return j.now
}

func (j *Judge) word(s Sight) (Word, string) {
	if !s.Online {
		if !s.Tried {
			return Unknown, "no attempt to open the link has ended yet"
		}
		if RemovedText(s.Error) {
			return Removed, s.Error
		}
		if j.now.Word == Removed { // what was said holds, though nobody can be asked now: a removal is for good
			return Removed, j.now.Reason
		}
		return Offline, s.Error
	}
	was := j.now.Word == Degraded
	late := func(at time.Time, enter, leave time.Duration) bool {
		if was {
			enter = leave
		}
		return !at.IsZero() && s.Now.Sub(at) > enter
	}
	many := BreaksMany
	if was {
		many = BreaksFew + 1
	}
	switch {
	case late(s.Heard, HeardLate, HeardFine):
		return Degraded, fmt.Sprintf("nothing was heard for %s", round(s.Now.Sub(s.Heard)))
	case late(s.Sent, SentLate, SentFine):
		return Degraded, fmt.Sprintf("what was sent %s ago is not acknowledged yet: the line or the other side is slow", round(s.Now.Sub(s.Sent)))
	case s.Until.IsZero() && late(s.Waiting, WaitingLate, WaitingFine):
		what := "the oldest item waits"
		if s.WaitN > 1 {
			what = fmt.Sprintf("%d items wait, the oldest", s.WaitN)
		}
		return Degraded, fmt.Sprintf("%s since %s: they go up as fast as the line takes them", what, s.Waiting.UTC().Format(time.RFC3339))
	case s.Breaks >= many:
		return Degraded, fmt.Sprintf("the link broke %d times within %s", s.Breaks, round(BreaksWithin))
	case !s.Until.IsZero() && !s.Waiting.IsZero():
		return Online, "what is not urgent waits until " + s.Until.UTC().Format(time.RFC3339) + ", when uplink.window opens"
	}
	return Online, ""
}

// round shows a duration to the second.
func round(d time.Duration) string { return d.Round(time.Second).String() }
