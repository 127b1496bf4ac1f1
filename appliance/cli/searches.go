package cli

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) searches() *cobra.Command {
	return a.group("searches", "Searches that are kept under a name", a.searchesList(), a.searchesSave(), a.searchesDelete())
}

func (a *app) searchesList() *cobra.Command {
	c := leaf("list", "The saved searches", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var all []schema.SavedSearch
		if err := a.get(c, f, "/searches", nil, &all); err != nil {
			return err
		}
		return f.print(all, func() view { return searchTable(all...) })
	}
	return c
}

func searchTable(all ...schema.SavedSearch) view {
	v := view{head: []string{"NAME", "SEARCH", "SORT", "BY", "SAVED"}, wide: []string{"COLUMNS"}}
	for _, s := range all {
		v.add(s.Name, s.Name, s.Query, s.Sort, s.Account, s.At, s.Columns)
	}
	return v
}

func (a *app) searchesSave() *cobra.Command {
	var sort string
	var columns []string
	c := leaf("save NAME SEARCH...", "Keep a search under a name, in the place of one that has it", 2, -1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&sort, "sort", "", "the order that it is shown in")
	c.Flags().StringSliceVar(&columns, "columns", nil, "the columns that it is shown in, out of: "+schema.ColumnNames())
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		if _, err := columnsFor(f, columns); err != nil {
			return err
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		var words []string
		for _, arg := range args[1:] {
			words = append(words, unshield(arg))
		}
		body := schema.SearchPut{Query: strings.Join(words, " "), Sort: sort, Columns: columns}
		var saved schema.SavedSearch
		if err := server.call(c.Context(), http.MethodPut, "/searches/"+url.PathEscape(args[0]), nil, body, &saved); err != nil {
			return err
		}
		return f.print(saved, func() view { return searchTable(saved) })
	}
	return c
}

func (a *app) searchesDelete() *cobra.Command {
	c := leaf("delete NAME", "Forget a saved search", 1, 1, nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := a.client()
		if err != nil {
			return err
		}
		if err := server.call(c.Context(), http.MethodDelete, "/searches/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
			return err
		}
		a.say("Forgot %s.", fault.Printable(args[0]))
		return nil
	}
	return c
}
