package index

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skerryhq/skerry/engine/fault"
)

// maxBlock bounds a block of a table, in bytes: as large as a table gets.
const maxBlock = 1 << 30

var blockSum = crc32.MakeTable(crc32.Castagnoli)

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
	l, err := t.Layout()
	if err != nil {
		return err
	}
	return checkBlocks(f, blocksOf(l))
}

// blocksOf are the blocks of a table, in the order of the file.
func blocksOf(l *sstable.Layout) []block.Handle {
	all := []block.Handle{l.TopIndex, l.RangeDel, l.RangeKey, l.ValueIndex, l.Properties, l.MetaIndex, l.BlobReferenceIndex}
	all = append(append(all, l.Index...), l.ValueBlock...)
	for _, b := range l.Data {
		all = append(all, b.Handle)
	}
	for _, b := range l.Filter {
		all = append(all, b.Handle)
	}
	all = slices.DeleteFunc(all, func(b block.Handle) bool { return b.Length == 0 }) // there is none of the kind
	slices.SortFunc(all, func(a, b block.Handle) int { return cmp.Compare(a.Offset, b.Offset) })
	return slices.Compact(all)
}

// checkBlocks holds blocks against their sums as they stand in the file. Pebble's own check unpacks each, which takes five
// times as long as all else that is done to send a snapshot.
func checkBlocks(f io.ReaderAt, blocks []block.Handle) error {
	const ahead = 1 << 20
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, math.MaxInt64), ahead)
	var at uint64
	var b []byte
	for _, h := range blocks {
		if h.Offset < at || h.Length > maxBlock {
			return fmt.Errorf("a block of %d bytes at %d, behind one that ends at %d", h.Length, h.Offset, at)
		}
		if _, err := io.CopyN(io.Discard, r, int64(h.Offset-at)); err != nil {
			return err
		}
		n := int(h.Length) + block.TrailerLen
		b = slices.Grow(b[:0], n)[:n]
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		// As LevelDB has it: the sum is of the block and the byte behind it, and is stirred.
		sum := crc32.Checksum(b[:h.Length+1], blockSum)
		if sum = (sum>>15 | sum<<17) + 0xa282ead8; sum != binary.LittleEndian.Uint32(b[h.Length+1:]) {
			return fmt.Errorf("the block of %d bytes at %d does not fit its sum", h.Length, h.Offset)
		}
		at = h.Offset + uint64(n)
	}
	return nil
}
