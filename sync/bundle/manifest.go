package bundle

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// decodeManifest reads and judges manifest bytes on their own: version, origin, range, parts, counts and keys.
func decodeManifest(raw []byte, lim Limits) (Manifest, error) {
	const op = "read manifest"
	var m Manifest
	if err := checkShape(raw, lim); err != nil {
		return m, err
	}
	if err := model.Decode(raw, &m); err != nil {
		return Manifest{}, fault.New(fault.Corrupt, op, "%s is not a manifest: %w", manifestName, err)
	}
	old := m.Counts.Advisories
	m.Counts.Advisories = 0
	if m.Format == formatOne { // what it did not have is not there, whatever the members say
		m.Counts.Canonicals, m.Counts.Edges = 0, old
		m.Split, m.Keys, m.More = nil, nil, false
	}
	return m, m.validate(op)
}

func (m Manifest) validate(op string) error {
	bad := func(format string, args ...any) error { return fault.New(fault.Corrupt, op, format, args...) }
	if m.Format != Format && m.Format != formatOne {
		if strings.HasPrefix(m.Format, "skerry-bundle/") {
			return fault.New(fault.Version, op, "the bundle's format is %q, this version reads up to %q: import it with a newer skerry", fault.Clip(m.Format, maxQuote), Format)
		}
		return bad("the bundle's format is %q, not %q", fault.Clip(m.Format, maxQuote), Format)
	}
	switch {
	case m.Origin.IsZero():
		return bad("the manifest names no origin")
	case len(m.OriginName) > maxName:
		return bad("the name of the origin is longer than %d bytes", maxName)
	case m.To.Compare(m.From) <= 0:
		return bad("the manifest's range is empty: from %q to %q", m.From, m.To)
	case m.ExpiresAt.IsZero():
		return bad("the manifest has no expiry")
	case len(m.Parts) != len(partNames):
		return bad("the manifest names %d parts, not %d", len(m.Parts), len(partNames))
	case len(m.Keys) > MaxKeys:
		return bad("the manifest announces %d keys, more than %d", len(m.Keys), MaxKeys)
	}
	for i, p := range m.Parts {
		if p.Name != partNames[i] {
			return bad("part %d of the manifest is %q, not %q", i+1, fault.Clip(p.Name, maxQuote), partNames[i])
		}
	}
	c := m.Counts
	if c.Edges != m.Parts[0].Lines || c.Deletions != m.Parts[1].Lines || c.Edges < 0 || c.Deletions < 0 || c.Canonicals < 0 || c.Canonicals > c.Edges {
		return bad("the counts of the manifest (%d canonicals, %d edges, %d deletions) are not those of its parts (%d and %d lines)",
			c.Canonicals, c.Edges, c.Deletions, m.Parts[0].Lines, m.Parts[1].Lines)
	}
	if s := m.Split; s != nil {
		w := s.Counts
		switch {
		case !isHash(s.Set):
			return bad("the set is named %q; want sha256: and 64 hexadecimal digits", fault.Clip(s.Set, maxQuote))
		case s.Of < 2 || s.Of > MaxParts || s.Index < 1 || s.Index > s.Of:
			return bad("it is part %d of %d; a set has 2 to %d", s.Index, s.Of, MaxParts)
		case w.Edges < c.Edges || w.Deletions < c.Deletions || w.Canonicals < c.Canonicals || w.Canonicals > w.Edges:
			return bad("the part holds more than its whole set")
		}
	}
	for _, k := range m.Keys {
		if why := k.fault(); why != "" {
			return bad("the announced key %q: %s", fault.Clip(k.Name, maxQuote), why)
		}
	}
	return nil
}

// fault says what is wrong with an announced key, or "".
func (k Key) fault() string {
	switch _, err := ParsePublic([]byte(k.Public)); {
	case err != nil:
		return err.Error()
	case len(k.Name) > maxName:
		return "its name is too long"
	case len(k.Purposes) > 8:
		return "it has more than 8 purposes"
	case k.Successor != "" && !isHash(k.Successor):
		return "its successor is no key's id"
	}
	for _, p := range k.Purposes {
		if len(p) > 64 {
			return "a purpose is longer than 64 bytes"
		}
	}
	return ""
}

// signerKeys returns announced keys as the keys that they are.
func signerKeys(keys []Key) []model.SignerKey {
	var out []model.SignerKey
	for _, k := range keys {
		pub, err := ParsePublic([]byte(k.Public))
		if err != nil {
			continue // validate has refused it
		}
		text, err := EncodePublic(pub) // what else stands in the text is not the key's
		if err != nil {
			continue
		}
		out = append(out, model.SignerKey{
			ID: KeyID(pub), Name: k.Name, Public: string(text),
			Purposes: slices.Clone(k.Purposes), RetiresAt: k.RetiresAt, Successor: k.Successor, Revoked: k.Revoked,
		})
	}
	return out
}

// announce returns what a manifest says of keys, in the order of their ids: of revoked ones too, so that those learn of it whom no
// link tells.
func announce(keys []model.SignerKey) []Key {
	var out []Key
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b model.SignerKey) int { return cmp.Compare(a.ID, b.ID) })
	for _, k := range keys {
		out = append(out, Key{Name: k.Name, Public: k.Public, Purposes: k.Purposes, RetiresAt: k.RetiresAt, Successor: k.Successor, Revoked: k.Revoked})
	}
	return out
}

func isHash(s string) bool {
	const prefix = "sha256:"
	if len(s) != len(prefix)+64 || s[:len(prefix)] != prefix {
		return false
	}
	for _, c := range []byte(s[len(prefix):]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// plan is what the parts of a set have in common, and the digests of all of them. Its hash names the set, so that a part
// belongs to one export only.
type plan struct {
	Manifest          // without Parts and Split; Counts are those of the set
	Digests  [][]Part `json:"digests"`
}

// planOf returns the plan of the set that the manifests, in the order of their indexes, are the parts of.
func planOf(whole Manifest, parts []Manifest) plan {
	p := plan{Manifest: whole}
	p.Parts, p.Split = nil, nil
	for _, m := range parts {
		p.Digests = append(p.Digests, m.Parts)
	}
	return p
}

func (p plan) hash() (string, error) {
	raw, err := model.Encode(p)
	if err != nil {
		return "", err
	}
	return hashOf(raw), nil
}

// wholeOf returns the manifest of the set that m is a part of.
func wholeOf(m Manifest) Manifest {
	m.Counts = m.Split.Counts
	m.Parts, m.Split = nil, nil
	return m
}

// sameSet reports whether two parts say the same of everything that the parts of a set have in common.
func sameSet(a, b Manifest) bool {
	return a.Split.Set == b.Split.Set && a.Split.Of == b.Split.Of && reflect.DeepEqual(wholeOf(a), wholeOf(b))
}
