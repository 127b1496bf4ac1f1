package enroll

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"net"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/link"
)

const (
	secretsVersion = 1
	groupKeyLen    = 32
	maxNodes       = 64  // of a group, as a newcomer is told
	maxAddress     = 260 // bytes of HOST:PORT
)

// Group is what the upper end needs so that controllers can join.
type Group struct {
	// Key is the group's key, 32 bytes, which encrypts what the nodes gossip.
	Key []byte
	// Nodes returns the controllers that are enrolled, with their addresses.
	Nodes func() ([]NodeAddress, error)
	// Joined is called once the enrollment is durable and before the newcomer is told: it makes the
	// member a part of the group. A newcomer that asks again causes another call, so it must be
	// idempotent. Its error is passed on as "try again".
	Joined func(ctx context.Context, m model.Member) error
}

// NodeAddress says where a controller of the group is reached.
type NodeAddress struct {
	ID      model.NodeID `json:"id"`
	Name    string       `json:"name"`
	Address string       `json:"address"` // HOST:PORT
}

// Secrets is what a controller holds beside its own identity, the same on all nodes of the group. It
// crosses the wire once, to a machine that has proved its token.
type Secrets struct {
	Version  int           `json:"version"`
	CAKey    string        `json:"ca_key"`    // PEM (PKCS #8)
	CA       string        `json:"ca_cert"`   // PEM
	GroupKey []byte        `json:"group_key"` // 32 bytes
	Nodes    []NodeAddress `json:"nodes"`     // at most 64; the newcomer is among them
}

// String tells nothing, so that it may end up in a log.
func (Secrets) String() string { return "secrets of a controller group" }

// GoString is String.
func (s Secrets) GoString() string { return s.String() }

// decodeSecrets reads and checks what an upper end sent.
func decodeSecrets(b []byte, caPin string) (Secrets, error) {
	var s Secrets
	if len(b) == 0 {
		return s, fault.New(fault.Version, "", "the answer holds no secrets of the group: the other side is of a version that controllers cannot join; upgrade it")
	}
	if err := model.Decode(b, &s); err != nil {
		return Secrets{}, fault.New(fault.Corrupt, "", "the secrets of the group do not decode: %w", err)
	}
	if s.Version > secretsVersion {
		return Secrets{}, fault.New(fault.Version, "", "the secrets of the group have version %d and this Skerry reads %d: upgrade this machine", s.Version, secretsVersion)
	}
	if err := s.verify(caPin); err != nil {
		return Secrets{}, err
	}
	return s, nil
}

// verify holds the secrets against the pin of the authority that they must be of.
func (s *Secrets) verify(caPin string) error {
	corrupt := func(format string, args ...any) error {
		return fault.New(fault.Corrupt, "check the secrets of the group", format, args...)
	}
	key, err := parseKey("ca_key", []byte(s.CAKey))
	if err != nil {
		return corrupt("%w", err)
	}
	cert, err := parseCert([]byte(s.CA))
	switch {
	case err != nil:
		return corrupt("certificate of the authority: %w", err)
	case !cert.IsCA || !samePublic(cert.PublicKey, key.Public()):
		return corrupt("the authority's key is not the one of its certificate")
	case link.PinOf(cert) != caPin:
		return corrupt("they are of another authority than the token pins")
	case len(s.GroupKey) != groupKeyLen:
		return corrupt("the group's key has %d bytes instead of %d", len(s.GroupKey), groupKeyLen)
	}
	return checkNodes(s.Nodes)
}

func checkNodes(nodes []NodeAddress) error {
	if len(nodes) > maxNodes {
		return fault.New(fault.TooLarge, "", "%d nodes are named; a group has at most %d", len(nodes), maxNodes)
	}
	for _, n := range nodes {
		if n.ID.IsZero() || len(n.Name) > 64 || n.Address == "" || len(n.Address) > maxAddress {
			return fault.New(fault.Corrupt, "", "the node %s of the group has no proper name and address", n.ID)
		}
	}
	return nil
}

