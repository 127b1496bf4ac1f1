package link

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// intake lies between the multiplexer and the connection of a member's link. The multiplexer takes in whatever comes, up to the
// window of a stream, although nobody reads it yet: where ten thousand report at the same moment that is more than the
// rest of the server has. A reader that has to wait holds the intake, so that what is to come waits on the line, or with its sender.
type intake struct {
	net.Conn
	all  *throng
	came atomic.Uint64 // bytes that were read

	mu   sync.Mutex    // guards what follows
	held chan struct{} // closed when it is let go; nil: it is not held
	free int           // bytes that come without a pause, since there is room for them
	gone chan struct{} // closed by Close; nil: nobody has paused yet
	over bool          // by Close
}

// throng is the links that were accepted together. While many of them are held the others come slower: so who reads one has a
// look at what is coming, and holds it, before all of that is here.
type throng struct{ held atomic.Int64 } // links

// slower is the pause between two reads while so many links of a throng are held. Fewer may be a few large reports that wait for
// each other, or a few members that mean harm, and are no reason to slow the others.
const (
	slower    = 50 * time.Millisecond
	slowerFor = 16
)

// trickle is how long a read waits while the intake is held. Then it goes on all the same, with trickleBytes at the most: so an end of
// the connection is noticed, and other streams of the link get on, if slowly.
const (
	trickle      = 5 * time.Second
	trickleBytes = 4 << 10
)

// Read implements net.Conn.
func (i *intake) Read(p []byte) (int, error) {
	i.mu.Lock()
	held, free := i.held, i.free > 0
	i.mu.Unlock()
	switch {
	case held != nil:
		t := time.NewTimer(trickle)
		select {
		case <-held:
		case <-t.C:
		}
		if t.Stop() {
			break // it was let go
		}
		p = p[:min(len(p), trickleBytes)]
	case !free && i.all.held.Load() >= slowerFor:
		i.pause()
	}
	n, err := i.Conn.Read(p)
	i.came.Add(uint64(n))
	if free {
		i.mu.Lock()
		i.free -= n
		i.mu.Unlock()
	}
	return n, err
}

// pause waits for the time between two reads, or for Close.
func (i *intake) pause() {
	i.mu.Lock()
	if i.gone == nil && !i.over {
		i.gone = make(chan struct{})
	}
	gone, over := i.gone, i.over
	i.mu.Unlock()
	if over {
		return
	}
	t := time.NewTimer(slower)
	defer t.Stop()
	select {
	case <-gone:
	case <-t.C:
	}
}

// hold has reads wait from now on, or no more.
func (i *intake) hold(on bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case on && i.held == nil:
		i.held, i.free = make(chan struct{}), 0
		i.all.held.Add(1)
	case !on && i.held != nil:
		close(i.held)
		i.held, i.free = nil, linkWindow // what it was held for
		i.all.held.Add(-1)
	}
}

// Close implements net.Conn.
func (i *intake) Close() error {
	i.hold(false)
	i.mu.Lock()
	if i.gone != nil && !i.over {
		close(i.gone)
	}
	i.over = true
	i.mu.Unlock()
	return i.Conn.Close()
}
