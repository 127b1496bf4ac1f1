package index

import (
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// The keyspaces of trends and of saved searches.
const (
	spaceTrend  = 0x1a
	spaceSearch = 0x63
)

func trendKey(site model.SiteID, res model.Resolution, at model.Time) []byte {
	place := res.Place(at)
	return append(append([]byte{spaceTrend}, site[:]...), byte(res), byte(place>>8), byte(place))
}

func searchKey(name string) []byte {
	return append(append([]byte{spaceSearch}, name...), 0, 1)
}

// HostHead returns whose a host is, and its beat.
func (r *Reader) HostHead(id model.HostID) (model.SiteID, model.HostBeat, bool, error) {
	h, ok, err := r.Host(id)
	return h.Site, h.Beat(), ok, err
}

// PutHostBeat implements apply.Tx.
func (t *Tx) PutHostBeat(id model.HostID, beat model.HostBeat) error {
	h, ok, err := t.Host(id)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.NotFound, "write the beat of a host", "there is no host %s", id)
	}
	h.SetBeat(beat)
	return t.PutHost(h)
}

// Trend returns what stands at start's place in the ring of a site; the zero site is all sites.
func (r *Reader) Trend(site model.SiteID, res model.Resolution, start model.Time) (model.TrendSlot, bool, error) {
	return get[model.TrendSlot](r, trendKey(site, res, start))
}

// PutTrend implements apply.Tx.
func (t *Tx) PutTrend(site model.SiteID, res model.Resolution, slot model.TrendSlot) error {
	return t.put(trendKey(site, res, slot.Start), slot)
}

// Search returns a saved search.
func (r *Reader) Search(name string) (model.SavedSearch, bool, error) {
	return get[model.SavedSearch](r, searchKey(name))
}

// PutSearch implements apply.Tx.
func (t *Tx) PutSearch(s model.SavedSearch) error { return t.put(searchKey(s.Name), s) }

// DeleteSearch implements apply.Tx; a search that is not there is no error.
func (t *Tx) DeleteSearch(name string) error { return t.remove(searchKey(name)) }
