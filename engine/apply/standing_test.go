package apply_test

import (
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

func (w *world) byPin(pin string) (ok bool) {
	look(w, func(v *index.View) (model.Member, error) {
		m, found, err := v.MemberByPin(pin)
		ok = found
		return m, err
	})
	return ok
}

// agentSite is a site with the agent of hostA.
func agentSite(t *testing.T) (*world, model.NodeID) {
	w := newWorld(t, model.RoleSite, model.NodeID(berlin))
	agent := model.NodeID(hostA)
	w.enrolled(model.MemberHost, agent, "web1")
	w.receive(agent, item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "web1"}))
	return w, agent
}

func TestSuspendResumeRemove(t *testing.T) {
	w, agent := agentSite(t)
	set := func(to model.MemberStatus) model.SetMemberStatus {
		return model.SetMemberStatus{Stamp: w.stamp(), Member: agent, Status: to, Reason: "it is in repair"}
	}
	w.must(set(model.MemberEnrolled)) // it is
	before := w.audit().Seq
	w.must(set(model.MemberSuspended))
	if m := w.member(agent); m.Status != model.MemberSuspended || m.Reason != "it is in repair" || m.StatusAt == 0 {
		t.Errorf("suspended: %+v", m)
	}
	if e := w.audit(); e.Action != "agent.suspend" || e.Reason != "it is in repair" || e.Seq != before+1 {
		t.Errorf("the record says %+v", e)
	}
	w.must(set(model.MemberSuspended))
	if w.audit().Seq != before+1 {
		t.Error("suspending it twice is recorded twice")
	}
	w.refused(fault.Denied, model.Received{Stamp: w.stamp(), Origin: agent, Epoch: 1, Items: []model.Item{item(t, 2, model.ItemFacts, hostA.String(), model.Facts{Hostname: "x"})}})
	w.refused(fault.Conflict, model.Rekey{Stamp: w.stamp(), Member: agent, TokenHash: "h"})
	w.must(set(model.MemberEnrolled))
	if m := w.member(agent); m.Status != model.MemberEnrolled || m.Reason != "" || m.StatusAt != 0 {
		t.Errorf("resumed: %+v", m)
	}
	w.must(model.Dispatch{Stamp: w.stamp(), Command: model.Command{ID: model.CommandID(id(60)), Kind: model.CommandPing, Site: berlin, ExpiresAt: w.at + 1e6}, Hosts: []model.HostID{hostA}})
	w.must(set(model.MemberRemoved))
	if m := w.member(agent); m.Status != model.MemberRemoved || w.byPin("pin-web1") {
		t.Errorf("removed: %+v", m)
	}
	down := look(w, func(v *index.View) ([]model.Item, error) {
		items, _, err := v.Directives(agent, 0, 10, 1<<20, false)
		return items, err
	})
	if len(down) > 0 {
		t.Errorf("%d directives are left for one that was removed", len(down))
	}
	w.must(set(model.MemberRemoved))
	w.refused(fault.Conflict, set(model.MemberEnrolled))
	w.refused(fault.Invalid, set(model.MemberQuarantined))
	w.enrolled(model.MemberHost, model.NodeID(hostB), "web1") // its name is free
}

func TestCloneToldApart(t *testing.T) {
	w, agent := agentSite(t)
	w.must(model.Introduced{Stamp: w.stamp(), Member: agent, Machine: "m1", Software: "skerry-agent 1", Can: &model.Abilities{Commands: []string{model.CommandPing}}})
	w.must(model.Introduced{Stamp: w.stamp(), Member: agent, Machine: "m9", Software: "skerry-agent 2"})
	if m := w.member(agent); m.Machine != "m1" || m.Software != "skerry-agent 2" || m.Can != nil {
		t.Errorf("introduced: %+v", m)
	}
	q := model.Quarantine{Stamp: w.stamp(), Member: agent, Kept: "m1", Machine: "m2", Remote: "192.0.2.7:1"}
	w.must(q)
	n := w.audit().Seq
	w.must(q)
	m := w.member(agent)
	if m.Status != model.MemberEnrolled || m.Machine != "m1" || len(m.Clones) != 1 || m.Clones[0].Machine != "m2" || w.audit().Seq != n {
		t.Errorf("told apart: %+v", m)
	}
	for i := range 2 * model.MaxClones {
		q.Machine = string(rune('A' + i))
		w.must(q)
	}
	if m := w.member(agent); len(m.Clones) != model.MaxClones {
		t.Errorf("%d clones are kept", len(m.Clones))
	}
}

