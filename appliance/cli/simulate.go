package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/simulate"
)

// simulate runs a gateway with hosts that do not exist.
func (a *app) simulate() *cobra.Command {
	conf := simulate.Config{Version: versionText()}
	c := leaf("simulate --site-url URL --token TOKEN", "Report a fleet that does not exist to a site, through its agents' door", 0, 0, nil)
	c.Long = "Report a fleet that does not exist to a site, through its agents' door. The token is of a gateway:\n" +
		"make it at the site with `skerry agents enroll NAME --gateway`. The fleet is the same for the same\n" +
		"seed. It answers commands until it is stopped."
	f := c.Flags()
	f.StringVar(&conf.URL, "site-url", "", "the site's address, as in https://site:8443")
	f.StringVar(&conf.Token, "token", "", "the gateway's one-time token")
	f.IntVar(&conf.Hosts, "hosts", 1000, "how many hosts")
	f.Uint64Var(&conf.Seed, "seed", 1, "which fleet")
	f.StringVar(&conf.Dir, "data", "", "a folder for the gateway's identity, to come back as the same fleet; a temporary one if absent")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if conf.URL == "" && conf.Dir == "" {
			return usagef("%s needs --site-url URL", c.CommandPath())
		}
		if conf.Dir == "" {
			dir, err := os.MkdirTemp("", "skerry-simulate-")
			if err != nil {
				return fmt.Errorf("make a temporary folder: %w", err)
			}
			defer os.RemoveAll(dir)
			conf.Dir = dir
		}
		conf.Log = a.logger(config.Log{Level: "warn", Format: "text"})
		began, said := time.Now(), -1
		conf.Acked = func(n, total int) {
			if percent := n * 100 / total; percent/10 != said {
				said = percent / 10
				a.say("%d of %d hosts are stored at the site (%.1f s)", n, total, time.Since(began).Seconds())
			}
		}
		return simulate.Run(c.Context(), conf)
	}
	return c
}
