package enroll

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/wire"
)

// registry is the part of a store that enrollment needs, with the real engine/apply in front of it.
type registry struct {
	apply.Tx // what enrollment must not touch panics
	role     model.Role

	mu      sync.Mutex
	members map[model.NodeID]model.Member
	audit   []model.AuditEntry
	fail    error // of the next proposals
	propose func(model.Change)
}

func (r *registry) Propose(_ context.Context, changes ...model.Change) error {
	for _, c := range changes {
		if r.propose != nil {
			r.propose(c)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	for _, c := range changes {
		if _, err := apply.Change((*rows)(r), apply.Env{Role: r.role}, c); err != nil {
			return err
		}
	}
	return nil
}

func (r *registry) Member(id model.NodeID) (model.Member, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.members[id]
	return m, ok, nil
}

func (r *registry) MemberByPin(pin string) (model.Member, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		if m.Pin == pin && m.Status != model.MemberRemoved {
			return m, true, nil
		}
	}
	return model.Member{}, false, nil
}

func (r *registry) set(id model.NodeID, change func(*model.Member)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[id]
	change(&m)
	r.members[id] = m
}

func (r *registry) last() model.AuditEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.audit) == 0 {
		return model.AuditEntry{}
	}
	return r.audit[len(r.audit)-1]
}

// rows is the registry as apply sees it, with the lock held.
type rows registry

func (r *rows) Member(id model.NodeID) (model.Member, bool, error) {
	m, ok := r.members[id]
	return m, ok, nil
}
func (r *rows) PutMember(m model.Member) error { r.members[m.ID] = m; return nil }
func (r *rows) LastAudit() (model.AuditEntry, bool, error) {
	if len(r.audit) == 0 {
		return model.AuditEntry{}, false, nil
	}
	return r.audit[len(r.audit)-1], true, nil
}
func (r *rows) PutAudit(e model.AuditEntry) error { r.audit = append(r.audit, e); return nil }

// upper is an upper tier on loopback.
type upper struct {
	*registry
	ca   *CA
	url  string
	self model.NodeID
	now  time.Time
}

func newUpper(t *testing.T, role model.Role) *upper {
	t.Helper()
	return newUpperOf(t, role, nil)
}

