package apply_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// hostOf returns the n-th host of a test with many.
func hostOf(n int) (h model.HostID) {
	h = model.HostID(id(200))
	h[1], h[14], h[15] = 9, byte(n>>8), byte(n)
	return h
}

// left is what a controller has of a site beside its hosts.
type left struct {
	exposure, alerts, held bool
	open                   int // commands
	policies               int // that name it
}

func (w *world) left(site model.SiteID) (l left) {
	w.t.Helper()
	v := w.store.View()
	defer v.Close()
	_, exposure, err1 := v.Exposure(site)
	_, alerts, err2 := v.AlertCounts(site)
	_, held, err3 := v.PoliciesHeld(site)
	l = left{exposure: exposure, alerts: alerts, held: held}
	err4 := v.OpenCommands(func(c model.Command) error {
		if c.Site == site {
			l.open++
		}
		return nil
	})
	policies, err5 := v.Policies()
	for _, p := range policies {
		if slices.Contains(p.Sites, site) {
			l.policies++
		}
	}
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	return l
}

// Whatever a controller has of a site that is removed goes, a bounded part with each change, and nothing of another site.
func TestARemovedSiteIsCleared(t *testing.T) {
	const hosts = 600
	w := newWorld(t, model.RoleController, groupID)
	var all []model.HostID
	for _, site := range []model.SiteID{berlin, oslo} {
		name := map[model.SiteID]string{berlin: "berlin", oslo: "oslo"}[site]
		w.enrolled(model.MemberSite, model.NodeID(site), name)
		var items []model.Item
		n := hosts
		if site == oslo {
			n = 1
		}
		for i := range n {
			h := hostOf(i)
			if site == oslo {
				h = hostA
			} else {
				all = append(all, h)
			}
			items = append(items, item(t, model.Seq(i+1), model.ItemHost, h.String(), model.Host{ID: h, Facts: model.Facts{Hostname: "a"}, Status: model.HostUp}))
		}
		seq := model.Seq(n)
		items = append(items,
			item(t, seq+1, model.ItemExposure, "exposure", model.Exposure{}),
			item(t, seq+2, model.ItemAlerts, "alerts", model.AlertCounts{Warning: 2}),
			item(t, seq+3, model.ItemPolicies, "policies", model.PoliciesHeld{}))
		w.receive(model.NodeID(site), items...)
	}
	slices.SortFunc(all, func(a, b model.HostID) int { return bytes.Compare(a[:], b[:]) })
	dispatch := func(n byte, site model.SiteID, hosts ...model.HostID) {
		w.must(model.Dispatch{Stamp: w.stamp(), Command: model.Command{ID: model.CommandID(id(n)), Kind: model.CommandPing, Site: site, ExpiresAt: w.at + 1e6}, Hosts: hosts})
	}
	dispatch(60, berlin, all...)
	dispatch(61, berlin, all...)
	dispatch(62, oslo, hostA)
	// One task of the first has run: it stays as it ended. Another one runs.
	move := func(seq model.Seq, h model.HostID, to model.CommandState) model.Item {
		m := model.Move{Command: model.CommandID(id(60)), Host: h, State: to, At: w.at}
		return item(t, seq, model.ItemMove, h.String()+string(to), m)
	}
	w.receive(model.NodeID(berlin), move(700, all[0], model.CommandDelivered), move(701, all[0], model.CommandRunning), move(702, all[0], model.CommandSucceeded),
		move(703, all[1], model.CommandDelivered), move(704, all[1], model.CommandRunning))
	policy := func(n byte, p model.Policy) {
		p.ID, p.Kind, p.Body = model.PolicyID(id(n)), model.PolicyBaseline, jsontext.Value(`{"checks":[]}`)
		w.must(model.PutPolicy{Stamp: w.stamp(), Policy: p})
	}
	policy(70, model.Policy{Name: "both", Sites: []model.SiteID{berlin, oslo}})
	policy(71, model.Policy{Name: "everywhere", All: true})

	w.refused(fault.Denied, model.ClearSite{Stamp: w.stamp(), Site: berlin})
	w.refused(fault.NotFound, model.ClearSite{Stamp: w.stamp(), Site: model.SiteID(id(99))})
	w.must(model.SetMemberStatus{Stamp: w.stamp(), Member: model.NodeID(berlin), Status: model.MemberRemoved})
	if got, want := w.left(berlin), (left{true, true, true, 2, 1}); got != want {
		t.Fatalf("of a site that has just been removed %+v is left, want %+v", got, want)
	}

	w.must(model.ClearSite{Stamp: w.stamp(), Site: berlin}) // 1,000 of the 1,199 tasks
	if got, want := w.left(berlin), (left{open: 1}); got != want {
		t.Fatalf("after the first change %+v is left, want %+v", got, want)
	}
	if e := w.audit(); e.Action != "site.rows_removed" || e.Object != berlin.String() || !e.OK || e.Detail["tasks"] != "1000" || e.Detail["policies"] != "1" {
		t.Errorf("the record says %+v", e)
	}
	w.must(model.ClearSite{Stamp: w.stamp(), Site: berlin})
	if got := w.left(berlin); got != (left{}) {
		t.Errorf("after the second change %+v is left", got)
	}
	last := w.audit()
	if last.Detail["tasks"] != "199" {
		t.Errorf("the record says %+v", last)
	}
	w.must(model.ClearSite{Stamp: w.stamp(), Site: berlin})
	if now := w.audit(); now.Seq != last.Seq {
		t.Errorf("clearing what is clear is recorded: %+v", now)
	}

	for n, want := range map[byte]model.CommandState{60: model.CommandPartial, 61: model.CommandFailed, 62: model.CommandQueued} {
		if c := w.command(model.CommandID(id(n))); c.State != want {
			t.Errorf("command %d is %s, want %s", n, c.State, want)
		}
	}
	task := func(h model.HostID) model.Task {
		return look(w, func(v *index.View) (model.Task, error) {
			x, _, err := v.Task(model.CommandID(id(60)), h)
			return x, err
		})
	}
	if x := task(all[0]); x.State != model.CommandSucceeded || x.Reason != "" {
		t.Errorf("what had ended is %+v", x)
	}
	for _, h := range []model.HostID{all[1], all[2]} {
		if x := task(h); x.State != model.CommandFailed || x.Reason != "its site was removed" {
			t.Errorf("what was open is %+v", x)
		}
	}
	if got, want := w.left(oslo), (left{true, true, true, 1, 1}); got != want {
		t.Errorf("of another site %+v is left, want %+v", got, want)
	}
	p := look(w, func(v *index.View) (model.Policy, error) {
		p, _, err := v.Policy(model.PolicyID(id(70)))
		return p, err
	})
	if p.Version != 1 {
		t.Errorf("the policy is at version %d: every other site would be told of it", p.Version)
	}
	if r, err := w.store.Check(t.Context()); err != nil || !r.OK() {
		t.Errorf("the store: %+v, %v", r, err)
	}

	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.refused(fault.Invalid, model.ClearSite{Stamp: site.stamp(), Site: oslo})
}

