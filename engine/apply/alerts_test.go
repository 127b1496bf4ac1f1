package apply_test

import (
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

func alertID(n byte) model.AlertID { return model.AlertID(id(100 + n)) }

func (w *world) rule(name string) model.Rule {
	return look(w, func(v *index.View) (model.Rule, error) { r, _, err := v.Rule(name); return r, err })
}

func (w *world) alert(id model.AlertID) (a model.Alert, ok bool) {
	a = look(w, func(v *index.View) (model.Alert, error) {
		a, found, err := v.Alert(id)
		ok = found
		return a, err
	})
	return a, ok
}

func (w *world) alertCounts(s model.SiteID) model.AlertCounts {
	return look(w, func(v *index.View) (model.AlertCounts, error) { n, _, err := v.AlertCounts(s); return n, err })
}

func (w *world) watched(rule string) (n int) {
	look(w, func(v *index.View) (int, error) {
		return 0, v.EachWatch(rule, func(model.Watch) error { n++; return nil })
	})
	return n
}

// sound proves that the indexes and the counts are what the rows say.
func (w *world) sound() {
	w.t.Helper()
	r, err := w.store.Check(w.t.Context())
	if err != nil || !r.OK() {
		w.t.Fatalf("%v, %q", err, r.Faults)
	}
}

// alertSite is a site with a host and a rule that waits two seconds either way.
func alertSite(t *testing.T) *world {
	w := newWorld(t, model.RoleSite, model.NodeID(berlin))
	for i, h := range []model.HostID{hostA, hostB} {
		w.enrolled(model.MemberHost, model.NodeID(h), []string{"a", "b"}[i])
		w.receive(model.NodeID(h), item(t, 1, model.ItemFacts, h.String(), model.Facts{Hostname: []string{"a", "b"}[i]}))
	}
	w.must(model.PutRule{Stamp: w.stamp(), Rule: model.Rule{Name: "down", Scope: model.ScopeHost, When: "status:down", Severity: model.AlertCritical, ForS: 2, ClearS: 2}})
	return w
}

func (w *world) judge(host model.HostID, holds bool, alert model.AlertID) []model.Item {
	w.t.Helper()
	r := w.rule("down")
	return w.must(model.JudgeAlerts{Stamp: w.stamp(), Judged: []model.Judgement{{Rule: "down", Seen: r.At, Host: host, Holds: holds, Alert: alert, Label: "a.example.org", Value: "down"}}})
}

func TestAlertLife(t *testing.T) {
	w := alertSite(t)
	if up := w.judge(hostA, true, alertID(1)); len(up) != 0 || w.watched("down") != 1 {
		t.Fatalf("at once: %v, %d watched", up, w.watched("down"))
	}
	w.judge(hostA, true, alertID(2))
	up := w.judge(hostA, true, alertID(3))
	a, ok := w.alert(alertID(3))
	if !ok || a.State != model.AlertOpen || a.Host != hostA || a.Label != "a.example.org" || a.Severity != model.AlertCritical || a.OpenedAt <= a.SinceAt || a.LastTrueAt != a.OpenedAt {
		t.Fatalf("%+v, %v", a, ok)
	}
	var n model.AlertCounts
	if len(up) != 1 || up[0].Kind != model.ItemAlerts || up[0].Key != "alerts" || model.Decode(up[0].Payload, &n) != nil || n.Critical != 1 || n.Newest.ID != a.ID || n.Site != berlin {
		t.Fatalf("went up: %v", up)
	}
	// One for each rule and object, however often it is judged and under whatever id.
	for i := range byte(5) {
		if up := w.judge(hostA, true, alertID(10+i)); len(up) != 0 {
			t.Fatalf("again: %v", up)
		}
	}
	w.judge(hostB, true, alertID(20))
	w.judge(hostB, true, alertID(20))
	w.judge(hostB, true, alertID(20))
	if n := w.alertCounts(berlin); n.Critical != 2 || n.Newest.ID != alertID(20) {
		t.Fatalf("%+v", n)
	}
	ack := model.AckAlert{Stamp: w.stamp(), Alert: a.ID, Note: "on my way"}
	for range 2 {
		w.must(ack)
		a, _ = w.alert(a.ID)
		if n := w.alertCounts(berlin); a.State != model.AlertAcknowledged || a.Ack != (model.AlertAct{By: ack.Actor, At: ack.At, Note: ack.Note}) || n.Critical != 1 || n.Acknowledged != 1 {
			t.Fatalf("%+v, %+v", a, n)
		}
	}
	if e := w.audit(); e.Action != "alert.acknowledge" || e.Object != a.ID.String() || e.Detail["note"] != "on my way" {
		t.Errorf("audited as %+v", e)
	}
	w.judge(hostA, true, alertID(30)) // acknowledged, and so not opened again
	w.judge(hostA, false, model.AlertID{})
	w.judge(hostA, true, alertID(31)) // within the hysteresis
	w.judge(hostA, false, model.AlertID{})
	w.judge(hostA, false, model.AlertID{})
	if a, _ = w.alert(a.ID); a.State != model.AlertAcknowledged {
		t.Fatalf("%+v", a)
	}
	w.judge(hostA, false, model.AlertID{})
	if a, _ = w.alert(a.ID); a.State != model.AlertResolved || a.Reason != model.EndCleared || a.End.By != "system" || a.LastTrueAt >= a.End.At || a.Ack.Note == "" {
		t.Fatalf("%+v", a)
	}
	if n := w.alertCounts(berlin); n.Critical != 1 || n.Acknowledged != 0 || n.Ended != 1 || n.Newest.ID != alertID(20) || w.watched("down") != 1 {
		t.Fatalf("%+v, %d watched", n, w.watched("down"))
	}
	for range 3 {
		w.judge(hostA, true, alertID(40))
	}
	if a, ok := w.alert(alertID(40)); !ok || a.State != model.AlertOpen {
		t.Fatalf("it does not open anew: %+v", a)
	}
	w.refused(fault.Conflict, model.AckAlert{Stamp: w.stamp(), Alert: a.ID})
	w.must(model.AckAlert{Stamp: w.stamp(), Alert: a.ID, Resolve: true}) // is so already
	w.refused(fault.NotFound, model.AckAlert{Stamp: w.stamp(), Alert: alertID(99)})
	w.refused(fault.TooLarge, model.AckAlert{Stamp: w.stamp(), Alert: a.ID, Note: strings.Repeat("x", alert.MaxNote+1)})
	w.sound()
}

// What an operator resolves stays so until it has ceased to hold.
func TestResolvedByOperator(t *testing.T) {
	w := alertSite(t)
	for range 3 {
		w.judge(hostA, true, alertID(1))
	}
	end := model.AckAlert{Stamp: w.stamp(), Alert: alertID(1), Resolve: true, Note: "known"}
	for range 2 {
		w.must(end)
		if a, _ := w.alert(alertID(1)); a.State != model.AlertResolved || a.Reason != model.EndOperator || a.End.By != "account:ann" || a.End.At != end.At || a.End.Note != "known" {
			t.Fatalf("%+v", a)
		}
	}
	if n := w.alertCounts(berlin); n.Critical != 0 || n.Ended != 1 || n.Newest != nil {
		t.Fatalf("%+v", n)
	}
	for i := range byte(5) {
		w.judge(hostA, true, alertID(2+i))
	}
	if n := w.alertCounts(berlin); n.Critical != 0 {
		t.Fatalf("it opened again while it held: %+v", n)
	}
	for range 3 {
		w.judge(hostA, false, model.AlertID{})
	}
	for range 3 {
		w.judge(hostA, true, alertID(50))
	}
	if n := w.alertCounts(berlin); n.Critical != 1 || n.Newest.ID != alertID(50) {
		t.Fatalf("it did not open again: %+v", n)
	}
	w.sound()
}

// A rule that goes, is switched off or changes, and a host that goes.
func TestRulesEndTheirAlerts(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(*world) model.Change
		why  model.AlertEnd
	}{
		{"removed", func(w *world) model.Change { return model.DropRule{Stamp: w.stamp(), Name: "down"} }, model.EndRuleGone},
		{"switched off", func(w *world) model.Change {
			r := w.rule("down")
			r.Disabled = true
			return model.PutRule{Stamp: w.stamp(), Rule: r}
		}, model.EndRuleOff},
	} {
		w := alertSite(t)
		for range 3 {
			w.judge(hostA, true, alertID(1))
		}
		w.judge(hostB, true, alertID(2))
		seen := w.rule("down").At
		c := tc.end(w)
		for range 2 {
			w.must(c)
			if a, _ := w.alert(alertID(1)); a.State != model.AlertResolved || a.Reason != tc.why || w.watched("down") != 0 || w.alertCounts(berlin).Critical != 0 {
				t.Errorf("%s: %+v", tc.name, a)
			}
		}
		// What was judged before comes too late.
		w.must(model.JudgeAlerts{Stamp: w.stamp(), Judged: []model.Judgement{{Rule: "down", Seen: seen, Host: hostA, Holds: true, Alert: alertID(3)}}})
		if w.watched("down") != 0 {
			t.Errorf("%s: a rule that is no more is judged", tc.name)
		}
		w.sound()
	}
	// A host that is gone by the time it is judged.
	w := alertSite(t)
	for range 3 {
		w.judge(hostA, true, alertID(1))
	}
	tx := w.store.Begin()
	h, _ := w.host(hostA)
	if err := tx.DeleteHost(hostA); err != nil {
		t.Fatal(err)
	}
	n := w.counts(berlin)
	n.Add(&h, -1)
	all := w.counts(model.SiteID{})
	all.Add(&h, -1)
	if err := tx.PutCounts(n); err != nil {
		t.Fatal(err)
	}
	if err := tx.PutCounts(all); err != nil {
		t.Fatal(err)
	}
	w.n++
	if err := tx.Commit(w.n, false); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w.judge(hostA, false, model.AlertID{})
		if a, _ := w.alert(alertID(1)); a.State != model.AlertResolved || a.Reason != model.EndHostGone || w.watched("down") != 0 {
			t.Errorf("%+v", a)
		}
	}
	w.sound()

	w = alertSite(t)
	r := w.rule("down")
	r.ForS = 0
	w.must(model.PutRule{Stamp: w.stamp(), Rule: r})
	w.must(model.JudgeAlerts{Stamp: w.stamp(), Judged: []model.Judgement{
		{Rule: "down", Seen: r.At, Host: hostA, Holds: true, Alert: alertID(1)},                             // of the rule as it was
		{Rule: "down", Seen: w.rule("down").At, Host: model.HostID(id(77)), Holds: true, Alert: alertID(2)}, // no such host
		{Rule: "down", Seen: w.rule("down").At, Holds: true, Alert: alertID(3)},                             // a host's rule, of the site
		{Rule: "site-offline", Seen: w.rule("site-offline").At, Host: hostA, Holds: true, Alert: alertID(4)},
		{Rule: "none", Holds: true, Alert: alertID(5)},
	}})
	if n := w.alertCounts(berlin); n != (model.AlertCounts{}) || w.watched("down") != 0 {
		t.Errorf("%+v", n)
	}
	w.refused(fault.Invalid, model.JudgeAlerts{Stamp: w.stamp(), Judged: []model.Judgement{{Rule: "down", Seen: w.rule("down").At, Host: hostA, Holds: true}}})
}

