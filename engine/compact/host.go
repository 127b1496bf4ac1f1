// Package compact is the short binary form of a host and of its beat: what rows on disk and runs in the log
// are made of, where there are millions of them.
//
// It owns the bytes and their layouts, old ones included. It knows no keys, no entries and no meaning: what may
// be said of a host is engine/inventory. Reading never panics, whatever the bytes, and is bounded by their
// length.
package compact

import (
	"encoding/binary"
	"math"
	"net/netip"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// JSON of a host is three times as long as this and takes twenty times as long to read. Neither the host's
// id nor its beat is in it: whoever keeps them knows the id by its key, and has the beat apart.
//
//	+----+----+------------+---------+------------------------------------------------------------+
//	| 03 | 01 | flags be32 | site:16 | lists: n4 n6 nmac ntags, each 0 for none or 1 + its length |
//	+----+----+------------+---------+------------------------------------------------------------+
//	| agent:16, where it is not the host itself                                                    |
//	| times, each that the flags name: facts_at, then the others less facts_at                     |
//	| package_n  certificate_n  cpus  memory_mb  [updates]  [compliance]  [exposure: 7 numbers]    |
//	| lengths of the next two  hostname  fqdn, or what follows the hostname in it                   |
//	| os: id name version codename  kernel  arch  agent_version  owner  serial                     |
//	| packages_digest  certificates_digest: 32 bytes each where they are hex, else text            |
//	| ipv4: 4 bytes each  ipv6: 16 bytes each  mac: 6 bytes each; else texts                       |
//	| tags: texts                                                                                  |
//	+----------------------------------------------------------------------------------------------+
//
// A text is its length and its bytes. Lengths are varints, numbers and times zigzag varints; the tenths of
// compliance are a varint, or 8 bytes big-endian of the float where it is no whole number of tenths.
//
// The second byte is the layout: a reader refuses a higher one with fault.Version, and anything that
// follows the tags with fault.Corrupt, since a field that is skipped would be lost when the row is
// written again. A field is added by a new layout, and the old ones stay readable.
const (
	// FormHost is the first byte of every host. It is in the row of numbers that the first bytes of all stored
	// values are of; see storage/index.
	FormHost   = 3
	hostLayout = 1

	// MaxHost bounds the bytes of one host.
	MaxHost = 64 << 20
)

// The flags of a host's row.
const (
	hasAgent = 1 << iota
	fqdnExtendsName
	hasReboot
	rebootNeeded
	simulated
	hasUpdates
	hasCompliance
	complianceRaw
	packagesRaw
	certificatesRaw
	v4Raw
	v6Raw
	macRaw
	hasExposure
	hasFactsAt
	hasBootedAt
	hasFirstSeen
	hasPackagesAt
	hasCertificatesAt
	hasNextCertExpiry
	hasExposureAt

	knownFlags = 1<<iota - 1
)

// hostHead is the length of what stands before the lists.
const hostHead = 2 + 4 + 16

// AppendHost appends h to b, without its id and its beat. Equal hosts give equal bytes. It fails with
// fault.Invalid for text that is not UTF-8, also in the status, since such a host could be stored but never be
// sent or shown, and for a compliance that is no number; with fault.TooLarge beyond MaxHost.
func AppendHost(b []byte, h *model.Host) ([]byte, error) {
	from := len(b)
	b = append(b, FormHost, hostLayout, 0, 0, 0, 0)
	b = append(b, h.Site[:]...)
	b = AppendLength(b, len(h.IPv4), h.IPv4 == nil)
	b = AppendLength(b, len(h.IPv6), h.IPv6 == nil)
	b = AppendLength(b, len(h.MAC), h.MAC == nil)
	b = AppendLength(b, len(h.Tags), h.Tags == nil)
	flags := uint32(0)
	if h.Agent != model.NodeID(h.ID) {
		flags |= hasAgent
		b = append(b, h.Agent[:]...)
	}
	for _, t := range [...]struct {
		at   model.Time
		less model.Time
		flag uint32
	}{
		{h.FactsAt, 0, hasFactsAt},
		{h.BootedAt, h.FactsAt, hasBootedAt},
		{h.FirstSeen, h.FactsAt, hasFirstSeen},
		{h.PackagesAt, h.FactsAt, hasPackagesAt},
		{h.CertificatesAt, h.FactsAt, hasCertificatesAt},
		{h.NextCertExpiry, h.FactsAt, hasNextCertExpiry},
		{h.ExposureAt, h.FactsAt, hasExposureAt},
	} {
		if t.at != 0 {
			flags |= t.flag
			b = binary.AppendVarint(b, int64(t.at-t.less))
		}
	}
	b = binary.AppendVarint(b, int64(h.PackageN))
	b = binary.AppendVarint(b, int64(h.CertificateN))
	b = binary.AppendVarint(b, int64(h.CPUs))
	b = binary.AppendVarint(b, int64(h.MemoryMB))
	b, more, err := appendOptional(b, h)
	if err != nil {
		return nil, err
	}
	flags |= more
	b, more = appendTexts(b, h)
	flags |= more
	b, more = appendLists(b, h)
	flags |= more
	binary.BigEndian.PutUint32(b[from+2:], flags)
	if len(b)-from > MaxHost {
		return nil, fault.New(fault.TooLarge, "encode row", "the row of host %s has %d bytes; the limit is %d", h.ID, len(b)-from, MaxHost)
	}
	if !Valid(h) {
		return nil, fault.New(fault.Invalid, "encode row", "the row of host %s holds text that is not UTF-8", h.ID)
	}
	return b, nil
}

// appendOptional appends the numbers that a host may not have.
func appendOptional(b []byte, h *model.Host) ([]byte, uint32, error) {
	flags := uint32(0)
	if h.RebootNeeded != nil {
		flags |= hasReboot
		if *h.RebootNeeded {
			flags |= rebootNeeded
		}
	}
	if h.Simulated {
		flags |= simulated
	}
	if h.Updates != nil {
		flags |= hasUpdates
		b = binary.AppendVarint(b, int64(*h.Updates))
	}
	if h.Compliance != nil {
		flags |= hasCompliance
		c := *h.Compliance
		if math.IsNaN(c) || math.IsInf(c, 0) {
			return nil, 0, fault.New(fault.Invalid, "encode row", "the compliance of host %s is %v, which is no number", h.ID, c)
		}
		if tenths := math.Round(c * 10); tenths >= 0 && tenths < 1<<32 && tenths/10 == c && !math.Signbit(c) {
			b = binary.AppendUvarint(b, uint64(tenths))
		} else {
			flags |= complianceRaw
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(c))
		}
	}
	if e := h.Exposure; e != (model.SeverityCounts{}) {
		flags |= hasExposure
		for _, n := range [...]int{e.Critical, e.High, e.Medium, e.Low, e.None, e.Unknown, e.Uncertain} {
			b = binary.AppendVarint(b, int64(n))
		}
	}
	return b, flags, nil
}

