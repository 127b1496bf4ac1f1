package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// receive writes the whole body to a file, or nothing: what broke off must not look whole. "-" is the standard output.
func (a *app) receive(r io.Reader, file string, mode os.FileMode) (int64, error) {
	if file == "-" {
		return io.Copy(a.out, r)
	}
	return writeWhole(file, r, mode)
}

// writeWhole puts what r has at path, or nothing: beside it first, and then in its place. Where a link stands there, its target is
// replaced; a device or a pipe is no place for a file, so it is written to as the bytes come. Errors are ready to be shown.
func writeWhole(path string, r io.Reader, mode os.FileMode) (int64, error) {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return 0, usagef("%s is a folder: name a file in it", path)
		}
		return writeInto(path, r)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".part-*")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, usagef("%s: there is no folder %s", path, filepath.Dir(path))
	case errors.Is(err, fs.ErrPermission):
		return 0, usagef("%s: this user may not write to the folder %s", path, filepath.Dir(path))
	case err != nil:
		return 0, notWritten(path, 0, err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	n, err := io.Copy(f, r)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return n, notWritten(path, n, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return n, notWritten(path, n, err)
	}
	return n, nil
}

// full is a place without room for a file.
type full struct {
	path string
	n    int64 // bytes that there was room for
}

func (f full) Error() string {
	return fmt.Sprintf("no room for %s: the medium of %s was full after %s bytes of it, and nothing of it was kept", f.path, filepath.Dir(f.path), grouped(int(f.n)))
}

// notWritten says of a file that it could not be written, by its own name: that of the one beside it helps nobody.
func notWritten(path string, n int64, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return full{path, n}
	}
	var at *fs.PathError
	var moved *os.LinkError
	switch {
	case errors.As(err, &at):
		err = at.Err
	case errors.As(err, &moved):
		err = moved.Err
	}
	return fmt.Errorf("write %s: %w", path, err)
}

// writeInto writes to what stands at path and is no regular file.
func writeInto(path string, r io.Reader) (int64, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", path, err)
	}
	n, err := io.Copy(f, r)
	if err := errors.Join(err, f.Close()); err != nil {
		return n, fmt.Errorf("write %s: %w", path, err)
	}
	return n, nil
}

// replaceFile writes a file for this user alone, whole or not at all.
func replaceFile(path string, raw []byte) error {
	_, err := writeWhole(path, bytes.NewReader(raw), 0o600)
	return err
}
