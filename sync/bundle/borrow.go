package bundle

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Borrow has the parts of a set that wait in from wait here as well, where they do not yet: as links, which need no room. Both folders lie
// on one file system. from keeps what it has, whatever becomes of the set here.
func (w *Waiting) Borrow(from *Waiting, set string) error {
	const op = "borrow waiting parts"
	theirs, err := os.ReadDir(from.dir(set))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.MkdirAll(w.dir(set), 0o700)
	}
	if err != nil {
		return diskFault(op, err)
	}
	for _, f := range theirs {
		err := os.Link(filepath.Join(from.dir(set), f.Name()), filepath.Join(w.dir(set), f.Name()))
		if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) { // it may be imported this moment
			return diskFault(op, err)
		}
	}
	return nil
}
