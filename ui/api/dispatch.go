package api

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

type dispatchInput struct{ Body schema.Dispatch }

type commandOutput struct {
	Status int
	Body   schema.Command
}

func (s *Server) dispatch(ctx context.Context, in *dispatchInput) (*commandOutput, error) {
	const op = "dispatch command"
	ttl, err := duration("body.ttl", in.Body.TTL, commandTTL, minCommandTTL, maxCommandTTL)
	if err != nil {
		return nil, err
	}
	id, err := s.commandID(in.Body.ID)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	site, targets, err := s.resolve(ctx, in.Body)
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
	if fault.Is(err, fault.NotFound) && !model.RequestOf(ctx).IsZero() {
		err = repeated(op, "the list of commands has it: give an id of your own to be answered with the same one each time")
	}
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

// resolve turns names or a search into hosts of one site, sorted by id. Nothing is ever guessed: a name
// that fits no host or several is refused, and so is a list that comes out empty.
func (s *Server) resolve(ctx context.Context, in schema.Dispatch) (model.Site, []model.Host, error) {
	site, err := s.commandSite(in.Site)
	if err != nil {
		return site, nil, err
	}
	switch {
	case len(in.Hosts) > 0 && in.Query != "":
		return site, nil, fault.New(fault.Invalid, "", "hosts and query exclude each other: give the one or the other")
	case in.Query != "":
		x, err := where("body.query", in.Query)
		if err != nil {
			return site, nil, err
		}
		targets, err := s.targets(ctx, site, query.And{ofSite(site.ID), x})
		if err == nil && len(targets) == 0 {
			err = fault.New(fault.Invalid, "", "the search finds no host of site %s: a command for nobody is not dispatched", site.Name)
		}
		return site, targets, err
	case len(in.Hosts) == 0:
		return site, nil, fault.New(fault.Invalid, "", "no hosts are named: give their names or ids, a search, or '*' for each host of site %s", site.Name)
	case len(in.Hosts) == 1 && in.Hosts[0] == "*":
		targets, err := s.targets(ctx, site, ofSite(site.ID))
		if err == nil && len(targets) == 0 {
			err = fault.New(fault.Invalid, "", "site %s has no hosts: a command for nobody is not dispatched", site.Name)
		}
		return site, targets, err
	case slices.Contains(in.Hosts, "*"):
		return site, nil, fault.New(fault.Invalid, "", "'*' stands for every host and cannot be mixed with names")
	}
	targets, err := s.namedTargets(ctx, site, in.Hosts)
	return site, targets, err
}

// commandSite finds a site that commands may go to.
func (s *Server) commandSite(name string) (model.Site, error) {
	site, m, err := s.siteAndMember(name)
	if err == nil && s.c.Role == model.RoleController && m.Status != model.MemberEnrolled {
		err = fault.New(fault.Conflict, "", "site %s is %s; commands go to enrolled sites only", site.Name, m.Status)
	}
	return site, err
}

// targets returns every host that a search finds, sorted by id, and refuses more than one command may have.
func (s *Server) targets(ctx context.Context, site model.Site, x query.Expr) ([]model.Host, error) {
	search := query.Search{Where: x, Sort: query.Sort{Field: query.FieldID}, Limit: query.MaxPage, Now: s.now()}
	var all []model.Host
	for {
		page, err := s.find(ctx, search)
		if err != nil {
			return nil, err
		}
		if page.Total > model.MaxTargets {
			return nil, fault.New(fault.TooLarge, "", "%d hosts of site %s are meant, and one command may have %d; name the hosts, or search for fewer", page.Total, site.Name, model.MaxTargets)
		}
		all = append(all, page.Hosts...)
		if page.Next == nil {
			return all, nil
		}
		search.After = page.Next
	}
}

// namesAtOnce is how many names are searched for at a time.
const namesAtOnce = 100

// namedTargets returns the hosts with these names or ids, each of which must be one host of the site.
func (s *Server) namedTargets(ctx context.Context, site model.Site, names []string) ([]model.Host, error) {
	wanted := make(map[string][]model.Host, len(names)) // folded name or id -> hosts that have it
	for some := range slices.Chunk(names, namesAtOnce) {
		var or query.Or
		for _, n := range some {
			wanted[query.Fold(n)] = nil
			or = append(or, named(n))
			if id, err := model.ParseHostID(n); err == nil {
				or = append(or, isHost(id))
			}
		}
		x := query.Expr(or)
		if len(or) == 1 {
			x = or[0]
		}
		hosts, err := s.targets(ctx, site, query.And{ofSite(site.ID), x})
		if err != nil {
			return nil, err
		}
		for _, h := range hosts {
			own := []string{h.ID.String(), query.Fold(h.Hostname), query.Fold(h.FQDN)}
			slices.Sort(own)
			for _, n := range slices.Compact(own) {
				if was, ok := wanted[n]; ok && n != "" && !slices.ContainsFunc(was, func(x model.Host) bool { return x.ID == h.ID }) {
					wanted[n] = append(was, h)
				}
			}
		}
	}
	chosen := map[model.HostID]model.Host{}
	var missing []string
	for _, n := range names {
		switch hosts := wanted[query.Fold(n)]; len(hosts) {
		case 0:
			missing = append(missing, n)
		case 1:
			chosen[hosts[0].ID] = hosts[0]
		default:
			return nil, fault.New(fault.Conflict, "", "%d hosts of site %s are named %q: give the id of one: %s", len(hosts), site.Name, n, firstIDs(hosts))
		}
	}
	if len(missing) > 0 {
		shown := strings.Join(missing[:min(3, len(missing))], ", ")
		if n := len(missing) - 3; n > 0 {
			shown += fmt.Sprintf(" and %d more", n)
		}
		return nil, fault.New(fault.NotFound, "", "site %s has no host %s; the search site:%s finds its hosts", site.Name, shown, query.Quote(site.Name))
	}
	return slices.SortedFunc(maps.Values(chosen), func(a, b model.Host) int { return bytes.Compare(a.ID[:], b.ID[:]) }), nil
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
