package query

import (
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// Env is what Match and Less must know beside the row.
type Env struct {
	Now  model.Time                    // what relative ages are measured from
	Site func(model.SiteID) model.Site // the zero Site for one that is not known; nil knows none
}

func (e Env) site(id model.SiteID) model.Site {
	if e.Site == nil || id.IsZero() {
		return model.Site{}
	}
	return e.Site(id)
}

// SiteText returns what FieldSite compares with, is counted by and sorted by: the site's name, or its id
// where it has no name, or "" for no site.
func SiteText(id model.SiteID, site model.Site) string {
	if site.Name == "" && !id.IsZero() {
		return id.String()
	}
	return site.Name
}

// Match reports whether host h is an answer to x. Status and LastSeen of the row are taken as they are. It is
// the meaning of the language: every index is held against it.
//
// A host without a value matches no comparison of that field, only the term that is Unknown; Not is the
// plain complement, so -updates:>5 has the hosts whose updates nobody knows.
func Match(x Expr, h *model.Host, env Env) bool {
	switch x := x.(type) {
	case And:
		for _, y := range x {
			if !Match(y, h, env) {
				return false
			}
		}
	case Or:
		for _, y := range x {
			if Match(y, h, env) {
				return true
			}
		}
		return false
	case Not:
		return !Match(x.X, h, env)
	case Term:
		return x.match(h, env)
	}
	return true // All, and nil, which is All as well
}

func (t *Term) match(h *model.Host, env Env) bool {
	switch t.Field {
	case FieldAny:
		return t.matchAny(h)
	case FieldName:
		return t.Pattern.foldMatch(h.Hostname) || t.Pattern.foldMatch(h.FQDN)
	case FieldHostname:
		return t.Pattern.foldMatch(h.Hostname)
	case FieldFQDN:
		return t.Pattern.foldMatch(h.FQDN)
	case FieldID:
		id, err := model.ParseHostID(t.MAC)
		return err == nil && id == h.ID
	case FieldIP:
		return t.matchIP(h)
	case FieldMAC:
		if t.Unknown {
			return len(h.MAC) == 0
		}
		return slices.ContainsFunc(h.MAC, t.MatchMAC)
	case FieldOS:
		return t.MatchOS(h.OS)
	case FieldKernel:
		return t.MatchVersion(h.Kernel)
	case FieldAgent:
		return t.MatchVersion(h.AgentVersion)
	case FieldArch:
		return t.Pattern.foldMatch(h.Arch)
	case FieldOwner:
		return t.Pattern.foldMatch(h.Owner)
	case FieldSerial:
		return t.Pattern.foldMatch(h.Serial)
	case FieldSeverity:
		return t.Pattern.foldMatch(h.Worst())
	case FieldTag:
		return slices.ContainsFunc(h.Tags, t.Pattern.foldMatch)
	case FieldSite:
		return t.MatchSite(h.Site, env.site(h.Site))
	case FieldRegion:
		return t.Pattern.foldMatch(env.site(h.Site).Region)
	case FieldCountry:
		return t.Pattern.foldMatch(env.site(h.Site).Country)
	case FieldCity:
		return t.Pattern.foldMatch(env.site(h.Site).City)
	case FieldStatus:
		return t.Status == StatusOf(h.Status)
	}
	if at, ok := TimeValue(t.Field, h); ok {
		return t.MatchTime(at, env.Now)
	}
	n, known := NumberValue(t.Field, t.Part, h)
	return t.MatchNumber(n, known)
}

// matchAny is the meaning of a word without a field, FieldAny with ShapeContains. A host matches if
//
//  1. its host name or its FQDN, folded, contains the word; or
//  2. AddressWord says that the word may be part of an address, and the text of one of the host's
//     addresses, as AddressOf gives it, starts with the word; or
//  3. the word is the host's whole id of 36 characters.
func (t *Term) matchAny(h *model.Host) bool {
	p := t.Pattern
	if p.foldMatch(h.Hostname) || p.foldMatch(h.FQDN) {
		return true
	}
	if p.Shape != ShapeContains {
		return false
	}
	if len(p.Text) == 36 {
		if id, err := model.ParseHostID(p.Text); err == nil && id == h.ID {
			return true
		}
	}
	if !AddressWord(p.Text) {
		return false
	}
	return anyAddress(h, func(a netip.Addr) bool {
		var buf [64]byte
		b := a.AppendTo(buf[:0])
		return len(b) >= len(p.Text) && string(b[:len(p.Text)]) == p.Text
	})
}

// AddressWord reports whether a folded word may be the beginning of an address: digits and dots with at
// least one dot, or hexadecimal digits, colons and dots with at least one colon.
func AddressWord(word string) bool {
	dots, colons, hex := 0, 0, false
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == '.':
			dots++
		case c == ':':
			colons++
		case 'a' <= c && c <= 'f':
			hex = true
		case !digit(c):
			return false
		}
	}
	return colons > 0 || dots > 0 && !hex
}

