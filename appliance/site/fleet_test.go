package site

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/detail"
	"github.com/skerryhq/skerry/storage/index"
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

// listed gives a site that many hosts, of which each group of alike has one list of certificates.
func listed(t *testing.T, d *desk, hosts, alike, certs int, now time.Time) {
	t.Helper()
	for n := range hosts {
		var list []model.Certificate
		for i := range certs {
			list = append(list, model.Certificate{
				Path: fmt.Sprintf("/etc/ssl/certs/authority_%d.pem", i), Fingerprint: fmt.Sprintf("%064x", i*hosts+n/alike), Subject: fmt.Sprintf("CN=Authority %d,O=Some Organisation", i),
				Issuer: fmt.Sprintf("CN=Authority %d,O=Some Organisation", i), Serial: fmt.Sprintf("%032x", i), IssuedBy: fmt.Sprintf("%064x", i),
				NotAfter: model.TimeOf(now.AddDate(0, 0, i%30)),
			})
		}
		b, err := model.Encode(list)
		if err != nil {
			t.Fatal(err)
		}
		h := model.Host{ID: hostN(n), Site: model.SiteID(newID(1)), Agent: d.agent.ID}
		if h.CertificatesDigest, err = d.site.detail.Put(h.ID, detail.Certificates, 1, b); err != nil {
			t.Fatal(err)
		}
		plant(t, d.rows.Store, func(tx *index.Tx) error { return tx.PutHost(h) })
	}
}

// Hosts that have one list share its reading, and every certificate of every host is on one page and no other.
func TestCertificatesOfManyHosts(t *testing.T) {
	d, now := newDesk(t), time.Now()
	listed(t, d, 30, 10, 9, now)
	q := model.FleetQuestion{Limit: 7, Until: model.TimeOf(now.AddDate(0, 0, 6)) - 1}
	var places []string
	for more := true; more && len(places) < 1000; {
		v, err := drill{d.site}.answer(t.Context(), model.RouteCertificatesExpiring, q.Params())
		if err != nil {
			t.Fatal(err)
		}
		a := v.(model.ExpiringCertificates)
		if a.Total != 30*6 || a.Hosts != 30 || a.Lacks != 0 {
			t.Fatalf("total %d of %d hosts, %d lacking", a.Total, a.Hosts, a.Lacks)
		}
		for i := range a.Rows {
			q.After = a.Rows[i].Place()
			places = append(places, q.After)
		}
		more = a.More
	}
	if len(places) != 30*6 || !slices.IsSorted(places) || len(slices.Compact(places)) != 30*6 {
		t.Errorf("%d rows on all pages, want %d in order and each once", len(places), 30*6)
	}
}

// The lists of all hosts are never held at once: a page has a bound, and a site has many hosts.
func TestCertificatesAreNotAllHeld(t *testing.T) {
	d, now := newDesk(t), time.Now()
	listed(t, d, 200, 1, 200, now) // some 20 MB of certificates
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	size := func() uint64 { metrics.Read(heap); return heap[0].Value.Uint64() }
	runtime.GC()
	before, peak := size(), uint64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				peak = max(peak, size())
				runtime.Gosched()
			}
		}
	}()
	q := model.FleetQuestion{Limit: 50, Until: model.TimeOf(now.AddDate(1, 0, 0))}
	v, err := drill{d.site}.answer(t.Context(), model.RouteCertificatesExpiring, q.Params())
	close(stop)
	<-done
	if err != nil {
		t.Fatal(err)
	}
	if a := v.(model.ExpiringCertificates); a.Total != 200*200 || len(a.Rows) != 50 {
		t.Fatalf("%d rows of %d", len(a.Rows), a.Total)
	}
	t.Logf("%d KiB before, %d KiB at the most", before>>10, peak>>10)
	if peak > before+8<<20 {
		t.Errorf("%d bytes were held at the most, %d before", peak, before)
	}
}
