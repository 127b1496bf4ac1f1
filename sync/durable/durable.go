// Package durable writes small files so that they are there, whole, after a power cut: identities, keys, lists of
// addresses.
//
// It owns the order of write, sync, rename and sync of the folder. It never reads a file, never makes a folder, and is
// not for files that are appended to or are too large to be held in memory.
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// unfinished ends the name of a file that is being written.
const unfinished = ".new"

// Write puts data at path, in the place of what was there, with that mode. It is durable when Write returns without an
// error. Where the machine fails meanwhile, path has what it had before or data, each whole; so it has after an error, which
// may come of the folder's sync, when data is at path already and may or may not outlive a power cut: who needs to know
// writes again. What a crash left beside path is used again, so that only one Write of a path may run at a time. The errors
// are those of package os.
func Write(path string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path+unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if err := fill(f, data, mode); err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Create is Write for a name that nothing has yet: where there is something, the error is fs.ErrExist, and that is left
// alone. Several may run at a time: one of them gets the name. After any other error the name may have been given, as with Write.
func Create(path string, data []byte, mode fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*"+unfinished)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	if err := fill(f, data, mode); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename it fails where the name is taken
		return err
	}
	return SyncDir(dir)
}

// fill writes f to the end and closes it. A file of an earlier attempt may have another mode.
func fill(f *os.File, data []byte, mode fs.FileMode) error {
	err := f.Chmod(mode)
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// SyncDir makes durable which names are in a folder.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
