package node

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/storage/index"
	"go.uber.org/goleak"
)

// stream is a StreamLayer over plain TCP.
type stream struct{ net.Listener }

func (stream) Dial(a raft.ServerAddress, limit time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(a), limit)
}

func listen() (stream, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	return stream{l}, err
}

// world is a node with everything below it.
type world struct {
	*Node
	store *index.Store
	fsm   *raftfsm.FSM
}

func start(dir string, bootstrap bool, disk *index.Disk, tune func(*Config)) (*world, error) {
	store, err := index.Open(filepath.Join(dir, "index"), index.Options{Disk: disk})
	if err != nil {
		return nil, err
	}
	w := &world{store: store, fsm: raftfsm.New(store, apply.Env{Role: model.RoleController}, nil)}
	s, err := listen()
	if err != nil {
		return nil, err
	}
	c := Config{Dir: filepath.Join(dir, "raft"), ID: filepath.Base(dir), Stream: s, Store: store, FSM: w.fsm, Bootstrap: bootstrap, Log: slog.New(slog.DiscardHandler)}
	if tune != nil {
		tune(&c)
	}
	if w.Node, err = Open(context.Background(), c); err != nil {
		_ = store.Close()
		return nil, err
	}
	return w, nil
}

func (w *world) stop() error { return errors.Join(w.Close(), w.store.Close()) }

func startReady(t *testing.T, dir string, disk *index.Disk) *world {
	t.Helper()
	w, err := start(dir, true, disk, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.stop() })
	if err := errors.Join(w.WaitLeader(t.Context()), w.Barrier(t.Context())); err != nil {
		t.Fatal(err)
	}
	return w
}

func stamp(n int) model.Stamp {
	return model.Stamp{Actor: "account:ann", At: 1_700_000_000_000 + model.Time(n)}
}

func found(self byte) model.Found {
	return model.Found{Stamp: stamp(0), Self: model.NodeID{self}, Role: model.RoleController, Name: "group"}
}

func account(n int) model.PutAccount {
	return model.PutAccount{Stamp: stamp(n), Account: model.Account{Name: fmt.Sprint("user", n), PasswordHash: "x", CreatedAt: stamp(n).At}}
}

