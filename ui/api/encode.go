package api

import (
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// A page of hosts is what this server sends most, and writing it by reflection took longer than
// finding it. The functions here append the very bytes that encoding/json would write for schema.Host,
// which a test holds them to; nothing else has a second way to be written.

// appendHost appends a host as hostRow and encoding/json would.
func appendHost(b []byte, h *model.Host, p *place, reason string) []byte {
	b = append(b, `{"id":"`...)
	b = appendID(b, h.ID)
	b = append(b, '"')
	b = append(b, p.json...)
	b = appendText(append(b, `,"hostname":`...), h.Hostname)
	b = appendSome(b, `,"fqdn":`, h.FQDN)
	b = appendTexts(b, `,"ipv4":`, h.IPv4)
	b = appendTexts(b, `,"ipv6":`, h.IPv6)
	b = appendTexts(b, `,"mac":`, h.MAC)
	b = append(b, `,"os":{`...)
	mark := len(b)
	b = appendSome(b, `,"id":`, h.OS.ID)
	b = appendSome(b, `,"name":`, h.OS.Name)
	b = appendSome(b, `,"version":`, h.OS.Version)
	b = appendSome(b, `,"codename":`, h.OS.Codename)
	b = append(dropComma(b, mark), '}')
	b = appendSome(b, `,"kernel":`, h.Kernel)
	b = appendSome(b, `,"arch":`, h.Arch)
	b = appendTime(b, `,"booted_at":`, h.BootedAt)
	if h.RebootNeeded != nil {
		b = strconv.AppendBool(append(b, `,"reboot_needed":`...), *h.RebootNeeded)
	}
	b = appendSome(b, `,"agent_version":`, h.AgentVersion)
	b = appendTexts(b, `,"tags":`, h.Tags)
	b = appendSome(b, `,"owner":`, h.Owner)
	b = appendCount(b, `,"cpus":`, h.CPUs)
	b = appendCount(b, `,"memory_mb":`, h.MemoryMB)
	b = appendSome(b, `,"serial":`, h.Serial)
	if h.Simulated {
		b = append(b, `,"simulated":true`...)
	}
	b = appendText(append(b, `,"status":`...), string(statusOf(h)))
	b = appendSome(b, `,"status_reason":`, reason)
	b = appendTime(b, `,"last_seen":`, h.LastSeen)
	b = appendTime(b, `,"first_seen":`, h.FirstSeen)
	b = strconv.AppendInt(append(b, `,"package_n":`...), int64(h.PackageN), 10)
	b = strconv.AppendInt(append(b, `,"certificate_n":`...), int64(h.CertificateN), 10)
	b = appendTime(b, `,"next_cert_expiry":`, h.NextCertExpiry)
	b = appendCounts(append(b, `,"exposure":`...), h.Exposure)
	b = appendText(append(b, `,"worst":`...), h.Worst())
	if h.Updates != nil {
		b = strconv.AppendInt(append(b, `,"updates":`...), int64(*h.Updates), 10)
	}
	if c := finite(h.Compliance); c != nil {
		b = appendFloat(append(b, `,"compliance":`...), *c)
	}
	b = append(b, `,"as_of":{`...)
	mark = len(b)
	b = appendTime(b, `,"facts":`, h.FactsAt)
	b = appendTime(b, `,"status":`, h.StatusAt)
	b = appendTime(b, `,"packages":`, h.PackagesAt)
	b = appendTime(b, `,"certificates":`, h.CertificatesAt)
	b = appendTime(b, `,"exposure":`, h.ExposureAt)
	return append(dropComma(b, mark), '}', '}')
}

// placeJSON is what of a host's JSON is the same for each host of a site.
func placeJSON(s model.Site) []byte {
	b := append([]byte(nil), `,"site_id":"`...)
	b = appendID(b, s.ID)
	b = appendText(append(b, `","site":`...), s.Name)
	b = appendSome(b, `,"region":`, s.Region)
	b = appendSome(b, `,"country":`, s.Country)
	b = appendSome(b, `,"city":`, s.City)
	if lat := finite(s.Lat); lat != nil {
		b = appendFloat(append(b, `,"lat":`...), *lat)
	}
	if lng := finite(s.Lng); lng != nil {
		b = appendFloat(append(b, `,"lng":`...), *lng)
	}
	return b
}

// finite is v, or nil for what JSON has no number for.
func finite(v *float64) *float64 {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	return v
}

// appendPage appends what comes after the hosts of a page, all of it small.
func appendPage(b []byte, p *schema.Hosts, facets []byte) []byte {
	b = strconv.AppendInt(append(b, `],"total":`...), int64(p.Total), 10)
	b = appendSome(b, `,"next":`, p.Next)
	b = append(b, `,"as_of":"`...)
	b = p.AsOf.AppendFormat(b, time.RFC3339Nano)
	b = strconv.AppendInt(append(b, `","took_us":`...), p.TookUS, 10)
	b = appendText(append(b, `,"query":`...), p.Query)
	b = appendText(append(b, `,"sort":`...), p.Sort)
	if len(facets) > 0 {
		b = append(append(b, `,"facets":`...), facets...)
	}
	return append(b, '}', '\n')
}

// dropComma removes the comma that the first of optional members has put in front of it.
func dropComma(b []byte, mark int) []byte {
	if len(b) == mark {
		return b
	}
	return append(b[:mark], b[mark+1:]...)
}

func appendID[K any](b []byte, id model.ID[K]) []byte {
	b = hex.AppendEncode(b, id[:4])
	for i := 4; i < 10; i += 2 {
		b = hex.AppendEncode(append(b, '-'), id[i:i+2])
	}
	return hex.AppendEncode(append(b, '-'), id[10:])
}

func appendCount(b []byte, name string, n int) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), int64(n), 10)
}

