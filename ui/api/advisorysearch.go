package api

import (
	"context"
	"maps"
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
	exact      []string           // the words as folded ids
	named      map[string][]*leaf // by word: the packages of that name; see catalog.name
	after      *rank              // of the last one of the page before; nil: the first page
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
		if !strings.Contains(x.text, word) && !w.about(x, word) {
			return false
		}
	}
	return true
}

// about reports whether one of the packages of x has that name.
func (w *wanted) about(x *catalogued, name string) bool {
	for _, s := range w.named[name] {
		if slices.Contains(x.in, s) {
			return true
		}
	}
	return false
}

// name finds the packages that have a word of w as their name.
func (g *catalog) name(w *wanted) {
	if len(w.words) == 0 {
		return
	}
	w.named = map[string][]*leaf{}
	for _, s := range g.sheets {
		for _, word := range w.words {
			if len(s.Name) == len(word) && strings.EqualFold(s.Name, word) {
				w.named[word] = append(w.named[word], s)
			}
		}
	}
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
	g.state.RLock()
	defer g.state.RUnlock()
	var verdicts map[*catalogued]exposure.Opinion
	if w.url != nil && w.url.Version != "" {
		if verdicts, err = g.affecting(v, w.url); err != nil {
			return nil, err
		}
	}
	g.name(&w)
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
		row.Verdict, row.Fixed = string(verdicts[x].Verdict), verdicts[x].Fixed
		body.Canonicals = append(body.Canonicals, row)
	}
	return &out[schema.Canonicals]{Body: body}, nil
}

// among returns the entries that may meet w, each once: those of its package, where it names one.
func (g *catalog) among(w *wanted, verdicts map[*catalogued]exposure.Opinion) []*catalogued {
	var sheets []*leaf
	switch {
	case verdicts != nil:
		return slices.Collect(maps.Keys(verdicts))
	case w.url != nil:
		sheets = g.sheetsOf(w.url)
	case w.pkg != "":
		for e := range g.bases {
			if s := g.sheets[sheetKey(e, model.PackageName(e, w.pkg))]; s != nil {
				sheets = append(sheets, s)
			}
		}
	default:
		return g.rows
	}
	var some []*catalogued
	for i, s := range sheets {
		for _, x := range s.of {
			if !slices.ContainsFunc(sheets[:i], func(before *leaf) bool { return slices.Contains(x.in, before) }) {
				some = append(some, x)
			}
		}
	}
	return some
}

// sheetsOf returns the sheets of a package in every release that its URL may mean, by their ecosystems.
func (g *catalog) sheetsOf(u *exposure.PackageURL) (sheets []*leaf) {
	for e := range g.bases {
		if s := g.sheets[sheetKey(e, u.Name)]; s != nil && u.In(e) {
			sheets = append(sheets, s)
		}
	}
	slices.SortFunc(sheets, func(a, b *leaf) int { return strings.Compare(a.Ecosystem, b.Ecosystem) })
	return sheets
}

// affecting returns what affects a version of a package or may: as a host is judged that has it installed, in every release that the
// package URL may mean. What one release says for sure goes before what another only suspects.
func (g *catalog) affecting(v View, u *exposure.PackageURL) (map[*catalogued]exposure.Opinion, error) {
	clerk := exposure.NewClerk(func(id string) (records []model.Advisory, err error) {
		for _, f := range g.spoken[strings.ToUpper(id)] {
			a, ok, err := v.Advisory(f.key)
			if err != nil {
				return nil, err
			}
			if ok {
				records = append(records, a)
			}
		}
		return records, nil
	}, g.speaks)
	found := map[*catalogued]exposure.Opinion{}
	for _, s := range g.sheetsOf(u) {
		here := map[*catalogued]exposure.Opinion{}
		err := clerk.Judge(&s.Sheet, u.Version, func(o exposure.Opinion) {
			if o.Verdict == model.VerdictSuppressed {
				return
			}
			x := o.Of.(*catalogued)
			if was, ok := here[x]; !ok || o.Before(&was) {
				here[x] = o
			}
		})
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			found = here
			continue
		}
		for x, o := range here {
			if was, ok := found[x]; !ok || was.Verdict != model.VerdictAffected && o.Verdict == model.VerdictAffected {
				found[x] = o
			}
		}
	}
	return found, nil
}

// speaks reports whether a record has a statement of a vulnerability.
func (g *catalog) speaks(id string) bool {
	if len(g.spoken) == 0 {
		return false
	}
	if len(g.spoken[id]) > 0 {
		return true
	}
	return !model.IsCVE(id) && len(g.spoken[strings.ToUpper(id)]) > 0 // those of CVEs are large
}
