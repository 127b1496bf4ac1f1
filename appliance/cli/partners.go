package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// The commands here are about the origins of bundles: partners, the controller of a site, other sites. Those of a controller's own
// sites stand beside them under the same name.

func (a *app) listPartners(c *cobra.Command, f *format) error {
	var all []schema.Partner
	if err := a.get(c, f, "/federation/sites", nil, &all); err != nil {
		return err
	}
	return f.print(all, func() view { return partnerTable(all...) })
}

func partnerTable(all ...schema.Partner) view {
	v := view{
		head: []string{"SITE ID", "STATUS", "LAST SYNC", "CURSOR"},
		wide: []string{"BUNDLES", "ITEMS", "DISPLAY NAME", "LARGEST BUNDLE", "SOURCES", "SKIP SIGNATURE", "ID"},
	}
	for _, p := range all {
		var last any = "never"
		if p.LastSyncAt != nil {
			last = p.LastSyncAt
		}
		var most any
		if p.MaxBundle > 0 {
			most = sizeText(p.MaxBundle)
		}
		v.add(p.Name, p.Name, strings.ReplaceAll(p.Status, "_", " "), last, p.LastCursor, p.BundlesN, p.ItemsN, p.DisplayName, most, p.AllowedSources, p.SkipSignature, p.SiteID)
	}
	return v
}

func sizeText(n int64) string { s := size(n); return s.String() }

// policyFlags are what can be said of an origin.
type policyFlags struct {
	name            string
	enabled, unsafe bool
	most            size
	sources         []string
}

func (p *policyFlags) on(c *cobra.Command) {
	c.Flags().StringVar(&p.name, "display-name", "", "what people call it")
	c.Flags().BoolVar(&p.enabled, "enabled", true, "whether its bundles are imported; --enabled false or --enabled=false disables it")
	c.Flags().Var(&p.most, "max-bundle-size", "the largest file that is taken of it, as in 100MB; 0: as of everybody")
	c.Flags().StringSliceVar(&p.sources, "allowed-sources", nil, "sources that it may speak for, with commas between them; empty: all")
	c.Flags().BoolVar(&p.unsafe, "skip-signature-on-trusted", false, "allow imports of it without a signature that holds, where that is asked for")
}

// body is what was said.
func (p *policyFlags) body(c *cobra.Command, rest []string) (schema.PartnerPut, error) {
	var body schema.PartnerPut
	if len(rest) > 0 { // a flag of yes or no takes its word only behind =; people write it apart
		word := rest[0]
		if len(rest) > 1 || word != "true" && word != "false" || !c.Flags().Changed("enabled") {
			return body, usagef("%s: %q is one argument too many; usage: %s", c.CommandPath(), word, c.UseLine())
		}
		p.enabled = word == "true"
	}
	if c.Flags().Changed("display-name") {
		body.DisplayName = &p.name
	}
	if c.Flags().Changed("enabled") {
		body.Enabled = &p.enabled
	}
	if c.Flags().Changed("max-bundle-size") {
		most := int64(p.most)
		body.MaxBundle = &most
	}
	if c.Flags().Changed("allowed-sources") {
		sources := p.sources
		if sources == nil {
			sources = []string{}
		}
		body.AllowedSources = &sources
	}
	if c.Flags().Changed("skip-signature-on-trusted") {
		body.SkipSignature = &p.unsafe
	}
	return body, nil
}

func (a *app) sitesAdd() *cobra.Command {
	var p policyFlags
	c := leaf("add NAME", "Let bundles of a site or another federation be imported here, by the name that they carry", 1, 2, nil)
	c.Long = c.Short + ".\n\nAs long as nobody is named, bundles of everybody whose signature is trusted are imported; from then on only of those who are\n" +
		"(and of this server's own controller). `sites enroll` adds a site below this controller; this does not."
	f := a.formatted(c)
	p.on(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if !model.IsName(args[0]) { // whoever is named shuts out everybody else
			return usagef("%q is no name that a bundle could carry: want 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit, or an id", fault.Clip(args[0], 64))
		}
		return a.putPartner(c, f, &p, args)
	}
	return c
}

