package site

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// exposed answers with the findings of one host: what is known to be exploited first, then by severity and by the probability of an attack;
// what is accepted or suppressed comes behind all others.
func (d drill) exposed(_ context.Context, params map[string]string) (any, error) {
	const op = "read findings"
	p, err := d.ask(op, params, pageRows, maxPageRows)
	if err != nil {
		return nil, err
	}
	v := d.rows.Store.View()
	defer v.Close()
	h, ok, err := v.Host(p.Host)
	if err != nil || !ok {
		return nil, err
	}
	out := model.HostExposed{Findings: []model.Standing{}}
	if h.PackagesDigest == "" {
		p.Lacks = "the host has not reported its packages yet"
		out.Answered = p.Answered
		return out, nil
	}
	if p.digest != "" && p.digest != h.PackagesDigest {
		return nil, fault.New(fault.NotFound, op, "what the cursor is of is no longer what the host has; begin anew without it")
	}
	m, ok, err := v.Match(h.PackagesDigest)
	if err != nil {
		return nil, err
	}
	if !ok {
		p.Lacks = "its packages have not been compared with any advisory yet"
		out.Answered = p.Answered
		return out, nil
	}
	all, err := d.acceptedAt(v, p.At)
	if err != nil {
		return nil, err
	}
	mine := all.at(&h)
	facts := factsOf{v: v}
	standing := make([]model.Standing, len(m.Findings))
	for i := range m.Findings {
		if standing[i], err = facts.standing(m.Findings[i], mine); err != nil {
			return nil, err
		}
		if rank(&standing[i]) < 2 {
			out.Open++
		}
	}
	slices.SortStableFunc(standing, pressing)
	p.Digest, p.AsOf, out.Generation = h.PackagesDigest, m.At, m.Generation
	if pending, err := v.Pending(h.PackagesDigest); err != nil {
		return nil, err
	} else if pending {
		p.Lacks = "the host is not matched yet with the newest advisories that are here"
	}
	out.Findings = cut(&p, standing, func(s model.Standing) int { return 400 + len(s.Reason) })
	out.Answered = p.Answered
	return out, nil
}

// rank orders by what must be done: affected, unknown, accepted, suppressed.
func rank(s *model.Standing) int {
	switch {
	case s.Verdict == model.VerdictSuppressed:
		return 3
	case s.Accepted != nil:
		return 2
	case s.Verdict == model.VerdictUnknown:
		return 1
	}
	return 0
}

func pressing(a, b model.Standing) int {
	if c := max(rank(&a), 1) - max(rank(&b), 1); c != 0 { // what is sure and what is not stand together
		return c
	}
	if a.Known.IsZero() != b.Known.IsZero() {
		if b.Known.IsZero() {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.Probability, a.Probability), strings.Compare(a.Vulnerability, b.Vulnerability))
}

// factsOf reads what is known of attacks, once for each vulnerability.
type factsOf struct {
	v     *index.View
	heads map[string]model.CanonicalHead
}

func (f *factsOf) of(vulnerability string) (model.CanonicalHead, error) {
	if f.heads == nil {
		f.heads = map[string]model.CanonicalHead{}
	}
	head, ok := f.heads[vulnerability]
	if ok {
		return head, nil
	}
	c, _, err := f.v.Canonical(vulnerability)
	if err == nil {
		f.heads[vulnerability] = c.Head
	}
	return c.Head, err
}

func (f *factsOf) standing(x model.Finding, mine []model.Acceptance) (model.Standing, error) {
	head, err := f.of(x.Vulnerability)
	return model.Standing{Finding: x, Known: head.Known, Probability: head.Probability, Accepted: acceptanceOf(mine, &x)}, err
}

