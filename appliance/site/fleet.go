package site

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// The bounds of what is asked of all hosts at once.
const (
	maxFleetPage = 1 << 20 // bytes of JSON of one page, about
	maxRecalled  = 200_000 // bodies whose part in an answer is remembered
	maxNames     = 8       // names of packages that is remembered for
)

// recall remembers what bodies of the detail tier have of what was asked. A body never changes under its digest, so what
// is remembered is right for ever; it is forgotten when it grows too much. So only the first page of an answer, and
// the first question after a change at a host, read bodies.
type recall struct {
	mu       sync.Mutex
	names    []string // of packages, the one asked about last at the end
	packages map[string]map[string][]ordered
	first    map[string]model.Time // by digest of certificates: when the first of them ends; zero: never
	n        int
}

// ordered is a package and the ecosystem in whose order its versions are.
type ordered struct {
	model.Package
	order string
}

// named returns what was found of a package, by digest; the map is only used under mu.
func (r *recall) named(name string) map[string][]ordered {
	r.bound()
	if i := slices.Index(r.names, name); i >= 0 {
		r.names = append(slices.Delete(r.names, i, i+1), name)
		return r.packages[name]
	}
	if len(r.names) == maxNames {
		r.n -= len(r.packages[r.names[0]])
		delete(r.packages, r.names[0])
		r.names = slices.Delete(r.names, 0, 1)
	}
	r.names = append(r.names, name)
	r.packages[name] = map[string][]ordered{}
	return r.packages[name]
}

func (r *recall) bound() {
	if r.n >= maxRecalled || r.packages == nil {
		r.packages, r.first, r.names, r.n = map[string]map[string][]ordered{}, map[string]model.Time{}, nil, 0
	}
}

