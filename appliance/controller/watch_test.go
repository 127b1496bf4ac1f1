package controller

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// TestTheWatchEndsWhereItIsRemoved: also while it listens to other controllers.
func TestTheWatchEndsWhereItIsRemoved(t *testing.T) {
	store, err := index.Open(filepath.Join(t.TempDir(), "index"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	applied := uint64(0)
	do := func(c model.Change) {
		t.Helper()
		tx := store.Begin()
		defer tx.Discard()
		if _, err := apply.Change(tx, apply.Env{Role: model.RoleController}, c); err != nil {
			t.Fatal(err)
		}
		applied++
		if err := tx.Commit(applied, false); err != nil {
			t.Fatal(err)
		}
	}
	at := model.Stamp{Actor: "system", At: model.TimeOf(time.Now())}
	self, other := model.NodeID{1}, model.NodeID{2}
	do(model.Found{Stamp: at, Self: model.NodeID{9}, Role: model.RoleController, Name: "g"})
	do(model.PutController{Stamp: at, Member: self, Name: "a", Address: "a:1", Pin: "key-a"})
	do(model.PutController{Stamp: at, Member: other, Name: "b", Address: "b:1", Pin: "key-b"})

	k := &controller{rows: serve.Rows{Store: store}, address: "a:1", log: slog.New(slog.DiscardHandler)}
	k.me.Member = self
	k.links = newLinks(self.String(), func(model.NodeID) {}, k.log)
	k.links.mesh = meshOf{&controllers{cut: map[string]bool{"b:1": true}}, "a:1"}
	ended := make(chan error, 1)
	go func() { ended <- k.watch(t.Context()) }()
	eventually(t, "it listens", 10*time.Second, func() bool {
		k.links.mu.Lock()
		defer k.links.mu.Unlock()
		return k.links.addrs[other.String()] != ""
	})
	do(model.RemoveMember{Stamp: at, Member: self})
	select {
	case err := <-ended:
		if !errors.Is(err, errRemoved) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("a removed controller goes on watching")
	}
}
