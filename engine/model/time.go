package model

import (
	"fmt"
	"time"
)

// Time is an instant in milliseconds since 1970-01-01T00:00:00Z. Zero means unknown. As text it is
// RFC 3339 in UTC with exactly three decimals; unknown is the empty text.
//
// It says when something was observed. It is never trusted to put changes in order: that is what
// Seq and Epoch are for.
type Time int64

const timeLayout = "2006-01-02T15:04:05.000Z"

// maxTime is the last instant whose text RFC 3339 can hold: 9999-12-31T23:59:59.999Z.
const maxTime Time = 253_402_300_799_999

// TimeOf converts t; the zero time.Time, and anything before 1970, becomes unknown. Anything after the
// year 9999 becomes the last instant of that year, so that every Time that came in reads back from
// its text: a row with one that does not could never be opened again.
func TimeOf(t time.Time) Time {
	if t.IsZero() || t.UnixMilli() <= 0 {
		return 0
	}
	return min(Time(t.UnixMilli()), maxTime)
}

// Std returns t as a time.Time in UTC; unknown becomes the zero time.Time.
func (t Time) Std() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t)).UTC()
}

// IsZero reports whether t is unknown.
func (t Time) IsZero() bool { return t == 0 }

// Add returns t moved by d; unknown stays unknown.
func (t Time) Add(d time.Duration) Time {
	if t == 0 {
		return 0
	}
	return t + Time(d.Milliseconds())
}

// String returns the RFC 3339 text, or "" for unknown.
func (t Time) String() string {
	if t == 0 {
		return ""
	}
	return t.Std().Format(timeLayout)
}

// MarshalText returns the form of String.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText accepts any RFC 3339 time, and the empty text for unknown; TimeOf says what becomes of
// those out of bounds.
func (t *Time) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*t = 0
		return nil
	}
	v, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return fmt.Errorf("%q is not an RFC 3339 time", clip(string(b)))
	}
	*t = TimeOf(v)
	return nil
}

// Seq numbers what one origin appends, from 1, rising by one for each append. Zero means "nothing yet".
type Seq uint64

// Epoch numbers the lives of one origin, from 1. It rises when the origin is restored or its
// hardware replaced, and Seq then starts anew.
type Epoch uint32

// Position is how far a receiver durably holds what one origin sent: everything of earlier epochs,
// and in Epoch everything through Seq.
type Position struct {
	Epoch Epoch `json:"epoch"`
	Seq   Seq   `json:"seq"`
}

// Covers reports whether an item at (epoch, seq) is already held at p.
func (p Position) Covers(epoch Epoch, seq Seq) bool {
	return epoch < p.Epoch || epoch == p.Epoch && seq <= p.Seq
}

// Cursor is a place in an origin's log of advisory changes: the time of the change, then a
// sequence. As text: 2025-01-15T10:30:00.000Z#0042. Cursors of one origin rise strictly.
type Cursor struct {
	At  Time
	Seq Seq
}

// IsZero reports whether c is before every change.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// Compare returns -1, 0 or 1 as c is before, at or after d. The sequence alone decides: a clock
// that was set back must not turn newer changes into older ones.
func (c Cursor) Compare(d Cursor) int {
	switch {
	case c.Seq < d.Seq:
		return -1
	case c.Seq > d.Seq:
		return 1
	}
	return 0
}

// String returns the text form, or "" for the zero cursor.
func (c Cursor) String() string {
	if c.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s#%04d", c.At.Std().Format(timeLayout), uint64(c.Seq))
}

// MarshalText returns the form of String.
func (c Cursor) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText accepts what ParseCursor accepts, and the empty text.
func (c *Cursor) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*c = Cursor{}
		return nil
	}
	v, err := ParseCursor(string(b))
	if err != nil {
		return err
	}
	*c = v
	return nil
}

// ParseCursor reads TIME#SEQUENCE, where TIME is RFC 3339 and SEQUENCE decimal.
func ParseCursor(s string) (Cursor, error) {
	bad := fmt.Errorf("%q is not a cursor: want TIME#SEQUENCE, as in 2025-01-15T10:30:00.000Z#0042", clip(s))
	for i := len(s) - 1; i > 0; i-- {
		if s[i] != '#' {
			if s[i] < '0' || s[i] > '9' {
				return Cursor{}, bad
			}
			continue
		}
		t, err := time.Parse(time.RFC3339Nano, s[:i])
		if err != nil || i+1 == len(s) || len(s)-i > 20 {
			return Cursor{}, bad
		}
		var n uint64
		for _, d := range s[i+1:] {
			n = n*10 + uint64(d-'0')
		}
		return Cursor{At: TimeOf(t), Seq: Seq(n)}, nil
	}
	return Cursor{}, bad
}
