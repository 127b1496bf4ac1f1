package query

import (
	"slices"
	"strings"
)

// table is every field, in order of display. docs/search.md is written from it.
var table = []Info{
	{FieldName, "name", []string{"host"}, KindText, true, false, "the host name, or the fully qualified name", "name:web-*"},
	{FieldHostname, "hostname", []string{"host_name", "short_name"}, KindText, true, false, "the host name alone", "hostname:*-db-*"},
	{FieldFQDN, "fqdn", []string{"dns"}, KindText, true, false, "the fully qualified name alone", "fqdn:*.example.org"},
	{FieldIP, "ip", []string{"ipv4", "ipv6", "addr", "address", "net", "network", "cidr", "subnet"}, KindAddress, true, false, "any IPv4 or IPv6 address; sorted by the first IPv4 address", "ip:10.2.0.0/16"},
	{FieldMAC, "mac", []string{"hwaddr", "ether"}, KindMAC, false, false, "any hardware address, whole or its first octets", "mac:52:54:00"},
	{FieldStatus, "status", []string{"state"}, KindStatus, true, true, "whether its agent reports: up, late, down, unknown", "status:down,late"},
	{FieldSeen, "seen", []string{"last_seen", "lastseen", "heard"}, KindAge, true, false, "how long ago it was last heard; sorted by that time, the longest silent first", "seen:>2h"},
	{FieldOS, "os", []string{"system", "distro", "platform"}, KindOS, true, true, "the operating system: its id, its name or a word of the name; with a version after : or a comparison", "os:debian>=12"},
	{FieldKernel, "kernel", nil, KindVersion, true, true, "the kernel release", "kernel:<5.15"},
	{FieldArch, "arch", []string{"architecture", "machine"}, KindWord, true, true, "the architecture, as uname -m says it", "arch:aarch64"},
	{FieldSite, "site", []string{"sites", "site_name", "site_id"}, KindWord, true, true, "the site, by name or id", "site:berlin"},
	{FieldRegion, "region", nil, KindWord, true, true, "the region of the site", "region:eu-*"},
	{FieldCountry, "country", nil, KindWord, true, true, "the country of the site", "country:de"},
	{FieldCity, "city", nil, KindWord, true, true, "the city of the site", `city:"new york"`},
	{FieldTag, "tag", []string{"tags", "label", "labels"}, KindWord, false, true, "any one of its tags", "tag:pci"},
	{FieldOwner, "owner", []string{"owned_by", "contact"}, KindWord, true, true, "who answers for it", "owner:*@example.net"},
	{FieldAgent, "agent", []string{"agent_version"}, KindVersion, true, true, "the version of its agent", "agent:<2.4"},
	{FieldSeverity, "severity", []string{"worst", "sev"}, KindWord, true, true, "its worst vulnerability: critical, high, medium, low, none, unknown; clean: none found; unmatched: nobody looked yet", "severity:>=high"},
	{FieldCVE, "cve", []string{"cves", "vuln", "vulns", "vulnerabilities", "findings"}, KindNumber, true, false, "how many vulnerabilities it has, of all severities or of one", "cve:critical>0"},
	{FieldUpdates, "updates", []string{"patches", "pending", "updates_pending"}, KindNumber, true, false, "how many packages have an update that fixes a vulnerability", "updates:5..10"},
	{FieldReboot, "reboot", []string{"reboot_required", "reboot_needed", "needs_reboot"}, KindBool, true, true, "whether it must be rebooted: yes, no, unknown", "reboot:yes"},
	{FieldCompliance, "compliance", []string{"compliance_pct"}, KindNumber, true, false, "how much of its policies it meets, in percent", "compliance:<80"},
	{FieldCertificate, "cert", []string{"certs", "certificate", "certificates", "cert_expiry"}, KindUntil, true, false, "time until its next certificate expires; those that have expired count as less than any", "cert:<30d"},
	{FieldPackages, "packages", []string{"pkgs", "package_count"}, KindNumber, true, false, "how many packages are installed", "packages:>2000"},
	{FieldUptime, "uptime", []string{"boot"}, KindAge, true, false, "how long ago it booted; sorted by that time, the longest running first", "uptime:>90d"},
	{FieldCPUs, "cpus", []string{"cpu", "cores", "cpu_count"}, KindNumber, true, false, "logical processors", "cpus:>=64"},
	{FieldMemory, "memory", []string{"mem", "ram", "memory_mb"}, KindNumber, true, false, "memory, in MiB or with a unit: m, g, t", "memory:>=16g"},
	{FieldSerial, "serial", []string{"sn", "serial_number"}, KindText, true, false, "the serial number of the machine", "serial:vmw*"},
	{FieldFirstSeen, "first_seen", []string{"firstseen", "created", "added"}, KindAge, true, false, "how long ago its site first heard of it", "first_seen:<7d"},
	{FieldSimulated, "simulated", []string{"sim"}, KindBool, true, true, "whether it is a simulated host", "simulated:no"},
	{FieldID, "id", []string{"host_id", "uuid"}, KindID, true, false, "the id of the host, whole", "id:0190d5c2-7a1e-7c3f-9b0a-2f1d3c4b5a69"},
}

// Fields returns the table of fields, in order of display. FieldAny is not part of it: it has no name.
func Fields() []Info {
	out := slices.Clone(table)
	for i := range out {
		out[i].Aliases = slices.Clone(out[i].Aliases)
	}
	return out
}

// FieldNamed returns the field of that name or alias, in any case; - and _ are the same.
func FieldNamed(name string) (Field, bool) {
	name = strings.ReplaceAll(Fold(name), "-", "_")
	for i := range table {
		if table[i].Name == name || slices.Contains(table[i].Aliases, name) {
			return table[i].Field, true
		}
	}
	return 0, false
}

// info returns the entry of f, or nil.
func (f Field) info() *Info {
	for i := range table {
		if table[i].Field == f {
			return &table[i]
		}
	}
	return nil
}

// Info returns the entry of f in the table; FieldAny and what is no field have an empty one.
func (f Field) Info() Info {
	if i := f.info(); i != nil {
		return *i
	}
	return Info{Field: f}
}

// String returns the name that f is written by, and "" for FieldAny and what is no field.
func (f Field) String() string { return f.Info().Name }
