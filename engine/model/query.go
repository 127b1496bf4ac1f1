package model

// HostQuery selects hosts of the directory; its zero value selects the first page of all.
type HostQuery struct {
	// Text is a case-insensitive part of the host name, FQDN or an address, or an exact id; "" is any.
	Text   string
	Site   SiteID     // zero: every site
	Status HostStatus // empty: every status
	After  HostID     // exclusive; zero: from the start
	Limit  int        // 1 to 1,000; zero is 100
}

// HostPage is one page of the directory, ascending by id.
type HostPage struct {
	Hosts []Host
	Total int    // hosts that match, on all pages
	Next  HostID // After of the next page; zero on the last one
}

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