func appendTexts(b []byte, h *model.Host) ([]byte, uint32) {
	flags := uint32(0)
	fqdn := h.FQDN
	if n := len(h.Hostname); n > 0 && len(fqdn) >= n && fqdn[:n] == h.Hostname {
		flags |= fqdnExtendsName
		fqdn = fqdn[n:]
	}
	b = binary.AppendUvarint(b, uint64(len(h.Hostname)))
	b = binary.AppendUvarint(b, uint64(len(fqdn)))
	b = append(append(b, h.Hostname...), fqdn...)
	b = AppendText(b, h.OS.ID)
	b = AppendText(b, h.OS.Name)
	b = AppendText(b, h.OS.Version)
	b = AppendText(b, h.OS.Codename)
	b = AppendText(b, h.Kernel)
	b = AppendText(b, h.Arch)
	b = AppendText(b, h.AgentVersion)
	b = AppendText(b, h.Owner)
	b = AppendText(b, h.Serial)
	var raw bool
	if b, raw = appendDigest(b, h.PackagesDigest); raw {
		flags |= packagesRaw
	}
	if b, raw = appendDigest(b, h.CertificatesDigest); raw {
		flags |= certificatesRaw
	}
	return b, flags
}

func appendLists(b []byte, h *model.Host) ([]byte, uint32) {
	flags := uint32(0)
	var raw bool
	if b, raw = appendRaw(b, h.IPv4, appendV4); raw {
		flags |= v4Raw
	}
	if b, raw = appendRaw(b, h.IPv6, appendV6); raw {
		flags |= v6Raw
	}
	if b, raw = appendRaw(b, h.MAC, appendMAC); raw {
		flags |= macRaw
	}
	for _, s := range h.Tags {
		b = AppendText(b, s)
	}
	return b, flags
}

