package model

import (
	"testing"
	"time"
)

// What is read from outside is stored as text again: a time that reads but whose own text does not
// read back would make a row that nobody can open any more.
func TestEveryTimeThatReadsReadsBack(t *testing.T) {
	for _, text := range []string{
		"", "2025-01-15T10:30:00Z", "2025-01-15T10:30:00.123456789+01:00", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z",
		"9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00+12:00",
	} {
		var at, again Time
		if err := at.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		out, err := at.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalText(out); err != nil || again != at {
			t.Errorf("%q became %q, which reads as %d, %v; want %d", text, out, again, err, at)
		}
		c := Cursor{At: at, Seq: 7}
		if got, err := ParseCursor(c.String()); err != nil || got != c {
			t.Errorf("cursor %q reads as %+v, %v", c, got, err)
		}
	}
	far := TimeOf(time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC))
	if far.String() != "9999-12-31T23:59:59.999Z" {
		t.Errorf("the year 12000 became %q", far)
	}
}
