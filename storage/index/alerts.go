package index

import (
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// Rule returns an alert rule.
func (r *Reader) Rule(name string) (model.Rule, bool, error) {
	return get[model.Rule](r, key.Rule(name))
}

// Rules returns every alert rule by name.
func (r *Reader) Rules() ([]model.Rule, error) {
	return all[model.Rule](r, key.SpaceRule.Prefix(), 0)
}

// PutRule implements apply.Tx.
func (t *Tx) PutRule(x model.Rule) error { return t.put(key.Rule(x.Name), x) }

// DeleteRule implements apply.Tx; a rule that is not there is no error.
func (t *Tx) DeleteRule(name string) error { return t.remove(key.Rule(name)) }

// Alert returns an alert.
func (r *Reader) Alert(id model.AlertID) (model.Alert, bool, error) {
	return get[model.Alert](r, key.Alert(id))
}

// Alerts calls fn with the alerts whose id is below before (zero: all), the newest first, until fn returns
// false; open alone with those that are not resolved. Ids are UUIDs of version 7, so that their order is the order in
// which the alerts opened.
func (r *Reader) Alerts(before model.AlertID, open bool, fn func(model.Alert) (bool, error)) error {
	space, from := key.SpaceAlert, key.Alert
	if open {
		space, from = key.SpaceAlertOpen, key.AlertOpen
	}
	upper := key.After(space.Prefix())
	if !before.IsZero() {
		upper = from(before)
	}
	return enough(r.back(space.Prefix(), upper, func(k, v []byte) error {
		var a model.Alert
		if open {
			id, err := key.ReadAlertOpen(k)
			if err != nil {
				return err
			}
			ok := false
			if a, ok, err = r.Alert(id); err != nil {
				return err
			} else if !ok {
				return dangling(k)
			}
		} else if err := r.rows.decode(v, &a); err != nil {
			return readError(k, err)
		}
		more, err := fn(a)
		if err == nil && !more {
			err = errEnough
		}
		return err
	}))
}

// NewestAlert returns the alert that opened last and is not resolved.
func (r *Reader) NewestAlert() (a model.Alert, ok bool, err error) {
	err = r.Alerts(model.AlertID{}, true, func(x model.Alert) (bool, error) {
		a, ok = x, true
		return false, nil
	})
	return a, ok, err
}

// EndedAlerts returns the alerts that were resolved first, at most limit.
func (r *Reader) EndedAlerts(limit int) (out []model.Alert, err error) {
	err = r.scan(key.SpaceAlertEnded.Prefix(), func(k, _ []byte) error {
		_, id, err := key.ReadAlertEnded(k)
		if err != nil {
			return err
		}
		a, ok, err := r.Alert(id)
		if err != nil {
			return err
		}
		if !ok {
			return dangling(k)
		}
		if out = append(out, a); len(out) == limit {
			return errEnough
		}
		return nil
	})
	return out, enough(err)
}

// PutAlert implements apply.Tx.
func (t *Tx) PutAlert(a model.Alert) error {
	old, ok, err := t.Alert(a.ID)
	if err != nil {
		return err
	}
	var entries [][]byte
	if ok {
		entries = alertEntries(old)
	}
	if err := t.reindex(entries, alertEntries(a)); err != nil {
		return err
	}
	return t.put(key.Alert(a.ID), a)
}

// DeleteAlert implements apply.Tx; an alert that is not there is no error.
func (t *Tx) DeleteAlert(id model.AlertID) error {
	old, ok, err := t.Alert(id)
	if err != nil || !ok {
		return err
	}
	if err := t.reindex(alertEntries(old), nil); err != nil {
		return err
	}
	return t.remove(key.Alert(id))
}

// alertEntries are the index keys of an alert, as the functions in entries.go are of other rows.
func alertEntries(a model.Alert) [][]byte {
	if a.State == model.AlertResolved {
		return [][]byte{key.AlertEnded(a.End.At, a.ID)}
	}
	return [][]byte{key.AlertOpen(a.ID)}
}

// Watch returns what is remembered of a rule and a host; the zero host is the site itself.
func (r *Reader) Watch(rule string, host model.HostID) (model.Watch, bool, error) {
	return get[model.Watch](r, key.Watch(rule, host))
}

// EachWatch calls fn with all that is remembered of a rule, by host.
func (r *Reader) EachWatch(rule string, fn func(model.Watch) error) error {
	return each(r, key.WatchesOf(rule), fn)
}

// PutWatch implements apply.Tx.
func (t *Tx) PutWatch(w model.Watch) error { return t.put(key.Watch(w.Rule, w.Host), w) }

// DeleteWatch implements apply.Tx; one that is not there is no error.
func (t *Tx) DeleteWatch(rule string, host model.HostID) error {
	return t.remove(key.Watch(rule, host))
}

// AlertCounts returns the roll-up of a site's alerts.
func (r *Reader) AlertCounts(site model.SiteID) (model.AlertCounts, bool, error) {
	return get[model.AlertCounts](r, key.AlertCounts(site))
}

// PutAlertCounts implements apply.Tx.
func (t *Tx) PutAlertCounts(n model.AlertCounts) error { return t.put(key.AlertCounts(n.Site), n) }

// DeleteAlertCounts implements apply.Tx; those that are not there are no error.
func (t *Tx) DeleteAlertCounts(site model.SiteID) error { return t.remove(key.AlertCounts(site)) }

// Policy returns a policy.
func (r *Reader) Policy(id model.PolicyID) (model.Policy, bool, error) {
	return get[model.Policy](r, key.Policy(id))
}

// Policies returns every policy by id.
func (r *Reader) Policies() ([]model.Policy, error) {
	return all[model.Policy](r, key.SpacePolicy.Prefix(), 0)
}

// PutPolicy implements apply.Tx.
func (t *Tx) PutPolicy(p model.Policy) error { return t.put(key.Policy(p.ID), p) }

// DeletePolicy implements apply.Tx; a policy that is not there is no error.
func (t *Tx) DeletePolicy(id model.PolicyID) error { return t.remove(key.Policy(id)) }

// PoliciesHeld returns which policies a site has.
func (r *Reader) PoliciesHeld(site model.SiteID) (model.PoliciesHeld, bool, error) {
	return get[model.PoliciesHeld](r, key.PoliciesHeld(site))
}

// PutPoliciesHeld implements apply.Tx.
func (t *Tx) PutPoliciesHeld(h model.PoliciesHeld) error { return t.put(key.PoliciesHeld(h.Site), h) }

// DeletePoliciesHeld implements apply.Tx; a row that is not there is no error.
func (t *Tx) DeletePoliciesHeld(site model.SiteID) error { return t.remove(key.PoliciesHeld(site)) }

// alerts checks the rows of alerts and policies, and that the counts of this site's alerts are what its rows come to.
func (c *checker) alerts() error {
	self, _, err := c.r.Self()
	if err != nil {
		return err
	}
	n := model.AlertCounts{Site: model.SiteID(self.Self)}
	for _, err := range []error{
		rows(c, key.SpaceRule, func(_ []byte, x model.Rule) ([]byte, [][]byte) { return key.Rule(x.Name), nil }),
		rows(c, key.SpaceAlert, func(_ []byte, a model.Alert) ([]byte, [][]byte) {
			n.Add(&a, 1)
			return key.Alert(a.ID), alertEntries(a)
		}),
		rows(c, key.SpaceWatch, func(_ []byte, w model.Watch) ([]byte, [][]byte) { return key.Watch(w.Rule, w.Host), nil }),
		rows(c, key.SpaceAlertCounts, func(_ []byte, n model.AlertCounts) ([]byte, [][]byte) { return key.AlertCounts(n.Site), nil }),
		rows(c, key.SpacePolicy, func(_ []byte, p model.Policy) ([]byte, [][]byte) { return key.Policy(p.ID), nil }),
		rows(c, key.SpacePoliciesHeld, func(_ []byte, h model.PoliciesHeld) ([]byte, [][]byte) { return key.PoliciesHeld(h.Site), nil }),
	} {
		if err != nil {
			return err
		}
	}
	if self.Role != model.RoleSite {
		return nil
	}
	was, _, err := c.r.AlertCounts(n.Site)
	if err != nil {
		return err
	}
	if !was.SameSums(n) {
		c.fault("%s: the counts of alerts are %+v, and the rows come to %+v", key.Describe(key.AlertCounts(n.Site)), was, n)
	}
	return nil
}
