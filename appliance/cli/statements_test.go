package cli

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/ui/schema"
)

// Who says what of which product, since when and why, and what of it counts; long lists are cut unless all is asked for.
func TestStatements(t *testing.T) {
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	products := []string{"pkg:deb/debian/a@1", "pkg:deb/debian/b@1", "pkg:deb/debian/c@1", "pkg:deb/debian/d@1", "pkg:deb/debian/e@1"}
	one := schema.Advisory{Source: "vendor", ID: "VEX-1", Modified: &day, Statements: []schema.Statement{
		{Products: products, Status: "not_affected", Justification: "vulnerable_code_not_present", Note: "never built"},
		{Products: products[:1], Status: "fixed", Outside: true},
	}}
	many := schema.Advisory{Source: "other", ID: "VEX-2"}
	for i := range 30 {
		many.Statements = append(many.Statements, schema.Statement{Products: []string{fmt.Sprintf("pkg:npm/p%d@1", i)}, Status: "under_investigation"})
	}
	v := schema.Canonical{ID: "CVE-2026-0001", Records: []schema.Advisory{one, {Source: "silent", ID: "S-1"}, many}}
	a, out, _ := recorded(t, map[string]any{
		"/api/v1/advisories/CVE-2026-0001":         v,
		"/api/v1/advisories/CVE-2026-0001/explain": schema.Explained{ID: "CVE-2026-0001"},
	})
	for _, verb := range []string{"get", "explain"} {
		for _, wide := range []bool{false, true} {
			out.Reset()
			args := []string{"advisories", verb, "CVE-2026-0001"}
			if wide {
				args = append(args, "-o", "wide")
			}
			if code := a.run(t.Context(), args); code != 0 {
				t.Fatalf("%s: exit code %d: %s", args, code, out)
			}
			says, not := []string{`vendor +not affected +pkg:deb/debian/a@1 +2026-03-01T00:00:00Z +vulnerable code not present; never built`, `and 2 more \(-o wide\)`, `vendor +fixed .* closes nothing`, `and 12 more statements`}, []string{"b/debian/d@1", "p18@1"}
			if wide {
				says, not = []string{`vendor/VEX-1 +not affected`, "debian/e@1", "p29@1", `other/VEX-2 +under investigation`}, []string{"more statements"}
			}
			for _, s := range says {
				if !regexp.MustCompile(s).MatchString(out.String()) {
					t.Errorf("%s does not say %q:\n%s", args, s, out)
				}
			}
			for _, s := range not {
				if strings.Contains(out.String(), s) {
					t.Errorf("%s says %q:\n%s", args, s, out)
				}
			}
		}
	}
}
