// Package key holds every key of the directory store: one table of keyspaces, and one function to
// build and one to read each key.
//
// It owns the bytes of the keys and nothing else: no store, no values. A key is the keyspace's byte
// followed by its parts; numbers are big-endian and of fixed width, text is escaped and terminated,
// so that the byte order of keys is the order of their parts. Keys are never sent anywhere. The table
// with byte diagrams stands in storage/index/DESIGN.md, and a test keeps the two the same.
package key

// Schema is the version of the whole layout: keyspaces, parts and the form of values. It moves in the
// same commit as any of them.
const Schema = 4

// Space is the first byte of a key: the keyspace it belongs to. The numbers are on disk: append in the
// gaps, never reuse.
type Space byte

// The keyspaces.
const (
	SpaceMeta       Space = 0x01
	SpaceMember     Space = 0x10
	SpaceMemberPin  Space = 0x11
	SpaceMemberName Space = 0x12

	SpaceSite   Space = 0x18
	SpaceCounts Space = 0x19
	SpaceTrend  Space = 0x1A

	SpaceHost             Space = 0x20
	SpaceHostSite         Space = 0x21 // of schema 1 alone: site id, host id; the number stays taken
	SpaceHostPackages     Space = 0x22
	SpaceHostBeat         Space = 0x23
	SpaceHostJournal      Space = 0x24
	SpaceSearchCheckpoint Space = 0x25

	SpaceAdvisory           Space = 0x30
	SpaceAdvisoryGone       Space = 0x31
	SpaceAdvisoryPackage    Space = 0x32
	SpaceAdvisoryIdentifier Space = 0x33
	SpaceAdvisoryCursor     Space = 0x34
	SpaceAdvisoryIdentity   Space = 0x35
	SpaceCanonical          Space = 0x36
	SpaceCanonicalHash      Space = 0x37
	SpaceImport             Space = 0x38
	SpaceAdvisoryCanonical  Space = 0x39
	SpaceCanonicalEvent     Space = 0x3A
	SpaceStage              Space = 0x3B
	SpacePartner            Space = 0x3C
	SpaceAuthority          Space = 0x3D

	SpaceMatch    Space = 0x40
	SpaceDirty    Space = 0x41
	SpaceExposure Space = 0x42
	SpaceSigner   Space = 0x43
	SpaceFindings Space = 0x44

	SpaceAcceptance Space = 0x45

	SpaceCommand     Space = 0x50
	SpaceCommandOpen Space = 0x51
	SpaceTask        Space = 0x52

	SpaceAccount Space = 0x60
	SpaceSession Space = 0x61
	SpaceAudit   Space = 0x62
	SpaceSearch  Space = 0x63
	SpaceSecret  Space = 0x64

	SpaceWatermark    Space = 0x70
	SpaceDirective    Space = 0x71
	SpaceDirectiveKey Space = 0x72

	SpaceRequest      Space = 0x78
	SpaceRequestOrder Space = 0x79

	SpaceRule        Space = 0x80
	SpaceAlert       Space = 0x81
	SpaceAlertOpen   Space = 0x82
	SpaceAlertEnded  Space = 0x83
	SpaceWatch       Space = 0x84
	SpaceAlertCounts Space = 0x85

	SpacePolicy       Space = 0x88
	SpacePoliciesHeld Space = 0x89
)

// Form is how one part of a key is written.
type Form uint8

// The forms.
const (
	FormByte   Form = 1 // one byte
	FormID     Form = 2 // 16 bytes of an identifier
	FormNumber Form = 3 // 8 bytes, big-endian
	FormText   Form = 4 // bytes with 0x00 written as 0x00 0xFF, then 0x00 0x01
	FormShort  Form = 5 // 2 bytes, big-endian
)

// String returns the form as the byte diagrams write it.
func (f Form) String() string {
	switch f {
	case FormByte:
		return "byte"
	case FormID:
		return "id:16"
	case FormNumber:
		return "be64"
	case FormText:
		return "text"
	case FormShort:
		return "be16"
	}
	return "?"
}

// Part is one part of a key.
type Part struct {
	Name string
	Form Form
}

// Entry is one line of the table of keyspaces.
type Entry struct {
	Space Space
	Name  string
	Parts []Part
	Value string // what stands at the key; "-" is nothing
	// Writer is the method of index.Tx (or the part of index) that alone writes the keyspace.
	Writer string
	Since  int  // the first Schema that has it
	Index  bool // derived from rows of another keyspace, and checked against them
	// Local says that the keyspace is this node's own: derived from rows as well, but at another pace on
	// each node, so that it is no part of what equal logs make equal.
	Local bool
}

