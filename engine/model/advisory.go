package model

import (
	"cmp"
	"slices"
	"strings"
)

// Severity is a qualitative rating. The order of the constants is the order of concern; the numbers
// are stable.
type Severity uint8

// The severities, as CVSS v3.1 section 5 names them. SeverityUnknown is "nobody has said", which is
// not the same as harmless.
const (
	SeverityUnknown  Severity = 1
	SeverityNone     Severity = 2
	SeverityLow      Severity = 3
	SeverityMedium   Severity = 4
	SeverityHigh     Severity = 5
	SeverityCritical Severity = 6
)

// String returns the lower-case name; values outside the list are "unknown".
func (s Severity) String() string {
	switch s {
	case SeverityNone:
		return "none"
	case SeverityLow:
		return "low"
	case SeverityMedium:
		return "medium"
	case SeverityHigh:
		return "high"
	case SeverityCritical:
		return "critical"
	}
	return "unknown"
}

// MarshalText returns the form of String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name; any other text is SeverityUnknown.
func (s *Severity) UnmarshalText(b []byte) error { *s = SeverityNamed(string(b)); return nil }

// SeverityNamed returns the severity with that lower-case name, or SeverityUnknown. Words that
// distributions use for the same thing ("moderate", "important", "negligible") are understood.
func SeverityNamed(name string) Severity {
	switch name {
	case "none":
		return SeverityNone
	case "low", "negligible", "minor":
		return SeverityLow
	case "medium", "moderate":
		return SeverityMedium
	case "high", "important":
		return SeverityHigh
	case "critical":
		return SeverityCritical
	}
	return SeverityUnknown
}

// SeverityCounts counts distinct vulnerabilities by severity.
type SeverityCounts struct {
	Critical int `json:"critical"`
	High     int `json:"high"`
	Medium   int `json:"medium"`
	Low      int `json:"low"`
	None     int `json:"none"`
	Unknown  int `json:"unknown"`
	// Uncertain counts findings (not part of the other counts) where a version could not be compared:
	// they may or may not concern the host.
	Uncertain int `json:"uncertain"`
}

// Add counts one vulnerability of severity s.
func (c *SeverityCounts) Add(s Severity) {
	switch s {
	case SeverityCritical:
		c.Critical++
	case SeverityHigh:
		c.High++
	case SeverityMedium:
		c.Medium++
	case SeverityLow:
		c.Low++
	case SeverityNone:
		c.None++
	default:
		c.Unknown++
	}
}

// Total returns the number of vulnerabilities counted, without the uncertain ones.
func (c SeverityCounts) Total() int {
	return c.Critical + c.High + c.Medium + c.Low + c.None + c.Unknown
}

// AdvisoryKey names one record of one source. Identifiers are only unique within a source.
type AdvisoryKey struct {
	Source string `json:"source"` // 1 to 64 of a-z 0-9 . _ -
	ID     string `json:"id"`     // at most 128 bytes
}

// Compare orders keys by source, then id.
func (k AdvisoryKey) Compare(x AdvisoryKey) int {
	return cmp.Or(strings.Compare(k.Source, x.Source), strings.Compare(k.ID, x.ID))
}

// String returns "source/id".
func (k AdvisoryKey) String() string { return k.Source + "/" + k.ID }

