package system

import (
	"strings"
	"syscall"
	"testing"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// TestAlertsFromAbove: an alert of a site is acknowledged at its controller while the site is there, and another one resolved
// while it is away, which it does when it is back.
func TestAlertsFromAbove(t *testing.T) {
	w := newWorld(t)
	addrs, err := local.FreePorts(2)
	w.ok(err)
	w.hq = addrs[0]
	w.server("hq", "controller", w.hq)
	berlin := w.server("berlin", "site", addrs[1])
	w.enroll("berlin", addrs[1])
	for _, name := range []string{"first", "second"} {
		w.run("berlin", "skerry", "alerts", "rules", "put", name, "--of-site", "disk.free > 1k")
	}
	var page schema.Alerts
	w.until("two alerts, asked for at the controller", func() (bool, error) {
		err := w.Ask(w.ctx, "hq", &page, "alerts", "list", "--site", "berlin")
		return err == nil && len(page.Alerts) == 2, nil
	})
	first, second := page.Alerts[0].ID, page.Alerts[1].ID

	var d schema.AlertDecision
	w.ask("hq", &d, "alerts", "acknowledge", first, "--site", "berlin", "--note", "seen at HQ")
	if d.State != "done" || d.Row == nil || d.Row.State != "acknowledged" || d.Row.AckNote != "seen at HQ" {
		t.Fatalf("%+v", d)
	}
	w.until("the count at the controller", func() (bool, error) {
		s := w.site("berlin")
		return s.Alerts != nil && s.Alerts.Acknowledged == 1, nil
	})

	w.ok(w.End(berlin, syscall.SIGKILL))
	w.until("the end of the link", func() (bool, error) { return w.site("berlin").Link == "down", nil })
	d = schema.AlertDecision{}
	w.ask("hq", &d, "alerts", "resolve", second, "--site", "berlin")
	if d.State != "waiting" || d.Row != nil {
		t.Fatalf("%+v", d)
	}
	w.server("berlin", "site", addrs[1])
	var a schema.Alert
	w.until("what was decided while the site was away", func() (bool, error) {
		w.ask("berlin", &a, "alerts", "get", second)
		return a.State == "resolved", nil
	})
	if a.Reason != "operator" || !strings.HasPrefix(a.EndBy, "controller:") || !strings.Contains(a.EndBy, " local:") {
		t.Errorf("%+v", a)
	}
	// Both records have both decisions once, with the name of who took them.
	count := func(server, action string) (n int) {
		var all schema.Audit
		w.ask(server, &all, "audit", "list", "--limit", "200")
		for _, e := range all.Entries {
			if e.Action == action && e.OK {
				n++
			}
		}
		return n
	}
	w.until("the word of the site", func() (bool, error) { return count("hq", "alert.resolve.done") == 1, nil })
	for server, actions := range map[string][]string{
		"hq":     {"alert.acknowledge", "alert.acknowledge.done", "alert.resolve", "alert.resolve.done"},
		"berlin": {"alert.acknowledge", "alert.resolve"},
	} {
		for _, action := range actions {
			if n := count(server, action); n != 1 {
				t.Errorf("%s has %s %d times", server, action, n)
			}
		}
	}
}
