package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) agents() *cobra.Command {
	return a.group("agents", "The agents of a site", a.agentsList(), a.agentsEnroll())
}

func (a *app) agentsList() *cobra.Command {
	c := leaf("list", "All agents with their status", 0, 0, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		var agents []schema.Member
		if err := a.get(c, f, "/agents", nil, &agents); err != nil {
			return err
		}
		return f.print(agents, func() view {
			v := view{head: []string{"NAME", "KIND", "STATUS", "LINK", "ENROLLED", "TOKEN UNTIL", "ID"}, wide: []string{"INVITED", "PIN"}}
			for _, m := range agents {
				v.add(m.Name, m.Name, m.Kind, m.Status, m.Link, m.EnrolledAt, m.TokenExpires, m.ID, m.InvitedAt, m.Pin)
			}
			return v
		})
	}
	return c
}

func (a *app) agentsEnroll() *cobra.Command {
	var body schema.AgentEnroll
	var address string
	c := leaf("enroll NAME", "Add an agent and print its one-time token", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().BoolVar(&body.Gateway, "gateway", false, "the agent will report on behalf of many hosts")
	c.Flags().StringVar(&body.TTL, "ttl", "", "how long the token holds, as in 90m; 24h if absent")
	c.Flags().StringVar(&address, "site-url", "", "how the agent reaches this site, for the command that is printed")
	c.RunE = func(c *cobra.Command, args []string) error {
		body.Name = args[0]
		var token schema.Token
		server, err := a.post(c, f, "/agents", nil, body, &token)
		if err != nil {
			return err
		}
		if f.kind != "table" && f.kind != "wide" {
			return f.print(token, func() view { return view{names: []string{token.Name}} })
		}
		a.showToken("Agent", token)
		if !body.Gateway {
			fmt.Fprintf(a.out, "\nOn the host run:\n  skerry-agent enroll --site %s --token %s\n", a.urlOf(server, address), token.Token)
		}
		return nil
	}
	return c
}
