package schema

import "time"

// Gathered is what every answer that several sites were asked for begins with.
type Gathered struct {
	Total    int           `json:"total" doc:"rows on all pages, of the sites that answered"`
	Next     string        `json:"next,omitempty" doc:"pass as cursor= for the next page"`
	Answered []SiteAnswer  `json:"answered" doc:"the sites that answered; at most 500"`
	Partial  []SiteSilence `json:"partial,omitempty" doc:"the sites that did not answer, and so are missing here; at most 500"`
	// The numbers are there because the lists have a bound.
	AnsweredN int `json:"answered_n" doc:"how many sites answered"`
	PartialN  int `json:"partial_n" doc:"how many did not"`
}

// SiteAnswer is a site that answered.
type SiteAnswer struct {
	SiteID  string    `json:"site_id"`
	Site    string    `json:"site"`
	At      time.Time `json:"at" doc:"when it answered"`
	Total   int       `json:"total" doc:"rows on all pages"`
	Hosts   int       `json:"hosts" doc:"that it looked at"`
	Lacking int       `json:"lacking,omitempty" doc:"hosts among them that have not reported what was asked about, or of which it cannot be read"`
	// Unordered is of packages.
	Unordered int    `json:"unordered,omitempty" doc:"packages of that name whose version cannot be compared"`
	Note      string `json:"note,omitempty" doc:"what else must be known of its answer, as that it does not hold what is asked about"`
}

// SiteSilence is a site that did not answer.
type SiteSilence struct {
	SiteID string     `json:"site_id"`
	Site   string     `json:"site"`
	Kind   string     `json:"kind" example:"unreachable"`
	Reason string     `json:"reason" doc:"why, what there is instead, and what to do"`
	Since  *time.Time `json:"since,omitempty" doc:"when its link went down"`
	Hosts  int64      `json:"hosts" doc:"hosts of it that this server knows"`
	AsOf   *time.Time `json:"as_of,omitempty" doc:"the newest that this server holds of it"`
}

// CertificatesExpiring is a page of certificates that end soon, the first to end first.
type CertificatesExpiring struct {
	Gathered
	Until        time.Time             `json:"until" doc:"the page has what ends before"`
	Certificates []ExpiringCertificate `json:"certificates"`
}

// ExpiringCertificate is a certificate on a host.
type ExpiringCertificate struct {
	FleetRow
	Certificate
}

// FleetRow is what every row out of many hosts begins with.
type FleetRow struct {
	SiteID   string     `json:"site_id"`
	Site     string     `json:"site"`
	HostID   string     `json:"host_id"`
	Hostname string     `json:"hostname"`
	AsOf     *time.Time `json:"as_of,omitempty" doc:"when the host reported it"`
}

// PackagesWhere is a page of the hosts that have a package, by host name.
type PackagesWhere struct {
	Gathered
	Packages []PackageAt `json:"packages"`
}

// PackageAt is a package on a host.
type PackageAt struct {
	FleetRow
	Package
}

// Evidence is what was kept of something that a site refused.
type Evidence struct {
	Site   string     `json:"site,omitempty"`
	Entry  AuditEntry `json:"entry"`
	Digest string     `json:"digest" doc:"SHA-256 of body"`
	Size   int        `json:"size" doc:"bytes that came; more than those of body where not all was kept"`
	Body   []byte     `json:"body"`
}
