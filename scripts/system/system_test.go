// Package system holds the test of the whole: real binaries in processes of their own, over real
// sockets, disks and TLS, judged by what each side stored.
package system

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/agent"
	"github.com/skerryhq/skerry/appliance/cli"
	"github.com/skerryhq/skerry/appliance/simulate"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/ui/schema"
)

// bin holds the binaries under test.
var bin string

// programs is what they are made of. Linked into the test, a change in it ends the cached result, which
// the binaries that the test builds would not.
var programs = []any{cli.Main, agent.Main}

func TestMain(m *testing.M) {
	runtime.KeepAlive(programs)
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "skerry-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", dir+"/", "../../appliance/cmd/skerry", "../../appliance/cmd/skerry-agent")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build the binaries: %v\n%s", err, out)
			return 1
		}
		bin = dir
		return m.Run()
	}())
}

// patience bounds each wait; it is far beyond what any step takes, so that only a fault exceeds it.
const patience = 90 * time.Second

// world is one federation under test.
type world struct {
	*testing.T
	*local.Group
	ctx context.Context
	hq  string // the controller's address
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "skerry-test-") // shorter than t.TempDir: socket paths have a limit
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, Group: &local.Group{Bin: bin, Dir: dir, Died: make(chan error, 16)}, ctx: t.Context()}
	t.Cleanup(func() {
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
		select {
		case err := <-w.Died:
			t.Error(err)
		default:
		}
		if t.Failed() {
			logs, _ := filepath.Glob(filepath.Join(dir, "*.log"))
			for _, l := range logs {
				t.Logf("the end of %s:\n%s", filepath.Base(l), local.Tail(l, 25))
			}
		}
		_ = os.RemoveAll(dir)
	})
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) server(name, role, addr string, lines ...string) *local.Process {
	w.Helper()
	p, err := w.Group.Server(w.ctx, name, role, addr, lines...)
	w.ok(err)
	return p
}

// run is a command that must succeed; its output is returned.
func (w *world) run(server, program string, args ...string) string {
	w.Helper()
	out, err := w.Group.Run(w.ctx, server, program, args...)
	w.ok(err)
	return out
}

func (w *world) ask(server string, v any, args ...string) {
	w.Helper()
	w.ok(w.Ask(w.ctx, server, v, args...))
}

// fails is a command that must fail with one clear line that holds each of the words.
func (w *world) fails(server, program string, args []string, words ...string) {
	w.Helper()
	r, err := w.CLI(w.ctx, server, program, args...)
	w.ok(err)
	text := strings.TrimSpace(r.Err)
	if r.Code == 0 || text == "" {
		w.Fatalf("%s %s: exit %d, %q; want a refusal", program, strings.Join(args, " "), r.Code, text)
	}
	if n := strings.Count(text, "\n"); n > 0 {
		w.Errorf("%s %s: the refusal has %d lines:\n%s", program, strings.Join(args, " "), n+1, text)
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			w.Errorf("%s %s: %q does not say %q", program, strings.Join(args, " "), text, word)
		}
	}
}

func (w *world) until(what string, look func() (bool, error)) {
	w.Helper()
	w.ok(local.Until(w.ctx, patience, what, look))
}

func (w *world) site(name string) (s schema.Site) {
	w.Helper()
	w.ask("hq", &s, "sites", "get", name)
	return s
}

func (w *world) hosts(server string, args ...string) (all schema.Hosts) {
	w.Helper()
	w.ask(server, &all, append([]string{"hosts", "list", "--limit", "1000"}, args...)...)
	return all
}

// enroll invites a site, starts its server and enrolls it; it returns the token that was used.
func (w *world) enroll(name, addr string) schema.Token {
	w.Helper()
	var t schema.Token
	w.ask("hq", &t, "sites", "enroll", name, "--location", name+" town", "--lat", "52.5", "--lng", "13.4")
	w.join(name, t)
	return t
}

func (w *world) join(name string, t schema.Token) string {
	w.Helper()
	r, err := w.CLI(w.ctx, name, "skerry", "federation", "enroll", "--controller", "https://"+w.hq, "--token", t.Token, "--config", filepath.Join(w.Dir, name+".yaml"))
	w.ok(err)
	if r.Code != 0 {
		w.Fatalf("enroll %s: exit %d: %s", name, r.Code, r.Err)
	}
	return r.Err
}

func (w *world) agent(site, addr, name string) (schema.Token, *local.Process) {
	w.Helper()
	var t schema.Token
	w.ask(site, &t, "agents", "enroll", name)
	data := filepath.Join(w.Dir, name)
	w.run(site, "skerry-agent", "enroll", "--site", "https://"+addr, "--token", t.Token, "--data", data)
	p, err := w.Start(name, "skerry-agent", "run", "--data", data)
	w.ok(err)
	return t, p
}

