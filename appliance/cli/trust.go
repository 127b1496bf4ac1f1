package cli

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// tls says whom to believe: the authority in a file (and then the name must fit, since such an
// authority may be a public one), the pinned authority of a federation (which vouches for its own
// servers and nothing else, so the pin stands for the name), or what the system trusts.
func (c savedContext) tls(host string) (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: host}
	switch {
	case c.CA != "":
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(c.CA)) {
			return nil, usagef("--ca: there is no certificate in it")
		}
		t.RootCAs = pool
	case c.Fingerprint != "":
		// The check below takes the place of the standard one; it is never skipped.
		t.InsecureSkipVerify = true
		t.VerifyConnection = func(state tls.ConnectionState) error { return pinned(state.PeerCertificates, c.Fingerprint) }
	}
	return t, nil
}

// pinned verifies that the chain leads to a certificate with the pinned key.
func pinned(chain []*x509.Certificate, pin string) error {
	if len(chain) == 0 {
		return errors.New("it presented no certificate")
	}
	roots, rest, found := x509.NewCertPool(), x509.NewCertPool(), false
	for _, c := range chain {
		if pinOf(c) == pin {
			roots.AddCert(c)
			found = true
		} else {
			rest.AddCert(c)
		}
	}
	if !found {
		return fmt.Errorf("its certificate does not come from the pinned authority %s but from %s: "+
			"it is another server, or someone is in between; if the server was set up anew, log in again", pin, pinOf(chain[len(chain)-1]))
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: rest})
	return err
}

// pinOf is the hex SHA-256 of a certificate's public key (SubjectPublicKeyInfo).
func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// look fetches the pin of the authority that a server shows, without believing it. trusted says that
// the system trusts the server anyway.
func look(ctx context.Context, u *url.URL) (pin string, trusted bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	d := tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: u.Hostname(), InsecureSkipVerify: true, // only looked at, nothing is sent
	}}
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return "", false, fmt.Errorf("%s cannot be reached: %w", u, err)
	}
	defer func() { _ = conn.Close() }()
	chain := conn.(*tls.Conn).ConnectionState().PeerCertificates
	rest := x509.NewCertPool()
	for _, c := range chain[1:] {
		rest.AddCert(c)
	}
	_, err = chain[0].Verify(x509.VerifyOptions{DNSName: u.Hostname(), Intermediates: rest})
	return pinOf(chain[len(chain)-1]), err == nil, nil
}