// packagesNamed returns the packages of that name in an inventory; false where there is none that can be read.
func (s *site) packagesNamed(digest, name string) ([]ordered, bool, error) {
	r := &s.recall
	r.mu.Lock()
	found, known := r.named(name)[digest]
	r.mu.Unlock()
	if known {
		return found, true, nil
	}
	body, ok, err := s.detail.Body(digest)
	if !ok || err != nil {
		return nil, false, notDamage(err)
	}
	quoted, err := model.Encode(name)
	if err != nil {
		return nil, false, err
	}
	if bytes.Contains(body, quoted) { // most inventories can be told by that not to have it
		var inv model.Inventory
		if err := model.Decode(body, &inv); err != nil {
			return nil, false, nil //nolint:nilerr // it counts as one that is not readable
		}
		for _, p := range inv.Packages {
			if p.Name == name {
				found = append(found, ordered{p, exposure.OrderOf(inv.OS, p)})
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.named(name)[digest] = found
	r.n++
	return found, true, nil
}

// certificatesUntil returns the certificates of a list if any of them ends until then; false where the list cannot be read.
func (s *site) certificatesUntil(digest string, until model.Time) ([]model.Certificate, bool, error) {
	r := &s.recall
	r.mu.Lock()
	first, known := r.first[digest]
	r.mu.Unlock()
	if known && (first == 0 || first > until) {
		return nil, true, nil
	}
	body, ok, err := s.detail.Body(digest)
	if !ok || err != nil {
		return nil, false, notDamage(err)
	}
	var list []model.Certificate
	if err := model.Decode(body, &list); err != nil {
		return nil, false, nil //nolint:nilerr // it counts as one that is not readable
	}
	first = 0
	for _, c := range list {
		if c.NotAfter > 0 && (first == 0 || c.NotAfter < first) {
			first = c.NotAfter
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bound()
	if !known {
		r.first[digest] = first
		r.n++
	}
	return list, true, nil
}

// notDamage keeps back errors that are of one body: an answer about all hosts says how many it lacks.
func notDamage(err error) error {
	if fault.Is(err, fault.Corrupt) {
		return nil
	}
	return err
}

// fleetRow is a row of an answer about all hosts.
type fleetRow[R any] interface {
	*R
	Place() string
	Row() *model.FleetRow
}

// placed is a row with its place.
type placed[R any] struct {
	at  string
	row R
}

// sheet keeps the first rows behind a place, however many come.
type sheet[R any, P fleetRow[R]] struct {
	after string
	limit int
	total int
	rows  []placed[R]
	last  string // once there are enough rows: no place behind it is wanted
	more  bool
}

func (s *sheet[R, P]) add(row R) {
	s.total++
	at := P(&row).Place()
	if at <= s.after {
		return
	}
	if s.last != "" && at > s.last {
		s.more = true
		return
	}
	s.rows = append(s.rows, placed[R]{at, row})
	if len(s.rows) > 4*s.limit {
		s.trim()
	}
}

func (s *sheet[R, P]) trim() {
	slices.SortFunc(s.rows, func(a, b placed[R]) int { return strings.Compare(a.at, b.at) })
	s.rows = slices.CompactFunc(s.rows, func(a, b placed[R]) bool { return a.at == b.at })
	if len(s.rows) > s.limit {
		clear(s.rows[s.limit:])
		s.rows, s.more = s.rows[:s.limit], true
	}
	if len(s.rows) == s.limit && s.limit > 0 {
		s.last = s.rows[s.limit-1].at
	}
}

// page returns the rows, at least one where there is any, and not much more than maxFleetPage bytes of them.
func (s *sheet[R, P]) page(size func(*R) int) []R {
	s.trim()
	out := make([]R, 0, len(s.rows))
	bytes := 0
	for i := range s.rows {
		if bytes += size(&s.rows[i].row); bytes > maxFleetPage && i > 0 {
			s.more = true
			break
		}
		out = append(out, s.rows[i].row)
	}
	return out
}

// everyHost calls fn with every host that a search finds.
func (d drill) everyHost(ctx context.Context, search string, at model.Time, fn func(*model.Host) error) error {
	where, err := query.Parse(search)
	if err != nil {
		return fault.New(fault.Invalid, "", "%w", err)
	}
	v := d.rows.Store.View()
	defer v.Close()
	env := policyEnv(v, at)
	return v.EachHost(func(h model.Host) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if search != "" && !query.Match(where, &h, env) {
			return nil
		}
		return fn(&h)
	})
}

func (d drill) fleetQuestion(op string, params map[string]string) (q model.FleetQuestion, a model.FleetAnswer, err error) {
	if q, err = model.ReadFleetQuestion(params); err != nil {
		err = fault.New(fault.Invalid, op, "%w", err)
	}
	return q, model.FleetAnswer{At: model.TimeOf(d.clock.Now())}, err
}

// packagesWhere answers with the hosts that have a package.
func (d drill) packagesWhere(ctx context.Context, params map[string]string) (any, error) {
	const op = "look for packages"
	q, a, err := d.fleetQuestion(op, params)
	if err == nil && q.Name == "" {
		err = fault.New(fault.Invalid, op, "the name of a package is missing")
	}
	if err != nil {
		return nil, err
	}
	out := model.PackagesWhere{}
	rows := sheet[model.PackageAt, *model.PackageAt]{after: q.After, limit: q.Limit}
	type pair struct{ order, version string }
	type verdict struct{ holds, ok bool }
	known := map[pair]verdict{} // few versions of a package are in use
	err = d.everyHost(ctx, q.Query, a.At, func(h *model.Host) error {
		a.Hosts++
		if h.PackagesDigest == "" {
			a.Lacks++
			return nil
		}
		found, ok, err := d.packagesNamed(h.PackagesDigest, q.Name)
		if err != nil {
			return err
		}
		if !ok {
			a.Lacks++
		}
		for _, p := range found {
			if q.Op != "" {
				v, is := known[pair{p.order, p.Version}]
				if !is {
					var c int
					c, v.ok = exposure.Compare(p.order, p.Version, q.Version)
					v.holds = v.ok && q.Op.Holds(c)
					known[pair{p.order, p.Version}] = v
				}
				if !v.ok {
					out.Unordered++
				}
				if !v.holds {
					continue
				}
			}
			rows.add(model.PackageAt{FleetRow: model.FleetRow{Host: h.ID, Hostname: h.Hostname, AsOf: h.PackagesAt}, Package: p.Package})
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	out.Rows = rows.page(func(r *model.PackageAt) int {
		p := &r.Package
		return 250 + len(r.Hostname) + len(p.Name) + len(p.Version) + len(p.Source) + len(p.SourceVersion)
	})
	a.Total, a.More = rows.total, rows.more
	out.FleetAnswer = a
	return out, nil
}

// certificatesExpiring answers with the certificates that end between two times.
func (d drill) certificatesExpiring(ctx context.Context, params map[string]string) (any, error) {
	const op = "look for certificates"
	q, a, err := d.fleetQuestion(op, params)
	if err == nil && q.Until.IsZero() {
		err = fault.New(fault.Invalid, op, "the time until when they end is missing")
	}
	if err != nil {
		return nil, err
	}
	rows := sheet[model.ExpiringCertificate, *model.ExpiringCertificate]{after: q.After, limit: q.Limit}
	// Many hosts have the same list, and each list is read once and let go of: all of them would be far more than a page.
	of := map[string][]model.FleetRow{}
	err = d.everyHost(ctx, q.Query, a.At, func(h *model.Host) error {
		a.Hosts++
		if h.CertificatesDigest == "" {
			a.Lacks++
			return nil
		}
		of[h.CertificatesDigest] = append(of[h.CertificatesDigest], model.FleetRow{Host: h.ID, Hostname: h.Hostname, AsOf: h.CertificatesAt})
		return nil
	})
	for digest, hosts := range of {
		if err != nil || ctx.Err() != nil {
			break
		}
		var list []model.Certificate
		var ok bool
		if list, ok, err = d.certificatesUntil(digest, q.Until); err == nil && !ok {
			a.Lacks += len(hosts)
		}
		for i := range list {
			if c := &list[i]; c.NotAfter <= 0 || c.NotAfter < q.From || c.NotAfter > q.Until {
				continue
			}
			for _, h := range hosts {
				rows.add(model.ExpiringCertificate{FleetRow: h, Certificate: list[i]})
			}
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	page := rows.page(func(r *model.ExpiringCertificate) int { return 150 + len(r.Hostname) + certificateSize(r.Certificate) })
	a.Total, a.More = rows.total, rows.more
	return model.ExpiringCertificates{FleetAnswer: a, Rows: page}, nil
}
