//go:build !linux

package raftlog

import "os"

// syncData makes a file durable.
func syncData(f *os.File) error { return f.Sync() }

// reserve gives a file its size.
func reserve(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil || info.Size() >= size {
		return err
	}
	return f.Truncate(size)
}
