package cli

import (
	"fmt"
	"strings"

	"github.com/skerryhq/skerry/ui/schema"
)

// Bounds of what is shown of statements where nobody asks for all.
const (
	shownStatements = 20
	shownProducts   = 3
)

// statementsOf is what vendors say of their products (VEX), one statement after another in the order of the records.
func statementsOf(records []schema.Advisory, all bool) view {
	v := view{head: []string{"SAID BY", "STATUS", "PRODUCT", "SAID", "BECAUSE"}}
	n := 0
	for _, r := range records {
		for _, s := range r.Statements {
			if n++; n > shownStatements && !all {
				continue
			}
			from := r.Source
			if all {
				from += "/" + r.ID
			}
			said := s.At
			if said == nil {
				said = r.Modified
			}
			v.add("", from, strings.ReplaceAll(s.Status, "_", " "), firstProduct(s.Products), said, reasonOf(s))
			for i, p := range s.Products[min(1, len(s.Products)):] {
				if i+1 == shownProducts && !all {
					v.add("", nothing{}, nothing{}, fmt.Sprintf("and %d more (-o wide)", len(s.Products)-shownProducts), nothing{}, nothing{})
					break
				}
				v.add("", nothing{}, nothing{}, p, nothing{}, nothing{})
			}
		}
	}
	if n > shownStatements && !all {
		v.add("", nothing{}, nothing{}, fmt.Sprintf("and %d more statements (-o wide)", n-shownStatements), nothing{}, nothing{})
	}
	return v
}

// statements prints what vendors say, below what is printed already; where nobody says anything, nothing.
func (a *app) statements(records []schema.Advisory, all bool) {
	if v := statementsOf(records, all); len(v.rows) > 0 {
		fmt.Fprintln(a.out)
		a.table(v, all)
	}
}

func firstProduct(products []string) any {
	if len(products) == 0 {
		return nil
	}
	return products[0]
}

// reasonOf is why an author says so, in his words, and whether it counts.
func reasonOf(s schema.Statement) any {
	var parts []string
	if s.Outside {
		parts = append(parts, "closes nothing: the source has no authority there")
	}
	if s.Justification != "" {
		parts = append(parts, strings.ReplaceAll(s.Justification, "_", " "))
	}
	if s.Note != "" {
		parts = append(parts, s.Note)
	}
	if len(parts) == 0 {
		return nil
	}
	return strings.Join(parts, "; ")
}
