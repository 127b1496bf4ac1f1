package api

import (
	"context"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func (s *Server) hostDetail(ctx context.Context, in *hostInput) (*out[schema.HostDetail], error) {
	host, err := s.findHost(ctx, in.Host)
	if err != nil {
		return nil, err
	}
	by, err := s.placesFor([]model.Host{host})
	if err != nil {
		return nil, err
	}
	place := placeOf(by, host.Site)
	site, link := place.Name, s.linkOf(place)
	d, err := s.detail(ctx, host)
	if err != nil {
		return nil, s.refused(ctx, host, site, link, err)
	}
	// The site's own row is the newer one. Whose host it is stays what this server knows.
	if d.Host.ID != host.ID {
		return nil, fault.New(fault.Corrupt, "ask site "+site, "it answered about another host than %s", host.ID)
	}
	d.Host.Site = host.Site
	if statusOf(host.Status) != model.HostUnknown && host.StatusAt > d.Host.StatusAt {
		d.Host.SetBeat(host.Beat()) // its site has judged all of its hosts since the row was written
	}
	why := reasons{s: s}
	return &out[schema.HostDetail]{Body: detailBody(d, hostRow(d.Host, place.Site, why.of(d.Host.Status, place)), site)}, nil
}

func (s *Server) detail(ctx context.Context, host model.Host) (model.HostDetail, error) {
	if s.c.Role == model.RoleSite {
		return s.c.Detail(ctx, host.ID)
	}
	return questioned[model.HostDetail](ctx, s, host.Site, model.RouteHostDetail, map[string]string{model.ParamHost: host.ID.String()})
}

// refused is the error of a question about a host.
func (s *Server) refused(ctx context.Context, host model.Host, site string, link reach, err error) error {
	if s.c.Role == model.RoleSite {
		return fault.Wrap("ask site "+site, err)
	}
	return refusal(ctx, site, link, rowOnly(&host), err)
}
