package gossip

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/skerryhq/skerry/engine/fault"
)

const (
	fakePort     = 1
	maxPacket    = 2048 // memberlist sends 1,400
	maxConns     = 64   // open at once, of both directions
	resolvedFor  = 30 * time.Second
	resolveLimit = 5 * time.Second
	maxResolved  = 256
)

// fakeIP is the address that memberlist carries for a node, in the block that is for examples only
// (RFC 3849), so that it never is anyone's.
func fakeIP(id string) net.IP {
	sum := sha256.Sum256([]byte(id))
	return append(net.IP{0x20, 0x01, 0x0d, 0xb8}, sum[:12]...)
}

// road carries memberlist's packets and streams; it implements memberlist.NodeAwareTransport.
type road struct {
	packets net.PacketConn
	streams net.Listener
	dial    func(ctx context.Context, addr string) (net.Conn, error)
	where   func(memberlist.Address) (string, bool)
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)

	in      chan *memberlist.Packet
	conns   chan net.Conn
	ctx     context.Context // ends with Shutdown
	quit    context.CancelFunc
	wg      sync.WaitGroup
	v4, any bool // what the socket can write to

	mu       sync.Mutex // guards what follows
	ended    bool
	open     map[*conn]bool
	resolved map[string]*place
}

// place is where a HOST:PORT was found last.
type place struct {
	at     netip.AddrPort // not valid: nowhere yet
	until  time.Time
	asking bool
}

func newRoad(packets net.PacketConn, streams net.Listener, dial func(context.Context, string) (net.Conn, error), where func(memberlist.Address) (string, bool)) *road {
	r := &road{
		packets: packets, streams: streams, dial: dial, where: where,
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		in: make(chan *memberlist.Packet), conns: make(chan net.Conn), open: map[*conn]bool{}, resolved: map[string]*place{},
	}
	if at, err := netip.ParseAddrPort(packets.LocalAddr().String()); err == nil {
		r.v4, r.any = at.Addr().Is4(), at.Addr().IsUnspecified() && at.Addr().Is6()
	}
	r.ctx, r.quit = context.WithCancel(context.Background())
	r.wg.Go(r.receive)
	r.wg.Go(r.accept)
	return r
}

// FinalAdvertiseAddr implements memberlist.Transport.
func (r *road) FinalAdvertiseAddr(ip string, port int) (net.IP, int, error) {
	return net.ParseIP(ip), port, nil
}

// PacketCh implements memberlist.Transport.
func (r *road) PacketCh() <-chan *memberlist.Packet { return r.in }

// StreamCh implements memberlist.Transport.
func (r *road) StreamCh() <-chan net.Conn { return r.conns }

func (r *road) receive() {
	buf := make([]byte, maxPacket)
	for {
		n, from, err := r.packets.ReadFrom(buf)
		at := time.Now()
		if err != nil {
			if r.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// An error of one packet (a port that nobody listens on) is not one of the socket.
			select {
			case <-time.After(10 * time.Millisecond):
				continue
			case <-r.ctx.Done():
				return
			}
		}
		if n == 0 || n == maxPacket { // the second was cut off, and is nothing that memberlist sends
			continue
		}
		p := &memberlist.Packet{Buf: append([]byte(nil), buf[:n]...), From: from, Timestamp: at}
		select {
		case r.in <- p:
		case <-r.ctx.Done():
			return
		}
	}
}

func (r *road) accept() {
	for {
		c, err := r.streams.Accept()
		if err != nil {
			if r.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			select {
			case <-time.After(10 * time.Millisecond):
				continue
			case <-r.ctx.Done():
				return
			}
		}
		kept, err := r.keep(c)
		if err != nil {
			continue
		}
		select {
		case r.conns <- kept:
		case <-r.ctx.Done():
			_ = kept.Close()
			return
		}
	}
}

