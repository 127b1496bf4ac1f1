package serve

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/ui/api"
)

// mostLinks bounds the links of members that one server holds at once, however many files it may have open.
const mostLinks = 20_000

// Listen takes the configured address. It comes before anything is written, so that a port that is
// taken leaves nothing behind.
func Listen(addr string) (net.Listener, error) {
	const op = "listen"
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.New(fault.Conflict, op, "%s is in use by another program; stop it, or set listen: to another address", addr)
	case errors.Is(err, syscall.EACCES):
		return nil, fault.New(fault.Denied, op, "this user may not listen on %s; use a port above 1023, or grant CAP_NET_BIND_SERVICE", addr)
	case err != nil:
		return nil, fault.New(fault.Invalid, op, "%s: %w; set listen: to an address of this machine", addr, err)
	}
	return l, nil
}

// Door is the one TCP port of a server: the links of its members, first contacts, the API and the
// page, told apart by ALPN.
type Door struct {
	CA     *enroll.CA
	Server *link.Server
	Links  net.Listener // link.ProtoLink
	Joins  net.Listener // link.ProtoEnroll
	Web    net.Listener // HTTP/2 and HTTP/1.1
	// Fresh, if set, returns when the rows hold all that any server of this tier has acknowledged.
	Fresh func(ctx context.Context) error
	// Node, if set before the first connection, is what this server shows to the other nodes of its group, who look which
	// of them it is.
	Node *tls.Certificate

	refused admissions
	heap    heap
}

// OpenDoor puts the protocols on tcp, which it takes over.
func OpenDoor(tcp net.Listener, ca *enroll.CA, c config.Config, log *slog.Logger) (*Door, error) {
	own := ca.Server(names(c), c.Role)
	web := own.Get
	if c.Web.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(c.Web.CertFile, c.Web.KeyFile)
		if err != nil {
			return nil, fault.New(fault.Invalid, "open the web certificate", "%s and %s: %w", c.Web.CertFile, c.Web.KeyFile, err)
		}
		web = func() (*tls.Certificate, error) { return &cert, nil }
	}
	d := &Door{CA: ca}
	s, err := link.NewServer(tcp, link.ServerConfig{
		Certificate: func(proto string) (*tls.Certificate, error) {
			switch proto {
			case "h2", "http/1.1", "":
				return web()
			case link.ProtoRaft, link.ProtoPeer, link.ProtoGossip:
				if d.Node != nil {
					return d.Node, nil
				}
			}
			return own.Get()
		},
		Log: log,
	})
	if err != nil {
		return nil, err
	}
	d.Server, d.Links, d.Joins, d.Web = s, s.Listen(link.ProtoLink), s.Listen(link.ProtoEnroll), s.Listen("h2", "http/1.1")
	return d, nil
}

// Unenrolled closes the door to members: a server without an identity has none to let in, and says so in
// the handshake rather than by silence.
func (d *Door) Unenrolled() {
	_ = d.Links.Close()
	_ = d.Joins.Close()
}

// URL is where others find this server: by the first configured name, else the address it listens on,
// else the host's name; with the port that it really has.
func (d *Door) URL(c config.Config) string {
	host, port := "", ""
	if h, p, err := net.SplitHostPort(d.Server.Addr().String()); err == nil {
		if host, port = h, p; net.ParseIP(h).IsUnspecified() {
			host = ""
		}
	}
	if len(c.Names) > 0 {
		host = c.Names[0]
	}
	if host == "" {
		host, _ = os.Hostname()
	}
	return "https://" + net.JoinHostPort(host, port)
}

// names are what the server's own certificate answers to.
func names(c config.Config) []string {
	out := append([]string{"localhost", "127.0.0.1", "::1"}, c.Names...)
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && host != "" && host != "0.0.0.0" && host != "::" {
		out = append(out, host)
	}
	if h, err := os.Hostname(); err == nil && h != "" {
		out = append(out, h)
	}
	return out
}

// NewToken makes a one-time token for a new member of this server; it satisfies api.Tokens.
func (d *Door) NewToken(kind model.MemberKind, id model.NodeID) (token, hash, pin string, err error) {
	t, err := enroll.NewToken(rand.Reader, kind, id, d.CA.Pin())
	if err != nil {
		return "", "", "", err
	}
	return t.Encode(), t.Hash(), t.Pin(), nil
}

// Admit returns the registry's answer to whoever dials, after a second look at newer rows for whoever is not known: the
// member may have enrolled at another server of this tier a moment ago. Who is refused is told why, and counted.
func (d *Door) Admit(ctx context.Context, rows Rows, peer link.Peer) (model.Member, error) {
	m, err := admit(rows, peer)
	if d.Fresh != nil && fault.Is(err, fault.Denied) {
		if err := d.Fresh(ctx); err != nil {
			return m, err
		}
		m, err = admit(rows, peer)
	}
	if fault.Is(err, fault.Denied) {
		return m, d.refuse(rows, m, peer.Pin, err)
	}
	return m, err
}

// Run serves the door, the local socket and the members' links until ctx ends or one of them fails.
// session is called with each link of an admitted member, and returns why it ended.
func (d *Door) Run(ctx context.Context, socket net.Listener, a *api.Server, joins *enroll.Server, rows Rows, log *slog.Logger,
	session func(context.Context, *link.Session, *model.Member) error,
) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.Server.Run(ctx) })
	g.Go(func() error { return d.Serve(ctx, socket, a, joins, rows, log, session) })
	return g.Wait()
}

// admitted returns the member whose session it is, or nil, having said why not. It is apart from who calls it so that the
// stack of a goroutine that lives as long as a link stays small.
//
//go:noinline
func (d *Door) admitted(ctx context.Context, rows Rows, s *link.Session, log *slog.Logger) *model.Member {
	m, err := d.Admit(ctx, rows, s.Peer())
	if err != nil {
		log.Warn("link refused", "remote", s.Peer().Remote, "err", err)
		return nil
	}
	return &m
}

// carry runs a link, which counts for the heap while it lasts, and counts why it ended.
func (d *Door) carry(ctx context.Context, s *link.Session, m *model.Member, session func(context.Context, *link.Session, *model.Member) error) {
	d.heap.follow(1)
	defer d.heap.follow(-1)
	d.Ended(session(ctx, s, m))
}

// Serve is Run for a door whose Server runs already.
func (d *Door) Serve(ctx context.Context, socket net.Listener, a *api.Server, joins *enroll.Server, rows Rows, log *slog.Logger,
	session func(context.Context, *link.Session, *model.Member) error,
) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.Serve(ctx, d.Web) })
	g.Go(func() error { return a.ServeSocket(ctx, socket) })
	g.Go(func() error { return joins.Run(ctx, d.Joins) })
	g.Go(func() error {
		conf := link.AcceptConfig{Log: log, Admit: func(ctx context.Context, p link.Peer) error { _, err := d.Admit(ctx, rows, p); return err }}
		return link.Sessions(ctx, d.Links, maxLinks(), conf, func(ctx context.Context, s *link.Session) {
			if m := d.admitted(ctx, rows, s, log); m != nil {
				d.carry(ctx, s, m, session)
			}
		})
	})
	return g.Wait()
}
