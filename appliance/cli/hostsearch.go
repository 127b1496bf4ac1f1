package cli

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// search is what commands about many hosts have in common: which ones.
type search struct {
	a                   *app
	q, site, status, by string
	saved               schema.SavedSearch // of --search, once text was called
}

// searching gives a command the flags that add to its search, and completion of the search itself.
func (a *app) searching(c *cobra.Command) *search {
	s := &search{a: a}
	c.Flags().StringVarP(&s.q, "query", "q", "", "the search, or more of it")
	c.Flags().StringVar(&s.site, "site", "", "only hosts of this site, as site:NAME does")
	c.Flags().StringVar(&s.status, "status", "", "only hosts that are up, late, down or unknown, as status:WORD does")
	c.Flags().StringVar(&s.by, "search", "", "a saved search, as 'skerry searches list' names it")
	c.ValidArgsFunction = s.complete
	takesSearch(c)
	c.Args = cobra.ArbitraryArgs
	c.Long = c.Short + `.

A search is words and conditions, all of which must hold: status:down 'os:debian<12' -tag:lab
Words are parts of names and addresses. There are "or", "not" and parentheses. The shell wants quotes around < > ( ) ! and *.
What reads like flags goes behind --, or after "not" without its dash: not quay, -- -quay
` + "`skerry hosts fields` lists what conditions can be about."
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w; `%s --help` shows the flags, and `not WORD` excludes a word from a search", err, c.CommandPath())
	})
	return s
}

// text is the whole search, of the arguments and the flags.
func (s *search) text(c *cobra.Command, args []string) (string, error) {
	var parts []string
	words := make([]string, 0, len(args))
	for _, arg := range args {
		if arg != "" {
			words = append(words, unshield(arg))
		}
	}
	for _, part := range []string{strings.Join(words, " "), unshield(s.q)} {
		if strings.TrimSpace(part) != "" {
			parts = append(parts, part)
		}
	}
	if s.by != "" {
		server, err := s.a.client()
		if err != nil {
			return "", err
		}
		if err := server.call(c.Context(), http.MethodGet, "/searches/"+url.PathEscape(s.by), nil, nil, &s.saved); err != nil {
			return "", err
		}
		if strings.TrimSpace(s.saved.Query) != "" {
			parts = append(parts, s.saved.Query)
		}
	}
	if len(parts) == 1 && s.site == "" && s.status == "" {
		return parts[0], nil // as it was typed, so that errors point into what was typed
	}
	for i, part := range parts { // an "or" would else reach beyond its part
		if strings.ContainsAny(part, " \t\n|") {
			parts[i] = "(" + part + ")"
		}
	}
	if s.site != "" {
		exact := query.Pattern{Shape: query.ShapeExact, Text: query.Fold(s.site)}
		parts = append(parts, query.Format(query.Term{Field: query.FieldSite, Op: query.OpIs, Pattern: exact}))
	}
	if s.status != "" {
		if !slices.Contains(statuses, s.status) {
			return "", usagef("--status %s: want one of %s", s.status, strings.Join(statuses, ", "))
		}
		parts = append(parts, "status:"+s.status)
	}
	return strings.Join(parts, " "), nil
}

var statuses = []string{"up", "late", "down", "unknown"}

// complete asks the server what may stand at the end of the search.
func (s *search) complete(c *cobra.Command, args []string, last string) ([]string, cobra.ShellCompDirective) {
	const how = cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	server, err := s.a.client()
	if err != nil {
		return nil, how
	}
	var before strings.Builder
	for _, arg := range args {
		before.WriteString(unshield(arg) + " ")
	}
	last = unshield(last)
	var found schema.Completion
	if server.call(c.Context(), http.MethodGet, "/hosts/complete", url.Values{"q": {before.String() + last}}, nil, &found) != nil || found.From < len(before.String()) || found.From > len(before.String())+len(last) {
		return nil, how
	}
	var words []string
	for _, i := range found.Items {
		words = append(words, fault.Printable(last[:found.From-len(before.String())]+i.Text)+"\t"+fault.Printable(cmp.Or(i.Doc, grouped(i.N)+" "+plural(i.N, "host"))))
	}
	return words, how
}

func (a *app) hostsCount() *cobra.Command {
	c := leaf("count [SEARCH...]", "Say how many hosts a search finds", 0, -1, nil)
	f := a.formatted(c)
	s := a.searching(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		q, err := s.text(c, args)
		if err != nil {
			return err
		}
		var page schema.Hosts
		if err := a.get(c, f, "/hosts", url.Values{"q": {q}, "limit": {"1"}}, &page); err != nil {
			return err
		}
		count := struct {
			Total  int           `json:"total"`
			Query  string        `json:"query"`
			AsOf   time.Time     `json:"as_of"`
			TookUS int64         `json:"took_us"`
			Notes  []schema.Note `json:"notes,omitempty"`
		}{page.Total, page.Query, page.AsOf, page.TookUS, page.Notes}
		err = f.print(count, func() view {
			v := view{}
			v.add(strconv.Itoa(page.Total), strconv.Itoa(page.Total))
			return v
		})
		if err == nil {
			a.remark(f, page.Notes)
		}
		return err
	}
	return c
}

