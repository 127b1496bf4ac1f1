package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/scripts/local"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/ui/schema"
)

// TestAMonthOffline: a site is cut off for a month, in which its hosts report without pause and run what they had been
// told. Its outbox grows with the hosts, and not with the reports. When the line is back, everything arrives exactly
// once, however often the line is cut and either end is killed meanwhile.
func TestAMonthOffline(t *testing.T) {
	hosts, total, cutN, killN := 500, model.Seq(20_000), 10, 4
	if Long() {
		hosts, total, cutN, killN = 10_000, 5_000_000, 100, 50
	}
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		t.Fatal(err)
	}
	g := &local.Group{Bin: bin, Dir: dir, Died: make(chan error, 100)}
	t.Cleanup(func() {
		_ = g.Stop()
		if t.Failed() {
			for _, name := range []string{"hq", "oslo"} {
				t.Logf("the end of %s's log:\n%s", name, local.Tail(filepath.Join(dir, name+".log"), 20))
			}
		}
		_ = os.RemoveAll(dir)
	})
	ctx := t.Context()
	ports, err := local.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	near, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	line := &Line{Dial: func() (net.Conn, error) { return net.Dial("tcp", ports[0]) }}
	lineCtx, endLine := context.WithCancel(ctx)
	served := make(chan struct{})
	go func() { defer close(served); line.Serve(lineCtx, near) }()
	defer func() { endLine(); <-served }()
	hq := func() (*local.Process, error) {
		return g.Server(ctx, "hq", "controller", ports[0], "cluster:\n  address: "+near.Addr().String())
	}
	oslo := func() (*local.Process, error) {
		return g.Server(ctx, "oslo", "site", ports[1], "agents:\n  interval: 10m")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	controller, err := hq()
	must(err)
	site, err := oslo()
	must(err)
	var tok schema.Token
	must(g.Ask(ctx, "hq", &tok, "sites", "enroll", "oslo"))
	_, err = g.Run(ctx, "oslo", "skerry", "federation", "enroll", "--config", filepath.Join(dir, "oslo.yaml"), "--controller", "https://"+near.Addr().String(), "--token", tok.Token)
	must(err)

	// The gateway reports one round of all hosts, so that the controller knows them and can order something of them.
	must(g.Ask(ctx, "oslo", &tok, "agents", "enroll", "gateway", "--gateway"))
	month := &Month{Hosts: hosts, Total: model.Seq(hosts), From: time.Now().AddDate(0, 0, -30), Span: time.Hour}
	stop := report(t, dir, "https://"+ports[1], tok.Token, month)
	count := func(server, query string) int {
		var n struct {
			Total int `json:"total"`
		}
		if g.Ask(ctx, server, &n, "hosts", "count", query) != nil {
			return -1
		}
		return n.Total
	}
	must(local.Until(ctx, time.Minute, "all hosts at the controller", func() (bool, error) { return count("hq", "") == hosts, nil }))
	stop()
	_, err = g.Run(ctx, "hq", "skerry", "commands", "dispatch", "ping", "--site", "oslo", "--hosts", "*", "--yes", "--ttl", "20h")
	must(err)
	must(local.Until(ctx, time.Minute, "the command at the site", func() (bool, error) {
		var all schema.Commands
		err := g.Ask(ctx, "oslo", &all, "commands", "list")
		return len(all.Commands) == 1, err
	}))

	// A month without the controller.
	must(g.End(controller, syscall.SIGTERM))
	line.Cut()
	began := time.Now()
	month.mu.Lock()
	month.Total, month.Span = total, 30*24*time.Hour
	month.mu.Unlock()
	stop = report(t, dir, "", "", month)
	pending := func() (int, error) {
		var st struct {
			Node schema.Node `json:"node"`
		}
		if err := g.Ask(ctx, "oslo", &st, "federation", "status"); err != nil {
			return 0, err
		}
		return st.Node.Uplink.Pending, nil
	}
	most := 0
	must(local.Until(ctx, 2*time.Hour, "a month of reports at the site", func() (bool, error) {
		n, err := pending()
		most = max(most, n)
		return month.Dropped() == month.Head() && len(month.moves) == 3*hosts, err
	}))
	took := time.Since(began)
	waits, err := pending()
	must(err)
	// A row and three moves of each host, and a few rows of the site itself.
	if limit := 4*hosts + 50; waits > limit || most > limit {
		t.Errorf("%d items wait, %d did at the most: more than one row and three moves of each of %d hosts", waits, most, hosts)
	}
	size, err := os.Stat(filepath.Join(dir, "oslo", "outbox.db"))
	must(err)
	t.Logf("%d reports of %d hosts in %s (%.0f/s); the outbox holds %d items, its file has %.1f MB",
		total, hosts, took.Round(time.Second), float64(total)/took.Seconds(), waits, float64(size.Size())/1e6)

	// The line is back, and bad.
	rnd := dice(t)
	back := time.Now()
	if controller, err = hq(); err != nil {
		t.Fatal(err)
	}
	var down time.Duration
	kills, cuts := 0, 0
	for cuts < cutN || kills < killN {
		select {
		case <-ctx.Done():
			t.Fatal(context.Cause(ctx))
		case <-time.After(time.Duration(20+rnd.IntN(150)) * time.Millisecond):
		}
		if kills*cutN > cuts*killN || kills == killN {
			line.Cut()
			cuts++
			continue
		}
		killed := time.Now()
		if kills++; kills%2 == 0 {
			must(g.End(controller, syscall.SIGKILL))
			controller, err = hq()
		} else {
			must(g.End(site, syscall.SIGKILL))
			site, err = oslo()
		}
		must(err)
		down += time.Since(killed)
	}
	must(local.Until(ctx, 10*time.Minute, "the drain", func() (bool, error) { n, err := pending(); return n == 0, err }))
	t.Logf("drained in %s, through %d cuts and %d kills (%s of it were restarts)", time.Since(back).Round(time.Millisecond), cuts, kills, down.Round(time.Millisecond))
	stop()

	// Each effect once: every host has its newest report, and every task its four steps.
	if n := count("hq", ""); n != hosts {
		t.Errorf("the controller has %d hosts of %d", n, hosts)
	}
	out, err := g.Run(ctx, "hq", "skerry", "hosts", "export")
	must(err)
	newest := map[string]string{}
	for n := range hosts {
		newest[fmt.Sprintf("till-%d", n)] = month.Last(n)
	}
	for text := range strings.Lines(out) {
		var h schema.Host
		must(json.Unmarshal([]byte(text), &h))
		if len(h.Tags) != 1 || h.Tags[0] != newest[h.Hostname] {
			t.Errorf("%s has %v, and its newest report is %s", h.Hostname, h.Tags, newest[h.Hostname])
		}
		delete(newest, h.Hostname)
	}
	if len(newest) > 0 {
		t.Errorf("%d hosts are missing", len(newest))
	}
	var all schema.Commands
	must(g.Ask(ctx, "hq", &all, "commands", "list"))
	if len(all.Commands) != 1 {
		t.Fatalf("%d commands", len(all.Commands))
	}
	if c := all.Commands[0]; c.State != string(model.CommandSucceeded) || c.TaskN[string(model.CommandSucceeded)] != hosts {
		t.Errorf("the command: %+v", c)
	}
	var whole schema.Command
	must(g.Ask(ctx, "hq", &whole, "commands", "get", all.Commands[0].ID))
	for _, task := range whole.Tasks {
		if len(task.History) != 4 {
			t.Errorf("task of %s: %+v", task.Hostname, task.History)
		}
	}
	for _, server := range []string{"hq", "oslo"} {
		if _, err := g.Run(ctx, server, "skerry", "storage", "check"); err != nil {
			t.Error(err)
		}
	}
}

