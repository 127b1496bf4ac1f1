package site

import (
	"context"
	"strconv"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

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
		return a, nil
	}
	a.Buckets = sums[:]
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
	st := s.stamp()
	st.Actor = "controller:" + s.id.Upper.String()
	if err := s.prop.Propose(ctx, model.Repair{Stamp: st, Hosts: hosts}); err != nil {
		return nil, err
	}
	var done model.Repaired
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
