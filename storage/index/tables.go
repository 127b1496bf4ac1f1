package index

import (
	"context"
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
	all := &pebble.Options{FS: vfs.Default, Logger: pebbleLog{slog.New(slog.DiscardHandler)}}
	all.EnsureDefaults()
	o := all.MakeReaderOptions()
	for _, e := range names {
		if !strings.HasSuffix(e.Name(), ".sst") {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		path := filepath.Join(dir, e.Name())
		if err := caught(func() error { return checkTable(ctx, path, o) }); err != nil {
			return fault.New(fault.Corrupt, op, "%s is damaged: %w", path, line{err})
		}
	}
	return nil
}

func checkTable(ctx context.Context, path string, o sstable.ReaderOptions) error {
	f, err := vfs.Default.Open(path)
	if err != nil {
		return err
	}
	var in objstorage.Readable
	if in, err = sstable.NewSimpleReadable(f); err != nil {
		_ = f.Close() // nothing was written through it
		return err
	}
	t, err := sstable.NewReader(ctx, in, o)
	if err != nil {
		_ = in.Close()
		return err
	}
	defer t.Close()
	return t.ValidateBlockChecksums()
}
