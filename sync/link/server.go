package link

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// ServerConfig says how a Server greets whoever connects.
type ServerConfig struct {
	// Certificate returns what to present to a client of the given protocol. It is called once for
	// each handshake, from many goroutines, and must not block on the network. The chain must hold
	// the certificate authority for the skerry protocols: a joining member knows only its pin.
	Certificate func(proto string) (*tls.Certificate, error)
	// Handshake bounds the time from accept to the end of the TLS handshake. Zero: DefaultHandshake.
	Handshake time.Duration
	// MaxPending bounds the connections that are not handed over yet. When there are more, one that has
	// kept this side waiting is closed, the longest of them first; where none has, nothing is accepted
	// for a while, and who dials waits in the queue of the system. Zero: 512.
	MaxPending int
	// MaxComputing bounds the handshakes that are worked on at once; the others wait their turn. Zero: one
	// for each processor.
	MaxComputing int
	Log          *slog.Logger // nil: nothing is logged
}

// Server shares one TCP listener among protocols by ALPN. Make it, call Listen for each protocol,
// then Run.
type Server struct {
	tcp  net.Listener
	conf ServerConfig
	log  *slog.Logger
	done chan struct{} // closed by Close
	room chan struct{} // told when a pending connection has left
	work chan struct{} // one for each handshake that is worked on

	mu      sync.Mutex // guards what follows
	closed  bool
	groups  []*listener
	pending *list.List // of *pending, oldest first
}

// pending is a connection between accept and hand-over.
type pending struct {
	conn    net.Conn
	evicted chan struct{}
	// waits is since when this side has waited for the client, or for who takes the connection over; zero: it
	// works on it. Heard says that the client has sent something that was not answered by more. Both guarded by
	// Server.mu.
	waits time.Time
	heard bool
}

// How long a pending connection may keep this side waiting before it gives way to another.
const (
	silentWait = time.Second     // where nothing came from it yet
	slowWait   = 5 * time.Second // for the next word of one that has begun to speak, or for who takes it over
)

// roomLook is how often a server that has no room looks whether one of them may give way.
const roomLook = 100 * time.Millisecond

// idle reports whether it may give way.
func (p *pending) idle(now time.Time) bool {
	if p.waits.IsZero() {
		return false
	}
	wait := silentWait
	if p.heard {
		wait = slowWait
	}
	return now.Sub(p.waits) > wait
}

// NewServer takes over tcp. It is Invalid without a Certificate.
func NewServer(tcp net.Listener, conf ServerConfig) (*Server, error) {
	if conf.Certificate == nil {
		return nil, fault.New(fault.Invalid, "listen", "no certificate for %s", tcp.Addr())
	}
	if conf.Handshake <= 0 {
		conf.Handshake = DefaultHandshake
	}
	if conf.MaxPending <= 0 {
		conf.MaxPending = 512
	}
	if conf.MaxComputing <= 0 {
		conf.MaxComputing = runtime.GOMAXPROCS(0)
	}
	if conf.Log == nil {
		conf.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		tcp: tcp, conf: conf, log: conf.Log, done: make(chan struct{}),
		room: make(chan struct{}, 1), work: make(chan struct{}, conf.MaxComputing), pending: list.New(),
	}, nil
}

// Addr returns the TCP address that the server listens on.
func (s *Server) Addr() net.Addr { return s.tcp.Addr() }

// Listen returns the listener of the connections that choose one of protos, handshake done. What
// Accept returns is a *tls.Conn, so that an http.Server finds its h2, whose NetConn has Hold and Release, for
// who writes much at once: what is written in between leaves in one piece. For the skerry protocols the
// client has proved a key (PeerOf), which says nothing yet about whether it is welcome. A protocol
// that nobody listens for is refused in the handshake. Asking for a protocol that is taken panics.
func (s *Server) Listen(protos ...string) net.Listener {
	l := &listener{server: s, protos: protos, tls: s.protoConfig(protos), conns: make(chan net.Conn), done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		for _, p := range protos {
			if slices.Contains(g.protos, p) {
				panic("link: two listeners for " + p)
			}
		}
	}
	if s.closed {
		l.closeLocked()
		return l
	}
	s.groups = append(s.groups, l)
	return l
}

// Run accepts until ctx ends or Close is called, and returns when every handshake has ended. Then the
// listeners are closed; connections that were handed over live on. The error is nil unless the
// TCP listener failed.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()

	var wg sync.WaitGroup
	defer wg.Wait()
	defer s.Close()
	var wait time.Duration
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			select {
			case <-s.done:
				return nil
			default:
			}
			if errors.Is(err, net.ErrClosed) {
				return fault.New(fault.Other, "accept", "the listener on %s was closed", s.tcp.Addr())
			}
			// Out of descriptors or a client that left already: wait, and try again.
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			s.log.Warn("accept failed", "addr", s.tcp.Addr().String(), "err", err, "retry_in", wait)
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-s.done:
				timer.Stop()
			}
			continue
		}
		wait = 0
		e, ok := s.enter(conn)
		if !ok {
			conn.Close()
			continue
		}
		wg.Go(func() { s.handshake(ctx, e) })
	}
}

