package enroll

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// serverLife is short because nothing but this process holds the key: a restart issues a new one.
const serverLife = 90 * 24 * time.Hour

// IssueServer makes a key and a certificate for a server of that role, with the chain up to this
// authority. names are DNS names and IP addresses, for browsers; members do not look at them. The key
// exists in memory only.
func (ca *CA) IssueServer(names []string, role model.Role) (tls.Certificate, error) {
	c, err := ca.issueServer(names, role)
	if err != nil {
		return tls.Certificate{}, diskFault("issue a server certificate", err)
	}
	return c, nil
}

func (ca *CA) issueServer(names []string, role model.Role) (tls.Certificate, error) {
	if role == "" || len(names) == 0 {
		return tls.Certificate{}, fault.New(fault.Invalid, "", "a server certificate needs a role and at least one name")
	}
	key, err := newKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := ca.serial()
	if err != nil {
		return tls.Certificate{}, err
	}
	at := clock(ca.now)
	t := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: names[0], Organization: []string{"Skerry"}, OrganizationalUnit: []string{string(role)}},
		NotBefore:    later(at.Add(-backdate), ca.cert.NotBefore), NotAfter: earlier(at.Add(serverLife), ca.cert.NotAfter),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.cert, key.Public(), ca.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	if err := ca.record("server", strings.Join(names, ","), leaf); err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der, ca.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// ServerCert is a server certificate that renews itself: Get fits link.ServerConfig.Certificate.
type ServerCert struct {
	ca    *CA
	names []string
	role  model.Role

	mu      sync.Mutex // guards current
	current *tls.Certificate
}

// Server returns the certificate of a server with these names and this role, issued at the first Get.
func (ca *CA) Server(names []string, role model.Role) *ServerCert {
	return &ServerCert{ca: ca, names: slices.Clone(names), role: role}
}

// Get returns a certificate that holds for at least a third of its life longer. Where a renewal fails
// (a full disk), it returns the old one as long as that one holds.
func (s *ServerCert) Get() (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := clock(s.ca.now)
	// A clock that was set back far behind the certificate calls for a new one, too.
	if c := s.current; c != nil && at.Before(c.Leaf.NotAfter.Add(-serverLife/3)) && at.After(c.Leaf.NotBefore) {
		return c, nil
	}
	c, err := s.ca.IssueServer(s.names, s.role)
	if err != nil {
		if s.current != nil && at.Before(s.current.Leaf.NotAfter) {
			return s.current, nil
		}
		return nil, err
	}
	s.current = &c
	return s.current, nil
}

// IssueMember returns the certificate of an enrolled member for its public key. It is a pure function
// of the member, the key and this authority, so that a member which asks again (the answer was lost)
// gets the very same, and the list of what was issued does not grow.
//
// It holds as long as the authority: the registry pins the key and can shut the member out at any
// time, so an earlier end would only strand a site that was offline.
func (ca *CA) IssueMember(m model.Member, public crypto.PublicKey) (*x509.Certificate, error) {
	c, err := ca.issueMember(m, public)
	if err != nil {
		return nil, diskFault("issue the certificate of "+noun(m.Kind)+" "+strconv.Quote(m.Name), err)
	}
	return c, nil
}

func (ca *CA) issueMember(m model.Member, public crypto.PublicKey) (*x509.Certificate, error) {
	if err := checkKey(public); err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	seed := sha256.New()
	seed.Write([]byte("skerry member certificate 1\x00" + ca.Pin() + m.ID.String() + strconv.Itoa(int(m.Epoch)) + m.EnrolledAt.String()))
	seed.Write(spki)
	t := &x509.Certificate{
		SerialNumber: serialOf(seed.Sum(nil)),
		Subject:      pkix.Name{CommonName: m.ID.String(), Organization: []string{"Skerry"}, OrganizationalUnit: []string{string(m.Kind)}},
		NotBefore:    later(m.EnrolledAt.Std().Add(-backdate), ca.cert.NotBefore), NotAfter: ca.cert.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if m.Kind == model.MemberController { // its peers dial it, and it dials them
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	// Without a source of randomness the signature is that of RFC 6979: the same each time.
	der, err := x509.CreateCertificate(nil, t, ca.cert, public, ca.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return cert, ca.record(string(m.Kind), m.ID.String(), cert)
}

// EnrolledAt returns when the member that a certificate was issued to had enrolled, to the second: see IssueMember.
func EnrolledAt(cert *x509.Certificate) time.Time { return cert.NotBefore.Add(backdate) }

// checkKey refuses kinds of key that no Skerry makes.
func checkKey(public crypto.PublicKey) error {
	switch public.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return nil
	}
	return fault.New(fault.Invalid, "", "a key of type %T is not accepted; use ECDSA P-256 or Ed25519", public)
}

// selfSigned wraps a key that no authority has signed yet. Nobody judges the certificate: the
// handshake proves the key.
func selfSigned(key crypto.Signer) (tls.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber: serialOf(make([]byte, 16)), Subject: pkix.Name{CommonName: "skerry newcomer"},
		NotBefore: earliest, NotAfter: earliest.AddDate(100, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
