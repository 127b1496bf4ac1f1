package cli

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// The columns of a list of hosts where none are named: those of a table fit into 120 characters.
var (
	usualColumns = []string{"name", "site", "status", "os", "ip", "severity", "seen"}
	wideColumns  = []string{
		"name", "site", "status", "os", "ip", "severity", "seen", "critical", "high", "updates", "reboot", "packages", "kernel", "arch", "owner", "tag",
		"status_at", "facts_at", "packages_at", "certificates_at", "exposure_at", "reason", "id",
	}
)

func (a *app) hostsList() *cobra.Command {
	var sort, after string
	var limit int
	var all, watch bool
	var facets, columns []string
	c := leaf("list [SEARCH...]", "List the hosts that a search finds", 0, -1, nil)
	f := a.formatted(c)
	s := a.searching(c)
	c.Flags().StringVar(&sort, "sort", "", "the field to order by, with - in front for falling, as in -seen; name if absent")
	c.Flags().IntVar(&limit, "limit", 100, "rows to print, at most 1000")
	c.Flags().StringVar(&after, "after", "", "the page behind this place, as the page before says it")
	c.Flags().BoolVar(&all, "all", false, "all pages")
	c.Flags().BoolVar(&watch, "watch", false, "then print each change to the result, until interrupted")
	c.Flags().StringSliceVar(&facets, "facets", nil, "also count the result by these fields")
	c.Flags().StringSliceVar(&columns, "columns", nil, "columns of the table, out of: "+schema.ColumnNames())
	c.RunE = func(c *cobra.Command, args []string) error {
		if slices.Contains(exportForms, f.kind) && !slices.Contains(formats, f.kind) {
			return usagef("-o %s: `skerry hosts export -o %s` writes every host so; a list has one of %s", f.kind, f.kind, strings.Join(formats, ", "))
		}
		if err := f.check(); err != nil {
			return err
		}
		q, err := s.text(c, args)
		if err != nil {
			return err
		}
		if len(columns) == 0 {
			columns = s.saved.Columns
		}
		shown, err := columnsFor(f, columns)
		if err != nil {
			return err
		}
		if sort == "" {
			sort = s.saved.Sort
		}
		ask := url.Values{"q": {q}, "limit": {strconv.Itoa(limit)}}
		for name, v := range map[string]string{"sort": sort, "after": after, "facets": strings.Join(facets, ",")} {
			if v != "" {
				ask.Set(name, v)
			}
		}
		if watch {
			return a.watchHosts(c, f, ask, shown)
		}
		page, err := a.hostPages(c, f, ask, all)
		if err != nil {
			return err
		}
		if err := f.print(page, func() view { return hostTable(page.Hosts, shown) }); err != nil {
			return err
		}
		a.listed(f, page)
		a.reading(f, q, page.Query)
		a.remark(f, page.Notes)
		return nil
	}
	return c
}

// hostPages reads one page, or all from there.
func (a *app) hostPages(c *cobra.Command, f *format, ask url.Values, all bool) (schema.Hosts, error) {
	if all {
		ask.Set("limit", "1000")
	}
	var page schema.Hosts
	if err := a.get(c, f, "/hosts", ask, &page); err != nil {
		return page, err
	}
	for all && page.Next != "" {
		ask.Set("after", page.Next)
		ask.Del("facets")
		var next schema.Hosts
		if err := a.get(c, f, "/hosts", ask, &next); err != nil {
			return page, err
		}
		page.Hosts, page.Next, page.Total = append(page.Hosts, next.Hosts...), next.Next, next.Total
	}
	return page, nil
}

// listed says for people what the list is of, and how it goes on.
func (a *app) listed(f *format, page schema.Hosts) {
	if f.kind == "json" || f.kind == "yaml" {
		return
	}
	if len(page.Facets) > 0 && f.kind != "name" {
		a.say("")
		for _, x := range page.Facets {
			var values []string
			for _, v := range x.Values {
				values = append(values, v.Value+" "+grouped(v.N))
			}
			if more := x.Distinct - len(x.Values); more > 0 {
				values = append(values, "and "+grouped(more)+" more")
			}
			a.say("%s: %s", x.Field, fault.Printable(strings.Join(values, ", ")))
		}
	}
	switch {
	case page.Next != "":
		a.say("%s of %s %s, %s; the next page: --after %s (or --all)",
			grouped(len(page.Hosts)), grouped(page.Total), plural(page.Total, "host"), took(page.TookUS), page.Next)
	case f.kind != "name":
		a.say("%s %s, %s", grouped(page.Total), plural(page.Total, "host"), took(page.TookUS))
	}
}

// columnsFor finds the columns of a list, before anything is asked of a server.
func columnsFor(f *format, names []string) ([]schema.Column, error) {
	if len(names) == 0 {
		names = usualColumns
		if f.kind == "wide" {
			names = wideColumns
		}
	}
	var out []schema.Column
	for _, name := range names {
		i := slices.IndexFunc(schema.Columns(), func(c schema.Column) bool { return c.Name == columnName(name) })
		if i < 0 {
			return nil, usagef("--columns: there is no column %q; %s", name, schema.ColumnHint(name, query.Nearest))
		}
		out = append(out, schema.Columns()[i])
	}
	return out, nil
}

// hostTable shows hosts in the given columns. What -o name prints is the id, which no two of them share.
func hostTable(hosts []schema.Host, columns []schema.Column) view {
	v := view{}
	for _, c := range columns {
		v.head = append(v.head, c.Title)
	}
	for i := range hosts {
		v.add(hosts[i].ID, hostCells(&hosts[i], columns)...)
	}
	return v
}

func hostCells(h *schema.Host, columns []schema.Column) []any {
	cells := make([]any, len(columns))
	for i, c := range columns {
		cells[i] = c.Value(h)
	}
	return cells
}
