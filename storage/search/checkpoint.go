package search

import (
	"encoding/binary"
	"iter"
	"slices"

	"github.com/skerryhq/skerry/engine/fault"
)

// A checkpoint is the index as chunks of bytes, each of about a megabyte or less. It holds the columns; what
// can be worked out of them is not in it. Numbers are little-endian, for they are read by the million.
//
//	size   +----+-----------+
//	       | 04 | hosts u32 |   about how many ordinals follow: room is made for them at once
//	       +----+-----------+
//	words  +----+-----------+-------------+-------------------------------+
//	       | 01 | dict u8   | count u32   | count times: len u16, bytes   |   by number; the first is ""
//	       +----+-----------+-------------+-------------------------------+
//	hosts  +----+-----------+-----------+----------------------------------+
//	       | 02 | first u32 | count u32 | the columns, one after the other |   ordinals first to first+count-1
//	       +----+-----------+-----------+----------------------------------+
//
//	order  +----+-----------+---------------------------+
//	       | 03 | count u32 | count times: ordinal u32  |   in the order of names, more of them in the next
//	       +----+-----------+---------------------------+
//
// The dicts are numbered as Index.dicts orders them; the tags have the number behind. A free ordinal has the
// zero id. Beats are not in it, but for the status: whoever loads a checkpoint applies them behind it.
//
// Chunks are made one by one, and the index may change in between. What changed since the first chunk must be
// applied again after loading, and then all is right: an id that is there twice, or a number that came to
// mean another word, can only be of hosts that changed.
const (
	chunkWords = 1
	chunkHosts = 2
	chunkOrder = 3
	chunkSize  = 4
	// chunkN is how many ordinals one chunk of hosts holds, orderN one of the order.
	chunkN = 8192
	orderN = 1 << 18
)

// Chunks yields the chunks of a checkpoint. It holds the lock for one chunk at a time, a millisecond.
func (x *Index) Chunks() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		x.mu.RLock()
		n := x.n
		x.mu.RUnlock()
		if !yield(binary.LittleEndian.AppendUint32([]byte{chunkSize}, n)) {
			return
		}
		for from := uint32(0); ; from += chunkN {
			x.mu.RLock()
			if from >= x.n {
				x.mu.RUnlock()
				break
			}
			b := x.hostChunk(from, min(from+chunkN, x.n))
			x.mu.RUnlock()
			if !yield(b) {
				return
			}
		}
		// The words come behind the hosts: no number in them is then without one.
		for i := range len(x.dicts()) + 1 {
			x.mu.RLock()
			b := x.wordChunk(i)
			x.mu.RUnlock()
			if !yield(b) {
				return
			}
		}
		// The order only has to be nearly that of the names: it is put right at loading.
		x.mu.RLock()
		ords := make([]uint32, x.byName.len())
		c := x.byName.walk(x.byName.first(), x.byName.end(), false)
		c.next(ords)
		x.mu.RUnlock()
		for part := range slices.Chunk(ords, orderN) {
			b := binary.LittleEndian.AppendUint32([]byte{chunkOrder}, uint32(len(part)))
			if !yield(put32(b, part)) {
				return
			}
		}
	}
}

// words returns the dict of a number in a checkpoint.
func (x *Index) words(i int) *dict {
	if dicts := x.dicts(); i < len(dicts) {
		return dicts[i]
	}
	return x.tags.words
}

func (x *Index) wordChunk(i int) []byte {
	d := x.words(i)
	b := []byte{chunkWords, byte(i)}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(d.words)))
	for _, w := range d.words {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(w)))
		b = append(b, w...)
	}
	return b
}

