package apply

import (
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// noun names a member in audit actions and messages.
func noun(k model.MemberKind) string {
	switch k {
	case model.MemberSite:
		return "site"
	case model.MemberController:
		return "controller"
	}
	return "agent"
}

// article puts the article before a noun.
func article(noun string) string {
	if strings.ContainsAny(noun[:1], "aeiou") {
		return "an " + noun
	}
	return "a " + noun
}

func (a *applier) invite(c model.Invite) error {
	m := c.Member
	op := "invite " + noun(m.Kind)
	switch {
	case m.ID.IsZero() || m.Name == "" || len(m.Name) > 64 || m.TokenHash == "":
		return fault.New(fault.Invalid, op, "%s %q needs an id, a name of 1 to 64 bytes and a token", noun(m.Kind), m.Name)
	case (m.Kind == model.MemberSite || m.Kind == model.MemberController) != (a.env.Role == model.RoleController):
		return fault.New(fault.Invalid, op, "a %s does not enroll a %s", a.env.Role, m.Kind)
	case (m.Kind == model.MemberSite) != (c.Site != nil):
		return fault.New(fault.Invalid, op, "a site row belongs to a site, and to nothing else")
	case c.Site != nil && (c.Site.ID != model.SiteID(m.ID) || c.Site.Name != m.Name):
		return fault.New(fault.Invalid, op, "the site row is of another site than the invitation")
	}
	if c.Site != nil {
		if err := checkSite(op, *c.Site); err != nil {
			return err
		}
	}
	other, taken, err := a.tx.MemberNamed(m.Kind, m.Name)
	if err != nil {
		return err
	}
	if taken && other != m.ID {
		return fault.New(fault.Exists, op, "there is %s named %q already (%s); choose another name", article(noun(m.Kind)), m.Name, other)
	}
	was, known, err := a.tx.Member(m.ID)
	if err != nil {
		return err
	}
	if known && was.Status != model.MemberPending {
		return fault.New(fault.Conflict, op, "%s %q is %s; only a pending one can be given a new token", noun(m.Kind), was.Name, was.Status)
	}
	m.Status, m.Pin, m.EnrolledAt, m.Epoch, m.Address = model.MemberPending, "", 0, 0, ""
	if m.InvitedAt = c.At; known {
		m.InvitedAt = was.InvitedAt
		m.Epoch, m.Void = was.Epoch, was.Void // of one that is to have a new key
	}
	if err := a.tx.PutMember(m); err != nil {
		return err
	}
	if c.Site != nil {
		was, _, err := a.tx.Site(c.Site.ID)
		if err != nil {
			return err
		}
		if err := a.tx.PutSite(fillSite(*c.Site, was)); err != nil {
			return err
		}
	}
	return a.note(c.Stamp, noun(m.Kind)+".invite", m.ID.String(), true, "",
		map[string]string{"name": m.Name, "token_expires": m.TokenExpires.String()})
}

// enroll refuses without writing: whoever proposed it audits the refusal with a Note, since only
// there the address that asked is known.
func (a *applier) enroll(c model.Enroll) error {
	m, ok, err := a.tx.Member(c.Member)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.NotFound, "enroll", "no invitation %s is known here; make a token on the server that you enroll at", c.Member)
	}
	op := "enroll " + noun(m.Kind)
	switch {
	case m.Status == model.MemberEnrolled && m.Pin == c.Pin:
		return nil // the answer was lost; it is given again
	case m.Status == model.MemberEnrolled:
		return fault.New(fault.Denied, op, "the token of %s %q was used already, by another key", noun(m.Kind), m.Name)
	case m.Status != model.MemberPending:
		return fault.New(fault.Denied, op, "%s %q is %s", noun(m.Kind), m.Name, m.Status)
	case c.TokenHash == "" || m.TokenHash != c.TokenHash:
		return fault.New(fault.Denied, op, "the token is not the newest one of %s %q; use the newest, or make a new one", noun(m.Kind), m.Name)
	case c.At > m.TokenExpires:
		return fault.New(fault.Expired, op, "the token of %s %q expired at %s; make a new one", noun(m.Kind), m.Name, m.TokenExpires)
	case c.Pin == "":
		return fault.New(fault.Invalid, op, "no key was presented")
	case slices.Contains(m.Void, c.Pin):
		return fault.New(fault.Denied, op, "%s %q is to have a new key, and this is one that was taken from it", noun(m.Kind), m.Name)
	}
	detail := map[string]string{"name": m.Name, "pin": c.Pin}
	if m.Kind == model.MemberController {
		if err := checkAddress(op, c.Address); err != nil {
			return err
		}
		m.Address, detail["address"] = c.Address, c.Address
	}
	m.Status, m.Pin, m.EnrolledAt, m.Epoch = model.MemberEnrolled, c.Pin, c.At, max(m.Epoch, 1)
	m.TokenHash, m.TokenExpires, m.Reason, m.StatusAt = "", 0, "", 0
	if err := a.tx.PutMember(m); err != nil {
		return err
	}
	return a.note(c.Stamp, noun(m.Kind)+".enroll", m.ID.String(), true, "", detail)
}

