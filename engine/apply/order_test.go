package apply_test

import (
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// The order of an agent's reports is that of their numbers: a host whose clock was ahead for a day must
// not be frozen for that day. The bodies in the detail tier follow the same order, and a row that
// stayed behind would name one that is no longer kept.
func TestTheNewestReportWinsWhateverItsClockSaid(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	key := hostA.String()
	ahead := []model.Item{
		item(t, 1, model.ItemFacts, key, model.Facts{Hostname: "before"}),
		item(t, 2, model.ItemPackages, key, model.InventoryRef{Digest: "d1", PackageN: 1}),
		item(t, 3, model.ItemCertificates, key, model.CertificatesRef{Digest: "c1", CertificateN: 1}),
	}
	right := []model.Item{
		item(t, 4, model.ItemFacts, key, model.Facts{Hostname: "after"}),
		item(t, 5, model.ItemPackages, key, model.InventoryRef{Digest: "d2", PackageN: 2}),
		item(t, 6, model.ItemCertificates, key, model.CertificatesRef{Digest: "c2", CertificateN: 2}),
	}
	for i := range right {
		right[i].AsOf = ahead[i].AsOf - 86_400_000
	}
	site.receive(model.NodeID(hostA), ahead...)
	up := site.receive(model.NodeID(hostA), right...)
	h, _ := site.host(hostA)
	if h.Hostname != "after" || h.PackagesDigest != "d2" || h.CertificatesDigest != "c2" || h.FactsAt != right[0].AsOf || len(up) != 3 {
		t.Fatalf("%d items rose; the row is %+v", len(up), h)
	}
	// What was taken already changes nothing when it comes again.
	site.receive(model.NodeID(hostA), ahead...)
	if again, _ := site.host(hostA); again.Hostname != "after" || again.PackagesDigest != "d2" {
		t.Fatalf("after a resend: %+v", again)
	}
}

// A command for the hosts of several agents is taken back from each of them, whoever ends last.
func TestAnEndedCommandGoesToNobody(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	gateway, behind := model.NodeID(id(50)), []model.HostID{hostB, model.HostID(id(12))}
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	site.enrolled(model.MemberGateway, gateway, "gw")
	site.receive(model.NodeID(hostA), item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"}))
	site.receive(gateway, item(t, 1, model.ItemFacts, behind[0].String(), model.Facts{Hostname: "b"}),
		item(t, 2, model.ItemFacts, behind[1].String(), model.Facts{Hostname: "c"}))
	cid := model.CommandID(id(77))
	cmd := model.Command{ID: cid, Kind: model.CommandPing, Site: berlin, ExpiresAt: site.at + 1e9}
	site.must(model.Dispatch{Stamp: site.stamp(), Command: cmd, Hosts: []model.HostID{hostA, behind[0], behind[1]}})
	seq := model.Seq(2)
	end := func(by model.NodeID, host model.HostID) {
		seq++
		site.receive(by, item(t, seq, model.ItemMove, "end", model.Move{Command: cid, Host: host, State: model.CommandFailed, At: site.at}))
	}
	waiting := func(to model.NodeID) int {
		return len(look(site, func(v *index.View) ([]model.Item, error) {
			items, _, err := v.Directives(to, 0, 10, 1<<20, false)
			return items, err
		}))
	}
	end(gateway, behind[0])
	end(gateway, behind[1])
	if waiting(gateway) != 1 || waiting(model.NodeID(hostA)) != 1 {
		t.Fatal("the command was taken back before it had ended")
	}
	end(model.NodeID(hostA), hostA)
	if c := site.command(cid); c.State != model.CommandFailed {
		t.Fatalf("%+v", c)
	}
	if waiting(gateway) != 0 || waiting(model.NodeID(hostA)) != 0 {
		t.Fatalf("after its end the command waits for the gateway (%d) and the agent (%d)", waiting(gateway), waiting(model.NodeID(hostA)))
	}
}

// An order that names a host twice has one task for it, and ends.
func TestAnOrderThatNamesAHostTwice(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	site.receive(model.NodeID(hostA), item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"}))
	cid, none := model.CommandID(id(77)), model.HostID(id(12))
	cmd := model.Command{ID: cid, Kind: model.CommandPing, Site: berlin, ExpiresAt: site.at + 1e9}
	order := item(t, 1, model.ItemOrder, cid.String(), model.Order{Command: cmd, Hosts: []model.HostID{none, hostA, none, hostA}})
	site.receive(groupID, order)
	if c := site.command(cid); c.Targets() != 2 || c.TaskN[model.CommandFailed] != 1 {
		t.Fatalf("%+v", c)
	}
	site.receive(model.NodeID(hostA), item(t, 2, model.ItemMove, "end", model.Move{Command: cid, Host: hostA, State: model.CommandFailed, At: site.at}))
	if c := site.command(cid); c.State != model.CommandFailed || c.TaskN[model.CommandFailed] != 2 || len(c.TaskN) != 1 {
		t.Errorf("it does not end: %+v", c)
	}
}
