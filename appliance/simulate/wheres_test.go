package simulate

import (
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// What a simulated site answers about packages is what its hosts have, page by page.
func TestPackagesWhere(t *testing.T) {
	l := newTestLog(t, 7, 900, 1)
	ask := func(q model.FleetQuestion) model.PackagesWhere {
		t.Helper()
		v, err := l.packagesWhere(t.Context(), q.Params())
		if err != nil {
			t.Fatal(err)
		}
		return v.(model.PackagesWhere)
	}
	for _, q := range []model.FleetQuestion{
		{Name: "openssl"},
		{Name: "openssl", Op: model.VersionBelow, Version: "3.0.15-1~deb12u1"},
		{Name: "openssl", Op: model.VersionAtLeast, Version: "3.0.15-1~deb12u1"},
		{Name: "openssl", Query: "status:up"},
		{Name: "no-such-package"},
	} {
		var want []string
		hosts, lacks := 0, 0
		for n := range l.world.next {
			h, i, err := l.world.host(n)
			if err != nil {
				t.Fatal(err)
			}
			if !l.world.there(n) || q.Query != "" && h.Status != model.HostUp {
				continue
			}
			if hosts++; i == nil {
				lacks++
				continue
			}
			for _, p := range i.inv.Packages {
				c, ok := 0, true
				if q.Op != "" {
					c, ok = exposure.Compare(exposure.OrderOf(i.inv.OS, p), p.Version, q.Version)
					ok = ok && q.Op.Holds(c)
				}
				if p.Name == q.Name && ok {
					want = append(want, strings.ToLower(h.Hostname)+" "+p.Version)
				}
			}
		}
		slices.Sort(want)
		var got []string
		q.Limit = 17
		for {
			a := ask(q)
			if a.Total != len(want) || a.Hosts != hosts || a.Lacks != lacks || len(a.Rows) > q.Limit {
				t.Fatalf("%+v: %d rows of %d hosts, %d without packages; want %d of %d, %d", q, a.Total, a.Hosts, a.Lacks, len(want), hosts, lacks)
			}
			for i := range a.Rows {
				r := &a.Rows[i]
				if r.Place() <= q.After {
					t.Fatalf("%+v: not in order", q)
				}
				q.After = r.Place()
				got = append(got, strings.ToLower(r.Hostname)+" "+r.Package.Version)
			}
			if !a.More {
				break
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || (q.Name == "openssl" && q.Op == "" && len(want) < 100) {
			t.Errorf("%+v: %d rows, want %d", q, len(got), len(want))
		}
	}
	for _, params := range []map[string]string{{}, {"limit": "5"}, {"limit": "5", "name": "x", "query": "stat:up"}} {
		if _, err := l.packagesWhere(t.Context(), params); !fault.Is(err, fault.Invalid) {
			t.Errorf("%v: %v", params, err)
		}
	}
}

// A simulated site says that it has no certificates; it does not say that none ends.
func TestNoCertificates(t *testing.T) {
	l := newTestLog(t, 7, 300, 1)
	for search, all := range map[string]bool{"": true, "os:debian": false} {
		q := model.FleetQuestion{Until: model.TimeOf(start), Limit: 10, Query: search}
		v, err := l.certificatesExpiring(t.Context(), q.Params())
		a, ok := v.(model.ExpiringCertificates)
		if err != nil || !ok || a.Note != noCertificates || a.Lacks != a.Hosts || a.Hosts == 0 || (a.Hosts == l.world.next) != all || a.Rows == nil {
			t.Errorf("%q: %+v, %v", search, v, err)
		}
	}
}
