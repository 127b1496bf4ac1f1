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
		for i := range site.Exposure.Top { // what is known of attacks is read now: it changes each day, and what hosts have does not
			t := &site.Exposure.Top[i]
			c, _, err := v.Canonical(t.Vulnerability)
			if err != nil {
				return nil, err
			}
			t.KnownExploited, t.EPSS = !c.Head.Known.IsZero(), c.Head.Probability
		}
		rows = append(rows, *site.Exposure)
	}
	return &out[[]schema.Exposure]{Body: rows}, nil
}
