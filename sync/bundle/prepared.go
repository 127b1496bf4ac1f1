package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Prepared is a bundle, or a set of parts, that can be written. It holds two open files until Close.
type Prepared struct {
	p     *packer
	whole Manifest
	hash  string
	files []assembly
}

// assembly is one file: small frames that stand in memory around the bodies, which stand in the spools.
type assembly struct {
	manifest Manifest
	raw      []byte
	small    [3][]byte // before the first body, between the two, behind the second
	bodies   [len(partNames)]frame
	size     int64
}

// prepare makes manifests and signatures for what p has packed.
func (p *packer) prepare(op string, c WriteConfig, whole Manifest) (*Prepared, error) {
	for _, d := range p.made {
		whole.Counts.Edges += d.parts[0].Lines
		whole.Counts.Deletions += d.parts[1].Lines
	}
	whole.Counts.Canonicals = p.all.count()
	var manifests []Manifest
	for _, d := range p.made {
		m := whole
		m.Parts = d.parts
		m.Counts = Counts{Canonicals: d.canonicals, Edges: d.parts[0].Lines, Deletions: d.parts[1].Lines}
		manifests = append(manifests, m)
	}
	out := &Prepared{p: p, whole: whole}
	if len(manifests) > 1 {
		set, err := planOf(whole, manifests).hash()
		if err != nil {
			return nil, fault.Wrap(op, err)
		}
		for i := range manifests {
			manifests[i].Split = &Split{Set: set, Index: i + 1, Of: len(manifests), Counts: whole.Counts}
		}
		out.hash = set
	} else {
		out.whole = manifests[0]
	}
	small, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	for i, m := range manifests {
		f, err := assemble(op, c, small, m, p.made[i])
		if err != nil {
			return nil, err
		}
		if c.Split > 0 && f.size > c.Split {
			return nil, fault.New(fault.TooLarge, op, "%s alone does not fit into a part of %d bytes: choose larger parts", p.made[i].longest.key, c.Split)
		}
		out.files = append(out.files, f)
	}
	if out.hash == "" {
		out.hash = hashOf(out.files[0].raw)
	}
	return out, nil
}

// assemble makes everything of one file but its bodies, and says how large it is.
func assemble(op string, c WriteConfig, z *zstd.Encoder, m Manifest, d packed) (assembly, error) {
	f := assembly{manifest: m, bodies: d.frames}
	if err := m.validate(op); err != nil {
		return f, err
	}
	var err error
	if f.raw, err = model.Encode(m); err != nil {
		return f, fault.Wrap(op, err)
	}
	envelope, err := Seal(c.Signer, PayloadType, f.raw)
	if err != nil {
		return f, fault.Wrap(op, err)
	}
	var open int64
	for i, group := range [...][]tarPiece{
		{{name: manifestName, size: int64(len(f.raw)), body: f.raw, whole: true}, {name: advisoriesName, size: d.parts[0].Size}},
		{{pad: d.parts[0].Size}, {name: deletionsName, size: d.parts[1].Size}},
		{{pad: d.parts[1].Size}, {name: signatureName, size: int64(len(envelope)), body: envelope, whole: true}, {end: true}},
	} {
		var b []byte
		for _, piece := range group {
			if b, err = piece.append(b, m); err != nil {
				return f, fault.Wrap(op, err)
			}
		}
		open += int64(len(b))
		f.small[i] = z.EncodeAll(b, nil)
		f.size += int64(len(f.small[i]))
	}
	for i, body := range f.bodies {
		f.size += body.n
		open += d.parts[i].Size
	}
	f.size += sealSize
	lim := DefaultLimits()
	if f.size > lim.Compressed || open > lim.Expanded || open > ratioFree+f.size*lim.Ratio || int64(len(f.raw)) > lim.Manifest {
		return f, fault.New(fault.TooLarge, op, "Bundle too large: it would have %d bytes (%d expanded), more than its readers accept; export from a later cursor, fewer items, or in parts", f.size, open)
	}
	return f, nil
}

// tarPiece is a piece of a tar stream that stands in memory: an entry's header, and its body where it is short; the zeros
// behind an entry of pad bytes; or the end.
type tarPiece struct {
	name  string
	size  int64
	body  []byte
	whole bool
	pad   int64
	end   bool
}

func (t tarPiece) append(b []byte, m Manifest) ([]byte, error) {
	if t.end {
		return append(b, make([]byte, 2*block)...), nil
	}
	if t.name == "" {
		return append(b, padding(t.pad)...), nil
	}
	h, err := headerBlock(t.name, t.size, m)
	if err != nil {
		return b, err
	}
	b = append(b, h...)
	if t.whole {
		b = append(append(b, t.body...), padding(t.size)...)
	}
	return b, nil
}

// Files returns how many files there are: one, or the parts of the set.
func (p *Prepared) Files() int { return len(p.files) }

// Whole returns the manifest of the bundle; of a set, that of the whole, which has no Parts and no Split.
func (p *Prepared) Whole() Manifest { return p.whole }

// Hash returns the identity of the bundle; of a set, Split.Set.
func (p *Prepared) Hash() string { return p.hash }

// Manifest returns the manifest of file i, from 1.
func (p *Prepared) Manifest(i int) Manifest { return p.files[i-1].manifest }

// Size returns how many bytes file i, from 1, has.
func (p *Prepared) Size(i int) int64 { return p.files[i-1].size }

// Copy writes file i, from 1, to w. It may be called again, and for several files at a time.
func (p *Prepared) Copy(ctx context.Context, i int, w io.Writer) error {
	const op = "export bundle"
	if i < 1 || i > len(p.files) {
		return fault.New(fault.NotFound, op, "there is no part %d: there are %d", i, len(p.files))
	}
	f := p.files[i-1]
	h := sha256.New()
	var pieces []io.Reader
	for n, small := range f.small {
		pieces = append(pieces, bytes.NewReader(small))
		if n < len(f.bodies) {
			pieces = append(pieces, io.NewSectionReader(p.p.spools[n].f, f.bodies[n].at, f.bodies[n].n))
		}
	}
	in := &source{ctx: ctx, r: io.MultiReader(pieces...), most: f.size}
	if _, err := io.Copy(io.MultiWriter(w, h), in); err != nil {
		return fault.Wrap(op, err)
	}
	if in.n != f.size-sealSize {
		return fault.New(fault.Other, op, "the spooled bundle has %d bytes, not %d", in.n, f.size-sealSize)
	}
	if _, err := w.Write(sealOf(h)); err != nil {
		return fault.Wrap(op, err)
	}
	return nil
}

// Close gives back the room of what was prepared.
func (p *Prepared) Close() error { return p.p.close() }
