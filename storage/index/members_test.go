package index

import (
	"errors"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// TestLiving: the members of a kind by name, without those that were removed, and one after the other.
func TestLiving(t *testing.T) {
	s := openMem(t)
	names := map[string]model.MemberStatus{"b": model.MemberEnrolled, "a": model.MemberSuspended, "c": model.MemberRemoved}
	write(t, s, func(tx *Tx) {
		for name, status := range names {
			for i, kind := range []model.MemberKind{model.MemberSite, model.MemberController} {
				m := model.Member{ID: model.NodeID{byte(i + 1), name[0]}, Kind: kind, Name: name, Status: status}
				ok(t, tx.PutMember(m))
			}
		}
	})
	v := s.View()
	defer v.Close()
	list := func(kind model.MemberKind) string {
		all, err := v.Living(kind)
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, m := range all {
			if m.Kind != kind {
				t.Errorf("a %s among those of the kind %s", m.Kind, kind)
			}
			out += m.Name
		}
		return out
	}
	if a, b := list(model.MemberSite), list(model.MemberHost); a != "ab" || b != "" {
		t.Errorf("%q and %q", a, b)
	}
	n := 0
	if err := v.EachMember(model.MemberSite, func(model.Member) error { n++; return nil }); err != nil || n != 3 {
		t.Errorf("%d of three, %v", n, err)
	}
	stop := errors.New("stop")
	if err := v.EachMember("", func(model.Member) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}
