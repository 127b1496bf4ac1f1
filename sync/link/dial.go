package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// DialConfig says who dials and whom it expects.
type DialConfig struct {
	// Cert is this side's certificate, with its private key. Any certificate of the key will do.
	Cert tls.Certificate
	// Roots and CAPin name the certificate authority of the upper tier: whole, or by the pin of its
	// key (see PinOf), in which case the server must present it. At least one; either suffices.
	Roots []*x509.Certificate
	CAPin string
	// Role is what the server's certificate must say that it is. Empty: any role.
	Role model.Role
	// Check, if set, is a further look at the server's certificate, behind all others. An error refuses it.
	Check func(leaf *x509.Certificate) error
	// Proto is the protocol to speak. Empty: ProtoLink in Dial; DialConn requires it.
	Proto string
	// Now is the clock; nil is time.Now. Floor is the latest instant that is known to have passed:
	// where the clock is behind it (no battery, no network yet), dates are judged at Floor.
	Now   func() time.Time
	Floor time.Time
	// Timeout bounds everything until the session is there. Zero: DefaultHandshake.
	Timeout time.Duration
	// Wrap, if set, is given the connection before anything is said on it, and returns what is spoken through.
	Wrap func(net.Conn) net.Conn
	Log  *slog.Logger // nil: nothing is logged
}

// Dial opens a session with the upper tier at addr (host:port, see Address). It returns after the
// other side has said that this member is welcome; a refusal comes with the other side's kind and
// text. Unreachable is worth a retry; Denied and Expired need a person.
func Dial(ctx context.Context, addr string, conf DialConfig) (*Session, error) {
	if conf.Proto == "" {
		conf.Proto = ProtoLink
	}
	ctx, cancel := context.WithTimeout(ctx, conf.timeout())
	defer cancel()
	conn, err := dial(ctx, addr, conf)
	if err != nil {
		return nil, fault.Wrap("dial", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	err = readVerdict(conn)
	if !stop() {
		err = ctx.Err() // the cause; the failed read is its effect
	}
	if err != nil {
		conn.Close()
		var refused *fault.Error
		if errors.As(err, &refused) {
			after, _ := fault.RetryAfter(err)
			return nil, fault.Later(fault.New(refused.Kind, "dial", "%s refused this member: %w", addr, refused.Err), after)
		}
		return nil, fault.New(fault.Unreachable, "dial", "%s did not say whether this member is welcome: %w", addr, err)
	}
	s, err := newSession(conn, true, conf.Log, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// DialConn opens one authenticated connection that speaks conf.Proto, without streams. The check of
// the server is done when it returns, and not one byte of payload has been sent.
func DialConn(ctx context.Context, addr string, conf DialConfig) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, conf.timeout())
	defer cancel()
	conn, err := dial(ctx, addr, conf)
	if err != nil {
		return nil, fault.Wrap("dial", err)
	}
	return conn, nil
}

func (c *DialConfig) timeout() time.Duration {
	if c.Timeout > 0 {
		return c.Timeout
	}
	return DefaultHandshake
}

func dial(ctx context.Context, addr string, conf DialConfig) (*tls.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	switch {
	case err != nil:
		return nil, fault.New(fault.Invalid, "", "%q is not HOST:PORT", fault.Clip(addr, maxQuote))
	case len(conf.Roots) == 0 && conf.CAPin == "":
		return nil, fault.New(fault.Invalid, "", "no certificate authority is pinned for %s: enroll first", addr)
	case len(conf.Cert.Certificate) == 0:
		return nil, fault.New(fault.Invalid, "", "no certificate to present to %s: enroll first", addr)
	case conf.Proto == "":
		return nil, fault.New(fault.Invalid, "", "no protocol to speak with %s", addr)
	}
	now := time.Now
	if conf.Now != nil {
		now = conf.Now
	}
	t := &trust{addr: addr, proto: conf.Proto, roots: conf.Roots, pin: conf.CAPin, role: conf.Role, check: conf.Check, at: now()}
	if t.at.Before(conf.Floor) {
		t.at = conf.Floor
	}
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // the rest repeats the address
		}
		return nil, fault.New(fault.Unreachable, "", "%s cannot be reached: %w", addr, err)
	}
	c := baseConfig()
	c.NextProtos = []string{conf.Proto}
	c.ServerName = host // only sent, so that a proxy in front can route; never trusted
	c.InsecureSkipVerify = true
	c.VerifyConnection = t.verify
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &conf.Cert, nil }
	if conf.Proto == ProtoLink {
		thin(raw)
	}
	if conf.Wrap != nil {
		raw = conf.Wrap(raw)
	}
	conn := tls.Client(raw, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, dialFault(addr, conf.Proto, err)
	}
	return conn, nil
}
