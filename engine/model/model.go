// Package model holds the nouns of Skerry: identifiers, sites, hosts, advisories, commands, and
// Change, the closed set of everything that can happen to them.
//
// It owns the shape of the data and nothing else: no I/O, no clock, no randomness. The JSON form of
// these types is what the Raft log, the link and bundles carry, so a field is added, never renamed,
// and a list of changes to it stands in DESIGN.md of the package that carries it.
package model

import "slices"

// Role is what one server is. A server has exactly one.
type Role string

// The roles.
const (
	RoleController Role = "controller"
	RoleSite       Role = "site"
)

// MemberKind says what sort of lower-tier party a Member is.
type MemberKind string

// The member kinds. A gateway is an agent that reports on behalf of many hosts (a simulator, a
// collector for devices that cannot run an agent); it owns exactly the hosts that it reported first.
const (
	MemberSite    MemberKind = "site"    // at a controller
	MemberHost    MemberKind = "host"    // at a site: one agent, one host, the same id
	MemberGateway MemberKind = "gateway" // at a site: one agent, many hosts
	// MemberController is one node of a controller group; its id is its name within the group for ever.
	MemberController MemberKind = "controller"
)

// MemberStatus is the lifecycle of a member. It says nothing about whether its link is up.
type MemberStatus string

// The member statuses.
const (
	MemberPending     MemberStatus = "pending"     // invited; its token is not used yet
	MemberEnrolled    MemberStatus = "enrolled"    // its key is pinned
	MemberSuspended   MemberStatus = "suspended"   // known, but not let in
	MemberQuarantined MemberStatus = "quarantined" // two machines presented its key
	MemberRemoved     MemberStatus = "removed"     // kept for the record only
)

// Member is one lower-tier party in the registry of the tier above it: a site at the controller, an
// agent at its site; or one node of the controller group, in the group's own registry. The registry pins the member's key; whatever the member sends is taken to come
// from it because of that key and never because of what it says.
type Member struct {
	ID         NodeID       `json:"id"`
	Kind       MemberKind   `json:"kind"`
	Name       string       `json:"name"` // a label; unique among members that are not removed
	Status     MemberStatus `json:"status"`
	InvitedAt  Time         `json:"invited_at,omitzero"`
	EnrolledAt Time         `json:"enrolled_at,omitzero"`
	// TokenHash is the hex SHA-256 of the one-time token's secret; empty once it was used.
	TokenHash    string `json:"token_hash,omitzero"`
	TokenExpires Time   `json:"token_expires,omitzero"`
	// Pin is the hex SHA-256 of the member's public key (SubjectPublicKeyInfo, DER).
	Pin   string `json:"pin,omitzero"`
	Epoch Epoch  `json:"epoch"` // 1 at first enrollment; each new key of an agent begins the next
	// Void are pins that were taken from this member, the newest last; nobody is let in with one. At most MaxVoid.
	Void []string `json:"void,omitzero"`
	// Reason is why it is suspended, quarantined or removed, and StatusAt since when.
	Reason   string `json:"reason,omitzero"`
	StatusAt Time   `json:"status_at,omitzero"`
	// Machine is what the machine of an agent said of itself when it first came, to tell it from a copy of it.
	Machine string `json:"machine,omitzero"`
	// Clones are other machines that came with its key, and are refused. At most MaxClones.
	Clones []Clone `json:"clones,omitzero"`
	// Software is what an agent said that it runs, and Can what it can do; nil: it did not say.
	Software string     `json:"software,omitzero"`
	Can      *Abilities `json:"can,omitzero"`
	// Ahead is set where the member held directives that this server never numbered, see Overtaken.
	Ahead Position `json:"ahead,omitzero"`
	// Address is HOST:PORT where the other nodes reach this one; for MemberController only. At most 260 bytes.
	Address string `json:"address,omitzero"`
}

// Site is what an operator says about a site. Its lifecycle stands in the Member of the same id.
type Site struct {
	ID       SiteID   `json:"id"`
	Name     string   `json:"name"`
	Location string   `json:"location,omitzero"`
	Region   string   `json:"region,omitzero"`  // the operator's own word, as in eu-west
	Country  string   `json:"country,omitzero"` // ISO 3166-1 alpha-2, as in DE, where the operator keeps to it
	City     string   `json:"city,omitzero"`
	Lat      *float64 `json:"lat,omitzero"` // degrees, -90 to 90
	Lng      *float64 `json:"lng,omitzero"` // degrees, -180 to 180
}

