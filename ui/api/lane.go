package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Times of a connection, in the lane and behind it.
const (
	headTime = 10 * time.Second // for the head of a request, and for the first one to come
	idleTime = 2 * time.Minute  // between two requests
)

// maxLaneHead is how long the head of a request in the lane may be, in bytes.
const maxLaneHead = 4 << 10

// lanes answers, on connections of HTTP/1.1, the requests of a program that asks for page after page, and gives
// every connection on which anything else is asked to net/http, with all that was read of it.
//
// It is there because net/http begins a goroutine with each request, which waits for the other side to go. On an
// idle machine, waking a processor for that takes longer than finding a host, and a page in five pieces wakes the
// reader five times. Here a request is read, answered and written by one goroutine, in one piece. Nothing is
// decided about a request twice: what plainHead does not know in every byte is not for the lane, and what it does
// know is read by http.ReadRequest (see laneReader) and goes through the same handler as everything else. DESIGN.md
// has the rules.
type lanes struct {
	net.Listener // of connections that are TLS already, or will be
	s            *Server
	count        func(net.Conn, http.ConnState)
	accepted     chan accepted
	passed       chan net.Conn // for net/http
	closed       chan struct{}
	once         sync.Once
	running      sync.WaitGroup

	ending atomic.Bool // set while mu is held

	mu   sync.Mutex            // guards open
	open map[net.Conn]struct{} // those in the lane
}

type accepted struct {
	c   net.Conn
	err error
}

// newLanes stands before net/http. Call stop in the end.
func (s *Server) newLanes(l net.Listener, count func(net.Conn, http.ConnState)) *lanes {
	x := &lanes{
		Listener: l, s: s, count: count, accepted: make(chan accepted), passed: make(chan net.Conn), closed: make(chan struct{}),
		open: map[net.Conn]struct{}{},
	}
	x.running.Go(func() {
		for {
			c, err := l.Accept()
			select {
			case x.accepted <- accepted{c, err}:
			case <-x.closed:
				if err == nil {
					_ = c.Close()
				}
				return
			}
		}
	})
	return x
}

// Accept returns the next connection for net/http.
func (x *lanes) Accept() (net.Conn, error) {
	for {
		select {
		case a := <-x.accepted:
			if a.err != nil {
				return nil, a.err
			}
			if !x.enter(a.c) {
				_ = a.c.Close()
				continue
			}
			x.running.Go(func() { x.drive(a.c) })
		case c := <-x.passed:
			return c, nil
		case <-x.closed:
			return nil, net.ErrClosed
		}
	}
}

// Close stops accepting.
func (x *lanes) Close() (err error) {
	x.once.Do(func() {
		close(x.closed)
		err = x.Listener.Close()
	})
	return err
}

// end lets no further request into the lane.
func (x *lanes) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ending.Store(true)
	for c := range x.open {
		_ = c.SetReadDeadline(time.Unix(1, 0)) // those that wait for one
	}
}

// stop lets the requests in the lane finish until ctx ends, and returns when nothing of it runs any more.
func (x *lanes) stop(ctx context.Context) {
	_ = x.Close()
	x.end()
	cut := context.AfterFunc(ctx, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		for c := range x.open {
			_ = c.Close()
		}
	})
	x.running.Wait()
	cut()
}

func (x *lanes) enter(c net.Conn) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ending.Load() {
		return false
	}
	x.open[c] = struct{}{}
	return true
}

func (x *lanes) leave(c net.Conn) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.open, c)
}

// slack is by how much the end of a wait may come early. A deadline that is as good as the one wanted stays, for
// setting one costs each request as much as reading its head.
const slack = time.Second

// silence is until when one connection may say nothing.
type silence struct {
	c   net.Conn
	end time.Time
}

// until gives the other side time to send, unless the server is stopping.
func (x *lanes) until(p *silence, d time.Duration) bool {
	end := time.Now().Add(d)
	if early := end.Sub(p.end); early >= 0 && early < slack {
		return !x.ending.Load() // if it begins to end from here on, end sets the deadline
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ending.Load() || p.c.SetReadDeadline(end) != nil {
		return false
	}
	p.end = end
	return true
}

// drive has a connection until it is closed or passed on.
func (x *lanes) drive(c net.Conn) {
	x.count(c, http.StateNew)
	on := x.talk(c)
	x.leave(c)
	x.count(c, http.StateClosed)
	if on == nil {
		_ = c.Close()
		return
	}
	select {
	case x.passed <- on:
	case <-x.closed:
		_ = c.Close()
	}
}

// talk answers what is for the lane. It returns what net/http is to go on with, or nil.
func (x *lanes) talk(c net.Conn) net.Conn {
	t, ok := c.(*tls.Conn)
	if !ok {
		return c
	}
	ctx, cancel := context.WithTimeout(context.Background(), headTime)
	err := t.HandshakeContext(ctx) // was done before, on the server's own port
	cancel()
	if err != nil {
		return nil
	}
	state := t.ConnectionState()
	if state.NegotiatedProtocol == "h2" {
		return c
	}
	r := bufio.NewReaderSize(t, maxLaneHead)
	w := laneWriter{conn: t, header: http.Header{}}
	w.gather, _ = t.NetConn().(gatherer)
	l := laneReader{r: r, remote: t.RemoteAddr().String(), state: &state}
	p := silence{c: t}
	for wait := headTime; x.until(&p, wait); wait = idleTime {
		head, plain, err := x.head(&p, r)
		if err != nil {
			return nil
		}
		if !plain {
			return resume(t, r, nil)
		}
		req, taken := l.request(head)
		if req == nil {
			return resume(t, r, taken)
		}
		if !w.answer(x.s, req) {
			return nil
		}
	}
	return nil
}

// head waits for the head of a request and reports whether it is for the lane; it stays in the reader. An
// error is the end of the connection.
func (x *lanes) head(p *silence, r *bufio.Reader) (head []byte, plain bool, err error) {
	if _, err := r.Peek(1); err != nil {
		return nil, false, err
	}
	for first := true; ; first = false {
		head, _ = r.Peek(r.Buffered())
		if end := bytes.Index(head, []byte("\r\n\r\n")); end >= 0 {
			head = head[:end+4]
			return head, plainHead(head), nil
		}
		if !maybePlain(head) || len(head) == maxLaneHead {
			return head, false, nil
		}
		if first && !x.until(p, headTime) {
			return nil, false, net.ErrClosed
		}
		_, err := r.Peek(len(head) + 1)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, false, err
		case err != nil: // net/http meets the same end
			return head, false, nil
		}
	}
}

// resumed is a connection of which something was read before.
type resumed struct {
	*tls.Conn
	rest io.Reader
}

// resume gives back what was read: head, and what is still in r.
func resume(c *tls.Conn, r *bufio.Reader, head []byte) net.Conn {
	buffered, _ := r.Peek(r.Buffered())
	return &resumed{Conn: c, rest: io.MultiReader(bytes.NewReader(slices.Concat(head, buffered)), c)}
}

// Read implements net.Conn.
func (c *resumed) Read(p []byte) (int, error) { return c.rest.Read(p) }
