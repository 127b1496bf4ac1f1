package agent

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/link"
)

const childEnv = "SKERRY_AGENT_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

// host is a made-up host that can be changed.
type host struct {
	mu       sync.Mutex // guards what follows
	facts    model.Facts
	packages []model.Package
	certs    []model.Certificate
	system   model.OSFacts
	looks    int
	err      error
}

func newHost() *host {
	return &host{
		facts:    model.Facts{Hostname: "web01", BootedAt: 1_763_700_000_000},
		packages: []model.Package{{Manager: "dpkg", Name: "bash", Version: "5.2-1"}, {Manager: "dpkg", Name: "zlib1g", Version: "1.2-1"}},
		certs:    []model.Certificate{{Path: "/etc/a.pem", Fingerprint: "00"}},
	}
}

func (h *host) probe() Probe {
	return Probe{
		Facts: func(context.Context) (model.Facts, error) { h.mu.Lock(); defer h.mu.Unlock(); return h.facts, nil },
		Inventory: func(context.Context) (model.Inventory, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.looks++
			return model.Inventory{OS: h.facts.OS, Packages: h.packages}, h.err
		},
		Certificates: func(context.Context) ([]model.Certificate, []error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.certs, nil
		},
		OSFacts: func(context.Context) (model.OSFacts, error) { h.mu.Lock(); defer h.mu.Unlock(); return h.system, nil },
	}
}

// enrolled enrolls a new agent at s through the command line and returns its data folder and identity.
func enrolled(t *testing.T, s *site) (string, enroll.Identity) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	var out, errs bytes.Buffer
	if code := Main([]string{"enroll", "--site", "https://" + s.addr, "--token", s.invite(model.MemberHost, "web01"), "--data", dir}, nil, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	id, err := enroll.LoadIdentity(identityDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), id.Member.String()) || id.Upper != s.id {
		t.Fatalf("said %q; identity %+v", out.String(), id)
	}
	return dir, id
}

func configFor(dir string, id enroll.Identity, p Probe) Config {
	addr, err := link.Address(id.URL)
	return Config{
		Dir: dir, Host: model.HostID(id.Member), Name: id.Name, Epoch: id.Epoch, Site: id.Upper, Probe: p, BackoffCap: 50 * time.Millisecond,
		Dial: func(ctx context.Context) (exchange.Session, error) {
			if err != nil {
				return nil, err
			}
			s, err := link.Dial(ctx, addr, id.Dial(time.Now))
			if err != nil {
				return nil, err
			}
			return s, nil
		},
	}
}

