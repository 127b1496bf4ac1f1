package apply

import (
	"strings"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Alerting is the part of Tx about alert rules and alerts.
type Alerting interface {
	Rule(name string) (model.Rule, bool, error)
	Rules() ([]model.Rule, error) // by name
	PutRule(model.Rule) error
	DeleteRule(name string) error // one that is not there is no error

	Alert(id model.AlertID) (model.Alert, bool, error)
	PutAlert(model.Alert) error
	DeleteAlert(id model.AlertID) error
	// NewestAlert returns the alert with the highest id of those that are not resolved.
	NewestAlert() (model.Alert, bool, error)
	// EndedAlerts returns the alerts that were resolved first, at most limit.
	EndedAlerts(limit int) ([]model.Alert, error)

	// Watch returns what is remembered of a rule and a host; the zero host is the site itself.
	Watch(rule string, host model.HostID) (model.Watch, bool, error)
	PutWatch(model.Watch) error
	DeleteWatch(rule string, host model.HostID) error
	// EachWatch calls fn with all that is remembered of a rule; fn may put or delete it.
	EachWatch(rule string, fn func(model.Watch) error) error

	AlertCounts(site model.SiteID) (model.AlertCounts, bool, error)
	PutAlertCounts(model.AlertCounts) error
}

// ruleKey is the key of the directives about a rule. No source of advisories has a colon in its name.
func ruleKey(name string) string { return "rule:" + name }

// putRule adds or changes a rule of this server's own.
func (a *applier) putRule(c model.PutRule) error {
	const op = "keep alert rule"
	r := c.Rule
	if err := alert.Check(&r); err != nil {
		return err
	}
	self, err := a.self()
	if err != nil {
		return err
	}
	r.Origin, r.By, r.At = self, c.Actor, c.At
	was, known, err := a.tx.Rule(r.Name)
	if err != nil {
		return err
	}
	if !known {
		if err := a.roomForRule(op, self); err != nil {
			return err
		}
	}
	same := was
	same.By, same.At = r.By, r.At
	if known && same == r {
		return nil
	}
	if err := a.storeRule(r, c.Stamp); err != nil {
		return err
	}
	if err := a.tell(model.ItemRule, ruleKey(r.Name), c.At); err != nil {
		return err
	}
	action := "rule.add"
	if known {
		action = "rule.change"
	}
	return a.note(c.Stamp, action, r.Name, true, "", map[string]string{"when": r.When, "severity": string(r.Severity), "disabled": yes(r.Disabled)})
}

// roomForRule refuses one rule more of an origin than there may be.
func (a *applier) roomForRule(op string, origin model.NodeID) error {
	rules, err := a.tx.Rules()
	if err != nil {
		return err
	}
	n := 0
	for _, r := range rules {
		if r.Origin == origin {
			n++
		}
	}
	if n >= alert.MaxRules {
		return fault.New(fault.Conflict, op, "there are %d alert rules, which is the most; remove one that nobody needs first", n)
	}
	return nil
}

// storeRule puts a rule. One that is switched off ends what it had begun.
func (a *applier) storeRule(r model.Rule, s model.Stamp) error {
	if err := a.tx.PutRule(r); err != nil || !r.Disabled {
		return err
	}
	return a.endRule(r.Name, model.EndRuleOff, s)
}

func (a *applier) dropRule(c model.DropRule) error {
	r, known, err := a.tx.Rule(c.Name)
	if err != nil || !known {
		return err
	}
	self, err := a.self()
	if err != nil {
		return err
	}
	if r.Origin != self {
		return fault.New(fault.Denied, "remove alert rule", "%q comes from the controller: it is removed there", c.Name)
	}
	if err := a.removeRule(c.Name, c.Stamp); err != nil {
		return err
	}
	if err := a.tell(model.ItemRuleGone, ruleKey(c.Name), c.At); err != nil {
		return err
	}
	return a.note(c.Stamp, "rule.remove", c.Name, true, "", nil)
}

func (a *applier) removeRule(name string, s model.Stamp) error {
	if err := a.endRule(name, model.EndRuleGone, s); err != nil {
		return err
	}
	return a.tx.DeleteRule(name)
}

// endRule forgets what a rule watches and resolves its alerts.
func (a *applier) endRule(name string, why model.AlertEnd, s model.Stamp) error {
	return a.withAlerts(s, func(b *alerts) error {
		return a.tx.EachWatch(name, func(w model.Watch) error { return b.drop(w, why) })
	})
}

// hostAlerts forgets what is watched of a host that is no longer of this site, and resolves its alerts.
func (a *applier) hostAlerts(host model.HostID, s model.Stamp) error {
	if a.env.Role != model.RoleSite {
		return nil
	}
	rules, err := a.tx.Rules()
	if err != nil {
		return err
	}
	return a.withAlerts(s, func(b *alerts) error {
		for _, r := range rules {
			w, ok, err := a.tx.Watch(r.Name, host)
			if err == nil && ok {
				err = b.drop(w, model.EndHostGone)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// ruleFromAbove keeps a rule that came from the controller, beside those of the site.
func (s *fromController) rule(item model.Item) error {
	const op = "receive alert rule"
	var r model.Rule
	if err := decode(item, &r); err != nil {
		return err
	}
	if err := alert.Check(&r); err != nil {
		return err
	}
	if ruleKey(r.Name) != item.Key {
		return fault.New(fault.Invalid, op, "the rule is %q, its key says %q", r.Name, fault.Clip(item.Key, 80))
	}
	r.Name, r.Origin = model.ControllerRule+r.Name, s.origin
	was, known, err := s.tx.Rule(r.Name)
	if err != nil || known && was == r {
		return err
	}
	if !known {
		if err := s.roomForRule(op, s.origin); err != nil {
			return err
		}
	}
	return s.storeRule(r, s.stamp)
}

func (s *fromController) ruleGone(item model.Item) error {
	name, ok := strings.CutPrefix(item.Key, ruleKey(""))
	if !ok {
		return fault.New(fault.Invalid, "receive alert rule", "%q is not the key of a rule", fault.Clip(item.Key, 80))
	}
	return s.removeRule(model.ControllerRule+name, s.stamp)
}

// judgeAlerts takes what the evaluator saw. The rows decide what comes of it, so that saying it twice, or after
// the rule changed, does nothing.
func (a *applier) judgeAlerts(c model.JudgeAlerts) error {
	if err := a.onlySite("judge alerts"); err != nil {
		return err
	}
	return a.withAlerts(c.Stamp, func(b *alerts) error {
		rules := map[string]model.Rule{}
		for _, j := range c.Judged {
			r, known := rules[j.Rule]
			if !known {
				var err error
				if r, _, err = a.tx.Rule(j.Rule); err != nil {
					return err
				}
				rules[j.Rule] = r
			}
			if r.Name == "" || r.Disabled || r.At != j.Seen {
				continue
			}
			if err := b.judge(&r, j); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *applier) onlySite(op string) error {
	if a.env.Role != model.RoleSite {
		return fault.New(fault.Invalid, op, "alerts are of sites: a %s has none of its own", a.env.Role)
	}
	return nil
}

// ackAlert does what an operator decided about an alert.
func (a *applier) ackAlert(c model.AckAlert) error {
	op := "acknowledge alert"
	if c.Resolve {
		op = "resolve alert"
	}
	if err := a.onlySite(op); err != nil {
		return err
	}
	if err := alert.Text(op, "note", c.Note, alert.MaxNote); err != nil {
		return err
	}
	x, ok, err := a.tx.Alert(c.Alert)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.NotFound, op, "there is no alert %s", c.Alert)
	}
	act := model.AlertAct{By: c.Actor, At: c.At, Note: c.Note}
	switch {
	case x.State == model.AlertResolved && c.Resolve:
		return a.ackedAlready(c, x.End.Note)
	case x.State == model.AlertAcknowledged && !c.Resolve:
		return a.ackedAlready(c, x.Ack.Note)
	case x.State == model.AlertResolved:
		return fault.New(fault.Conflict, op, "alert %s was resolved at %s already", c.Alert, x.End.At)
	}
	err = a.withAlerts(c.Stamp, func(b *alerts) error {
		if !c.Resolve {
			x.State, x.Ack = model.AlertAcknowledged, act
			return b.put(x)
		}
		w, ok, err := a.tx.Watch(x.Rule, x.Host)
		if err != nil {
			return err
		}
		if ok && w.Alert == x.ID {
			if x.LastTrueAt = c.At; w.FalseSince != 0 {
				x.LastTrueAt = w.FalseSince
			}
			w.Alert, w.Held = model.AlertID{}, true
			if err := a.tx.PutWatch(w); err != nil {
				return err
			}
		}
		x.State, x.End, x.Reason = model.AlertResolved, act, model.EndOperator
		return b.put(x)
	})
	if err != nil {
		return err
	}
	return a.note(c.Stamp, alertAction(c.Resolve), c.Alert.String(), true, "", map[string]string{"rule": x.Rule, "label": x.Label, "note": c.Note})
}

// ackedAlready keeps what somebody had to say about an alert that is as he wants it: the row has who was first.
func (a *applier) ackedAlready(c model.AckAlert, note string) error {
	if c.Note == "" || c.Note == note {
		return nil
	}
	return a.note(c.Stamp, alertAction(c.Resolve), c.Alert.String(), true, "it was so already", map[string]string{"note": c.Note})
}
