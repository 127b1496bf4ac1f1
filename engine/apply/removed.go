package apply

import (
	"errors"
	"slices"
	"strconv"

	"github.com/skerryhq/skerry/engine/command"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Removal is the part of Tx about what is left of a site that was removed. What is not there is no error.
type Removal interface {
	DeleteExposure(site model.SiteID) error
	DeleteAlertCounts(site model.SiteID) error
	DeletePoliciesHeld(site model.SiteID) error
}

// ended bounds the tasks that one change ends for a site that was removed: others wait while it is applied.
const ended = 1000

// clearSite takes away what a controller has of a site that was removed, beside its hosts (RetireHosts) and its
// directives (SetMemberStatus): nobody will report of it any more, and what is open would be open for ever.
func (a *applier) clearSite(c model.ClearSite) error {
	const op = "clear site"
	if a.env.Role != model.RoleController {
		return fault.New(fault.Invalid, op, "a %s has no sites", a.env.Role)
	}
	m, ok, err := a.tx.Member(model.NodeID(c.Site))
	switch {
	case err != nil:
		return err
	case !ok || m.Kind != model.MemberSite:
		return fault.New(fault.NotFound, op, "there is no site %s", c.Site)
	case m.Status != model.MemberRemoved:
		return fault.New(fault.Denied, op, "site %q is %s: what it reported stays until it is removed", m.Name, m.Status)
	}
	detail := map[string]string{}
	tasks, err := a.endTasksOf(c)
	if err != nil {
		return err
	}
	if tasks > 0 {
		detail["tasks"] = strconv.Itoa(tasks)
	}
	for _, row := range []struct {
		name string
		has  func() (bool, error)
		drop func(model.SiteID) error
	}{
		{"exposure", func() (bool, error) { _, ok, err := a.tx.Exposure(c.Site); return ok, err }, a.tx.DeleteExposure},
		{"alerts", func() (bool, error) { _, ok, err := a.tx.AlertCounts(c.Site); return ok, err }, a.tx.DeleteAlertCounts},
		{"policies_held", func() (bool, error) { _, ok, err := a.tx.PoliciesHeld(c.Site); return ok, err }, a.tx.DeletePoliciesHeld},
	} {
		ok, err := row.has()
		if err == nil && ok {
			err, detail[row.name] = row.drop(c.Site), "yes"
		}
		if err != nil {
			return err
		}
	}
	freed, err := a.unassign(c.Site)
	if err != nil {
		return err
	}
	if freed > 0 {
		detail["policies"] = strconv.Itoa(freed)
	}
	if len(detail) == 0 {
		return nil
	}
	return a.note(c.Stamp, "site.rows_removed", c.Site.String(), true, "", detail)
}

// errEnough ends an iteration.
var errEnough = errors.New("enough")

// endTasksOf fails what is open of the commands to a site, the oldest first, and returns how many tasks that were.
func (a *applier) endTasksOf(c model.ClearSite) (n int, err error) {
	var open []model.CommandID
	err = a.tx.OpenCommands(func(x model.Command) error {
		if x.Site == c.Site {
			open = append(open, x.ID)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, id := range open {
		var left []model.HostID
		err := a.tx.EachTask(id, func(t model.Task) error {
			if n+len(left) == ended {
				return errEnough
			}
			if !command.Terminal(t.State) {
				left = append(left, t.Host)
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return n, err
		}
		for _, host := range left {
			err := a.moveFrom(c.Site, model.Move{Command: id, Host: host, State: model.CommandFailed, At: c.At, Reason: "its site was removed"})
			if err != nil {
				return n, err
			}
		}
		if n += len(left); n == ended {
			break
		}
	}
	return n, nil
}

// unassign takes a site out of the policies that name it, and returns how many did. Their version stays: for every
// other site they are what they were.
func (a *applier) unassign(site model.SiteID) (n int, err error) {
	all, err := a.tx.Policies()
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		at := slices.Index(p.Sites, site)
		if at < 0 {
			continue
		}
		p.Sites = slices.Delete(slices.Clone(p.Sites), at, at+1)
		if err := a.tx.PutPolicy(p); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
