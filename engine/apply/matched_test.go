package apply_test

import (
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// A head for parts that went meanwhile is not stored, and its inventory stays marked; what is said of one host goes before what its
// inventory has, and rises once.
func TestMatchedHeadsAndHosts(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	for _, x := range []struct {
		host model.HostID
		name string
	}{{hostA, "a"}, {hostB, "b"}} {
		site.enrolled(model.MemberHost, model.NodeID(x.host), x.name)
		site.receive(model.NodeID(x.host), item(t, 1, model.ItemPackages, x.host.String(), model.InventoryRef{Digest: "d", PackageN: 1}))
	}
	site.must(model.Generation{Stamp: site.stamp()})
	dirty := func() int {
		return len(look(site, func(v *index.View) ([]string, error) { return v.DirtyDigests(10) }))
	}
	one, none := 1, 0
	l := model.Lookup{Ecosystem: "Debian:12", Name: "p", Version: "1"}
	head := model.Match{Digest: "d", Generation: 1, At: site.at, Counts: model.SeverityCounts{High: 1}, FixableN: &one, PartN: 1}
	if up := site.must(model.Matched{Stamp: site.stamp(), Matches: []model.Match{head}}); len(up) != 0 || dirty() != 1 {
		t.Fatalf("a head without parts: %d items up, %d marked", len(up), dirty())
	}
	whole := head
	whole.Parts = []model.MatchPart{{Lookup: l.ID(), Packages: []string{"p"}}}
	change := model.Matched{
		Stamp: site.stamp(), Matches: []model.Match{whole}, Judged: []model.Judged{{ID: l.ID(), Lookup: l}},
		Hosts: []model.HostExposure{{Host: hostA, Digest: "d", At: site.at, FixableN: none}, {Host: hostB, Digest: "another", At: site.at, Counts: model.SeverityCounts{Low: 9}}},
	}
	for _, items := range []int{2, 0} { // applied twice
		if up := site.must(change); len(up) != items || dirty() != 0 {
			t.Fatalf("%d items up, want %d; %d marked", len(up), items, dirty())
		}
	}
	a, _ := site.host(hostA)
	b, _ := site.host(hostB)
	if a.Exposure != (model.SeverityCounts{}) || a.Updates == nil || *a.Updates != 0 || a.ExposureAt.IsZero() || b.Exposure != head.Counts || *b.Updates != 1 {
		t.Errorf("a %+v %v, b %+v %v", a.Exposure, a.Updates, b.Exposure, b.Updates)
	}
	site.must(model.Generation{Stamp: site.stamp()})
	head.Generation = 2
	if up := site.must(model.Matched{Stamp: site.stamp(), Matches: []model.Match{head}, Gone: []string{"none"}, Hosts: change.Hosts}); len(up) != 0 || dirty() != 0 {
		t.Errorf("the same counts of another generation: %d items up, %d marked", len(up), dirty())
	}
	m := look(site, func(v *index.View) (model.Match, error) { m, _, err := v.MatchParts("d"); return m, err })
	if m.Generation != 2 || len(m.Parts) != 1 {
		t.Errorf("%+v", m)
	}
}
