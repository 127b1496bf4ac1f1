package recalc

import (
	"context"
	"slices"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
)

// news is what changed in the advisories since the table was judged.
type news struct {
	records map[model.AdvisoryKey]model.ChangeReason
	keys    map[uint32]bool // of them, as the table numbers them
	vulns   map[uint32]bool // that they may rate or speak of
	names   map[[2]string]bool
}

// read collects the changes behind the table's cursor.
func (r *recalc) read(view View) (*news, error) {
	t := r.table
	n := &news{map[model.AdvisoryKey]model.ChangeReason{}, map[uint32]bool{}, map[uint32]bool{}, map[[2]string]bool{}}
	err := view.AdvisoriesAfter(t.cursor, func(c model.AdvisoryChange) error {
		key, known := t.keys[c.Key]
		if known {
			n.keys[key] = true
		}
		a := c.Advisory
		switch {
		case a == nil:
			n.records[c.Key] = model.ChangeDeleted
			return nil
		case !a.Withdrawn.IsZero():
			n.records[c.Key] = model.ChangeWithdrawn
			return nil
		case known:
			n.records[c.Key] = model.ChangeRevised
		default:
			n.records[c.Key] = model.ChangePublished
		}
		for i := range a.Affected {
			e := &a.Affected[i]
			if !e.Outside {
				n.names[[2]string{e.Ecosystem, model.PackageName(e.Ecosystem, e.Name)}] = true
			}
		}
		if exposure.Rates(a) {
			for _, id := range exposure.Named(a) {
				if v, ok := t.vulns.at[id]; ok {
					n.vulns[v] = true
				}
			}
		}
		return nil
	})
	return n, err
}

// touches reports whether what is found of h may have changed.
func (n *news) touches(h *held) bool {
	if n.names[[2]string{h.Ecosystem, h.Name}] || h.Also != "" && n.names[[2]string{h.Also, h.Name}] {
		return true
	}
	for _, e := range h.found {
		if n.keys[e.adv] || n.vulns[e.vuln] {
			return true
		}
	}
	for _, k := range h.leans {
		if n.keys[k] {
			return true
		}
	}
	return false
}

// chunk bounds the findings and changes of one proposal of Judged.
const chunk = 20_000

// renew judges again what the changes of the advisories touch, and brings the table to them. Inventories that have any of
// what came out otherwise are in touched then.
func (r *recalc) renew(ctx context.Context, view View, shelf apply.Shelf) error {
	t := r.table
	if len(t.at) == 0 {
		r.level(shelf) // no record can touch what is not there
		return nil
	}
	n, err := r.read(view)
	if err != nil {
		return err
	}
	var again []uint32
	for i := range t.lookups {
		if h := &t.lookups[i]; h.id != "" && n.touches(h) {
			again = append(again, uint32(i))
		}
	}
	changed := map[uint32]bool{}
	matcher := r.matching(view, shelf)
	change, size := model.Matched{Stamp: r.stamp()}, 0
	err = r.judge(matcher, again, func(i uint32, v exposure.Verdicts) error {
		h := &t.lookups[i]
		found, leans := t.entries(v.Findings), t.leans(v.Leans)
		if slices.Equal(found, h.found) && slices.Equal(leans, h.leans) {
			return nil
		}
		j, ok, err := view.Judged(h.id)
		if err != nil {
			return err
		}
		if !ok {
			j.Cut = change.At
		}
		j = r.judged(h, v, j, n, change.At)
		if !slices.Equal(found, h.found) {
			changed[i] = true
		}
		h.found, h.leans = found, leans
		change.Judged = append(change.Judged, j)
		if size += 1 + len(j.Findings) + len(j.Changes); size < chunk {
			return nil
		}
		err = r.Proposer.Propose(ctx, change)
		change, size = model.Matched{Stamp: r.stamp()}, 0
		return err
	})
	if err != nil {
		return err
	}
	if len(change.Judged) > 0 {
		if err := r.Proposer.Propose(ctx, change); err != nil {
			return err
		}
	}
	if len(changed) > 0 {
		for d, h := range t.invs {
			if slices.ContainsFunc(h.parts, func(p part) bool { return changed[p.lookup] }) {
				r.touched[d] = true
			}
		}
		t.version++
	}
	r.Log.Debug("advisories changed", "records", len(n.records), "judged", len(again), "differ", len(changed), "inventories", len(r.touched))
	r.level(shelf)
	return nil
}

