package linktest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// room is how many bytes wait in one direction before a writer blocks.
const room = 256 << 10

// half is one direction of a stream.
type half struct {
	mu     sync.Mutex // guards what follows
	buf    []byte
	closed bool          // no more is written
	cut    bool          // and what waits is lost
	change chan struct{} // closed and replaced at each change
}

func newHalf() *half { return &half{change: make(chan struct{})} }

func (h *half) changedLocked() {
	close(h.change)
	h.change = make(chan struct{})
}

func (h *half) end(cut bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.cut = h.cut || cut
	h.changedLocked()
}

// conn is one end of a stream. It satisfies net.Conn.
type conn struct {
	link *link
	in   *half
	out  *half
	rd   deadline
	wd   deadline
}

// deadline is a point in time that ends a wait, and may be moved while one is under way.
type deadline struct {
	mu     sync.Mutex // guards what follows
	at     time.Time
	change chan struct{}
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	if d.change != nil {
		close(d.change)
		d.change = nil
	}
}

// wait blocks until change, or until the deadline moved or passed; it reports whether it passed.
func (d *deadline) wait(change <-chan struct{}) bool {
	d.mu.Lock()
	if d.change == nil {
		d.change = make(chan struct{})
	}
	moved, at := d.change, d.at
	d.mu.Unlock()
	var passed <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		passed = t.C
	}
	select {
	case <-change:
		return false
	case <-moved:
		return false
	case <-passed:
		return true
	}
}

func (d *deadline) over() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.at.IsZero() && !time.Now().Before(d.at)
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	for {
		if c.rd.over() {
			return 0, os.ErrDeadlineExceeded
		}
		c.in.mu.Lock()
		switch {
		case c.in.cut:
			c.in.mu.Unlock()
			return 0, ErrCut
		case len(c.in.buf) > 0:
			n := copy(p[:c.link.size(min(len(p), len(c.in.buf)))], c.in.buf)
			c.in.buf = c.in.buf[n:]
			c.in.changedLocked()
			c.in.mu.Unlock()
			return n, nil
		case c.in.closed:
			c.in.mu.Unlock()
			return 0, io.EOF
		}
		change := c.in.change
		c.in.mu.Unlock()
		c.rd.wait(change)
	}
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if d := c.link.delay(); d > 0 {
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-c.link.done:
			t.Stop()
		}
	}
	done := 0
	for done < len(p) {
		if c.wd.over() {
			return done, os.ErrDeadlineExceeded
		}
		c.out.mu.Lock()
		switch free := room - len(c.out.buf); {
		case c.out.cut:
			c.out.mu.Unlock()
			return done, ErrCut
		case c.out.closed:
			c.out.mu.Unlock()
			return done, io.ErrClosedPipe
		case free > 0:
			n, cut := c.link.take(min(free, len(p)-done))
			c.out.buf = append(c.out.buf, p[done:done+n]...)
			done += n
			c.out.changedLocked()
			c.out.mu.Unlock()
			if cut {
				c.link.end(true)
				return done, ErrCut
			}
			continue
		}
		change := c.out.change
		c.out.mu.Unlock()
		c.wd.wait(change)
	}
	return done, nil
}

// Close implements net.Conn. What was written can still be read by the other end; what comes in is
// thrown away.
func (c *conn) Close() error {
	c.out.end(false)
	c.in.end(false)
	return nil
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error { c.rd.set(t); c.wd.set(t); return nil }

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error { c.rd.set(t); return nil }

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error { c.wd.set(t); return nil }

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }
