package apply

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/model"
)

// Tx is the transaction in which one change becomes rows: reads see the writes before them, and
// either all of it becomes durable or none. storage/index implements it. A Tx is used by one
// goroutine. Every iteration is in ascending key order and never map order, so that the same changes
// give the same rows on every node. The bool of a read says whether the row exists; errors are of
// the store (corruption, disk), never "not found".
type Tx interface {
	Directory
	Intelligence
	Canonicals
	Runs
	Partners
	Work
	People
	Alerting
	Guidance
	Removal

	// Self returns the identity that Found set.
	Self() (model.Found, bool, error)
	PutSelf(model.Found) error

	// Watermark returns how far this store holds what origin sent; zero if nothing.
	Watermark(origin model.NodeID) (model.Position, error)
	PutWatermark(origin model.NodeID, at model.Position) error
	// Refusals returns what is kept of refused items.
	Refusals() (Refusals, error)
	PutRefusals(Refusals) error

	// PutDirective appends a directive to the log of what goes down to a member; the zero id is for all
	// members. It takes the place of an earlier one with the same (to, key), unless kind.Event().
	// The payload is the row that (kind, key) names, read when it is sent; directives of a removed row
	// are skipped then.
	PutDirective(to model.NodeID, kind model.ItemKind, key string, asOf model.Time) error
	// PutDirectiveWith does the same for a kind that has no row of its own (model.ItemAlertAsk): the payload is kept with it.
	PutDirectiveWith(to model.NodeID, kind model.ItemKind, key string, asOf model.Time, payload jsontext.Value) error
	// Directed reports whether there is a directive with that (to, key), and the payload that the newest has with it; none for
	// kinds that have a row of their own.
	Directed(to model.NodeID, key string) (jsontext.Value, bool, error)
	// RemoveDirective removes every directive with that (to, key); none is no error.
	RemoveDirective(to model.NodeID, key string) error
	// DropDirectives removes the oldest directives to a member, at most so many.
	DropDirectives(to model.NodeID, most int) error
}

// Directory is the part of Tx about members, sites and hosts.
type Directory interface {
	Member(id model.NodeID) (model.Member, bool, error)
	// MemberNamed finds the member that is not removed and has that name.
	MemberNamed(kind model.MemberKind, name string) (model.NodeID, bool, error)
	PutMember(model.Member) error

	Site(id model.SiteID) (model.Site, bool, error)
	PutSite(model.Site) error

	Host(id model.HostID) (model.Host, bool, error)
	PutHost(model.Host) error
	DeleteHost(id model.HostID) error
	// HostsWithPackages calls fn with each host whose PackagesDigest is digest; fn may put that host.
	// It stops at the first error of fn and returns it.
	HostsWithPackages(digest string, fn func(model.Host) error) error
	// EachHost calls fn with every host.
	EachHost(fn func(model.Host) error) error

	// HostHead returns whose a host is and its beat, without reading its row: for the changes that come
	// by the thousand.
	HostHead(id model.HostID) (site model.SiteID, beat model.HostBeat, ok bool, err error)
	// HostOutline returns a host with its site and its beat, and with all that model.SiteCounts.Add looks at, but
	// maybe nothing else, without reading its row where that can be done.
	HostOutline(id model.HostID) (model.Host, bool, error)
	// PutHostBeat replaces the beat of a host that is there (HostHead said so), and nothing else of its
	// row; without such a host the kind is fault.NotFound. PutHost writes the beat that its row carries,
	// and every read of a host returns the newest beat in it, whoever wrote it.
	PutHostBeat(id model.HostID, beat model.HostBeat) error

	// Counts returns the aggregate row of a site; the zero id is all sites.
	Counts(site model.SiteID) (model.SiteCounts, bool, error)
	PutCounts(model.SiteCounts) error

	// Trend returns what stands in the ring of (site, res) at the place res.Place(start); the zero site is
	// all sites. That may be a slot of another Start, one lap older or (after a clock went back) newer:
	// the caller compares.
	Trend(site model.SiteID, res model.Resolution, start model.Time) (model.TrendSlot, bool, error)
	// PutTrend writes slot at the place res.Place(slot.Start), over whatever stands there.
	PutTrend(site model.SiteID, res model.Resolution, slot model.TrendSlot) error
}

// Intelligence is the part of Tx about advisories and what they mean for the hosts.
type Intelligence interface {
	Advisory(key model.AdvisoryKey) (model.Advisory, bool, error)
	PutAdvisory(model.Advisory) error // keeps the indexes by package, by identifier, by identity and by cursor
	// DeleteAdvisory removes the record and remembers, under cursor, that it was removed.
	DeleteAdvisory(key model.AdvisoryKey, cursor model.Cursor) error

	// Shelf returns the state of the advisories as a whole.
	Shelf() (Shelf, error)
	PutShelf(Shelf) error

	PutImport(model.Imported, model.Time) error // appends to the list of imports

	// MatchHead returns the match of an inventory without its findings.
	MatchHead(digest string) (model.Match, bool, error)
	PutMatch(model.Match) error
	// PutMatchHead replaces what is known of a match that is there and leaves its parts alone.
	PutMatchHead(model.Match) error
	DeleteMatch(digest string) error
	// PutJudged stores what is found of a Lookup; DeleteJudged removes it, and one that is not there is no error.
	PutJudged(model.Judged) error
	DeleteJudged(id string) error
	// MarkDirty says that the inventory must be matched again; ClearDirty that it has been.
	MarkDirty(digest string) error
	ClearDirty(digest string) error
	// EachDigest calls fn with every distinct PackagesDigest of the hosts.
	EachDigest(fn func(digest string) error) error

	Exposure(site model.SiteID) (model.Exposure, bool, error)
	PutExposure(model.Exposure) error

	Signer(id string) (model.SignerKey, bool, error)
	PutSigner(model.SignerKey) error
}

// Work is the part of Tx about commands.
type Work interface {
	Command(id model.CommandID) (model.Command, bool, error)
	PutCommand(model.Command) error
	Task(cmd model.CommandID, host model.HostID) (model.Task, bool, error)
	PutTask(model.Task) error
	// EachTask calls fn with every task of the command.
	EachTask(cmd model.CommandID, fn func(model.Task) error) error
	// OpenCommands calls fn with every command that has not ended; fn writes nothing.
	OpenCommands(fn func(model.Command) error) error
}

// People is the part of Tx about accounts, logins, saved searches and the audit record.
type People interface {
	Account(name string) (model.Account, bool, error)
	Accounts() ([]model.Account, error) // by name
	PutAccount(model.Account) error
	DeleteAccount(name string) error // one that is not there is no error
	Session(id model.SessionID) (model.Session, bool, error)
	PutSession(model.Session) error
	DeleteSession(id model.SessionID) error
	// EachSession calls fn with every login.
	EachSession(fn func(model.Session) error) error

	Search(name string) (model.SavedSearch, bool, error)
	Searches() ([]model.SavedSearch, error) // by name
	PutSearch(model.SavedSearch) error
	DeleteSearch(name string) error // one that is not there is no error

	Secret(name string) (model.Secret, bool, error)
	PutSecret(model.Secret) error

	// LastAudit returns the newest entry.
	LastAudit() (model.AuditEntry, bool, error)
	// PutAudit appends an entry; its Seq must be one more than the newest.
	PutAudit(model.AuditEntry) error
}
