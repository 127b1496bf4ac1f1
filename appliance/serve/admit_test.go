package serve_test

import (
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/link"
)

// Whoever is refused is told what became of the key, and counted by that.
func TestWhoIsRefusedAndWhy(t *testing.T) {
	store, err := index.Open(t.TempDir(), index.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	member := func(n byte, name, pin string, s model.MemberStatus, void ...string) model.Member {
		id := model.NodeID{0: 1, 6: 0x70, 8: 0x80, 15: n}
		return model.Member{ID: id, Kind: model.MemberHost, Name: name, Status: s, Pin: pin, Void: void, Reason: "because"}
	}
	var tx apply.Tx = store.Begin()
	for _, m := range []model.Member{
		member(1, "in", "k-in", model.MemberEnrolled), member(2, "away", "k-away", model.MemberSuspended),
		member(3, "twice", "k-twice", model.MemberQuarantined), member(4, "gone", "k-gone", model.MemberRemoved),
		member(5, "renewed", "k-new", model.MemberEnrolled, "k-old"),
	} {
		if err := tx.PutMember(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.(*index.Tx).Commit(1, false); err != nil {
		t.Fatal(err)
	}
	var d serve.Door
	for _, tc := range []struct{ pin, want string }{
		{"k-in", ""},
		{"k-new", ""},
		{"k-away", "is suspended here (because)"},
		{"k-twice", "is quarantined here (because)"},
		{"k-gone", `host "gone" is removed here (because)`},
		{"k-old", `taken from host "renewed"`},
		{"k-none", "belongs to no member"},
	} {
		_, err := d.Admit(t.Context(), serve.Rows{Store: store}, link.Peer{Pin: tc.pin})
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s is refused: %v", tc.pin, err)
		case tc.want != "" && (!fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: got %v; want %q", tc.pin, err, tc.want)
		}
	}
	want := map[string]uint64{"suspended": 1, "quarantined": 1, "removed": 1, "void_key": 1, "unknown_key": 1}
	if got := d.Refused(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}
