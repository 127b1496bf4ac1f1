package apply_test

import (
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/storage/queue"
)

// rise numbers what a site emitted, as its outbox does.
func rise(from model.Seq, up []model.Item) []model.Item {
	for i := range up {
		up[i].Seq = from + model.Seq(i)
	}
	return up
}

func (w *world) refusals() (n int) {
	for _, e := range look(w, func(v *index.View) ([]model.AuditEntry, error) { return v.Audit(0, 1000) }) {
		if e.Action == "item.refuse" && !e.OK {
			n++
		}
	}
	return n
}

func TestAStatusRisesAlone(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	first := site.at
	up := site.receive(model.NodeID(hostA), item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a", Owner: "ops"}))
	hq.at = site.at
	hq.receive(model.NodeID(berlin), rise(1, up)...)
	row, _ := site.host(hostA)
	if row.FirstSeen < first || row.FirstSeen != row.LastSeen {
		t.Errorf("first seen %s, last seen %s", row.FirstSeen, row.LastSeen)
	}

	down := model.HostStatuses{Stamp: site.stamp(), Hosts: []model.HostStatusAt{{Host: hostA, Status: model.HostDown, LastSeen: row.LastSeen}}}
	up = site.must(down)
	if len(up) != 1 || up[0].Kind != model.ItemStatus || up[0].Key != hostA.String() || up[0].AsOf != down.At || len(up[0].Payload) > 120 {
		t.Fatalf("what rose is %+v", up)
	}
	hq.at = site.at
	hq.receive(model.NodeID(berlin), rise(2, up)...)
	for _, w := range []*world{site, hq} {
		h, _ := w.host(hostA)
		if h.Status != model.HostDown || h.StatusAt != down.At || h.LastSeen != row.LastSeen || h.Hostname != "a" || h.Owner != "ops" || h.FirstSeen != row.FirstSeen {
			t.Errorf("at the %s: %+v", w.role, h)
		}
		if n := w.counts(berlin); n.Hosts != 1 || n.ByStatus["down"] != 1 || len(n.ByStatus) != 1 {
			t.Errorf("counts at the %s: %+v", w.role, n)
		}
		w.agree("after the status")
	}
	// Judged again and found the same: nothing rises, the site's own row says when.
	again := model.HostStatuses{Stamp: site.stamp(), Hosts: down.Hosts}
	if up := site.must(again); len(up) != 0 {
		t.Errorf("no news, and %+v rose", up)
	}
	if h, _ := site.host(hostA); h.StatusAt != again.At {
		t.Errorf("judged at %s, want %s", h.StatusAt, again.At)
	}
	// A resync sends whole rows, with the beat in them, that there are no alerts, and which policies are held.
	up = rise(3, site.must(model.Resync{Stamp: site.stamp()}))
	if len(up) != 3 || up[0].Kind != model.ItemHost || up[1].Kind != model.ItemAlerts {
		t.Fatalf("a resync sent %+v", up)
	}
	hq.at = site.at
	for range 2 {
		hq.receive(model.NodeID(berlin), up...)
	}
	want, _ := site.host(hostA)
	if h, _ := hq.host(hostA); h.Beat() != want.Beat() {
		t.Errorf("after a resync: %+v, want %+v", h.Beat(), want.Beat())
	}
	hq.agree("after a resync")
}

func TestWhatAStatusMayNotDo(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	hq.enrolled(model.MemberSite, model.NodeID(oslo), "oslo")
	hq.receive(model.NodeID(berlin), item(t, 1, model.ItemHost, hostA.String(), model.Host{ID: hostA, Status: model.HostUp}))
	const day = model.Time(86_400_000)
	at := hq.at
	beat := func(s model.HostStatus, at model.Time) model.HostBeat {
		return model.HostBeat{Status: s, StatusAt: at, LastSeen: at}
	}
	for name, tc := range map[string]struct {
		from    model.SiteID
		key     string
		payload any
		text    string
	}{
		"another site's host":  {oslo, hostA.String(), beat(model.HostDown, at), "may not write it"},
		"an unknown host":      {berlin, hostB.String(), beat(model.HostDown, at), "no host"},
		"no id":                {berlin, "hosts", beat(model.HostDown, at), "not an id"},
		"an unknown status":    {berlin, hostA.String(), beat("asleep", at), "no status"},
		"no status":            {berlin, hostA.String(), model.HostBeat{LastSeen: at}, "no status"},
		"judged the day after": {berlin, hostA.String(), beat(model.HostDown, at+2*day), "set the clock"},
		"seen the day after":   {berlin, hostA.String(), model.HostBeat{Status: model.HostUp, StatusAt: at, LastSeen: at + 2*day}, "set the clock"},
		"no object":            {berlin, hostA.String(), []int{1}, "read status"},
		"nothing":              {berlin, hostA.String(), nil, "read status"},
	} {
		before := hq.refusals()
		mark := look(hq, func(v *index.View) (model.Position, error) { return v.Watermark(model.NodeID(tc.from)) })
		// One behind it goes on.
		hq.receive(model.NodeID(tc.from), item(t, mark.Seq+1, model.ItemStatus, tc.key, tc.payload), item(t, mark.Seq+2, model.ItemJudged, "judged", nil))
		e := hq.audit()
		if h, _ := hq.host(hostA); h.Status != model.HostUp || h.Site != berlin {
			t.Errorf("%s: the row became %+v", name, h)
		}
		if hq.refusals() != before+1 || !contains(e.Reason, tc.text) || e.Object != tc.key {
			t.Errorf("%s: audited as %+v", name, e)
		}
		if hq.counts(tc.from).JudgedAt == 0 {
			t.Errorf("%s: what came behind it was lost", name)
		}
		hq.agree(name)
	}
	// A clock that is a little ahead is no reason to lose a status, but nobody was seen in the future.
	mark := look(hq, func(v *index.View) (model.Position, error) { return v.Watermark(model.NodeID(berlin)) })
	now := hq.at
	hq.receive(model.NodeID(berlin), item(t, mark.Seq+1, model.ItemStatus, hostA.String(), beat(model.HostLate, now+day/2)))
	if h, _ := hq.host(hostA); h.Status != model.HostLate || h.LastSeen != now || h.StatusAt != now {
		t.Errorf("half a day ahead: %+v, now %s", h, now)
	}
}

// A site whose clock runs days ahead must not lose its rows; what it says of its hosts' reporting is
// then as fresh as it can be here, and no fresher.
func TestARowOfAWrongClockIsKept(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	const day = model.Time(86_400_000)
	far := hq.at + 30*day
	h := model.Host{
		ID: hostA, Facts: model.Facts{Hostname: "a", BootedAt: far}, Status: model.HostUp, StatusAt: far, LastSeen: far,
		FactsAt: far, FirstSeen: far, PackagesAt: hq.at + day/2, ExposureAt: far, CertificatesAt: far, NextCertExpiry: far,
	}
	at := hq.at
	hq.receive(model.NodeID(berlin), item(t, 1, model.ItemHost, hostA.String(), h), model.Item{Seq: 2, Kind: model.ItemJudged, Key: "judged", AsOf: far})
	got, ok := hq.host(hostA)
	if !ok || got.LastSeen != at || got.StatusAt != at || got.FactsAt != at || got.FirstSeen != at || got.ExposureAt != at || got.CertificatesAt != at ||
		got.BootedAt != at || got.PackagesAt != at+day/2 || got.NextCertExpiry != far {
		t.Errorf("now it is %s, and the row is %+v", at, got)
	}
	if n := hq.counts(berlin); n.JudgedAt != at {
		t.Errorf("judged at %s", n.JudgedAt)
	}
}

func TestAReportOfAWrongClockIsKept(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	at := site.at
	far := at + 30*86_400_000
	report := item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a", BootedAt: far})
	report.AsOf = far
	site.receive(model.NodeID(hostA), report)
	if h, ok := site.host(hostA); !ok || h.FactsAt != at || h.BootedAt != at || h.LastSeen != at {
		t.Errorf("now it is %s, and the row is %+v", at, h)
	}
}

// The outbox keeps the newest of each kind and key, and sends in the order of the numbers. Whatever it
// left out, the rows above end as those below.
func TestCompactedItemsEndAsTheRows(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	gw := model.NodeID(id(50))
	site.enrolled(model.MemberGateway, gw, "gw")
	out, err := queue.Open(filepath.Join(t.TempDir(), "outbox"), queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	keep := func(up []model.Item) {
		t.Helper()
		if _, err := out.Append(up); err != nil {
			t.Fatal(err)
		}
	}
	judge := func(h model.HostID, s model.HostStatus) {
		t.Helper()
		keep(site.must(model.HostStatuses{Stamp: site.stamp(), Hosts: []model.HostStatusAt{{Host: h, Status: s, LastSeen: site.at}}}))
	}
	facts := func(seq model.Seq, h model.HostID, name string) {
		t.Helper()
		keep(site.receive(gw, item(t, seq, model.ItemFacts, h.String(), model.Facts{Hostname: name})))
	}
	send := func() {
		t.Helper()
		items, err := out.After(0, 1000, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(items); i++ {
			if items[i].Seq <= items[i-1].Seq {
				t.Fatalf("item %d comes behind %d", items[i].Seq, items[i-1].Seq)
			}
		}
		hq.at = site.at
		for range 2 {
			hq.receive(model.NodeID(berlin), items...)
		}
		if err := out.DropThrough(out.Head()); err != nil {
			t.Fatal(err)
		}
		for _, h := range []model.HostID{hostA, hostB} {
			want, _ := site.host(h)
			if got, ok := hq.host(h); !ok || got.Hostname != want.Hostname || got.Beat() != want.Beat() {
				t.Errorf("host %s is %+v, at its site %+v", h, got, want)
			}
		}
		if n := hq.refusals(); n != 0 {
			t.Errorf("%d items were refused", n)
		}
		hq.agree("after a sending")
	}
	// While the controller is away: a new host goes down, comes back and reports again. Its first row is
	// compacted away, and its statuses must not be sent without it.
	facts(1, hostA, "a")
	facts(2, hostB, "b")
	judge(hostA, model.HostDown)
	judge(hostB, model.HostDown)
	facts(3, hostA, "a2")
	judge(hostB, model.HostUp)
	judge(hostB, model.HostLate)
	send()
	// A row, and a status behind it.
	facts(4, hostA, "a3")
	judge(hostA, model.HostDown)
	send()
	// A status, and a row behind it.
	judge(hostB, model.HostDown)
	facts(5, hostB, "b2")
	send()
}

// A host that went and came back leaves nothing of its first life.
func TestADeletedHostLeavesNoGhost(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	hq.enrolled(model.MemberSite, model.NodeID(oslo), "oslo")
	h := model.Host{
		ID: hostA, Facts: model.Facts{Hostname: "a"}, Status: model.HostDown, PackagesDigest: "d1", PackageN: 3,
		Exposure: model.SeverityCounts{High: 4}, ExposureAt: hq.at, Updates: new(3), Compliance: new(66.7),
	}
	hq.receive(model.NodeID(berlin), item(t, 1, model.ItemHost, hostA.String(), h))
	if n := hq.counts(model.SiteID{}); n.Updates != 3 || n.Compliance != 667 || n.ComplianceN != 1 || n.ByWorst["high"] != 1 || n.Exposure.High != 4 {
		t.Fatalf("all sites: %+v", n)
	}
	// Another site cannot take it away.
	hq.receive(model.NodeID(oslo), item(t, 1, model.ItemHostGone, hostA.String(), nil))
	if _, ok := hq.host(hostA); !ok || hq.refusals() != 1 {
		t.Fatal("a foreign site removed the host")
	}
	gone := item(t, 2, model.ItemHostGone, hostA.String(), nil)
	for range 2 { // sent again, it counts once
		hq.receive(model.NodeID(berlin), gone)
	}
	hq.receive(model.NodeID(berlin), item(t, 3, model.ItemHostGone, hostA.String(), nil)) // twice gone is no fault
	if hq.refusals() != 1 {
		t.Errorf("%d refusals", hq.refusals())
	}
	for _, site := range []model.SiteID{berlin, {}} {
		n := hq.counts(site)
		slot, ok := hq.trend(site, model.ResHour, hq.at)
		if !n.SameSums(model.SiteCounts{}) || !ok || !slot.Counts.SameSums(model.SiteCounts{}) {
			t.Errorf("left of %s: %+v, %+v", site, n, slot)
		}
	}
	// Its status has nothing to stand on, and whoever has the id next starts anew.
	hq.receive(model.NodeID(berlin), item(t, 4, model.ItemStatus, hostA.String(), model.HostBeat{Status: model.HostUp}))
	if _, ok := hq.host(hostA); ok || hq.refusals() != 2 {
		t.Error("a status made a host")
	}
	hq.receive(model.NodeID(oslo), item(t, 2, model.ItemHost, hostA.String(), model.Host{ID: hostA, Facts: model.Facts{Hostname: "new"}}))
	got, _ := hq.host(hostA)
	if got.Site != oslo || got.Status != model.HostUnknown || got.LastSeen != 0 || got.Updates != nil {
		t.Errorf("the next host of that id is %+v", got)
	}
	hq.agree("at the end")
}

// At a site, an inventory that no host has any more takes its findings with it.
func TestUpdatesFollowTheInventory(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	gw := model.NodeID(id(50))
	site.enrolled(model.MemberGateway, gw, "gw")
	site.must(model.Generation{Stamp: site.stamp()})
	site.receive(gw, item(t, 1, model.ItemPackages, hostA.String(), model.InventoryRef{Digest: "d1", PackageN: 9}))
	site.must(model.Matched{Stamp: site.stamp(), Matches: []model.Match{{Digest: "d1", Generation: 1, At: site.at, FixableN: new(5), Counts: model.SeverityCounts{Low: 6}}}})
	if h, _ := site.host(hostA); h.Updates == nil || *h.Updates != 5 || site.counts(berlin).Updates != 5 {
		t.Errorf("%+v, %+v", h, site.counts(berlin))
	}
	// Another host with the same inventory has them at once.
	up := site.receive(gw, item(t, 2, model.ItemPackages, hostB.String(), model.InventoryRef{Digest: "d1", PackageN: 9}))
	var risen model.Host
	if err := model.Decode(up[0].Payload, &risen); err != nil || risen.Updates == nil || *risen.Updates != 5 || site.counts(berlin).Updates != 10 {
		t.Errorf("%+v, %v, %+v", risen, err, site.counts(berlin))
	}
	// One update more to make, the same vulnerabilities.
	up = site.must(model.Matched{Stamp: site.stamp(), Matches: []model.Match{{Digest: "d1", Generation: 1, At: site.at, FixableN: new(6), Counts: model.SeverityCounts{Low: 6}}}})
	if len(up) != 2 || site.counts(berlin).Updates != 12 {
		t.Errorf("%d rose, %+v", len(up), site.counts(berlin))
	}
	site.receive(gw, item(t, 3, model.ItemPackages, hostA.String(), model.InventoryRef{Digest: "d2", PackageN: 1}))
	if h, _ := site.host(hostA); h.Updates != nil || site.counts(berlin).Updates != 6 {
		t.Errorf("after another inventory: %+v, %+v", h, site.counts(berlin))
	}
	site.agree("at the end")
}

func TestBadRowsAreRefusedAndTheRestGoesOn(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	gw := model.NodeID(id(50))
	site.enrolled(model.MemberGateway, gw, "gw")
	huge := make([]byte, 1<<20)
	for i := range huge {
		huge[i] = 'x'
	}
	for name, payload := range map[string]string{
		"a host name of a megabyte": `{"id":"` + hostA.String() + `","hostname":"` + string(huge) + `"}`,
		"invalid UTF-8":             `{"id":"` + hostA.String() + "\",\"hostname\":\"\xff\xfe\"}",
		"a terminal's escape":       `{"id":"` + hostA.String() + `","hostname":"a\u001b[2J"}`,
		"a count below zero":        `{"id":"` + hostA.String() + `","hostname":"a","cpus":-1}`,
		"no JSON":                   `{"id":`,
	} {
		for _, w := range []*world{hq, site} {
			origin, kind := model.NodeID(berlin), model.ItemHost
			good := item(t, 0, kind, hostB.String(), model.Host{ID: hostB, Facts: model.Facts{Hostname: "b"}})
			if w == site {
				origin, kind = gw, model.ItemFacts
				good = item(t, 0, kind, hostB.String(), model.Facts{Hostname: "b"})
			}
			mark := look(w, func(v *index.View) (model.Position, error) { return v.Watermark(origin) })
			before := w.refusals()
			good.Seq = mark.Seq + 2
			if _, err := w.do(model.Received{Stamp: w.stamp(), Origin: origin, Epoch: 1, Items: []model.Item{
				{Seq: mark.Seq + 1, Kind: kind, Key: hostA.String(), Payload: []byte(payload)}, good,
			}}); err != nil {
				t.Fatalf("%s, %s: %v", w.role, name, err)
			}
			if _, ok := w.host(hostA); ok {
				t.Errorf("%s: %s was stored", w.role, name)
			}
			if _, ok := w.host(hostB); !ok {
				t.Errorf("%s: %s stopped the item behind it", w.role, name)
			}
			if e := w.audit(); w.refusals() != before+1 || len(e.Reason) > 600 {
				t.Errorf("%s: %s was audited as %+v", w.role, name, e)
			}
		}
	}
}
