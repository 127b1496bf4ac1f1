package model

import "time"

// Change is everything that can happen to the state of the world. The set is closed: engine/apply
// switches over it, raftfsm/entry numbers it, and CONTRIBUTING.md has the checklist for adding one.
//
// A Change carries the time and the actor of what happened, minted where it was proposed, so that
// applying it is a pure function of the change and the rows.
type Change interface {
	// Tag is the number of this type in the Raft log. It never changes and is never used again.
	Tag() Tag
}

// Tag numbers a type of change, from 1.
type Tag uint8

// The tags. Append, never reorder.
const (
	TagFound         Tag = 1
	TagInvite        Tag = 2
	TagEnroll        Tag = 3
	TagReceived      Tag = 4
	TagAdvisories    Tag = 5
	TagGeneration    Tag = 6
	TagMatched       Tag = 7
	TagRollup        Tag = 8
	TagDispatch      Tag = 9
	TagMoves         Tag = 10
	TagPutAccount    Tag = 11
	TagPutSession    Tag = 12
	TagEndSession    Tag = 13
	TagTrustSigner   Tag = 14
	TagNote          Tag = 15
	TagHostStatuses  Tag = 16
	TagResync        Tag = 17
	TagPutSearch     Tag = 18
	TagDropSearch    Tag = 19
	TagPutSite       Tag = 20
	TagRemoveMember  Tag = 21
	TagPutController Tag = 22
	TagPutSecret     Tag = 23
	TagOvertaken     Tag = 24
	TagPutRule       Tag = 25
	TagDropRule      Tag = 26
	TagJudgeAlerts   Tag = 27
	TagAckAlert      Tag = 28
	TagPutPolicy     Tag = 29
	TagDropPolicy    Tag = 30
	TagEvaluated     Tag = 31
	TagQuarantine    Tag = 32
	TagRekey         Tag = 33
	TagRetireHosts   Tag = 34
	TagRepair        Tag = 35

	TagSetMemberStatus Tag = 36
	TagIntroduced      Tag = 37
	TagAskAlert        Tag = 38
	TagClearSite       Tag = 39

	TagStage          Tag = 40
	TagCommit         Tag = 41
	TagAbandon        Tag = 42
	TagPutPartner     Tag = 43
	TagDropPartner    Tag = 44
	TagPutAcceptance  Tag = 45
	TagDropAcceptance Tag = 46
	TagPutAuthority   Tag = 47
	TagDropAccount    Tag = 48
)

// How a run of advisory changes came about; Commit.Kind.
const (
	RunIngest = "ingest" // an operator's files
	RunPull   = "pull"   // a source that is fetched on schedule
	RunImport = "import" // a bundle
)

// Stamp says who made a change and when.
type Stamp struct {
	Actor string `json:"actor"`
	At    Time   `json:"at"`
}

// Found gives a new controller group or site its identity. It is the first change of every store and
// changes nothing when repeated with the same identity; another identity is refused.
type Found struct {
	Stamp
	Self NodeID `json:"self"` // the group, or the site
	Role Role   `json:"role"`
	Name string `json:"name"`
}

// Invite adds a pending member, or gives a pending one a new token (the old one is void). Site is
// set where the member is a site.
type Invite struct {
	Stamp
	Member Member `json:"member"`
	Site   *Site  `json:"site,omitzero"`
}

// Enroll uses a member's one-time token and pins its key. The same token hash and the same pin again
// changes nothing and succeeds; another pin is refused.
type Enroll struct {
	Stamp
	Member    NodeID `json:"member"`
	TokenHash string `json:"token_hash"`
	Pin       string `json:"pin"`
	// Address is HOST:PORT where a controller that joins a group is reached; empty for every other member.
	Address string `json:"address,omitzero"`
}

// Received is a run of items of one origin. Items that the origin's watermark covers are skipped; the
// watermark moves to the last item in the same batch. An item that its origin has no right to send
// is refused and audited; it does not stop the items behind it.
type Received struct {
	Stamp
	Origin NodeID `json:"origin"`
	Epoch  Epoch  `json:"epoch"`
	Items  []Item `json:"items"` // Seq rising
}

