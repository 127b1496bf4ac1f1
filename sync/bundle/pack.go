package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// MinSplit is the least size of the parts of a set, in bytes.
const MinSplit = 64 << 10

// overhead is what a part has beside its two bodies, at most: manifest and signature with MaxKeys keys, headers, frames, seal.
const overhead = 24 << 10

// levels are the levels of the compressor for the two parts. A bundle is written once and carried many times, over thin
// lines: for advisories the best level takes a second for all that the world publishes, and saves a tenth. Its tables take
// 34 MiB; lines of deletions have nothing that they would find.
var levels = [len(partNames)]zstd.EncoderLevel{zstd.SpeedBestCompression, zstd.SpeedBetterCompression}

// compressor returns the one setting of the compressor that bundles are written with. Its output is a function of its input
// alone; the concurrency lets compression run beside the making of lines, whatever the machine has.
func compressor(w io.Writer, level zstd.EncoderLevel) (*zstd.Encoder, error) {
	return zstd.NewWriter(w, zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(window), zstd.WithEncoderLevel(level))
}

// packer compresses the lines of both parts as they come, each into a spool of its own, and cuts them where a set wants it.
// A bundle's parts are zstd frames of their own, so that they can be joined to what stands before them later.
type packer struct {
	spools  [len(partNames)]*spool
	split   int64 // 0: never cut
	unit    int64 // how many bytes of lines may come between two looks at the compressed size
	seen    int64 // bytes of lines since the last look
	all     distinct
	here    distinct // of the part that is being made
	longest longest  // of the part that is being made
	made    []packed
}

// longest is the longest line of a part.
type longest struct {
	n   int
	key model.AdvisoryKey
}

// packed is the bodies of one file, in the spools.
type packed struct {
	frames     [len(partNames)]frame
	parts      []Part
	canonicals int
	longest    longest
}

// frame is a range of a spool's file; of no length where there are no lines.
type frame struct{ at, n int64 }

func newPacker(c WriteConfig) (*packer, error) {
	p := &packer{split: c.Split, unit: max(4<<10, min(1<<20, c.Split/16)), all: newDistinct(0), here: newDistinct(0)}
	for i := range p.spools {
		s, err := newSpool(c.Spool, levels[i])
		if err != nil {
			_ = p.close()
			return nil, err
		}
		p.spools[i] = s
	}
	return p, nil
}

func (p *packer) close() error {
	var err error
	for _, s := range p.spools {
		if s != nil {
			err = errors.Join(err, s.close())
		}
	}
	return err
}

// add takes the line of c, without its end.
func (p *packer) add(part int, line []byte, c model.AdvisoryChange) error {
	if p.split > 0 {
		if err := p.room(int64(len(line)) + 1); err != nil {
			return err
		}
	}
	if len(line) > p.longest.n {
		p.longest = longest{len(line), c.Key}
	}
	if !c.Removed() {
		p.all.add(c.Canonical)
		p.here.add(c.Canonical)
	}
	return p.spools[part].add(line)
}

// room makes sure that a line of n bytes finds room in the part that is being made, and begins another one where not. What is
// not compressed yet is counted as if it could not be.
func (p *packer) room(n int64) error {
	if p.seen += n; p.seen <= p.unit {
		return nil
	}
	least := func(lines int64) int64 { return lines + lines>>10 + 64 } // blocks that cannot be compressed have headers
	size := int64(overhead)
	for _, s := range p.spools {
		if err := s.flush(); err != nil {
			return err
		}
		size += s.packed.n - s.start
	}
	p.seen = n
	if size+least(max(n, p.unit)) <= p.split {
		return nil
	}
	err := p.cut()
	p.seen = n // where that is more than a unit, the next line looks again
	return err
}

// cut ends the part that is being made, where it has any lines.
func (p *packer) cut() error {
	var done packed
	lines := 0
	for i, s := range p.spools {
		lines += s.digest.lines
		done.parts = append(done.parts, s.digest.part(partNames[i]))
		f, err := s.end()
		if err != nil {
			return err
		}
		done.frames[i] = f
	}
	if lines == 0 {
		return nil
	}
	done.canonicals, done.longest = p.here.count(), p.longest
	p.longest = longest{}
	p.here.seen = p.here.seen[:0]
	p.seen = 0
	if p.made = append(p.made, done); len(p.made) > MaxParts {
		return fault.New(fault.TooLarge, "", "there would be more than %d parts: choose larger ones", MaxParts)
	}
	return nil
}

// spool is a private file without a name, and what compresses into it.
type spool struct {
	f      *os.File
	level  zstd.EncoderLevel
	packed counter
	z      *zstd.Encoder // nil until there is a line
	open   bool          // a frame was begun
	start  int64         // where it begins
	digest digest
}

func newSpool(dir string, level zstd.EncoderLevel) (*spool, error) {
	f, err := os.CreateTemp(dir, "bundle-*.part")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, err
	}
	return &spool{f: f, level: level, packed: counter{w: f}, digest: digest{h: sha256.New()}}, nil
}

func (s *spool) add(line []byte) error {
	if s.z == nil {
		z, err := compressor(&s.packed, s.level)
		if err != nil {
			return err
		}
		s.z = z
		s.open = true
	}
	if !s.open {
		s.z.Reset(&s.packed)
		s.open = true
	}
	s.digest.add(line)
	if _, err := s.z.Write(line); err != nil {
		return err
	}
	_, err := s.z.Write(newline)
	return err
}

// flush compresses what was added, so that packed says how much it came to.
func (s *spool) flush() error {
	if !s.open {
		return nil
	}
	return s.z.Flush()
}

// end closes the frame; what is added next begins another one.
func (s *spool) end() (frame, error) {
	f := frame{at: s.start}
	if s.open {
		if err := s.z.Close(); err != nil {
			return f, err
		}
	}
	s.open = false
	f.n = s.packed.n - s.start
	s.start = s.packed.n
	s.digest = digest{h: sha256.New()}
	return f, nil
}

func (s *spool) close() error {
	if s.open {
		_ = s.z.Close() // joins its goroutines; the file is of no use any more
	}
	return s.f.Close()
}

// digest is what a part amounts to so far.
type digest struct {
	h     hash.Hash
	size  int64
	lines int
}

var newline = []byte{'\n'}

// add takes a line without its end.
func (d *digest) add(line []byte) {
	d.h.Write(line)
	d.h.Write(newline)
	d.size += int64(len(line)) + 1
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
