package apply

import (
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// received applies a run of items of one origin and moves the origin's watermark with them.
//
// An item that its origin has no right to send, or that does not decode, is refused: that is audited, within a ration,
// and the items behind it go on, because a sender that is stuck on one item loses all the others.
func (a *applier) received(c model.Received) error {
	at, err := a.tx.Watermark(c.Origin)
	if err != nil {
		return err
	}
	if c.Epoch < at.Epoch {
		return fault.New(fault.Conflict, "receive items", "%s sends as its life %d, but %d was seen already: an older copy of it is running",
			c.Origin, c.Epoch, at.Epoch)
	}
	from, err := a.sender(c)
	if err != nil {
		return err
	}
	to, refused := at, refuser{applier: a, run: &c, from: from.noun}
	for _, item := range c.Items {
		if at.Covers(c.Epoch, item.Seq) {
			continue
		}
		to = model.Position{Epoch: c.Epoch, Seq: item.Seq}
		err := from.take(item)
		if err == nil {
			continue
		}
		if !refusal(err) {
			return err
		}
		if err := refused.refuse(item, err); err != nil {
			return err
		}
	}
	if to == at {
		return nil
	}
	if err := refused.done(); err != nil {
		return err
	}
	if from.done != nil {
		if err := from.done(); err != nil {
			return err
		}
	}
	return a.tx.PutWatermark(c.Origin, to)
}

// sender is what one origin may send: take applies one item of it, done ends the run.
type sender struct {
	noun string
	take func(model.Item) error
	done func() error
}

// sender decides by the registry who c.Origin is. A member sends upward; at a site, the only origin
// that is no member is the controller that the site enrolled at, which sends downward (the link
// verifies its key before anything it says gets here).
func (a *applier) sender(c model.Received) (sender, error) {
	m, ok, err := a.tx.Member(c.Origin)
	if err != nil {
		return sender{}, err
	}
	switch {
	case ok && m.Status != model.MemberEnrolled:
		return sender{}, fault.New(fault.Denied, "receive items", "%s %q is %s", noun(m.Kind), m.Name, m.Status)
	case ok && m.Kind == model.MemberSite:
		s := fromSite{a, model.SiteID(c.Origin), c.Stamp}
		return sender{"site", s.take, s.done}, nil
	case ok && m.Kind == model.MemberController:
		return sender{}, fault.New(fault.Denied, "receive items", "controller %q is a node of this group and sends no items", m.Name)
	case ok:
		s := fromAgent{a, m, c.Stamp}
		return sender{"agent", s.take, nil}, nil
	case a.env.Role == model.RoleSite:
		s := &fromController{applier: a, origin: c.Origin, stamp: c.Stamp}
		return sender{"controller", s.take, s.done}, nil
	}
	return sender{}, fault.New(fault.Denied, "receive items", "%s is not a member of this federation", c.Origin)
}

// refusal reports whether err is about the item; every other error is of the store and ends the run.
func refusal(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Exists, fault.Conflict, fault.Denied, fault.TooLarge:
		return true
	}
	return false
}

// quoted is foreign text as the audit record can hold it, whatever was sent.
func quoted(s string) string { return fault.Printable(fault.Clip(s, 512)) }

// decode reads an item's payload. What does not decode is the item's fault: Corrupt is kept for rows.
func decode(item model.Item, v any) error {
	if err := model.Decode(item.Payload, v); err != nil {
		return fault.New(fault.Invalid, "read item", "%s item %q: %w", item.Kind, item.Key, err)
	}
	return nil
}

func unexpected(item model.Item, from string) error {
	return fault.New(fault.Invalid, "receive item", "a %s does not send %q items", from, item.Kind)
}

// fromController applies what comes down to a site.
type fromController struct {
	*applier
	origin model.NodeID
	stamp  model.Stamp
	held   bool // which policies are held was changed in this run
}

func (s *fromController) take(item model.Item) error {
	switch item.Kind {
	case model.ItemAdvisory, model.ItemAdvisoryGone, model.ItemGeneration:
		if err := s.behind(item); err != nil {
			return err
		}
		return fault.New(fault.Invalid, "receive advisory", "advisories come as whole bundles, not one by one: upgrade the controller, and what is missing is fetched from it")
	case model.ItemShelf:
		shelf, err := s.tx.Shelf()
		if err != nil {
			return err
		}
		if err := decode(item, &shelf.Above); err != nil {
			return err
		}
		return s.tx.PutShelf(shelf)
	case model.ItemAcceptance, model.ItemAcceptGone, model.ItemAuthority:
		return s.partnered(item)
	case model.ItemSigner:
		var k model.SignerKey
		if err := decode(item, &k); err != nil {
			return err
		}
		return s.trustSigner(model.TrustSigner{Stamp: s.stamp, Key: k})
	case model.ItemOrder:
		var o model.Order
		if err := decode(item, &o); err != nil {
			return err
		}
		return s.order(s.origin, o, s.stamp)
	case model.ItemRule:
		return s.rule(item)
	case model.ItemRuleGone:
		return s.ruleGone(item)
	case model.ItemPolicy:
		return s.policy(item)
	case model.ItemPolicyGone:
		return s.policyGone(item)
	case model.ItemAlertAsk:
		return s.alertAsked(item)
	case model.ItemRestored:
		// Nothing to do for the rows: that it is stored is what counts. From now on this site holds something of the
		// group's new life, and takes no node of the old one for it any more.
		return s.note(s.stamp, "controller.restored", s.origin.String(), true, "", map[string]string{"at": item.AsOf.String()})
	}
	return unexpected(item, "controller")
}

// behind notes that the controller has what it sends in a form that is not taken any more: this site is behind it until it
// has fetched that, and says so. A controller that says how far it is (ItemShelf) has the last word.
func (s *fromController) behind(item model.Item) error {
	var a model.Advisory
	if item.Kind == model.ItemGeneration || decode(item, &a) != nil {
		return nil
	}
	shelf, err := s.tx.Shelf()
	if err != nil || shelf.Above.Compare(a.Cursor) >= 0 {
		return err
	}
	shelf.Above = a.Cursor
	return s.tx.PutShelf(shelf)
}

func (s *fromController) done() error {
	if !s.held {
		return nil
	}
	return s.sendHeld(s.stamp.At)
}
