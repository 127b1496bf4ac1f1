// Package compare finds where a controller's copy of a site's rows differs from what the site holds, and has just those
// rows sent again.
//
// It owns the comparison: sums over groups of hosts first, then the rows of the groups that differ, then a second look
// at what differed, because rows that are on their way differ as well and are no fault. It never writes a row: the site
// sends again what differs, by its outbox and in its order, and a site is always right about its own hosts. It never
// asks for the same repair twice within a day, since what a repair does not mend another one will not.
package compare

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
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

	first    = 2 * time.Minute // after a start, until the first comparison
	askLimit = time.Minute     // for one question to a site
)

// maxBuckets bounds the groups of one site whose rows are looked at singly in one comparison; a site where more differ
// has the next ones looked at in the next comparison.
const maxBuckets = 8

// Config is what a Comparer needs; fields without a note are required.
type Config struct {
	// Linked returns the sites whose link this node holds.
	Linked func() []model.NodeID
	// Ask puts a question to a site and returns the JSON of its answer.
	Ask func(ctx context.Context, site model.NodeID, route string, params map[string]string) ([]byte, error)
	// EachHost calls fn with the row of every host of every site, from one view of the rows.
	EachHost func(fn func(model.Host) error) error
	// Host returns the row of one host.
	Host func(model.HostID) (model.Host, bool, error)
	// Mended, if set, is told what a site was asked to send again.
	Mended func(site model.NodeID, sent, gone int)
	// Now must go on evenly, as time.Now does. Every and Settle: those of the package if zero.
	Now           func() time.Time
	Every, Settle time.Duration
	Log           *slog.Logger
}

