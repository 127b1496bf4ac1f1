package cli

import (
	"fmt"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

// explained writes what each field is, who said it and by which rule: as a table where one fits, else a paragraph for each field. Only a
// terminal has long values cut, and the rule never is: it is what was asked for.
func (a *app) explained(fields []schema.Resolved, wide bool) {
	columns := a.columns()
	clip := columns > 0 && !wide
	t := view{head: []string{"FIELD", "VALUE", "FROM", "BECAUSE", "OTHERS SAY"}}
	var cells [][]string
	add := func(row ...any) {
		t.add("", row...)
		var texts []string
		for _, c := range row {
			texts = append(texts, cell(c, false))
		}
		cells = append(cells, texts)
	}
	for _, r := range fields {
		value, others := r.Value, saidOthers(r, wide, clip)
		if clip {
			value = clipped(value)
		}
		if len(others) == 0 {
			add(r.Name, value, r.From, r.Rule, nothing{})
		}
		for i, said := range others { // one a line
			if i == 0 {
				add(r.Name, value, r.From, r.Rule, said)
				continue
			}
			add(nothing{}, nothing{}, nothing{}, nothing{}, said)
		}
	}
	if clip && tableWidth(t.head, cells, nil) > columns {
		fmt.Fprint(a.out, paragraphs(fields, columns))
		return
	}
	a.table(t, wide)
}

// paragraphs writes one field a paragraph, in lines of so many characters.
func paragraphs(fields []schema.Resolved, columns int) string {
	var b strings.Builder
	for i, r := range fields {
		if i > 0 {
			b.WriteString("\n")
		}
		value := cell(clipped(r.Value), false)
		b.WriteString(hanging(r.Name+": "+value, columns))
		if r.From != "" {
			b.WriteString(wrapped("from "+fault.Printable(r.From), indent, columns) + "\n")
		}
		if r.Rule != "" {
			b.WriteString(wrapped("because: "+fault.Printable(r.Rule), indent, columns) + "\n")
		}
		for _, said := range saidOthers(r, false, true) {
			b.WriteString(wrapped("others say: "+fault.Printable(said), indent, columns) + "\n")
		}
	}
	return b.String()
}

// hanging breaks a text into lines, of which all but the first stand in.
func hanging(s string, columns int) string {
	lines := wrapped(s, indent, columns)
	return strings.TrimPrefix(lines, indent) + "\n"
}
