package apply

import (
	"reflect"
	"slices"
	"strconv"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// dropped bounds the directives that one change takes back from a member that was removed.
const dropped = 1000

// setMemberStatus suspends, resumes or removes a member. The row of a removed one stays, with its key.
func (a *applier) setMemberStatus(c model.SetMemberStatus) error {
	op, action := "", ""
	switch c.Status {
	case model.MemberSuspended:
		op, action = "suspend", "suspend"
	case model.MemberEnrolled:
		op, action = "resume", "resume"
	case model.MemberRemoved:
		op, action = "remove", "remove"
	default:
		return fault.New(fault.Invalid, "change member", "a member can be suspended, resumed and removed; it cannot be made %q", fault.Clip(string(c.Status), 32))
	}
	m, ok, err := a.tx.Member(c.Member)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.NotFound, op+" member", "there is no member %s", c.Member)
	}
	op += " " + noun(m.Kind)
	switch {
	case m.Kind == model.MemberController:
		return fault.New(fault.Invalid, op, "%q is a node of this group: it is removed from the group", m.Name)
	case len(c.Reason) > model.MaxReason:
		return fault.New(fault.TooLarge, op, "the reason has %d bytes; the limit is %d", len(c.Reason), model.MaxReason)
	case m.Status == model.MemberRemoved && c.Status == model.MemberRemoved:
		return a.tx.DropDirectives(m.ID, dropped) // what was left
	case m.Status == c.Status:
		return nil
	case m.Status == model.MemberRemoved:
		return fault.New(fault.Conflict, op, "%q was removed; enroll it anew", m.Name)
	case c.Status == model.MemberSuspended && m.Status != model.MemberEnrolled,
		c.Status == model.MemberEnrolled && m.Status != model.MemberSuspended:
		return fault.New(fault.Conflict, op, "%q is %s; %s", m.Name, m.Status, wayOut(m.Status))
	}
	if err := a.standing(&m, c.Stamp, c.Status, c.Reason); err != nil {
		return err
	}
	return a.note(c.Stamp, noun(m.Kind)+"."+action, m.ID.String(), true, quoted(c.Reason), map[string]string{"name": m.Name, "pin": m.Pin})
}

func wayOut(s model.MemberStatus) string {
	switch s {
	case model.MemberPending:
		return "it has not used its token yet: remove it, or wait until it has"
	case model.MemberQuarantined:
		return "two machines use its key: give it a new one, or remove it"
	}
	return "that needs nothing"
}

// standing stores the status of a member and why it has that.
func (a *applier) standing(m *model.Member, s model.Stamp, to model.MemberStatus, reason string) error {
	m.Status, m.Reason, m.StatusAt = to, quoted(reason), s.At
	if to == model.MemberEnrolled {
		m.Reason, m.StatusAt = "", 0
	}
	if to == model.MemberRemoved {
		m.TokenHash, m.TokenExpires = "", 0
		if err := a.tx.DropDirectives(m.ID, dropped); err != nil {
			return err
		}
	}
	return a.tx.PutMember(*m)
}

// agent returns a member that is an agent.
func (a *applier) agent(op string, id model.NodeID) (model.Member, error) {
	m, ok, err := a.tx.Member(id)
	switch {
	case err != nil:
		return m, err
	case !ok:
		return m, fault.New(fault.NotFound, op, "there is no agent %s", id)
	case !m.Kind.Agent():
		return m, fault.New(fault.Invalid, op, "%q is a %s and no agent", m.Name, m.Kind)
	}
	return m, nil
}

// quarantine keeps that two machines use one key.
func (a *applier) quarantine(c model.Quarantine) error {
	const op = "quarantine agent"
	m, err := a.agent(op, c.Member)
	if err != nil || m.Status != model.MemberEnrolled {
		return err
	}
	c.Kept, c.Machine, c.Remote = fault.Clip(c.Kept, 64), fault.Clip(c.Machine, 64), quoted(fault.Clip(c.Remote, 64))
	detail := map[string]string{"name": m.Name, "pin": m.Pin, "remote": c.Remote, "machine": c.Machine}
	if c.Kept == "" || c.Machine == "" || c.Kept == c.Machine {
		const why = "two machines use its key and cannot be told apart: give it a new key"
		if err := a.standing(&m, c.Stamp, model.MemberQuarantined, why); err != nil {
			return err
		}
		return a.note(c.Stamp, "agent.quarantine", m.ID.String(), false, why, detail)
	}
	if slices.ContainsFunc(m.Clones, func(x model.Clone) bool { return x.Machine == c.Machine }) {
		return nil
	}
	m.Clones = append(m.Clones, model.Clone{At: c.At, Machine: c.Machine, Remote: c.Remote})
	m.Clones = m.Clones[max(0, len(m.Clones)-model.MaxClones):]
	m.Machine, detail["kept"] = c.Kept, c.Kept
	if err := a.tx.PutMember(m); err != nil {
		return err
	}
	return a.note(c.Stamp, "agent.clone", m.ID.String(), false, "another machine came with its key and is refused", detail)
}