// Close stops accepting and closes the listeners and every connection that was not handed over. It
// does not wait; Run does.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.done)
	for _, l := range s.groups {
		l.closeLocked()
	}
	s.groups = nil
	for e := s.pending.Front(); e != nil; e = e.Next() {
		e.Value.(*pending).conn.Close()
	}
	return s.tcp.Close()
}

// enter counts conn in, where need be at the cost of one that is idle, or when there is room.
func (s *Server) enter(conn net.Conn) (*list.Element, bool) {
	tick := time.NewTimer(roomLook)
	defer tick.Stop()
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return nil, false
		}
		if s.pending.Len() < s.conf.MaxPending || s.evictLocked() {
			e := s.pending.PushBack(&pending{conn: conn, evicted: make(chan struct{}), waits: time.Now()})
			s.mu.Unlock()
			return e, true
		}
		s.mu.Unlock()
		tick.Reset(roomLook)
		select {
		case <-s.room:
		case <-tick.C:
		case <-s.done:
		}
	}
}

// evictLocked closes the oldest connection that is idle, if there is one.
func (s *Server) evictLocked() bool {
	now := time.Now()
	for e := s.pending.Front(); e != nil; e = e.Next() {
		p := e.Value.(*pending)
		if !p.idle(now) {
			continue
		}
		s.pending.Remove(e)
		close(p.evicted)
		p.conn.Close()
		s.log.Debug("closed an idle connection to make room", "remote", p.conn.RemoteAddr().String())
		return true
	}
	return false
}

func (s *Server) leave(e *list.Element) {
	s.mu.Lock()
	s.pending.Remove(e) // no harm when it was evicted
	s.mu.Unlock()
	select {
	case s.room <- struct{}{}:
	default:
	}
}

// waiting notes that p waits for the client from now on, and working that it does not.
func (s *Server) waiting(p *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.waits = time.Now()
}

func (s *Server) working(p *pending, heard bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.waits, p.heard = time.Time{}, heard
}

// handshake ends with the connection handed over or closed.
func (s *Server) handshake(ctx context.Context, e *list.Element) {
	defer s.leave(e)
	p := e.Value.(*pending)
	below := &gather{Conn: p.conn}
	turn := &turns{server: s, pending: p}
	below.turns = turn
	conn := tls.Server(below, s.tlsConfig())
	hctx, cancel := context.WithTimeout(ctx, s.conf.Handshake)
	err := conn.HandshakeContext(hctx)
	cancel()
	turn.end()
	below.turns = nil // before anybody else reads
	if err != nil {
		answerPlainHTTP(err)
		p.conn.Close()
		s.log.Debug("handshake failed", "remote", p.conn.RemoteAddr().String(), "err", err)
		return
	}
	l := s.listener(conn.ConnectionState().NegotiatedProtocol)
	if l == nil {
		conn.Close()
		return
	}
	s.waiting(p)
	select {
	case l.conns <- conn:
	case <-l.done:
		conn.Close()
	case <-p.evicted:
	}
}

// turns lets a handshake be worked on only in its turn. The work of a handshake lies between two reads: so a
// client that is slow, or says nothing, keeps nobody from theirs.
type turns struct {
	server  *Server
	pending *pending
	working bool
}

// read reads from conn, with the turn given up meanwhile.
func (t *turns) read(conn net.Conn, b []byte) (int, error) {
	t.end()
	t.server.waiting(t.pending)
	n, err := conn.Read(b)
	t.server.working(t.pending, n > 0)
	if err != nil {
		return n, err // nothing follows that takes long
	}
	select {
	case t.server.work <- struct{}{}:
		t.working = true
	case <-t.pending.evicted:
	case <-t.server.done:
	}
	return n, nil
}

func (t *turns) end() {
	if t.working {
		t.working = false
		<-t.server.work
	}
}

// listener finds who takes connections of proto; no ALPN at all means HTTP/1.1.
func (s *Server) listener(proto string) *listener {
	if proto == "" {
		proto = ProtoHTTP1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.groups {
		if slices.Contains(l.protos, proto) {
			return l
		}
	}
	return nil
}

// listener is the part of the port that belongs to some protocols.
type listener struct {
	server *Server
	protos []string
	tls    *tls.Config
	conns  chan net.Conn
	done   chan struct{}
	closed bool // guarded by server.mu
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Addr() net.Addr { return l.server.tcp.Addr() }

// Close gives the protocols back; the TCP listener stays open.
func (l *listener) Close() error {
	l.server.mu.Lock()
	defer l.server.mu.Unlock()
	l.server.groups = slices.DeleteFunc(l.server.groups, func(g *listener) bool { return g == l })
	l.closeLocked()
	return nil
}

func (l *listener) closeLocked() {
	if !l.closed {
		l.closed = true
		close(l.done)
	}
}
