// Package bundle writes and verifies signed bundles: advisory changes of one origin, in one file that
// can be carried on removable media. DESIGN.md has the format.
//
// It owns the bundle format, its signature and every limit on reading it. Nothing of a bundle is
// handed to the caller before the signature and all digests hold. It never decides what a store does
// with the changes, and it never looks at a clock: the caller says what time it is.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const (
	// Format names the version of the format that Write makes and Verify reads.
	Format = "skerry-bundle/1"
	// PayloadType is the DSSE payload type of the manifest.
	PayloadType = "application/vnd.skerry.bundle-manifest+json"
)

// The entries of a bundle, in their only order.
const (
	manifestName   = "manifest.json"
	advisoriesName = "advisories.ndjson"
	deletionsName  = "deletions.ndjson"
	signatureName  = "signature.dsse.json"
)

var (
	entryNames = [...]string{manifestName, advisoriesName, deletionsName, signatureName}
	partNames  = [...]string{advisoriesName, deletionsName}
)

// Manifest says what a bundle holds. Its bytes are what is signed, and their digest is the bundle's
// identity.
type Manifest struct {
	Format     string       `json:"format"`
	Origin     model.NodeID `json:"origin"`
	OriginName string       `json:"origin_name"` // a label, at most 256 bytes
	// The bundle holds every change of its origin after From, through To. A zero From is the beginning.
	From      model.Cursor `json:"from,omitzero"`
	To        model.Cursor `json:"to"`
	CreatedAt model.Time   `json:"created_at"` // the time of To, so that equal states give equal bytes
	ExpiresAt model.Time   `json:"expires_at"` // it is refused from then on
	Counts    Counts       `json:"counts"`
	Parts     []Part       `json:"parts"` // in the order of the file
}

// Counts says how many changes a bundle holds.
type Counts struct {
	Advisories int `json:"advisories"`
	Deletions  int `json:"deletions"`
}

// Total returns the number of changes.
func (c Counts) Total() int { return c.Advisories + c.Deletions }

// Part binds one NDJSON entry to its manifest.
type Part struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // lower-case hexadecimal
	Size   int64  `json:"size"`   // bytes
	Lines  int    `json:"lines"`
}

// deletion is a line of deletions.ndjson.
type deletion struct {
	model.AdvisoryKey
	Cursor model.Cursor `json:"cursor"`
}

// Limits bounds what is read of a bundle. Every limit is enforced while reading, on what was really
// read and never on what a header claims. Write obeys the defaults, so that what it makes can be read.
type Limits struct {
	Compressed int64 // bytes of the file
	Expanded   int64 // bytes of the tar stream inside
	Ratio      int64 // expanded bytes for each compressed byte, beyond the first 16 MiB
	Manifest   int64 // bytes of manifest.json
	Signature  int64 // bytes of signature.dsse.json
	Line       int   // bytes of one NDJSON line
	Depth      int   // nesting of arrays and objects in one JSON value
}

// DefaultLimits returns the limits that the format states.
func DefaultLimits() Limits {
	return Limits{
		Compressed: 1 << 30,
		Expanded:   8<<30 - 1, // the largest size that a USTAR header can hold
		Ratio:      500,
		Manifest:   1 << 20,
		Signature:  2 << 20, // it repeats the manifest in base64
		Line:       model.MaxPayload,
		Depth:      32,
	}
}

const (
	// ratioFree is how much may come out before the ratio counts: short files compress by luck.
	ratioFree = 16 << 20
	// window is the zstd window of the format, and so the most memory that reading one takes for it.
	window = 8 << 20
	// maxName bounds labels and sources in lines of text that people read.
	maxName = 256
)

