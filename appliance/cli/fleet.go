package cli

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) certificates() *cobra.Command {
	var within string
	var ahead bool
	c := leaf("expiring", "Certificates that end soon, the first to end first; a controller asks its sites", 0, 0, nil)
	f := a.formatted(c)
	ask := a.ofSites(c)
	within = (30 * 24 * time.Hour).String()
	c.Flags().Var(span{&within}, "within", "how far ahead, as 30d or 12h")
	c.Flags().BoolVar(&ahead, "ahead", false, "leave out those that have ended already")
	c.RunE = func(c *cobra.Command, _ []string) error {
		query := ask()
		query.Set("within", within)
		query.Set("expired", strconv.FormatBool(!ahead))
		var d schema.CertificatesExpiring
		if err := a.get(c, f, "/certificates/expiring", query, &d); err != nil {
			return err
		}
		a.gathered(f, d.Gathered, len(d.Certificates))
		return f.print(d, func() view {
			v := view{head: []string{"NOT AFTER", "SUBJECT", "HOST", "SITE", "PATH"}, wide: []string{"ISSUER", "CA", "NAMES", "FINGERPRINT", "HOST ID", "AS OF"}}
			for _, x := range d.Certificates {
				v.add(x.HostID, x.NotAfter, x.Subject, x.Hostname, x.Site, x.Path, x.Issuer, x.CA, x.Names, x.Fingerprint, x.HostID, x.AsOf)
			}
			return v
		})
	}
	return a.group("certificates", "The certificates on all hosts", c)
}

func (a *app) packages() *cobra.Command {
	c := leaf("where NAME[<|<=|=|>=|>VERSION]", "The hosts that have a package, or such a version of it; a controller asks its sites", 1, 1, nil)
	f := a.formatted(c)
	ask := a.ofSites(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		name, op, version, err := comparison(args[0])
		if err != nil {
			return err
		}
		query := ask()
		query.Set("name", name)
		if op != "" {
			query.Set("op", op)
			query.Set("version", version)
		}
		var d schema.PackagesWhere
		if err := a.get(c, f, "/packages/where", query, &d); err != nil {
			return err
		}
		a.gathered(f, d.Gathered, len(d.Packages))
		return f.print(d, func() view {
			v := view{head: []string{"HOST", "SITE", "PACKAGE", "VERSION"}, wide: []string{"ARCH", "SOURCE", "SOURCE VERSION", "BY", "HOST ID", "AS OF"}}
			for _, x := range d.Packages {
				v.add(x.HostID, x.Hostname, x.Site, x.Name, x.Version, x.Arch, x.Source, x.SourceVersion, x.Manager, x.HostID, x.AsOf)
			}
			return v
		})
	}
	return a.group("packages", "What is installed on all hosts", c)
}

// comparison reads NAME, or NAME with a comparison and a version.
func comparison(text string) (name, op, version string, err error) {
	i := strings.IndexAny(text, "<=>")
	if i < 0 {
		return text, "", "", nil
	}
	name, version = strings.TrimSpace(text[:i]), text[i:]
	for _, x := range [...][2]string{{"<=", "le"}, {">=", "ge"}, {"<", "lt"}, {">", "gt"}, {"=", "eq"}} {
		if rest, ok := strings.CutPrefix(version, x[0]); ok {
			op, version = x[1], strings.TrimSpace(rest)
			break
		}
	}
	if name == "" || version == "" || strings.ContainsAny(version, "<=>") {
		return "", "", "", usagef("%q is no package with a version: write it as 'openssl<3.0.15', in quotes", text)
	}
	return name, op, version, nil
}

// ofSites gives a command the flags of a question to many sites.
func (a *app) ofSites(c *cobra.Command) func() url.Values {
	var site, search string
	page := paged(c, 500)
	c.Flags().StringVar(&site, "site", "", "the sites to ask, by name or id, with commas between them; all if it is not given")
	c.Flags().StringVar(&search, "query", "", "only hosts that this search finds")
	return func() url.Values {
		query := page()
		if site != "" {
			query.Set("site", site)
		}
		if search != "" {
			query.Set("q", search)
		}
		return query
	}
}

// gathered says on standard error what is missing: also to scripts, whose data has it too.
func (a *app) gathered(f *format, d schema.Gathered, shown int) {
	if d.PartialN > 0 {
		a.say("warning: this is not all: %s of %s sites did not answer", grouped(d.PartialN), grouped(d.PartialN+d.AnsweredN))
		for i, x := range d.Partial {
			if i == 10 {
				a.say("  and %s more; -o json names up to 500", grouped(d.PartialN-10))
				break
			}
			a.say("  %s", fault.Printable(x.Reason))
		}
	}
	if f.kind != "table" && f.kind != "wide" {
		return
	}
	lacking, unordered, noted := 0, 0, 0
	for _, x := range d.Answered {
		if x.Note != "" {
			if noted++; noted <= 10 {
				a.say("  %s: %s", fault.Printable(x.Site), fault.Printable(x.Note))
			}
		}
		lacking += x.Lacking
		unordered += x.Unordered
	}
	if noted > 10 {
		a.say("  and %s more; -o json names them", grouped(noted-10))
	}
	if lacking > 0 {
		hosts, have := "hosts are", "they have"
		if lacking == 1 {
			hosts, have = "host is", "it has"
		}
		a.say("%s %s not in this answer: %s reported no packages or certificates yet, or the site cannot read what was reported", grouped(lacking), hosts, have)
	}
	if unordered > 0 {
		a.say("%s packages of that name are left out: their versions cannot be compared with this one", grouped(unordered))
	}
	if d.Next != "" {
		a.say("%s of %s; the next page: --cursor %s", grouped(shown), grouped(d.Total), fault.Printable(d.Next))
	}
}

func (a *app) auditEvidence() *cobra.Command {
	var site string
	c := leaf("evidence SEQ", "What was kept of something that a site refused, as it came", 1, 1, nil)
	f := a.formatted(c)
	c.Flags().StringVar(&site, "site", "", "at a controller: whose audit entry, by name or id; that site is asked")
	c.RunE = func(c *cobra.Command, args []string) error {
		if n, err := strconv.ParseUint(args[0], 10, 63); err != nil || n == 0 {
			return usagef("%q is no number of an audit entry; `skerry audit list` shows them", args[0])
		}
		query := url.Values{}
		if site != "" {
			query.Set("site", site)
		}
		var d schema.Evidence
		if err := a.get(c, f, "/audit/"+args[0]+"/evidence", query, &d); err != nil {
			return err
		}
		if f.kind == "table" || f.kind == "wide" { // what came may be anything, also what moves a terminal's cursor
			if d.Size > len(d.Body) {
				a.say("the first %s of %s bytes", grouped(len(d.Body)), grouped(d.Size))
			}
			fmt.Fprintln(a.out, fault.Printable(string(d.Body)))
			return nil
		}
		return f.print(d, func() view { v := view{}; v.add(d.Digest); return v })
	}
	return c
}
