package enroll

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/wire"
)

// ServerConfig is what the upper tier's end of the first contact works with.
type ServerConfig struct {
	CA       *CA
	Members  Members
	Proposer Proposer
	Self     model.NodeID // this controller group or site
	Name     string       // its name
	Role     model.Role
	Now      func() time.Time // nil: time.Now
	Log      *slog.Logger     // nil: nothing is logged
	// Timeout bounds one conversation. Zero: 15 s.
	Timeout time.Duration
	// Group lets controllers join this one. Nil: none can, as at a site.
	Group *Group
}

// Server lets newcomers in.
type Server struct {
	conf  ServerConfig
	notes budget
}

// conversations that may go on at once: they are short and bounded in time.
const maxConversations = 64

// NewServer checks conf. It is Invalid when something is missing.
func NewServer(conf ServerConfig) (*Server, error) {
	if conf.CA == nil || conf.Members == nil || conf.Proposer == nil || conf.Self.IsZero() || conf.Role == "" {
		return nil, fault.New(fault.Invalid, "serve enrollment", "an authority, a registry, a proposer and an identity are needed")
	}
	if conf.Group != nil {
		if err := conf.Group.check(); err != nil {
			return nil, err
		}
	}
	if conf.Timeout <= 0 {
		conf.Timeout = 15 * time.Second
	}
	if conf.Log == nil {
		conf.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{conf: conf, notes: budget{tokens: noteBurst}}, nil
}

// Run serves the connections of l, which link.Server's Listen(link.ProtoEnroll) gave, until ctx ends;
// then it waits for the conversations that go on.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	return link.Each(ctx, l, maxConversations, func(ctx context.Context, conn net.Conn) {
		_ = s.Serve(ctx, conn) // Serve has logged it
	})
}

// claim is what a newcomer says, with what the connection proves.
type claim struct {
	wire.Enroll
	peer link.Peer
	conn *tls.Conn
}

// Serve holds one conversation and closes conn. The error says why the newcomer was not let in; it has
// been told so, and the refusal is in the audit record.
func (s *Server) Serve(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(s.conf.Timeout))
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	peer, err := link.PeerOf(conn)
	if err != nil {
		return err
	}
	log := s.conf.Log.With("remote", peer.Remote)
	c := claim{peer: peer, conn: conn.(*tls.Conn)}
	body, err := wire.Expect(conn, wire.TypeEnroll, wire.MaxControl)
	if err == nil {
		c.Enroll, err = wire.Decode[wire.Enroll](body)
	}
	if err != nil {
		log.Info("enrollment broken off", "err", err)
		wire.WriteFault(conn, err)
		return err
	}
	answer, err := s.enroll(ctx, c)
	if err != nil {
		log.Warn("enrollment refused", "member", c.Member.String(), "err", err)
		wire.WriteFault(conn, err)
		return err
	}
	if err := wire.WriteFrame(conn, wire.TypeEnrolled, answer); err != nil {
		// The member is enrolled all the same; it will ask again and get the same answer.
		log.Warn("enrolled, but the answer was lost", "member", c.Member.String(), "err", err)
		return err
	}
	log.Info("enrolled", "kind", string(answer.Kind), "name", answer.Name, "member", c.Member.String(), "pin", peer.Pin)
	return nil
}

