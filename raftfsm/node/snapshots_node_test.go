package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/entry"
	"github.com/skerryhq/skerry/storage/index"
)

// bare is Raft with the snapshots, the rows and the transport of a node, over a log in memory. Entries that such a log was
// told to forget are gone; those on a disk may be read for a while.
type bare struct {
	raft  *raft.Raft
	dir   string
	addr  string
	logs  *raft.InmemStore
	store *index.Store
	snaps *snapshots
}

func (m *bare) stop(t *testing.T) {
	t.Helper()
	m.snaps.stop()
	if err := errors.Join(m.raft.Shutdown().Error(), m.store.Close()); err != nil {
		t.Fatal(err)
	}
}

// startBare starts one; was is what it was before, nil for a new one.
func startBare(t *testing.T, w *wires, was *bare) *bare {
	t.Helper()
	m := &bare{dir: t.TempDir(), addr: "127.0.0.1:0", logs: raft.NewInmemStore()}
	if was != nil {
		m.dir, m.addr, m.logs = was.dir, was.addr, was.logs
	}
	var err error
	if m.store, err = index.Open(filepath.Join(m.dir, "index"), index.Options{NoWAL: true}); err != nil {
		t.Fatal(err)
	}
	if m.snaps, err = openSnapshots(filepath.Join(m.dir, "raft"), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", m.addr)
	if err != nil {
		t.Fatal(err)
	}
	first := m.addr == "127.0.0.1:0"
	m.addr = l.Addr().String()
	if first {
		w.serve(t, m.addr, func(ctx context.Context, from string, body []byte, conn net.Conn) error {
			w.mu.Lock()
			r := w.receivers[m.addr]
			w.mu.Unlock()
			return r.receive(ctx, from, body, conn)
		})
	}
	w.mu.Lock()
	w.receivers[m.addr] = m.snaps.incoming
	w.mu.Unlock()
	c := raft.DefaultConfig()
	c.LocalID, c.Logger = raft.ServerID(m.addr), newLogger(slog.New(slog.DiscardHandler))
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout, c.CommitTimeout = 200*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond, 5*time.Millisecond
	c.TrailingLogs, c.SnapshotInterval, c.SnapshotThreshold = 1, time.Hour, 1<<40
	restore, err := compare(m.store, m.logs, m.snaps)
	if err != nil {
		t.Fatal(err)
	}
	c.NoSnapshotRestoreOnStart = !restore
	fsm := raftfsm.New(m.store, apply.Env{Role: model.RoleController}, nil)
	fsm.Scratch = filepath.Join(m.dir, "scratch")
	trans := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{Stream: stream{l}, MaxPool: 3, Timeout: 5 * time.Second, Logger: c.Logger})
	if m.raft, err = raft.NewRaft(c, fsm, m.logs, m.logs, m.snaps, newSender(trans, m.snaps, w)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.snaps.stop()
		_ = m.raft.Shutdown().Error()
		_ = trans.Close()
		_ = m.store.Close()
	})
	return m
}

func (m *bare) hash(t *testing.T) string {
	t.Helper()
	h, err := m.store.Hash(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h)
}

func (m *bare) put(t *testing.T, changes ...model.Change) {
	t.Helper()
	for _, c := range changes {
		b, err := entry.Encode([]model.Change{c})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.raft.Apply(b, 10*time.Second).Error(); err != nil {
			t.Fatal(err)
		}
	}
}

func accounts(from, to int) (all []model.Change) {
	for i := from; i < to; i++ {
		all = append(all, account(i))
	}
	return all
}

// reach waits until m has applied what other has, and compares.
func (m *bare) reach(t *testing.T, other *bare) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for seen := uint64(0); m.store.Applied() < other.store.Applied(); {
		var err error
		if seen, err = m.store.Wait(ctx, seen); err != nil {
			t.Fatalf("the follower is at %d, the leader at %d: %v", m.store.Applied(), other.store.Applied(), err)
		}
	}
	if got, want := m.hash(t), other.hash(t); got != want {
		t.Fatal("the follower has other rows than the leader")
	}
}

