package enroll

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/durable"
	"github.com/skerryhq/skerry/sync/link"
)

const (
	keyFile         = "key.pem"
	identityFile    = "identity.json"
	identityVersion = 1
	maxIdentity     = 64 << 10
)

// Identity is what a member keeps: who it is, whom it belongs to, and how to recognise that one. The
// folder holds key.pem, made before the first contact and kept for good, and identity.json with all
// the rest, replaced whole so that a crash leaves the old identity or the new.
type Identity struct {
	Member     model.NodeID     `json:"member"`
	Kind       model.MemberKind `json:"kind"`
	Name       string           `json:"name"`
	Epoch      model.Epoch      `json:"epoch"`
	Upper      model.NodeID     `json:"upper"`
	UpperName  string           `json:"upper_name"`
	URL        string           `json:"url"`     // of the upper tier, as the operator gave it
	CACert     string           `json:"ca_cert"` // PEM
	Cert       string           `json:"cert"`    // PEM
	EnrolledAt model.Time       `json:"enrolled_at"`

	Key crypto.Signer `json:"-"` // from key.pem

	ca, cert *x509.Certificate // of CACert and Cert
}

// stored is the form on disk.
type stored struct {
	Version int `json:"version"`
	Identity
	// Sum is the SHA-256 of the same without it, in hex; "" in what earlier versions wrote.
	Sum string `json:"sum,omitempty"`
}

// OpenKey loads the key in dir, or makes one (ECDSA P-256). Call it before Join and give the same key
// to every attempt: a machine whose answer was lost is recognised by it. The error is Denied where
// others can read the file, Corrupt where it is no key, ReadOnly where it cannot be written.
func OpenKey(dir string) (crypto.Signer, error) {
	key, err := openKey(dir)
	if err != nil {
		return nil, diskFault("open the key in "+dir, err)
	}
	return key, nil
}

