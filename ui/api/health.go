package api

import (
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// The words for a link.
const (
	linkUp      = "up"
	linkLate    = "degraded" // up, but something is late
	linkUnknown = "unknown"  // this server started too short a time ago to say
	linkDown    = "down"
	linkNever   = "never"
)

// patience is how long a link may be down before its site is down rather than degraded. Of its hosts
// nobody can say anything from the first moment on.
const patience = 3 * time.Minute

// reach is what this server knows of its way to a member.
type reach struct {
	word  string    // up, degraded, down, unknown, never
	since time.Time // when the link went up, or was last known up; zero: unknown
	late  string    // why it is degraded
}

// up reports whether the link is open now.
func (r reach) up() bool { return r.word == linkUp || r.word == linkLate }

// settling is how long after the start of a controller a site that had a link before may take to come back,
// until it counts as one whose link is down.
const settling = time.Minute

// before is the state of a link that was not open since this server started, of a site whose newest fact is of
// that time; zero: it never sent any.
func (s *Server) before(last model.Time) reach {
	switch {
	case last.IsZero():
		return reach{word: linkNever}
	case s.c.Now().Sub(s.started) < settling:
		return reach{word: linkUnknown, since: last.Std()}
	}
	return reach{word: linkDown, since: last.Std()}
}

// lost reports whether the link has been down for longer than a restart takes.
func (r reach) lost(now, started time.Time) bool {
	switch {
	case r.up(), r.word == linkUnknown:
		return false
	case r.since.IsZero():
		return now.Sub(started) > patience
	}
	return now.Sub(r.since) > patience
}

// reach finds the state of the link to a site. Links are not rows: after a restart the newest fact
// from the site says when it was last heard.
func (s *Server) reach(v View, m model.Member) (reach, error) {
	if s.c.Role == model.RoleSite {
		return s.upward(), nil
	}
	if s.c.Links != nil {
		if l, ok := s.c.Links.Live(m.ID); ok {
			return reachOf(l), nil
		}
	}
	n, ok, err := v.Counts(model.SiteID(m.ID))
	if err != nil {
		return reach{}, err
	}
	if !ok {
		return reach{word: linkNever}, nil
	}
	return s.before(n.LastItem), nil
}

// upward is the state of this site's link to its controller. Its own rows do not depend on it.
func (s *Server) upward() reach {
	up := s.c.Uplink()
	if up == nil || up.State == "unenrolled" {
		return reach{word: linkNever}
	}
	r := reach{word: linkDown}
	switch up.State {
	case "online":
		r.word = linkUp
	case "degraded":
		r.word, r.late = linkLate, up.Reason
	case "unknown":
		r.word = linkUnknown
	}
	if up.Since != nil {
		r.since = *up.Since
	}
	return r
}

// site builds what is shown of a site. Its lifecycle, its link and the age of its data stay apart;
// health is the one word that must never flatter.
func (s *Server) site(v View, row model.Site) (schema.Site, error) {
	site, _, err := s.siteLinked(v, row)
	return site, err
}

// siteLinked is site with the link that it was built of.
func (s *Server) siteLinked(v View, row model.Site) (schema.Site, reach, error) {
	site := schema.Site{ID: row.ID.String(), Name: row.Name, Location: row.Location, Region: row.Region, Country: row.Country, City: row.City, Lat: row.Lat, Lng: row.Lng, HostsBy: map[string]int64{}}
	m, err := s.siteMember(v, row)
	if err != nil {
		return site, reach{}, err
	}
	link, err := s.reach(v, m)
	if err != nil {
		return site, reach{}, err
	}
	n, _, err := v.Counts(row.ID)
	if err != nil {
		return site, reach{}, err
	}
	site.Status, site.StatusReason, site.StatusAt = string(m.Status), m.Reason, at(m.StatusAt)
	site.InvitedAt, site.EnrolledAt = at(m.InvitedAt), at(m.EnrolledAt)
	if m.TokenHash != "" {
		site.TokenExpires = at(m.TokenExpires)
	}
	site.Link = link.word
	if !link.since.IsZero() {
		site.LinkSince = &link.since
	}
	site.LastItem = at(n.LastItem)
	site.Hosts = n.Hosts
	for status, hosts := range n.ByStatus {
		if hosts != 0 {
			site.HostsBy[status] = hosts
		}
	}
	site.Sums = sumsOf(n)
	if s.c.Role == model.RoleController && !link.up() && n.Hosts > 0 {
		site.HostsBy = map[string]int64{string(model.HostUnknown): n.Hosts}
	}
	e, ok, err := v.Exposure(row.ID)
	if err != nil {
		return site, reach{}, err
	}
	if ok {
		x := exposureRow(e, row.Name)
		if err := s.marks.set(v, x.Top); err != nil {
			return site, reach{}, err
		}
		site.Exposure = &x
	}
	alerts, _, err := v.AlertCounts(row.ID)
	if err != nil {
		return site, reach{}, err
	}
	site.Alerts = siteAlerts(alerts)
	site.Health, site.HealthReason = s.health(m, link, site)
	return site, link, nil
}

// sumsOf is the part of a site's counts that does not depend on its link.
func sumsOf(n model.SiteCounts) schema.SiteSums {
	sums := schema.SiteSums{ByWorst: map[string]int64{}, Exposure: schema.Counts(n.Exposure), Reboot: n.Reboot, Updates: n.Updates, Compliance: meanOf(n)}
	maps.Copy(sums.ByWorst, n.ByWorst)
	return sums
}

// meanOf is the mean compliance in percent, nil where no host has one.
func meanOf(n model.SiteCounts) *float64 {
	if n.ComplianceN <= 0 {
		return nil
	}
	mean := float64(n.Compliance) / float64(n.ComplianceN) / 10
	return &mean
}

// siteMember is the registry's row of a site. At a site itself there is none: what counts there is
// whether a controller has enrolled it.
func (s *Server) siteMember(v View, row model.Site) (model.Member, error) {
	if s.c.Role == model.RoleController {
		m, _, err := v.Member(model.NodeID(row.ID))
		return m, err
	}
	m := model.Member{ID: model.NodeID(row.ID), Kind: model.MemberSite, Name: row.Name, Status: model.MemberPending}
	if up := s.c.Uplink(); up != nil && up.State != "unenrolled" {
		m.Status = model.MemberEnrolled
	}
	return m, nil
}

// ofHosts says what some of a site's hosts do.
func ofHosts(n, of int64, does, do string) string {
	switch {
	case of == 1:
		return "its only host " + does
	case n == 1:
		return "1 of " + grouped(of) + " hosts " + does
	}
	return grouped(n) + " of " + grouped(of) + " hosts " + do
}

// grouped writes a count with its thousands apart: 16,595.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func (s *Server) health(m model.Member, link reach, site schema.Site) (word, reason string) {
	switch m.Status {
	case model.MemberEnrolled:
	case model.MemberPending:
		if s.c.Role == model.RoleController {
			if !m.TokenExpires.IsZero() && model.TimeOf(s.c.Now()) > m.TokenExpires {
				return "unknown", "its enrollment token expired unused: it needs a new one"
			}
			return "unknown", "it has not used its enrollment token yet"
		}
	default:
		return "unknown", fmt.Sprintf("it is %s", m.Status)
	}
	since := ""
	if !link.since.IsZero() {
		since = " since " + link.since.UTC().Format(time.RFC3339)
	}
	switch {
	case s.c.Role == model.RoleSite && link.word == linkDown:
		return "degraded", "no link to the controller" + since + "; this site works on its own"
	case s.c.Role == model.RoleSite && link.word == linkUnknown:
		return "degraded", "no link to the controller yet; this site works on its own"
	case link.word == linkNever:
		return "unknown", "no link from it has been seen"
	case link.word == linkUnknown:
		return "unknown", "its link has not come back yet since this server started; what is shown is of before"
	case link.lost(s.c.Now(), s.started):
		return "down", "its link has been down" + since + "; what is shown is of before"
	case link.word == linkDown:
		return "degraded", "its link is down" + since
	case link.word == linkLate:
		return "degraded", "its link is slow: " + link.late
	case site.Hosts == 0:
		return "unknown", "no host reports to it yet"
	case site.HostsBy[string(model.HostDown)] > 0:
		return "degraded", ofHosts(site.HostsBy[string(model.HostDown)], site.Hosts, "does not report", "do not report")
	case site.HostsBy[string(model.HostLate)] > 0:
		return "degraded", ofHosts(site.HostsBy[string(model.HostLate)], site.Hosts, "is late with a report", "are late with a report")
	case site.HostsBy[string(model.HostUp)] < site.Hosts:
		return "degraded", ofHosts(site.Hosts-site.HostsBy[string(model.HostUp)], site.Hosts, "has not been judged", "have not been judged")
	case site.Alerts != nil && site.Alerts.Critical == 1:
		return "degraded", "1 critical alert is open"
	case site.Alerts != nil && site.Alerts.Critical > 1:
		return "degraded", grouped(int64(site.Alerts.Critical)) + " critical alerts are open"
	}
	return "ok", ""
}
