package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) sites() *cobra.Command {
	return a.group("sites", "The sites of the federation", a.sitesList(), a.sitesGet(), a.sitesTrend(), a.sitesEnroll(), a.sitesUpdate(), a.sitesToken(),
		a.sitesAdd(), a.sitesPolicy(), a.sitesStatus(), a.sitesHistory(), a.sitesForget(),
		a.suspend(sitesOf), a.resume(sitesOf), a.remove(sitesOf))
}

func (a *app) sitesList() *cobra.Command {
	c := leaf("list", "All sites with their status; vulnerabilities are counted once for a site, however many hosts have them", 0, 0, nil)
	f := a.formatted(c)
	partners := false
	c.Flags().BoolVar(&partners, "federation", false, "the origins of bundles and how far each was imported, in place of the sites below a controller; at a site this is what there is")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if partners {
			return a.listPartners(c, f)
		}
		if err := f.check(); err != nil {
			return err
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		resp, err := server.send(c.Context(), http.MethodGet, "/sites", nil, nil, "")
		if err != nil {
			return err
		}
		if resp.Header.Get("X-Skerry-Role") == string(model.RoleSite) { // it has no sites below it
			_ = resp.Body.Close()
			return a.listPartners(c, f)
		}
		var sites []schema.Site
		if err := decodeAnswer(server, resp, &sites); err != nil {
			return err
		}
		return f.print(sites, func() view {
			v := view{
				head: []string{"NAME", "STATUS", "LINK", "HEALTH", "HOSTS", "CRITICAL CVES", "HIGH CVES", "ALERTS", "LAST FACT", "LOCATION"},
				wide: []string{"NEWEST ALERT", "LINK SINCE", "REASON", "EXPOSURE AS OF", "REBOOT", "UPDATES", "COMPLIANCE %", "REGION", "COUNTRY", "CITY", "ID"},
			}
			for _, s := range sites {
				var critical, high, asOf any
				if s.Exposure != nil {
					critical, high, asOf = s.Exposure.Counts.Critical, s.Exposure.Counts.High, s.Exposure.AsOf
				}
				v.add(s.Name, s.Name, s.Status, s.Link, s.Health, s.Hosts, critical, high, alertWords(s.Alerts), s.LastItem, s.Location,
					newestAlert(s.Alerts), s.LinkSince, s.HealthReason, asOf, s.Sums.Reboot, s.Sums.Updates, percent(s.Sums.Compliance), s.Region, s.Country, s.City, s.ID)
			}
			return v
		})
	}
	return c
}

func (a *app) sitesGet() *cobra.Command {
	c := leaf("get SITE", "One site, by name or id", 1, 1, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var s schema.Site
		if err := a.get(c, f, "/sites/"+url.PathEscape(args[0]), nil, &s); err != nil {
			var p schema.Partner
			if fault.Is(err, fault.NotFound) && a.get(c, f, "/federation/sites/"+url.PathEscape(args[0]), nil, &p) == nil {
				return fault.New(fault.NotFound, "", "%q is no site below this server, but one whose bundles are imported here: `skerry sites status %s` shows it", p.Name, p.Name)
			}
			return err
		}
		return f.print(s, func() view {
			v := view{head: []string{"VALUE", "", "AS OF"}, names: []string{s.Name}}
			row := func(cells ...any) { v.rows = append(v.rows, cells) }
			row("Name", s.Name, nothing{})
			row("ID", s.ID, nothing{})
			row("Location", s.Location, nothing{})
			row("Region", s.Region, nothing{})
			row("Country", s.Country, nothing{})
			row("City", s.City, nothing{})
			if s.Lat != nil && s.Lng != nil {
				row("Position", fmt.Sprintf("%g, %g", *s.Lat, *s.Lng), nothing{})
			}
			row("Status", s.Status, s.EnrolledAt)
			if s.StatusReason != "" {
				row("Reason of the status", s.StatusReason, s.StatusAt)
			}
			if s.TokenExpires != nil {
				row("Token holds until", s.TokenExpires, s.InvitedAt)
			}
			row("Link", s.Link, s.LinkSince)
			row("Health", s.Health, nothing{})
			if s.HealthReason != "" {
				row("Reason", s.HealthReason, nothing{})
			}
			row("Hosts", hostsBy(s.Hosts, s.HostsBy), s.LastItem)
			if s.Alerts != nil {
				row("Alerts", alertWords(s.Alerts), s.Alerts.AsOf)
				if s.Alerts.Newest != nil {
					row("Newest alert", newestAlert(s.Alerts), s.Alerts.Newest.OpenedAt)
				}
			}
			row("Need a reboot", s.Sums.Reboot, s.LastItem)
			row("Pending updates", s.Sums.Updates, s.LastItem)
			row("Compliance %", percent(s.Sums.Compliance), s.LastItem)
			if e := s.Exposure; e != nil {
				row("Exposure", severities(e.Counts), e.AsOf)
				row("Affected hosts", fmt.Sprintf("%d of %d matched", e.AffectedHosts, e.MatchedHosts), e.AsOf)
				row("Advisories held", e.AdvisoryN, e.AsOf)
			}
			return v
		})
	}
	return c
}

