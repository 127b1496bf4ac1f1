package controller

import (
	"context"
	"crypto/tls"
	"io"
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

func (r *registry) others() (all []model.Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.rows {
		if m.Status == model.MemberEnrolled {
			all = append(all, m)
		}
	}
	return all
}

// open starts a port with a gate: what is said on gossip streams comes back, and peers are told their name. It shows
// the certificate of the node, or another one.
func open(t *testing.T, me enroll.Node, r *registry, shown ...tls.Certificate) (addr string) {
	t.Helper()
	return openGate(t, me, r, nil, shown...)
}

func openGate(t *testing.T, me enroll.Node, r *registry, made func(*gate), shown ...tls.Certificate) (addr string) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cert := me.Certificate()
	for _, cert = range shown {
	}
	s, err := link.NewServer(tcp, link.ServerConfig{Certificate: func(string) (*tls.Certificate, error) { return &cert, nil }})
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{node: me, member: r.member, now: time.Now, log: discard}
	if made != nil {
		made(g)
	}
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
		{"removed", two.Certificate(), row(func(m *model.Member) { m.Status = model.MemberRemoved }), `"n2" was removed from the group; to use its machine again`},
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
		kind := fault.Denied
		if c.name == "removed" { // by which it learns that it is
			kind = unwanted
		}
		if c.want != "" && (!fault.Is(err, kind) || !strings.Contains(err.Error(), c.want)) {
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

// TestGateDials: who answers at an address must be a node that may be there, by its key and the registry.
func TestGateDials(t *testing.T) {
	ca := authority(t)
	me, two := member(t, ca, 1), member(t, ca, 2)
	server, err := ca.IssueServer([]string{"localhost"}, model.RoleController)
	if err != nil {
		t.Fatal(err)
	}
	addr := open(t, two, &registry{})
	plain := open(t, two, &registry{}, server)
	node := func(n byte, status model.MemberStatus, addr string) model.Member {
		return model.Member{ID: model.NodeID{n}, Kind: model.MemberController, Name: "n" + string('0'+rune(n)), Status: status, Address: addr}
	}
	for _, c := range []struct {
		name string
		addr string
		rows []model.Member
		want string // of the refusal; empty: none
	}{
		{"not known yet", addr, nil, ""},
		{"known", addr, []model.Member{node(2, model.MemberEnrolled, addr)}, ""},
		{"it has moved", addr, []model.Member{node(2, model.MemberEnrolled, "elsewhere:1")}, ""},
		{"two have the address", addr, []model.Member{node(3, model.MemberEnrolled, addr), node(2, model.MemberEnrolled, addr)}, ""},
		{"the address of another one", addr, []model.Member{node(2, model.MemberEnrolled, "elsewhere:1"), node(3, model.MemberEnrolled, addr)}, `the address of "n3"`},
		{"a stranger at the address of another one", addr, []model.Member{node(3, model.MemberEnrolled, addr)}, `the address of "n3"`},
		{"removed", addr, []model.Member{node(2, model.MemberRemoved, addr)}, `"n2" was removed from the group`},
		{"an older version", plain, []model.Member{node(3, model.MemberEnrolled, plain)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &registry{rows: map[model.NodeID]model.Member{}}
			for _, m := range c.rows {
				r.rows[m.ID] = m
			}
			g := &gate{node: me, member: r.member, others: r.others, now: time.Now, log: discard, outcast: newOutcast()}
			s, err := g.dialPeer(t.Context(), c.addr)
			if err == nil {
				_ = s.Close()
			}
			conn, rerr := g.dial(t.Context(), link.ProtoGossip, c.addr)
			if rerr == nil {
				_ = conn.Close()
			}
			for _, err := range []error{err, rerr} {
				if c.want == "" && err != nil {
					t.Error(err)
				}
				if c.want != "" {
					refused(t, c.name, err, fault.Denied, c.want)
				}
			}
			if _, out := g.out([]model.NodeID{two.Member}); out {
				t.Error("a node that is turned away here counts as one that refuses this one")
			}
		})
	}
}

// TestOutcast: one that was removed learns it from those that refuse it, once the rest is no majority.
func TestOutcast(t *testing.T) {
	ca := authority(t)
	me := member(t, ca, 1)
	with := func(s model.MemberStatus) *registry {
		return &registry{rows: map[model.NodeID]model.Member{me.Member: {ID: me.Member, Kind: model.MemberController, Name: "n1", Status: s}}}
	}
	var addrs []string
	var states []*registry
	for n := byte(2); n <= 5; n++ {
		r := with(model.MemberEnrolled)
		addrs, states = append(addrs, open(t, member(t, ca, n), r)), append(states, r)
	}
	g := &gate{node: me, member: (&registry{}).member, now: time.Now, log: discard, outcast: newOutcast()}
	call := func(i int, s model.MemberStatus) {
		states[i].mu.Lock()
		states[i].rows = with(s).rows
		states[i].mu.Unlock()
		if conn, err := g.dialPeer(t.Context(), addrs[i]); err == nil {
			_ = conn.Close()
		}
	}
	id := func(ns ...byte) (ids []model.NodeID) {
		for _, n := range ns {
			ids = append(ids, model.NodeID{n})
		}
		return ids
	}
	check := func(when string, want map[string][]model.NodeID, out bool) {
		t.Helper()
		for what, voters := range want {
			if _, is := g.out(voters); is != out {
				t.Errorf("%s: out of %s: %v, want %v", when, what, !out, out)
			}
		}
	}
	for i := range addrs {
		call(i, model.MemberEnrolled)
	}
	check("nobody refuses", map[string][]model.NodeID{"two": id(1, 2), "none": nil, "five": id(1, 2, 3, 4, 5)}, false)
	call(0, model.MemberSuspended) // no removal
	check("one is suspicious", map[string][]model.NodeID{"two": id(1, 2)}, false)
	call(0, model.MemberRemoved)
	check("one refuses", map[string][]model.NodeID{"three": id(1, 2, 3), "three without it": id(2, 3, 4), "five": id(1, 2, 3, 4, 5), "others": id(1, 3)}, false)
	check("one refuses", map[string][]model.NodeID{"two": id(1, 2), "one without it": id(2), "two without it": id(2, 3)}, true)
	call(1, model.MemberRemoved)
	check("two refuse", map[string][]model.NodeID{"five": id(1, 2, 3, 4, 5)}, false)
	check("two refuse", map[string][]model.NodeID{"three": id(1, 2, 3), "four": id(1, 2, 3, 4)}, true)
	select {
	case <-g.news:
	default:
		t.Error("nobody was told")
	}
	call(1, model.MemberEnrolled) // it was not so
	check("one has come to its senses", map[string][]model.NodeID{"three": id(1, 2, 3)}, false)
}

// A node that is removed is shown out as well, whichever way it came in.
func TestExpel(t *testing.T) {
	ca := authority(t)
	two := member(t, ca, 2)
	r := &registry{}
	var host *gate
	addr := openGate(t, member(t, ca, 1), r, func(g *gate) { host = g })
	g := &gate{node: two, now: time.Now, log: discard}
	s, err := g.dialPeer(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	conn, err := g.dial(t.Context(), link.ProtoGossip, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	echo := func() error {
		_, err := conn.Write([]byte("x"))
		if err == nil {
			_, err = io.ReadFull(conn, make([]byte, 1))
		}
		return err
	}
	if err := echo(); err != nil {
		t.Fatal(err)
	}
	host.expel(func(id model.NodeID) bool { return id != two.Member })
	if err := echo(); err != nil {
		t.Errorf("another one was removed: %v", err)
	}
	select {
	case <-s.Done():
		t.Error("the session of another one was ended")
	default:
	}
	eventually(t, "both are inside", 20*time.Second, func() bool {
		host.inside.mu.Lock()
		defer host.inside.mu.Unlock()
		return len(host.conns) == 2
	})
	host.expel(func(id model.NodeID) bool { return id == two.Member })
	if err := echo(); err == nil {
		t.Error("its stream goes on")
	}
	select {
	case <-s.Done():
	case <-time.After(20 * time.Second):
		t.Error("its session goes on")
	}
	eventually(t, "nobody is inside", 20*time.Second, func() bool {
		host.inside.mu.Lock()
		defer host.inside.mu.Unlock()
		return len(host.conns) == 0
	})
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
	if err := g.removed(id.String()); !fault.Is(err, unwanted) {
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
