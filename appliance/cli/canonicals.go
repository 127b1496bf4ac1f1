package cli

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) advisoriesGet() *cobra.Command {
	c := leaf("get ID", "One vulnerability, by its CVE, its merge hash (sha256:…) or any id or alias, with what every source says", 1, 1, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var v schema.Canonical
		if err := a.get(c, f, "/advisories/"+url.PathEscape(args[0]), nil, &v); err != nil {
			return err
		}
		if f.kind != "table" && f.kind != "wide" {
			return f.print(v, func() view { return view{names: []string{v.ID}} })
		}
		a.table(headOf(v), false)
		if len(v.Records) > 0 {
			fmt.Fprintln(a.out)
			a.table(recordsOf(v), f.kind == "wide")
		}
		if affected := affectedOf(v.Records, f.kind == "wide"); len(affected.rows) > 0 {
			fmt.Fprintln(a.out)
			a.table(affected, f.kind == "wide")
		}
		a.statements(v.Records, f.kind == "wide")
		if len(v.Related) > 0 {
			fmt.Fprintln(a.out)
			t := view{head: []string{"RELATED", "HOW", "SAID BY", "SUMMARY"}}
			for _, n := range v.Related {
				t.add("", n.ID, n.How, n.By, n.Summary)
			}
			a.table(t, f.kind == "wide")
		}
		return nil
	}
	return c
}

func headOf(c schema.Canonical) view {
	v := view{}
	row := func(name string, value any) { v.rows = append(v.rows, []any{name, value}) }
	row("ID", c.ID)
	row("Merge hash", c.MergeHash)
	if len(c.Members) == 0 {
		row("Records", "none of its own: others name it (below)")
		return v
	}
	row("Summary", c.Summary)
	row("Severity", rated(c.Severity))
	if c.Known != nil {
		row("Known exploited", "since "+c.Known.UTC().Format("2006-01-02"))
	}
	if c.Probability > 0 {
		row("EPSS", percentage(c.Probability))
	}
	if c.Withdrawn != nil {
		row("Withdrawn", c.Withdrawn)
	}
	row("Published", c.Published)
	row("Changed here", c.Changed)
	if len(c.CWEs) > 0 {
		row("Weaknesses", c.CWEs)
	}
	if len(c.Aliases) > 0 {
		row("Aliases", c.Aliases)
	}
	if c.Differing > 0 {
		row("Sources differ in", fmt.Sprintf("%d %s: `skerry advisories explain %s` shows them", c.Differing, plural(c.Differing, "field"), c.ID))
	}
	return v
}

// percentage writes a probability as people read it.
func percentage(p float64) string { return strconv.FormatFloat(100*p, 'f', 2, 64) + " %" }

func recordsOf(c schema.Canonical) view {
	v := view{
		head: []string{"SOURCE", "ID", "JOINED BY", "SEVERITY", "PACKAGES", "MODIFIED", "SUMMARY"},
		wide: []string{"ALIASES", "UPSTREAM", "RELATED", "WITHDRAWN", "ORIGIN", "CURSOR"},
	}
	why := map[string]string{}
	for _, m := range c.Members {
		if why[m.Source+"/"+m.ID] = m.Reason; m.Via != "" && m.Reason != "id" {
			why[m.Source+"/"+m.ID] += " " + m.Via
		}
	}
	for _, r := range c.Records {
		v.add(r.Source+"/"+r.ID, r.Source, r.ID, why[r.Source+"/"+r.ID], rated(r.Severity), len(r.Affected), r.Modified, r.Summary,
			r.Aliases, r.Upstream, r.Related, r.Withdrawn, r.Origin, r.Cursor)
	}
	return v
}

// shownAffected is how many affected packages are listed where nobody asks for all.
const shownAffected = 20

