package cli

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

// drillCommands are the questions that a host's site answers.
func (a *app) drillCommands() []*cobra.Command {
	return []*cobra.Command{a.hostsPackages(), a.hostsCertificates(), a.hostsFacts(), a.hostsHistory()}
}

// paged gives a command the flags of a page.
func paged(c *cobra.Command, usual int) func() url.Values {
	var limit int
	var cursor string
	c.Flags().IntVar(&limit, "limit", usual, "rows to print, at most 5000")
	c.Flags().StringVar(&cursor, "cursor", "", "continue at this place, which the page before names")
	return func() url.Values {
		query := url.Values{"limit": {strconv.Itoa(limit)}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		return query
	}
}

// answered says who answered and for when, and what is missing. It is for people; scripts have it in the data.
func (a *app) answered(f *format, d schema.Answered, shown int) {
	if f.kind != "table" && f.kind != "wide" {
		return
	}
	a.say("answered by site %s at %s, as of %s", fault.Printable(d.AnsweredBy), when(&d.AnsweredAt), cell(d.AsOf, false))
	if d.Lacking != "" {
		a.say("%s", fault.Printable(d.Lacking))
	}
	if d.Next != "" {
		a.say("%s of %s; the next page: --cursor %s", grouped(shown), grouped(d.Total), fault.Printable(d.Next))
	}
}

func (a *app) hostsPackages() *cobra.Command {
	c := leaf("packages HOST", "What is installed on a host, asked of its site", 1, 1, nil)
	f := a.formatted(c)
	page := paged(c, 500)
	c.RunE = func(c *cobra.Command, args []string) error {
		var d schema.HostPackages
		if err := a.get(c, f, "/hosts/"+url.PathEscape(args[0])+"/packages", page(), &d); err != nil {
			return err
		}
		a.answered(f, d.Answered, len(d.Packages))
		return f.print(d, func() view {
			v := view{head: []string{"PACKAGE", "VERSION", "ARCH", "SOURCE", "SOURCE VERSION", "BY"}}
			for _, p := range d.Packages {
				v.add(p.Name, p.Name, p.Version, p.Arch, p.Source, p.SourceVersion, p.Manager)
			}
			return v
		})
	}
	return c
}

func (a *app) hostsCertificates() *cobra.Command {
	c := leaf("certificates HOST", "The certificates on a host and who issued them, asked of its site", 1, 1, nil)
	f := a.formatted(c)
	page := paged(c, 500)
	c.RunE = func(c *cobra.Command, args []string) error {
		var d schema.HostCertificates
		if err := a.get(c, f, "/hosts/"+url.PathEscape(args[0])+"/certificates", page(), &d); err != nil {
			return err
		}
		a.answered(f, d.Answered, len(d.Certificates))
		return f.print(d, func() view { return certificateTable(d.Certificates) })
	}
	return c
}

func certificateTable(list []schema.Certificate) view {
	v := view{
		head: []string{"SUBJECT", "NOT AFTER", "ISSUED BY", "CA", "PATH"},
		wide: []string{"NAMES", "SERIAL", "FINGERPRINT", "ISSUER'S FINGERPRINT"},
	}
	for _, x := range list {
		by := x.Issuer
		switch {
		case x.SelfSigned:
			by = "itself"
		case x.IssuedBy == "":
			by += " (not on this host)"
		}
		v.add(x.Fingerprint, x.Subject, x.NotAfter, by, x.CA, x.Path, x.Names, x.Serial, x.Fingerprint, x.IssuedBy)
	}
	return v
}

func (a *app) hostsFacts() *cobra.Command {
	c := leaf("facts HOST", "Disks, interfaces, services, users and settings of a host, asked of its site", 1, 1, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		var d schema.HostFacts
		if err := a.get(c, f, "/hosts/"+url.PathEscape(args[0])+"/facts", nil, &d); err != nil {
			return err
		}
		a.answered(f, d.Answered, 1)
		return f.print(d, func() view { return factsView(d.Facts) })
	}
	return c
}

// factsView has a row for each thing, with the section that it is of.
func factsView(x schema.OSFacts) view {
	v := view{head: []string{"SECTION", "NAME", "VALUE"}}
	row := func(section, name string, parts ...any) {
		var text []string
		for _, p := range parts {
			if s := strings.TrimSpace(fmt.Sprint(p)); s != "" && s != "0" {
				text = append(text, s)
			}
		}
		if len(text) > 0 || name != "" {
			v.add(name, section, name, strings.Join(text, ", "))
		}
	}
	unit := func(n int64, u string) string {
		if n <= 0 {
			return ""
		}
		return grouped(int(n)) + " " + u
	}
	is := func(yes bool, word string) string {
		if yes {
			return word
		}
		return ""
	}
	row("machine", "", x.DMI.Vendor, x.DMI.Product, x.DMI.Version)
	row("firmware", "", x.DMI.BIOSVendor, x.DMI.BIOSVersion, x.DMI.BIOSDate)
	row("processor", "", x.CPU.Model, unit(int64(x.CPU.Sockets), "sockets"), unit(int64(x.CPU.Cores), "cores"), unit(int64(x.CPU.Threads), "threads"))
	row("time zone", "", x.TimeZone)
	clock := "not known whether it is kept right"
	if s := x.NTP.Synchronised; s != nil {
		clock = map[bool]string{true: "kept right", false: "not synchronised"}[*s]
	}
	row("clock", "", clock, x.NTP.Service)
	for _, m := range x.Mounts {
		row("file system", m.Target, m.Source, m.Type, unit(m.SizeMB, "MiB"), is(m.ReadOnly, "read-only"))
	}
	for _, d := range x.Disks {
		row("disk", d.Name, d.Model, d.Serial, unit(d.SizeMB, "MiB"), is(d.Rotational, "rotating"), is(d.Removable, "removable"))
	}
	for _, i := range x.Interfaces {
		row("interface", i.Name, map[bool]string{true: "up", false: "down"}[i.Up], i.MAC, unit(int64(i.MTU), "bytes MTU"), unit(int64(i.SpeedMbit), "Mbit/s"), strings.Join(i.Addresses, " "))
	}
	for _, s := range x.Services {
		row("service", s.Unit, s.By)
	}
	for _, l := range x.Listeners {
		row("listening", l.Protocol+" "+l.Address+" "+strconv.Itoa(l.Port), l.Process)
	}
	for _, u := range x.Users {
		row("user", u.Name, fmt.Sprint("uid ", u.UID), u.Home, u.Shell)
	}
	for _, s := range x.Sysctls {
		v.add(s.Name, "setting", s.Name, s.Value)
	}
	for _, m := range x.Modules {
		row("module", m)
	}
	for _, s := range x.Cut {
		row("not whole", s)
	}
	return v
}

func (a *app) hostsHistory() *cobra.Command {
	var kind string
	var diff bool
	c := leaf("history HOST [--diff FROM TO]", "What a host had and when that changed, or what differs between two versions, asked of its site", 1, 3, nil)
	f := a.formatted(c)
	page := paged(c, 100)
	c.Flags().StringVar(&kind, "kind", "packages", "packages, certificates or facts")
	c.Flags().BoolVar(&diff, "diff", false, "what turns one version into another; their numbers follow the host")
	c.RunE = func(c *cobra.Command, args []string) error {
		query := page()
		query.Set("kind", kind)
		switch {
		case diff && len(args) != 3:
			return usagef("--diff wants two numbers of versions behind the host: `%s HOST` shows them", c.CommandPath())
		case !diff && len(args) != 1:
			return usagef("%q is one argument too many; two versions are compared with --diff", args[1])
		case diff:
			for i, name := range []string{"from", "to"} {
				if n, err := strconv.ParseUint(args[1+i], 10, 64); err != nil || n == 0 {
					return usagef("%q is no number of a version: `%s HOST` shows them", args[1+i], c.CommandPath())
				}
				query.Set(name, args[1+i])
			}
		}
		var d schema.HostHistory
		if err := a.get(c, f, "/hosts/"+url.PathEscape(args[0])+"/history", query, &d); err != nil {
			return err
		}
		a.answered(f, d.Answered, len(d.Versions))
		if d.Diff != nil {
			return f.print(d, func() view { return diffView(*d.Diff) })
		}
		return f.print(d, func() view {
			v := view{head: []string{"VERSION", "SINCE", "ADDED", "REMOVED", "CHANGED"}, wide: []string{"OBSERVED", "BYTES", "DIGEST"}}
			for _, x := range d.Versions {
				n := strconv.FormatUint(x.N, 10)
				shown := n
				if x.Current {
					shown += " (now)"
				}
				v.add(n, shown, x.At, count(x.Added), count(x.Removed), count(x.Changed), x.AsOf, x.Size, x.Digest)
			}
			return v
		})
	}
	return c
}

// count is a number that may not be known.
func count(n *int) any {
	if n == nil {
		return nil
	}
	return *n
}

func diffView(d schema.HostDiff) view {
	v := view{head: []string{"CHANGE", "WHAT", "FROM", "TO"}}
	if d.OSFrom != "" || d.OSTo != "" {
		v.add("system", "changed", "the system", d.OSFrom, d.OSTo)
	}
	name := func(name, arch string) string {
		if arch == "" {
			return name
		}
		return name + " (" + arch + ")"
	}
	for _, p := range d.ChangedPackages {
		v.add(p.Name, cmp.Or(p.Change, "changed"), name(p.Name, p.Arch), p.From, p.To)
	}
	for _, p := range d.AddedPackages {
		v.add(p.Name, cmp.Or(p.Change, "install"), name(p.Name, p.Arch), nothing{}, p.Version)
	}
	for _, p := range d.RemovedPackages {
		v.add(p.Name, cmp.Or(p.Change, "removal"), name(p.Name, p.Arch), p.Version, nothing{})
	}
	certificate := func(c schema.Certificate) string { return c.Subject + " in " + c.Path }
	for _, c := range d.ChangedCertificates {
		v.add(c.To.Fingerprint, "changed", certificate(c.To), c.From.NotAfter, c.To.NotAfter)
	}
	for _, c := range d.AddedCertificates {
		v.add(c.Fingerprint, "added", certificate(c), nothing{}, c.NotAfter)
	}
	for _, c := range d.RemovedCertificates {
		v.add(c.Fingerprint, "removed", certificate(c), c.NotAfter, nothing{})
	}
	for _, s := range d.Sections {
		v.add(s, "changed", s, nothing{}, nothing{})
	}
	return v
}

// commandsOutput prints what a command printed on a host, as it was printed.
func (a *app) commandsOutput() *cobra.Command {
	c := leaf("output ID HOST", "Everything that a command printed on a host, asked of its site", 2, 2, nil)
	f := a.formatted(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		server, err := a.client()
		if err != nil {
			return err
		}
		id, err := wholeID(c.Context(), server, args[0])
		if err != nil {
			return err
		}
		var d schema.CommandOutput
		var text strings.Builder
		for query := (url.Values{}); ; {
			d = schema.CommandOutput{}
			if err := server.call(c.Context(), "GET", "/commands/"+url.PathEscape(id)+"/output/"+url.PathEscape(args[1]), query, nil, &d); err != nil {
				return err
			}
			text.WriteString(d.Text)
			if d.Next == "" || d.Text == "" {
				break
			}
			query.Set("cursor", d.Next)
		}
		d.Text, d.Offset = text.String(), 0
		if f.kind != "table" && f.kind != "wide" {
			return f.print(d, func() view { return view{names: []string{d.Command}} })
		}
		a.answered(f, d.Answered, len(d.Text))
		if d.Size > int64(d.Total) {
			a.say("the command printed %s bytes, of which the first %s were kept", grouped(int(d.Size)), grouped(d.Total))
		}
		_, err = io.WriteString(a.out, printableLines(d.Text))
		return err
	}
	return c
}

// printableLines is foreign text as a terminal may have it: its lines, without what else would move the cursor.
func printableLines(s string) string {
	if s == "" {
		return ""
	}
	lines := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = fault.Printable(strings.TrimSuffix(l, "\r"))
	}
	return strings.Join(lines, "\n") + "\n"
}
