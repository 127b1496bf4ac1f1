package index

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// readHost reads the row of the host id, in the form of appendHost or in the JSON of schema 1. A row in
// JSON brings its beat along, one in our form has none yet.
//
// All texts of the host are parts of one string, which holds a copy of v and, behind it, what v holds
// in fewer bytes than its text has: a host that is kept keeps all of it.
func (c *rowCodec) readHost(v []byte, id model.HostID, h *model.Host) error {
	if len(v) == 0 || v[0] != formHost {
		*h = model.Host{}
		if err := c.decode(v, h); err != nil {
			return err
		}
		if h.ID != id {
			return fault.New(fault.Corrupt, "", "it holds the row of host %s", h.ID)
		}
		return nil
	}
	if len(v) > 1 && v[1] > hostLayout {
		return fault.New(fault.Version, "", "the row has layout %d and this program reads up to %d; start the version of Skerry that wrote it, or a newer one", v[1], hostLayout)
	}
	if len(v) < hostHead+4 || v[1] != hostLayout || len(v) > maxRow {
		return badHost
	}
	r := rowReader{flags: binary.BigEndian.Uint32(v[2:])}
	if r.flags&^uint32(knownFlags) != 0 {
		return badHost
	}
	r.reserve(v)
	*h = model.Host{ID: id}
	copy(h.Site[:], v[6:])
	r.host(h)
	if r.bad || r.s != "" {
		*h = model.Host{}
		return badHost
	}
	return nil
}

var badHost = fault.New(fault.Corrupt, "", "the value is no row of a host")

// rowReader reads the parts of a row one after the other; the first that does not fit latches bad.
type rowReader struct {
	s     string // what is still to be read
	bad   bool
	flags uint32
	text  strings.Builder // the row, and behind it the texts made from its bytes
	n     [4]int          // lengths of the lists, -1 for none
	lists []string        // room for all of them
}

// reserve copies v, with room for the texts that its bytes become, and reads up to the lists.
func (r *rowReader) reserve(v []byte) {
	at, total := hostHead, 0
	for i := range r.n {
		n, size := binary.Uvarint(v[at:])
		if size <= 0 || n > uint64(len(v)) { // each item takes at least a byte
			r.bad = true
			return
		}
		at += size
		r.n[i] = int(n) - 1
		total += max(r.n[i], 0)
	}
	if total > len(v) {
		r.bad = true
		return
	}
	room := 0
	for _, x := range [...]struct {
		flag uint32
		n    int
	}{
		{packagesRaw, 64}, {certificatesRaw, 64},
		{v4Raw, 15 * max(r.n[0], 0)}, {v6Raw, 39 * max(r.n[1], 0)}, {macRaw, 17 * max(r.n[2], 0)},
	} {
		if r.flags&x.flag != 0 {
			room += x.n
		}
	}
	r.text.Grow(len(v) + room)
	r.text.Write(v)
	r.s = r.text.String()[at:]
	if total > 0 {
		r.lists = make([]string, total)
	}
}

// optional holds what the pointers of a host point to, in one piece.
type optional struct {
	compliance float64
	updates    int
	reboot     bool
}

func (r *rowReader) host(h *model.Host) {
	if r.bad {
		return
	}
	h.Agent = model.NodeID(h.ID)
	if r.flags&hasAgent != 0 {
		copy(h.Agent[:], r.bytes(len(h.Agent)))
	}
	h.FactsAt = r.time(hasFactsAt, 0)
	h.BootedAt = r.time(hasBootedAt, h.FactsAt)
	h.FirstSeen = r.time(hasFirstSeen, h.FactsAt)
	h.PackagesAt = r.time(hasPackagesAt, h.FactsAt)
	h.CertificatesAt = r.time(hasCertificatesAt, h.FactsAt)
	h.NextCertExpiry = r.time(hasNextCertExpiry, h.FactsAt)
	h.ExposureAt = r.time(hasExposureAt, h.FactsAt)
	h.PackageN = int(r.varint())
	h.CertificateN = int(r.varint())
	h.CPUs = int(r.varint())
	h.MemoryMB = int(r.varint())
	r.optional(h)
	r.names(h)
	h.OS.ID, h.OS.Name, h.OS.Version, h.OS.Codename = r.str(), r.str(), r.str(), r.str()
	h.Kernel, h.Arch, h.AgentVersion, h.Owner, h.Serial = r.str(), r.str(), r.str(), r.str(), r.str()
	h.PackagesDigest = r.digest(packagesRaw)
	h.CertificatesDigest = r.digest(certificatesRaw)
	h.IPv4 = r.list(0, v4Raw)
	h.IPv6 = r.list(1, v6Raw)
	h.MAC = r.list(2, macRaw)
	h.Tags = r.list(3, 0)
}

