package node

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// A snapshot that is damaged is sent to nobody, and its node is told, also where its sums were known from before the damage.
func TestDamagedSnapshotIsNotSent(t *testing.T) {
	for name, tc := range map[string]struct {
		file  string
		known bool // the sums were made before
	}{
		"a list":        {"MANIFEST-000001", false},
		"a table":       {"000001.sst", false},
		"a list, later": {"MANIFEST-000001", true}, "a table, later": {"000001.sst", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, map[string][]byte{"000001.sst": []byte("a table"), "MANIFEST-000001": []byte("a list")})
			if !tc.known {
				if err := os.Remove(filepath.Join(filepath.Dir(p.reader.rows), manifestName)); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(p.reader.rows, tc.file)
			if err := os.WriteFile(path, []byte("b xxxxxx")[:len(p.files[tc.file])], 0o600); err != nil {
				t.Fatal(err)
			}
			p.store.tables = func(_ context.Context, dir string) error {
				if b, err := os.ReadFile(filepath.Join(dir, "000001.sst")); err != nil || string(b) != "a table" {
					return fault.New(fault.Corrupt, "", "%s/000001.sst is damaged", dir)
				}
				return nil
			}
			var told error
			p.sender.damaged = func(err error) { told = err }
			err := p.sender.InstallSnapshot("b", "b", &raft.InstallSnapshotRequest{}, &raft.InstallSnapshotResponse{}, p.reader)
			if err == nil || !fault.Is(told, fault.Corrupt) || !strings.Contains(told.Error(), path) {
				t.Errorf("%v; the node was told %v", err, told)
			}
			if tc.known {
				<-p.ended
			}
		})
	}
}
