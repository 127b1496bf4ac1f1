package system

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/ui/schema"
)

// group is a world whose controller is a group of three.
type group struct {
	*world
	addrs map[string]string
	procs map[string]*local.Process
}

func newGroup(t *testing.T) *group {
	g := &group{world: newWorld(t), addrs: map[string]string{}, procs: map[string]*local.Process{}}
	addrs, err := local.FreePorts(3)
	g.ok(err)
	for i, name := range []string{"hq", "hq2", "hq3"} {
		g.addrs[name] = addrs[i]
	}
	g.hq = g.addrs["hq"]
	g.start("hq")
	for _, name := range []string{"hq2", "hq3"} {
		var token schema.ClusterToken
		g.ask("hq", &token, "cluster", "join-token", "--name", name)
		g.configure(name, g.addrs[name])
		g.run("hq", "skerry", "cluster", "join", token.Token, "--from", "https://"+g.hq, "--config", g.config(name))
		g.start(name)
	}
	g.until("three voters", func() (bool, error) {
		voters := 0
		for _, m := range g.status("hq").Members {
			if m.Voter {
				voters++
			}
		}
		return voters == 3, nil
	})
	return g
}

func (g *group) config(name string) string { return filepath.Join(g.Dir, name+".yaml") }

// configure is for a controller that does not run yet.
func (g *group) configure(name, addr string) {
	g.Helper()
	text := "role: controller\nname: " + name + "\ndata: " + name + "\nlisten: " + addr + "\ncluster: {node: " + name + "}\n"
	g.ok(os.WriteFile(g.config(name), []byte(text), 0o600))
}

func (g *group) start(name string) {
	g.Helper()
	g.procs[name] = g.server(name, "controller", g.addrs[name], "cluster: {node: "+name+"}")
}

func (g *group) status(at string) (s schema.Cluster) {
	g.Helper()
	g.ask(at, &s, "cluster", "status")
	return s
}

// holder is the controller that has the link of the one site; "" while none of those that answer has it.
func (g *group) holder(at string) string {
	g.Helper()
	for _, m := range g.status(at).Members {
		if m.Reachable && m.Links != nil && *m.Links == 1 {
			return m.Name
		}
	}
	return ""
}

// without are the controllers but for some.
func (g *group) without(names ...string) (rest []string) {
	for _, name := range []string{"hq", "hq2", "hq3"} {
		if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
			rest = append(rest, name)
		}
	}
	return rest
}

// drill asks a controller for what the site has of a host.
func (g *group) drill(at, host string) error {
	var d schema.HostDetail
	ctx, cancel := context.WithTimeout(g.ctx, 20*time.Second)
	defer cancel()
	err := g.Ask(ctx, at, &d, "hosts", "get", host, "--detail")
	if err == nil && d.AnsweredBy != "berlin" {
		g.Errorf("asked at %s, the detail is answered by %q", at, d.AnsweredBy)
	}
	return err
}

