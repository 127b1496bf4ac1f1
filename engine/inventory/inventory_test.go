package inventory

import (
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

func TestExposure(t *testing.T) {
	m := model.Match{At: now, Counts: model.SeverityCounts{High: 2}, FixableN: new(3)}
	h, changed := Exposure(model.Host{}, m)
	if !changed || h.Exposure.High != 2 || h.ExposureAt != now || *h.Updates != 3 {
		t.Errorf("%+v, %v", h, changed)
	}
	m.At++
	if same, changed := Exposure(h, m); changed || same.ExposureAt != now {
		t.Errorf("the same counts later: %+v, %v", same, changed)
	}
	m.FixableN = new(2)
	if h, changed = Exposure(h, m); !changed || *h.Updates != 2 || h.ExposureAt != now+1 {
		t.Errorf("another number of updates: %+v, %v", h, changed)
	}
	if h, _ = Packages(h, model.InventoryRef{Digest: "d"}, now); h.Updates != nil || h.ExposureAt != 0 {
		t.Errorf("another inventory: %+v", h)
	}
	// A match of a version that did not count them says nothing, and not that there are none.
	if h, changed = Exposure(h, model.Match{At: now}); !changed || h.Updates != nil || h.ExposureAt != now {
		t.Errorf("an old match: %+v, %v", h, changed)
	}
}

func TestBeat(t *testing.T) {
	was := model.HostBeat{Status: model.HostUp, StatusAt: 5, LastSeen: 9}
	if b, news := Beat(was, model.HostUp, 7, 10); news || b != (model.HostBeat{Status: model.HostUp, StatusAt: 10, LastSeen: 9}) {
		t.Errorf("%+v, %v", b, news)
	}
	if b, news := Beat(was, model.HostDown, 12, 13); !news || b != (model.HostBeat{Status: model.HostDown, StatusAt: 13, LastSeen: 12}) {
		t.Errorf("%+v, %v", b, news)
	}
}
