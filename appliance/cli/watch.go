package cli

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/command"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// watch prints every move of every task once, in the order in which it hears of them, and ends with
// the command: successfully only if that succeeded.
func (a *app) watch(ctx context.Context, server *client, id string, f *format) error {
	seen := map[string]int{}
	query := url.Values{}
	atSite := false
	for {
		var c schema.Command
		if err := server.call(ctx, http.MethodGet, "/commands/"+url.PathEscape(id), query, nil, &c); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("stopped watching; the command goes on: `skerry commands get %s --watch` looks again", id)
			}
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
		fmt.Fprintf(a.out, "%s  %-10s site %s has it\n", when(c.SiteAt), "", fault.Printable(c.Site))
	}
	name := nameTasks(c.Tasks)
	for _, t := range c.Tasks {
		for _, s := range t.History[min(seen[t.HostID], len(t.History)):] {
			var line strings.Builder
			line.WriteString(fmt.Sprintf("%s  %-10s %s", when(&s.At), s.State, name(t)))
			if s.State == t.State {
				for _, more := range []string{t.Reason, t.Output} {
					if more != "" {
						line.WriteString(": " + more)
					}
				}
			}
			fmt.Fprintln(a.out, fault.Printable(line.String()))
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

// nameTasks returns what to call each task's host: its name, and the end of its id (the part of it
// that differs between hosts enrolled together) where another target has the same name.
func nameTasks(tasks []schema.Task) func(schema.Task) string {
	times := map[string]int{}
	for _, t := range tasks {
		times[t.Hostname]++
	}
	return func(t schema.Task) string {
		if times[t.Hostname] < 2 {
			return t.Hostname
		}
		return fmt.Sprintf("%s (…%s)", t.Hostname, t.HostID[max(0, len(t.HostID)-8):])
	}
}
