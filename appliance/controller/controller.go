// Package controller is the root of a controller: the only place where its parts are built and
// started.
//
// It owns the order of starting and stopping, and the glue between rooms that do not know each other.
// A controller is a member of a Raft group from its first start, also while it is alone in it. It
// never talks to an agent and never imports the site's root.
package controller

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/ui/api"
)

// Options are what is not configuration.
type Options struct {
	Log     *slog.Logger
	Version string
	// Ready, if set, is called with the URL that others find the server by, once it answers.
	Ready func(url string)
}

// leaderTimeout bounds the wait for a leader at the start.
const leaderTimeout = 30 * time.Second

// Run serves until ctx ends; then it stops cleanly and returns nil. The errors name what to do: a
// port in use, a folder that cannot be written or belongs to something else.
func Run(ctx context.Context, c config.Config, o Options) (err error) {
	tcp, err := serve.Listen(c.Listen)
	if err != nil {
		return err
	}
	defer tcp.Close()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fault.New(fault.ReadOnly, "open the data folder", "%w; make it writable for this user or set data: to another folder", err)
	}
	if os.Getenv("GOGC") == "" {
		// Most of a controller's memory is the directory, which lives as long as it: letting the heap double
		// before it is collected would double the machine that it needs.
		debug.SetGCPercent(30)
	}
	store, err := index.Open(filepath.Join(c.Data, "index"), index.Options{Log: o.Log, CacheBytes: index.ControllerCache, Vouched: true, NoWAL: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	rows := serve.Rows{Store: store}
	ca, err := enroll.OpenCA(filepath.Join(c.Data, "pki"), "Skerry federation CA", time.Now, nil)
	if err != nil {
		return err
	}
	door, err := serve.OpenDoor(tcp, ca, c, o.Log)
	if err != nil {
		return err
	}
	me, err := openNode(c.Data, c.Name, ca, rows.Self)
	if err != nil {
		return err
	}
	at := &gate{node: me, member: rows.Member, now: time.Now, log: o.Log}
	n, err := node.Open(ctx, node.Config{
		Dir: filepath.Join(c.Data, "raft"), ID: me.Member.String(), Stream: newStream(door.Server.Listen(link.ProtoRaft), at), Store: store,
		FSM: raftfsm.New(store, apply.Env{Role: model.RoleController}, o.Log), Bootstrap: me.Founder(), Log: o.Log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	self, err := found(ctx, c, me.Upper, n, rows)
	if err != nil {
		return err
	}

	var sites *hub.Hub
	reach := serve.NewReach(func(id model.NodeID) bool { l, _ := sites.Live(id); return l.Up }, store.SetReach)
	sites = hub.New(hub.Config{
		Self: self.Self, Name: self.Name, Software: "skerry " + o.Version,
		// The epoch of the directives rises when a group is restored from a backup, which this version
		// cannot do yet.
		Epoch:    func() model.Epoch { return 1 },
		Proposer: n, Reader: rows, ToAll: true, Now: time.Now, Log: o.Log,
		Heard: func(m model.Member) { reach.Look(m.ID) }, // of its opening, and then of every frame
	})
	joins, err := enroll.NewServer(enroll.ServerConfig{
		CA: ca, Members: rows, Proposer: n, Self: self.Self, Name: self.Name, Role: model.RoleController, Log: o.Log,
	})
	if err != nil {
		return err
	}
	socket, err := api.ListenSocket(c.Socket)
	if err != nil {
		return err
	}
	defer socket.Close() // where nothing has come to serve it
	a := api.New(api.Config{
		Role: model.RoleController, Name: self.Name, Version: o.Version, URL: door.URL(c), Data: c.Data,
		Store: rows, Directory: store, Check: rows.Check, Proposer: n, Links: serve.Links{Hub: sites}, Tokens: door, Asker: sites, Ready: notReady(n), Log: o.Log,
	})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case <-n.Failed(): // a node that can no longer write must not go on looking healthy
			return n.Err()
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error {
		return door.Run(ctx, socket, a, joins, rows, o.Log, func(ctx context.Context, l *link.Session, m model.Member) {
			_ = sites.Serve(ctx, l, m) // it logs why the link ended
			reach.Look(m.ID)
		})
	})
	if o.Ready != nil {
		o.Ready(door.URL(c))
	}
	return g.Wait()
}

// found waits for the group to have a leader and gives a new group its identity.
func found(ctx context.Context, c config.Config, group model.NodeID, n *node.Node, rows serve.Rows) (model.Found, error) {
	wait, cancel := context.WithTimeout(ctx, leaderTimeout)
	defer cancel()
	if err := n.WaitLeader(wait); err != nil {
		return model.Found{}, err
	}
	if err := n.Barrier(wait); err != nil { // the rows hold everything the log does
		return model.Found{}, err
	}
	f, ok, err := rows.Self()
	if err != nil || ok {
		return f, err
	}
	f = model.Found{
		Stamp: model.Stamp{Actor: "system", At: model.TimeOf(time.Now())},
		Self:  group, Role: model.RoleController, Name: c.Name,
	}
	return f, n.Propose(ctx, f)
}

// nodeID returns the id of this node within its group, made at the first start. It is durable before
// the group is founded with it: under another id this node would have no vote in its own group.
func nodeID(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		id, err := uuid.Parse(strings.TrimSpace(string(b)))
		if err != nil {
			return "", fault.New(fault.Corrupt, "read the node's id", "%s: %w; restore the data folder from a backup", path, err)
		}
		return id.String(), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fault.New(fault.ReadOnly, "read the node's id", "%w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	if err := writeDurably(path, id.String()+"\n"); err != nil {
		return "", fault.New(fault.ReadOnly, "write the node's id", "%w; make the data folder writable for this user", err)
	}
	return id.String(), nil
}

// writeDurably puts text at path whole or not at all, durable when it returns.
func writeDurably(path, text string) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func notReady(n *node.Node) func() []string {
	return func() []string {
		if ok, leader := n.Leader(); !ok && leader == "" {
			return []string{"the controller group has no leader: writes wait until a majority of its nodes is up"}
		}
		return nil
	}
}
