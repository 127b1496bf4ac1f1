package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// AlertView is the part of View about alerts and policies.
type AlertView interface {
	Rule(name string) (model.Rule, bool, error)
	Rules() ([]model.Rule, error) // by name
	AlertCounts(site model.SiteID) (model.AlertCounts, bool, error)
	Alert(id model.AlertID) (model.Alert, bool, error)
	Policy(id model.PolicyID) (model.Policy, bool, error)
	Policies() ([]model.Policy, error) // by id
	PoliciesHeld(site model.SiteID) (model.PoliciesHeld, bool, error)
}

// alertRoutes is the operations on alerts and their rules.
func (s *Server) alertRoutes() {
	op(s, http.MethodGet, "/alert-rules", "list-alert-rules", "The rules by which alerts open, by name", s.listRules)
	op(s, http.MethodGet, "/alert-rules/{name}", "get-alert-rule", "One alert rule", s.getRule)
	op(s, http.MethodPut, "/alert-rules/{name}", "put-alert-rule", "Make an alert rule, or replace the one of that name; at a controller, for all of its sites", s.putRule)
	op(s, http.MethodDelete, "/alert-rules/{name}", "drop-alert-rule", "Remove an alert rule, and resolve its alerts", s.dropRule)
	op(s, http.MethodGet, "/alert-metrics", "list-alert-metrics", "What the rules of scope site can compare", s.listMetrics)
	op(s, http.MethodGet, "/alerts", "list-alerts", "Alerts of a site: what is not resolved by severity and the newest first; else the newest first", s.listAlerts)
	op(s, http.MethodGet, "/alerts/{id}", "get-alert", "One alert of this site", s.getAlert)
	op(s, http.MethodPost, "/alerts/{id}/acknowledge", "acknowledge-alert", "Say that somebody looks after an alert", s.acknowledgeAlert)
	op(s, http.MethodPost, "/alerts/{id}/resolve", "resolve-alert", "End an alert; it opens again only once what it is about has ended in between", s.resolveAlert)
	op(s, http.MethodPost, "/sites/{site}/alerts/{id}/acknowledge", "acknowledge-site-alert", "Say that somebody looks after an alert of a site; it goes to the site, now or when that is back", s.acknowledgeSiteAlert)
	op(s, http.MethodPost, "/sites/{site}/alerts/{id}/resolve", "resolve-site-alert", "End an alert of a site; it goes to the site, now or when that is back", s.resolveSiteAlert)
}

type alertsInput struct {
	State    string `query:"state" enum:"open,acknowledged,resolved,unresolved,all" default:"unresolved" doc:"unresolved: open or acknowledged"`
	Severity string `query:"severity" enum:"info,warning,critical"`
	Host     string `query:"host" maxLength:"255" doc:"id or unique host name"`
	Rule     string `query:"rule" maxLength:"80"`
	Site     string `query:"site" maxLength:"64" doc:"at a controller: whose alerts, by id or name; that site is asked"`
	Limit    int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	After    string `query:"after" maxLength:"64" doc:"next of the page before"`
}

// listAlerts answers with the alerts of this site or, at a controller, of the one that was named.
func (s *Server) listAlerts(ctx context.Context, in *alertsInput) (*out[schema.Alerts], error) {
	f, err := s.alertFilter(ctx, in)
	if err != nil {
		return nil, err
	}
	site, page, next, err := s.alertPage(ctx, in.Site, f, in.After)
	if err != nil {
		return nil, err
	}
	body := schema.Alerts{Site: site.Name, AsOf: page.At.Std(), JudgedAt: at(page.Judged), Alerts: make([]schema.Alert, 0, len(page.Alerts))}
	for _, a := range page.Alerts {
		body.Alerts = append(body.Alerts, alertRow(a))
	}
	body.Next = next
	return &out[schema.Alerts]{Body: body}, nil
}

