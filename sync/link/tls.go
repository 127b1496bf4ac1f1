package link

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// tlsConfig is what every handshake of the server starts from; the protocol decides the rest.
func (s *Server) tlsConfig() *tls.Config {
	c := baseConfig()
	c.GetConfigForClient = s.configFor
	return c
}

// baseConfig holds what is the same at both ends. Tickets are off because a resumed session would
// skip the certificates, and with them the pins and the registry.
func baseConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, MaxVersion: tls.VersionTLS13, SessionTicketsDisabled: true}
}

// configFor settles on one group of protocols before the handshake, because the certificate and
// whether the client must prove a key depend on it.
func (s *Server) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	offered := hello.SupportedProtos
	if len(offered) == 0 {
		offered = []string{ProtoHTTP1}
	}
	s.mu.Lock()
	for _, l := range s.groups {
		if slices.ContainsFunc(l.protos, func(p string) bool { return slices.Contains(offered, p) }) {
			s.mu.Unlock()
			return l.tls, nil // one for all: each connection keeps it as long as it lives
		}
	}
	s.mu.Unlock()
	if len(hello.SupportedProtos) == 0 {
		return nil, errors.New("no protocol offered, and HTTP is not served here")
	}
	// A name nobody offers makes crypto/tls answer with the proper alert.
	return s.protoConfig([]string{"skerry-none"}), nil
}

// protoConfig is for the connections of one group of protocols.
func (s *Server) protoConfig(protos []string) *tls.Config {
	c := baseConfig()
	c.NextProtos = protos
	proto := protos[0]
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.conf.Certificate(proto) }
	// A page of the directory has 50 KB, which a young connection would cut into forty records.
	c.DynamicRecordSizingDisabled = !strings.HasPrefix(proto, "skerry-")
	if strings.HasPrefix(proto, "skerry-") {
		// Any certificate will do: the handshake proves that the client holds its key, and the key's pin
		// is the identity. Its dates are not judged either: the registry, which can revoke, decides.
		c.ClientAuth = tls.RequireAnyClientCert
		c.VerifyConnection = func(state tls.ConnectionState) error {
			if n := len(state.PeerCertificates); n > maxChain {
				return fault.New(fault.TooLarge, "", "the client presented %d certificates; at most %d are read", n, maxChain)
			}
			return nil
		}
	}
	return c
}

// answerPlainHTTP helps whoever typed http:// instead of https://.
func answerPlainHTTP(err error) {
	var record tls.RecordHeaderError
	if !errors.As(err, &record) || record.Conn == nil {
		return
	}
	switch string(record.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH":
		record.Conn.SetWriteDeadline(time.Now().Add(time.Second))
		const body = "This port speaks TLS only: use https:// instead of http://.\n"
		record.Conn.Write([]byte("HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n" + body))
	}
}

// trust is how a dialler recognises the upper tier.
type trust struct {
	addr  string
	proto string
	roots []*x509.Certificate // certificate authorities known whole
	pin   string              // or known by the pin of the key only
	role  model.Role
	check func(leaf *x509.Certificate) error // may be nil
	at    time.Time                          // the instant that dates are judged at
}

// verify is the whole check of a server, in place of the one by name: a branch dials an address that
// may change, be shared or be a bare IP, and whoever can answer for that name (DNS, a public CA, a
// proxy) must still not pass for the controller. It runs before this side sends its own certificate,
// and long before any payload.
func (t *trust) verify(state tls.ConnectionState) error {
	if state.NegotiatedProtocol != t.proto {
		return fault.New(fault.Denied, "", "the server at %s does not speak %s: is it a Skerry server of the right role and version?", t.addr, t.proto)
	}
	chain := state.PeerCertificates
	if len(chain) == 0 || len(chain) > maxChain {
		return fault.New(fault.Denied, "", "the server at %s presented %d certificates; want 1 to %d", t.addr, len(chain), maxChain)
	}
	roots, found := x509.NewCertPool(), len(t.roots) > 0
	for _, c := range t.roots {
		roots.AddCert(c)
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		if t.pin != "" && c.IsCA && PinOf(c) == t.pin {
			roots.AddCert(c)
			found = true
			continue
		}
		between.AddCert(c)
	}
	if !found {
		return t.stranger(chain[len(chain)-1])
	}
	leaf := chain[0]
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: t.judgedAt(leaf),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fault.New(fault.Expired, "", "the certificate of the server at %s holds from %s to %s, and here it is %s: set the clock of the machine that is wrong, or restart the server so that it issues a new one",
			t.addr, stamp(invalid.Cert.NotBefore), stamp(invalid.Cert.NotAfter), stamp(t.at))
	case errors.As(err, &unknown):
		return t.stranger(chain[len(chain)-1])
	default:
		return fault.New(fault.Denied, "", "the certificate of the server at %s is refused: %w", t.addr, err)
	}
	// The authority also signs members and, in a larger federation, servers of another role: a stolen
	// key of one of those must not make a controller.
	if t.role != "" && !slices.Contains(leaf.Subject.OrganizationalUnit, string(t.role)) {
		return fault.New(fault.Denied, "", "the server at %s is not a %s (its certificate says %q): check the address", t.addr, t.role,
			strings.Join(leaf.Subject.OrganizationalUnit, ","))
	}
	if t.check != nil {
		return t.check(leaf)
	}
	return nil
}

// judgedAt allows for clocks that differ a little right after a certificate was issued or ended.
func (t *trust) judgedAt(leaf *x509.Certificate) time.Time {
	switch {
	case t.at.Before(leaf.NotBefore) && leaf.NotBefore.Sub(t.at) <= certSlack:
		return leaf.NotBefore
	case t.at.After(leaf.NotAfter) && t.at.Sub(leaf.NotAfter) <= certSlack:
		return leaf.NotAfter
	}
	return t.at
}

func (t *trust) stranger(last *x509.Certificate) error {
	want := t.pin
	if want == "" {
		want = PinOf(t.roots[0])
	}
	return fault.New(fault.Denied, "", "the server at %s does not belong to the certificate authority that is pinned here (pin %s…, it leads to %s…): "+
		"either the address or the token is of another server, or someone intercepts the connection; nothing was sent", t.addr, short(want), short(PinOf(last)))
}

func short(pin string) string {
	if len(pin) > 16 {
		return pin[:16]
	}
	return pin
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// dialFault puts the failure of a handshake into words that help at this end.
func dialFault(addr, proto string, err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return known
	}
	text := err.Error()
	var record tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.As(err, &record):
		return fault.New(fault.Unreachable, "", "the server at %s does not answer with TLS: check the port", addr)
	case errors.As(err, &op) && strings.Contains(text, "no application protocol"):
		return fault.New(fault.Denied, "", "the server at %s does not speak %s: is it a Skerry server of the right role and version?", addr, proto)
	case strings.Contains(text, "protocol version"):
		return fault.New(fault.Denied, "", "the server at %s does not speak TLS 1.3, which is required", addr)
	}
	return fault.New(fault.Unreachable, "", "TLS handshake with %s: %w", addr, err)
}
