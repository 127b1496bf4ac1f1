package api

import (
	"context"
	"fmt"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

type siteAlertInput struct {
	Site string `path:"site" maxLength:"64" doc:"id or name"`
	ID   string `path:"id" maxLength:"64" doc:"of the alert"`
	Body schema.AlertNote
}

// What becomes of a decision about an alert of a site.
const (
	decisionDone    = "done"
	decisionSent    = "sent"
	decisionWaiting = "waiting"
)

func (s *Server) acknowledgeSiteAlert(ctx context.Context, in *siteAlertInput) (*out[schema.AlertDecision], error) {
	return s.decideSiteAlert(ctx, in, false)
}

func (s *Server) resolveSiteAlert(ctx context.Context, in *siteAlertInput) (*out[schema.AlertDecision], error) {
	return s.decideSiteAlert(ctx, in, true)
}

// decideSiteAlert sends down what an operator decided, whether or not the site can be reached now. Where it can be, it is
// asked first, so that nobody waits for what cannot be done, and afterwards until it has done it.
func (s *Server) decideSiteAlert(ctx context.Context, in *siteAlertInput, resolve bool) (*out[schema.AlertDecision], error) {
	id, err := model.ParseAlertID(in.ID)
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "%w", err)
	}
	d := schema.AlertDecision{Alert: id.String(), Action: "acknowledge", State: decisionDone}
	become, done := model.AlertAcknowledged, "acknowledged"
	if resolve {
		d.Action, become, done = "resolve", model.AlertResolved, "resolved"
	}
	if s.c.Role == model.RoleSite {
		site, err := s.thisSite(d.Action+" alert", in.Site)
		if err != nil {
			return nil, err
		}
		row, err := s.actOnAlert(ctx, &alertActInput{ID: in.ID, Body: in.Body}, resolve)
		if err != nil {
			return nil, err
		}
		d.Site, d.SiteID, d.Row = site.Name, site.ID.String(), &row.Body
		d.Message = fmt.Sprintf("the alert is %s", done)
		return &out[schema.AlertDecision]{Body: d}, nil
	}
	site, link, _, err := s.siteAsked(in.Site)
	if err != nil {
		return nil, err
	}
	d.Site, d.SiteID = site.Name, site.ID.String()
	up := link.up()
	if up {
		a, ok, err := s.alertAt(ctx, site.ID, id)
		switch {
		case fault.Is(err, fault.Unreachable):
			up = false // it will have it when it can be asked again
		case fault.Is(err, fault.NotFound):
			return nil, fault.New(fault.Conflict, d.Action+" alert", "site %s does not answer for alerts: bring its Skerry up to date, or decide there", site.Name)
		case err != nil:
			return nil, fault.Wrap("ask site "+site.Name, err)
		case !ok:
			return nil, fault.New(fault.NotFound, d.Action+" alert", "site %s has no alert %s; resolved ones are forgotten after 90 days", site.Name, id)
		case a.State == become:
			row := alertRow(a)
			d.Row, d.Message = &row, fmt.Sprintf("the alert was %s already", done)
			if note := noteOf(a, resolve); in.Body.Note == "" || in.Body.Note == note {
				return &out[schema.AlertDecision]{Body: d}, nil
			}
			d.Message += "; its note stays, and the audit records of the site and of this server have yours"
		case a.State == model.AlertResolved:
			return nil, fault.New(fault.Conflict, d.Action+" alert", "alert %s of site %s was resolved at %s already", id, site.Name, a.End.At)
		}
	}
	ask := model.AskAlert{Stamp: s.stamp(ctx), Site: site.ID, Alert: id, Resolve: resolve, Note: in.Body.Note}
	if err := s.c.Proposer.Propose(ctx, ask); err != nil {
		return nil, err
	}
	if d.Row != nil { // nothing becomes of the alert that is to be waited for
		return &out[schema.AlertDecision]{Body: d}, nil
	}
	if !up {
		d.State = decisionWaiting
		d.Message = fmt.Sprintf("site %s cannot be reached now: the alert will be %s when the site is back; the audit record will say so", site.Name, done)
		return &out[schema.AlertDecision]{Body: d}, nil
	}
	if a, ok := s.alertBecomes(ctx, site.ID, id, become); ok {
		row := alertRow(a)
		d.Row, d.Message = &row, fmt.Sprintf("the alert is %s at site %s", done, site.Name)
		return &out[schema.AlertDecision]{Body: d}, nil
	}
	d.State = decisionSent
	d.Message = fmt.Sprintf("it is on its way to site %s, which has not said yet that the alert is %s; the audit record will say so", site.Name, done)
	return &out[schema.AlertDecision]{Body: d}, nil
}

// noteOf is what was said when an alert was acknowledged, or resolved.
func noteOf(a model.Alert, resolved bool) string {
	if resolved {
		return a.End.Note
	}
	return a.Ack.Note
}

// alertAt is an alert as its site has it now.
func (s *Server) alertAt(ctx context.Context, site model.SiteID, id model.AlertID) (model.Alert, bool, error) {
	f := model.AlertFilter{After: id, Limit: 1}
	for i := len(f.After) - 1; i >= 0; i-- { // a page has what is before its cursor
		if f.After[i]++; f.After[i] != 0 {
			break
		}
	}
	raw, err := s.put(ctx, site, model.RouteAlertsList, f.Params())
	if err != nil {
		return model.Alert{}, false, err
	}
	var page model.AlertPage
	if err := model.Decode(raw, &page); err != nil {
		return model.Alert{}, false, fault.New(fault.Corrupt, "", "the answer cannot be read: %w", err)
	}
	if len(page.Alerts) == 0 || page.Alerts[0].ID != id {
		return model.Alert{}, false, nil
	}
	return page.Alerts[0], true, nil
}

// alertBecomes waits for a site to have done what it was sent; false: it has not within the time that somebody waits at
// a screen.
func (s *Server) alertBecomes(ctx context.Context, site model.SiteID, id model.AlertID, state model.AlertState) (model.Alert, bool) {
	ctx, cancel := context.WithTimeout(ctx, s.pace.decide)
	defer cancel()
	for pause := s.pace.decide / 64; ; pause *= 2 {
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return model.Alert{}, false
		case <-t.C:
		}
		a, ok, err := s.alertAt(ctx, site, id)
		switch {
		case err != nil:
			return a, false
		case ok && (a.State == state || a.State == model.AlertResolved):
			return a, a.State == state
		}
	}
}