func (s *Server) alertFilter(ctx context.Context, in *alertsInput) (model.AlertFilter, error) {
	f := model.AlertFilter{Severity: model.AlertSeverity(in.Severity), Rule: in.Rule, Limit: in.Limit}
	switch in.State {
	case "all":
	case "unresolved":
		f.States = []model.AlertState{model.AlertOpen, model.AlertAcknowledged}
	default:
		f.States = []model.AlertState{model.AlertState(in.State)}
	}
	if in.Host != "" {
		id, err := model.ParseHostID(in.Host) // of a host that is gone there are alerts all the same
		if err != nil {
			h, err := s.findHost(ctx, in.Host)
			if err != nil {
				return f, err
			}
			id = h.ID
		}
		f.Host = id
	}
	return f, nil
}

func (s *Server) alertsOf(ctx context.Context, name string, f model.AlertFilter) (site model.Site, page model.AlertPage, err error) {
	const op = "list alerts"
	if s.c.Role == model.RoleSite {
		if site, err = s.thisSite(op, name); err != nil {
			return site, page, err
		}
		if s.c.Alerts == nil {
			return site, page, fault.New(fault.Conflict, op, "this site is not enrolled yet, and so judges no alerts: enroll it first")
		}
		page, err = s.c.Alerts(ctx, f)
		return site, page, err
	}
	if name == "" {
		return site, page, parameter("site", "it is missing: alerts are kept at their sites, and one is asked at a time; the list of sites has the counts of all")
	}
	site, link, n, err := s.siteAsked(name)
	if err != nil {
		return site, page, err
	}
	raw, err := s.askSite(ctx, site, link, model.RouteAlertsList, f.Params(), "alerts are kept at the site; "+countsWords(n))
	if err != nil {
		return site, page, err
	}
	if err := model.Decode(raw, &page); err != nil {
		return site, page, fault.New(fault.Corrupt, "ask site "+site.Name, "the answer cannot be read: %w", err)
	}
	return site, page, nil
}

// thisSite is the one site that a site server is; name is what the caller called it, or nothing.
func (s *Server) thisSite(op, name string) (model.Site, error) {
	v, done := s.c.Store.View()
	defer done()
	rows, err := s.siteRows(v)
	switch {
	case err != nil:
		return model.Site{}, err
	case len(rows) == 0:
		return model.Site{}, fault.New(fault.Conflict, op, "this site has no identity yet: enroll it first")
	case name != "" && name != rows[0].Name && name != rows[0].ID.String():
		return model.Site{}, fault.New(fault.NotFound, op, "this is site %q: it answers for no other", rows[0].Name)
	}
	return rows[0], nil
}

// siteAsked finds a site that is to be asked something, with what is known here of its link and its alerts.
func (s *Server) siteAsked(name string) (site model.Site, link reach, n model.AlertCounts, err error) {
	v, done := s.c.Store.View()
	defer done()
	if site, err = s.findSite(v, name); err != nil {
		return site, link, n, err
	}
	m, _, err := v.Member(model.NodeID(site.ID))
	if err != nil {
		return site, link, n, err
	}
	if link, err = s.reach(v, m); err != nil {
		return site, link, n, err
	}
	n, _, err = v.AlertCounts(site.ID)
	return site, link, n, err
}

// askSite puts a question to a site. Where it cannot be reached, the error says since when and what there is here
// instead.
func (s *Server) askSite(ctx context.Context, site model.Site, link reach, route string, params map[string]string, instead string) ([]byte, error) {
	raw, err := s.question(ctx, site.ID, route, params)
	if err != nil {
		return nil, refusal(ctx, site.Name, link, instead, err)
	}
	return raw, nil
}

// countsWords says what is known here of a site's alerts.
func countsWords(n model.AlertCounts) string {
	if n.At.IsZero() {
		return "it has not said how many it has"
	}
	return fmt.Sprintf("as of %s it had %d critical, %d warning, %d info and %d acknowledged ones", n.At, n.Critical, n.Warning, n.Info, n.Acknowledged)
}

type alertInput struct {
	ID string `path:"id" maxLength:"64"`
}

type alertActInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body schema.AlertNote
}