func (a *app) hostsFacets() *cobra.Command {
	var fields []string
	var top int
	c := leaf("facets [SEARCH...]", "Count the hosts that a search finds by the values of fields", 0, -1, nil)
	f := a.formatted(c)
	s := a.searching(c)
	c.Flags().StringSliceVar(&fields, "fields", []string{"status", "os", "site", "region", "tag", "severity"}, "the fields")
	c.Flags().IntVar(&top, "top", 10, "values of each field, at most 1000")
	c.RunE = func(c *cobra.Command, args []string) error {
		q, err := s.text(c, args)
		if err != nil {
			return err
		}
		var facets schema.Facets
		query := url.Values{"q": {q}, "fields": {strings.Join(fields, ",")}, "top": {strconv.Itoa(top)}}
		if err := a.get(c, f, "/hosts/facets", query, &facets); err != nil {
			return err
		}
		if err := f.print(facets, func() view { return facetTable(facets.Facets) }); err != nil {
			return err
		}
		a.counted(f, facets.Total, facets.TookUS)
		a.reading(f, q, facets.Query)
		a.remark(f, facets.Notes)
		return nil
	}
	return c
}

// facetTable shows a field once for all of its values. What the table leaves out stands in a row of its own.
func facetTable(facets []schema.Facet) view {
	v := view{head: []string{"FIELD", "VALUE", "HOSTS"}}
	for _, f := range facets {
		var name any = f.Field
		row := func(value any, n any) {
			v.add(f.Field, name, value, n)
			name = nothing{}
		}
		for _, x := range f.Values {
			row(x.Value, x.N)
		}
		if more := f.Distinct - len(f.Values); more > 0 {
			row("(and "+grouped(more)+" more "+plural(more, "value")+")", nothing{})
		}
		if f.None > 0 || len(f.Values) == 0 {
			row("(none)", f.None)
		}
	}
	return v
}

func (a *app) hostsGroup() *cobra.Command {
	var by string
	var top int
	c := leaf("group [SEARCH...] --by FIELD,FIELD", "Count the hosts that a search finds by pairs of values", 0, -1, nil)
	f := a.formatted(c)
	s := a.searching(c)
	c.Flags().StringVar(&by, "by", "", "the two fields, as in os,site")
	c.Flags().IntVar(&top, "top", 100, "pairs, at most 1000")
	c.RunE = func(c *cobra.Command, args []string) error {
		if by == "" {
			return usagef("say by which two fields: --by os,site")
		}
		q, err := s.text(c, args)
		if err != nil {
			return err
		}
		var g schema.Grouped
		if err := a.get(c, f, "/hosts/group", url.Values{"q": {q}, "by": {by}, "top": {strconv.Itoa(top)}}, &g); err != nil {
			return err
		}
		err = f.print(g, func() view {
			v := view{}
			for _, field := range g.By {
				v.head = append(v.head, strings.ToUpper(field))
			}
			v.head = append(v.head, "HOSTS")
			for _, x := range g.Groups {
				v.add(x.A+","+x.B, x.A, x.B, x.N)
			}
			return v
		})
		if err != nil {
			return err
		}
		if more := g.Distinct - len(g.Groups); more > 0 && (f.kind == "table" || f.kind == "wide") {
			a.say("%s of %s pairs; --top shows more", grouped(len(g.Groups)), grouped(g.Distinct))
		}
		a.counted(f, g.Total, g.TookUS)
		a.reading(f, q, g.Query)
		a.remark(f, g.Notes)
		return nil
	}
	return c
}

// counted says for people how many hosts an answer is about, and how long finding them took.
func (a *app) counted(f *format, total int, us int64) {
	if f.kind == "table" || f.kind == "wide" {
		a.say("%s %s, %s", grouped(total), plural(total, "host"), took(us))
	}
}

// reading says for people how a search was read, where that is not how it was typed but for blanks and quotes.
func (a *app) reading(f *format, typed, read string) {
	bare := strings.NewReplacer(`"`, "")
	if (f.kind == "table" || f.kind == "wide") && bare.Replace(strings.Join(strings.Fields(typed), " ")) != bare.Replace(read) {
		a.say("read as: %s", fault.Printable(cmp.Or(read, "every host")))
	}
}

// remark says for people what may be a slip in a search. Data has it as well.
func (a *app) remark(f *format, notes []schema.Note) {
	if f.kind == "json" || f.kind == "yaml" {
		return
	}
	for _, n := range notes {
		text := n.Message
		if len(n.Suggestions) > 0 {
			text += "; did you mean " + strings.Join(n.Suggestions, " or ") + "?"
		}
		a.say("note: %s", fault.Printable(text))
	}
}

// took writes a time that a search took.
func took(us int64) string { return strconv.FormatFloat(float64(us)/1000, 'f', 1, 64) + " ms" }

func (a *app) hostsFields() *cobra.Command {
	c := leaf("fields", "What a search can be about", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var fields []schema.Field
		if err := a.get(c, f, "/fields", nil, &fields); err != nil {
			return err
		}
		return f.print(fields, func() view {
			v := view{head: []string{"FIELD", "EXAMPLE", "WHAT IT IS"}, wide: []string{"ALSO", "KIND", "SORTS", "COUNTS"}}
			for _, x := range fields {
				v.add(x.Name, x.Name, x.Example, x.Doc, x.Aliases, x.Kind, x.Sortable, x.Counted)
			}
			return v
		})
	}
	return c
}
