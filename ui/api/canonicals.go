package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// Bounds of what is shown beside a canonical.
const (
	maxRelated = 100
	maxLookups = 200 // identifiers that are looked into for what names them
)

func (s *Server) advisoryRoutes() {
	op(s, http.MethodGet, "/advisories", "search-advisories", "Canonical advisories by text, package, severity and more", s.searchAdvisories)
	op(s, http.MethodGet, "/advisories/{identifier}", "get-advisory", "One vulnerability with what every source says of it", s.getAdvisory)
	op(s, http.MethodGet, "/advisories/{identifier}/explain", "explain-advisory", "Why its records are one, and which source won each field", s.explainAdvisory)
	op(s, http.MethodPost, "/advisories/ingest", "ingest-advisories", "Store what sources publish (a tar.zst of files)", s.ingest, takes("application/zstd"))
}

type advisoryInput struct {
	Identifier string `path:"identifier" maxLength:"256" doc:"a merge hash (sha256:…), a CVE, or any other id or alias"`
}

// canonical finds what an identifier stands for: a merge hash, the id of a canonical, or an id or alias of a record. Where no record
// has it and some name it as upstream or related, it is a canonical without members.
func (s *Server) canonical(v View, identifier string) (model.Canonical, error) {
	if strings.HasPrefix(identifier, "sha256:") {
		c, ok, err := v.CanonicalHashed(identifier)
		if err == nil && !ok {
			err = fault.New(fault.NotFound, "", "no canonical advisory here has the merge hash %s: check it, or look for its CVE", fault.Clip(identifier, 80))
		}
		return c, err
	}
	c, ok, err := v.Canonical(identifier)
	if err != nil || ok {
		return c, err
	}
	records, err := v.Having(merge.Fold(identifier), 8)
	if err != nil {
		return c, err
	}
	slices.SortStableFunc(records, func(a, b merge.Record) int { // whose own id it is comes first
		return cmp.Compare(ownID(b, identifier), ownID(a, identifier))
	})
	for _, r := range records {
		id, ok, err := v.CanonicalOf(r.AdvisoryKey)
		if err != nil {
			return c, err
		}
		if ok {
			c, ok, err = v.Canonical(id)
			if err != nil || ok {
				return c, err
			}
		}
	}
	naming, err := v.KeysNaming(identifier)
	if err != nil {
		return c, err
	}
	if len(naming) == 0 {
		return c, fault.New(fault.NotFound, "", "no advisory here has or names %q: check the identifier, or have records with it ingested at the controller (a site without a link imports a bundle)", identifier)
	}
	id := identifier
	if model.IsCVE(id) {
		id = merge.Fold(id)
	}
	return model.Canonical{ID: id, Hash: merge.Hash(id)}, nil
}

func ownID(r merge.Record, identifier string) int {
	if strings.EqualFold(r.ID, identifier) {
		return 1
	}
	return 0
}

// members reads the records of a canonical.
func members(v View, c model.Canonical) ([]model.Advisory, error) {
	records := make([]model.Advisory, 0, len(c.Members))
	for _, e := range c.Members {
		a, ok, err := v.Advisory(e.AdvisoryKey)
		if err != nil {
			return nil, err
		}
		if ok {
			records = append(records, a)
		}
	}
	return records, nil
}

func (s *Server) getAdvisory(_ context.Context, in *advisoryInput) (*out[schema.Canonical], error) {
	v, done := s.c.Store.View()
	defer done()
	c, err := s.canonical(v, in.Identifier)
	if err != nil {
		return nil, err
	}
	records, err := members(v, c)
	if err != nil {
		return nil, err
	}
	body := schema.Canonical{
		ID: c.ID, MergeHash: c.Hash, Since: at(c.Since), Changed: at(c.Changed), CanonicalHead: headRow(c.Head),
		Members: make([]schema.Edge, 0, len(c.Members)), Records: make([]schema.Advisory, 0, len(records)),
	}
	for _, e := range c.Members {
		body.Members = append(body.Members, schema.Edge{Source: e.Source, ID: e.ID, Reason: string(e.Reason), Via: e.Via})
	}
	for _, a := range records {
		body.Records = append(body.Records, advisoryRow(a, severityOf(a)))
		body.CWEs = append(body.CWEs, a.CWEs...)
		for _, id := range merge.RecordOf(a).IDs {
			if merge.Fold(id) != merge.Fold(c.ID) {
				body.Aliases = append(body.Aliases, id)
			}
		}
	}
	body.CWEs, body.Aliases = distinct(body.CWEs), distinct(body.Aliases)
	if body.Related, err = s.related(v, c, records); err != nil {
		return nil, err
	}
	return &out[schema.Canonical]{Body: body}, nil
}