// names reads the host name and the FQDN, which overlap where one begins with the other.
func (r *rowReader) names(h *model.Host) {
	n, m := r.uvarint(), r.uvarint()
	if n > uint64(len(r.s)) || m > uint64(len(r.s))-n {
		r.bad, r.s = true, ""
		return
	}
	both := r.bytes(int(n + m))
	h.Hostname, h.FQDN = both[:n], both[n:]
	if r.flags&fqdnExtendsName != 0 {
		h.FQDN = both
	}
}

func (r *rowReader) optional(h *model.Host) {
	h.Simulated = r.flags&simulated != 0
	if r.flags&(hasReboot|hasUpdates|hasCompliance) != 0 {
		o := new(optional)
		if r.flags&hasReboot != 0 {
			o.reboot = r.flags&rebootNeeded != 0
			h.RebootNeeded = &o.reboot
		}
		if r.flags&hasUpdates != 0 {
			o.updates = int(r.varint())
			h.Updates = &o.updates
		}
		switch {
		case r.flags&hasCompliance == 0:
		case r.flags&complianceRaw != 0:
			if b := r.bytes(8); b != "" {
				o.compliance = math.Float64frombits(binary.BigEndian.Uint64([]byte(b)))
			}
			h.Compliance = &o.compliance
		default:
			o.compliance = float64(r.uvarint()) / 10
			h.Compliance = &o.compliance
		}
	}
	if r.flags&hasExposure != 0 {
		e := &h.Exposure
		for _, n := range [...]*int{&e.Critical, &e.High, &e.Medium, &e.Low, &e.None, &e.Unknown, &e.Uncertain} {
			*n = int(r.varint())
		}
	}
}

func (r *rowReader) uvarint() uint64 {
	if len(r.s) > 0 && r.s[0] < 0x80 { // nearly always
		n := uint64(r.s[0])
		r.s = r.s[1:]
		return n
	}
	var n uint64
	for i := range min(len(r.s), binary.MaxVarintLen64) {
		c := r.s[i]
		if c < 0x80 {
			if i == binary.MaxVarintLen64-1 && c > 1 {
				break
			}
			r.s = r.s[i+1:]
			return n | uint64(c)<<(7*i)
		}
		n |= uint64(c&0x7F) << (7 * i)
	}
	r.bad, r.s = true, ""
	return 0
}

func (r *rowReader) varint() int64 {
	n := r.uvarint()
	return int64(n>>1) ^ -int64(n&1)
}

func (r *rowReader) time(flag uint32, less model.Time) model.Time {
	if r.flags&flag == 0 {
		return 0
	}
	return less + model.Time(r.varint())
}

// bytes returns the next n bytes, or "" where there are fewer.
func (r *rowReader) bytes(n int) string {
	if n > len(r.s) {
		r.bad, r.s = true, ""
		return ""
	}
	b := r.s[:n]
	r.s = r.s[n:]
	return b
}

func (r *rowReader) str() string {
	n := r.uvarint()
	if n > uint64(len(r.s)) {
		r.bad, r.s = true, ""
		return ""
	}
	return r.bytes(int(n))
}

func (r *rowReader) digest(raw uint32) string {
	if r.flags&raw == 0 {
		return r.str()
	}
	b := r.bytes(32)
	if b == "" {
		return ""
	}
	var from [32]byte
	var text [64]byte
	copy(from[:], b)
	hex.Encode(text[:], from[:])
	return r.made(text[:])
}

// made keeps a text that is not in the row as such.
func (r *rowReader) made(text []byte) string {
	from := r.text.Len()
	r.text.Write(text)
	return r.text.String()[from:]
}

// list reads list i: addresses as bytes where the flag raw is set, else texts.
func (r *rowReader) list(i int, raw uint32) []string {
	n := r.n[i]
	switch {
	case n < 0 || r.bad:
		return nil
	case n == 0:
		return []string{}
	}
	out := r.lists[:n:n]
	r.lists = r.lists[n:]
	for i := range out {
		switch r.flags & raw {
		case v4Raw:
			out[i] = r.v4()
		case v6Raw:
			out[i] = r.v6()
		case macRaw:
			out[i] = r.mac()
		default:
			out[i] = r.str()
		}
		if r.bad {
			return nil
		}
	}
	return out
}

func (r *rowReader) v4() string {
	raw := r.bytes(4)
	if raw == "" {
		return ""
	}
	var text [15]byte
	b := text[:0]
	for i := range 4 {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, uint64(raw[i]), 10)
	}
	return r.made(b)
}

func (r *rowReader) v6() string {
	var a [16]byte
	copy(a[:], r.bytes(16))
	var text [48]byte
	return r.made(netip.AddrFrom16(a).AppendTo(text[:0]))
}

func (r *rowReader) mac() string {
	raw := r.bytes(6)
	if raw == "" {
		return ""
	}
	var text [17]byte
	for i := range 6 {
		if i > 0 {
			text[3*i-1] = ':'
		}
		text[3*i], text[3*i+1] = hexDigits[raw[i]>>4], hexDigits[raw[i]&15]
	}
	return r.made(text[:])
}

const hexDigits = "0123456789abcdef"
