package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) sitesUpdate() *cobra.Command {
	var location, region, country, city string
	var lat, lng float64
	var nowhere bool
	c := leaf("update SITE", "Change where a site is; what is not named stays, and an empty text clears", 1, 1, nil)
	f := a.formatted(c)
	texts := map[string]*string{"location": &location, "region": &region, "country": &country, "city": &city}
	c.Flags().StringVar(&location, "location", "", "where it stands, for people")
	c.Flags().StringVar(&region, "region", "", "its region, in your own word, as in eu-west")
	c.Flags().StringVar(&country, "country", "", "its country, as in DE")
	c.Flags().StringVar(&city, "city", "", "its city")
	c.Flags().Float64Var(&lat, "lat", 0, "latitude in degrees, with --lng")
	c.Flags().Float64Var(&lng, "lng", 0, "longitude in degrees, with --lat")
	c.Flags().BoolVar(&nowhere, "no-position", false, "take the latitude and the longitude away")
	c.RunE = func(c *cobra.Command, args []string) error {
		var body schema.SiteChange
		changed := 0
		for name, to := range map[string]**string{
			"location": &body.Location, "region": &body.Region, "country": &body.Country, "city": &body.City,
		} {
			if c.Flags().Changed(name) {
				*to = texts[name]
				changed++
			}
		}
		for name, to := range map[string]**float64{"lat": &body.Lat, "lng": &body.Lng} {
			if c.Flags().Changed(name) {
				*to = map[string]*float64{"lat": &lat, "lng": &lng}[name]
				changed++
			}
		}
		if body.NoPosition = nowhere; nowhere {
			changed++
		}
		switch {
		case changed == 0:
			return usagef("say what to change, as in --region eu-west; `%s --help` shows the flags", c.CommandPath())
		case (body.Lat == nil) != (body.Lng == nil):
			return usagef("--lat and --lng belong together: give both")
		case nowhere && body.Lat != nil:
			return usagef("--no-position takes away what --lat and --lng say: give one of them")
		}
		if err := f.check(); err != nil {
			return err
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		var site schema.Site
		if err := server.call(c.Context(), http.MethodPatch, "/sites/"+url.PathEscape(args[0]), nil, body, &site); err != nil {
			return err
		}
		return f.print(site, func() view {
			v := view{head: []string{"NAME", "LOCATION", "REGION", "COUNTRY", "CITY", "POSITION"}}
			position := ""
			if site.Lat != nil && site.Lng != nil {
				position = fmt.Sprintf("%g, %g", *site.Lat, *site.Lng)
			}
			v.add(site.Name, site.Name, site.Location, site.Region, site.Country, site.City, position)
			return v
		})
	}
	return c
}

func (a *app) sitesTrend() *cobra.Command {
	var window string
	c := leaf("trend SITE", "How the sums of a site, or of all, came to be what they are; a finding is a vulnerability at one host", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&window, "window", "day", "day (in steps of 5 minutes), month (hours) or years (days)")
	c.RunE = func(c *cobra.Command, args []string) error {
		var t schema.Trend
		if err := a.get(c, f, "/sites/"+url.PathEscape(args[0])+"/trend", url.Values{"window": {window}}, &t); err != nil {
			return err
		}
		err := f.print(t, func() view {
			v := view{
				head: []string{"AT", "HOSTS", "UP", "LATE", "DOWN", "UNKNOWN", "CRITICAL FINDINGS", "HIGH FINDINGS", "UPDATES", "REBOOT"},
				wide: []string{"MEDIUM FINDINGS", "LOW FINDINGS", "COMPLIANCE %"},
			}
			for _, p := range t.Points {
				n := func(status string) any { return p.ByStatus[status] }
				v.add(p.At.UTC().Format(time.RFC3339), p.At, p.Hosts, n("up"), n("late"), n("down"), n("unknown"), p.Exposure.Critical, p.Exposure.High,
					p.Updates, p.Reboot, p.Exposure.Medium, p.Exposure.Low, percent(p.Compliance))
			}
			return v
		})
		if err == nil && (f.kind == "table" || f.kind == "wide") {
			a.say("%d %s of %s, each as it was at the last change in its %s; where nothing changed there is none",
				len(t.Points), plural(len(t.Points), "point"), t.Site, inUnit(time.Duration(t.ResolutionS)*time.Second))
		}
		return err
	}
	return c
}

// inUnit writes a step of a trend in the largest unit of which it is a whole number.
func inUnit(d time.Duration) string {
	for _, u := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := int(d / u.d); n > 0 && d%u.d == 0 {
			if n == 1 {
				return u.name
			}
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return d.String()
}
