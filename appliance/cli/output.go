package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// format is the -o flag of one command.
type format struct {
	a    *app
	kind string
}

var formats = []string{"table", "wide", "json", "yaml", "name"}

// formatted gives a command the -o flag.
func (a *app) formatted(c *cobra.Command) *format {
	f := &format{a: a}
	c.Flags().StringVarP(&f.kind, "output", "o", "table", "how to print: "+strings.Join(formats, ", "))
	c.Flags().BoolFunc("json", "the same as -o json", func(string) error { f.kind = "json"; return nil })
	return f
}

// view is how a person sees an answer. Names are what scripts pass on, one a line.
type view struct {
	head  []string
	wide  []string // more columns for -o wide; their cells follow in each row
	rows  [][]any
	names []string
}

func (v *view) add(name string, cells ...any) {
	v.rows = append(v.rows, cells)
	v.names = append(v.names, name)
}

// print writes v in the form that was asked for. people is called for the forms that are not data.
func (f *format) print(v any, people func() view) error {
	switch f.kind {
	case "json":
		return writeJSON(f.a.out, v)
	case "yaml":
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		raw, err = yaml.JSONToYAML(raw)
		if err != nil {
			return fmt.Errorf("print as YAML: %w", err)
		}
		_, err = f.a.out.Write(raw)
		return err
	case "name":
		for _, n := range people().names {
			fmt.Fprintln(f.a.out, fault.Printable(n))
		}
		return nil
	case "table", "wide":
		f.a.table(people(), f.kind == "wide")
		return nil
	}
	return usagef("-o %s: want one of %s", f.kind, strings.Join(formats, ", "))
}

// check refuses an unknown form before anything is done.
func (f *format) check() error {
	if slices.Contains(formats, f.kind) {
		return nil
	}
	return usagef("-o %s: want one of %s", f.kind, strings.Join(formats, ", "))
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table prints columns for a person. Colour is for terminals only.
func (a *app) table(v view, wide bool) {
	t := table.NewWriter()
	t.SetOutputMirror(a.out)
	style := table.StyleLight
	style.Options = table.OptionsNoBordersAndSeparators
	style.Format = table.FormatOptions{Header: text.FormatDefault, Row: text.FormatDefault}
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	head := v.head
	if wide {
		head = append(slices.Clone(head), v.wide...)
	}
	colour := a.colours()
	rows := make([][]string, 0, len(v.rows))
	for _, cells := range v.rows {
		if len(head) > 0 && len(cells) > len(head) {
			cells = cells[:len(head)]
		}
		row := make([]string, len(cells))
		for i, c := range cells {
			row[i] = cell(c, colour)
		}
		rows = append(rows, row)
	}
	columns := a.columns()
	all, whole := head, rows
	head, rows, most := fitted(head, rows, columns, wide)
	if columns > 0 && !wide && len(head) > 0 && len(rows) > 0 && tableWidth(head, rows, most) > columns {
		fmt.Fprint(a.out, folded(all, whole, columns))
		return
	}
	if len(head) > 0 {
		t.AppendHeader(tableRow(head))
	}
	for _, row := range rows {
		t.AppendRow(tableRow(row))
	}
	t.SetColumnConfigs(most)
	t.SuppressTrailingSpaces()
	t.Render()
}

// nothing is a cell in which no value belongs, as opposed to one that is not known.
type nothing struct{}

// cell writes one value: times as people read them, unknown as a dash.
func cell(v any, colour bool) string {
	s := ""
	switch v := v.(type) {
	case nothing:
		return ""
	case nil:
	case float64:
		s = strconv.FormatFloat(v, 'f', -1, 64)
	case time.Time:
		s = when(&v)
	case *time.Time:
		s = when(v)
	case *bool:
		if v != nil {
			s = yesNo(*v)
		}
	case bool:
		s = yesNo(v)
	case []string:
		s = strings.Join(v, ", ")
	default:
		s = fmt.Sprint(v)
	}
	if s == "" {
		return "-"
	}
	s = fault.Printable(s)
	if c, ok := tints[s]; ok && colour {
		return c.Sprint(s)
	}
	return s
}

// tints are the words that a glance should find.
var tints = map[string]text.Color{
	"ok": text.FgGreen, "up": text.FgGreen, "succeeded": text.FgGreen, "online": text.FgGreen,
	"late": text.FgYellow, "degraded": text.FgYellow, "partial": text.FgYellow, "pending": text.FgYellow,
	"down": text.FgRed, "failed": text.FgRed, "expired": text.FgRed, "offline": text.FgRed, "critical": text.FgRed,
}

func tableRow(cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = c
	}
	return row
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// when writes a time to the second; data formats have all of it.
func when(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func (a *app) colours() bool {
	if v, _ := a.env("NO_COLOR"); v != "" {
		return false
	}
	return terminal(a.out)
}

// terminal reports whether a person is on the other end.
func terminal(v any) bool {
	f, ok := v.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
