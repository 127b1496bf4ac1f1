package api

import (
	"context"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// pendingView is the part of a store's view that knows which hosts are to be matched again.
type pendingView interface{ PendingHosts() (int, error) }

func (s *Server) listExposure(_ context.Context, _ *none) (*out[[]schema.Exposure], error) {
	v, done := s.c.Store.View()
	defer done()
	sites, err := s.sites(v)
	if err != nil {
		return nil, err
	}
	rows := []schema.Exposure{}
	var pending *int
	if p, ok := v.(pendingView); ok && s.c.Role == model.RoleSite {
		n, err := p.PendingHosts()
		if err != nil {
			return nil, err
		}
		pending = &n
	}
	for _, site := range sites {
		if e := site.Exposure; e != nil {
			e.PendingHosts = pending // a site lists itself alone
			rows = append(rows, *e)
		} else if pending != nil && *pending > 0 { // nothing was matched here before
			rows = append(rows, schema.Exposure{SiteID: site.ID, Site: site.Name, PendingHosts: pending, Top: []schema.TopEntry{}})
		}
	}
	return &out[[]schema.Exposure]{Body: rows}, nil
}
