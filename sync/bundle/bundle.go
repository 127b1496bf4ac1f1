// Package bundle writes and verifies signed bundles: advisory changes of one origin, in one file that
// can be carried on removable media, or in several parts of one. DESIGN.md has the format.
//
// It owns the bundle format, its signature and every limit on reading it, and the folder in which parts wait for each
// other. Nothing of a bundle is handed to the caller before the signature and all digests hold. It never decides what a
// store does with the changes, and it never looks at a clock: the caller says what time it is.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/skerryhq/skerry/engine/model"
)

const (
	// Format names the version of the format that Write makes. Verify reads it and formatOne.
	Format = "skerry-bundle/2"
	// formatOne had no canonicals, no parts, no announced keys and no seal.
	formatOne = "skerry-bundle/1"
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
	// The bundle holds every change of its origin after From, through To. A zero From is the beginning. In a part of a
	// set they are those of the whole set.
	From      model.Cursor `json:"from,omitzero"`
	To        model.Cursor `json:"to"`
	CreatedAt model.Time   `json:"created_at"` // the time of To, so that equal states give equal bytes
	ExpiresAt model.Time   `json:"expires_at"` // it is refused from then on
	// More says that the origin had changes after To when it wrote the bundle: it was told to stop there.
	More   bool   `json:"more,omitzero"`
	Counts Counts `json:"counts"`
	Parts  []Part `json:"parts"` // in the order of the file
	// Split is set in a part of a set.
	Split *Split `json:"split,omitzero"`
	// Keys are keys that the origin will sign with, or signs with for a while yet; at most MaxKeys.
	Keys []Key `json:"keys,omitzero"`
}

// Counts says what a bundle holds. Of skerry-bundle/1 the canonicals are not known: zero.
type Counts struct {
	Canonicals int `json:"canonicals"` // distinct canonicals, at the origin, of the edges
	Edges      int `json:"edges"`      // records put, each joined to one canonical; the lines of advisories.ndjson
	Deletions  int `json:"deletions"`  // records removed; the lines of deletions.ndjson
	// Advisories is what skerry-bundle/1 called Edges; zero in every Manifest that this package hands out.
	Advisories int `json:"advisories,omitzero"`
}

// Total returns the sum of all three.
func (c Counts) Total() int { return c.Canonicals + c.Edges + c.Deletions }

// Changes returns the number of changes, which is that of lines.
func (c Counts) Changes() int { return c.Edges + c.Deletions }

// Part binds one NDJSON entry to its manifest.
type Part struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // lower-case hexadecimal
	Size   int64  `json:"size"`   // bytes
	Lines  int    `json:"lines"`
}

// Split says which part of which set a file is. Every part is a whole, signed bundle file; they may be read in any order, and
// what the set holds is known to be whole when all Of are there.
type Split struct {
	Set    string `json:"set"`    // the identity of the set: "sha256:" and the hex digest of its plan
	Index  int    `json:"index"`  // from 1
	Of     int    `json:"of"`     // 2 to MaxParts
	Counts Counts `json:"counts"` // of the whole set
}

// Key is an announced key. Whoever trusts a signature over the manifest is told to trust the key too.
type Key struct {
	Name      string     `json:"name"`   // a label
	Public    string     `json:"public"` // PEM, ECDSA P-256
	Purposes  []string   `json:"purposes,omitzero"`
	RetiresAt model.Time `json:"retires_at,omitzero"`
	Successor string     `json:"successor,omitzero"` // a key's id
	Revoked   bool       `json:"revoked,omitzero"`   // its signatures count for nothing, for good
}

const (
	// MaxKeys is how many keys one bundle may announce.
	MaxKeys = 16
	// MaxParts is how many parts a set may have.
	MaxParts = 1000
)

// deletion is a line of deletions.ndjson.
type deletion struct {
	model.AdvisoryKey
	Cursor model.Cursor `json:"cursor"`
}

// record is a line of advisories.ndjson.
type record struct {
	model.Advisory
	// Canonical is the id of the canonical that the record belongs to at its origin. A reader groups by itself, and takes
	// it for no more than a count.
	Canonical string `json:"canonical,omitzero"`
}

// Limits bounds what is read of a bundle. Every limit is enforced while reading, on what was really
// read and never on what a header claims. Write obeys the defaults, so that what it makes can be read.
type Limits struct {
	Compressed int64 // bytes of the file; of a tar or a folder, Expanded bounds them
	Expanded   int64 // bytes of the tar stream inside
	Ratio      int64 // expanded bytes for each compressed byte, beyond the first 16 MiB
	Manifest   int64 // bytes of manifest.json
	Signature  int64 // bytes of signature.dsse.json
	Line       int   // bytes of one NDJSON line
	Lines      int   // lines of both parts together
	Depth      int   // nesting of arrays and objects in one JSON value
	Nodes      int   // arrays and objects in one JSON value
	Values     int   // commas in one JSON value, which bounds its strings and numbers
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
		Lines:      4_000_000,
		Depth:      32,
		Nodes:      100_000,
		Values:     500_000,
	}
}

const (
	// ratioFree is how much may come out before the ratio counts: short files compress by luck.
	ratioFree = 16 << 20
	// window is the zstd window of the format, and so the most memory that reading one takes for it.
	window = 8 << 20
	// idle is how many compressed bytes may be read beyond what came out of them: frames of nothing only take time.
	idle = 4 << 20
	// maxName bounds labels in lines of text that people read.
	maxName = 256
	// maxQuote is how many bytes of foreign input a message quotes.
	maxQuote = 48
)

// hashOf returns the identity of the bundle with this manifest.
func hashOf(manifest []byte) string {
	sum := sha256.Sum256(manifest)
	return "sha256:" + hex.EncodeToString(sum[:])
}
