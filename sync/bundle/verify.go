package bundle

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// VerifyConfig says whom to believe.
type VerifyConfig struct {
	// Trusted are pinned keys; their ids are not believed. One that is revoked, retired at Now, or not for federation counts
	// for nothing.
	Trusted   []model.SignerKey
	Threshold int        // distinct trusted keys that must have signed; below 1: one
	Now       model.Time // an expired bundle is refused; zero: neither expiry nor retirement is judged
	Limits    *Limits    // nil: DefaultLimits
	// SkipSignature asks that signatures are not judged, whatever stands there: Signers and Announced are empty then.
	// All else is judged as ever. Whether that is allowed is the caller's policy.
	SkipSignature bool
}

func (c VerifyConfig) limits() Limits {
	if c.Limits != nil {
		return *c.Limits
	}
	return DefaultLimits()
}

// Reader is a bundle, or a whole set of parts, whose signature, digests, expiry and every line have been verified.
type Reader struct {
	lim      Limits
	files    []file
	manifest Manifest
	hash     string
	signers  []string
}

// file is one verified bundle file.
type file struct {
	src      io.ReadSeeker
	raw      []byte // of its manifest
	manifest Manifest
}

// Verify reads all of src, twice, and returns a Reader only if everything about it holds: first
// the signature, then the digests, the expiry and every single line. The kinds of its errors:
// Denied (not signed, or not by enough trusted keys), Expired, Corrupt, TooLarge, Version.
//
// Src is a zstd file, or a tar stream or folder as OpenAny gives it. It may be one part of a set: then Manifest has Split, and
// what it holds is a part of the changes after From through To only.
//
// Src must not change until the Reader is done with: a file on removable media or an upload belongs
// into a private file first, see Spool.
func Verify(ctx context.Context, src io.ReadSeeker, c VerifyConfig) (*Reader, error) {
	x := examine(ctx, src, c)
	if err := x.err(); err != nil {
		return nil, err
	}
	return &Reader{
		lim: c.limits(), files: []file{{src: src, raw: x.seen.manifest, manifest: x.manifest}},
		manifest: x.manifest, hash: hashOf(x.seen.manifest), signers: x.signers,
	}, nil
}

// Manifest returns the verified manifest; of a set, that of the whole set, which has no Parts and no Split.
func (r *Reader) Manifest() Manifest { return r.manifest }

// Hash returns the identity of the bundle: "sha256:" and the hex digest of its manifest; of a set, Split.Set.
func (r *Reader) Hash() string { return r.hash }

// Signers returns the ids of the trusted keys that signed (of a set: every part), sorted. It is empty where SkipSignature
// was asked for.
func (r *Reader) Signers() []string { return slices.Clone(r.signers) }

// Announced returns the keys that the origin announces, in the order of their ids; AddedAt is not set. There are
// none where nobody who is trusted signed.
func (r *Reader) Announced() []model.SignerKey {
	if len(r.signers) == 0 {
		return nil
	}
	return signerKeys(r.manifest.Keys)
}

// Each calls fn with every change: the advisories in the order of their cursors, then the deletions; in a set, so part after
// part. It stops at the first error of fn and returns it. It may be called again.
//
// It reads the source once more and fails with kind Corrupt if that is no longer what was verified.
func (r *Reader) Each(ctx context.Context, fn func(model.AdvisoryChange) error) error {
	for _, f := range r.files {
		if err := eachLine(ctx, f.src, r.lim, f.raw, f.manifest, fn); err != nil {
			return err
		}
	}
	return nil
}

// eachLine reads src, whose manifest has the bytes raw, and calls fn with the changes.
func eachLine(ctx context.Context, src io.ReadSeeker, lim Limits, raw []byte, m Manifest, fn func(model.AdvisoryChange) error) error {
	const op = "read bundle"
	moved := fault.New(fault.Corrupt, op, "the file changed while it was read: copy it to this machine first")
	part := 0
	var fnErr error // errors of fn are the caller's and go back untouched
	err := walk(ctx, src, lim, nil, func(name string, r io.Reader) error {
		switch name {
		case manifestName:
			b, err := short(r, name, lim.Manifest)
			if err == nil && !bytes.Equal(b, raw) {
				err = moved
			}
			return err
		case signatureName:
			return nil
		}
		want := m.Parts[part]
		part++
		n, last := 0, m.From
		sum := newHashing(r)
		err := lines(sum, name, lim.Line, func(i int, line []byte) error {
			n = i
			if n > want.Lines {
				return moved
			}
			c, err := decodeLine(name, n, line, m, lim)
			if err != nil {
				return err
			}
			if c.Cursor.Compare(last) < 0 {
				return fault.New(fault.Corrupt, op, "%s: line %d: the cursor %q is out of order", name, n, c.Cursor)
			}
			last = c.Cursor
			fnErr = fn(c)
			return fnErr
		})
		if err != nil {
			return err
		}
		if n != want.Lines || sum.hex() != want.SHA256 {
			return moved
		}
		return nil
	})
	if fnErr != nil {
		return fnErr
	}
	return err
}

