package api

import (
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/model"
)

// dropComma removes the comma that the first of optional members has put in front of it.
func dropComma(b []byte, mark int) []byte {
	if len(b) == mark {
		return b
	}
	return append(b[:mark], b[mark+1:]...)
}

func appendID[K any](b []byte, id model.ID[K]) []byte {
	b = hex.AppendEncode(b, id[:4])
	for i := 4; i < 10; i += 2 {
		b = hex.AppendEncode(append(b, '-'), id[i:i+2])
	}
	return hex.AppendEncode(append(b, '-'), id[10:])
}

func appendCount(b []byte, name string, n int) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), int64(n), 10)
}

func appendCounts(b []byte, c model.SeverityCounts) []byte {
	if c == (model.SeverityCounts{}) {
		return append(b, `{"critical":0,"high":0,"medium":0,"low":0,"none":0,"unknown":0,"uncertain":0}`...)
	}
	b = strconv.AppendInt(append(b, `{"critical":`...), int64(c.Critical), 10)
	b = strconv.AppendInt(append(b, `,"high":`...), int64(c.High), 10)
	b = strconv.AppendInt(append(b, `,"medium":`...), int64(c.Medium), 10)
	b = strconv.AppendInt(append(b, `,"low":`...), int64(c.Low), 10)
	b = strconv.AppendInt(append(b, `,"none":`...), int64(c.None), 10)
	b = strconv.AppendInt(append(b, `,"unknown":`...), int64(c.Unknown), 10)
	b = strconv.AppendInt(append(b, `,"uncertain":`...), int64(c.Uncertain), 10)
	return append(b, '}')
}

// appendFloat writes a number as ECMAScript does, which is what encoding/json keeps to.
func appendFloat(b []byte, f float64) []byte {
	abs := math.Abs(f)
	// Nearly every share in percent has one digit behind the point: what is nearest to n/10 is written so.
	if n := math.Round(abs * 10); n > 0 && n < 1e6 && n/10 == abs {
		if f < 0 {
			b = append(b, '-')
		}
		b = strconv.AppendInt(b, int64(n)/10, 10)
		if tenth := int64(n) % 10; tenth > 0 {
			b = append(b, '.', byte('0'+tenth))
		}
		return b
	}
	if abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-09 is e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

// lastInstant is the end of the year 9999, as of which RFC 3339 has no text.
const lastInstant model.Time = 253_402_300_799_999

// dates writes instants as time.RFC3339Nano does, of which a page has hundreds: the zeros at the end of a fraction
// are left out, and so is a fraction of nothing. It remembers the day that it wrote last, since most of a page's
// instants are of one.
type dates struct {
	next int64 // the day after the one that text is; 0: none was written
	text [len("0000-00-00T")]byte
	row  []byte // of appendHost, to be used again
}

func (d *dates) appendTime(b []byte, name string, t model.Time) []byte {
	if t == 0 {
		return b
	}
	b = append(append(b, name...), '"')
	return append(d.appendInstant(b, t), '"')
}

func (d *dates) appendInstant(b []byte, t model.Time) []byte {
	if t < 0 || t > lastInstant {
		return t.Std().AppendFormat(b, time.RFC3339Nano)
	}
	const dayMS = 24 * 60 * 60 * 1000
	days, ms := int64(t)/dayMS, int(int64(t)%dayMS)
	if days+1 != d.next {
		d.set(days)
	}
	s := ms / 1000
	ms %= 1000
	b = append(append(b, d.text[:]...), "00:00:00"...)
	to := b[len(b)-len("00:00:00"):]
	putPair(to, 0, s/3600)
	putPair(to, 3, s/60%60)
	putPair(to, 6, s%60)
	if ms > 0 {
		b = append(b, '.', byte('0'+ms/100))
		if ms%100 > 0 {
			b = append(b, byte('0'+ms/10%10))
		}
		if ms%10 > 0 {
			b = append(b, byte('0'+ms%10))
		}
	}
	return append(b, 'Z')
}

// set writes the date of a day, counted from 1970.
func (d *dates) set(days int64) {
	d.next = days + 1
	// The days are counted from 1 March of the year 0, so that the odd day of a leap year is the last of its
	// year (Hinnant, chrono-compatible low-level date algorithms).
	days += 719_468
	era := days / 146_097
	ofEra := int(days - era*146_097)
	year := (ofEra - ofEra/1460 + ofEra/36_524 - ofEra/146_096) / 365
	ofYear := ofEra - (365*year + year/4 - year/100)
	month := (5*ofYear + 2) / 153
	day := ofYear - (153*month+2)/5 + 1
	year += int(era) * 400
	if month += 3; month > 12 {
		month, year = month-12, year+1
	}
	copy(d.text[:], "0000-00-00T")
	putPair(d.text[:], 0, year/100)
	putPair(d.text[:], 2, year%100)
	putPair(d.text[:], 5, month)
	putPair(d.text[:], 8, day)
}

// putPair writes a number of two digits at a place.
func putPair(to []byte, at, n int) {
	copy(to[at:at+2], pairs[2*n:2*n+2])
}

// pairs is the numbers from 00 to 99.
const pairs = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748" +
	"4950515253545556575859606162636465666768697071727374757677787980818283848586878889909192939495969798" +
	"99"

func appendSome(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	return appendText(append(b, name...), s)
}

func appendTexts(b []byte, name string, all []string) []byte {
	if len(all) == 0 {
		return b
	}
	b = append(b, name...)
	sep := byte('[')
	for _, s := range all {
		b = appendText(append(b, sep), s)
		sep = ','
	}
	return append(b, ']')
}

const hexDigits = "0123456789abcdef"

// appendText writes a string as encoding/json does when it does not escape for HTML.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	if plainText(s) { // as nearly every text of a row is
		return append(append(b, s...), '"')
	}
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = appendEscaped(append(b, s[from:i]...), c)
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(append(b, s[from:i]...), `\ufffd`...)
			from = i + n
		case r == '\u2028' || r == '\u2029': // line ends in JavaScript
			b = append(append(b, s[from:i]...), `\u202`...)
			b = append(b, hexDigits[r&0xf])
			from = i + n
		}
		i += n
	}
	return append(append(b, s[from:]...), '"')
}

// plainText reports whether a text is ASCII that stands in JSON as it is.
func plainText(s string) bool {
	if len(s) < 8 {
		for i := range len(s) {
			if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
				return false
			}
		}
		return true
	}
	// Eight bytes at once, of which the last eight may overlap those before. A byte below n borrows from its own
	// highest bit when n is taken away; what is no ASCII has that bit set.
	const ones, high = 0x0101010101010101, 0x8080808080808080
	odd := uint64(0)
	for at := 0; ; at += 8 {
		last := at >= len(s)-8
		if last {
			at = len(s) - 8
		}
		x := load8(s[at:])
		quote, backslash := x^('"'*ones), x^('\\'*ones)
		odd |= x | (x-' '*ones)&^x | (quote-ones)&^quote | (backslash-ones)&^backslash
		if last {
			return odd&high == 0
		}
	}
}

func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
