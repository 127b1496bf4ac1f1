package bundle

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// VerifyConfig says whom to believe.
type VerifyConfig struct {
	Trusted   []model.SignerKey // pinned keys; revoked ones are refused, their ids are not believed
	Threshold int               // distinct trusted keys that must have signed; below 1: one
	Now       model.Time        // an expired bundle is refused; zero: expiry is not judged
	Limits    *Limits           // nil: DefaultLimits
}

func (c VerifyConfig) limits() Limits {
	if c.Limits != nil {
		return *c.Limits
	}
	return DefaultLimits()
}

// Reader is a bundle whose signature, digests, expiry and every line have been verified.
type Reader struct {
	src      io.ReadSeeker
	lim      Limits
	raw      []byte
	manifest Manifest
	signers  []string
}

// Verify reads all of src, twice, and returns a Reader only if everything about it holds: first
// the signature, then the digests, the expiry and every single line. The kinds of its errors:
// Denied (not signed, or not by enough trusted keys), Expired, Corrupt, TooLarge, Version.
//
// Src must not change until the Reader is done with: a file on removable media or an upload belongs
// into a private file first, see Spool.
func Verify(ctx context.Context, src io.ReadSeeker, c VerifyConfig) (*Reader, error) {
	x := examine(ctx, src, c)
	for _, err := range []error{x.readErr, x.signErr, x.manifestErr, x.hashErr, x.expiryErr, x.linesErr} {
		if err != nil {
			return nil, err
		}
	}
	return &Reader{src: src, lim: c.limits(), raw: x.seen.manifest, manifest: x.manifest, signers: x.signers}, nil
}

// Manifest returns the verified manifest.
func (r *Reader) Manifest() Manifest { return r.manifest }

// Hash returns the identity of the bundle: "sha256:" and the hex digest of its manifest.
func (r *Reader) Hash() string { return hashOf(r.raw) }

// Signers returns the ids of the trusted keys that signed, sorted.
func (r *Reader) Signers() []string { return slices.Clone(r.signers) }

// Each calls fn with every change: the advisories in the order of their cursors, then the deletions.
// It stops at the first error of fn and returns it. It may be called again.
//
// It reads the source once more and fails with kind Corrupt if that is no longer what was verified.
func (r *Reader) Each(ctx context.Context, fn func(model.AdvisoryChange) error) error {
	return eachLine(ctx, r.src, r.lim, r.raw, r.manifest, fn)
}

