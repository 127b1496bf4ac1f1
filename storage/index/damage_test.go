package index

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// A bit that changes in any file of a store, or a file that loses its end, never makes other rows of it: the store
// does not open or says what is damaged, or it stands at an earlier commit, as after a power cut.
func TestDamagedFiles(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	whole := filepath.Join(t.TempDir(), "whole")
	hashes := map[uint64][]byte{} // by position
	s, err := Open(whole, Options{NoWAL: true, MemBytes: 1 << 20})
	ok(t, err)
	for n := uint64(1); n <= 60; n++ {
		tx := s.Begin()
		if n == 1 {
			ok(t, tx.PutSite(model.Site{ID: model.SiteID{1}, Name: "one"}))
		}
		ok(t, tx.PutAccount(model.Account{Name: fmt.Sprint("user", n%20), PasswordHash: fmt.Sprint(n, strings.Repeat("x", rnd.IntN(500)))}))
		ok(t, tx.PutHost(host(int(n), model.SiteID{1})))
		ok(t, tx.Commit(n, false))
		if n%7 == 0 {
			ok(t, s.Flush())
		}
		hashes[n], err = s.Hash(t.Context())
		ok(t, err)
	}
	ok(t, s.Close())
	var files []string
	ok(t, filepath.WalkDir(whole, func(path string, e os.DirEntry, err error) error {
		if info, e2 := e.Info(); e2 == nil && info.Mode().IsRegular() && info.Size() > 0 {
			files = append(files, path)
		}
		return err
	}))
	named, earlier := 0, 0
	for round := range 80 {
		dir := filepath.Join(t.TempDir(), "copy")
		ok(t, os.CopyFS(dir, os.DirFS(whole)))
		rel, err := filepath.Rel(whole, files[rnd.IntN(len(files))])
		ok(t, err)
		path := filepath.Join(dir, rel)
		b, err := os.ReadFile(path)
		ok(t, err)
		at := rnd.IntN(len(b))
		what := fmt.Sprintf("round %d: %s, byte %d of %d", round, rel, at, len(b))
		if rnd.IntN(3) == 0 {
			b, what = b[:at], what+" is the end"
		} else {
			b[at] ^= 1 << rnd.IntN(8)
		}
		ok(t, os.WriteFile(path, b, 0o600))
		s, err := Open(dir, Options{NoWAL: true, MemBytes: 1 << 20})
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Version || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s: %v: %v", what, k, err)
			}
			named++
			continue
		}
		_, checked := s.Check(t.Context())
		got, err := s.Hash(t.Context())
		if err == nil && checked != nil && !bytes.Equal(got, hashes[s.Applied()]) {
			t.Errorf("%s: %v, and other rows", what, checked)
		}
		switch at := s.Applied(); {
		case err != nil && (!fault.Is(err, fault.Corrupt) || !fault.Is(s.Err(), fault.Corrupt) || !strings.Contains(s.Err().Error(), rel)):
			t.Errorf("%s: %v; the store says %v", what, err, s.Err())
		case err != nil:
			named++
			if _, open := <-s.Failed(); open {
				t.Error("Failed is not closed")
			}
			kind(t, commitOne(s), fault.Corrupt, rel)
		case !bytes.Equal(got, hashes[at]):
			t.Errorf("%s: it stands at %d with other rows", what, at)
		case at != 60:
			earlier++
		}
		_ = s.Close() // what is damaged may say so again
		// A table that nothing needs any more is removed by the opening.
		if _, gone := os.Stat(path); strings.HasSuffix(rel, ".sst") && checked == nil && gone == nil {
			t.Errorf("%s: it is not noticed", what)
		}
	}
	t.Logf("%d said what is damaged, %d stand at an earlier commit", named, earlier)
	if named == 0 {
		t.Error("nothing was found")
	}
}

func commitOne(s *Store) error {
	tx := s.Begin()
	defer tx.Discard()
	if err := tx.PutAccount(model.Account{Name: "new"}); err != nil {
		return err
	}
	return tx.Commit(s.Applied()+1, false)
}