func TestPutRule(t *testing.T) {
	w := newWorld(t, model.RoleSite, model.NodeID(berlin))
	rules := look(w, func(v *index.View) ([]model.Rule, error) { return v.Rules() })
	if len(rules) != len(alert.Defaults()) || rules[0].Origin != model.NodeID(berlin) || rules[0].At == 0 {
		t.Fatalf("a new site has %+v", rules)
	}
	put := model.PutRule{Stamp: w.stamp(), Rule: model.Rule{Name: "many", Scope: model.ScopeSite, When: "hosts.down > 3", Severity: model.AlertInfo, By: "mallory", At: 1, Origin: groupID}}
	w.must(put)
	got := w.rule("many")
	if got.By != "account:ann" || got.At != put.At || got.Origin != model.NodeID(berlin) || w.audit().Action != "rule.add" {
		t.Errorf("%+v, %+v", got, w.audit())
	}
	before := w.audit()
	again := put
	again.Stamp = w.stamp()
	w.must(again)
	if w.audit().Seq != before.Seq || w.rule("many").At != put.At {
		t.Error("the same again was a change")
	}
	again.Rule.Severity = model.AlertCritical
	w.must(again)
	if w.audit().Action != "rule.change" {
		t.Errorf("%+v", w.audit())
	}
	bad := put
	bad.Rule.Name = strings.Repeat("n", 1<<20)
	w.refused(fault.Invalid, bad)
	bad.Rule.Name = "controller:many"
	w.refused(fault.Invalid, bad)
	for i := range alert.MaxRules - len(alert.Defaults()) - 1 {
		put.Rule.Name = "r" + time.Duration(i).String()
		w.must(put)
	}
	put.Rule.Name = "one-more"
	w.refused(fault.Conflict, put)
	hq := newWorld(t, model.RoleController, groupID)
	if rules := look(hq, func(v *index.View) ([]model.Rule, error) { return v.Rules() }); len(rules) != 0 {
		t.Errorf("a new controller has %+v", rules)
	}
	hq.refused(fault.Invalid, model.JudgeAlerts{Stamp: hq.stamp()})
	hq.refused(fault.Invalid, model.AckAlert{Stamp: hq.stamp(), Alert: alertID(1)})
}

