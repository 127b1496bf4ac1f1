package schema

import "time"

// KeyGenerate asks the server to make a signing key that stays with it.
type KeyGenerate struct {
	Name      string   `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$"`
	Algorithm string   `json:"algorithm,omitempty" enum:"ES256" doc:"ES256 if absent: there is no other"`
	Purposes  []string `json:"purposes,omitempty" maxItems:"2" doc:"what it may sign, of federation (bundles) and acceptance (acceptances of risks); federation if absent"`
}

// KeyTrust asks the server to accept what this key signed.
type KeyTrust struct {
	Name     string   `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$"`
	Public   string   `json:"public" doc:"PEM, ECDSA P-256" maxLength:"4096"`
	Purposes []string `json:"purposes,omitempty" maxItems:"2" doc:"federation, acceptance; federation if absent"`
}

// KeyRotate asks for the successor of a key.
type KeyRotate struct {
	Successor string `json:"successor,omitempty" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$" doc:"the name of the new key; made of the old one's if absent"`
	Overlap   string `json:"overlap,omitempty" doc:"how long the old key still holds; 30d if absent" example:"30d"`
}

// KeyRevoke says why a key is trusted no more.
type KeyRevoke struct {
	Reason string `json:"reason,omitempty" maxLength:"512" doc:"for the audit record"`
}

// Key is a public key that bundles may be signed with.
type Key struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Public    string     `json:"public"`
	AddedAt   time.Time  `json:"added_at"`
	Private   bool       `json:"private" doc:"this server holds the private half and can sign with it"`
	Revoked   bool       `json:"revoked,omitempty"`
	Purposes  []string   `json:"purposes" doc:"what it may sign"`
	State     string     `json:"state" enum:"active,retiring,retired,revoked" doc:"retiring: a successor is to take its place; the signatures of retired and revoked keys count for nothing"`
	RetiresAt *time.Time `json:"retires_at,omitempty"`
	Successor string     `json:"successor,omitempty" doc:"id of the key that takes its place"`
	Signs     bool       `json:"signs,omitempty" doc:"bundles of this server are signed with it where no key is named: the oldest that is active"`
}

// ImportResult says what a bundle import did, or with dry_run would do.
type ImportResult struct {
	Success        bool             `json:"success" doc:"what is in the bundle was imported, or with dry_run would be"`
	Outcome        string           `json:"outcome,omitempty" enum:"imported,tried,waiting,stale" doc:"tried: with dry_run; waiting: for other parts of its set; stale: everything in it is held"`
	Reason         string           `json:"reason,omitempty" doc:"why nothing was imported"`
	DryRun         bool             `json:"dry_run,omitempty"`
	BundleHash     string           `json:"bundle_hash"`
	Origin         string           `json:"origin"`
	OriginName     string           `json:"origin_name,omitempty"`
	ImportedCursor string           `json:"imported_cursor"`
	RewoundFrom    string           `json:"rewound_from,omitempty" doc:"of a forced import of something older: how far the origin was held before. It is held through imported_cursor only now, and the next bundle of it must begin there"`
	Counts         ImportCounts     `json:"counts"`
	Conflicts      []Conflict       `json:"conflicts" doc:"the first 500 fields in which a record here and that of the bundle did not agree"`
	ConflictN      int              `json:"conflict_n" doc:"all of them"`
	LeftOut        map[string]int   `json:"left_out,omitempty" doc:"records of sources that this origin may not speak for, by source"`
	Unsigned       bool             `json:"unsigned,omitempty" doc:"the signature was not asked for"`
	TrustedKeys    []string         `json:"trusted_keys,omitempty" doc:"names of keys that the bundle announced and that are trusted from now on"`
	RevokedKeys    []string         `json:"revoked_keys,omitempty" doc:"names of keys that the bundle says were revoked where they were made, and that count for nothing here from now on"`
	Waiting        *BundleParts     `json:"waiting,omitempty" doc:"set where the bundle is one part of several and others have not come: nothing was imported yet"`
	Findings       *FindingsPreview `json:"findings,omitempty" doc:"of a dry run at a site: what would appear and disappear on its hosts"`
	DurationMS     int64            `json:"duration_ms"`
}

// ImportCounts counts what an import did to the canonicals and to the records that they are made of.
type ImportCounts struct {
	CanonicalCreated int `json:"canonical_created"`
	CanonicalUpdated int `json:"canonical_updated"`
	CanonicalSkipped int `json:"canonical_skipped"`
	EdgesAdded       int `json:"edges_added"`
	Deleted          int `json:"deletions_processed"`
	Created          int `json:"advisories_created"`
	Updated          int `json:"advisories_updated"`
	Skipped          int `json:"advisories_skipped"`
}

// Conflict is a field in which a record here and one of the same source and id in a bundle do not agree.
type Conflict struct {
	Source     string `json:"source"`
	ID         string `json:"id"`
	MergeHash  string `json:"merge_hash"`
	Field      string `json:"field"`
	Local      string `json:"local_value"`
	Remote     string `json:"remote_value"`
	Resolution string `json:"resolution" enum:"prefer_remote,prefer_local"`
}

// BundleParts says which parts of a split bundle have come.
type BundleParts struct {
	Set     string `json:"set"`
	Of      int    `json:"of"`
	Missing []int  `json:"missing" doc:"numbers of the parts that are still to come, from 1"`
}

// FindingsPreview says which findings an import would open and close.
type FindingsPreview struct {
	Appear      int           `json:"appear" doc:"pairs of a host and a finding"`
	Disappear   int           `json:"disappear"`
	Hosts       []HostPreview `json:"hosts" doc:"the first 200 hosts, the most changed first"`
	HostN       int           `json:"host_n" doc:"all of them"`
	Inventories int           `json:"inventories" doc:"distinct inventories that were looked at"`
	Cut         bool          `json:"cut,omitempty" doc:"there were more inventories than are looked at: the numbers are of a part"`
}

