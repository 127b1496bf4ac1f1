package site

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// gatherFor is how long after its start a site says that rows may yet come: after a rebuild each agent that is there
// sends all it has as soon as it is linked. One that never comes back must not keep its hosts at the controller for ever.
const gatherFor = 6 * time.Hour

// answerDigest says what this site holds, for the controller to compare with its copy.
func (s *site) answerDigest(ctx context.Context, params map[string]string) (any, error) {
	const op = "compare rows"
	bucket := -1
	if p := params[model.ParamBucket]; p != "" {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 || n >= inventory.DigestBuckets {
			return nil, fault.New(fault.Invalid, op, "%q is no group of hosts: want 0 to %d", fault.Clip(p, 20), inventory.DigestBuckets-1)
		}
		bucket = n
	}
	a := model.DigestAnswer{Form: inventory.DigestForm, At: model.TimeOf(s.clock.Now())}
	v := s.rows.Store.View()
	defer v.Close()
	var sums inventory.Digests
	reported := map[model.NodeID]bool{}
	read := 0
	err := v.EachHost(func(h model.Host) error {
		if read++; read%256 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if bucket < 0 {
			reported[h.Agent] = true
			return sums.Add(h)
		}
		if inventory.Bucket(h.ID) != bucket {
			return nil
		}
		sum, err := inventory.Digest(h)
		a.Rows = append(a.Rows, model.RowDigest{Host: h.ID, Sum: sum})
		return err
	})
	if err != nil {
		return nil, err
	}
	if bucket >= 0 {
		waits, err := s.waiting(ctx, func(id model.HostID) bool { return inventory.Bucket(id) == bucket })
		for id := range waits {
			a.Waiting = append(a.Waiting, id)
		}
		slices.SortFunc(a.Waiting, func(a, b model.HostID) int { return slices.Compare(a[:], b[:]) })
		return a, err
	}
	a.Buckets = sums[:]
	if time.Since(s.started) >= gatherFor {
		return a, nil
	}
	members, err := v.Members(model.MemberHost)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		// An agent that was let in and has no row is one whose row was lost, or one that has never reported.
		if m.Status == model.MemberEnrolled && !reported[m.ID] {
			a.Gathering = true
			break
		}
	}
	return a, nil
}

// waiting returns those of the asked hosts whose news wait in the outbox: with the window, for the link, or behind others.
// The controller's copy differs from them, and need not be mended.
func (s *site) waiting(ctx context.Context, asked func(model.HostID) bool) (map[model.HostID]bool, error) {
	waits := map[model.HostID]bool{}
	for _, kind := range []model.ItemKind{model.ItemHost, model.ItemStatus} {
		err := s.outbox.Keys(kind, func(key string) error {
			if id, err := model.ParseHostID(key); err == nil && asked(id) {
				waits[id] = true
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	return waits, nil
}

// answerRepair sends rows again whose copy was found to differ.
func (s *site) answerRepair(ctx context.Context, params map[string]string) (any, error) {
	const op = "send rows again"
	var hosts []model.HostID
	for _, f := range strings.Fields(params[model.ParamHosts]) {
		id, err := model.ParseHostID(f)
		if err != nil {
			return nil, fault.New(fault.Invalid, op, "%w", err)
		}
		hosts = append(hosts, id)
	}
	if n := len(hosts); n > model.MaxRepair {
		return nil, fault.New(fault.TooLarge, op, "%d hosts; the bound is %d", n, model.MaxRepair)
	}
	var done model.Repaired
	waits, err := s.waiting(ctx, func(id model.HostID) bool { return slices.Contains(hosts, id) })
	if err != nil {
		return nil, err
	}
	hosts = slices.DeleteFunc(hosts, func(id model.HostID) bool {
		if waits[id] {
			done.Waiting = append(done.Waiting, id)
		}
		return waits[id]
	})
	if len(hosts) == 0 {
		return done, nil
	}
	st := s.stamp()
	st.Actor = "controller:" + s.id.Upper.String()
	if err := s.prop.Propose(ctx, model.Repair{Stamp: st, Hosts: hosts}); err != nil {
		return nil, err
	}
	v := s.rows.Store.View()
	defer v.Close()
	for _, id := range hosts {
		_, ok, err := v.Host(id)
		if err != nil {
			return nil, err
		}
		if ok {
			done.Sent++
		} else {
			done.Gone++
		}
	}
	return done, nil
}