// That the group took out a node that was dead is kept with the node.
func TestTheReasonOfARemovedController(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	add := func(n byte, name string) model.NodeID {
		w.must(model.PutController{Stamp: w.stamp(), Member: model.NodeID(id(n)), Name: name, Address: name + ":1", Pin: "pin-" + name})
		return model.NodeID(id(n))
	}
	dead, retired := add(80, "a"), add(81, "b")
	at := w.at
	w.must(model.RemoveMember{Stamp: w.stamp(), Member: dead, Reason: "was dead since 2026-01-02T03:04:05Z"})
	if m := w.member(dead); m.Status != model.MemberRemoved || m.Reason != "was dead since 2026-01-02T03:04:05Z" || m.StatusAt != at {
		t.Errorf("%+v", m)
	}
	if e := w.audit(); e.Action != "controller.remove" || e.Reason != "was dead since 2026-01-02T03:04:05Z" {
		t.Errorf("the record says %+v", e)
	}
	w.must(model.RemoveMember{Stamp: w.stamp(), Member: retired})
	if m := w.member(retired); m.Status != model.MemberRemoved || m.Reason != "" || m.StatusAt != 0 {
		t.Errorf("%+v", m)
	}
	w.must(model.RemoveMember{Stamp: w.stamp(), Member: retired, Reason: "was dead"}) // it is removed already
	if m := w.member(retired); m.Reason != "" {
		t.Errorf("%+v", m)
	}
}
