package site

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/storage/space"
	"github.com/skerryhq/skerry/ui/api"
)

// openPulls reads what is known of the bundles that are configured.
func (s *site) openPulls() (err error) {
	s.pulls, err = serve.OpenPulls(serve.PullsConfig{
		Config: s.Config, Version: s.opts.Version, Room: func() error { return s.space.Err(space.Low) }, Now: s.clock.Now, Log: s.log,
	})
	return err
}

// outward starts, in g, what this site does of itself about advisories: it fetches the bundles that are configured, and tells the
// webhook. A site that is enrolled nowhere does both, since its bundles come from partners.
func (s *site) outward(ctx context.Context, g *errgroup.Group, server *api.Server) error {
	s.pulls.Bind(server)
	hook, hooked, err := serve.Webhook(s.Config.Federation.Webhook, nil)
	if err != nil {
		return err
	}
	if hooked {
		g.Go(func() error { return server.RunWebhook(ctx, hook) })
	}
	g.Go(func() error { return s.pulls.Run(ctx) })
	return nil
}
