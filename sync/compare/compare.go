// Package compare finds where a controller's copy of a site's rows differs from what the site holds, and has just those
// rows sent again.
//
// It owns the comparison: sums over groups of hosts first, then the rows of the groups that differ, then a second look
// at what differed, because rows that are on their way differ as well and are no fault. It never writes a row: the site
// sends again what differs, by its outbox and in its order, and a site is always right about its own hosts. It never
// asks for the same repair twice within a day, since what a repair does not mend another one will not.
//
// No site holds up another: some are compared at once, each has its time, and what a site may answer is bounded.
package compare

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// Times of the comparison.
const (
	// Every is the pause between two comparisons of all sites.
	Every = time.Hour
	// Settle is how long a difference must last, unchanged at both ends, before it is one.
	Settle = time.Minute
	// again is how long a repair that mended nothing is not asked for again.
	again = 24 * time.Hour
	// gathers is how long a site is believed that its rows may yet come.
	gathers = 24 * time.Hour

	first    = 2 * time.Minute // after a start, until the first comparison
	askLimit = time.Minute     // for one question to a site
	// siteLimit is how long one site may take in each of the three steps of a comparison.
	siteLimit = 2 * time.Minute
)

// Bounds of one comparison.
const (
	// atOnce is how many sites are asked at the same time.
	atOnce = 8
	// maxBuckets bounds the groups of one site whose rows are looked at singly; a site where more differ has the next
	// ones looked at in the next comparison.
	maxBuckets = 8
	// maxRows bounds the rows of one group; a site has far fewer.
	maxRows = 16_384
	// maxRepairs bounds the hosts that one site is asked to send again; it is asked for the others the next time.
	maxRepairs = 8 * model.MaxRepair
)

// Config is what a Comparer needs; fields without a note are required. The functions are called by several goroutines.
type Config struct {
	// Linked returns the sites whose link this node holds.
	Linked func() []model.NodeID
	// Ask puts a question to a site and returns the JSON of its answer.
	Ask func(ctx context.Context, site model.NodeID, route string, params map[string]string) ([]byte, error)
	// EachHost calls fn with the row of every host of every site, from one view of the rows.
	EachHost func(fn func(model.Host) error) error
	// Host returns the row of one host.
	Host func(model.HostID) (model.Host, bool, error)
	// Mended, if set, is told what a site was asked to send again in one comparison.
	Mended func(site model.NodeID, sent, gone int)
	// Now must go on evenly, as time.Now does. Every and Settle: those of the package if zero.
	Now           func() time.Time
	Every, Settle time.Duration
	Log           *slog.Logger
}

// Comparer compares now and then. Run it once.
type Comparer struct {
	c     Config
	known map[model.SiteID]*memory
	turn  int // where the next look at groups begins
}

// memory is what is remembered of a site; it is only used by whoever compares that site.
type memory struct {
	asked     map[model.HostID]repair // what was asked for, and when
	gathering time.Time               // since when it says so; zero: it does not
}

type repair struct {
	pair
	at time.Time
}

// pair is what both ends hold of a host; zero: nothing.
type pair struct{ here, there uint64 }

// New returns a Comparer.
func New(c Config) *Comparer {
	if c.Every == 0 {
		c.Every = Every
	}
	if c.Settle == 0 {
		c.Settle = Settle
	}
	return &Comparer{c: c, known: map[model.SiteID]*memory{}}
}

// Run compares until ctx ends; then it returns nil.
func (c *Comparer) Run(ctx context.Context) error {
	for pause := min(first, c.c.Every); ; pause = c.c.Every {
		if !wait(ctx, pause) {
			return nil
		}
		if err := c.Once(ctx); err != nil && ctx.Err() == nil {
			c.c.Log.Warn("the rows of the sites were not compared to the end", "reason", err.Error())
		}
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// compared is one site in one comparison.
type compared struct {
	site      model.SiteID
	known     *memory
	here      inventory.Digests
	differ    []int // groups, as the first look found them
	gathering bool
	found     differences
}

// differences are the hosts of one site that differ.
type differences map[model.HostID]pair

// Once compares all linked sites one time. What it finds is settled after Config.Settle, so that it takes at least as
// long where something differs. The error is of the rows here or of ctx; a site that does not answer is passed over.
func (c *Comparer) Once(ctx context.Context) error {
	sites := map[model.SiteID]*compared{}
	for _, id := range c.c.Linked() {
		site := model.SiteID(id)
		if c.known[site] == nil {
			c.known[site] = &memory{asked: map[model.HostID]repair{}}
		}
		sites[site] = &compared{site: site, known: c.known[site], found: differences{}}
	}
	defer c.forget()
	err := c.eachHost(ctx, func(h model.Host) error {
		if s := sites[h.Site]; s != nil {
			return s.here.Add(h)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.turn += maxBuckets
	if err := c.each(ctx, sites, c.look); err != nil {
		return err
	}
	maps.DeleteFunc(sites, func(_ model.SiteID, s *compared) bool { return len(s.differ) == 0 })
	if len(sites) == 0 {
		return nil
	}
	ours, err := c.ours(ctx, sites)
	if err != nil {
		return err
	}
	err = c.each(ctx, sites, func(ctx context.Context, s *compared) error { return c.inside(ctx, s, ours) })
	if err != nil {
		return err
	}
	maps.DeleteFunc(sites, func(_ model.SiteID, s *compared) bool { return len(s.found) == 0 })
	if len(sites) == 0 {
		return nil
	}
	if !wait(ctx, c.c.Settle) {
		return context.Cause(ctx)
	}
	return c.each(ctx, sites, c.settle)
}

// each calls fn for every site, for some at once, and returns when all of them have returned. A site that fails is passed
// over; the error is of ctx.
func (c *Comparer) each(ctx context.Context, sites map[model.SiteID]*compared, fn func(context.Context, *compared) error) error {
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, s := range sites {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-slots }()
			limited, cancel := context.WithTimeout(ctx, siteLimit)
			defer cancel()
			if err := fn(limited, s); err != nil {
				c.c.Log.Debug("a site was not compared to the end", "site", s.site, "reason", err.Error())
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// forget drops what is too old to matter.
func (c *Comparer) forget() {
	now := c.c.Now()
	maps.DeleteFunc(c.known, func(_ model.SiteID, m *memory) bool {
		maps.DeleteFunc(m.asked, func(_ model.HostID, r repair) bool { return now.Sub(r.at) >= again })
		return len(m.asked) == 0 && m.gathering.IsZero()
	})
}

func (c *Comparer) eachHost(ctx context.Context, fn func(model.Host) error) error {
	read := 0
	return c.c.EachHost(func(h model.Host) error {
		if read++; read%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fn(h)
	})
}

func (c *Comparer) ask(ctx context.Context, site model.SiteID, route string, params map[string]string, to any) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	raw, err := c.c.Ask(ctx, model.NodeID(site), route, params)
	if err != nil {
		return err
	}
	if err := model.Decode(raw, to); err != nil {
		return fault.New(fault.Corrupt, "compare rows", "the answer of site %s cannot be read: %w", site, err)
	}
	return nil
}
