package node

import (
	"context"
	"net"
)

// ReceiveSnapshot takes the files of a snapshot that the leader from offers with body on conn, until all are here or the
// stream ends, and closes conn. It is for the streams of SnapshotRoute.
func (n *Node) ReceiveSnapshot(ctx context.Context, from string, body []byte, conn net.Conn) error {
	return n.snaps.incoming.receive(ctx, from, body, conn)
}