// TestGroup: the controller that has the site's link is killed while hosts are reporting. The site goes to another one by
// itself, whoever is asked reaches it, and everything arrives once. Then the killed one comes back.
func TestGroup(t *testing.T) {
	g := newGroup(t)
	t.Run("refusals", func(t *testing.T) { g.refusals(t) })
	ports, err := local.FreePorts(1)
	g.ok(err)
	addr := ports[0]
	berlin := g.server("berlin", "site", addr, "agents: {interval: 1s}")
	token := g.enroll("berlin", addr)
	agent, agentProc := g.agent("berlin", addr, "this-machine")
	first := g.fleet("berlin", addr, "fleet-1", 40)
	g.until("the first hosts", func() (bool, error) { return g.hosts("hq").Total == 41, nil })
	held := ""
	g.until("who has the link", func() (bool, error) { held = g.holder("hq"); return held != "", nil })
	rest := g.without(held)
	for _, at := range rest {
		g.ok(g.drill(at, agent.ID))
	}

	second := g.fleet("berlin", addr, "fleet-2", 60)
	g.until("hosts on their way", func() (bool, error) { return g.hosts(rest[0]).Total > 41, nil })
	killed := time.Now()
	g.ok(g.End(g.procs[held], syscall.SIGKILL))
	var c schema.Command // given to a group that has just lost a node
	g.ask(rest[0], &c, "commands", "dispatch", "inventory.refresh", "--site", "berlin", "--hosts", agent.ID, "--yes", "--id", model.CommandID{15: 7}.String())
	now := ""
	g.until("another controller with the link", func() (bool, error) { now = g.holder(rest[0]); return now != "" && now != held, nil })
	moved := time.Since(killed)
	other := g.without(held, now)[0]
	g.until("an answer through the one that has not the link", func() (bool, error) { err := g.drill(other, agent.ID); return err == nil, err })
	t.Logf("%s was killed; after %v %s has the site's link, after %v the site answers through %s",
		held, moved.Round(time.Millisecond), now, time.Since(killed).Round(time.Millisecond), other)
	g.refused(t, now, "cluster remove "+other+" --yes", "1 of 2 voters would be healthy", "bring "+held+" (")
	g.until("every host", func() (bool, error) { return g.hosts(other).Total == 101, nil })
	g.until("the command's end", func() (bool, error) {
		g.ask(other, &c, "commands", "get", c.ID)
		return c.State == "succeeded", nil
	})
	var steps []string
	for _, s := range c.Tasks[0].History {
		steps = append(steps, s.State)
	}
	if got := strings.Join(steps, " "); got != "queued delivered running succeeded" {
		t.Errorf("the command went through %q", got)
	}

	g.start(held)
	g.until("the killed one has what it missed", func() (bool, error) {
		for _, m := range g.status(now).Members {
			if m.Name == held {
				return m.Reachable && m.LagEntries != nil && *m.LagEntries == 0, nil
			}
		}
		return false, nil
	})
	if n := g.hosts(held).Total; n != 101 {
		t.Errorf("%s came back and shows %d hosts", held, n)
	}
	g.until("an answer through the one that came back", func() (bool, error) { err := g.drill(held, agent.ID); return err == nil, err })
	g.until("an empty outbox", func() (bool, error) {
		var st struct{ Node schema.Node }
		g.ask("berlin", &st, "federation", "status")
		return st.Node.Uplink != nil && st.Node.Uplink.Pending == 0, nil
	})
	for _, p := range []*local.Process{agentProc, first, second, berlin} {
		g.end(p)
	}
	// The others have the last entries once they stop: a leader that leaves hands over to one that has them.
	g.until("nobody behind", func() (bool, error) {
		for _, m := range g.status("hq").Members {
			if m.LagEntries == nil || *m.LagEntries != 0 {
				return false, nil
			}
		}
		return true, nil
	})
	for _, p := range g.procs {
		g.end(p)
	}
	g.once(token.ID)
}

// once opens the stores of all: each host is at each controller as the site has it, and counted once.
func (g *group) once(id string) {
	g.Helper()
	site, err := model.ParseSiteID(id)
	g.ok(err)
	rows := g.rows("berlin")
	out, err := queue.Open(filepath.Join(g.Dir, "berlin", "outbox.db"), queue.Options{})
	g.ok(err)
	for name := range g.addrs {
		hq := g.rows(name)
		g.sameHosts(hq, rows, site, 101)
		g.chain(name, hq.Audit)
		at, err := hq.Watermark(model.NodeID(site))
		g.ok(err)
		if at.Seq != out.Dropped() {
			g.Errorf("%s holds through %d, the outbox dropped through %d", name, at.Seq, out.Dropped())
		}
	}
	g.ok(out.Close())
}

