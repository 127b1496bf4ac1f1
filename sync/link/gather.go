package link

import (
	"net"
	"sync"
)

// maxGather bounds what a connection holds back, in bytes: what is held beyond it is sent at once.
const maxGather = 256 << 10

// gather lies between TCP and TLS on the connections of a Server. TLS cuts what is written into records of at
// most 16 KiB and writes each by itself, and each wakes whoever waits at the other end. Between Hold and Release
// they are kept, and sent in one piece. What is read comes record by record.
type gather struct {
	net.Conn
	turns *turns  // of the handshake; nil when it is over
	parts records // of what is read

	mu   sync.Mutex // guards what follows, and keeps writes apart
	held *[]byte    // nil: nothing is held back
}

var gathers = sync.Pool{New: func() any { return new([]byte) }}

// Read implements net.Conn.
func (g *gather) Read(p []byte) (int, error) {
	if g.turns != nil { // each read is a turn: as few of them as can be
		n, err := g.turns.read(g.Conn, p)
		g.parts.read(p[:n])
		return n, err
	}
	n, err := g.Conn.Read(p[:g.parts.next(len(p))])
	g.parts.read(p[:n])
	return n, err
}

// Write implements net.Conn. What is held back counts as written; Release says if it was not.
func (g *gather) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil {
		return g.Conn.Write(p)
	}
	if len(*g.held) > 0 && len(*g.held)+len(p) > maxGather {
		if err := g.sendLocked(); err != nil {
			return 0, err
		}
	}
	*g.held = append(*g.held, p...)
	return len(p), nil
}

// Hold keeps back what is written from now on. The other side may wait for it, so Release must follow soon.
func (g *gather) Hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil {
		g.held = gathers.Get().(*[]byte)
	}
}

// Release sends what was held back. After an error the connection is of no more use.
func (g *gather) Release() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held == nil {
		return nil
	}
	err := g.sendLocked()
	if cap(*g.held) <= maxGather {
		gathers.Put(g.held)
	}
	g.held = nil
	return err
}

// sendLocked sends what is held back, with or without an error.
func (g *gather) sendLocked() error {
	if len(*g.held) == 0 {
		return nil
	}
	_, err := g.Conn.Write(*g.held)
	*g.held = (*g.held)[:0]
	return err
}
