package schema

import "time"

// AdvisorySource is one place that this server fetches advisories from by itself.
type AdvisorySource struct {
	Name       string   `json:"name"`
	Kind       string   `json:"kind" enum:"osv,kev,epss,nvd,csaf,openvex,bundle,controller" doc:"controller: the tier above this site, by its link"`
	From       string   `json:"from" doc:"the address, or the path on the server"`
	Of         string   `json:"of,omitempty" doc:"the source that its records are of; empty: the records say it"`
	Ecosystems []string `json:"ecosystems,omitempty" doc:"those that are taken; empty: all"`
	EverySec   int64    `json:"every_seconds" doc:"how often it is looked at"`

	State      string     `json:"state" enum:"current,behind,old,failing,never,running,elsewhere" doc:"behind: changes of the controller are known of and not here yet; old: not reached for three of its intervals; elsewhere: another node of the group leads, and fetches"`
	AgeSec     *int64     `json:"age_seconds,omitempty" doc:"since it was last reached; at a site of the controller: since it was last level with it. Absent: never, as far as this server knows"`
	CheckedAt  *time.Time `json:"checked_at,omitempty" doc:"when it was last reached, be it that it had nothing new"`
	ChangedAt  *time.Time `json:"changed_at,omitempty" doc:"when something new of it was last taken in"`
	FailedAt   *time.Time `json:"failed_at,omitempty" doc:"when it last failed"`
	Reason     string     `json:"reason,omitempty" doc:"why, where the newest attempt failed; what was taken in before stays"`
	Failures   int        `json:"failures,omitempty" doc:"attempts in a row that failed"`
	NextAt     *time.Time `json:"next_at,omitempty" doc:"when it is looked at again"`
	HaveBytes  int64      `json:"have_bytes,omitempty" doc:"of the file that is being fetched"`
	SizeBytes  int64      `json:"size_bytes,omitempty" doc:"of the whole file; 0: not known"`
	BehindN    uint64     `json:"behind_n,omitempty" doc:"changes of the controller that this site does not have yet; at most"`
	Held       string     `json:"held,omitempty" doc:"the cursor through which this site holds the controller's advisories"`
	Read       int        `json:"read" doc:"records of the newest edition that was taken in"`
	Created    int        `json:"created"`
	Updated    int        `json:"updated"`
	Deleted    int        `json:"deleted"`
	MalformedN int        `json:"malformed_n"`
	Malformed  string     `json:"malformed,omitempty" doc:"the first of those, and why"`
	OutsideN   int        `json:"outside_n,omitempty" doc:"records that name ecosystems which their source may not speak for; those parts are never matched"`
	Warning    string     `json:"warning,omitempty" doc:"what is wrong with what was taken in, and what to do"`
}

// Authority says which ecosystems a source may speak for.
type Authority struct {
	Source     string   `json:"source"`
	Ecosystems []string `json:"ecosystems" doc:"without releases, as Debian; * is all of them; none: it is about vulnerabilities and no packages"`
	BuiltIn    bool     `json:"built_in" doc:"nobody has said another thing here"`
}

// AuthoritySet is what a source is to speak for.
type AuthoritySet struct {
	Ecosystems []string `json:"ecosystems" maxItems:"256" doc:"without releases, as Debian; * is all of them; none: as it is built in"`
}

// AuthorityDone is what a source may speak for from now on.
type AuthorityDone struct {
	Authority
	JudgedN int `json:"judged_n" doc:"records that are held, whose packages are matched from now on and were not before, or the other way round"`
}
