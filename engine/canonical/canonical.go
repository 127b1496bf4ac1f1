// Package canonical turns what sources publish about vulnerabilities into model.Advisory.
//
// It owns the reading of OSV records (ossf.github.io/osv-schema, version 1.7) and lists of them, CISA's catalog of known
// exploited vulnerabilities, exploit prediction scores, the NVD's API 2.0, CSAF 2.0 and OpenVEX 0.2.0 documents and
// change sets; the bounds that each must keep; and how a record is named. It keeps facts only: identifiers, packages, version
// ranges, severities, weaknesses, dates, statements and one line of summary. It never matches versions, never merges records of
// different sources, and never reads files: it is given bytes.
package canonical

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of one OSV record. A record beyond one of them is refused whole.
const (
	MaxRaw         = 8 << 20 // bytes of JSON
	maxDepth       = 64      // nested arrays and objects
	maxValues      = 500_000 // JSON values; bounds the memory that a hostile record can claim
	maxID          = 128     // bytes
	maxIdentifiers = 2_000   // in each of aliases, upstream and related
	maxAffected    = 10_000
	maxRanges      = 10_000 // of all affected packages together
	maxEvents      = 20_000 // of all ranges together
	maxVersions    = 100_000
	maxName        = 256 // bytes of a package name, an ecosystem or a version
	maxScores      = 32
	maxScore       = 512 // bytes
	maxSummary     = 1_024
)

// opRead stands before every reason that a record is refused for.
const opRead = "read OSV record"

// DecodeFile decodes one OSV record that came from a file or an archive entry of the given name. An
// empty source is guessed from the name. Where the name says that the source uses one ID for
// several records (ID~2.json), the record's ID gets that suffix, and the plain ID becomes an alias,
// so that neither record replaces the other and both are found. The errors are those of DecodeOSV.
func DecodeFile(source, name string, raw []byte) (model.Advisory, error) {
	if source == "" {
		source = Source(name)
	}
	a, err := DecodeOSV(source, raw)
	if err != nil {
		return a, err
	}
	if id := RecordID(name, a.ID); id != a.ID {
		if len(id) > maxID {
			return model.Advisory{}, fault.New(fault.TooLarge, opRead, "the id %s with the suffix of its file is longer than %d bytes", quote(id), maxID)
		}
		if a.Aliases, err = identifiers("aliases", append(a.Aliases, a.ID)); err != nil {
			return model.Advisory{}, err
		}
		a.ID = id
	}
	return a, nil
}

// RecordID returns the ID under which the record with that id, from the file of that name, is kept:
// the id itself, or the id with ~N where the file is the Nth of one ID.
func RecordID(name, id string) string {
	stem := strings.TrimSuffix(path.Base(name), ".json")
	i := strings.LastIndexByte(stem, '~')
	if i <= 0 || !digits(stem[i+1:]) || len(stem)-i > 4 || strings.HasSuffix(id, stem[i:]) {
		return id
	}
	return id + stem[i:]
}

// PlainID returns id without the suffix that RecordID may have added.
func PlainID(id string) string {
	i := strings.LastIndexByte(id, '~')
	if i <= 0 || !digits(id[i+1:]) {
		return id
	}
	return id[:i]
}

// Source guesses the name of a source from a record's path in a folder or an archive: the nearest
// folder above it that is not just a number (a year) and not named like the record itself, in lower
// case, with everything outside a-z 0-9 . _ - turned to -. A path without such a folder gives "local".
func Source(name string) string {
	name = strings.ReplaceAll(name, "\\", "/")
	stem := strings.TrimSuffix(path.Base(name), ".json")
	for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
		folder := path.Base(dir)
		if folder == ".." || folder == stem || strings.Trim(folder, "0123456789x") == "" {
			continue
		}
		for _, ext := range []string{".zip", ".tar.zst", ".tar.gz", ".tgz", ".tar"} {
			folder = strings.TrimSuffix(folder, ext)
		}
		s := strings.Map(func(r rune) rune {
			switch {
			case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
				return r
			case r >= 'A' && r <= 'Z':
				return r + 'a' - 'A'
			}
			return '-'
		}, folder)
		if len(s) > 64 {
			s = s[:64]
		}
		if CheckSource(s) == nil {
			return s
		}
	}
	return "local"
}

// CheckSource says whether s can name a source: 1 to 64 of a-z 0-9 . _ - that start with a letter or
// a digit.
func CheckSource(s string) error {
	ok := len(s) >= 1 && len(s) <= 64 && s[0] != '.' && s[0] != '-' && s[0] != '_'
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
	}
	if !ok {
		return fault.New(fault.Invalid, "", "%s cannot name a source: want 1 to 64 of a-z 0-9 . _ - that start with a letter or digit", quote(s))
	}
	return nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// oneLine folds every run of white space and control characters to one space and cuts s to max
// bytes at a character's end.
func oneLine(s string, max int) string {
	var b strings.Builder
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(f)
		if b.Len() > max {
			break
		}
	}
	out := b.String()
	if len(out) > max {
		for max > 0 && !utf8.RuneStart(out[max]) {
			max--
		}
		out = strings.TrimRight(out[:max], " ")
	}
	return out
}
