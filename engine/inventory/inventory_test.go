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

// TestNewsOf: what only was looked at again is told once a day, and everything else at once.
func TestNewsOf(t *testing.T) {
	const hour = model.Time(60 * 60 * 1000)
	id, err := model.ParseHostID("01900000-0000-7000-8000-00000a0b0c0d")
	if err != nil {
		t.Fatal(err)
	}
	was := model.Host{ID: id, Status: model.HostUp, FactsAt: 500_000 * hour, PackagesAt: 499_999 * hour, StatusAt: 1, LastSeen: 1, Facts: model.Facts{Hostname: "a", Tags: []string{"x"}}}
	looked, told := was, 0
	for range 10 * 24 {
		next := looked
		next.FactsAt += hour
		next.StatusAt, next.LastSeen = next.FactsAt, next.FactsAt
		next.Tags = []string{"x"}
		if NewsOf(looked, next) {
			told++
		}
		looked = next
	}
	if told != 10 {
		t.Errorf("told %d times in ten days", told)
	}
	for what, change := range map[string]func(*model.Host){
		"a status":              func(h *model.Host) { h.Status = model.HostDown },
		"a fact":                func(h *model.Host) { h.Kernel = "6.1" },
		"a tag":                 func(h *model.Host) { h.Tags = []string{"x", "y"} },
		"another inventory":     func(h *model.Host) { h.PackagesDigest = "d" },
		"the first certificate": func(h *model.Host) { h.CertificatesAt = 1 },
		"a time gone back":      func(h *model.Host) { h.FactsAt -= 30 * hour },
	} {
		now := was
		if change(&now); !NewsOf(was, now) {
			t.Errorf("%s is no news", what)
		}
	}
	if NewsOf(was, was) {
		t.Error("the same row is news")
	}
}
