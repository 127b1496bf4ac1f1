package cli

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) exposure() *cobra.Command {
	return a.group("exposure", "What the vulnerabilities mean for the sites and hosts",
		a.exposureList(), a.exposureHost(), a.exposureCVE(), a.exposureDiff(), a.exposureAccept(), a.exposureAccepted(), a.exposureRevoke())
}

// exploited and epss are cells about attacks.
func exploited(known bool) string {
	if known {
		return "yes"
	}
	return ""
}

func epss(p float64) string {
	if p == 0 {
		return ""
	}
	return strconv.FormatFloat(p, 'f', 3, 64)
}

func scored(p *float64) string {
	if p == nil {
		return ""
	}
	return epss(*p)
}

// standing is the verdict of a finding with what stands beside it.
func standing(x schema.Standing) string {
	if x.Accepted != nil {
		return "accepted"
	}
	return verdict(x.Verdict)
}

// because says why a finding stands as it does.
func because(x schema.Standing) string {
	if n := x.Accepted; n != nil {
		return fmt.Sprintf("by %s until %s: %s", n.By, n.Until.Format("2006-01-02"), n.Reason)
	}
	return x.Reason
}

func (a *app) exposureList() *cobra.Command {
	c := leaf("list", "Each site's exposure roll-up, and what concerns most hosts", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var rows []schema.Exposure
		if err := a.get(c, f, "/exposure", nil, &rows); err != nil {
			return err
		}
		a.sayPending(rows)
		if f.kind != "table" && f.kind != "wide" {
			return f.print(rows, func() view {
				var v view
				for _, e := range rows {
					v.names = append(v.names, e.Site)
				}
				return v
			})
		}
		v := view{
			head: []string{"SITE", "CRITICAL", "HIGH", "MEDIUM", "LOW", "NONE", "UNRATED", "UNCERTAIN", "AFFECTED HOSTS", "HOSTS MATCHED", "AS OF"},
			wide: []string{"ADVISORIES"},
		}
		for _, e := range rows {
			n := e.Counts
			if e.AsOf == nil {
				v.add(e.Site, e.Site, nil, nil, nil, nil, nil, nil, nil, nil, nil, unmatched, nil)
				continue
			}
			v.add(e.Site, e.Site, n.Critical, n.High, n.Medium, n.Low, n.None, n.Unknown, n.Uncertain, e.AffectedHosts, e.MatchedHosts, e.AsOf, e.AdvisoryN)
		}
		a.table(v, f.kind == "wide")
		top := view{head: []string{"SITE", "VULNERABILITY", "SEVERITY", "KNOWN EXPLOITED", "EPSS", "HOSTS"}}
		for _, e := range rows {
			for i, t := range e.Top { // the most pressing first
				if i == 5 && f.kind != "wide" {
					break
				}
				top.add("", e.Site, t.Vulnerability, rated(t.Severity), exploited(t.KnownExploited), epss(t.EPSS), t.Hosts)
			}
		}
		if len(top.rows) > 0 {
			fmt.Fprintln(a.out)
			a.table(top, false)
		}
		return nil
	}
	return c
}

func (a *app) exposureHost() *cobra.Command {
	var all bool
	c := leaf("host HOST", "The findings of a host: known to be exploited first, then by severity and EPSS", 1, 1, nil)
	f := a.formatted(c)
	page := paged(c, 500)
	c.Flags().BoolVar(&all, "all", false, "also what is accepted or suppressed")
	c.RunE = func(c *cobra.Command, args []string) error {
		var d schema.HostExposure
		if err := a.get(c, f, "/hosts/"+url.PathEscape(args[0])+"/exposure", page(), &d); err != nil {
			return err
		}
		hidden := 0
		if !all {
			n := 0
			for n < len(d.Findings) && d.Findings[n].Accepted == nil && d.Findings[n].Verdict != "suppressed" {
				n++
			}
			hidden, d.Findings = len(d.Findings)-n, d.Findings[:n]
		}
		err := f.print(d, func() view {
			v := view{
				head: []string{"VULNERABILITY", "SEVERITY", "KNOWN EXPLOITED", "EPSS", "PACKAGE", "INSTALLED", "FIXED IN", "VERDICT"},
				wide: []string{"WHY", "SOURCE PACKAGE", "ADVISORY"},
			}
			for _, x := range d.Findings {
				v.add(x.Vulnerability, x.Vulnerability, rated(x.Severity), exploited(x.KnownExploited), scored(x.EPSS), x.Package, x.Version, x.Fixed, standing(x),
					because(x), x.SourcePackage, x.Source+"/"+x.Advisory)
			}
			return v
		})
		if err != nil || f.kind != "table" && f.kind != "wide" {
			return err
		}
		if d.Lacking != "" {
			a.say("%s", fault.Printable(d.Lacking))
		}
		if hidden > 0 {
			a.say("%s more on this page are accepted or suppressed: --all shows them", grouped(hidden))
		}
		if d.Next != "" {
			a.say("%s findings in all, %s of them open; the next page: --cursor %s", grouped(d.Total), grouped(d.Open), fault.Printable(d.Next))
		}
		return nil
	}
	return c
}

func (a *app) exposureCVE() *cobra.Command {
	c := leaf("cve ID", "The hosts that have a vulnerability, by verdict; a controller asks its sites", 1, 1, nil)
	f := a.formatted(c)
	ask := a.ofSites(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var d schema.ExposedWhere
		if err := a.get(c, f, "/exposure/cve/"+url.PathEscape(args[0]), ask(), &d); err != nil {
			return err
		}
		a.gathered(f, d.Gathered, len(d.Hosts))
		if people := f.kind == "table" || f.kind == "wide"; people && d.Total == 0 && len(d.Hosts) == 0 {
			a.sayNobody(d)
			return nil
		}
		return f.print(d, func() view {
			v := view{
				head: []string{"HOST", "SITE", "VERDICT", "SEVERITY", "PACKAGE", "INSTALLED", "FIXED IN"},
				wide: []string{"WHY", "VULNERABILITY", "ADVISORY", "HOST ID", "AS OF"},
			}
			for _, x := range d.Hosts {
				v.add(x.HostID, x.Hostname, x.Site, standing(x.Standing), rated(x.Severity), x.Package, x.Version, x.Fixed,
					because(x.Standing), x.Vulnerability, x.Source+"/"+x.Advisory, x.HostID, x.AsOf)
			}
			return v
		})
	}
	return c
}