// TestFollowerGetsFolder: a follower that the log does not reach gets the snapshot's files, over streams that are cut, and
// later what it does not have of the next one. It has the same rows, and they come back from its own snapshot when its index
// is lost.
func TestFollowerGetsFolder(t *testing.T) {
	w := &wires{receivers: map[string]*receiver{}}
	a := startBare(t, w, nil)
	if err := a.raft.BootstrapCluster(raft.Configuration{Servers: []raft.Server{{ID: raft.ServerID(a.addr), Address: raft.ServerAddress(a.addr)}}}).Error(); err != nil {
		t.Fatal(err)
	}
	if !<-a.raft.LeaderCh() {
		t.Fatal("a group of one has no leader")
	}
	a.put(t, found(1))
	a.put(t, accounts(0, 30)...)
	if err := a.raft.Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
	opened := 0
	w.mu.Lock()
	w.bend = func(conn net.Conn) net.Conn {
		if opened++; opened <= 3 { // one by one: there is one follower
			return &cutting{conn, 900}
		}
		return conn
	}
	w.mu.Unlock()
	b := startBare(t, w, nil)
	if err := a.raft.AddNonvoter(raft.ServerID(b.addr), raft.ServerAddress(b.addr), 0, time.Second).Error(); err != nil {
		t.Fatal(err)
	}
	a.put(t, accounts(30, 40)...)
	b.reach(t, a)
	if opened < 4 {
		t.Errorf("the stream was opened %d times", opened)
	}
	equal(t, "left in incoming", names(t, b.snaps.incoming.dir), nil)
	equal(t, "left in scratch", names(t, filepath.Join(b.dir, "scratch")), nil)

	// While it is away the log goes on and is cut again.
	b.stop(t)
	a.put(t, accounts(40, 50)...)
	if err := a.raft.Snapshot().Error(); err != nil {
		t.Fatal(err)
	}
	a.put(t, accounts(50, 55)...)
	before := opened
	b = startBare(t, w, b)
	b.reach(t, a)
	if opened == before {
		t.Error("the follower got the second snapshot by the log")
	}
	want := b.hash(t)
	at := b.store.Applied()
	ids := listed(t, b.snaps)
	b.stop(t)
	if err := os.RemoveAll(filepath.Join(b.dir, "index")); err != nil {
		t.Fatal(err)
	}
	a.stop(t) // nobody else can help
	b = startBare(t, w, b)
	if s := b.store.Applied(); s == 0 || len(ids) != 2 {
		t.Fatalf("with the snapshots %q the rows are at %d", ids, s)
	}
	// What the log has behind the snapshot comes once a leader says that it is committed.
	if b.store.Applied() == at && b.hash(t) != want {
		t.Error("the rows that were lost came back as others")
	}
}

// TestRestartAfterPowerCutWithoutLog: Raft brings back what the memory tables held, and nothing else is
// applied again.
func TestRestartAfterPowerCutWithoutLog(t *testing.T) {
	dir, disk := t.TempDir(), index.NewMemDisk()
	open := func(disk *index.Disk) (*Node, *index.Store, *atomic.Int64) {
		t.Helper()
		store, err := index.Open("/data/index", index.Options{Disk: disk, NoWAL: true, MemBytes: 32 << 10})
		if err != nil {
			t.Fatal(err)
		}
		var bytes atomic.Int64
		store.Tap(func(b []byte) { bytes.Add(int64(len(b))) })
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n, err := Open(t.Context(), Config{
			Dir: filepath.Join(dir, "raft"), ID: "a", Stream: stream{l}, Store: store, Bootstrap: true,
			FSM: raftfsm.New(store, apply.Env{Role: model.RoleController}, nil), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = errors.Join(n.Close(), store.Close()) })
		if err := errors.Join(n.WaitLeader(t.Context()), n.Barrier(t.Context())); err != nil {
			t.Fatal(err)
		}
		return n, store, &bytes
	}
	n, store, _ := open(disk)
	if err := n.Propose(t.Context(), found(1)); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		if err := n.Propose(t.Context(), account(i)); err != nil {
			t.Fatal(err)
		}
	}
	want, end := (&bare{store: store}).hash(t), store.Applied()
	cut := disk.Crash(0, 1)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	look, err := index.Open("/data/index", index.Options{Disk: cut, NoWAL: true, MemBytes: 32 << 10})
	if err != nil {
		t.Fatal(err)
	}
	stands := look.Applied()
	if err := look.Close(); err != nil {
		t.Fatal(err)
	}
	if stands == 0 || stands >= end {
		t.Fatalf("the power cut left entry %d of %d: the test proves nothing", stands, end)
	}
	_, store, again := open(cut)
	if got := (&bare{store: store}).hash(t); got != want || store.Applied() < end {
		t.Fatalf("after the power cut: hash %s at %d, want %s at %d", got, store.Applied(), want, end)
	}
	if limit := int64(2 * (32 << 10)); again.Load() == 0 || again.Load() > limit {
		t.Errorf("%d bytes were written again, the limit is %d", again.Load(), limit)
	}
	t.Logf("entry %d of %d was left; %d bytes were written again", stands, end, again.Load())
}

// TestDamagedSnapshotEndsTheStart: the log is cut behind the newest snapshot, so a start without it would
// have a hole.
func TestDamagedSnapshotEndsTheStart(t *testing.T) {
	dir := t.TempDir()
	open := func() (*Node, *index.Store, error) {
		store, err := index.Open(filepath.Join(dir, "index"), index.Options{NoWAL: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n, err := Open(t.Context(), Config{
			Dir: filepath.Join(dir, "raft"), ID: "a", Stream: stream{l}, Store: store, Bootstrap: true,
			FSM: raftfsm.New(store, apply.Env{Role: model.RoleController}, nil),
		})
		return n, store, err
	}
	n, store, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(n.WaitLeader(t.Context()), n.Propose(t.Context(), found(1)), n.raft.Snapshot().Error(), n.Close(), store.Close()); err != nil {
		t.Fatal(err)
	}
	meta, err := filepath.Glob(filepath.Join(dir, "raft", snapshotsName, "*", metaName))
	if err != nil || len(meta) != 1 {
		t.Fatal(meta, err)
	}
	if err := os.Truncate(meta[0], 10); err != nil {
		t.Fatal(err)
	}
	if _, _, err = open(); !fault.Is(err, fault.Corrupt) || !strings.Contains(fmt.Sprint(err), "join the group anew") {
		t.Errorf("a start without the snapshot that the log is cut behind: %v", err)
	}
}

var _ raft.SnapshotStore = (*snapshots)(nil)