// percent writes a share with one digit behind the point, and nothing for one that is not known.
func percent(p *float64) any {
	if p == nil {
		return nil
	}
	return strconv.FormatFloat(*p, 'f', 1, 64)
}

func hostsBy(n int64, by map[string]int64) string {
	text := strconv.FormatInt(n, 10)
	var parts []string
	for _, s := range []string{"up", "late", "down", "unknown"} {
		if by[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", by[s], s))
		}
	}
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	return text
}

func severities(c schema.Counts) string {
	var text strings.Builder
	text.WriteString(fmt.Sprintf("%d critical, %d high, %d medium, %d low", c.Critical, c.High, c.Medium, c.Low))
	for _, more := range []struct {
		n    int
		name string
	}{{c.None, "none"}, {c.Unknown, "unrated"}, {c.Uncertain, "uncertain"}} {
		if more.n > 0 {
			text.WriteString(fmt.Sprintf(", %d %s", more.n, more.name))
		}
	}
	return text.String()
}

func (a *app) sitesEnroll() *cobra.Command {
	var body schema.SiteEnroll
	var lat, lng float64
	var address string
	c := leaf("enroll NAME", "Add a site and print its one-time token", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&body.Location, "location", "", "where it stands, for people")
	c.Flags().StringVar(&body.Region, "region", "", "its region, in your own word, as in eu-west")
	c.Flags().StringVar(&body.Country, "country", "", "its country, as in DE")
	c.Flags().StringVar(&body.City, "city", "", "its city")
	c.Flags().Float64Var(&lat, "lat", 0, "latitude in degrees")
	c.Flags().Float64Var(&lng, "lng", 0, "longitude in degrees")
	c.Flags().Var(span{&body.TTL}, "ttl", "how long the token holds, as in 90m or 2d; 24h if absent")
	c.Flags().StringVar(&address, "controller-url", "", "how the site reaches this controller, for the command that is printed")
	c.RunE = func(c *cobra.Command, args []string) error {
		body.Name = args[0]
		if c.Flags().Changed("lat") {
			body.Lat = &lat
		}
		if c.Flags().Changed("lng") {
			body.Lng = &lng
		}
		return a.memberToken(c, f, "/sites", body, address, joinSite)
	}
	return c
}

func (a *app) sitesToken() *cobra.Command {
	var address string
	c := leaf("token SITE", "Void a pending site's token and print another", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&address, "controller-url", "", "how the site reaches this controller, for the command that is printed")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.memberToken(c, f, "/sites/"+url.PathEscape(args[0])+"/token", nil, address, joinSite)
	}
	return c
}

// memberToken asks for a token and prints it with the command that uses it, which next makes of the
// address of the server.
func (a *app) memberToken(c *cobra.Command, f *format, path string, body any, address string, next func(schema.Token, string) string) error {
	var token schema.Token
	server, err := a.post(c, f, path, nil, body, &token)
	if k := fault.KindOf(err); c.Name() == "enroll" && (k == fault.Exists || k == fault.Conflict && strings.Contains(err.Error(), "already")) {
		// One that did not enroll yet gets another token so.
		return fmt.Errorf("%w (if its token was lost or has expired: `skerry %s token %s`)", err, c.Parent().Name(), c.Flags().Arg(0))
	}
	if err != nil {
		return err
	}
	if f.kind != "table" && f.kind != "wide" {
		return f.print(token, func() view { return view{names: []string{token.Name}} })
	}
	a.showToken(token)
	fmt.Fprintf(a.out, "\n%s\n", next(token, urlOf(server, address, token)))
	return nil
}

// joinSite is what is to be done with a site's token.
func joinSite(t schema.Token, address string) string {
	return fmt.Sprintf("On the site's server run:\n  skerry federation enroll --config FILE --controller %s --token %s", address, t.Token)
}

func (a *app) showToken(t schema.Token) {
	what := "Agent"
	if t.Kind == string(model.MemberSite) {
		what = "Site"
	}
	fmt.Fprintf(a.out, "%-8s %s (%s)\nToken:   %s\n         shown this once; it holds until %s\nCA pin:  %s\n",
		what+":", fault.Printable(t.Name), t.ID, t.Token, when(&t.ExpiresAt), t.Pin)
}

// urlOf says how another machine reaches the server: as it was given or, where this command went through
// the local socket, as the server itself says.
func urlOf(c *client, given string, t schema.Token) string {
	switch {
	case given != "":
		return given
	case strings.HasPrefix(c.base, "https://"):
		return c.base
	}
	return t.URL
}

// get asks the server; an unknown -o is refused before.
func (a *app) get(c *cobra.Command, f *format, path string, query url.Values, to any) error {
	if err := f.check(); err != nil {
		return err
	}
	server, err := a.client()
	if err != nil {
		return err
	}
	return server.call(c.Context(), http.MethodGet, path, query, nil, to)
}

// post sends body to the server and returns which one that was.
func (a *app) post(c *cobra.Command, f *format, path string, query url.Values, body, to any) (*client, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	server, err := a.client()
	if err != nil {
		return nil, err
	}
	return server, server.call(c.Context(), http.MethodPost, path, query, body, to)
}
