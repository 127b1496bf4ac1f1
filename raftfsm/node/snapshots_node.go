package node

import (
	"context"
	"net"

	"github.com/skerryhq/skerry/engine/fault"
)

// ReceiveSnapshot takes the files of a snapshot that the leader from offers with body on conn, until all are here or the
// stream ends, and closes conn. It is for the streams of SnapshotRoute. Nobody but the leader that this node knows of
// is listened to (fault.Denied): an offer ends the transfer before it, and takes room on the disk.
func (n *Node) ReceiveSnapshot(ctx context.Context, from string, body []byte, conn net.Conn) error {
	if err := n.leads(from, 0); err != nil {
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
		(&arrival{conn: conn}).fail(err)
		return fault.Wrap("receive a snapshot from "+fault.Clip(from, 64), err)
	}
	return n.snaps.incoming.receive(ctx, from, body, conn)
}