// SiteCounts is the aggregate row of one site, kept by increments in the batch that changes a host. The
// row of the zero SiteID is the sum over all sites.
type SiteCounts struct {
	Site     SiteID           `json:"site"`
	Hosts    int64            `json:"hosts"`
	ByStatus map[string]int64 `json:"by_status"`         // HostStatus -> hosts; no zeros
	ByWorst  map[string]int64 `json:"by_worst,omitzero"` // Host.Worst -> hosts; no zeros
	// Exposure is the sum of the hosts' counts: pairs of a host and a vulnerability.
	Exposure SeverityCounts `json:"exposure,omitzero"`
	Reboot   int64          `json:"reboot,omitzero"`  // hosts that need a reboot
	Updates  int64          `json:"updates,omitzero"` // sum of the hosts' pending updates
	// Compliance is the sum over the ComplianceN hosts that have one, in tenths of a percent, so that it is exact.
	Compliance  int64 `json:"compliance,omitzero"`
	ComplianceN int64 `json:"compliance_n,omitzero"`
	LastItem    Time  `json:"last_item,omitzero"` // when the newest item of the site was applied here
	// JudgedAt is when the site last judged all of its hosts: each row's status holds as of then, though
	// the row did not change.
	JudgedAt Time `json:"judged_at,omitzero"`
}

// HostStatus is whether a host's agent reports, as its site judges.
type HostStatus string

// The host statuses. Unknown is what nobody has judged yet, or can judge now; it is never healthy.
const (
	HostUnknown HostStatus = "unknown"
	HostUp      HostStatus = "up"
	HostLate    HostStatus = "late" // a report is missing, but not yet three
	HostDown    HostStatus = "down" // no report for three intervals
)

// OS names an operating system in the terms of os-release(5).
type OS struct {
	ID       string `json:"id,omitzero"`       // debian, alpine, almalinux
	Name     string `json:"name,omitzero"`     // Debian GNU/Linux 12 (bookworm)
	Version  string `json:"version,omitzero"`  // VERSION_ID: 12, 3.17.2, 9.4; may be empty (rolling)
	Codename string `json:"codename,omitzero"` // bookworm
}

// Facts is what an agent observes of its host, cheap enough to send whole.
type Facts struct {
	Hostname     string   `json:"hostname"`
	FQDN         string   `json:"fqdn,omitzero"`
	IPv4         []string `json:"ipv4,omitzero"` // global unicast and private, sorted; at most 16
	IPv6         []string `json:"ipv6,omitzero"` // without link-local, sorted; at most 16
	MAC          []string `json:"mac,omitzero"`  // lower-case, colons, sorted; at most 16
	OS           OS       `json:"os"`
	Kernel       string   `json:"kernel,omitzero"`
	Arch         string   `json:"arch,omitzero"`          // as uname -m: x86_64, aarch64
	BootedAt     Time     `json:"booted_at,omitzero"`     // uptime is now minus this; to the second
	RebootNeeded *bool    `json:"reboot_needed,omitzero"` // nil: this system does not tell
	AgentVersion string   `json:"agent_version,omitzero"`
	Tags         []string `json:"tags,omitzero"`  // from the agent's configuration, sorted
	Owner        string   `json:"owner,omitzero"` // who answers for this host: a person or a team, from the agent's configuration; at most 256 bytes
	CPUs         int      `json:"cpus,omitzero"`  // logical processors
	MemoryMB     int      `json:"memory_mb,omitzero"`
	Serial       string   `json:"serial,omitzero"` // of the machine, as its firmware says
	Simulated    bool     `json:"simulated,omitzero"`
}

// FactsReport is what an agent sends as facts. A site that does not know of looks skips them.
type FactsReport struct {
	Facts
	Looked Looks `json:"looked,omitzero"`
}

// Looks says of what an agent sends only when it changed when it was last looked at.
type Looks struct {
	Packages     Look `json:"packages,omitzero"`
	Certificates Look `json:"certificates,omitzero"`
}

