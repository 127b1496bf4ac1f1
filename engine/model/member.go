package model

// Bounds of what is kept of a member beside its key.
const (
	MaxClones    = 8   // machines that are refused, the newest
	MaxVoid      = 8   // keys that were taken from it, the newest
	MaxAbilities = 64  // names in each list of Abilities, of at most 64 bytes
	MaxReason    = 512 // bytes of a reason that a person gave
	MaxRetire    = 500 // hosts of one RetireHosts
)

// RouteHostRetire tells a site to retire the host ParamHost, for ParamReason, in the name of ParamActor. The answer is null.
const (
	RouteHostRetire = "host.retire"
	ParamReason     = "reason"
)

// RouteAlive asks an agent for nothing but an answer; it tells a process that lives from a link that nobody closed.
const RouteAlive = "alive"

// Abilities is what an agent says that it can do. One that says nothing is of a version before they were said, and is
// sent everything.
type Abilities struct {
	Commands []string `json:"commands,omitzero"` // the kinds of command that it runs, sorted
	Items    []string `json:"items,omitzero"`    // the kinds of item that it reports with, sorted
}

// Clone is a machine that was found to use a member's key beside the one that the member is.
type Clone struct {
	At      Time   `json:"at"` // when it was proved
	Machine string `json:"machine"`
	Remote  string `json:"remote,omitzero"` // its network address then
}

// Agent reports whether members of that kind are agents.
func (k MemberKind) Agent() bool { return k == MemberHost || k == MemberGateway }

// Quarantine says that two living processes use the key of one member. Where the two are told apart by their
// machines, the member goes on as Kept, and Machine is refused; else nobody is let in with that key until the member is
// given a new one, see Rekey.
type Quarantine struct {
	Stamp
	Member  NodeID `json:"member"`
	Kept    string `json:"kept,omitzero"`    // the machine that is the member; empty: that cannot be told
	Machine string `json:"machine,omitzero"` // the other one
	Remote  string `json:"remote,omitzero"`  // its network address
}

// Rekey voids the key of an agent and invites it again, by a new token: the one machine that uses it gets a new key for
// the same host and is that host's next life, and whoever has the old key stays refused.
type Rekey struct {
	Stamp
	Member       NodeID `json:"member"`
	TokenHash    string `json:"token_hash"`
	TokenExpires Time   `json:"token_expires"`
}

// RetireHosts takes hosts out of the directory for good: their rows, their open tasks and alerts, and the membership of
// the agent of each. At a controller it takes out those of a site that was removed, and of no other.
type RetireHosts struct {
	Stamp
	Hosts  []HostID `json:"hosts"` // at most MaxRetire
	Reason string   `json:"reason,omitzero"`
}

// SetMemberStatus suspends a member, lets a suspended one in again (MemberEnrolled), or removes it for good. The status
// that it has changes nothing. Controllers are removed by RemoveMember.
type SetMemberStatus struct {
	Stamp
	Member NodeID       `json:"member"`
	Status MemberStatus `json:"status"`
	Reason string       `json:"reason,omitzero"`
}

// ClearSite takes away a part of what a controller group still has of a site that was removed: what its commands wait for
// ends, and its findings, alerts and policies are forgotten. It is proposed until nothing is left. What was recorded stays.
type ClearSite struct {
	Stamp
	Site SiteID `json:"site"`
}

// Tag implements Change.
func (ClearSite) Tag() Tag { return TagClearSite }

// Introduced is what an agent said of itself when its link opened, where that is news.
type Introduced struct {
	Stamp
	Member   NodeID     `json:"member"`
	Machine  string     `json:"machine,omitzero"` // empty: it does not tell
	Software string     `json:"software,omitzero"`
	Can      *Abilities `json:"can,omitzero"`
}

// Tag implements Change.
func (Quarantine) Tag() Tag      { return TagQuarantine }
func (Rekey) Tag() Tag           { return TagRekey }
func (RetireHosts) Tag() Tag     { return TagRetireHosts }
func (SetMemberStatus) Tag() Tag { return TagSetMemberStatus }
func (Introduced) Tag() Tag      { return TagIntroduced }
