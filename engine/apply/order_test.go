package apply_test

import (
	"testing"

	"github.com/skerryhq/skerry/engine/model"
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
