package site

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/detail"
	"github.com/skerryhq/skerry/storage/index"
)

// differ says what opened and closed between two times. What advisories changed is in the history of each package version
// (model.Judged), what hosts installed in the history of their inventories (storage/detail); both together are the history
// of each host, so none of it is stored once more for each of them.
type differ struct {
	drill
	v        *index.View
	from, to model.Time
	judged   map[string]*model.Judged // nil: it is not kept any more
	parts    map[string][]exposure.Part
	pairs    map[[2]string]*between
	kept     int  // rows of pairs
	cut      bool // something before a history begins was asked for
}

// maxPairs bounds the rows that are remembered of pairs of inventories.
const maxPairs = 200_000

// between is what differs between two inventories at their times, but for acceptances.
type between struct {
	changes []shift
	was     map[spot]model.Finding // what was open, where acceptances may matter
	is      map[spot]model.Finding
}

// shift is a change and, where a package that came is what opened it, the change of an advisory that did if it is the later of the two.
type shift struct {
	model.ExposureChange
	arose *model.FindingChange
}

// on is the change on a host whose inventory came at a time.
func (c shift) on(at model.Time) model.ExposureChange {
	if c.arose != nil && c.arose.At > at { // the package was there first, and nothing was known against it
		c.At, c.Reason, c.From, c.To = c.arose.At, c.arose.Reason, "", ""
	}
	if c.At.IsZero() {
		c.At = at
	}
	return c.ExposureChange
}

// spot is a vulnerability in a package of a host, in whichever version.
type spot struct{ vulnerability, pkg string }

