package link

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// One port, three consumers: each gets its own protocol, with its own certificate.
func TestALPN(t *testing.T) {
	a := newAuthority(t)
	forWeb, forLink := a.server(nil), a.server(nil)
	conf := ServerConfig{Certificate: func(proto string) (*tls.Certificate, error) {
		if proto == ProtoHTTP2 {
			return forWeb, nil
		}
		return forLink, nil
	}}
	var links net.Listener
	s := serve(t, conf, func(s *Server) {
		links = s.Listen(ProtoLink)
		l := s.Listen(ProtoHTTP2, ProtoHTTP1)
		web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })}
		var wg sync.WaitGroup
		wg.Go(func() { web.Serve(l) })
		t.Cleanup(func() { web.Close(); wg.Wait() })
	})
	get := func(http2 bool) (string, *x509.Certificate) {
		tr := &http.Transport{ForceAttemptHTTP2: http2, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Get("https://" + s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b), resp.TLS.PeerCertificates[0]
	}
	for want, http2 := range map[string]bool{"HTTP/2.0": true, "HTTP/1.1": false} {
		proto, cert := get(http2)
		if proto != want || !cert.Equal(mustParse(t, forWeb)) {
			t.Errorf("got %s with the right certificate: %v; want %s", proto, cert.Equal(mustParse(t, forWeb)), want)
		}
	}
	got := received(t, links)
	conf2 := a.dial(t)
	conf2.Proto = ProtoLink
	conn, err := DialConn(t.Context(), s.Addr().String(), conf2)
	if err != nil {
		t.Fatal(err)
	}
	if !conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Equal(mustParse(t, forLink)) {
		t.Error("the link shows the certificate of the page")
	}
	io.WriteString(conn, "frames")
	conn.Close()
	if b := got(); string(b) != "frames" {
		t.Errorf("the link got %q", b)
	}
	links.Close()
	if _, err := DialConn(t.Context(), s.Addr().String(), conf2); !fault.Is(err, fault.Denied) {
		t.Errorf("after its listener closed, the protocol is still served: %v", err)
	}
	if proto, _ := get(true); proto != "HTTP/2.0" {
		t.Errorf("the page fell with the link: %s", proto)
	}
}

func mustParse(t *testing.T, c *tls.Certificate) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// Connections that never say a word fill the room for pending ones, and a member still comes in.
func TestIdleConnectionsDoNotBlock(t *testing.T) {
	a := newAuthority(t)
	conf := a.present(nil)
	conf.MaxPending, conf.Handshake = 8, time.Hour
	var l net.Listener
	s := serve(t, conf, func(s *Server) { l = s.Listen(ProtoEnroll) })
	var idle []net.Conn
	for range 3 * conf.MaxPending {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		idle = append(idle, c)
	}
	got := received(t, l)
	conn, err := DialConn(t.Context(), s.Addr().String(), a.dial(t))
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, "in")
	conn.Close()
	if b := got(); string(b) != "in" {
		t.Errorf("got %q", b)
	}
	// The oldest gave way.
	idle[0].SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := idle[0].Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the oldest idler is still there: %v", err)
	}
	s.mu.Lock()
	n := s.pending.Len()
	s.mu.Unlock()
	if n > conf.MaxPending {
		t.Errorf("%d connections are pending, at most %d may", n, conf.MaxPending)
	}
}

// Nobody takes what was handed over: the bound holds there, too, and nothing hangs at the end.
func TestSlowConsumer(t *testing.T) {
	a := newAuthority(t)
	conf := a.present(nil)
	conf.MaxPending = 2
	s := serve(t, conf, func(s *Server) { s.Listen(ProtoEnroll) })
	var conns []net.Conn
	for range 4 {
		c, err := DialConn(t.Context(), s.Addr().String(), a.dial(t))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	conns[0].SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conns[0].Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the one that waited longest was kept: %v", err)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestHandshakeDeadline(t *testing.T) {
	a := newAuthority(t)
	conf := a.present(nil)
	conf.Handshake = 50 * time.Millisecond
	s := serve(t, conf, func(s *Server) { s.Listen(ProtoEnroll) })
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte{22, 3, 1}) // the beginning of a ClientHello
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadAll(c); isTimeout(err) {
		t.Error("a stalled handshake was not cut off")
	}
}

// The dialling end is bounded as well.
func TestDialDeadline(t *testing.T) {
	a := newAuthority(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	conf := a.dial(t)
	conf.Timeout = 50 * time.Millisecond
	if _, err := DialConn(t.Context(), mute.Addr().String(), conf); !fault.Is(err, fault.Unreachable) {
		t.Errorf("got %v", err)
	}
	// Here the handshake works and the verdict never comes.
	var l net.Listener
	s := serve(t, a.present(nil), func(s *Server) { l = s.Listen(ProtoLink) })
	got := received(t, l)
	conf.Proto = ProtoLink
	conf.Timeout = 300 * time.Millisecond
	if _, err := Dial(t.Context(), s.Addr().String(), conf); !fault.Is(err, fault.Unreachable) || !strings.Contains(err.Error(), "did not say") {
		t.Errorf("got %v", err)
	}
	got()
}

func TestPlainHTTP(t *testing.T) {
	a := newAuthority(t)
	s := serve(t, a.present(nil), func(s *Server) { s.Listen(ProtoHTTP2, ProtoHTTP1) })
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 400 || !strings.Contains(string(b), "https://") {
		t.Errorf("got %d %q", resp.StatusCode, b)
	}
}

func TestServerMisuse(t *testing.T) {
	a := newAuthority(t)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewServer(tcp, ServerConfig{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("no certificate: got %v", err)
	}
	s, err := NewServer(tcp, a.present(nil))
	if err != nil {
		t.Fatal(err)
	}
	l := s.Listen(ProtoLink)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the same protocol twice was accepted")
			}
		}()
		s.Listen(ProtoEnroll, ProtoLink)
	}()
	s.Close() // without Run
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Errorf("run after close: %v", err)
	}
	if _, err := s.Listen(ProtoRaft).Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("listen after close: %v", err)
	}
}
