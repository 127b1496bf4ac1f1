package main

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// line stands between a site and its controller: a proxy that counts what is carried, and can be cut.
type line struct {
	listener net.Listener
	to       string // HOST:PORT behind it

	up, down             atomic.Int64 // bytes, of TCP's payload
	upPieces, downPieces atomic.Int64 // reads that brought them; about as many as packets, on a quiet line
	links                atomic.Int64 // connections carried

	mu   sync.Mutex // guards what follows
	cut  bool
	open map[net.Conn]struct{}
	wg   sync.WaitGroup
}

// newLine listens on a free port of loopback.
func newLine(to string) (*line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	return &line{listener: l, to: to, open: map[net.Conn]struct{}{}}, err
}

func (l *line) addr() string { return l.listener.Addr().String() }

// serve carries until ctx ends, and joins what it started.
func (l *line) serve(ctx context.Context) {
	defer l.wg.Wait()
	defer context.AfterFunc(ctx, func() { l.listener.Close(); l.set(true) })()
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		if l.isCut() {
			near.Close()
			continue
		}
		far, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.to)
		if err != nil {
			near.Close()
			continue
		}
		l.links.Add(1)
		l.mu.Lock()
		l.open[near], l.open[far] = struct{}{}, struct{}{}
		cut := l.cut
		l.mu.Unlock()
		if cut {
			l.set(true) // it was cut while this one was dialled
		}
		l.wg.Go(func() { l.carry(near, far, &l.up, &l.upPieces) })
		l.wg.Go(func() { l.carry(far, near, &l.down, &l.downPieces) })
	}
}

func (l *line) carry(from, to net.Conn, bytes, pieces *atomic.Int64) {
	defer func() {
		from.Close()
		to.Close()
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.open, from)
	}()
	_, _ = io.Copy(counted{to, bytes, pieces}, struct{ io.Reader }{from}) // without splice, which would not be seen
}

type counted struct {
	io.Writer
	bytes, pieces *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes.Add(int64(n))
	c.pieces.Add(1)
	return n, err
}

// set cuts the line, which breaks what it carries, or mends it.
func (l *line) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	if cut {
		for c := range l.open {
			c.Close()
		}
		clear(l.open)
	}
}

func (l *line) isCut() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.cut }

// carried is what a line has carried.
type carried struct{ up, down, upPieces, downPieces int64 }

func (l *line) carried() carried {
	return carried{l.up.Load(), l.down.Load(), l.upPieces.Load(), l.downPieces.Load()}
}

func (c carried) minus(o carried) carried {
	return carried{c.up - o.up, c.down - o.down, c.upPieces - o.upPieces, c.downPieces - o.downPieces}
}
