package node

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// gate is the stream layer with a door that shuts at once: a node that cannot go on must say nothing more,
// also where goroutines of Raft still run because a write hangs.
type gate struct {
	raft.StreamLayer
	addr net.Addr

	mu    sync.Mutex // guards what follows
	conns map[net.Conn]struct{}
	shut  bool
}

// address is what others dial, as text.
type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

var errShut = errors.New("this node has left the group until it is started again")

// newGate takes the stream layer over; addr is what others dial, "" the address that it listens at.
func newGate(s raft.StreamLayer, addr string) *gate {
	g := &gate{StreamLayer: s, addr: s.Addr(), conns: map[net.Conn]struct{}{}}
	if addr != "" {
		g.addr = address(addr)
	}
	return g
}

// Addr implements net.Listener.
func (g *gate) Addr() net.Addr { return g.addr }

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	conn, err := g.StreamLayer.Accept()
	return g.keep(conn, err, "")
}

// Dial implements raft.StreamLayer.
func (g *gate) Dial(a raft.ServerAddress, limit time.Duration) (net.Conn, error) {
	g.mu.Lock()
	shut := g.shut
	g.mu.Unlock()
	if shut {
		return nil, errShut
	}
	conn, err := g.StreamLayer.Dial(a, limit)
	return g.keep(conn, err, string(a))
}

func (g *gate) keep(conn net.Conn, err error, to string) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	c := &gated{Conn: conn, gate: g, to: to}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		_ = conn.Close()
		return nil, errShut
	}
	g.conns[c] = struct{}{}
	return c, nil
}

// trim closes the connections that were made to addresses at which there is no member any more, and has been none for
// so long: the last word to a node that is removed is that it is.
func (g *gate) trim(member func(addr string) bool, now time.Time, after time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for conn := range g.conns {
		c := conn.(*gated)
		switch {
		case c.to == "" || member(c.to):
			c.stray = time.Time{}
		case c.stray.IsZero():
			c.stray = now
		case now.Sub(c.stray) >= after:
			delete(g.conns, conn)
			go func() { _ = c.Conn.Close() }() // it may wait for a peer that does not read
		}
	}
}

// close shuts the door and every connection. It does not wait for any of them.
func (g *gate) close() {
	g.mu.Lock()
	conns := g.conns
	g.shut, g.conns = true, map[net.Conn]struct{}{}
	g.mu.Unlock()
	_ = g.StreamLayer.Close()
	for c := range conns {
		// Closing may wait for a peer that does not read.
		go func() { _ = c.(*gated).Conn.Close() }()
	}
}

// gated is a connection that the gate knows of.
type gated struct {
	net.Conn
	gate  *gate
	to    string    // where it was dialled; "": it was accepted
	stray time.Time // since when there is no member; guarded by gate.mu
}

// Close implements net.Conn.
func (c *gated) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}
