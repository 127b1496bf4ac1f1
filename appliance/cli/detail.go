package cli

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// unmatched stands for the exposure of what was never compared with any advisory.
const unmatched = "not matched yet"

// detailRows is how many rows of each list a person is shown who has not asked for all.
const detailRows = 40

// contents says in one line what a detail holds.
func contents(d schema.HostDetail) string {
	text := fmt.Sprintf("%s %s, %s %s, ", grouped(len(d.Packages)), plural(len(d.Packages), "package"),
		grouped(len(d.Certificates)), plural(len(d.Certificates), "certificate"))
	if d.Host.AsOf.Exposure == nil {
		return text + "findings " + unmatched + "."
	}
	distinct := map[string]bool{}
	for _, x := range d.Findings {
		distinct[x.Vulnerability] = true
	}
	things := "vulnerabilities"
	if len(distinct) == 1 {
		things = "vulnerability"
	}
	return text + fmt.Sprintf("%s %s in %s %s.", grouped(len(d.Findings)), plural(len(d.Findings), "finding"), grouped(len(distinct)), things)
}

// hostDetail prints what only the site holds of a host, the worst findings first.
func (a *app) hostDetail(d schema.HostDetail, all bool) {
	// section prints one list as a table with its number of rows and its age, and says what is left out.
	section := func(title string, n int, asOf any, head []string, row func(i int) []any) {
		fmt.Fprintf(a.out, "\n%s: %s, as of %s\n", title, grouped(n), cell(asOf, false))
		shown := n
		if !all {
			shown = min(n, detailRows)
		}
		if n == 0 {
			return
		}
		v := view{head: head}
		for i := range shown {
			v.add("", row(i)...)
		}
		a.table(v, false)
		if n > shown {
			fmt.Fprintf(a.out, "and %s more: --all shows them, -o json has everything\n", grouped(n-shown))
		}
	}
	if d.Host.AsOf.Exposure == nil && len(d.Findings) == 0 {
		fmt.Fprintf(a.out, "\nFindings: %s\n", unmatched)
	} else {
		found := slices.Clone(d.Findings)
		slices.SortStableFunc(found, func(x, y schema.Finding) int {
			return cmp.Or(bySeverity(x.Severity, y.Severity), cmp.Compare(x.Vulnerability, y.Vulnerability), cmp.Compare(x.Package, y.Package))
		})
		section("Findings", len(found), d.Host.AsOf.Exposure, []string{"VULNERABILITY", "SEVERITY", "VERDICT", "PACKAGE", "VERSION", "FIXED IN", "ADVISORY"}, func(i int) []any {
			x := found[i]
			pkg := x.Package
			if x.SourcePackage != "" && x.SourcePackage != x.Package {
				pkg += " (" + x.SourcePackage + ")"
			}
			return []any{x.Vulnerability, rated(x.Severity), verdict(x.Verdict), pkg, x.Version, x.Fixed, x.Source + "/" + x.Advisory}
		})
	}
	section("Certificates", len(d.Certificates), d.Host.AsOf.Certificates, []string{"SUBJECT", "NOT AFTER", "ISSUER", "NAMES", "PATH"}, func(i int) []any {
		x := d.Certificates[i]
		return []any{x.Subject, x.NotAfter, x.Issuer, x.Names, x.Path}
	})
	section("Packages", len(d.Packages), d.Host.AsOf.Packages, []string{"PACKAGE", "VERSION", "ARCH", "SOURCE", "SOURCE VERSION", "BY"}, func(i int) []any {
		x := d.Packages[i]
		return []any{x.Name, x.Version, x.Arch, x.Source, x.SourceVersion, x.Manager}
	})
}

// severityOrder has the worst first, as the sites' roll-ups have.
var severityOrder = []string{"critical", "high", "medium", "low", "none", "unknown"}

// bySeverity compares two severities, the worse one first; words that are not known come last.
func bySeverity(x, y string) int {
	place := func(s string) int {
		if i := slices.Index(severityOrder, s); i >= 0 {
			return i
		}
		return len(severityOrder)
	}
	return cmp.Compare(place(x), place(y))
}

// rated is a severity as tables show it: "unknown" would read as if this server did not know.
func rated(severity string) string {
	if severity == "unknown" {
		return "unrated"
	}
	return severity
}

// verdict is a finding's verdict as tables show it.
func verdict(v string) string {
	if v == string(model.VerdictUnknown) {
		return "uncertain"
	}
	return v
}

// grouped returns n with a comma between thousands.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