func distinct(texts []string) []string {
	slices.Sort(texts)
	return slices.Compact(texts)
}

func headRow(h model.CanonicalHead) schema.CanonicalHead {
	return schema.CanonicalHead{
		Summary: h.Summary, Severity: h.Severity.String(), Published: at(h.Published), Withdrawn: at(h.Withdrawn), Known: at(h.Known),
		Probability: h.Probability, Differing: h.Differing,
	}
}

// related finds the other canonicals that records of c name as upstream or related, and those that name c so.
func (s *Server) related(v View, c model.Canonical, records []model.Advisory) ([]schema.Neighbour, error) {
	var rows []schema.Neighbour
	seen := map[string]bool{c.ID: true}
	lookups := 0
	add := func(id, how string, by model.AdvisoryKey) error {
		if len(rows) == maxRelated || seen[id] || lookups >= maxLookups {
			return nil
		}
		seen[id] = true
		lookups++
		n := schema.Neighbour{ID: id, How: how, By: by.String()}
		other, ok, err := v.Canonical(id)
		if err != nil {
			return err
		}
		if ok {
			n.ID, n.Summary = other.ID, other.Head.Summary
		}
		rows = append(rows, n)
		return nil
	}
	for _, a := range records {
		for _, x := range []struct {
			ids []string
			how string
		}{{a.Upstream, "upstream"}, {a.Related, "related"}} {
			for _, id := range x.ids {
				if err := add(id, x.how, a.AdvisoryKey); err != nil {
					return nil, err
				}
			}
		}
	}
	naming, err := v.KeysNaming(c.ID)
	if err != nil {
		return nil, err
	}
	for _, k := range naming {
		if len(rows) == maxRelated || lookups >= maxLookups {
			break
		}
		if slices.ContainsFunc(c.Members, func(e model.Edge) bool { return e.AdvisoryKey == k }) {
			continue
		}
		id, ok, err := v.CanonicalOf(k)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if err := add(id, "names this", k); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func (s *Server) explainAdvisory(_ context.Context, in *advisoryInput) (*out[schema.Explained], error) {
	v, done := s.c.Store.View()
	defer done()
	c, err := s.canonical(v, in.Identifier)
	if err != nil {
		return nil, err
	}
	if len(c.Members) == 0 {
		return nil, fault.New(fault.NotFound, "", "no record here is about %s itself: others name it as upstream or related, and there is nothing to explain", c.ID)
	}
	records, err := members(v, c)
	if err != nil {
		return nil, err
	}
	return &out[schema.Explained]{Body: explained(merge.Resolve(c, records))}, nil
}

func explained(r merge.Resolved) schema.Explained {
	body := schema.Explained{ID: r.ID, MergeHash: r.Hash, Scheme: merge.Scheme, Members: []schema.Joined{}, Fields: []schema.Resolved{}, Aliases: namedBy(r.Aliases), Related: namedBy(r.Related)}
	for _, m := range r.Members {
		body.Members = append(body.Members, schema.Joined{
			Edge: schema.Edge{Source: m.Source, ID: m.ID, Reason: string(m.Reason), Via: m.Via},
			Why:  m.Why, Class: m.Class.String(), Fact: m.Fact, Withdrawn: at(m.Withdrawn),
		})
		if m.Reason == model.EdgeGuard {
			body.Guards = append(body.Guards, m.AdvisoryKey.String()+": "+m.Why)
		}
	}
	for _, f := range r.Fields {
		row := schema.Resolved{Name: f.Name, Value: f.Value, From: f.From.String(), Rule: f.Rule, Differs: f.Differs, Said: []schema.Said{}}
		for _, x := range f.Said {
			row.Said = append(row.Said, schema.Said{From: x.AdvisoryKey.String(), Value: x.Value, Agrees: x.Agrees, Withdrawn: x.Withdrawn})
		}
		body.Fields = append(body.Fields, row)
	}
	for _, e := range r.Ecosystems {
		row := schema.Speaking{Ecosystem: e.Ecosystem, Severity: e.Severity.String(), Said: []schema.SpokenFor{}}
		if e.From.ID != "" {
			row.From = e.From.String()
		}
		for _, x := range e.Said {
			row.Said = append(row.Said, schema.SpokenFor{From: x.AdvisoryKey.String(), Severity: x.Severity.String(), Outside: x.Outside})
		}
		body.Ecosystems = append(body.Ecosystems, row)
	}
	return body
}

func namedBy(names []merge.Name) []schema.NamedBy {
	rows := make([]schema.NamedBy, 0, len(names))
	for _, n := range names {
		row := schema.NamedBy{ID: n.ID}
		for _, k := range n.From {
			row.From = append(row.From, k.String())
		}
		rows = append(rows, row)
	}
	return rows
}