func (s *Server) enroll(ctx context.Context, c claim) (wire.Enrolled, error) {
	now := model.TimeOf(clock(s.conf.Now))
	m, known, err := s.conf.Members.Member(c.Member)
	if err != nil {
		return wire.Enrolled{}, s.retry(err)
	}
	kind := m.Kind
	if !known && s.conf.Role == model.RoleController {
		if kind = model.MemberSite; c.Address != "" {
			kind = model.MemberController
		}
	}
	refuse := func(err error) (wire.Enrolled, error) {
		s.audit(ctx, now, kind, c, err)
		return wire.Enrolled{}, err
	}
	if err := checkKey(c.conn.ConnectionState().PeerCertificates[0].PublicKey); err != nil {
		return refuse(err)
	}
	fresh, err := s.judge(m, known, kind, c, now)
	if err != nil {
		return refuse(err)
	}
	if fresh {
		other, taken, err := s.conf.Members.MemberByPin(c.peer.Pin)
		if err != nil {
			return wire.Enrolled{}, s.retry(err)
		}
		if taken && other.ID != m.ID {
			return refuse(fault.New(fault.Conflict, "", "the key of this machine is enrolled here already, as %s %q: remove that one first, or remove the identity folder of this machine so that it makes a new key",
				noun(other.Kind), other.Name))
		}
		err = s.conf.Proposer.Propose(ctx, model.Enroll{
			Stamp:  model.Stamp{Actor: noun(m.Kind) + ":" + m.ID.String(), At: now},
			Member: m.ID, TokenHash: m.TokenHash, Pin: c.peer.Pin, Address: c.address(m.Kind),
		})
		switch fault.KindOf(err) {
		case fault.Denied, fault.Conflict, fault.Expired, fault.NotFound, fault.Invalid:
			return refuse(err) // somebody was faster: another key, a newer token, a removal
		}
		if err != nil {
			return wire.Enrolled{}, s.retry(err)
		}
		if m, _, err = s.conf.Members.Member(c.Member); err != nil {
			return wire.Enrolled{}, s.retry(err)
		}
		if m.Status != model.MemberEnrolled || m.Pin != c.peer.Pin {
			return refuse(fault.New(fault.Conflict, "", "%s %q was changed while it enrolled: look at its state on the %s", noun(m.Kind), m.Name, s.conf.Role))
		}
	}
	secrets, err := s.welcome(ctx, &m, c, now)
	if err != nil {
		return wire.Enrolled{}, s.retry(err)
	}
	cert, err := s.conf.CA.IssueMember(m, c.conn.ConnectionState().PeerCertificates[0].PublicKey)
	if err != nil {
		return wire.Enrolled{}, s.retry(err)
	}
	return wire.Enrolled{
		Member: m.ID, Kind: m.Kind, Name: m.Name, Epoch: m.Epoch, UpperID: s.conf.Self, UpperName: s.conf.Name,
		CACert: string(s.conf.CA.CertPEM()), Cert: string(pemCert(cert)), Secrets: secrets,
	}, nil
}

// judge decides without writing. fresh is false for a member that is enrolled with this very key: the
// token's hash is gone by then, and the handshake proved what the hash would have.
func (s *Server) judge(m model.Member, known bool, kind model.MemberKind, c claim, now model.Time) (fresh bool, err error) {
	again := remedy(m, known, kind)
	what := noun(kind) + " " + strconv.Quote(m.Name)
	switch {
	case !known:
		return false, fault.New(fault.NotFound, "", "the token is for %s %s, which this %s (%s) does not know: it was removed, or the token was made elsewhere; %s", noun(kind), c.Member, s.conf.Role, s.conf.Name, again)
	case kind == model.MemberController && s.conf.Group == nil:
		return false, fault.New(fault.Invalid, "", "no controller can join this %s (%s)", s.conf.Role, s.conf.Name)
	case m.Status == model.MemberEnrolled && m.Pin == c.peer.Pin:
		return false, c.checkAddress(kind)
	case m.Status == model.MemberEnrolled:
		return false, fault.New(fault.Denied, "", "the token of %s was used already, by another machine, at %s: a token is good for one machine; if that was not yours, ask the operator of %s: its audit record shows when it was used and with which key; else make a token for a new %s",
			what, m.EnrolledAt, s.conf.Name, noun(kind))
	case m.Status == model.MemberRemoved:
		if kind == model.MemberController {
			return false, fault.New(fault.Denied, "", "%s was removed from the group %q: join it as a new one, with a new token (`skerry cluster join-token`) and an empty data folder", what, s.conf.Name)
		}
		return false, fault.New(fault.Denied, "", "%s was removed from this %s (%s): enroll it as a new %s", what, s.conf.Role, s.conf.Name, noun(kind))
	case m.Status != model.MemberPending:
		return false, fault.New(fault.Denied, "", "%s is %s on this %s (%s): ask its operator", what, m.Status, s.conf.Role, s.conf.Name)
	}
	secret, err := hex.DecodeString(c.Secret)
	if err != nil || m.TokenHash == "" || subtle.ConstantTimeCompare([]byte(secretHash(secret)), []byte(m.TokenHash)) != 1 {
		return false, fault.New(fault.Denied, "", "the token is not the newest one of %s: use the newest, or %s", what, again)
	}
	if now > m.TokenExpires {
		return false, fault.New(fault.Expired, "", "the token of %s expired at %s, and here it is %s: %s", what, m.TokenExpires, now, again)
	}
	return true, c.checkAddress(kind)
}

