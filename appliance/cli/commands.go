package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/command"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) commands() *cobra.Command {
	return a.group("commands", "Orders to hosts and what became of them", a.commandsDispatch(), a.commandsList(), a.commandsGet(), a.commandsOutput())
}

func (a *app) commandsDispatch() *cobra.Command {
	var body schema.Dispatch
	var yes, watch bool
	c := leaf("dispatch KIND --site SITE (--hosts HOST,... | --query SEARCH)", "Send a command to hosts of one site", 1, 1, nil)
	f := a.formatted(c)
	c.Long = "Send a command to hosts of one site. Kinds: " + model.CommandPing + ", " + model.CommandInventoryRefresh +
		".\nThe hosts are resolved and shown before anything is sent."
	c.Flags().StringVar(&body.Site, "site", "", "name or id of the site")
	c.Flags().StringSliceVar(&body.Hosts, "hosts", nil, "names or ids of hosts of that site; '*' for every one of them")
	c.Flags().StringVar(&body.Query, "query", "", "in the place of --hosts: a search, of which the hosts of that site are meant")
	c.Flags().Var(span{&body.TTL}, "ttl", "how long it may wait to run, as in 90m; 24h if absent")
	c.Flags().StringVar(&body.ID, "id", "", "a UUID; sending one again dispatches nothing")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&body.DryRun, "dry-run", false, "only resolve and show the hosts")
	c.Flags().BoolVar(&watch, "watch", false, "then print each move until all hosts are done")
	c.RunE = func(c *cobra.Command, args []string) error {
		body.Kind = args[0]
		switch {
		case !command.Known(body.Kind):
			return usagef("there is no command %q; the kinds are %s and %s", body.Kind, model.CommandPing, model.CommandInventoryRefresh)
		case body.Site == "":
			return usagef("say at which site: --site SITE")
		case len(body.Hosts) == 0 && strings.TrimSpace(body.Query) == "":
			return usagef("say which hosts: --hosts HOST,... (or --hosts '*' for every host of the site), or --query SEARCH")
		case len(body.Hosts) > 0 && body.Query != "":
			return usagef("--hosts and --query exclude each other")
		}
		if body.ID == "" {
			// Made here, so that a resend after a lost answer would dispatch nothing twice.
			id, err := uuid.NewV7()
			if err != nil {
				return err
			}
			body.ID = id.String()
		}
		dry := body.DryRun
		body.DryRun = true
		var plan schema.Command
		server, err := a.post(c, f, "/commands", nil, body, &plan)
		if err != nil {
			return err
		}
		n := plan.TaskN[string(model.CommandQueued)]
		a.say("%s on %d %s of site %s: %s", plan.Kind, n, plural(n, "host"), fault.Printable(plan.Site), fault.Printable(hostNames(plan.Tasks, n)))
		a.warnDown(c.Context(), server, plan)
		if dry {
			plan = asPlanned(plan)
			return f.print(plan, func() view { return taskTable(plan) })
		}
		if !yes {
			ok, err := a.confirm(c.Context(), "Dispatch?")
			if err != nil {
				return err
			}
			if !ok {
				return errors.New("not dispatched")
			}
		}
		body.DryRun = false
		var sent schema.Command
		if err := server.call(c.Context(), http.MethodPost, "/commands", nil, body, &sent); err != nil {
			return err
		}
		if watch {
			return a.watch(c.Context(), server, sent.ID, f)
		}
		return f.print(sent, func() view { return commandTable(sent) })
	}
	return c
}

// planned is the state of what was not sent: "queued" would say that it was.
const planned = "would be sent"

// asPlanned is a dry run's answer without states that nothing is in.
func asPlanned(c schema.Command) schema.Command {
	n := 0
	for _, tasks := range c.TaskN {
		n += tasks
	}
	c.State, c.TaskN, c.Tasks = planned, map[string]int{planned: n}, slices.Clone(c.Tasks)
	for i := range c.Tasks {
		c.Tasks[i].State = planned
	}
	return c
}

