package site

import (
	"context"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/ui/api"
	"github.com/skerryhq/skerry/ui/schema"
)

// answers are the questions that the controller may ask; nothing else is answered.
func (s *site) answers() map[string]uplink.Answer {
	all := drill{s}.answers()
	all[model.RouteAlertsList] = s.answerAlerts
	all[model.RoutePolicyResults] = s.answerPolicy
	for route, answer := range all { // these somebody asks; what follows the controller asks of itself
		all[route] = s.noted(route, answer)
	}
	all[model.RouteEndpoints] = s.answerEndpoints
	all[model.RouteDigest], all[model.RouteRepair] = s.answerDigest, s.answerRepair
	all[model.RouteHostRetire] = s.answerRetire // it writes the audit record itself
	return all
}

// answerEndpoints takes in the addresses of a controller's nodes.
func (s *site) answerEndpoints(_ context.Context, params map[string]string) (any, error) {
	return nil, s.ends.Learn(strings.Fields(params[model.ParamEndpoints]))
}

func (s *site) dial(ctx context.Context, addr string) (exchange.Session, error) {
	c := s.id.Dial(s.clock.Now)
	c.Log, c.Wrap = s.log, s.line.wrap()
	return link.Dial(ctx, addr, c)
}

// upper enrolls this site while it runs.
type upper struct{ *site }

// Enroll implements api.Upper.
func (u upper) Enroll(ctx context.Context, url, token string) (schema.Enrolled, error) {
	u.joining.Lock() // two first attempts at once would make two keys
	defer u.joining.Unlock()
	id, err := Enroll(ctx, u.Config, url, token, u.opts.Version)
	if err != nil {
		return schema.Enrolled{}, err
	}
	if !u.enrolled() && !u.joined {
		u.joined = true
		close(u.site.enroll)
	}
	return schema.Enrolled{SiteID: id.Member.String(), Name: id.Name, Controller: id.UpperName}, nil
}

type noLinks struct{}

// Live implements api.Links.
func (noLinks) Live(model.NodeID) (api.Link, bool) { return api.Link{}, false }
