package compact

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

// ReadHost reads what AppendHost wrote of the host id; it has no beat yet. It fails with fault.Version for a
// layout of a newer program, and with fault.Corrupt for what is no host.
//
// All texts of the host are parts of one string, which holds a copy of v and, behind it, what v holds
// in fewer bytes than its text has: a host that is kept keeps all of it.
func ReadHost(v []byte, id model.HostID, h *model.Host) error {
	if len(v) > 1 && v[0] == FormHost && v[1] > hostLayout {
		return fault.New(fault.Version, "", "the row has layout %d and this program reads up to %d; start the version of Skerry that wrote it, or a newer one", v[1], hostLayout)
	}
	if len(v) < hostHead+4 || v[0] != FormHost || v[1] != hostLayout || len(v) > MaxHost {
		return badHost
	}
	r := hostReader{flags: binary.BigEndian.Uint32(v[2:])}
	if r.flags&^uint32(knownFlags) != 0 {
		return badHost
	}
	r.reserve(v)
	*h = model.Host{ID: id}
	copy(h.Site[:], v[6:])
	r.host(h)
	if !r.OK() {
		*h = model.Host{}
		return badHost
	}
	return nil
}

var badHost = fault.New(fault.Corrupt, "", "the value is no row of a host")

// hostReader reads the parts of a host one after the other.
type hostReader struct {
	Reader
	flags uint32
	text  strings.Builder // the row, and behind it the texts made from its bytes
	n     [4]int          // lengths of the lists, -1 for none
	lists []string        // room for all of them
}

// reserve copies v, with room for the texts that its bytes become, and reads up to the lists.
func (r *hostReader) reserve(v []byte) {
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
		{packagesRaw, 64},
		{certificatesRaw, 64},
		{v4Raw, 15 * max(r.n[0], 0)},
		{v6Raw, 39 * max(r.n[1], 0)},
		{macRaw, 17 * max(r.n[2], 0)},
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

func (r *hostReader) host(h *model.Host) {
	if r.bad {
		return
	}
	h.Agent = model.NodeID(h.ID)
	if r.flags&hasAgent != 0 {
		copy(h.Agent[:], r.Bytes(len(h.Agent)))
	}
	h.FactsAt = r.time(hasFactsAt, 0)
	h.BootedAt = r.time(hasBootedAt, h.FactsAt)
	h.FirstSeen = r.time(hasFirstSeen, h.FactsAt)
	h.PackagesAt = r.time(hasPackagesAt, h.FactsAt)
	h.CertificatesAt = r.time(hasCertificatesAt, h.FactsAt)
	h.NextCertExpiry = r.time(hasNextCertExpiry, h.FactsAt)
	h.ExposureAt = r.time(hasExposureAt, h.FactsAt)
	h.PackageN = int(r.Varint())
	h.CertificateN = int(r.Varint())
	h.CPUs = int(r.Varint())
	h.MemoryMB = int(r.Varint())
	r.optional(h)
	r.names(h)
	h.OS.ID, h.OS.Name, h.OS.Version, h.OS.Codename = r.Text(), r.Text(), r.Text(), r.Text()
	h.Kernel, h.Arch, h.AgentVersion, h.Owner, h.Serial = r.Text(), r.Text(), r.Text(), r.Text(), r.Text()
	h.PackagesDigest = r.digest(packagesRaw)
	h.CertificatesDigest = r.digest(certificatesRaw)
	h.IPv4 = r.list(0, v4Raw)
	h.IPv6 = r.list(1, v6Raw)
	h.MAC = r.list(2, macRaw)
	h.Tags = r.list(3, 0)
}

// names reads the host name and the FQDN, which overlap where one begins with the other.
func (r *hostReader) names(h *model.Host) {
	n, m := r.Uvarint(), r.Uvarint()
	if n > uint64(len(r.s)) || m > uint64(len(r.s))-n {
		r.bad, r.s = true, ""
		return
	}
	both := r.Bytes(int(n + m))
	h.Hostname, h.FQDN = both[:n], both[n:]
	if r.flags&fqdnExtendsName != 0 {
		h.FQDN = both
	}
}

func (r *hostReader) optional(h *model.Host) {
	h.Simulated = r.flags&simulated != 0
	if r.flags&(hasReboot|hasUpdates|hasCompliance) != 0 {
		o := new(optional)
		if r.flags&hasReboot != 0 {
			o.reboot = r.flags&rebootNeeded != 0
			h.RebootNeeded = &o.reboot
		}
		if r.flags&hasUpdates != 0 {
			o.updates = int(r.Varint())
			h.Updates = &o.updates
		}
		switch {
		case r.flags&hasCompliance == 0:
		case r.flags&complianceRaw != 0:
			if b := r.Bytes(8); b != "" {
				o.compliance = math.Float64frombits(binary.BigEndian.Uint64([]byte(b)))
			}
			h.Compliance = &o.compliance
		default:
			o.compliance = float64(r.Uvarint()) / 10
			h.Compliance = &o.compliance
		}
	}
	if r.flags&hasExposure != 0 {
		e := &h.Exposure
		for _, n := range [...]*int{&e.Critical, &e.High, &e.Medium, &e.Low, &e.None, &e.Unknown, &e.Uncertain} {
			*n = int(r.Varint())
		}
	}
}

func (r *hostReader) time(flag uint32, less model.Time) model.Time {
	if r.flags&flag == 0 {
		return 0
	}
	return less + model.Time(r.Varint())
}

func (r *hostReader) digest(raw uint32) string {
	if r.flags&raw == 0 {
		return r.Text()
	}
	b := r.Bytes(32)
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
func (r *hostReader) made(text []byte) string {
	from := r.text.Len()
	r.text.Write(text)
	return r.text.String()[from:]
}

// list reads list i: addresses as bytes where the flag raw is set, else texts.
func (r *hostReader) list(i int, raw uint32) []string {
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
			out[i] = r.Text()
		}
		if r.bad {
			return nil
		}
	}
	return out
}

func (r *hostReader) v4() string {
	raw := r.Bytes(4)
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

func (r *hostReader) v6() string {
	var a [16]byte
	copy(a[:], r.Bytes(16))
	var text [48]byte
	return r.made(netip.AddrFrom16(a).AppendTo(text[:0]))
}

func (r *hostReader) mac() string {
	raw := r.Bytes(6)
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
