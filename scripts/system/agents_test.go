package system

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// member returns an agent of a site as its list has it; false: it is not there.
func (w *world) member(site, name string) (m schema.Member, ok bool) {
	w.Helper()
	var all []schema.Member
	w.ask(site, &all, "agents", "list")
	for _, m := range all {
		if m.Name == name {
			return m, true
		}
	}
	return m, false
}

func (w *world) linked(name, link string) {
	w.Helper()
	w.until(name+" is "+link, func() (bool, error) { m, _ := w.member("berlin", name); return m.Link == link, nil })
}

// Agents come, are suspended, copied, given a new key and retired, and a site is suspended and removed: by real programs.
func TestAgents(t *testing.T) {
	w := newWorld(t)
	addrs, err := local.FreePorts(2)
	w.ok(err)
	w.hq = addrs[0]
	w.server("hq", "controller", w.hq)
	w.server("berlin", "site", addrs[1], "agents: {interval: 1s, report: 1s}")
	w.enroll("berlin", addrs[1])

	one, _ := w.agent("berlin", addrs[1], "web1")
	two, twoProc := w.agent("berlin", addrs[1], "web2")
	w.linked("web1", "up")
	w.linked("web2", "up")
	w.until("what they can do", func() (bool, error) {
		m, _ := w.member("berlin", "web1")
		return strings.Join(m.Commands, " ") == "inventory.refresh ping" && len(m.Reports) > 0 && strings.HasPrefix(m.Software, "skerry-agent "), nil
	})

	// Suspended: the link ends at once, and the agent is told why.
	w.run("berlin", "skerry", "agents", "suspend", "web1", "--reason", "it is in repair")
	w.linked("web1", "down")
	log := filepath.Join(w.Dir, "web1.log")
	w.until("the reason at the agent", func() (bool, error) {
		b, err := os.ReadFile(log)
		return strings.Contains(string(b), "is suspended here (it is in repair)"), err
	})
	if m, _ := w.member("berlin", "web1"); m.Status != "suspended" || m.Reason != "it is in repair" {
		t.Errorf("suspended: %+v", m)
	}
	w.fails("berlin", "skerry", []string{"agents", "rekey", "web1"}, "suspended")
	w.run("berlin", "skerry", "agents", "resume", "web1")

	// Copied: the disk of web2 runs in a second place. The marks of the machine are the same here, so that nobody can say who
	// is who, and both are out.
	w.ok(w.End(twoProc, syscall.SIGTERM))
	data, copied := filepath.Join(w.Dir, "web2"), filepath.Join(w.Dir, "copy")
	w.ok(os.CopyFS(copied, os.DirFS(data)))
	w.ok(os.Chmod(filepath.Join(copied, "identity", "key.pem"), 0o600))
	twoProc, err = w.Start("web2-again", "skerry-agent", "run", "--data", data)
	w.ok(err)
	w.linked("web2", "up")
	copyProc, err := w.Start("copy", "skerry-agent", "run", "--data", copied)
	w.ok(err)
	w.until("the quarantine", func() (bool, error) { m, _ := w.member("berlin", "web2"); return m.Status == "quarantined", nil })
	w.linked("web2", "down")
	w.fails("berlin", "skerry", []string{"agents", "resume", "web2"}, "quarantined", "give it a new one")

	// One of the two gets a new key by one command, and is the host's next life.
	var token schema.Token
	w.ask("berlin", &token, "agents", "rekey", "web2")
	if token.ID != two.ID {
		t.Errorf("the token is for %s, and not for %s", token.ID, two.ID)
	}
	w.ok(w.End(twoProc, syscall.SIGTERM))
	enroll := []string{"enroll", "--site", "https://" + addrs[1], "--token", token.Token, "--data"}
	w.run("berlin", "skerry-agent", append(enroll, data)...)
	w.run("berlin", "skerry-agent", append(enroll, data)...) // the same again
	_, err = w.Start("web2-new", "skerry-agent", "run", "--data", data)
	w.ok(err)
	w.linked("web2", "up")
	w.fails("berlin", "skerry-agent", append(enroll, copied), "another machine")
	w.until("the reason at the copy", func() (bool, error) {
		b, err := os.ReadFile(filepath.Join(w.Dir, "copy.log"))
		return strings.Contains(string(b), "was taken from host"), err
	})
	w.ok(w.End(copyProc, syscall.SIGTERM))
	w.until("its reports at the controller", func() (bool, error) {
		var h schema.Host
		err := w.Ask(w.ctx, "hq", &h, "hosts", "get", two.ID)
		return err == nil && h.Status == "up", err
	})

	// Retired, by way of the controller: it leaves the directory everywhere, and its agent is refused.
	w.run("hq", "skerry", "hosts", "retire", two.ID, "--yes", "--reason", "scrapped")
	w.until("it is gone", func() (bool, error) { return len(w.hosts("hq").Hosts) == 1 && len(w.hosts("berlin").Hosts) == 1, nil })
	if m, ok := w.member("berlin", "web2"); ok {
		t.Errorf("its agent is still there: %+v", m)
	}
	w.until("the reason at its agent", func() (bool, error) {
		b, err := os.ReadFile(filepath.Join(w.Dir, "web2-new.log"))
		return strings.Contains(string(b), "its host was retired"), err
	})

	// A site that is suspended is cut off at once; one that is removed leaves nothing.
	w.run("hq", "skerry", "sites", "suspend", "berlin", "--reason", "moving house")
	w.until("the site is cut off", func() (bool, error) {
		s := w.site("berlin")
		return s.Link == "down" && s.StatusReason == "moving house", nil
	})
	w.run("hq", "skerry", "sites", "resume", "berlin")
	w.until("the site is back", func() (bool, error) { return w.site("berlin").Link == "up", nil })
	w.run("hq", "skerry", "sites", "remove", "berlin", "--yes")
	w.until("its rows are gone", func() (bool, error) {
		var all []schema.Site
		w.ask("hq", &all, "sites", "list")
		return len(all) == 0 && len(w.hosts("hq").Hosts) == 0, nil
	})
	var h schema.Host
	w.ask("berlin", &h, "hosts", "get", one.ID) // it goes on alone
}