// Advisory is what one source says about one vulnerability, reduced to the facts that matching and
// people need. Its origin is the OSV schema 1.7 (ossf.github.io/osv-schema), whose names it keeps.
type Advisory struct {
	AdvisoryKey
	Aliases   []string   `json:"aliases,omitzero"`  // sorted
	Upstream  []string   `json:"upstream,omitzero"` // sorted
	Related   []string   `json:"related,omitzero"`  // sorted
	Published Time       `json:"published,omitzero"`
	Modified  Time       `json:"modified,omitzero"`
	Withdrawn Time       `json:"withdrawn,omitzero"`
	Summary   string     `json:"summary,omitzero"`  // at most 1,024 bytes
	Severity  []Score    `json:"severity,omitzero"` // for all of Affected that have none of their own
	Affected  []Affected `json:"affected,omitzero"`
	CWEs      []string   `json:"cwes,omitzero"` // sorted, as CWE-79
	// Exploit is what the source knows of attacks; nil: it says nothing of them.
	Exploit *Exploit `json:"exploit,omitzero"`
	// Statements say of products whether the vulnerability concerns them (VEX).
	Statements []Statement `json:"statements,omitzero"`
	// Revision is that of the document which the record is a part of, where the source counts them; at most 64 bytes.
	Revision string `json:"revision,omitzero"`
	// Cursor is the place of this record's newest change in the log of this server's group.
	Cursor Cursor `json:"cursor,omitzero"`
	// Origin is whose bundle brought the record as it is; zero: it was ingested here.
	Origin NodeID `json:"origin,omitzero"`
	// Also are further origins that had the record alike when they brought it, at most MaxAlso; the zero id is what was ingested here.
	// What one of them makes of it later contradicts nobody. It is the last member, and no affair of other servers.
	Also []NodeID `json:"also,omitzero"`
}

// MaxAlso bounds Advisory.Also.
const MaxAlso = 16

// HeldBy reports whether the record came from that origin, or from it as well; the zero id: it was ingested here.
func (a *Advisory) HeldBy(origin NodeID) bool {
	return a.Origin == origin || slices.Contains(a.Also, origin)
}

// Exploit is what is known of attacks on a vulnerability: CISA's catalog of known exploited ones (KEV,
// cisa.gov/known-exploited-vulnerabilities-catalog) and the exploit prediction score (EPSS, first.org/epss).
type Exploit struct {
	Known       Time    `json:"known,omitzero"` // when it came into the catalog; zero: it is not in it
	Due         Time    `json:"due,omitzero"`   // by when the catalog wants it mended
	Ransomware  bool    `json:"ransomware,omitzero"`
	Probability float64 `json:"probability,omitzero"` // EPSS, 0 to 1: of an attack within 30 days
	Percentile  float64 `json:"percentile,omitzero"`  // EPSS, 0 to 1
	ScoredAt    Time    `json:"scored_at,omitzero"`   // the day of the score; zero: there is none
}

// Statement is what an author says of some products and the record's vulnerability, as OpenVEX 0.2.0 and the CSAF 2.0
// VEX profile have it.
type Statement struct {
	Products      []string        `json:"products"` // package URLs, sorted; one without a version is of every version
	Status        StatementStatus `json:"status"`
	Justification string          `json:"justification,omitzero"` // the word of OpenVEX, section "Status Justifications"
	Note          string          `json:"note,omitzero"`          // at most 1,024 bytes
	At            Time            `json:"at,omitzero"`
	// Outside says that the source has no authority for the ecosystems of the products: the statement is kept and shown, and
	// closes no finding.
	Outside bool `json:"outside,omitzero"`
}

// StatementStatus is the status of a Statement.
type StatementStatus string

// The statuses, with the names of OpenVEX.
const (
	StatementNotAffected StatementStatus = "not_affected"
	StatementAffected    StatementStatus = "affected"
	StatementFixed       StatementStatus = "fixed"
	StatementUnderReview StatementStatus = "under_investigation"
)

// Score is one severity statement: a CVSS vector, or a source's own word.
type Score struct {
	Type  string `json:"type"`  // CVSS_V2, CVSS_V3, CVSS_V4, Ubuntu, …
	Score string `json:"score"` // the vector, or the word
}

// Affected names a package and the versions of it that are vulnerable.
type Affected struct {
	Ecosystem string   `json:"ecosystem"` // as in the OSV schema: Debian:12, Alpine:v3.17, npm
	Name      string   `json:"name"`
	Ranges    []Range  `json:"ranges,omitzero"`
	Versions  []string `json:"versions,omitzero"` // exact versions, beside the ranges
	Severity  []Score  `json:"severity,omitzero"`
	// Modules are the module streams (NAME:STREAM, sorted) that the entry is about, where the ecosystem has them.
	Modules []string `json:"modules,omitzero"`
	// Outside says that the source has no authority for this ecosystem: the entry is kept and shown, and never matched.
	Outside bool `json:"outside,omitzero"`
}

