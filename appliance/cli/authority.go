package cli

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) advisoriesAuthority() *cobra.Command {
	c := a.group("authority", "Which ecosystems each source of advisories may speak for", a.authorityList(), a.authoritySet(), a.authorityReset())
	c.Long = c.Short + `.

What a record says of packages of an ecosystem that its source may not speak for is kept and shown, and matched with nothing. A source
that is not in the list may speak for the ecosystem that it is named like, and for those that no source of the list speaks for. At a
controller what is said here goes for its sites as well.`
	return c
}

func (a *app) authorityList() *cobra.Command {
	c := leaf("list", "Every source that something is known of", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var rows []schema.Authority
		if err := a.get(c, f, "/advisories/authorities", nil, &rows); err != nil {
			return err
		}
		return f.print(rows, func() view { return authorities(rows) })
	}
	return c
}

func authorities(rows []schema.Authority) view {
	v := view{head: []string{"SOURCE", "MAY SPEAK FOR", "SAID BY"}}
	for _, x := range rows {
		by, may := "an operator", strings.Join(x.Ecosystems, ", ")
		if x.BuiltIn {
			by = "built in"
		}
		switch may {
		case "*":
			may = "every ecosystem"
		case "":
			may = "no packages"
		}
		v.add(x.Source, x.Source, may, by)
	}
	return v
}

func (a *app) authoritySet() *cobra.Command {
	c := leaf("set SOURCE ECOSYSTEM...", "Say which ecosystems a source may speak for, as Debian or npm; '*' is all of them", 2, -1, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error { return a.putAuthority(c, f, args[0], args[1:]) }
	return c
}

func (a *app) authorityReset() *cobra.Command {
	c := leaf("reset SOURCE", "Let a source speak for what is built in, or for what its name says", 1, 1, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error { return a.putAuthority(c, f, args[0], []string{}) }
	return c
}

func (a *app) putAuthority(c *cobra.Command, f *format, source string, may []string) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := canonical.CheckSource(source); err != nil {
		return usagef("%w", err)
	}
	server, err := a.client()
	if err != nil {
		return err
	}
	var done schema.AuthorityDone
	if err := server.call(c.Context(), http.MethodPut, "/advisories/authorities/"+url.PathEscape(source), nil, schema.AuthoritySet{Ecosystems: may}, &done); err != nil {
		return err
	}
	a.say("%s: %d %s judged again", fault.Printable(source), done.JudgedN, plural(done.JudgedN, "record"))
	rows := []schema.Authority{done.Authority}
	if len(may) == 0 { // of a source that is not in the list nothing is built in
		var known []schema.Authority
		if err := server.call(c.Context(), http.MethodGet, "/advisories/authorities", nil, nil, &known); err != nil {
			return err
		}
		if !slices.ContainsFunc(known, func(x schema.Authority) bool { return x.Source == source }) {
			a.say("Nothing is built in for %s: it may speak for the ecosystem that it is named like, and for those that no source of the list speaks for.", fault.Printable(source))
			if f.kind == "table" || f.kind == "wide" {
				return nil
			}
		}
	}
	return f.print(done, func() view { return authorities(rows) })
}