func TestQuarantineAndRekey(t *testing.T) {
	w, agent := agentSite(t)
	w.must(model.Quarantine{Stamp: w.stamp(), Member: agent, Machine: "m1", Kept: "m1"})
	if m := w.member(agent); m.Status != model.MemberQuarantined || m.Reason == "" {
		t.Fatalf("quarantined: %+v", m)
	}
	if e := w.audit(); e.Action != "agent.quarantine" || e.OK {
		t.Errorf("the record says %+v", e)
	}
	w.refused(fault.Conflict, model.SetMemberStatus{Stamp: w.stamp(), Member: agent, Status: model.MemberEnrolled})
	w.must(model.Rekey{Stamp: w.stamp(), Member: agent, TokenHash: "second", TokenExpires: w.at + 1e6})
	m := w.member(agent)
	if m.Status != model.MemberPending || m.Pin != "" || w.byPin("pin-web1") || m.Epoch != 2 || len(m.Void) != 1 {
		t.Errorf("to be re-keyed: %+v", m)
	}
	enroll := func(hash, pin string) model.Enroll {
		return model.Enroll{Stamp: w.stamp(), Member: agent, TokenHash: hash, Pin: pin}
	}
	w.refused(fault.Denied, enroll("second", "pin-web1")) // the old key, with the new token
	// Another token in its place keeps what was taken.
	m.TokenHash, m.TokenExpires = "third", w.at+1e6
	w.must(model.Invite{Stamp: w.stamp(), Member: m})
	w.refused(fault.Denied, enroll("second", "pin-new"))
	w.refused(fault.Denied, enroll("third", "pin-web1"))
	w.must(enroll("third", "pin-new"))
	if m := w.member(agent); m.Status != model.MemberEnrolled || m.Epoch != 2 || m.Pin != "pin-new" || m.Reason != "" {
		t.Errorf("re-keyed: %+v", m)
	}
	w.must(model.Received{Stamp: w.stamp(), Origin: agent, Epoch: 2, Items: []model.Item{item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "web1-new"})}})
	if h, _ := w.host(hostA); h.Hostname != "web1-new" {
		t.Errorf("the next life of the host reports as %q", h.Hostname)
	}
	w.refused(fault.Conflict, model.Received{Stamp: w.stamp(), Origin: agent, Epoch: 1, Items: []model.Item{item(t, 9, model.ItemFacts, hostA.String(), model.Facts{Hostname: "x"})}})
}

func TestRetireHost(t *testing.T) {
	w, agent := agentSite(t)
	w.enrolled(model.MemberHost, model.NodeID(hostB), "web2")
	w.receive(model.NodeID(hostB), item(t, 1, model.ItemFacts, hostB.String(), model.Facts{Hostname: "web2"}))
	w.receive(agent, item(t, 2, model.ItemPackages, hostA.String(), model.InventoryRef{Digest: "d1", PackageN: 3}))
	cmd := model.CommandID(id(60))
	w.must(model.Dispatch{Stamp: w.stamp(), Command: model.Command{ID: cmd, Kind: model.CommandPing, Site: berlin, ExpiresAt: w.at + 1e6}, Hosts: []model.HostID{hostA, hostB}})
	up := w.must(model.RetireHosts{Stamp: w.stamp(), Hosts: []model.HostID{hostA}, Reason: "scrapped"})
	gone := false
	for _, x := range up {
		gone = gone || x.Kind == model.ItemHostGone && x.Key == hostA.String()
	}
	if _, ok := w.host(hostA); ok || !gone {
		t.Errorf("retired: there is a row: %v; it rises: %v", ok, gone)
	}
	if n := w.counts(berlin); n.Hosts != 1 {
		t.Errorf("%d hosts are counted", n.Hosts)
	}
	if m := w.member(agent); m.Status != model.MemberRemoved || m.Reason != "its host was retired" {
		t.Errorf("its agent is %+v", m)
	}
	if c := w.command(cmd); c.TaskN[model.CommandFailed] != 1 || c.TaskN[model.CommandQueued] != 1 {
		t.Errorf("the command's tasks are %v", c.TaskN)
	}
	if e := w.audit(); e.Action != "host.retire" || e.Reason != "scrapped" {
		t.Errorf("the record says %+v", e)
	}
	n := w.audit().Seq
	w.must(model.RetireHosts{Stamp: w.stamp(), Hosts: []model.HostID{hostA}})
	if w.audit().Seq != n {
		t.Error("retiring it twice is recorded twice")
	}
	if r, err := w.store.Check(t.Context()); err != nil || !r.OK() {
		t.Errorf("the store: %+v, %v", r, err)
	}
}

