package index

import (
	"context"
	"fmt"
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

// checkTables is CheckTables for the database that is open here. Tables that are being written, or were merged meanwhile, are
// no part of it.
func (s *Store) checkTables(ctx context.Context) error {
	l := s.use()
	defer s.unuse(l)
	live, err := s.tables(l)
	if err != nil {
		return err
	}
	for path := range live {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := caught(func() error { return checkTable(ctx, s.disk.fs, path) })
		if err == nil {
			continue
		}
		if now, e := s.tables(l); e != nil || !now[path] {
			continue // it was merged, and its file is gone
		}
		s.damaged(pebble.DataCorruptionInfo{Path: path, Details: err})
		return fault.New(fault.Corrupt, "check the tables", "%s is damaged: %w", path, line{err})
	}
	return nil
}

// tables returns the paths of the tables that a database consists of now.
func (s *Store) tables(l *life) (map[string]bool, error) {
	live := map[string]bool{}
	err := caught(func() error {
		levels, err := l.db.SSTables()
		for _, level := range levels {
			for _, t := range level {
				live[s.disk.fs.PathJoin(s.folder(l.number), fmt.Sprintf("%06d.sst", t.BackingSSTNum))] = true
			}
		}
		return err
	})
	if err != nil {
		return nil, diskError("list the tables", s.folder(l.number), err)
	}
	return live, nil
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
