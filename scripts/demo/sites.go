package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/skerryhq/skerry/appliance/simulate"
	"github.com/skerryhq/skerry/scripts/local"
)

// size is how large the simulated federation is.
type size struct{ hosts, sites int }

func (s size) check() error {
	return simulate.Federation{Hosts: s.hosts, Sites: s.sites}.Check()
}

// rate is how many changes a second its hosts have: enough to see the page move.
const rate = 5

// simulate starts the simulated federation; simulated waits for it. In between it works beside the rest.
func (d *demo) simulate(hq string, s size) error {
	_, err := d.Start("federation", "skerry", "simulate", "federation", "--server", d.Socket("hq"), "--controller", "https://"+hq,
		"--hosts", fmt.Sprint(s.hosts), "--sites", fmt.Sprint(s.sites), "--rate", fmt.Sprint(rate), "--data", filepath.Join(d.Dir, "federation"))
	return err
}

// simulated waits until the directory has the simulated hosts, and returns how many it has in all. A few
// that were removed meanwhile are not waited for.
func (d *demo) simulated(ctx context.Context, s size) (int, error) {
	all := 0
	err := local.Until(ctx, patience, "the simulated sites' hosts at the controller", func() (bool, error) {
		sites, err := d.sites(ctx)
		all = 0
		others := 0
		for name, site := range sites {
			all += int(site.Hosts)
			if name == "berlin" || name == "oslo" {
				others += int(site.Hosts)
			}
		}
		return err == nil && len(sites) == s.sites+2 && all-others >= s.hosts-s.hosts/100, err
	})
	if err != nil {
		err = fmt.Errorf("%w; the end of its log:\n%s", err, local.Tail(filepath.Join(d.Dir, "federation.log"), 5))
	}
	return all, err
}