func appendCounts(b []byte, c model.SeverityCounts) []byte {
	b = strconv.AppendInt(append(b, `{"critical":`...), int64(c.Critical), 10)
	b = strconv.AppendInt(append(b, `,"high":`...), int64(c.High), 10)
	b = strconv.AppendInt(append(b, `,"medium":`...), int64(c.Medium), 10)
	b = strconv.AppendInt(append(b, `,"low":`...), int64(c.Low), 10)
	b = strconv.AppendInt(append(b, `,"none":`...), int64(c.None), 10)
	b = strconv.AppendInt(append(b, `,"unknown":`...), int64(c.Unknown), 10)
	b = strconv.AppendInt(append(b, `,"uncertain":`...), int64(c.Uncertain), 10)
	return append(b, '}')
}

// appendFloat writes a number as ECMAScript does, which is what encoding/json keeps to.
func appendFloat(b []byte, f float64) []byte {
	abs := math.Abs(f)
	if abs == 0 || abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendFloat(b, f, 'e', -1, 64)
	if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' { // e-09 is e-9
		b[n-2] = b[n-1]
		b = b[:n-1]
	}
	return b
}

func appendTime(b []byte, name string, t model.Time) []byte {
	if t == 0 {
		return b
	}
	b = append(append(b, name...), '"')
	return append(appendInstant(b, t), '"')
}

// lastInstant is the end of the year 9999, as of which RFC 3339 has no text.
const lastInstant model.Time = 253_402_300_799_999

// appendInstant writes what time.RFC3339Nano does, of which a page has hundreds: the zeros at the end of a
// fraction are left out, and so is a fraction of nothing.
func appendInstant(b []byte, t model.Time) []byte {
	if t < 0 || t > lastInstant {
		return t.Std().AppendFormat(b, time.RFC3339Nano)
	}
	const dayMS = 24 * 60 * 60 * 1000
	days, ms := int64(t)/dayMS, int(int64(t)%dayMS)
	// The days are counted from 1 March of the year 0, so that the odd day of a leap year is the last of its
	// year (Hinnant, chrono-compatible low-level date algorithms).
	days += 719_468
	era := days / 146_097
	ofEra := int(days - era*146_097)
	year := (ofEra - ofEra/1460 + ofEra/36_524 - ofEra/146_096) / 365
	ofYear := ofEra - (365*year + year/4 - year/100)
	month := (5*ofYear + 2) / 153
	day := ofYear - (153*month+2)/5 + 1
	year += int(era) * 400
	if month += 3; month > 12 {
		month, year = month-12, year+1
	}
	s := ms / 1000
	ms %= 1000
	b = appendPair(appendPair(b, year/100), year%100)
	b = appendPair(append(b, '-'), month)
	b = appendPair(append(b, '-'), day)
	b = appendPair(append(b, 'T'), s/3600)
	b = appendPair(append(b, ':'), s/60%60)
	b = appendPair(append(b, ':'), s%60)
	if ms > 0 {
		b = append(b, '.', byte('0'+ms/100))
		if ms%100 > 0 {
			b = append(b, byte('0'+ms/10%10))
		}
		if ms%10 > 0 {
			b = append(b, byte('0'+ms%10))
		}
	}
	return append(b, 'Z')
}

func appendPair(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

func appendSome(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	return appendText(append(b, name...), s)
}

func appendTexts(b []byte, name string, all []string) []byte {
	if len(all) == 0 {
		return b
	}
	b = append(b, name...)
	sep := byte('[')
	for _, s := range all {
		b = appendText(append(b, sep), s)
		sep = ','
	}
	return append(b, ']')
}

const hexDigits = "0123456789abcdef"

// appendText writes a string as encoding/json does when it does not escape for HTML.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = appendEscaped(append(b, s[from:i]...), c)
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(append(b, s[from:i]...), `\ufffd`...)
			from = i + n
		case r == '\u2028' || r == '\u2029': // line ends in JavaScript
			b = append(append(b, s[from:i]...), `\u202`...)
			b = append(b, hexDigits[r&0xf])
			from = i + n
		}
		i += n
	}
	return append(append(b, s[from:]...), '"')
}

func appendEscaped(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