// Advisories adds, replaces and removes advisory records. A record equal to the stored one changes nothing.
type Advisories struct {
	Stamp
	Put    []Advisory    `json:"put,omitzero"`
	Delete []AdvisoryKey `json:"delete,omitzero"`
	// Keep says that the records keep the cursor they carry: a bundle at a site, or a controller's own
	// that comes back to it. Otherwise each is given the next cursor of this group, since the cursors of
	// two origins have no order between them.
	Keep bool `json:"keep,omitzero"`
}

// Stage keeps a part of a run of advisory changes aside; nothing of it is seen until Commit takes in the whole run. Part
// 0 begins a run. One run is open at a time: another one that begins takes the place of a run whose last part is older than
// RunPatience, and is refused as fault.Conflict before. The same part again changes nothing.
type Stage struct {
	Stamp
	Run    string        `json:"run"`  // 1 to 128 bytes; made by the proposer
	Part   int           `json:"part"` // rising by one from 0
	Put    []Advisory    `json:"put,omitzero"`
	Delete []AdvisoryKey `json:"delete,omitzero"`
	// Alike are records that the run's origin has as they are held: from then on they are held of it as well. Left are records that it
	// does not have any more, and others do. Neither is a change of the record.
	Alike []AdvisoryKey `json:"alike,omitzero"`
	Left  []AdvisoryKey `json:"left,omitzero"`
}

// RunPatience is how long an open run may stay silent before another may take its place.
const RunPatience = 2 * time.Minute

// Commit takes in all parts of a run at once, and ends it: the records, what they do to canonicals, the record of the import and a
// new generation become visible together. A run without parts (Parts is 0) records that an import brought nothing new. The
// same run again changes nothing.
type Commit struct {
	Stamp
	Run      string    `json:"run"`
	Parts    int       `json:"parts"`
	Kind     string    `json:"kind"` // RunIngest, RunPull, RunImport
	Imported *Imported `json:"imported,omitzero"`
	// Have is how far this server held the origin of the bundle when that was judged, or its own changes where they are its
	// own: where that is not so any more, another import came first and the run is refused.
	Have   Cursor            `json:"have,omitzero"`
	Detail map[string]string `json:"detail,omitzero"` // for the audit record
}

// Abandon drops an open run; one that is not there is no error.
type Abandon struct {
	Stamp
	Run string `json:"run"`
}

// PutPartner adds or replaces what is allowed of an origin's bundles.
type PutPartner struct {
	Stamp
	Partner Partner `json:"partner"` // At is set from the stamp
}

// DropPartner forgets a Partner; one that is not there is no error.
type DropPartner struct {
	Stamp
	Name string `json:"name"`
}

// PutAcceptance stores a signed acceptance and sends it down. Whether its signature holds is for those who use it.
type PutAcceptance struct {
	Stamp
	Acceptance Acceptance `json:"acceptance"`
}

// DropAcceptance takes an acceptance back, here and below; one that is not there is no error.
type DropAcceptance struct {
	Stamp
	ID string `json:"id"`
}

// PutAuthority says for which ecosystems a source may speak, in place of what is built in; no ecosystem: as it is built in.
// Records that are there keep what was judged of them until somebody judges them again (see ui/api).
type PutAuthority struct {
	Stamp
	Source     string   `json:"source"`
	Ecosystems []string `json:"ecosystems,omitzero"` // without releases, as Debian; "*" is all
}

// Generation ends a run of Advisories changes: what came before belongs together, and everything is
// to be matched against it. Imported is set where the run was a bundle.
type Generation struct {
	Stamp
	Imported *Imported `json:"imported,omitzero"`
}

// Imported is the record of one bundle that was taken in.
type Imported struct {
	BundleHash string `json:"bundle_hash"` // "sha256:" and the hex digest of the manifest
	Origin     NodeID `json:"origin"`
	OriginName string `json:"origin_name"`
	From       Cursor `json:"from,omitzero"`
	To         Cursor `json:"to"`
	Forced     bool   `json:"forced,omitzero"`
	Signer     string `json:"signer"`
	Created    int    `json:"created"`
	Updated    int    `json:"updated"`
	Skipped    int    `json:"skipped"`
	Deleted    int    `json:"deleted"`

	// The result on canonicals, set by apply: canonicals made, changed and gone, and edges that were not there before.
	CanonicalCreated int `json:"canonical_created,omitzero"`
	CanonicalUpdated int `json:"canonical_updated,omitzero"`
	CanonicalDeleted int `json:"canonical_deleted,omitzero"`
	EdgesAdded       int `json:"edges_added,omitzero"`

	Unsigned    bool         `json:"unsigned,omitzero"` // the signature was not asked for
	OnConflict  string       `json:"on_conflict,omitzero"`
	Differences []Difference `json:"differences,omitzero"` // the first MaxDifferences
	DifferenceN int          `json:"difference_n,omitzero"`

	LeftOut  map[string]int `json:"left_out,omitzero"` // records of sources that the origin may not speak for here; of at most MaxLeftOut sources
	LeftOutN int            `json:"left_out_n,omitzero"`
}

