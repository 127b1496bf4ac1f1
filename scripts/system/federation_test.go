package system

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/audit"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/ui/schema"
)

// TestFederation is the whole journey: enroll, report, match, command, and a controller that is killed
// in the middle of it. At the end both sides' stores are opened and compared, row by row.
func TestFederation(t *testing.T) {
	w := newWorld(t)
	addrs, err := local.FreePorts(3)
	w.ok(err)
	w.hq = addrs[0]
	berlinAddr, osloAddr := addrs[1], addrs[2]
	hq := w.server("hq", "controller", w.hq)
	const quick = "agents: {interval: 1s}" // an agent is down after three seconds of silence
	berlin := w.server("berlin", "site", berlinAddr, quick)
	oslo := w.server("oslo", "site", osloAddr)

	// The configuration that is printed is the one that is in force, and valid itself.
	printed := filepath.Join(w.Dir, "printed.yaml")
	w.ok(os.WriteFile(printed, []byte(w.run("berlin", "skerry", "config", "print", filepath.Join(w.Dir, "berlin.yaml"))), 0o600))
	w.run("berlin", "skerry", "config", "validate", printed)

	// Enrollment: the registry before and after, the lost answer, the thief.
	token := w.enroll("berlin", berlinAddr)
	if s := w.site("berlin"); s.Status != "enrolled" || s.EnrolledAt == nil || s.TokenExpires != nil || s.Location != "berlin town" {
		t.Fatalf("after enrolling: %+v", s)
	}
	osloToken := w.enroll("oslo", osloAddr)
	w.until("both links", func() (bool, error) { return w.site("berlin").Link == "up" && w.site("oslo").Link == "up", nil })
	w.end(oslo)
	w.ok(os.Remove(filepath.Join(w.Dir, "oslo", "identity", "identity.json"))) // the answer was lost; the key is kept
	oslo = w.server("oslo", "site", osloAddr)
	if out := w.join("oslo", osloToken); !strings.Contains(out, osloToken.ID) {
		t.Fatalf("the same token and key gave another result: %s", out)
	}
	thief := w.server("thief", "site", "127.0.0.1:0")
	w.fails("thief", "skerry", []string{"federation", "enroll", "--controller", "https://" + w.hq, "--token", token.Token, "--config", filepath.Join(w.Dir, "thief.yaml")}, "used already")
	w.end(thief)
	var record schema.Audit
	w.ask("hq", &record, "audit", "list")
	if !slices.ContainsFunc(record.Entries, func(e schema.AuditEntry) bool { return e.Action == "site.enroll" && !e.OK }) {
		t.Error("the thief left no trace in the audit record")
	}

	// A real agent reports this machine; a fleet makes the other site busy.
	agent, agentProc := w.agent("berlin", berlinAddr, "this-machine")
	fleet := w.fleet("oslo", osloAddr, "fleet-1", 150)
	var me schema.Host
	w.until("the report at the controller", func() (bool, error) {
		err := w.Ask(w.ctx, "hq", &me, "hosts", "get", agent.ID)
		return err == nil && me.AsOf.Packages != nil && me.AsOf.Facts != nil, err
	})
	name, err := os.Hostname()
	w.ok(err)
	if me.Hostname != name || me.Site != "berlin" || me.Kernel == "" || me.Arch == "" || me.BootedAt == nil || me.OS.ID == "" || me.Status != "up" {
		t.Errorf("the facts of this machine: %+v", me)
	}
	dpkg := 0
	if out, err := exec.Command("dpkg-query", "-W", "-f", "${db:Status-Status}\n").Output(); err == nil {
		if dpkg = strings.Count(string(out), "installed\n"); me.PackageN < dpkg {
			t.Errorf("%d packages reported, dpkg has %d", me.PackageN, dpkg)
		}
	} else {
		t.Log("no dpkg here: package counts and findings of this machine are not compared")
	}

	// Advisories: the malformed one is named, the others reach the sites and meet this machine.
	var in schema.Ingested
	ingested, err := w.CLI(w.ctx, "hq", "skerry", "advisories", "ingest", w.advisoryFolder(), "-o", "json")
	w.ok(err)
	w.ok(json.Unmarshal([]byte(ingested.Out), &in))
	if ingested.Code != 1 || !strings.Contains(ingested.Err, "1 of 3 records was not stored") {
		t.Errorf("with one malformed record: exit %d, %s", ingested.Code, ingested.Err)
	}
	if in.Created != 2 || in.MalformedN != 1 || len(in.Malformed) != 1 || !strings.Contains(in.Malformed[0].Name, "TEST-2") {
		t.Fatalf("ingested: %+v", in)
	}
	w.until("the roll-ups", func() (bool, error) {
		e, f := w.site("berlin").Exposure, w.site("oslo").Exposure
		return e != nil && f != nil && e.AdvisoryN == 2 && f.AdvisoryN == 2 && f.MatchedHosts == w.inventoried(150) && e.MatchedHosts == 1, nil
	})
	if f := w.site("oslo").Exposure; f.AffectedHosts > 150 || f.AffectedHosts == 0 || f.Counts.Critical != 1 || f.Top[0].Vulnerability != "CVE-2099-0001" || f.Top[0].Hosts != f.AffectedHosts {
		t.Errorf("oslo's roll-up: %+v", f)
	}
	var detail schema.HostDetail
	w.ask("hq", &detail, "hosts", "get", agent.ID, "--detail")
	if len(detail.Packages) != me.PackageN || detail.AnsweredBy != "berlin" {
		t.Errorf("the detail has %d packages, the row says %d; answered by %q", len(detail.Packages), me.PackageN, detail.AnsweredBy)
	}
	openssl := slices.ContainsFunc(detail.Packages, func(p schema.Package) bool { return p.Source == "openssl" && p.Manager == "dpkg" })
	found := slices.ContainsFunc(detail.Findings, func(f schema.Finding) bool {
		return f.Vulnerability == "CVE-2099-0001" && f.SourcePackage == "openssl" && f.Severity == "critical"
	})
	if me.OS.ID == "debian" && me.OS.Version == "12" && openssl != found {
		t.Errorf("openssl installed: %v, found vulnerable: %v", openssl, found)
	}

	w.commands(agent.ID)
	w.bundles()

	// The controller is killed. The site goes on: agents report, commands run, people ask.
	w.ok(w.End(hq, syscall.SIGKILL))
	second := w.fleet("berlin", berlinAddr, "fleet-2", 60)
	w.until("60 more hosts at the site", func() (bool, error) { return w.hosts("berlin").Total == 61, nil })
	var own schema.Command
	w.ask("berlin", &own, "commands", "dispatch", "inventory.refresh", "--site", "berlin", "--hosts", agent.ID, "--yes")
	w.until("the site's own command", func() (bool, error) {
		w.ask("berlin", &own, "commands", "get", own.ID)
		return own.State == "succeeded", nil
	})
	// So does the agent, while its site is killed: what it observes meanwhile waits in its own outbox.
	w.end(agentProc)
	w.ok(w.End(berlin, syscall.SIGKILL))
	gone := time.Now()
	agentProc, err = w.Start("this-machine", "skerry-agent", "run", "--data", filepath.Join(w.Dir, "this-machine"))
	w.ok(err)
	w.until("a report in the agent's outbox", func() (bool, error) {
		items, err := w.waiting(filepath.Join(w.Dir, "this-machine", "queue.db"))
		return slices.ContainsFunc(items, func(i model.Item) bool { return i.Kind == model.ItemFacts && i.AsOf >= model.TimeOf(gone) }), err
	})
	back := time.Now()
	berlin = w.server("berlin", "site", berlinAddr, quick)
	hq = w.server("hq", "controller", w.hq)
	w.until("everything at the controller", func() (bool, error) {
		s := w.site("berlin")
		return s.Hosts == 61 && s.Exposure != nil && s.Exposure.MatchedHosts == 1+w.inventoried(60), nil
	})
	w.until("what the agent saw while nobody listened", func() (bool, error) {
		err := w.Ask(w.ctx, "berlin", &me, "hosts", "get", agent.ID)
		return err == nil && me.AsOf.Facts.After(gone) && me.AsOf.Facts.Before(back), err
	})
	w.until("empty outboxes", func() (bool, error) {
		for _, s := range []string{"berlin", "oslo"} {
			var st struct{ Node schema.Node }
			w.ask(s, &st, "federation", "status")
			if st.Node.Uplink == nil || st.Node.Uplink.State != "online" || st.Node.Uplink.Pending > 0 {
				return false, nil
			}
		}
		return true, nil
	})

	// An agent that has nothing to say is up all the same; one that is gone is down, here and above.
	w.until("the time in which the silent would be judged down", func() (bool, error) { return time.Since(back) > 5*time.Second, nil })
	if h := w.hosts("hq", "site:berlin status:up"); h.Total != 61 {
		t.Errorf("%d hosts of berlin are up, want 61", h.Total)
	}
	w.end(agentProc)
	w.until("the silent agent's host down", func() (bool, error) {
		w.ask("hq", &me, "hosts", "get", agent.ID)
		return me.Status == "down", nil
	})

	// A site that cannot be reached says so plainly, and its rows are still there.
	for _, p := range []*local.Process{fleet, second, berlin} {
		w.end(p)
	}
	w.until("the link down", func() (bool, error) { return w.site("berlin").Link == "down", nil })
	w.fails("hq", "skerry", []string{"hosts", "get", agent.ID, "--detail"}, "berlin", "cannot be reached")
	if s := w.site("berlin"); s.Health == "ok" || s.Hosts != 61 {
		t.Errorf("a site whose link is down: %+v", s)
	}
	w.end(oslo)
	w.end(hq)
	w.compare(token.ID, osloToken.ID)
}

