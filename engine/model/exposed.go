package model

import (
	"fmt"
	"strings"
)

// The routes of what is asked of a site about its findings.
const (
	// RouteHostExposure asks for HostExposed: a page of the findings of ParamHost.
	RouteHostExposure = "host.exposure"
	// RouteExposureCVE asks for ExposedWhere: which hosts have the vulnerability FleetQuestion.Name.
	RouteExposureCVE = "exposure.cve"
	// RouteExposureDiff asks for ExposureDiff: what opened and closed between FleetQuestion.From and Until; a zero Until is now.
	RouteExposureDiff = "exposure.diff"
)

// Standing is a finding on a host, and what is known beside it where it is asked for.
type Standing struct {
	Finding
	// Known and Probability are those of the canonical; see Exploit.
	Known       Time    `json:"known,omitzero"`
	Probability float64 `json:"probability,omitzero"`
	// Accepted is whose acceptance takes it out of the counts of the host; nil: nobody's.
	Accepted *AcceptedBy `json:"accepted,omitzero"`
}

// AcceptedBy is what an acceptance says to whoever sees the finding.
type AcceptedBy struct {
	ID     string `json:"id"`
	By     string `json:"by"`
	Reason string `json:"reason"`
	Until  Time   `json:"until"`
}

// HostExposed answers RouteHostExposure: findings by how pressing they are. Open are those that are neither accepted nor suppressed.
type HostExposed struct {
	Answered
	Generation uint64     `json:"generation"` // of the advisories that they were matched against, at the site
	Open       int        `json:"open"`
	Findings   []Standing `json:"findings"`
}

// ExposedWhere answers RouteExposureCVE. Rows are in the order of their Place, no two at the same.
type ExposedWhere struct {
	FleetAnswer
	Rows []ExposedAt `json:"rows"`
}

// ExposedAt is a finding on one of many hosts.
type ExposedAt struct {
	FleetRow
	Standing Standing `json:"standing"`
}

// Row returns what stands above every row.
func (r *ExposedAt) Row() *FleetRow { return &r.FleetRow }

// Place is where the row stands among those of all sites, bytes compared: what is sure before what is not, then by host name and package.
func (r *ExposedAt) Place() string {
	f := &r.Standing
	rank := 0
	switch {
	case f.Verdict == VerdictSuppressed:
		rank = 3
	case f.Accepted != nil:
		rank = 2
	case f.Verdict == VerdictUnknown:
		rank = 1
	}
	return fmt.Sprintf("%d%s\x00%s/%s/%s", rank, placeName(r.Hostname), r.Host, placeName(f.Package), shortHash(f.Vulnerability, f.Package, f.Version, f.Advisory.Source, f.Advisory.ID))
}

// placeName is a name as it stands in a place, which is sent as text.
func placeName(name string) string {
	name = strings.ToLower(name)
	return strings.ToValidUTF8(name[:min(len(name), maxFleetWord)], "")
}

// ExposureDiff answers RouteExposureDiff. Rows are in the order of their Place, no two at the same.
type ExposureDiff struct {
	FleetAnswer
	Rows []ExposureChange `json:"rows"`
}

// ExposureChange is a vulnerability in a package of a host that opened or closed.
type ExposureChange struct {
	FleetRow
	At      Time         `json:"at"` // when it did; of several changes, the newest
	Opened  bool         `json:"opened,omitzero"`
	Finding Finding      `json:"finding"` // as it is, or was before it closed
	Reason  ChangeReason `json:"reason"`
	// From and To are the versions of the package, where that is the reason.
	From string `json:"from,omitzero"`
	To   string `json:"to,omitzero"`
}

// Row returns what stands above every row.
func (r *ExposureChange) Row() *FleetRow { return &r.FleetRow }

// Place is where the row stands among those of all sites, bytes compared: by host name, vulnerability and package.
func (r *ExposureChange) Place() string {
	f := &r.Finding
	return fmt.Sprintf("%s\x00%s/%s/%s/%s", placeName(r.Hostname), r.Host, placeName(f.Vulnerability), placeName(f.Package), shortHash(f.Vulnerability, f.Package, fmt.Sprint(r.Opened)))
}

// AcceptanceType is the DSSE payload type of an Acceptance; the payload is the JSON of all of it but the envelope.
const AcceptanceType = "application/vnd.skerry.acceptance+json"