// MaxLeftOut is of how many sources an Imported says what was left out.
const MaxLeftOut = 64

// Matched stores the findings of inventories and the counts on their hosts.
type Matched struct {
	Stamp
	Matches []Match `json:"matches"`
	// Judged are stored before Matches, which name them; Gone are the ids of those that nobody needs any more.
	Judged []Judged `json:"judged,omitzero"`
	Gone   []string `json:"gone,omitzero"`
	// Hosts are written after Matches, in place of what their inventories have.
	Hosts []HostExposure `json:"hosts,omitzero"`
}

// Rollup stores this site's exposure and sends it up.
type Rollup struct {
	Stamp
	Exposure Exposure `json:"exposure"`
}

// Dispatch makes a command with one queued task for each host. The same command id again changes nothing.
type Dispatch struct {
	Stamp
	Command Command  `json:"command"` // State, StateAt, TaskN are set by apply
	Hosts   []HostID `json:"hosts"`   // sorted, distinct, all of the command's site
}

// Moves reports task moves that were judged here (an expiry), not by an agent.
type Moves struct {
	Stamp
	Moves []Move `json:"moves"`
}

// PutAccount adds or replaces an account.
type PutAccount struct {
	Stamp
	Account Account `json:"account"`
}

// DropAccount removes an account and ends its logins; one that is not there is no error. The last one that may log in stays.
type DropAccount struct {
	Stamp
	Name string `json:"name"`
}

// PutSession adds a login; expired sessions are removed in passing.
type PutSession struct {
	Stamp
	Session Session `json:"session"`
}

// EndSession removes a login; an unknown one is no error.
type EndSession struct {
	Stamp
	ID SessionID `json:"id"`
}

// TrustSigner adds or replaces a key that bundles may be signed with, and sends it down.
type TrustSigner struct {
	Stamp
	Key SignerKey `json:"key"`
}

// Note is an audit entry alone: something was refused, or happened outside the state.
type Note struct {
	Stamp
	Action string            `json:"action"`
	Object string            `json:"object,omitzero"`
	OK     bool              `json:"ok"`
	Reason string            `json:"reason,omitzero"`
	Detail map[string]string `json:"detail,omitzero"`
}

// HostStatuses reports what this site judged about its hosts' reporting: the hosts whose status
// changed, often none.
type HostStatuses struct {
	Stamp
	Hosts []HostStatusAt `json:"hosts"`
	// All says that every other host of the site was judged as well and is as its row says.
	All bool `json:"all,omitzero"`
}

// HostStatusAt is one host's status. LastSeen is when its agent was last heard.
type HostStatusAt struct {
	Host     HostID     `json:"host"`
	Status   HostStatus `json:"status"`
	LastSeen Time       `json:"last_seen"`
}

// Resync sends every directory row and roll-up of this site up again, because the tier above lost
// what it had acknowledged.
type Resync struct {
	Stamp
}

// PutSearch adds or replaces a saved search. Search.Account and Search.At are set from the stamp.
type PutSearch struct {
	Stamp
	Search SavedSearch `json:"search"`
}

// DropSearch removes a saved search; one that is not there is no error.
type DropSearch struct {
	Stamp
	Name string `json:"name"`
}

// PutSite changes what an operator says about a site that is there: where it is. What is nil stays as it
// is, so that two who change different things at once both have their way; an empty text clears.
type PutSite struct {
	Stamp
	Site     SiteID   `json:"site"`
	Location *string  `json:"location,omitzero"`
	Region   *string  `json:"region,omitzero"`
	Country  *string  `json:"country,omitzero"`
	City     *string  `json:"city,omitzero"`
	Lat      *float64 `json:"lat,omitzero"` // with Lng
	Lng      *float64 `json:"lng,omitzero"` // with Lat
	// NoPosition takes the coordinates away, which nothing else says: there is no empty number.
	NoPosition bool `json:"no_position,omitzero"`
}

