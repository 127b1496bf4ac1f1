package apply

import (
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of a saved search.
const (
	maxSearchName    = 64
	maxSearchQuery   = 4096
	maxSearchSort    = 64
	maxSearchColumns = 64
	maxSearchColumn  = 64
	maxSearches      = 1000 // which a page lists at once
)

// putSearch keeps a question under a name. Whether the question reads is judged where it is asked: a
// newer version may know fields that this one does not.
func (a *applier) putSearch(c model.PutSearch) error {
	const op = "save search"
	s := c.Search
	if !searchName(s.Name) {
		return fault.New(fault.Invalid, op, "the name %q is not 1 to %d of a-z 0-9 . _ -", fault.Clip(s.Name, maxSearchName), maxSearchName)
	}
	switch {
	case len(s.Query) > maxSearchQuery:
		return fault.New(fault.TooLarge, op, "the query has %d bytes; the limit is %d", len(s.Query), maxSearchQuery)
	case len(s.Sort) > maxSearchSort:
		return fault.New(fault.TooLarge, op, "the order has %d bytes; the limit is %d", len(s.Sort), maxSearchSort)
	case len(s.Columns) > maxSearchColumns:
		return fault.New(fault.TooLarge, op, "%d columns are more than %d", len(s.Columns), maxSearchColumns)
	}
	for _, col := range s.Columns {
		if col == "" || len(col) > maxSearchColumn {
			return fault.New(fault.Invalid, op, "a column's name has 1 to %d bytes, not %d", maxSearchColumn, len(col))
		}
	}
	s.Account, s.At = strings.TrimPrefix(c.Actor, "account:"), c.At
	_, known, err := a.tx.Search(s.Name)
	if err != nil {
		return err
	}
	if !known {
		all, err := a.tx.Searches()
		if err != nil {
			return err
		}
		if len(all) >= maxSearches {
			return fault.New(fault.Conflict, op, "there are %d saved searches, which is the most; remove one that nobody needs before you save %q", len(all), s.Name)
		}
	}
	if err := a.tx.PutSearch(s); err != nil {
		return err
	}
	action := "search.add"
	if known {
		action = "search.change"
	}
	return a.note(c.Stamp, action, s.Name, true, "", map[string]string{"query": s.Query})
}

func (a *applier) dropSearch(c model.DropSearch) error {
	_, known, err := a.tx.Search(c.Name)
	if err != nil || !known {
		return err
	}
	if err := a.tx.DeleteSearch(c.Name); err != nil {
		return err
	}
	return a.note(c.Stamp, "search.remove", c.Name, true, "", nil)
}

func searchName(s string) bool {
	if s == "" || len(s) > maxSearchName {
		return false
	}
	for i := range len(s) {
		if b := s[i]; (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '.' && b != '_' && b != '-' {
			return false
		}
	}
	return true
}
