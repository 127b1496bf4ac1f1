package search

const (
	// namesMax is the longest text, in bytes. A longer one is cut: who feeds the index refuses it before.
	namesMax = 1024
	// namesChunk is the size of a chunk, in bytes. A text never lies in two.
	namesChunk = 1 << 20
	// namesChunks is how many chunks a reference can name: 8 GiB of texts.
	namesChunks = 1 << (32 - namesChunkBits)
	// namesChunkBits is how many bits of a reference say where in its chunk a text begins, in units of 2 bytes.
	namesChunkBits = 19
	// namesSegment is how many ordinals a segment has: as many as a container of a roaring bitmap.
	namesSegment = 1 << 16
)

// names holds one text per ordinal, in chunks of memory without pointers. A text is never written again
// once it is there: setting another leaves the old bytes where they are, as garbage, until a compaction
// copies what lives. So a slice that at returned stays as it is for ever, also without a lock.
//
// A text lies at an even offset of a chunk, behind its length: one byte below 128, else two, the first
// with its top bit set. A reference is the number of the chunk and half the offset; 0 is no text.
//
// The zero value is empty and ready.
type names struct {
	refs   []*[namesSegment]uint32 // by segment, then by the ordinal's low half; nil: no texts there
	chunks []*[namesChunk]byte     // by number; nil: the number is in free
	dead   []uint32                // by chunk: bytes of garbage
	free   []uint32                // numbers of chunks that may be used again
	last   uint32                  // the chunk that is being filled
	used   int                     // bytes of it that are taken; 0: there is none

	liveN, garbageN int64 // bytes, with their lengths

	moving []bool // by chunk: being emptied by the compaction that is under way; nil: none is
	next   int    // the segment that it empties next
}

// at returns the text of an ordinal, nil where it has none. The bytes are shared and must not be written.
func (n *names) at(ord uint32) []byte {
	s := int(ord / namesSegment)
	if s >= len(n.refs) || n.refs[s] == nil {
		return nil
	}
	return namesText(n.chunks, n.refs[s][uint16(ord)])
}

// namesText reads the text that ref names.
func namesText(chunks []*[namesChunk]byte, ref uint32) []byte {
	if ref == 0 {
		return nil
	}
	c, at := chunks[ref>>namesChunkBits], ref<<1&(namesChunk-1)
	size := uint32(c[at])
	at++
	if size >= 0x80 {
		size = size&0x7f<<8 | uint32(c[at])
		at++
	}
	return c[at : at+size : at+size]
}

// namesSize returns how many bytes a text of so many bytes takes.
func namesSize(text int) int {
	if text < 0x80 {
		return (text + 2) &^ 1
	}
	return (text + 3) &^ 1
}

// set gives an ordinal another text, or none where s is empty, and reports whether it was another.
func (n *names) set(ord uint32, s string) bool {
	s = s[:min(len(s), namesMax)]
	old := n.at(ord)
	if string(old) == s {
		return false
	}
	seg := int(ord / namesSegment)
	for seg >= len(n.refs) {
		n.refs = append(n.refs, nil)
	}
	if n.refs[seg] == nil {
		n.refs[seg] = new([namesSegment]uint32)
	}
	ref := &n.refs[seg][uint16(ord)]
	if *ref != 0 {
		size := namesSize(len(old))
		n.dead[*ref>>namesChunkBits] += uint32(size)
		n.garbageN += int64(size)
		n.liveN -= int64(size)
	}
	*ref = 0
	if s != "" {
		*ref = namesAppend(n, s)
		n.liveN += int64(namesSize(len(s)))
	}
	return true
}

// load gives a text of at most namesMax bytes to an ordinal that has none.
func (n *names) load(ord uint32, text []byte) {
	if len(text) == 0 {
		return
	}
	seg := int(ord / namesSegment)
	for seg >= len(n.refs) {
		n.refs = append(n.refs, nil)
	}
	if n.refs[seg] == nil {
		n.refs[seg] = new([namesSegment]uint32)
	}
	n.refs[seg][uint16(ord)] = namesAppend(n, text)
	n.liveN += int64(namesSize(len(text)))
}

// namesAppend copies a text to the end of the chunk that is being filled and returns its reference.
func namesAppend[T string | []byte](n *names, s T) uint32 {
	size := namesSize(len(s))
	if n.used == 0 || n.used+size > namesChunk {
		n.open()
	}
	c, at := n.chunks[n.last], n.used
	n.used += size
	ref := n.last<<namesChunkBits | uint32(at>>1)
	if len(s) < 0x80 {
		c[at] = byte(len(s))
		at++
	} else {
		c[at], c[at+1] = byte(0x80|len(s)>>8), byte(len(s))
		at += 2
	}
	copy(c[at:], s)
	return ref
}

// open begins a new chunk. Its first two bytes stay unused, so that no reference is 0.
func (n *names) open() {
	if last := len(n.free) - 1; last >= 0 {
		n.last, n.free = n.free[last], n.free[:last]
		n.chunks[n.last] = new([namesChunk]byte)
	} else {
		if len(n.chunks) == namesChunks {
			panic("search: 8 GiB of names and no room for another: more than eight million hosts with names of 1,024 bytes")
		}
		n.last = uint32(len(n.chunks))
		n.chunks, n.dead = append(n.chunks, new([namesChunk]byte)), append(n.dead, 0)
	}
	n.used = 2
}

// live returns how many bytes the texts take, garbage how many a compaction would give back.
func (n *names) live() int64    { return n.liveN }
func (n *names) garbage() int64 { return n.garbageN }

// compacting reports whether a compaction is under way.
func (n *names) compacting() bool { return n.moving != nil }

// compact copies all that lives into new chunks and lets go of the old ones.
func (n *names) compact() {
	for !n.compactStep() {
		continue
	}
}

// compactStep begins a compaction, or does a part of the one that is under way: the texts of one segment,
// about a millisecond. It reports whether that was the last part. Texts may be set between two parts.
func (n *names) compactStep() bool {
	if n.moving == nil {
		n.moving, n.next, n.used = make([]bool, len(n.chunks)), 0, 0
		for i, c := range n.chunks {
			n.moving[i] = c != nil
		}
	}
	if n.next < len(n.refs) {
		if refs := n.refs[n.next]; refs != nil {
			for i, ref := range refs {
				if c := int(ref >> namesChunkBits); ref != 0 && c < len(n.moving) && n.moving[c] {
					refs[i] = namesAppend(n, namesText(n.chunks, ref))
				}
			}
		}
		n.next++
	}
	if n.next < len(n.refs) {
		return false
	}
	for i, moved := range n.moving {
		if moved {
			n.garbageN -= int64(n.dead[i])
			n.chunks[i], n.dead[i] = nil, 0
			n.free = append(n.free, uint32(i))
		}
	}
	n.moving = nil
	return true
}

// namesView is the texts of one segment at one moment. It may be read without a lock.
type namesView struct {
	refs   *[namesSegment]uint32
	chunks []*[namesChunk]byte
}

// view copies the references of a segment (256 KiB), not its texts.
func (n *names) view(segment int) namesView {
	v := namesView{refs: new([namesSegment]uint32), chunks: append([]*[namesChunk]byte(nil), n.chunks...)}
	if segment < len(n.refs) && n.refs[segment] != nil {
		*v.refs = *n.refs[segment]
	}
	return v
}

// at returns the text of the ordinal with that low half.
func (v *namesView) at(low uint16) []byte { return namesText(v.chunks, v.refs[low]) }
