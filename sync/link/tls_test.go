package link

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// authority is a certificate authority for tests.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	a.cert = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, nil, a.key.Public())
	return a
}

func (a *authority) sign(c, parent *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	a.t.Helper()
	if parent == nil {
		parent = c
	}
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// server returns a certificate for a server; change may spoil it first.
func (a *authority) server(change func(*x509.Certificate)) *tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	c := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "server", OrganizationalUnit: []string{string(model.RoleController)}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if change != nil {
		change(c)
	}
	leaf := a.sign(c, a.cert, key.Public())
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, a.cert.Raw}, PrivateKey: key}
}

// member returns a self-signed certificate of a new key, and its pin.
func member(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	// Long expired: nobody may care.
	c := a.sign(&x509.Certificate{NotBefore: time.Unix(1, 0), NotAfter: time.Unix(2, 0)}, nil, a.key.Public())
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: a.key}, PinOf(c)
}

// serve runs a server on loopback until the test ends. setup calls Listen.
func serve(t *testing.T, conf ServerConfig, setup func(*Server)) *Server {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(tcp, conf)
	if err != nil {
		t.Fatal(err)
	}
	setup(s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return s
}

func (a *authority) present(change func(*x509.Certificate)) ServerConfig {
	c := a.server(change)
	return ServerConfig{Certificate: func(string) (*tls.Certificate, error) { return c, nil }}
}

func (a *authority) dial(t *testing.T) DialConfig {
	cert, _ := member(t)
	return DialConfig{Cert: cert, CAPin: PinOf(a.cert), Role: model.RoleController, Proto: ProtoEnroll}
}

// received collects everything that a client sends on its connections.
func received(t *testing.T, l net.Listener) func() []byte {
	t.Helper()
	all := make(chan []byte, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			all <- nil
			return
		}
		b, _ := io.ReadAll(conn)
		conn.Close()
		all <- b
	}()
	return func() []byte {
		select {
		case b := <-all:
			return b
		case <-time.After(5 * time.Second):
			t.Error("the server's end never saw the connection end")
			return nil
		}
	}
}

func TestDialConn(t *testing.T) {
	a := newAuthority(t)
	var l net.Listener
	s := serve(t, a.present(nil), func(s *Server) { l = s.Listen(ProtoEnroll) })
	conf := a.dial(t)
	for name, change := range map[string]func(*DialConfig){
		"by pin":   func(*DialConfig) {},
		"by root":  func(c *DialConfig) { c.CAPin, c.Roots = "", []*x509.Certificate{a.cert} },
		"any role": func(c *DialConfig) { c.Role = "" },
		"slow clock": func(c *DialConfig) {
			c.Now, c.Floor = func() time.Time { return time.Unix(0, 0) }, time.Now()
		},
		"clock a little behind": func(c *DialConfig) {
			c.Now = func() time.Time { return time.Now().Add(-time.Hour - certSlack/2) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			conf := conf
			change(&conf)
			got := received(t, l)
			conn, err := DialConn(t.Context(), s.Addr().String(), conf)
			if err != nil {
				t.Fatal(err)
			}
			peer, err := PeerOf(conn)
			if err != nil || peer.Remote != s.Addr().String() || len(peer.Pin) != 64 {
				t.Errorf("peer is %+v, %v", peer, err)
			}
			if _, err := conn.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if b := got(); string(b) != "hello" {
				t.Errorf("the server got %q", b)
			}
		})
	}
}

// What must stop a dialler, with its kind and what the text must say. In every case the server's end
// must not see a single byte of payload.
func TestDialRefusesServer(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	hour := time.Hour
	for _, c := range []struct {
		name  string
		serve ServerConfig
		dial  func(*DialConfig)
		kind  fault.Kind
		text  string
	}{
		{"man in the middle with its own authority", other.present(nil), nil, fault.Denied, "intercepts the connection"},
		{"man in the middle who shows the real authority", ServerConfig{Certificate: func(string) (*tls.Certificate, error) {
			c := other.server(nil)
			c.Certificate[1] = a.cert.Raw
			return c, nil
		}}, nil, fault.Denied, "intercepts the connection"},
		{
			"the authority known whole is another", other.present(nil), func(c *DialConfig) { c.CAPin, c.Roots = "", []*x509.Certificate{a.cert} },
			fault.Denied, "intercepts the connection",
		},
		{
			"a member poses as the server", a.present(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), nil,
			fault.Denied, "is refused",
		},
		{
			"a server of another role", a.present(func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{"site"} }), nil,
			fault.Denied, `is not a controller (its certificate says "site")`,
		},
		{"expired", a.present(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-hour / 2) }), nil, fault.Expired, "set the clock"},
		{"floor later than the certificate", a.present(nil), func(c *DialConfig) { c.Floor = time.Now().Add(3 * hour) }, fault.Expired, "set the clock"},
		{"clock far behind", a.present(nil), func(c *DialConfig) { c.Now = func() time.Time { return time.Unix(0, 0) } }, fault.Expired, "set the clock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l net.Listener
			s := serve(t, c.serve, func(s *Server) { l = s.Listen(ProtoEnroll) })
			got := received(t, l)
			conf := a.dial(t)
			if c.dial != nil {
				c.dial(&conf)
			}
			conn, err := DialConn(t.Context(), s.Addr().String(), conf)
			if err == nil {
				conn.Write([]byte("secret"))
				conn.Close()
				t.Fatalf("it was accepted; the server got %q", got())
			}
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got kind %s: %v", fault.KindOf(err), err)
			}
			l.Close()
			if b := got(); len(b) != 0 {
				t.Errorf("the server got %q", b)
			}
		})
	}
}

