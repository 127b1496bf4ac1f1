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
