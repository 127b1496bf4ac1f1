package enroll

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"io"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Token is what an operator carries from the upper tier to the newcomer: who it is to become, the
// secret that proves the invitation, and the pin of the authority that made it. It is shown once; the
// upper tier keeps Hash only.
//
// As text: "skerry1." and the unpadded base64url (RFC 4648 section 5) of
//
//	 0         1         2           18          50          82         86
//	+---------+---------+-----------+-----------+-----------+----------+
//	| version | kind    | member id | secret    | CA pin    | checksum |
//	+---------+---------+-----------+-----------+-----------+----------+
//
//	version   1
//	kind      1 site, 2 host, 3 gateway, 4 controller
//	checksum  CRC-32 (IEEE) of bytes 0 to 81, big-endian: it finds a slip in copying, nothing more
type Token struct {
	Kind   model.MemberKind
	Member model.NodeID
	Secret [32]byte
	CAPin  [32]byte // SHA-256 of the authority's SubjectPublicKeyInfo
}

const (
	tokenPrefix  = "skerry1."
	tokenVersion = 1
	tokenLen     = 86
	tokenText    = 115 // characters after the prefix
)

var tokenKinds = [...]model.MemberKind{1: model.MemberSite, 2: model.MemberHost, 3: model.MemberGateway, 4: model.MemberController}

// NewToken makes a token with a fresh secret from rand. caPin is the hex pin of the CA.
func NewToken(rand io.Reader, kind model.MemberKind, member model.NodeID, caPin string) (Token, error) {
	t := Token{Kind: kind, Member: member}
	pin, err := hex.DecodeString(caPin)
	if err != nil || len(pin) != len(t.CAPin) {
		return Token{}, fault.New(fault.Invalid, "make token", "%q is not the pin of a certificate authority", caPin)
	}
	copy(t.CAPin[:], pin)
	if t.kindCode() == 0 || member.IsZero() {
		return Token{}, fault.New(fault.Invalid, "make token", "a token needs a member kind and an id")
	}
	if _, err := io.ReadFull(rand, t.Secret[:]); err != nil {
		return Token{}, fault.New(fault.Other, "make token", "read randomness: %w", err)
	}
	return t, nil
}

// Encode returns the text that the operator carries. It holds the secret: show it once, log it never.
func (t Token) Encode() string {
	b := make([]byte, 0, tokenLen)
	b = append(b, tokenVersion, t.kindCode())
	b = append(b, t.Member[:]...)
	b = append(b, t.Secret[:]...)
	b = append(b, t.CAPin[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// String names the token without its secret, so that it may end up in a log.
func (t Token) String() string { return "token of " + string(t.Kind) + " " + t.Member.String() }

// GoString is String.
func (t Token) GoString() string { return t.String() }

// Hash returns the hex SHA-256 of the secret, which is all that the upper tier stores. The secret has
// 256 random bits, so a slow hash would add nothing.
func (t Token) Hash() string { return secretHash(t.Secret[:]) }

// Pin returns the hex pin of the authority.
func (t Token) Pin() string { return hex.EncodeToString(t.CAPin[:]) }

func (t Token) kindCode() byte {
	for i, k := range tokenKinds {
		if i > 0 && k == t.Kind {
			return byte(i)
		}
	}
	return 0
}

func secretHash(secret []byte) string {
	sum := sha256.Sum256(secret)
	return hex.EncodeToString(sum[:])
}

// ParseToken reads what Encode wrote, with white space around it. The error is Invalid, or Version for
// a token of a newer Skerry, and never quotes the token.
func ParseToken(text string) (Token, error) {
	t, err := parseToken(strings.TrimSpace(text))
	if err != nil {
		return Token{}, fault.Wrap("read token", err)
	}
	return t, nil
}

func parseToken(text string) (Token, error) {
	bad := func(format string, args ...any) (Token, error) {
		return Token{}, fault.New(fault.Invalid, "", format, args...)
	}
	body, ok := strings.CutPrefix(text, tokenPrefix)
	switch {
	case text == "":
		return bad("it is empty: give the text that starts with %q", tokenPrefix)
	case ok:
	case newerPrefix(text):
		return Token{}, fault.New(fault.Version, "", "it was made by a newer Skerry: upgrade this machine, or make the token with a Skerry of this version")
	default:
		return bad("it does not start with %q: copy the whole token", tokenPrefix)
	}
	if strings.ContainsAny(body, " \t\r\n") { // the decoder would skip line breaks
		return bad("there is a space or a line break inside: copy the whole token, on one line")
	}
	if len(body) != tokenText {
		return bad("it has %d characters after %q instead of %d: copy the whole token, on one line", len(body), tokenPrefix, tokenText)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil {
		var at base64.CorruptInputError
		if errors.As(err, &at) && int(at) < len(body) {
			return bad("character %d is not one that a token can have there: copy it again", len(tokenPrefix)+int(at)+1)
		}
		return bad("it is not base64url: copy it again")
	}
	if sum := crc32.ChecksumIEEE(b[:tokenLen-4]); sum != binary.BigEndian.Uint32(b[tokenLen-4:]) {
		return bad("its checksum is wrong, so a character was changed: copy it again")
	}
	if b[0] != tokenVersion {
		return Token{}, fault.New(fault.Version, "", "its layout has version %d and this Skerry reads %d: upgrade the older machine", b[0], tokenVersion)
	}
	if b[1] == 0 || int(b[1]) >= len(tokenKinds) {
		return bad("it invites a member of kind %d, which this version does not know", b[1])
	}
	t := Token{Kind: tokenKinds[b[1]]}
	copy(t.Member[:], b[2:18])
	copy(t.Secret[:], b[18:50])
	copy(t.CAPin[:], b[50:82])
	if t.Member.IsZero() {
		return bad("it names no member: make a new one")
	}
	return t, nil
}

// newerPrefix reports whether text starts like a token of a later generation: skerry2., skerry10.
func newerPrefix(text string) bool {
	rest, ok := strings.CutPrefix(text, "skerry")
	number, _, dot := strings.Cut(rest, ".")
	if !ok || !dot || number == "" || len(number) > 3 || number == "0" || number == "1" {
		return false
	}
	return strings.Trim(number, "0123456789") == ""
}
