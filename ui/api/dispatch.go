package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

type dispatchInput struct{ Body schema.Dispatch }

type commandOutput struct {
	Status int
	Body   schema.Command
}

func (s *Server) dispatch(ctx context.Context, in *dispatchInput) (*commandOutput, error) {
	const op = "dispatch command"
	ttl, err := duration(op, "ttl", in.Body.TTL, commandTTL, minCommandTTL, maxCommandTTL)
	if err != nil {
		return nil, err
	}
	id, err := s.commandID(in.Body.ID)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	site, targets, err := s.resolve(in.Body.Site, in.Body.Hosts)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	stamp := s.stamp(ctx)
	c := model.Command{ID: id, Kind: in.Body.Kind, Site: site.ID, Actor: stamp.Actor, CreatedAt: stamp.At, ExpiresAt: stamp.At.Add(ttl)}
	if in.Body.DryRun {
		c.State, c.TaskN = model.CommandQueued, map[model.CommandState]int{model.CommandQueued: len(targets)}
		row := commandRow(c, site.Name, s.c.Now())
		for _, h := range targets[:min(len(targets), shownTasks)] {
			row.Tasks = append(row.Tasks, taskRow(model.Task{Host: h.ID, State: model.CommandQueued}, h.Hostname))
		}
		return &commandOutput{Status: http.StatusOK, Body: row}, nil
	}
	hosts := make([]model.HostID, 0, len(targets))
	for _, h := range targets {
		hosts = append(hosts, h.ID)
	}
	if err := s.c.Proposer.Propose(ctx, model.Dispatch{Stamp: stamp, Command: c, Hosts: hosts}); err != nil {
		return nil, fault.Wrap(op, err)
	}
	row, err := s.command(id)
	if err != nil {
		return nil, err
	}
	return &commandOutput{Status: http.StatusCreated, Body: row}, nil
}

func (s *Server) commandID(text string) (model.CommandID, error) {
	if text != "" {
		id, err := model.ParseCommandID(text)
		if err != nil {
			return id, fault.New(fault.Invalid, "", "id: %w", err)
		}
		return id, nil
	}
	id, err := s.newID()
	return model.CommandID(id), err
}

// resolve turns names into hosts of one site, sorted by id. Nothing is ever guessed: a name that
// fits no host or several is refused, and so is a list that comes out empty.
func (s *Server) resolve(siteName string, names []string) (model.Site, []model.Host, error) {
	v, done := s.c.Store.View()
	defer done()
	site, err := s.findSite(v, siteName)
	if err != nil {
		return site, nil, err
	}
	if s.c.Role == model.RoleController {
		m, _, err := v.Member(model.NodeID(site.ID))
		if err != nil {
			return site, nil, err
		}
		if m.Status != model.MemberEnrolled {
			return site, nil, fault.New(fault.Conflict, "", "site %s is %s; commands go to enrolled sites only", site.Name, m.Status)
		}
	}
	all := len(names) == 1 && names[0] == "*"
	wanted := map[string][]model.Host{} // lower-case name or id -> hosts that have it
	if !all {
		for _, n := range names {
			if n == "*" {
				return site, nil, fault.New(fault.Invalid, "", "'*' stands for every host and cannot be mixed with names")
			}
			wanted[strings.ToLower(n)] = nil
		}
	}
	chosen := map[model.HostID]model.Host{}
	err = v.HostsOfSite(site.ID, func(h model.Host) error {
		if all {
			chosen[h.ID] = h
		}
		for _, n := range slices.Compact([]string{h.ID.String(), strings.ToLower(h.Hostname), strings.ToLower(h.FQDN)}) {
			if _, ok := wanted[n]; ok && n != "" {
				wanted[n] = append(wanted[n], h)
			}
		}
		if len(chosen) > model.MaxTargets {
			return fault.New(fault.TooLarge, "", "site %s has more than the %d hosts that one command may have; name the hosts", site.Name, model.MaxTargets)
		}
		return nil
	})
	if err != nil {
		return site, nil, err
	}
	var missing []string
	for _, n := range names {
		if all {
			break
		}
		switch hosts := wanted[strings.ToLower(n)]; len(hosts) {
		case 0:
			missing = append(missing, n)
		case 1:
			chosen[hosts[0].ID] = hosts[0]
		default:
			return site, nil, fault.New(fault.Conflict, "", "%d hosts of site %s are named %q: give the id of one: %s", len(hosts), site.Name, n, firstIDs(hosts))
		}
	}
	if len(missing) > 0 {
		shown := strings.Join(missing[:min(3, len(missing))], ", ")
		if n := len(missing) - 3; n > 0 {
			shown += fmt.Sprintf(" and %d more", n)
		}
		return site, nil, fault.New(fault.NotFound, "", "site %s has no host %s; `skerry hosts list --site %s` shows its hosts", site.Name, shown, site.Name)
	}
	if len(chosen) == 0 {
		return site, nil, fault.New(fault.Invalid, "", "site %s has no hosts: a command for nobody is not dispatched", site.Name)
	}
	targets := make([]model.Host, 0, len(chosen))
	for _, h := range chosen {
		targets = append(targets, h)
	}
	slices.SortFunc(targets, func(a, b model.Host) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return site, targets, nil
}

// firstIDs lists the ids of at most five hosts.
func firstIDs(hosts []model.Host) string {
	const most = 5
	var ids []string
	for _, h := range hosts[:min(len(hosts), most)] {
		ids = append(ids, h.ID.String())
	}
	if more := len(hosts) - len(ids); more > 0 {
		ids = append(ids, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(ids, ", ")
}
