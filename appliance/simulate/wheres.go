package simulate

import (
	"context"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// chunk is how many hosts are looked at in one piece, so that the log goes on in between.
const chunk = 256

// noCertificates is what a simulated site says where it is asked for certificates.
const noCertificates = "simulated: does not hold certificates"

// everyHost calls fn with every host of the site that a search finds. Without a search, pick says first by the image of a
// host, nil where it has none, whether the host comes into question: to make its row costs more than the rest.
func (l *siteLog) everyHost(ctx context.Context, search string, pick func(*image) bool, fn func(*model.Host, *image) error) error {
	where, err := query.Parse(search)
	if err != nil {
		return fault.New(fault.Invalid, "", "%w", err)
	}
	s := &l.world.fleet.Sites[l.world.site]
	place := model.Site{Name: s.Code, Region: s.Region, Country: s.Country, City: s.City}
	env := query.Env{Now: model.TimeOf(l.now()), Site: func(id model.SiteID) model.Site { place.ID = id; return place }}
	some := func(from int) (next int, err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for next = from; next < min(from+chunk, l.world.next); next++ {
			if !l.world.there(next) {
				continue
			}
			if search == "" {
				if i, err := l.world.image(next); err != nil {
					return next, err
				} else if !pick(i) {
					continue
				}
			}
			h, i, err := l.world.host(next)
			if err != nil {
				return next, err
			}
			if search != "" && !query.Match(where, &h, env) {
				continue
			}
			if err := fn(&h, i); err != nil {
				return next, err
			}
		}
		return next, nil
	}
	for n := 0; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		next, err := some(n)
		if err != nil || next == n {
			return err
		}
		n = next
	}
}

// packagesWhere answers with the hosts that have a package, as a site does.
func (l *siteLog) packagesWhere(ctx context.Context, params map[string]string) (any, error) {
	const op = "look for packages"
	q, err := model.ReadFleetQuestion(params)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%w", err)
	}
	if q.Name == "" {
		return nil, fault.New(fault.Invalid, op, "the name of a package is missing")
	}
	out := model.PackagesWhere{FleetAnswer: model.FleetAnswer{At: model.TimeOf(l.now())}, Rows: []model.PackageAt{}}
	found := map[*image][]model.Package{} // that the question asks for
	unordered := map[*image]int{}
	look := func(i *image) {
		if _, known := found[i]; known {
			return
		}
		list := []model.Package{}
		for _, p := range i.inv.Packages {
			if p.Name != q.Name {
				continue
			}
			if q.Op != "" {
				c, ok := exposure.Compare(exposure.OrderOf(i.inv.OS, p), p.Version, q.Version)
				if !ok {
					unordered[i]++
				}
				if !ok || !q.Op.Holds(c) {
					continue
				}
			}
			list = append(list, p)
		}
		found[i] = list
	}
	type placed struct {
		at  string
		row model.PackageAt
	}
	var rows []placed
	trim := func() {
		slices.SortFunc(rows, func(a, b placed) int { return strings.Compare(a.at, b.at) })
		if len(rows) > q.Limit {
			clear(rows[q.Limit:])
			rows, out.More = rows[:q.Limit], true
		}
	}
	pick := func(i *image) bool {
		out.Hosts++
		if i == nil {
			out.Lacks++
			return false
		}
		look(i)
		out.Unordered += unordered[i]
		return len(found[i]) > 0
	}
	err = l.everyHost(ctx, q.Query, pick, func(h *model.Host, i *image) error {
		if q.Query != "" && !pick(i) {
			return nil
		}
		for _, p := range found[i] {
			row := model.PackageAt{FleetRow: model.FleetRow{Host: h.ID, Hostname: h.Hostname, AsOf: h.PackagesAt}, Package: p}
			out.Total++
			if at := row.Place(); at > q.After {
				rows = append(rows, placed{at, row})
			}
		}
		if len(rows) > 4*q.Limit {
			trim()
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	trim()
	for _, r := range rows {
		out.Rows = append(out.Rows, r.row)
	}
	return out, nil
}

// certificatesExpiring says that there are none here: simulated hosts have a number of certificates and the time when the
// first of them ends, but no certificates.
func (l *siteLog) certificatesExpiring(ctx context.Context, params map[string]string) (any, error) {
	const op = "look for certificates"
	q, err := model.ReadFleetQuestion(params)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%w", err)
	}
	out := model.ExpiringCertificates{FleetAnswer: model.FleetAnswer{At: model.TimeOf(l.now()), Note: noCertificates}, Rows: []model.ExpiringCertificate{}}
	err = l.everyHost(ctx, q.Query, func(*image) bool { out.Hosts++; return false }, func(*model.Host, *image) error { out.Hosts++; return nil })
	out.Lacks = out.Hosts
	return out, fault.Wrap(op, err)
}
