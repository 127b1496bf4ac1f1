package apply

import (
	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// datedAsks is the version of entries from which an ask is answered by itself. What earlier ones ask is answered by whatever
// the site says about that alert: their nodes have applied it so.
const datedAsks = 6

// maxAsker bounds the name of an operator, in bytes.
const maxAsker = 160

// alertAction is what the audit record calls it.
func alertAction(resolve bool) string {
	if resolve {
		return "alert.resolve"
	}
	return "alert.acknowledge"
}

// askAlert sends down what an operator of the controller decided about an alert of a site. Whether there is such an
// alert the site knows, so that it is also taken while nobody can be asked.
func (a *applier) askAlert(c model.AskAlert) error {
	op := "acknowledge alert of a site"
	if c.Resolve {
		op = "resolve alert of a site"
	}
	if a.env.Role != model.RoleController {
		return fault.New(fault.Invalid, op, "a %s decides about its own alerts only", a.env.Role)
	}
	if c.Alert.IsZero() {
		return fault.New(fault.Invalid, op, "it names no alert")
	}
	if err := alert.Text(op, "note", c.Note, alert.MaxNote); err != nil {
		return err
	}
	m, ok, err := a.tx.Member(model.NodeID(c.Site))
	switch {
	case err != nil:
		return err
	case !ok || m.Kind != model.MemberSite:
		return fault.New(fault.NotFound, op, "there is no site %s", c.Site)
	case m.Status == model.MemberRemoved || m.Status == model.MemberPending:
		return fault.New(fault.Conflict, op, "site %q is %s: nothing goes to it", m.Name, m.Status)
	}
	ask := model.AlertAsk{Alert: c.Alert, Resolve: c.Resolve, Note: c.Note, By: c.Actor, At: c.At, Dated: a.since(datedAsks)}
	b, err := model.Encode(ask)
	if err != nil {
		return fault.New(fault.Invalid, op, "%w", err)
	}
	if err := a.tx.PutDirectiveWith(m.ID, model.ItemAlertAsk, ask.Key(), c.At, b); err != nil {
		return err
	}
	return a.note(c.Stamp, alertAction(c.Resolve), c.Alert.String(), true, "asked of its site",
		map[string]string{"site": m.Name, "site_id": m.ID.String(), "note": c.Note})
}

// alertAsked does at the site what an operator of its controller decided, and says what came of it. That it cannot be done
// is an answer and no fault of the item.
func (s *fromController) alertAsked(item model.Item) error {
	const op = "receive decision about an alert"
	var ask model.AlertAsk
	if err := decode(item, &ask); err != nil {
		return err
	}
	if ask.Key() != item.Key {
		return fault.New(fault.Invalid, op, "it is %s, its key says %q", ask.Key(), fault.Clip(item.Key, 80))
	}
	if err := alert.Text(op, "operator", ask.By, maxAsker); err != nil {
		return err
	}
	// Whoever asked is known to the controller: here he must not be taken for somebody of that name at this site. When it
	// was done says the clock of this site, as with all that becomes of its alerts.
	stamp := model.Stamp{Actor: s.stamp.Actor + " " + ask.By, At: s.stamp.At}
	err := s.ackAlert(model.AckAlert{Stamp: stamp, Alert: ask.Alert, Resolve: ask.Resolve, Note: ask.Note})
	if err != nil && !refusal(err) {
		return err
	}
	done := model.AlertDone{Alert: ask.Alert, Resolve: ask.Resolve, By: ask.By, OK: err == nil}
	if ask.Dated {
		done.At = ask.At
	}
	if err != nil {
		done.Reason = quoted(err.Error())
		if err := s.note(stamp, alertAction(ask.Resolve), ask.Alert.String(), false, done.Reason, map[string]string{"asked": ask.At.String()}); err != nil {
			return err
		}
	}
	return s.emit(model.ItemAlertDone, item.Key, s.stamp.At, done)
}

// alertDone takes in what came of an ask: it is not sent again, and who looks at the record of the controller finds it.
// Said of what nobody asks, or is said already, it changes nothing: the record of the controller has no decision in it that
// nobody there made. Nor does the answer to an ask that a later one took the place of: that one still goes down, and has an
// answer of its own.
func (s fromSite) alertDone(item model.Item) error {
	const op = "receive what came of an alert"
	var done model.AlertDone
	if err := decode(item, &done); err != nil {
		return err
	}
	if key := (model.AlertAsk{Alert: done.Alert, Resolve: done.Resolve}).Key(); key != item.Key {
		return fault.New(fault.Invalid, op, "it is about %s, its key says %q", key, fault.Clip(item.Key, 80))
	}
	payload, asked, err := s.tx.Directed(model.NodeID(s.site), item.Key)
	if err != nil || !asked {
		return err
	}
	var ask model.AlertAsk
	if err := model.Decode(payload, &ask); err != nil {
		return fault.New(fault.Corrupt, op, "what site %s is asked under %s cannot be read: %w", s.site, item.Key, err)
	}
	if done.At != 0 && (done.At != ask.At || done.By != ask.By) {
		return nil
	}
	if err := s.tx.RemoveDirective(model.NodeID(s.site), item.Key); err != nil {
		return err
	}
	return s.note(s.stamp, alertAction(done.Resolve)+".done", done.Alert.String(), done.OK, quoted(done.Reason),
		map[string]string{"site_id": s.site.String(), "by": fault.Printable(fault.Clip(done.By, maxAsker))})
}
