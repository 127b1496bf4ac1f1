package schema

import "time"

// Standing is a finding, and what is known beside it.
type Standing struct {
	Finding
	KnownExploited bool        `json:"known_exploited" doc:"CISA lists it as exploited"`
	KnownSince     *time.Time  `json:"known_since,omitempty" doc:"when it came into that list"`
	EPSS           *float64    `json:"epss,omitempty" minimum:"0" maximum:"1" doc:"the probability of an attack within 30 days, as EPSS scores it; absent: there is no score"`
	Accepted       *AcceptedBy `json:"accepted,omitempty" doc:"whose acceptance takes it out of the counts of the host"`
}

// AcceptedBy is what an acceptance says to whoever sees the finding.
type AcceptedBy struct {
	ID     string    `json:"id"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until"`
}

// HostExposure is a page of the findings of a host: known to be exploited first, then by severity and by the probability of an attack; what
// is accepted or suppressed comes last.
type HostExposure struct {
	Answered
	Open     int        `json:"open" doc:"findings that are neither accepted nor suppressed, on all pages"`
	Findings []Standing `json:"findings"`
}

// ExposedWhere is a page of the hosts that have a vulnerability: those of which it is sure first.
type ExposedWhere struct {
	Gathered
	Vulnerability string      `json:"vulnerability"`
	Hosts         []ExposedAt `json:"hosts"`
}

// ExposedAt is a finding on a host.
type ExposedAt struct {
	FleetRow
	Standing
}

// ExposureDiff is a page of what opened and closed between two times, by host name.
type ExposureDiff struct {
	Gathered
	From    time.Time        `json:"from"`
	To      *time.Time       `json:"to,omitempty" doc:"absent: until now"`
	Changes []ExposureChange `json:"changes"`
}

// ExposureChange is a vulnerability in a package of a host that opened or closed.
type ExposureChange struct {
	FleetRow
	At      time.Time `json:"at" doc:"when it did; of several changes, the newest"`
	Change  string    `json:"change" enum:"opened,closed"`
	Why     string    `json:"why" enum:"advisory published,advisory changed,advisory withdrawn,advisory deleted,vex statement,package installed,package upgraded,package downgraded,package version changed,package removed,risk accepted,acceptance ended"`
	From    string    `json:"from_version,omitempty" doc:"of the package, where that is the reason"`
	To      string    `json:"to_version,omitempty"`
	Finding Finding   `json:"finding" doc:"as it is, or was before it closed"`
}

// AcceptanceMake asks for an acceptance of a risk. The server signs it.
type AcceptanceMake struct {
	Vulnerability string `json:"vulnerability" minLength:"1" maxLength:"128" doc:"a CVE, or another id or alias that an advisory here has or names"`
	Package       string `json:"package,omitempty" maxLength:"256" doc:"as installed, or the source package; absent: every package"`
	Hosts         string `json:"hosts,omitempty" maxLength:"1024" doc:"a search over hosts; absent: every host"`
	Reason        string `json:"reason" minLength:"1" maxLength:"1024"`
	Until         string `json:"until" minLength:"1" maxLength:"40" doc:"a time as RFC 3339 has it, or a span from now such as 90d; at most two years"`
}

// Acceptance says that somebody takes the risk of a vulnerability on some hosts until a day.
type Acceptance struct {
	ID            string    `json:"id"`
	Vulnerability string    `json:"vulnerability"`
	Package       string    `json:"package,omitempty"`
	Hosts         string    `json:"hosts,omitempty"`
	Reason        string    `json:"reason"`
	By            string    `json:"by"`
	At            time.Time `json:"at"`
	Until         time.Time `json:"until"`
	State         string    `json:"state" enum:"active,ended,invalid" doc:"invalid: no key that may accept risks signed it, so it counts for nothing"`
	Key           string    `json:"key,omitempty" doc:"the name or id of the key that signed it"`
	Flaw          string    `json:"flaw,omitempty" doc:"why it is invalid"`
	Covers        *Covered  `json:"covers,omitempty" doc:"in the answer to its making, at a site: what it covers there now; a controller does not know"`
}

// Covered counts the findings that an acceptance covers.
type Covered struct {
	Findings int  `json:"findings"`
	Hosts    int  `json:"hosts"`
	More     bool `json:"more,omitempty" doc:"there are more than were counted"`
}
