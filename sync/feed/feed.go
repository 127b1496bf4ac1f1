// Package feed brings what sources publish from files to the server that ingests it: Walk finds records in folders, archives
// and lists, Pack puts them into one stream, Unpack takes them out; File does what Walk does for one file that was fetched.
//
// It owns that stream's form and its limits, and how a long list is taken apart into pieces that are each a document of their
// own. It never says what a record means (that is for engine/canonical), never writes to a disk, and never lets a name in an
// archive be more than a label.
package feed

import (
	"path"
	"strings"
	"unicode/utf8"
)

// Limits bounds what is read of one stream or archive. They count what really came out, not what
// headers claim.
type Limits struct {
	Record   int64 // bytes of one record; a longer one is handed over cut to one byte more
	Expanded int64 // bytes that come out of one stream or archive
	Entries  int   // entries of one stream or archive, records or not
	Name     int   // bytes of one name
}

// DefaultLimits returns the limits of Walk, Pack and Unpack.
func DefaultLimits() Limits {
	return Limits{Record: MaxRecord, Expanded: 8 << 30, Entries: 5_000_000, Name: 512}
}

const (
	// MaxRecord is the most bytes that a record may have. A longer one arrives with MaxRecord+1 bytes,
	// so that whoever decodes it refuses it by its length and can name it among the good ones.
	MaxRecord = 8 << 20
	// maxWindow is the largest zstd window that is read: what `zstd --long=27` writes.
	maxWindow = 128 << 20
	// ownWindow is the zstd window that Pack writes.
	ownWindow = 8 << 20
)

// Func is called with each record: its name with the folders that stand before it (debian-dsa/DSA-1-1.json),
// by which its source is guessed, and its bytes, which are valid until the function returns.
type Func func(name string, raw []byte) error

// isRecord reports whether a name is one under which records are handed over. The odd dotted files that
// macOS puts into archives are not.
func isRecord(name string) bool {
	base := path.Base(name)
	ext := strings.ToLower(path.Ext(base))
	return (ext == extJSON || ext == extCSV) && !strings.HasPrefix(base, ".")
}

// label makes a harmless name of whatever an archive calls an entry: no root, no "..", no control
// characters, cut at the front to at most most bytes. It is never used to open anything.
func label(name string, most int) string {
	name = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == utf8.RuneError {
			return '_'
		}
		if c == '\\' {
			return '/'
		}
		return c
	}, name)
	for len(name) > most {
		_, size := utf8.DecodeRuneInString(name)
		name = name[size:]
	}
	return path.Clean("/" + name)[1:]
}

// maxQuote is how many bytes of foreign input a message quotes.
const maxQuote = 96
