package controller

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/sync/peer"
)

func authority(t *testing.T) *enroll.CA {
	t.Helper()
	ca, err := enroll.OpenCA(t.TempDir(), "test", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func member(t *testing.T, ca *enroll.CA, n byte) enroll.Node {
	t.Helper()
	id, err := enroll.FoundNode(t.TempDir(), ca, enroll.Founding{Member: model.NodeID{n}, Group: model.NodeID{0xee}, Name: "n" + string('0'+rune(n))})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// registry is what the rows say of the nodes.
type registry struct {
	mu   sync.Mutex
	rows map[model.NodeID]model.Member
	fail error
}

func (r *registry) member(id model.NodeID) (model.Member, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.rows[id]
	return m, ok, r.fail
}

// open starts a port with a gate: what is said on gossip streams comes back, and peers are told their name.
func open(t *testing.T, me enroll.Node, r *registry) (addr string) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cert := me.Certificate()
	s, err := link.NewServer(tcp, link.ServerConfig{Certificate: func(string) (*tls.Certificate, error) { return &cert, nil }})
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{node: me, member: r.member, now: time.Now, log: slog.New(slog.DiscardHandler)}
	m := peer.New(peer.Config{Dial: g.dialPeer})
	m.Handle("who", func(_ context.Context, from string, _ []byte) ([]byte, error) { return []byte(from), nil })
	ctx, cancel := context.WithCancel(context.Background())
	gossip, peers := s.Listen(link.ProtoGossip), s.Listen(link.ProtoPeer)
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	wg.Go(func() {
		_ = link.Each(ctx, listener{gossip, g}, 10, func(_ context.Context, c net.Conn) { _, _ = io.Copy(c, c); c.Close() })
	})
	wg.Go(func() {
		_ = g.peers(ctx, peers, func(ctx context.Context, s *link.Session, from string) { _ = m.Serve(ctx, s, from) })
	})
	t.Cleanup(func() { cancel(); wg.Wait(); _ = m.Close() })
	return tcp.Addr().String()
}

// TestGate: who is let in, by its key, its authority, its role and the registry; over real connections.
func TestGate(t *testing.T) {
	ca, foreign := authority(t), authority(t)
	me, two := member(t, ca, 1), member(t, ca, 2)
	site := func() tls.Certificate { // a member of another kind, with a proper certificate
		key, err := enroll.OpenKey(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c, err := ca.IssueMember(model.Member{ID: two.Member, Kind: model.MemberSite, Epoch: 1}, key.Public())
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
	}
	server := func() tls.Certificate { // what browsers see has the same role, and its key is nobody's
		c, err := ca.IssueServer([]string{two.Member.String()}, model.RoleController)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	row := func(change func(*model.Member)) map[model.NodeID]model.Member {
		m := model.Member{ID: two.Member, Kind: model.MemberController, Name: "n2", Status: model.MemberEnrolled, Pin: two.Pin(), Epoch: 1}
		change(&m)
		return map[model.NodeID]model.Member{two.Member: m}
	}
	for _, c := range []struct {
		name string
		cert tls.Certificate
		rows map[model.NodeID]model.Member
		want string // of the refusal; empty: let in
	}{
		{"unknown here", two.Certificate(), nil, ""},
		{"enrolled", two.Certificate(), row(func(*model.Member) {}), ""},
		{"its enrollment on the way", two.Certificate(), row(func(m *model.Member) { m.Status, m.Pin = model.MemberPending, "" }), ""},
		{"removed", two.Certificate(), row(func(m *model.Member) { m.Status = model.MemberRemoved }), `"n2" was removed from the group; join it as a new one`},
		{"suspended", two.Certificate(), row(func(m *model.Member) { m.Status = model.MemberSuspended }), "is suspended"},
		{"another key", two.Certificate(), row(func(m *model.Member) { m.Pin = "00" }), "has another key in the registry"},
		{"the id of a site", two.Certificate(), row(func(m *model.Member) { m.Kind = model.MemberSite }), "is no controller here"},
		{"another federation", member(t, foreign, 2).Certificate(), nil, "is of another federation; a node joins this one with a token of it"},
		{"a site", site(), nil, "not a controller's"},
		{"a server", server(), nil, "incompatible key usage"},
	} {
		r := &registry{rows: c.rows}
		addr := open(t, me, r)
		conf := two.DialNode(link.ProtoPeer, nil)
		conf.Cert = c.cert
		m := peer.New(peer.Config{Dial: func(ctx context.Context, addr string) (peer.Session, error) {
			s, err := link.Dial(ctx, addr, conf)
			if err != nil {
				return nil, err
			}
			return s, nil
		}})
		got, err := m.Call(t.Context(), addr, "who", nil)
		if c.want == "" && (err != nil || string(got) != two.Member.String()) {
			t.Errorf("%s: known as %q, %v", c.name, got, err)
		}
		if c.want != "" && (!fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: kind %s: %v", c.name, fault.KindOf(err), err)
		}
		_ = m.Close()

		conf.Proto = link.ProtoGossip
		conn, err := link.DialConn(t.Context(), addr, conf)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = conn.Write([]byte("x"))
		n, _ := conn.Read(make([]byte, 1))
		if (n == 1) != (c.want == "") {
			t.Errorf("%s: %d bytes came back", c.name, n)
		}
		conn.Close()
	}
	addr := open(t, me, &registry{fail: fault.New(fault.Corrupt, "read", "a damaged row")})
	g := &gate{node: two, now: time.Now}
	if _, err := g.dialPeer(t.Context(), addr); !fault.Is(err, fault.Unreachable) {
		t.Errorf("a registry that cannot be read: %v", err)
	}
	// A dialler looks as closely: who answers must be a controller of this federation.
	g = &gate{node: member(t, foreign, 3), now: time.Now}
	if _, err := g.dial(t.Context(), link.ProtoGossip, addr); !fault.Is(err, fault.Denied) {
		t.Errorf("a node of another federation answers: %v", err)
	}
}

// Gossip shuts out who was removed, by id alone; a registry that cannot be read shuts out nobody.
func TestGateRemoved(t *testing.T) {
	id := model.NodeID{2}
	r := &registry{rows: map[model.NodeID]model.Member{id: {ID: id, Kind: model.MemberController, Status: model.MemberEnrolled, Pin: "aa"}}}
	g := &gate{member: r.member}
	for _, c := range []string{id.String(), model.NodeID{3}.String()} {
		if err := g.removed(c); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
	if err := g.removed("x"); err == nil {
		t.Error("what is no id was let in")
	}
	r.rows[id] = model.Member{ID: id, Kind: model.MemberController, Status: model.MemberRemoved, Pin: "aa"}
	if err := g.removed(id.String()); !fault.Is(err, fault.Denied) {
		t.Errorf("removed: %v", err)
	}
	r.fail = io.ErrUnexpectedEOF
	if err := g.removed(id.String()); err != nil {
		t.Errorf("without a registry: %v", err)
	}
}

// A controller keeps its identity: the one it had as a group of one of an older Skerry, the one that it founds, the
// one that it joined with.
func TestOpenNode(t *testing.T) {
	none := func() (model.Found, bool, error) { return model.Found{}, false, nil }
	ca := authority(t)
	fresh := t.TempDir()
	first, err := openNode(fresh, "hq", ca, none)
	if err != nil || !first.Founder() || first.Name != "hq" || first.Upper.IsZero() {
		t.Fatalf("%+v, %v", first.Identity, err)
	}
	again, err := openNode(fresh, "other", ca, none)
	if err != nil || again.Member != first.Member || again.Upper != first.Upper || again.Pin() != first.Pin() {
		t.Errorf("again: %+v, %v", again.Identity, err)
	}
	group := model.Found{Self: model.NodeID{7}, Name: "hq"}
	rows := func() (model.Found, bool, error) { return group, true, nil }
	if n, err := openNode(fresh, "hq", ca, rows); err != nil || n.Upper != group.Self {
		t.Errorf("by its rows: %+v, %v", n.Identity, err)
	}
	if _, err := openNode(fresh, "hq", authority(t), none); !fault.Is(err, fault.Corrupt) {
		t.Errorf("with another authority: %v", err)
	}
	old := t.TempDir()
	id := "01900000-0000-7000-8000-00000000000a"
	if err := os.WriteFile(filepath.Join(old, "node-id"), []byte(id+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := openNode(old, "hq", ca, rows); err != nil || n.Member.String() != id || n.Upper != group.Self || !n.Founder() {
		t.Errorf("an older node: %+v, %v", n.Identity, err)
	}
	if _, err := openNode(t.TempDir(), "hq", ca, func() (model.Found, bool, error) { return group, false, io.ErrUnexpectedEOF }); err == nil {
		t.Error("rows that cannot be read were taken for none")
	}
}