func TestDialRefusesItsOwnConfig(t *testing.T) {
	a := newAuthority(t)
	for name, change := range map[string]func(*DialConfig){
		"no authority":   func(c *DialConfig) { c.CAPin = "" },
		"no certificate": func(c *DialConfig) { c.Cert = tls.Certificate{} },
		"no protocol":    func(c *DialConfig) { c.Proto = "" },
	} {
		conf := a.dial(t)
		change(&conf)
		if _, err := DialConn(t.Context(), "127.0.0.1:1", conf); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := DialConn(t.Context(), "nowhere", a.dial(t)); !fault.Is(err, fault.Invalid) {
		t.Errorf("no port: got %v", err)
	}
}

// Servers that are no Skerry server, each with a text that helps.
func TestDialOtherServers(t *testing.T) {
	a := newAuthority(t)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := plain.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
			c.Close()
		}
	}()
	defer plain.Close()
	old, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{*a.server(nil)}, MaxVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := old.Accept()
			if err != nil {
				return
			}
			c.(*tls.Conn).Handshake()
			c.Close()
		}
	}()
	defer old.Close()
	web := serve(t, a.present(nil), func(s *Server) { s.Listen(ProtoHTTP2, ProtoHTTP1) })
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for _, c := range []struct {
		name, addr string
		kind       fault.Kind
		text       string
	}{
		{"ssh", plain.Addr().String(), fault.Unreachable, "does not answer with TLS"},
		{"TLS 1.2", old.Addr().String(), fault.Denied, "TLS 1.3"},
		{"web only", web.Addr().String(), fault.Denied, "does not speak skerry-enroll/1"},
		{"nobody", gone.Addr().String(), fault.Unreachable, gone.Addr().String() + " cannot be reached: "},
	} {
		_, err := DialConn(t.Context(), c.addr, a.dial(t))
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got kind %s: %v", c.name, fault.KindOf(err), err)
		}
	}
}

func TestServerRefusesClients(t *testing.T) {
	a := newAuthority(t)
	s := serve(t, a.present(nil), func(s *Server) {
		l := s.Listen(ProtoLink)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
				t.Errorf("a client from %s was handed over", c.RemoteAddr())
			}
		}()
	})
	cert, _ := member(t)
	base := tls.Config{InsecureSkipVerify: true, NextProtos: []string{ProtoLink}, Certificates: []tls.Certificate{cert}}
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.2":          func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		"no certificate":   func(c *tls.Config) { c.Certificates = nil },
		"another protocol": func(c *tls.Config) { c.NextProtos = []string{"h2"} },
		"no protocol":      func(c *tls.Config) { c.NextProtos = nil },
		"many certificates": func(c *tls.Config) {
			many := cert
			for range maxChain {
				many.Certificate = append(many.Certificate, cert.Certificate[0])
			}
			c.Certificates = []tls.Certificate{many}
		},
	} {
		c := base.Clone()
		change(c)
		conn, err := tls.Dial("tcp", s.Addr().String(), c)
		if err != nil {
			continue
		}
		// The client's handshake ends before the server has judged its certificate.
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err = conn.Read(make([]byte, 1))
		conn.Close()
		var alert tls.AlertError
		if err == nil || errors.As(err, &alert) || !strings.Contains(err.Error(), "remote error") {
			t.Errorf("%s: the read gave %v, want an alert", name, err)
		}
	}
}

func TestNoTickets(t *testing.T) {
	a := newAuthority(t)
	s := serve(t, a.present(nil), func(s *Server) {
		go http.Serve(s.Listen(ProtoHTTP2, ProtoHTTP1), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	})
	cache := &countingCache{}
	conn, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{ProtoHTTP1}, ClientSessionCache: cache})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(conn); err != nil { // tickets would arrive before the answer
		t.Fatal(err)
	}
	if cache.puts != 0 {
		t.Errorf("the server gave %d tickets", cache.puts)
	}
}

type countingCache struct{ puts int }

func (c *countingCache) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (c *countingCache) Put(string, *tls.ClientSessionState)        { c.puts++ }
