package api

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// siteList remembers what the list of all sites was made of, for as long as no row changes.
type siteList struct{ last atomic.Pointer[listedSites] }

type listedSites struct {
	version uint64 // of the store, from before it was read
	sites   []listedSite
}

// listedSite is one site as it is shown. Its link is no row, so it is looked at each time.
type listedSite struct {
	row  model.Site
	link reach
	json []byte
	// steady: all that is shown depends on the rows and on link alone, and not on the time as well.
	steady bool
}

func (s *Server) listSites(w http.ResponseWriter, r *http.Request, _ asked) error {
	version := s.c.Store.Version()
	known := s.siteList.last.Load()
	if known == nil || known.version != version || s.c.Role != model.RoleController {
		sites, err := s.readSites()
		if err != nil {
			return err
		}
		known = &listedSites{version, sites}
		s.siteList.last.Store(known)
		return s.answerSites(w, r, known.sites)
	}
	sites, err := s.stillSo(known.sites)
	if err != nil {
		return err
	}
	return s.answerSites(w, r, sites)
}

func (s *Server) answerSites(w http.ResponseWriter, r *http.Request, sites []listedSite) error {
	w.Header()["X-Skerry-Role"] = []string{string(s.c.Role)} // a site lists itself: whoever asked for those below it may ask for something else
	return s.answer(w, r, func(b []byte) []byte {
		size := 8
		for i := range sites {
			size += len(sites[i].json) + 1
		}
		b = append(slices.Grow(b, size), '[')
		for i := range sites {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, sites[i].json...)
		}
		return append(b, ']', '\n')
	})
}

// readSites returns every site that is not removed; at a site, that site alone.
func (s *Server) readSites() ([]listedSite, error) {
	v, done := s.c.Store.View()
	defer done()
	rows, err := s.siteRows(v)
	if err != nil {
		return nil, err
	}
	list := make([]listedSite, 0, len(rows))
	for _, row := range rows {
		site, link, err := s.siteLinked(v, row)
		if err != nil {
			return nil, err
		}
		if site.Status != string(model.MemberRemoved) {
			list = append(list, listed(row, &site, link))
		}
	}
	return list, nil
}

func listed(row model.Site, site *schema.Site, link reach) listedSite {
	return listedSite{
		row: row, link: link, json: appendSite(make([]byte, 0, 1<<10), site),
		steady: site.Status == string(model.MemberEnrolled) && link.word == linkUp,
	}
}

// stillSo returns the sites of the same rows as they are now.
func (s *Server) stillSo(known []listedSite) ([]listedSite, error) {
	sites, shared := known, true
	var v View
	for i := range known {
		if known[i].steady && s.linkNow(known[i].row.ID) == known[i].link {
			continue
		}
		if v == nil {
			var done func()
			v, done = s.c.Store.View()
			defer done()
		}
		site, link, err := s.siteLinked(v, known[i].row)
		if err != nil {
			return nil, err
		}
		if shared {
			sites, shared = slices.Clone(known), false
		}
		sites[i] = listed(known[i].row, &site, link)
	}
	return sites, nil
}

// linkNow is the link of a site as far as it is known without its rows; the zero reach is no link.
func (s *Server) linkNow(id model.SiteID) reach {
	if s.c.Links == nil {
		return reach{}
	}
	l, ok := s.c.Links.Live(model.NodeID(id))
	if !ok {
		return reach{}
	}
	return reachOf(l)
}

