package bundle

import (
	"archive/tar"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// WriteConfig says what to put into a bundle.
type WriteConfig struct {
	Origin     model.NodeID
	OriginName string       // a label, at most 256 bytes
	From, To   model.Cursor // the changes after From, through To
	ExpiresAt  model.Time   // see Expiry
	Signer     crypto.Signer
	// Changes calls fn with every change after From through To, in the order of their cursors, and
	// returns the first error of fn. It is called up to three times and must yield the same each time, as
	// a snapshot does: the manifest, which stands first, has to know the digests of what follows.
	Changes func(fn func(model.AdvisoryChange) error) error
}

// Write writes a bundle to w. Equal configurations give equal bytes. Where there is no change to
// carry it writes nothing and fails with kind NotFound. After any other error what was written to w is
// no bundle; Verify would refuse it.
func Write(ctx context.Context, w io.Writer, c WriteConfig) (Manifest, error) {
	const op = "export bundle"
	m, err := survey(ctx, op, c)
	if err != nil {
		return Manifest{}, err
	}
	raw, err := model.Encode(m)
	if err != nil {
		return Manifest{}, fault.Wrap(op, err)
	}
	envelope, err := sign(c.Signer, raw)
	if err != nil {
		return Manifest{}, fault.Wrap(op, err)
	}
	lim := DefaultLimits()
	packed := &counter{w: w}
	z, err := zstd.NewWriter(packed, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return Manifest{}, fault.Wrap(op, err)
	}
	open := &counter{w: z}
	t := tar.NewWriter(open)
	if err := writeEntry(t, manifestName, m, raw); err != nil {
		return Manifest{}, fault.Wrap(op, err)
	}
	for i, p := range m.Parts {
		if err := writePart(ctx, t, c, m, i); err != nil {
			return Manifest{}, fault.Wrap(op+": "+p.Name, err)
		}
	}
	if err := writeEntry(t, signatureName, m, envelope); err != nil {
		return Manifest{}, fault.Wrap(op, err)
	}
	if err := t.Close(); err != nil {
		return Manifest{}, fault.Wrap(op, err)
	}
	if err := z.Close(); err != nil {
		return Manifest{}, fault.Wrap(op, err)
	}
	if packed.n > lim.Compressed || open.n > lim.Expanded || open.n > ratioFree+packed.n*lim.Ratio {
		return Manifest{}, fault.New(fault.TooLarge, op, "the bundle has %d bytes (%d expanded), more than its readers accept; export less with a later cursor: -c CURSOR", packed.n, open.n)
	}
	return m, nil
}

// survey makes the manifest: it reads the changes once, to count and hash them.
func survey(ctx context.Context, op string, c WriteConfig) (Manifest, error) {
	if c.Signer == nil {
		return Manifest{}, fault.New(fault.Invalid, op, "no signing key: make one with `skerry keys generate NAME`")
	}
	m := Manifest{
		Format: Format, Origin: c.Origin, OriginName: c.OriginName, From: c.From, To: c.To,
		CreatedAt: c.To.At, ExpiresAt: c.ExpiresAt,
	}
	lim := DefaultLimits()
	var digests [len(partNames)]digest
	last := c.From
	for i := range digests {
		digests[i].h = sha256.New()
	}
	err := c.Changes(func(ch model.AdvisoryChange) error {
		if ch.Cursor.Compare(last) < 0 {
			return fault.New(fault.Other, op, "the change of %s at %q is out of order", ch.Key, ch.Cursor)
		}
		last = ch.Cursor
		part, line, err := encodeLine(ch)
		if err != nil {
			return fault.Wrap(op, err)
		}
		if len(line)-1 > lim.Line {
			return fault.New(fault.TooLarge, op, "%s has %d bytes, more than the %d that a bundle carries", ch.Key, len(line)-1, lim.Line)
		}
		if why := changeFault(ch, m); why != "" {
			return fault.New(fault.Invalid, op, "%s", why)
		}
		digests[part].add(line)
		return ctx.Err()
	})
	if err != nil {
		return Manifest{}, err
	}
	for i, d := range digests {
		m.Parts = append(m.Parts, d.part(partNames[i]))
	}
	m.Counts = Counts{Advisories: digests[0].lines, Deletions: digests[1].lines}
	if m.Counts.Total() == 0 {
		if c.From.IsZero() {
			return Manifest{}, fault.New(fault.NotFound, op, "there are no advisories yet: no bundle was made")
		}
		return Manifest{}, fault.New(fault.NotFound, op, "nothing changed after %s: no bundle was made", c.From)
	}
	if size := digests[0].size + digests[1].size; size > lim.Expanded-lim.Manifest-lim.Signature {
		return Manifest{}, fault.New(fault.TooLarge, op, "the changes have %d bytes, more than one bundle carries; export less with a later cursor: -c CURSOR", size)
	}
	return m, m.validate(op)
}

// encodeLine returns the index of the part that c belongs to, and its line with the newline.
func encodeLine(c model.AdvisoryChange) (int, []byte, error) {
	if c.Advisory == nil {
		b, err := model.Encode(deletion{AdvisoryKey: c.Key, Cursor: c.Cursor})
		return 1, append(b, '\n'), err
	}
	a := *c.Advisory
	a.AdvisoryKey, a.Cursor = c.Key, c.Cursor
	b, err := model.Encode(a)
	return 0, append(b, '\n'), err
}

// writePart writes the NDJSON entry of the i-th part, and fails if it is not what the manifest says.
func writePart(ctx context.Context, t *tar.Writer, c WriteConfig, m Manifest, i int) error {
	want := m.Parts[i]
	if err := t.WriteHeader(header(want.Name, want.Size, m)); err != nil {
		return err
	}
	if want.Lines == 0 {
		return nil
	}
	moved := fault.New(fault.Other, "", "the changes were not the same when read again")
	got := digest{h: sha256.New()}
	err := c.Changes(func(ch model.AdvisoryChange) error {
		part, line, err := encodeLine(ch)
		if err != nil || part != i {
			return err
		}
		if got.add(line); got.size > want.Size {
			return moved
		}
		if _, err := t.Write(line); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	if got.part(want.Name) != want {
		return moved
	}
	return nil
}

func writeEntry(t *tar.Writer, name string, m Manifest, body []byte) error {
	if err := t.WriteHeader(header(name, int64(len(body)), m)); err != nil {
		return err
	}
	_, err := t.Write(body)
	return err
}

// header has nothing in it that differs between two writers of the same state.
func header(name string, size int64, m Manifest) *tar.Header {
	// USTAR has whole seconds.
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(m.CreatedAt.Std().Unix(), 0), Format: tar.FormatUSTAR}
}

// sign returns the DSSE envelope over a manifest.
func sign(key crypto.Signer, manifest []byte) ([]byte, error) {
	pub, ok := key.Public().(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, fault.New(fault.Invalid, "", "the signing key is not an ECDSA P-256 key")
	}
	sig, err := signES256(key, dsse.PAE(PayloadType, manifest))
	if err != nil {
		return nil, err
	}
	return model.Encode(dsse.Envelope{
		PayloadType: PayloadType,
		Payload:     base64.StdEncoding.EncodeToString(manifest),
		Signatures:  []dsse.Signature{{KeyID: KeyID(pub), Sig: base64.StdEncoding.EncodeToString(sig)}},
	})
}

// digest is what a part amounts to so far.
type digest struct {
	h     hash.Hash
	size  int64
	lines int
}

func (d *digest) add(line []byte) {
	d.h.Write(line)
	d.size += int64(len(line))
	d.lines++
}

func (d *digest) part(name string) Part {
	return Part{Name: name, SHA256: hex.EncodeToString(d.h.Sum(nil)), Size: d.size, Lines: d.lines}
}

// counter counts the bytes on their way to w.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
