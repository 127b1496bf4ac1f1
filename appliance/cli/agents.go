package cli

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) agents() *cobra.Command {
	return a.group("agents", "The agents of a site", a.agentsList(), a.agentsEnroll(), a.agentsToken(),
		a.suspend(agentsOf), a.resume(agentsOf), a.agentsRekey(), a.remove(agentsOf))
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
			v := view{head: []string{"NAME", "KIND", "STATUS", "LINK", "ENROLLED", "TOKEN UNTIL", "ID"}, wide: []string{"REASON", "SINCE", "COPIES", "SOFTWARE", "COMMANDS", "MACHINE", "INVITED", "PIN"}}
			for _, m := range agents {
				status := m.Status
				if len(m.Clones) > 0 {
					status += fmt.Sprintf(" (%d copies refused)", len(m.Clones))
				}
				v.add(m.Name, m.Name, m.Kind, status, m.Link, m.EnrolledAt, m.TokenExpires, m.ID,
					m.Reason, m.StatusAt, copies(m.Clones), m.Software, strings.Join(m.Commands, " "), m.Machine, m.InvitedAt, m.Pin)
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
	c.Flags().Var(span{&body.TTL}, "ttl", "how long the token holds, as in 90m or 2d; 24h if absent")
	c.Flags().StringVar(&address, "site-url", "", "how the agent reaches this site, for the command that is printed")
	c.RunE = func(c *cobra.Command, args []string) error {
		body.Name = args[0]
		return a.memberToken(c, f, "/agents", body, address, joinAgent)
	}
	return c
}

func (a *app) agentsToken() *cobra.Command {
	var address string
	c := leaf("token AGENT", "Void a pending agent's token and print another", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&address, "site-url", "", "how the agent reaches this site, for the command that is printed")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.memberToken(c, f, "/agents/"+url.PathEscape(args[0])+"/token", nil, address, joinAgent)
	}
	return c
}

// joinAgent is what is to be done with an agent's token.
func joinAgent(t schema.Token, address string) string {
	if t.Kind == string(model.MemberGateway) {
		return fmt.Sprintf("Its fleet is reported with, for example:\n  skerry simulate --site %s --token %s --data DIR", address, t.Token)
	}
	return fmt.Sprintf("On the host run:\n  skerry-agent enroll --site %s --token %s", address, t.Token)
}
