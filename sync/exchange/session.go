package exchange

import (
	"context"
	"net"
)

// Session is an authenticated connection with many streams. The first stream that the dialling side
// opens carries items; every stream that the accepting side opens carries one question. sync/link
// satisfies it.
type Session interface {
	Open(ctx context.Context) (net.Conn, error)
	Accept(ctx context.Context) (net.Conn, error)
	// Peer returns who is at the other end: the pin of its key, and its address for people.
	Peer() Peer
	Close() error
	// Done is closed when the session has ended.
	Done() <-chan struct{}
}

// Peer is an alias of a plain struct so that sync/link, on this floor, can return the same type.
type Peer = struct {
	Pin    string // hex SHA-256 of the peer's public key
	Remote string // network address
}
