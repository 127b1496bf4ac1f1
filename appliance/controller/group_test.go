package controller

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
)

// running is a controller within the test's process.
type running struct {
	*controller
	dir  string
	stop func() error
}

func settings(dir, listen, name string) config.Config {
	c := config.Default(model.RoleController)
	c.Data, c.Socket, c.Listen, c.Cluster.Node = dir, filepath.Join(dir, "s"), listen, name
	return c
}

// runNode starts a controller in dir and waits until it answers.
func runNode(t *testing.T, dir, listen, name string) *running {
	t.Helper()
	c := settings(dir, listen, name)
	tcp, err := serve.Listen(c.Listen)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("SKERRY_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", name)
	}
	k := newController(c, Options{Log: log, Version: "test", Ready: func(u string) { ready <- u }})
	if err := k.open(ctx, tcp); err != nil {
		cancel()
		t.Fatal(name, err, k.close())
	}
	go func() {
		err := k.run(ctx)
		if cerr := k.close(); err == nil {
			err = cerr
		}
		_ = tcp.Close()
		ended <- err
	}()
	r := &running{controller: k, dir: dir}
	var result error
	stopped := false
	r.stop = func() error {
		if !stopped {
			stopped = true
			cancel()
			result = <-ended
		}
		return result
	}
	t.Cleanup(func() { _ = r.stop() })
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		t.Fatalf("%s ended before it answered: %v", name, err)
	}
	return r
}

func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "sk") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// eventually waits for a condition that other processes bring about.
func eventually(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	end := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, limit)
		}
		time.Sleep(20 * time.Millisecond) // between two looks
	}
}

// invite makes a token at a controller for another one.
func (r *running) invite(t *testing.T, name string) enroll.Token {
	t.Helper()
	token, err := enroll.NewToken(rand.Reader, model.MemberController, model.NodeID(uuid.Must(uuid.NewV7())), r.ca.Pin())
	if err != nil {
		t.Fatal(err)
	}
	err = r.group.Load().Propose(t.Context(), model.Invite{
		Stamp:  model.Stamp{Actor: "system", At: model.TimeOf(time.Now())},
		Member: model.Member{ID: token.Member, Kind: model.MemberController, Name: name, TokenHash: token.Hash(), TokenExpires: model.TimeOf(time.Now().Add(time.Hour))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// join joins a fresh folder to the group of r, and starts it.
func (r *running) join(t *testing.T, name, listen string) *running {
	t.Helper()
	token, dir := r.invite(t, name), shortDir(t)
	key, err := enroll.BeginNode(dir, token)
	if err != nil {
		t.Fatal(err)
	}
	n, err := enroll.JoinGroup(t.Context(), "https://"+r.address, token, key, enroll.Newcomer{Name: name, Software: "test", Address: listen})
	if err != nil {
		t.Fatal(err)
	}
	if err := enroll.SaveNode(dir, n); err != nil {
		t.Fatal(err)
	}
	return runNode(t, dir, listen, name)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := serve.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (r *running) voters(t *testing.T) (n int) {
	t.Helper()
	s, err := r.group.Load().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Members {
		if m.Voter {
			n++
		}
	}
	return n
}

func (r *running) note(ctx context.Context, text string) error {
	return r.group.Load().Propose(ctx, model.Note{
		Stamp: model.Stamp{Actor: "system", At: model.TimeOf(time.Now())}, Action: "test", Object: text, OK: true,
	})
}

// notes counts the audit entries of note with that text, as this node's rows have them.
func (r *running) notes(t *testing.T, text string) (n int) {
	t.Helper()
	if err := r.group.Load().Fresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := r.rows.Store.View()
	defer v.Close()
	all, err := v.Audit(0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Action == "test" && e.Object == text {
			n++
		}
	}
	return n
}

// TestGroupOfThree: a founder and two that join; each takes writes and reads what the others wrote; the leader goes
// and comes back; one is removed and kept out.
func TestGroupOfThree(t *testing.T) {
	if testing.Short() {
		t.Skip("three controllers take a while")
	}
	a := runNode(t, shortDir(t), freePort(t), "alpha")
	b := a.join(t, "beta", freePort(t))
	c := a.join(t, "gamma", freePort(t))
	eventually(t, "three voters", 60*time.Second, func() bool { return a.voters(t) == 3 })
	for _, r := range []*running{a, b, c} {
		if err := r.note(t.Context(), "from "+r.Cluster.Node); err != nil {
			t.Fatalf("written at %s: %v", r.Cluster.Node, err)
		}
		for _, reader := range []*running{a, b, c} {
			if n := reader.notes(t, "from "+r.Cluster.Node); n != 1 {
				t.Errorf("%s reads %d times what was written at %s", reader.Cluster.Node, n, r.Cluster.Node)
			}
		}
	}
	eventually(t, "the others in the registry", 10*time.Second, func() bool { return len(a.others()) == 2 && len(b.others()) == 2 && len(c.others()) == 2 })
	eventually(t, "hints of three", 20*time.Second, func() bool {
		alive := 0
		for _, h := range c.gossip.Hints() {
			if h.Alive {
				alive++
			}
		}
		return alive == 3
	})

	// The leader leaves in good order: another one leads at once.
	if err := a.stop(); err != nil {
		t.Fatalf("stopped: %v", err)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := b.note(ctx, "without alpha"); err != nil {
		t.Fatal(err)
	}
	t.Logf("written %v after the leader had left", time.Since(began).Round(time.Millisecond))
	again := runNode(t, a.dir, a.Listen, "alpha")
	if n := again.notes(t, "without alpha"); n != 1 {
		t.Errorf("alpha came back and reads it %d times", n)
	}

	id := c.me.Member
	eventually(t, "gamma is out", 20*time.Second, func() bool {
		return b.group.Load().RemoveMember(t.Context(), id.String()) == nil
	})
	err := b.group.Load().Propose(t.Context(), model.RemoveMember{Stamp: model.Stamp{Actor: "system", At: model.TimeOf(time.Now())}, Member: id})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.note(t.Context(), "from outside"); err == nil {
		t.Error("a removed controller wrote")
	}
	if n := b.notes(t, "from outside"); n != 0 {
		t.Error("what a removed controller wrote is there")
	}
	if _, err := c.gate.dialPeer(t.Context(), b.address); !fault.Is(err, fault.Denied) {
		t.Errorf("a removed controller was let in: %v", err)
	}
}