// warnDown says where a command has to wait for a site's link. It is advice: where it cannot be had, the
// command goes its way without.
func (a *app) warnDown(ctx context.Context, server *client, plan schema.Command) {
	var node schema.Node
	var site schema.Site
	if server.call(ctx, http.MethodGet, "/node", nil, nil, &node) != nil || node.Role != string(model.RoleController) {
		return // a site's own hosts need no link
	}
	if server.call(ctx, http.MethodGet, "/sites/"+url.PathEscape(plan.Site), nil, nil, &site) != nil || site.Link == "up" || site.Link == "degraded" {
		return
	}
	since := "never up yet"
	if site.LinkSince != nil {
		since = "down since " + when(site.LinkSince)
	}
	a.say("site %s has no link now (%s); the command waits at the controller until it is back or expires at %s", fault.Printable(plan.Site), since, when(&plan.ExpiresAt))
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

func hostNames(tasks []schema.Task, n int) string {
	var names []string
	for _, t := range tasks[:min(len(tasks), 5)] {
		names = append(names, t.Hostname)
	}
	if n > len(names) {
		names = append(names, fmt.Sprintf("and %d more", n-len(names)))
	}
	return strings.Join(names, ", ")
}

func commandTable(commands ...schema.Command) view {
	v := view{head: []string{"ID", "KIND", "SITE", "STATE", "HOSTS", "CREATED", "EXPIRES", "BY"}, wide: []string{"AT SITE", "STATE SINCE"}}
	for _, c := range commands {
		state := c.State
		if c.Overdue {
			state += " (overdue)"
		}
		v.add(c.ID, c.ID, c.Kind, c.Site, state, taskCounts(c.TaskN), c.CreatedAt, c.ExpiresAt, c.Actor, c.SiteAt, c.StateAt)
	}
	return v
}

func taskCounts(n map[string]int) string {
	var parts []string
	for _, s := range []model.CommandState{
		model.CommandQueued, model.CommandDelivered, model.CommandRunning, model.CommandSucceeded,
		model.CommandFailed, model.CommandCancelled, model.CommandExpired,
	} {
		if k := n[string(s)]; k > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", k, s))
		}
	}
	return strings.Join(parts, ", ")
}

func taskTable(c schema.Command) view {
	v := view{head: []string{"HOST", "STATE", "SINCE", "REASON", "OUTPUT"}, wide: []string{"ID", "HISTORY"}}
	name := nameTasks(c.Tasks)
	for _, t := range c.Tasks {
		var since any
		var history []string
		for _, s := range t.History {
			since = s.At
			history = append(history, s.State+" "+s.At.UTC().Format(time.RFC3339))
		}
		v.add(t.HostID, name(t), t.State, since, t.Reason, t.Output, t.HostID, history)
	}
	return v
}

func (a *app) commandsList() *cobra.Command {
	var limit int
	var before string
	c := leaf("list", "Commands, newest first", 0, 0, nil)
	f := a.formatted(c)
	c.Flags().IntVar(&limit, "limit", 50, "rows to print, at most 1000")
	c.Flags().StringVar(&before, "before", "", "continue before this id")
	c.RunE = func(c *cobra.Command, _ []string) error {
		query := url.Values{"limit": {strconv.Itoa(limit)}}
		if before != "" {
			query.Set("before", before)
		}
		var page schema.Commands
		if err := a.get(c, f, "/commands", query, &page); err != nil {
			return err
		}
		return f.print(page, func() view { return commandTable(page.Commands...) })
	}
	return c
}

func (a *app) commandsGet() *cobra.Command {
	var watch bool
	c := leaf("get ID", "One command with each host's part in it, by its id or the beginning of it", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().BoolVarP(&watch, "watch", "w", false, "print each move as it happens, until all hosts are done")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		id, err := wholeID(c.Context(), server, args[0])
		if err != nil {
			return err
		}
		if watch {
			return a.watch(c.Context(), server, id, f)
		}
		var got schema.Command
		if err := server.call(c.Context(), http.MethodGet, "/commands/"+url.PathEscape(id), nil, nil, &got); err != nil {
			return err
		}
		return a.printCommand(f, got)
	}
	return c
}

// wholeID completes the beginning of a command's id, where only one of the newest thousand begins with it. What is no
// beginning of an id is the server's to judge.
func wholeID(ctx context.Context, server *client, begins string) (string, error) {
	const whole = 36
	if len(begins) >= whole || strings.Trim(strings.ToLower(begins), "0123456789abcdef-") != "" {
		return begins, nil
	}
	var page schema.Commands
	if err := server.call(ctx, http.MethodGet, "/commands", url.Values{"limit": {"1000"}}, nil, &page); err != nil {
		return "", err
	}
	var fit []string
	for _, c := range page.Commands {
		if strings.HasPrefix(c.ID, strings.ToLower(begins)) {
			fit = append(fit, c.ID)
		}
	}
	switch len(fit) {
	case 0:
		return "", fault.New(fault.NotFound, "", "none of the newest %d commands has an id that begins with %q (`skerry commands list`)", len(page.Commands), begins)
	case 1:
		return fit[0], nil
	}
	return "", usagef("%d commands have ids that begin with %q (as %s and %s): give more of it", len(fit), begins, fit[0], fit[1])
}

func (a *app) printCommand(f *format, c schema.Command) error {
	if f.kind == "table" || f.kind == "wide" {
		a.table(commandTable(c), f.kind == "wide")
		fmt.Fprintln(a.out)
		a.table(taskTable(c), f.kind == "wide")
		return nil
	}
	return f.print(c, func() view { return view{names: []string{c.ID}} })
}
