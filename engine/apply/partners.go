package apply

import (
	"slices"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of what is said of partners, risks and sources.
const (
	maxName     = 128
	maxSources  = 256
	maxText     = 4 << 10
	maxEnvelope = 64 << 10
)

// The keys of items about them begin so.
const (
	acceptanceItem = "acceptance:"
	authorityItem  = "authority:"
)

func checkText(op, what, s string, least, most int) error {
	if len(s) < least || len(s) > most {
		return fault.New(fault.Invalid, op, "%s has %d to %d bytes; this has %d", what, least, most, len(s))
	}
	return nil
}

func checkNames(op, what string, names []string) error {
	if len(names) > maxSources {
		return fault.New(fault.TooLarge, op, "%d %ss; the limit is %d", len(names), what, maxSources)
	}
	for _, n := range names {
		if err := checkText(op, "a "+what, n, 1, maxName); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) putPartner(c model.PutPartner) error {
	const op = "keep partner"
	p := c.Partner
	if err := checkText(op, "the name of a partner", p.Name, 1, maxName); err != nil {
		return err
	}
	if err := checkText(op, "the name that is shown of a partner", p.DisplayName, 0, maxText); err != nil {
		return err
	}
	if err := checkNames(op, "source", p.Sources); err != nil {
		return err
	}
	if p.MaxBundle < 0 {
		return fault.New(fault.Invalid, op, "a bundle cannot have %d bytes at most", p.MaxBundle)
	}
	p.At = c.At
	was, known, err := a.tx.Partner(p.Name)
	if err != nil {
		return err
	}
	if known && len(was.Sources) > 0 && (len(p.Sources) == 0 || slices.ContainsFunc(p.Sources, func(s string) bool { return !slices.Contains(was.Sources, s) })) {
		if err := a.askAgain(was); err != nil {
			return err
		}
	}
	if err := a.tx.PutPartner(p); err != nil {
		return err
	}
	return a.note(c.Stamp, "partner.put", p.Name, true, "", map[string]string{
		"enabled": yes(p.Enabled), "max_bundle": strconv.FormatInt(p.MaxBundle, 10),
		"sources": strings.Join(p.Sources, " "), "skip_signature": yes(p.SkipSignature),
	})
}

// askAgain forgets how far the changes of a partner are held: what was left out of its bundles is in none that follows.
func (a *applier) askAgain(p model.Partner) error {
	shelf, err := a.tx.Shelf()
	if err != nil {
		return err
	}
	for _, origin := range []string{p.Origin.String(), p.Name} {
		delete(shelf.Imported, origin)
	}
	return a.tx.PutShelf(shelf)
}

func (a *applier) dropPartner(c model.DropPartner) error {
	was, ok, err := a.tx.Partner(c.Name)
	if err != nil || !ok {
		return err
	}
	if len(was.Sources) > 0 {
		if err := a.askAgain(was); err != nil {
			return err
		}
	}
	if err := a.tx.DeletePartner(c.Name); err != nil {
		return err
	}
	return a.note(c.Stamp, "partner.drop", c.Name, true, "", nil)
}

// putAcceptance keeps an accepted risk. Whether its signature holds is judged where it is used.
func (a *applier) putAcceptance(c model.PutAcceptance) error {
	const op = "keep acceptance"
	x := c.Acceptance
	// The key of its item must hold the id.
	for _, t := range []struct {
		what        string
		s           string
		least, most int
	}{
		{"the id of an acceptance", x.ID, 1, maxName},
		{"the vulnerability of an acceptance", x.Vulnerability, 1, maxName},
		{"the package of an acceptance", x.Package, 0, maxText},
		{"the search of an acceptance", x.Hosts, 0, maxText},
		{"the reason of an acceptance", x.Reason, 1, maxText},
		{"who accepted", x.By, 1, maxText},
	} {
		if err := checkText(op, t.what, t.s, t.least, t.most); err != nil {
			return err
		}
	}
	switch {
	case len(x.Envelope) > maxEnvelope:
		return fault.New(fault.TooLarge, op, "the signature of acceptance %q has %d bytes; the limit is %d", x.ID, len(x.Envelope), maxEnvelope)
	case x.Until <= x.At:
		return fault.New(fault.Invalid, op, "acceptance %q ends (%s) before it begins (%s)", x.ID, x.Until, x.At)
	}
	if err := a.tx.PutAcceptance(x); err != nil {
		return err
	}
	if err := a.tell(model.ItemAcceptance, acceptanceItem+x.ID, c.At); err != nil {
		return err
	}
	return a.note(c.Stamp, "risk.accept", x.ID, true, "", map[string]string{
		"vulnerability": x.Vulnerability, "package": x.Package, "hosts": x.Hosts, "by": x.By, "until": x.Until.String(),
	})
}

func (a *applier) dropAcceptance(c model.DropAcceptance) error {
	was, ok, err := a.tx.Acceptance(c.ID)
	if err != nil || !ok {
		return err
	}
	if err := a.tx.DeleteAcceptance(c.ID); err != nil {
		return err
	}
	if err := a.tell(model.ItemAcceptGone, acceptanceItem+c.ID, c.At); err != nil {
		return err
	}
	return a.note(c.Stamp, "risk.accept_revoke", c.ID, true, "", map[string]string{"vulnerability": was.Vulnerability, "by": was.By})
}

func (a *applier) putAuthority(c model.PutAuthority) error {
	const op = "keep authority"
	if err := checkText(op, "the name of a source", c.Source, 1, maxName); err != nil {
		return err
	}
	if err := checkNames(op, "ecosystem", c.Ecosystems); err != nil {
		return err
	}
	// One without ecosystems stays as a row: those below must hear of it.
	if err := a.tx.PutAuthority(c); err != nil {
		return err
	}
	if err := a.tell(model.ItemAuthority, authorityItem+c.Source, c.At); err != nil {
		return err
	}
	return a.note(c.Stamp, "authority.put", c.Source, true, "", map[string]string{"ecosystems": strings.Join(c.Ecosystems, " ")})
}

// retellPartners sends every acceptance and authority down again.
func (a *applier) retellPartners(at model.Time) error {
	all, err := a.tx.Acceptances()
	if err != nil {
		return err
	}
	for _, x := range all {
		if err := a.tell(model.ItemAcceptance, acceptanceItem+x.ID, at); err != nil {
			return err
		}
	}
	rows, err := a.tx.AuthorityRows()
	if err != nil {
		return err
	}
	for _, x := range rows {
		if err := a.tell(model.ItemAuthority, authorityItem+x.Source, at); err != nil {
			return err
		}
	}
	return nil
}

// partnered applies what comes down to a site about accepted risks and sources.
func (s *fromController) partnered(item model.Item) error {
	switch item.Kind {
	case model.ItemAcceptance:
		var x model.Acceptance
		if err := decode(item, &x); err != nil {
			return err
		}
		if acceptanceItem+x.ID != item.Key {
			return fault.New(fault.Invalid, "receive acceptance", "the acceptance is %q, its key says %q", x.ID, item.Key)
		}
		return s.putAcceptance(model.PutAcceptance{Stamp: s.stamp, Acceptance: x})
	case model.ItemAcceptGone:
		id, ok := strings.CutPrefix(item.Key, acceptanceItem)
		if !ok {
			return fault.New(fault.Invalid, "receive acceptance", "%q is not the key of an acceptance", item.Key)
		}
		return s.dropAcceptance(model.DropAcceptance{Stamp: s.stamp, ID: id})
	}
	var x model.PutAuthority
	if err := decode(item, &x); err != nil {
		return err
	}
	if authorityItem+x.Source != item.Key {
		return fault.New(fault.Invalid, "receive authority", "the source is %q, its key says %q", x.Source, item.Key)
	}
	x.Stamp = s.stamp
	return s.putAuthority(x)
}
