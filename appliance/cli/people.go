package cli

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) audit() *cobra.Command {
	var limit int
	var before uint64
	var site string
	c := leaf("list", "The audit record, newest first", 0, 0, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&site, "site", "", "at a controller: the record of that site, by name or id; it is asked")
	c.Flags().IntVar(&limit, "limit", 50, "entries to print, at most 1000")
	c.Flags().Uint64Var(&before, "before", 0, "only entries older than this number")
	c.RunE = func(c *cobra.Command, _ []string) error {
		query := url.Values{"limit": {strconv.Itoa(limit)}}
		if before > 0 {
			query.Set("before", strconv.FormatUint(before, 10))
		}
		if site != "" {
			query.Set("site", site)
		}
		var page schema.Audit
		if err := a.get(c, f, "/audit", query, &page); err != nil {
			return err
		}
		return f.print(page, func() view {
			v := view{head: []string{"SEQ", "AT", "ACTOR", "ACTION", "OBJECT", "OK", "REASON"}, wide: []string{"DETAIL"}}
			for _, e := range page.Entries {
				var detail []string
				for _, k := range slices.Sorted(maps.Keys(e.Detail)) {
					detail = append(detail, k+"="+e.Detail[k])
				}
				v.add(strconv.FormatUint(e.Seq, 10), e.Seq, e.At, e.Actor, e.Action, e.Object, e.OK, e.Reason, detail)
			}
			return v
		})
	}
	return a.group("audit", "Who did what, and what was refused", c, a.auditEvidence())
}

func (a *app) accounts() *cobra.Command {
	list := leaf("list", "Who may log in", 0, 0, nil)
	f := a.formatted(list)
	list.RunE = func(c *cobra.Command, _ []string) error {
		var accounts []schema.Account
		if err := a.get(c, f, "/accounts", nil, &accounts); err != nil {
			return err
		}
		return f.print(accounts, func() view {
			v := view{head: []string{"NAME", "CREATED", "DISABLED"}}
			for _, x := range accounts {
				v.add(x.Name, x.Name, x.CreatedAt, x.Disabled)
			}
			return v
		})
	}
	return a.group("accounts", "Who may log in at a server", list,
		a.accountPassword("add", "Add an account", "new"), a.accountPassword("passwd", "Change the password of an account, which ends its logins", "old"),
		a.accountState("disable", "Let nobody log in with an account, and end its logins", "Account %s may not log in any more; its logins have ended."),
		a.accountState("enable", "Let somebody log in with an account again", "Account %s may log in."),
		a.accountRemove())
}

func (a *app) accountRemove() *cobra.Command {
	var yes bool
	c := leaf("remove NAME", "Remove an account for good, and end its logins", 1, 1, nil)
	c.Long = c.Short + ".\n\nThe last account that may log in stays. What was done with it stays in the audit record, and searches that it saved stay."
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := a.client()
		if err != nil {
			return err
		}
		if !yes {
			ok, err := a.confirm(c.Context(), fmt.Sprintf("Remove account %s for good?", fault.Printable(args[0])))
			if err != nil {
				return err
			}
			if !ok {
				return errors.New("nothing was done")
			}
		}
		if err := server.call(c.Context(), http.MethodDelete, "/accounts/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
			return err
		}
		a.say("Removed account %s; its logins have ended.", fault.Printable(args[0]))
		return nil
	}
	return c
}

// accountPassword gives a password to an account that is not there yet, or to one that is: only says which.
func (a *app) accountPassword(verb, short, only string) *cobra.Command {
	var file string
	c := leaf(verb+" NAME", short, 1, 1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&file, "password-file", "", "file with the password (SKERRY_PASSWORD_FILE); absent: it is asked for")
	c.RunE = func(c *cobra.Command, args []string) error {
		password, err := a.password(c.Context(), file, "New password of "+args[0]+": ")
		if err != nil {
			return err
		}
		var done schema.Account
		_, err = a.post(c, f, "/accounts", url.Values{only: {"true"}}, schema.AccountPut{Name: args[0], Password: password}, &done)
		switch {
		case fault.KindOf(err) == fault.Exists:
			return fmt.Errorf("%w (`skerry accounts passwd %s`)", err, args[0])
		case err != nil:
			return err
		}
		return f.print(done, func() view {
			text := "Account %s may log in."
			if done.Disabled {
				text = "Account %s has the new password, but is disabled."
			}
			v := view{}
			v.add(done.Name, fmt.Sprintf(text, done.Name))
			return v
		})
	}
	return c
}

// accountState changes whether somebody may log in with an account.
func (a *app) accountState(verb, short, says string) *cobra.Command {
	c := leaf(verb+" NAME", short, 1, 1, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var done schema.Account
		if _, err := a.post(c, f, "/accounts/"+url.PathEscape(args[0])+"/"+verb, nil, nil, &done); err != nil {
			return err
		}
		return f.print(done, func() view {
			v := view{}
			v.add(done.Name, fmt.Sprintf(says, done.Name))
			return v
		})
	}
	return c
}
