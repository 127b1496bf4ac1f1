//go:build unix

package node

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/skerryhq/skerry/engine/fault"
)

// lockDir takes the folder for this process until the file is closed, or the process ends in any way.
// Without it a second process would wait for the log for ever, and say nothing.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.New(fault.ReadOnly, "", "%w; give the user that runs this the right to write there", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fault.New(fault.Conflict, "", "another process has it open; stop that one first")
	}
	return nil, fault.New(fault.Other, "", "lock it: %w", err)
}
