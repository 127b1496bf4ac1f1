package exposure

import (
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// outcome is what an evaluation says about one version.
type outcome uint8

const (
	no outcome = iota
	unknown
	yes
)

// affected evaluates all entries of one advisory about one package: yes if one says yes.
func (vs *versions) affected(entries []*model.Affected, f family, version string) outcome {
	result := no
	for _, e := range entries {
		if result = max(result, vs.entry(e, f, version)); result == yes {
			break
		}
	}
	return result
}

// entry evaluates one entry: listed exactly, or inside one of the ranges. An entry with neither says
// that the package is concerned but not which versions, so the answer is unknown.
func (vs *versions) entry(e *model.Affected, f family, version string) outcome {
	if len(e.Ranges) == 0 && len(e.Versions) == 0 {
		return unknown
	}
	if lists(e, f, version) {
		return yes
	}
	result := no
	for i := range e.Ranges {
		if result = max(result, vs.inRange(&e.Ranges[i], f, version)); result == yes {
			break
		}
	}
	return result
}

// lists reports whether e names a version exactly.
func lists(e *model.Affected, f family, version string) bool {
	bare := version
	if f == semver {
		bare = strings.TrimPrefix(version, "v")
	}
	for _, v := range e.Versions {
		if v == version || v == bare {
			return true
		}
	}
	return false
}

// inRange is IncludedInRanges of the OSV schema for one range. Events need not come in order. An event
// that cannot be compared makes the whole range unknown, unless every version is in it.
func (vs *versions) inRange(r *model.Range, f family, version string) outcome {
	f = orderOf(r, f)
	// Two shapes are nearly all of the data: everything, and everything below one version.
	if len(r.Events) > 0 && r.Events[0].Introduced == "0" {
		if len(r.Events) == 1 {
			return yes
		}
		if len(r.Events) == 2 && r.Events[1].Fixed != "" {
			c, ok := vs.compare(f, version, r.Events[1].Fixed)
			switch {
			case !ok:
				return unknown
			case c < 0:
				return yes
			}
			return no
		}
	}
	events, below, ok := vs.sorted(r.Events, f, version)
	if !ok {
		return unknown
	}
	if !below {
		return no
	}
	result := no
	for _, e := range events {
		switch c := e.against; {
		case e.Introduced != "" && c >= 0:
			result = yes
		case e.Fixed != "" && c >= 0:
			result = no
		case e.LastAffected != "" && c > 0:
			result = no
		}
	}
	return result
}

// bound is an event, and where the version in question stands to it.
type bound struct {
	model.Event
	text    string // its version; "" is before every version
	against int
}

// sorted returns the events that switch a range on and off in version order, and whether version is
// below a limit (or there is none); false where one of them cannot be compared.
func (vs *versions) sorted(events []model.Event, f family, version string) (out []bound, below, ok bool) {
	limits := 0
	for _, e := range events {
		b := bound{Event: e, text: e.Introduced + e.Fixed + e.LastAffected + e.Limit, against: 1}
		switch {
		case e.Limit == "*":
			limits, below = limits+1, true
			continue
		case e.Introduced == "0":
			b.text = ""
		default:
			if b.against, ok = vs.compare(f, version, b.text); !ok {
				return nil, false, false
			}
		}
		if e.Limit != "" {
			limits, below = limits+1, below || b.against < 0
			continue
		}
		out = append(out, b)
	}
	// Equal versions keep the order in which the source gave them.
	slices.SortStableFunc(out, func(a, b bound) int {
		if a.text == "" || b.text == "" {
			return min(len(a.text), 1) - min(len(b.text), 1)
		}
		c, _ := vs.compare(f, a.text, b.text)
		return c
	})
	return out, below || limits == 0, true
}

// fixWork bounds the search for a fixed version, in events. A record may name ten thousand fixes, and each
// has to be held against all of its events: real ones have a few dozen, and never come near.
const fixWork = 1 << 18

// fixed returns the lowest version that a range names as fixed, that is after version and that no
// entry calls affected; "" if there is none, or none among as many as fixWork allows to try.
func (vs *versions) fixed(entries []*model.Affected, f family, version string) string {
	type fix struct {
		text   string
		family family
	}
	var after []fix
	cost := 1 // of one evaluation
	for _, e := range entries {
		cost += len(e.Versions) / 8 // compared as texts only
		for _, r := range e.Ranges {
			cost += len(r.Events)
			rf := orderOf(&r, f)
			for _, ev := range r.Events {
				if ev.Fixed == "" {
					continue
				}
				if c, ok := vs.compare(rf, ev.Fixed, version); ok && c > 0 {
					after = append(after, fix{ev.Fixed, rf})
				}
			}
		}
	}
	slices.SortStableFunc(after, func(a, b fix) int {
		c, _ := vs.compare(a.family, a.text, b.text)
		return c
	})
	for i, x := range slices.Compact(after) {
		if i*cost > fixWork {
			break
		}
		if vs.affected(entries, f, x.text) == no {
			return x.text
		}
	}
	return ""
}
