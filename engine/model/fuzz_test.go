package model

import (
	"strings"
	"testing"
)

// FuzzText reads any text as each of the things that come as text from outside: what is accepted has
// one written form, and reading that gives the same again.
func FuzzText(f *testing.F) {
	for _, s := range []string{
		"", "2025-01-15T10:30:00.000Z#0042", "2025-01-15T10:30:00+02:00#18446744073709551615", "9999-12-31T23:59:59Z#9999999999999999999",
		"#1", "2025-01-15T10:30:00Z#", "0001-01-01T00:00:00Z", "2025-01-15T10:30:00.123456789Z", "+2025-01-15T10:30:00Z",
		"01a20040-fb75-730c-bccb-877490036495", "01A20040-FB75-730C-BCCB-877490036495", "01a20040fb75730cbccb877490036495", strings.Repeat("\xff", 36),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := ParseCursor(s); err == nil {
			// The zero cursor is written as nothing at all: it is the beginning.
			if again, err := ParseCursor(c.String()); err != nil && !c.IsZero() || again != c {
				t.Errorf("cursor %q is written as %q, and that is %+v, %v", s, c, again, err)
			}
		} else if strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Errorf("cursor %q: %v", s, err)
		}
		if id, err := ParseNodeID(s); err == nil {
			if again, err := ParseNodeID(id.String()); err != nil || again != id || !strings.EqualFold(id.String(), s) {
				t.Errorf("id %q is written as %q", s, id)
			}
		} else if strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Errorf("id %q: %v", s, err)
		}
		var at, again Time
		if err := at.UnmarshalText([]byte(s)); err == nil {
			if err := again.UnmarshalText([]byte(at.String())); err != nil || again != at {
				t.Errorf("time %q is written as %q, and that is %q, %v", s, at, again, err)
			}
		} else if strings.ContainsAny(err.Error(), "\n\r\x1b") {
			t.Errorf("time %q: %v", s, err)
		}
	})
}
