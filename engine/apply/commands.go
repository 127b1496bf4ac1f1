package apply

import (
	"bytes"
	"slices"

	"github.com/skerryhq/skerry/engine/command"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func (a *applier) dispatch(c model.Dispatch) error {
	const op = "dispatch command"
	cmd := c.Command
	_, known, err := a.tx.Command(cmd.ID)
	if err != nil {
		return err
	}
	if known {
		return nil // asked twice, dispatched once
	}
	sorted := slices.IsSortedFunc(c.Hosts, func(x, y model.HostID) int { return bytes.Compare(x[:], y[:]) })
	switch {
	case cmd.ID.IsZero():
		return fault.New(fault.Invalid, op, "the command needs an id made by its caller")
	case !command.Known(cmd.Kind):
		return fault.New(fault.Invalid, op, "there is no command %q; the kinds are %s and %s", cmd.Kind, model.CommandPing, model.CommandInventoryRefresh)
	case len(c.Hosts) == 0:
		return fault.New(fault.Invalid, op, "no host was named; a command without targets is refused, it never means all")
	case len(c.Hosts) > model.MaxTargets:
		return fault.New(fault.TooLarge, op, "%d hosts are more than the %d that one command may have; dispatch several", len(c.Hosts), model.MaxTargets)
	case !sorted || len(slices.Compact(slices.Clone(c.Hosts))) != len(c.Hosts):
		return fault.New(fault.Invalid, op, "the hosts must be sorted and distinct")
	case cmd.ExpiresAt <= c.At:
		return fault.New(fault.Invalid, op, "the command would expire at %s, which is past", cmd.ExpiresAt)
	}
	for _, h := range c.Hosts {
		row, ok, err := a.tx.Host(h)
		if err != nil {
			return err
		}
		if !ok || row.Site != cmd.Site {
			return fault.New(fault.NotFound, op, "site %s has no host %s", cmd.Site, h)
		}
	}
	self, err := a.self()
	if err != nil {
		return err
	}
	cmd.Origin, cmd.Actor, cmd.CreatedAt, cmd.SiteAt = self, c.Actor, c.At, 0
	if a.env.Role == model.RoleSite {
		cmd.SiteAt = c.At
	}
	if err := a.open(cmd, c.Hosts, c.At); err != nil {
		return err
	}
	return a.note(c.Stamp, "command.dispatch", cmd.ID.String(), true, "", map[string]string{"kind": cmd.Kind, "site": cmd.Site.String()})
}

// open stores a command with a queued task for each host and the directives that carry it down: from
// a controller to the command's site, from a site to the agents of its hosts.
func (a *applier) open(cmd model.Command, hosts []model.HostID, at model.Time) error {
	cmd.TaskN = map[model.CommandState]int{model.CommandQueued: len(hosts)}
	cmd.State, cmd.StateAt = command.State(cmd.TaskN), at
	if err := a.tx.PutCommand(cmd); err != nil {
		return err
	}
	var owners []model.NodeID
	var cannot []model.HostID
	for _, h := range hosts {
		t := model.Task{Command: cmd.ID, Host: h, State: model.CommandQueued, History: []model.Step{{State: model.CommandQueued, At: at}}}
		if err := a.tx.PutTask(t); err != nil {
			return err
		}
		row, ok, err := a.tx.Host(h)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		able, err := a.able(row.Agent, cmd.Kind)
		if err != nil {
			return err
		}
		if !able {
			cannot = append(cannot, h)
		} else if !slices.Contains(owners, row.Agent) {
			owners = append(owners, row.Agent)
		}
	}
	if a.env.Role == model.RoleController {
		owners = []model.NodeID{model.NodeID(cmd.Site)}
	}
	for _, to := range owners {
		if err := a.tx.PutDirective(to, model.ItemOrder, cmd.ID.String(), at); err != nil {
			return err
		}
	}
	for _, h := range cannot {
		m := model.Move{Command: cmd.ID, Host: h, State: model.CommandFailed, At: at, Reason: "its agent cannot run " + cmd.Kind + ": upgrade it"}
		if err := a.moveFrom(cmd.Site, m); err != nil {
			return err
		}
	}
	return nil
}

// able reports whether an agent runs that kind of command; one that never said what it can do is asked.
func (a *applier) able(agent model.NodeID, kind string) (bool, error) {
	if a.env.Role != model.RoleSite {
		return true, nil
	}
	m, ok, err := a.tx.Member(agent)
	return err != nil || !ok || m.Can == nil || slices.Contains(m.Can.Commands, kind), err
}

// order takes in a command that came down to this site. Hosts that this site does not know fail at once.
func (a *applier) order(origin model.NodeID, o model.Order, s model.Stamp) error {
	const op = "receive command"
	cmd := o.Command
	self, err := a.self()
	if err != nil {
		return err
	}
	if cmd.Site != model.SiteID(self) {
		return fault.New(fault.Denied, op, "command %s is for site %s", cmd.ID, cmd.Site)
	}
	if len(o.Hosts) == 0 || len(o.Hosts) > model.MaxTargets {
		return fault.New(fault.Invalid, op, "command %s names %d hosts; want 1 to %d", cmd.ID, len(o.Hosts), model.MaxTargets)
	}
	// A host has one task, however often it is named: with another count than that the command would never end.
	hosts := slices.Clone(o.Hosts)
	slices.SortFunc(hosts, func(x, y model.HostID) int { return bytes.Compare(x[:], y[:]) })
	hosts = slices.Compact(hosts)
	was, known, err := a.tx.Command(cmd.ID)
	if err != nil {
		return err
	}
	held := s.At
	if known {
		held = was.SiteAt
	} else {
		cmd.Origin, cmd.SiteAt = origin, s.At
		if err := a.open(cmd, hosts, s.At); err != nil {
			return err
		}
		if err := a.note(s, "command.receive", cmd.ID.String(), true, "", map[string]string{"kind": cmd.Kind, "by": cmd.Actor}); err != nil {
			return err
		}
	}
	if err := a.emit(model.ItemCommandHeld, cmd.ID.String(), held, nil); err != nil {
		return err
	}
	if known && was.Origin == origin {
		if err := a.retell(cmd.ID); err != nil {
			return err
		}
	}
	for _, h := range hosts {
		_, ok, err := a.tx.Host(h)
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		m := model.Move{Command: cmd.ID, Host: h, State: model.CommandFailed, At: s.At, Reason: "this site has no such host"}
		if err := a.moveFrom(cmd.Site, m); err != nil {
			return err
		}
	}
	return nil
}

// retell sends up every step of a command's tasks so far. An order that is known here comes again from a controller
// that was restored, and does not know of them.
func (a *applier) retell(id model.CommandID) error {
	return a.tx.EachTask(id, func(t model.Task) error {
		for i, step := range t.History {
			if step.State == model.CommandQueued {
				continue
			}
			m := model.Move{Command: t.Command, Host: t.Host, State: step.State, At: step.At}
			if i == len(t.History)-1 {
				m.Reason, m.Output = t.Reason, t.Output
				m.OutputSize, m.OutputDigest = t.OutputSize, t.OutputDigest
			}
			if err := a.emit(model.ItemMove, moveKey(m), m.At, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// moveKey is the key of the item that a move rises as.
func moveKey(m model.Move) string {
	return m.Command.String() + "/" + m.Host.String() + "/" + string(m.State)
}

func (a *applier) moves(c model.Moves) error {
	self, err := a.self()
	if err != nil {
		return err
	}
	for _, m := range c.Moves {
		if err := a.moveFrom(model.SiteID(self), m); err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return nil
}

// moveFrom moves a task of a command of the given site. At a site, what the controller dispatched is
// told to it.
func (a *applier) moveFrom(site model.SiteID, m model.Move) error {
	const op = "move task"
	cmd, ok, err := a.tx.Command(m.Command)
	if err != nil {
		return err
	}
	if !ok || cmd.Site != site {
		return fault.New(fault.NotFound, op, "site %s has no command %s", site, m.Command)
	}
	was, ok, err := a.tx.Task(m.Command, m.Host)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.NotFound, op, "command %s is not for host %s", m.Command, m.Host)
	}
	t, changed, err := command.Move(was, m)
	if err != nil || !changed {
		return err
	}
	if err := a.tx.PutTask(t); err != nil {
		return err
	}
	if cmd.TaskN[was.State]--; cmd.TaskN[was.State] == 0 {
		delete(cmd.TaskN, was.State)
	}
	cmd.TaskN[t.State]++
	if s := command.State(cmd.TaskN); s != cmd.State {
		cmd.State, cmd.StateAt = s, m.At
	}
	if err := a.tx.PutCommand(cmd); err != nil {
		return err
	}
	if err := a.undirect(cmd, t); err != nil {
		return err
	}
	self, err := a.self()
	if err != nil || cmd.Origin == self {
		return err
	}
	return a.emit(model.ItemMove, moveKey(m), m.At, m)
}

// undirect takes back the directives of what has ended: at a controller with the command's last task;
// at a site an agent's own with its task, and all that are left with the last one.
func (a *applier) undirect(cmd model.Command, t model.Task) error {
	ended := command.Terminal(cmd.State)
	switch {
	case a.env.Role == model.RoleController && ended:
		return a.tx.RemoveDirective(model.NodeID(cmd.Site), cmd.ID.String())
	case a.env.Role == model.RoleController || !command.Terminal(t.State):
		return nil
	}
	owners := map[model.NodeID]bool{}
	take := func(t model.Task) error {
		h, ok, err := a.tx.Host(t.Host)
		if err != nil || !ok || owners[h.Agent] {
			return err
		}
		if !ended && h.Agent != model.NodeID(h.ID) {
			return nil // a gateway may have other hosts of this command
		}
		owners[h.Agent] = true
		return a.tx.RemoveDirective(h.Agent, cmd.ID.String())
	}
	if ended {
		return a.tx.EachTask(cmd.ID, take)
	}
	return take(t)
}
