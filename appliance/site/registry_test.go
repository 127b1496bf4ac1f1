package site

import (
	"crypto/sha256"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// The registry is written anew for a change of what it has, and for no other.
func TestDigestOfTheRegistry(t *testing.T) {
	store, err := index.Open(t.TempDir(), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	n := uint64(0)
	stamp := model.Stamp{Actor: "account:ann", At: 1_700_000_000_000}
	must := func(c model.Change) {
		t.Helper()
		n++
		tx := store.Begin()
		_, err := apply.Change(tx, apply.Env{Role: model.RoleSite}, c)
		if err == nil {
			err = tx.Commit(n, false)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	digest := func() [sha256.Size]byte {
		t.Helper()
		v := store.View()
		defer v.Close()
		r, err := readFew(v)
		if err != nil {
			t.Fatal(err)
		}
		sum, err := digestRegistry(v, r)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	must(model.Found{Stamp: stamp, Self: model.NodeID{1}, Role: model.RoleSite, Name: "berlin"})
	last := digest()
	for _, x := range []struct {
		what   string
		change model.Change
		other  bool
	}{
		{"a host is invited", model.Invite{Stamp: stamp, Member: model.Member{ID: model.NodeID{2}, Kind: model.MemberHost, Name: "h", TokenHash: "t", TokenExpires: stamp.At + 1e6}}, true},
		{"it comes", model.Enroll{Stamp: stamp, Member: model.NodeID{2}, TokenHash: "t", Pin: "p"}, true},
		{"it says something", model.Received{Stamp: stamp, Origin: model.NodeID{2}, Epoch: 1, Items: []model.Item{
			{Seq: 1, Kind: model.ItemFacts, Key: model.HostID{2}.String(), AsOf: stamp.At, Payload: []byte(`{"hostname":"h"}`)},
		}}, false},
		{"advisories come", model.Generation{Stamp: stamp}, false}, // which is audited
	} {
		must(x.change)
		now := digest()
		if (now != last) != x.other {
			t.Errorf("%s: another digest: %v, want %v", x.what, now != last, x.other)
		}
		last = now
	}
}
