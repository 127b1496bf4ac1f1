package controller

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/engine/model"
)

// What a controller has of a site goes once the site is removed, without anybody doing more than that; that of another
// site stays, and so does the record.
func TestARemovedSiteLeavesNothingOpen(t *testing.T) {
	a := runNode(t, shortDir(t), freePort(t), "alpha")
	stamp := func() model.Stamp { return model.Stamp{Actor: "account:ann", At: model.TimeOf(time.Now())} }
	propose := func(changes ...model.Change) {
		t.Helper()
		if err := a.group.Load().Propose(t.Context(), changes...); err != nil {
			t.Fatal(err)
		}
	}
	fresh := func() [16]byte { return uuid.Must(uuid.NewV7()) }
	type place struct {
		site    model.SiteID
		host    model.HostID
		command model.CommandID
	}
	add := func(name string) place {
		p := place{fresh(), fresh(), fresh()}
		m := model.Member{ID: model.NodeID(p.site), Kind: model.MemberSite, Name: name, TokenHash: "h", TokenExpires: model.TimeOf(time.Now().Add(time.Hour))}
		propose(model.Invite{Stamp: stamp(), Member: m, Site: &model.Site{ID: p.site, Name: name}},
			model.Enroll{Stamp: stamp(), Member: m.ID, TokenHash: "h", Pin: "pin-" + name})
		items := []model.Item{
			{Seq: 1, Kind: model.ItemHost, Key: p.host.String()},
			{Seq: 2, Kind: model.ItemExposure, Key: "exposure"},
			{Seq: 3, Kind: model.ItemAlerts, Key: "alerts"},
			{Seq: 4, Kind: model.ItemPolicies, Key: "policies"},
		}
		for i, payload := range []any{
			model.Host{ID: p.host, Facts: model.Facts{Hostname: "web1"}, Status: model.HostUp}, model.Exposure{}, model.AlertCounts{Warning: 1}, model.PoliciesHeld{},
		} {
			b, err := model.Encode(payload)
			if err != nil {
				t.Fatal(err)
			}
			items[i].Payload, items[i].AsOf = b, model.TimeOf(time.Now())
		}
		propose(model.Received{Stamp: stamp(), Origin: m.ID, Epoch: 1, Items: items})
		cmd := model.Command{ID: p.command, Kind: model.CommandPing, Site: p.site, ExpiresAt: model.TimeOf(time.Now().Add(time.Hour))}
		propose(model.Dispatch{Stamp: stamp(), Command: cmd, Hosts: []model.HostID{p.host}})
		return p
	}
	gone, stays := add("gone"), add("stays")
	if err := a.clearSites(t.Context()); err != nil {
		t.Fatal(err)
	}
	if more, err := a.hasRows(gone.site); err != nil || !more {
		t.Fatalf("the rows of a site that is not removed: %v, %v", more, err)
	}
	propose(model.SetMemberStatus{Stamp: stamp(), Member: model.NodeID(gone.site), Status: model.MemberRemoved})
	if left, err := a.leftovers(); err != nil || len(left) != 1 || left[0] != gone.site {
		t.Fatalf("left over are %v, %v", left, err)
	}
	if err := a.clearSites(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := a.leftovers(); err != nil || len(left) != 0 {
		t.Fatalf("left over are %v, %v", left, err)
	}
	v := a.rows.Store.View()
	defer v.Close()
	for p, want := range map[place]struct {
		state model.CommandState
		rows  bool
	}{gone: {model.CommandFailed, false}, stays: {model.CommandQueued, true}} {
		c, _, err := v.Command(p.command)
		if err != nil || c.State != want.state {
			t.Errorf("the command is %s, %v; want %s", c.State, err, want.state)
		}
		if more, err := a.hasRows(p.site); err != nil || more != want.rows {
			t.Errorf("rows: %v, %v; want %v", more, err, want.rows)
		}
		if _, ok, err := v.Host(p.host); err != nil || ok != want.rows {
			t.Errorf("the host: %v, %v; want %v", ok, err, want.rows)
		}
	}
	task, _, err := v.Task(gone.command, gone.host)
	if err != nil || task.Reason != "its site was removed" {
		t.Errorf("%+v, %v", task, err)
	}
	recorded := map[string]bool{}
	entries, err := v.Audit(0, 1000)
	for _, e := range entries {
		if e.Object == gone.site.String() {
			recorded[e.Action] = true
		}
	}
	if err != nil || !recorded["site.enroll"] || !recorded["site.remove"] || !recorded["site.rows_removed"] {
		t.Errorf("the record has %v, %v", recorded, err)
	}
}
