package apply

import (
	"github.com/skerryhq/skerry/engine/model"
)

// Shelf is the state of the advisories as a whole.
type Shelf struct {
	Generation uint64       `json:"generation"` // rises with every run that changed something
	AdvisoryN  int          `json:"advisory_n"`
	Cursor     model.Cursor `json:"cursor"` // of the newest change made here
	// Floor is what the next change's cursor must be above at the least: a restore raises it above all that was given
	// out behind the backup.
	Floor model.Seq `json:"floor,omitzero"`
	// Imported is, for each origin whose bundles were imported, how far; keyed by the origin's id.
	Imported map[string]model.Cursor `json:"imported,omitzero"`
	// Above is how far the advisories of the tier above go, as it said last; zero: it has none, or said nothing yet.
	Above model.Cursor `json:"above,omitzero"`
}

// Canonicals is the part of Tx about which records are one vulnerability.
type Canonicals interface {
	// Identified returns the first records, by source and id, that have a folded identity (see engine/merge); at most most.
	Identified(identity string, most int) ([]model.AdvisoryKey, error)

	// Canonical finds a canonical by its id, in whatever case.
	Canonical(id string) (model.Canonical, bool, error)
	// CanonicalOf returns the id of the canonical that a record belongs to.
	CanonicalOf(model.AdvisoryKey) (id string, ok bool, err error)
	PutCanonical(model.Canonical) error // keeps the indexes by hash and by record
	DeleteCanonical(id string) error    // one that is not there is no error

	// PutEvents appends to the stream of changes of canonicals, and gives the events their places in it. The newest
	// model.MaxEvents stay.
	PutEvents([]model.CanonicalEvent) error
}

// Run is a run of advisory changes that is open: its parts are kept aside until a Commit takes them in.
type Run struct {
	ID    string     `json:"id"`
	Parts int        `json:"parts"`
	At    model.Time `json:"at"`    // of the last part
	Bytes int64      `json:"bytes"` // of all parts
}

// Part is a part of a run.
type Part struct {
	Put    []model.Advisory    `json:"put,omitzero"`
	Delete []model.AdvisoryKey `json:"delete,omitzero"`
	Alike  []model.AdvisoryKey `json:"alike,omitzero"` // see model.Stage
	Left   []model.AdvisoryKey `json:"left,omitzero"`
}

// RunResult is what came of a run that was taken in.
type RunResult struct {
	Run  string     `json:"run"`
	Kind string     `json:"kind"`
	At   model.Time `json:"at"`

	Created int `json:"created"` // records
	Updated int `json:"updated"`
	Skipped int `json:"skipped"` // that were as they are
	Deleted int `json:"deleted"`

	CanonicalCreated int `json:"canonical_created"`
	CanonicalUpdated int `json:"canonical_updated"`
	CanonicalDeleted int `json:"canonical_deleted"`
	EdgesAdded       int `json:"edges_added"`

	Cursor     model.Cursor `json:"cursor"` // of the newest change, when the run was in
	Generation uint64       `json:"generation"`
}

// Changed reports whether the run changed a record.
func (r *RunResult) Changed() bool { return r.Created+r.Updated+r.Deleted > 0 }

// Turn says which cursor the newest change of a generation has.
type Turn struct {
	Generation uint64       `json:"generation"`
	Cursor     model.Cursor `json:"cursor"`
}

// Runs is the part of Tx about runs of advisory changes.
type Runs interface {
	OpenRun() (Run, bool, error)
	PutRun(Run) error
	// DropRun forgets the open run and its parts; none is no error.
	DropRun() error
	Part(run string, part int) (Part, bool, error)
	// PutPart keeps a part and returns how many bytes it has.
	PutPart(run string, part int, p Part) (int, error)
	// RunResult returns what came of a run, while it is one of the newest few.
	RunResult(run string) (RunResult, bool, error)
	PutRunResult(RunResult) error
	// CursorOf returns the cursor of the newest change of a generation, while it is one of the newest 64.
	CursorOf(generation uint64) (model.Cursor, bool, error)
	PutTurn(Turn) error
}

// Partners is the part of Tx about what is allowed of others, and what is said to those below.
type Partners interface {
	Partner(name string) (model.Partner, bool, error)
	PutPartner(model.Partner) error
	DeletePartner(name string) error // one that is not there is no error

	Acceptance(id string) (model.Acceptance, bool, error)
	Acceptances() ([]model.Acceptance, error) // by id
	PutAcceptance(model.Acceptance) error
	DeleteAcceptance(id string) error // one that is not there is no error

	AuthorityRows() ([]model.PutAuthority, error) // by source
	PutAuthority(model.PutAuthority) error
}