func newUpperOf(t *testing.T, role model.Role, group *Group) *upper {
	t.Helper()
	u := &upper{registry: &registry{role: role, members: map[model.NodeID]model.Member{}}, self: model.NodeID{0xee}, now: day}
	u.ca = openCA(t, t.TempDir())
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.url = "https://" + tcp.Addr().String()
	cert := u.ca.Server([]string{"localhost"}, role)
	s, err := link.NewServer(tcp, link.ServerConfig{Certificate: func(string) (*tls.Certificate, error) { return cert.Get() }})
	if err != nil {
		t.Fatal(err)
	}
	door, err := NewServer(ServerConfig{
		CA: u.ca, Members: u, Proposer: u, Self: u.self, Name: "hq", Role: role,
		Now: func() time.Time { return u.now }, Timeout: 5 * time.Second, Group: group,
	})
	if err != nil {
		t.Fatal(err)
	}
	l := s.Listen(link.ProtoEnroll)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	wg.Go(func() { door.Run(ctx, l) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return u
}

// invite makes a pending member and its token.
func (u *upper) invite(t *testing.T, kind model.MemberKind, name string) Token {
	t.Helper()
	id := model.NodeID{0: 1, 1: byte(len(u.members)), 15: 9}
	tok, err := NewToken(rand.Reader, kind, id, u.ca.Pin())
	if err != nil {
		t.Fatal(err)
	}
	u.set(id, func(m *model.Member) {
		*m = model.Member{ID: id, Kind: kind, Name: name, Status: model.MemberPending, TokenHash: tok.Hash(), TokenExpires: model.TimeOf(u.now.Add(DefaultTTL))}
	})
	return tok
}

func aKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (u *upper) join(t *testing.T, tok Token, key crypto.Signer) (Identity, error) {
	t.Helper()
	return Join(t.Context(), u.url, tok, key, Newcomer{Name: "box", Software: "skerry test", Now: func() time.Time { return u.now }, Timeout: 10 * time.Second})
}

// The whole journey for each kind of member: token as text, key on disk, answer, identity on disk, and
// a link that the registry knows by its pin.
func TestJoin(t *testing.T) {
	for kind, role := range map[model.MemberKind]model.Role{model.MemberSite: model.RoleController, model.MemberHost: model.RoleSite, model.MemberGateway: model.RoleSite} {
		t.Run(string(kind), func(t *testing.T) {
			u := newUpper(t, role)
			tok, err := ParseToken(u.invite(t, kind, "north").Encode())
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			key, err := OpenKey(dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := LoadIdentity(dir); !fault.Is(err, fault.NotFound) {
				t.Errorf("before: %v", err)
			}
			id, err := u.join(t, tok, key)
			if err != nil {
				t.Fatal(err)
			}
			if err := SaveIdentity(dir, id); err != nil {
				t.Fatal(err)
			}
			if id, err = LoadIdentity(dir); err != nil {
				t.Fatal(err)
			}
			m, _, _ := u.Member(tok.Member)
			if m.Status != model.MemberEnrolled || m.TokenHash != "" || m.EnrolledAt != model.TimeOf(day) || m.Pin != id.Pin() || m.Epoch != 1 {
				t.Errorf("the member is %+v", m)
			}
			if id.Member != tok.Member || id.Kind != kind || id.Name != "north" || id.Epoch != 1 || id.Upper != u.self || id.UpperName != "hq" ||
				id.URL != u.url || id.EnrolledAt != model.TimeOf(day) || id.CAPin() != u.ca.Pin() {
				t.Errorf("the identity is %+v", id)
			}
			if e := u.last(); e.Action != noun(kind)+".enroll" || !e.OK || e.Actor != noun(kind)+":"+m.ID.String() {
				t.Errorf("the audit entry is %+v", e)
			}
			if c := id.Dial(nil); c.Role != role || c.Floor != day || len(c.Roots) != 1 {
				t.Errorf("it dials with %+v", c)
			}
		})
	}
}

// The answer is lost, at the worst moment: the member is enrolled and the hash is gone. The same key
// gets the same answer, byte for byte; another key is refused and audited.
func TestAnswerLost(t *testing.T) {
	u := newUpper(t, model.RoleController)
	tok, key := u.invite(t, model.MemberSite, "north"), aKey(t)
	cert, err := selfSigned(key)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := link.Address(u.url)
	conn, err := link.DialConn(t.Context(), addr, link.DialConfig{Cert: cert, CAPin: tok.Pin(), Proto: link.ProtoEnroll, Now: fixed(day)})
	if err != nil {
		t.Fatal(err)
	}
	enrolled := make(chan struct{})
	u.propose = func(c model.Change) {
		if _, ok := c.(model.Enroll); ok {
			conn.Close() // before the answer
			close(enrolled)
		}
	}
	if err := wire.WriteFrame(conn, wire.TypeEnroll, wire.Enroll{Member: tok.Member, Secret: hexSecret(tok), Name: "box"}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-enrolled:
	case <-time.After(5 * time.Second):
		t.Fatal("nothing was proposed")
	}
	u.mu.Lock() // Propose is past its hook and holds the lock until the member is enrolled
	u.propose = nil
	u.mu.Unlock()

	first, err := u.join(t, tok, key)
	if err != nil {
		t.Fatal(err)
	}
	u.now = day.Add(48 * time.Hour) // even after the token's time
	second, err := u.join(t, tok, key)
	if err != nil {
		t.Fatal(err)
	}
	if first.Cert != second.Cert || first.CACert != second.CACert || first.Epoch != second.Epoch {
		t.Error("the answers differ")
	}
	if n := len(u.audit); n != 1 {
		t.Errorf("%d audit entries, want 1", n)
	}
	if _, err := u.join(t, tok, aKey(t)); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "was used already, by another machine") || strings.Contains(err.Error(), "suspend") {
		t.Errorf("another key: %v", err)
	}
	if e := u.last(); e.OK || e.Action != "site.enroll" || e.Object != tok.Member.String() || e.Detail["pin"] == first.Pin() || e.Detail["remote"] == "" {
		t.Errorf("the audit entry is %+v", e)
	}
	if m, _, _ := u.Member(tok.Member); m.Pin != first.Pin() {
		t.Error("the pin was replaced")
	}
}

func hexSecret(t Token) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	for _, c := range t.Secret {
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// Every refusal reaches the other end with its kind and with what to do, is audited, and changes nothing.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		role  model.Role
		kind  model.MemberKind
		spoil func(*testing.T, *upper, *Token)
		want  fault.Kind
		text  string
	}{
		{
			"wrong secret", model.RoleController, model.MemberSite, func(_ *testing.T, _ *upper, k *Token) { k.Secret[0] ^= 1 },
			fault.Denied, `not the newest one of site "north": use the newest, or make a new one with ` + "`skerry sites token north`",
		},
		{
			"expired", model.RoleController, model.MemberSite, func(_ *testing.T, u *upper, _ *Token) { u.now = u.now.Add(DefaultTTL + time.Second) },
			fault.Expired, "expired at 2026-11-22T12:00:00.000Z, and here it is 2026-11-22T12:00:01.000Z: make a new one with `skerry sites token north`",
		},
		{
			"expired agent", model.RoleSite, model.MemberHost, func(_ *testing.T, u *upper, _ *Token) { u.now = u.now.Add(25 * time.Hour) },
			fault.Expired, "make a new one with `skerry agents token north` on the site",
		},
		{
			"unknown member", model.RoleController, model.MemberSite, func(_ *testing.T, _ *upper, k *Token) { k.Member[5] = 99 },
			fault.NotFound, "which this controller (hq) does not know: it was removed, or the token was made elsewhere; make a new one with `skerry sites enroll NAME`",
		},
		{"suspended", model.RoleController, model.MemberSite, func(_ *testing.T, u *upper, k *Token) {
			u.set(k.Member, func(m *model.Member) { m.Status = model.MemberSuspended })
		}, fault.Denied, "is suspended on this controller (hq): ask its operator"},
		{"removed", model.RoleSite, model.MemberGateway, func(_ *testing.T, u *upper, k *Token) {
			u.set(k.Member, func(m *model.Member) { m.Status = model.MemberRemoved })
		}, fault.Denied, "was removed from this site (hq): enroll it as a new agent"},
		{"new token made since", model.RoleController, model.MemberSite, func(t *testing.T, u *upper, k *Token) {
			u.set(k.Member, func(m *model.Member) { m.TokenHash = strings.Repeat("0", 64) })
		}, fault.Denied, "not the newest"},
		{"overtaken while enrolling", model.RoleController, model.MemberSite, func(t *testing.T, u *upper, k *Token) {
			u.propose = func(ch model.Change) {
				if _, ok := ch.(model.Enroll); ok {
					u.set(k.Member, func(m *model.Member) { m.Status, m.Pin = model.MemberEnrolled, "somebody" })
				}
			}
		}, fault.Denied, "was used already, by another key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := newUpper(t, c.role)
			tok := u.invite(t, c.kind, "north")
			c.spoil(t, u, &tok)
			before, _, _ := u.Member(tok.Member)
			_, err := u.join(t, tok, aKey(t))
			if !fault.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got kind %s: %v", fault.KindOf(err), err)
			}
			e := u.last()
			if e.OK || e.Action != noun(c.kind)+".enroll" || e.Object != tok.Member.String() || !strings.Contains(err.Error(), e.Reason) ||
				e.Detail["name"] != "box" || e.Detail["software"] != "skerry test" {
				t.Errorf("the audit entry is %+v", e)
			}
			if after, _, _ := u.Member(tok.Member); !reflect.DeepEqual(after, before) && c.name != "overtaken while enrolling" {
				t.Errorf("the member changed: %+v", after)
			}
		})
	}
}

