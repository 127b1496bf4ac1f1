package enroll

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/wire"
)

// A man in the middle with an authority of his own gets nothing: not the secret, not a byte. The same
// holds where he shows the real authority's certificate, which everybody can get.
func TestManInTheMiddle(t *testing.T) {
	u := newUpper(t, model.RoleController)
	tok := u.invite(t, model.MemberSite, "north")
	evil := openCA(t, t.TempDir())
	for name, present := range map[string]func(tls.Certificate) tls.Certificate{
		"own authority": func(c tls.Certificate) tls.Certificate { return c },
		"the real authority's certificate": func(c tls.Certificate) tls.Certificate {
			c.Certificate[1] = u.ca.Certificate().Raw
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			cert, err := evil.IssueServer([]string{"127.0.0.1"}, model.RoleController)
			if err != nil {
				t.Fatal(err)
			}
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
				Certificates: []tls.Certificate{present(cert)}, NextProtos: []string{link.ProtoEnroll},
				ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			type seen struct {
				bytes []byte
				certs int
				err   error
			}
			heard := make(chan seen, 1)
			go func() {
				conn, err := l.Accept()
				if err != nil {
					heard <- seen{err: err}
					return
				}
				defer conn.Close()
				c := conn.(*tls.Conn)
				conn.SetDeadline(time.Now().Add(5 * time.Second))
				herr := c.Handshake()
				b, _ := io.ReadAll(c)
				heard <- seen{b, len(c.ConnectionState().PeerCertificates), herr}
			}()
			_, err = Join(t.Context(), "https://"+l.Addr().String(), tok, aKey(t), Newcomer{Now: fixed(day)})
			if !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "intercepts the connection; nothing was sent") {
				t.Errorf("got kind %s: %v", fault.KindOf(err), err)
			}
			h := <-heard
			if len(h.bytes) != 0 || h.certs != 0 || h.err == nil {
				t.Errorf("he heard %q and saw %d certificates (handshake: %v)", h.bytes, h.certs, h.err)
			}
		})
	}
}

// An answer that does not fit the token is refused, even from the right authority.
func TestAnswerMustFit(t *testing.T) {
	u := newUpper(t, model.RoleController)
	tok, key := u.invite(t, model.MemberSite, "north"), aKey(t)
	good, err := u.join(t, tok, key)
	if err != nil {
		t.Fatal(err)
	}
	other := newUpper(t, model.RoleController)
	foreign, err := other.join(t, other.invite(t, model.MemberSite, "north"), key)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Identity){
		"another member":      func(id *Identity) { id.Member = model.NodeID{5} },
		"another kind":        func(id *Identity) { id.Kind = model.MemberHost },
		"another key":         func(id *Identity) { id.Key = aKey(t) },
		"another authority":   func(id *Identity) { id.CACert, id.Cert = foreign.CACert, foreign.Cert },
		"not its certificate": func(id *Identity) { id.Cert = foreign.Cert },
		"no certificate":      func(id *Identity) { id.Cert = "" },
		"no epoch":            func(id *Identity) { id.Epoch = 0 },
	} {
		id := good
		change(&id)
		if err := id.check(tok); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if err := good.check(tok); err != nil {
		t.Error(err)
	}
}

// Whoever connects and says nothing, or nonsense, is cut off; others come in meanwhile.
func TestNonsense(t *testing.T) {
	u := newUpper(t, model.RoleController)
	tok := u.invite(t, model.MemberSite, "north")
	cert, err := selfSigned(aKey(t))
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := link.Address(u.url)
	for name, say := range map[string]func(net.Conn){
		"another frame": func(c net.Conn) { wire.WriteFrame(c, wire.TypePing, nil) },
		"huge frame":    func(c net.Conn) { c.Write([]byte{byte(wire.TypeEnroll), 0, 0, 0, 0xff, 0xff, 0xff, 0xff}) },
		"no JSON":       func(c net.Conn) { wire.WriteFrame(c, wire.TypeEnroll, wire.Chunk("{")) },
		"no member":     func(c net.Conn) { wire.WriteFrame(c, wire.TypeEnroll, wire.Enroll{Secret: "x"}) },
		"secret that is not hex": func(c net.Conn) {
			wire.WriteFrame(c, wire.TypeEnroll, wire.Enroll{Member: tok.Member, Secret: "zz"})
		},
	} {
		conn, err := link.DialConn(t.Context(), addr, link.DialConfig{Cert: cert, CAPin: tok.Pin(), Proto: link.ProtoEnroll, Now: fixed(day)})
		if err != nil {
			t.Fatal(err)
		}
		say(conn)
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := wire.Expect(conn, wire.TypeEnrolled, wire.MaxControl); err == nil || fault.Is(err, fault.Unreachable) {
			t.Errorf("%s: got %v, want a fault frame", name, err)
		}
		conn.Close()
	}
	silent, err := link.DialConn(t.Context(), addr, link.DialConfig{Cert: cert, CAPin: tok.Pin(), Proto: link.ProtoEnroll, Now: fixed(day)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := u.join(t, tok, aKey(t)); err != nil {
		t.Error(err)
	}
}
