package schema

import "time"

// Host is one directory row. Each group of values has the time it was observed in AsOf.
type Host struct {
	ID             string     `json:"id"`
	SiteID         string     `json:"site_id"`
	Site           string     `json:"site" doc:"the site's name"`
	Region         string     `json:"region,omitempty" doc:"of the site, as are country, city, lat and lng"`
	Country        string     `json:"country,omitempty"`
	City           string     `json:"city,omitempty"`
	Lat            *float64   `json:"lat,omitempty"`
	Lng            *float64   `json:"lng,omitempty"`
	Hostname       string     `json:"hostname"`
	FQDN           string     `json:"fqdn,omitempty"`
	IPv4           []string   `json:"ipv4,omitempty"`
	IPv6           []string   `json:"ipv6,omitempty"`
	MAC            []string   `json:"mac,omitempty"`
	OS             OS         `json:"os"`
	Kernel         string     `json:"kernel,omitempty"`
	Arch           string     `json:"arch,omitempty"`
	BootedAt       *time.Time `json:"booted_at,omitempty"`
	RebootNeeded   *bool      `json:"reboot_needed,omitempty" doc:"absent: this system does not tell"`
	AgentVersion   string     `json:"agent_version,omitempty"`
	Tags           []string   `json:"tags,omitempty"`
	Owner          string     `json:"owner,omitempty" doc:"who answers for this host: a person or a team"`
	CPUs           int        `json:"cpus,omitempty" doc:"logical processors"`
	MemoryMB       int        `json:"memory_mb,omitempty"`
	Serial         string     `json:"serial,omitempty" doc:"of the machine, as its firmware says"`
	Simulated      bool       `json:"simulated,omitempty"`
	Status         string     `json:"status" enum:"up,late,down,unknown" doc:"late: a report is missing, but not yet three; down: three are"`
	StatusReason   string     `json:"status_reason,omitempty" doc:"why the status is unknown, as when the site's link is down"`
	LastSeen       *time.Time `json:"last_seen,omitempty" doc:"when its agent was last known to report, to within three intervals"`
	FirstSeen      *time.Time `json:"first_seen,omitempty" doc:"when its site first heard of it"`
	PackageN       int        `json:"package_n"`
	CertificateN   int        `json:"certificate_n"`
	NextCertExpiry *time.Time `json:"next_cert_expiry,omitempty"`
	Exposure       Counts     `json:"exposure"`
	Worst          string     `json:"worst" enum:"critical,high,medium,low,none,unknown,clean,unmatched" doc:"the highest severity it has a vulnerability of; clean: none was found; unmatched: nobody has looked yet"`
	Updates        *int       `json:"updates,omitempty" doc:"installed packages of which a version fixes a vulnerability; absent: nobody has looked yet"`
	Compliance     *float64   `json:"compliance,omitempty" doc:"percent of the policies that apply which it meets; absent: none applies"`
	AsOf           HostAsOf   `json:"as_of"`
}

