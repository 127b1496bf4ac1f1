package site

import (
	"context"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/ui/api"
)

// noted wraps an answer so that the audit record has who asked for it. That the controller asked is certain, for its key
// opened the link; who asked there is what it says.
func (s *site) noted(route string, answer uplink.Answer) uplink.Answer {
	return func(ctx context.Context, params map[string]string) (any, error) {
		v, err := answer(ctx, params)
		q := api.Asked{Actor: params[model.ParamActor], Route: route, Err: err}
		if id, bad := model.ParseHostID(params[model.ParamHost]); bad == nil {
			q.Object = id.String()
		}
		s.ledger.Asked(ctx, q)
		return v, err
	}
}