// appendRaw appends a list by one, where every text of it reads back the same, and as texts where not.
func appendRaw(b []byte, list []string, one func([]byte, string) ([]byte, bool)) ([]byte, bool) {
	from := len(b)
	for _, s := range list {
		next, ok := one(b, s)
		if !ok {
			b = b[:from]
			for _, s := range list {
				b = AppendText(b, s)
			}
			return b, false
		}
		b = next
	}
	return b, len(list) > 0
}

// AppendLength appends the length of a list that may also be none at all.
func AppendLength(b []byte, n int, none bool) []byte {
	if none {
		return append(b, 0)
	}
	return binary.AppendUvarint(b, uint64(n)+1)
}

// AppendText appends a text with its length.
func AppendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendDigest appends 64 lower-case hexadecimal digits as 32 bytes, and any other text as a text.
func appendDigest(b []byte, s string) ([]byte, bool) {
	if len(s) != 64 {
		return AppendText(b, s), false
	}
	var raw [32]byte
	for i := range raw {
		hi, lo := digit(s[2*i]), digit(s[2*i+1])
		if hi|lo > 15 {
			return AppendText(b, s), false
		}
		raw[i] = hi<<4 | lo
	}
	return append(b, raw[:]...), true
}

// digit returns the value of a lower-case hexadecimal digit, or 255.
func digit(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// appendV4 appends the 4 bytes of a dotted quad without leading zeros.
func appendV4(b []byte, s string) ([]byte, bool) {
	n, digits, dots := 0, 0, 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '.' {
			if digits == 0 || dots == 3 {
				return b, false
			}
			b = append(b, byte(n))
			n, digits = 0, 0
			dots++
			continue
		}
		if c < '0' || c > '9' || digits > 0 && n == 0 {
			return b, false
		}
		if n = n*10 + int(c-'0'); n > 255 {
			return b, false
		}
		digits++
	}
	return append(b, byte(n)), dots == 3 && digits > 0
}

// appendV6 appends the 16 bytes of an IPv6 address as RFC 5952 writes it, without a zone.
func appendV6(b []byte, s string) ([]byte, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return b, false
	}
	var text [64]byte
	if string(a.AppendTo(text[:0])) != s {
		return b, false
	}
	raw := a.As16()
	return append(b, raw[:]...), true
}

// appendMAC appends the 6 bytes of a lower-case address with colons.
func appendMAC(b []byte, s string) ([]byte, bool) {
	if len(s) != 17 {
		return b, false
	}
	for i := 0; i < 17; i += 3 {
		hi, lo := digit(s[i]), digit(s[i+1])
		if hi|lo > 15 || i < 15 && s[i+2] != ':' {
			return b, false
		}
		b = append(b, hi<<4|lo)
	}
	return b, true
}

// Valid reports whether all texts of h, its status included, are UTF-8.
func Valid(h *model.Host) bool {
	ok := utf8.ValidString(h.Hostname) && utf8.ValidString(h.FQDN) && utf8.ValidString(h.OS.ID) && utf8.ValidString(h.OS.Name) &&
		utf8.ValidString(h.OS.Version) && utf8.ValidString(h.OS.Codename) && utf8.ValidString(h.Kernel) && utf8.ValidString(h.Arch) &&
		utf8.ValidString(h.AgentVersion) && utf8.ValidString(h.Owner) && utf8.ValidString(h.Serial) &&
		utf8.ValidString(h.PackagesDigest) && utf8.ValidString(h.CertificatesDigest) && utf8.ValidString(string(h.Status))
	for _, list := range [...][]string{h.IPv4, h.IPv6, h.MAC, h.Tags} {
		for _, s := range list {
			ok = ok && utf8.ValidString(s)
		}
	}
	return ok
}
