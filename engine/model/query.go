package model

// AdvisoryChange is one change in an origin's log of advisories: a record, or that it was removed.
type AdvisoryChange struct {
	Key      AdvisoryKey
	Cursor   Cursor
	Advisory *Advisory // nil: removed, or Raw has it
	// Raw is the record as Encode wrote it, valid until whoever is called with it returns; nil: Advisory has it, or it was removed.
	Raw []byte
	// Canonical is the id of the canonical that the record belongs to; empty for one that was removed.
	Canonical string
}

// Removed reports whether the record was removed.
func (c *AdvisoryChange) Removed() bool { return c.Advisory == nil && c.Raw == nil }

// ImportRecord is one bundle that was taken in.
type ImportRecord struct {
	Imported
	At Time `json:"at"`
}

// ImportHead is of an ImportRecord what it takes to say whose bundles came, without their
// differences: it decodes from the same JSON.
type ImportHead struct {
	Origin     NodeID `json:"origin"`
	OriginName string `json:"origin_name"`
	Created    int    `json:"created"`
	Updated    int    `json:"updated"`
	Deleted    int    `json:"deleted"`
	Unsigned   bool   `json:"unsigned,omitzero"`
	At         Time   `json:"at"`
}
