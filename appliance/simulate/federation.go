package simulate

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sort"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/ui/schema"
)

// Bounds of a simulated federation.
const (
	MaxSites = 4096
	MaxRate  = 100_000 // events a second
)

// Federation is a federation of sites that do not exist, at a controller that does. Each site enrolls,
// dials and speaks as a real one, and what the controller stores of it is what it would of a real one.
type Federation struct {
	URL string // of the controller
	// Dir keeps who the sites are, so that the same ones come back after a stop.
	Dir   string
	Hosts int // at least Sites, at most MaxHosts
	Sites int // 1 to MaxSites
	Seed  uint64
	// Rate is how many events happen in a second at all sites together, once their hosts are at the
	// controller: 0 to MaxRate. Negative: as many as where a host changes four times a day.
	Rate     float64
	Registry Registry
	Version  string
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger
	// Progress, if set, is told each second how it goes.
	Progress func(Progress)
}

// Progress is how far a simulated federation is.
type Progress struct {
	Sites, Up int   // how many there are, and have a link now
	Hosts     int64 // how many there were at the beginning
	Acked     int64 // of those, how many the controller durably has had
	Rows      int64 // rows and events that went up in this run
	PerSecond int64 // of them, since the last time
	Trouble   string
}

// Check reports what is wrong with the numbers.
func (c Federation) Check() error {
	const op = "simulate"
	switch {
	case c.Sites < 1 || c.Sites > MaxSites:
		return fault.New(fault.Invalid, op, "%d sites: want 1 to %d", c.Sites, MaxSites)
	case c.Hosts < c.Sites || c.Hosts > MaxHosts:
		return fault.New(fault.Invalid, op, "%d hosts of %d sites: want at least one at each, and at most %d", c.Hosts, c.Sites, MaxHosts)
	case math.IsNaN(c.Rate) || c.Rate > MaxRate:
		return fault.New(fault.Invalid, op, "%g changes a second: want 0 to %d", c.Rate, MaxRate)
	}
	return nil
}

// changesADay is how often a host changes where nothing else was asked for.
const changesADay = 4

func (c Federation) rate() float64 {
	if c.Rate >= 0 {
		return c.Rate
	}
	return float64(c.Hosts) * changesADay / (24 * 3600)
}

// variants is how many installations a federation has of each release that is not Debian 12.
const variants = 6

// parallel is how many sites enroll or bring their first rows up at once.
const parallel = 8

// RunFederation enrolls the sites where they are not yet, and lets them work until ctx ends; then it
// returns nil.
func RunFederation(ctx context.Context, c Federation) (err error) {
	if err := c.Check(); err != nil {
		return err
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	addr, err := link.Address(c.URL)
	if err != nil {
		return err
	}
	f, err := openFolder(c.Dir, simulation{Seed: c.Seed, Hosts: c.Hosts, Sites: c.Sites, Began: began(c.Now())})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	im, err := newImages(c.Seed, variants)
	if err != nil {
		return err
	}
	r := &federation{
		Federation: c, folder: f, addr: addr, fleet: fleet.New(fleet.Config{Seed: c.Seed, Hosts: c.Hosts, Sites: c.Sites}), images: im,
		dials: make(chan struct{}, 2*parallel), loads: make(chan struct{}, parallel),
	}
	if err := r.enroll(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // the next run goes on from here
		}
		return err
	}
	return r.run(ctx)
}

// federation is one run.
type federation struct {
	Federation
	folder *folder
	addr   string
	fleet  *fleet.Fleet
	images *images
	sites  []*site
	dials  chan struct{} // one for each dial under way
	loads  chan struct{} // one for each site whose first rows are under way

	up, acked, rows atomic.Int64
	trouble         atomic.Pointer[string]
}

// site is one simulated site.
type site struct {
	fleet.Site
	id    enroll.Identity
	log   *siteLog
	down  *orders
	saved model.Position // of down, on disk; used by one goroutine
}

// enroll gives every site its identity.
func (r *federation) enroll(ctx context.Context) error {
	list, err := r.Registry.Sites(ctx)
	if err != nil {
		return fault.Wrap("read the controller's sites", err)
	}
	there := map[string]*schema.Site{}
	for i := range list {
		there[list[i].Name] = &list[i]
	}
	r.sites = make([]*site, len(r.fleet.Sites))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, s := range r.fleet.Sites {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			id, err := r.folder.identity(ctx, r.Federation, s, there[s.Code])
			if err != nil {
				return err
			}
			r.sites[i] = r.newSite(i, id)
			return nil
		})
	}
	return g.Wait()
}

func (r *federation) newSite(i int, id enroll.Identity) *site {
	s := &site{Site: r.fleet.Sites[i], id: id}
	s.log = newLog(newWorld(r.fleet, r.images, i, r.folder.Began), id.Epoch, r.Now, func(hosts, moved uint64) {
		r.acked.Add(int64(hosts))
		r.rows.Add(int64(moved))
	})
	s.saved = r.folder.readHeld(s.Site)
	s.down = &orders{obey: s.log.obey, held: s.saved}
	return s
}

