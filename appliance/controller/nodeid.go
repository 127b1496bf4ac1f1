package controller

import (
	"errors"
	"os"
	"strings"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/sync/durable"
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
	if err := durable.Write(path, []byte(id.String()+"\n"), 0o600); err != nil {
		return "", fault.New(fault.ReadOnly, "write the node's id", "%w; make the data folder writable for this user", err)
	}
	return id.String(), nil
}
