package apply_test

import (
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// What an operator of the controller decides about an alert waits for the site, is done there once, and comes back.
func TestAskedAlert(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	w := alertSite(t)
	w.judge(hostA, true, alertID(1))
	w.judge(hostA, true, alertID(2))
	w.judge(hostA, true, alertID(3))

	ask := model.AskAlert{Stamp: hq.stamp(), Site: berlin, Alert: alertID(3), Note: "on it"}
	hq.must(ask)
	if e := hq.audit(); e.Action != "alert.acknowledge" || e.Actor != "account:ann" || e.Object != alertID(3).String() || e.Detail["site"] != "berlin" || !e.OK {
		t.Errorf("%+v", e)
	}
	ask.Note = "on it now"
	hq.must(ask) // asked again, sent once, as it was asked last
	down := hq.goesDown(berlin, 0)
	if len(down) != 1 || down[0].Kind != model.ItemAlertAsk || !strings.Contains(string(down[0].Payload), "on it now") {
		t.Fatalf("goes down: %v", down)
	}
	var up []model.Item
	for range 2 {
		up = append(up, w.receive(groupID, down...)...)
	}
	a, _ := w.alert(alertID(3))
	if a.State != model.AlertAcknowledged || a.Ack.By != "account:ann account:ann" || a.Ack.Note != "on it now" || a.Ack.At <= a.OpenedAt {
		t.Fatalf("%+v", a)
	}
	if e := w.audit(); e.Action != "alert.acknowledge" || e.Actor != "account:ann account:ann" || !e.OK {
		t.Errorf("%+v", e)
	}
	var counts, done *model.Item
	for i := range up {
		switch up[i].Kind {
		case model.ItemAlerts:
			counts = &up[i]
		case model.ItemAlertDone:
			done = &up[i]
		}
	}
	if len(up) != 2 || counts == nil || done == nil {
		t.Fatalf("went up: %v", up)
	}
	up[0].Seq, up[1].Seq = 1, 2
	for range 2 {
		hq.receive(model.NodeID(berlin), up...)
	}
	if e := hq.audit(); e.Action != "alert.acknowledge.done" || !e.OK || e.Detail["by"] != "account:ann" || e.Object != alertID(3).String() {
		t.Errorf("%+v", e)
	}
	if n := hq.alertCounts(berlin); n.Acknowledged != 1 || n.Critical != 0 {
		t.Errorf("%+v", n)
	}
	if left := hq.goesDown(berlin, 0); len(left) != 0 {
		t.Errorf("still goes down: %v", left)
	}
	w.sound()
	hq.sound()
}

// What cannot be done is said, at both ends, and stops nothing behind it.
func TestAskedAlertRefused(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	for _, c := range []struct {
		kind fault.Kind
		ask  model.AskAlert
	}{
		{fault.NotFound, model.AskAlert{Site: oslo, Alert: alertID(1)}},
		{fault.Invalid, model.AskAlert{Site: berlin}},
		{fault.Invalid, model.AskAlert{Site: berlin, Alert: alertID(1), Note: "a\nb"}},
		{fault.TooLarge, model.AskAlert{Site: berlin, Alert: alertID(1), Note: strings.Repeat("n", 1025)}},
	} {
		c.ask.Stamp = hq.stamp()
		hq.refused(c.kind, c.ask)
	}
	w := alertSite(t)
	w.refused(fault.Invalid, model.AskAlert{Stamp: w.stamp(), Site: berlin, Alert: alertID(1)})

	hq.must(model.AskAlert{Stamp: hq.stamp(), Site: berlin, Alert: alertID(9), Resolve: true})
	down := hq.goesDown(berlin, 0)
	bad := item(t, down[0].Seq+1, model.ItemAlertAsk, "alert-acknowledge:x", model.AlertAsk{Alert: alertID(9), By: "account:ann"})
	worse := item(t, down[0].Seq+2, model.ItemAlertAsk, model.AlertAsk{Alert: alertID(9)}.Key(), model.AlertAsk{Alert: alertID(9), By: "a\x1b"})
	up := w.receive(groupID, down[0], bad, worse)
	var done model.AlertDone
	if len(up) != 1 || model.Decode(up[0].Payload, &done) != nil || done.OK || !done.Resolve || !strings.Contains(done.Reason, "there is no alert") {
		t.Fatalf("%v, %+v", up, done)
	}
	if e := w.audit(); e.Action != "item.refuse" {
		t.Errorf("%+v", e)
	}
	up[0].Seq = 1
	forged := up[0]
	forged.Seq, forged.Key = 2, "alert-resolve:x"
	hq.receive(model.NodeID(berlin), up[0])
	if e := hq.audit(); e.Action != "alert.resolve.done" || e.OK || e.Reason == "" {
		t.Errorf("%+v", e)
	}
	if left := hq.goesDown(berlin, 0); len(left) != 0 {
		t.Errorf("still goes down: %v", left)
	}
	hq.receive(model.NodeID(berlin), forged)
	if e := hq.audit(); e.Action != "item.refuse" {
		t.Errorf("%+v", e)
	}
	w.sound()
	hq.sound()
}

// A site says what came of a decision: once for each that was made, and never of one that nobody made.
func TestForgedDoneOfAnAlert(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	hq.enrolled(model.MemberSite, model.NodeID(oslo), "oslo")
	d := model.AlertDone{Alert: alertID(77), Resolve: true, By: "account:ann", OK: true}
	key := (model.AlertAsk{Alert: d.Alert, Resolve: true}).Key()
	before := hq.audit()
	hq.receive(model.NodeID(berlin), item(t, 1, model.ItemAlertDone, key, d))
	if e := hq.audit(); e.Seq != before.Seq {
		t.Errorf("nobody asked: %+v", e)
	}
	hq.must(model.AskAlert{Stamp: hq.stamp(), Site: oslo, Alert: d.Alert, Resolve: true})
	before = hq.audit()
	hq.receive(model.NodeID(berlin), item(t, 2, model.ItemAlertDone, key, d))
	if e := hq.audit(); e.Seq != before.Seq || len(hq.goesDown(oslo, 0)) != 1 {
		t.Errorf("another site was asked: %+v", e)
	}
	for i := range 3 {
		hq.receive(model.NodeID(oslo), item(t, model.Seq(1+i), model.ItemAlertDone, key, d))
	}
	if e := hq.audit(); e.Seq != before.Seq+1 || e.Action != "alert.resolve.done" || len(hq.goesDown(oslo, 0)) != 0 {
		t.Errorf("said three times: %d entries, %+v", e.Seq-before.Seq, e)
	}
	hq.sound()
}

// Each ask about an alert is answered by itself: what was done of the first leaves the second, with its other note, on its way.
// Entries of earlier versions are applied as the nodes of before applied them.
func TestAskedAgainWhileTheFirstIsUnderWay(t *testing.T) {
	for _, version := range []uint32{0, 5, 6} {
		hq := newWorld(t, model.RoleController, groupID)
		hq.version = version
		hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
		w := alertSite(t)
		for i := range 3 {
			w.judge(hostA, true, alertID(byte(1+i)))
		}
		ask := model.AskAlert{Stamp: hq.stamp(), Site: berlin, Alert: alertID(3), Note: "on it"}
		hq.must(ask)
		first := hq.goesDown(berlin, 0)
		ask.Stamp, ask.Note = hq.stamp(), "handed to the night shift"
		hq.must(ask)
		answer := func(seq model.Seq, down []model.Item) {
			t.Helper()
			n := 0
			for _, up := range w.receive(groupID, down...) {
				if up.Kind == model.ItemAlertDone {
					up.Seq = seq
					hq.receive(model.NodeID(berlin), up)
					n++
				}
			}
			if n != 1 {
				t.Fatalf("version %d: %d answers", version, n)
			}
		}
		asked := hq.audit()
		answer(1, first)
		left := hq.goesDown(berlin, 0)
		if version == 5 {
			if e := hq.audit(); len(left) != 0 || e.Seq != asked.Seq+1 {
				t.Errorf("version 5: goes down %v, %+v", left, e)
			}
			continue
		}
		if e := hq.audit(); len(left) != 1 || !strings.Contains(string(left[0].Payload), ask.Note) || e.Seq != asked.Seq {
			t.Fatalf("version %d: goes down %v, %+v", version, left, e)
		}
		answer(2, left)
		if e := hq.audit(); e.Seq != asked.Seq+1 || e.Action != "alert.acknowledge.done" || !e.OK {
			t.Errorf("version %d: %+v", version, e)
		}
		if e := w.audit(); e.Action != "alert.acknowledge" || e.Detail["note"] != ask.Note || !e.OK {
			t.Errorf("version %d: the record of the site ends with %+v", version, e)
		}
		if a, _ := w.alert(alertID(3)); a.Ack.Note != "on it" {
			t.Errorf("version %d: %+v", version, a.Ack)
		}
		if left := hq.goesDown(berlin, 0); len(left) != 0 {
			t.Errorf("version %d: still goes down: %v", version, left)
		}
		w.sound()
		hq.sound()
	}
}
