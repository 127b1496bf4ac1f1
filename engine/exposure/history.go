package exposure

import (
	"slices"

	"github.com/skerryhq/skerry/engine/model"
)

// StateAt returns what was found of a Lookup at a time, sorted as Judged.Findings, and whether that is known: its history may begin later, and then
// the earliest state that is known is returned. Ratings and fixed versions are those of today.
func StateAt(j model.Judged, at model.Time) (found []model.Finding, known bool) {
	known = at >= j.Cut
	if len(j.Changes) == 0 || j.Changes[len(j.Changes)-1].At <= at {
		return j.Findings, known
	}
	type id struct {
		vulnerability string
		advisory      model.AdvisoryKey
	}
	state := make(map[id]model.Finding, len(j.Findings))
	for _, f := range j.Findings {
		state[id{f.Vulnerability, f.Advisory}] = f
	}
	for _, c := range slices.Backward(j.Changes) {
		if c.At <= at {
			break
		}
		if c.Now != nil {
			delete(state, id{c.Now.Vulnerability, c.Now.Advisory})
		}
		if c.Was != nil {
			state[id{c.Was.Vulnerability, c.Was.Advisory}] = *c.Was
		}
	}
	found = make([]model.Finding, 0, len(state))
	for _, f := range state {
		found = append(found, f)
	}
	slices.SortFunc(found, compareFindings)
	return found, known
}
