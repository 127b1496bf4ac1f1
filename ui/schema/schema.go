// Package schema holds the JSON types of the public API (/api/v1), shared by the server, the CLI and
// the page (whose TypeScript types are generated from /openapi.json).
//
// It owns names and shapes on HTTP and nothing else; ui/api converts to and from engine/model. Times
// are RFC 3339 in UTC with milliseconds, or absent where unknown. Field names are snake_case and are
// never renamed within /api/v1.
package schema

import "time"

// Problem is the body of every error (RFC 9457, application/problem+json).
type Problem struct {
	Type   string `json:"type,omitempty"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail" doc:"what happened, to what, and what to do next"`
	Kind   string `json:"kind" doc:"stable name of the sort of error" example:"not_found"`
	// What follows is there where one piece of the input is to blame, as in a search.
	Errors      []ProblemError `json:"errors,omitempty" doc:"which parts of the input are wrong"`
	Pos         *int           `json:"pos,omitempty" doc:"of a search: byte of the text at which what is wrong begins"`
	End         *int           `json:"end,omitempty" doc:"of a search: byte of the text before which it ends"`
	Suggestions []string       `json:"suggestions,omitempty" doc:"what may have been meant there"`
	Caret       string         `json:"caret,omitempty" doc:"of a search: two lines, the text and a mark under what is wrong"`
}

// ProblemError names one part of the input that is wrong.
type ProblemError struct {
	Location string `json:"location" doc:"which part" example:"query.q"`
	Message  string `json:"message"`
}

// Login asks for a session.
type Login struct {
	Account  string `json:"account" minLength:"1" maxLength:"64"`
	Password string `json:"password" minLength:"1" maxLength:"1024"`
}

// Session is a login. Token is shown once, to programs; browsers get it as a cookie as well.
type Session struct {
	Account   string    `json:"account"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Node says which server this is and who is asking.
type Node struct {
	Role    string  `json:"role" enum:"controller,site"`
	ID      string  `json:"id" doc:"the controller group's or the site's id"`
	Name    string  `json:"name"`
	Version string  `json:"version"`
	Actor   string  `json:"actor" doc:"who the caller is" example:"account:admin"`
	Uplink  *Uplink `json:"uplink,omitempty" doc:"at a site: its link to the controller"`
}

// Uplink is the state of a site's link to its controller.
type Uplink struct {
	State       string     `json:"state" enum:"online,degraded,offline,removed,unknown,unenrolled" doc:"degraded: the link is open but something is late; removed: the controller took this site out for good; unknown: no attempt has ended since the start"`
	Since       *time.Time `json:"since,omitempty" doc:"when the state began"`
	Reason      string     `json:"reason,omitempty" doc:"why the state is what it is, in words"`
	Controller  string     `json:"controller,omitempty"`
	Pending     int        `json:"pending" doc:"items in the outbox, not yet acknowledged"`
	Bytes       int64      `json:"pending_bytes,omitempty" doc:"their size"`
	LastError   string     `json:"last_error,omitempty"`
	Bandwidth   int64      `json:"bandwidth,omitempty" doc:"the most bits a second in each direction; absent: no bound"`
	WindowOpens *time.Time `json:"window_opens,omitempty" doc:"when what is not urgent may go up; absent: now"`
}

// Site is one site as the controller knows it (or, at a site, that site itself). Lifecycle status,
// link state and the age of the data are three different things.
type Site struct {
	ID           string           `json:"id"`
	Name         string           `json:"name"`
	Location     string           `json:"location,omitempty" doc:"where it stands, for people"`
	Region       string           `json:"region,omitempty" doc:"the operator's own word, as in eu-west"`
	Country      string           `json:"country,omitempty" doc:"ISO 3166-1 alpha-2, as in DE"`
	City         string           `json:"city,omitempty"`
	Lat          *float64         `json:"lat,omitempty"`
	Lng          *float64         `json:"lng,omitempty"`
	Status       string           `json:"status" enum:"pending,enrolled,suspended,quarantined,removed" doc:"lifecycle"`
	StatusReason string           `json:"status_reason,omitempty" doc:"why it is suspended"`
	StatusAt     *time.Time       `json:"status_at,omitempty" doc:"since when it is"`
	Link         string           `json:"link" enum:"up,degraded,down,unknown,never" doc:"is a link from the site open now; degraded: it is, but something is late; unknown: this server started too short a time ago to say"`
	LinkSince    *time.Time       `json:"link_since,omitempty" doc:"when the link went up, or was last seen up"`
	Health       string           `json:"health" enum:"ok,degraded,down,unknown" doc:"one word for the traffic light; never ok while the link is down"`
	HealthReason string           `json:"health_reason,omitempty"`
	InvitedAt    *time.Time       `json:"invited_at,omitempty"`
	EnrolledAt   *time.Time       `json:"enrolled_at,omitempty"`
	TokenExpires *time.Time       `json:"token_expires,omitempty" doc:"set while a token waits to be used"`
	LastItem     *time.Time       `json:"last_item,omitempty" doc:"when the newest fact from the site was stored here"`
	Hosts        int64            `json:"hosts"`
	HostsBy      map[string]int64 `json:"hosts_by_status" doc:"status -> hosts"`
	Sums         SiteSums         `json:"sums" doc:"over the hosts, as the site last said"`
	Exposure     *Exposure        `json:"exposure,omitempty"`
	Alerts       *SiteAlerts      `json:"alerts,omitempty" doc:"absent: the site has not said"`
}

// SiteSums is what the hosts of a site come to. It is kept as they change, so that asking for it costs the same
// however many there are.
type SiteSums struct {
	ByWorst    map[string]int64 `json:"by_worst" doc:"highest severity -> hosts"`
	Exposure   Counts           `json:"exposure" doc:"pairs of a host and a vulnerability"`
	Reboot     int64            `json:"reboot" doc:"hosts that need a reboot"`
	Updates    int64            `json:"updates" doc:"sum of the hosts' pending updates"`
	Compliance *float64         `json:"compliance,omitempty" doc:"mean in percent of the hosts that have one"`
}

// SiteEnroll asks for a new site and its one-time token.
type SiteEnroll struct {
	Name     string   `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$"`
	Location string   `json:"location,omitempty" maxLength:"200" doc:"where it stands, for people"`
	Region   string   `json:"region,omitempty" maxLength:"64" doc:"the operator's own word, as in eu-west"`
	Country  string   `json:"country,omitempty" maxLength:"64" doc:"ISO 3166-1 alpha-2, as in DE"`
	City     string   `json:"city,omitempty" maxLength:"128"`
	Lat      *float64 `json:"lat,omitempty" minimum:"-90" maximum:"90"`
	Lng      *float64 `json:"lng,omitempty" minimum:"-180" maximum:"180"`
	TTL      string   `json:"ttl,omitempty" doc:"how long the token holds; 24h if absent" example:"24h"`
}

