package bundle

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"io"
	"math/big"

	"github.com/skerryhq/skerry/engine/fault"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// GenerateKey makes a P-256 signing key from the bytes of rand, and nothing else: equal bytes give
// equal keys. Outside tests rand must be crypto/rand.Reader.
func GenerateKey(rand io.Reader) (*ecdsa.PrivateKey, error) {
	const op = "generate signing key"
	// FIPS 186-5 A.2.2, testing candidates. A candidate fails with probability 2^-32.
	var raw [32]byte
	for range 128 {
		if _, err := io.ReadFull(rand, raw[:]); err != nil {
			return nil, fault.New(fault.Other, op, "read randomness: %w", err)
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw[:]); err == nil {
			return key, nil
		}
	}
	return nil, fault.New(fault.Other, op, "the source of randomness is broken")
}

// KeyID returns "sha256:" and the hex SHA-256 of the public key's SubjectPublicKeyInfo.
func KeyID(pub *ecdsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "" // only for curves that this package never makes or accepts
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// EncodePrivate returns the PKCS #8 PEM of a signing key.
func EncodePrivate(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fault.New(fault.Invalid, "encode signing key", "%w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// EncodePublic returns the PKIX PEM of a public key.
func EncodePublic(pub *ecdsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fault.New(fault.Invalid, "encode public key", "%w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

// ParsePrivate reads what EncodePrivate wrote: one PKCS #8 PEM block with an ECDSA P-256 key.
func ParsePrivate(b []byte) (*ecdsa.PrivateKey, error) {
	const op = "read signing key"
	der, err := pemBlock(op, b, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	any, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "it is not a PKCS #8 key: %w", err)
	}
	key, ok := any.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fault.New(fault.Invalid, op, "it is not an ECDSA P-256 key")
	}
	return key, nil
}

// ParsePublic reads what EncodePublic wrote: one PKIX PEM block with an ECDSA P-256 key.
func ParsePublic(b []byte) (*ecdsa.PublicKey, error) {
	const op = "read public key"
	der, err := pemBlock(op, b, "PUBLIC KEY")
	if err != nil {
		return nil, err
	}
	any, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "it is not a public key: %w", err)
	}
	pub, ok := any.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, fault.New(fault.Invalid, op, "it is not an ECDSA P-256 key")
	}
	return pub, nil
}

// pemBlock returns the bytes of the one PEM block in b.
func pemBlock(op string, b []byte, kind string) ([]byte, error) {
	const most = 16 << 10
	if len(b) > most {
		return nil, fault.New(fault.TooLarge, op, "a key file has at most %d bytes, this one has %d", most, len(b))
	}
	p, rest := pem.Decode(b)
	switch {
	case p == nil:
		return nil, fault.New(fault.Invalid, op, "there is no PEM block; want one %q", kind)
	case p.Type != kind:
		return nil, fault.New(fault.Invalid, op, "the PEM block is %q; want %q", fault.Clip(p.Type, maxQuote), kind)
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, fault.New(fault.Invalid, op, "there is more than one PEM block")
	}
	return p.Bytes, nil
}

// signES256 signs as RFC 7518 section 3.4 does: R and the lower S, 32 bytes each. A nil source of randomness asks
// for the deterministic nonce of RFC 6979, which keys of crypto/ecdsa obey.
func signES256(key crypto.Signer, data []byte) ([]byte, error) {
	digest := sha256.Sum256(data)
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var r, s big.Int
	in := cryptobyte.String(der)
	if !in.ReadASN1(&in, asn1.SEQUENCE) || !in.ReadASN1Integer(&r) || !in.ReadASN1Integer(&s) || r.BitLen() > 256 || s.BitLen() > 256 {
		return nil, fault.New(fault.Other, "sign", "the signer gave no ECDSA P-256 signature")
	}
	// (R, S) and (R, n-S) sign the same. The lower S is the only form that is read, so that nobody but the signer can make
	// another signature of this one.
	if n := elliptic.P256().Params().N; s.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		s.Sub(n, &s)
	}
	var sig [64]byte
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig[:], nil
}

// lowS reports whether S of a signature of 64 bytes is in the lower half of the order.
func lowS(sig []byte) bool {
	return new(big.Int).SetBytes(sig[32:]).Cmp(new(big.Int).Rsh(elliptic.P256().Params().N, 1)) <= 0
}

// verifyES256 reports whether sig is an ES256 signature of data by pub.
func verifyES256(pub *ecdsa.PublicKey, data, sig []byte) bool {
	if len(sig) != 64 {
		return false
	}
	digest := sha256.Sum256(data)
	return ecdsa.Verify(pub, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}
