package apply_test

import (
	"fmt"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

func (w *world) refusedRow() apply.Refusals {
	return look(w, func(v *index.View) (apply.Refusals, error) { return v.Refusals() })
}

func rubbish(from, n int) (items []model.Item) {
	for i := range n {
		items = append(items, model.Item{Seq: model.Seq(from + i), Kind: "rubbish", Key: fmt.Sprint(from + i)})
	}
	return items
}

// One that sends rubbish all day fills the audit record by its ration and no more; all of it is counted, and the next day
// says how much that was.
func TestRefusedItemsAreRationed(t *testing.T) {
	w := alertSite(t)
	before := w.audit().Seq
	const n = 512
	for i := range 3 {
		w.receive(model.NodeID(hostA), rubbish(10+i*n, n)...)
	}
	if got := w.audit().Seq - before; got != 16 {
		t.Fatalf("%d refused items left %d audit entries", 3*n, got)
	}
	if e := w.audit(); e.Action != "item.refuse" || e.Object != "25" || e.Detail["origin"] != hostA.String() {
		t.Errorf("%+v", e)
	}
	w.receive(model.NodeID(hostB), rubbish(10, 2)...) // the ration of one is not that of another
	if got := w.audit().Seq - before; got != 18 {
		t.Errorf("%d audit entries after two of another agent", got)
	}
	if x := w.refusedRow(); x.Total["agent/invalid"] != 3*n+2 || len(x.By) != 2 || x.By[0].More != 3*n-16 {
		t.Errorf("%+v", x)
	}
	w.at += 86_400_000
	w.receive(model.NodeID(hostB), rubbish(20, 1)...)
	all := look(w, func(v *index.View) ([]model.AuditEntry, error) { return v.Audit(0, 2) })
	if e := all[1]; e.Action != "item.refuse_more" || e.Actor != "system" || e.Object != hostA.String() || e.Detail["items"] != fmt.Sprint(3*n-16) || e.Detail["day"] != "2023-11-14" {
		t.Errorf("%+v", e)
	}
	if e := all[0]; e.Action != "item.refuse" || e.Object != "20" {
		t.Errorf("%+v", e)
	}
	w.at -= 3600_000 * 12 // the clock of another node, a little before midnight: no other ration
	before = w.audit().Seq
	w.receive(model.NodeID(hostA), rubbish(5000, n)...)
	w.at += 3600_000 * 12
	w.receive(model.NodeID(hostA), rubbish(6000, n)...)
	if got := w.audit().Seq - before; got != 16 {
		t.Errorf("around midnight: %d audit entries", got)
	}
	w.sound()
}

// Many origins share what is left: the audit record has a bound, however many agents there are.
func TestRefusedItemsOfManyOrigins(t *testing.T) {
	w := newWorld(t, model.RoleSite, model.NodeID(berlin))
	last := func() model.Seq {
		return look(w, func(v *index.View) ([]model.AuditEntry, error) { return v.Audit(0, 1) })[0].Seq
	}
	for i := range 200 {
		agent := model.NodeID{0: 0xaa, 15: byte(i)}
		w.enrolled(model.MemberGateway, agent, fmt.Sprint("gw", i))
		seq := last()
		w.receive(agent, rubbish(1, 20)...)
		got := last() - seq
		if want := model.Seq(16); i < 129 && got != want || i >= 129 && got != 0 {
			t.Fatalf("agent %d: %d audit entries", i, got)
		}
	}
	if x := w.refusedRow(); len(x.By) != 129 || !x.By[128].Origin.IsZero() || x.Total["agent/invalid"] != 4000 {
		t.Errorf("%d origins, %v", len(x.By), x.Total)
	}
}

// Entries of earlier versions of the log do what they did when other nodes applied them.
func TestRefusedItemsOfOldEntries(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	w.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	for version, want := range []model.Seq{16, 40, 40, 40, 40, 0} { // of version 5 the ration is used up by then
		before := w.audit().Seq
		w.version = uint32(version)
		w.receive(model.NodeID(berlin), rubbish(100+version*100, 40)...)
		if got := w.audit().Seq - before; got != want {
			t.Errorf("version %d: %d audit entries, want %d", version, got, want)
		}
	}
	if x := w.refusedRow(); x.Total["site/invalid"] != 80 {
		t.Errorf("%+v", x)
	}
}

// What a site says of all its hosts together is held to bounds as what it says of one.
func TestRollUpOfASiteIsChecked(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	stored := func() model.Exposure {
		return look(hq, func(v *index.View) (model.Exposure, error) { e, _, err := v.Exposure(berlin); return e, err })
	}
	seq := model.Seq(0)
	send := func(x model.Exposure) {
		t.Helper()
		seq++
		hq.receive(model.NodeID(berlin), item(t, seq, model.ItemExposure, "exposure", x))
	}
	good := model.Exposure{Site: oslo, At: hq.at + 1e12, AffectedHosts: 7, Counts: model.SeverityCounts{Critical: 5}}
	for i := range 50_000 {
		good.Top = append(good.Top, model.TopEntry{Vulnerability: fmt.Sprint("CVE-", i), Severity: model.SeverityHigh, Hosts: i})
	}
	send(good)
	e := stored()
	if e.Site != berlin || len(e.Top) != 20 || e.At > hq.at || e.Counts.Critical != 5 || e.AffectedHosts != 7 || hq.refusals() != 0 {
		t.Fatalf("%d top, at %s, now %s: %+v", len(e.Top), e.At, hq.at, e.Counts)
	}
	for what, bad := range map[string]model.Exposure{
		"hosts":      {AffectedHosts: -7},
		"count":      {Counts: model.SeverityCounts{Critical: -5}},
		"advisories": {AdvisoryN: 1 << 40},
		"characters": {Top: []model.TopEntry{{Vulnerability: "\x1b[2Jx"}}},
		"length":     {Top: []model.TopEntry{{Vulnerability: fmt.Sprintf("%0300d", 1)}}},
		"top hosts":  {Top: []model.TopEntry{{Vulnerability: "x", Hosts: -1}}},
	} {
		n := hq.refusals()
		send(bad)
		if hq.refusals() != n+1 || stored().AffectedHosts != 7 {
			t.Errorf("%s: %d refusals, %+v", what, hq.refusals()-n, stored())
		}
	}
	hq.version = 4 // other nodes have applied it so
	send(model.Exposure{AffectedHosts: -7})
	if stored().AffectedHosts != -7 {
		t.Errorf("an entry of version 4: %+v", stored())
	}
}