// exposureDiff answers with what opened and closed.
func (d drill) exposureDiff(ctx context.Context, params map[string]string) (any, error) {
	const op = "compare findings"
	q, a, err := d.fleetQuestion(op, params)
	if err != nil {
		return nil, err
	}
	if q.Until.IsZero() {
		q.Until = a.At
	}
	if q.From >= q.Until {
		return nil, fault.New(fault.Invalid, op, "the first of the two times (%s) is not before the second (%s)", q.From, q.Until)
	}
	v := d.rows.Store.View()
	defer v.Close()
	x := differ{
		drill: d, v: v, from: q.From, to: q.Until,
		judged: map[string]*model.Judged{}, parts: map[string][]exposure.Part{}, pairs: map[[2]string]*between{},
	}
	was, err := d.acceptedAt(v, q.From)
	if err != nil {
		return nil, err
	}
	is, err := d.acceptedAt(v, q.Until)
	if err != nil {
		return nil, err
	}
	rows := sheet[model.ExposureChange, *model.ExposureChange]{after: q.After, limit: q.Limit}
	err = d.everyHost(ctx, q.Query, a.At, func(h *model.Host) error {
		a.Hosts++
		if h.PackagesDigest == "" {
			a.Lacks++
			return nil
		}
		first, second, at, ok, err := x.versions(h)
		if err != nil {
			return err
		}
		if !ok {
			a.Lacks++
			return nil
		}
		b, err := x.between(first, second)
		if fault.Is(err, fault.Corrupt) {
			a.Lacks++
			return nil
		}
		if err != nil {
			return err
		}
		for _, s := range b.seen(was.at(h), is.at(h)) {
			c := s.on(at)
			c.FleetRow = model.FleetRow{Host: h.ID, Hostname: h.Hostname, AsOf: h.PackagesAt}
			rows.add(c)
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	out := model.ExposureDiff{Rows: rows.page(func(r *model.ExposureChange) int { return 600 + len(r.Hostname) + len(r.Finding.Reason) })}
	a.Total, a.More = rows.total, rows.more
	if x.cut {
		a.Note = "some of its findings are known from a later time on only: what they were before is taken to be the same"
	}
	out.FleetAnswer = a
	return out, nil
}

// versions returns which inventories a host had at the two times, the zero digest for none, and when the second came.
func (x *differ) versions(h *model.Host) (first, second string, at model.Time, ok bool, err error) {
	var before uint64
	for second == "" || first == "" {
		list, err := x.detail.History(h.ID, detail.Packages, before, 64)
		if err != nil {
			return "", "", 0, false, err
		}
		for _, v := range list {
			if second == "" && v.At <= x.to {
				second, at = v.Digest, v.At
			}
			if v.At <= x.from {
				return v.Digest, second, at, second != "", nil
			}
			before = v.N
		}
		if len(list) < 64 {
			break
		}
	}
	return "", second, at, second != "", nil
}

// partsOf returns what an inventory is matched by.
func (x *differ) partsOf(digest string) ([]exposure.Part, error) {
	if digest == "" {
		return nil, nil
	}
	if p, ok := x.parts[digest]; ok {
		return p, nil
	}
	inv, ok, err := inventories{x.detail}.Inventory(digest)
	if err == nil && !ok {
		err = fault.New(fault.Corrupt, "", "the inventory %s is missing", digest)
	}
	if err != nil {
		return nil, err
	}
	if len(x.parts) >= 256 {
		clear(x.parts)
	}
	p := exposure.Parts(inv)
	x.parts[digest] = p
	return p, nil
}

// of returns what was found of a Lookup at a time, and its row.
func (x *differ) of(l model.Lookup, at model.Time) ([]model.Finding, *model.Judged, error) {
	id := l.ID()
	j, known := x.judged[id]
	if !known {
		row, ok, err := x.v.Judged(id)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			j = &row
		}
		x.judged[id] = j
	}
	if j == nil {
		x.cut = true
		return nil, nil, nil
	}
	found, whole := exposure.StateAt(*j, at)
	if !whole && len(j.Findings)+len(j.Changes) > 0 {
		x.cut = true
	}
	return found, j, nil
}

// held is a package of an inventory at a time.
type held struct {
	version string
	lookup  model.Lookup
	judged  *model.Judged
}

// state lists what was open of an inventory at a time.
func (x *differ) state(digest string, at model.Time) (open map[spot]model.Finding, packages map[string]held, err error) {
	parts, err := x.partsOf(digest)
	if err != nil {
		return nil, nil, err
	}
	open, packages = map[spot]model.Finding{}, map[string]held{}
	for _, p := range parts {
		found, j, err := x.of(p.Lookup, at)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range p.Packages {
			packages[name] = held{p.Version, p.Lookup, j}
		}
		for _, f := range exposure.Expand(nil, p.Lookup, found, p.Packages) {
			k := spot{f.Vulnerability, f.Package}
			if was, ok := open[k]; f.Verdict != model.VerdictSuppressed && (!ok || worse(f, was)) {
				open[k] = f
			}
		}
	}
	return open, packages, nil
}

// worse orders findings of one spot: the sure one and the more severe one is shown.
func worse(a, b model.Finding) bool {
	if a.Verdict != b.Verdict {
		return a.Verdict == model.VerdictAffected
	}
	return a.Severity > b.Severity
}

// between compares two inventories at their times.
func (x *differ) between(first, second string) (*between, error) {
	key := [2]string{first, second}
	if b, ok := x.pairs[key]; ok {
		return b, nil
	}
	was, had, err := x.state(first, x.from)
	if err != nil {
		return nil, err
	}
	is, has, err := x.state(second, x.to)
	if err != nil {
		return nil, err
	}
	b := &between{was: was, is: is}
	for k, f := range is {
		if _, ok := was[k]; !ok {
			b.changes = append(b.changes, x.why(k, f, true, had[k.pkg], has[k.pkg]))
		}
	}
	for k, f := range was {
		if _, ok := is[k]; !ok {
			b.changes = append(b.changes, x.why(k, f, false, had[k.pkg], has[k.pkg]))
		}
	}
	if x.kept += 1 + len(b.changes) + len(was) + len(is); x.kept > maxPairs {
		clear(x.pairs)
		x.kept = 0
	}
	x.pairs[key] = b
	return b, nil
}

// why says what opened or closed a spot.
func (x *differ) why(k spot, f model.Finding, opened bool, had, has held) shift {
	c := shift{ExposureChange: model.ExposureChange{Opened: opened, Finding: f}}
	if opened && had.lookup != has.lookup {
		c.arose = x.arose(k, has.judged)
	}
	switch {
	case had.version == "" && opened:
		c.Reason, c.To = model.ChangeInstalled, has.version
	case has.version == "" && !opened:
		c.Reason, c.From = model.ChangeRemoved, had.version
	case had.lookup != has.lookup:
		c.Reason, c.From, c.To = model.ChangeVersion, had.version, has.version
		if n, ok := exposure.Compare(has.lookup.Ecosystem, had.version, has.version); ok && n < 0 {
			c.Reason = model.ChangeUpgraded
		} else if ok && n > 0 {
			c.Reason = model.ChangeDowngraded
		}
	default:
		c.Reason = model.ChangeRevised
		if j := has.judged; j != nil {
			for _, ch := range slices.Backward(j.Changes) {
				if ch.At <= x.from {
					break
				}
				if ch.At <= x.to && (ch.Now != nil && ch.Now.Vulnerability == k.vulnerability || ch.Was != nil && ch.Was.Vulnerability == k.vulnerability) {
					c.At, c.Reason = ch.At, ch.Reason
					break
				}
			}
		}
	}
	return c
}

// arose returns the change of an advisory, within the span, since which a vulnerability has been open at its end; nil: it was before the
// span already, or that is not known. Several records may speak of it, so that the first of them counts.
func (x *differ) arose(k spot, j *model.Judged) (last *model.FindingChange) {
	if j == nil {
		return nil
	}
	open := func(f *model.Finding) bool {
		return f != nil && f.Vulnerability == k.vulnerability && f.Verdict != model.VerdictSuppressed
	}
	n := 0
	for i := range j.Findings {
		if open(&j.Findings[i]) {
			n++
		}
	}
	for i := len(j.Changes) - 1; i >= 0 && j.Changes[i].At > x.from; i-- {
		ch := &j.Changes[i]
		if open(ch.Was) {
			n++
		}
		if open(ch.Now) {
			if n--; ch.At <= x.to {
				last = ch
			}
		}
		whole := i == 0 || j.Changes[i-1].At < ch.At // what came at one time is one change
		if whole && ch.At <= x.to && n == 0 {
			return last
		}
	}
	return nil
}

// seen returns the changes of a host with those acceptances at the two times: what is accepted is not open.
func (b *between) seen(was, is []model.Acceptance) []shift {
	if len(was)+len(is) == 0 {
		return b.changes
	}
	out := make([]shift, 0, len(b.changes))
	for _, c := range b.changes {
		before := !c.Opened && acceptanceOf(was, &c.Finding) != nil
		after := c.Opened && acceptanceOf(is, &c.Finding) != nil
		if !before && !after { // else it was not open before, or is not now
			out = append(out, c)
		}
	}
	for k, f := range b.is {
		if _, ok := b.was[k]; !ok {
			continue
		}
		before, after := acceptanceOf(was, &f), acceptanceOf(is, &f)
		switch {
		case before == nil && after != nil:
			at := begun(is, after.ID)
			out = append(out, shift{ExposureChange: model.ExposureChange{At: at, Finding: f, Reason: model.ChangeAccepted}})
		case before != nil && after == nil:
			out = append(out, shift{ExposureChange: model.ExposureChange{At: before.Until, Opened: true, Finding: f, Reason: model.ChangeExpired}})
		}
	}
	return out
}

func begun(all []model.Acceptance, id string) model.Time {
	at := model.Time(math.MaxInt64)
	for _, a := range all {
		if a.ID == id {
			at = min(at, a.At)
		}
	}
	return cmp.Or(at, 0)
}
