package model

// AdvisoryChange is one change in an origin's log of advisories: a record, or that it was removed.
type AdvisoryChange struct {
	Key      AdvisoryKey
	Cursor   Cursor
	Advisory *Advisory // nil: removed
}

// ImportRecord is one bundle that was taken in.
type ImportRecord struct {
	Imported
	At Time `json:"at"`
}
