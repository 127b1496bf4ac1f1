package search

import (
	"math"

	"github.com/skerryhq/skerry/engine/model"
)

// Outline returns of a host what model.SiteCounts is made of: a host with that id, that site, that beat, and
// with an Exposure, a Worst, a RebootNeeded, Updates and a Compliance that count as those of its row do.
// Nothing else of it is set. Ok is false where there is no such host, whole where the index does not know it
// exactly, so that the row has to be read.
func (x *Index) Outline(id model.HostID) (h model.Host, whole, ok bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ord, ok := x.byID.get(id, x.ids)
	if !ok {
		return model.Host{}, false, false
	}
	c := &x.columns
	h.ID, h.Site = id, x.places.sites[x.site.of[ord]].ID
	h.SetBeat(c.beat(ord, x.own[ord]))
	e := &h.Exposure
	for i, n := range [severityN]*int{&e.Critical, &e.High, &e.Medium, &e.Low, &e.None, &e.Unknown} {
		*n = int(c.found[i][ord])
	}
	if x.worst[ord] != worstUnmatched {
		h.ExposureAt = 1
	}
	if x.reboot[ord] != rebootUnknown {
		need := x.reboot[ord] == rebootYes
		h.RebootNeeded = &need
	}
	if n := int(c.updates[ord]); n != none {
		h.Updates = &n
	}
	if n := c.compliance[ord]; n != none {
		percent := float64(n) / 10
		h.Compliance = &percent
	}
	return h, x.flags[ord]&flagExact != 0, true
}

// exact reports whether the columns hold all that the host adds to the counts.
func exact(h *model.Host) bool {
	e := h.Exposure
	for _, n := range [...]int{e.Critical, e.High, e.Medium, e.Low, e.None, e.Unknown} {
		if n < 0 || n > math.MaxUint16 {
			return false
		}
	}
	if e.Uncertain != 0 {
		return false
	}
	if h.Updates != nil && (*h.Updates < 0 || *h.Updates > math.MaxInt32) {
		return false
	}
	return h.Compliance == nil || *h.Compliance >= 0 && *h.Compliance <= 100
}

// Differs reports whether a row is certainly another than that of the host with its id, beat aside. False says
// nothing: not every column is looked at, and the index does not hold all of a row.
func (x *Index) Differs(h *model.Host) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	ord, ok := x.byID.get(h.ID, x.ids)
	if !ok {
		return true
	}
	c := &x.columns
	e := h.Exposure
	for i, n := range [severityN]int{e.Critical, e.High, e.Medium, e.Low, e.None, e.Unknown} {
		if uint16(min(max(n, 0), math.MaxUint16)) != c.found[i][ord] {
			return true
		}
	}
	updates, compliance := int32(none), int32(none)
	if h.Updates != nil {
		updates = clamp(*h.Updates)
	}
	if h.Compliance != nil {
		compliance = tenths(*h.Compliance)
	}
	return c.updates[ord] != updates || c.compliance[ord] != compliance || c.booted[ord] != int64(h.BootedAt) || c.first[ord] != int64(h.FirstSeen) ||
		x.kernel.word(ord) != h.Kernel || x.agent.word(ord) != h.AgentVersion || x.reboot[ord] != rebootNumber(h.RebootNeeded)
}
