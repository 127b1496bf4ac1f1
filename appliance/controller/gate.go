package controller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/peer"
)

// maxPeers bounds the connections of one protocol between nodes that are served at once.
const maxPeers = 128

// gate is how the nodes of the group recognise each other. Every node shows the certificate of its own
// key, which the federation's authority issued to a controller; the registry says which of them have been
// removed. A node that the registry does not know is let in: where the registry is that of a new node, or
// one that lags behind, it knows nobody yet, and it learns of the others from those very connections. But where
// the group was restored from a backup, who had joined it before that and is not known is of the group as it was.
type gate struct {
	node     enroll.Node
	member   func(model.NodeID) (model.Member, bool, error) // the registry as it is here
	restored func() (model.Time, error)                     // when the group was restored; zero: never. May be nil
	others   func() []model.Member                          // the other controllers in the registry. May be nil
	now      func() time.Time
	log      *slog.Logger

	outcast // whether this node itself is wanted
	inside  // who was let in
}

// admit returns which node is at the other end, or why it is not let in. The port is open to everybody who
// can reach it, and a forged Raft message would rewrite the federation.
func (g *gate) admit(conn net.Conn) (model.NodeID, error) {
	const op = "admit a controller"
	t, ok := conn.(*tls.Conn)
	if !ok || len(t.ConnectionState().PeerCertificates) == 0 {
		return model.NodeID{}, fault.New(fault.Denied, op, "no certificate was presented")
	}
	leaf := t.ConnectionState().PeerCertificates[0]
	roots := x509.NewCertPool()
	roots.AddCert(g.node.Authority())
	at := g.now() // a clock that is behind this node's own enrollment is wrong
	if joined := g.node.EnrolledAt.Std(); at.Before(joined) {
		at = joined
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	var stranger x509.UnknownAuthorityError
	switch {
	case errors.As(err, &stranger):
		return model.NodeID{}, fault.New(fault.Denied, op, "its certificate is of another federation; a node joins this one with a token of it (`skerry cluster join-token`) and an empty data folder")
	case err != nil:
		return model.NodeID{}, fault.New(fault.Denied, op, "%w", err)
	case !slices.Contains(leaf.Subject.OrganizationalUnit, string(model.MemberController)):
		return model.NodeID{}, fault.New(fault.Denied, op, "its certificate is not a controller's")
	}
	id, err := model.ParseNodeID(leaf.Subject.CommonName)
	if err != nil {
		return id, fault.New(fault.Denied, op, "its certificate names no node: %w", err)
	}
	return id, g.known(id, leaf)
}

// known refuses a node by what the registry says of it.
func (g *gate) known(id model.NodeID, leaf *x509.Certificate) error {
	m, known, err := g.member(id)
	if err != nil {
		return fault.New(fault.Unreachable, "admit a controller", "the registry cannot be read now: %w", err)
	}
	if !known {
		return g.ofThisLife(leaf)
	}
	return judge(m, known, link.PinOf(leaf))
}

// answers looks who answers at an address, before a byte was sent: a node that has moved to the address of another one
// must not vote in its place. It returns which node it is; zero for one of an older version, which shows the certificate
// of its server: that proves that it is a controller of this federation, and not which.
func (g *gate) answers(addr string, leaf *x509.Certificate) (model.NodeID, error) {
	id, err := model.ParseNodeID(leaf.Subject.CommonName)
	if err != nil {
		return model.NodeID{}, nil
	}
	if g.member == nil {
		return id, nil
	}
	if err := g.known(id, leaf); err != nil {
		kind := fault.KindOf(err)
		if kind == unwanted { // it is the other node that was removed
			kind = fault.Denied
		}
		return model.NodeID{}, fault.New(kind, "", "who answers at %s: %w", addr, err)
	}
	if g.others == nil {
		return id, nil
	}
	wrong := ""
	for _, m := range g.others() {
		switch {
		case m.Address != addr:
		case m.ID == id:
			return id, nil
		default:
			wrong = m.Name
		}
	}
	if wrong != "" {
		return model.NodeID{}, fault.New(fault.Denied, "", "at %s answers controller %s, and in the registry it is the address of %q: give each node an address of its own (cluster.address), or remove %q if it is no more", addr, id, wrong, wrong)
	}
	return id, nil
}

// ofThisLife refuses a node that is not known, and had joined before the group was restored from a backup: it may
// follow the group as it was, and would put that in the place of this one.
func (g *gate) ofThisLife(leaf *x509.Certificate) error {
	if g.restored == nil {
		return nil
	}
	at, err := g.restored()
	if err != nil {
		return fault.New(fault.Unreachable, "admit a controller", "the registry cannot be read now: %w", err)
	}
	if enroll.EnrolledAt(leaf).Before(at.Std().Truncate(time.Second)) {
		return fault.New(fault.Denied, "admit a controller", "it joined the group before the group was restored from a backup, which does not know it; join it as a new one, with a new token (`skerry cluster join-token`) and an empty data folder")
	}
	return nil
}

// judge decides by what the registry says of a node.
func judge(m model.Member, known bool, pin string) error {
	const op = "admit a controller"
	switch {
	case !known:
		return nil
	case m.Kind != model.MemberController:
		return fault.New(fault.Denied, op, "%s is no controller here", m.ID)
	case m.Status == model.MemberRemoved:
		if why := byCleanUp(m); why != "" {
			return fault.New(unwanted, op, "controller %q is no member of the group: %s; %s", m.Name, why, comeBack)
		}
		return fault.New(unwanted, op, "controller %q was removed from the group; %s", m.Name, comeBack)
	case m.Status != model.MemberEnrolled && m.Status != model.MemberPending:
		return fault.New(fault.Denied, op, "controller %q is %s", m.Name, m.Status)
	case m.Pin != "" && m.Pin != pin:
		return fault.New(fault.Denied, op, "controller %q has another key in the registry", m.Name)
	}
	return nil // also a pending one: its enrollment is on its way to here
}

// removed says why a node is not listened to, by its id alone; it fits gossip.Config.Admit.
func (g *gate) removed(id string) error {
	n, err := model.ParseNodeID(id)
	if err != nil {
		return err
	}
	m, known, err := g.member(n)
	if err != nil {
		return nil // nobody is shut out because the registry is busy
	}
	return judge(m, known, m.Pin)
}

// listener passes on the connections of nodes that are let in.
type listener struct {
	net.Listener
	*gate
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		id, err := l.admit(conn)
		if err != nil {
			l.log.Warn("turned away from the group's own traffic", "remote", conn.RemoteAddr().String(), "err", err)
			_ = conn.Close()
			continue
		}
		return l.entered(id, conn), nil
	}
}