// vulnerabilitiesOf returns the names that findings have of what an identifier names: a CVE for itself, another one for those that
// records of that id or alias are about.
func vulnerabilitiesOf(v *index.View, id string) ([]string, error) {
	out := []string{id}
	if len(id) > 4 && strings.EqualFold(id[:4], "CVE-") {
		out[0] = strings.ToUpper(id)
		return out, nil
	}
	records, err := v.AdvisoriesNaming(id)
	if err != nil {
		return nil, err
	}
	for _, a := range records {
		own, _, _ := strings.Cut(a.ID, "~")
		if strings.EqualFold(own, id) || slices.ContainsFunc(a.Aliases, func(x string) bool { return strings.EqualFold(x, id) }) {
			out = append(out, exposure.Identifiers(a)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// exposedWhere answers with the hosts that have a vulnerability.
func (d drill) exposedWhere(ctx context.Context, params map[string]string) (any, error) {
	const op = "look for a vulnerability"
	q, a, err := d.fleetQuestion(op, params)
	if err == nil && q.Name == "" {
		err = fault.New(fault.Invalid, op, "the identifier of the vulnerability is missing")
	}
	if err != nil {
		return nil, err
	}
	v := d.rows.Store.View()
	defer v.Close()
	names, err := vulnerabilitiesOf(v, q.Name)
	if err != nil {
		return nil, err
	}
	have := map[string]model.Judged{}
	for _, name := range names {
		if err := v.EachJudgedOf(name, func(j model.Judged) error { have[j.ID] = j; return nil }); err != nil {
			return nil, err
		}
	}
	all, err := d.acceptedAt(v, a.At)
	if err != nil {
		return nil, err
	}
	facts := factsOf{v: v}
	of := map[string][]model.Finding{} // by digest; nil: not matched
	pending, behind := map[string]bool{}, 0
	rows := sheet[model.ExposedAt, *model.ExposedAt]{after: q.After, limit: q.Limit}
	err = d.everyHost(ctx, q.Query, a.At, func(h *model.Host) error {
		a.Hosts++
		found, ok := of[h.PackagesDigest]
		if !ok {
			var err error
			if found, err = findingsOf(v, h.PackagesDigest, names, have); err != nil {
				return err
			}
			of[h.PackagesDigest] = found
			if pending[h.PackagesDigest], err = v.Pending(h.PackagesDigest); err != nil {
				return err
			}
		}
		if pending[h.PackagesDigest] {
			behind++
		}
		if found == nil {
			a.Lacks++
			return nil
		}
		var mine []model.Acceptance
		if len(found) > 0 {
			mine = all.at(h)
		}
		for _, f := range found {
			st, err := facts.standing(f, mine)
			if err != nil {
				return err
			}
			rows.add(model.ExposedAt{FleetRow: model.FleetRow{Host: h.ID, Hostname: h.Hostname, AsOf: h.PackagesAt}, Standing: st})
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	out := model.ExposedWhere{Rows: rows.page(func(r *model.ExposedAt) int { return 600 + len(r.Hostname) + len(r.Standing.Reason) })}
	a.Total, a.More = rows.total, rows.more
	if shelf, err := v.Shelf(); err == nil && shelf.AdvisoryN == 0 {
		a.Note = "it holds no advisories yet"
	} else if behind > 0 { // what was found of them is of before the newest advisories came
		a.Note = fmt.Sprintf("not matched yet with its newest advisories: %d of %d hosts", behind, a.Hosts)
	}
	out.FleetAnswer = a
	return out, nil
}

// findingsOf returns the findings of an inventory that are of the vulnerabilities; nil where it was not matched.
func findingsOf(v *index.View, digest string, names []string, have map[string]model.Judged) ([]model.Finding, error) {
	if digest == "" {
		return nil, nil
	}
	m, ok, err := v.MatchParts(digest)
	if err != nil || !ok {
		return nil, notDamage(err)
	}
	var list exposure.Listing
	for _, p := range m.Parts {
		if j, ok := have[p.Lookup]; ok {
			list.Add(j.Lookup, slices.DeleteFunc(slices.Clone(j.Findings), func(f model.Finding) bool { return !slices.Contains(names, f.Vulnerability) }), p.Packages)
		}
	}
	out := list.Findings()
	for _, f := range m.Findings { // of a match that an earlier version stored
		if slices.Contains(names, f.Vulnerability) {
			out = append(out, f)
		}
	}
	if out == nil {
		out = []model.Finding{}
	}
	return out, nil
}
