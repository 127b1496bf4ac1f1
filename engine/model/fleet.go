package model

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// The routes of what is asked of a whole site.
const (
	// RouteCertificatesExpiring asks a site for ExpiringCertificates, RoutePackagesWhere for PackagesWhere: a page of
	// the rows that a FleetQuestion chooses.
	RouteCertificatesExpiring = "certificates.expiring"
	RoutePackagesWhere        = "packages.where"
	// RouteSiteAudit asks for an AuditPage; ParamBefore and ParamLimit.
	RouteSiteAudit = "site.audit"
	// RouteSiteEvidence asks for the Evidence of the audit entry ParamSeq.
	RouteSiteEvidence = "site.evidence"

	ParamBefore = "before"
	ParamSeq    = "seq"
	// ParamActor is who asks at the upper tier, as its audit record names them. It may stand in every question and is
	// written down; nothing is decided by it.
	ParamActor = "actor"
)

// The bounds of one answer, in bytes of JSON.
const (
	maxWhole = 64 << 20 // of everything that is held of a host, and of what goes by the number of hosts
	maxPage  = 8 << 20
)

// MaxAnswer bounds the JSON of the answer on a route, in bytes. Both ends hold to it.
func MaxAnswer(route string) int {
	switch route {
	case RouteHostPackages, RouteHostCertificates, RouteHostFacts, RouteHostOutput,
		RouteCertificatesExpiring, RoutePackagesWhere, RouteSiteAudit, RouteSiteEvidence:
		return maxPage
	}
	return maxWhole
}

// maxRoute bounds the name of a route, in bytes.
const maxRoute = 64

// CheckRoute says whether a text can name a route at all: words of small letters, digits, and _ with single dots
// between them. A route is looked up in a table and never becomes part of a path or an address; a text that could be one
// was not meant as a route.
func CheckRoute(route string) error {
	if len(route) == 0 || len(route) > maxRoute {
		return fmt.Errorf("a route has 1 to %d bytes; this one has %d", maxRoute, len(route))
	}
	for word := range strings.SplitSeq(route, ".") {
		if word == "" {
			return fmt.Errorf("%q is no route", route)
		}
		for i := range len(word) {
			if c := word[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
				return fmt.Errorf("%q is no route", route)
			}
		}
	}
	return nil
}

// FleetQuestion chooses rows out of all hosts of a site.
type FleetQuestion struct {
	Query string // a search for the hosts; empty: all
	After string // the Place that the page begins behind; empty: the first
	Limit int    // 1 to MaxFleetRows
	// Certificates that end in [From, Until].
	From, Until Time
	// Packages of that name; where Op is not empty, whose version stands so to Version in the order of their
	// ecosystem.
	Name, Version string
	Op            VersionOp
}

// MaxFleetRows bounds the rows of a page.
const MaxFleetRows = 5000

// The bounds of what a FleetQuestion says, in bytes.
const (
	maxFleetQuery = 4096
	maxFleetPlace = 1024
	maxFleetWord  = 256
)

// VersionOp compares versions.
type VersionOp string

// The comparisons.
const (
	VersionBelow   VersionOp = "lt"
	VersionAtMost  VersionOp = "le"
	VersionIs      VersionOp = "eq"
	VersionAtLeast VersionOp = "ge"
	VersionAbove   VersionOp = "gt"
)

// Holds reports whether the comparison holds for c, which is -1, 0 or 1 as the package's version is before, equal to or
// after the one that was named.
func (o VersionOp) Holds(c int) bool {
	switch o {
	case VersionBelow:
		return c < 0
	case VersionAtMost:
		return c <= 0
	case VersionIs:
		return c == 0
	case VersionAtLeast:
		return c >= 0
	case VersionAbove:
		return c > 0
	}
	return false
}

// The parameters of a FleetQuestion beside ParamLimit, and ParamCursor for After.
const (
	paramQuery = "query"
	paramUntil = "until"
	paramName  = "name"
	paramOp    = "op"
	paramValue = "version"
)

// Params returns the question as the parameters of one.
func (q *FleetQuestion) Params() map[string]string {
	p := map[string]string{ParamLimit: strconv.Itoa(q.Limit)}
	for _, x := range [...][2]string{
		{paramQuery, q.Query},
		{ParamCursor, q.After},
		{ParamFrom, q.From.String()},
		{paramUntil, q.Until.String()},
		{paramName, q.Name},
		{paramOp, string(q.Op)},
		{paramValue, q.Version},
	} {
		if x[1] != "" {
			p[x[0]] = x[1]
		}
	}
	return p
}

