package controller

import (
	"bytes"
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/bundle"
)

// TestSigningKeys: a key that one node keeps is there for every node with the group's key, and for nobody else.
func TestSigningKeys(t *testing.T) {
	store, err := index.Open(filepath.Join(t.TempDir(), "index"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	applied := uint64(0)
	do := func(c ...model.Change) {
		t.Helper()
		tx := store.Begin()
		defer tx.Discard()
		for _, c := range c {
			if _, err := apply.Change(tx, apply.Env{Role: model.RoleController}, c); err != nil {
				t.Fatal(err)
			}
		}
		applied++
		if err := tx.Commit(applied, false); err != nil {
			t.Fatal(err)
		}
	}
	do(model.Found{Stamp: model.Stamp{Actor: "system", At: model.TimeOf(time.Now())}, Self: model.NodeID{1}, Role: model.RoleController, Name: "g"})
	k := keys{rows: serve.Rows{Store: store}, group: bytes.Repeat([]byte{7}, 32)}
	key, err := bundle.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	changes, undo, err := k.Keep("hq", key)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := k.All(); err != nil || len(all) != 0 {
		t.Errorf("before the change: %d keys, %v", len(all), err)
	}
	do(changes...)
	all, err := k.All()
	if err != nil || len(all) != 1 || !all["hq"].Equal(key) {
		t.Fatalf("%v, %v", all, err)
	}
	if err := undo(); err != nil {
		t.Error(err)
	}
	pem, err := bundle.EncodePrivate(key)
	if err != nil {
		t.Fatal(err)
	}
	v := store.View()
	secrets, err := v.Secrets()
	v.Close()
	if err != nil || len(secrets) != 1 || bytes.Contains(secrets[0].Sealed, pem[30:60]) {
		t.Errorf("%d secrets, %v; sealed?", len(secrets), err)
	}
	k.group = bytes.Repeat([]byte{8}, 32)
	if _, err := k.All(); !fault.Is(err, fault.Corrupt) {
		t.Errorf("with another group's key: %v", err)
	}
}