// alert finds one alert of this site.
func (s *Server) alert(text string) (model.Alert, error) {
	if err := s.only(model.RoleSite, "an alert that is not named with its site is looked at and decided"); err != nil {
		return model.Alert{}, err
	}
	id, err := model.ParseAlertID(text)
	if err != nil {
		return model.Alert{}, fault.New(fault.Invalid, "", "%w", err)
	}
	v, done := s.c.Store.View()
	defer done()
	a, ok, err := v.Alert(id)
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "", "there is no alert %s here; resolved ones are forgotten after 90 days", id)
	}
	return a, err
}

func (s *Server) getAlert(_ context.Context, in *alertInput) (*out[schema.Alert], error) {
	a, err := s.alert(in.ID)
	if err != nil {
		return nil, err
	}
	return &out[schema.Alert]{Body: alertRow(a)}, nil
}

func (s *Server) acknowledgeAlert(ctx context.Context, in *alertActInput) (*out[schema.Alert], error) {
	return s.actOnAlert(ctx, in, false)
}

func (s *Server) resolveAlert(ctx context.Context, in *alertActInput) (*out[schema.Alert], error) {
	return s.actOnAlert(ctx, in, true)
}

func (s *Server) actOnAlert(ctx context.Context, in *alertActInput, resolve bool) (*out[schema.Alert], error) {
	a, err := s.alert(in.ID)
	if err != nil {
		return nil, err
	}
	if err := s.c.Proposer.Propose(ctx, model.AckAlert{Stamp: s.stamp(ctx), Alert: a.ID, Resolve: resolve, Note: in.Body.Note}); err != nil {
		return nil, err
	}
	return s.getAlert(ctx, &alertInput{ID: in.ID})
}

func alertRow(a model.Alert) schema.Alert {
	row := schema.Alert{
		ID: a.ID.String(), Rule: a.Rule, Title: a.Title, Scope: string(a.Scope), Severity: string(a.Severity), State: string(a.State),
		Label: a.Label, Value: a.Value, Since: a.SinceAt.Std(), OpenedAt: a.OpenedAt.Std(), LastTrueAt: a.LastTrueAt.Std(),
		AckBy: a.Ack.By, AckAt: at(a.Ack.At), AckNote: a.Ack.Note, EndBy: a.End.By, EndAt: at(a.End.At), EndNote: a.End.Note, Reason: string(a.Reason),
	}
	if !a.Host.IsZero() {
		row.HostID = a.Host.String()
	}
	return row
}

// siteAlerts is what is shown of a site's alerts; nil: it has not said.
func siteAlerts(n model.AlertCounts) *schema.SiteAlerts {
	if n.At.IsZero() {
		return nil
	}
	row := &schema.SiteAlerts{AsOf: at(n.At), Critical: n.Critical, Warning: n.Warning, Info: n.Info, Acknowledged: n.Acknowledged}
	if r := n.Newest; r != nil {
		row.Newest = &schema.AlertRef{ID: r.ID.String(), Rule: r.Rule, Severity: string(r.Severity), Label: r.Label, OpenedAt: r.OpenedAt.Std()}
	}
	return row
}

// addAlerts adds the alerts of a site to the sum over all.
func addAlerts(sum *schema.SiteAlerts, x *schema.SiteAlerts) {
	if x == nil {
		return
	}
	sum.Critical += x.Critical
	sum.Warning += x.Warning
	sum.Info += x.Info
	sum.Acknowledged += x.Acknowledged
	if r := x.Newest; r != nil && (sum.Newest == nil || sum.Newest.OpenedAt.Before(r.OpenedAt)) {
		sum.Newest = r
	}
}

// origin is where a rule or a policy was made, in a word.
func (s *Server) origin(of model.NodeID, self model.NodeID) string {
	if s.c.Role == model.RoleController || of != self {
		return string(model.RoleController)
	}
	return string(model.RoleSite)
}

// noNamed reports a name that nothing has; kind is what it would be.
func noNamed(kind, name string) error {
	return fault.New(fault.NotFound, "", "there is no %s %s here", kind, quoted(strings.TrimSpace(name)))
}
