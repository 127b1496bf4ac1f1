package storagetest

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/model"
)

func alerts(s suite) {
	rule := model.Rule{Name: "a\x00", Scope: model.ScopeHost, When: "é", Severity: model.AlertInfo, ForS: 3}
	open := model.Alert{ID: model.AlertID{2}, Rule: "a", State: model.AlertOpen, OpenedAt: 5}
	newer := model.Alert{ID: model.AlertID{3}, Rule: "a", State: model.AlertOpen, OpenedAt: 6}
	site, host := model.Watch{Rule: "a", TrueSince: 1, Alert: open.ID}, model.Watch{Rule: "a", Host: model.HostID{1}, TrueSince: 2}
	other := model.Watch{Rule: "ab", TrueSince: 9} // whose rule begins as the first one's does
	watches := func(tx Tx, rule string) (all []model.Watch) {
		s.ok(tx.EachWatch(rule, func(w model.Watch) error { all = append(all, w); return nil }))
		return all
	}
	s.twice(func(tx Tx) {
		row(s, rule, false)(tx.Rule(rule.Name))
		s.ok(tx.PutRule(rule))
		s.ok(tx.PutRule(model.Rule{Name: "b"}))
		s.ok(tx.PutAlert(open))
		s.ok(tx.PutAlert(newer))
		for _, w := range []model.Watch{host, site, other} {
			s.ok(tx.PutWatch(w))
		}
		s.ok(tx.PutAlertCounts(model.AlertCounts{Site: model.SiteID{1}, Info: 2, Newest: &model.AlertRef{ID: newer.ID}}))
	}, func(tx Tx) {
		row(s, rule, true)(tx.Rule(rule.Name))
		rules, err := tx.Rules()
		s.ok(err)
		equal(s, "rules", rules, []model.Rule{rule, {Name: "b"}})
		row(s, open, true)(tx.Alert(open.ID))
		row(s, newer, true)(tx.NewestAlert())
		row(s, host, true)(tx.Watch("a", host.Host))
		equal(s, "watches", watches(tx, "a"), []model.Watch{site, host})
		n, ok, err := tx.AlertCounts(model.SiteID{1})
		s.ok(err)
		equal(s, "counts", []any{ok, n.Info, n.Newest.ID}, []any{true, 2, newer.ID})
	})
	newer.State, newer.End.At = model.AlertResolved, 9
	open.State, open.End.At = model.AlertResolved, 8
	s.twice(func(tx Tx) {
		s.ok(tx.PutAlert(newer))
		row(s, open, true)(withState(tx.NewestAlert()))
		s.ok(tx.PutAlert(open))
		s.ok(tx.DeleteWatch("a", model.HostID{}))
		s.ok(tx.DeleteWatch("never", model.HostID{}))
		s.ok(tx.DeleteRule("b"))
		s.ok(tx.DeleteRule("never"))
	}, func(tx Tx) {
		row(s, open, false)(tx.NewestAlert())
		ended, err := tx.EndedAlerts(9)
		s.ok(err)
		equal(s, "ended", ended, []model.Alert{open, newer}) // the one that ended first
		first, err := tx.EndedAlerts(1)
		s.ok(err)
		equal(s, "the first", first, []model.Alert{open})
		equal(s, "watches", watches(tx, "a"), []model.Watch{host})
		row(s, rule, false)(tx.Rule("b"))
	})
	s.twice(func(tx Tx) {
		s.ok(tx.DeleteAlert(open.ID))
		s.ok(tx.DeleteAlert(model.AlertID{77}))
	}, func(tx Tx) {
		row(s, open, false)(tx.Alert(open.ID))
		ended, err := tx.EndedAlerts(9)
		s.ok(err)
		equal(s, "ended", ended, []model.Alert{newer})
	})
}

// withState makes of the open alert the resolved one that is written next, so that the two compare.
func withState(a model.Alert, ok bool, err error) (model.Alert, bool, error) {
	a.State, a.End.At = model.AlertResolved, 8
	return a, ok, err
}

func policies(s suite) {
	p := model.Policy{ID: model.PolicyID{1}, Name: "p", Kind: model.PolicyBaseline, Version: 3, Body: jsontext.Value(`{"checks":[]}`), Sites: []model.SiteID{{2}}}
	held := model.PoliciesHeld{Site: model.SiteID{2}, At: 4, Held: []model.HeldPolicy{{ID: p.ID, Version: 3, At: 7}}}
	s.twice(func(tx Tx) {
		row(s, p, false)(tx.Policy(p.ID))
		s.ok(tx.PutPolicy(model.Policy{ID: model.PolicyID{9}, Body: jsontext.Value("{}")}))
		s.ok(tx.PutPolicy(p))
		s.ok(tx.PutPoliciesHeld(held))
	}, func(tx Tx) {
		row(s, p, true)(tx.Policy(p.ID))
		all, err := tx.Policies()
		s.ok(err)
		var ids []model.PolicyID
		for _, x := range all {
			ids = append(ids, x.ID)
		}
		equal(s, "policies", ids, []model.PolicyID{p.ID, {9}})
		row(s, held, true)(tx.PoliciesHeld(held.Site))
		row(s, held, false)(tx.PoliciesHeld(model.SiteID{3}))
	})
	s.twice(func(tx Tx) {
		s.ok(tx.DeletePolicy(p.ID))
		s.ok(tx.DeletePolicy(model.PolicyID{77}))
		s.ok(tx.DeletePoliciesHeld(held.Site))
		s.ok(tx.DeletePoliciesHeld(model.SiteID{77}))
	}, func(tx Tx) {
		row(s, p, false)(tx.Policy(p.ID))
		row(s, held, false)(tx.PoliciesHeld(held.Site))
	})
	exposure, alerts := model.Exposure{Site: held.Site, At: 5}, model.AlertCounts{Site: held.Site, Info: 1}
	s.twice(func(tx Tx) {
		s.ok(tx.PutExposure(exposure))
		s.ok(tx.PutAlertCounts(alerts))
	}, func(tx Tx) {
		row(s, exposure, true)(tx.Exposure(held.Site))
		row(s, alerts, true)(tx.AlertCounts(held.Site))
	})
	s.twice(func(tx Tx) {
		s.ok(tx.DeleteExposure(held.Site))
		s.ok(tx.DeleteAlertCounts(held.Site))
		s.ok(tx.DeleteExposure(model.SiteID{77}))
		s.ok(tx.DeleteAlertCounts(model.SiteID{77}))
	}, func(tx Tx) {
		row(s, exposure, false)(tx.Exposure(held.Site))
		row(s, alerts, false)(tx.AlertCounts(held.Site))
	})
}