// ReadFleetQuestion reads what Params wrote. The error says which parameter is wrong.
func ReadFleetQuestion(p map[string]string) (q FleetQuestion, err error) {
	q = FleetQuestion{Query: p[paramQuery], After: p[ParamCursor], Name: p[paramName], Version: p[paramValue], Op: VersionOp(p[paramOp])}
	for _, x := range []struct {
		name, text string
		most       int
	}{{paramQuery, q.Query, maxFleetQuery}, {ParamCursor, q.After, maxFleetPlace}, {paramName, q.Name, maxFleetWord}, {paramValue, q.Version, maxFleetWord}} {
		if len(x.text) > x.most {
			return q, fmt.Errorf("%s has %d bytes; the bound is %d", x.name, len(x.text), x.most)
		}
	}
	if q.Limit, err = strconv.Atoi(p[ParamLimit]); err != nil || q.Limit < 1 || q.Limit > MaxFleetRows {
		return q, fmt.Errorf("%q is no number of rows: want 1 to %d", clip(p[ParamLimit]), MaxFleetRows)
	}
	if err := q.From.UnmarshalText([]byte(p[ParamFrom])); err != nil {
		return q, fmt.Errorf("%s: %w", ParamFrom, err)
	}
	if err := q.Until.UnmarshalText([]byte(p[paramUntil])); err != nil {
		return q, fmt.Errorf("%s: %w", paramUntil, err)
	}
	switch q.Op {
	case "", VersionBelow, VersionAtMost, VersionIs, VersionAtLeast, VersionAbove:
	default:
		return q, fmt.Errorf("%q is no comparison of versions: want lt, le, eq, ge or gt", clip(string(q.Op)))
	}
	if (q.Op == "") != (q.Version == "") {
		return q, fmt.Errorf("a version and how to compare with it belong together")
	}
	return q, nil
}

// FleetAnswer is what every answer out of all hosts of a site begins with.
type FleetAnswer struct {
	At    Time `json:"at"`            // when the site answered
	Total int  `json:"total"`         // rows on all pages, before the first of this one too
	Hosts int  `json:"hosts"`         // that were looked at
	Lacks int  `json:"lacking"`       // hosts among them that have not reported what is asked about, or of which it is not readable
	More  bool `json:"more,omitzero"` // there are rows behind the last one; then there is at least one
	// Note says what else must be known of the answer, in words, as that the site does not hold at all what is asked about.
	Note string `json:"note,omitzero"`
}

// FleetRow is what every row of such an answer begins with.
type FleetRow struct {
	Host     HostID `json:"host"`
	Hostname string `json:"hostname"`
	AsOf     Time   `json:"as_of,omitzero"` // when it was observed
}

// ExpiringCertificates answers RouteCertificatesExpiring. Rows are in the order of their Place, no two at the same.
type ExpiringCertificates struct {
	FleetAnswer
	Rows []ExpiringCertificate `json:"rows"`
}

// ExpiringCertificate is a certificate on a host.
type ExpiringCertificate struct {
	FleetRow
	Certificate Certificate `json:"certificate"`
}

// Row returns what stands above every row.
func (r *ExpiringCertificate) Row() *FleetRow { return &r.FleetRow }

// Place is where the row stands among those of all sites, bytes compared: the first to end comes first.
func (r *ExpiringCertificate) Place() string {
	c := &r.Certificate
	return fmt.Sprintf("%015d/%s/%s", max(c.NotAfter, 0), r.Host, shortHash(c.Fingerprint, c.Path, c.Serial))
}

// PackagesWhere answers RoutePackagesWhere. Rows are in the order of their Place, no two at the same.
type PackagesWhere struct {
	FleetAnswer
	// Unordered counts packages of that name whose version cannot be compared with the one that was named.
	Unordered int         `json:"unordered,omitzero"`
	Rows      []PackageAt `json:"rows"`
}

// PackageAt is a package on a host.
type PackageAt struct {
	FleetRow
	Package Package `json:"package"`
}

// Row returns what stands above every row.
func (r *PackageAt) Row() *FleetRow { return &r.FleetRow }

// Place is where the row stands among those of all sites, bytes compared: by host name.
func (r *PackageAt) Place() string {
	p := &r.Package
	name := strings.ToLower(r.Hostname)
	name = strings.ToValidUTF8(name[:min(len(name), maxFleetWord)], "") // the place is sent as text
	return fmt.Sprintf("%s\x00%s/%s", name, r.Host, shortHash(p.Manager, p.Name, p.Version, p.Arch, p.Source, p.SourceVersion, p.Ecosystem))
}

func shortHash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// AuditPage answers RouteSiteAudit: entries of the site's own record, the newest first.
type AuditPage struct {
	At      Time         `json:"at"`
	Entries []AuditEntry `json:"entries"`
	Next    Seq          `json:"next,omitzero"` // ParamBefore of the next page; zero: this was the last
}

// MaxAuditPage bounds the entries of one page.
const MaxAuditPage = 1000

// Evidence answers RouteSiteEvidence: what was kept of something that the site refused.
type Evidence struct {
	At     Time       `json:"at"`
	Entry  AuditEntry `json:"entry"`
	Digest string     `json:"digest"` // hex SHA-256 of Body
	Size   int        `json:"size"`   // bytes that came; more than those of Body where not all was kept
	Body   []byte     `json:"body"`
}