// waiting returns what is in the outbox of a running program: of a copy, since the program
// holds the file's lock. A copy that was torn by a write does not open, and the caller looks again.
func (w *world) waiting(path string) ([]model.Item, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	copied := filepath.Join(w.Dir, "copy.db")
	if err := os.WriteFile(copied, b, 0o600); err != nil {
		return nil, err
	}
	q, err := queue.Open(copied, queue.Options{})
	if err != nil {
		return nil, err
	}
	items, err := q.After(0, 100, 1<<20)
	return items, errors.Join(err, q.Close())
}

// bundles carries the advisories by hand, where the link has carried them already: a site knows the
// signer from the link, sees that it holds everything, and takes nothing twice.
func (w *world) bundles() {
	w.Helper()
	file := filepath.Join(w.Dir, "full.zst")
	w.run("hq", "skerry", "keys", "generate", "signer")
	w.run("hq", "skerry", "bundle", "export", "-o", file)
	if out := w.run("hq", "skerry", "bundle", "validate", file); !strings.Contains(out, "Ready for import") {
		w.Errorf("validate printed %q", out)
	}
	w.until("the signer at the site", func() (bool, error) {
		var keys []schema.Key
		w.ask("berlin", &keys, "keys", "list")
		// Beside the one that the controller made for what its sites fetch.
		return len(keys) == 2 && slices.ContainsFunc(keys, func(k schema.Key) bool { return k.Name == "signer" && !k.Private }), nil
	})
	w.run("berlin", "skerry", "bundle", "import", file) // it is held already, and nothing is to be done
	var forced schema.ImportResult
	w.ask("berlin", &forced, "bundle", "import", file, "--force")
	if c := forced.Counts; c.Skipped != 2 || c.Created != 0 || c.Updated != 0 || c.Deleted != 0 {
		w.Errorf("a bundle of what is held already: %+v", forced)
	}
}

