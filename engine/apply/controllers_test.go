package apply_test

import (
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

func (w *world) member(id model.NodeID) model.Member {
	return look(w, func(v *index.View) (model.Member, error) { m, _, err := v.Member(id); return m, err })
}

// A group grows: its founder registers itself, the second is invited and joins with its address.
func TestControllersJoin(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	one, two, three := model.NodeID(id(5)), model.NodeID(id(6)), model.NodeID(id(7))
	first := model.PutController{Stamp: w.stamp(), Member: one, Name: "alpha", Address: "hq-1.example:8443", Pin: "key-1"}
	w.must(first)
	if m := w.member(one); m.Kind != model.MemberController || m.Status != model.MemberEnrolled || m.Name != "alpha" || m.Address != first.Address ||
		m.Pin != "key-1" || m.Epoch != 1 || m.EnrolledAt != first.At {
		t.Errorf("registered as %+v", m)
	}
	e := w.audit()
	if e.Action != "controller.register" || e.Object != one.String() || e.Detail["address"] != first.Address {
		t.Errorf("audited as %+v", e)
	}
	w.must(first)
	if w.audit().Seq != e.Seq {
		t.Error("the same again was recorded")
	}
	moved := model.PutController{Stamp: w.stamp(), Member: one, Address: "hq-1.example:9443", Pin: "key-1"}
	w.must(moved)
	if m := w.member(one); m.Address != moved.Address || m.Name != "alpha" || m.EnrolledAt != first.At {
		t.Errorf("after it moved: %+v", m)
	}
	if e := w.audit(); e.Action != "controller.change" || e.Detail["address"] != moved.Address {
		t.Errorf("audited as %+v", e)
	}

	invite := model.Invite{Stamp: w.stamp(), Member: model.Member{
		ID: two, Kind: model.MemberController, Name: "beta", TokenHash: "h", TokenExpires: w.at + 60_000, Address: "said.too.soon:1",
	}}
	w.must(invite)
	if m := w.member(two); m.Address != "" || m.Status != model.MemberPending {
		t.Errorf("invited as %+v", m)
	}
	w.refused(fault.Conflict, model.PutController{Stamp: w.stamp(), Member: two, Address: "b:1", Pin: "key-2"})
	enroll := model.Enroll{Stamp: w.stamp(), Member: two, TokenHash: "h", Pin: "key-2", Address: "[2001:db8::2]:8443"}
	for _, bad := range []string{"", "b", "b:", ":1", "b:x", "b:123456", "b c:1", "b/c:1", "bé:1"} {
		spoilt := enroll
		spoilt.Address = bad
		w.refused(fault.Invalid, spoilt)
	}
	spoilt := enroll
	spoilt.Address = strings.Repeat("b", 260) + ":1"
	w.refused(fault.TooLarge, spoilt)
	w.must(enroll)
	if m := w.member(two); m.Address != enroll.Address || m.Status != model.MemberEnrolled || m.Pin != "key-2" {
		t.Errorf("joined as %+v", m)
	}
	if e := w.audit(); e.Action != "controller.enroll" || e.Detail["address"] != enroll.Address {
		t.Errorf("audited as %+v", e)
	}

	w.refused(fault.Exists, model.PutController{Stamp: w.stamp(), Member: three, Name: "beta", Address: "c:1", Pin: "key-3"})
	w.refused(fault.Exists, model.PutController{Stamp: w.stamp(), Member: one, Name: "beta", Address: "c:1", Pin: "key-1"})
	w.refused(fault.Denied, model.PutController{Stamp: w.stamp(), Member: two, Address: "c:1", Pin: "key-9"})
	w.refused(fault.Invalid, model.PutController{Stamp: w.stamp(), Member: three, Address: "c:1", Pin: "key-3"})
	w.refused(fault.Invalid, model.PutController{Stamp: w.stamp(), Member: three, Name: "c", Address: "c:1"})
	w.refused(fault.Invalid, model.PutController{Stamp: w.stamp(), Name: "c", Address: "c:1", Pin: "key-3"})
	w.refused(fault.Denied, model.Received{Stamp: w.stamp(), Origin: two, Epoch: 1, Items: []model.Item{item(t, 1, model.ItemHost, "x", nil)}})
}

// A removed node keeps its row, so that its key is known and refused; its name is free.
func TestControllersLeave(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	one, two := model.NodeID(id(5)), model.NodeID(id(6))
	w.must(model.PutController{Stamp: w.stamp(), Member: one, Name: "alpha", Address: "a:1", Pin: "key-1"})
	remove := model.RemoveMember{Stamp: w.stamp(), Member: one}
	w.must(remove)
	if m := w.member(one); m.Status != model.MemberRemoved || m.Pin != "key-1" || m.Address != "a:1" {
		t.Errorf("removed: %+v", m)
	}
	e := w.audit()
	if e.Action != "controller.remove" || e.Object != one.String() || e.Detail["pin"] != "key-1" {
		t.Errorf("audited as %+v", e)
	}
	w.must(remove)
	if w.audit().Seq != e.Seq {
		t.Error("removing it again was recorded")
	}
	w.refused(fault.Denied, model.PutController{Stamp: w.stamp(), Member: one, Address: "a:1", Pin: "key-1"})
	w.refused(fault.Conflict, model.Invite{Stamp: w.stamp(), Member: model.Member{ID: one, Kind: model.MemberController, Name: "alpha", TokenHash: "h"}})

	// Its name may be taken, and an invitation may be withdrawn.
	w.must(model.Invite{Stamp: w.stamp(), Member: model.Member{ID: two, Kind: model.MemberController, Name: "alpha", TokenHash: "h", TokenExpires: w.at + 60_000}})
	w.must(model.RemoveMember{Stamp: w.stamp(), Member: two})
	w.refused(fault.Denied, model.Enroll{Stamp: w.stamp(), Member: two, TokenHash: "h", Pin: "key-2", Address: "b:1"})

	w.refused(fault.NotFound, model.RemoveMember{Stamp: w.stamp(), Member: model.NodeID(id(9))})
	w.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	w.refused(fault.Invalid, model.RemoveMember{Stamp: w.stamp(), Member: model.NodeID(berlin)})
	w.refused(fault.Conflict, model.PutController{Stamp: w.stamp(), Member: model.NodeID(berlin), Name: "x", Address: "a:1", Pin: "pin-berlin"})
}

// A site has no controllers beside it.
func TestControllersAtASite(t *testing.T) {
	w := newWorld(t, model.RoleSite, model.NodeID(berlin))
	c := model.NodeID(id(5))
	w.refused(fault.Invalid, model.PutController{Stamp: w.stamp(), Member: c, Name: "a", Address: "a:1", Pin: "k"})
	w.refused(fault.Invalid, model.Invite{Stamp: w.stamp(), Member: model.Member{ID: c, Kind: model.MemberController, Name: "a", TokenHash: "h"}})
}