// Table returns every keyspace, by rising byte.
func Table() []Entry {
	id := func(n string) Part { return Part{n, FormID} }
	num := func(n string) Part { return Part{n, FormNumber} }
	text := func(n string) Part { return Part{n, FormText} }
	return []Entry{
		{SpaceMeta, "meta", []Part{{"item", FormByte}}, "see Meta", "Open, Commit, PutSelf, PutShelf", 1, false, false},
		{SpaceMember, "member", []Part{id("member")}, "model.Member", "PutMember", 1, false, false},
		{SpaceMemberPin, "member-pin", []Part{text("pin"), id("member")}, "-", "PutMember", 1, true, false},
		{SpaceMemberName, "member-name", []Part{text("kind"), text("name"), id("member")}, "-", "PutMember", 1, true, false},
		{SpaceSite, "site", []Part{id("site")}, "model.Site", "PutSite", 1, false, false},
		{SpaceCounts, "counts", []Part{id("site")}, "model.SiteCounts", "PutCounts", 1, false, false},
		{SpaceTrend, "trend", []Part{id("site"), {"resolution", FormByte}, {"place", FormShort}}, "model.TrendSlot", "PutTrend", 2, false, false},
		{SpaceHost, "host", []Part{id("host")}, "model.Host without its beat", "PutHost", 1, false, false},
		{SpaceHostPackages, "host-packages", []Part{text("digest"), id("host")}, "-", "PutHost", 1, true, false},
		{SpaceHostBeat, "host-beat", []Part{id("host")}, "model.HostBeat", "PutHost, PutHostBeat", 2, false, false},
		{SpaceHostJournal, "host-journal", []Part{num("commit"), {"part", FormShort}}, "ids of hosts, 16 bytes each", "Commit", 2, false, true},
		{SpaceSearchCheckpoint, "search-checkpoint", []Part{num("commit"), num("part")}, "part 0: see the head; others: of storage/search", "the checkpointer", 2, false, true},
		{SpaceAdvisory, "advisory", []Part{text("source"), text("id")}, "model.Advisory", "PutAdvisory", 1, false, false},
		{SpaceAdvisoryGone, "advisory-gone", []Part{text("source"), text("id")}, "model.Cursor", "DeleteAdvisory", 1, false, false},
		{SpaceAdvisoryPackage, "advisory-package", []Part{text("ecosystem"), text("package"), text("source"), text("id")}, "-", "PutAdvisory", 1, true, false},
		{SpaceAdvisoryIdentifier, "advisory-identifier", []Part{text("identifier"), text("source"), text("id")}, "-", "PutAdvisory", 1, true, false},
		{SpaceAdvisoryCursor, "advisory-cursor", []Part{num("seq"), num("at"), text("source"), text("id")}, "-", "PutAdvisory, DeleteAdvisory", 1, true, false},
		{SpaceAdvisoryIdentity, "advisory-identity", []Part{text("identity"), text("source"), text("id")}, "-", "PutAdvisory", 4, true, false},
		{SpaceCanonical, "canonical", []Part{text("folded id")}, "model.Canonical", "PutCanonical", 4, false, false},
		{SpaceCanonicalHash, "canonical-hash", []Part{text("hash"), text("canonical id")}, "-", "PutCanonical", 4, true, false},
		{SpaceImport, "import", []Part{num("seq")}, "model.ImportRecord", "PutImport", 1, false, false},
		{SpaceAdvisoryCanonical, "advisory-canonical", []Part{text("source"), text("id"), text("canonical id")}, "-", "PutCanonical", 4, true, false},
		{SpaceCanonicalEvent, "canonical-event", []Part{num("seq")}, "model.CanonicalEvent", "PutEvents", 4, false, false},
		{SpaceStage, "stage", []Part{text("run"), num("part")}, "apply.Part", "PutPart", 4, false, false},
		{SpacePartner, "partner", []Part{text("name")}, "model.Partner", "PutPartner", 4, false, false},
		{SpaceAuthority, "authority", []Part{text("source")}, "model.PutAuthority", "PutAuthority", 4, false, false},
		{SpaceMatch, "match", []Part{text("digest")}, "model.Match without findings", "PutMatch", 1, false, false},
		{SpaceDirty, "dirty", []Part{text("digest")}, "-", "MarkDirty", 1, false, false},
		{SpaceExposure, "exposure", []Part{id("site")}, "model.Exposure", "PutExposure", 1, false, false},
		{SpaceSigner, "signer", []Part{text("key id")}, "model.SignerKey", "PutSigner", 1, false, false},
		{SpaceFindings, "findings", []Part{text("digest")}, "the findings of a model.Match", "PutMatch", 1, false, false},
		{SpaceAcceptance, "acceptance", []Part{text("id")}, "model.Acceptance", "PutAcceptance", 4, false, false},
		{SpaceCommand, "command", []Part{id("command")}, "model.Command", "PutCommand", 1, false, false},
		{SpaceCommandOpen, "command-open", []Part{id("command")}, "-", "PutCommand", 1, true, false},
		{SpaceTask, "task", []Part{id("command"), id("host")}, "model.Task", "PutTask", 1, false, false},
		{SpaceAccount, "account", []Part{text("name")}, "model.Account", "PutAccount", 1, false, false},
		{SpaceSession, "session", []Part{id("session")}, "model.Session", "PutSession", 1, false, false},
		{SpaceAudit, "audit", []Part{num("seq")}, "model.AuditEntry", "PutAudit", 1, false, false},
		{SpaceSearch, "search", []Part{text("name")}, "model.SavedSearch", "PutSearch", 2, false, false},
		{SpaceSecret, "secret", []Part{text("name")}, "model.Secret", "PutSecret", 2, false, false},
		{SpaceWatermark, "watermark", []Part{id("origin")}, "model.Position", "PutWatermark", 1, false, false},
		{SpaceDirective, "directive", []Part{id("to"), num("seq")}, "kind, key, as-of", "PutDirective", 1, false, false},
		{SpaceDirectiveKey, "directive-key", []Part{id("to"), text("key"), num("seq")}, "-", "PutDirective", 1, true, false},
		{SpaceRequest, "request", []Part{id("request")}, "log index, outcome", "PutRequest", 2, false, false},
		{SpaceRequestOrder, "request-order", []Part{num("log index"), id("request")}, "-", "PutRequest", 2, true, false},
		{SpaceRule, "rule", []Part{text("name")}, "model.Rule", "PutRule", 3, false, false},
		{SpaceAlert, "alert", []Part{id("alert")}, "model.Alert", "PutAlert", 3, false, false},
		{SpaceAlertOpen, "alert-open", []Part{id("alert")}, "-", "PutAlert", 3, true, false},
		{SpaceAlertEnded, "alert-ended", []Part{num("at"), id("alert")}, "-", "PutAlert", 3, true, false},
		{SpaceWatch, "watch", []Part{text("rule"), id("host")}, "model.Watch", "PutWatch", 3, false, false},
		{SpaceAlertCounts, "alert-counts", []Part{id("site")}, "model.AlertCounts", "PutAlertCounts", 3, false, false},
		{SpacePolicy, "policy", []Part{id("policy")}, "model.Policy", "PutPolicy", 3, false, false},
		{SpacePoliciesHeld, "policies-held", []Part{id("site")}, "model.PoliciesHeld", "PutPoliciesHeld", 3, false, false},
	}
}

// String returns the name of the keyspace, or its number for one that is not in the table.
func (s Space) String() string {
	for _, e := range Table() {
		if e.Space == s {
			return e.Name
		}
	}
	return "space " + hexByte(byte(s))
}

// Meta is the item of a key in SpaceMeta.
type Meta byte

// The meta items.
const (
	MetaSchema    Meta = 1 // be64: the Schema that the store was written with
	MetaApplied   Meta = 2 // be64: the position that the last commit reached
	MetaDirective Meta = 3 // be64: the highest Seq given to a directive so far
	MetaSelf      Meta = 4 // model.Found
	MetaShelf     Meta = 5 // apply.Shelf
	MetaEntry     Meta = 6 // be64: the highest version of a log entry that was applied, from 3
	MetaLife      Meta = 7 // model.Life; absent in the first
	MetaRefusals  Meta = 8 // apply.Refusals; absent until an item is refused

	MetaRun   Meta = 9  // apply.Run: the run that is open; absent where none is
	MetaRan   Meta = 10 // the newest apply.RunResults
	MetaTurns Meta = 11 // the newest apply.Turns
)
