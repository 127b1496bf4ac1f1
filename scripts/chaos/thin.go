package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Line is a thin line between a dialler and a server, made of a proxy: so many bytes a second in each direction, each
// late, and now and then a pause as of a packet that is lost and comes again. Where Dial leads through a network of
// the kernel's own, that adds to it. It holds few bytes, so that what is written onto it is felt at once.
type Line struct {
	Rate  int           // bytes a second in each direction; 0: no bound
	Delay time.Duration // of each byte, in each direction
	// Stall is how many pieces of 1,400 bytes of a hundred wait for one more Delay.
	Stall int
	// Dial opens the connection behind the proxy.
	Dial func() (net.Conn, error)

	up, down atomic.Int64 // bytes carried
	mu       sync.Mutex   // guards what follows
	open     map[net.Conn]struct{}
	wg       sync.WaitGroup
}

// packet is how many bytes are carried at once; lineRoom how many of them at least may be on the way.
const (
	packet   = 1400
	lineRoom = 8
)

// Serve takes connections of l until ctx ends, and joins what it started.
func (w *Line) Serve(ctx context.Context, l net.Listener) {
	stop := context.AfterFunc(ctx, func() { l.Close(); w.Cut() })
	defer stop()
	defer w.wg.Wait()
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		far, err := w.Dial()
		if err != nil {
			near.Close()
			continue
		}
		w.mu.Lock()
		if w.open == nil {
			w.open = map[net.Conn]struct{}{}
		}
		for _, c := range []net.Conn{near, far} {
			w.open[c] = struct{}{}
			if t, ok := c.(*net.TCPConn); ok { // what the proxy holds is not on the line
				_, _ = t.SetReadBuffer(8<<10), t.SetWriteBuffer(8<<10)
			}
		}
		w.mu.Unlock()
		w.wg.Go(func() { w.carry(ctx, near, far, &w.up) })
		w.wg.Go(func() { w.carry(ctx, far, near, &w.down) })
	}
}

// Cut breaks every connection.
func (w *Line) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.open {
		c.Close()
	}
	clear(w.open)
}

// Carried returns how many bytes went up and down.
func (w *Line) Carried() (up, down int64) { return w.up.Load(), w.down.Load() }

func (w *Line) carry(ctx context.Context, from, to net.Conn, n *atomic.Int64) {
	defer from.Close()
	defer to.Close()
	type piece struct {
		bytes []byte
		due   time.Time
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	way := make(chan piece, max(lineRoom, w.Rate*int(w.Delay/time.Millisecond)/1000/packet))
	arrived := make(chan struct{})
	w.wg.Go(func() {
		defer close(arrived)
		defer cancel()
		defer to.Close()
		for {
			var p piece
			var more bool
			select {
			case p, more = <-way:
				if !more {
					return
				}
			case <-ctx.Done():
				return
			}
			if !sleep(ctx, time.Until(p.due)) {
				return
			}
			if _, err := to.Write(p.bytes); err != nil {
				return
			}
			n.Add(int64(len(p.bytes)))
		}
	})
	free, last := time.Now(), time.Time{}
	for {
		buf := make([]byte, packet)
		k, err := from.Read(buf)
		if k > 0 {
			now := time.Now()
			if free.Before(now) {
				free = now
			}
			if w.Rate > 0 {
				free = free.Add(time.Duration(k) * time.Second / time.Duration(w.Rate))
			}
			due := free.Add(w.Delay)
			if rand.IntN(100) < w.Stall {
				due = due.Add(w.Delay)
			}
			if due.Before(last) { // TCP keeps the order: what comes behind a lost packet waits for it
				due = last
			}
			last = due
			select {
			case way <- piece{buf[:k], due}:
			case <-ctx.Done():
				return
			}
			if !sleep(ctx, time.Until(free)) {
				return
			}
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return
			}
			close(way) // what is on the way still arrives
			<-arrived
			return
		}
	}
}

// sleep lets d pass; false: ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Thin makes the cable of a host carry so much and no more, and lose packets at random, in both directions: a token
// bucket at each end of it, and a rule of nftables on the host for what arrives and one for what leaves. How TCP bears
// it hangs on the algorithm that the kernel uses, which is what it is on this machine.
func (w *Net) Thin(i int, rate string, loss int) error {
	port := fmt.Sprint("p", i)
	tbf := []string{"root", "tbf", "rate", rate, "burst", "3200", "latency", "400ms"}
	for _, at := range [][2]string{{w.Namespace(i), "eth"}, {w.hub(), port}} {
		if err := run("ip", append([]string{"netns", "exec", at[0], "tc", "qdisc", "replace", "dev", at[1]}, tbf...)...); err != nil {
			return err
		}
	}
	rule := fmt.Sprintf("numgen random mod 100 < %d drop", loss)
	return w.nft(i, "add chain inet chaos out { type filter hook output priority 0; }; add rule inet chaos in "+rule+"; add rule inet chaos out "+rule)
}
