package enroll

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// A bit that changes in what a controller is known by never makes another one of it, or of its group's key.
func TestDamagedNode(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	data := t.TempDir()
	ca, err := OpenCA(filepath.Join(data, "pki"), "test", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	was, err := FoundNode(data, ca, Founding{Member: model.NodeID{1}, Group: model.NodeID{2}, Name: "one", GroupName: "hq"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{identityFile, keyFile, groupKeyFile, groupSumFile} {
		path := filepath.Join(data, clusterDir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for at := 0; at < len(whole); at += 1 + rnd.IntN(3) {
			b := bytes.Clone(whole)
			b[at] ^= 1 << rnd.IntN(8)
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := LoadNode(data)
			switch {
			case err == nil && (got.Member != was.Member || got.Upper != was.Upper || got.URL != was.URL || got.Name != was.Name || got.EnrolledAt != was.EnrolledAt ||
				got.Pin() != was.Pin() || got.CAPin() != was.CAPin() || !bytes.Equal(got.Secrets.GroupKey, was.Secrets.GroupKey)):
				t.Fatalf("%s with another byte %d is %+v", name, at, got.Identity)
			case err != nil:
				refused++
				if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Version {
					t.Errorf("%s with another byte %d: %v (%v)", name, at, err, k)
				}
			}
		}
		if refused == 0 {
			t.Errorf("%s: nothing was refused", name)
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// What an earlier version stored has no sums, and is given them.
	if err := os.Remove(filepath.Join(data, clusterDir, groupSumFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := FoundNode(data, ca, Founding{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(data, clusterDir, groupSumFile)); err != nil {
		t.Error(err)
	}
}