// Look is when a report was sent last, as of which it is, and when the same was found for the last time.
type Look struct {
	Sent Time `json:"sent"`
	Same Time `json:"same"`
}

// Host is the directory row of one host: what operators filter on, about 1 KB. Everything larger is
// in the detail tier of its site. Each group of values carries the time it was observed.
type Host struct {
	ID    HostID `json:"id"`
	Site  SiteID `json:"site"`
	Agent NodeID `json:"agent"` // who reports it: NodeID(ID), or a gateway
	Facts
	FactsAt   Time `json:"facts_at,omitzero"`
	FirstSeen Time `json:"first_seen,omitzero"` // when its site first heard of it

	Status   HostStatus `json:"status"`
	StatusAt Time       `json:"status_at,omitzero"` // when Status was last judged
	LastSeen Time       `json:"last_seen,omitzero"`

	PackageN       int    `json:"package_n"`
	PackagesDigest string `json:"packages_digest,omitzero"` // names the inventory in the detail tier
	PackagesAt     Time   `json:"packages_at,omitzero"`

	CertificateN       int    `json:"certificate_n"`
	CertificatesDigest string `json:"certificates_digest,omitzero"`
	NextCertExpiry     Time   `json:"next_cert_expiry,omitzero"`
	CertificatesAt     Time   `json:"certificates_at,omitzero"`

	Exposure   SeverityCounts `json:"exposure,omitzero"` // distinct vulnerabilities of this host
	ExposureAt Time           `json:"exposure_at,omitzero"`
	// Updates is how many installed packages have a version that fixes a vulnerability of this host; nil:
	// nobody has matched them yet.
	Updates *int `json:"updates,omitzero"`
	// Compliance is the part of the policies that apply which the host meets, in percent, 0 to 100, with one
	// decimal; nil: no policy applies.
	Compliance *float64 `json:"compliance,omitzero"`
}

// HostBeat is the part of a host's row that changes while nothing happens to it: a row of its own in the
// store, and all of what rises when only that changed.
type HostBeat struct {
	Status   HostStatus `json:"status"`
	StatusAt Time       `json:"status_at,omitzero"`
	LastSeen Time       `json:"last_seen,omitzero"`
}

// Beat returns the host's beat.
func (h Host) Beat() HostBeat { return HostBeat{h.Status, h.StatusAt, h.LastSeen} }

// SetBeat puts b in the place of the host's beat.
func (h *Host) SetBeat(b HostBeat) {
	h.Status, h.StatusAt, h.LastSeen = b.Status, b.StatusAt, b.LastSeen
}

// The values of Host.Worst that are no name of a severity.
const (
	WorstClean     = "clean"     // matched, and nothing was found
	WorstUnmatched = "unmatched" // nobody has matched this host yet: not known to be clean
)

// Worst returns the name of the highest severity that the host has a vulnerability of (critical, high,
// medium, low, none, unknown), or WorstClean or WorstUnmatched.
func (h Host) Worst() string {
	if h.ExposureAt == 0 {
		return WorstUnmatched
	}
	c := h.Exposure
	for _, s := range [...]struct {
		n    int
		name string
	}{{c.Critical, "critical"}, {c.High, "high"}, {c.Medium, "medium"}, {c.Low, "low"}, {c.None, "none"}, {c.Unknown + c.Uncertain, "unknown"}} {
		if s.n > 0 {
			return s.name
		}
	}
	return WorstClean
}

// Package is one installed package. Source and SourceVersion are set where the ecosystem publishes
// advisories by source package (dpkg, apk).
type Package struct {
	Manager       string `json:"manager"` // dpkg, apk, rpm
	Name          string `json:"name"`
	Version       string `json:"version"` // full, with epoch and release
	Arch          string `json:"arch,omitzero"`
	Source        string `json:"source,omitzero"`
	SourceVersion string `json:"source_version,omitzero"`
	// Ecosystem is the OSV ecosystem with its release, as in Debian:12; empty: derived from the host's OS.
	Ecosystem string `json:"ecosystem,omitzero"`
	// Module is the module stream that it was built for, as NAME:STREAM, where its ecosystem has them and says so.
	Module string `json:"module,omitzero"`
}

