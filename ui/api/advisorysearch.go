package api

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

type searchAdvisoriesInput struct {
	Q            string `query:"q" maxLength:"256" doc:"words, each of which stands in an id, an alias or the summary, or is the name of a package"`
	Severity     string `query:"severity" maxLength:"64" doc:"unknown (or unrated), none, low, medium, high, critical; several with commas between them"`
	Source       string `query:"source" maxLength:"64" doc:"with a record of this source"`
	Package      string `query:"package" maxLength:"512" doc:"naming this package, by its name as advisories have it or by a package URL"`
	Purl         string `query:"purl" maxLength:"1024" doc:"a package URL; with a version only what affects that version is found, or may"`
	Known        bool   `query:"known_exploited" doc:"only those that are known to be exploited"`
	Withdrawn    string `query:"withdrawn" enum:"include,exclude,only" default:"include"`
	ChangedSince string `query:"changed_since" maxLength:"64" doc:"changed on this server since a time (RFC 3339) or within a span, as in 7d"`
	Limit        int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor       string `query:"cursor" maxLength:"512" doc:"next of the page before; what a word of q names comes first, then what is known to be exploited, then by severity, EPSS score and id"`
}

// wanted is a search of canonicals, read.
type wanted struct {
	words      []string
	severities []model.Severity
	source     string
	pkg        string // a name, in whatever ecosystem
	url        *exposure.PackageURL
	known      bool
	withdrawn  string
	since      model.Time
	exact      []string // the words as folded ids
	after      *rank    // of the last one of the page before; nil: the first page
}

func (in *searchAdvisoriesInput) wanted(now time.Time) (wanted, error) {
	const op = "search advisories"
	w := wanted{words: strings.Fields(strings.ToLower(in.Q)), source: in.Source, pkg: in.Package, known: in.Known, withdrawn: in.Withdrawn}
	for _, word := range w.words {
		w.exact = append(w.exact, merge.Fold(word))
	}
	for name := range strings.SplitSeq(in.Severity, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if name == "unrated" { // as lists show it
			name = model.SeverityUnknown.String()
		}
		s := model.SeverityNamed(name)
		if s.String() != name {
			return w, fault.New(fault.Invalid, op, "severity: %q: want unknown (or unrated), none, low, medium, high or critical", fault.Clip(name, 48))
		}
		w.severities = append(w.severities, s)
	}
	purl, field := in.Purl, "purl"
	if purl == "" && strings.HasPrefix(in.Package, "pkg:") {
		purl, field, w.pkg = in.Package, "package", ""
	}
	if purl != "" {
		u, ok := exposure.ReadPackageURL(purl)
		if !ok {
			return w, fault.New(fault.Invalid, op, "%s: %q is no package URL of a kind that advisories are known for: write it as in pkg:deb/debian/openssl@3.0.11-1 or pkg:npm/express", field, fault.Clip(purl, 80))
		}
		if in.Purl == "" { // the package, whatever the version
			u.Version = ""
		}
		w.url = &u
	}
	if in.ChangedSince != "" {
		t, err := time.Parse(time.RFC3339, in.ChangedSince)
		if err != nil {
			d, bad := query.ParseAge(in.ChangedSince)
			if bad != nil {
				return w, fault.New(fault.Invalid, op, "changed_since: %q is neither a time as 2026-01-31T12:00:00Z nor a span as 7d", fault.Clip(in.ChangedSince, 48))
			}
			t = now.Add(-d)
		}
		w.since = model.TimeOf(t)
	}
	if in.Cursor != "" {
		r, ok := readRank(in.Cursor)
		if !ok {
			return w, fault.New(fault.Invalid, op, "cursor: it is not one that a page gave: begin with the first page")
		}
		w.after = &r
	}
	return w, nil
}

// meets reports whether an entry is what is wanted, but for its package.
func (w *wanted) meets(x *catalogued) bool {
	switch {
	case len(w.severities) > 0 && !slices.Contains(w.severities, x.head.Severity),
		w.known && x.head.Known.IsZero(),
		w.withdrawn == "exclude" && !x.head.Withdrawn.IsZero(),
		w.withdrawn == "only" && x.head.Withdrawn.IsZero(),
		x.changed < w.since,
		w.source != "" && !slices.Contains(x.sources, w.source):
		return false
	}
	for _, word := range w.words {
		if !strings.Contains(x.text, word) && !x.about(word) {
			return false
		}
	}
	return true
}

