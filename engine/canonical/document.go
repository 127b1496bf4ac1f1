package canonical

import (
	"cmp"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/model"
)

// Document is a file that is published as a whole, in versions: a CSAF or an OpenVEX document, or CISA's catalog. What a version
// of it does not say any more has been taken back, although nothing else says so.
type Document struct {
	Source string
	ID     string // of the tracking, the @id of OpenVEX, or the name of the catalog
	// Own is the id of a record that may stand for all of it, Prefix what the ids of its others begin with; "": there is none.
	Own, Prefix string
	At          model.Time // of this version; zero: it does not say
	Revision    string     // of this version, where it has one; see CompareRevisions
	// Whole says that everything in it could be read: a record that is not among those of it is not of it any more.
	Whole bool

	related string // what its records with the prefix have as their only related id; "": that is not looked at
	catalog bool   // its records carry the day on which they came in, and not that of the version
}

// Has reports whether a, which is of d's source, is a record of some version of d.
func (d *Document) Has(a *model.Advisory) bool {
	switch {
	case d.Own != "" && a.ID == d.Own:
		return true
	case d.Prefix == "" || !strings.HasPrefix(a.ID, d.Prefix):
		return false
	}
	// One tracking id may begin like another, as A:1 and A:1:2 do.
	return d.related == "" || len(a.Related) == 1 && a.Related[0] == d.related
}

// Ahead is how far the clock of a source may be before the one here. What says that it was published later than that has a wrong date, and
// is no reason to leave out what comes after it.
const Ahead = 24 * time.Hour

// Version returns by which version of d a record was written: when that was published, and its revision; nothing of both where that
// is to come yet, as seen from now.
func (d *Document) Version(a *model.Advisory, now model.Time) (at model.Time, revision string) {
	switch {
	case !d.catalog:
		at, revision = a.Modified, a.Revision
	case a.Exploit != nil:
		at = a.Exploit.Known // no version is older than what it has; see kev
	}
	if at > now.Add(Ahead) {
		return 0, ""
	}
	return at, revision
}

// Older reports whether d is a version before the one that was published at that time with that revision. What does not say
// when it was published is older than nothing.
func (d *Document) Older(at model.Time, revision string) bool {
	switch {
	case d.At.IsZero() || at.IsZero():
		return false
	case d.At != at:
		return d.At < at
	}
	return CompareRevisions(d.Revision, revision) < 0
}

// CompareRevisions compares two revisions of one document, as 3 or 1.10.0, part by part: as numbers where both are, else as texts. One
// that is missing is neither before nor after any other.
func CompareRevisions(a, b string) int {
	if a == "" || b == "" {
		return 0
	}
	for a != "" || b != "" {
		var x, y string
		x, a, _ = strings.Cut(a, ".")
		y, b, _ = strings.Cut(b, ".")
		c := strings.Compare(x, y)
		if digits(orElse(x, "0")) && digits(orElse(y, "0")) {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			c = cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// maxRevision bounds a revision, in bytes.
const maxRevision = 64

// revisionOf returns a revision that is written as a text or as a number; "" for anything else.
func revisionOf(v jsontext.Value) string {
	s := strings.Trim(string(v), `"`)
	if len(s) > maxRevision || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '\\' || c == '"' || c == '{' || c == '[' }) || s == "null" {
		return ""
	}
	return s
}
