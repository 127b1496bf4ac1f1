package apply_test

import (
	"bytes"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// What goes into the detail tier leaves nothing in the rows but that the agent was heard, and nothing rises.
func TestDetailStaysAtTheSite(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	site.receive(model.NodeID(hostA), item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"}))
	before, _ := site.host(hostA)
	site.at += 60_000
	up := site.receive(model.NodeID(hostA), item(t, 2, model.ItemOSFacts, hostA.String(), model.OSFactsRef{Digest: "d"}))
	after, _ := site.host(hostA)
	if len(up) != 0 || after.LastSeen <= before.LastSeen {
		t.Errorf("%d items rose; last seen %s, before %s", len(up), after.LastSeen, before.LastSeen)
	}
	// Not even where a site that lost its rows hears of the host in this way first.
	site.enrolled(model.MemberHost, model.NodeID(hostB), "b")
	if up = site.receive(model.NodeID(hostB), item(t, 1, model.ItemOSFacts, hostB.String(), model.OSFactsRef{Digest: "d"})); len(up) != 1 || bytes.Contains(up[0].Payload, []byte(`"d"`)) {
		t.Errorf("a new host: %d items, %s", len(up), up[0].Payload)
	}
	site.receive(model.NodeID(hostA), item(t, 3, model.ItemOSFacts, hostB.String(), model.OSFactsRef{Digest: "d"}))
	if e := site.audit(); e.Action != "item.refuse" {
		t.Errorf("facts of another host: %+v", e)
	}
}

func TestOutputIsOfACommandThatWasSent(t *testing.T) {
	hq := newWorld(t, model.RoleController, model.NodeID(id(1)))
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	rows := site.receive(model.NodeID(hostA), item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"}))
	rows[0].Seq = 1
	hq.receive(model.NodeID(berlin), rows...)
	cid := model.CommandID(id(77))
	cmd := model.Command{ID: cid, Kind: model.CommandPing, Site: berlin, ExpiresAt: site.at + 1e9}
	hq.must(model.Dispatch{Stamp: hq.stamp(), Command: cmd, Hosts: []model.HostID{hostA}})
	site.receive(model.NodeID(id(1)), item(t, 1, model.ItemOrder, cid.String(), model.Order{Command: hq.command(cid), Hosts: []model.HostID{hostA}}))
	key := cid.String() + "/" + hostA.String()
	if up := site.receive(model.NodeID(hostA), item(t, 2, model.ItemOutput, key, model.OutputRef{Command: cid, Host: hostA, Digest: "d", Size: 9000})); len(up) != 0 {
		t.Errorf("%d items rose", len(up))
	}
	if e := site.audit(); e.Action == "item.refuse" {
		t.Fatalf("refused: %s", e.Reason)
	}
	seq := model.Seq(1)
	move := func(s model.CommandState, m model.Move) {
		seq++
		m.Command, m.Host, m.State, m.At = cid, hostA, s, site.at
		for _, up := range site.receive(model.NodeID(hostA), item(t, seq+1, model.ItemMove, key+"/"+string(s), m)) {
			up.Seq = seq
			hq.receive(model.NodeID(berlin), up)
		}
	}
	move(model.CommandDelivered, model.Move{})
	move(model.CommandRunning, model.Move{})
	move(model.CommandSucceeded, model.Move{Output: "the first", OutputSize: 9000, OutputDigest: "d"})
	for _, w := range []*world{site, hq} {
		task := look(w, func(v *index.View) (model.Task, error) { k, _, err := v.Task(cid, hostA); return k, err })
		if task.Output != "the first" || task.OutputSize != 9000 || task.OutputDigest != "d" {
			t.Errorf("%s: the task is %+v", w.role, task)
		}
	}
	for n, ref := range []model.OutputRef{{Command: model.CommandID(id(78)), Host: hostA}, {Command: cid, Host: hostB}} {
		site.receive(model.NodeID(hostA), item(t, 10+model.Seq(n), model.ItemOutput, "k", ref))
		if e := site.audit(); e.Action != "item.refuse" || e.Detail["kind"] != "output" || e.Detail["seq"] == "" {
			t.Errorf("output %+v: %+v", ref, e)
		}
	}
}
