package api

import (
	"context"

	"github.com/skerryhq/skerry/ui/schema"
)

func (s *Server) listExposure(_ context.Context, _ *none) (*out[[]schema.Exposure], error) {
	v, done := s.c.Store.View()
	defer done()
	sites, err := s.sites(v)
	if err != nil {
		return nil, err
	}
	rows := []schema.Exposure{}
	for _, site := range sites {
		if site.Exposure == nil {
			continue
		}
		rows = append(rows, *site.Exposure)
	}
	return &out[[]schema.Exposure]{Body: rows}, nil
}
