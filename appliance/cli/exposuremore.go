package cli

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) exposureDiff() *cobra.Command {
	var host, from, to string
	c := leaf("diff", "What opened and closed since a time, or between two; a controller asks its sites", 0, 0, nil)
	f := a.formatted(c)
	ask := a.ofSites(c)
	from = "7d"
	c.Flags().Var(moment{text: &from}, "since", "a time such as 2026-11-22T10:00:00Z, the beginning of a day (UTC) such as 2026-11-22, or how long ago, as 7d")
	c.Flags().Var(moment{text: &to, end: true}, "until", "the same, but the end of a day; now if it is not given")
	c.Flags().StringVar(&host, "host", "", "only this host, by name or id")
	c.RunE = func(c *cobra.Command, _ []string) error {
		query := ask()
		query.Set("from", from)
		if to != "" {
			query.Set("to", to)
		}
		if host != "" {
			query.Set("host", host)
		}
		var d schema.ExposureDiff
		if err := a.get(c, f, "/exposure/diff", query, &d); err != nil {
			return err
		}
		a.gathered(f, d.Gathered, len(d.Changes))
		return f.print(d, func() view {
			v := view{
				head: []string{"HOST", "SITE", "CHANGE", "VULNERABILITY", "SEVERITY", "PACKAGE", "WHY", "AT"},
				wide: []string{"FROM", "TO", "FIXED IN", "VERDICT", "ADVISORY", "HOST ID"},
			}
			for _, x := range d.Changes {
				v.add(x.HostID, x.Hostname, x.Site, x.Change, x.Finding.Vulnerability, rated(x.Finding.Severity), x.Finding.Package, x.Why, x.At,
					x.From, x.To, x.Finding.Fixed, verdict(x.Finding.Verdict), x.Finding.Source+"/"+x.Finding.Advisory, x.HostID)
			}
			return v
		})
	}
	return c
}

func (a *app) exposureAccept() *cobra.Command {
	var ask schema.AcceptanceMake
	c := leaf("accept VULNERABILITY", "Accept the risk of a vulnerability on some hosts until a day; the server signs it", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().Var(moment{text: &ask.Until, end: true}, "until", "when it ends: a day (UTC) such as 2027-01-31, a time such as 2027-01-31T12:00:00Z, or a span from now, as 90d (required)")
	c.Flags().StringVar(&ask.Reason, "reason", "", "why (required)")
	c.Flags().StringVar(&ask.Hosts, "hosts", "", "only hosts that this search finds; every host if it is not given")
	c.Flags().StringVar(&ask.Package, "package", "", "only in this package, by its installed name or that of its source package; in every one if it is not given")
	c.RunE = func(c *cobra.Command, args []string) error {
		ask.Vulnerability = args[0]
		switch {
		case ask.Until == "":
			return usagef("--until is missing: an acceptance ends; say when, as 90d")
		case ask.Reason == "":
			return usagef("--reason is missing: say why the risk is accepted")
		}
		var d schema.Acceptance
		if _, err := a.post(c, f, "/exposure/acceptances", nil, ask, &d); err != nil {
			return err
		}
		switch n := d.Covers; {
		case n == nil:
			a.say("What it covers is for the sites to say: `skerry exposure cve` asks them.")
		case n.More:
			a.say("It covers more than %s findings here now.", grouped(n.Findings))
		default:
			a.say("It covers %s %s on %s %s here now.", grouped(n.Findings), plural(n.Findings, "finding"), grouped(n.Hosts), plural(n.Hosts, "host"))
		}
		return f.print(d, func() view { return acceptances([]schema.Acceptance{d}) })
	}
	return c
}

func acceptances(rows []schema.Acceptance) view {
	v := view{head: []string{"ID", "VULNERABILITY", "PACKAGE", "HOSTS", "STATE", "UNTIL", "BY", "REASON"}, wide: []string{"AT", "KEY", "FLAW"}}
	for _, x := range rows {
		v.add(x.ID, x.ID, x.Vulnerability, x.Package, x.Hosts, x.State, x.Until, x.By, x.Reason, x.At, x.Key, x.Flaw)
	}
	return v
}

func (a *app) exposureAccepted() *cobra.Command {
	c := leaf("accepted", "Risks that somebody accepted, those that ended included", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var rows []schema.Acceptance
		if err := a.get(c, f, "/exposure/acceptances", nil, &rows); err != nil {
			return err
		}
		return f.print(rows, func() view { return acceptances(rows) })
	}
	return c
}

func (a *app) exposureRevoke() *cobra.Command {
	c := leaf("revoke ID", "Take an acceptance back: the findings count again", 1, 1, nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := a.client()
		if err != nil {
			return err
		}
		if err := server.call(c.Context(), http.MethodDelete, "/exposure/acceptances/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
			return err
		}
		a.say("Revoked %s.", fault.Printable(args[0]))
		return nil
	}
	return c
}
