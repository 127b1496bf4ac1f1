package index

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skerryhq/skerry/engine/fault"
)

// CheckTables reads every table in dir, a folder written by Checkpoint, and holds its blocks against their sums;
// fault.Corrupt names the first file that does not fit. ctx ends it early. What the lists of files say is not looked at: they
// say nothing of their own end.
func CheckTables(ctx context.Context, dir string) error {
	op := "check the tables in " + dir
	names, err := os.ReadDir(dir)
	if err != nil {
		return fault.New(fault.Corrupt, op, "%w", err)
	}
	for _, e := range names {
		if !strings.HasSuffix(e.Name(), ".sst") {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		path := filepath.Join(dir, e.Name())
		if err := caught(func() error { return checkTable(ctx, vfs.Default, path) }); err != nil {
			return fault.New(fault.Corrupt, op, "%s is damaged: %w", path, line{err})
		}
	}
	return nil
}

// checkTables is CheckTables for the database that is open here. Tables that were merged meanwhile are passed over.
func (s *Store) checkTables(ctx context.Context) error {
	l := s.use()
	defer s.unuse(l)
	dir := s.folder(l.number)
	names, err := s.disk.fs.List(dir)
	if err != nil {
		return diskError("check the tables", dir, err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		path := s.disk.fs.PathJoin(dir, name)
		err := caught(func() error { return checkTable(ctx, s.disk.fs, path) })
		if _, e := s.disk.fs.Stat(path); err == nil || errors.Is(e, fs.ErrNotExist) {
			continue
		}
		s.damaged(pebble.DataCorruptionInfo{Path: path, Details: err})
		return fault.New(fault.Corrupt, "check the tables", "%s is damaged: %w", path, line{err})
	}
	return nil
}

func checkTable(ctx context.Context, disk vfs.FS, path string) error {
	all := &pebble.Options{FS: disk, Logger: pebbleLog{slog.New(slog.DiscardHandler)}}
	all.EnsureDefaults()
	f, err := disk.Open(path)
	if err != nil {
		return err
	}
	var in objstorage.Readable
	if in, err = sstable.NewSimpleReadable(f); err != nil {
		_ = f.Close() // nothing was written through it
		return err
	}
	t, err := sstable.NewReader(ctx, in, all.MakeReaderOptions())
	if err != nil {
		_ = in.Close()
		return err
	}
	defer t.Close()
	return t.ValidateBlockChecksums()
}
