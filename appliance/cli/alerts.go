package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) alerts() *cobra.Command {
	return a.group("alerts", "What a site noticed by itself, and the rules by which it does",
		a.alertsList(), a.alertsGet(), a.alertsAct("acknowledge", "Say that somebody looks after an alert"),
		a.alertsAct("resolve", "End an alert; it opens again only once what it is about has ended in between"),
		a.group("rules", "The rules by which alerts open", a.rulesList(), a.rulesPut(), a.rulesDelete(), a.rulesMetrics()))
}

func (a *app) alertsList() *cobra.Command {
	var state, severity, host, rule, site, after string
	var limit int
	c := leaf("list", "Alerts: what is not resolved by severity, else the newest first", 0, 0, nil)
	f := a.formatted(c)
	flags := c.Flags()
	flags.StringVar(&state, "state", "unresolved", "open, acknowledged, resolved, unresolved or all")
	flags.StringVar(&severity, "severity", "", "info, warning or critical alone")
	flags.StringVar(&host, "host", "", "of one host, by id or unique name")
	flags.StringVar(&rule, "rule", "", "of one rule")
	flags.StringVar(&site, "site", "", "at a controller: the site that is asked, by name or id")
	flags.StringVar(&after, "after", "", "what the page before named as its next")
	flags.IntVar(&limit, "limit", 100, "how many, at most 1,000")
	c.RunE = func(c *cobra.Command, _ []string) error {
		ask := url.Values{"state": {state}, "limit": {strconv.Itoa(limit)}}
		for name, v := range map[string]string{"severity": severity, "host": host, "rule": rule, "site": site, "after": after} {
			if v != "" {
				ask.Set(name, v)
			}
		}
		var page schema.Alerts
		if err := a.get(c, f, "/alerts", ask, &page); err != nil {
			return err
		}
		if err := f.print(page, func() view { return alertTable(page.Alerts...) }); err != nil {
			return err
		}
		if page.Next != "" && f.kind != "json" && f.kind != "yaml" {
			a.say("There may be more: --after %s", page.Next)
		}
		return nil
	}
	return c
}

func alertTable(all ...schema.Alert) view {
	v := view{
		head: []string{"OPENED", "SEVERITY", "STATE", "RULE", "ABOUT", "SEEN", "ID"},
		wide: []string{"SINCE", "LAST TRUE", "ACKNOWLEDGED", "BY", "NOTE", "RESOLVED", "BY", "REASON", "NOTE"},
	}
	for _, x := range all {
		v.add(x.ID, x.OpenedAt, x.Severity, x.State, x.Rule, x.Label, x.Value, x.ID,
			x.Since, x.LastTrueAt, x.AckAt, personOf(x.AckBy), x.AckNote, x.EndAt, personOf(x.EndBy), x.Reason, x.EndNote)
	}
	return v
}

func (a *app) alertsGet() *cobra.Command {
	c := leaf("get ALERT", "One alert of this site", 1, 1, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var x schema.Alert
		if err := a.get(c, f, "/alerts/"+url.PathEscape(args[0]), nil, &x); err != nil {
			return err
		}
		return f.print(x, func() view { return alertSheet(x) })
	}
	return c
}

// alertSheet is one alert, a line for each thing.
func alertSheet(x schema.Alert) view {
	v := view{names: []string{x.ID}}
	line := func(name string, value any) { v.rows = append(v.rows, []any{name, value}) }
	line("Alert", x.ID)
	line("Rule", x.Rule)
	if x.Title != "" {
		line("Title", x.Title)
	}
	line("Severity", x.Severity)
	line("State", x.State)
	line("About", x.Label)
	if x.HostID != "" {
		line("Host", x.HostID)
	}
	line("Seen", x.Value)
	line("Since", x.Since)
	line("Opened", x.OpenedAt)
	line("Last true", x.LastTrueAt)
	if x.AckAt != nil {
		line("Acknowledged", x.AckAt)
		line("  by", personOf(x.AckBy))
		line("  note", x.AckNote)
	}
	if x.EndAt != nil {
		line("Resolved", x.EndAt)
		line("  by", personOf(x.EndBy))
		line("  reason", x.Reason)
		line("  note", x.EndNote)
	}
	return v
}

// personOf names who did something: without the id of the controller that it came through, which tells nobody anything.
func personOf(actor string) string {
	above, name, ok := strings.Cut(actor, " ")
	if !strings.HasPrefix(above, "controller:") {
		return strings.TrimPrefix(actor, "account:")
	}
	if !ok {
		return "the controller"
	}
	return strings.TrimPrefix(name, "account:") + " at the controller"
}

func (a *app) alertsAct(verb, short string) *cobra.Command {
	var body schema.AlertNote
	var site string
	c := leaf(verb+" ALERT", short, 1, 1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&body.Note, "note", "", "why, for those who look later")
	c.Flags().StringVar(&site, "site", "", "at a controller: whose alert it is, by name or id; where that site is away it is done when it is back")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		if site != "" {
			return a.alertAtSite(c, f, server, site, args[0], verb, body)
		}
		var x schema.Alert
		if err := server.call(c.Context(), http.MethodPost, "/alerts/"+url.PathEscape(args[0])+"/"+verb, nil, body, &x); err != nil {
			return err
		}
		return f.print(x, func() view { return alertTable(x) })
	}
	return c
}