func openKey(dir string) (crypto.Signer, error) {
	path := filepath.Join(dir, keyFile)
	raw, err := readPrivate(path)
	if err == nil {
		return parseKey(path, raw)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return key, durable.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func parseKey(path string, raw []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, fault.New(fault.Corrupt, "", "%s holds no private key in PEM form (PKCS #8): restore it from a backup", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "", "%s: %w: restore it from a backup", path, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fault.New(fault.Corrupt, "", "%s holds a key that cannot sign", path)
	}
	return signer, checkKey(signer.Public())
}

// SaveIdentity stores id beside the key in dir, durable when it returns. It is Conflict where id
// belongs to another key than the one in dir.
func SaveIdentity(dir string, id Identity) error {
	op := "store the identity in " + dir
	key, err := openKey(dir)
	if err != nil {
		return diskFault(op, err)
	}
	id.Key = key
	if err := id.resolve(); err != nil {
		return fault.Wrap(op, err)
	}
	s := stored{Version: identityVersion, Identity: id}
	if s.Sum, err = s.sum(); err != nil {
		return fault.New(fault.Other, op, "%w", err)
	}
	b, err := model.Encode(s)
	if err != nil {
		return fault.New(fault.Other, op, "%w", err)
	}
	if err := durable.Write(filepath.Join(dir, identityFile), append(b, '\n'), 0o600); err != nil {
		return diskFault(op, err)
	}
	return nil
}

// LoadIdentity reads what SaveIdentity stored. The error is NotFound where this machine is not
// enrolled, Version where a newer Skerry wrote it, Corrupt where it does not hold together.
func LoadIdentity(dir string) (Identity, error) {
	path := filepath.Join(dir, identityFile)
	op := "load identity"
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Identity{}, fault.New(fault.NotFound, op, "this machine is not enrolled: there is no %s", path)
	case err != nil:
		return Identity{}, diskFault(op, err)
	case len(raw) > maxIdentity:
		return Identity{}, fault.New(fault.Corrupt, op, "%s has %d bytes, far too many", path, len(raw))
	}
	key, err := readPrivate(filepath.Join(dir, keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Identity{}, fault.New(fault.Corrupt, op, "%s is there but %s is not: restore it from a backup, or remove the first and enroll again", path, keyFile)
	}
	if err != nil {
		return Identity{}, diskFault(op, err)
	}
	signer, err := parseKey(filepath.Join(dir, keyFile), key)
	if err != nil {
		return Identity{}, fault.Wrap(op, err)
	}
	id, err := decodeIdentity(raw, signer)
	if k := fault.KindOf(err); err != nil {
		if k == fault.Conflict { // one of the two files is not what it was
			k = fault.Corrupt
		}
		return Identity{}, fault.New(k, op, "%s: %w", path, err)
	}
	return id, nil
}

func decodeIdentity(raw []byte, key crypto.Signer) (Identity, error) {
	var s stored
	if err := model.Decode(raw, &s); err != nil {
		return Identity{}, fault.New(fault.Corrupt, "", "%w", err)
	}
	if s.Version > identityVersion {
		return Identity{}, fault.New(fault.Version, "", "it has version %d and this Skerry reads %d: start the newer Skerry again", s.Version, identityVersion)
	}
	if sum, err := s.sum(); err != nil || s.Sum != "" && s.Sum != sum {
		return Identity{}, fault.New(fault.Corrupt, "", "it does not fit its sum")
	}
	s.Identity.Key = key
	return s.Identity, s.Identity.resolve()
}

func (s stored) sum() (string, error) {
	s.Sum = ""
	b, err := model.Encode(s)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), err
}

// resolve parses the certificates and checks that everything belongs together.
func (id *Identity) resolve() error {
	corrupt := func(format string, args ...any) error { return fault.New(fault.Corrupt, "", format, args...) }
	var err error
	if id.Member.IsZero() || id.Upper.IsZero() || id.Epoch == 0 {
		return corrupt("an id or the epoch is missing")
	}
	if id.ca, err = parseCert([]byte(id.CACert)); err != nil {
		return corrupt("certificate of the authority: %w", err)
	}
	if id.cert, err = parseCert([]byte(id.Cert)); err != nil {
		return corrupt("own certificate: %w", err)
	}
	if !samePublic(id.cert.PublicKey, id.Key.Public()) {
		return fault.New(fault.Conflict, "", "the certificate is for another key than this machine's")
	}
	if err := id.cert.CheckSignatureFrom(id.ca); err != nil {
		return corrupt("own certificate is not signed by the authority: %w", err)
	}
	return nil
}

// Dial returns how this member dials its upper tier. The clock is never believed to be before the
// enrollment.
func (id Identity) Dial(now func() time.Time) link.DialConfig {
	return link.DialConfig{
		Cert:  tls.Certificate{Certificate: [][]byte{id.cert.Raw}, PrivateKey: id.Key, Leaf: id.cert},
		Roots: []*x509.Certificate{id.ca}, Role: upperRole(id.Kind), Proto: link.ProtoLink,
		Now: now, Floor: later(id.EnrolledAt.Std(), id.cert.NotBefore),
	}
}

// DialNode returns how a controller dials another node of its group.
func (id Identity) DialNode(proto string, now func() time.Time) link.DialConfig {
	c := id.Dial(now)
	c.Cert, c.Proto = id.Certificate(), proto
	return c
}

// Certificate returns this member's certificate with its key, and the authority behind it, as a server
// presents it. Only a controller's may be used so.
func (id Identity) Certificate() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{id.cert.Raw, id.ca.Raw}, PrivateKey: id.Key, Leaf: id.cert}
}

// Authority returns the certificate of the authority; do not change it.
func (id Identity) Authority() *x509.Certificate { return id.ca }

// Pin returns the pin of this member's key.
func (id Identity) Pin() string { return link.PinOf(id.cert) }

// CAPin returns the pin of the authority.
func (id Identity) CAPin() string { return link.PinOf(id.ca) }
