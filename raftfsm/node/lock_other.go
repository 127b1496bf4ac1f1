//go:build !unix

package node

import (
	"os"
	"path/filepath"

	"github.com/skerryhq/skerry/engine/fault"
)

// lockDir only opens the lock file: a controller is supported on Unix systems.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.New(fault.ReadOnly, "", "%w; give the user that runs this the right to write there", err)
	}
	return f, nil
}
