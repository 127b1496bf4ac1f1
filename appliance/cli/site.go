package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/appliance/site"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) site() *cobra.Command {
	return a.group("site", "This machine's site server: its clock, and its stores when a disk has failed", a.siteClock(), a.siteRebuild())
}

// rebuilt is what `skerry site rebuild` prints.
type rebuilt struct {
	Stores []struct {
		Store string `json:"store"`
		Why   string `json:"why"`
	} `json:"stores"`
	Kept     string `json:"kept,omitempty"`
	Epoch    uint32 `json:"epoch,omitempty"`
	Members  int    `json:"members"`
	Hosts    int    `json:"hosts"`
	Accounts int    `json:"accounts"`
	Registry string `json:"registry,omitempty"` // why its copy could not be used
	TookMS   int64  `json:"took_ms"`
}

func (a *app) siteRebuild() *cobra.Command {
	var stores []string
	var yes bool
	c := leaf("rebuild --config FILE", "Make the damaged stores of a site anew", 0, 0, nil)
	c.Long = `Make the damaged stores of a site anew.

The server must not run. Every store is read first; one that is whole is left as it is. A damaged one is moved into a folder beside
it, and made anew when the server starts: the agents send all they have again, and the controller what came down from it. Agents,
accounts, trusted keys, saved searches, alert rules and policies come from a copy that a site keeps of them. What only this site had
and no copy has is lost: with the index its audit record and alerts, with the outbox what had happened and was not yet sent, with the
detail tier its history and outputs.`
	f := a.formatted(c)
	c.Flags().StringSliceVar(&stores, "store", nil, "make this store anew as well, damaged or not: index, outbox, detail")
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		conf, err := a.loadFlag(c)
		if err != nil {
			return err
		}
		if conf.Role != model.RoleSite {
			return usagef("%s configures a %s: a damaged controller is made anew with `skerry cluster rejoin`", a.flagOr(a.config, "SKERRY_CONFIG"), conf.Role)
		}
		if len(stores) > 0 && !yes {
			ok, err := a.confirm(c.Context(), "Make these stores of "+conf.Data+" anew, damaged or not?")
			if err != nil || !ok {
				return err
			}
		}
		done, err := site.Rebuild(c.Context(), conf, stores, a.logger(conf.Log))
		if err != nil {
			return err
		}
		out := rebuilt{Kept: done.Kept, Epoch: uint32(done.Epoch), Members: done.Members, Hosts: done.Hosts, Accounts: done.Accounts, Registry: done.Registry, TookMS: done.Took.Milliseconds()}
		v := view{head: []string{"STORE", "WHY IT WAS MADE ANEW"}}
		for _, s := range done.Stores {
			out.Stores = append(out.Stores, struct {
				Store string `json:"store"`
				Why   string `json:"why"`
			}{s.Name, s.Why})
			v.add(s.Name, s.Name, fault.Printable(s.Why))
		}
		if len(done.Stores) == 0 {
			a.say("Every store is whole: nothing was done (%s).", done.Took.Round(time.Millisecond))
		} else {
			a.say("Put back %d agents, %d hosts and %d accounts. What was there is kept in %s; remove it once this site is well. Start the server now.", done.Members, done.Hosts, done.Accounts, done.Kept)
			if done.Registry != "" {
				a.say("The copy of the registry could not be used (%s): enroll the agents again.", fault.Printable(done.Registry))
			}
		}
		return f.print(out, func() view { return v })
	}
	return c
}

func (a *app) siteClock() *cobra.Command {
	var accept bool
	c := leaf("clock", "What this site thinks of its machine's clock", 0, 0, nil)
	c.Long = `What this site thinks of its machine's clock.

A site never goes by a clock that stands before what is known to have passed, nor by one that is more than 90 days ahead of it with nobody
to vouch for it: the controller does at each link, and an operator by --accept. Until then time goes on from where it was. A clock that is
believed is gone by, whatever the controller's says; how far that one is off is shown.`
	f := a.formatted(c)
	c.Flags().BoolVar(&accept, "accept", false, "take the machine's clock for the truth; the time here never goes back after that")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var st schema.Clock
		if accept {
			if _, err := a.post(c, f, "/node/clock", nil, nil, &st); err != nil {
				return err
			}
		} else if err := a.get(c, f, "/node/clock", nil, &st); err != nil {
			return err
		}
		return f.print(st, func() view {
			v := view{head: []string{"VALUE", ""}}
			v.add("", "Time here", st.Now.UTC().Format(time.RFC3339))
			v.add("", "Machine's clock", st.Wall.UTC().Format(time.RFC3339))
			v.add("", "Judged", st.Judged)
			if st.SkewAt != nil {
				v.add("", "Controller's clock", fmt.Sprintf("%+d s from the time here, %s", st.SkewSeconds, when(st.SkewAt)))
			}
			return v
		})
	}
	return c
}