// commands sends a command to an agent and follows it through its life.
func (w *world) commands(host string) {
	w.Helper()
	var c schema.Command
	w.ask("hq", &c, "commands", "dispatch", "inventory.refresh", "--site", "berlin", "--hosts", host, "--yes")
	watched := w.run("hq", "skerry", "commands", "get", c.ID, "--watch")
	w.ask("hq", &c, "commands", "get", c.ID)
	var steps []string
	for _, s := range c.Tasks[0].History {
		steps = append(steps, s.State)
	}
	if got := strings.Join(steps, " "); c.State != "succeeded" || got != "queued delivered running succeeded" || c.SiteAt == nil {
		w.Errorf("the command is %s after %q: %+v", c.State, got, c)
	}
	if !strings.Contains(watched, "succeeded") {
		w.Errorf("--watch printed %q", watched)
	}
	var again schema.Command
	w.ask("hq", &again, "commands", "dispatch", "inventory.refresh", "--site", "berlin", "--hosts", host, "--yes", "--id", c.ID)
	if again.State != "succeeded" {
		w.Errorf("the same id dispatched again: %+v", again)
	}
	w.fails("hq", "skerry", []string{"commands", "dispatch", "ping", "--site", "berlin", "--hosts", "", "--yes"}, "host")
	w.fails("hq", "skerry", []string{"commands", "dispatch", "ping", "--site", "berlin", "--hosts", "nobody-here", "--yes"}, "nobody-here")
}

