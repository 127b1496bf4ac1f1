// Package agent is the program that stands on a host: it observes the host, reports to its site, and
// runs the orders that come back.
//
// It owns the agent's outbox and journal (one file in its data folder), the rhythm of observing, the
// running of orders, and the command line of skerry-agent. Everything it has to say is durable in the
// outbox before it is sent, so that nothing is lost while the site cannot be reached; every order is
// durable in the journal before it is acknowledged and marked before it runs, so that no order runs
// twice. It never listens on a port, needs no privilege, and runs nothing but the kinds of command
// that it knows by name.
package agent

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/uplink"
)

// Version is the agent's version; the release build sets it with -ldflags -X.
var Version = "0.1.0-dev"

// Config is what an agent needs. All fields without a stated default must be set.
type Config struct {
	// Dir is the data folder; it must exist. The agent keeps queue.db in it and holds it alone.
	Dir string
	// Host is the host's id, which is the agent's own. Name is the label that the site gave it, and Epoch
	// the life of it that the site stated at enrollment.
	Host  model.HostID
	Name  string
	Epoch model.Epoch
	// Site is whom the agent enrolled at.
	Site model.NodeID
	// Dial opens a session with the site.
	Dial func(context.Context) (exchange.Session, error)
	// Probe observes the host.
	Probe Probe
	// Tags and Owner are reported with the facts.
	Tags  []string
	Owner string
	// Interval is the pause between two looks at packages and certificates where the site does not wish another one;
	// default 15 minutes.
	Interval time.Duration
	// Machine is a mark of the machine that a copy of its disk does not have; empty: there is none.
	Machine string
	// Process is random, and another at each start; default: one is made.
	Process string
	// Log default: none.
	Log *slog.Logger
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Told, if set, is told at each greeting what time it is at the site.
	Told func(time.Time)
	// BackoffCap is the longest pause before the site is dialled again; default 60 s.
	BackoffCap time.Duration
}

// Probe observes one host. Each function may block for a while and returns early when ctx ends.
type Probe struct {
	Facts     func(context.Context) (model.Facts, error)
	Inventory func(context.Context) (model.Inventory, error)
	// Certificates returns what was found even where some could not be read.
	Certificates func(context.Context) ([]model.Certificate, []error)
	// OSFacts returns what only the site holds of the host's system; nil: nothing is reported.
	OSFacts func(context.Context) (model.OSFacts, error)
}

// Agent is an open agent. Run it once, then Close it.
type Agent struct {
	conf    Config
	log     *slog.Logger
	queue   *queue.Queue
	collect *collector
	orders  *orders
	link    *uplink.Link
	broken  chan error // gets the first failure of the disk that a link met; has room for it
}

// Open opens the outbox and journal in the data folder. Errors are those of queue.Open: above all
// fault.Conflict where another agent holds the folder, and fault.ReadOnly where it cannot be written.
func Open(c Config) (*Agent, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Interval <= 0 {
		c.Interval = 15 * time.Minute
	}
	if c.Process == "" {
		c.Process = rand.Text()
	}
	if c.Host.IsZero() || c.Site.IsZero() || c.Dial == nil || c.Probe.Facts == nil || c.Probe.Inventory == nil || c.Probe.Certificates == nil {
		return nil, fault.New(fault.Invalid, "start agent", "its host, site, dial function and probe must be given")
	}
	q, err := queue.Open(filepath.Join(c.Dir, "queue.db"), queue.Options{Log: c.Log, Now: c.Now})
	if err != nil {
		return nil, err
	}
	if c.Epoch > q.Epoch() {
		if err := q.SetEpoch(c.Epoch); err != nil {
			_ = q.Close()
			return nil, err
		}
	}
	a := &Agent{conf: c, log: c.Log, queue: q, broken: make(chan error, 1)}
	a.collect = &collector{host: c.Host, probe: c.Probe, tags: c.Tags, owner: c.Owner, out: q, log: c.Log, now: c.Now, paced: make(chan struct{}, 1)}
	handlers := map[string]handler{
		model.CommandPing:             a.ping,
		model.CommandInventoryRefresh: a.collect.refresh,
	}
	a.orders = newOrders(c.Host, q, c.Log, c.Now, handlers)
	a.link = uplink.New(uplink.Config{
		Self: model.NodeID(c.Host), Name: c.Name, Software: software(), Upper: c.Site,
		Dial: c.Dial, Outbox: outbox{q, a.check}, Sink: &inbox{origin: c.Site, orders: a.orders, queue: q, check: a.check},
		Process: c.Process, Machine: c.Machine, Can: abilities(handlers), Paced: a.collect.pace,
		Answers: map[string]uplink.Answer{model.RouteAlive: func(context.Context, map[string]string) (any, error) { return nil, nil }},
		Resync:  a.resync, Told: c.Told, Now: c.Now, Log: c.Log, BackoffCap: c.BackoffCap,
	})
	return a, nil
}

// Run observes, reports and obeys until ctx ends, and then returns nil. It returns an error where the
// disk can no longer be written; nothing is lost then, and the agent may be started again once that is
// mended. A site that cannot be reached, or refuses the agent, is dialled again and never an error.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.orders.recover(); err != nil {
		return err
	}
	g, inner := errgroup.WithContext(ctx)
	g.Go(func() error { return a.collect.run(inner, a.conf.Interval) })
	g.Go(func() error { return a.orders.run(inner) })
	g.Go(func() error { return a.link.Run(inner) })
	g.Go(func() error { // the link would dial again for ever where the fault is our own disk
		select {
		case err := <-a.broken:
			return err
		case <-inner.Done():
			return nil
		}
	})
	return g.Wait()
}

// check hands the first failure of the disk to Run.
func (a *Agent) check(err error) error {
	if fault.Is(err, fault.ReadOnly) {
		select {
		case a.broken <- err:
		default:
		}
	}
	return err
}

// resync sends everything again to a site that lost what it had acknowledged. What cannot be observed
// now is logged, and follows with the next look.
func (a *Agent) resync(ctx context.Context) error {
	_, err := a.collect.refresh(ctx)
	if fault.Is(err, fault.ReadOnly) || ctx.Err() != nil {
		return a.check(err)
	}
	return nil
}

// Link returns the state of the link to the site.
func (a *Agent) Link() uplink.State { return a.link.State() }

// Close lets the data folder go.
func (a *Agent) Close() error { return a.queue.Close() }

// Pending returns how many items wait for the site to hold them.
func (a *Agent) Pending() int { return a.queue.Len() }

func (a *Agent) ping(context.Context) (string, error) {
	return model.TimeOf(a.conf.Now()).String() + " skerry-agent " + Version, nil
}