// conn is a connection that Shutdown closes.
type conn struct {
	net.Conn
	r *road
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.r.mu.Lock()
	delete(c.r.open, c)
	c.r.mu.Unlock()
	return c.Conn.Close()
}

// keep takes c over, or closes it where there are too many or none are wanted any more.
func (r *road) keep(c net.Conn) (*conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || len(r.open) >= maxConns {
		_ = c.Close()
		return nil, fault.New(fault.Busy, "", "%d connections are open", len(r.open))
	}
	k := &conn{c, r}
	r.open[k] = true
	return k, nil
}

// DialTimeout implements memberlist.Transport; memberlist uses DialAddressTimeout.
func (r *road) DialTimeout(addr string, timeout time.Duration) (net.Conn, error) {
	return r.DialAddressTimeout(memberlist.Address{Addr: addr}, timeout)
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (r *road) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	addr, ok := r.where(a)
	if !ok {
		return nil, fault.New(fault.NotFound, "", "nothing is known of controller %s", a.Name)
	}
	ctx, cancel := context.WithTimeout(r.ctx, timeout)
	defer cancel()
	c, err := r.dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return r.keep(c)
}

// WriteTo implements memberlist.Transport; memberlist uses WriteToAddress.
func (r *road) WriteTo(b []byte, addr string) (time.Time, error) {
	return r.WriteToAddress(b, memberlist.Address{Addr: addr})
}

// WriteToAddress implements memberlist.NodeAwareTransport. It never waits for a name to be looked up: a
// packet for which that would be needed is lost, like others.
func (r *road) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	addr, ok := r.where(a)
	if !ok {
		return time.Time{}, lost(fault.New(fault.NotFound, "", "nothing is known of controller %s", a.Name))
	}
	to := r.resolve(addr)
	if !to.IsValid() {
		return time.Time{}, lost(fault.New(fault.Unreachable, "", "%s is not known to the name service yet", addr))
	}
	_, err := r.packets.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return time.Now(), err
}

// lost is an error in the form by which memberlist knows that the other side cannot be reached; at every
// other it would stop looking.
func lost(err error) error { return &net.OpError{Op: "write", Net: "udp", Err: err} }

// resolve returns where addr is, as far as that is known at the moment.
func (r *road) resolve(addr string) netip.AddrPort {
	if at, err := netip.ParseAddrPort(addr); err == nil {
		return at
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.resolved[addr]
	if p == nil {
		if len(r.resolved) >= maxResolved {
			clear(r.resolved)
		}
		p = &place{}
		r.resolved[addr] = p
	}
	if !p.asking && !r.ended && time.Now().After(p.until) {
		p.asking = true
		r.wg.Go(func() { r.ask(addr, p) })
	}
	return p.at
}

// ask looks addr up. Where that fails, the last answer stays.
func (r *road) ask(addr string, p *place) {
	ctx, cancel := context.WithTimeout(r.ctx, resolveLimit)
	defer cancel()
	var at netip.AddrPort
	host, port, err := net.SplitHostPort(addr)
	n, perr := strconv.ParseUint(port, 10, 16)
	if err == nil && perr == nil {
		found, err := r.lookup(ctx, host)
		for _, a := range found {
			if a = a.Unmap(); err == nil && (r.any || a.Is4() == r.v4) {
				at = netip.AddrPortFrom(a, uint16(n))
				break
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p.asking, p.until = false, time.Now().Add(resolvedFor)
	if at.IsValid() {
		p.at = at
	} else {
		p.until = time.Now().Add(time.Second)
	}
}

// Shutdown implements memberlist.Transport. It returns when nothing of the road runs any more.
func (r *road) Shutdown() error {
	r.mu.Lock()
	r.ended = true
	open := r.open
	r.open = map[*conn]bool{}
	r.mu.Unlock()
	r.quit()
	_ = r.packets.Close()
	_ = r.streams.Close()
	for c := range open {
		_ = c.Conn.Close()
	}
	r.wg.Wait()
	return nil
}
