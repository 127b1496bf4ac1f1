package cli

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) hosts() *cobra.Command {
	return a.group("hosts", "The hosts of all sites", a.hostsList(), a.hostsGet())
}

func (a *app) hostsList() *cobra.Command {
	var q, site, status, after string
	var limit int
	var all bool
	c := leaf("list", "Find hosts by a part of the name or address, by site, by status", 0, 0, nil)
	f := a.formatted(c)
	c.Flags().StringVarP(&q, "query", "q", "", "part of a host name, FQDN or address")
	c.Flags().StringVar(&site, "site", "", "only hosts of this site")
	c.Flags().StringVar(&status, "status", "", "only hosts that are up, down or unknown")
	c.Flags().IntVar(&limit, "limit", 100, "rows to print, at most 1000")
	c.Flags().StringVar(&after, "after", "", "continue after this id")
	c.Flags().BoolVar(&all, "all", false, "all pages")
	c.RunE = func(c *cobra.Command, _ []string) error {
		query := url.Values{"limit": {strconv.Itoa(limit)}}
		for name, v := range map[string]string{"q": q, "site": site, "status": status, "after": after} {
			if v != "" {
				query.Set(name, v)
			}
		}
		if all {
			query.Set("limit", "1000")
		}
		var page schema.Hosts
		if err := a.get(c, f, "/hosts", query, &page); err != nil {
			return err
		}
		for all && page.Next != "" {
			query.Set("after", page.Next)
			var next schema.Hosts
			if err := a.get(c, f, "/hosts", query, &next); err != nil {
				return err
			}
			page.Hosts, page.Next, page.Total = append(page.Hosts, next.Hosts...), next.Next, next.Total
		}
		err := f.print(page, func() view { return hostTable(page.Hosts) })
		if err == nil && page.Next != "" && f.kind != "json" && f.kind != "yaml" {
			a.say("%d of %d hosts; the next page: --after %s (or --all)", len(page.Hosts), page.Total, page.Next)
		}
		return err
	}
	return c
}

func hostTable(hosts []schema.Host) view {
	v := view{
		head: []string{"HOST", "SITE", "STATUS", "SYSTEM", "ADDRESS", "PACKAGES", "CRITICAL", "HIGH", "LAST SEEN", "ID"},
		wide: []string{"STATUS AS OF", "FACTS AS OF", "PACKAGES AS OF", "CERTIFICATES AS OF", "EXPOSURE AS OF", "KERNEL", "ARCH", "TAGS", "REASON"},
	}
	for _, h := range hosts {
		var critical, high any
		if h.AsOf.Exposure != nil {
			critical, high = h.Exposure.Critical, h.Exposure.High
		}
		v.add(h.ID, h.Hostname, h.Site, h.Status, system(h.OS), firstAddress(h), h.PackageN, critical, high,
			h.LastSeen, h.ID, h.AsOf.Status, h.AsOf.Facts, h.AsOf.Packages, h.AsOf.Certificates, h.AsOf.Exposure, h.Kernel, h.Arch, h.Tags, h.StatusReason)
	}
	return v
}

func system(os schema.OS) string { return strings.TrimSpace(os.ID + " " + os.Version) }

func firstAddress(h schema.Host) string {
	if all := append(h.IPv4[:len(h.IPv4):len(h.IPv4)], h.IPv6...); len(all) > 0 {
		return all[0]
	}
	return ""
}

func (a *app) hostsGet() *cobra.Command {
	var detail, all bool
	c := leaf("get HOST", "One host, by id or unique host name, each value with its as-of time", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().BoolVar(&detail, "detail", false, "ask the host's site for its packages, certificates and findings")
	c.Flags().BoolVar(&all, "all", false, "with --detail: every row of the lists, not only the first of each")
	c.RunE = func(c *cobra.Command, args []string) error {
		path := "/hosts/" + url.PathEscape(args[0])
		if !detail {
			var h schema.Host
			if err := a.get(c, f, path, nil, &h); err != nil {
				return err
			}
			return f.print(h, func() view { return hostView(h) })
		}
		var d schema.HostDetail
		if err := a.get(c, f, path+"/detail", nil, &d); err != nil {
			return err
		}
		if f.kind != "table" && f.kind != "wide" {
			return f.print(d, func() view { return hostView(d.Host) })
		}
		fmt.Fprintf(a.out, "Answered by site %s at %s.\n%s\n\n", fault.Printable(d.AnsweredBy), when(&d.AnsweredAt), contents(d))
		a.table(hostView(d.Host), false)
		a.hostDetail(d, all)
		return nil
	}
	return c
}

func hostView(h schema.Host) view {
	v := view{head: []string{"VALUE", "", "AS OF"}, names: []string{h.ID}}
	row := func(cells ...any) { v.rows = append(v.rows, cells) }
	facts := h.AsOf.Facts
	row("ID", h.ID, nothing{})
	row("Site", h.Site, nothing{})
	row("Status", h.Status, h.AsOf.Status)
	if h.StatusReason != "" {
		row("Reason", h.StatusReason, nothing{})
	}
	row("Last seen", h.LastSeen, nothing{})
	row("Host name", h.Hostname, facts)
	row("FQDN", h.FQDN, facts)
	row("IPv4", h.IPv4, facts)
	row("IPv6", h.IPv6, facts)
	row("MAC", h.MAC, facts)
	row("System", h.OS.Name, facts)
	row("System version", h.OS.Version, facts)
	row("Kernel", h.Kernel, facts)
	row("Architecture", h.Arch, facts)
	row("Up since", h.BootedAt, facts)
	row("Reboot needed", h.RebootNeeded, facts)
	row("Tags", h.Tags, facts)
	row("Agent", h.AgentVersion, facts)
	if h.Simulated {
		row("Simulated", "yes", facts)
	}
	row("Packages", h.PackageN, h.AsOf.Packages)
	row("Certificates", h.CertificateN, h.AsOf.Certificates)
	row("Next certificate expiry", h.NextCertExpiry, h.AsOf.Certificates)
	if h.AsOf.Exposure == nil {
		row("Exposure", unmatched, nothing{}) // which is not the same as nothing found
	} else {
		row("Exposure", severities(h.Exposure), h.AsOf.Exposure)
	}
	return v
}