// fleetSeed is which hosts the simulated fleets have.
const fleetSeed = 3

// inventoried returns how many hosts of such a fleet have packages to be matched.
func (w *world) inventoried(hosts int) int {
	w.Helper()
	n, err := simulate.Inventoried(fleetSeed, hosts)
	w.ok(err)
	return n
}

// fleet starts a simulated fleet at a site.
func (w *world) fleet(site, addr, name string, hosts int) *local.Process {
	w.Helper()
	var t schema.Token
	w.ask(site, &t, "agents", "enroll", name, "--gateway")
	p, err := w.Start(name, "skerry", "simulate", "--site", "https://"+addr, "--token", t.Token,
		"--hosts", fmt.Sprint(hosts), "--seed", fmt.Sprint(fleetSeed), "--data", filepath.Join(w.Dir, name))
	w.ok(err)
	return p
}

// rows opens the store of a stopped server.
func (w *world) rows(name string) *index.View {
	w.Helper()
	s, err := index.Open(filepath.Join(w.Dir, name, "index"), index.Options{Log: slog.New(slog.DiscardHandler)})
	w.ok(err)
	v := s.View()
	w.Cleanup(func() {
		_ = v.Close()
		if err := s.Close(); err != nil {
			w.Error(err)
		}
	})
	return v
}

// end stops a process in good order and expects it to agree.
func (w *world) end(p *local.Process) {
	w.Helper()
	w.ok(w.End(p, syscall.SIGTERM))
}

// advisoryFolder writes OSV records of this test's own: one that concerns every machine with dpkg, one
// that concerns none, and a malformed one between them.
func (w *world) advisoryFolder() string {
	w.Helper()
	dir := filepath.Join(w.Dir, "osv", "local") // a source that may speak for every ecosystem
	w.ok(os.MkdirAll(dir, 0o700))
	affected := func(name, fixed string) any {
		events := []any{map[string]string{"introduced": "0"}, map[string]string{"fixed": fixed}}
		return []any{map[string]any{
			"package": map[string]string{"ecosystem": "Debian:12", "name": name},
			"ranges":  []any{map[string]any{"type": "ECOSYSTEM", "events": events}},
		}}
	}
	record := func(id, cve, pkg, fixed string) {
		b, err := json.Marshal(map[string]any{
			"id": id, "modified": "2026-01-02T03:04:05Z", "aliases": []string{cve}, "affected": affected(pkg, fixed),
			"severity": []any{map[string]string{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},
		})
		w.ok(err)
		w.ok(os.WriteFile(filepath.Join(dir, id+".json"), b, 0o600))
	}
	record("TEST-1", "CVE-2099-0001", "openssl", "999:1-1")
	record("TEST-3", "CVE-2099-0003", "no-such-package", "999:1-1")
	w.ok(os.WriteFile(filepath.Join(dir, "TEST-2.json"), []byte(`{"id": "TEST-2", "affected": [{"package": {"name": 7}}]}`), 0o600))
	return filepath.Dir(dir)
}

// sameHosts checks that the controller holds exactly the site's rows of the site's hosts.
func (w *world) sameHosts(hq, site *index.View, id model.SiteID, want int) {
	w.Helper()
	n := 0
	w.ok(site.EachHost(func(h model.Host) error {
		n++
		got, ok, err := hq.Host(h.ID)
		if err != nil || !ok {
			return fmt.Errorf("host %s (%s) of the site is not at the controller: %w", h.ID, h.Hostname, err)
		}
		// That a host is still there, and still what it was, is news at the site alone.
		if got.FactsAt > h.FactsAt || got.PackagesAt > h.PackagesAt || got.CertificatesAt > h.CertificatesAt {
			return fmt.Errorf("the controller has host %s as of a later look than its site", h.ID)
		}
		for _, r := range []*model.Host{&h, &got} {
			r.LastSeen, r.StatusAt, r.FactsAt, r.PackagesAt, r.CertificatesAt = 0, 0, 0, 0, 0
		}
		x, err := model.Encode(h)
		w.ok(err)
		y, err := model.Encode(got)
		w.ok(err)
		if string(x) != string(y) {
			return fmt.Errorf("host %s differs:\nsite       %s\ncontroller %s", h.ID, x, y)
		}
		return nil
	}))
	there := 0
	w.ok(hq.HostsOfSite(id, func(model.Host) error { there++; return nil }))
	if n != want || there != want {
		w.Errorf("%d hosts at the site, %d of it at the controller; want %d at both", n, there, want)
	}
	c, _, err := hq.Counts(id)
	w.ok(err)
	if c.Hosts != int64(want) {
		w.Errorf("the controller counts %d hosts of the site, want %d", c.Hosts, want)
	}
}