// peers serves the sessions of other nodes on l until ctx ends; handle gets each with the id of its node. Who
// is not let in is told why.
func (g *gate) peers(ctx context.Context, l net.Listener, handle func(ctx context.Context, s *link.Session, from string)) error {
	return link.Each(ctx, l, maxPeers, func(ctx context.Context, conn net.Conn) {
		var id model.NodeID
		admit := func(context.Context, link.Peer) (err error) { id, err = g.admit(conn); return err }
		s, err := link.Accept(ctx, conn, link.AcceptConfig{Admit: admit, Log: g.log})
		if err != nil {
			g.log.Warn("turned away from the group's own traffic", "remote", conn.RemoteAddr().String(), "err", err)
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = s.Close() })
		defer stop()
		defer s.Close()
		defer g.entered(id, conn).left() // the session closes conn
		handle(ctx, s, id.String())
	})
}

// dial opens a connection to another node, for Raft and for gossip.
func (g *gate) dial(ctx context.Context, proto, addr string) (net.Conn, error) {
	c := g.node.DialNode(proto, g.now)
	c.Check = func(leaf *x509.Certificate) error { _, err := g.answers(addr, leaf); return err }
	return link.DialConn(ctx, addr, c)
}

// dialPeer opens a session with another node; it fits peer.Config.Dial.
func (g *gate) dialPeer(ctx context.Context, addr string) (peer.Session, error) {
	var who model.NodeID
	c := g.node.DialNode(link.ProtoPeer, g.now)
	c.Check = func(leaf *x509.Certificate) (err error) { who, err = g.answers(addr, leaf); return err }
	s, err := link.Dial(ctx, addr, c)
	if err != nil {
		g.heard(who, err)
		return nil, err // not a nil *link.Session in an interface
	}
	g.heard(who, nil)
	return s, nil
}

// openNode returns who this node is. Where nobody has joined it to a group, it is the founder of one; also
// where it founded the group with an older Skerry, which kept no more than an id for Raft.
func openNode(data, name string, ca *enroll.CA, self func() (model.Found, bool, error)) (enroll.Node, error) {
	n, err := enroll.LoadNode(data)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return n, err
	}
	f, founded, rerr := self()
	if rerr != nil {
		return n, rerr
	}
	if err == nil {
		// Again, for what it checks: that the authority is the one of the identity. The group's id in the
		// rows is the one that counts.
		if n, err = enroll.FoundNode(data, ca, enroll.Founding{}); founded {
			n.Upper, n.UpperName = f.Self, f.Name
		}
		return n, err
	}
	if !founded {
		if id, err := uuid.NewV7(); err != nil {
			return n, err
		} else {
			f.Self, f.Name = model.NodeID(id), name
		}
	}
	text, err := nodeID(filepath.Join(data, "node-id"))
	if err != nil {
		return n, err
	}
	id, err := model.ParseNodeID(text)
	if err != nil {
		return n, err
	}
	return enroll.FoundNode(data, ca, enroll.Founding{Member: id, Group: f.Self, Name: name, GroupName: f.Name})
}