// level notes that the table is that of these advisories.
func (r *recalc) level(shelf apply.Shelf) {
	r.table.cursor, r.table.generation = shelf.Cursor, shelf.Generation
	clear(r.facts)
}

func (t *table) leans(keys []model.AdvisoryKey) []uint32 {
	if len(keys) == 0 {
		return nil
	}
	out := make([]uint32, len(keys))
	for i, k := range keys {
		out[i] = t.key(k)
	}
	return out
}

// judge judges Lookups, those of one name together.
func (r *recalc) judge(m *exposure.Matcher, which []uint32, fn func(i uint32, v exposure.Verdicts) error) error {
	t := r.table
	slices.SortFunc(which, func(a, b uint32) int { return exposure.CompareLookups(t.lookups[a].Lookup, t.lookups[b].Lookup) })
	for len(which) > 0 {
		first := t.lookups[which[0]].Lookup
		var same []model.Lookup
		for _, i := range which {
			l := t.lookups[i].Lookup
			if l.Ecosystem != first.Ecosystem || l.Also != first.Also || l.Name != first.Name {
				break
			}
			same = append(same, l)
		}
		verdicts, err := m.Judge(same)
		if err != nil {
			return err
		}
		for k, v := range verdicts {
			if err := fn(which[k], v); err != nil {
				return err
			}
		}
		which = which[len(same):]
	}
	return nil
}

// judged returns the row of a Lookup: was is the one before, whose changes go on.
func (r *recalc) judged(h *held, v exposure.Verdicts, was model.Judged, n *news, at model.Time) model.Judged {
	j := model.Judged{ID: h.id, Lookup: h.Lookup, At: at, Leans: v.Leans, Changes: was.Changes, Cut: was.Cut, Findings: bare(v.Findings)}
	j.Changes = append(j.Changes, differences(was.Findings, j.Findings, n, at)...)
	if over := len(j.Changes) - model.MaxFindingChanges; over > 0 {
		j.Cut = j.Changes[over-1].At
		j.Changes = slices.Clone(j.Changes[over:])
	}
	return j
}

// bare returns findings without what the Lookup says.
func bare(found []model.Finding) []model.Finding {
	out := slices.Clone(found)
	for i := range out {
		out[i].Package, out[i].Source, out[i].Version = "", "", ""
	}
	return out
}

// differences says which findings came, went or changed their verdict. Both are sorted by vulnerability and advisory.
func differences(was, now []model.Finding, n *news, at model.Time) []model.FindingChange {
	type id struct {
		vulnerability string
		advisory      model.AdvisoryKey
	}
	old := make(map[id]*model.Finding, len(was))
	for i := range was {
		old[id{was[i].Vulnerability, was[i].Advisory}] = &was[i]
	}
	var out []model.FindingChange
	for i := range now {
		f := &now[i]
		k := id{f.Vulnerability, f.Advisory}
		o := old[k]
		delete(old, k)
		if o == nil || o.Verdict != f.Verdict || !alike(o.Apart, f.Apart) {
			out = append(out, model.FindingChange{At: at, Was: o, Now: f, Reason: n.why(o, f)})
		}
	}
	for i := range was {
		f := &was[i]
		if _, gone := old[id{f.Vulnerability, f.Advisory}]; gone {
			out = append(out, model.FindingChange{At: at, Was: f, Reason: n.why(f, nil)})
		}
	}
	return out
}

// alike reports whether two lists say the same of the same packages, in whatever words.
func alike(a, b []model.Apart) bool {
	return slices.EqualFunc(a, b, func(x, y model.Apart) bool { return x.Package == y.Package && x.Verdict == y.Verdict })
}

func (n *news) why(was, now *model.Finding) model.ChangeReason {
	f := now
	if f == nil {
		f = was
	}
	if was != nil && now != nil && was.Verdict == now.Verdict {
		return model.ChangeStatement // they differ in Apart, which nothing else changes
	}
	if was != nil && was.Verdict == model.VerdictSuppressed && now != nil || now != nil && now.Verdict == model.VerdictSuppressed {
		return model.ChangeStatement
	}
	if reason, ok := n.records[f.Advisory]; ok {
		return reason
	}
	return model.ChangeRevised
}