// SiteChange changes what an operator says about a site. What is absent stays; an empty text clears.
type SiteChange struct {
	Location *string  `json:"location,omitempty" maxLength:"200"`
	Region   *string  `json:"region,omitempty" maxLength:"64"`
	Country  *string  `json:"country,omitempty" maxLength:"64"`
	City     *string  `json:"city,omitempty" maxLength:"128"`
	Lat      *float64 `json:"lat,omitempty" minimum:"-90" maximum:"90" doc:"with lng"`
	Lng      *float64 `json:"lng,omitempty" minimum:"-180" maximum:"180" doc:"with lat"`
	// NoPosition takes lat and lng away.
	NoPosition bool `json:"no_position,omitempty" doc:"takes the coordinates away; not with lat and lng"`
}

// AgentEnroll asks for a one-time token with which an agent enrolls at this site.
type AgentEnroll struct {
	Name    string `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$" doc:"a label, usually the host name"`
	Gateway bool   `json:"gateway,omitempty" doc:"the agent will report on behalf of many hosts"`
	TTL     string `json:"ttl,omitempty" doc:"how long the token holds; 24h if absent"`
}

// Token is a one-time enrollment token. It is not retrievable afterwards.
type Token struct {
	ID        string    `json:"id" doc:"the new member's id"`
	Kind      string    `json:"kind" enum:"site,host,gateway"`
	Name      string    `json:"name"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
	Pin       string    `json:"pin" doc:"hex SHA-256 of the CA key that the token carries"`
	URL       string    `json:"url,omitempty" doc:"where the new member finds this server, by its configured names"`
}

// Member is an agent in a site's registry.
type Member struct {
	ID           string     `json:"id"`
	Kind         string     `json:"kind" enum:"site,host,gateway"`
	Name         string     `json:"name"`
	Status       string     `json:"status"`
	InvitedAt    *time.Time `json:"invited_at,omitempty"`
	EnrolledAt   *time.Time `json:"enrolled_at,omitempty"`
	TokenExpires *time.Time `json:"token_expires,omitempty"`
	Pin          string     `json:"pin,omitempty"`
	Link         string     `json:"link" enum:"up,degraded,down,unknown,never"`
	Reason       string     `json:"reason,omitempty" doc:"why it is suspended, quarantined or to have a new key"`
	StatusAt     *time.Time `json:"status_at,omitempty" doc:"since when"`
	Machine      string     `json:"machine,omitempty" doc:"a mark of the machine that the agent stands on"`
	Software     string     `json:"software,omitempty" doc:"what the agent said that it runs"`
	Commands     []string   `json:"commands,omitempty" doc:"the kinds of command that the agent runs; absent: it did not say"`
	Reports      []string   `json:"reports,omitempty" doc:"the kinds of item that the agent reports with; absent: it did not say"`
	Clones       []Clone    `json:"clones,omitempty" doc:"other machines that came with its key, and are refused until it has a new one"`
}

// Clone is a machine that used the key of an agent that is another machine.
type Clone struct {
	At      time.Time `json:"at"`
	Machine string    `json:"machine"`
	Remote  string    `json:"remote,omitempty" doc:"its network address then"`
}

// MemberAct is why something is done to a site or an agent.
type MemberAct struct {
	Reason string `json:"reason,omitempty" maxLength:"512" doc:"why; it is told to whoever is refused because of it"`
}

// Rekey asks for a token with which one machine gets a new key for an agent.
type Rekey struct {
	TTL string `json:"ttl,omitempty" doc:"how long the token holds; 24h if absent"`
}

// HostDetail is a host with what only its site holds.
type HostDetail struct {
	Host         Host          `json:"host"`
	AnsweredBy   string        `json:"answered_by" doc:"the site that answered"`
	AnsweredAt   time.Time     `json:"answered_at"`
	Packages     []Package     `json:"packages"`
	Certificates []Certificate `json:"certificates"`
	Findings     []Finding     `json:"findings"`
}

// Package is one installed package.
type Package struct {
	Manager       string `json:"manager"`
	Name          string `json:"name"`
	Version       string `json:"version"`
	Arch          string `json:"arch,omitempty"`
	Source        string `json:"source,omitempty"`
	SourceVersion string `json:"source_version,omitempty"`
}

// Certificate is one certificate found on a host.
type Certificate struct {
	Path        string    `json:"path"`
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	Serial      string    `json:"serial"`
	Names       []string  `json:"names,omitempty"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"fingerprint"`
	SelfSigned  bool      `json:"self_signed,omitempty"`
	CA          bool      `json:"ca,omitempty"`
	IssuedBy    string    `json:"issued_by,omitempty" doc:"fingerprint of the certificate on the host that issued it"`
}

// Finding is one vulnerability in one package of a host.
type Finding struct {
	Vulnerability string `json:"vulnerability"`
	Source        string `json:"source" doc:"the advisory's source"`
	Advisory      string `json:"advisory"`
	Package       string `json:"package"`
	SourcePackage string `json:"source_package,omitempty"`
	Version       string `json:"version"`
	Fixed         string `json:"fixed,omitempty"`
	Severity      string `json:"severity" enum:"unknown,none,low,medium,high,critical"`
	Verdict       string `json:"verdict" enum:"affected,unknown,suppressed" doc:"suppressed: a statement (VEX) closes it; it counts nowhere"`
	Reason        string `json:"reason,omitempty" doc:"why it is unknown or suppressed"`
}

// Counts counts distinct vulnerabilities by severity.
type Counts struct {
	Critical  int `json:"critical"`
	High      int `json:"high"`
	Medium    int `json:"medium"`
	Low       int `json:"low"`
	None      int `json:"none"`
	Unknown   int `json:"unknown" doc:"nobody has rated it"`
	Uncertain int `json:"uncertain" doc:"a version could not be compared; not in the other counts"`
}

// Exposure is one site's roll-up.
type Exposure struct {
	SiteID        string     `json:"site_id"`
	Site          string     `json:"site"`
	AsOf          *time.Time `json:"as_of,omitempty"`
	AdvisoryN     int        `json:"advisory_n" doc:"advisories the site holds"`
	Counts        Counts     `json:"counts" doc:"distinct vulnerabilities: each counts once, however many hosts have it"`
	AffectedHosts int        `json:"affected_hosts"`
	MatchedHosts  int        `json:"matched_hosts"`
	PendingHosts  *int       `json:"pending_hosts,omitempty" doc:"in the list of roll-ups that a site answers with: its hosts that are not matched yet with the newest advisories it holds"`
	Top           []TopEntry `json:"top"`
}

// TopEntry is one vulnerability and how many hosts it concerns.
type TopEntry struct {
	Vulnerability  string  `json:"vulnerability"`
	Severity       string  `json:"severity"`
	Hosts          int     `json:"hosts"`
	KnownExploited bool    `json:"known_exploited,omitempty" doc:"CISA lists it as exploited"`
	EPSS           float64 `json:"epss,omitempty" doc:"the probability of an attack within 30 days, as EPSS scores it; absent: there is no score"`
}

// Dispatch asks for a command. The caller makes the id, so that asking twice dispatches once.
type Dispatch struct {
	ID     string   `json:"id,omitempty" doc:"a UUID; made here if absent"`
	Kind   string   `json:"kind" enum:"ping,inventory.refresh"`
	Site   string   `json:"site" doc:"name or id"`
	Hosts  []string `json:"hosts,omitempty" maxItems:"10000" doc:"host names or ids of that site; ['*'] for each of its hosts"`
	Query  string   `json:"query,omitempty" maxLength:"4096" doc:"in the place of hosts: the hosts of that site that this search finds" example:"os:debian<12 -tag:lab"`
	TTL    string   `json:"ttl,omitempty" doc:"how long it may wait to run; 24h if absent"`
	DryRun bool     `json:"dry_run,omitempty" doc:"only resolve and show the targets"`
}

// Command is a dispatched command.
type Command struct {
	ID        string         `json:"id"`
	Kind      string         `json:"kind"`
	SiteID    string         `json:"site_id"`
	Site      string         `json:"site"`
	Actor     string         `json:"actor"`
	State     string         `json:"state" enum:"queued,delivered,running,succeeded,failed,partial,cancelled,expired"`
	StateAt   *time.Time     `json:"state_at,omitempty"`
	CreatedAt time.Time      `json:"created_at"`
	ExpiresAt time.Time      `json:"expires_at"`
	Overdue   bool           `json:"overdue,omitempty" doc:"past its time, and the site has not said what became of it"`
	SiteAt    *time.Time     `json:"site_at,omitempty" doc:"when the site durably had it"`
	TaskN     map[string]int `json:"task_n" doc:"state -> hosts"`
	Tasks     []Task         `json:"tasks,omitempty" doc:"at most 1,000"`
	Version   uint64         `json:"version" doc:"pass as after= with wait= to be answered at the next move"`
}

// Task is a command on one host.
type Task struct {
	HostID   string `json:"host_id"`
	Hostname string `json:"hostname"`
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Output   string `json:"output,omitempty" doc:"at most its first 4,096 bytes"`
	// OutputSize is there where the site holds more of it.
	OutputSize int64  `json:"output_size,omitempty" doc:"bytes that the command printed, where that is more than output"`
	History    []Step `json:"history"`
}

// Step is one move of a task.
type Step struct {
	State string    `json:"state"`
	At    time.Time `json:"at"`
}

// Commands is the newest commands first.
type Commands struct {
	Commands []Command `json:"commands"`
	Next     string    `json:"next,omitempty"`
}

// AuditEntry is one line of the audit record.
type AuditEntry struct {
	Seq    uint64            `json:"seq"`
	At     time.Time         `json:"at"`
	Actor  string            `json:"actor"`
	Action string            `json:"action"`
	Object string            `json:"object,omitempty"`
	OK     bool              `json:"ok"`
	Reason string            `json:"reason,omitempty"`
	Detail map[string]string `json:"detail,omitempty"`
	Prev   string            `json:"prev"`
}

// Audit is the newest entries first.
type Audit struct {
	Entries []AuditEntry `json:"entries"`
	Next    uint64       `json:"next,omitempty" doc:"pass as before= for older entries"`
}

// AccountPut makes an account or changes its password.
type AccountPut struct {
	Name     string `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$"`
	Password string `json:"password" minLength:"8" maxLength:"1024"`
}

// Account is one person or program that may log in.
type Account struct {
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	Disabled  bool      `json:"disabled,omitempty"`
}

// Overview is what the first page shows above the cards.
type Overview struct {
	AsOf      time.Time        `json:"as_of"`
	Sites     int              `json:"sites"`
	SitesUp   int              `json:"sites_up"`
	Hosts     int64            `json:"hosts"`
	HostsBy   map[string]int64 `json:"hosts_by_status"`
	AdvisoryN int              `json:"advisory_n"`
	Cursor    string           `json:"cursor" doc:"how far the advisories here reach"`
	Alerts    SiteAlerts       `json:"alerts" doc:"over all sites, as each last said; newest is that of any"`
}

// FederationEnroll asks a site to enroll at a controller.
type FederationEnroll struct {
	Controller string `json:"controller" minLength:"1" maxLength:"512" doc:"the controller's URL" example:"https://hq.example.net:8443"`
	Token      string `json:"token" minLength:"1" maxLength:"1024"`
}

// Enrolled says what a site became.
type Enrolled struct {
	SiteID     string `json:"site_id"`
	Name       string `json:"name" doc:"the name the controller gave this site"`
	Controller string `json:"controller" doc:"the controller's name"`
}
