package controller

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/engine/fault"
)

// nodeID returns the id of this node within its group, made at the first start. It is durable before
// the group is founded with it: under another id this node would have no vote in its own group.
func nodeID(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		id, err := uuid.Parse(strings.TrimSpace(string(b)))
		if err != nil {
			return "", fault.New(fault.Corrupt, "read the node's id", "%s: %w; restore the data folder from a backup", path, err)
		}
		return id.String(), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fault.New(fault.ReadOnly, "read the node's id", "%w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	if err := writeDurably(path, id.String()+"\n"); err != nil {
		return "", fault.New(fault.ReadOnly, "write the node's id", "%w; make the data folder writable for this user", err)
	}
	return id.String(), nil
}

// writeDurably puts text at path whole or not at all, durable when it returns.
func writeDurably(path, text string) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