// report runs a gateway with that outbox until stop. With a token it is enrolled before.
func report(t *testing.T, dir, url, token string, month *Month) (stop func()) {
	t.Helper()
	home := filepath.Join(dir, "gateway")
	if token != "" {
		parsed, err := enroll.ParseToken(token)
		if err != nil {
			t.Fatal(err)
		}
		key, err := enroll.OpenKey(home)
		if err != nil {
			t.Fatal(err)
		}
		id, err := enroll.Join(t.Context(), url, parsed, key, enroll.Newcomer{Name: "gateway", Software: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if err := enroll.SaveIdentity(home, id); err != nil {
			t.Fatal(err)
		}
	}
	id, err := enroll.LoadIdentity(home)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := link.Address(id.URL)
	if err != nil {
		t.Fatal(err)
	}
	dial := id.Dial(time.Now)
	up := uplink.New(uplink.Config{
		Self: id.Member, Name: "gateway", Software: "test", Upper: id.Upper, Outbox: month, Sink: month, Now: time.Now, Log: slog.New(slog.DiscardHandler), BackoffCap: time.Second,
		Dial: func(ctx context.Context) (exchange.Session, error) {
			s, err := link.Dial(ctx, addr, dial)
			if err != nil {
				return nil, err
			}
			return s, nil
		},
		Resync: func(context.Context) error { return nil },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = up.Run(ctx) }()
	return func() { cancel(); <-done }
}
