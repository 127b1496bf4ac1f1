package api

import (
	"context"

	"github.com/skerryhq/skerry/ui/schema"
)

// FindAdvisories answers as GET /advisories does for words and a package URL, either of which may be empty, with at most limit (1 to 1,000)
// rows: for whoever runs in this process.
func (s *Server) FindAdvisories(ctx context.Context, words, purl string, limit int) (schema.Canonicals, error) {
	o, err := s.searchAdvisories(ctx, &searchAdvisoriesInput{Q: words, Purl: purl, Limit: max(1, min(limit, 1000))})
	if err != nil {
		return schema.Canonicals{}, err
	}
	return o.Body, nil
}

// FindAdvisory answers as GET /advisories/{identifier} does, for whoever runs in this process.
func (s *Server) FindAdvisory(ctx context.Context, identifier string) (schema.Canonical, error) {
	o, err := s.getAdvisory(ctx, &advisoryInput{Identifier: identifier})
	if err != nil {
		return schema.Canonical{}, err
	}
	return o.Body, nil
}

// Catalogued is how many canonicals searches look through, as of the last one.
func (s *Server) Catalogued() int {
	s.catalog.state.RLock()
	defer s.catalog.state.RUnlock()
	return len(s.catalog.rows)
}
