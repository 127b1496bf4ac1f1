package bundle

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"slices"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// maxSignatures is how many signatures one envelope may have.
const maxSignatures = 16

// maxEnvelopeDepth bounds the nesting of an envelope's JSON; it needs three.
const maxEnvelopeDepth = 8

// Seal returns the DSSE envelope (github.com/secure-systems-lab/dsse, protocol 1.0) over payload: one ES256 signature by
// key, which must be an ECDSA P-256 key. Equal arguments give equal bytes.
func Seal(key crypto.Signer, payloadType string, payload []byte) ([]byte, error) {
	const op = "sign"
	if key == nil {
		return nil, fault.New(fault.Invalid, op, "there is no signing key")
	}
	pub, ok := key.Public().(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, fault.New(fault.Invalid, op, "the signing key is not an ECDSA P-256 key")
	}
	sig, err := signES256(key, dsse.PAE(payloadType, payload))
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	return model.Encode(dsse.Envelope{
		PayloadType: payloadType,
		Payload:     base64.StdEncoding.EncodeToString(payload),
		Signatures:  []dsse.Signature{{KeyID: KeyID(pub), Sig: base64.StdEncoding.EncodeToString(sig)}},
	})
}

// Unseal returns the payload of an envelope and the ids, sorted, of those keys that signed it: at least one. A key counts
// that is not revoked, not retired at now (zero: not judged) and has one of purposes. Its errors have kind Denied,
// Corrupt or TooLarge; the payload must not be looked at where there is one, and there is none then.
func Unseal(envelope []byte, payloadType string, keys []model.SignerKey, now model.Time, purposes ...string) (payload []byte, signers []string, err error) {
	e, payload, err := openEnvelope(envelope, payloadType)
	if err != nil {
		return nil, nil, err
	}
	v := judge(e, payload, keys, now, purposes)
	if len(v.good) == 0 {
		return nil, nil, v.refusal(1)
	}
	return payload, v.good, nil
}

// openEnvelope parses an envelope and judges all of it but the signatures.
func openEnvelope(raw []byte, payloadType string) (dsse.Envelope, []byte, error) {
	const op = "verify signature"
	var e dsse.Envelope
	fail := func(kind fault.Kind, format string, args ...any) (dsse.Envelope, []byte, error) {
		return dsse.Envelope{}, nil, fault.New(kind, op, format, args...)
	}
	lim := DefaultLimits()
	lim.Depth = maxEnvelopeDepth
	if int64(len(raw)) > lim.Signature {
		return fail(fault.TooLarge, "the envelope has more than %d bytes", lim.Signature)
	}
	if err := checkShape(raw, lim); err != nil {
		return dsse.Envelope{}, nil, err
	}
	if err := model.Decode(raw, &e); err != nil {
		return fail(fault.Corrupt, "it is not a DSSE envelope: %w", err)
	}
	payload, err := base64.StdEncoding.Strict().DecodeString(e.Payload)
	switch {
	case e.PayloadType != payloadType:
		return fail(fault.Denied, "Signature verification failed: the signature is for %q, not for %q", fault.Clip(e.PayloadType, maxQuote), payloadType)
	case err != nil:
		return fail(fault.Denied, "Signature verification failed: the payload is not base64")
	case len(e.Signatures) == 0:
		return fail(fault.Denied, "Signature verification failed: it is not signed")
	case len(e.Signatures) > maxSignatures:
		return fail(fault.TooLarge, "it has more than %d signatures", maxSignatures)
	}
	return e, payload, nil
}

// verdict is what the signatures of an envelope amount to.
type verdict struct {
	good []string // ids of the keys that count, sorted
	// loose are keys whose signatures hold but are not in their only form, so that somebody on the way may have rewritten
	// them. They count in bundles of the first version, which had no such form.
	loose   []string
	refused string // why the signature of a known key was not counted; empty: there was none
	claimed string // the first key id that the envelope names
}

