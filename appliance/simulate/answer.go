package simulate

import (
	"cmp"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"strconv"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/uplink"
)

// numbers finds which hosts of the site the ids are of. The ids follow from the numbers and not the other
// way, so all of them are looked at; the log goes on meanwhile.
func (l *siteLog) numbers(ids ...model.HostID) map[model.HostID]int {
	want := make(map[model.HostID]bool, len(ids))
	for _, id := range ids {
		want[id] = true
	}
	l.mu.Lock()
	next := l.world.next
	l.mu.Unlock()
	return l.world.find(want, next)
}

// answers are the questions that a simulated site answers.
func (l *siteLog) answers() map[string]uplink.Answer {
	return map[string]uplink.Answer{
		model.RouteHostDetail: l.detail, model.RouteHostPackages: l.packages, model.RouteHostFacts: l.system,
		model.RoutePackagesWhere: l.packagesWhere, model.RouteCertificatesExpiring: l.certificatesExpiring,
		model.RouteHostExposure: l.exposed, model.RouteExposureCVE: l.exposedWhere, model.RouteExposureDiff: l.exposureDiff,
	}
}

// packages answers a question for a page of a host's packages.
func (l *siteLog) packages(ctx context.Context, params map[string]string) (any, error) {
	const op = "read packages"
	d, err := l.host(ctx, params)
	if err != nil {
		return nil, err
	}
	from, bad1 := strconv.Atoi(cmp.Or(params[model.ParamCursor], "0"))
	limit, bad2 := strconv.Atoi(cmp.Or(params[model.ParamLimit], "500"))
	if bad1 != nil || bad2 != nil || from < 0 || limit < 1 || limit > 5000 {
		return nil, fault.New(fault.Invalid, op, "a cursor or a number of rows cannot be read; begin anew without them")
	}
	out := model.HostPackages{Answered: model.Answered{Host: d.Host.ID, At: d.At, AsOf: d.Host.PackagesAt, Digest: d.Host.PackagesDigest, Total: len(d.Packages)}, OS: d.Host.OS}
	from = min(from, len(d.Packages))
	out.Packages = d.Packages[from:min(from+limit, len(d.Packages))]
	if end := from + len(out.Packages); end < len(d.Packages) {
		out.Next = strconv.Itoa(end)
	}
	if d.Host.PackagesDigest == "" {
		out.Lacks = "nothing is known of the packages of such a system"
	}
	return out, nil
}

// system answers a question for the facts of a host's system.
func (l *siteLog) system(ctx context.Context, params map[string]string) (any, error) {
	d, err := l.host(ctx, params)
	if err != nil {
		return nil, err
	}
	seed := binary.BigEndian.Uint64(d.Host.ID[8:])
	return model.HostFacts{
		Answered: model.Answered{Host: d.Host.ID, At: d.At, AsOf: d.Host.FactsAt},
		Facts:    systemOf(rand.New(rand.NewPCG(l.world.fleet.Seed, seed)), d.Host.Facts),
	}, nil
}

// detail answers a question for everything that a site holds of one host.
func (l *siteLog) detail(ctx context.Context, params map[string]string) (any, error) {
	d, err := l.host(ctx, params)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// host returns what the site has of the host that a question is about.
func (l *siteLog) host(_ context.Context, params map[string]string) (d model.HostDetail, err error) {
	id, err := model.ParseHostID(params[model.ParamHost])
	if err != nil {
		return d, fault.New(fault.Invalid, "read host", "%w", err)
	}
	n, known := l.numbers(id)[id]
	l.mu.Lock()
	defer l.mu.Unlock()
	if !known || !l.world.there(n) {
		return d, fault.New(fault.NotFound, "read host", "this site has no host %s", id)
	}
	h, i, err := l.world.host(n)
	if err != nil {
		return d, err
	}
	d = model.HostDetail{Host: h, At: model.TimeOf(l.now())}
	if d.Host.Status == model.HostUp {
		d.Host.LastSeen, d.Host.StatusAt = d.At, d.At // nothing else was judged since
	}
	if i != nil {
		d.Packages, d.Findings = i.inv.Packages, i.found
	}
	return d, nil
}

// obey answers an order as the site and its agents would: hosts that report do what they are told.
func (l *siteLog) obey(_ context.Context, o model.Order) error {
	at := model.TimeOf(l.now())
	numbers := l.numbers(o.Hosts...)
	out := []model.Item{{Kind: model.ItemCommandHeld, Key: o.Command.ID.String(), AsOf: at}}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range o.Hosts {
		n, known := numbers[h]
		why := ""
		if !known || !l.world.there(n) {
			why = "this site has no such host"
		} else if s := l.world.status(n); s != model.HostUp && s != model.HostLate {
			why = "its agent does not answer"
		}
		if why == "" {
			moves, err := obeyed(o.Command, h, at)
			if err != nil {
				return err
			}
			out = append(out, moves...)
			continue
		}
		item, err := moveItem(model.Move{Command: o.Command.ID, Host: h, State: model.CommandFailed, At: at, Reason: why})
		if err != nil {
			return err
		}
		out = append(out, item)
	}
	l.sayLocked(out)
	return nil
}