// Inventory is the software of one host. It is stored once for all hosts that have the very same.
type Inventory struct {
	OS       OS        `json:"os"`       // part of the digest: the same packages on another release match other advisories
	Packages []Package `json:"packages"` // sorted by manager, name, version, arch
}

// Certificate is one X.509 certificate found on a host. Private keys are never read.
type Certificate struct {
	Path        string   `json:"path"`
	Subject     string   `json:"subject"`
	Issuer      string   `json:"issuer"`
	Serial      string   `json:"serial"`         // hexadecimal
	Names       []string `json:"names,omitzero"` // DNS names and addresses
	NotBefore   Time     `json:"not_before"`
	NotAfter    Time     `json:"not_after"`
	Fingerprint string   `json:"fingerprint"` // hex SHA-256 of the DER form
	SelfSigned  bool     `json:"self_signed,omitzero"`
	CA          bool     `json:"ca,omitzero"`
	// IssuedBy is the fingerprint of the certificate that issued this one, where the host has it: in the same
	// file before another. Names and key ids decide; no signature is computed. Empty: it is not on the host, or
	// this one issued itself.
	IssuedBy string `json:"issued_by,omitzero"`
}

// Account is one person (or program) that may log in.
type Account struct {
	Name         string `json:"name"`          // 1 to 64 of a-z 0-9 . _ -
	PasswordHash string `json:"password_hash"` // argon2id in PHC form
	CreatedAt    Time   `json:"created_at"`
	Disabled     bool   `json:"disabled,omitzero"`
}

// Session is one login.
type Session struct {
	ID        SessionID `json:"id"`
	Account   string    `json:"account"`
	CreatedAt Time      `json:"created_at"`
	ExpiresAt Time      `json:"expires_at"`
}

// SignerKey is a public key that bundles may be signed with.
type SignerKey struct {
	ID      string `json:"id"`     // "sha256:" and the hex SHA-256 of the public key (SubjectPublicKeyInfo, DER)
	Name    string `json:"name"`   // a label
	Public  string `json:"public"` // PEM, ECDSA P-256
	AddedAt Time   `json:"added_at"`
	Revoked bool   `json:"revoked,omitzero"`
	// Purposes are what it may sign, of PurposeFederation and PurposeAcceptance, sorted; empty: PurposeFederation.
	Purposes []string `json:"purposes,omitzero"`
	// RetiresAt is from when its signatures are not taken any more, because another key takes its place; zero: never.
	RetiresAt Time `json:"retires_at,omitzero"`
	// Successor is the id of the key that takes its place; empty: none.
	Successor string `json:"successor,omitzero"`
	// Own says that this server made it or, at a site, that its controller did. Such a key alone signs what changed there.
	Own bool `json:"own,omitzero"`
	// Origin is whose bundles alone a key of others may sign: that of the first one that it came with. Zero: none came yet.
	Origin NodeID `json:"origin,omitzero"`
}

// SameOwner reports whether whoever has one of two keys has the other as well.
func (k SignerKey) SameOwner(x SignerKey) bool {
	return k.ID == x.ID || k.Own && x.Own || !k.Own && !x.Own && k.Origin == x.Origin && !k.Origin.IsZero()
}

// AcceptsRisks reports whether an acceptance may be signed with it: a key made for that, or any that is our own.
func (k SignerKey) AcceptsRisks() bool {
	return k.Own || slices.Contains(k.Purposes, PurposeAcceptance)
}

// What a SignerKey may sign.
const (
	PurposeFederation = "federation" // bundles
	PurposeAcceptance = "acceptance" // acceptances of risks
)

// AuditEntry is one line of the record nobody can rewrite: each entry holds the hash of the one
// before it.
type AuditEntry struct {
	Seq    Seq               `json:"seq"`
	At     Time              `json:"at"`
	Actor  string            `json:"actor"`  // account:NAME, local:UID, site:ID, agent:ID, system
	Action string            `json:"action"` // noun.verb, as in site.enroll
	Object string            `json:"object,omitzero"`
	OK     bool              `json:"ok"` // false: it was refused
	Reason string            `json:"reason,omitzero"`
	Detail map[string]string `json:"detail,omitzero"` // encoded with sorted keys
	Prev   string            `json:"prev"`            // hex SHA-256 of the previous entry's JSON; empty in the first
}
