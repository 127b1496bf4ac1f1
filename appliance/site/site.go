// Package site is the root of a site server: the only place where its parts are built and started.
//
// It owns the order of starting and stopping, and the glue between rooms that do not know each other.
// A site works the same whether its controller can be reached or not: nothing here waits for the
// link. It never imports the controller's root.
package site

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/recalc"
	"github.com/skerryhq/skerry/storage/clock"
	"github.com/skerryhq/skerry/storage/detail"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/storage/space"
	"github.com/skerryhq/skerry/sync/agentd"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/ui/api"
)

// Options are what is not configuration.
type Options struct {
	Log     *slog.Logger
	Version string
	// Ready, if set, is called with the URL that others find the server by, once it answers.
	Ready func(url string)
	// Wall is the machine's clock; nil: time.Now.
	Wall func() time.Time
}

// errEnrolled ends a run so that the next one starts with the new identity.
var errEnrolled = errors.New("the site was enrolled")

// Run serves until ctx ends; then it stops cleanly and returns nil. The errors name what to do: a
// port in use, a folder that cannot be written or belongs to something else.
//
// A site that is not enrolled yet serves its local API, takes bundles and fetches those that are configured; once it is enrolled it starts
// again within the same process.
func Run(ctx context.Context, c config.Config, o Options) error {
	if err := enroll.CheckFolder(c.Data, model.MemberSite); err != nil {
		return err
	}
	if _, _, err := serve.Webhook(c.Federation.Webhook, nil); err != nil { // now, and not when it is enrolled
		return err
	}
	for {
		tcp, err := serve.Listen(c.Listen)
		if err != nil {
			return err
		}
		err = run(ctx, c, o, tcp)
		_ = tcp.Close()
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			return nil // told to stop before it had started
		}
		if !errors.Is(err, errEnrolled) {
			return err
		}
		o.Log.Info("enrolled; starting with the new identity")
	}
}

// identityDir is where a site keeps who it is.
func identityDir(c config.Config) string { return filepath.Join(c.Data, "identity") }

// EnrolledAs returns the name that the site of a data folder is enrolled by; "" where there is none, or none that this user
// may read.
func EnrolledAs(c config.Config) string {
	id, err := enroll.LoadIdentity(identityDir(c))
	if err != nil {
		return ""
	}
	return fault.Printable(id.Name)
}

// Enroll joins the controller at url with the token and keeps the identity. It is for a site whose
// server is not running; a running one is asked through its API.
func Enroll(ctx context.Context, c config.Config, url, token, version string) (enroll.Identity, error) {
	dir := identityDir(c)
	t, err := enroll.ParseToken(token)
	if err != nil {
		return enroll.Identity{}, err
	}
	if t.Kind != model.MemberSite {
		return enroll.Identity{}, fault.New(fault.Invalid, "enroll this site", "this token is for a %s; make one with `skerry sites enroll`", t.Kind)
	}
	if err := enroll.CheckFolder(c.Data, model.MemberSite); err != nil {
		return enroll.Identity{}, err
	}
	was, err := enroll.LoadIdentity(dir)
	switch {
	case err == nil && was.Member != t.Member:
		return was, fault.New(fault.Conflict, "enroll this site", "this server is site %q (%s) already; the token is of another site", was.Name, was.Member)
	case err != nil && !fault.Is(err, fault.NotFound):
		return was, err
	}
	key, err := enroll.OpenKey(dir)
	if err != nil {
		return enroll.Identity{}, err
	}
	name, _ := os.Hostname() // for the controller's record only
	id, err := enroll.Join(ctx, url, t, key, enroll.Newcomer{Name: name, Software: "skerry " + version})
	if err != nil {
		return enroll.Identity{}, err
	}
	return id, enroll.SaveIdentity(dir, id)
}

// site is one run.
type site struct {
	config.Config
	opts    Options
	log     *slog.Logger
	metrics *serve.Metrics
	started time.Time       // by a clock that goes on evenly
	id      enroll.Identity // zero Member: not enrolled
	clock   *clock.Clock
	space   *space.Space
	rows    serve.Rows
	detail  *detail.Store
	outbox  *queue.Queue
	up      *uplink.Link          // nil while not enrolled
	ends    *uplink.Endpoints     // of the controller; nil while not enrolled
	line    line                  // to the controller
	prop    *uplink.Proposer      // nil where the rows are damaged
	damaged error                 // why this site is in safe mode since its start; see unwell
	later   atomic.Pointer[error] // the same, of what happened while it served
	hub     *hub.Hub
	judge   *agentd.Presence // whether hosts report
	door    *serve.Door      // nil while nothing is served
	agents  *agentd.Door     // nil while it serves no agents
	alerts  *alerter         // nil while not enrolled
	follow  *follower        // nil while not enrolled
	pulls   *serve.Pulls     // nil while nothing is served
	ledger  *serve.Ledger    // of what the controller asked
	recall  recall           // of what was asked about all hosts
	enroll  chan struct{}    // closed when an identity was saved

	joining sync.Mutex // one enrollment at a time; guards what follows
	joined  bool       // enroll is closed
}

