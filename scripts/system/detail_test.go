package system

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// What only a site holds is answered there and, over the link, at the controller: by real programs, of this machine.
func TestDetail(t *testing.T) {
	w := newWorld(t)
	addrs, err := local.FreePorts(2)
	w.ok(err)
	w.hq = addrs[0]
	w.server("hq", "controller", w.hq)
	berlin := w.server("berlin", "site", addrs[1], "agents: {interval: 1s}", "detail: {retention: {inventory: 30d}}")
	w.enroll("berlin", addrs[1])

	// Files that are no certificates, with names so long that the agent's word about them does not fit into a row.
	folder := filepath.Join(w.Dir, "certificates")
	w.ok(os.MkdirAll(folder, 0o700))
	for i := range 20 {
		w.ok(os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%d.pem", strings.Repeat("broken", 40), i)), []byte("nothing"), 0o600))
	}
	var token schema.Token
	w.ask("berlin", &token, "agents", "enroll", "this-machine")
	data, conf := filepath.Join(w.Dir, "this-machine"), filepath.Join(w.Dir, "agent.yaml")
	w.ok(os.WriteFile(conf, []byte("certificates: ["+folder+"]\ninterval: 1s\n"), 0o600))
	w.run("berlin", "skerry-agent", "enroll", "--site", "https://"+addrs[1], "--token", token.Token, "--data", data)
	_, err = w.Start("this-machine", "skerry-agent", "run", "--data", data, "--config", conf)
	w.ok(err)
	host := token.ID
	w.until("the report at the controller", func() (bool, error) {
		var h schema.Host
		err := w.Ask(w.ctx, "hq", &h, "hosts", "get", host)
		return err == nil && h.AsOf.Packages != nil && h.AsOf.Certificates != nil, err
	})
	w.until("the facts of the system", func() (bool, error) {
		var f schema.HostFacts
		err := w.Ask(w.ctx, "hq", &f, "hosts", "facts", host)
		return err == nil && len(f.Facts.Users) > 0, err
	})

	var command schema.Command
	w.ask("hq", &command, "commands", "dispatch", "inventory.refresh", "--site", "berlin", "--hosts", host, "--yes")
	w.run("hq", "skerry", "commands", "get", command.ID, "--watch")
	w.ask("hq", &command, "commands", "get", command.ID)
	task := command.Tasks[0]
	if command.State != "succeeded" || len(task.Output) > 4096 || task.OutputSize <= 4096 {
		t.Fatalf("the task is %s with %d bytes of %d", command.State, len(task.Output), task.OutputSize)
	}
	// A certificate comes into the folder, and with the next look a second version of the list. This machine's own
	// authority is one.
	w.ok(os.WriteFile(filepath.Join(folder, "site.pem"), []byte(readCA(w)), 0o600))
	w.until("another version of the certificates", func() (bool, error) {
		var h schema.HostHistory
		err := w.Ask(w.ctx, "berlin", &h, "hosts", "history", host, "--kind", "certificates")
		return err == nil && len(h.Versions) > 1, err
	})

	for _, at := range []string{"hq", "berlin"} {
		var facts schema.HostFacts
		w.ask(at, &facts, "hosts", "facts", host)
		if facts.AnsweredBy != "berlin" || facts.Facts.CPU.Threads == 0 || len(facts.Facts.Mounts) == 0 || facts.AsOf == nil {
			t.Errorf("%s: facts %+v", at, facts)
		}
		if out := w.run(at, "skerry", "hosts", "facts", host); !strings.Contains(out, "root") || !strings.Contains(out, "file system") {
			t.Errorf("%s: facts as a table:\n%s", at, out)
		}
		var page, next schema.HostPackages
		w.ask(at, &page, "hosts", "packages", host, "--limit", "3")
		if len(page.Packages) != 3 || page.Total <= 3 || page.Next == "" {
			t.Fatalf("%s: %d packages of %d", at, len(page.Packages), page.Total)
		}
		w.ask(at, &next, "hosts", "packages", host, "--limit", "3", "--cursor", page.Next)
		if len(next.Packages) != 3 || next.Packages[0] == page.Packages[2] || next.Digest != page.Digest {
			t.Errorf("%s: the next page: %+v", at, next)
		}
		var list schema.HostCertificates
		w.ask(at, &list, "hosts", "certificates", host)
		if len(list.Certificates) != 1 || !list.Certificates[0].CA {
			t.Errorf("%s: certificates %+v", at, list)
		}
		var history schema.HostHistory
		w.ask(at, &history, "hosts", "history", host, "--kind", "certificates")
		newest := history.Versions[0]
		if len(history.Versions) != 2 || !newest.Current || newest.Added == nil || *newest.Added != 1 {
			t.Fatalf("%s: history %+v", at, history)
		}
		from, to := strconv.FormatUint(history.Versions[1].N, 10), strconv.FormatUint(newest.N, 10)
		w.ask(at, &history, "hosts", "history", host, "--kind", "certificates", "--diff", from, to)
		if history.Diff == nil || len(history.Diff.AddedCertificates) != 1 || len(history.Diff.RemovedCertificates) != 0 {
			t.Errorf("%s: diff %+v", at, history.Diff)
		}
		var output schema.CommandOutput
		w.ask(at, &output, "commands", "output", command.ID, host)
		if int64(len(output.Text)) != task.OutputSize || !strings.HasPrefix(output.Text, task.Output) || output.Size != task.OutputSize {
			t.Errorf("%s: output of %d bytes, %d were printed", at, len(output.Text), task.OutputSize)
		}
		if out := w.run(at, "skerry", "commands", "output", command.ID, host); strings.Count(out, "broken") < 20 {
			t.Errorf("%s: output as text:\n%s", at, out)
		}
		w.fails(at, "skerry", []string{"hosts", "history", host, "--diff", "1", "99"}, "no version 99")
		w.fails(at, "skerry", []string{"hosts", "packages", host, "--cursor", "x"}, "no cursor")
		w.fails(at, "skerry", []string{"hosts", "history", host, "--diff", "1"}, "two numbers")
	}
	askMany(w, host)

	// Without its site, what is missing is named, and the command has done what it could.
	w.ok(w.End(berlin, syscall.SIGKILL))
	w.until("the site to be named", func() (bool, error) {
		var d schema.PackagesWhere
		err := w.Ask(w.ctx, "hq", &d, "packages", "where", "bash")
		return err == nil && d.PartialN == 1 && d.Partial[0].Site == "berlin" && strings.Contains(d.Partial[0].Reason, "the rows of its 1 hosts"), err
	})
	w.fails("hq", "skerry", []string{"audit", "list", "--site", "berlin"}, "site berlin cannot be reached")
}

// askMany asks all sites about all hosts, at a site and at the controller, where one of two sites never came.
func askMany(w *world, host string) {
	w.Helper()
	var pending schema.Token
	w.ask("hq", &pending, "sites", "enroll", "ghost")
	var list schema.HostPackages
	w.ask("berlin", &list, "hosts", "packages", host, "--limit", "1")
	p := list.Packages[0]
	for _, at := range []string{"hq", "berlin"} {
		var d schema.PackagesWhere
		w.ask(at, &d, "packages", "where", p.Name+"="+p.Version)
		if len(d.Packages) == 0 || d.Packages[0].HostID != host || d.Packages[0].Site != "berlin" || d.AnsweredN != 1 || d.PartialN != 0 {
			w.Errorf("%s: %+v", at, d)
		}
		w.ask(at, &d, "packages", "where", p.Name+"<"+p.Version, "--query", "status:up")
		if len(d.Packages) != 0 {
			w.Errorf("%s: below its own version: %+v", at, d.Packages)
		}
		var c schema.CertificatesExpiring
		w.ask(at, &c, "certificates", "expiring", "--within", "36000d", "--site", "berlin")
		if len(c.Certificates) != 1 || c.Certificates[0].HostID != host {
			w.Errorf("%s: %+v", at, c)
		}
	}
	var audit schema.Audit
	w.ask("hq", &audit, "audit", "list", "--site", "berlin", "--limit", "200")
	both := map[string]bool{}
	for _, e := range audit.Entries {
		if e.Action == "site.ask" && e.Detail["asked_by"] != "" {
			both["berlin "+e.Detail["route"]] = true
		}
		if e.Action == "report.refuse" && e.Detail["body"] != "" {
			w.run("hq", "skerry", "audit", "evidence", strconv.FormatUint(e.Seq, 10), "--site", "berlin")
		}
	}
	w.ask("hq", &audit, "audit", "list", "--limit", "200")
	for _, e := range audit.Entries {
		if e.Action == "site.ask" {
			both["hq "+e.Detail["route"]] = true
		}
	}
	for _, at := range []string{"hq", "berlin"} {
		for _, route := range []string{"host.packages", "packages.where", "certificates.expiring"} {
			if !both[at+" "+route] {
				w.Errorf("the audit record of %s does not have who asked %s", at, route)
			}
		}
	}
}

// readCA returns the site's authority as PEM.
func readCA(w *world) string {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(w.Dir, "berlin", "pki", "*"))
	w.ok(err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		w.ok(err)
		if i := strings.Index(string(b), "-----BEGIN CERTIFICATE-----"); i >= 0 {
			return string(b[i:])
		}
	}
	w.Fatalf("no certificate among %q", files)
	return ""
}
