package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/skerryhq/skerry/engine/fault"
)

// Idle returns nil where no node has the folder dir open, as a Config.Dir, and also where there is no such folder.
// fault.Conflict says that one has.
func Idle(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "lock")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := lockDir(dir)
	if err != nil {
		return fault.Wrap("look whether "+dir+" is in use", err)
	}
	return lock.Close()
}
