package cli

import (
	"strings"
	"testing"

	"github.com/skerryhq/skerry/ui/schema"
)

func TestAuthorityForAPerson(t *testing.T) {
	const acme = "/api/v1/advisories/authorities/acme"
	a, out, asked := recorded(t, map[string]any{
		"/api/v1/advisories/authorities": []schema.Authority{
			{Source: "debian", Ecosystems: []string{"Debian"}, BuiltIn: true}, {Source: "nvd", BuiltIn: true}, {Source: "acme", Ecosystems: []string{"*"}},
		},
		acme: schema.AuthorityDone{Authority: schema.Authority{Source: "acme", Ecosystems: []string{"Debian", "npm"}}, JudgedN: 301},
		"/api/v1/advisories/sources": []schema.AdvisorySource{
			{Name: "vendor", Kind: "csaf", Of: "vendor", State: "current", Read: 9, OutsideN: 7, Warning: "7 records name ecosystems"},
		},
	})
	for _, c := range []struct {
		args, path string
		says       []string
	}{
		{"authority list", "/api/v1/advisories/authorities", []string{"debian", "built in", "no packages", "every ecosystem", "an operator"}},
		{"authority set acme Debian npm", acme, []string{"301 records judged again", "Debian, npm"}},
		{"authority reset acme", acme, []string{"301 records judged again"}},
		{"sources", "/api/v1/advisories/sources", []string{"vendor is current, but 7 records name ecosystems", "skerry advisories authority set vendor ECOSYSTEM..."}},
		{"sources -o wide", "/api/v1/advisories/sources", []string{"OUTSIDE"}},
	} {
		*asked = nil
		out.Reset()
		if code := a.run(t.Context(), append([]string{"advisories"}, strings.Fields(c.args)...)); code != 0 {
			t.Fatalf("%s: exit code %d: %s", c.args, code, out)
		}
		if got := (*asked)[0].Path; got != c.path {
			t.Errorf("%s asks %q, want %q", c.args, got, c.path)
		}
		for _, s := range c.says {
			if !strings.Contains(out.String(), s) {
				t.Errorf("%s does not say %q:\n%s", c.args, s, out)
			}
		}
	}
	for _, args := range []string{"authority set acme", "authority reset", "authority list now", "authority set Vendor npm", "authority reset a/b"} {
		if code := a.run(t.Context(), append([]string{"advisories"}, strings.Fields(args)...)); code != exitUsage {
			t.Errorf("%s: exit code %d", args, code)
		}
	}
}
