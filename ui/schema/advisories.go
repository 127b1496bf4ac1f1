package schema

import "time"

// Canonical is one vulnerability: the records of all sources that speak of the very same one.
type Canonical struct {
	ID        string     `json:"id" example:"CVE-2024-1234"`
	MergeHash string     `json:"merge_hash" doc:"a function of id alone, the same on every server"`
	Since     *time.Time `json:"since,omitempty" doc:"when it came to be on this server"`
	Changed   *time.Time `json:"changed,omitempty" doc:"when it, or a record of it, last changed on this server"`
	CanonicalHead
	Aliases []string    `json:"aliases,omitempty" doc:"every other id that a record of it has"`
	CWEs    []string    `json:"cwes,omitempty"`
	Members []Edge      `json:"members" doc:"why each record belongs to it"`
	Records []Advisory  `json:"records" doc:"what each source says, in the order of members"`
	Related []Neighbour `json:"related,omitempty" doc:"canonicals that a record of it names as upstream or related, or that name it so; they are other vulnerabilities. At most 100"`
}

// CanonicalHead is what lists show of a canonical: the winning fields.
type CanonicalHead struct {
	Summary     string     `json:"summary,omitempty"`
	Severity    string     `json:"severity" enum:"unknown,none,low,medium,high,critical"`
	Published   *time.Time `json:"published,omitempty"`
	Withdrawn   *time.Time `json:"withdrawn,omitempty" doc:"set where every record that counts is withdrawn"`
	Known       *time.Time `json:"known_exploited,omitempty" doc:"since when it is known to be exploited (KEV)"`
	Probability float64    `json:"epss,omitempty" doc:"of an attack within 30 days, 0 to 1; absent: there is no score"`
	Differing   int        `json:"differing,omitempty" doc:"fields in which sources do not agree"`
}

// Edge says why a record belongs to its canonical.
type Edge struct {
	Source string `json:"source"`
	ID     string `json:"id"`
	Reason string `json:"reason" enum:"id,alias,via,alone,guard,fact"`
	Via    string `json:"via,omitempty" doc:"the identifier that joined it"`
}

// Neighbour is another canonical that has to do with this one.
type Neighbour struct {
	ID      string `json:"id"`
	Summary string `json:"summary,omitempty"`
	How     string `json:"how" enum:"upstream,related,names this" doc:"upstream, related: a record of this one names it so; names this: the other way around"`
	By      string `json:"by" doc:"the record that says so, as source/id"`
}

// Advisory is one record of one source.
type Advisory struct {
	Source     string      `json:"source"`
	ID         string      `json:"id"`
	Aliases    []string    `json:"aliases,omitempty"`
	Upstream   []string    `json:"upstream,omitempty"`
	Related    []string    `json:"related,omitempty"`
	Published  *time.Time  `json:"published,omitempty"`
	Modified   *time.Time  `json:"modified,omitempty"`
	Withdrawn  *time.Time  `json:"withdrawn,omitempty"`
	Summary    string      `json:"summary,omitempty"`
	Severity   string      `json:"severity"`
	Scores     []Score     `json:"scores,omitempty" doc:"what the severity was worked out from"`
	CWEs       []string    `json:"cwes,omitempty"`
	Exploit    *Exploit    `json:"exploit,omitempty"`
	Affected   []Affected  `json:"affected,omitempty"`
	Statements []Statement `json:"statements,omitempty"`
	Cursor     string      `json:"cursor" doc:"place of its newest change in this server's log"`
	Origin     string      `json:"origin,omitempty" doc:"whose bundle brought it as it is; absent: it was ingested here"`
}

// Score is one severity statement: a CVSS vector, or a source's own word.
type Score struct {
	Type  string `json:"type" example:"CVSS_V3"`
	Score string `json:"score"`
}

// Exploit is what is known of attacks.
type Exploit struct {
	Known       *time.Time `json:"known,omitempty" doc:"since when it is in CISA's catalog of known exploited vulnerabilities"`
	Due         *time.Time `json:"due,omitempty"`
	Ransomware  bool       `json:"ransomware,omitempty"`
	Probability float64    `json:"epss,omitempty"`
	Percentile  float64    `json:"epss_percentile,omitempty"`
	ScoredAt    *time.Time `json:"epss_at,omitempty"`
}

// Statement is what an author says of some products (VEX).
type Statement struct {
	Products      []string   `json:"products"`
	Status        string     `json:"status" enum:"not_affected,affected,fixed,under_investigation"`
	Justification string     `json:"justification,omitempty"`
	Note          string     `json:"note,omitempty"`
	At            *time.Time `json:"at,omitempty"`
	Outside       bool       `json:"outside,omitempty" doc:"the source has no authority for the ecosystems of these products: it is shown and closes no finding"`
}

// Affected names a package and the versions of it that are vulnerable.
type Affected struct {
	Ecosystem string   `json:"ecosystem"`
	Package   string   `json:"package"`
	Purl      string   `json:"purl,omitempty" doc:"its package URL without a version, where its type is known"`
	Ranges    []string `json:"ranges,omitempty" doc:"as text, as in: >= 0, < 7.88.1-10+deb12u5"`
	Versions  []string `json:"versions,omitempty"`
	Modules   []string `json:"modules,omitempty" doc:"module streams that it is about"`
	Outside   bool     `json:"outside,omitempty" doc:"the source has no authority for this ecosystem: it is shown and never matched"`
}