// about reports whether one of its packages has that name.
func (x *catalogued) about(name string) bool {
	for _, key := range x.packages {
		if at := len(key) - len(name); at > 0 && key[at-1] == 0 && strings.EqualFold(key[at:], name) {
			return true
		}
	}
	return false
}

// searchAdvisories answers with a page of canonicals, by rank.
func (s *Server) searchAdvisories(ctx context.Context, in *searchAdvisoriesInput) (*out[schema.Canonicals], error) {
	w, err := in.wanted(s.c.Now())
	if err != nil {
		return nil, err
	}
	v, done := s.c.Store.View()
	defer done()
	g := &s.catalog
	if err := g.update(ctx, v); err != nil {
		return nil, err
	}
	var verdicts map[string]schema.CanonicalRow
	if w.url != nil && w.url.Version != "" {
		if verdicts, err = s.affecting(v, w.url); err != nil {
			return nil, err
		}
	}
	g.state.RLock()
	defer g.state.RUnlock()
	body := schema.Canonicals{Canonicals: []schema.CanonicalRow{}}
	best := foremost{n: in.Limit + 1}
	for _, x := range g.among(&w, verdicts) {
		if !w.meets(x) {
			continue
		}
		body.Total++
		if r := w.rank(x); w.after == nil || r.compare(*w.after) > 0 {
			best.add(r, x)
		}
	}
	for i, r := range best.sort() {
		x := r.x
		if i == in.Limit {
			body.Next = best.all[i-1].cursor()
			break
		}
		row := schema.CanonicalRow{ID: x.id, MergeHash: x.hash, Changed: at(x.changed), CanonicalHead: headRow(x.head), Sources: x.sources}
		row.Verdict, row.Fixed = verdicts[x.fold].Verdict, verdicts[x.fold].Fixed
		body.Canonicals = append(body.Canonicals, row)
	}
	return &out[schema.Canonicals]{Body: body}, nil
}

// among returns the entries that may meet w, by folded id: those of its package, where it names one.
func (g *catalog) among(w *wanted, verdicts map[string]schema.CanonicalRow) []*catalogued {
	var some []*catalogued
	switch {
	case verdicts != nil:
		for fold := range verdicts {
			if i, ok := g.find(fold); ok {
				some = append(some, g.rows[i])
			}
		}
	case w.url != nil:
		for _, x := range g.named[packageKey(w.url.Base, w.url.Name)] {
			if slices.ContainsFunc(x.systems, w.url.In) {
				some = append(some, x)
			}
		}
	case w.pkg != "":
		seen := map[string]bool{}
		for e := range g.bases {
			base, _, _ := strings.Cut(e, ":")
			if key := packageKey(base, w.pkg); !seen[key] {
				seen[key] = true
				some = append(some, g.named[key]...)
			}
		}
	default:
		return g.rows
	}
	slices.SortFunc(some, func(a, b *catalogued) int { return cmp.Compare(a.fold, b.fold) })
	return slices.Compact(some)
}

// affecting returns what affects a version of a package or may, by the folded id of its canonical: as a host is judged that has it
// installed, in every release that the package URL may mean.
func (s *Server) affecting(v View, u *exposure.PackageURL) (map[string]schema.CanonicalRow, error) {
	s.catalog.state.RLock()
	var systems []string
	for e := range s.catalog.bases {
		if u.In(e) {
			systems = append(systems, e)
		}
	}
	s.catalog.state.RUnlock()
	slices.Sort(systems)
	m := exposure.NewMatcher(v)
	found := map[string]schema.CanonicalRow{}
	for _, e := range systems {
		all, err := m.Judge([]model.Lookup{{Ecosystem: e, Name: u.Name, Version: u.Version}})
		if err != nil {
			return nil, err
		}
		for _, f := range all[0].Findings {
			if f.Verdict == model.VerdictSuppressed {
				continue
			}
			id, ok, err := v.CanonicalOf(f.Advisory)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			fold := merge.Fold(id)
			if was, ok := found[fold]; !ok || was.Verdict != string(model.VerdictAffected) {
				found[fold] = schema.CanonicalRow{Verdict: string(f.Verdict), Fixed: f.Fixed}
			}
		}
	}
	return found, nil
}