// examined is what is known of a bundle, whether it holds or not.
type examined struct {
	seen     seen
	manifest Manifest // of any use only where manifestErr is nil
	signers  []string

	readErr     error // it is not a whole bundle
	signErr     error
	manifestErr error
	hashErr     error
	expiryErr   error
	linesErr    error
}

// err returns the first of what is wrong.
func (x examined) err() error {
	for _, err := range []error{x.readErr, x.signErr, x.manifestErr, x.hashErr, x.expiryErr, x.linesErr} {
		if err != nil {
			return err
		}
	}
	return nil
}

// examine does everything that Verify does and keeps the errors apart. Lines are parsed only where
// signature and digests hold.
func examine(ctx context.Context, src io.ReadSeeker, c VerifyConfig) examined {
	const op = "verify bundle"
	lim := c.limits()
	var x examined
	x.seen, x.readErr = scan(ctx, src, lim)
	var v verdict
	if !c.SkipSignature {
		v, x.signErr = verifySignature(x.seen, c)
	}
	if x.manifestErr = x.readErr; x.seen.manifest != nil {
		x.manifest, x.manifestErr = decodeManifest(x.seen.manifest, lim)
	}
	if x.signErr == nil && !c.SkipSignature {
		x.signers, x.signErr = v.enough(c, x.manifestErr == nil && x.manifest.Format == formatOne)
	}
	if x.manifestErr == nil && c.Now != 0 && c.Now >= x.manifest.ExpiresAt {
		x.expiryErr = fault.New(fault.Expired, op, "the bundle expired at %s: export a new one", x.manifest.ExpiresAt)
	}
	if x.readErr != nil || x.manifestErr != nil {
		return x
	}
	if x.manifest.Format != formatOne && !x.seen.seal.plain && !x.seen.seal.holds() {
		x.hashErr = fault.New(fault.Corrupt, op, "the file was damaged on its way, or packed anew: its seal does not hold; copy or download it again")
	}
	for i, p := range x.seen.parts {
		if p != x.manifest.Parts[i] {
			x.hashErr = fault.New(fault.Corrupt, op, "%s is not what the manifest says (sha256 %s, not %s): the bundle was damaged or altered", p.Name, fault.Clip(p.SHA256, maxQuote), fault.Clip(x.manifest.Parts[i].SHA256, maxQuote))
			break
		}
	}
	if x.signErr == nil && x.hashErr == nil {
		x.linesErr = checkLines(ctx, src, lim, x)
	}
	return x
}

// checkLines judges every line, and the count that depends on what is in them.
func checkLines(ctx context.Context, src io.ReadSeeker, lim Limits, x examined) error {
	m := x.manifest
	canonicals := newDistinct(m.Counts.Edges)
	err := eachLine(ctx, src, lim, x.seen.manifest, m, func(c model.AdvisoryChange) error {
		canonicals.add(c.Canonical)
		return nil
	})
	if n := canonicals.count(); err == nil && m.Format != formatOne && n != m.Counts.Canonicals {
		err = fault.New(fault.Corrupt, "read bundle", "the counts of the manifest (%d canonicals) are not those of its lines (%d)", m.Counts.Canonicals, n)
	}
	return err
}

// enough returns the keys that count, and an error where they are too few. Signatures of the first version were made in
// either form.
func (v verdict) enough(c VerifyConfig, one bool) ([]string, error) {
	good := v.good
	if one {
		good = slices.Concat(v.good, v.loose)
		slices.Sort(good)
	}
	if want := max(1, c.Threshold); len(good) < want {
		v.good = good
		return good, v.refusal(want)
	}
	return good, nil
}
