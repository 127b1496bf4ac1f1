package site

import (
	"fmt"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// A site looks through the bodies of its hosts, by the order of versions, and says what it cannot tell.
func TestFleetQuestions(t *testing.T) {
	d := newDesk(t)
	d.report(model.ItemFacts, model.Facts{Hostname: "web-1"})
	d.report(model.ItemPackages, softwareOf(10))
	now := time.Now()
	var list []model.Certificate
	for i := range 5 {
		list = append(list, model.Certificate{
			Path: "/x", Fingerprint: fmt.Sprintf("%064x", i+1), Subject: "CN=x", Issuer: "CN=y", Serial: "1",
			NotBefore: model.TimeOf(now.AddDate(-1, 0, 0)), NotAfter: model.TimeOf(now.AddDate(0, 0, 10*(3-i))),
		})
	}
	d.report(model.ItemCertificates, list)
	for _, x := range []struct {
		op   model.VersionOp
		v    string
		rows int
	}{{"", "", 1}, {model.VersionBelow, "9", 0}, {model.VersionAbove, "9", 1}, {model.VersionIs, "10", 1}, {model.VersionAtMost, "10", 1}, {model.VersionBelow, "10", 0}, {model.VersionBelow, "not a version!", 0}} {
		q := model.FleetQuestion{Limit: 5, Name: "secret-package-0007", Op: x.op, Version: x.v}
		v, err := drill{d.site}.answer(t.Context(), model.RoutePackagesWhere, q.Params())
		if err != nil {
			t.Fatal(err)
		}
		if a := v.(model.PackagesWhere); len(a.Rows) != x.rows || a.Total != x.rows || a.Hosts != 1 || (a.Unordered == 1) != (x.v == "not a version!") {
			t.Errorf("%s %q: %+v", x.op, x.v, a)
		}
	}
	q := model.FleetQuestion{Limit: 2, Until: model.TimeOf(now.AddDate(0, 0, 15))}
	var ends []model.Time
	for pages := 0; ; pages++ {
		v, err := drill{d.site}.answer(t.Context(), model.RouteCertificatesExpiring, q.Params())
		if err != nil || pages > 3 {
			t.Fatal(pages, err)
		}
		a := v.(model.ExpiringCertificates)
		for i := range a.Rows {
			ends = append(ends, a.Rows[i].Certificate.NotAfter)
			q.After = a.Rows[i].Place()
		}
		if a.Total != 3 {
			t.Errorf("total %d", a.Total)
		}
		if !a.More {
			break
		}
	}
	if len(ends) != 3 || ends[0] >= ends[1] || ends[1] >= ends[2] {
		t.Errorf("ends %v", ends)
	}
	for _, params := range []map[string]string{{}, {"limit": "0"}, {"limit": "5", "op": "xx", "version": "1"}, {"limit": "5"}, {"limit": "5", "name": "a", "query": "status:("}} {
		if _, err := (drill{d.site}).answer(t.Context(), model.RoutePackagesWhere, params); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v: %v", params, err)
		}
	}
	if _, err := (drill{d.site}).answer(t.Context(), "../host.detail", nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("no route: %v", err)
	}
	if _, err := d.ask(model.RouteHostPackages, model.ParamHost, model.HostID{9}.String()); !fault.Is(err, fault.NotFound) {
		t.Errorf("a host of another site: %v", err)
	}
}