// RemoveMember ends the membership of a controller, or withdraws the invitation of one. Its row stays, with
// its key, so that it is not let in again; its name becomes free. One that was removed is no error.
type RemoveMember struct {
	Stamp
	Member NodeID `json:"member"`
	// Reason is set where nobody decided it: the group took out a node that was dead, and it says since when.
	Reason string `json:"reason,omitzero"`
}

// PutController is what a node of the group says of itself at a start: where the others reach it. The
// node that founded the group was never invited, and is registered by it; every other one is there
// already and must have the same key. The same again changes nothing.
type PutController struct {
	Stamp
	Member  NodeID `json:"member"`
	Name    string `json:"name,omitzero"` // empty: as it is
	Address string `json:"address"`       // HOST:PORT
	Pin     string `json:"pin"`
}

// PutSecret keeps something for the nodes of a controller group alone, so that each of them can go on when the
// one that made it is gone. The name must be free, unless what it holds is the same.
type PutSecret struct {
	Stamp
	Secret Secret `json:"secret"` // At is set from the stamp
}

// Overtaken says that a member holds directives which this server never numbered: this server's rows are
// an older copy of themselves, put back without a restore. It is kept with the member, so that the member stays
// refused when the numbers here come past what it holds; a new epoch ends that.
type Overtaken struct {
	Stamp
	Member NodeID   `json:"member"`
	Held   Position `json:"held"` // of the directives, at the member
}

// Repair sends the rows of some hosts up again, and of those that this site does not have that they are gone, because
// the controller's copy was found to differ.
type Repair struct {
	Stamp
	Hosts []HostID `json:"hosts"` // at most MaxRepair
}

// Tag implements Change.
func (Repair) Tag() Tag { return TagRepair }

// Tag implements Change.
func (Found) Tag() Tag         { return TagFound }
func (Invite) Tag() Tag        { return TagInvite }
func (Enroll) Tag() Tag        { return TagEnroll }
func (Received) Tag() Tag      { return TagReceived }
func (Advisories) Tag() Tag    { return TagAdvisories }
func (Generation) Tag() Tag    { return TagGeneration }
func (Matched) Tag() Tag       { return TagMatched }
func (Rollup) Tag() Tag        { return TagRollup }
func (Dispatch) Tag() Tag      { return TagDispatch }
func (Moves) Tag() Tag         { return TagMoves }
func (PutAccount) Tag() Tag    { return TagPutAccount }
func (PutSession) Tag() Tag    { return TagPutSession }
func (EndSession) Tag() Tag    { return TagEndSession }
func (TrustSigner) Tag() Tag   { return TagTrustSigner }
func (Note) Tag() Tag          { return TagNote }
func (HostStatuses) Tag() Tag  { return TagHostStatuses }
func (Resync) Tag() Tag        { return TagResync }
func (PutSearch) Tag() Tag     { return TagPutSearch }
func (DropSearch) Tag() Tag    { return TagDropSearch }
func (PutSite) Tag() Tag       { return TagPutSite }
func (RemoveMember) Tag() Tag  { return TagRemoveMember }
func (PutController) Tag() Tag { return TagPutController }
func (PutSecret) Tag() Tag     { return TagPutSecret }
func (Overtaken) Tag() Tag     { return TagOvertaken }

// Tag implements Change.
func (Stage) Tag() Tag { return TagStage }

// Tag implements Change.
func (Commit) Tag() Tag { return TagCommit }

// Tag implements Change.
func (Abandon) Tag() Tag { return TagAbandon }

// Tag implements Change.
func (PutPartner) Tag() Tag { return TagPutPartner }

// Tag implements Change.
func (DropPartner) Tag() Tag { return TagDropPartner }

// Tag implements Change.
func (PutAcceptance) Tag() Tag { return TagPutAcceptance }

// Tag implements Change.
func (DropAcceptance) Tag() Tag { return TagDropAcceptance }

// Tag implements Change.
func (PutAuthority) Tag() Tag { return TagPutAuthority }

// Tag implements Change.
func (DropAccount) Tag() Tag { return TagDropAccount }
