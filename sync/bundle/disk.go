package bundle

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/skerryhq/skerry/engine/fault"
)

// diskFault says of a file of this server that could not be written what to do; an error that has a kind keeps it.
func diskFault(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.New(fault.Full, op, "there is too little room on the disk for the bundle; free some, then try again: %w", err)
	case fault.KindOf(err) != fault.Other:
		return fault.Wrap(op, err)
	}
	return fault.New(fault.ReadOnly, op, "%w", err)
}

// Spool copies r into a private file in dir (empty: the system's folder for temporary files) that has
// no name any more and is gone when it is closed. It fails with kind TooLarge beyond most bytes, and
// with Unreachable where r breaks off.
func Spool(r io.Reader, dir string, most int64) (*os.File, error) {
	const op = "receive bundle"
	f, err := os.CreateTemp(dir, "bundle-*.zst")
	if err != nil {
		return nil, diskFault(op, err)
	}
	fail := func(err error) (*os.File, error) {
		f.Close()
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return fail(diskFault(op, err))
	}
	in := &source{ctx: context.Background(), r: r, most: most}
	_, err = io.Copy(f, in)
	switch {
	case in.n > most:
		return fail(fault.New(fault.TooLarge, "", "Bundle too large: it has more than %d bytes; export a smaller delta", most))
	case in.err != nil:
		return fail(fault.New(fault.Unreachable, op, "it did not arrive whole: send it again (%w)", errors.Unwrap(in.err)))
	case err != nil:
		return fail(diskFault(op, err))
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fail(diskFault(op, err))
	}
	return f, nil
}
