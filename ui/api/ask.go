package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// askTime is how long a site may take to answer a question; of several that are asked at once, all of them together.
const askTime = 20 * time.Second

// Asked is a question that somebody put to a site through this server, for the audit record.
type Asked struct {
	Actor  string
	Route  string
	Object string // the host that it is about, else the site; empty: several sites were asked
	Site   string // id
	Detail map[string]string
	Err    error // why there is no answer
}

// question puts one question to a site, and has it written down. Whatever an error says, it is of kind Unreachable where
// the site did not answer in time.
func (s *Server) question(ctx context.Context, site model.SiteID, route string, params map[string]string) ([]byte, error) {
	raw, err := s.put(ctx, site, route, params)
	q := Asked{Route: route, Object: params[model.ParamHost], Site: site.String(), Err: err}
	if q.Object == "" {
		q.Object = q.Site
	}
	s.wrote(ctx, q)
	return raw, err
}

func (s *Server) wrote(ctx context.Context, q Asked) {
	if s.c.Asked != nil {
		q.Actor = actorOf(ctx).name
		s.c.Asked(ctx, q)
	}
}

// put is question without the audit record here. The site writes down who asks in any case.
func (s *Server) put(ctx context.Context, site model.SiteID, route string, params map[string]string) ([]byte, error) {
	params = maps.Clone(params)
	if params == nil {
		params = map[string]string{}
	}
	params[model.ParamActor] = actorOf(ctx).name
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	raw, err := s.c.Asker.Ask(ctx, model.NodeID(site), route, params)
	if err != nil && ctx.Err() == context.DeadlineExceeded {
		return nil, fault.New(fault.Unreachable, "", "no answer within %s", askTime)
	}
	return raw, err
}

// refusal is the error of a question in the words of this server: what is missing, why, what there is here instead, and what
// to do.
func refusal(ctx context.Context, site string, link reach, instead string, err error) error {
	switch {
	case fault.Is(err, fault.Unreachable), ctx.Err() == nil && !link.up():
		return newProblem(http.StatusServiceUnavailable, fault.Unreachable, untold(site, link, instead, err))
	case fault.Is(err, fault.Login):
		// The kind is the site's word; to the one who asked here it would say that his own login has ended.
		return fault.New(fault.Denied, "ask site "+site, "%w", errors.New(err.Error()))
	}
	return fault.Wrap("ask site "+site, err)
}

// untold says why a site cannot be asked, what there is here instead, and what to do.
func untold(site string, link reach, instead string, err error) string {
	why := "its link is up, but " + err.Error()
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
	return fmt.Sprintf("site %s cannot be reached: %s; %s. Ask again when its link is back, or ask the site itself", site, oneLine(why), instead)
}

// rowOnly says what there is here of a host.
func rowOnly(host *model.Host) string {
	asOf := "never filled"
	if t := max(host.FactsAt, host.PackagesAt, host.StatusAt); !t.IsZero() {
		asOf = "as of " + t.String()
	}
	return "the directory row (" + asOf + ") is all the controller holds"
}

// rowsOnly says what there is here of a site.
func rowsOnly(n model.SiteCounts) string {
	if n.LastItem.IsZero() {
		return "nothing has come from it"
	}
	return fmt.Sprintf("the rows of its %d hosts (as of %s) are all the controller holds", n.Hosts, n.LastItem)
}

// digits is a parameter that counts.
func digits[N int | uint64](n N) string { return fmt.Sprint(n) }