// AddressOf reads an address of a row: IPv4 or IPv6 without a zone; an IPv4 address that is mapped into
// IPv6 is IPv4. What does not read is no address to any search.
func AddressOf(text string) (netip.Addr, bool) {
	if len(text) > 45 { // the longest text of an address; a longer one would only cost time
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

func anyAddress(h *model.Host, match func(netip.Addr) bool) bool {
	for _, list := range [...][]string{h.IPv4, h.IPv6} {
		for _, text := range list {
			if a, ok := AddressOf(text); ok && match(a) {
				return true
			}
		}
	}
	return false
}

func (t *Term) matchIP(h *model.Host) bool {
	if t.Unknown {
		return !anyAddress(h, func(netip.Addr) bool { return true })
	}
	low, high := t.Low, t.High
	return anyAddress(h, func(a netip.Addr) bool {
		return a.BitLen() == low.BitLen() && low.Compare(a) <= 0 && a.Compare(high) <= 0
	})
}

// MatchMAC reports whether a FieldMAC term that is not Unknown fits one hardware address of a row.
func (t *Term) MatchMAC(mac string) bool {
	return len(mac) >= len(t.MAC) && strings.EqualFold(mac[:len(t.MAC)], t.MAC)
}

// MatchOS reports whether a FieldOS term fits a system. A system without a version fits no term that has one.
func (t *Term) MatchOS(os model.OS) bool {
	if !OSMatches(t.Pattern, os) {
		return false
	}
	if t.Op == OpIs {
		return !t.HasVersion || inLine(os.Version, t.Version)
	}
	return os.Version != "" && t.ordered(CompareVersions(foldVersion(os.Version), t.Version))
}

// MatchVersion reports whether a term of KindVersion fits a version; the empty one fits none.
func (t *Term) MatchVersion(version string) bool {
	if t.Op == OpIs {
		return t.Pattern.foldMatch(version)
	}
	return version != "" && t.ordered(CompareVersions(foldVersion(version), t.Version))
}

// MatchSite reports whether a FieldSite term fits a site: its pattern fits SiteText, or is exactly the id.
func (t *Term) MatchSite(id model.SiteID, site model.Site) bool {
	if site.Name == "" && id.IsZero() {
		return false
	}
	if site.Name == "" {
		return t.Pattern.Match(id.String())
	}
	if t.Pattern.foldMatch(site.Name) {
		return true
	}
	if t.Pattern.Shape != ShapeExact || len(t.Pattern.Text) != 36 {
		return false
	}
	want, err := model.ParseSiteID(t.Pattern.Text)
	return err == nil && want == id
}

// MatchTime reports whether a term of KindAge or KindUntil fits the time at; zero is no value.
func (t *Term) MatchTime(at, now model.Time) bool {
	if t.Unknown || at == 0 {
		return t.Unknown && at == 0
	}
	from, to := t.Times(now)
	return from <= at && at <= to
}

// Times returns the times, both ends included, that a term of KindAge or KindUntil asks for, if it is not
// Unknown. To an index it is a plain range: that more age is less time is settled here. A range of nothing
// has from after to.
func (t *Term) Times(now model.Time) (from, to model.Time) {
	at, op := t.At, t.Op
	if at == 0 {
		d := model.Time(t.Age.Milliseconds())
		if t.Field.info().Kind == KindAge {
			d, op = -d, mirrored(op)
		}
		at = now + d
	}
	from, to = math.MinInt64, math.MaxInt64
	switch op {
	case OpLess:
		to = at - 1
	case OpLessEqual:
		to = at
	case OpGreater:
		from = at + 1
	case OpGreaterEqual:
		from = at
	default:
		from, to = at, at
	}
	return from, to
}

// mirrored returns op with its sides exchanged.
func mirrored(op Op) Op {
	switch op {
	case OpLess:
		return OpGreater
	case OpLessEqual:
		return OpGreaterEqual
	case OpGreater:
		return OpLess
	case OpGreaterEqual:
		return OpLessEqual
	}
	return op
}

// MatchNumber reports whether a term of KindNumber or KindBool fits the number n, as NumberValue counts it.
func (t *Term) MatchNumber(n int64, known bool) bool {
	if t.Unknown || !known {
		return t.Unknown && !known
	}
	from, to := t.Numbers()
	return from <= n && n <= to
}

// Numbers returns the numbers, both ends included and in the unit of NumberValue, that a term of KindNumber
// or KindBool asks for, if it is not Unknown.
func (t *Term) Numbers() (from, to int64) {
	x := t.Number
	if t.Field == FieldCompliance {
		x *= 10
	}
	n := int64(math.Round(max(-1e15, min(x, 1e15))))
	from, to = math.MinInt64, math.MaxInt64
	switch t.Op {
	case OpLess:
		to = n - 1
	case OpLessEqual:
		to = n
	case OpGreater:
		from = n + 1
	case OpGreaterEqual:
		from = n
	default:
		from, to = n, n
	}
	return from, to
}

// ordered reports whether the outcome of a comparison is what the term's operator asks for.
func (t *Term) ordered(c int) bool {
	switch t.Op {
	case OpLess:
		return c < 0
	case OpLessEqual:
		return c <= 0
	case OpGreater:
		return c > 0
	case OpGreaterEqual:
		return c >= 0
	}
	return c == 0
}
