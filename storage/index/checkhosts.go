package index

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/compact"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// hosts checks the rows of hosts, that each has a beat, and that the index in memory knows exactly these
// hosts, by what their rows say.
func (c *checker) hosts() error {
	n := 0
	upper, err := c.r.upper()
	if err != nil {
		return err
	}
	err = c.each(key.SpaceHost, func(k, v []byte) (own []byte, entries [][]byte, err error) {
		n++
		defer func() {
			if err != nil {
				c.unread++
			}
		}()
		id, err := key.ReadHost(k)
		if err != nil {
			return nil, nil, err
		}
		var h model.Host
		if err := c.r.rows.readHost(v, id, &h); err != nil {
			return nil, nil, err
		}
		if ok, err := c.r.has(key.HostBeat(id)); err != nil {
			return nil, nil, err
		} else if !ok {
			c.fault("%s has no beat", key.Describe(k))
		}
		if err := c.r.addBeat(&h); err != nil {
			return nil, nil, err
		}
		c.sum(h.Site, &h)
		c.sum(model.SiteID{}, &h)
		if len(c.r.memory.Verify(&h)) > 0 {
			if err := c.again(id); err != nil {
				return nil, nil, err
			}
		}
		return k, hostEntries(h, upper), nil
	})
	if err != nil {
		return err
	}
	if n != c.known {
		c.fault("the search index knows %d hosts, and there are %d rows", c.known, n)
	}
	for _, what := range c.r.memory.Census() {
		c.fault("the search index: %s", what)
	}
	return nil
}

// again compares a host that seemed to differ while nothing is committed.
func (c *checker) again(id model.HostID) error {
	s := c.store
	s.reaching.Lock() // a site that is half shown as reached would seem to be wrong
	defer s.reaching.Unlock()
	s.applying.RLock()
	defer s.applying.RUnlock()
	v := s.View()
	defer v.Close()
	h, ok, err := v.Host(id)
	if err != nil {
		return err
	}
	if !ok {
		if _, known := v.memory.Head(id); known {
			c.fault("the search index knows host %s, which has no row", id)
		}
		return nil
	}
	for _, what := range v.memory.Verify(&h) {
		c.fault("the search index and the row of host %s differ: %s", id, what)
	}
	return nil
}

// beats checks that each beat belongs to a host.
func (c *checker) beats() error {
	return c.r.scan(key.SpaceHostBeat.Prefix(), func(k, v []byte) error {
		id, err := key.ReadHostBeat(k)
		if err == nil {
			_, err = compact.ReadBeat(v)
		}
		if err != nil {
			c.fault("%s: %v", key.Describe(k), err)
			return nil
		}
		ok, err := c.r.has(key.Host(id))
		if err == nil && !ok {
			c.fault("%s is the beat of a host that is not there", key.Describe(k))
		}
		return err
	})
}

// sum adds a host to what the hosts of a site come to.
func (c *checker) sum(site model.SiteID, h *model.Host) {
	n := c.sums[site]
	if n == nil {
		n = &model.SiteCounts{}
		c.sums[site] = n
	}
	n.Add(h, 1)
}

// counts checks the aggregate rows against the hosts that were read, the row of all sites included. A store
// that nothing was ever founded in has hosts without counts: whoever puts rows past engine/apply keeps none.
func (c *checker) counts() error {
	rows := 0
	err := c.each(key.SpaceCounts, func(k, v []byte) ([]byte, [][]byte, error) {
		rows++
		site, err := key.ReadCounts(k)
		if err != nil {
			return nil, nil, err
		}
		sum := model.SiteCounts{}
		if s := c.sums[site]; s != nil {
			sum = *s
			delete(c.sums, site)
		}
		var n model.SiteCounts
		if err := c.r.rows.readCounts(v, site, &n); err != nil {
			return nil, nil, err
		}
		if c.unread == 0 && !n.SameSums(sum) {
			c.fault("%s differs from what the hosts come to: %s", key.Describe(k), differing(n, sum))
		}
		return k, nil, nil
	})
	if err != nil || c.unread > 0 {
		return err
	}
	_, founded, err := c.r.Self()
	if err != nil || rows == 0 && !founded {
		return err
	}
	for _, site := range slices.SortedFunc(maps.Keys(c.sums), func(a, b model.SiteID) int { return bytes.Compare(a[:], b[:]) }) {
		c.fault("%s is missing, and there are %d hosts to be counted in it", key.Describe(key.Counts(site)), c.sums[site].Hosts)
	}
	return nil
}

// differing says in which sums two rows differ.
func differing(n, want model.SiteCounts) string {
	var out []string
	for _, f := range []struct {
		what      string
		got, want any
	}{
		{"hosts", n.Hosts, want.Hosts},
		{"by status", orEmpty(n.ByStatus), orEmpty(want.ByStatus)},
		{"by severity", orEmpty(n.ByWorst), orEmpty(want.ByWorst)},
		{"exposure", n.Exposure, want.Exposure},
		{"reboots", n.Reboot, want.Reboot},
		{"updates", n.Updates, want.Updates},
		{"compliance, in tenths", n.Compliance, want.Compliance},
		{"hosts with a compliance", n.ComplianceN, want.ComplianceN},
	} {
		if got, want := fmt.Sprint(f.got), fmt.Sprint(f.want); got != want {
			out = append(out, fmt.Sprintf("%s is %s for %s", f.what, got, want))
		}
	}
	return strings.Join(out, "; ")
}

func orEmpty(m map[string]int64) map[string]int64 {
	if m == nil {
		return map[string]int64{}
	}
	return m
}

func (c *checker) trends() error {
	return c.each(key.SpaceTrend, func(k, v []byte) ([]byte, [][]byte, error) {
		site, res, _, err := key.ReadTrend(k)
		if err != nil {
			return nil, nil, err
		}
		var s model.TrendSlot
		if err := c.r.rows.readTrend(v, site, &s); err != nil {
			return nil, nil, err
		}
		if res.Slots() == 0 {
			return nil, nil, fmt.Errorf("there is no resolution %d", res)
		}
		return key.Trend(site, res, s.Start), nil, nil
	})
}

// local checks what this node keeps of the index in memory: the next start would do without it, but it
// would be the first to know.
func (c *checker) local() error {
	h, ok, err := c.r.newestCheckpoint()
	if err == nil && ok {
		err = c.r.eachPart(h, func([]byte) error { return c.ctx.Err() })
	}
	if err == nil {
		_, err = c.r.readJournal(h.commit, func(model.HostID) {})
	}
	if err != nil && c.ctx.Err() == nil {
		c.fault("%v", err)
		return nil
	}
	return err
}
