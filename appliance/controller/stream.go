package controller

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/skerryhq/skerry/sync/link"
)

// stream carries Raft's own traffic over the one port. The gate decides who takes part in it; which of
// them are in the group, Raft knows.
type stream struct {
	net.Listener
	gate *gate

	once   sync.Once
	closed chan struct{}
}

// newStream takes over l, which is link.Server's Listen(link.ProtoRaft).
func newStream(l net.Listener, g *gate) *stream {
	return &stream{Listener: listener{l, g}, gate: g, closed: make(chan struct{})}
}

// Accept returns the next connection of another controller; everybody else is turned away.
func (s *stream) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		// The port is closed before Raft is: until Raft closes its end as well, there is nobody to
		// accept and nothing to complain of.
		<-s.closed
	}
	return conn, err
}

// Close ends Accept.
func (s *stream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Listener.Close()
}

// Dial implements raft.StreamLayer.
func (s *stream) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.gate.dial(ctx, link.ProtoRaft, string(addr))
}