// Range is a list of events along one version order.
type Range struct {
	Type   string  `json:"type"` // ECOSYSTEM or SEMVER; GIT ranges are dropped on ingest
	Events []Event `json:"events"`
}

// Event is one boundary; exactly one field is set.
type Event struct {
	Introduced   string `json:"introduced,omitzero"` // "0" is before every version
	Fixed        string `json:"fixed,omitzero"`
	LastAffected string `json:"last_affected,omitzero"`
	Limit        string `json:"limit,omitzero"`
}

// Verdict says how sure a finding is.
type Verdict string

// The verdicts. There is no "safe": what is not affected makes no finding.
const (
	VerdictAffected   Verdict = "affected"
	VerdictUnknown    Verdict = "unknown"    // Finding.Reason says why it cannot be told
	VerdictSuppressed Verdict = "suppressed" // a statement (VEX) closes it: it is shown and never counted
)

// Finding is one vulnerability in one installed package.
type Finding struct {
	Vulnerability string      `json:"vulnerability"` // the CVE if the advisory names one, else the advisory's id
	Advisory      AdvisoryKey `json:"advisory"`
	Package       string      `json:"package"`         // as installed
	Source        string      `json:"source,omitzero"` // the source package matched by, where that is how
	Version       string      `json:"version"`         // the version that was compared
	Fixed         string      `json:"fixed,omitzero"`  // the lowest version that is not affected; empty: none known
	Severity      Severity    `json:"severity"`
	Verdict       Verdict     `json:"verdict"`
	Reason        string      `json:"reason,omitzero"` // of a verdict other than affected, for people; at most 300 bytes
	// Apart has the binary packages of a source of which a statement says otherwise, by name. Only what is found of a Lookup has
	// it; see For.
	Apart []Apart `json:"apart,omitzero"`
}

// Apart is what goes for one binary package where a finding is of its source.
type Apart struct {
	Package string  `json:"package"` // as installed
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason,omitzero"`
}

// For returns the finding as it is of one installed package.
func (f Finding) For(pkg string) Finding {
	if len(f.Apart) > 0 {
		if i, ok := slices.BinarySearchFunc(f.Apart, pkg, func(a Apart, name string) int { return strings.Compare(a.Package, name) }); ok {
			f.Verdict, f.Reason = f.Apart[i].Verdict, f.Apart[i].Reason
		}
		f.Apart = nil
	}
	f.Package = pkg
	return f
}

// Exposure is the roll-up of one site: all that goes up about its findings.
type Exposure struct {
	Site          SiteID         `json:"site"`
	At            Time           `json:"at"`
	Generation    uint64         `json:"generation"` // of the advisories it was computed against, at the site
	AdvisoryN     int            `json:"advisory_n"`
	Counts        SeverityCounts `json:"counts"`         // distinct vulnerabilities over the whole site
	AffectedHosts int            `json:"affected_hosts"` // hosts with at least one finding of verdict affected
	MatchedHosts  int            `json:"matched_hosts"`  // hosts whose inventory was compared
	Top           []TopEntry     `json:"top"`            // at most 20: severity, then hosts, then name
}

// TopEntry is one vulnerability and how many hosts of the site it concerns.
type TopEntry struct {
	Vulnerability string   `json:"vulnerability"`
	Severity      Severity `json:"severity"`
	Hosts         int      `json:"hosts"`
}

// IsCVE reports whether id has the form CVE-YYYY-N, N of four digits or more, in whatever case.
func IsCVE(id string) bool {
	if len(id) < 13 || len(id) > 32 || !strings.EqualFold(id[:4], "CVE-") || id[8] != '-' {
		return false
	}
	for i := 4; i < len(id); i++ {
		if i != 8 && (id[i] < '0' || id[i] > '9') {
			return false
		}
	}
	return true
}
