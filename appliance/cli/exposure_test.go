package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/ui/schema"
)

// What is asked for, and what a person reads of the answers.
func TestExposureForAPerson(t *testing.T) {
	day := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	epss := 0.943
	open := schema.Standing{Finding: schema.Finding{Vulnerability: "CVE-2026-0001", Severity: "high", Package: "curl", Version: "1", Fixed: "2", Verdict: "affected"}, KnownExploited: true, EPSS: &epss}
	doubt := schema.Standing{Finding: schema.Finding{Vulnerability: "X-2", Severity: "unknown", Package: "odd", Version: "?", Verdict: "unknown", Reason: "no order"}}
	taken := schema.Standing{Finding: schema.Finding{Vulnerability: "X-3", Severity: "low", Package: "odd", Version: "?", Verdict: "affected"}, Accepted: &schema.AcceptedBy{By: "ann", Reason: "no route", Until: day}}
	closed := schema.Standing{Finding: schema.Finding{Vulnerability: "X-4", Severity: "low", Package: "odd", Version: "?", Verdict: "suppressed", Reason: "not affected"}}
	row := schema.FleetRow{SiteID: "s", Site: "berlin", HostID: "h", Hostname: "web-1"}
	a, out, asked := recorded(t, map[string]any{
		"/api/v1/hosts/web-1/exposure":       schema.HostExposure{Open: 2, Findings: []schema.Standing{open, doubt, taken, closed}},
		"/api/v1/exposure/cve/CVE-2026-0001": schema.ExposedWhere{Gathered: schema.Gathered{AnsweredN: 1, PartialN: 1, Partial: []schema.SiteSilence{{Site: "oslo", Reason: "oslo has no link"}}}, Hosts: []schema.ExposedAt{{FleetRow: row, Standing: open}, {FleetRow: row, Standing: taken}}},
		"/api/v1/exposure/diff":              schema.ExposureDiff{Changes: []schema.ExposureChange{{FleetRow: row, At: day, Change: "closed", Why: "package upgraded", From: "1", To: "2", Finding: open.Finding}}},
		"/api/v1/exposure/acceptances":       []schema.Acceptance{{ID: "i", Vulnerability: "X-3", State: "invalid", Flaw: "nobody signed it", Until: day, By: "ann", Reason: "no route"}},
		"/api/v1/exposure":                   []schema.Exposure{{Site: "berlin", AsOf: &day, Top: []schema.TopEntry{{Vulnerability: "CVE-2026-0001", Severity: "high", Hosts: 3, KnownExploited: true, EPSS: 0.9432}}}},
	})
	for _, c := range []struct {
		args, asks string
		says, not  []string
	}{
		{"host web-1", "limit=500", []string{"CVE-2026-0001", "yes", "0.943", "uncertain", "2 more on this page are accepted or suppressed"}, []string{"X-3", "X-4", "WHY"}},
		{"host web-1 --all -o wide", "limit=500", []string{"accepted", "suppressed", "by ann until 2026-11-22: no route", "no order", "not affected"}, nil},
		{"cve CVE-2026-0001 --site berlin --query os:debian", "limit=500&q=os%3Adebian&site=berlin", []string{"web-1", "berlin", "accepted", "1 of 2 sites did not answer", "oslo has no link"}, nil},
		{"diff --since 30d --host web-1", "from=30d&host=web-1&limit=500", []string{"closed", "package upgraded", "2026-11-22"}, nil},
		{"diff --until 1d -o name", "from=7d&limit=500&to=1d", []string{"h\n"}, []string{"package upgraded"}},
		{"accepted", "", []string{"invalid", "no route"}, nil},
		{"list", "", []string{"KNOWN EXPLOITED", "0.943"}, nil},
	} {
		*asked = nil
		out.Reset()
		if code := a.run(t.Context(), append([]string{"exposure"}, strings.Fields(c.args)...)); code != 0 {
			t.Fatalf("%s: exit code %d: %s", c.args, code, out)
		}
		if got := (*asked)[len(*asked)-1].RawQuery; got != c.asks {
			t.Errorf("%s asks %q, want %q", c.args, got, c.asks)
		}
		for _, s := range c.says {
			if !strings.Contains(out.String(), s) {
				t.Errorf("%s does not say %q:\n%s", c.args, s, out)
			}
		}
		for _, s := range c.not {
			if strings.Contains(out.String(), s) {
				t.Errorf("%s says %q:\n%s", c.args, s, out)
			}
		}
	}
	for _, args := range []string{"accept X", "accept X --until 9d", "accept X --reason r", "host", "diff now", "revoke"} {
		*asked = nil
		if code := a.run(t.Context(), append([]string{"exposure"}, strings.Fields(args)...)); code != exitUsage || len(*asked) > 0 {
			t.Errorf("%s: exit code %d after %d requests", args, code, len(*asked))
		}
	}
}
