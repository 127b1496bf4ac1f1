package raftlog

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
)

// One bit changes in an entry that was acknowledged long ago. What each candidate makes of it is logged, for it was a
// reason of the choice; the one that was chosen must not give out another entry.
func TestOneBitInEachCandidate(t *testing.T) {
	for _, c := range candidates {
		dir := t.TempDir()
		s, err := c.open(dir)
		must(t, err)
		data := func(i uint64) []byte { return fmt.Appendf(nil, "the data of entry %04d", i) }
		for i := uint64(1); i <= 100; i++ {
			must(t, s.StoreLog(&raft.Log{Index: i, Term: 1, Data: data(i)}))
		}
		must(t, s.Close())
		must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for from := 0; ; {
				at := bytes.Index(b[from:], data(50))
				if at < 0 {
					return os.WriteFile(path, b, 0o600)
				}
				from += at + 4
				b[from] ^= 1
			}
		}))
		found := ""
		if s, err = c.open(dir); err != nil {
			found = "does not open: " + err.Error()
		} else {
			var e raft.Log
			if err := s.GetLog(50, &e); err != nil {
				found = "does not read: " + err.Error()
			} else if bytes.Equal(e.Data, data(50)) {
				t.Errorf("%s: the damage hit nothing", c.name)
			}
			must(t, s.Close())
		}
		if found == "" {
			found = "gives out another entry"
			if c.name == "raftlog" {
				t.Error("raftlog gives out another entry")
			}
		}
		t.Logf("%-9s %s", c.name, found)
	}
}
