package bundle

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"sync"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// edited returns an envelope with its first signature edited.
func edited(t *testing.T, envelope string, edit func([]byte) []byte) string {
	t.Helper()
	var e dsse.Envelope
	if err := model.Decode([]byte(envelope), &e); err != nil {
		t.Fatal(err)
	}
	sig, err := base64.StdEncoding.DecodeString(e.Signatures[0].Sig)
	if err != nil {
		t.Fatal(err)
	}
	e.Signatures[0].Sig = base64.StdEncoding.EncodeToString(edit(sig))
	return mustEncode(t, e)
}

// mirrored turns S into n-S, which anybody can and which signs the same.
func mirrored(t *testing.T, envelope string) string {
	return edited(t, envelope, func(sig []byte) []byte {
		s := new(big.Int).SetBytes(sig[32:])
		s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
		return sig
	})
}

// inDER writes the signature as X.509 does.
func inDER(t *testing.T, envelope string) string {
	return edited(t, envelope, func(sig []byte) []byte {
		var b cryptobyte.Builder
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1BigInt(new(big.Int).SetBytes(sig[:32]))
			b.AddASN1BigInt(new(big.Int).SetBytes(sig[32:]))
		})
		return b.BytesOrPanic()
	})
}

// strangers are keys of other kinds, which no bundle may be signed with.
var strangers = sync.OnceValue(func() []crypto.Signer {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return []crypto.Signer{ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32)), rsaKey, p384}
})

// otherKinds are the strangers as somebody trusts them, past all checks.
func otherKinds(t *testing.T) []model.SignerKey {
	t.Helper()
	var out []model.SignerKey
	for _, k := range strangers() {
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, model.SignerKey{Public: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
	}
	return out
}

// signedByOthers is an envelope with signatures of the strangers that truly hold.
func signedByOthers(t *testing.T, manifest string) string {
	t.Helper()
	e := dsse.Envelope{PayloadType: PayloadType, Payload: base64.StdEncoding.EncodeToString([]byte(manifest))}
	pae := dsse.PAE(PayloadType, []byte(manifest))
	for _, k := range strangers() {
		data, hash := pae, crypto.Hash(0)
		if _, ed := k.(ed25519.PrivateKey); !ed {
			sum := sha256.Sum256(pae)
			data, hash = sum[:], crypto.SHA256
		}
		sig, err := k.Sign(rand.Reader, data, hash)
		if err != nil {
			t.Fatal(err)
		}
		e.Signatures = append(e.Signatures, dsse.Signature{Sig: base64.StdEncoding.EncodeToString(sig)})
	}
	return mustEncode(t, e)
}

// TestOldSignature reads a bundle of the first version whose signature has the form that was as good then.
func TestOldSignature(t *testing.T) {
	es := unpack(t, golden(t, "golden-1.zst"))
	c := VerifyConfig{Trusted: goldenKey(t), Now: testTime}
	for _, edit := range []func(string) string{same, func(s string) string { return mirrored(t, s) }} {
		es[3].body = edit(es[3].body)
		r, err := Verify(t.Context(), bytes.NewReader(pack(t, es, "")), c)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Signers()) != 1 {
			t.Errorf("signers = %v", r.Signers())
		}
	}
	c.Trusted[0].Revoked = true
	_, err := Verify(t.Context(), bytes.NewReader(golden(t, "golden-1.zst")), c)
	wantFault(t, err, fault.Denied, "was revoked")
}

// TestSeal seals other things than manifests.
func TestSeal(t *testing.T) {
	const kind = "application/vnd.skerry.test+json"
	key := testKey(t, "signer")
	keys := trust(t, key)
	keys[0].Purposes = []string{model.PurposeAcceptance}
	envelope, err := Seal(key, kind, []byte(`{"a":1}`))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Seal(key, kind, []byte(`{"a":1}`))
	if err != nil || !bytes.Equal(envelope, again) {
		t.Errorf("the same gave other bytes (%v)", err)
	}
	payload, signers, err := Unseal(envelope, kind, keys, testTime, model.PurposeFederation, model.PurposeAcceptance)
	if err != nil || string(payload) != `{"a":1}` || len(signers) != 1 || signers[0] != keys[0].ID {
		t.Errorf("%q, %v, %v", payload, signers, err)
	}
	later := trust(t, key)
	later[0].RetiresAt = testTime
	for name, tc := range map[string]struct {
		kind    string
		keys    []model.SignerKey
		purpose string
		text    string
	}{
		"other kind":    {PayloadType, keys, model.PurposeAcceptance, "the signature is for"},
		"other purpose": {kind, keys, model.PurposeFederation, "not for that purpose"},
		"retired":       {kind, later, model.PurposeFederation, "was retired"},
		"stranger":      {kind, trust(t, testKey(t, "stranger")), model.PurposeFederation, "no trusted key signed"},
		"nobody":        {kind, nil, model.PurposeFederation, "no trusted key signed"},
	} {
		payload, _, err := Unseal(envelope, tc.kind, tc.keys, testTime, tc.purpose)
		wantFault(t, err, fault.Denied, tc.text)
		if payload != nil {
			t.Errorf("%s: a payload was handed over", name)
		}
	}
	_, err = Seal(nil, kind, nil)
	wantFault(t, err, fault.Invalid, "no signing key")
	_, err = Seal(strangers()[0], kind, nil)
	wantFault(t, err, fault.Invalid, "not an ECDSA P-256 key")
}
