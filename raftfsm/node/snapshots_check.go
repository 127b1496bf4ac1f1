package node

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/skerryhq/skerry/engine/fault"
)

// CheckSnapshots reads the snapshots of this node and holds them against their sums. Where one is damaged the node leaves
// the group, as it does where its log or its rows are, and the error says which file; another node would be sent it some day.
func (n *Node) CheckSnapshots(ctx context.Context) error {
	const op = "check the snapshots"
	ids, err := n.snaps.ids()
	if err != nil {
		return fault.Wrap(op, err)
	}
	for _, id := range ids {
		_, r, err := n.snaps.Open(id)
		if err == nil {
			err = r.(*folderReader).check(ctx)
			_ = r.Close() // it was only read
		}
		if _, e := os.Stat(n.snaps.folder(id)); errors.Is(e, fs.ErrNotExist) {
			continue // it was old, and removed meanwhile
		}
		if fault.Is(err, fault.Corrupt) {
			return fault.Wrap(op, n.guard.fail("reading a snapshot", err))
		}
		if err != nil {
			return fault.Wrap(op, err)
		}
	}
	return nil
}
