// Package simulate makes hosts that do not exist and reports them through the doors of real ones: a fleet
// to a site, as a gateway that enrolls and speaks the link (Run), or whole sites to a controller
// (RunFederation).
//
// It owns what happens at simulated hosts and what software they have; appliance/fleet says which hosts
// there are. Everything follows from a seed, so that next to nothing is stored. It has no back door into
// any store: what a simulation costs is what the real thing would.
package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/uplink"
)

// MaxHosts bounds one simulated fleet.
const MaxHosts = 1 << 22

// Config is what a simulation needs.
type Config struct {
	URL   string // of the site
	Token string // of a gateway; not needed where Dir is enrolled already
	// Dir keeps the gateway's identity, so that the same fleet comes back after a stop.
	Dir     string
	Hosts   int // 1 to MaxHosts
	Seed    uint64
	Version string
	Log     *slog.Logger
	// Acked, if set, is told how many of the hosts the site durably has.
	Acked func(hosts, total int)
}

// Run reports the fleet and then answers commands for it, until ctx ends.
func Run(ctx context.Context, c Config) error {
	if c.Hosts < 1 || c.Hosts > MaxHosts {
		return fault.New(fault.Invalid, "simulate", "%d hosts: want 1 to %d", c.Hosts, MaxHosts)
	}
	id, err := identity(ctx, c)
	if err != nil {
		return err
	}
	addr, err := link.Address(id.URL)
	if err != nil {
		return err
	}
	epoch, err := nextEpoch(filepath.Join(c.Dir, "epoch"))
	if err != nil {
		return err
	}
	start := time.Now()
	fleet, err := NewFleet(c.Seed, cmp.Or(id.UpperName, "site"), id.Member, start)
	if err != nil {
		return err
	}
	box, err := newOutbox(fleet, c.Hosts, epoch, model.TimeOf(start), c.Acked)
	if err != nil {
		return err
	}
	up := uplink.New(uplink.Config{
		Self: id.Member, Name: id.Name, Software: software(c.Version), Upper: id.Upper,
		Dial: func(ctx context.Context) (exchange.Session, error) {
			d := id.Dial(time.Now)
			d.Log = c.Log
			return link.Dial(ctx, addr, d)
		},
		Outbox: box, Sink: &orders{obey: func(_ context.Context, o model.Order) error { return box.obey(o) }},
		// All that can be lost is computed anew from the start.
		Resync: func(context.Context) error { return nil },
		Now:    time.Now, Log: c.Log,
	})
	return up.Run(ctx)
}

// identity returns who this gateway is, enrolling it where it is not yet anyone.
func identity(ctx context.Context, c Config) (enroll.Identity, error) {
	id, err := enroll.LoadIdentity(c.Dir)
	if err == nil || !fault.Is(err, fault.NotFound) {
		return id, err
	}
	token, err := enroll.ParseToken(c.Token)
	if err != nil {
		return id, err
	}
	if token.Kind != model.MemberGateway {
		return id, fault.New(fault.Invalid, "simulate", "this token is for a %s; make one at the site with `skerry agents enroll NAME --gateway`", token.Kind)
	}
	key, err := enroll.OpenKey(c.Dir)
	if err != nil {
		return id, err
	}
	id, err = enroll.Join(ctx, c.URL, token, key, enroll.Newcomer{Name: "simulated fleet", Software: software(c.Version)})
	if err != nil {
		return id, err
	}
	return id, enroll.SaveIdentity(c.Dir, id)
}

// nextEpoch begins a new life: the items are numbered anew at every start.
func nextEpoch(path string) (model.Epoch, error) {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, fault.New(fault.ReadOnly, "simulate", "%w", err)
	}
	var n uint64
	if len(b) > 0 {
		if n, err = strconv.ParseUint(strings.TrimSpace(string(b)), 10, 31); err != nil {
			return 0, fault.New(fault.Corrupt, "simulate", "%s holds no number; remove the folder and enroll again", path)
		}
	}
	if err := os.WriteFile(path, fmt.Appendln(nil, n+1), 0o600); err != nil {
		return 0, fault.New(fault.ReadOnly, "simulate", "%w", err)
	}
	return model.Epoch(n + 1), nil
}
