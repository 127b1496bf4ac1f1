package apply_test

import (
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// TestFactsThatOnlyAreNewerStay: an agent that says the same again moves the row of its site, and nothing rises; what
// differs rises at once.
func TestFactsThatOnlyAreNewerStay(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	if up := site.receive(model.NodeID(hostA), item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"})); len(up) != 1 {
		t.Fatalf("a new host: %d items rise", len(up))
	}
	before, _ := site.host(hostA)
	if up := site.receive(model.NodeID(hostA), item(t, 2, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"})); len(up) != 0 {
		t.Errorf("the same again: %+v", up)
	}
	if h, _ := site.host(hostA); h.FactsAt <= before.FactsAt {
		t.Errorf("the site's own row is as of %d, and was of %d", h.FactsAt, before.FactsAt)
	}
	if up := site.receive(model.NodeID(hostA), item(t, 3, model.ItemFacts, hostA.String(), model.Facts{Hostname: "b"})); len(up) != 1 {
		t.Errorf("another name: %d items rise", len(up))
	}
}

// TestPackagesAreAsOfTheLastLook: an agent that found the same again says so with its facts, and the row is as of then; not
// where what it had sent is not here.
func TestPackagesAreAsOfTheLastLook(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	facts := func(seq model.Seq, sent, same model.Time) (model.Host, int) {
		t.Helper()
		up := site.receive(model.NodeID(hostA), item(t, seq, model.ItemFacts, hostA.String(), model.FactsReport{
			Facts: model.Facts{Hostname: "a"}, Looked: model.Looks{Packages: model.Look{Sent: sent, Same: same}},
		}))
		h, _ := site.host(hostA)
		return h, len(up)
	}
	facts(1, 0, 0)
	site.receive(model.NodeID(hostA), item(t, 2, model.ItemPackages, hostA.String(), model.InventoryRef{Digest: "d", PackageN: 1}))
	was, _ := site.host(hostA)
	sent := was.PackagesAt
	if h, n := facts(3, sent, sent+5); h.PackagesAt != sent+5 || h.CertificatesAt != 0 || h.PackagesDigest != "d" || n != 0 {
		t.Errorf("looked at 5 ms later: %+v, %d items rise", h, n)
	}
	if h, _ := facts(4, sent, sent+9); h.PackagesAt != sent+9 {
		t.Errorf("looked at 9 ms later: as of %d, sent at %d", h.PackagesAt, sent)
	}
	if h, _ := facts(5, sent, sent+7); h.PackagesAt != sent+9 {
		t.Errorf("it went back to %d", h.PackagesAt)
	}
	if h, _ := facts(6, sent+20, sent+30); h.PackagesAt != sent+9 {
		t.Errorf("as of a report that never came: %d", h.PackagesAt)
	}
	if h, _ := facts(7, 0, sent+30); h.PackagesAt != sent+9 {
		t.Errorf("as of no report: %d", h.PackagesAt)
	}
}
