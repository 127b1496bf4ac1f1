package system

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// TestAloneWithAlertsAndPolicies: a policy comes down and is judged by; then the controller is killed, and the site
// notices by itself that a host went, tells of it, lets somebody look after it, and sees that the host is back.
func TestAloneWithAlertsAndPolicies(t *testing.T) {
	w := newWorld(t)
	addrs, err := local.FreePorts(2)
	w.ok(err)
	w.hq = addrs[0]
	hq := w.server("hq", "controller", w.hq)
	berlin := w.server("berlin", "site", addrs[1], "agents: {interval: 1s}")
	w.enroll("berlin", addrs[1])
	agent, proc := w.agent("berlin", addrs[1], "this-machine")
	w.until("the report at the controller", func() (bool, error) {
		var h schema.Host
		err := w.Ask(w.ctx, "hq", &h, "hosts", "get", agent.ID)
		return err == nil && h.Status == "up" && h.AsOf.Packages != nil, nil
	})

	// A policy of two checks, of which one is about a package that nobody has.
	file := filepath.Join(w.Dir, "baseline.yaml")
	policy := func(where string) {
		w.ok(os.WriteFile(file, []byte(`
name: baseline
kind: compliance_baseline
where: `+where+`
sites: [berlin]
body:
  checks:
    - {id: reports, title: It reports, severity: high, expect: {query: "status:up"}}
    - {id: no-telnet, title: No telnet, severity: medium, expect: {package: {name: telnetd, state: absent}}}
    - {id: agent, title: Its agent, severity: low, where: "simulated:yes", expect: {query: "agent:1"}}
`), 0o600))
		w.run("hq", "skerry", "policies", "put", "-f", file)
	}
	policy(`""`)
	compliance := func(server, want string) {
		t.Helper()
		w.until("a compliance of "+want+" at "+server, func() (bool, error) { return w.hosts(server, "compliance:"+want).Total == 1, nil })
	}
	compliance("hq", "100")
	var p schema.Policy
	w.ask("hq", &p, "policies", "get", "baseline")
	if p.Version != 1 || p.Held == nil || p.Held.Current != 1 || p.HeldBy[0].Site != "berlin" {
		t.Errorf("%+v %+v", p, p.Held)
	}
	policy("os:*")
	w.until("the next version at the site", func() (bool, error) {
		w.ask("hq", &p, "policies", "get", "baseline")
		return p.Version == 2 && p.Held.Current == 1, nil
	})
	var r schema.PolicyResults
	w.ask("hq", &r, "policies", "results", "baseline", "--host", agent.ID, "--all")
	if len(r.Hosts) != 1 || r.Hosts[0].Met != 2 || len(r.Hosts[0].Checks) != 2 || r.Site != "berlin" || r.Version != 2 {
		t.Errorf("%+v", r)
	}
	w.fails("berlin", "skerry", []string{"policies", "delete", "baseline"}, "comes from the controller")
	w.ok(os.WriteFile(file, []byte("name: bad\nkind: compliance_baseline\nbody: {checks: [{id: a, title: a, severity: low, expect: {query: 'stats:up'}}]}\n"), 0o600))
	// points is a refusal that shows the text and a mark below what is wrong with it.
	points := func(server, word string, args ...string) {
		t.Helper()
		r, err := w.CLI(w.ctx, server, "skerry", args...)
		w.ok(err)
		if lines := strings.Split(strings.TrimRight(r.Err, "\n"), "\n"); r.Code == 0 || len(lines) != 3 || !strings.Contains(lines[0], word) || strings.Trim(lines[2], " ~") != "^" {
			t.Errorf("skerry %q: exit %d, %q", args, r.Code, r.Err)
		}
	}
	points("hq", "checks[0].expect.query: there is no field", "policies", "put", "-f", file)
	w.ok(os.WriteFile(file, []byte("name: bad\nkind: compliance_baseline\nbodies: {}\n"), 0o600))
	w.fails("hq", "skerry", []string{"policies", "put", "-f", file}, "bodies")

	// A rule of the controller's, beside those of the site.
	w.run("hq", "skerry", "alerts", "rules", "put", "any-down", "status:down", "--severity", "info")
	points("hq", "did you mean status", "alerts", "rules", "put", "bad", "stats:down")
	points("berlin", "did you mean disk.free", "alerts", "rules", "put", "bad", "--of-site", "disk.fre < 5g")
	var rules []schema.AlertRule
	w.until("the rule at the site", func() (bool, error) {
		w.ask("berlin", &rules, "alerts", "rules", "list")
		return len(rules) == len(alert.Defaults())+1, nil
	})
	i := slices.IndexFunc(rules, func(r schema.AlertRule) bool { return r.Name == "controller:any-down" })
	if i < 0 || rules[i].Origin != "controller" || !slices.IsSortedFunc(rules, func(a, b schema.AlertRule) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("%+v", rules)
	}

	// Alone.
	w.ok(w.End(hq, syscall.SIGKILL))
	w.end(proc)
	var page schema.Alerts
	w.until("two alerts", func() (bool, error) {
		w.ask("berlin", &page, "alerts", "list")
		return len(page.Alerts) == 2, nil
	})
	var a schema.Alert
	for _, x := range page.Alerts {
		if x.Rule == "host-down" {
			a = x
		}
	}
	if a.HostID != agent.ID || a.Severity != "critical" || a.State != "open" || a.Value != "status down" {
		t.Fatalf("%+v", page)
	}
	w.ask("berlin", &a, "alerts", "acknowledge", a.ID, "--note", "on my way")
	if a.State != "acknowledged" || a.AckNote != "on my way" || !strings.HasPrefix(a.AckBy, "local:") {
		t.Errorf("%+v", a)
	}
	compliance("berlin", "50") // the site judges by what it has
	w.ask("berlin", &r, "policies", "results", "baseline")
	if len(r.Hosts) != 1 || len(r.Hosts[0].Checks) != 1 || r.Hosts[0].Checks[0].Check != "reports" || r.Hosts[0].Checks[0].Outcome != "failed" {
		t.Errorf("%+v", r)
	}
	// The site is killed as well, and forgets nothing.
	w.ok(w.End(berlin, syscall.SIGKILL))
	berlin = w.server("berlin", "site", addrs[1], "agents: {interval: 1s}")
	w.ask("berlin", &a, "alerts", "get", a.ID)
	if a.State != "acknowledged" {
		t.Errorf("%+v", a)
	}
	_, err = w.Start("this-machine", "skerry-agent", "run", "--data", filepath.Join(w.Dir, "this-machine"))
	w.ok(err)
	w.until("the end of the alert", func() (bool, error) {
		w.ask("berlin", &a, "alerts", "get", a.ID)
		return a.State == "resolved", nil
	})
	if a.Reason != "cleared" || a.EndBy != "system" || a.AckNote != "on my way" || a.EndAt == nil {
		t.Errorf("%+v", a)
	}
	compliance("berlin", "100")
	w.ask("berlin", &page, "alerts", "list", "--state", "all")
	if len(page.Alerts) != 2 {
		t.Errorf("%+v", page)
	}

	// The controller is back, and asks.
	w.server("hq", "controller", w.hq)
	w.until("no alert at the controller", func() (bool, error) {
		s := w.site("berlin")
		return s.Link == "up" && s.Alerts != nil && s.Alerts.Critical == 0 && s.Alerts.Info == 0 && s.Alerts.Acknowledged == 0, nil
	})
	compliance("hq", "100")
	w.ask("hq", &page, "alerts", "list", "--site", "berlin", "--state", "resolved", "--host", agent.ID)
	if len(page.Alerts) != 2 || page.Site != "berlin" {
		t.Errorf("%+v", page)
	}
	w.fails("hq", "skerry", []string{"alerts", "list"}, "one is asked at a time")
	w.run("hq", "skerry", "policies", "delete", "baseline")
	w.until("a site without the policy", func() (bool, error) {
		var all []schema.Policy
		w.ask("berlin", &all, "policies", "list")
		return len(all) == 0 && w.hosts("hq", "compliance:unknown").Total == 1, nil
	})
	w.end(berlin)
	w.until("a site that is gone", func() (bool, error) { return w.site("berlin").Link == "down", nil })
	w.fails("hq", "skerry", []string{"alerts", "list", "--site", "berlin"}, "cannot be reached", "as of", "Ask again")
}