// judge finds the keys whose signatures over the payload hold. The key ids in the envelope choose nothing: every
// key is tried on every signature, and counts once however often it signed or is listed. They must only not be wrong.
func judge(e dsse.Envelope, payload []byte, keys []model.SignerKey, now model.Time, purposes []string) verdict {
	pae := dsse.PAE(e.PayloadType, payload)
	v := verdict{claimed: claimed(e.Signatures)}
	seen := map[string]bool{}
	for _, k := range keys { // one that is listed twice is what the worse entry says
		if pub, err := ParsePublic([]byte(k.Public)); err == nil && k.Revoked {
			if id := KeyID(pub); !seen[id] {
				seen[id] = true
				if signed, _ := signedBy(pub, id, pae, e.Signatures); signed {
					v.refused = "the key " + id + " was revoked here"
				}
			}
		}
	}
	for _, k := range keys {
		pub, err := ParsePublic([]byte(k.Public))
		if err != nil {
			continue // a key of another kind cannot have made an ES256 signature
		}
		id := KeyID(pub)
		if seen[id] {
			continue
		}
		signed, flaw := signedBy(pub, id, pae, e.Signatures)
		if !signed {
			continue
		}
		if why := unfit(k, now, purposes); why != "" {
			v.refused = "the key " + id + " " + why
			continue
		}
		seen[id] = true
		if flaw == "" {
			v.good = append(v.good, id)
		} else {
			v.loose = append(v.loose, id)
			v.refused = "the signature of the key " + id + " is not in its only form: " + flaw
		}
	}
	slices.Sort(v.good)
	slices.Sort(v.loose)
	return v
}

// unfit says why the signature of k, which is not revoked, does not count, or "".
func unfit(k model.SignerKey, now model.Time, purposes []string) string {
	may := k.Purposes
	if len(may) == 0 {
		may = []string{model.PurposeFederation}
	}
	switch {
	case !k.RetiresAt.IsZero() && !now.IsZero() && now >= k.RetiresAt:
		return "was retired at " + k.RetiresAt.String()
	case !slices.ContainsFunc(may, func(p string) bool { return slices.Contains(purposes, p) }):
		return "may not sign this: it is not for that purpose"
	}
	return ""
}

// refusal is the error where fewer than want keys count.
func (v verdict) refusal(want int) error {
	const op = "" // the text begins with what it is
	switch {
	case v.refused != "":
		return fault.New(fault.Denied, op, "Signature verification failed: %s", v.refused)
	case want > 1:
		return fault.New(fault.Denied, op, "Signature verification failed: %d trusted keys signed, %d must", len(v.good), want)
	}
	return fault.New(fault.Denied, op, "Signature verification failed: no trusted key signed this (it names %s); if you know that key, trust it with `skerry keys trust`", v.claimed)
}

// signedBy reports whether one of the signatures is pub's, and what is wrong with the form of those; empty: nothing. A key signs
// once: who could add a second signature of it could make other files of the same bundle.
func signedBy(pub *ecdsa.PublicKey, id string, pae []byte, sigs []dsse.Signature) (signed bool, flaw string) {
	for _, s := range sigs {
		sig, err := base64.StdEncoding.Strict().DecodeString(s.Sig)
		if err != nil || !verifyES256(pub, pae, sig) {
			continue
		}
		if signed {
			return true, "it signed more than once"
		}
		signed = true
		switch {
		case !lowS(sig):
			flaw = "S is in the upper half"
		case s.KeyID != id:
			flaw = "it names another key"
		}
	}
	return signed, flaw
}

// claimed returns the first key id that an envelope claims, for the text of an error.
func claimed(sigs []dsse.Signature) string {
	if id := sigs[0].KeyID; isHash(id) {
		return id
	}
	return "no key"
}

// verifySignature judges the envelope of a bundle. It is the caller's to let loose signatures count.
func verifySignature(s seen, c VerifyConfig) (verdict, error) {
	if s.envelope == nil {
		return verdict{}, fault.New(fault.Denied, "", "Signature verification failed: the bundle has no signature")
	}
	e, payload, err := openEnvelope(s.envelope, PayloadType)
	if err != nil {
		return verdict{}, fault.Wrap(signatureName, err)
	}
	if !bytes.Equal(payload, s.manifest) {
		return verdict{}, fault.New(fault.Denied, "", "Signature verification failed: it signs another manifest; the bundle was altered")
	}
	return judge(e, payload, c.Trusted, c.Now, []string{model.PurposeFederation}), nil
}