// refused is a command that must fail, and say why in its last line: those before it may tell what was about to happen.
func (g *group) refused(t *testing.T, server, args string, words ...string) {
	t.Helper()
	r, err := g.CLI(g.ctx, server, "skerry", strings.Fields(args)...)
	g.ok(err)
	lines := strings.Split(strings.TrimSpace(r.Err), "\n")
	last := lines[len(lines)-1]
	t.Logf("skerry %s\n%s", strings.ReplaceAll(args, g.Dir+"/", ""), r.Err)
	if r.Code == 0 || !strings.HasPrefix(last, "skerry: ") {
		t.Errorf("exit code %d; want a refusal", r.Code)
	}
	for _, word := range words {
		if !strings.Contains(last, word) {
			t.Errorf("it does not say %q", word)
		}
	}
}

// refusals: what an operator may get wrong, each answered in one line that says what to do.
func (g *group) refusals(t *testing.T) {
	ports, err := local.FreePorts(2)
	g.ok(err)
	fails := func(args, words string) {
		t.Helper()
		g.refused(t, "hq", "cluster "+args, strings.Split(words, "|")...)
	}
	g.configure("new", ports[0])
	conf := " --config " + g.config("new")
	from := " --from https://" + g.hq + conf

	other := g.server("other", "controller", ports[1], "cluster: {node: other}")
	var theirs, spent, withdrawn schema.ClusterToken
	g.ask("other", &theirs, "cluster", "join-token")
	g.ask("hq", &withdrawn, "cluster", "join-token", "--name", "never")
	g.run("hq", "skerry", "cluster", "remove", withdrawn.ID, "--yes")
	fails("join nonsense"+from, "copy the whole token")
	fails("join "+theirs.Token+from, "another server|token")
	fails("join "+withdrawn.Token+from, "token")
	fails("join "+withdrawn.Token+" --from https://127.0.0.1:1"+conf, "cannot be reached")
	if _, err := os.Stat(filepath.Join(g.Dir, "new", "cluster", "identity.json")); err == nil {
		t.Error("a machine that was refused has an identity")
	}

	// A token of this group that another machine has used.
	g.ask("hq", &spent, "cluster", "join-token", "--name", "hq4")
	g.run("hq", "skerry", append(strings.Fields("cluster join "+spent.Token+from), "--address", ports[0])...)
	g.configure("thief", ports[0])
	fails("join "+spent.Token+" --from https://"+g.hq+" --config "+g.config("thief"), "used already")
	fails("join "+theirs.Token+" --from https://"+g.addrs["hq2"]+conf, "belongs to|move the folder away")
	g.run("hq", "skerry", "cluster", "remove", spent.ID, "--yes")

	fails("remove hq --yes", "ask another controller")
	g.refused(t, "other", "cluster remove other --yes", "last controller", "add another one first")
	fails("remove nobody --yes", "no node \"nobody\"|cluster peers")
	fails("transfer nobody", "no node \"nobody\"")

	own, foreign, part := filepath.Join(g.Dir, "own.backup"), filepath.Join(g.Dir, "foreign.backup"), filepath.Join(g.Dir, "part.backup")
	g.run("hq", "skerry", "cluster", "backup", own)
	g.run("other", "skerry", "cluster", "backup", foreign)
	b, err := os.ReadFile(own)
	g.ok(err)
	g.ok(os.WriteFile(part, b[:len(b)/2], 0o600))
	if said := g.run("hq", "skerry", "cluster", "backup", "verify", own, "--config", g.config("hq3")); !strings.Contains(said, "Of this group") {
		t.Errorf("a backup of this group: %s", said)
	}
	fails("backup verify "+foreign+" --config "+g.config("hq3"), "another federation|use one of this group")
	fails("backup verify "+part, "damaged|ends too early|use another backup")
	g.configure("restored", ports[0])
	fails("restore "+part+" --yes --config "+g.config("restored"), "use another backup")
	fails("restore "+own+" --yes --config "+g.config("hq3"), "move")
	fails("restore "+foreign+" --yes --config "+g.config("hq3"), "another federation")
	g.end(other)
}