// eachLine reads src, whose manifest has the bytes raw, and calls fn with the changes.
func eachLine(ctx context.Context, src io.ReadSeeker, lim Limits, raw []byte, m Manifest, fn func(model.AdvisoryChange) error) error {
	const op = "read bundle"
	moved := fault.New(fault.Corrupt, op, "the file changed while it was read: copy it to this machine first")
	part := 0
	var fnErr error // errors of fn are the caller's and go back untouched
	err := walk(ctx, src, lim, func(name string, r io.Reader) error {
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

// examine does everything that Verify does and keeps the errors apart. Lines are parsed only where
// signature and digests hold.
func examine(ctx context.Context, src io.ReadSeeker, c VerifyConfig) examined {
	lim := c.limits()
	var x examined
	x.seen, x.readErr = scan(ctx, src, lim)
	x.signers, x.signErr = verifySignature(x.seen, c)
	if x.manifestErr = x.readErr; x.seen.manifest != nil {
		x.manifest, x.manifestErr = decodeManifest(x.seen.manifest, lim)
	}
	if x.manifestErr == nil && c.Now != 0 && c.Now >= x.manifest.ExpiresAt {
		x.expiryErr = fault.New(fault.Expired, "verify bundle", "the bundle expired at %s: export a new one", x.manifest.ExpiresAt)
	}
	if x.readErr != nil || x.manifestErr != nil {
		return x
	}
	for i, p := range x.seen.parts {
		if p != x.manifest.Parts[i] {
			x.hashErr = fault.New(fault.Corrupt, "verify bundle", "%s is not what the manifest says (sha256 %s, not %s): the bundle was damaged or altered", p.Name, fault.Clip(p.SHA256, maxQuote), fault.Clip(x.manifest.Parts[i].SHA256, maxQuote))
			break
		}
	}
	if x.signErr == nil && x.hashErr == nil {
		x.linesErr = eachLine(ctx, src, lim, x.seen.manifest, x.manifest, func(model.AdvisoryChange) error { return nil })
	}
	return x
}

// verifySignature returns the ids of the trusted keys whose signatures over the manifest hold. The key
// ids in the envelope are not even looked at: every trusted key is tried on every signature.
func verifySignature(s seen, c VerifyConfig) ([]string, error) {
	const op, most = "verify bundle", 16
	if s.envelope == nil {
		return nil, fault.New(fault.Denied, op, "the bundle has no signature")
	}
	var e dsse.Envelope
	if err := checkDepth(s.envelope, 8); err != nil {
		return nil, err
	}
	if err := model.Decode(s.envelope, &e); err != nil {
		return nil, fault.New(fault.Corrupt, op, "%s is not a DSSE envelope: %w", signatureName, err)
	}
	payload, err := base64.StdEncoding.DecodeString(e.Payload)
	switch {
	case e.PayloadType != PayloadType:
		return nil, fault.New(fault.Denied, op, "the signature is for %q, not for %q", fault.Clip(e.PayloadType, maxQuote), PayloadType)
	case err != nil || !bytes.Equal(payload, s.manifest):
		return nil, fault.New(fault.Denied, op, "Signature verification failed: it signs another manifest; the bundle was altered")
	case len(e.Signatures) == 0:
		return nil, fault.New(fault.Denied, op, "the bundle is not signed")
	case len(e.Signatures) > most:
		return nil, fault.New(fault.TooLarge, op, "the bundle has more than %d signatures", most)
	}
	pae := dsse.PAE(e.PayloadType, payload)
	var good []string
	revoked := ""
	for _, k := range c.Trusted {
		pub, err := ParsePublic([]byte(k.Public))
		if err != nil {
			continue // a key of another kind cannot have made an ES256 signature
		}
		id := KeyID(pub)
		if slices.Contains(good, id) || !signedBy(pub, pae, e.Signatures) {
			continue
		}
		if k.Revoked {
			revoked = id
			continue
		}
		good = append(good, id)
	}
	slices.Sort(good)
	if want := max(1, c.Threshold); len(good) < want {
		switch {
		case revoked != "":
			return good, fault.New(fault.Denied, op, "Signature verification failed: the key %s was revoked here", revoked)
		case want > 1:
			return good, fault.New(fault.Denied, op, "Signature verification failed: %d trusted keys signed, %d must", len(good), want)
		}
		return good, fault.New(fault.Denied, op, "Signature verification failed: no trusted key signed this bundle (it names %s); if you know that key, trust it with `skerry keys trust`", claimed(e.Signatures))
	}
	return good, nil
}

func signedBy(pub *ecdsa.PublicKey, pae []byte, sigs []dsse.Signature) bool {
	for _, s := range sigs {
		sig, err := base64.StdEncoding.DecodeString(s.Sig)
		if err == nil && verifyES256(pub, pae, sig) {
			return true
		}
	}
	return false
}

// claimed returns the first key id that an envelope claims, for the text of an error.
func claimed(sigs []dsse.Signature) string {
	const full = len("sha256:") + 64
	if id := sigs[0].KeyID; len(id) == full {
		for _, c := range []byte(id[len("sha256:"):]) {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return "no key"
			}
		}
		return id
	}
	return "no key"
}

// Spool copies r into a private file in dir (empty: the system's folder for temporary files) that has
// no name any more and is gone when it is closed. It fails with kind TooLarge beyond most bytes, and
// with Unreachable where r breaks off.
func Spool(r io.Reader, dir string, most int64) (*os.File, error) {
	const op = "receive bundle"
	f, err := os.CreateTemp(dir, "bundle-*.zst")
	if err != nil {
		return nil, fault.New(fault.Other, op, "%w", err)
	}
	fail := func(err error) (*os.File, error) {
		f.Close()
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return fail(fault.New(fault.Other, op, "%w", err))
	}
	in := &source{ctx: context.Background(), r: r, most: most}
	_, err = io.Copy(f, in)
	switch {
	case in.n > most:
		return fail(fault.New(fault.TooLarge, op, "Bundle too large: it has more than %d bytes; export a smaller delta", most))
	case in.err != nil:
		return fail(fault.New(fault.Unreachable, op, "it did not arrive whole: send it again (%w)", errors.Unwrap(in.err)))
	case err != nil:
		return fail(fault.New(fault.Other, op, "%w", err))
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fail(fault.New(fault.Other, op, "%w", err))
	}
	return f, nil
}
