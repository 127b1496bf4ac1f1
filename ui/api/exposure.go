package api

import (
	"context"

	"github.com/skerryhq/skerry/engine/fault"
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
		if site.Exposure != nil {
			rows = append(rows, *site.Exposure)
		}
	}
	return &out[[]schema.Exposure]{Body: rows}, nil
}

type advisoryInput struct {
	Identifier string `path:"identifier" maxLength:"256" doc:"a CVE or any other id, alias or upstream id"`
}

func (s *Server) getAdvisory(_ context.Context, in *advisoryInput) (*out[[]schema.Advisory], error) {
	v, done := s.c.Store.View()
	defer done()
	records, err := v.AdvisoriesNaming(in.Identifier)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, fault.New(fault.NotFound, "", "no advisory here has or names %q: check the identifier, or have records with it ingested at the controller (a site without a link imports a bundle)", in.Identifier)
	}
	rows := make([]schema.Advisory, 0, len(records))
	for _, a := range records {
		rows = append(rows, advisoryRow(a, severityOf(a)))
	}
	return &out[[]schema.Advisory]{Body: rows}, nil
}