func (a *applier) putAccount(c model.PutAccount) error {
	if c.Account.Name == "" || c.Account.PasswordHash == "" {
		return fault.New(fault.Invalid, "put account", "an account needs a name and a password")
	}
	_, known, err := a.tx.Account(c.Account.Name)
	if err != nil {
		return err
	}
	if err := a.tx.PutAccount(c.Account); err != nil {
		return err
	}
	action := "account.add"
	if known {
		action = "account.change"
		// A changed password ends the logins made with the old one.
		if err := a.endLogins(c.Account.Name); err != nil {
			return err
		}
	}
	return a.note(c.Stamp, action, c.Account.Name, true, "", nil)
}

// endLogins ends every login of an account.
func (a *applier) endLogins(account string) error {
	var ended []model.SessionID
	err := a.tx.EachSession(func(s model.Session) error {
		if s.Account == account {
			ended = append(ended, s.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range ended {
		if err := a.tx.DeleteSession(id); err != nil {
			return err
		}
	}
	return nil
}

// dropAccount removes an account. Every account may do everything: without one nobody could log in from anywhere but the
// machine itself, so that the last one stays. A disabled one is nobody's way in, and may always go.
func (a *applier) dropAccount(c model.DropAccount) error {
	all, err := a.tx.Accounts()
	if err != nil {
		return err
	}
	var known, open, others bool
	for _, x := range all {
		if x.Name == c.Name {
			known, open = true, !x.Disabled
		} else if !x.Disabled {
			others = true
		}
	}
	switch {
	case !known:
		return nil
	case open && !others:
		return fault.New(fault.Conflict, "remove account", "%q is the last account that may log in: add or enable another one first", c.Name)
	}
	if err := a.endLogins(c.Name); err != nil {
		return err
	}
	if err := a.tx.DeleteAccount(c.Name); err != nil {
		return err
	}
	return a.note(c.Stamp, "account.remove", c.Name, true, "", nil)
}

func (a *applier) putSession(c model.PutSession) error {
	acc, ok, err := a.tx.Account(c.Session.Account)
	if err != nil {
		return err
	}
	if !ok || acc.Disabled {
		return fault.New(fault.Login, "log in", "account %q cannot log in", c.Session.Account)
	}
	var over []model.SessionID
	err = a.tx.EachSession(func(s model.Session) error {
		if s.ExpiresAt <= c.At {
			over = append(over, s.ID)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range over {
		if err := a.tx.DeleteSession(id); err != nil {
			return err
		}
	}
	if err := a.tx.PutSession(c.Session); err != nil {
		return err
	}
	return a.note(c.Stamp, "account.login", c.Session.Account, true, "", nil)
}

func (a *applier) trustSigner(c model.TrustSigner) error {
	if c.Key.ID == "" || c.Key.Public == "" {
		return fault.New(fault.Invalid, "trust key", "a key needs its id and its public half")
	}
	was, known, err := a.tx.Signer(c.Key.ID)
	if err != nil {
		return err
	}
	if known && a.env.Role == model.RoleSite {
		c.Key.Name = was.Name // a label that somebody here chose is not overwritten from above
	}
	if known && a.since(runsOfRecords) {
		c.Key.Revoked = c.Key.Revoked || was.Revoked // nothing that was read before it takes that back
	}
	if err := a.tx.PutSigner(c.Key); err != nil {
		return err
	}
	if a.env.Role == model.RoleController {
		if err := a.tx.PutDirective(model.NodeID{}, model.ItemSigner, c.Key.ID, c.At); err != nil {
			return err
		}
	}
	return a.note(c.Stamp, "key.trust", c.Key.ID, true, "", map[string]string{"name": c.Key.Name})
}