// OS names an operating system in the terms of os-release(5).
type OS struct {
	ID       string `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	Version  string `json:"version,omitempty"`
	Codename string `json:"codename,omitempty"`
}

// HostAsOf says when each group of a host's values was observed; absent: never.
type HostAsOf struct {
	Facts        *time.Time `json:"facts,omitempty" doc:"names, addresses, system, kernel, boot time"`
	Status       *time.Time `json:"status,omitempty"`
	Packages     *time.Time `json:"packages,omitempty"`
	Certificates *time.Time `json:"certificates,omitempty"`
	Exposure     *time.Time `json:"exposure,omitempty"`
}

// Hosts is one page of the directory.
type Hosts struct {
	Hosts  []Host    `json:"hosts"`
	Total  int       `json:"total" doc:"hosts that match, on all pages"`
	Next   string    `json:"next,omitempty" doc:"pass as after= with the same q and sort for the next page; absent on the last"`
	AsOf   time.Time `json:"as_of" doc:"when this answer was made"`
	TookUS int64     `json:"took_us" doc:"microseconds that finding it took"`
	Query  string    `json:"query" doc:"the search as this server read it"`
	Sort   string    `json:"sort" doc:"the order as this server read it"`
	Facets []Facet   `json:"facets,omitempty" doc:"those that were asked for, over all pages"`
	Notes  []Note    `json:"notes,omitempty" doc:"what may be a slip in the search, though it reads"`
}

// Note is a remark about a search that reads, but may not say what was meant: no host has a value that it
// asks for, and so its answer may be empty for that reason alone.
type Note struct {
	Message     string   `json:"message" doc:"one line, without the suggestions" example:"no host and no site has region:eu-wset"`
	Pos         int      `json:"pos" doc:"byte of q at which what it is about begins"`
	End         int      `json:"end" doc:"byte of q before which it ends"`
	Suggestions []string `json:"suggestions,omitempty" doc:"what could stand there instead, the likeliest first"`
}

// Facet counts the values of one field among the hosts that match.
type Facet struct {
	Field    string       `json:"field"`
	Distinct int          `json:"distinct" doc:"how many different values there are"`
	None     int          `json:"none" doc:"hosts without a value"`
	Values   []FacetValue `json:"values" doc:"the most frequent first"`
}

// FacetValue is a value and how many of the hosts have it. A host with several tags counts for each.
type FacetValue struct {
	Value string `json:"value"`
	N     int    `json:"n"`
}

// Facets is the answer about facets alone.
type Facets struct {
	Total  int     `json:"total" doc:"hosts that match"`
	Facets []Facet `json:"facets"`
	Query  string  `json:"query" doc:"the search as this server read it"`
	TookUS int64   `json:"took_us"`
	Notes  []Note  `json:"notes,omitempty" doc:"as in the answer with hosts"`
}

// Grouped says how many of the hosts that match have each pair of values.
type Grouped struct {
	By       []string `json:"by" doc:"the one or two fields"`
	Total    int      `json:"total" doc:"hosts that match"`
	Distinct int      `json:"distinct" doc:"pairs that there are"`
	Groups   []Group  `json:"groups" doc:"the most frequent first"`
	Query    string   `json:"query" doc:"the search as this server read it"`
	TookUS   int64    `json:"took_us"`
	Notes    []Note   `json:"notes,omitempty" doc:"as in the answer with hosts"`
}

// Group is one pair of values; an empty text is no value.
type Group struct {
	A string `json:"a"`
	B string `json:"b"`
	N int    `json:"n"`
}

// Completion says what may stand in the place of the bytes [From, To) of a search.
type Completion struct {
	From  int              `json:"from"`
	To    int              `json:"to"`
	Items []CompletionItem `json:"items"`
}

// CompletionItem is one proposal.
type CompletionItem struct {
	Text string `json:"text" doc:"to put there"`
	Doc  string `json:"doc,omitempty"`
	N    int    `json:"n" doc:"hosts that have this value; 0 for what is no value"`
}

// Field is something that searches can be about.
type Field struct {
	Name     string   `json:"name"`
	Aliases  []string `json:"aliases,omitempty"`
	Kind     string   `json:"kind" enum:"text,word,version,os,number,bool,age,until,address,mac,id,status"`
	Sortable bool     `json:"sortable"`
	Counted  bool     `json:"counted" doc:"may be a facet and a field to group by"`
	Doc      string   `json:"doc"`
	Example  string   `json:"example"`
}

// WatchChange is the data of the event "change": a host that matches is new or other than before.
type WatchChange struct {
	Host Host `json:"host"`
}

// WatchLeave is the data of the event "leave": this host changed and does not match (any more). It may be
// one that never did.
type WatchLeave struct {
	ID string `json:"id"`
}

// WatchTotal is the data of the event "total".
type WatchTotal struct {
	Total int       `json:"total" doc:"hosts that match"`
	AsOf  time.Time `json:"as_of"`
}

// WatchReset is the data of the event "reset": changes were left out, so the result is to be read anew.
type WatchReset struct {
	Reason string `json:"reason"`
}

// SearchPut keeps a search under a name.
type SearchPut struct {
	Query   string   `json:"query" maxLength:"4096"`
	Sort    string   `json:"sort,omitempty" maxLength:"64"`
	Columns []string `json:"columns,omitempty" maxItems:"64"`
}

// SavedSearch is a search that is kept under a name, for everybody on this server.
type SavedSearch struct {
	Name    string     `json:"name"`
	Query   string     `json:"query" doc:"as it was written"`
	Reading string     `json:"reading" doc:"the search in its one form, as this server reads it; empty: every host, or it cannot read it any more"`
	Sort    string     `json:"sort,omitempty"`
	Columns []string   `json:"columns,omitempty"`
	Account string     `json:"account,omitempty" doc:"who saved it"`
	At      *time.Time `json:"at,omitempty" doc:"when it was saved"`
}

// Trend is how the sums of one site, or of all, came to be what they are.
type Trend struct {
	Site        string       `json:"site" doc:"the site's name, or all"`
	Window      string       `json:"window" enum:"day,month,years"`
	ResolutionS int          `json:"resolution_s" doc:"seconds from one point to the next, at least: where nothing changed there is no point"`
	Points      []TrendPoint `json:"points" doc:"the oldest first"`
}

// TrendPoint is the sums as they were at the last change within one step.
type TrendPoint struct {
	At         time.Time        `json:"at" doc:"when the step began"`
	Hosts      int64            `json:"hosts"`
	ByStatus   map[string]int64 `json:"by_status" doc:"status -> hosts, as their sites judged"`
	ByWorst    map[string]int64 `json:"by_worst" doc:"highest severity -> hosts"`
	Exposure   Counts           `json:"exposure" doc:"pairs of a host and a vulnerability"`
	Reboot     int64            `json:"reboot" doc:"hosts that need a reboot"`
	Updates    int64            `json:"updates" doc:"sum of the hosts' pending updates"`
	Compliance *float64         `json:"compliance,omitempty" doc:"mean in percent of the hosts that have one"`
}

// StorageReport says whether the store's rows all decode and its indexes hold exactly what they say.
type StorageReport struct {
	OK      bool     `json:"ok"`
	Rows    int      `json:"rows" doc:"rows that were read"`
	Entries int      `json:"entries" doc:"index entries that were compared with them"`
	FaultN  int      `json:"fault_n"`
	Faults  []string `json:"faults,omitempty" doc:"the first 100"`
	TookMS  int64    `json:"took_ms"`
	// Bodies are those of a site's detail tier. One that is damaged hurts nothing but itself.
	Bodies   int      `json:"bodies,omitempty" doc:"bodies of the detail tier that were read"`
	DamagedN int      `json:"damaged_n,omitempty" doc:"of them, those that are damaged; they are stored again when the same is reported again"`
	Damaged  []string `json:"damaged,omitempty" doc:"the first 100"`
}
