package schema

import (
	"strings"
	"time"
)

// Column is one value of a host, as tables and exports show it.
type Column struct {
	Name  string // that of the field that searches for it, where there is one
	Title string // above a column of a table
	// Value returns what stands there: a string, []string, int, bool, float64 or time.Time, or nil where it
	// is not known.
	Value func(*Host) any
}

// Columns returns every column, in the order of an export that names none.
func Columns() []Column { return columns }

// ColumnNames lists the names of all columns in one line.
func ColumnNames() string { return strings.Join(columnNames(), ", ") }

func columnNames() []string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return names
}

// ColumnHint ends the sentence that there is no column of that name: with those that may have been meant, or with all
// there are. nearest picks out of some names those that are like one.
func ColumnHint(name string, nearest func(name string, of []string) []string) string {
	if near := nearest(name, columnNames()); len(near) > 0 {
		return "did you mean " + strings.Join(near, " or ") + "?"
	}
	return "there are " + ColumnNames()
}

var columns = []Column{
	{"id", "ID", func(h *Host) any { return h.ID }},
	{"name", "HOST", func(h *Host) any { return h.Hostname }},
	{"fqdn", "FQDN", func(h *Host) any { return h.FQDN }},
	{"site", "SITE", func(h *Host) any { return h.Site }},
	{"site_id", "SITE ID", func(h *Host) any { return h.SiteID }},
	{"region", "REGION", func(h *Host) any { return h.Region }},
	{"country", "COUNTRY", func(h *Host) any { return h.Country }},
	{"city", "CITY", func(h *Host) any { return h.City }},
	{"lat", "LAT", func(h *Host) any { return known(h.Lat) }},
	{"lng", "LNG", func(h *Host) any { return known(h.Lng) }},
	{"status", "STATUS", func(h *Host) any { return h.Status }},
	{"reason", "REASON", func(h *Host) any { return h.StatusReason }},
	{"seen", "LAST SEEN", func(h *Host) any { return known(h.LastSeen) }},
	{"first_seen", "FIRST SEEN", func(h *Host) any { return known(h.FirstSeen) }},
	{"os", "SYSTEM", func(h *Host) any { return strings.TrimSpace(h.OS.ID + " " + h.OS.Version) }},
	{"os_name", "SYSTEM NAME", func(h *Host) any { return h.OS.Name }},
	{"kernel", "KERNEL", func(h *Host) any { return h.Kernel }},
	{"arch", "ARCH", func(h *Host) any { return h.Arch }},
	{"ip", "ADDRESS", func(h *Host) any { return firstOf(h.IPv4, h.IPv6) }},
	{"ipv4", "IPV4", func(h *Host) any { return h.IPv4 }},
	{"ipv6", "IPV6", func(h *Host) any { return h.IPv6 }},
	{"mac", "MAC", func(h *Host) any { return h.MAC }},
	{"tag", "TAGS", func(h *Host) any { return h.Tags }},
	{"owner", "OWNER", func(h *Host) any { return h.Owner }},
	{"agent", "AGENT", func(h *Host) any { return h.AgentVersion }},
	{"cpus", "CPUS", func(h *Host) any { return some(h.CPUs) }},
	{"memory", "MEMORY MB", func(h *Host) any { return some(h.MemoryMB) }},
	{"serial", "SERIAL", func(h *Host) any { return h.Serial }},
	{"uptime", "UP SINCE", func(h *Host) any { return known(h.BootedAt) }},
	{"reboot", "REBOOT", func(h *Host) any { return known(h.RebootNeeded) }},
	{"severity", "WORST", func(h *Host) any { return h.Worst }},
	{"cve", "VULNERABILITIES", func(h *Host) any {
		c := h.Exposure
		return matched(h, c.Critical+c.High+c.Medium+c.Low+c.None+c.Unknown)
	}},
	{"critical", "CRITICAL", func(h *Host) any { return matched(h, h.Exposure.Critical) }},
	{"high", "HIGH", func(h *Host) any { return matched(h, h.Exposure.High) }},
	{"medium", "MEDIUM", func(h *Host) any { return matched(h, h.Exposure.Medium) }},
	{"low", "LOW", func(h *Host) any { return matched(h, h.Exposure.Low) }},
	{"updates", "UPDATES", func(h *Host) any { return known(h.Updates) }},
	{"compliance", "COMPLIANCE %", func(h *Host) any { return known(h.Compliance) }},
	{"packages", "PACKAGES", func(h *Host) any { return h.PackageN }},
	{"certificates", "CERTIFICATES", func(h *Host) any { return h.CertificateN }},
	{"cert", "NEXT CERT EXPIRY", func(h *Host) any { return known(h.NextCertExpiry) }},
	{"simulated", "SIMULATED", func(h *Host) any { return h.Simulated }},
	{"facts_at", "FACTS AS OF", func(h *Host) any { return known(h.AsOf.Facts) }},
	{"status_at", "STATUS AS OF", func(h *Host) any { return known(h.AsOf.Status) }},
	{"packages_at", "PACKAGES AS OF", func(h *Host) any { return known(h.AsOf.Packages) }},
	{"certificates_at", "CERTIFICATES AS OF", func(h *Host) any { return known(h.AsOf.Certificates) }},
	{"exposure_at", "EXPOSURE AS OF", func(h *Host) any { return known(h.AsOf.Exposure) }},
}

func known[T string | int | bool | float64 | time.Time](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}

func some(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

// matched is a count of vulnerabilities; where nobody has looked it is not known to be none.
func matched(h *Host, n int) any {
	if h.AsOf.Exposure == nil {
		return nil
	}
	return n
}

func firstOf(lists ...[]string) any {
	for _, l := range lists {
		if len(l) > 0 {
			return l[0]
		}
	}
	return ""
}