func (a *app) sitesPolicy() *cobra.Command {
	var p policyFlags
	c := leaf("policy NAME", "Change what is allowed of the bundles of a site; what is not named stays", 1, 2, nil)
	f := a.formatted(c)
	p.on(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if c.Flags().NFlag() == 0 {
			return usagef("say what to change, as in --max-bundle-size 100MB; `%s --help` shows the flags", c.CommandPath())
		}
		if err := f.check(); err != nil {
			return err
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		var known schema.Partner // a slip in the name would make another site, and shut this one out
		if err := server.call(c.Context(), http.MethodGet, "/federation/sites/"+url.PathEscape(args[0]), nil, nil, &known); err != nil {
			if fault.KindOf(err) == fault.NotFound {
				return fmt.Errorf("%w; `skerry sites add %s` makes one", err, fault.Printable(args[0]))
			}
			return err
		}
		return a.putPartner(c, f, &p, args)
	}
	return c
}

func (a *app) putPartner(c *cobra.Command, f *format, p *policyFlags, args []string) error {
	body, err := p.body(c, args[1:])
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	server, err := a.client()
	if err != nil {
		return err
	}
	var done schema.Partner
	if err := server.call(c.Context(), http.MethodPut, "/federation/sites/"+url.PathEscape(args[0]), nil, body, &done); err != nil {
		return err
	}
	if done.OnlyNamed {
		a.say("From now on only bundles of sites that are named here are imported, and of this server's own controller; `skerry sites list --federation` shows them.")
	}
	for _, name := range done.ShutOut {
		a.say("%s is shut out by that: bundles of it were imported before. `skerry sites add %s` lets them in again.", fault.Printable(name), fault.Printable(name))
	}
	if f.kind == "table" {
		return f.print(done, func() view { return settingsOf(done) })
	}
	return f.print(done, func() view { return partnerTable(done) })
}

// settingsOf is all that is said of the bundles of an origin.
func settingsOf(p schema.Partner) view {
	v := view{names: []string{p.Name}}
	row := func(name string, value any) { v.rows = append(v.rows, []any{name, value}) }
	row("Site", p.Name)
	if p.DisplayName != "" {
		row("Display name", p.DisplayName)
	}
	row("Status", strings.ReplaceAll(p.Status, "_", " "))
	if p.Reason != "" {
		row("Reason", p.Reason)
	}
	most := "as of everybody"
	if p.MaxBundle > 0 {
		most = sizeText(p.MaxBundle)
	}
	row("Largest bundle", most)
	if len(p.AllowedSources) > 0 {
		row("Allowed sources", p.AllowedSources)
	} else {
		row("Allowed sources", "all")
	}
	row("Skip signature", p.SkipSignature)
	return v
}

func (a *app) sitesStatus() *cobra.Command {
	c := leaf("status NAME", "How far the bundles of a site were imported here, and what is allowed of them", 1, 1, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var status struct {
			schema.Partner
			LocalCursor string `json:"local_cursor"`
		}
		if err := a.get(c, f, "/federation/sites/"+url.PathEscape(args[0]), nil, &status.Partner); err != nil {
			return err
		}
		var sync schema.SyncStatus
		if err := a.get(c, f, "/federation/sync/status", nil, &sync); err != nil {
			return err
		}
		status.LocalCursor = sync.LocalCursor
		return f.print(status, func() view {
			p := status.Partner
			v := settingsOf(p)
			row := func(name string, value any) { v.rows = append(v.rows, []any{name, value}) }
			row("ID", p.SiteID)
			if p.LastSyncAt == nil {
				row("Last sync", "never")
			} else {
				row("Last sync", p.LastSyncAt)
			}
			row("Remote cursor", p.LastCursor)
			row("Local cursor", status.LocalCursor)
			row("Bundles imported", p.BundlesN)
			row("Items imported", p.ItemsN)
			return v
		})
	}
	return c
}

func (a *app) sitesHistory() *cobra.Command {
	var limit int
	c := leaf("history NAME", "The bundles of a site that were imported here, newest first", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().IntVar(&limit, "limit", 20, "how many to show, at most 1000")
	c.RunE = func(c *cobra.Command, args []string) error {
		if limit < 1 || limit > 1000 {
			return usagef("--limit: want 1 to 1000")
		}
		var all []schema.ImportRecord
		query := url.Values{"limit": {fmt.Sprint(limit)}}
		if err := a.get(c, f, "/federation/sites/"+url.PathEscape(args[0])+"/history", query, &all); err != nil {
			return err
		}
		return f.print(all, func() view {
			v := view{
				head: []string{"IMPORTED", "CURSOR", "CREATED", "UPDATED", "DELETED", "CONFLICTS", "NOTE", "BUNDLE"},
				wide: []string{"FROM", "EDGES", "RECORDS CREATED", "UPDATED", "SKIPPED", "SIGNER"},
			}
			for _, i := range all {
				var notes []string
				if i.Forced {
					notes = append(notes, "forced")
				}
				if i.Unsigned {
					notes = append(notes, "unsigned")
				}
				if i.LeftOutN > 0 {
					notes = append(notes, fmt.Sprintf("%d left out", i.LeftOutN))
				}
				n := i.Counts
				v.add(i.BundleHash, i.At, i.Cursor, n.CanonicalCreated, n.CanonicalUpdated, n.Deleted, i.ConflictN, notes, i.BundleHash,
					i.From, n.EdgesAdded, n.Created, n.Updated, n.Skipped, i.Signer)
			}
			return v
		})
	}
	return c
}

func (a *app) sitesForget() *cobra.Command {
	c := leaf("forget NAME", "Take back what was said of the bundles of a site; what was imported of it stays", 1, 1, nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		server, err := a.client()
		if err != nil {
			return err
		}
		if err := server.call(c.Context(), http.MethodDelete, "/federation/sites/"+url.PathEscape(args[0]), nil, nil, nil); err != nil {
			return err
		}
		a.say("Nothing is said of %s any more.", fault.Printable(args[0]))
		return nil
	}
	return c
}
