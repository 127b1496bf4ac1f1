package cli

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

// members is what the commands about sites and about agents differ in.
type members struct{ path, noun, gone string }

var (
	agentsOf = members{"/agents/", "agent", "Removed. Its hosts stay in the directory, as down, until they are retired: skerry hosts retire HOST"}
	sitesOf  = members{"/sites/", "site", "Removed. The rows of its hosts go within a short time; the site itself goes on alone, and what it holds stays there."}
)

func (m members) arg() string { return strings.ToUpper(m.noun) }

func (a *app) suspend(m members) *cobra.Command {
	return a.act(m, "suspend", "Let the "+m.noun+" in no more until it is resumed; its link ends at once",
		"What it observes meanwhile waits there, and comes when it is resumed.", "Suspended.")
}

func (a *app) resume(m members) *cobra.Command {
	return a.act(m, "resume", "Let a suspended "+m.noun+" in again", "It comes back by itself within a minute or two.", "Resumed.")
}

func (a *app) act(m members, verb, short, long, done string) *cobra.Command {
	var body schema.MemberAct
	c := leaf(verb+" "+m.arg(), short, 1, 1, nil)
	c.Long = short + ".\n\n" + long
	c.Flags().StringVar(&body.Reason, "reason", "", "why; it is recorded, and told to whoever is refused because of it")
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := a.client()
		if err != nil {
			return err
		}
		if err := server.call(c.Context(), http.MethodPost, m.path+url.PathEscape(args[0])+"/"+verb, nil, body, nil); err != nil {
			return err
		}
		a.say("%s", done)
		return nil
	}
	return c
}

func (a *app) remove(m members) *cobra.Command {
	return a.endOf("remove "+m.arg(), "End the membership of the "+m.noun+" for good", m.path, m.noun, m.gone)
}

func (a *app) hostsRetire() *cobra.Command {
	c := a.endOf("retire HOST", "Take a host out of the directory for good, here and at every tier", "/hosts/", "host",
		"Retired. Its agent is refused from now on; to have the host back, enroll it anew.")
	c.Long = c.Short + ".\n\nIts row, open commands and alerts go, and the membership of its agent ends. A controller asks the host's site, which must be\n" +
		"reachable; else run this at the site. What a gateway still reports comes back with its next report."
	return c
}

// endOf is a command that ends something for good, once somebody has agreed.
func (a *app) endOf(use, short, path, noun, gone string) *cobra.Command {
	var yes bool
	var reason string
	c := leaf(use, short, 1, 1, nil)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().StringVar(&reason, "reason", "", "why; it is recorded")
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := a.client()
		if err != nil {
			return err
		}
		if !yes {
			ok, err := a.confirm(c.Context(), fmt.Sprintf("%s %s %s for good?", strings.ToUpper(c.Name()[:1])+c.Name()[1:], noun, fault.Printable(args[0])))
			if err != nil {
				return err
			}
			if !ok {
				return errors.New("nothing was done")
			}
		}
		query := url.Values{}
		if reason != "" {
			query.Set("reason", reason)
		}
		if err := server.call(c.Context(), http.MethodDelete, path+url.PathEscape(args[0]), query, nil, nil); err != nil {
			return err
		}
		a.say("%s", gone)
		return nil
	}
	return c
}

func (a *app) agentsRekey() *cobra.Command {
	var body schema.Rekey
	var address string
	c := leaf("rekey AGENT", "Void an agent's key, and print a token with which one machine gets a new one", 1, 1, nil)
	c.Long = c.Short + ".\n\nFor an agent whose key two machines use, as after the copy of a disk: the machine that uses the token is the host from\n" +
		"then on, as its next life, and every other machine with the old key stays refused. Enroll those as new hosts, each with a\n" +
		"token of its own and an empty data folder."
	f := a.formatted(c)
	c.Flags().Var(span{&body.TTL}, "ttl", "how long the token holds, as in 90m or 2d; 24h if absent")
	c.Flags().StringVar(&address, "site-url", "", "how the agent reaches this site, for the command that is printed")
	c.RunE = func(c *cobra.Command, args []string) error {
		return a.memberToken(c, f, "/agents/"+url.PathEscape(args[0])+"/rekey", body, address, joinAgent)
	}
	return c
}

// copies lists machines that are refused as copies.
func copies(list []schema.Clone) string {
	var out []string
	for _, c := range list {
		out = append(out, c.Remote)
	}
	return strings.Join(out, " ")
}