// The rules of a controller go down to its sites, stand beside theirs and are not theirs to change.
func TestRulesFromAbove(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	put := model.PutRule{Stamp: hq.stamp(), Rule: model.Rule{Name: "down", Scope: model.ScopeHost, When: "status:down", Severity: model.AlertWarning}}
	hq.must(put)
	items := look(hq, func(v *index.View) ([]model.Item, error) {
		items, _, err := v.Directives(model.NodeID(berlin), 0, 100, 1<<20, true)
		return items, err
	})
	w := alertSite(t)
	for range 2 {
		w.receive(groupID, items...)
		r := w.rule("controller:down")
		if r.Severity != model.AlertWarning || r.Origin != groupID || w.rule("down").Severity != model.AlertCritical {
			t.Fatalf("%+v", r)
		}
	}
	w.refused(fault.Denied, model.DropRule{Stamp: w.stamp(), Name: "controller:down"})
	drop := model.DropRule{Stamp: hq.stamp(), Name: "down"}
	hq.must(drop)
	hq.must(drop)
	items = look(hq, func(v *index.View) ([]model.Item, error) {
		items, _, err := v.Directives(model.NodeID(berlin), items[len(items)-1].Seq, 100, 1<<20, true)
		return items, err
	})
	if len(items) != 1 || items[0].Kind != model.ItemRuleGone || items[0].Key != "rule:down" {
		t.Fatalf("%+v", items)
	}
	w.receive(groupID, items...)
	if w.rule("controller:down").Name != "" || w.rule("down").Name == "" {
		t.Error("the wrong rule went")
	}
	w.receive(groupID, item(t, 90, model.ItemRule, "rule:other", put.Rule), item(t, 91, model.ItemRule, "rule:down", model.Rule{Name: "down"}), item(t, 92, model.ItemRuleGone, "down", nil))
	if e := w.audit(); e.Action != "item.refuse" || w.rule("controller:other").Name != "" {
		t.Errorf("%+v", e)
	}
}