func affectedOf(records []schema.Advisory, all bool) view {
	v := view{head: []string{"SOURCE", "ECOSYSTEM", "PACKAGE", "AFFECTED", ""}}
	more := 0
	for _, r := range records {
		for _, x := range r.Affected {
			if len(v.rows) == shownAffected && !all {
				more++
				continue
			}
			text := strings.Join(x.Ranges, "; ")
			if text == "" && len(x.Versions) > 0 {
				text = strings.Join(x.Versions[:min(4, len(x.Versions))], ", ")
				if n := len(x.Versions) - 4; n > 0 {
					text += fmt.Sprintf(" and %d more", n)
				}
			}
			var mark any = nothing{}
			if x.Outside {
				mark = "not matched: the source has no authority there"
			}
			v.add("", r.Source, x.Ecosystem, x.Package, text, mark)
		}
	}
	if more > 0 {
		v.add("", nothing{}, nothing{}, fmt.Sprintf("and %d more (-o wide)", more), nothing{}, nothing{})
	}
	return v
}

func (a *app) advisoriesSearch() *cobra.Command {
	var in struct {
		severity, source, pkg, purl, withdrawn, since string
		known                                         bool
		limit                                         int
	}
	c := leaf("search [WORD...]", "Vulnerabilities by words, package, severity and more", 0, -1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&in.severity, "severity", "", "critical, high, medium, low, none, unrated; several with commas between them")
	c.Flags().StringVar(&in.source, "source", "", "with a record of this source")
	c.Flags().StringVar(&in.pkg, "package", "", "naming this package: its name, or a package URL as pkg:npm/express")
	c.Flags().StringVar(&in.purl, "purl", "", "affecting this version of a package, as pkg:deb/debian/openssl@3.0.11-1~deb12u1")
	c.Flags().BoolVar(&in.known, "known-exploited", false, "only those that are known to be exploited")
	c.Flags().StringVar(&in.withdrawn, "withdrawn", "", "include (the default), exclude or only")
	c.Flags().Var(moment{text: &in.since}, "changed-since", "changed here since a time or a day, or within a span, as 2026-01-31T00:00:00Z, 2026-01-31 or 7d")
	c.Flags().IntVar(&in.limit, "limit", 50, "how many to show")
	c.RunE = func(c *cobra.Command, words []string) error {
		if err := f.check(); err != nil {
			return err
		}
		if in.limit < 1 {
			return usagef("--limit: want 1 or more")
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		query := url.Values{}
		for name, value := range map[string]string{
			"q": strings.Join(words, " "), "severity": in.severity, "source": in.source, "package": in.pkg, "purl": in.purl, "withdrawn": in.withdrawn, "changed_since": in.since,
		} {
			if value != "" {
				query.Set(name, value)
			}
		}
		if in.known {
			query.Set("known_exploited", "true")
		}
		all := schema.Canonicals{Canonicals: []schema.CanonicalRow{}}
		for len(all.Canonicals) < in.limit {
			query.Set("limit", strconv.Itoa(min(in.limit-len(all.Canonicals), 1000)))
			var page schema.Canonicals
			if err := server.call(c.Context(), "GET", "/advisories", query, nil, &page); err != nil {
				return err
			}
			all.Canonicals, all.Total, all.Next = append(all.Canonicals, page.Canonicals...), page.Total, page.Next
			if page.Next == "" {
				break
			}
			query.Set("cursor", page.Next)
		}
		if n := len(all.Canonicals); n < all.Total {
			a.say("%d of %d are shown (--limit).", n, all.Total)
		}
		if people := f.kind == "table" || f.kind == "wide"; people && len(all.Canonicals) == 0 {
			var held schema.Canonicals
			if err := server.call(c.Context(), "GET", "/advisories", url.Values{"limit": {"1"}}, nil, &held); err != nil {
				return err
			}
			a.say("Nothing is found: none of the %s vulnerabilities that are known here.", grouped(held.Total))
			return nil
		}
		return f.print(all, func() view {
			v := view{head: []string{"ID", "SEVERITY", "KNOWN EXPLOITED", "EPSS", "SOURCES", "SUMMARY"}, wide: []string{"PUBLISHED", "CHANGED", "WITHDRAWN", "DIFFERING", "MERGE HASH"}}
			judged := slices.ContainsFunc(all.Canonicals, func(r schema.CanonicalRow) bool { return r.Verdict != "" })
			if judged {
				v.head = slices.Insert(v.head, 1, "VERDICT", "FIXED")
			}
			for _, r := range all.Canonicals {
				var epss any
				if r.Probability > 0 {
					epss = percentage(r.Probability)
				}
				var known any
				if r.Known != nil {
					known = r.Known.UTC().Format("2006-01-02")
				}
				row := []any{r.ID, rated(r.Severity), known, epss, r.Sources, r.Summary, r.Published, r.Changed, r.Withdrawn, r.Differing, r.MergeHash}
				if judged {
					row = slices.Insert(row, 1, any(r.Verdict), any(r.Fixed))
				}
				v.add(r.ID, row...)
			}
			return v
		})
	}
	return c
}

// saidOthers is what everybody but the winner says of a field: one text for each source and value, or with all for each record, also of
// those that agree. Long values are cut where clip is set.
func saidOthers(r schema.Resolved, all, clip bool) []string {
	var texts []string
	n := map[string]int{}
	for _, s := range r.Said {
		if s.From == r.From || s.Agrees && !all {
			continue
		}
		from := s.From
		if !all {
			from, _, _ = strings.Cut(from, "/")
		}
		value, mark := s.Value, ""
		if clip {
			value = clipped(value)
		}
		if s.Withdrawn {
			mark = " (withdrawn)"
		}
		text := from + "\x00: " + value + mark
		if n[text]++; n[text] == 1 {
			texts = append(texts, text)
		}
	}
	for i, text := range texts {
		from, rest, _ := strings.Cut(text, "\x00")
		if n[text] > 1 {
			from += fmt.Sprintf(" (%d)", n[text])
		}
		texts[i] = from + rest
	}
	return texts
}

// mostCell is how many characters of a value a table shows.
const mostCell = 100

// clipped is the beginning of a long value.
func clipped(s string) string {
	r := []rune(s)
	if len(r) <= mostCell {
		return s
	}
	return string(r[:mostCell-1]) + "…"
}

func (a *app) advisoriesExplain() *cobra.Command {
	c := leaf("explain ID", "Why the records of a vulnerability are one, and which source won each field", 1, 1, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var x schema.Explained
		if err := a.get(c, f, "/advisories/"+url.PathEscape(args[0])+"/explain", nil, &x); err != nil {
			return err
		}
		if f.kind != "table" && f.kind != "wide" {
			return f.print(x, func() view { return view{names: []string{x.ID}} })
		}
		fmt.Fprintf(a.out, "%s  %s  (%s)\n\n", fault.Printable(x.ID), x.MergeHash, x.Scheme)
		t := view{head: []string{"RECORD", "JOINED BY", "WHY", "SORT OF SOURCE"}}
		for _, m := range x.Members {
			t.add("", m.Source+"/"+m.ID, m.Reason, m.Why, m.Class)
		}
		a.table(t, f.kind == "wide")
		fmt.Fprintln(a.out)
		a.explained(x.Fields, f.kind == "wide")
		if len(x.Ecosystems) > 0 {
			fmt.Fprintln(a.out)
			t = view{head: []string{"ECOSYSTEM", "WHO SPEAKS", "SEVERITY", "OTHERS"}}
			for _, e := range x.Ecosystems {
				as := schema.Resolved{From: e.From} // the same words for both tables
				for _, s := range e.Said {
					text := s.Severity
					if s.Outside {
						text += " (without authority)"
					}
					as.Said = append(as.Said, schema.Said{From: s.From, Value: text})
				}
				others := saidOthers(as, f.kind == "wide", false)
				t.add("", e.Ecosystem, e.From, rated(e.Severity), others[:min(len(others), 1)])
				for _, said := range others[min(len(others), 1):] {
					t.add("", nothing{}, nothing{}, nothing{}, said)
				}
			}
			a.table(t, f.kind == "wide")
		}
		var v schema.Canonical // the words of the statements; an explanation has the fields
		if err := a.get(c, f, "/advisories/"+url.PathEscape(x.ID), nil, &v); err != nil {
			return err
		}
		a.statements(v.Records, f.kind == "wide")
		for _, g := range x.Guards {
			fmt.Fprintf(a.out, "\nGuard: %s\n", fault.Printable(g))
		}
		return nil
	}
	return c
}
