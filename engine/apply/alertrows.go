package apply

import (
	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// pruned bounds how many resolved alerts one change forgets beyond those that it resolves.
const pruned = 256

// alerts is the rows of alerts while a change is applied. What it does to the counts is written once.
type alerts struct {
	*applier
	stamp  model.Stamp
	counts model.AlertCounts
	was    model.AlertCounts
	newest bool // that which opened last may be another one now
}

// withAlerts runs fn and then brings what follows from the alerts up to date: the counts, what goes up of them, and
// how many resolved ones are kept.
func (a *applier) withAlerts(s model.Stamp, fn func(*alerts) error) error {
	self, err := a.self()
	if err != nil {
		return err
	}
	n, _, err := a.tx.AlertCounts(model.SiteID(self))
	if err != nil {
		return err
	}
	n.Site = model.SiteID(self)
	b := &alerts{applier: a, stamp: s, counts: n, was: n}
	if err := fn(b); err != nil {
		return err
	}
	return b.done()
}

// put writes an alert in the place of what there is of it.
func (b *alerts) put(x model.Alert) error {
	was, known, err := b.tx.Alert(x.ID)
	if err != nil {
		return err
	}
	if known {
		b.counts.Add(&was, -1)
	}
	b.counts.Add(&x, 1)
	switch {
	case x.State == model.AlertResolved:
		b.newest = b.newest || b.counts.Newest != nil && b.counts.Newest.ID == x.ID
	case !known:
		b.newest = true
	}
	return b.tx.PutAlert(x)
}

// judge takes one judgement of a rule that is as it was when it was judged.
func (b *alerts) judge(r *model.Rule, j model.Judgement) error {
	if (r.Scope == model.ScopeSite) != j.Host.IsZero() {
		return nil
	}
	was, known, err := b.tx.Watch(r.Name, j.Host)
	if err != nil {
		return err
	}
	if !j.Host.IsZero() {
		if _, _, ok, err := b.tx.HostHead(j.Host); err != nil {
			return err
		} else if !ok { // retired since it was judged
			return b.drop(was, model.EndHostGone)
		}
	}
	w, event := alert.Step(r, was, j.Holds, b.stamp.At)
	w.Host = j.Host
	switch event {
	case alert.Open:
		if err := b.open(r, w, j); err != nil {
			return err
		}
		w.Alert = j.Alert
	case alert.Resolve:
		if err := b.resolve(was, model.EndCleared); err != nil {
			return err
		}
	}
	switch {
	case w.TrueSince == 0 && !known, w == was:
		return nil
	case w.TrueSince == 0:
		return b.tx.DeleteWatch(r.Name, j.Host)
	}
	return b.tx.PutWatch(w)
}

func (b *alerts) open(r *model.Rule, w model.Watch, j model.Judgement) error {
	const op = "open alert"
	_, taken, err := b.tx.Alert(j.Alert)
	switch {
	case err != nil:
		return err
	case taken || j.Alert.IsZero():
		return fault.New(fault.Invalid, op, "rule %q needs an id of its own for the alert about %q", r.Name, fault.Clip(j.Label, alert.MaxLabel))
	}
	return b.put(model.Alert{
		ID: j.Alert, Rule: r.Name, Title: r.Title, Scope: r.Scope, Severity: r.Severity, Host: j.Host,
		Label: fault.Clip(j.Label, alert.MaxLabel), Value: fault.Clip(j.Value, alert.MaxLabel),
		State: model.AlertOpen, SinceAt: w.TrueSince, OpenedAt: b.stamp.At, LastTrueAt: b.stamp.At,
	})
}

// resolve ends the alert of a watch, if there is one.
func (b *alerts) resolve(w model.Watch, why model.AlertEnd) error {
	if w.Alert.IsZero() {
		return nil
	}
	x, ok, err := b.tx.Alert(w.Alert)
	if err != nil || !ok || x.State == model.AlertResolved {
		return err
	}
	if x.LastTrueAt = b.stamp.At; w.FalseSince != 0 {
		x.LastTrueAt = w.FalseSince
	}
	x.State, x.Reason, x.End = model.AlertResolved, why, model.AlertAct{By: "system", At: b.stamp.At}
	return b.put(x)
}

// drop forgets what is watched, for a reason that has nothing to do with what was seen.
func (b *alerts) drop(w model.Watch, why model.AlertEnd) error {
	if w.TrueSince == 0 {
		return nil
	}
	if err := b.resolve(w, why); err != nil {
		return err
	}
	return b.tx.DeleteWatch(w.Rule, w.Host)
}

func (b *alerts) done() error {
	if b.counts.Ended > b.was.Ended {
		if err := b.prune(); err != nil {
			return err
		}
	}
	if b.newest {
		x, ok, err := b.tx.NewestAlert()
		if err != nil {
			return err
		}
		ref := model.AlertRef{ID: x.ID, Rule: x.Rule, Severity: x.Severity, Label: x.Label, OpenedAt: x.OpenedAt}
		switch was := b.was.Newest; {
		case !ok:
			b.counts.Newest = nil
		case was == nil || *was != ref:
			b.counts.Newest = &ref
		}
	}
	if b.counts == b.was {
		return nil
	}
	b.counts.At = b.stamp.At
	if err := b.tx.PutAlertCounts(b.counts); err != nil {
		return err
	}
	up, before := b.counts, b.was
	up.Ended, before.Ended, before.At = 0, 0, up.At
	if up == before {
		return nil
	}
	return b.emit(model.ItemAlerts, "alerts", b.stamp.At, up)
}

// prune forgets the resolved alerts that are too many or too old, the oldest first.
func (b *alerts) prune() error {
	old, err := b.tx.EndedAlerts(b.counts.Ended - b.was.Ended + pruned)
	if err != nil {
		return err
	}
	horizon := b.stamp.At.Add(-alert.Keep)
	for i := range old {
		if b.counts.Ended <= alert.MaxEnded && old[i].End.At >= horizon {
			return nil
		}
		if err := b.tx.DeleteAlert(old[i].ID); err != nil {
			return err
		}
		b.counts.Add(&old[i], -1)
	}
	return nil
}

// alertsOfSite stores what a site says of its alerts.
func (s fromSite) alerts(item model.Item) error {
	var n model.AlertCounts
	if err := decode(item, &n); err != nil {
		return err
	}
	n.Site, n.At, n.Ended = s.site, min(n.At, s.stamp.At), 0
	for _, c := range [...]int{n.Critical, n.Warning, n.Info, n.Acknowledged} {
		if c < 0 || c > maxAlertCount {
			return fault.New(fault.Invalid, "receive alerts", "%d alerts are not in 0 to %d", c, maxAlertCount)
		}
	}
	if r := n.Newest; r != nil {
		if err := alert.Text("receive alerts", "rule", r.Rule, alert.MaxName+len(model.ControllerRule)); err != nil {
			return err
		}
		r.Label = fault.Printable(fault.Clip(r.Label, alert.MaxLabel))
		switch r.Severity {
		case model.AlertInfo, model.AlertWarning, model.AlertCritical:
		default:
			return fault.New(fault.Invalid, "receive alerts", "there is no severity %q", fault.Clip(string(r.Severity), 32))
		}
	}
	return s.tx.PutAlertCounts(n)
}

// maxAlertCount is more than the rules and hosts of any site come to.
const maxAlertCount = 1 << 28

// resendAlerts sends up what the tier above may have lost of the alerts, or has of rows that were lost here: that there
// are none is said as well.
func (a *applier) resendAlerts(site model.SiteID, at model.Time) error {
	n, ok, err := a.tx.AlertCounts(site)
	if err != nil {
		return err
	}
	if !ok {
		n = model.AlertCounts{Site: site, At: at}
	}
	n.Ended = 0
	return a.emit(model.ItemAlerts, "alerts", at, n)
}