// What a site says of its alerts is kept as said, within bounds, under the site whose link it came by.
func TestAlertsOfSite(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	n := model.AlertCounts{Site: oslo, At: hq.at + 1e9, Critical: 3, Acknowledged: 1, Ended: 7, Newest: &model.AlertRef{ID: alertID(1), Rule: "down", Severity: model.AlertCritical, Label: "a\x1b[2J"}}
	for range 2 {
		hq.receive(model.NodeID(berlin), item(t, 1, model.ItemAlerts, "alerts", n))
	}
	got := hq.alertCounts(berlin)
	if got.Critical != 3 || got.Site != berlin || got.At > hq.at || got.Ended != 0 || strings.Contains(got.Newest.Label, "\x1b") || hq.alertCounts(oslo).Critical != 0 {
		t.Errorf("%+v", got)
	}
	seq := hq.audit().Seq
	bad := n
	bad.Critical = -1
	hq.receive(model.NodeID(berlin), item(t, 2, model.ItemAlerts, "alerts", bad), item(t, 3, model.ItemAlerts, "alerts", "no"))
	if e := hq.audit(); e.Seq != seq+2 || hq.alertCounts(berlin).Critical != 3 {
		t.Errorf("%+v", e)
	}
	hq.sound()
}

// Resolved alerts are forgotten after their time, the oldest first, and all goes up again in a resync.
func TestEndedAlertsGo(t *testing.T) {
	w := alertSite(t)
	r := w.rule("down")
	r.ForS, r.ClearS = 0, 0
	w.must(model.PutRule{Stamp: w.stamp(), Rule: r})
	for i := range byte(20) {
		w.judge(hostA, true, alertID(i))
		w.judge(hostA, false, model.AlertID{})
	}
	if n := w.alertCounts(berlin); n.Ended != 20 {
		t.Fatalf("%+v", n)
	}
	w.at = w.at.Add(alert.Keep - 15*time.Second)
	w.judge(hostA, true, alertID(50))
	w.judge(hostA, false, model.AlertID{})
	n := w.alertCounts(berlin)
	if _, ok := w.alert(alertID(0)); ok || n.Ended >= 20 || n.Ended < 2 {
		t.Errorf("%+v", n)
	}
	if _, ok := w.alert(alertID(19)); !ok {
		t.Error("a young one went")
	}
	w.judge(hostB, true, alertID(60))
	kinds := map[model.ItemKind]int{}
	for _, i := range w.must(model.Resync{Stamp: w.stamp()}) {
		kinds[i.Kind]++
	}
	if kinds[model.ItemAlerts] != 1 || kinds[model.ItemPolicies] != 1 {
		t.Errorf("a resync sent %v", kinds)
	}
	w.sound()
}

// A site whose rows were made anew has no alerts until they open again: its controller shows none of before.
func TestAlertsAfterARebuild(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	w := alertSite(t)
	w.judge(hostA, true, alertID(1))
	w.judge(hostA, true, alertID(2))
	hq.receive(model.NodeID(berlin), rise(1, w.judge(hostA, true, alertID(3)))...)
	if n := hq.alertCounts(berlin); n.Critical != 1 || n.Newest == nil {
		t.Fatalf("before: %+v", n)
	}
	w = alertSite(t)
	again := w.must(model.Resync{Stamp: w.stamp()})
	hq.at = w.at
	hq.must(model.Received{Stamp: hq.stamp(), Origin: model.NodeID(berlin), Epoch: 2, Items: rise(1, again)})
	if n := hq.alertCounts(berlin); n.Critical != 0 || n.Newest != nil || n.At == 0 {
		t.Errorf("the controller still has %+v", n)
	}
	hq.sound()
}
