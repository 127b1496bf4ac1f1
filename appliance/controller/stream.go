package controller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/link"
)

// stream carries the group's own traffic over the one port. Both ends prove that they are a controller
// of this federation; which controllers are in the group, Raft knows.
type stream struct {
	net.Listener
	ca   *x509.Certificate
	conf link.DialConfig
	log  *slog.Logger

	once   sync.Once
	closed chan struct{}
}

func newStream(d *serve.Door, id string, log *slog.Logger) (*stream, error) {
	cert, err := d.CA.IssueServer([]string{id}, model.RoleController)
	if err != nil {
		return nil, err
	}
	return &stream{
		Listener: d.Server.Listen(link.ProtoRaft), ca: d.CA.Certificate(), log: log,
		conf:   link.DialConfig{Cert: cert, CAPin: d.CA.Pin(), Role: model.RoleController, Proto: link.ProtoRaft},
		closed: make(chan struct{}),
	}, nil
}

// Accept returns the next connection of another controller; everybody else is turned away.
func (s *stream) Accept() (net.Conn, error) {
	for {
		conn, err := s.Listener.Accept()
		if err != nil {
			// The port is closed before Raft is: until Raft closes its end as well, there is nobody to
			// accept and nothing to complain of.
			<-s.closed
			return nil, err
		}
		if err := s.admit(conn); err != nil {
			s.log.Warn("turned away from the group's own traffic", "remote", conn.RemoteAddr().String(), "err", err)
			_ = conn.Close()
			continue
		}
		return conn, nil
	}
}

// Close ends Accept.
func (s *stream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Listener.Close()
}

// admit wants a controller's certificate of this federation. The port is open to everybody who can
// reach it, and a forged Raft message would rewrite the federation.
func (s *stream) admit(conn net.Conn) error {
	t, ok := conn.(*tls.Conn)
	if !ok || len(t.ConnectionState().PeerCertificates) == 0 {
		return fault.New(fault.Denied, "", "no certificate was presented")
	}
	leaf := t.ConnectionState().PeerCertificates[0]
	roots := x509.NewCertPool()
	roots.AddCert(s.ca)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
		return fault.New(fault.Denied, "", "%w", err)
	}
	if !slices.Contains(leaf.Subject.OrganizationalUnit, string(model.RoleController)) {
		return fault.New(fault.Denied, "", "the certificate is not a controller's")
	}
	return nil
}

// Dial implements raft.StreamLayer.
func (s *stream) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return link.DialConn(ctx, string(addr), s.conf)
}
