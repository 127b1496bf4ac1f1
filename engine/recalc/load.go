package recalc

import (
	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// load makes the table from the rows. What an earlier version stored in another form is matched anew.
func (r *recalc) load(view View) error {
	t := newTable()
	at := map[string]uint32{}
	now := model.TimeOf(r.Now())
	err := view.EachJudged(func(j model.Judged) error {
		i, _ := t.add(j.Lookup)
		h := &t.lookups[i]
		h.found, h.idle = t.entries(j.Findings), now
		for _, k := range j.Leans {
			h.leans = append(h.leans, t.key(k))
		}
		at[j.ID] = i
		return nil
	})
	if err != nil {
		return err
	}
	var digests []string
	first := true
	err = view.EachMatchHead(func(m model.Match, _ int) error {
		if m.PartN == 0 {
			r.touched[m.Digest] = true
			return nil
		}
		digests = append(digests, m.Digest)
		if first || m.Cursor.Compare(t.cursor) < 0 {
			t.cursor, t.generation, first = m.Cursor, m.Generation, false
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range digests {
		m, ok, err := view.MatchParts(d)
		if err != nil && !fault.Is(err, fault.Corrupt) {
			return err
		}
		if err != nil || !ok || !t.stored(m, at) {
			r.touched[d] = true // its parts cannot be used: from its body
		}
	}
	r.table = t
	return nil
}

// stored takes in an inventory as it is stored; false where that names what is not there.
func (t *table) stored(m model.Match, at map[string]uint32) bool {
	parts := make([]exposure.Part, len(m.Parts))
	for i, p := range m.Parts {
		n, ok := at[p.Lookup]
		if !ok {
			return false
		}
		parts[i] = exposure.Part{Lookup: t.lookups[n].Lookup, Packages: p.Packages}
	}
	t.hold(m.Digest, parts)
	return true
}
