package cli

import (
	"fmt"
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
	v := view{head: []string{"NAME", "SEARCH", "SORT", "BY", "SAVED"}, wide: []string{"COLUMNS", "READ AS"}}
	for _, s := range all {
		v.add(s.Name, s.Name, s.Query, s.Sort, s.Account, s.At, s.Columns, s.Reading)
	}
	return v
}

func (a *app) searchesSave() *cobra.Command {
	var sort string
	var columns []string
	var replace bool
	c := leaf("save NAME SEARCH...", "Keep a search under a name", 2, -1, nil)
	takesSearch(c)
	counted := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 1 { // an empty search is every host
			args = append(args[:1:1], "every host")
		}
		return counted(c, args)
	}
	f := a.formatted(c)
	c.Flags().BoolVar(&replace, "replace", false, "in the place of the search that has the name already")
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
		var ask url.Values
		if !replace {
			ask = url.Values{"new": {"true"}}
		}
		err = server.call(c.Context(), http.MethodPut, "/searches/"+url.PathEscape(args[0]), ask, body, &saved)
		if fault.KindOf(err) == fault.Exists {
			err = fmt.Errorf("%w (--replace)", err)
		}
		if err != nil {
			return err
		}
		err = f.print(saved, func() view { return searchTable(saved) })
		if err == nil {
			a.reading(f, saved.Query, saved.Reading)
		}
		return err
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
