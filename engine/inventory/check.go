package inventory

import (
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of what an agent or a site may say of one host. Texts are in bytes, valid UTF-8, and hold no
// control characters.
const (
	MaxHostname  = 255
	MaxTags      = 64
	MaxTag       = 128
	MaxAddresses = 16 // of each family, and of MACs
	MaxText      = 256
	MaxDigest    = 128 // the name of an inventory or of a list of certificates
	MaxCPUs      = 1 << 20
	MaxMemoryMB  = 1 << 30 // a pebibyte
	MaxCount     = 1 << 24 // packages, certificates, updates, vulnerabilities of one severity
	// MaxAhead is how far a clock may be ahead of the one that judges it before what it says is not kept
	// as said.
	MaxAhead = 24 * time.Hour
)

const op = "check host"

// CheckFacts reports what is out of bounds in what an agent observed. The kind is fault.TooLarge for
// what is too long or too many and fault.Invalid for the rest.
func CheckFacts(f *model.Facts) error {
	if err := texts(MaxHostname, pair{"host name", f.Hostname}, pair{"FQDN", f.FQDN}); err != nil {
		return err
	}
	if err := texts(MaxText, pair{"OS id", f.OS.ID}, pair{"OS name", f.OS.Name}, pair{"OS version", f.OS.Version},
		pair{"OS codename", f.OS.Codename}, pair{"kernel", f.Kernel}, pair{"architecture", f.Arch},
		pair{"agent version", f.AgentVersion}, pair{"owner", f.Owner}, pair{"serial number", f.Serial}); err != nil {
		return err
	}
	if len(f.Tags) > MaxTags {
		return fault.New(fault.TooLarge, op, "%d tags are more than %d", len(f.Tags), MaxTags)
	}
	for _, t := range f.Tags {
		if t == "" {
			return fault.New(fault.Invalid, op, "a tag is empty")
		}
		if err := texts(MaxTag, pair{"tag", t}); err != nil {
			return err
		}
	}
	if err := addresses("IPv4", f.IPv4, netip.Addr.Is4); err != nil {
		return err
	}
	if err := addresses("IPv6", f.IPv6, netip.Addr.Is6); err != nil {
		return err
	}
	if len(f.MAC) > MaxAddresses {
		return fault.New(fault.TooLarge, op, "%d MAC addresses are more than %d", len(f.MAC), MaxAddresses)
	}
	for _, m := range f.MAC {
		if !isMAC(m) {
			return fault.New(fault.Invalid, op, "%q is no MAC address in lower case with colons", fault.Clip(m, 32))
		}
	}
	return numbers(number{"processors", f.CPUs, MaxCPUs}, number{"megabytes of memory", f.MemoryMB, MaxMemoryMB})
}

// Clean checks a whole row that a site sent, at the given time of this server. What is out of bounds
// is an error, as of CheckFacts; so is a status that nobody knows. What a wrong clock said is no error,
// since the row would be lost with it: LastSeen and StatusAt from the future become at, and so does any
// other time of an observation that is more than MaxAhead ahead.
func Clean(h model.Host, at model.Time) (model.Host, error) {
	if err := CheckFacts(&h.Facts); err != nil {
		return h, err
	}
	if h.Status == "" {
		h.Status = model.HostUnknown
	}
	if !knownStatus(h.Status) {
		return h, badStatus(h.Status)
	}
	if err := texts(MaxDigest, pair{"digest of the packages", h.PackagesDigest}, pair{"digest of the certificates", h.CertificatesDigest}); err != nil {
		return h, err
	}
	e := h.Exposure
	if err := numbers(number{"packages", h.PackageN, MaxCount}, number{"certificates", h.CertificateN, MaxCount},
		number{"critical", e.Critical, MaxCount}, number{"high", e.High, MaxCount}, number{"medium", e.Medium, MaxCount},
		number{"low", e.Low, MaxCount}, number{"none", e.None, MaxCount}, number{"unknown", e.Unknown, MaxCount},
		number{"uncertain", e.Uncertain, MaxCount}); err != nil {
		return h, err
	}
	if h.Updates != nil {
		if err := numbers(number{"updates", *h.Updates, MaxCount}); err != nil {
			return h, err
		}
	}
	if c := h.Compliance; c != nil && !(*c >= 0 && *c <= 100) {
		return h, fault.New(fault.Invalid, op, "a compliance of %v %% is not in 0 to 100", *c)
	}
	h.LastSeen, h.StatusAt = min(h.LastSeen, at), min(h.StatusAt, at)
	for _, t := range []*model.Time{&h.FactsAt, &h.FirstSeen, &h.PackagesAt, &h.CertificatesAt, &h.ExposureAt, &h.BootedAt} {
		*t = Capped(*t, at)
	}
	return h, nil
}

// MaxTop is how many vulnerabilities the roll-up of a site names.
const MaxTop = 20

// maxFindings bounds what is counted once for each host and vulnerability of a site.
const maxFindings = 1 << 30

// CleanExposure checks and bounds the roll-up that a site sent, at the given time of this server. What is more than MaxTop
// is left out, as a newer site may name more, and a time ahead becomes at.
func CleanExposure(e model.Exposure, at model.Time) (model.Exposure, error) {
	c := e.Counts
	if err := numbers(number{"advisories", e.AdvisoryN, MaxCount}, number{"affected hosts", e.AffectedHosts, MaxCount}, number{"matched hosts", e.MatchedHosts, MaxCount},
		number{"critical", c.Critical, MaxCount}, number{"high", c.High, MaxCount}, number{"medium", c.Medium, MaxCount},
		number{"low", c.Low, MaxCount}, number{"none", c.None, MaxCount}, number{"unknown", c.Unknown, MaxCount},
		number{"uncertain findings", c.Uncertain, maxFindings}); err != nil {
		return e, err
	}
	e.Top = e.Top[:min(len(e.Top), MaxTop)]
	for _, top := range e.Top {
		if err := texts(MaxText, pair{"vulnerability", top.Vulnerability}); err != nil {
			return e, err
		}
		if err := numbers(number{"hosts of a vulnerability", top.Hosts, MaxCount}); err != nil {
			return e, err
		}
	}
	e.At = min(e.At, at)
	return e, nil
}

// Capped returns t, the time of an observation, or at where t is more than MaxAhead ahead of it.
func Capped(t, at model.Time) model.Time {
	if t > at.Add(MaxAhead) {
		return at
	}
	return t
}

// CheckBeat checks a beat that came by itself, at the given time of this server. A time more than
// MaxAhead ahead is refused: the rows of that site are whole without it, and whoever looks after its
// clock is to see why its statuses stand still. What is ahead by less becomes at.
func CheckBeat(b model.HostBeat, at model.Time) (model.HostBeat, error) {
	if !knownStatus(b.Status) {
		return b, badStatus(b.Status)
	}
	if far := at.Add(MaxAhead); b.StatusAt > far || b.LastSeen > far {
		return b, fault.New(fault.Invalid, op, "it is of %s, and here it is %s; set the clock of whoever judged it",
			max(b.StatusAt, b.LastSeen), at)
	}
	b.StatusAt, b.LastSeen = min(b.StatusAt, at), min(b.LastSeen, at)
	return b, nil
}

func knownStatus(s model.HostStatus) bool {
	return s == model.HostUp || s == model.HostDown || s == model.HostLate || s == model.HostUnknown
}

func badStatus(s model.HostStatus) error {
	return fault.New(fault.Invalid, op, "there is no status %q; upgrade this server if the sender is newer", fault.Clip(string(s), 32))
}

type pair struct{ label, text string }

func texts(limit int, pairs ...pair) error {
	for _, p := range pairs {
		switch {
		case len(p.text) > limit:
			return fault.New(fault.TooLarge, op, "the %s %q has %d bytes; the limit is %d", p.label, fault.Clip(p.text, 32), len(p.text), limit)
		case plain(p.text):
		case !utf8.ValidString(p.text):
			return fault.New(fault.Invalid, op, "the %s is no valid UTF-8", p.label)
		case strings.ContainsFunc(p.text, unicode.IsControl):
			return fault.New(fault.Invalid, op, "the %s %q holds control characters", p.label, fault.Clip(p.text, 32))
		}
	}
	return nil
}

// plain is the quick answer for most texts: printable ASCII.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

type number struct {
	label    string
	n, limit int
}

func numbers(ns ...number) error {
	for _, v := range ns {
		if v.n < 0 || v.n > v.limit {
			return fault.New(fault.Invalid, op, "%d %s is not in 0 to %d", v.n, v.label, v.limit)
		}
	}
	return nil
}

func addresses(family string, list []string, is func(netip.Addr) bool) error {
	if len(list) > MaxAddresses {
		return fault.New(fault.TooLarge, op, "%d %s addresses are more than %d", len(list), family, MaxAddresses)
	}
	for _, text := range list {
		if a, err := netip.ParseAddr(text); err != nil || !is(a) || a.Zone() != "" {
			return fault.New(fault.Invalid, op, "%q is no %s address", fault.Clip(text, 48), family)
		}
	}
	return nil
}

// isMAC accepts pairs of lower-case hexadecimal digits with colons between them: 6 or 8 bytes, or the 20
// of InfiniBand.
func isMAC(s string) bool {
	if n := len(s); n != 6*3-1 && n != 8*3-1 && n != 20*3-1 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i%3 == 2 {
			if c != ':' {
				return false
			}
		} else if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