// Comparer compares now and then. Run it once.
type Comparer struct {
	c     Config
	asked map[model.HostID]repair // what was asked for, and when
	turn  int                     // where the next look at groups begins
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
	return &Comparer{c: c, asked: map[model.HostID]repair{}}
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

// differences are the hosts of one site that differ.
type differences map[model.HostID]pair

// Once compares all linked sites one time. What it finds is settled after Config.Settle, so that it takes at least as
// long where something differs. The error is of the rows here or of ctx; a site that does not answer is passed over.
func (c *Comparer) Once(ctx context.Context) error {
	here := map[model.SiteID]*inventory.Digests{}
	for _, id := range c.c.Linked() {
		here[model.SiteID(id)] = new(inventory.Digests)
	}
	read := 0
	err := c.c.EachHost(func(h model.Host) error {
		if read++; read%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if d := here[h.Site]; d != nil {
			return d.Add(h)
		}
		return nil
	})
	if err != nil {
		return err
	}
	groups, gathering := map[group]bool{}, map[model.SiteID]bool{}
	c.turn += maxBuckets
	for site, sums := range here {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		differ, soon, err := c.look(ctx, site, sums)
		if err != nil {
			c.c.Log.Debug("a site was not compared", "site", site, "reason", err.Error())
			continue
		}
		gathering[site] = soon
		for _, g := range differ {
			groups[g] = true
		}
	}
	if len(groups) == 0 {
		return nil
	}
	ours, err := c.ours(ctx, groups)
	if err != nil {
		return err
	}
	found := map[model.SiteID]differences{}
	for g := range groups {
		d := differences{}
		if err := c.inside(ctx, g, ours[g], gathering[g.site], d); err != nil {
			c.c.Log.Debug("a site was not compared", "site", g.site, "reason", err.Error())
			continue
		}
		if len(d) > 0 && found[g.site] == nil {
			found[g.site] = differences{}
		}
		maps.Copy(found[g.site], d)
	}
	if len(found) == 0 {
		return nil
	}
	if !wait(ctx, c.c.Settle) {
		return context.Cause(ctx)
	}
	for site, was := range found {
		if err := c.settle(ctx, site, was); err != nil {
			c.c.Log.Debug("what differs at a site was not settled", "site", site, "reason", err.Error())
		}
	}
	maps.DeleteFunc(c.asked, func(_ model.HostID, r repair) bool { return c.c.Now().Sub(r.at) > again })
	return nil
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

// group is some hosts of one site.
type group struct {
	site   model.SiteID
	bucket int
}

// look returns which groups of hosts of a site differ now, and whether the site still gathers its rows.
func (c *Comparer) look(ctx context.Context, site model.SiteID, here *inventory.Digests) (differ []group, gathering bool, err error) {
	var there model.DigestAnswer
	if err := c.ask(ctx, site, model.RouteDigest, nil, &there); err != nil {
		return nil, false, err
	}
	if there.Form != inventory.DigestForm || len(there.Buckets) != inventory.DigestBuckets {
		return nil, false, fault.New(fault.Version, "", "it sums its rows up in form %d, and this controller in form %d", there.Form, inventory.DigestForm)
	}
	for n := range here {
		i := (n + c.turn) % len(here)
		if here[i] != there.Buckets[i] && len(differ) < maxBuckets {
			differ = append(differ, group{site, i})
		}
	}
	return differ, there.Gathering, nil
}

// inside returns which hosts of a group differ, given those here.
func (c *Comparer) inside(ctx context.Context, g group, ours map[model.HostID]uint64, gathering bool, out differences) error {
	theirs, err := c.rows(ctx, g.site, g.bucket)
	if err != nil {
		return err
	}
	for id, sum := range ours {
		if theirs[id] != sum && !(gathering && theirs[id] == 0) {
			out[id] = pair{sum, theirs[id]}
		}
	}
	for id, sum := range theirs {
		if _, ok := ours[id]; !ok {
			out[id] = pair{0, sum}
		}
	}
	return nil
}

// rows asks for the rows of one group at a site.
func (c *Comparer) rows(ctx context.Context, site model.SiteID, bucket int) (map[model.HostID]uint64, error) {
	var a model.DigestAnswer
	if err := c.ask(ctx, site, model.RouteDigest, map[string]string{model.ParamBucket: strconv.Itoa(bucket)}, &a); err != nil {
		return nil, err
	}
	out := make(map[model.HostID]uint64, len(a.Rows))
	for _, r := range a.Rows {
		out[r.Host] = r.Sum
	}
	return out, nil
}

// ours returns the rows of some groups here, in one pass over all rows.
func (c *Comparer) ours(ctx context.Context, groups map[group]bool) (map[group]map[model.HostID]uint64, error) {
	out := map[group]map[model.HostID]uint64{}
	read := 0
	err := c.c.EachHost(func(h model.Host) error {
		if read++; read%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		g := group{h.Site, inventory.Bucket(h.ID)}
		if !groups[g] {
			return nil
		}
		sum, err := inventory.Digest(h)
		if out[g] == nil {
			out[g] = map[model.HostID]uint64{}
		}
		out[g][h.ID] = sum
		return err
	})
	return out, err
}

// settle has those hosts sent again that differ just as they did.
func (c *Comparer) settle(ctx context.Context, site model.SiteID, was differences) error {
	theirs := map[model.HostID]uint64{}
	asked := map[int]bool{}
	for id := range was {
		if b := inventory.Bucket(id); !asked[b] {
			asked[b] = true
			rows, err := c.rows(ctx, site, b)
			if err != nil {
				return err
			}
			maps.Copy(theirs, rows)
		}
	}
	var mend []model.HostID
	for id, p := range was {
		now := pair{there: theirs[id]}
		h, ok, err := c.c.Host(id)
		if err != nil {
			return err
		}
		if ok && h.Site == site {
			if now.here, err = inventory.Digest(h); err != nil {
				return err
			}
		}
		if now != p || now.here == now.there {
			continue
		}
		if r, ok := c.asked[id]; ok && r.pair == now && c.c.Now().Sub(r.at) < again {
			c.c.Log.Debug("a host differs although it was sent again", "site", site, "host", id)
			continue
		}
		c.asked[id] = repair{now, c.c.Now()}
		mend = append(mend, id)
	}
	slices.SortFunc(mend, func(a, b model.HostID) int { return slices.Compare(a[:], b[:]) })
	for part := range slices.Chunk(mend, model.MaxRepair) {
		ids := make([]string, len(part))
		for i, id := range part {
			ids[i] = id.String()
		}
		var done model.Repaired
		if err := c.ask(ctx, site, model.RouteRepair, map[string]string{model.ParamHosts: strings.Join(ids, " ")}, &done); err != nil {
			return err
		}
		c.c.Log.Warn("rows of a site were not what the site holds, and were sent again", "site", site, "sent", done.Sent, "gone", done.Gone)
		if c.c.Mended != nil {
			c.c.Mended(model.NodeID(site), done.Sent, done.Gone)
		}
	}
	return nil
}