// JoinGroup enrolls the holder of key as a controller at url, which is any node of the group, and returns
// what SaveNode keeps. me.Address is where the others reach this machine. Everything else is as for Join.
func JoinGroup(ctx context.Context, url string, token Token, key crypto.Signer, me Newcomer) (Node, error) {
	const op = "join the group"
	if token.Kind != model.MemberController {
		return Node{}, fault.New(fault.Invalid, op, "this is the token of a %s: make one for a controller with `skerry cluster join-token` on a controller of the group", noun(token.Kind))
	}
	addr, err := nodeAddress(me.Address)
	if err != nil {
		return Node{}, fault.Wrap(op, err)
	}
	me.Address = addr
	id, raw, err := join(ctx, url, token, key, me)
	if err != nil {
		return Node{}, err
	}
	s, err := decodeSecrets(raw, token.Pin())
	if err != nil {
		return Node{}, fault.Wrap(op, err)
	}
	return Node{Identity: id, Secrets: s}, nil
}

// nodeAddress returns HOST:PORT of what an operator wrote. It is Invalid for what nobody else can dial.
func nodeAddress(text string) (string, error) {
	addr, err := link.Address(text)
	if err != nil {
		return "", err
	}
	host, _, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err != nil || ip != nil && ip.IsUnspecified() || len(addr) > maxAddress {
		return "", fault.New(fault.Invalid, "", "the other controllers cannot dial %q: give the address of this machine as they see it, with --address HOST:PORT", fault.Clip(addr, 80))
	}
	return addr, nil
}

// address is the newcomer's, where it is one that has any.
func (c *claim) address(k model.MemberKind) string {
	if k != model.MemberController {
		return ""
	}
	return c.Address
}

func (c *claim) checkAddress(k model.MemberKind) error {
	if k != model.MemberController {
		return nil
	}
	addr, err := nodeAddress(c.Address)
	if err == nil && addr != c.Address {
		err = fault.New(fault.Invalid, "", "%q is not HOST:PORT", fault.Clip(c.Address, 80))
	}
	return err
}

// welcome makes an enrolled controller a part of the group, and returns what it must hold. It is called
// anew for one that asks again, perhaps after its operator has corrected its address.
func (s *Server) welcome(ctx context.Context, m *model.Member, c claim, now model.Time) ([]byte, error) {
	if m.Kind != model.MemberController {
		return nil, nil
	}
	if m.Address != c.Address {
		err := s.conf.Proposer.Propose(ctx, model.PutController{
			Stamp: model.Stamp{Actor: noun(m.Kind) + ":" + m.ID.String(), At: now}, Member: m.ID, Address: c.Address, Pin: m.Pin,
		})
		if err != nil {
			return nil, err
		}
		m.Address = c.Address
	}
	if err := s.conf.Group.Joined(ctx, *m); err != nil {
		return nil, err
	}
	nodes, err := s.conf.Group.Nodes()
	if err != nil {
		return nil, err
	}
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n NodeAddress) bool { return n.ID == m.ID || n.Address == "" })
	nodes = append(nodes, NodeAddress{ID: m.ID, Name: m.Name, Address: m.Address})
	key, err := s.conf.CA.keyPEM()
	if err != nil {
		return nil, err
	}
	out := Secrets{
		Version: secretsVersion, CAKey: key, CA: string(s.conf.CA.CertPEM()), GroupKey: s.conf.Group.Key, Nodes: nodes,
	}
	if err := out.verify(s.conf.CA.Pin()); err != nil {
		return nil, err
	}
	return model.Encode(out)
}

// keyPEM is the authority's key, for another node of its group.
func (ca *CA) keyPEM() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(ca.key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// check finds at the start what would only fail at the first newcomer.
func (g *Group) check() error {
	var missing []string
	if len(g.Key) != groupKeyLen {
		missing = append(missing, "a key of 32 bytes")
	}
	if g.Nodes == nil || g.Joined == nil {
		missing = append(missing, "the group's nodes")
	}
	if missing != nil {
		return fault.New(fault.Invalid, "serve enrollment", "for controllers to join, %s must be given", strings.Join(missing, " and "))
	}
	return nil
}
