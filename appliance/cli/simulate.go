package cli

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/simulate"
)

func (a *app) simulate() *cobra.Command {
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
		if err := new(slog.Level).UnmarshalText([]byte(log.Level)); err != nil {
			return usagef("--log-level %q: want debug, info, warn or error", log.Level)
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
