package storagetest

import (
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// head requires what HostHead says of a host.
func head(s suite, tx Tx, n byte, site model.SiteID, beat model.HostBeat, there bool) {
	s.Helper()
	gotSite, gotBeat, ok, err := tx.HostHead(model.HostID{n})
	s.ok(err)
	if ok != there || gotSite != site || gotBeat != beat {
		s.Fatalf("the head of host %d is %v %+v %v; want %v %+v %v", n, gotSite, gotBeat, ok, site, beat, there)
	}
}

// outlines: what the counts are made of is said of a host in the transaction that wrote it and behind it, read or
// not, and in each of the ways that it comes to be there.
func outlines(s suite) {
	num := func(n int) *int { return &n }
	pct := func(c float64) *float64 { return &c }
	yes, no := true, false
	all := []model.Host{
		{},
		{ExposureAt: 1},
		{ExposureAt: 1, Exposure: model.SeverityCounts{Low: 3}, Updates: num(0), Compliance: pct(0), Facts: model.Facts{RebootNeeded: &no}},
		{ExposureAt: 1, Exposure: model.SeverityCounts{Critical: 1, High: 2, Medium: 3, Low: 4, None: 5, Unknown: 6}, Updates: num(1 << 24), Compliance: pct(99.9), Facts: model.Facts{RebootNeeded: &yes}},
		{ExposureAt: 1, Exposure: model.SeverityCounts{Uncertain: 7}},
		{ExposureAt: 1, Exposure: model.SeverityCounts{Low: 65_535, Unknown: 65_536}, Compliance: pct(33.333)},
		{Exposure: model.SeverityCounts{Low: 1 << 24}, Updates: num(-1), Compliance: pct(-5)},
	}
	for i := range all {
		all[i].ID, all[i].Site, all[i].Hostname = model.HostID{byte(i + 1)}, model.SiteID{2}, "h"
		all[i].SetBeat(model.HostBeat{Status: model.HostUp, StatusAt: 5, LastSeen: 6})
	}
	outlined := func(tx Tx, want model.Host) {
		s.Helper()
		h, ok, err := tx.HostOutline(want.ID)
		s.ok(err)
		var has, is model.SiteCounts
		has.Add(&h, 1)
		is.Add(&want, 1)
		if !ok || h.ID != want.ID || h.Site != want.Site || h.Beat() != want.Beat() || !has.SameSums(is) {
			s.Fatalf("the outline of %+v is %+v %v", want, h, ok)
		}
	}
	s.twice(func(tx Tx) {
		for _, h := range all {
			s.ok(tx.PutHost(h))
		}
	}, func(tx Tx) {
		for _, h := range all {
			outlined(tx, h)
		}
		if _, ok, err := tx.HostOutline(model.HostID{99}); ok || err != nil {
			s.Fatalf("a host that is not there has an outline: %v, %v", ok, err)
		}
	})
	s.twice(func(tx Tx) {
		for i := range all {
			switch b := (model.HostBeat{Status: model.HostDown, StatusAt: 7, LastSeen: 6}); i % 3 {
			case 0: // the beat alone
				all[i].SetBeat(b)
				s.ok(tx.PutHostBeat(all[i].ID, b))
			case 1: // another row
				all[i].SetBeat(b)
				all[i].Exposure.High++
				s.ok(tx.PutHost(all[i]))
			case 2: // away and back
				s.ok(tx.DeleteHost(all[i].ID))
				if _, ok, err := tx.HostOutline(all[i].ID); ok || err != nil {
					s.Fatalf("a host that went has an outline: %v, %v", ok, err)
				}
				s.ok(tx.PutHost(all[i]))
			}
		}
	}, func(tx Tx) {
		for _, h := range all {
			outlined(tx, h)
		}
	})
}

// controllers: the same of hosts in the store of a controller, where nobody looks for a host by its inventory.
func controllers(s suite) {
	s.write(func(tx Tx) { s.ok(tx.PutSelf(model.Found{Self: model.NodeID{1}, Role: model.RoleController})) })
	s.write(func(tx Tx) { s.ok(tx.PutHost(host(9, "d"))) })
	h := host(9, "e")
	s.twice(func(tx Tx) { s.ok(tx.PutHost(h)) }, func(tx Tx) {
		row(s, h, true)(tx.Host(h.ID))
		for _, d := range []string{"d", "e"} {
			s.ok(tx.HostsWithPackages(d, func(model.Host) error { s.Fatalf("a host was found by %s", d); return nil }))
		}
		s.ok(tx.EachDigest(func(d string) error { s.Fatalf("the inventory %s was found", d); return nil }))
	})
	s.twice(func(tx Tx) { s.ok(tx.DeleteHost(h.ID)) }, func(tx Tx) { row(s, h, false)(tx.Host(h.ID)) })
	outlines(s)
}

// beats: whoever writes the beat of a host, every read has the newest, and nothing else of the row moves.
func beats(s suite) {
	none := model.HostBeat{Status: model.HostUnknown}
	up := model.HostBeat{Status: model.HostUp, StatusAt: 5, LastSeen: 6}
	down := model.HostBeat{Status: model.HostDown, StatusAt: 7, LastSeen: 6}
	with := func(n byte, b model.HostBeat) model.Host {
		h := host(n, "d")
		h.SetBeat(b)
		return h
	}
	missing := func(tx Tx, n byte) {
		s.Helper()
		if err := tx.PutHostBeat(model.HostID{n}, up); !fault.Is(err, fault.NotFound) {
			s.Fatalf("the beat of a host that is not there gives %v", err)
		}
		head(s, tx, n, model.SiteID{}, model.HostBeat{}, false)
	}
	s.twice(func(tx Tx) {
		missing(tx, 1)
		s.ok(tx.PutHost(with(1, up)))
		s.ok(tx.PutHost(with(2, up)))
		s.ok(tx.PutHost(with(3, up)))
	}, func(tx Tx) {
		head(s, tx, 1, model.SiteID{1}, up, true)
		missing(tx, 9)
	})
	// The beat alone, before and behind reads and writes of the row.
	s.twice(func(tx Tx) {
		s.ok(tx.PutHostBeat(model.HostID{1}, down))
		head(s, tx, 1, model.SiteID{1}, down, true)
		row(s, with(1, down), true)(tx.Host(model.HostID{1}))
		row(s, with(2, up), true)(tx.Host(model.HostID{2}))
		s.ok(tx.PutHostBeat(model.HostID{2}, down))
		h := with(3, up)
		h.Owner = "somebody"
		s.ok(tx.PutHost(h))
		s.ok(tx.PutHostBeat(model.HostID{3}, down))
	}, func(tx Tx) {
		row(s, with(1, down), true)(tx.Host(model.HostID{1}))
		row(s, with(2, down), true)(tx.Host(model.HostID{2}))
		h := with(3, down)
		h.Owner = "somebody"
		row(s, h, true)(tx.Host(model.HostID{3}))
		n := 0
		s.ok(tx.EachHost(func(h model.Host) error {
			n++
			if h.Beat() != down {
				s.Fatalf("EachHost has the beat %+v of host %v", h.Beat(), h.ID)
			}
			return nil
		}))
		s.ok(tx.HostsWithPackages("d", func(h model.Host) error { n++; return tx.PutHostBeat(h.ID, h.Beat()) }))
		if n != 6 {
			s.Fatalf("%d hosts came up; want 6", n)
		}
	})
	// A row put carries its beat; a host that went takes its beat along.
	s.twice(func(tx Tx) {
		s.ok(tx.PutHost(with(1, up)))
		s.ok(tx.PutHostBeat(model.HostID{2}, up))
		s.ok(tx.DeleteHost(model.HostID{2}))
		s.ok(tx.DeleteHost(model.HostID{3}))
		s.ok(tx.PutHost(with(3, none)))
	}, func(tx Tx) {
		head(s, tx, 1, model.SiteID{1}, up, true)
		missing(tx, 2)
		row(s, host(2, ""), false)(tx.Host(model.HostID{2}))
		row(s, with(3, none), true)(tx.Host(model.HostID{3}))
	})
	// What is discarded was never there.
	tx := s.store.Begin()
	s.ok(tx.PutHostBeat(model.HostID{1}, down))
	s.ok(tx.PutHost(with(5, up)))
	tx.Discard()
	tx = s.store.Begin()
	defer tx.Discard()
	head(s, tx, 1, model.SiteID{1}, up, true)
	missing(tx, 5)
}

// trends: a slot stands at its place in a ring of its site and resolution until another takes the place.
func trends(s suite) {
	slot := func(start model.Time, n int64) model.TrendSlot {
		return model.TrendSlot{Start: start, Counts: model.SiteCounts{Hosts: n, ByStatus: map[string]int64{"up": n, "odd": 1}, Updates: -3, JudgedAt: start}}
	}
	at := func(site byte, t model.TrendSlot) model.TrendSlot {
		t.Counts.Site = model.SiteID{site}
		return t
	}
	const hour = model.Time(3600_000)
	lap := hour * model.Time(model.ResHour.Slots())
	s.twice(func(tx Tx) {
		row(s, slot(0, 0), false)(tx.Trend(model.SiteID{1}, model.ResHour, 5*hour))
		for site := range byte(3) {
			s.ok(tx.PutTrend(model.SiteID{site}, model.ResHour, at(site, slot(5*hour, int64(site)))))
			s.ok(tx.PutTrend(model.SiteID{site}, model.ResDay, at(site, slot(24*hour, 7))))
		}
	}, func(tx Tx) {
		for site := range byte(3) {
			row(s, at(site, slot(5*hour, int64(site))), true)(tx.Trend(model.SiteID{site}, model.ResHour, 5*hour))
			row(s, at(site, slot(5*hour, int64(site))), true)(tx.Trend(model.SiteID{site}, model.ResHour, 5*hour+lap))
			row(s, slot(0, 0), false)(tx.Trend(model.SiteID{site}, model.ResHour, 6*hour))
			row(s, slot(0, 0), false)(tx.Trend(model.SiteID{site}, model.ResFiveMinutes, 5*hour))
		}
	})
	s.twice(func(tx Tx) { s.ok(tx.PutTrend(model.SiteID{1}, model.ResHour, at(1, slot(5*hour+lap, 9)))) }, func(tx Tx) {
		row(s, at(1, slot(5*hour+lap, 9)), true)(tx.Trend(model.SiteID{1}, model.ResHour, 5*hour))
	})
}

func secrets(s suite) {
	q := model.Secret{Name: "signing/hq", Sealed: []byte{1, 0, 255}, At: 5}
	s.twice(func(tx Tx) {
		row(s, q, false)(tx.Secret(q.Name))
		s.ok(tx.PutSecret(q))
	}, func(tx Tx) {
		row(s, q, true)(tx.Secret(q.Name))
		row(s, q, false)(tx.Secret("signing/h"))
	})
}

func searches(s suite) {
	q := model.SavedSearch{Name: "late", Query: `status:late "é"`, Sort: "-seen", Columns: []string{"name", "os"}, Account: "ada", At: 5}
	s.twice(func(tx Tx) {
		row(s, q, false)(tx.Search("late"))
		s.ok(tx.PutSearch(q))
	}, func(tx Tx) {
		row(s, q, true)(tx.Search("late"))
		row(s, q, false)(tx.Search("lat"))
	})
	s.twice(func(tx Tx) {
		s.ok(tx.DeleteSearch("late"))
		s.ok(tx.DeleteSearch("absent"))
	}, func(tx Tx) { row(s, q, false)(tx.Search("late")) })
}
