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
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/raftfsm/node"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/storage/space"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/gossip"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/peer"
	"github.com/skerryhq/skerry/ui/api"
	"github.com/skerryhq/skerry/ui/schema"
)

// Options are what is not configuration.
type Options struct {
	Log     *slog.Logger
	Version string
	// Ready, if set, is called with the URL that others find the server by, once it answers.
	Ready func(url string)
}

// Times of starting and stopping.
const (
	leaderTimeout = 30 * time.Second // for the leader of a group that is being founded
	handOver      = 5 * time.Second  // to let another node lead, before this one stops
	closeLimit    = 5 * time.Second  // to close what may hang, once a disk has failed
	flushLimit    = 60 * time.Second // the same where none has: the last rows go to the disk
)

// Run serves until ctx ends; then it hands over what it leads, stops cleanly and returns nil. The errors name what
// to do: a port in use, a folder that cannot be written or belongs to something else, a disk that failed.
func Run(ctx context.Context, c config.Config, o Options) (err error) {
	if err := enroll.CheckFolder(c.Data, model.MemberController); err != nil {
		return err
	}
	tcp, err := serve.Listen(c.Listen)
	if err != nil {
		return err
	}
	defer tcp.Close()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fault.New(fault.ReadOnly, "open the data folder", "%w; make it writable for this user or set data: to another folder", err)
	}
	k := newController(c, o)
	serve.HoldHeap()
	defer func() { err = k.advise(errors.Join(err, k.close())) }()
	if err := k.open(ctx, tcp); err != nil {
		return err
	}
	return k.run(ctx)
}

func newController(c config.Config, o Options) *controller {
	k := &controller{Config: c, opts: o, log: o.Log, metrics: serve.NewMetrics(model.RoleController, o.Version)}
	k.tellers = newTellers(k.tellEndpoints)
	return k
}

// controller is one run.
type controller struct {
	config.Config
	opts Options
	log  *slog.Logger

	metrics *serve.Metrics
	rows    serve.Rows
	space   *space.Space
	ca      *enroll.CA
	door    *serve.Door
	me      enroll.Node
	gate    *gate
	address string // HOST:PORT where the other nodes and the sites reach this one
	mesh    *peer.Mesh
	group   atomic.Pointer[node.Node] // nil until it is open: the mesh may be asked before
	opened  time.Time                 // when group was
	gossip  *gossip.Gossip
	sites   *hub.Hub
	links   *links
	tellers *tellers
	bundles *bundles // that sites fetch
	pulls   *serve.Pulls
	reach   *serve.Reach
	policy  node.Policy   // zero: the default; tests are quicker
	clears  time.Duration // between two looks for what was removed; zero: clearEvery

	stopping atomic.Bool // told to; see notReady
	closers  []func() error
}

// open builds what has to be there before anything is served.
func (k *controller) open(ctx context.Context, tcp net.Listener) (err error) {
	if done, err := ResumeRestore(k.Data); err != nil {
		return err
	} else if done {
		k.log.Info("a restore that was interrupted is complete now", "folder", k.Data)
	}
	store, err := index.Open(filepath.Join(k.Data, "index"), index.Options{Log: k.log, CacheBytes: index.ControllerCache, MemBytes: index.ControllerMem, Vouched: true, NoWAL: true})
	if err != nil {
		return err
	}
	k.later(store.Close)
	k.rows = serve.Rows{Store: store}
	if k.space, err = space.Open(space.Config{Dir: k.Data, Log: k.log}); err != nil {
		return err
	}
	if k.ca, err = enroll.OpenCA(filepath.Join(k.Data, "pki"), "Skerry federation CA", time.Now, nil); err != nil {
		return err
	}
	if k.door, err = serve.OpenDoor(tcp, k.ca, k.Config, k.log); err != nil {
		return err
	}
	if k.address = k.Cluster.Address; k.address == "" {
		if k.address, err = link.Address(k.door.URL(k.Config)); err != nil {
			return err
		}
	}
	if k.me, err = openNode(k.Data, k.nodeName(), k.ca, k.rows.Self); err != nil {
		return err
	}
	shown := k.me.Certificate()
	k.door.Node = &shown
	k.gate = &gate{
		node: k.me, member: k.rows.Member, restored: k.rows.RestoredAt, others: k.others, now: time.Now, log: k.log, outcast: newOutcast(),
	}
	k.links = newLinks(k.me.Member.String(), func(id model.NodeID) { k.reach.Look(id) }, k.log)
	k.mesh = k.newMesh()
	k.links.mesh = k.mesh
	k.later(k.mesh.Close)
	n, err := node.Open(ctx, node.Config{
		Dir: filepath.Join(k.Data, "raft"), ID: k.me.Member.String(), Address: k.address,
		Stream: newStream(k.door.Server.Listen(link.ProtoRaft), k.gate), Store: store,
		FSM:       raftfsm.New(store, apply.Env{Role: model.RoleController}, k.log),
		Bootstrap: k.me.Founder(), Peers: k.mesh, Streams: k.mesh, Health: k.health, Room: k.room, Policy: k.policy, Observe: k.metrics.Took, Log: k.log,
	})
	if err != nil {
		return err
	}
	k.opened = time.Now()
	k.group.Store(n)
	k.later(n.Close)
	k.door.Fresh = n.Fresh
	return k.openGossip()
}

