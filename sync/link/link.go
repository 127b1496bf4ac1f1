// Package link carries bytes between two tiers of the federation: mutual TLS 1.3, dialled by the
// lower tier, with multiplexed streams on the one connection.
//
// It owns the TLS settings, the one TCP port that is shared by protocol name (ALPN), the check of who
// is at the other end, and the bounds of a session. It never looks into a stream, never decides who
// is a member (the caller's Admit does) and holds no key longer than the caller's certificate.
//
// Who is who rests on public keys and on nothing else. The upper tier knows a member by the pin of
// its key (PinOf), whatever certificate wraps it; the lower tier knows the upper one by a certificate
// that leads to the certificate authority it pinned when it enrolled. DESIGN.md says why.
package link

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
)

// The protocols that share the port. The number is the version of the protocol's framing; a change
// that an older version cannot read takes the next number and is served beside the older ones.
const (
	ProtoLink   = "skerry-link/1"   // sessions of members
	ProtoEnroll = "skerry-enroll/1" // first contact
	ProtoRaft   = "skerry-raft/1"   // between the nodes of one controller group: Raft's own traffic
	ProtoPeer   = "skerry-peer/1"   // between the nodes of one controller group: sessions
	ProtoGossip = "skerry-gossip/1" // between the nodes of one controller group: hints
	ProtoHTTP2  = "h2"              // the API and the page; listen for it together with ProtoHTTP1
	ProtoHTTP1  = "http/1.1"        // also what a client without ALPN gets
)

// DefaultPort is the port of a Skerry server whose address names none.
const DefaultPort = "8443"

// Defaults and bounds.
const (
	DefaultHandshake = 20 * time.Second // from TCP accept to the end of the TLS handshake
	maxChain         = 8                // certificates that a peer may present
	certSlack        = 5 * time.Minute  // how far a clock may be off before a certificate is refused for it
)

// Peer is who is at the other end, as proved by the TLS handshake. It is an alias of a plain struct
// so that an interface elsewhere can name it without importing this package.
type Peer = struct {
	Pin    string // hex SHA-256 of the peer's public key; see PinOf
	Remote string // network address, for people only
}

// PinOf returns the pin of the certificate's key: the hex SHA-256 of its SubjectPublicKeyInfo. A new
// certificate for the same key has the same pin.
func PinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// PeerOf returns who is at the other end of a connection from this package. It is Denied for any
// other connection, and for one where the peer presented no certificate (HTTP).
func PeerOf(conn net.Conn) (Peer, error) {
	t, ok := conn.(*tls.Conn)
	if !ok {
		return Peer{}, fault.New(fault.Denied, "", "the connection from %s is not TLS", conn.RemoteAddr())
	}
	state := t.ConnectionState()
	if !state.HandshakeComplete || len(state.PeerCertificates) == 0 {
		return Peer{}, fault.New(fault.Denied, "", "the peer at %s proved no key", conn.RemoteAddr())
	}
	return Peer{Pin: PinOf(state.PeerCertificates[0]), Remote: conn.RemoteAddr().String()}, nil
}

// Address turns the URL that people write (https://controller.example:8443) into host:port. A bare
// HOST or HOST:PORT is accepted too. It is Invalid for any other scheme, a path or a user.
func Address(raw string) (string, error) {
	bad := func(why string) error {
		return fault.New(fault.Invalid, "", "%q is not a server address: %s; want https://HOST or https://HOST:PORT (default port %s)",
			fault.Clip(raw, maxQuote), why, DefaultPort)
	}
	text := strings.TrimSpace(raw)
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", bad("it does not parse")
	case u.Scheme != "https":
		return "", bad("the scheme is " + u.Scheme)
	case u.Hostname() == "":
		return "", bad("it names no host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return "", bad("there is more than a host and a port")
	}
	port := u.Port()
	if port == "" {
		port = DefaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", bad("the port must be 1 to 65535")
	}
	addr := net.JoinHostPort(u.Hostname(), port)
	if _, _, err := net.SplitHostPort(addr); err != nil { // a stray bracket, which url.Parse lets through
		return "", bad("the host is neither a name nor an address")
	}
	return addr, nil
}

// maxQuote is how many bytes of foreign input a message quotes.
const maxQuote = 80
