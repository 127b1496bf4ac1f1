package controller

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/link"
)

// running is a controller within the test's process.
type running struct {
	*controller
	dir  string
	stop func() error
	done chan struct{} // closed when it has ended, by itself or by stop
}

func settings(dir, listen, name string) config.Config {
	c := config.Default(model.RoleController)
	c.Data, c.Socket, c.Listen, c.Cluster.Node = dir, filepath.Join(dir, "s"), listen, name
	return c
}

// runNode starts a controller in dir and waits until it answers.
func runNode(t *testing.T, dir, listen, name string) *running {
	t.Helper()
	return runNodeBy(t, dir, listen, name, node.Policy{}, nil)
}

// runNodeBy does the same with another policy and, if it is set, another log.
func runNodeBy(t *testing.T, dir, listen, name string, policy node.Policy, log *slog.Logger) *running {
	t.Helper()
	c := settings(dir, listen, name)
	tcp, err := serve.Listen(c.Listen)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if os.Getenv("SKERRY_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", name)
	}
	k := newController(c, Options{Log: log, Version: "test", Ready: func(u string) { ready <- u }})
	if k.policy = policy; policy != (node.Policy{}) {
		k.clears = 100 * time.Millisecond
	}
	if err := k.open(ctx, tcp); err != nil {
		cancel()
		t.Fatal(name, err, k.close())
	}
	r := &running{controller: k, dir: dir, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		err := k.run(ctx)
		if cerr := k.close(); err == nil {
			err = cerr
		}
		_ = tcp.Close()
		ended <- err
	}()
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
	return runNode(t, r.enter(t, name, listen), listen, name)
}

// enter joins a fresh folder to the group of r.
func (r *running) enter(t *testing.T, name, listen string) string {
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
	return dir
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
	began = time.Now()
	if err := c.note(t.Context(), "from outside"); err == nil {
		t.Error("a removed controller wrote")
	}
	if n := b.notes(t, "from outside"); n != 0 {
		t.Error("what a removed controller wrote is there")
	}
	outside := &gate{node: c.me, now: time.Now, log: discard}
	if _, err := outside.dialPeer(t.Context(), b.address); !fault.Is(err, unwanted) {
		t.Errorf("a removed controller was let in: %v", err)
	}
	c.endsRemoved(t)
	t.Logf("it ended %v after it had been removed", time.Since(began).Round(time.Millisecond))
	// So does one that was away when it was removed.
	runNode(t, c.dir, c.Listen, "gamma").endsRemoved(t)

	// One that is started alone knows nothing newer than what was recorded last, however short a time it runs.
	for _, r := range []*running{again, b} {
		if err := r.stop(); err != nil {
			t.Errorf("stopped: %v", err)
		}
	}
	alone := runNode(t, b.dir, b.Listen, "beta")
	if age, least := alone.age(), time.Since(began)-time.Second; age < least {
		t.Errorf("what it has is said to be %v old, and is %v at least", age, least)
	}
	alone.backsUpAlone(t)
}

// TestRemovedBeforeItsFirstStart: it knows nobody but those that it was told of when it joined.
func TestRemovedBeforeItsFirstStart(t *testing.T) {
	a, listen := runNode(t, shortDir(t), freePort(t), "alpha"), freePort(t)
	dir := a.enter(t, "beta", listen)
	n, err := enroll.LoadNode(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := (cluster{a.controller}).Remove(t.Context(), n.Member.String()); err != nil {
		t.Fatal(err)
	}
	runNode(t, dir, listen, "beta").endsRemoved(t)
}

// endsRemoved waits until a controller ends by itself, and checks what it says.
func (r *running) endsRemoved(t *testing.T) {
	t.Helper()
	select {
	case <-r.done:
		if err := r.stop(); !errors.Is(err, errRemoved) {
			t.Errorf("the removed controller ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("a removed controller does not learn that it is")
	}
}

// TestNodeShowsItsOwnCertificate: who dials a node on the ways between nodes sees which one answers; a browser and a site
// see the server.
func TestNodeShowsItsOwnCertificate(t *testing.T) {
	r := runNode(t, shortDir(t), freePort(t), "alpha")
	for proto, own := range map[string]bool{link.ProtoRaft: true, link.ProtoPeer: true, link.ProtoGossip: true, link.ProtoLink: false, link.ProtoEnroll: false} {
		shown := ""
		c := r.me.DialNode(proto, nil)
		c.Check = func(leaf *x509.Certificate) error { shown = leaf.Subject.CommonName; return nil }
		conn, err := link.DialConn(t.Context(), r.address, c)
		if err != nil {
			t.Fatalf("%s: %v", proto, err)
		}
		_ = conn.Close()
		if (shown == r.me.Member.String()) != own {
			t.Errorf("%s shows %q", proto, shown)
		}
	}
}

// backsUpAlone takes a backup of what a node has that its group does not answer, which is the way out where the others are
// lost for good.
func (r *running) backsUpAlone(t *testing.T) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", r.Socket)
	}}}
	defer client.CloseIdleConnections()
	get := func(path string) *http.Response {
		resp, err := client.Get("http://local/api/v1/cluster/backup" + path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
	began := time.Now()
	resp := get("?consistency=stale")
	file := filepath.Join(t.TempDir(), "backup")
	raw, err := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || err != nil {
		t.Fatalf("a backup of what a lonely node has: status %d, %s, %v", resp.StatusCode, raw, err)
	}
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := VerifyBackup(t.Context(), file, r.Data)
	if err != nil || !info.Own || info.AgeS <= 0 {
		t.Errorf("%+v, %v", info, err)
	}
	if age, err := strconv.ParseFloat(resp.Header.Get("Skerry-Age"), 64); err != nil || age <= 0 {
		t.Errorf("the answer says %q of its age", resp.Header.Get("Skerry-Age"))
	}
	t.Logf("the backup took %v", time.Since(began).Round(time.Millisecond))
}
