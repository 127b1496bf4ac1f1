package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

func (s *Server) listSearches(context.Context, *none) (*out[[]schema.SavedSearch], error) {
	v, done := s.c.Store.View()
	defer done()
	saved, err := v.Searches()
	if err != nil {
		return nil, err
	}
	rows := make([]schema.SavedSearch, 0, len(saved))
	for _, x := range saved {
		rows = append(rows, searchRow(x))
	}
	return &out[[]schema.SavedSearch]{Body: rows}, nil
}

func searchRow(x model.SavedSearch) schema.SavedSearch {
	row := schema.SavedSearch{Name: x.Name, Query: x.Query, Sort: x.Sort, Columns: x.Columns, Account: x.Account, At: at(x.At)}
	if read, err := query.Parse(x.Query); err == nil {
		row.Reading = query.Format(read)
	}
	return row
}

type searchInput struct {
	Name string `path:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$"`
}

type putSearchInput struct {
	Name string `path:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$"`
	// A name is as quickly taken twice as typed, so who only means to add one says so.
	New  bool `query:"new" doc:"true: refuse where a search has that name already; else it is replaced"`
	Body schema.SearchPut
}

type searchOutput struct {
	Status int
	Body   schema.SavedSearch
}

func (s *Server) getSearch(_ context.Context, in *searchInput) (*out[schema.SavedSearch], error) {
	row, ok, err := s.search(in.Name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, noSearch(in.Name)
	}
	return &out[schema.SavedSearch]{Body: searchRow(row)}, nil
}

func (s *Server) search(name string) (model.SavedSearch, bool, error) {
	v, done := s.c.Store.View()
	defer done()
	return v.Search(name)
}

func noSearch(name string) error {
	return fault.New(fault.NotFound, "", "no search is saved as %q; the list of saved searches has those that are", name)
}

// putSearch keeps a search that this server can read. Its text is kept as it was written.
func (s *Server) putSearch(ctx context.Context, in *putSearchInput) (*searchOutput, error) {
	if _, err := where("body.query", in.Body.Query); err != nil {
		return nil, err
	}
	if _, err := order("body.sort", in.Body.Sort); err != nil {
		return nil, err
	}
	if _, err := columnsOf("body.columns", in.Body.Columns); err != nil {
		return nil, err
	}
	before, known, err := s.search(in.Name)
	if err != nil {
		return nil, err
	}
	if known && in.New {
		return nil, fault.New(fault.Exists, "", "a search is saved as %q already: %s; save this one under another name, or say that it is to be replaced", in.Name, fault.Clip(before.Query, 100))
	}
	err = s.c.Proposer.Propose(ctx, model.PutSearch{Stamp: s.stamp(ctx), Search: model.SavedSearch{
		Name: in.Name, Query: in.Body.Query, Sort: in.Body.Sort, Columns: in.Body.Columns,
	}})
	if err != nil {
		return nil, fault.Wrap("save search", err)
	}
	row, ok, err := s.search(in.Name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.Conflict, "save search", "somebody removed %q at the same moment: save it again", in.Name)
	}
	status := http.StatusCreated
	if known {
		status = http.StatusOK
	}
	return &searchOutput{Status: status, Body: searchRow(row)}, nil
}

func (s *Server) dropSearch(ctx context.Context, in *searchInput) (*none, error) {
	_, known, err := s.search(in.Name)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, noSearch(in.Name)
	}
	if err := s.c.Proposer.Propose(ctx, model.DropSearch{Stamp: s.stamp(ctx), Name: in.Name}); err != nil {
		return nil, fault.Wrap("remove search", err)
	}
	return nil, nil
}

// maxColumns bounds the columns of an export or a saved search.
const maxColumns = 64

// columnsOf finds columns by their names, or by the names of fields that stand for them.
func columnsOf(location string, names []string) ([]schema.Column, error) {
	if len(names) > maxColumns {
		return nil, pointed(location, fault.New(fault.Invalid, "", "%d columns are more than the %d that may be asked for", len(names), maxColumns))
	}
	all := schema.Columns()
	columns := make([]schema.Column, 0, len(names))
	for _, name := range names {
		i := slices.IndexFunc(all, func(c schema.Column) bool { return c.Name == name })
		if f, ok := query.FieldNamed(name); i < 0 && ok {
			i = slices.IndexFunc(all, func(c schema.Column) bool { return c.Name == f.String() })
		}
		if i < 0 {
			return nil, pointed(location, fault.New(fault.Invalid, "", "there is no column %s; %s", quoted(name), schema.ColumnHint(name, query.Nearest)))
		}
		columns = append(columns, all[i])
	}
	return columns, nil
}