// run lets the sites work until ctx ends.
func (r *federation) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range r.sites {
		g.Go(func() error { return r.link(ctx, s) })
	}
	g.Go(func() error { return r.live(ctx) })
	g.Go(func() error { return r.report(ctx) })
	err := g.Wait()
	for _, s := range r.sites {
		err = errors.Join(err, r.save(s))
	}
	return err
}

// link keeps a site's link up. Only so many sites begin at once.
func (r *federation) link(ctx context.Context, s *site) error {
	select {
	case r.loads <- struct{}{}:
	case <-ctx.Done():
		return nil
	}
	begun := make(chan struct{}, 1)
	online := false
	up := uplink.New(uplink.Config{
		Self: s.id.Member, Name: s.id.Name, Software: software(r.Version), Upper: s.id.Upper,
		Dial:    func(ctx context.Context) (exchange.Session, error) { return r.dial(ctx, s.id) },
		Outbox:  s.log,
		Sink:    s.down,
		Answers: s.log.answers(),
		// What the controller lost is computed again from where it now is.
		Resync: func(context.Context) error { return nil },
		Changed: func(st uplink.State) {
			if st.Online != online {
				online = st.Online
				r.up.Add(map[bool]int64{true: 1, false: -1}[online])
			}
			if st.LastError != "" {
				text := s.Code + ": " + st.LastError
				r.trouble.Store(&text)
				select {
				case begun <- struct{}{}: // it must not keep the others waiting
				default:
				}
			}
		},
		HelloTimeout: time.Minute, // the wait for its turn to dial included
		Now:          r.Now, Log: r.Log.With("site", s.Code),
	})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return up.Run(ctx) })
	g.Go(func() error {
		defer func() { <-r.loads }()
		r.settled(ctx, s, begun)
		return nil
	})
	return g.Wait()
}

// settled waits until a site's first rows are at the controller and what came down at first has come, or
// begun says that its link failed, or ctx ends.
func (r *federation) settled(ctx context.Context, s *site, begun <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-begun:
			return
		case <-tick.C:
		}
		if s.log.begun() && s.down.idle() > 300*time.Millisecond {
			return
		}
	}
}

func (r *federation) dial(ctx context.Context, id enroll.Identity) (exchange.Session, error) {
	select {
	case r.dials <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-r.dials }()
	d := id.Dial(r.Now)
	d.Log = r.Log
	return link.Dial(ctx, r.addr, d)
}

// beat is how often events are let happen.
const beat = 50 * time.Millisecond

// live lets events happen, and each site judge its hosts once in an interval.
func (r *federation) live(ctx context.Context) error {
	cum := make([]int, len(r.sites))
	next := make([]time.Time, len(r.sites)) // zero: its rows are not at the controller yet
	begin := r.Now()
	total := 0
	for i, s := range r.sites {
		total += s.Hosts
		cum[i] = total
	}
	which := rand.New(rand.NewPCG(r.Seed, uint64(begin.UnixNano()))) // where; what happens there is the site's
	tick := time.NewTicker(beat)
	defer tick.Stop()
	due := 0.0
	for last := begin; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := r.Now()
		due += min(now.Sub(last).Seconds(), 1) * r.rate()
		last = now
		for ; due >= 1; due-- {
			// A site that is behind loses its turn.
			r.sites[sort.SearchInts(cum, 1+which.IntN(total))].log.happen()
		}
		for i, s := range r.sites {
			if now.Before(next[i]) || next[i].IsZero() && !s.log.begun() {
				continue
			}
			first := next[i].IsZero()
			next[i] = now.Add(interval)
			if first { // and from then on not all of them at the same moment
				next[i] = now.Add(interval * time.Duration(i+1) / time.Duration(len(r.sites)))
			}
			if err := s.log.judge(); err != nil {
				return err
			}
			if err := r.save(s); err != nil {
				return err
			}
		}
	}
}

// save remembers what a site holds of what came down, unless an answer to it is still on the way.
func (r *federation) save(s *site) error {
	at, _ := s.down.Held(context.Background())
	if at == s.saved || !s.log.quiet() {
		return nil
	}
	s.saved = at
	return fault.Wrap("remember what "+s.Code+" holds in "+filepath.Join(r.Dir, "sites"), r.folder.writeHeld(s.Site, at))
}

func (r *federation) report(ctx context.Context) error {
	if r.Progress == nil {
		return nil
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	was, last := int64(0), r.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, rows := r.Now(), r.rows.Load()
		p := Progress{
			Sites: len(r.sites), Up: int(r.up.Load()), Hosts: int64(r.Hosts), Acked: r.acked.Load(), Rows: rows,
			PerSecond: int64(float64(rows-was) / max(now.Sub(last).Seconds(), 0.001)),
		}
		if t := r.trouble.Load(); t != nil && p.Up < p.Sites {
			p.Trouble = *t
		}
		was, last = rows, now
		r.Progress(p)
	}
}