// rekey takes an agent's key from it.
func (a *applier) rekey(c model.Rekey) error {
	const op = "give agent a new key"
	m, err := a.agent(op, c.Member)
	switch {
	case err != nil:
		return err
	case c.TokenHash == "":
		return fault.New(fault.Invalid, op, "a token is needed")
	case m.Status == model.MemberPending && m.TokenHash == c.TokenHash:
		return nil
	case m.Status != model.MemberEnrolled && m.Status != model.MemberQuarantined:
		return fault.New(fault.Conflict, op, "agent %q is %s; only one that is enrolled or quarantined can be given a new key", m.Name, m.Status)
	}
	old := m.Pin
	m.Void = append(slices.Clone(m.Void), old)
	m.Void = m.Void[max(0, len(m.Void)-model.MaxVoid):]
	m.Status, m.Pin, m.Epoch, m.Machine, m.Clones = model.MemberPending, "", m.Epoch+1, "", nil
	m.Reason, m.StatusAt = "it is to have a new key", c.At
	m.TokenHash, m.TokenExpires = c.TokenHash, c.TokenExpires
	if err := a.tx.PutMember(m); err != nil {
		return err
	}
	return a.note(c.Stamp, "agent.rekey", m.ID.String(), true, "", map[string]string{"name": m.Name, "void": old, "token_expires": m.TokenExpires.String()})
}

// introduced keeps what an agent said of itself. The machine is kept from the first time.
func (a *applier) introduced(c model.Introduced) error {
	const op = "introduce agent"
	m, err := a.agent(op, c.Member)
	if err != nil || m.Status != model.MemberEnrolled {
		return err
	}
	if c.Can != nil && (len(c.Can.Commands) > model.MaxAbilities || len(c.Can.Items) > model.MaxAbilities) {
		return fault.New(fault.TooLarge, op, "agent %q says that it can do more than %d things", m.Name, model.MaxAbilities)
	}
	was := m
	if m.Machine == "" {
		m.Machine = fault.Clip(c.Machine, 64)
	}
	m.Software, m.Can = quoted(fault.Clip(c.Software, 256)), c.Can
	if reflect.DeepEqual(m, was) {
		return nil
	}
	return a.tx.PutMember(m)
}

// retireHosts takes hosts out for good. One that is not there is no error.
func (a *applier) retireHosts(c model.RetireHosts) error {
	const op = "retire host"
	switch {
	case len(c.Hosts) > model.MaxRetire:
		return fault.New(fault.TooLarge, op, "%d hosts at once; the limit is %d", len(c.Hosts), model.MaxRetire)
	case len(c.Reason) > model.MaxReason:
		return fault.New(fault.TooLarge, op, "the reason has %d bytes; the limit is %d", len(c.Reason), model.MaxReason)
	case a.env.Role == model.RoleController:
		return a.dropRemoved(c)
	}
	if err := a.endTasks(c); err != nil {
		return err
	}
	for _, id := range c.Hosts {
		h, ok, err := a.tx.Host(id)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := a.retire(h, c); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) retire(h model.Host, c model.RetireHosts) error {
	if err := a.hostAlerts(h.ID, c.Stamp); err != nil {
		return err
	}
	if err := a.dropHost(h); err != nil {
		return err
	}
	if err := a.forget(h.PackagesDigest); err != nil {
		return err
	}
	if err := a.emit(model.ItemHostGone, h.ID.String(), c.At, nil); err != nil {
		return err
	}
	detail := map[string]string{"hostname": h.Hostname}
	if m, ok, err := a.tx.Member(model.NodeID(h.ID)); err != nil {
		return err
	} else if ok && m.Status != model.MemberRemoved {
		if err := a.standing(&m, c.Stamp, model.MemberRemoved, "its host was retired"); err != nil {
			return err
		}
		detail["agent"], detail["pin"] = m.Name, m.Pin
	}
	return a.note(c.Stamp, "host.retire", h.ID.String(), true, quoted(c.Reason), detail)
}

// endTasks fails what is open of commands to hosts that are retired.
func (a *applier) endTasks(c model.RetireHosts) error {
	var open []model.Command
	if err := a.tx.OpenCommands(func(x model.Command) error { open = append(open, x); return nil }); err != nil {
		return err
	}
	for _, cmd := range open {
		for _, id := range c.Hosts {
			t, ok, err := a.tx.Task(cmd.ID, id)
			if err != nil {
				return err
			}
			if !ok || t.State == model.CommandSucceeded {
				continue
			}
			err = a.moveFrom(cmd.Site, model.Move{Command: cmd.ID, Host: id, State: model.CommandFailed, At: c.At, Reason: "its host was retired"})
			if err != nil && !fault.Is(err, fault.Conflict) { // one that ended stays as it ended
				return err
			}
		}
	}
	return nil
}

// dropRemoved takes out the rows of sites that were removed.
func (a *applier) dropRemoved(c model.RetireHosts) error {
	by := map[model.SiteID]int{}
	var sites []model.SiteID // in the order of the hosts
	for _, id := range c.Hosts {
		h, ok, err := a.tx.HostOutline(id)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if by[h.Site] == 0 {
			m, ok, err := a.tx.Member(model.NodeID(h.Site))
			if err != nil {
				return err
			}
			if ok && m.Status != model.MemberRemoved {
				return fault.New(fault.Denied, "retire host", "host %s belongs to site %q, which retires it itself", id, m.Name)
			}
			sites = append(sites, h.Site)
		}
		by[h.Site]++
		if err := a.dropHost(h); err != nil {
			return err
		}
	}
	for _, site := range sites {
		if err := a.note(c.Stamp, "site.rows_removed", site.String(), true, "", map[string]string{"hosts": strconv.Itoa(by[site])}); err != nil {
			return err
		}
	}
	return nil
}
