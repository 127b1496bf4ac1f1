package model

// AdvisoryChange is one change in an origin's log of advisories: a record, or that it was removed.
type AdvisoryChange struct {
	Key      AdvisoryKey
	Cursor   Cursor
	Advisory *Advisory // nil: removed
	// Canonical is the id of the canonical that the record belongs to; empty for one that was removed.
	Canonical string
}

// ImportRecord is one bundle that was taken in.
type ImportRecord struct {
	Imported
	At Time `json:"at"`
}
