package apply

import (
	"maps"

	"github.com/skerryhq/skerry/engine/model"
)

// tally is the aggregate row of one site while a change is applied. What the change moves is summed up
// here and written once, however many hosts it touches.
type tally struct {
	row   model.SiteCounts // as stored, but for its times
	moved model.SiteCounts // what is to be added to the row
	news  bool             // a time of the row changed
}

// judged keeps when the site judged all of its hosts.
func (t *tally) judged(at model.Time) { t.row.JudgedAt, t.news = at, true }

// heard keeps when an item of the site was last applied.
func (t *tally) heard(at model.Time) { t.row.LastItem, t.news = at, true }

// tally returns the one of a site; its row is read at the first use.
func (a *applier) tally(site model.SiteID) (*tally, error) {
	for _, t := range a.counts {
		if t.row.Site == site {
			return t, nil
		}
	}
	row, err := a.aggregate(site)
	if err != nil {
		return nil, err
	}
	t := &tally{row: row}
	a.counts = append(a.counts, t)
	return t, nil
}

func (a *applier) aggregate(site model.SiteID) (model.SiteCounts, error) {
	n, _, err := a.tx.Counts(site)
	n.Site = site
	n.ByStatus, n.ByWorst = maps.Clone(n.ByStatus), maps.Clone(n.ByWorst) // the row's own may be kept by the store
	if n.ByStatus == nil {
		n.ByStatus = map[string]int64{}
	}
	return n, err
}

// count adds a host to its site's counts (by 1), or takes it out (by -1).
func (a *applier) count(h *model.Host, by int64) error {
	t, err := a.tally(h.Site)
	if err != nil {
		return err
	}
	t.moved.Add(h, by)
	return nil
}

// countStatus moves a host from one status to another.
func (a *applier) countStatus(site model.SiteID, was, now model.HostStatus) error {
	t, err := a.tally(site)
	if err != nil {
		return err
	}
	t.moved.AddStatus(was, -1)
	t.moved.AddStatus(now, 1)
	return nil
}

// counted ends a change that may have touched hosts: the counts of each site are written once, those of
// all sites with them, and what moved becomes a point of the trends at the change's own time. With an
// error of the change there is nothing to write.
func (a *applier) counted(err error, at model.Time) error {
	if err != nil {
		return err
	}
	var moved model.SiteCounts
	for _, t := range a.counts {
		stirred := !t.moved.SameSums(model.SiteCounts{})
		if !stirred && !t.news {
			continue
		}
		t.row.Sum(t.moved, 1)
		moved.Sum(t.moved, 1)
		if err := a.tx.PutCounts(t.row); err != nil {
			return err
		}
		if stirred {
			if err := a.trend(t.row, at); err != nil {
				return err
			}
		}
	}
	a.counts = nil
	if moved.SameSums(model.SiteCounts{}) {
		return nil
	}
	all, err := a.aggregate(model.SiteID{})
	if err != nil {
		return err
	}
	all.Sum(moved, 1)
	if err := a.tx.PutCounts(all); err != nil {
		return err
	}
	return a.trend(all, at)
}

// trend writes the slots that at falls into. A slot of a later time that stands in the place stays: the
// clock of whoever proposed this went back, and what it said before is not yet past.
func (a *applier) trend(n model.SiteCounts, at model.Time) error {
	n.LastItem, n.JudgedAt = 0, 0 // they are not of the hosts, and would be old in every slot
	for _, res := range model.Resolutions() {
		slot := model.TrendSlot{Start: res.Start(at), Counts: n}
		if slot.Start == 0 {
			continue // a change without a time has no place in a trend
		}
		was, ok, err := a.tx.Trend(n.Site, res, slot.Start)
		if err != nil {
			return err
		}
		if ok && was.Start > slot.Start {
			continue
		}
		if err := a.tx.PutTrend(n.Site, res, slot); err != nil {
			return err
		}
	}
	return nil
}