// compare opens the stores of all three stopped servers: nothing lost, nothing twice.
func (w *world) compare(berlinID, osloID string) {
	w.Helper()
	hq := w.rows("hq")
	for _, s := range []struct {
		name, id string
		hosts    int
	}{{"berlin", berlinID, 61}, {"oslo", osloID, 150}} {
		id, err := model.ParseSiteID(s.id)
		w.ok(err)
		site := w.rows(s.name)
		w.sameHosts(hq, site, id, s.hosts)

		out, err := queue.Open(filepath.Join(w.Dir, s.name, "outbox.db"), queue.Options{})
		w.ok(err)
		at, err := hq.Watermark(model.NodeID(id))
		w.ok(err)
		if at.Seq != out.Dropped() || out.Len() != 0 && at.Seq+model.Seq(out.Len()) != out.Head() {
			w.Errorf("%s: the controller holds through %d, the outbox dropped through %d of %d, %d waiting", s.name, at.Seq, out.Dropped(), out.Head(), out.Len())
		}
		w.ok(out.Close())

		advisories := 0
		self, _, err := hq.Self()
		w.ok(err)
		w.ok(site.EachAdvisory(func(a model.Advisory) error {
			advisories++
			b, ok, err := hq.Advisory(a.AdvisoryKey)
			b.Cursor, b.Origin = a.Cursor, self.Self // each server has a log of its own, and the site knows whose record it is
			if err == nil && (!ok || !reflect.DeepEqual(a, b)) {
				w.Errorf("%s holds %+v, the controller %+v", s.name, a, b)
			}
			return err
		}))
		above, err := hq.Shelf()
		w.ok(err)
		below, err := site.Shelf()
		w.ok(err)
		if held := below.Imported[self.Self.String()]; held != above.Cursor || below.Above != above.Cursor {
			w.Errorf("%s holds the controller's advisories through %s and knows of %s; the controller has %s", s.name, held, below.Above, above.Cursor)
		}
		if advisories != 2 {
			w.Errorf("%s holds %d advisories, want 2", s.name, advisories)
		}
		w.chain(s.name, site.Audit)
	}
	w.chain("hq", hq.Audit)
	commands, err := hq.Commands(model.CommandID{}, 100)
	w.ok(err)
	if len(commands) != 1 || commands[0].State != model.CommandSucceeded || commands[0].Targets() != 1 {
		w.Errorf("the controller's commands: %+v", commands)
	}
}

// chain verifies a whole audit record, and that no item was refused on the way.
func (w *world) chain(name string, read func(model.Seq, int) ([]model.AuditEntry, error)) {
	w.Helper()
	es, err := read(0, 100_000)
	w.ok(err)
	var last model.AuditEntry
	for _, e := range slices.Backward(es) {
		if err := audit.Verify(last, e); err != nil {
			w.Errorf("%s: %v", name, err)
		}
		if e.Action == "item.refuse" || e.Action == "report.refuse" {
			w.Errorf("%s refused an item: %+v", name, e)
		}
		last = e
	}
}
