package search

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// addresses are the network addresses of one host, each list in the order of its row, without what does
// not parse and without repeats.
type addresses struct {
	v4  []uint64 // as numbers
	v6  []wide
	mac []uint64 // 48 bits
}

// wide is a number of 128 bits.
type wide struct{ hi, lo uint64 }

func compareWide(a, b wide) int { return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo)) }

func addressesOf(h *model.Host) addresses {
	var a addresses
	for _, list := range [...][]string{h.IPv4, h.IPv6} {
		for _, s := range list {
			switch ip, ok := query.AddressOf(s); {
			case !ok:
			case ip.Is4():
				a.v4 = fresh(a.v4, v4Key(ip))
			default:
				a.v6 = fresh(a.v6, v6Key(ip))
			}
		}
	}
	for _, s := range h.MAC {
		if m, digits := macKey(s); digits == 12 {
			a.mac = fresh(a.mac, m)
		}
	}
	return a
}

func fresh[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

func v4Key(ip netip.Addr) uint64 {
	b := ip.As4()
	return uint64(binary.BigEndian.Uint32(b[:]))
}

func v6Key(ip netip.Addr) wide {
	b := ip.As16()
	return wide{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// macKey returns the number of a MAC address, or of the beginning of one moved to the left, and how many
// hexadecimal digits it has; 0 where it is none.
func macKey(s string) (key uint64, digits int) {
	s = strings.ReplaceAll(s, ":", "")
	if len(s) == 0 || len(s) > 12 {
		return 0, 0
	}
	n, err := strconv.ParseUint(s, 16, 48)
	if err != nil {
		return 0, 0
	}
	return n << (4 * (12 - len(s))), len(s)
}

// addressColumns are the first address of each sort by ordinal, and the whole lists of the few hosts that
// have more.
type addressColumns struct {
	v4   []uint32
	v6   []wide
	mac  []uint64
	more map[uint32]addresses
}

func (c *addressColumns) grow(n int) {
	c.v4, c.v6, c.mac = grown(c.v4, n), grown(c.v6, n), grown(c.mac, n)
}

// The flags of an ordinal.
const (
	flagSimulated = 1 << iota
	flagV4        // there is a first IPv4 address
	flagV6
	flagMAC
	flagMore  // the lists are in addressColumns.more
	flagExact // the columns say exactly what the host adds to the counts; see Outline
)

// addresses returns the addresses of an ordinal.
func (x *Index) addresses(ord uint32) addresses {
	c, f := &x.address, x.flags[ord]
	if f&flagMore != 0 {
		return c.more[ord]
	}
	var a addresses
	if f&flagV4 != 0 {
		a.v4 = []uint64{uint64(c.v4[ord])}
	}
	if f&flagV6 != 0 {
		a.v6 = []wide{c.v6[ord]}
	}
	if f&flagMAC != 0 {
		a.mac = []uint64{c.mac[ord]}
	}
	return a
}

// setAddresses replaces the addresses of an ordinal.
func (x *Index) setAddresses(ord uint32, now addresses) {
	old := x.addresses(ord)
	if slices.Equal(old.v4, now.v4) && slices.Equal(old.v6, now.v6) && slices.Equal(old.mac, now.mac) {
		return
	}
	swap(&x.v4, ord, old.v4, now.v4)
	swap(&x.v6, ord, old.v6, now.v6)
	swap(&x.mac, ord, old.mac, now.mac)
	x.keepAddresses(ord, now)
}

func swap[K comparable](in *addressList[K], ord uint32, old, now []K) {
	for _, k := range old {
		if !slices.Contains(now, k) {
			in.remove(k, ord)
		}
	}
	for _, k := range now {
		if !slices.Contains(old, k) {
			in.add(k, ord)
		}
	}
}

// keepAddresses writes the columns.
func (x *Index) keepAddresses(ord uint32, now addresses) {
	c := &x.address
	delete(c.more, ord)
	f := x.flags[ord] & (flagSimulated | flagExact)
	c.v4[ord], c.v6[ord], c.mac[ord] = 0, wide{}, 0
	if len(now.v4) > 0 {
		f, c.v4[ord] = f|flagV4, uint32(now.v4[0])
	}
	if len(now.v6) > 0 {
		f, c.v6[ord] = f|flagV6, now.v6[0]
	}
	if len(now.mac) > 0 {
		f, c.mac[ord] = f|flagMAC, now.mac[0]
	}
	if len(now.v4) > 1 || len(now.v6) > 1 || len(now.mac) > 1 {
		f |= flagMore
		c.more[ord] = now
	}
	x.flags[ord] = f
}

// inRange returns the hosts with an address from low to high.
func (x *Index) inRange(low, high netip.Addr) *roaring.Bitmap {
	out := newGather(x.n)
	if low.Is4() {
		x.v4.scan(v4Key(low), v4Key(high), out.add)
	} else {
		x.v6.scan(v6Key(low), v6Key(high), out.add)
	}
	return out.bits()
}

// withMAC returns the hosts with a MAC address that begins so.
func (x *Index) withMAC(text string) *roaring.Bitmap {
	out := newGather(x.n)
	if key, digits := macKey(text); digits > 0 {
		x.mac.scan(key, key|(1<<(4*(12-digits))-1), out.add)
	}
	return out.bits()
}

// addressWord returns the hosts with an address whose text begins with a word, as query.FieldAny has it.
func (x *Index) addressWord(word string) *roaring.Bitmap {
	out := newGather(x.n)
	for _, r := range v4Ranges(word) {
		x.v4.scan(r[0], r[1], out.add)
	}
	x.v6Word(word, out)
	return out.bits()
}

// v4Ranges returns the ranges of IPv4 addresses whose text begins with word: 10.2. is one, 10.2 is 10.2.*
// and 10.20.* to 10.29.* and 10.200.* to 10.255.*; none where it is no beginning of an address.
func v4Ranges(word string) [][2]uint64 {
	parts := strings.Split(word, ".")
	if word == "" || len(parts) > 4 {
		return nil
	}
	var base uint64
	for _, p := range parts[:len(parts)-1] {
		n, ok := octet(p)
		if !ok {
			return nil
		}
		base = base<<8 | n
	}
	last, bits := parts[len(parts)-1], 8*(4-len(parts))
	if last == "" {
		if len(parts) == 1 {
			return nil
		}
		return [][2]uint64{{base << (8 + bits), (base+1)<<(8+bits) - 1}}
	}
	var out [][2]uint64
	for n := range uint64(256) {
		if strings.HasPrefix(strconv.FormatUint(n, 10), last) {
			from := (base<<8 | n) << bits
			out = append(out, [2]uint64{from, from + 1<<bits - 1})
		}
	}
	return out
}

func octet(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 8)
	return n, err == nil && strconv.FormatUint(n, 10) == s
}

// v6Word adds the hosts with an IPv6 address whose canonical text begins with word. A word of whole groups
// is a range; what is left is read.
func (x *Index) v6Word(word string, out *gather) {
	if !strings.Contains(word, ":") {
		return
	}
	low, high := wide{}, wide{^uint64(0), ^uint64(0)}
	if first, _, _ := strings.Cut(word, ":"); len(first) <= 4 {
		// The first group is whole (and 0 where the text begins with a colon): all addresses that may match
		// share their first 16 bits.
		if first == "" {
			first = "0"
		}
		if n, err := strconv.ParseUint(first, 16, 16); err == nil {
			low.hi, high.hi = n<<48, n<<48|(1<<48-1)
		}
	}
	x.v6.each(low, high, func(k wide, ord uint32) {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], k.hi)
		binary.BigEndian.PutUint64(b[8:], k.lo)
		var text [48]byte
		if strings.HasPrefix(string(netip.AddrFrom16(b).AppendTo(text[:0])), word) {
			out.addOne(ord)
		}
	})
}

// byAddress reports whether FieldAny's word may be the beginning of an address.
func byAddress(p query.Pattern) bool {
	return p.Shape == query.ShapeContains && query.AddressWord(p.Text)
}

func (x *Index) noAddress(ord uint32) bool { return x.flags[ord]&(flagV4|flagV6) == 0 }
