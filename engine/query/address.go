package query

import (
	"net/netip"
	"strconv"
	"strings"
)

// address is an address, a prefix, a range or the beginning of one.
func (e *element) address() (Expr, *SyntaxError) {
	switch Fold(e.v.text) {
	case "none", "unknown":
		return e.unknown()
	case "*", "any":
		return e.known()
	}
	low, high, ok := parseSpan(e.v.text)
	if !ok {
		if i := strings.LastIndexByte(e.v.text, ':'); i > 0 && strings.Count(e.v.text, ":") == 1 {
			if _, _, ok := parseSpan(e.v.text[:i]); ok {
				return e.fail([]string{e.v.text[:i]}, "an address has no port here")
			}
		}
		return e.fail(nil, "%q is no address: 10.2.3.4, 10.2.0.0/16, 10.2.* or 10.0.0.1-10.0.0.9, and the same of IPv6", e.v.text)
	}
	if high.Less(low) {
		return e.fail([]string{spanText(high, low)}, "the range ends before it begins")
	}
	return e.with(func(t *Term) { t.Low, t.High = low, high })
}

// parseSpan reads an address (10.2.3.4), a prefix (10.2.0.0/16, 10.2/16), a range of one family
// (10.0.0.1-10.0.0.9, 10.0.0.1..10.0.0.9, 10.0.0.1-9) or the first whole groups of an address (10.2, 10.2.,
// 10.2.*, 2001:db8:*), and returns its first and last address, which of a range that ends before it begins is
// the lesser. Bits of a prefix behind its length are ignored.
func parseSpan(text string) (low, high netip.Addr, ok bool) {
	if len(text) > 100 {
		return low, high, false
	}
	if base, n, cut := strings.Cut(text, "/"); cut {
		bits, err := strconv.Atoi(n)
		a, partial := prefixBase(base)
		if err != nil || n != strconv.Itoa(bits) || !partial {
			return low, high, false
		}
		p, err := a.Prefix(bits)
		if err != nil {
			return low, high, false
		}
		return p.Addr(), last(p), true
	}
	for _, sign := range [...]string{"..", "-"} {
		from, to, cut := strings.Cut(text, sign)
		if !cut {
			continue
		}
		a, aok := whole(from)
		if dot := strings.LastIndexByte(from, '.'); aok && decimal(to) && dot > 0 {
			to = from[:dot+1] + to
		}
		b, bok := whole(to)
		if !aok || !bok || a.BitLen() != b.BitLen() {
			return low, high, false
		}
		return a, b, true
	}
	if a, isWhole := whole(text); isWhole {
		return a, a, true
	}
	return parsePartial(strings.TrimSuffix(text, "*"), strings.HasSuffix(text, "*"))
}

func whole(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	return a.Unmap(), err == nil && a.Zone() == ""
}

// prefixBase reads the address of a prefix; missing octets of IPv4 are zero.
func prefixBase(text string) (netip.Addr, bool) {
	if a, ok := whole(text); ok {
		return a, true
	}
	if low, _, ok := parsePartial(text, false); ok && low.Is4() {
		return low, true
	}
	return netip.Addr{}, false
}

// parsePartial reads the first whole groups of an address; with a star the sign between groups must stand
// before it.
func parsePartial(text string, star bool) (low, high netip.Addr, ok bool) {
	sep, groups, each, fill := ".", 4, 8, "0"
	if strings.Contains(text, ":") {
		sep, groups, each = ":", 8, 16
	}
	if star && !strings.HasSuffix(text, sep) || strings.Contains(text, sep+sep) || text == sep {
		return low, high, false
	}
	parts := strings.Split(strings.TrimSuffix(text, sep), sep)
	n := len(parts)
	if n >= groups || parts[0] == "" {
		return low, high, false
	}
	for len(parts) < groups {
		parts = append(parts, fill)
	}
	a, err := netip.ParseAddr(strings.Join(parts, sep))
	if err != nil || a.Zone() != "" {
		return low, high, false
	}
	p, err := a.Prefix(n * each)
	if err != nil {
		return low, high, false
	}
	return p.Addr(), last(p), true
}

// last returns the last address of a prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// spanText writes what parseSpan reads: an address, a prefix, or a range.
func spanText(low, high netip.Addr) string {
	if low == high {
		return low.String()
	}
	a, b, same := low.AsSlice(), high.AsSlice(), 0
	for same < len(a)*8 && (a[same/8]^b[same/8])&(0x80>>(same%8)) == 0 {
		same++
	}
	if p, err := low.Prefix(same); err == nil && p.Addr() == low && last(p) == high {
		return p.String()
	}
	return low.String() + "-" + high.String()
}

// mac is a hardware address or its first octets.
func (e *element) mac() (Expr, *SyntaxError) {
	switch Fold(e.v.text) {
	case "none", "unknown":
		return e.unknown()
	case "*", "any":
		return e.known()
	}
	mac, ok := parseMAC(e.v.text)
	if !ok {
		return e.fail(nil, "%q is no hardware address, nor the first octets of one: mac:52:54:00:ab:cd:ef, mac:52:54:00, mac:5254.00", e.v.text)
	}
	return e.with(func(t *Term) { t.MAC = mac })
}

// parseMAC reads one to six octets: in pairs of hexadecimal digits with colons, dashes or dots between, in fours
// with dots, of which the last may be a pair, or without anything. A last sign between, and a star, may follow.
// The result has colons.
func parseMAC(text string) (string, bool) {
	text = strings.TrimRight(strings.TrimSuffix(Fold(text), "*"), ":-.")
	sep, each := "", 2
	switch {
	case strings.Contains(text, ":"):
		sep = ":"
	case strings.Contains(text, "-"):
		sep = "-"
	case strings.Contains(text, "."):
		sep = "."
		if strings.IndexByte(text, '.') == 4 {
			each = 4
		}
	}
	digits := text
	if sep != "" {
		groups := strings.Split(text, sep)
		for i, g := range groups {
			if len(g) != each && !(len(g) == 2 && i == len(groups)-1) {
				return "", false
			}
		}
		digits = strings.Join(groups, "")
	}
	if len(digits) == 0 || len(digits) > 12 || len(digits)%2 != 0 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", false
	}
	b := make([]byte, 0, 17)
	for i := 0; i < len(digits); i += 2 {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[i], digits[i+1])
	}
	return string(b), true
}
