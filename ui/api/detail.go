package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// askTime is how long a site may take to answer a question.
const askTime = 20 * time.Second

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
	switch {
	case err == nil:
	case s.c.Role == model.RoleController && (fault.Is(err, fault.Unreachable) || ctx.Err() == nil && !link.up()):
		return nil, s.unreachable(host, site, link, err)
	case s.c.Role == model.RoleController && fault.Is(err, fault.Login):
		// The kind is the site's word; to the one who asked here it would say that his own login has ended.
		return nil, fault.New(fault.Denied, "ask site "+site, "%w", errors.New(err.Error()))
	default:
		return nil, fault.Wrap("ask site "+site, err)
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
	var d model.HostDetail
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	raw, err := s.c.Asker.Ask(ctx, model.NodeID(host.Site), model.RouteHostDetail, map[string]string{model.ParamHost: host.ID.String()})
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			return d, fault.New(fault.Unreachable, "", "no answer within %s", askTime)
		}
		return d, err
	}
	if err := model.Decode(raw, &d); err != nil {
		return d, fault.New(fault.Corrupt, "", "the answer cannot be read: %w", err)
	}
	return d, nil
}

// unreachable says plainly what is missing and what there is instead.
func (s *Server) unreachable(host model.Host, site string, link reach, cause error) error {
	why := "its link is up, but " + cause.Error()
	switch link.word {
	case linkNever:
		why = "no link from it has been seen"
	case linkUnknown:
		why = "its link has not come back yet since this server started"
	case linkDown:
		why = "its link is down"
		if !link.since.IsZero() {
			why = "its link has been down since " + link.since.UTC().Format(time.RFC3339)
		}
	}
	asOf := "never filled"
	if t := max(host.FactsAt, host.PackagesAt, host.StatusAt); !t.IsZero() {
		asOf = "as of " + t.String()
	}
	return newProblem(http.StatusServiceUnavailable, fault.Unreachable, fmt.Sprintf(
		"site %s cannot be reached: %s; the directory row (%s) is all the controller holds until the link is back",
		site, oneLine(why), asOf))
}