// CanonicalRow is a canonical in a list.
type CanonicalRow struct {
	ID        string     `json:"id"`
	MergeHash string     `json:"merge_hash"`
	Changed   *time.Time `json:"changed,omitempty"`
	CanonicalHead
	Sources []string `json:"sources"`
	// Verdict is there where the question named a version.
	Verdict string `json:"verdict,omitempty" enum:"affected,unknown" doc:"of a search by package URL with a version: affected, or unknown where it cannot be compared"`
	Fixed   string `json:"fixed,omitempty" doc:"of such a search: the lowest version that is not affected, where one is known"`
}

// Canonicals is a page of what a search of advisories finds, by id.
type Canonicals struct {
	Canonicals []CanonicalRow `json:"canonicals"`
	Total      int            `json:"total" doc:"how many the search finds"`
	Next       string         `json:"next,omitempty" doc:"pass as cursor= for the next page"`
}

// Explained says why the records of a canonical are one, and where each of its fields comes from.
type Explained struct {
	ID         string     `json:"id"`
	MergeHash  string     `json:"merge_hash"`
	Scheme     string     `json:"scheme" doc:"version of the rule by which records are joined"`
	Members    []Joined   `json:"members"`
	Fields     []Resolved `json:"fields" doc:"which source won each field, and what all others say"`
	Ecosystems []Speaking `json:"ecosystems,omitempty" doc:"who speaks for which ecosystem"`
	Aliases    []NamedBy  `json:"aliases" doc:"every identifier, and which records give it"`
	Related    []NamedBy  `json:"related,omitempty" doc:"upstream and related identifiers: shown, never joined"`
	Guards     []string   `json:"guards,omitempty" doc:"in words: what their aliases would have joined, and why it was not"`
}

// Joined is a record of a canonical, and why it belongs to it.
type Joined struct {
	Edge
	Why       string     `json:"why"`
	Class     string     `json:"class" doc:"what sort of source it is; precedence goes by it"`
	Fact      bool       `json:"fact,omitempty" doc:"it carries only facts about the vulnerability that it names"`
	Withdrawn *time.Time `json:"withdrawn,omitempty"`
}

// Resolved is a field, who gave it its value, and what all others say.
type Resolved struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	From    string `json:"from" doc:"as source/id"`
	Rule    string `json:"rule" doc:"by which it won"`
	Differs bool   `json:"differs,omitempty" doc:"somebody contradicts it"`
	Said    []Said `json:"said" doc:"of every record that says something, the winner first"`
}

// Said is what one record says of a field.
type Said struct {
	From      string `json:"from" doc:"as source/id"`
	Value     string `json:"value"`
	Agrees    bool   `json:"agrees"`
	Withdrawn bool   `json:"withdrawn,omitempty" doc:"the record is withdrawn, so it contradicts nobody"`
}

// Speaking is who speaks for an ecosystem about a vulnerability.
type Speaking struct {
	Ecosystem string      `json:"ecosystem"`
	From      string      `json:"from,omitempty" doc:"the record of the authority for it; absent: nobody with authority speaks"`
	Severity  string      `json:"severity"`
	Said      []SpokenFor `json:"said"`
}

// SpokenFor is a record that names packages of an ecosystem.
type SpokenFor struct {
	From     string `json:"from" doc:"as source/id"`
	Severity string `json:"severity"`
	Outside  bool   `json:"outside,omitempty" doc:"it has no authority there: shown, never matched"`
}

// NamedBy is an identifier and the records that give it.
type NamedBy struct {
	ID   string   `json:"id"`
	From []string `json:"from"`
}

// Ingested says what an ingest did. Good records are stored even where others are malformed; all that is stored becomes
// visible at once.
type Ingested struct {
	Read       int         `json:"read"`
	Created    int         `json:"created"`
	Updated    int         `json:"updated"`
	Unchanged  int         `json:"unchanged"`
	Deleted    int         `json:"deleted,omitempty" doc:"taken away by a set of changes"`
	PassedOver int         `json:"passed_over,omitempty" doc:"scores that were not stored: of vulnerabilities that no record here names, or hardly moved"`
	OlderN     int         `json:"older_n,omitempty" doc:"records of versions that are older than what is held; they were left out"`
	OutsideN   int         `json:"outside_n,omitempty" doc:"records that name ecosystems for which their source has no authority; those parts are never matched"`
	MalformedN int         `json:"malformed_n"`
	Malformed  []Malformed `json:"malformed,omitempty" doc:"the first 100"`
	Runs       int         `json:"runs,omitempty" doc:"in how many parts it became visible, where one is not enough"`
	AdvisoryN  int         `json:"advisory_n" doc:"advisories held afterwards"`
	Cursor     string      `json:"cursor"`
	DurationMS int64       `json:"duration_ms"`
}

// Malformed names a record that was not stored, and why.
type Malformed struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}
