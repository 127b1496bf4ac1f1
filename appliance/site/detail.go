package site

import (
	"context"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/detail"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/agentd"
)

// detailBox gives the detail tier to the agents' door.
type detailBox struct{ *detail.Store }

// PutAll implements agentd.Detail.
func (b detailBox) PutAll(bodies []agentd.Body) ([]string, error) {
	entries := make([]detail.Entry, len(bodies))
	for i, x := range bodies {
		kind, ok := kinds[x.Kind]
		if !ok {
			return nil, fault.New(fault.Invalid, "store detail", "%q items have no body in the detail tier", x.Kind)
		}
		entries[i] = detail.Entry{Host: x.Host, Kind: kind, ID: x.Event, AsOf: x.AsOf, Body: x.Bytes}
	}
	return b.Store.PutAll(entries)
}

var kinds = map[model.ItemKind]detail.Kind{
	model.ItemPackages: detail.Packages, model.ItemCertificates: detail.Certificates, model.ItemOSFacts: detail.OSFacts,
	model.ItemOutput: detail.Output, agentd.KindRefused: detail.Audit,
}

// owner returns which agent reports a host.
func (s *site) owner(id model.HostID) (model.NodeID, bool, error) {
	v := s.rows.Store.View()
	defer v.Close()
	h, ok, err := v.Host(id)
	return h.Agent, ok, err
}

func (s *site) eachHost(fn func(model.Host) error) error {
	v := s.rows.Store.View()
	defer v.Close()
	return v.EachHost(fn)
}

// inventories gives the bodies of inventories to the recalculation.
type inventories struct{ *detail.Store }

// Inventory implements recalc.Inventories.
func (i inventories) Inventory(digest string) (model.Inventory, bool, error) {
	var inv model.Inventory
	body, ok, err := i.Body(digest)
	if err != nil || !ok {
		return inv, false, err
	}
	if err := model.Decode(body, &inv); err != nil {
		return inv, false, fault.New(fault.Corrupt, "read inventory "+digest, "%w", err)
	}
	return inv, true, nil
}

// hostDetail returns everything this site holds of one host.
func (s *site) hostDetail(_ context.Context, id model.HostID) (model.HostDetail, error) {
	const op = "read host"
	d := model.HostDetail{At: model.TimeOf(s.clock.Now())}
	if s.detail == nil {
		return d, s.damaged
	}
	v := s.rows.Store.View()
	defer v.Close()
	h, ok, err := v.Host(id)
	if err != nil {
		return d, err
	}
	if !ok {
		return d, fault.New(fault.NotFound, op, "this site has no host %s", id)
	}
	d.Host = h
	if h.PackagesDigest != "" {
		inv, ok, err := inventories{s.detail}.Inventory(h.PackagesDigest)
		if err != nil {
			return d, err
		}
		if !ok {
			return d, fault.New(fault.NotFound, op, "the packages of host %s are not in the detail tier; dispatch %s to it", id, model.CommandInventoryRefresh)
		}
		d.Packages = inv.Packages
		m, ok, err := v.Match(h.PackagesDigest)
		if err != nil {
			return d, err
		}
		if ok {
			d.Findings = m.Findings
		}
	}
	if h.CertificatesDigest != "" {
		body, ok, err := s.detail.Body(h.CertificatesDigest)
		if err != nil {
			return d, err
		}
		if ok {
			if err := model.Decode(body, &d.Certificates); err != nil {
				return d, fault.New(fault.Corrupt, op, "certificates of host %s: %w", id, err)
			}
		}
	}
	return d, nil
}

// answerHostDetail is hostDetail for the controller, by the link.
func (s *site) answerHostDetail(ctx context.Context, params map[string]string) (any, error) {
	id, err := model.ParseHostID(params[model.ParamHost])
	if err != nil {
		return nil, fault.New(fault.Invalid, "read host", "%w", err)
	}
	return s.hostDetail(ctx, id)
}

// expireEvery is how often open commands are looked at.
const expireEvery = 5 * time.Second

// expire ends the tasks that no agent can have taken before their time ran out. What an agent may have
// taken, the agent alone reports on: it may have run it while its line was cut.
func (s *site) expire(ctx context.Context) error {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		st := s.stamp()
		v := s.rows.Store.View()
		moves, err := s.expired(v, st.At)
		_ = v.Close()
		if err != nil {
			return err
		}
		if len(moves) == 0 {
			continue
		}
		err = s.prop.Propose(ctx, model.Moves{Stamp: st, Moves: moves})
		if err != nil && ctx.Err() == nil && !fault.Is(err, fault.ReadOnly) {
			return err
		}
	}
}

func (s *site) expired(v *index.View, now model.Time) ([]model.Move, error) {
	var moves []model.Move
	err := v.OpenCommands(func(c model.Command) error {
		if c.ExpiresAt > now || c.TaskN[model.CommandQueued] == 0 {
			return nil
		}
		return v.EachTask(c.ID, func(t model.Task) error {
			if t.State != model.CommandQueued {
				return nil
			}
			h, ok, err := v.Host(t.Host)
			if err != nil {
				return err
			}
			if !ok || s.unheard(h, c.SiteAt) {
				moves = append(moves, model.Move{
					Command: c.ID, Host: t.Host, State: model.CommandExpired, At: now,
					Reason: "no agent took it before " + c.ExpiresAt.String(),
				})
			}
			return nil
		})
	})
	return moves, err
}

// unheard reports whether the host's agent has had no link since the given time, so that it cannot have
// taken what was sent after. Where this process has not seen the agent, its host's row must say so:
// late or down, and last heard before. That a host is unknown says nothing about before the start.
func (s *site) unheard(h model.Host, since model.Time) bool {
	if l, ok := s.hub.Live(h.Agent); ok {
		return !l.Up && model.TimeOf(l.Since) < since
	}
	return (h.Status == model.HostLate || h.Status == model.HostDown) && h.LastSeen < since
}
