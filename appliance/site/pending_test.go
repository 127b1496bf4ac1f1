package site

import (
	"context"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/recalc"
)

// matchOnce matches what is marked, and ends.
func (d *desk) matchOnce() {
	d.Helper()
	ctx, cancel := context.WithCancel(d.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- recalc.Run(ctx, recalc.Config{
			Site: model.SiteID(newID(1)), Wait: d.rows.Wait, Inventories: inventories{d.detail}, Proposer: d.rows,
			View: func() (recalc.View, func()) { v := d.rows.Store.View(); return v, func() { _ = v.Close() } },
			Now:  d.clock.Now, Settle: func(context.Context) error { return nil }, Log: quiet,
		})
	}()
	d.level()
	cancel()
	if err := <-ended; err != nil {
		d.Fatal(err)
	}
}

// Whoever asks before the hosts were matched with what came last is told so, and not any more afterwards.
func TestAnswersBeforeTheMatchingSaySo(t *testing.T) {
	d := newDesk(t)
	d.report(model.ItemFacts, model.Facts{Hostname: "web-1"})
	d.report(model.ItemPackages, softwareOf(10))
	put := model.Advisories{Stamp: stamp(), Put: []model.Advisory{advisory("CVE-2026-0001", "secret-package-0007", "20", "critical")}}
	d.propose(put, model.Generation{Stamp: stamp()})
	q := model.FleetQuestion{Limit: 5, Name: "CVE-2026-0001"}
	ask := func() model.ExposedWhere {
		t.Helper()
		v, err := drill{d.site}.answer(t.Context(), model.RouteExposureCVE, q.Params())
		if err != nil {
			t.Fatal(err)
		}
		return v.(model.ExposedWhere)
	}
	if a := ask(); len(a.Rows) != 0 || !strings.Contains(a.Note, "1 of 1 hosts") {
		t.Errorf("before the first matching: %+v", a)
	}
	d.matchOnce()
	if a := ask(); len(a.Rows) != 1 || a.Note != "" {
		t.Errorf("after the matching: %+v", a)
	}
	if h := answer[model.HostExposed](d, model.RouteHostExposure); h.Lacks != "" || len(h.Findings) != 1 {
		t.Errorf("after the matching: %+v", h)
	}
	put.Put = []model.Advisory{advisory("CVE-2026-0002", "secret-package-0008", "20", "critical")}
	d.propose(put, model.Generation{Stamp: stamp()})
	if a := ask(); len(a.Rows) != 1 || !strings.Contains(a.Note, "1 of 1 hosts") {
		t.Errorf("with newer advisories: %+v", a)
	}
	if h := answer[model.HostExposed](d, model.RouteHostExposure); !strings.Contains(h.Lacks, "not matched yet with the newest") || len(h.Findings) != 1 {
		t.Errorf("with newer advisories: %+v", h)
	}
}