// later closes something when the run ends; what was opened last goes first.
func (k *controller) later(fn func() error) { k.closers = append(k.closers, fn) }

// close closes everything. Where the disk has failed, something may hang for ever: then the process has to end
// all the same, and what is on the disk is as good as after a power cut.
func (k *controller) close() error {
	done := make(chan error, 1)
	var left atomic.Int32 // to be closed; the rows are the last
	left.Store(int32(len(k.closers)))
	go func() {
		var errs []error
		for i := len(k.closers) - 1; i >= 0; i-- {
			errs = append(errs, k.closers[i]())
			left.Add(-1)
		}
		done <- errors.Join(errs...)
	}()
	limit := flushLimit
	if n := k.group.Load(); n != nil && n.Err() != nil {
		limit = closeLimit
	}
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
	}
	what := "what was open could not be closed"
	if left.Load() == 1 {
		what = "the last rows could not be written to the disk"
	}
	return fault.New(fault.ReadOnly, "stop", "%s within %v: see that the disk is well; what was acknowledged is in the log, and is applied again at the next start", what, limit)
}

// run serves until ctx ends.
func (k *controller) run(outer context.Context) error {
	n := k.group.Load()
	inner, stop := context.WithCancel(context.WithoutCancel(outer))
	defer stop()
	g, ctx := errgroup.WithContext(inner)
	g.Go(func() error { return k.door.Server.Run(ctx) })
	g.Go(func() error { return k.space.Run(ctx) })
	g.Go(func() error {
		return k.gate.peers(ctx, k.door.Server.Listen(link.ProtoPeer), func(ctx context.Context, s *link.Session, from string) {
			err := k.mesh.Serve(ctx, s, from)
			k.log.Debug("another controller's session ended", "node", from, "reason", err)
		})
	})
	g.Go(func() error {
		select {
		case <-n.Failed(): // a node that can no longer write must not go on looking healthy
			return n.Err()
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error {
		select {
		case <-outer.Done():
		case <-ctx.Done():
			return nil
		}
		k.leave(ctx)
		stop()
		return nil
	})
	if err := k.serve(outer, ctx, g); err != nil {
		stop() // what was started already ends for no other reason
		return errors.Join(err, g.Wait())
	}
	return g.Wait()
}

// room fits node.Config.Room.
func (k *controller) room(keepUp bool) error {
	if keepUp {
		return k.space.Err(space.Critical)
	}
	return k.space.Err(space.Low)
}

// leave lets another node lead before this one stops, where it leads and there is another, so that writes go on at once.
// That a disk fills up is no business of this root: the node hands over by itself then (node.Config.Room).
func (k *controller) leave(ctx context.Context) {
	k.stopping.Store(true)
	ctx, cancel := context.WithTimeout(ctx, handOver)
	defer cancel()
	n := k.group.Load()
	if leads, _ := n.Leader(); leads && len(k.others()) > 0 {
		if err := n.Transfer(ctx, ""); err != nil {
			k.log.Warn("no other node takes the lead now; the group elects one", "err", err)
		}
	}
	_ = k.gossip.Leave(ctx) // the others find out by themselves otherwise
}

// serve starts everything that others see. outer ends when the server is told to stop.
func (k *controller) serve(outer, ctx context.Context, g *errgroup.Group) error {
	n := k.group.Load()
	self, err := k.self(outer)
	if err != nil {
		if outer.Err() != nil {
			return nil // told to stop before it had started
		}
		return err
	}
	k.reach = serve.NewReach(k.links.up, k.rows.Store.SetReach)
	k.bundles = newBundles(filepath.Join(k.Data, "spool"), k.shelf, time.Now, k.log)
	k.later(k.bundles.close)
	k.pulls, err = serve.OpenPulls(serve.PullsConfig{
		Config: k.Config, Version: k.opts.Version, Leads: k.leads, Room: func() error { return k.space.Err(space.Low) }, Now: time.Now, Log: k.log,
	})
	if err != nil {
		return err
	}
	k.sites = hub.New(hub.Config{
		Self: self.Self, Name: self.Name, Software: "skerry " + k.opts.Version,
		Epoch:    k.rows.Epoch,
		Proposer: n, Reader: k.rows, ToAll: true, Fresh: n.Fresh, Now: time.Now, Log: k.log,
		Continues: true, Member: k.rows.Member,
		Heard:   func(m model.Member) { k.links.look(m.ID) }, // of its opening, and then of every frame
		Bundles: k.bundles.give,
	})
	k.links.open(k.sites, func(site model.NodeID) { k.tellers.due(site) })
	joins, err := enroll.NewServer(enroll.ServerConfig{
		CA: k.ca, Members: k.rows, Proposer: n, Self: self.Self, Name: self.Name, Role: model.RoleController, Log: k.log,
		Group: &enroll.Group{Key: k.me.Secrets.GroupKey, Nodes: k.nodes, Joined: k.joined},
	})
	if err != nil {
		return err
	}
	socket, err := api.ListenSocket(k.Socket)
	if err != nil {
		return err
	}
	k.later(func() error { _ = socket.Close(); return nil }) // where nothing has come to serve it
	serve.WarnReadable(k.Config, k.log)
	token, err := serve.MetricsToken(k.Metrics.TokenFile)
	if err != nil {
		return err
	}
	bundles, err := serve.Federation(k.Federation)
	if err != nil {
		return err
	}
	k.metrics.From(k.sources())
	ledger := &serve.Ledger{Propose: n.Propose, Now: time.Now, Log: k.log}
	g.Go(func() error { return ledger.Run(ctx) })
	a := api.New(api.Config{
		Room: k.space.Fits,
		Role: model.RoleController, Node: k.me.Member, Asked: ledger.Asked, Name: self.Name, Version: k.opts.Version, URL: k.door.URL(k.Config), Data: k.Data,
		Store: k.rows, Directory: k.rows.Store, Check: k.check, Proposer: n, Links: k.links, Tokens: k.door, Keys: k.keys(), Asker: k.links, Ready: k.notReady, Log: k.log,
		Group: cluster{k}, Fresh: n.Fresh, Age: k.age, Metrics: k.metrics.Handler(), MetricsToken: token, Observe: k.metrics.Answered,
		Cut: k.sites.End, Sources: k.pulls, Federation: bundles,
	})
	hook, hooked, err := serve.Webhook(k.Config.Federation.Webhook, k.leads)
	if err != nil {
		return err
	}
	if hooked {
		g.Go(func() error { return a.RunWebhook(ctx, hook) })
	}
	k.bundles.export = a.WriteBundle
	k.pulls.Bind(a)
	g.Go(func() error { return k.pulls.Run(ctx) })
	g.Go(func() error { return k.clearRemoved(ctx) })
	g.Go(func() error { return k.register(ctx) })
	g.Go(func() error { return k.watch(ctx) })
	g.Go(func() error { return k.comparer(ctx).Run(ctx) })
	g.Go(func() error { return k.tellers.run(ctx) })
	g.Go(func() error { return k.wanted(ctx) })
	g.Go(func() error {
		return k.door.Serve(ctx, socket, a, joins, k.rows, k.log, func(ctx context.Context, l *link.Session, m *model.Member) error {
			defer k.links.look(m.ID)
			return k.sites.Serve(ctx, l, m)
		})
	})
	if k.opts.Ready != nil {
		k.opts.Ready(k.door.URL(k.Config))
	}
	return nil
}

// leads reports whether this node leads its group.
func (k *controller) leads() bool {
	leads, _ := k.group.Load().Leader()
	return leads
}

// shelf is the state of the advisories.
func (k *controller) shelf() (apply.Shelf, error) {
	v := k.rows.Store.View()
	defer v.Close()
	return v.Shelf()
}

// check reads everything that this node has of the group, its snapshots too.
func (k *controller) check(ctx context.Context) (schema.StorageReport, error) {
	if err := k.group.Load().CheckSnapshots(ctx); err != nil {
		return schema.StorageReport{}, err
	}
	return k.rows.Check(ctx)
}

// notReady says why this node should be sent no work.
func (k *controller) notReady() []string {
	var why []string
	if k.stopping.Load() {
		why = append(why, "this server is stopping")
	}
	if leads, leader := k.group.Load().Leader(); !leads && leader == "" {
		why = append(why, "the controller group has no leader: writes wait until a majority of its nodes is up")
	}
	if err := k.space.Err(space.Low); err != nil {
		why = append(why, err.Error())
	}
	return why
}
