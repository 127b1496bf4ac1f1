package link

import (
	"net"
	"sync"
	"time"
)

// Pace bounds how fast a node speaks on all its connections together, in each direction. What it sends leaves in
// small pieces, so that something else on the line has its turn between them. What it takes in it takes no faster, and
// so the other side finds the line full; at first as much as the system's buffer holds comes all the same.
//
// Bytes are counted as TCP carries them, TLS included; the headers of packets are not. It is safe for concurrent use.
type Pace struct{ out, in bucket }

// Bounds of a piece, in bytes.
const (
	leastPiece = 256
	mostPiece  = 64 << 10
)

// NewPace returns a Pace of so many bits a second; at least 8,000.
func NewPace(bits int64) *Pace {
	rate := max(bits, 8000) / 8
	return &Pace{out: bucket{rate: rate}, in: bucket{rate: rate}}
}

// Wrap returns conn at this pace. It fits DialConfig.Wrap.
func (p *Pace) Wrap(conn net.Conn) net.Conn {
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetReadBuffer(int(min(max(p.in.rate, 32<<10), 4<<20))) // a second's worth
	}
	return &pacedConn{Conn: conn, pace: p, closed: make(chan struct{})}
}

// bucket gives out the right to carry bytes.
type bucket struct {
	rate int64 // bytes a second

	mu   sync.Mutex // guards what follows
	free time.Time  // when all that was given out is carried
}

// piece is how many bytes are carried at once: a twentieth of a second.
func (b *bucket) piece() int { return int(min(max(b.rate/20, leastPiece), mostPiece)) }

// take returns how long to wait before n bytes are carried.
func (b *bucket) take(n int) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.free.Before(now) {
		b.free = now
	}
	wait := b.free.Sub(now)
	b.free = b.free.Add(time.Duration(float64(n) / float64(b.rate) * float64(time.Second)))
	return wait
}

// pacedConn is a connection at a pace.
type pacedConn struct {
	net.Conn
	pace   *Pace
	once   sync.Once
	closed chan struct{}
}

// wait lets d pass, or the connection be closed.
func (c *pacedConn) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.closed:
	}
}

// Write implements net.Conn. A deadline is noticed between two pieces.
func (c *pacedConn) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		piece := p[done:min(len(p), done+c.pace.out.piece())]
		c.wait(c.pace.out.take(len(piece)))
		n, err := c.Conn.Write(piece)
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Read implements net.Conn.
func (c *pacedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p[:min(len(p), c.pace.in.piece())])
	c.wait(c.pace.in.take(n))
	return n, err
}

// Close implements net.Conn.
func (c *pacedConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