func (x *Index) hostChunk(from, to uint32) []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, int(to-from)*160)
	b = append(b, chunkHosts)
	b = le.AppendUint32(b, from)
	b = le.AppendUint32(b, to-from)
	for _, id := range x.ids[from:to] {
		b = append(b, id[:]...)
	}
	b = append(b, x.own[from:to]...)
	b = append(b, x.worst[from:to]...)
	b = append(b, x.reboot[from:to]...)
	b = append(b, x.flags[from:to]...)
	b = append(b, x.tags.n[from:to]...)
	for _, d := range x.dicts() {
		b = put32(b, d.of[from:to])
	}
	c := &x.columns
	for _, col := range c.times() {
		for _, v := range (*col)[from:to] {
			b = le.AppendUint64(b, uint64(v))
		}
	}
	for _, col := range c.numbers() {
		b = put32(b, (*col)[from:to])
	}
	for i := range c.found {
		for _, v := range c.found[i][from:to] {
			b = le.AppendUint16(b, v)
		}
	}
	b = put32(b, x.address.v4[from:to])
	for _, v := range x.address.v6[from:to] {
		b = le.AppendUint64(le.AppendUint64(b, v.hi), v.lo)
	}
	for _, v := range x.address.mac[from:to] {
		b = le.AppendUint64(b, v)
	}
	for ord := from; ord < to; ord++ {
		b = putText(b, x.names.at(ord))
	}
	for ord := from; ord < to; ord++ {
		b = putText(b, x.serial.at(ord))
	}
	for ord := from; ord < to; ord++ {
		b = put32(b, x.tags.of(ord))
		if x.flags[ord]&flagMore != 0 {
			b = putAddresses(b, x.address.more[ord])
		}
	}
	return b
}

// times returns the columns of times that a checkpoint holds; the others are of the beat.
func (c *columns) times() [3]*[]int64 { return [...]*[]int64{&c.booted, &c.first, &c.expiry} }

func (c *columns) numbers() [5]*[]int32 {
	return [...]*[]int32{&c.updates, &c.compliance, &c.packages, &c.cpus, &c.memory}
}

