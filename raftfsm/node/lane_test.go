package node

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/engine/fault"
)

// lane is a stream layer of a town.
type lane struct {
	net.Listener
	town *town
	from string
}

// Dial implements raft.StreamLayer.
func (l *lane) Dial(a raft.ServerAddress, limit time.Duration) (net.Conn, error) {
	to := l.town.named(string(a))
	if err := l.town.pass(l.from, to, nil, time.After(limit)); err != nil {
		return nil, err
	}
	conn, err := net.DialTimeout("tcp", string(a), limit)
	if err != nil {
		return nil, err
	}
	return &laned{Conn: conn, lane: l, to: to, done: make(chan struct{})}, nil
}

// laned is a connection of a town, at the end that dialled.
type laned struct {
	net.Conn
	lane *lane
	to   string
	once sync.Once
	done chan struct{}

	mu          sync.Mutex // guards what follows
	read, write time.Time
}

func (c *laned) SetDeadline(t time.Time) error {
	c.mu.Lock()
	c.read, c.write = t, t
	c.mu.Unlock()
	return c.Conn.SetDeadline(t)
}

func (c *laned) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.read = t
	c.mu.Unlock()
	return c.Conn.SetReadDeadline(t)
}

func (c *laned) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	c.write = t
	c.mu.Unlock()
	return c.Conn.SetWriteDeadline(t)
}

func (c *laned) pass(from, to string, at *time.Time) error {
	c.mu.Lock()
	limit := *at
	c.mu.Unlock()
	var late <-chan time.Time
	if !limit.IsZero() {
		late = time.After(time.Until(limit))
	}
	return c.lane.town.pass(from, to, c.done, late)
}

func (c *laned) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil {
		err = c.pass(c.to, c.lane.from, &c.read)
	}
	return n, err
}

func (c *laned) Write(b []byte) (int, error) {
	if err := c.pass(c.lane.from, c.to, &c.write); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

func (c *laned) Close() error {
	c.once.Do(func() { close(c.done) })
	return c.Conn.Close()
}

// caller asks the nodes of a town, within this process.
type caller struct {
	town *town
	from string
}

// Call implements Caller.
func (c caller) Call(ctx context.Context, addr, route string, body []byte) ([]byte, error) {
	gone := func(err error) error { return fault.New(fault.Unreachable, "call "+addr, "%w", err) }
	to := c.town.named(addr)
	if err := c.town.pass(c.from, to, ctx.Done(), nil); err != nil {
		return nil, gone(err)
	}
	n := c.town.at(to)
	if n == nil || c.town.at(c.from) == nil {
		return nil, gone(errors.New("connection refused"))
	}
	type answer struct {
		body []byte
		err  error
	}
	done := make(chan answer, 1)
	go func() { // the other node works on, also when nobody waits any more
		body, err := n.Answer(context.WithoutCancel(ctx), c.from, route, body)
		done <- answer{body, err}
	}()
	select {
	case a := <-done:
		if err := c.town.pass(to, c.from, ctx.Done(), nil); err != nil {
			return nil, gone(err)
		}
		c.town.mu.Lock()
		lose := c.town.lose
		c.town.mu.Unlock()
		if lose != nil && lose(c.from, to, route) {
			return nil, gone(errors.New("the answer was lost"))
		}
		return a.body, a.err
	case <-n.ended:
		return nil, gone(errors.New("connection reset"))
	case <-ctx.Done():
		return nil, gone(context.Cause(ctx))
	}
}

// Stream implements Streamer.
func (c caller) Stream(ctx context.Context, addr, route string, body []byte) (net.Conn, error) {
	n := c.town.at(c.town.named(addr))
	if n == nil {
		return nil, fault.New(fault.Unreachable, "open a stream", "connection refused")
	}
	near, far := net.Pipe()
	go func() { _ = n.ReceiveSnapshot(context.Background(), c.from, body, far) }()
	return near, nil
}
