package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/skerryhq/skerry/engine/fault"
)

// Bounds of a session.
const (
	maxStreams  = 256              // open at once, both directions together
	peerWindow  = 1 << 20          // bytes in flight to a stream that nobody reads, between the nodes of a group
	linkWindow  = 256 << 10        // the same on a member's link, of which there may be ten thousand
	backlog     = 64               // streams opened by the peer and not accepted yet
	linkBacklog = 16               // the same on a member's link
	keepAlive   = 15 * time.Second // between pings of an otherwise silent connection between nodes of a group
	writeStall  = 10 * time.Second // a write or ping that gets no further ends the session
	linkStall   = time.Minute      // the same on a member's link, where the items stream notices silence before that
	closeLinger = 30 * time.Second // for the peer to close its half of a stream
)

// Session is one authenticated connection with many streams in both directions. Its methods may be
// called from many goroutines.
type Session struct {
	mux   *yamux.Session
	peer  Peer
	proto string
	in    *intake // of a member's link; nil: it is none

	mu     sync.Mutex     // guards closed, so that nothing is added to wg behind Close's back
	closed bool           // by Close
	wg     sync.WaitGroup // of Open
}

// AcceptConfig says who is let in.
type AcceptConfig struct {
	// Admit decides whether the holder of the key with this pin is welcome. The kind and text of its
	// error are sent to the peer. It is called before any stream exists.
	Admit func(ctx context.Context, peer Peer) error
	Log   *slog.Logger // nil: nothing is logged

	all *throng // of all that are accepted by the same call of Sessions
}

// Accept makes a session of a connection that Listen(ProtoLink) or Listen(ProtoPeer) returned. It takes conn over, and
// closes it on any error. A refusal by Admit is returned as it is.
func Accept(ctx context.Context, conn net.Conn, conf AcceptConfig) (*Session, error) {
	s, err := accept(ctx, conn, conf)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func accept(ctx context.Context, conn net.Conn, conf AcceptConfig) (*Session, error) {
	peer, err := PeerOf(conn)
	if err != nil {
		return nil, err
	}
	refusal := conf.Admit(ctx, peer)
	conn.SetWriteDeadline(time.Now().Add(writeStall))
	if err := writeVerdict(conn, refusal); err != nil && refusal == nil {
		return nil, fault.New(fault.Unreachable, "accept", "%s left: %w", peer.Remote, err)
	}
	if refusal != nil {
		return nil, refusal
	}
	conn.SetWriteDeadline(time.Time{})
	return newSession(conn, false, conf.Log, conf.all)
}

func newSession(conn net.Conn, client bool, log *slog.Logger, all *throng) (*Session, error) {
	peer, err := PeerOf(conn)
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	proto := protoOf(conn)
	var in *intake
	if proto == ProtoLink {
		thin(conn)
		if all == nil {
			all = new(throng)
		}
		in = &intake{Conn: conn, all: all}
		conn = in
	}
	mux, err := newMux(conn, client, muxConfig(proto, log.With("remote", peer.Remote)))
	if err != nil {
		return nil, fault.New(fault.Other, "open session", "%w", err)
	}
	return &Session{mux: mux, peer: peer, proto: proto, in: in}, nil
}

// muxConfig is for a session of that protocol. A member's link pings on its items stream, which takes any byte
// for a sign of life: on a thin line a ping of the multiplexer would wait behind all that is under way, and end
// a session that works.
func muxConfig(proto string, log *slog.Logger) *yamux.Config {
	c := &yamux.Config{
		AcceptBacklog: backlog, EnableKeepAlive: proto != ProtoLink, KeepAliveInterval: keepAlive,
		ConnectionWriteTimeout: writeStall, MaxStreamWindowSize: peerWindow,
		// A stream that the peer is slow to accept is its opener's business (the ctx of Open and the
		// deadlines of the stream); it must not end the session for everybody else.
		StreamOpenTimeout:  0,
		StreamCloseTimeout: closeLinger,
		Logger:             muxLog{log},
	}
	if proto == ProtoLink {
		c.ConnectionWriteTimeout, c.MaxStreamWindowSize, c.AcceptBacklog = linkStall, linkWindow, linkBacklog
	}
	return c
}

func protoOf(conn net.Conn) string {
	if t, ok := conn.(*tls.Conn); ok {
		return t.ConnectionState().NegotiatedProtocol
	}
	return ""
}

func newMux(conn net.Conn, client bool, c *yamux.Config) (*yamux.Session, error) {
	if client {
		return yamux.Client(conn, c)
	}
	return yamux.Server(conn, c)
}

// Peer returns who is at the other end.
func (s *Session) Peer() Peer { return s.peer }

// Open opens a stream. The peer learns of it at once, whether or not anything is written. It fails
// with Unreachable when the session has ended, with TooLarge when too many streams are open, and with
// the cause of ctx.
func (s *Session) Open(ctx context.Context) (net.Conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if n := s.mux.NumStreams(); n >= maxStreams {
		return nil, fault.New(fault.TooLarge, "open stream", "%d streams to %s are open already", n, s.peer.Remote)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, s.failed("open stream", yamux.ErrSessionShutdown)
	}
	// yamux waits without a ctx where the peer has too much to accept already.
	s.wg.Go(func() {
		raw, err := s.mux.OpenStream()
		if err != nil { // and not a nil stream in an interface
			select {
			case done <- result{nil, err}:
			case <-ctx.Done():
			}
			return
		}
		conn := s.stream(raw)
		select {
		case done <- result{conn, err}:
		case <-ctx.Done():
			conn.Close()
		}
	})
	s.mu.Unlock()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, s.failed("open stream", r.err)
		}
		return r.conn, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Accept returns the next stream that the peer opened. It fails with Unreachable when the session
// has ended, and with the cause of ctx.
func (s *Session) Accept(ctx context.Context) (net.Conn, error) {
	for {
		conn, err := s.mux.AcceptStreamWithContext(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, s.failed("accept stream", err)
		}
		if s.mux.NumStreams() > maxStreams {
			conn.Close()
			continue
		}
		return s.stream(conn), nil
	}
}

// stream is a stream of a member's link, whose writes go in small pieces. The other end takes a piece off the line as
// a whole, and whoever reads the stream, or anything else on the line, waits for it.
type stream struct {
	*yamux.Stream
	in *intake
}

// Hold has what comes on the whole link wait on the line from now on, but for a trickle, or no more: who reads the stream has
// no room for it.
func (s stream) Hold(on bool) { s.in.hold(on) }

// Came returns how many bytes came on the whole link so far, of this stream and others, read or not.
func (s stream) Came() uint64 { return s.in.came.Load() }

// linkPiece is the most bytes of one piece: a tenth of a second at 256 kbit/s. A piece is a record of TLS, and with one of 4 KiB
// the other end's buffer, which it keeps, grows to 8 KiB for each link.
const linkPiece = 3 << 10

// Write implements net.Conn.
func (s stream) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := s.Stream.Write(p[done:min(len(p), done+linkPiece)])
		if done += n; err != nil {
			return done, err
		}
	}
	return done, nil
}

