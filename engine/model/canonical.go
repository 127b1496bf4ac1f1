package model

// Canonical is one vulnerability: the records of all sources that speak of the very same one, joined by their aliases
// (see engine/merge). What the sources say is in the records; which of them wins a field is worked out when it is asked.
type Canonical struct {
	ID      string        `json:"id"`      // the CVE, where one of the records has one; else the chief of their ids
	Hash    string        `json:"hash"`    // the merge hash, "sha256:" and hex: a function of ID and of the scheme
	Since   Time          `json:"since"`   // when it came to be here
	Changed Time          `json:"changed"` // when it, or a record of it, last changed here
	Members []Edge        `json:"members"` // sorted by source and id; at least one
	Head    CanonicalHead `json:"head"`
}

// CanonicalHead is what lists and searches of canonicals show: the winning fields, small enough to stand in the row.
type CanonicalHead struct {
	Summary   string   `json:"summary,omitzero"` // at most 160 bytes
	Severity  Severity `json:"severity"`
	Published Time     `json:"published,omitzero"`
	Withdrawn Time     `json:"withdrawn,omitzero"` // set where every member that counts is withdrawn
	Known     Time     `json:"known,omitzero"`     // see Exploit
	// Probability is the EPSS score; zero: none.
	Probability float64 `json:"probability,omitzero"`
	// Differing counts the fields in which sources do not agree.
	Differing int `json:"differing,omitzero"`
}

// Edge joins a record to the canonical that it belongs to, and says why.
type Edge struct {
	AdvisoryKey
	Reason EdgeReason `json:"reason"`
	Via    string     `json:"via,omitzero"` // the identifier that joined it; empty for EdgeAlone
}

// EdgeReason says why a record belongs to its canonical.
type EdgeReason string

// The reasons.
const (
	EdgeID    EdgeReason = "id"    // the record's own id is the canonical's
	EdgeAlias EdgeReason = "alias" // it has the canonical's id among its aliases
	EdgeVia   EdgeReason = "via"   // it shares the alias Via with a record that has the canonical's id
	EdgeAlone EdgeReason = "alone" // it has no alias in common with any other record
	EdgeGuard EdgeReason = "guard" // its aliases would join several vulnerabilities (Via names one of them), so it stands alone
	EdgeFact  EdgeReason = "fact"  // it carries only facts about the vulnerability that it names (KEV, EPSS)
)

// CanonicalAction is what became of a canonical.
type CanonicalAction string

// The actions, with the names of the event stream.
const (
	CanonicalCreated CanonicalAction = "Created"
	CanonicalUpdated CanonicalAction = "Updated"
	CanonicalDeleted CanonicalAction = "Deleted"
)

// CanonicalEvent is one entry of the stream of changes of canonicals, in the order in which they were made here.
type CanonicalEvent struct {
	Seq    Seq             `json:"seq"` // rises strictly; the offset of the stream
	ID     string          `json:"id"`
	Hash   string          `json:"hash"`
	Action CanonicalAction `json:"action"`
	Run    string          `json:"run,omitzero"`    // Commit.Run
	Bundle string          `json:"bundle,omitzero"` // Imported.BundleHash, where a bundle brought it
	Origin NodeID          `json:"origin,omitzero"` // whose bundle it was
	At     Time            `json:"at"`
	// AffectsKey is, of one that is gone, the first package URL that its last records named; empty: none.
	AffectsKey string `json:"affects_key,omitzero"`
}

// MaxEvents is how many CanonicalEvents are kept, the newest.
const MaxEvents = 500_000

// Difference is a field that a record here and one of the same key in a bundle do not agree in.
type Difference struct {
	AdvisoryKey
	MergeHash  string `json:"merge_hash"`
	Field      string `json:"field"`
	Local      string `json:"local_value"`  // at most 512 bytes
	Remote     string `json:"remote_value"` // at most 512 bytes
	Resolution string `json:"resolution"`   // prefer_remote, prefer_local
}

// MaxDifferences is how many Differences the record of one import keeps; more are counted.
const MaxDifferences = 500

// Partner is an origin whose bundles may be imported, and what of them.
type Partner struct {
	Name string `json:"name"` // the label that its bundles carry (origin_name), or its id; unique
	// Origin is who had that label in the first bundle that was imported by it: nobody else has it since. Zero: none was yet.
	Origin      NodeID `json:"origin,omitzero"`
	DisplayName string `json:"display_name,omitzero"`
	Enabled     bool   `json:"enabled"`
	MaxBundle   int64  `json:"max_bundle,omitzero"` // bytes of a file; zero: the limit of the format
	// Sources are the sources that it may speak for; empty: all.
	Sources []string `json:"sources,omitzero"`
	// SkipSignature allows an import without a signature that holds, where it is asked for; audited.
	SkipSignature bool `json:"skip_signature,omitzero"`
	At            Time `json:"at"`
}

// Acceptance says that somebody takes the risk of a vulnerability on some hosts until a day. It is signed, so that a site
// believes it whatever it came by.
type Acceptance struct {
	ID            string `json:"id"`               // made by who proposed it
	Vulnerability string `json:"vulnerability"`    // as in Finding
	Package       string `json:"package,omitzero"` // as installed, or its source package; empty: every package
	Hosts         string `json:"hosts,omitzero"`   // a search over hosts (docs/search.md); empty: every host
	Reason        string `json:"reason"`
	By            string `json:"by"`
	At            Time   `json:"at"`
	Until         Time   `json:"until"`
	Envelope      []byte `json:"envelope,omitzero"` // DSSE over the JSON of all fields above
}

// Covers reports whether the acceptance is of a finding, where it is on one of its hosts.
func (a *Acceptance) Covers(f *Finding) bool {
	return a.Vulnerability == f.Vulnerability && (a.Package == "" || a.Package == f.Package || a.Package == f.Source)
}