// One key is one member.
func TestKeyOfAnother(t *testing.T) {
	u := newUpper(t, model.RoleController)
	key := aKey(t)
	if _, err := u.join(t, u.invite(t, model.MemberSite, "north"), key); err != nil {
		t.Fatal(err)
	}
	_, err := u.join(t, u.invite(t, model.MemberSite, "south"), key)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), `as site "north"`) || u.last().OK {
		t.Errorf("got %v, audit %+v", err, u.last())
	}
}

// A server that cannot write says so; the same token works when it can again.
func TestServerCannotWrite(t *testing.T) {
	u := newUpper(t, model.RoleController)
	tok, key := u.invite(t, model.MemberSite, "north"), aKey(t)
	u.fail = fault.New(fault.ReadOnly, "propose", "no leader")
	if _, err := u.join(t, tok, key); !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "try again with the same token") {
		t.Errorf("got %v", err)
	}
	u.mu.Lock()
	u.fail = errors.New("strange")
	u.mu.Unlock()
	if _, err := u.join(t, tok, key); !fault.Is(err, fault.Unreachable) {
		t.Errorf("got %v", err)
	}
	u.mu.Lock()
	u.fail = nil
	u.mu.Unlock()
	if _, err := u.join(t, tok, key); err != nil {
		t.Error(err)
	}
}

// A flood of refusals costs a bounded number of durable writes, and says how many it left out.
func TestAuditIsRationed(t *testing.T) {
	b := budget{tokens: noteBurst}
	at := day
	kept := 0
	for range 10 * noteBurst {
		if _, ok := b.take(at); ok {
			kept++
		}
	}
	if kept != noteBurst {
		t.Errorf("%d of a burst were kept, want %d", kept, noteBurst)
	}
	at = at.Add(notePace)
	if skipped, ok := b.take(at); !ok || skipped != 9*noteBurst {
		t.Errorf("after a pause: %v, %d left out, want %d", ok, skipped, 9*noteBurst)
	}
	if _, ok := b.take(at); ok {
		t.Error("the pause gave more than one")
	}
	at = at.Add(1000 * notePace)
	for range noteBurst {
		if _, ok := b.take(at); !ok {
			t.Fatal("the burst did not come back")
		}
	}
	if _, ok := b.take(at); ok {
		t.Error("a long pause gave more than a burst")
	}
}

func TestJoinBadAddress(t *testing.T) {
	u := newUpper(t, model.RoleController)
	tok := u.invite(t, model.MemberSite, "north")
	if _, err := Join(t.Context(), "http://x", tok, aKey(t), Newcomer{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Join(ctx, u.url, tok, aKey(t), Newcomer{Now: fixed(day)}); !fault.Is(err, fault.Unreachable) {
		t.Errorf("cancelled: got %v", err)
	}
	// A token of a site does not fit a site's own door.
	agent := newUpper(t, model.RoleSite)
	wrong := agent.invite(t, model.MemberHost, "h")
	wrong.Kind = model.MemberSite
	if _, err := agent.join(t, wrong, aKey(t)); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "is not a controller") {
		t.Errorf("wrong role: got %v", err)
	}
}