// appendSite appends the very bytes that encoding/json would write for a schema.Site.
func appendSite(b []byte, x *schema.Site) []byte {
	b = appendText(append(b, `{"id":`...), x.ID)
	b = appendText(append(b, `,"name":`...), x.Name)
	b = appendSome(b, `,"location":`, x.Location)
	b = appendSome(b, `,"region":`, x.Region)
	b = appendSome(b, `,"country":`, x.Country)
	b = appendSome(b, `,"city":`, x.City)
	b = appendNumber(b, `,"lat":`, x.Lat)
	b = appendNumber(b, `,"lng":`, x.Lng)
	b = appendText(append(b, `,"status":`...), x.Status)
	b = appendText(append(b, `,"link":`...), x.Link)
	b = appendStd(b, `,"link_since":`, x.LinkSince)
	b = appendText(append(b, `,"health":`...), x.Health)
	b = appendSome(b, `,"health_reason":`, x.HealthReason)
	b = appendStd(b, `,"invited_at":`, x.InvitedAt)
	b = appendStd(b, `,"enrolled_at":`, x.EnrolledAt)
	b = appendStd(b, `,"token_expires":`, x.TokenExpires)
	b = appendStd(b, `,"last_item":`, x.LastItem)
	b = strconv.AppendInt(append(b, `,"hosts":`...), x.Hosts, 10)
	b = appendTally(append(b, `,"hosts_by_status":`...), x.HostsBy)
	b = appendTally(append(b, `,"sums":{"by_worst":`...), x.Sums.ByWorst)
	b = appendCounts(append(b, `,"exposure":`...), model.SeverityCounts(x.Sums.Exposure))
	b = strconv.AppendInt(append(b, `,"reboot":`...), x.Sums.Reboot, 10)
	b = strconv.AppendInt(append(b, `,"updates":`...), x.Sums.Updates, 10)
	b = append(appendNumber(b, `,"compliance":`, x.Sums.Compliance), '}')
	if x.Exposure != nil {
		b = appendExposure(append(b, `,"exposure":`...), x.Exposure)
	}
	if x.Alerts != nil {
		b = appendAlerts(append(b, `,"alerts":`...), x.Alerts)
	}
	return append(b, '}')
}

func appendAlerts(b []byte, x *schema.SiteAlerts) []byte {
	b = append(b, '{')
	if x.AsOf != nil {
		b = append(appendStd(b, `"as_of":`, x.AsOf), ',')
	}
	b = strconv.AppendInt(append(b, `"critical":`...), int64(x.Critical), 10)
	b = strconv.AppendInt(append(b, `,"warning":`...), int64(x.Warning), 10)
	b = strconv.AppendInt(append(b, `,"info":`...), int64(x.Info), 10)
	b = strconv.AppendInt(append(b, `,"acknowledged":`...), int64(x.Acknowledged), 10)
	if r := x.Newest; r != nil {
		b = appendText(append(b, `,"newest":{"id":`...), r.ID)
		b = appendText(append(b, `,"rule":`...), r.Rule)
		b = appendText(append(b, `,"severity":`...), r.Severity)
		b = appendText(append(b, `,"label":`...), r.Label)
		b = append(appendStd(b, `,"opened_at":`, &r.OpenedAt), '}')
	}
	return append(b, '}')
}

func appendExposure(b []byte, x *schema.Exposure) []byte {
	b = appendText(append(b, `{"site_id":`...), x.SiteID)
	b = appendText(append(b, `,"site":`...), x.Site)
	b = appendStd(b, `,"as_of":`, x.AsOf)
	b = strconv.AppendInt(append(b, `,"advisory_n":`...), int64(x.AdvisoryN), 10)
	b = appendCounts(append(b, `,"counts":`...), model.SeverityCounts(x.Counts))
	b = strconv.AppendInt(append(b, `,"affected_hosts":`...), int64(x.AffectedHosts), 10)
	b = strconv.AppendInt(append(b, `,"matched_hosts":`...), int64(x.MatchedHosts), 10)
	if x.PendingHosts != nil {
		b = strconv.AppendInt(append(b, `,"pending_hosts":`...), int64(*x.PendingHosts), 10)
	}
	b = append(b, `,"top":[`...)
	for i, t := range x.Top {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"vulnerability":`...), t.Vulnerability)
		b = appendText(append(b, `,"severity":`...), t.Severity)
		b = strconv.AppendInt(append(b, `,"hosts":`...), int64(t.Hosts), 10)
		if t.KnownExploited {
			b = append(b, `,"known_exploited":true`...)
		}
		if t.EPSS != 0 {
			b = appendFloat(append(b, `,"epss":`...), t.EPSS)
		}
		b = append(b, '}')
	}
	return append(b, ']', '}')
}

func appendNumber(b []byte, name string, f *float64) []byte {
	if f = finite(f); f == nil {
		return b
	}
	return appendFloat(append(b, name...), *f)
}

func appendStd(b []byte, name string, t *time.Time) []byte {
	if t == nil {
		return b
	}
	b = append(append(b, name...), '"')
	return append(t.AppendFormat(b, time.RFC3339Nano), '"')
}

// appendTally appends numbers by their names, in the order of these.
func appendTally(b []byte, n map[string]int64) []byte {
	if n == nil {
		return append(b, "null"...)
	}
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(n)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(appendText(b, name), ':'), n[name], 10)
	}
	return append(b, '}')
}