func run(ctx context.Context, c config.Config, o Options, tcp net.Listener) (err error) {
	serve.HoldHeap()
	s := &site{Config: c, opts: o, log: o.Log, metrics: serve.NewMetrics(model.RoleSite, o.Version), started: time.Now(), enroll: make(chan struct{})}
	s.id, err = enroll.LoadIdentity(identityDir(c))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	s.named()
	if err := s.open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	ca, err := enroll.OpenCA(filepath.Join(c.Data, "pki"), "Skerry site CA", s.clock.Now, nil)
	if err != nil {
		return err
	}
	door, err := serve.OpenDoor(tcp, ca, c, o.Log)
	if err != nil {
		return err
	}
	socket, err := api.ListenSocket(c.Socket)
	if err != nil {
		return err
	}
	defer socket.Close() // where nothing has come to serve it
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case <-s.enroll:
			return errEnrolled
		case <-ctx.Done():
			return nil
		}
	})
	if s.prop != nil {
		// The writer outlives the parts that propose: they are waited for first.
		writer, stopWriter := context.WithCancel(context.WithoutCancel(ctx))
		written := make(chan error, 1)
		go func() { written <- s.prop.Run(writer) }()
		defer func() {
			stopWriter()
			err = errors.Join(err, <-written)
		}()
	}
	if s.damaged == nil {
		g.Go(func() error { return s.detail.RunGC(ctx) })
	}
	g.Go(func() error { return s.space.Run(ctx) })
	g.Go(func() error { s.watchStores(ctx, s.inUse()); return nil })
	g.Go(func() error { _ = s.clock.Run(ctx); return nil }) // it has said what is wrong; a site serves without a floor
	if err := s.serve(ctx, g, door, socket); err != nil {
		stop() // what was started already ends for no other reason
		return errors.Join(err, g.Wait())
	}
	if o.Ready != nil {
		o.Ready(door.URL(c))
	}
	return g.Wait()
}

// named lets the name that this site was enrolled with count, also in safe mode, and says so where its configuration has
// another one: the controller knows it by the former.
func (s *site) named() {
	if !s.enrolled() || s.Name == s.id.Name {
		return
	}
	if s.Name != string(model.RoleSite) { // what it is without a setting
		s.log.Warn("this site is enrolled under another name than its configuration has; that of the enrollment counts: set name: to it, or remove the setting",
			"enrolled", s.id.Name, "configured", s.Name)
	}
	s.Name = s.id.Name
}

// open opens the stores, the index first: its lock tells a second server off.
func (s *site) open() (err error) {
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return fault.New(fault.ReadOnly, "open the data folder", "%w; make it writable for this user or set data: to another folder", err)
	}
	if err := interrupted(s.Data); err != nil {
		return err
	}
	s.clock = clock.Open(clock.Config{
		Path: clockPath(s.Config), Evidence: []time.Time{s.id.EnrolledAt.Std()}, Wall: s.opts.Wall, Log: s.log,
	})
	if s.space, err = space.Open(space.Config{Dir: s.Data, Log: s.log}); err != nil {
		return err
	}
	// Until presence has settled no host is shown as anything but unknown: the rows say what was so before the start.
	store, err := index.Open(storePath(s.Data, storeIndex), index.Options{Log: s.log, Vouched: true})
	if err != nil {
		return s.hurt(storeIndex, err)
	}
	s.rows = serve.Rows{Store: store}
	var out uplink.Appender
	if s.outbox, err = queue.Open(storePath(s.Data, storeOutbox), queue.Options{Log: s.log}); err == nil {
		out = s.outbox
	} else if err = s.hurt(storeOutbox, err); err != nil {
		return errors.Join(err, s.close())
	} else {
		out = still{model.Seq(store.Applied()), s.damaged}
	}
	if s.detail, err = detail.Open(storePath(s.Data, storeDetail), s.detailOptions()); err != nil {
		if err = s.hurt(storeDetail, err); err != nil {
			return errors.Join(err, s.close())
		}
	}
	env := apply.Env{Role: model.RoleSite}
	s.prop = uplink.NewProposer(uplink.ProposerConfig{
		Begin: func() uplink.SiteTx { return store.Begin() }, Applied: store.Applied(), Outbox: out,
		Apply: func(tx apply.Tx, c model.Change) ([]model.Item, error) { return apply.Change(tx, env, c) },
		Room:  s.room,
		Now:   s.clock.Now, Log: s.log,
	})
	return nil
}

