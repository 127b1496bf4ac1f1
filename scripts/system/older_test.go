package system

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/ui/schema"
)

// A site whose folder is put back from an older copy is refused, is told what to do, and is in order when that was done:
// its controller, its agents, and commands from both.
func TestAnOlderCopyOfASite(t *testing.T) {
	w := newWorld(t)
	addrs, err := local.FreePorts(2)
	w.ok(err)
	w.hq = addrs[0]
	w.server("hq", "controller", w.hq)
	conf := "agents: {interval: 1s, report: 1s}"
	berlin := w.server("berlin", "site", addrs[1], conf)
	w.enroll("berlin", addrs[1])
	host, _ := w.agent("berlin", addrs[1], "web1")
	up := func(server string) func() (bool, error) {
		return func() (bool, error) {
			var h schema.Host
			err := w.Ask(w.ctx, server, &h, "hosts", "get", host.ID)
			return err == nil && h.Status == "up" && h.AsOf.Packages != nil, nil
		}
	}
	command := func() {
		t.Helper()
		var c schema.Command
		w.ask("hq", &c, "commands", "dispatch", "inventory.refresh", "--site", "berlin", "--hosts", host.ID, "--yes")
		w.until("a command is done", func() (bool, error) {
			w.ask("hq", &c, "commands", "get", c.ID)
			return c.State == "succeeded", nil
		})
	}
	w.until("the host is up", up("hq"))

	data, older, newer := filepath.Join(w.Dir, "berlin"), filepath.Join(w.Dir, "older"), filepath.Join(w.Dir, "newer")
	w.end(berlin)
	w.ok(os.CopyFS(older, os.DirFS(data)))
	berlin = w.server("berlin", "site", addrs[1], conf)
	w.until("the site is back", func() (bool, error) { return w.site("berlin").Link == "up", nil })
	for range 8 { // what the copy knows nothing of
		command()
	}
	w.end(berlin)
	w.ok(os.Rename(data, newer))
	w.ok(os.CopyFS(data, os.DirFS(older)))
	w.ok(filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error { // the keys are refused to others
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	}))

	berlin = w.server("berlin", "site", addrs[1], conf)
	w.until("it is refused and told what to do", func() (bool, error) {
		var st struct {
			Node schema.Node `json:"node"`
		}
		err := w.Ask(w.ctx, "berlin", &st, "federation", "status")
		up := st.Node.Uplink
		return up != nil && strings.Contains(up.LastError, "older copy") && strings.Contains(up.LastError, "`skerry site rebuild`"), err
	})
	w.until("its agent is told as well", func() (bool, error) {
		b, err := os.ReadFile(filepath.Join(w.Dir, "web1.log"))
		return strings.Contains(string(b), "skerry site rebuild"), err
	})
	w.end(berlin)
	w.run("berlin", "skerry", "site", "rebuild", "--store", "outbox", "--yes", "--config", filepath.Join(w.Dir, "berlin.yaml"))

	w.server("berlin", "site", addrs[1], conf)
	w.until("the site is back in its new epoch", func() (bool, error) { // degraded: for a while after so many breaks
		link := w.site("berlin").Link
		return link == "up" || link == "degraded", nil
	})
	w.linked("web1", "up")
	w.until("the host is up at both", func() (bool, error) {
		here, err := up("berlin")()
		if err != nil || !here {
			return false, err
		}
		return up("hq")()
	})
	command()
}
