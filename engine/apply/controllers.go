package apply

import (
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// maxAddress bounds HOST:PORT, in bytes: the longest name, a colon and five digits.
const maxAddress = 260

// checkAddress refuses what nobody could dial. Whether anything answers there is for the nodes to find out.
func checkAddress(op, addr string) error {
	host, port := "", ""
	if i := strings.LastIndexByte(addr, ':'); i > 0 {
		host, port = addr[:i], addr[i+1:]
	}
	switch {
	case len(addr) > maxAddress:
		return fault.New(fault.TooLarge, op, "the address has %d bytes; the limit is %d", len(addr), maxAddress)
	case host == "" || port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "" ||
		strings.ContainsFunc(addr, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' }):
		return fault.New(fault.Invalid, op, "%q is not HOST:PORT; say where the other controllers reach this one", quoted(fault.Clip(addr, 64)))
	}
	return nil
}

// removeMember keeps the row and its key: whoever comes with that key must be recognised to be refused.
func (a *applier) removeMember(c model.RemoveMember) error {
	const op = "remove controller"
	m, ok, err := a.tx.Member(c.Member)
	switch {
	case err != nil:
		return err
	case !ok:
		return fault.New(fault.NotFound, op, "no controller %s is known here; `skerry cluster peers` lists them", c.Member)
	case m.Kind != model.MemberController:
		return fault.New(fault.Invalid, op, "%s %q is no controller of this group", noun(m.Kind), m.Name)
	case m.Status == model.MemberRemoved:
		return nil
	}
	m.Status, m.TokenHash, m.TokenExpires = model.MemberRemoved, "", 0
	if c.Reason != "" {
		m.Reason, m.StatusAt = quoted(c.Reason), c.At
	}
	if err := a.tx.PutMember(m); err != nil {
		return err
	}
	return a.note(c.Stamp, "controller.remove", m.ID.String(), true, quoted(c.Reason), map[string]string{"name": m.Name, "address": m.Address, "pin": m.Pin})
}

// putController registers the node that founded the group, and keeps the address of every other.
func (a *applier) putController(c model.PutController) error {
	const op = "register controller"
	if a.env.Role != model.RoleController {
		return fault.New(fault.Invalid, op, "a %s has no controllers beside it", a.env.Role)
	}
	if c.Member.IsZero() || c.Pin == "" || len(c.Name) > 64 {
		return fault.New(fault.Invalid, op, "a controller needs an id, a key and a name of 1 to 64 bytes")
	}
	if err := checkAddress(op, c.Address); err != nil {
		return err
	}
	m, known, err := a.tx.Member(c.Member)
	if err != nil {
		return err
	}
	switch {
	case !known && c.Name == "":
		return fault.New(fault.Invalid, op, "a controller needs a name of 1 to 64 bytes")
	case !known:
	case m.Kind != model.MemberController:
		return fault.New(fault.Conflict, op, "%s is the id of %s %q", c.Member, noun(m.Kind), m.Name)
	case m.Status == model.MemberPending:
		return fault.New(fault.Conflict, op, "controller %q has not used its token yet; join it with the token first", m.Name)
	case m.Status != model.MemberEnrolled:
		return fault.New(fault.Denied, op, "controller %q is %s; join it as a new one, with a new token and an empty data folder", m.Name, m.Status)
	case m.Pin != c.Pin:
		return fault.New(fault.Denied, op, "controller %q has another key here than the one it shows now; restore its data folder, or join it as a new one", m.Name)
	}
	action := "controller.change"
	if !known {
		action = "controller.register"
		m = model.Member{
			ID: c.Member, Kind: model.MemberController, Status: model.MemberEnrolled, InvitedAt: c.At, EnrolledAt: c.At, Pin: c.Pin, Epoch: 1,
		}
	}
	if c.Name != "" && c.Name != m.Name {
		other, taken, err := a.tx.MemberNamed(model.MemberController, c.Name)
		if err != nil {
			return err
		}
		if taken && other != m.ID {
			return fault.New(fault.Exists, op, "there is a controller named %q already (%s); choose another name", c.Name, other)
		}
	} else if c.Address == m.Address {
		return nil
	}
	if m.Address = c.Address; c.Name != "" {
		m.Name = c.Name
	}
	if err := a.tx.PutMember(m); err != nil {
		return err
	}
	return a.note(c.Stamp, action, m.ID.String(), true, "", map[string]string{"name": m.Name, "address": m.Address, "pin": m.Pin})
}
