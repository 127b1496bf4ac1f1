package bundle

import (
	"context"
	"crypto"
	"errors"
	"io"

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
	Announce   []model.SignerKey // keys that whoever trusts Signer shall trust too, or not any more; at most MaxKeys
	// MostItems, where it is not zero, ends the bundle at the cursor of that change, the Manifest says there is more, and
	// its To is the next bundle's From.
	MostItems int
	// Split, where it is not zero, makes a set of files of at most that many bytes, at least MinSplit. Where one file is
	// enough it is no set.
	Split int64
	// Spool is a folder for what was compressed while the digests, which stand first, are not known; empty: the system's
	// folder for temporary files. It needs as much room as the bundle, and nothing is left in it.
	Spool string
	// Changes calls fn with every change after From through To, in the order of their cursors, and
	// returns the first error of fn. It is called once.
	Changes func(fn func(model.AdvisoryChange) error) error
}

// Write writes a bundle to w. Equal configurations over equal states give equal bytes. Where there is no change to
// carry it writes nothing and fails with kind NotFound. After any other error what was written to w is
// no bundle; Verify would refuse it.
func Write(ctx context.Context, w io.Writer, c WriteConfig) (Manifest, error) {
	const op = "export bundle"
	if c.Split != 0 {
		return Manifest{}, fault.New(fault.Invalid, op, "a set of parts does not go into one file")
	}
	p, err := Prepare(ctx, c)
	if err != nil {
		return Manifest{}, err
	}
	defer func() { _ = p.Close() }()
	if err := p.Copy(ctx, 1, w); err != nil {
		return Manifest{}, err
	}
	return p.Manifest(1), nil
}

// errEnough stops the reading of changes.
var errEnough = errors.New("enough")

// Prepare reads the changes and makes a bundle of them, or a set, which Copy writes. Its size and hash are known before the
// first byte is written. The errors are those of Write.
func Prepare(ctx context.Context, c WriteConfig) (*Prepared, error) {
	const op = "export bundle"
	if c.Signer == nil {
		return nil, fault.New(fault.Invalid, op, "no signing key: make one with `skerry keys generate NAME`")
	}
	if c.Split != 0 && c.Split < MinSplit {
		return nil, fault.New(fault.Invalid, op, "parts have at least %d bytes, not %d", MinSplit, c.Split)
	}
	p, err := newPacker(c)
	if err != nil {
		return nil, diskFault(op, err)
	}
	m, err := p.fill(ctx, op, c)
	if err == nil {
		var out *Prepared
		if out, err = p.prepare(op, c, m); err == nil {
			return out, nil
		}
	}
	_ = p.close()
	return nil, err
}

// fill takes in all changes, and returns what the manifests will have in common.
func (p *packer) fill(ctx context.Context, op string, c WriteConfig) (Manifest, error) {
	m := Manifest{
		Format: Format, Origin: c.Origin, OriginName: c.OriginName, From: c.From, To: c.To,
		ExpiresAt: c.ExpiresAt, Keys: announce(c.Announce),
	}
	lim := DefaultLimits()
	last, n := c.From, 0
	err := c.Changes(func(ch model.AdvisoryChange) error {
		switch {
		case ch.Cursor.Compare(last) < 0:
			return fault.New(fault.Other, op, "the change of %s at %q is out of order", ch.Key, ch.Cursor)
		case c.MostItems > 0 && n >= c.MostItems && ch.Cursor != last:
			m.More, m.To = true, last
			return errEnough
		}
		last = ch.Cursor
		if n++; n > lim.Lines {
			return fault.New(fault.TooLarge, op, "Bundle too large: there are more than %d changes; export fewer items at a time", lim.Lines)
		}
		part, line, err := encodeLine(ch)
		if err != nil {
			return fault.Wrap(op, err)
		}
		if len(line) > lim.Line {
			return fault.New(fault.TooLarge, op, "%s has %d bytes, more than the %d that a bundle carries", ch.Key, len(line), lim.Line)
		}
		if why := changeFault(ch, m); why != "" {
			return fault.New(fault.Invalid, op, "%s", why)
		}
		if len(line) > lim.Nodes { // a shorter one cannot have more of anything, and no record is deep
			if err := checkShape(line, lim); err != nil {
				return fault.Wrap(op+": "+ch.Key.String(), err)
			}
		}
		if err := p.add(part, line, ch); err != nil {
			return diskFault(op, err)
		}
		return ctx.Err()
	})
	switch {
	case err != nil && !errors.Is(err, errEnough):
		return m, err
	case n == 0 && c.From.IsZero():
		return m, fault.New(fault.NotFound, op, "there are no advisories yet: no bundle was made")
	case n == 0:
		return m, fault.New(fault.NotFound, op, "nothing changed after %s: no bundle was made", c.From)
	}
	m.CreatedAt = m.To.At
	if err := p.cut(); err != nil {
		return m, diskFault(op, err)
	}
	return m, nil
}