// HostPreview is what an import would change on one host.
type HostPreview struct {
	HostID    string   `json:"host_id"`
	Hostname  string   `json:"hostname"`
	Appear    []string `json:"appear,omitempty" doc:"the first 20, as VULNERABILITY PACKAGE VERSION"`
	Disappear []string `json:"disappear,omitempty" doc:"likewise"`
	AppearN   int      `json:"appear_n"`
	GoneN     int      `json:"disappear_n"`
}

// SyncStatus says how far the bundles of each origin were imported here.
type SyncStatus struct {
	Sites       []SyncOrigin `json:"sites"`
	LocalCursor string       `json:"local_cursor" doc:"of the newest change in this server's own log"`
}

// SyncOrigin is one origin whose bundles were imported, or may be.
type SyncOrigin struct {
	SiteID     string     `json:"site_id" doc:"its id; its name as long as nothing of it was imported"`
	Name       string     `json:"name"`
	Enabled    bool       `json:"enabled" doc:"its bundles may be imported"`
	LastSyncAt *time.Time `json:"last_sync_at,omitempty"`
	LastCursor string     `json:"last_cursor"`
	BundlesN   int        `json:"bundles_imported"`
	ItemsN     int        `json:"total_items_imported"`
}

// Partner is an origin of bundles with what is allowed of them.
type Partner struct {
	SyncOrigin
	DisplayName    string     `json:"display_name,omitempty"`
	Policy         bool       `json:"policy" doc:"somebody said what is allowed of it; else what goes for all is in force"`
	Status         string     `json:"status" enum:"enabled,disabled,not_allowed"`
	Reason         string     `json:"reason,omitempty" doc:"why its bundles are not taken"`
	MaxBundle      int64      `json:"max_bundle_size,omitempty" doc:"bytes; absent: the largest that is taken of anybody"`
	AllowedSources []string   `json:"allowed_sources,omitempty" doc:"sources that it may speak for; absent: all"`
	SkipSignature  bool       `json:"skip_signature,omitempty" doc:"bundles of it may be imported without a signature that holds"`
	ChangedAt      *time.Time `json:"changed_at,omitempty" doc:"when the policy was last changed"`
	OnlyNamed      bool       `json:"only_named,omitempty" doc:"in the answer to a change: it named the first site, so that from now on bundles of named sites alone are imported"`
	ShutOut        []string   `json:"shut_out,omitempty" doc:"in the answer to a change: other origins whose bundles were imported before it, and are not any more"`
}

// PartnerPut changes what is allowed of an origin. What is absent stays as it is, and for a new one as it is by default.
type PartnerPut struct {
	DisplayName    *string   `json:"display_name,omitempty" maxLength:"256"`
	Enabled        *bool     `json:"enabled,omitempty" doc:"true for a new one"`
	MaxBundle      *int64    `json:"max_bundle_size,omitempty" minimum:"0" maximum:"1073741824" doc:"bytes; 0: as for everybody"`
	AllowedSources *[]string `json:"allowed_sources,omitempty" maxItems:"100" doc:"empty: all"`
	SkipSignature  *bool     `json:"skip_signature,omitempty"`
}

// ImportRecord is one bundle that was taken in.
type ImportRecord struct {
	At         time.Time    `json:"at"`
	BundleHash string       `json:"bundle_hash"`
	Origin     string       `json:"site_id"`
	OriginName string       `json:"name"`
	From       string       `json:"from,omitempty"`
	Cursor     string       `json:"cursor"`
	Signer     string       `json:"signer,omitempty"`
	Forced     bool         `json:"forced,omitempty"`
	Unsigned   bool         `json:"unsigned,omitempty"`
	OnConflict string       `json:"on_conflict,omitempty"`
	Counts     ImportCounts `json:"counts"`
	Conflicts  []Conflict   `json:"conflicts,omitempty" doc:"the first 500"`
	ConflictN  int          `json:"conflict_n,omitempty"`

	LeftOut  map[string]int `json:"left_out,omitempty" doc:"records of sources that this origin might not speak for, by source; of the 64 with the most"`
	LeftOutN int            `json:"left_out_n,omitempty" doc:"all of them"`
}

// CanonicalImported is an event of the stream canonical-imported.
type CanonicalImported struct {
	Seq         uint64    `json:"seq" doc:"offset of the stream; rises strictly"`
	CanonicalID string    `json:"canonical_id"`
	CVE         string    `json:"cve,omitempty"`
	AffectsKey  string    `json:"affects_key" doc:"the first package URL that it names, of one that was deleted the first that it named last; empty: none, or it is gone since"`
	MergeHash   string    `json:"merge_hash"`
	Action      string    `json:"action" enum:"Created,Updated,Deleted"`
	BundleHash  string    `json:"bundle_hash,omitempty" doc:"absent: no bundle brought it"`
	SiteID      string    `json:"site_id,omitempty" doc:"whose bundle it was"`
	ImportedAt  time.Time `json:"imported_at"`
}

// EventsReset says that events from the asked offset on cannot all be told.
type EventsReset struct {
	Reason string `json:"reason"`
	Oldest uint64 `json:"oldest" doc:"the first event that is kept"`
	Newest uint64 `json:"newest"`
}

// WebhookCall is the body of a request to a webhook.
type WebhookCall struct {
	Stream string              `json:"stream"`
	Server string              `json:"server,omitempty"`
	Reset  *EventsReset        `json:"reset,omitempty" doc:"set where events before these are missing"`
	Events []CanonicalImported `json:"events"`
}