// hashOf returns the identity of the bundle with this manifest.
func hashOf(manifest []byte) string {
	sum := sha256.Sum256(manifest)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// decodeManifest reads and judges manifest bytes on their own: version, origin, range, parts and counts.
func decodeManifest(raw []byte, lim Limits) (Manifest, error) {
	const op = "read manifest"
	var m Manifest
	if err := checkDepth(raw, lim.Depth); err != nil {
		return m, err
	}
	if err := model.Decode(raw, &m); err != nil {
		return Manifest{}, fault.New(fault.Corrupt, op, "%s is not a manifest: %w", manifestName, err)
	}
	return m, m.validate(op)
}

func (m Manifest) validate(op string) error {
	bad := func(format string, args ...any) error { return fault.New(fault.Corrupt, op, format, args...) }
	if m.Format != Format {
		if strings.HasPrefix(m.Format, "skerry-bundle/") {
			return fault.New(fault.Version, op, "the bundle's format is %q, this version reads %q: import it with a newer skerry", fault.Clip(m.Format, maxQuote), Format)
		}
		return bad("the bundle's format is %q, not %q", fault.Clip(m.Format, maxQuote), Format)
	}
	switch {
	case m.Origin.IsZero():
		return bad("the manifest names no origin")
	case len(m.OriginName) > maxName:
		return bad("the name of the origin is longer than %d bytes", maxName)
	case m.To.Compare(m.From) <= 0:
		return bad("the manifest's range is empty: from %q to %q", m.From, m.To)
	case m.ExpiresAt.IsZero():
		return bad("the manifest has no expiry")
	case len(m.Parts) != len(partNames):
		return bad("the manifest names %d parts, not %d", len(m.Parts), len(partNames))
	}
	for i, p := range m.Parts {
		if p.Name != partNames[i] {
			return bad("part %d of the manifest is %q, not %q", i+1, fault.Clip(p.Name, maxQuote), partNames[i])
		}
	}
	if m.Counts.Advisories != m.Parts[0].Lines || m.Counts.Deletions != m.Parts[1].Lines || m.Counts.Advisories < 0 || m.Counts.Deletions < 0 {
		return bad("the counts of the manifest (%d and %d) are not the lines of its parts (%d and %d)",
			m.Counts.Advisories, m.Counts.Deletions, m.Parts[0].Lines, m.Parts[1].Lines)
	}
	return nil
}

// The expiry that Expiry gives lies on a grid of expiryStep after the newest change, and never
// nearer than expiryLeast.
const (
	expiryStep  = 90 * 24 * time.Hour
	expiryLeast = 45 * 24 * time.Hour
)

// Expiry returns when a bundle through to should expire, if made now: between 45 and 135 days ahead,
// in whole steps of 90 days from to, so that making it again soon gives the same bytes.
func Expiry(to model.Cursor, now model.Time) model.Time {
	start, least, step := to.At, now.Add(expiryLeast), model.Time(expiryStep.Milliseconds())
	if start.IsZero() {
		start = 1
	}
	n := model.Time(1)
	if least > start {
		n = max(1, (least-start+step-1)/step)
	}
	return start + n*step
}

// Admit judges whether a store that holds the origin's changes through have (zero: none) may import
// the bundle. Its error has kind Conflict; for a gap it says which export would fill it. Force lets a
// bundle in that is not newer; a gap is never let in, because what is missing would stay missing.
func Admit(have model.Cursor, m Manifest, force bool) error {
	const op = "import bundle"
	from := ""
	if !have.IsZero() {
		from = "-c '" + have.String() + "' "
	}
	export := "skerry bundle export " + from + "-o delta.zst"
	origin := m.OriginName
	if origin == "" {
		origin = m.Origin.String()
	}
	switch {
	case m.From.Compare(have) > 0:
		held := "holds nothing of " + origin + " yet"
		if !have.IsZero() {
			held = "holds " + origin + " only up to " + have.String()
		}
		return fault.New(fault.Conflict, op, "gap: the bundle starts at %s, but this store %s; fill the gap with a bundle made at %s by: %s", m.From, held, origin, export)
	case m.To == have && !force:
		return fault.New(fault.Conflict, op, "Cursor not after current: this server already holds everything of %s through %s; there is nothing to import", origin, have)
	case m.To.Compare(have) <= 0 && !force:
		return fault.New(fault.Conflict, op, "Cursor not after current: the bundle ends at %s and this server already holds everything of %s through %s; there is nothing to import", m.To, origin, have)
	}
	return nil
}

// maxQuote is how many bytes of foreign input a message quotes.
const maxQuote = 48