func (s *Session) stream(raw *yamux.Stream) net.Conn {
	if s.proto == ProtoLink {
		return stream{raw, s.in}
	}
	return raw
}

// Done is closed when the session has ended, for whatever reason.
func (s *Session) Done() <-chan struct{} { return s.mux.CloseChan() }

// Err says why the session ended; nil while it lives.
func (s *Session) Err() error {
	select {
	case <-s.mux.CloseChan():
	default:
		return nil
	}
	_, err := s.mux.AcceptStream() // never blocks now, and is the only way to the cause
	if err == nil {
		err = yamux.ErrSessionShutdown
	}
	return s.failed("", err)
}

// Close ends the session and every stream, and returns when its goroutines have seen it. Whatever
// blocks in the session or in a stream returns with an error.
func (s *Session) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.mux.Close()
	s.wg.Wait()
	return err
}

func (s *Session) failed(op string, err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return fault.New(fault.Unreachable, op, "%s closed the link", s.peer.Remote)
	case errors.Is(err, yamux.ErrSessionShutdown):
		return fault.New(fault.Unreachable, op, "the link to %s is closed", s.peer.Remote)
	case errors.Is(err, yamux.ErrKeepAliveTimeout), errors.Is(err, yamux.ErrConnectionWriteTimeout):
		return fault.New(fault.Unreachable, op, "%s stopped answering: %w", s.peer.Remote, err)
	}
	return fault.New(fault.Unreachable, op, "the link to %s broke: %w", s.peer.Remote, err)
}

// muxLog sends the multiplexer's remarks to the log at debug level: each is either noise or comes
// back as an error from a call.
type muxLog struct{ log *slog.Logger }

func (l muxLog) Print(v ...any)                 { l.log.Debug(fmt.Sprint(v...)) }
func (l muxLog) Printf(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l muxLog) Println(v ...any)               { l.log.Debug(fmt.Sprint(v...)) }
