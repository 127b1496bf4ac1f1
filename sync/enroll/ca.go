package enroll

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/durable"
	"github.com/skerryhq/skerry/sync/link"
)

const (
	caLife   = 10 * 365 * 24 * time.Hour
	backdate = 24 * time.Hour // so that a newcomer whose clock is a little behind can come in
)

// CA is the certificate authority of one upper tier: what its members pin. Its folder holds
//
//	key.pem     the private key (PKCS #8), readable by its owner only
//	cert.pem    its certificate, signed by itself
//	issued.log  one JSON line for each certificate, durable before the certificate is handed out
//
// Its methods may be called from many goroutines; one process has the folder open. The nodes of a group
// have the same key and certificate, and each the list of what it issued itself.
type CA struct {
	dir    string
	key    crypto.Signer
	cert   *x509.Certificate
	now    func() time.Time
	random io.Reader

	mu     sync.Mutex      // guards issued.log and the set
	issued map[string]bool // serials, in hex
}

// issuance is a line of issued.log.
type issuance struct {
	At       model.Time `json:"at"`
	Serial   string     `json:"serial"`
	Kind     string     `json:"kind"` // ca, server, site, host, gateway, controller
	Subject  string     `json:"subject"`
	Pin      string     `json:"pin"`
	NotAfter model.Time `json:"not_after"`
}

// OpenCA loads the authority in dir, or founds one there. now is the clock (nil: time.Now) and random
// gives serial numbers (nil: crypto/rand); keys always come from the operating system. The error is
// Corrupt where key and certificate do not belong together, ReadOnly where dir cannot be written.
func OpenCA(dir, commonName string, now func() time.Time, random io.Reader) (*CA, error) {
	if random == nil {
		random = rand.Reader
	}
	ca := &CA{dir: dir, now: now, random: random, issued: map[string]bool{}}
	if err := ca.open(commonName); err != nil {
		return nil, diskFault("open the certificate authority in "+dir, err)
	}
	return ca, nil
}

func (ca *CA) open(commonName string) error {
	if err := os.MkdirAll(ca.dir, 0o700); err != nil {
		return err
	}
	certPath := filepath.Join(ca.dir, "cert.pem")
	if _, err := os.Stat(certPath); err == nil {
		if _, err := os.Stat(filepath.Join(ca.dir, keyFile)); errors.Is(err, fs.ErrNotExist) {
			// A new key here would cut off every member, silently.
			return fault.New(fault.Corrupt, "", "there is a certificate but no %s: restore it from a backup", keyFile)
		}
	}
	var err error
	if ca.key, err = OpenKey(ca.dir); err != nil {
		return err
	}
	if err := ca.readIssued(); err != nil {
		return err
	}
	raw, err := os.ReadFile(certPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ca.found(certPath, commonName) // also after a crash between the key and the certificate
	case err != nil:
		return err
	}
	ca.cert, err = parseCert(raw)
	switch {
	case err != nil:
		return fault.New(fault.Corrupt, "", "%s: %w: restore it from a backup", certPath, err)
	case !ca.cert.IsCA || !samePublic(ca.cert.PublicKey, ca.key.Public()):
		return fault.New(fault.Corrupt, "", "%s is not the certificate of the key beside it: restore both from one backup", certPath)
	}
	return nil
}

func (ca *CA) found(path, commonName string) error {
	at := clock(ca.now)
	serial, err := ca.serial()
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: commonName, Organization: []string{"Skerry"}},
		NotBefore: at.Add(-backdate), NotAfter: at.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, ca.key.Public(), ca.key)
	if err != nil {
		return err
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	if err := ca.record("ca", commonName, ca.cert); err != nil {
		return err
	}
	return durable.Write(path, pemCert(ca.cert), 0o644)
}

// Pin returns the hex pin of the authority's key, which tokens carry.
func (ca *CA) Pin() string { return link.PinOf(ca.cert) }

// CertPEM returns the authority's certificate.
func (ca *CA) CertPEM() []byte { return pemCert(ca.cert) }

// Certificate returns the authority's certificate; do not change it.
func (ca *CA) Certificate() *x509.Certificate { return ca.cert }

func (ca *CA) serial() (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(ca.random, b); err != nil {
		return nil, err
	}
	return serialOf(b), nil
}

// serialOf makes a positive serial number of exactly 16 bytes (RFC 5280 allows 20).
func serialOf(b []byte) *big.Int {
	b = bytes.Clone(b[:16])
	b[0] = b[0]&0x3f | 0x40
	return new(big.Int).SetBytes(b)
}

// readIssued loads the serials. A last line that a crash cut off is allowed: its certificate was
// never handed out.
func (ca *CA) readIssued() error {
	f, err := os.Open(filepath.Join(ca.dir, issuedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<10)
	for n := 1; lines.Scan(); n++ {
		var line issuance
		if err := model.Decode(lines.Bytes(), &line); err == nil {
			ca.issued[line.Serial] = true
		}
	}
	return lines.Err()
}

// record appends one line for cert, unless its serial is there already.
func (ca *CA) record(kind, subject string, cert *x509.Certificate) error {
	line := issuance{
		At: model.TimeOf(clock(ca.now)), Serial: hex.EncodeToString(cert.SerialNumber.Bytes()), Kind: kind,
		Subject: subject, Pin: link.PinOf(cert), NotAfter: model.TimeOf(cert.NotAfter),
	}
	b, err := model.Encode(line)
	if err != nil {
		return err
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	if ca.issued[line.Serial] {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(ca.dir, issuedFile), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if torn, err := endsTorn(f); err != nil {
		f.Close()
		return err
	} else if torn {
		b = append([]byte{'\n'}, b...)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close(), durable.SyncDir(ca.dir)); err != nil {
		return err
	}
	ca.issued[line.Serial] = true
	return nil
}

const issuedFile = "issued.log"

// endsTorn reports whether f has a last line without its end.
func endsTorn(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], info.Size()-1)
	return last[0] != '\n', err
}

func pemCert(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// parseCert reads PEM that holds one certificate and nothing else.
func parseCert(raw []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(raw)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("this is not one certificate in PEM form")
	}
	return x509.ParseCertificate(block.Bytes)
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

func newKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
