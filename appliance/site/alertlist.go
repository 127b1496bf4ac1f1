package site

import (
	"context"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// alertScan bounds how many alerts are looked at for one page: where few match, the page is short and its cursor
// goes on.
const alertScan = 20_000

// listAlerts returns a page of alerts.
func (s *site) listAlerts(_ context.Context, f model.AlertFilter) (model.AlertPage, error) {
	page := model.AlertPage{At: model.TimeOf(s.clock.Now()), Judged: s.alerts.Last(), Alerts: []model.Alert{}}
	v := s.rows.Store.View()
	defer v.Close()
	limit := min(max(f.Limit, 1), model.MaxAlertPage)
	looked := 0
	var last model.AlertID
	err := v.Alerts(f.After, f.Open(), func(a model.Alert) (bool, error) {
		if len(page.Alerts) == limit || looked == alertScan {
			page.Next = last
			return false, nil
		}
		last = a.ID
		looked++
		if !f.Match(&a) {
			return true, nil
		}
		if a.State != model.AlertResolved {
			// While it holds it was last seen to hold when the rules were last judged.
			w, ok, err := v.Watch(a.Rule, a.Host)
			switch {
			case err != nil:
				return false, err
			case ok && w.FalseSince != 0:
				a.LastTrueAt = max(a.LastTrueAt, w.FalseSince)
			case ok:
				a.LastTrueAt = max(a.LastTrueAt, page.Judged)
			}
		}
		page.Alerts = append(page.Alerts, a)
		return true, nil
	})
	return page, err
}

// answerAlerts is listAlerts for the controller, by the link.
func (s *site) answerAlerts(ctx context.Context, params map[string]string) (any, error) {
	f, err := model.ReadAlertFilter(params)
	if err != nil {
		return nil, fault.New(fault.Invalid, "list alerts", "%w", err)
	}
	return s.listAlerts(ctx, f)
}
