package model

import (
	"encoding/hex"
	"fmt"
)

// ID is an immutable 128-bit identifier (a UUID, version 7 where Skerry minted it). The type
// parameter keeps identifiers of different nouns apart at compile time; convert between them only
// where one thing truly is the other, as in NodeID(siteID).
//
// The zero value means "none". IDs are minted at the edges (API, enrollment, agent), never in
// engine code, so that applying a change stays a pure function.
type ID[K any] [16]byte

type (
	nodeKind    struct{}
	siteKind    struct{}
	hostKind    struct{}
	commandKind struct{}
	sessionKind struct{}
	alertKind   struct{}
	policyKind  struct{}
)

// The distinct identifiers of the federation.
type (
	// NodeID names whoever can be the origin of items: a controller group, a site, an agent.
	NodeID = ID[nodeKind]
	// SiteID names a site. As an origin a site is NodeID(siteID).
	SiteID = ID[siteKind]
	// HostID names a host. As an origin a host's agent is NodeID(hostID).
	HostID = ID[hostKind]
	// CommandID names a command; its maker chose it, so that sending twice dispatches once.
	CommandID = ID[commandKind]
	// SessionID names a login; it is the SHA-256 of the bearer's secret, cut to 128 bits.
	SessionID = ID[sessionKind]
	// AlertID names an alert; it is minted where the alert is judged, so that later ones sort later.
	AlertID = ID[alertKind]
	// PolicyID names a policy.
	PolicyID = ID[policyKind]
)

// IsZero reports whether id is unset.
func (id ID[K]) IsZero() bool { return id == ID[K]{} }

// String returns the canonical 36-character form, as in 0190d5c2-7a1e-7c3f-9b0a-2f1d3c4b5a69.
func (id ID[K]) String() string {
	var b [36]byte
	return string(id.AppendTo(b[:0]))
}

// AppendTo appends the form of String to b.
func (id ID[K]) AppendTo(to []byte) []byte {
	var b [36]byte
	hex.Encode(b[0:8], id[0:4])
	b[8] = '-'
	hex.Encode(b[9:13], id[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], id[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], id[8:10])
	b[23] = '-'
	hex.Encode(b[24:36], id[10:16])
	return append(to, b[:]...)
}

// MarshalText returns the form of String; the zero ID becomes the empty text.
func (id ID[K]) MarshalText() ([]byte, error) {
	if id.IsZero() {
		return []byte{}, nil
	}
	return []byte(id.String()), nil
}

// UnmarshalText accepts what MarshalText wrote.
func (id *ID[K]) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*id = ID[K]{}
		return nil
	}
	v, err := ParseID[K](string(b))
	if err != nil {
		return err
	}
	*id = v
	return nil
}

// ParseID reads the canonical 36-character form; nothing else is accepted.
func ParseID[K any](s string) (ID[K], error) {
	var id ID[K]
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, fmt.Errorf("%q is not an id: want 8-4-4-4-12 hexadecimal digits", clip(s))
	}
	var raw [32]byte // on the stack: ids are read by the thousand
	copy(raw[0:8], s[0:8])
	copy(raw[8:12], s[9:13])
	copy(raw[12:16], s[14:18])
	copy(raw[16:20], s[19:23])
	copy(raw[20:32], s[24:36])
	if _, err := hex.Decode(id[:], raw[:]); err != nil {
		return ID[K]{}, fmt.Errorf("%q is not an id: want 8-4-4-4-12 hexadecimal digits", clip(s))
	}
	return id, nil
}

// ParseSiteID is ParseID for sites.
func ParseSiteID(s string) (SiteID, error) { return ParseID[siteKind](s) }

// ParseHostID is ParseID for hosts.
func ParseHostID(s string) (HostID, error) { return ParseID[hostKind](s) }

// ParseNodeID is ParseID for origins.
func ParseNodeID(s string) (NodeID, error) { return ParseID[nodeKind](s) }

// ParseCommandID is ParseID for commands.
func ParseCommandID(s string) (CommandID, error) { return ParseID[commandKind](s) }

// ParseAlertID is ParseID for alerts.
func ParseAlertID(s string) (AlertID, error) { return ParseID[alertKind](s) }

// ParsePolicyID is ParseID for policies.
func ParsePolicyID(s string) (PolicyID, error) { return ParseID[policyKind](s) }

// clip keeps a quoted piece of foreign input short enough for one line.
func clip(s string) string {
	if len(s) > 48 {
		return s[:48] + "…"
	}
	return s
}
