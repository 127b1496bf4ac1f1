package api

import (
	"context"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// View is a consistent snapshot of the rows, opened for one request. The bool of a read says whether
// the row exists; errors are of the store.
type View interface {
	DirectoryView
	ShelfView
	CanonicalView
	WorkView
	PeopleView
	AlertView
}

// DirectoryView is the part of View about members, sites and hosts.
type DirectoryView interface {
	// Self is the identity of this server; false: it has none yet.
	Self() (model.Found, bool, error)
	Member(id model.NodeID) (model.Member, bool, error)
	MemberNamed(kind model.MemberKind, name string) (model.NodeID, bool, error)
	Members(kind model.MemberKind) ([]model.Member, error) // by name
	Site(id model.SiteID) (model.Site, bool, error)
	Sites() ([]model.Site, error) // by name
	Counts(site model.SiteID) (model.SiteCounts, bool, error)
	Host(id model.HostID) (model.Host, bool, error) // its status as its site last judged
	// Trends returns every slot that is kept, the oldest first, also those that a lap has gone over since;
	// the zero site is all sites.
	Trends(site model.SiteID, res model.Resolution) ([]model.TrendSlot, error)
	Search(name string) (model.SavedSearch, bool, error)
	Searches() ([]model.SavedSearch, error) // by name
}

// Directory answers questions about all hosts. Their statuses are those that are shown: unknown where the
// site cannot be reached now. Each answer holds every change whose proposal has returned. What would take
// too long or too much fails with fault.Busy. It is safe for concurrent use.
type Directory interface {
	Find(ctx context.Context, q query.Search) (query.Page, error)
	// FindWritten is Find for a page of rows in the form of write, which is the same in every call: what it made
	// of a row may be kept until the row changes. The page is filled anew, its room used again.
	FindWritten(ctx context.Context, q query.Search, write query.Writer, page *query.Written) error
	Count(ctx context.Context, where query.Expr, now model.Time) (int, error)
	// Facets counts the values of each field, the top most frequent ones, and the hosts that match.
	Facets(ctx context.Context, where query.Expr, now model.Time, fields []query.Field, top int) ([]query.Facet, int, error)
	Group(ctx context.Context, where query.Expr, now model.Time, a, b query.Field, top int) (query.Grouped, error)
	// Values returns values of a field that begin with prefix, the most frequent ones first.
	Values(f query.Field, prefix string, limit int) []query.Count
	// HostChanges returns the hosts that changed or went after a place, without repeats and at most most of
	// them, and the place behind those; with most 0, only the newest place. Lost: some are not known any
	// more. That a host was heard again is no change.
	HostChanges(after uint64, most int) (ids []model.HostID, upto uint64, lost bool)
}

// ShelfView is the part of View about advisories and exposure.
type ShelfView interface {
	Shelf() (apply.Shelf, error)
	Advisory(key model.AdvisoryKey) (model.Advisory, bool, error)
	AdvisoriesOf(source, prefix string, fn func(model.Advisory) error) error // whose ids begin with prefix, by id
	AdvisoriesNaming(identifier string) ([]model.Advisory, error)
	KeysNaming(identifier string) ([]model.AdvisoryKey, error) // of the same records
	// ChangesAfter calls fn with every change after c, in cursor order; the records may be as they are stored.
	ChangesAfter(c model.Cursor, fn func(model.AdvisoryChange) error) error
	Exposure(site model.SiteID) (model.Exposure, bool, error)
	Signers() ([]model.SignerKey, error)
	Imports(limit int) ([]model.ImportRecord, error)  // newest first
	EachImport(fn func(model.ImportHead) error) error // every one, oldest first
}

// CanonicalView is the part of View about which records are one vulnerability, and what is allowed of others.
type CanonicalView interface {
	Having(identity string, most int) ([]merge.Record, error)
	Canonical(id string) (model.Canonical, bool, error)         // in whatever case
	CanonicalHashed(hash string) (model.Canonical, bool, error) // by its merge hash
	CanonicalOf(key model.AdvisoryKey) (id string, ok bool, err error)
	// EachCanonical calls fn with every canonical by folded id, from the first after that id on.
	EachCanonical(after string, fn func(model.Canonical) error) error
	AdvisoriesFor(ecosystem, pkg string, fn func(model.Advisory) error) error
	EachAdvisory(fn func(model.Advisory) error) error // by source and id
	EachAdvisoryJSON(fn func(raw []byte) error) error // the same as they are stored; raw is valid until fn returns
	Events(after model.Seq, limit int) ([]model.CanonicalEvent, error)
	EventBounds() (oldest, newest model.Seq, err error) // 0, 0: there are none
	OpenRun() (apply.Run, bool, error)
	RunResult(run string) (apply.RunResult, bool, error) // of one of the newest few
	Partners() ([]model.Partner, error)                  // by name
	Partner(name string) (model.Partner, bool, error)
	Authorities() (map[string][]string, error)
	Acceptances() ([]model.Acceptance, error) // by id
	Acceptance(id string) (model.Acceptance, bool, error)
}

// WorkView is the part of View about commands.
type WorkView interface {
	Command(id model.CommandID) (model.Command, bool, error)
	Commands(before model.CommandID, limit int) ([]model.Command, error) // newest first
	Tasks(cmd model.CommandID, limit int) ([]model.Task, error)
}

// PeopleView is the part of View about accounts, logins and the audit record.
type PeopleView interface {
	Account(name string) (model.Account, bool, error)
	Accounts() ([]model.Account, error)
	Session(id model.SessionID) (model.Session, bool, error)
	Audit(before model.Seq, limit int) ([]model.AuditEntry, error) // newest first
}

// Store opens views and tells when rows changed. It is safe for concurrent use.
type Store interface {
	View() (View, func()) // call the func when done
	Version() uint64      // rises with every commit of this process
	// Wait blocks until Version exceeds after.
	Wait(ctx context.Context, after uint64) (uint64, error)
	// Try applies changes, hands fn the rows as they would be, and throws all of it away.
	Try(changes []model.Change, fn func(View) error) error
}

// Proposer makes changes durable and applied before it returns. It is safe for concurrent use.
type Proposer interface {
	Propose(ctx context.Context, changes ...model.Change) error
}

// Link is the state of a member's link.
type Link struct {
	Up       bool
	Since    time.Time // when it went up or, if down, when it was last up
	Remote   string    // network address of the present or last link
	Software string    // what the member said it runs
	Late     string    // why a link that is up is degraded; empty: it is not
}

// Links knows the links of the members of this tier; false: none since this process started.
type Links interface {
	Live(id model.NodeID) (Link, bool)
}

// Asker asks a member a question down its link and returns the JSON of its answer. It fails with
// fault.Unreachable when there is no link.
type Asker interface {
	Ask(ctx context.Context, id model.NodeID, route string, params map[string]string) ([]byte, error)
}

// Tokens mints the one-time token of a new member. hash is what is stored, pin the hex SHA-256 of
// the CA key that the token carries.
type Tokens interface {
	NewToken(kind model.MemberKind, id model.NodeID) (token, hash, pin string, err error)
}

// Upper is a site's own enrollment at a controller.
type Upper interface {
	// Enroll uses the token, keeps the identity it gives and starts the link. It blocks until the
	// controller has answered.
	Enroll(ctx context.Context, controllerURL, token string) (schema.Enrolled, error)
}
