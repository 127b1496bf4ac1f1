package cli

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) hosts() *cobra.Command {
	return a.group("hosts", "The hosts of all sites: search, count, export and watch them",
		append([]*cobra.Command{a.hostsList(), a.hostsGet(), a.hostsCount(), a.hostsFacets(), a.hostsGroup(), a.hostsExport(), a.hostsFields(), a.hostsRetire()}, a.drillCommands()...)...)
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
	if where := placeOf(h); where != "" {
		row("Place", where, nothing{})
	}
	row("Status", h.Status, h.AsOf.Status)
	if h.StatusReason != "" {
		row("Reason", h.StatusReason, nothing{})
	}
	row("Last seen", h.LastSeen, nothing{})
	row("First seen", h.FirstSeen, nothing{})
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
	row("Processors", positive(h.CPUs), facts)
	row("Memory in MB", positive(h.MemoryMB), facts)
	row("Serial number", h.Serial, facts)
	row("Owner", h.Owner, facts)
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
		row("Worst severity", h.Worst, h.AsOf.Exposure)
	}
	if h.Updates != nil {
		row("Pending updates", *h.Updates, h.AsOf.Exposure)
	}
	if h.Compliance != nil {
		row("Compliance", fmt.Sprintf("%g %%", *h.Compliance), nothing{})
	}
	return v
}

// placeOf says where a host's site is.
func placeOf(h schema.Host) string {
	var parts []string
	for _, p := range []string{h.City, h.Country, h.Region} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ", ")
}

// positive is n, or nothing where it is not known.
func positive(n int) any {
	if n <= 0 {
		return nil
	}
	return n
}