// alertAtSite decides about an alert of a site, and says what becomes of that.
func (a *app) alertAtSite(c *cobra.Command, f *format, server *client, site, id, verb string, body schema.AlertNote) error {
	var d schema.AlertDecision
	path := "/sites/" + url.PathEscape(site) + "/alerts/" + url.PathEscape(id) + "/" + verb
	if err := server.call(c.Context(), http.MethodPost, path, nil, body, &d); err != nil {
		return err
	}
	a.say("%s", fault.Printable(d.Message))
	return f.print(d, func() view {
		if d.Row != nil {
			return alertTable(*d.Row)
		}
		v := view{head: []string{"ALERT", "SITE", "ACTION", "STATE"}}
		v.add(d.Alert, d.Alert, d.Site, d.Action, d.State)
		return v
	})
}

func (a *app) rulesList() *cobra.Command {
	c := leaf("list", "The rules by which alerts open", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var all []schema.AlertRule
		if err := a.get(c, f, "/alert-rules", nil, &all); err != nil {
			return err
		}
		return f.print(all, func() view { return ruleTable(all...) })
	}
	return c
}

func ruleTable(all ...schema.AlertRule) view {
	v := view{head: []string{"NAME", "SCOPE", "WHEN", "SEVERITY", "FOR", "CLEAR", "STATE", "ORIGIN"}, wide: []string{"TITLE", "BY", "CHANGED", "PROBLEM"}}
	for _, r := range all {
		state := "on"
		switch {
		case r.Disabled:
			state = "off"
		case r.Problem != "":
			state = "not read"
		}
		v.add(r.Name, r.Name, r.Scope, r.When, r.Severity, r.For, r.Clear, state, r.Origin, r.Title, r.By, r.At, r.Problem)
	}
	return v
}

func (a *app) rulesPut() *cobra.Command {
	var body schema.AlertRulePut
	var replace, site bool
	c := leaf("put NAME CONDITION...", "Make a rule: a search for hosts or, with --of-site, a comparison of a metric of the site", 2, -1, nil)
	takesSearch(c)
	f := a.formatted(c)
	flags := c.Flags()
	flags.BoolVar(&site, "of-site", false, "the condition is about the site and not about its hosts, as in: disk.free_percent '<' 10")
	flags.StringVar(&body.Severity, "severity", "warning", "info, warning or critical")
	flags.StringVar(&body.Title, "title", "", "one line for people")
	flags.Var(span{&body.For}, "for", "how long it must hold before the alert opens, as in 15m or 2d; at once if absent")
	flags.Var(span{&body.Clear}, "clear", "how long it must not hold before the alert resolves, as in 1m; at once if absent")
	flags.BoolVar(&body.Disabled, "disabled", false, "keep the rule, but do not judge by it")
	flags.BoolVar(&replace, "replace", false, "in the place of the rule that has the name already")
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		var words []string
		for _, arg := range args[1:] {
			words = append(words, unshield(arg))
		}
		body.When, body.Scope = strings.Join(words, " "), "host"
		if site {
			body.Scope = "site"
		}
		ask := url.Values{}
		if !replace {
			ask.Set("new", "true")
		}
		var row schema.AlertRule
		err = server.call(c.Context(), http.MethodPut, "/alert-rules/"+url.PathEscape(args[0]), ask, body, &row)
		if fault.KindOf(err) == fault.Exists {
			return fmt.Errorf("%w (--replace)", err)
		}
		if err != nil {
			return err
		}
		return f.print(row, func() view { return ruleTable(row) })
	}
	return c
}

func (a *app) rulesDelete() *cobra.Command {
	c := leaf("delete NAME", "Remove a rule and resolve its alerts", 1, 1, nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := a.client()
		if err != nil {
			return err
		}
		if err := server.call(c.Context(), http.MethodDelete, "/alert-rules/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
			return err
		}
		a.say("Removed %s.", fault.Printable(args[0]))
		return nil
	}
	return c
}

func (a *app) rulesMetrics() *cobra.Command {
	c := leaf("metrics", "What the conditions about a site can compare", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var all []schema.AlertMetric
		if err := a.get(c, f, "/alert-metrics", nil, &all); err != nil {
			return err
		}
		return f.print(all, func() view {
			v := view{head: []string{"METRIC", "WHAT IT IS", "EXAMPLE"}}
			for _, m := range all {
				v.add(m.Name, m.Name, m.Doc, m.Example)
			}
			return v
		})
	}
	return c
}

// alertWords counts the alerts of a site for a table, the worst first; nil: it has not said.
func alertWords(n *schema.SiteAlerts) any {
	if n == nil {
		return nil
	}
	var parts []string
	for _, x := range []struct {
		n    int
		word string
	}{{n.Critical, "critical"}, {n.Warning, "warning"}, {n.Info, "info"}, {n.Acknowledged, "acknowledged"}} {
		if x.n > 0 {
			parts = append(parts, strconv.Itoa(x.n)+" "+x.word)
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func newestAlert(n *schema.SiteAlerts) any {
	if n == nil || n.Newest == nil {
		return nothing{}
	}
	return n.Newest.Rule + ": " + n.Newest.Label
}