// room says why changes are refused before any store sees them: a store has failed, or the disk is filling up. Alerts are
// judged down to the second mark: they are small, and the one about the disk is to open also where it fills up
// faster than its rule waits.
func (s *site) room(changes []model.Change) error {
	if err := s.unwell(); err != nil {
		return err
	}
	for _, c := range changes {
		if _, ok := c.(model.JudgeAlerts); !ok {
			return s.space.Err(space.Low)
		}
	}
	return s.space.Err(space.Critical)
}

// close closes what is open; a store that is damaged never was.
func (s *site) close() error {
	var errs []error
	if s.detail != nil {
		errs = append(errs, s.detail.Close())
	}
	if s.outbox != nil {
		errs = append(errs, s.outbox.Close())
	}
	if s.rows.Store != nil {
		errs = append(errs, s.rows.Close())
	}
	return errors.Join(errs...)
}

func (s *site) enrolled() bool { return !s.id.Member.IsZero() }

// stamp is for what the site itself does.
func (s *site) stamp() model.Stamp {
	return model.Stamp{Actor: "system", At: model.TimeOf(s.clock.Now())}
}

// serve starts every part of the run in g.
func (s *site) serve(ctx context.Context, g *errgroup.Group, door *serve.Door, socket net.Listener) error {
	log := s.log
	s.door = door
	serve.WarnReadable(s.Config, log)
	token, err := serve.MetricsToken(s.Metrics.TokenFile)
	if err != nil {
		return err
	}
	bundles, err := serve.Federation(s.Federation)
	if err != nil {
		return err
	}
	a := api.Config{
		Room: s.space.Fits,
		Role: model.RoleSite, Name: s.Name, Version: s.opts.Version, URL: door.URL(s.Config), Data: s.Data,
		Store: s.rows, Directory: s.rows.Store, Check: s.check, Proposer: s.prop, Uplink: s.uplinkState, Detail: s.hostDetail, Answer: drill{s}.answer, Upper: upper{s},
		Ready: s.notReady, Clock: ticks{s.clock}, Now: s.clock.Now, Log: log,
		Metrics: s.metrics.Handler(), MetricsToken: token, Observe: s.metrics.Answered, Federation: bundles, Controller: s.id.Upper,
	}
	s.metrics.From(s.sources())
	if s.damaged != nil {
		s.serveSafe(ctx, g, door, socket, a)
		return nil
	}
	if !s.enrolled() {
		log.Warn("this site is not enrolled; make a token at the controller with `skerry sites enroll NAME` and run `skerry federation enroll` here")
		a.Links = noLinks{}
		door.Unenrolled()
		if err := s.openPulls(); err != nil {
			return err
		}
		a.Sources = s.pulls
		server := api.New(a)
		if err := s.outward(ctx, g, server); err != nil {
			return err
		}
		g.Go(func() error { return door.Server.Run(ctx) })
		g.Go(func() error { return server.Serve(ctx, door.Web) })
		g.Go(func() error { return server.ServeSocket(ctx, socket) })
		return nil
	}
	if err := s.prop.Propose(ctx, model.Found{Stamp: s.stamp(), Self: s.id.Member, Role: model.RoleSite, Name: s.id.Name}); err != nil {
		return err
	}
	s.alerts = &alerter{store: s.rows.Store, propose: s.prop.Propose, figures: s.figuresNow, now: s.clock.Now, log: log}
	a.Alerts, a.Results = s.listAlerts, s.policyResults
	s.ledger = &serve.Ledger{Propose: s.prop.Propose, Now: s.clock.Now, Log: log, Actor: "controller:" + s.id.Upper.String()}
	if s.follow, err = s.newFollower(); err != nil {
		return err
	}
	if err := s.joinUpper(); err != nil {
		return err
	}
	if err := s.openPulls(); err != nil {
		return err
	}
	a.Sources = sources{s.pulls, s.follow, s.id.UpperName, s.id.URL}
	a.Proposer = noticing{s.prop, s.follow.nudge}
	g.Go(func() error { return s.ledger.Run(ctx) })
	g.Go(func() error { return s.up.Run(ctx) })
	g.Go(func() error { return s.line.monitor.Run(ctx) })

	settled := make(chan struct{})
	s.agents = agentd.NewDoor(agentd.DoorConfig{Detail: detailBox{s.detail}, Owner: s.owner, Ordered: s.ordered, Now: s.clock.Now, Log: log})
	presence := agentd.NewPresence(agentd.PresenceConfig{
		Propose: s.prop.Propose, Hosts: s.eachHost, Interval: s.Agents.Interval.Std(), Now: time.Now, Clock: s.clock.Now, Log: log,
		Settled: func() {
			s.rows.Store.SetReach(model.SiteID(s.id.Member), true)
			close(settled)
		},
	})
	s.judge = presence
	s.hub = hub.New(hub.Config{
		Self: s.id.Member, Name: s.id.Name, Software: "skerry " + s.opts.Version, Epoch: s.outbox.Epoch,
		Proposer: s.prop, Reader: s.rows, Member: s.rows.Member, Transform: s.agents.Transform, Accepted: presence.Accepted, Heard: presence.Heard,
		Single: true, Hearing: s.Agents.Interval.Std(), Report: s.Agents.Report.Std(),
		Keepalive: min(10*time.Second, s.Agents.Interval.Std()), // each agent answers once in an interval
		Now:       s.clock.Now, Log: log,
	})
	a.Links, a.Tokens, a.Cut = serve.Links{Hub: s.hub}, door, s.cut
	g.Go(func() error { return presence.Run(ctx) })
	g.Go(func() error { return s.expire(ctx) })
	g.Go(func() error { return s.keepRegistry(ctx) })
	g.Go(func() error { return s.keepRows(ctx) })
	g.Go(func() error { s.selfCheck(ctx); return nil })
	g.Go(func() error { return once(ctx, settled, s.alerts.Run) })
	policies := &evaluator{store: s.rows.Store, detail: bodies{inventories{s.detail}}, propose: s.prop.Propose, now: s.clock.Now, log: log}
	g.Go(func() error { return once(ctx, settled, policies.Run) })
	g.Go(func() error {
		c := recalc.Config{
			Site: model.SiteID(s.id.Member), Wait: s.rows.Wait, Inventories: inventories{s.detail}, Proposer: s.prop,
			View: func() (recalc.View, func()) { v := s.rows.Store.View(); return v, func() { _ = v.Close() } },
			Now:  s.clock.Now, Settle: settle, Log: log,
		}
		s.accepting(&c)
		return recalc.Run(ctx, c)
	})
	joins, err := enroll.NewServer(enroll.ServerConfig{
		CA: door.CA, Members: s.rows, Proposer: s.prop, Self: s.id.Member, Name: s.id.Name, Role: model.RoleSite, Now: s.clock.Now, Log: log,
	})
	if err != nil {
		return err
	}
	server := api.New(a)
	s.follow.takeWith(server, s.id.UpperName)
	if err := s.outward(ctx, g, server); err != nil {
		return err
	}
	g.Go(func() error { return s.follow.Run(ctx) })
	g.Go(func() error {
		return door.Run(ctx, socket, server, joins, s.rows, log, func(ctx context.Context, l *link.Session, m *model.Member) error {
			return s.hub.Serve(ctx, l, m)
		})
	})
	return nil
}

// once runs run when ready is closed, unless ctx ends before. What goes by the directory would take every host for one that
// nobody has judged before that, and end the alerts of those that are down.
func once(ctx context.Context, ready <-chan struct{}, run func(context.Context) error) error {
	select {
	case <-ready:
		return run(ctx)
	case <-ctx.Done():
		return nil
	}
}

// settle waits a little after a change, so that a burst of changes is matched once.
func settle(ctx context.Context) error {
	t := time.NewTimer(300 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *site) notReady() []string {
	var why []string
	if err := s.unwell(); err != nil {
		return []string{err.Error()}
	}
	if !s.enrolled() {
		why = append(why, "not enrolled: run `skerry federation enroll`")
	}
	if err := s.prop.Err(); err != nil {
		why = append(why, err.Error())
	}
	if err := s.space.Err(space.Low); err != nil {
		why = append(why, err.Error())
	}
	return why
}
