package exposure

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// Verdicts is what is found of one Lookup.
type Verdicts struct {
	Findings []model.Finding     // sorted by vulnerability and advisory, each once; without the package
	Leans    []model.AdvisoryKey // see model.Judged
}

// Judge works out what lookups of one name (sameName) have. Errors are those of the shelf.
func (m *Matcher) Judge(same []model.Lookup) ([]Verdicts, error) {
	first := same[0]
	jury := make([]juror, len(same))
	for i, l := range same {
		jury[i] = juror{m: m, l: l, family: familyOf(l.Ecosystem)}
	}
	var records []*naming
	names := []string{first.Ecosystem}
	if first.Also != "" {
		names = append(names, first.Also)
	}
	for _, ecosystem := range names {
		err := m.shelf.AdvisoriesFor(ecosystem, first.Name, func(a model.Advisory) error {
			if !a.Withdrawn.IsZero() {
				return nil
			}
			if entries := entriesFor(&a, ecosystem, first.Name); len(entries) > 0 {
				ids := Identifiers(a)
				records = append(records, &naming{a.AdvisoryKey, entries, ids, wholly(&a, ids), &a})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	whole := map[string][]*naming{}
	for _, r := range records {
		for _, id := range r.whole {
			whole[id] = append(whole[id], r)
		}
	}
	out := make([]Verdicts, len(same))
	for i := range jury {
		j := &jury[i]
		for _, r := range records {
			if err := j.judge(r); err != nil {
				return nil, err
			}
		}
		j.contradict(whole)
		if err := j.hear(); err != nil {
			return nil, err
		}
		slices.SortFunc(j.leans, model.AdvisoryKey.Compare)
		out[i] = Verdicts{distinct(j.found), slices.Clip(slices.Compact(j.leans))}
	}
	return out, nil
}

// naming is a record that names a package.
type naming struct {
	key     model.AdvisoryKey
	entries []*model.Affected // about that package
	ids     []string          // see Identifiers
	whole   []string          // those of ids that it is about and no other
	rated   *model.Advisory   // the record; nil: nobody asks for ratings
}

// entriesFor returns the entries of a about that package that its source may speak for.
func entriesFor(a *model.Advisory, ecosystem, name string) []*model.Affected {
	var out []*model.Affected
	for i := range a.Affected {
		e := &a.Affected[i]
		if e.Ecosystem == ecosystem && !e.Outside && (e.Name == name || model.PackageName(ecosystem, e.Name) == name) {
			out = append(out, e)
		}
	}
	return out
}

// juror judges one Lookup.
type juror struct {
	m      *Matcher
	l      model.Lookup
	family family
	found  []model.Finding
	leans  []model.AdvisoryKey
}

// judge adds the findings that one advisory makes.
func (j *juror) judge(r *naming) error {
	entries, doubt := j.ofStream(r.entries)
	result := j.m.versions.affected(entries, j.family, j.l.Version)
	if result == no {
		return nil
	}
	f := model.Finding{Advisory: r.key, Source: j.l.Source, Version: j.l.Version, Verdict: model.VerdictAffected}
	switch {
	case result == unknown:
		f.Verdict, f.Reason = model.VerdictUnknown, j.whyUnknown(entries)
	case doubt != "":
		f.Verdict, f.Reason = model.VerdictUnknown, doubt
	default:
		f.Fixed = j.m.versions.fixed(entries, j.family, j.l.Version)
	}
	for _, id := range r.ids {
		f.Vulnerability = id
		if r.rated != nil {
			var leans []model.AdvisoryKey
			var err error
			if f.Severity, leans, err = j.m.severity(r.rated, entries, id, len(r.ids) == 1); err != nil {
				return err
			}
			j.leans = append(j.leans, leans...)
		}
		j.found = append(j.found, f)
	}
	return nil
}

// ofStream returns the entries that are about the module stream of the package. doubt says why it cannot be told whether one of
// those is: a package whose release says that it was built for a module, and not for which.
//
// A package that was built for no module has a release that does not say so: entries about modules are not about it.
func (j *juror) ofStream(all []*model.Affected) (entries []*model.Affected, doubt string) {
	if !slices.ContainsFunc(all, func(e *model.Affected) bool { return len(e.Modules) > 0 }) {
		return all, ""
	}
	sure := false
	for _, e := range all {
		switch {
		case len(e.Modules) == 0:
			entries, sure = append(entries, e), true
		case j.l.Module != "":
			if slices.Contains(e.Modules, j.l.Module) {
				entries, sure = append(entries, e), true
			}
		case strings.Contains(j.l.Version, ".module"), !strings.Contains(j.l.Version, "-"):
			entries = append(entries, e)
			doubt = "the entry is about module " + strings.Join(e.Modules, ", ") + ", and the stream of the package is not known"
		}
	}
	if sure {
		doubt = "" // what is found may be by an entry about every stream
	}
	return entries, clip(doubt)
}

// whyUnknown says why entries could not be evaluated.
func (j *juror) whyUnknown(entries []*model.Affected) string {
	if _, ok := j.m.versions.parse(j.family, j.l.Version); !ok {
		return clip(fmt.Sprintf("the installed version %q has no place in the order of %s", j.l.Version, j.l.Ecosystem))
	}
	for _, e := range entries {
		if len(e.Ranges) == 0 && len(e.Versions) == 0 {
			return "the record names no versions"
		}
		for _, r := range e.Ranges {
			f := orderOf(&r, j.family)
			for _, ev := range r.Events {
				text := ev.Introduced + ev.Fixed + ev.LastAffected + ev.Limit
				if text == "0" || text == "*" {
					continue
				}
				if _, ok := j.m.versions.parse(f, text); !ok {
					return clip(fmt.Sprintf("the version %q in the record has no place in the order of %s", text, j.l.Ecosystem))
				}
			}
		}
	}
	return "the record's ranges cannot be put in order"
}

// contradict looks at findings without a fixed version: where another record of the very same vulnerability and package says that it
// was fixed at or before the installed version, one of the two is wrong, and it cannot be told which. whole has the records that are
// about one vulnerability, by that.
func (j *juror) contradict(whole map[string][]*naming) {
	for i := range j.found {
		f := &j.found[i]
		if f.Verdict != model.VerdictAffected || f.Fixed != "" {
			continue
		}
		others := whole[f.Vulnerability]
		if !slices.ContainsFunc(others, func(r *naming) bool { return r.key == f.Advisory }) {
			continue
		}
		for _, r := range others {
			if r.key == f.Advisory {
				continue
			}
			if at := j.fixedAt(r); at != "" {
				f.Verdict = model.VerdictUnknown
				f.Reason = clip(fmt.Sprintf("%s names no fixed version, and %s says that it is fixed in %s", f.Advisory, r.key, at))
				j.leans = append(j.leans, r.key)
				break
			}
		}
	}
}

// fixedAt returns the version that r says the package was fixed in, where that is not after the installed one, which r does not
// call affected.
func (j *juror) fixedAt(r *naming) string {
	entries, _ := j.ofStream(r.entries)
	if j.m.versions.affected(entries, j.family, j.l.Version) != no {
		return ""
	}
	for _, e := range entries {
		for _, rg := range e.Ranges {
			f := orderOf(&rg, j.family)
			for _, ev := range rg.Events {
				if c, ok := j.m.versions.compare(f, ev.Fixed, j.l.Version); ev.Fixed != "" && ok && c <= 0 {
					return ev.Fixed
				}
			}
		}
	}
	return ""
}

// isAbout reports whether a is about the vulnerability id and no other: by its own id and aliases alone.
func isAbout(a *model.Advisory, id string) bool {
	own, _, _ := strings.Cut(a.ID, "~")
	cves := appendCVEs(appendCVEs(nil, own), a.Aliases...)
	slices.Sort(cves)
	if len(slices.Compact(cves)) > 1 {
		return strings.EqualFold(own, id)
	}
	return strings.EqualFold(own, id) || slices.ContainsFunc(a.Aliases, func(x string) bool { return strings.EqualFold(x, id) })
}

// wholly returns those of ids that a is about and no other.
func wholly(a *model.Advisory, ids []string) []string {
	n := 0
	for n < len(ids) && isAbout(a, ids[n]) {
		n++
	}
	if n == len(ids) {
		return ids
	}
	out := slices.Clone(ids[:n])
	for _, id := range ids[n:] {
		if isAbout(a, id) {
			out = append(out, id)
		}
	}
	return out
}

// reasonMax bounds Finding.Reason, in bytes.
const reasonMax = 300

func clip(s string) string {
	if len(s) > reasonMax {
		s = strings.ToValidUTF8(s[:reasonMax-3], "") + "…"
	}
	return s
}
