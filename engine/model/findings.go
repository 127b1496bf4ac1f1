package model

import (
	"crypto/sha256"
	"encoding/hex"
)

// Match is every finding of one inventory, computed against one generation of the advisories.
type Match struct {
	Digest     string         `json:"digest"` // Host.PackagesDigest
	Generation uint64         `json:"generation"`
	At         Time           `json:"at"`
	Counts     SeverityCounts `json:"counts"`
	// FixableN is how many distinct packages have a finding with a fixed version; nil: a version that did
	// not count them made this match.
	FixableN *int `json:"fixable_n,omitzero"`
	// Cursor is how far the log of advisories was looked at.
	Cursor Cursor `json:"cursor,omitzero"`
	// PartN is the number of parts that the match is stored in; zero: it is stored as the findings themselves.
	PartN int `json:"part_n,omitzero"`
	// Parts are what the inventory is matched by, in the order of Lookup.Compare. A change of a match with PartN and without
	// Parts leaves the stored parts alone: advisories change what is found of a Lookup, never what an inventory is.
	Parts    []MatchPart `json:"parts,omitzero"`
	Findings []Finding   `json:"findings"` // sorted by vulnerability, package, version, advisory; made from Parts where they are read
}

// Lookup is what a group of installed packages is matched by. Whatever has an equal one has the very same findings, on
// whichever host, so they are worked out and stored once.
type Lookup struct {
	Ecosystem string `json:"ecosystem"`
	Also      string `json:"also,omitzero"` // a second name of the ecosystem, as Ubuntu:22.04:LTS is of Ubuntu:22.04
	Name      string `json:"name"`          // of the package that advisories name, as PackageName writes it
	Source    string `json:"source,omitzero"`
	Version   string `json:"version"`
	Module    string `json:"module,omitzero"` // NAME:STREAM, where it is known
}

// ID returns the name that a Lookup is stored by: 24 hexadecimal digits of a hash of it.
func (l Lookup) ID() string {
	h := sha256.New()
	for _, s := range [...]string{l.Ecosystem, l.Also, l.Name, l.Source, l.Version, l.Module} {
		n := len(s)
		h.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// MatchPart is a Lookup of an inventory and the installed packages that it stands for.
type MatchPart struct {
	Lookup   string   `json:"lookup"`   // Lookup.ID
	Packages []string `json:"packages"` // names, sorted, distinct
}

// Judged is what is found of one Lookup.
type Judged struct {
	ID     string `json:"id"` // Lookup.ID
	Lookup Lookup `json:"lookup"`
	At     Time   `json:"at"` // when Findings last changed
	// Findings are sorted by vulnerability and advisory; Package, Source and Version are left out.
	Findings []Finding `json:"findings"`
	// Leans are the records beside those of Findings that they hang on: that rate them, suppress them, or contradict them.
	Leans []AdvisoryKey `json:"leans,omitzero"` // sorted
	// Changes are what opened and closed, oldest first: the newest MaxFindingChanges.
	Changes []FindingChange `json:"changes,omitzero"`
	// Cut is the time of the newest change that was dropped from Changes: what was before it is not known.
	Cut Time `json:"cut,omitzero"`
}

// MaxFindingChanges bounds Judged.Changes.
const MaxFindingChanges = 4000

// FindingChange is a finding of a Lookup that came, went or changed its verdict because an advisory did.
type FindingChange struct {
	At     Time         `json:"at"`
	Was    *Finding     `json:"was,omitzero"` // nil: there was none. Package, Source and Version are left out, as in Judged
	Now    *Finding     `json:"now,omitzero"` // nil: there is none any more
	Reason ChangeReason `json:"reason"`
}

// ChangeReason says why a finding opened or closed.
type ChangeReason string

// The reasons.
const (
	ChangePublished  ChangeReason = "advisory published"
	ChangeRevised    ChangeReason = "advisory changed"
	ChangeWithdrawn  ChangeReason = "advisory withdrawn"
	ChangeDeleted    ChangeReason = "advisory deleted"
	ChangeStatement  ChangeReason = "vex statement"
	ChangeInstalled  ChangeReason = "package installed"
	ChangeUpgraded   ChangeReason = "package upgraded"
	ChangeDowngraded ChangeReason = "package downgraded"
	ChangeVersion    ChangeReason = "package version changed"
	ChangeRemoved    ChangeReason = "package removed"
	ChangeAccepted   ChangeReason = "risk accepted"
	ChangeExpired    ChangeReason = "acceptance ended"
)

// HostExposure is what one host's row says of its findings, where that is not what its inventory has: acceptances are of hosts.
type HostExposure struct {
	Host     HostID         `json:"host"`
	Digest   string         `json:"digest"` // the inventory that it was worked out for
	At       Time           `json:"at"`
	Counts   SeverityCounts `json:"counts"`
	FixableN int            `json:"fixable_n"`
}