// begin runs an agent; the returned function stops it and returns what Run did.
func begin(t *testing.T, c Config) (*Agent, func() error) {
	t.Helper()
	a, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	var once sync.Once
	stop := func() (err error) {
		once.Do(func() {
			cancel()
			err = <-done
			if cerr := a.Close(); err == nil {
				err = cerr
			}
		})
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return a, stop
}

// The whole walk: enroll, report, obey, while the site is up and while it is not.
func TestReportsAndObeys(t *testing.T) {
	s := newSite(t)
	dir, id := enrolled(t, s)
	h := newHost()
	a, stop := begin(t, configFor(dir, id, h.probe()))
	host := model.HostID(id.Member)
	s.until("everything came once", func() bool { return len(s.items) == 4 })
	s.mu.Lock()
	for _, it := range s.items {
		if it.Key != host.String() || it.AsOf == 0 {
			t.Errorf("item %s has key %q, as of %v", it.Kind, it.Key, it.AsOf)
		}
	}
	var inv model.Inventory
	if err := model.Decode(s.items[1].Payload, &inv); err != nil || s.items[1].Kind != model.ItemPackages || !reflect.DeepEqual(inv.Packages, h.packages) {
		t.Errorf("packages came as %s %s (%v)", s.items[1].Kind, s.items[1].Payload, err)
	}
	s.mu.Unlock()

	ping := s.ended(s.dispatch(host, model.Command{Kind: model.CommandPing}))
	if ping.State != model.CommandSucceeded || !strings.Contains(ping.Output, Version) || len(ping.History) != 3 {
		t.Errorf("ping: %+v", ping)
	}
	unknown := s.ended(s.dispatch(host, model.Command{Kind: "disk.format"}))
	if want := "this agent (version " + Version + ") does not know disk.format"; unknown.State != model.CommandFailed || unknown.Reason != want {
		t.Errorf("unknown kind: %+v", unknown)
	}

	s.stop()
	refresh := s.dispatch(host, model.Command{Kind: model.CommandInventoryRefresh}) // waits at the site
	s.start()
	task := s.ended(refresh)
	if task.State != model.CommandSucceeded || task.Output != "2 packages, 1 certificates" {
		t.Errorf("refresh: %+v", task)
	}
	s.mu.Lock()
	if n := s.countLocked(model.ItemPackages); n != 2 {
		t.Errorf("packages came %d times, want 2", n)
	}
	if len(s.refused) > 0 {
		t.Errorf("moves that the life cycle forbids: %v", s.refused)
	}
	s.mu.Unlock()
	if !a.Link().Online {
		t.Error("the agent says that its link is down")
	}
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
}

// What is observed and run while the site is away comes once it is back, each once, over restarts of
// the agent.
func TestNothingIsLostWhileTheSiteIsAway(t *testing.T) {
	s := newSite(t)
	dir, id := enrolled(t, s)
	h := newHost()
	h.facts.Tags = nil
	c := configFor(dir, id, h.probe())
	host := model.HostID(id.Member)
	_, stop := begin(t, c)
	s.until("the first report came", func() bool { return len(s.items) == 4 })
	s.stop()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// An order that was taken but not run yet, as after a loss of power.
	order := model.Order{Command: model.Command{ID: newID[model.CommandID](), Kind: model.CommandPing, ExpiresAt: model.TimeOf(time.Now().Add(time.Hour))}, Hosts: []model.HostID{host}}
	q, err := queue.Open(filepath.Join(dir, "queue.db"), queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Take(s.id, 1, []model.Item{orderItem(t, 1, order)}); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	s.dispatch(host, order.Command) // the site sends it as well: it must run once all the same
	h.mu.Lock()
	h.packages = h.packages[:1]
	h.mu.Unlock()
	for head := q.Head(); ; { // lives without the site; each observes everything anew
		a, stop := begin(t, c)
		if err := a.queue.Wait(t.Context(), head+3); err != nil {
			t.Fatal(err)
		}
		head += 4
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if head > 16 {
			break
		}
	}
	s.start()
	_, stop = begin(t, c)
	task := s.ended(order.Command.ID)
	if task.State != model.CommandSucceeded || len(task.History) != 3 {
		t.Errorf("%+v", task)
	}
	s.until("the new packages came", func() bool {
		last := model.Inventory{}
		for _, it := range s.items {
			if it.Kind == model.ItemPackages {
				_ = model.Decode(it.Payload, &last)
			}
		}
		return len(last.Packages) == 1
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ends := 0
	for _, it := range s.items {
		if it.Kind == model.ItemMove && strings.HasSuffix(it.Key, string(model.CommandSucceeded)) {
			ends++
		}
	}
	if ends != 1 {
		t.Errorf("the order ended %d times", ends)
	}
	if len(s.refused) > 0 {
		t.Errorf("moves that the life cycle forbids: %v", s.refused)
	}
}

// child is an agent whose refresh never ends; it says when it has begun.
func child(dir string) int {
	id, err := enroll.LoadIdentity(identityDir(dir))
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	looks := 0
	h := newHost()
	p := h.probe()
	inner := p.Inventory
	p.Inventory = func(ctx context.Context) (model.Inventory, error) {
		if looks++; looks > 1 { // the first look is the one at the start
			fmt.Println("running")
			select {}
		}
		return inner(ctx)
	}
	a, err := Open(configFor(dir, id, p))
	if err == nil {
		err = a.Run(context.Background())
	}
	fmt.Println("error", err)
	return 1
}

// An order that was running when the machine lost its power is reported as interrupted, and is not
// run again.
func TestKilledInTheMiddleOfAnOrder(t *testing.T) {
	s := newSite(t)
	dir, id := enrolled(t, s)
	host := model.HostID(id.Member)
	refresh := s.dispatch(host, model.Command{Kind: model.CommandInventoryRefresh})

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "running\n" {
		t.Fatalf("the child said %q (%v)", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	h := newHost()
	_, stop := begin(t, configFor(dir, id, h.probe()))
	task := s.ended(refresh)
	if task.State != model.CommandFailed || task.Reason != "interrupted" || len(task.History) != 3 {
		t.Errorf("%+v", task)
	}
	// A later order runs; the interrupted one is not run in its stead.
	if ping := s.ended(s.dispatch(host, model.Command{Kind: model.CommandPing})); ping.State != model.CommandSucceeded {
		t.Errorf("%+v", ping)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if h.looks != 1 {
		t.Errorf("the packages were looked at %d times, want once, at the start", h.looks)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refused) > 0 {
		t.Errorf("moves that the life cycle forbids: %v", s.refused)
	}
}

// A site that was restored from a backup gets everything again and may send its orders again.
func TestSiteRestoredFromBackup(t *testing.T) {
	s := newSite(t)
	dir, id := enrolled(t, s)
	host := model.HostID(id.Member)
	h := newHost()
	_, stop := begin(t, configFor(dir, id, h.probe()))
	ping := s.dispatch(host, model.Command{Kind: model.CommandPing})
	s.ended(ping)
	s.stop()
	s.mu.Lock()
	s.items, s.marks, s.epoch = nil, map[model.NodeID]model.Position{}, 2
	s.tasks[ping] = model.Task{Command: ping, Host: host, State: model.CommandQueued}
	s.mu.Unlock()
	s.start()
	task := s.ended(ping)
	if task.State != model.CommandSucceeded || !strings.Contains(task.Reason, "for the first time") {
		t.Errorf("%+v", task)
	}
	s.until("everything came again", func() bool {
		return s.countLocked(model.ItemFacts) == 1 && s.countLocked(model.ItemPackages) == 1 && s.countLocked(model.ItemCertificates) == 1
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// An agent that cannot write must end, not pretend.
func TestEndsWhenTheDiskFails(t *testing.T) {
	h := newHost()
	c := Config{
		Dir: t.TempDir(), Host: newID[model.HostID](), Epoch: 1, Site: newID[model.NodeID](), Probe: h.probe(), Log: slog.New(slog.DiscardHandler),
		Dial: func(ctx context.Context) (exchange.Session, error) { <-ctx.Done(); return nil, ctx.Err() },
	}
	a, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second agent in the same folder: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(t.Context()) }()
	if err := a.queue.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	// What the link does where the store under it says that it cannot write any more.
	in := &inbox{check: a.check}
	broken := fault.New(fault.ReadOnly, "", "the disk failed")
	if err := in.check(broken); err != broken {
		t.Errorf("the link was told %v", err)
	}
	if err := <-done; err != broken {
		t.Errorf("ran with %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}