// remedy says how to get a token that works. A member keeps its place while it is pending.
func remedy(m model.Member, known bool, kind model.MemberKind) string {
	switch {
	case kind == model.MemberController && known:
		return "make a new one with `skerry cluster join-token --name " + m.Name + "` on a controller of the group"
	case kind == model.MemberController:
		return "make a new one with `skerry cluster join-token` on a controller of the group"
	case kind == model.MemberSite && known:
		return "make a new one with `skerry sites token " + m.Name + "` on the controller"
	case kind == model.MemberSite:
		return "make a new one with `skerry sites enroll NAME` on the controller"
	case known:
		return "make a new one with `skerry agents token " + m.Name + "` on the site"
	case kind == model.MemberGateway:
		return "make a new one with `skerry agents enroll NAME --gateway` on the site"
	}
	return "make a new one with `skerry agents enroll NAME` on the site"
}

// retry wraps a failure of this server, for which the newcomer is not to blame.
func (s *Server) retry(err error) error {
	kind := fault.KindOf(err)
	if kind == fault.Other {
		kind = fault.Unreachable
	}
	return fault.New(kind, "", "the %s %q cannot enroll anyone right now (%w): try again with the same token", s.conf.Role, s.conf.Name, err)
}

// audit records a refusal. Everybody who reaches the port can cause one, so they are rationed; what
// was left out is counted in the next.
func (s *Server) audit(ctx context.Context, now model.Time, kind model.MemberKind, c claim, refusal error) {
	skipped, ok := s.notes.take(now.Std())
	if !ok {
		return
	}
	detail := map[string]string{"remote": c.peer.Remote, "pin": c.peer.Pin, "name": c.Name, "software": c.Software}
	if skipped > 0 {
		detail["not_recorded"] = strconv.Itoa(skipped)
	}
	err := s.conf.Proposer.Propose(ctx, model.Note{
		Stamp:  model.Stamp{Actor: "system", At: now},
		Action: noun(kind) + ".enroll", Object: c.Member.String(), OK: false, Reason: refusal.Error(), Detail: detail,
	})
	if err != nil {
		s.conf.Log.Error("a refused enrollment is missing in the audit record", "member", c.Member.String(), "refusal", refusal, "err", err)
	}
}

// A burst of refusals is recorded whole, a flood at this pace.
const (
	noteBurst = 50
	notePace  = 10 * time.Second
)

// budget is a token bucket.
type budget struct {
	mu      sync.Mutex // guards what follows
	tokens  int
	last    time.Time // when tokens was last filled up
	skipped int
}

// take reports whether one more may be recorded, and how many could not since the last that was.
func (b *budget) take(now time.Time) (skipped int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last.IsZero() || now.Before(b.last) {
		b.last = now
	}
	if n := int(now.Sub(b.last) / notePace); n > 0 {
		b.tokens = min(b.tokens+n, noteBurst)
		b.last = b.last.Add(time.Duration(n) * notePace)
	}
	if b.tokens == 0 {
		b.skipped++
		return 0, false
	}
	b.tokens--
	skipped, b.skipped = b.skipped, 0
	return skipped, true
}