func put32[T ~uint32 | ~int32](b []byte, column []T) []byte {
	for _, v := range column {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return b
}

func putText(b, text []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}

func putAddresses(b []byte, a addresses) []byte {
	le := binary.LittleEndian
	b = append(b, uint8(len(a.v4)), uint8(len(a.v6)), uint8(len(a.mac)))
	for _, v := range a.v4 {
		b = le.AppendUint64(b, v)
	}
	for _, v := range a.v6 {
		b = le.AppendUint64(le.AppendUint64(b, v.hi), v.lo)
	}
	for _, v := range a.mac {
		b = le.AppendUint64(b, v)
	}
	return b
}

// chunk is what is left to read of one; after a bad read all others give nothing.
type chunk struct {
	b   []byte
	bad bool
}

func (c *chunk) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.bad = true
		c.b = nil
		return make([]byte, max(min(n, 64), 0))
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

func (c *chunk) u8() uint8 { return c.take(1)[0] }

func (c *chunk) u16() uint16 { return binary.LittleEndian.Uint16(c.take(2)) }

func (c *chunk) u32() uint32 { return binary.LittleEndian.Uint32(c.take(4)) }

func (c *chunk) u64() uint64 { return binary.LittleEndian.Uint64(c.take(8)) }

// fixed returns n values of size bytes, or nil where there are not so many.
func (c *chunk) fixed(n, size int) []byte {
	if n*size > len(c.b) {
		c.bad = true
		return nil
	}
	return c.take(n * size)
}

func get32[T ~uint32 | ~int32](c *chunk, into []T) {
	b := c.fixed(len(into), 4)
	if b == nil {
		return
	}
	for i := range into {
		into[i] = T(binary.LittleEndian.Uint32(b[4*i:]))
	}
}

func get64[T ~uint64 | ~int64](c *chunk, into []T) {
	b := c.fixed(len(into), 8)
	if b == nil {
		return
	}
	for i := range into {
		into[i] = T(binary.LittleEndian.Uint64(b[8*i:]))
	}
}

func damaged(format string, args ...any) error {
	return fault.New(fault.Corrupt, "load the checkpoint of the directory", format, args...)
}

// readWords reads a chunk of words into its dict.
func (x *Index) readWords(c *chunk) error {
	i, count := int(c.u8()), int(c.u32())
	if i > len(x.dicts()) || count < 1 || count > len(c.b)/2+1 {
		return damaged("%d words of column %d", count, i)
	}
	d := x.words(i)
	for n := range count {
		word := string(c.take(int(c.u16())))
		if n == 0 {
			if word != "" {
				return damaged("the first word of column %d is not empty", i)
			}
			continue
		}
		if _, twice := d.number[word]; twice {
			return damaged("a word of column %d is there twice", i)
		}
		d.append(word)
	}
	if c.bad || len(c.b) > 0 {
		return damaged("the words of column %d end too early or too late", i)
	}
	return nil
}

// append gives the next number to a word, and keeps the number of a word that is gone free.
func (d *dict) append(word string) {
	n := uint32(len(d.words))
	d.words, d.folded, d.posts = append(d.words, word), append(d.folded, ""), append(d.posts, post{})
	if word == "" {
		d.unused = append(d.unused, n)
		return
	}
	d.folded[n] = foldWord(word)
	d.number[word] = n
	d.alike[d.folded[n]] = append(d.alike[d.folded[n]], n)
}

// readOrder reads a chunk of the order of names.
func (c *chunk) readOrder(into []uint32) ([]uint32, error) {
	count := int(c.u32())
	if c.bad || count > orderN || len(c.b) != 4*count {
		return nil, damaged("an order of %d hosts in %d bytes", count, len(c.b))
	}
	at := len(into)
	into = slices.Grow(into, count)[:at+count]
	get32(c, into[at:])
	return into, nil
}

// readHosts reads a chunk of hosts into the columns.
func (x *Index) readHosts(c *chunk) error {
	from, count := c.u32(), c.u32()
	if from != x.n || count == 0 || count > chunkN {
		return damaged("%d hosts at %d, where %d was expected", count, from, x.n)
	}
	to := from + count
	x.n = to
	x.grow(int(to))
	if b := c.fixed(int(count), 16); b != nil {
		for i := range x.ids[from:to] {
			copy(x.ids[from+uint32(i)][:], b[16*i:])
		}
	}
	for _, col := range []([]uint8){x.own, x.worst, x.reboot, x.flags, x.tags.n} {
		copy(col[from:to], c.fixed(int(count), 1))
	}
	for _, d := range x.dicts() {
		get32(c, d.of[from:to])
	}
	for _, col := range x.columns.times() {
		get64(c, (*col)[from:to])
	}
	for _, col := range x.columns.numbers() {
		get32(c, (*col)[from:to])
	}
	for i := range x.columns.found {
		b := c.fixed(int(count), 2)
		for j := range len(b) / 2 {
			x.columns.found[i][from+uint32(j)] = binary.LittleEndian.Uint16(b[2*j:])
		}
	}
	get32(c, x.address.v4[from:to])
	if b := c.fixed(int(count), 16); b != nil {
		for i := range x.address.v6[from:to] {
			x.address.v6[from+uint32(i)] = wide{binary.LittleEndian.Uint64(b[16*i:]), binary.LittleEndian.Uint64(b[16*i+8:])}
		}
	}
	get64(c, x.address.mac[from:to])
	x.readTexts(c, from, to)
	if c.bad || len(c.b) > 0 {
		return damaged("the hosts from %d on end too early or too late", from)
	}
	return nil
}

func (x *Index) readTexts(c *chunk, from, to uint32) {
	for _, texts := range []*names{&x.names, &x.serial} {
		for ord := from; ord < to && !c.bad; ord++ {
			if text := c.take(int(c.u16())); len(text) <= namesMax {
				texts.load(ord, text)
			} else {
				c.bad = true
			}
		}
	}
	t := x.tags
	total := 0
	for _, n := range t.n[from:to] {
		total += int(n)
	}
	if total > len(c.b)/4 {
		c.bad = true
		return
	}
	if at := len(t.arena); at == 0 {
		// As much as all will need if they are like these, within reason.
		t.arena = slices.Grow(t.arena, max(total, min(total*(len(t.n)/int(to-from)+1), 1<<25)))
	} else {
		t.arena = slices.Grow(t.arena, total)
	}
	for ord := from; ord < to && !c.bad; ord++ {
		at, n := len(t.arena), int(t.n[ord])
		t.at[ord] = uint32(at)
		t.arena = t.arena[:at+n]
		get32(c, t.arena[at:])
		if x.flags[ord]&flagMore != 0 {
			x.address.more[ord] = c.addresses()
		}
	}
}

func (c *chunk) addresses() addresses {
	var a addresses
	a.v4, a.v6, a.mac = make([]uint64, c.u8()), make([]wide, c.u8()), make([]uint64, c.u8())
	get64(c, a.v4)
	for i := range a.v6 {
		a.v6[i] = wide{c.u64(), c.u64()}
	}
	get64(c, a.mac)
	return a
}