func (w *world) has(t *testing.T, n int) bool {
	t.Helper()
	v := w.store.View()
	defer v.Close()
	_, ok, err := v.Account(fmt.Sprint("user", n))
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func (w *world) hash(t *testing.T) string {
	t.Helper()
	h, err := w.store.Hash(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h)
}

func propose(t *testing.T, w *world, c ...model.Change) {
	t.Helper()
	if err := w.Propose(t.Context(), c...); err != nil {
		t.Fatal(err)
	}
}

func TestProposeAndRestart(t *testing.T) {
	dir := t.TempDir()
	w := startReady(t, dir, nil)
	if is, addr := w.Leader(); !is || addr == "" {
		t.Fatalf("a group of one has no leader: %t %q", is, addr)
	}
	propose(t, w, found(1), account(1))
	if !w.has(t, 1) {
		t.Fatal("Propose came back before the change was applied")
	}
	if err := w.Propose(t.Context(), account(2), found(2)); !fault.Is(err, fault.Conflict) || w.has(t, 2) {
		t.Fatalf("a refused proposal: %v, half applied: %t", err, w.has(t, 2))
	}
	if err := w.Propose(t.Context()); !fault.Is(err, fault.Invalid) {
		t.Fatalf("an empty proposal: %v", err)
	}
	var all sync.WaitGroup
	for i := 10; i < 60; i++ {
		all.Go(func() {
			if err := w.Propose(t.Context(), account(i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	want, applied := w.hash(t), w.store.Applied()
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.Propose(t.Context(), account(3)); !fault.Is(err, fault.ReadOnly) {
		t.Fatalf("a proposal after Close: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatalf("a second Close: %v", err)
	}

	began := time.Now()
	w = startReady(t, dir, nil)
	if took := time.Since(began); took > time.Second {
		t.Errorf("the start took %s", took)
	}
	if got := w.hash(t); got != want || w.store.Applied() != applied {
		t.Fatalf("after the restart: hash %s at %d, want %s at %d", got, w.store.Applied(), want, applied)
	}
	propose(t, w, account(4))
	if !w.has(t, 4) || w.store.Applied() <= applied {
		t.Fatalf("the first proposal after the restart is not there; applied %d", w.store.Applied())
	}
}

// A power cut takes what Pebble had not synced; the log brings it back.
func TestLogBringsBackUnsyncedRows(t *testing.T) {
	dir, disk := t.TempDir(), index.NewMemDisk()
	w := startReady(t, dir, disk)
	propose(t, w, found(1))
	for i := range 50 {
		propose(t, w, account(i))
	}
	want := w.hash(t)
	cut := disk.Crash(0, 1)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	lost, err := index.Open(filepath.Join(dir, "index"), index.Options{Disk: cut})
	if err != nil {
		t.Fatal(err)
	}
	if lost.Applied() >= w.store.Applied() {
		t.Fatal("the power cut took nothing: the test proves nothing")
	}
	if err := lost.Close(); err != nil {
		t.Fatal(err)
	}
	w = startReady(t, dir, cut)
	if got := w.hash(t); got != want {
		t.Fatalf("after the power cut: hash %s, want %s", got, want)
	}
}

// An index that was lost is restored from the snapshot and the log behind it; one that is ahead of the
// log is refused.
func TestLostFolders(t *testing.T) {
	dir := t.TempDir()
	w := startReady(t, dir, nil)
	propose(t, w, found(1))
	for i := range 20 {
		propose(t, w, account(i))
	}
	if err := w.raft.ReloadConfig(raft.ReloadableConfig{
		TrailingLogs: 2, SnapshotInterval: time.Hour, SnapshotThreshold: 1 << 40,
		HeartbeatTimeout: time.Second, ElectionTimeout: time.Second,
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.raft.Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
	if first, err := w.disk.FirstIndex(); err != nil || first < 10 {
		t.Fatalf("the log was not cut: it begins at %d, %v", first, err)
	}
	propose(t, w, account(20))
	want := w.hash(t)
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "raft", "snapshots", "9-9-9.tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	w = startReady(t, dir, nil)
	if got := w.hash(t); got != want {
		t.Fatalf("after the index was lost: hash %s, want %s", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "raft", "snapshots", "9-9-9.tmp")); !os.IsNotExist(err) {
		t.Errorf("an unfinished snapshot is left: %v", err)
	}
	// A second start restores nothing, for the rows are there.
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	w = startReady(t, dir, nil)
	propose(t, w, account(21))
	if err := w.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "raft")); err != nil {
		t.Fatal(err)
	}
	if _, err := start(dir, true, nil, nil); !fault.Is(err, fault.Conflict) {
		t.Fatalf("rows without their log: %v", err)
	}
}

// A node that cannot write its log, or cannot apply, leaves the group and says why.
func TestFailuresEndTheNode(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, w *world){
		"log": func(t *testing.T, w *world) {
			w.guard.store = failing{w.guard.store}
			if err := w.Propose(t.Context(), account(2)); !fault.Is(err, fault.ReadOnly) {
				t.Errorf("a proposal on a failing disk: %v", err)
			}
		},
		"entry": func(t *testing.T, w *world) {
			if err := w.raft.Apply([]byte("garbage"), time.Second).Error(); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := startReady(t, t.TempDir(), nil)
			propose(t, w, found(1), account(1))
			if w.Err() != nil {
				t.Fatal(w.Err())
			}
			spoil(t, w)
			<-w.Failed()
			if !fault.Is(w.Err(), fault.ReadOnly) {
				t.Errorf("Err is %v", w.Err())
			}
			if err := w.Propose(t.Context(), account(3)); !fault.Is(err, fault.ReadOnly) || w.has(t, 3) {
				t.Errorf("a proposal afterwards: %v", err)
			}
			if is, _ := w.Leader(); is {
				t.Error("it still leads")
			}
			if err := w.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// failing is a log whose disk has failed.
type failing struct{ store }

func (failing) StoreLogs([]*raft.Log) error { return errors.New("input/output error") }

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	w := startReady(t, dir, nil)
	s, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	held := Config{Dir: filepath.Join(dir, "raft"), ID: "x", Stream: s, Store: w.store, FSM: w.fsm}
	if _, err := Open(t.Context(), held); !fault.Is(err, fault.Conflict) {
		t.Errorf("a folder that another process holds: %v", err)
	}
	if _, err := s.Accept(); err == nil {
		t.Error("the stream layer was left open")
	}
	held.ID = ""
	if _, err := Open(t.Context(), held); !fault.Is(err, fault.Invalid) {
		t.Errorf("without an id: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Propose(ctx, account(1)); !fault.Is(err, fault.Unreachable) {
		t.Errorf("a proposal whose caller has gone: %v", err)
	}
}

const childEnv = "SKERRY_NODE_CRASH_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		crashChild(dir)
	}
	if what := os.Getenv(replicaEnv); what != "" {
		if err := replica(what); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// Raft never answers a barrier that it had under way when it was shut down.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/skerryhq/skerry/raftfsm/node.(*Node).Barrier.func1"))
}

// crashChild proposes for ever, four callers at once, and says each number once it is through.
func crashChild(dir string) {
	die := func(err error) {
		fmt.Println("error", err)
		os.Exit(1)
	}
	w, err := start(dir, true, nil, nil)
	if err != nil {
		die(err)
	}
	ctx := context.Background()
	if err := errors.Join(w.WaitLeader(ctx), w.Barrier(ctx), w.Propose(ctx, found(1))); err != nil {
		die(err)
	}
	base := int(w.store.Applied()) * 1000
	for c := range 4 {
		go func() {
			for n := base + c; ; n += 4 {
				if err := w.Propose(ctx, account(n)); err != nil {
					die(err)
				}
				fmt.Println("have", n)
			}
		}()
	}
	select {}
}

// After a kill -9 at any moment the node starts again and has every acknowledged change.
func TestKill9LosesNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	have := map[int]bool{}
	for round := range 6 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for after := 1 + rnd.IntN(150); lines.Scan(); after-- {
			var n int
			if _, err := fmt.Sscanf(lines.Text(), "have %d", &n); err != nil {
				t.Fatalf("round %d: the child said %q", round, lines.Text())
			}
			have[n] = true
			if after == 0 {
				_ = cmd.Process.Kill()
			}
		}
		_ = cmd.Wait()
	}
	w := startReady(t, dir, nil)
	for n := range have {
		if !w.has(t, n) {
			t.Fatalf("change %d was acknowledged and is gone", n)
		}
	}
	if r, err := w.store.Check(t.Context()); err != nil || !r.OK() {
		t.Fatalf("the index after the kills: %+v, %v", r, err)
	}
	if len(have) < 50 {
		t.Fatalf("only %d changes in all: the test proves nothing", len(have))
	}
}

// Newer raft does not build with any released log store, and older raft-wal panics for ever after a
// kill -9; an innocent "go get" gives either.
func TestPins(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string]string{
		"github.com/hashicorp/raft":     "v1.7.3",
		"github.com/hashicorp/raft-wal": "v0.4.2",
	} {
		m := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(module) + `\s+(\S+)`).FindSubmatch(b)
		if m == nil || string(m[1]) != want {
			t.Errorf("go.mod has %s %s; it is pinned to %s because other versions do not work together or lose data: see raftfsm/DESIGN.md", module, m, want)
		}
		if regexp.MustCompile(`(?m)^\s*(?:replace )?` + regexp.QuoteMeta(module) + `\s.*=>`).Match(b) {
			t.Errorf("go.mod replaces %s", module)
		}
	}
}

// Once an entry of a version is in the rows, all nodes read it: what the leader writes from then on is applied by its rules, also
// changes that older entries could hold.
func TestEntriesAreOfTheNewestVersionInTheRows(t *testing.T) {
	w := startReady(t, t.TempDir(), nil)
	propose(t, w, found(1), account(1), account(2))
	trust := func(at int, revoked bool) model.TrustSigner {
		return model.TrustSigner{Stamp: stamp(at), Key: model.SignerKey{ID: "sha256:1", Name: "key", Public: "pem", Revoked: revoked}}
	}
	revoked := func() bool {
		t.Helper()
		v := w.store.View()
		defer v.Close()
		k, ok, err := v.Signer("sha256:1")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return k.Revoked
	}
	propose(t, w, trust(1, true))
	propose(t, w, trust(2, false))
	if revoked() {
		t.Fatal("an entry of an earlier version does what it did: the test shows nothing")
	}
	propose(t, w, model.DropAccount{Stamp: stamp(3), Name: "user2"}) // there is none of it in earlier versions
	propose(t, w, trust(4, true))
	propose(t, w, trust(5, false))
	if !revoked() {
		t.Error("what was read before a revocation took it back")
	}
}
