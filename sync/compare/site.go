package compare

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// look finds which groups of hosts of a site differ now, and whether the site still gathers its rows.
func (c *Comparer) look(ctx context.Context, s *compared) error {
	var there model.DigestAnswer
	if err := c.ask(ctx, s.site, model.RouteDigest, nil, &there); err != nil {
		return err
	}
	if there.Form != inventory.DigestForm || len(there.Buckets) != inventory.DigestBuckets {
		return fault.New(fault.Version, "", "it sums its rows up in form %d, and this controller in form %d", there.Form, inventory.DigestForm)
	}
	if !there.Gathering {
		s.known.gathering = time.Time{}
	} else if s.known.gathering.IsZero() {
		s.known.gathering = c.c.Now()
	}
	// One agent that never reports must not keep what is wrong here for ever.
	s.gathering = there.Gathering && c.c.Now().Sub(s.known.gathering) < gathers
	for n := range s.here {
		i := (n + c.turn) % len(s.here)
		if s.here[i] != there.Buckets[i] && len(s.differ) < maxBuckets {
			s.differ = append(s.differ, i)
		}
	}
	return nil
}

// group is some hosts of one site.
type group struct {
	site   model.SiteID
	bucket int
}

// ours returns the rows here of the groups that differ, in one pass over all rows.
func (c *Comparer) ours(ctx context.Context, sites map[model.SiteID]*compared) (map[group]map[model.HostID]uint64, error) {
	out := map[group]map[model.HostID]uint64{}
	for _, s := range sites {
		for _, b := range s.differ {
			out[group{s.site, b}] = map[model.HostID]uint64{}
		}
	}
	err := c.eachHost(ctx, func(h model.Host) error {
		rows := out[group{h.Site, inventory.Bucket(h.ID)}]
		if rows == nil {
			return nil
		}
		sum, err := inventory.Digest(h)
		rows[h.ID] = sum
		return err
	})
	return out, err
}

// inside finds which hosts of the groups of a site differ. What was found stays where it does not answer to the end.
func (c *Comparer) inside(ctx context.Context, s *compared, ours map[group]map[model.HostID]uint64) error {
	for _, b := range s.differ {
		theirs, err := c.rows(ctx, s.site, b)
		if err != nil {
			return err
		}
		here := ours[group{s.site, b}]
		for id, sum := range here {
			if theirs.waits[id] || theirs.sums[id] == sum || s.gathering && theirs.sums[id] == 0 {
				continue
			}
			s.found[id] = pair{sum, theirs.sums[id]}
		}
		for id, sum := range theirs.sums {
			if _, ok := here[id]; !ok && !theirs.waits[id] {
				s.found[id] = pair{0, sum}
			}
		}
	}
	return nil
}

// theirs is what a site holds of a group.
type theirs struct {
	sums  map[model.HostID]uint64
	waits map[model.HostID]bool // whose news wait in its outbox: they come by themselves
}

// rows asks for the rows of one group at a site.
func (c *Comparer) rows(ctx context.Context, site model.SiteID, bucket int) (theirs, error) {
	var a model.DigestAnswer
	out := theirs{map[model.HostID]uint64{}, map[model.HostID]bool{}}
	if err := c.ask(ctx, site, model.RouteDigest, map[string]string{model.ParamBucket: strconv.Itoa(bucket)}, &a); err != nil {
		return out, err
	}
	if n := max(len(a.Rows), len(a.Waiting)); n > maxRows {
		return out, fault.New(fault.TooLarge, "", "its group %d has %d hosts; the bound is %d", bucket, n, maxRows)
	}
	for _, r := range a.Rows {
		if inventory.Bucket(r.Host) != bucket {
			return out, fault.New(fault.Corrupt, "", "it names host %s in group %d, where it is not", r.Host, bucket)
		}
		out.sums[r.Host] = r.Sum
	}
	for _, id := range a.Waiting {
		out.waits[id] = true
	}
	return out, nil
}

// settle has those hosts sent again that differ just as they did.
func (c *Comparer) settle(ctx context.Context, s *compared) error {
	mend, err := c.settled(ctx, s)
	if err != nil {
		return err
	}
	sent, gone := 0, 0
	for part := range slices.Chunk(mend, model.MaxRepair) {
		ids := make([]string, len(part))
		for i, id := range part {
			ids[i] = id.String()
		}
		var done model.Repaired
		if err = c.ask(ctx, s.site, model.RouteRepair, map[string]string{model.ParamHosts: strings.Join(ids, " ")}, &done); err != nil {
			break // it was not asked for then, as far as is known
		}
		for _, id := range part {
			if !slices.Contains(done.Waiting, id) {
				s.known.asked[id] = repair{s.found[id], c.c.Now()}
			}
		}
		bound := func(n int) int { return min(max(n, 0), len(part)) }
		sent, gone = sent+bound(done.Sent), gone+bound(done.Gone)
	}
	if sent+gone == 0 {
		return err
	}
	c.c.Log.Warn("rows of a site were not what the site holds, and were sent again", "site", s.site, "sent", sent, "gone", gone)
	if c.c.Mended != nil {
		c.c.Mended(model.NodeID(s.site), sent, gone)
	}
	return err
}

// settled returns which of the hosts that differed still do, and were not asked for lately: at most maxRepairs.
func (c *Comparer) settled(ctx context.Context, s *compared) ([]model.HostID, error) {
	groups := map[int]theirs{}
	var mend []model.HostID
	for id, p := range s.found {
		b := inventory.Bucket(id)
		rows, ok := groups[b]
		if !ok {
			var err error
			if rows, err = c.rows(ctx, s.site, b); err != nil {
				return nil, err
			}
			groups[b] = rows
		}
		now := pair{there: rows.sums[id]}
		h, ok, err := c.c.Host(id)
		if err != nil {
			return nil, err
		}
		if ok && h.Site == s.site {
			if now.here, err = inventory.Digest(h); err != nil {
				return nil, err
			}
		}
		if now != p || now.here == now.there || rows.waits[id] {
			continue
		}
		if r, ok := s.known.asked[id]; ok && r.pair == now && c.c.Now().Sub(r.at) < again {
			c.c.Log.Debug("a host differs although it was sent again", "site", s.site, "host", id)
			continue
		}
		mend = append(mend, id)
	}
	slices.SortFunc(mend, func(a, b model.HostID) int { return slices.Compare(a[:], b[:]) })
	return mend[:min(len(mend), maxRepairs)], nil
}
