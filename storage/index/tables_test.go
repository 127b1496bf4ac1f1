package index

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

func TestCheckTables(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	s, err := Open(filepath.Join(dir, "index"), Options{NoWAL: true})
	ok(t, err)
	for n := uint64(1); n <= 50; n++ {
		tx := s.Begin()
		ok(t, tx.PutAccount(model.Account{Name: fmt.Sprint("user", n), PasswordHash: fmt.Sprint(rnd.Uint64())}))
		ok(t, tx.Commit(n, false))
	}
	whole := filepath.Join(dir, "whole")
	ok(t, s.Checkpoint(whole))
	ok(t, s.Close())
	ok(t, CheckTables(t.Context(), whole))
	tables, err := filepath.Glob(filepath.Join(whole, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	for _, path := range tables {
		b, err := os.ReadFile(path)
		ok(t, err)
		for at := 0; at < len(b)+20; at += 1 + rnd.IntN(1+len(b)/100) {
			bad := append([]byte{}, b...)
			if at < len(b) {
				bad[at] ^= 1 << rnd.IntN(8)
			} else {
				bad = bad[:rnd.IntN(len(b))]
			}
			// In the place of the file, since a checkpoint shares it.
			ok(t, os.Remove(path))
			ok(t, os.WriteFile(path, bad, 0o600))
			kind(t, CheckTables(t.Context(), whole), fault.Corrupt, filepath.Base(path))
		}
		ok(t, os.WriteFile(path, b, 0o600))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := CheckTables(ctx, whole); err == nil {
		t.Error("it went on after its end")
	}
	kind(t, CheckTables(t.Context(), filepath.Join(dir, "none")), fault.Corrupt, "none")
}

// A check goes on beside writes, flushes and merges, and finds nothing wrong.
func TestCheckBesideWrites(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "index"), Options{NoWAL: true, MemBytes: 64 << 10})
	ok(t, err)
	written := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for n := uint64(1); ; n++ {
			tx := s.Begin()
			err := tx.PutAccount(model.Account{Name: fmt.Sprint("user", n%500), PasswordHash: fmt.Sprint(rand.Uint64(), n)})
			if err == nil {
				err = tx.Commit(n, false)
			}
			if err == nil && n%50 == 0 {
				err = s.Flush()
			}
			if err != nil || ctx.Err() != nil {
				written <- err
				return
			}
		}
	}()
	for range 200 {
		ok(t, s.checkTables(t.Context()))
	}
	cancel()
	ok(t, <-written)
	ok(t, s.Err())
	ok(t, s.Close())
}
