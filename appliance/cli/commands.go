package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/command"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) commands() *cobra.Command {
	return a.group("commands", "Orders to hosts and what became of them", a.commandsDispatch(), a.commandsList(), a.commandsGet())
}

func (a *app) commandsDispatch() *cobra.Command {
	var body schema.Dispatch
	var yes, watch bool
	c := leaf("dispatch KIND --site SITE --hosts HOST,...", "Send a command to hosts of one site", 1, 1, nil)
	f := a.formatted(c)
	c.Long = "Send a command to hosts of one site. Kinds: " + model.CommandPing + ", " + model.CommandInventoryRefresh +
		".\nThe hosts are resolved and shown before anything is sent."
	c.Flags().StringVar(&body.Site, "site", "", "name or id of the site")
	c.Flags().StringSliceVar(&body.Hosts, "hosts", nil, "names or ids of hosts of that site; '*' for every one of them")
	c.Flags().StringVar(&body.TTL, "ttl", "", "how long it may wait to run, as in 90m; 24h if absent")
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
		case len(body.Hosts) == 0:
			return usagef("say which hosts: --hosts HOST,... (or --hosts '*' for every host of the site)")
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
		a.say("%s on %d %s of site %s: %s", plan.Kind, n, plural(n, "host"), printable(plan.Site), printable(hostNames(plan.Tasks, n)))
		if dry {
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
	for _, t := range c.Tasks {
		var since any
		var history []string
		for _, s := range t.History {
			since = s.At
			history = append(history, s.State+" "+s.At.UTC().Format(time.RFC3339))
		}
		v.add(t.HostID, t.Hostname, t.State, since, t.Reason, t.Output, t.HostID, history)
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
	c := leaf("get ID", "One command with each host's part in it", 1, 1, nil)
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
		if watch {
			return a.watch(c.Context(), server, args[0], f)
		}
		var got schema.Command
		if err := server.call(c.Context(), http.MethodGet, "/commands/"+url.PathEscape(args[0]), nil, nil, &got); err != nil {
			return err
		}
		return a.printCommand(f, got)
	}
	return c
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

// watch prints every move of every task once, in the order in which it hears of them, and ends with
// the command: successfully only if that succeeded.
func (a *app) watch(ctx context.Context, server *client, id string, f *format) error {
	seen := map[string]int{}
	query := url.Values{}
	atSite := false
	for {
		var c schema.Command
		if err := server.call(ctx, http.MethodGet, "/commands/"+url.PathEscape(id), query, nil, &c); err != nil {
			return err
		}
		if f.kind == "table" || f.kind == "wide" {
			a.moves(c, seen, &atSite)
		}
		if command.Terminal(model.CommandState(c.State)) {
			return a.watched(c, f)
		}
		query = url.Values{"after": {strconv.FormatUint(c.Version, 10)}, "wait": {"30s"}}
	}
}

func (a *app) moves(c schema.Command, seen map[string]int, atSite *bool) {
	if c.SiteAt != nil && !*atSite {
		*atSite = true
		fmt.Fprintf(a.out, "%s  %-10s site %s has it\n", when(c.SiteAt), "", printable(c.Site))
	}
	for _, t := range c.Tasks {
		for _, s := range t.History[min(seen[t.HostID], len(t.History)):] {
			var line strings.Builder
			line.WriteString(fmt.Sprintf("%s  %-10s %s", when(&s.At), s.State, t.Hostname))
			if s.State == t.State {
				for _, more := range []string{t.Reason, t.Output} {
					if more != "" {
						line.WriteString(": " + more)
					}
				}
			}
			fmt.Fprintln(a.out, printable(line.String()))
		}
		seen[t.HostID] = len(t.History)
	}
}

func (a *app) watched(c schema.Command, f *format) error {
	if f.kind == "table" || f.kind == "wide" {
		fmt.Fprintf(a.out, "%s  %s\n", c.State, taskCounts(c.TaskN))
	} else if err := f.print(c, func() view { return view{names: []string{c.ID}} }); err != nil {
		return err
	}
	if c.State != string(model.CommandSucceeded) {
		return fmt.Errorf("command %s %s", c.ID, c.State)
	}
	return nil
}
