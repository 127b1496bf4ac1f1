package schema

import (
	"encoding/json"
	"time"
)

// Policy is what hosts ought to be like.
type Policy struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Kind     string          `json:"kind" enum:"compliance_baseline,update_profile,firewall_role" doc:"only baselines are evaluated; of the others it is kept who holds which version"`
	Version  uint64          `json:"version" doc:"from 1, rising with each change"`
	Where    string          `json:"where,omitempty" doc:"a search for the hosts that it is for; absent: every host"`
	Body     json.RawMessage `json:"body,omitempty" doc:"an object, by kind; absent in lists"`
	AllSites bool            `json:"all_sites,omitempty" doc:"at a controller: assigned to every site"`
	Sites    []string        `json:"sites,omitempty" doc:"at a controller: the names of the sites that it is assigned to"`
	Origin   string          `json:"origin" enum:"site,controller" doc:"where it was made; it is changed there only"`
	By       string          `json:"by"`
	At       time.Time       `json:"at" doc:"when it was changed last"`
	ChecksN  int             `json:"checks_n,omitempty" doc:"of a baseline"`
	Problem  string          `json:"problem,omitempty" doc:"why this server cannot read it, as when a newer version wrote it; what it asks for then counts as not known"`
	Held     *PolicyHeld     `json:"held,omitempty" doc:"at a controller: how many of the sites that it is assigned to have which version"`
	HeldBy   []PolicyHolder  `json:"held_by,omitempty" doc:"the same site by site; absent in lists"`
}

// PolicyHeld counts the sites that a policy is assigned to.
type PolicyHeld struct {
	Current int `json:"current" doc:"have this version"`
	Stale   int `json:"stale" doc:"have another version"`
	Missing int `json:"missing" doc:"have none yet"`
	Unknown int `json:"unknown" doc:"have never said what they have"`
	Extra   int `json:"extra,omitempty" doc:"have it though it is not assigned to them any more"`
}

// PolicyHolder is what one site has of a policy.
type PolicyHolder struct {
	Site    string     `json:"site"`
	State   string     `json:"state" enum:"current,stale,missing,unknown,extra"`
	Version uint64     `json:"version,omitempty" doc:"that the site has"`
	AsOf    *time.Time `json:"as_of,omitempty" doc:"when the site said so"`
	Link    string     `json:"link" enum:"up,down,never"`
}

// PolicyPut makes a policy, or changes one.
type PolicyPut struct {
	Name     string          `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$"`
	Kind     string          `json:"kind" enum:"compliance_baseline,update_profile,firewall_role"`
	Where    string          `json:"where,omitempty" maxLength:"4096" doc:"a search for the hosts that it is for; absent: every host" example:"os:debian"`
	Body     json.RawMessage `json:"body" doc:"an object; of a baseline: checks, each with id, title, severity, where and expect (query, package or certificates)"`
	AllSites bool            `json:"all_sites,omitempty" doc:"at a controller: for every site, also those that come later"`
	Sites    []string        `json:"sites,omitempty" maxItems:"2000" doc:"at a controller: the sites that it is for, by name or id"`
	Version  uint64          `json:"version,omitempty" doc:"the version that this is a change of; absent: whichever there is"`
}

// PolicyResults is what came of a policy for hosts, judged when it was asked for.
type PolicyResults struct {
	Site    string             `json:"site" doc:"which site answered"`
	AsOf    time.Time          `json:"as_of"`
	Policy  string             `json:"policy" doc:"its id"`
	Version uint64             `json:"version" doc:"that the site has"`
	Problem string             `json:"problem,omitempty" doc:"why the site cannot judge by it"`
	Hosts   []PolicyHostResult `json:"hosts"`
	Next    string             `json:"next,omitempty" doc:"pass as after= for the next page; a page may have fewer than limit and still not be the last"`
}

// PolicyHostResult is what came of a policy for one host.
type PolicyHostResult struct {
	HostID  string              `json:"host_id"`
	Host    string              `json:"host" doc:"its name"`
	Met     int                 `json:"met"`
	Failed  int                 `json:"failed"`
	Unknown int                 `json:"unknown"`
	Checks  []PolicyCheckResult `json:"checks" doc:"those that are not met, or all that were asked for"`
}

// PolicyCheckResult is what came of one check of one host.
type PolicyCheckResult struct {
	Check    string `json:"check"`
	Title    string `json:"title,omitempty"`
	Severity string `json:"severity" enum:"low,medium,high,critical"`
	Outcome  string `json:"outcome" enum:"met,failed,unknown"`
	Reason   string `json:"reason,omitempty"`
}