func TestRemovedSiteLeavesNothing(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	w.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	w.enrolled(model.MemberSite, model.NodeID(oslo), "oslo")
	w.receive(model.NodeID(berlin), item(t, 1, model.ItemHost, hostA.String(), model.Host{ID: hostA, Facts: model.Facts{Hostname: "a"}, Status: model.HostUp}),
		item(t, 2, model.ItemHost, hostB.String(), model.Host{ID: hostB, Facts: model.Facts{Hostname: "b"}, Status: model.HostUp}))
	w.refused(fault.Denied, model.RetireHosts{Stamp: w.stamp(), Hosts: []model.HostID{hostA}})
	w.must(model.SetMemberStatus{Stamp: w.stamp(), Member: model.NodeID(berlin), Status: model.MemberRemoved})
	// A host that comes by way of another site before the row has gone is that site's.
	w.receive(model.NodeID(oslo), item(t, 1, model.ItemHost, hostB.String(), model.Host{ID: hostB, Facts: model.Facts{Hostname: "b"}, Status: model.HostUp}))
	if h, _ := w.host(hostB); h.Site != oslo {
		t.Errorf("the host is of %s", h.Site)
	}
	w.must(model.RetireHosts{Stamp: w.stamp(), Hosts: []model.HostID{hostA}})
	if _, ok := w.host(hostA); ok || w.counts(berlin).Hosts != 0 || w.counts(oslo).Hosts != 1 || w.counts(model.SiteID{}).Hosts != 1 {
		t.Errorf("left: %v; %+v", ok, w.counts(berlin))
	}
	w.refused(fault.Denied, model.RetireHosts{Stamp: w.stamp(), Hosts: []model.HostID{hostB}})
	if r, err := w.store.Check(t.Context()); err != nil || !r.OK() {
		t.Errorf("the store: %+v, %v", r, err)
	}
}

func TestCommandThatAnAgentCannotRun(t *testing.T) {
	w, agent := agentSite(t)
	w.must(model.Introduced{Stamp: w.stamp(), Member: agent, Can: &model.Abilities{Commands: []string{model.CommandPing}}})
	for n, kind := range map[byte]string{61: model.CommandPing, 62: model.CommandInventoryRefresh} {
		cmd := model.CommandID(id(n))
		w.must(model.Dispatch{Stamp: w.stamp(), Command: model.Command{ID: cmd, Kind: kind, Site: berlin, ExpiresAt: w.at + 1e6}, Hosts: []model.HostID{hostA}})
		want := model.CommandQueued
		if kind == model.CommandInventoryRefresh {
			want = model.CommandFailed
		}
		if c := w.command(cmd); c.State != want {
			t.Errorf("%s is %s, want %s", kind, c.State, want)
		}
	}
	down := look(w, func(v *index.View) ([]model.Item, error) {
		items, _, err := v.Directives(agent, 0, 10, 1<<20, false)
		return items, err
	})
	if len(down) != 1 {
		t.Errorf("%d orders go to the agent, want the one that it can run", len(down))
	}
}
