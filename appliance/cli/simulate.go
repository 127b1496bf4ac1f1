package cli

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/simulate"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/ui/schema"
)

func (a *app) simulate() *cobra.Command {
	c := a.simulateHosts()
	c.AddCommand(a.simulateFederation())
	return c
}

// simulateHosts reports hosts to one site.
func (a *app) simulateHosts() *cobra.Command {
	conf := simulate.Config{}
	var tokenFile string
	log := config.Log{Format: "text"}
	c := leaf("simulate --site URL --token TOKEN --data DIR", "Report a made-up fleet of hosts to a site, through the agents' own door", 0, 0, nil)
	c.Flags().StringVar(&conf.URL, "site", "", "the site, https://HOST:PORT")
	c.Flags().StringVar(&conf.Token, "token", "", "the token that 'skerry agents enroll NAME --gateway' printed; not needed where --data is enrolled already")
	c.Flags().StringVar(&tokenFile, "token-file", "", "file with the token, so that it stands in no process list")
	c.Flags().StringVar(&conf.Dir, "data", "", "folder that keeps the fleet's identity")
	c.Flags().IntVar(&conf.Hosts, "hosts", 5000, "how many hosts")
	c.Flags().Uint64Var(&conf.Seed, "seed", 1, "the same seed gives the same fleet")
	c.Flags().StringVar(&log.Level, "log-level", "warn", "debug, info, warn or error")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var err error
		if conf.Token, err = given(conf.Token, tokenFile); err != nil {
			return err
		}
		if err := checkLevel(log.Level); err != nil {
			return err
		}
		if conf.Dir == "" {
			return usagef("say where to keep the fleet's identity: --data DIR")
		}
		conf.Version, conf.Log = versionText(), a.logger(log)
		shown := 0
		conf.Acked = func(hosts, total int) {
			// Twenty lines are enough to see it move.
			if step := max(1, total/20); hosts == total && shown < total || hosts >= shown+step {
				shown = hosts
				a.say("%d of %d hosts are durable at the site", hosts, total)
			}
		}
		return simulate.Run(c.Context(), conf)
	}
	return c
}

// simulateFederation brings whole sites up at a controller.
func (a *app) simulateFederation() *cobra.Command {
	conf := simulate.Federation{}
	log := config.Log{Format: "text"}
	c := leaf("federation --controller URL --data DIR", "Bring a made-up federation of whole sites up at a controller, through the sites' own door", 0, 0, nil)
	c.Long = c.Short + `.

Each site is made through the API, enrolls with its one-time token and dials its own link, sends its hosts and then what happens
there: hosts that go down and come back, change, appear and go. Its questions are answered and its commands obeyed. The same seed,
hosts and sites give the same federation, and the same --data continues it where it stopped.

The API is that of --server, --config or --context (else of --controller), as for any other command.`
	c.Flags().StringVar(&conf.URL, "controller", "", "where the sites dial, https://HOST:PORT")
	c.Flags().StringVar(&conf.Dir, "data", "", "folder that keeps the sites' identities; one for each simulation")
	c.Flags().IntVar(&conf.Hosts, "hosts", 20_000, "how many hosts at the beginning")
	c.Flags().IntVar(&conf.Sites, "sites", 20, "how many sites")
	c.Flags().Uint64Var(&conf.Seed, "seed", 1, "the same seed gives the same federation")
	c.Flags().Float64Var(&conf.Rate, "rate", 0, "changes a second at all sites together; absent: each host changes about four times a day")
	c.Flags().StringVar(&log.Level, "log-level", "error", "debug, info, warn or error")
	c.RunE = func(c *cobra.Command, _ []string) error {
		switch {
		case conf.URL == "":
			return usagef("say where the sites dial: --controller https://HOST:PORT")
		case conf.Dir == "":
			return usagef("say where to keep the sites' identities: --data DIR")
		case !c.Flags().Changed("rate"):
			conf.Rate = -1
		case conf.Rate < 0:
			return usagef("--rate %g: want 0 or more", conf.Rate)
		}
		if err := checkLevel(log.Level); err != nil {
			return err
		}
		if err := conf.Check(); err != nil {
			return usage{err}
		}
		if _, err := parseServer(conf.URL); err != nil {
			return usagef("--controller: %w", err)
		}
		server, err := a.clientAt(conf.URL)
		if err != nil {
			return err
		}
		conf.Registry = registry{server}
		conf.Version, conf.Log, conf.Progress = versionText(), a.logger(log), a.showProgress()
		return simulate.RunFederation(c.Context(), conf)
	}
	return c
}

func checkLevel(level string) error {
	if err := new(slog.Level).UnmarshalText([]byte(level)); err != nil {
		return usagef("--log-level %q: want debug, info, warn or error", level)
	}
	return nil
}

// clientAt finds the server as client does, and where nothing names one takes that at address.
func (a *app) clientAt(address string) (*client, error) {
	named := a.server != "" || a.context != "" || a.config != ""
	for _, name := range []string{"SKERRY_SERVER", "SKERRY_CONFIG", "SKERRY_CONTEXT"} {
		if v, _ := a.env(name); v != "" {
			named = true
		}
	}
	if !named {
		a.server = address
	}
	return a.client()
}

// showProgress prints how a simulated federation goes: each second while hosts arrive, whenever a link
// is lost or back, and else once a minute, or in ten seconds while hosts are missing.
func (a *app) showProgress() func(simulate.Progress) {
	var last simulate.Progress
	var at time.Time
	return func(p simulate.Progress) {
		now, pause := time.Now(), time.Minute
		if p.Acked < p.Hosts {
			pause = 10 * time.Second
		}
		if !at.IsZero() && p.Acked == last.Acked && p.Up == last.Up && now.Sub(at) < pause {
			return
		}
		last, at = p, now
		text := ""
		if p.Trouble != "" {
			text = "; " + fault.Printable(p.Trouble)
		}
		a.say("%d of %d hosts are durable at the controller, %d of %d sites have a link, %d rows/s%s", p.Acked, p.Hosts, p.Up, p.Sites, p.PerSecond, text)
	}
}

// registry is the API of a controller as a simulation needs it.
type registry struct{ *client }

// Sites implements simulate.Registry.
func (r registry) Sites(ctx context.Context) (out []schema.Site, err error) {
	err = r.call(ctx, http.MethodGet, "/sites", nil, nil, &out)
	return out, err
}

// EnrollSite implements simulate.Registry.
func (r registry) EnrollSite(ctx context.Context, s schema.SiteEnroll) (out schema.Token, err error) {
	err = r.call(ctx, http.MethodPost, "/sites", nil, s, &out)
	return out, err
}

// SiteToken implements simulate.Registry.
func (r registry) SiteToken(ctx context.Context, name string) (out schema.Token, err error) {
	err = r.call(ctx, http.MethodPost, "/sites/"+url.PathEscape(name)+"/token", nil, nil, &out)
	return out, err
}
