package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) hostsExport() *cobra.Command {
	var form, file, sort string
	var columns []string
	c := leaf("export [SEARCH...]", "Write every host that a search finds, as NDJSON or CSV", 0, -1, nil)
	s := a.searching(c)
	c.Long += `

In CSV a text that a spreadsheet would take for a formula has an apostrophe in front, lists have semicolons between their values,
and what is not known is empty. A file is complete where this command succeeds; otherwise none is left.`
	c.Flags().StringVarP(&form, "output", "o", "ndjson", "how to print: ndjson, csv; json is ndjson")
	c.Flags().StringVar(&form, "format", "ndjson", "the same as --output")
	c.Flags().StringVarP(&file, "file", "f", "", "the file to write; standard output if absent")
	c.Flags().StringVar(&sort, "sort", "", "the field to order by, with - in front for falling; name if absent")
	c.Flags().StringSliceVar(&columns, "columns", nil, "columns, out of: "+schema.ColumnNames()+"; all if absent")
	c.RunE = func(c *cobra.Command, args []string) error {
		if !slices.Contains(exportForms, form) {
			return usagef("-o %s: want ndjson or csv", form)
		}
		if form == "json" {
			form = "ndjson"
		}
		if err := writable(file); err != nil {
			return err
		}
		if _, err := columnsFor(&format{}, columns); err != nil {
			return err
		}
		q, err := s.text(c, args)
		if err != nil {
			return err
		}
		if len(columns) == 0 {
			columns = s.saved.Columns
		}
		if sort == "" {
			sort = s.saved.Sort
		}
		ask := url.Values{"q": {q}, "format": {form}}
		if len(columns) > 0 {
			ask.Set("columns", strings.Join(columns, ","))
		}
		if sort != "" {
			ask.Set("sort", sort)
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		resp, err := server.send(c.Context(), http.MethodGet, "/hosts/export", ask, nil, "")
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if file == "" {
			_, err = io.Copy(a.out, resp.Body)
		} else {
			var n int64
			if n, err = writeWhole(file, resp.Body, 0o600); err == nil {
				a.say("Wrote %s hosts to %s (%s bytes).", resp.Header.Get("X-Total-Count"), file, grouped(int(n)))
			}
		}
		if err == nil && resp.Header.Get("X-Total-Count") == "0" {
			a.whyNone(c, server, q)
		}
		return brokenOff(err)
	}
	return c
}

// exportForms are the words for the forms of an export.
var exportForms = []string{"ndjson", "csv", "json"}

// writable refuses a file that could not be written, before anything is asked of a server.
func writable(file string) error {
	if file == "" {
		return nil
	}
	if i, err := os.Stat(file); err == nil && i.IsDir() {
		return usagef("-f %s is a folder: name a file in it", file)
	}
	if i, err := os.Stat(filepath.Dir(file)); err != nil || !i.IsDir() {
		return usagef("-f %s: there is no folder %s", file, filepath.Dir(file))
	}
	return nil
}

// whyNone remarks on a search that found nothing. It is advice: where it cannot be had, there is none.
func (a *app) whyNone(c *cobra.Command, server *client, q string) {
	var page schema.Hosts
	if server.call(c.Context(), http.MethodGet, "/hosts", url.Values{"q": {q}, "limit": {"1"}}, nil, &page) == nil {
		a.remark(&format{}, page.Notes)
	}
}

func brokenOff(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the export broke off, and what came is not all: %w", err)
}

// columnName is the name of the column that a field, or one of its other names, is shown in.
func columnName(name string) string {
	if slices.ContainsFunc(schema.Columns(), func(c schema.Column) bool { return c.Name == name }) {
		return name
	}
	if f, ok := query.FieldNamed(name); ok {
		return f.String()
	}
	return name
}
