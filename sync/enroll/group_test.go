package enroll

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/link"
)

// group is the upper end's side of a controller group.
type group struct {
	*upper
	key []byte

	mu     sync.Mutex
	joined []model.Member
	fail   error
}

func newGroup(t *testing.T) *group {
	t.Helper()
	g := &group{key: []byte(strings.Repeat("k", 32))}
	g.upper = newUpperOf(t, model.RoleController, &Group{
		Key: g.key,
		Nodes: func() ([]NodeAddress, error) {
			return []NodeAddress{{model.NodeID{0xa1}, "first", "hq-1.example:8443"}, {model.NodeID{0xa2}, "nowhere", ""}}, nil
		},
		Joined: func(_ context.Context, m model.Member) error {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.fail == nil {
				g.joined = append(g.joined, m)
			}
			return g.fail
		},
	})
	return g
}

func (g *group) welcomed() []model.Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.joined
}

// joinAs runs what `skerry cluster join` does in a data folder.
func (g *group) joinAs(t *testing.T, data string, tok Token, addr string) (Node, error) {
	t.Helper()
	key, err := BeginNode(data, tok)
	if err != nil {
		return Node{}, err
	}
	n, err := JoinGroup(t.Context(), g.url, tok, key, Newcomer{
		Name: "box", Software: "skerry test", Address: addr, Now: func() time.Time { return g.now }, Timeout: 10 * time.Second,
	})
	if err != nil {
		return Node{}, err
	}
	return n, SaveNode(data, n)
}

func TestJoinGroup(t *testing.T) {
	g := newGroup(t)
	tok, err := ParseToken(g.invite(t, model.MemberController, "second").Encode())
	if err != nil || tok.Kind != model.MemberController {
		t.Fatal(tok, err)
	}
	data := t.TempDir()
	n, err := g.joinAs(t, data, tok, "hq-2.example")
	if err != nil {
		t.Fatal(err)
	}
	if m, _, _ := g.Member(tok.Member); m.Status != model.MemberEnrolled || m.Address != "hq-2.example:8443" || m.Pin != n.Pin() {
		t.Errorf("the member is %+v", m)
	}
	got := g.welcomed()
	if len(got) != 1 || got[0].ID != tok.Member || got[0].Address != "hq-2.example:8443" || got[0].Status != model.MemberEnrolled {
		t.Errorf("welcomed %+v", got)
	}
	want := []NodeAddress{{model.NodeID{0xa1}, "first", "hq-1.example:8443"}, {tok.Member, "second", "hq-2.example:8443"}}
	if !reflect.DeepEqual(n.Secrets.Nodes, want) || string(n.Secrets.GroupKey) != string(g.key) {
		t.Errorf("it was told of %+v", n.Secrets.Nodes)
	}
	stored, err := LoadNode(data)
	if err != nil {
		t.Fatal(err)
	}
	if stored.Member != tok.Member || stored.Upper != g.self || string(stored.Secrets.GroupKey) != string(g.key) || !reflect.DeepEqual(stored.Secrets.Nodes, want) {
		t.Errorf("stored %+v", stored.Identity)
	}
	// The newcomer is the federation's authority as much as the first node.
	ca, err := OpenCA(filepath.Join(data, "pki"), "another name", fixed(day), nil)
	if err != nil || ca.Pin() != g.ca.Pin() {
		t.Fatalf("the authority: %v", err)
	}
	for path, mode := range map[string]os.FileMode{"pki/key.pem": 0o600, "cluster/key.pem": 0o600, "cluster/group.key": 0o600, "cluster/identity.json": 0o600} {
		if i, err := os.Stat(filepath.Join(data, path)); err != nil || i.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, i, err)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, n.Secrets); strings.Contains(text, "kkkk") || strings.Contains(text, "PRIVATE") || strings.Contains(text, "107") {
			t.Errorf("the secrets show themselves: %s", text)
		}
	}

	// The answer was lost, or the operator corrects the address: the same again, and welcome is said anew.
	again, err := g.joinAs(t, data, tok, "10.0.0.2:9443")
	if err != nil || again.Cert != n.Cert {
		t.Fatalf("again: %v", err)
	}
	if got := g.welcomed(); len(got) != 2 || got[1].Address != "10.0.0.2:9443" {
		t.Errorf("welcomed %+v", got)
	}
	if m, _, _ := g.Member(tok.Member); m.Address != "10.0.0.2:9443" {
		t.Errorf("the member is %+v", m)
	}
	if e := g.last(); e.Action != "controller.change" || e.Actor != "controller:"+tok.Member.String() {
		t.Errorf("the audit entry is %+v", e)
	}
}

// Two nodes reach each other with what they hold, and a node of another group gets nowhere.
func TestNodesKnowEachOther(t *testing.T) {
	g, other := newGroup(t), newGroup(t)
	join := func(g *group, name string) Node {
		n, err := g.joinAs(t, t.TempDir(), g.invite(t, model.MemberController, name), name+":1")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	a, b, stranger := join(g, "a"), join(g, "b"), join(other, "c")
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cert := a.Certificate()
	s, err := link.NewServer(tcp, link.ServerConfig{Certificate: func(string) (*tls.Certificate, error) { return &cert, nil }})
	if err != nil {
		t.Fatal(err)
	}
	l := s.Listen(link.ProtoGossip)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	seen := make(chan link.Peer, 1)
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p, err := link.PeerOf(c)
			if err != nil {
				t.Error(err)
			}
			seen <- p
			io.WriteString(c, "x")
			c.Close()
		}
	})
	c, err := link.DialConn(t.Context(), tcp.Addr().String(), b.DialNode(link.ProtoGossip, func() time.Time { return day }))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if p := <-seen; p.Pin != b.Pin() {
		t.Errorf("it is seen as %s", p.Pin)
	}
	if p, err := link.PeerOf(c); err != nil || p.Pin != a.Pin() {
		t.Errorf("it sees %s, %v", p.Pin, err)
	}
	_, err = link.DialConn(t.Context(), tcp.Addr().String(), stranger.DialNode(link.ProtoGossip, func() time.Time { return day }))
	if !fault.Is(err, fault.Denied) {
		t.Errorf("a node of another group: %v", err)
	}
}

func TestJoinGroupRefusals(t *testing.T) {
	for _, c := range []struct {
		name  string
		addr  string
		spoil func(*testing.T, *group, *Token)
		want  fault.Kind
		text  string
	}{
		{
			"wrong secret", "b:1", func(_ *testing.T, _ *group, k *Token) { k.Secret[0] ^= 1 }, fault.Denied,
			"not the newest one of controller \"second\": use the newest, or make a new one with `skerry cluster join-token --name second` on a controller of the group",
		},
		{
			"expired", "b:1", func(_ *testing.T, g *group, _ *Token) { g.now = g.now.Add(25 * time.Hour) }, fault.Expired,
			"make a new one with `skerry cluster join-token --name second`",
		},
		{
			"unknown", "b:1", func(_ *testing.T, _ *group, k *Token) { k.Member[7] = 77 }, fault.NotFound,
			"make a new one with `skerry cluster join-token` on a controller of the group",
		},
		{"removed", "b:1", func(t *testing.T, g *group, k *Token) {
			g.set(k.Member, func(m *model.Member) { m.Status = model.MemberRemoved })
		}, fault.Denied, "was removed from the group \"hq\": join it as a new one, with a new token (`skerry cluster join-token`) and an empty data folder"},
		{"spent", "b:1", func(t *testing.T, g *group, k *Token) {
			if _, err := g.joinAs(t, t.TempDir(), *k, "b:1"); err != nil {
				t.Fatal(err)
			}
			g.mu.Lock()
			g.joined = nil
			g.mu.Unlock()
		}, fault.Denied, "was used already, by another machine"},
		{"another group's", "b:1", func(t *testing.T, g *group, k *Token) {
			k.CAPin = newGroup(t).invite(t, model.MemberController, "x").CAPin
		}, fault.Denied, "either the address or the token is of another server"},
		{"unspecified address", "0.0.0.0:8443", func(*testing.T, *group, *Token) {}, fault.Invalid, "give the address of this machine as they see it, with --address"},
		{"no address", "", func(*testing.T, *group, *Token) {}, fault.Invalid, "is not a server address"},
		{
			"a site's token", "b:1", func(_ *testing.T, _ *group, k *Token) { k.Kind = model.MemberSite }, fault.Invalid,
			"make one for a controller with `skerry cluster join-token`",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGroup(t)
			tok := g.invite(t, model.MemberController, "second")
			c.spoil(t, g, &tok)
			data := t.TempDir()
			n, err := g.joinAs(t, data, tok, c.addr)
			if !fault.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got kind %s: %v", fault.KindOf(err), err)
			}
			if n.Secrets.CAKey != "" || len(g.welcomed()) != 0 {
				t.Error("it was let in")
			}
			if _, err := LoadNode(data); !fault.Is(err, fault.NotFound) {
				t.Errorf("something was stored: %v", err)
			}
		})
	}
}

// Where the group does not take the newcomer in, it is not told its secrets; the same token works later.
func TestGroupIsSlow(t *testing.T) {
	g := newGroup(t)
	tok, data := g.invite(t, model.MemberController, "second"), t.TempDir()
	g.fail = fault.New(fault.ReadOnly, "add member", "there is no leader")
	if _, err := g.joinAs(t, data, tok, "b:1"); !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "try again with the same token") {
		t.Errorf("got %v", err)
	}
	if m, _, _ := g.Member(tok.Member); m.Status != model.MemberEnrolled {
		t.Errorf("the member is %+v", m)
	}
	g.mu.Lock()
	g.fail = nil
	g.mu.Unlock()
	if _, err := g.joinAs(t, data, tok, "b:1"); err != nil || len(g.welcomed()) != 1 {
		t.Errorf("later: %v", err)
	}
}

// A site is told no secret, and a controller's token fits neither a site's client nor a server without a group.
func TestSecretsAreForControllers(t *testing.T) {
	g := newGroup(t)
	_, secrets, err := join(t.Context(), g.url, g.invite(t, model.MemberSite, "oslo"), aKey(t), Newcomer{Address: "b:1", Now: fixed(day)})
	if err != nil || len(secrets) != 0 || len(g.welcomed()) != 0 {
		t.Errorf("a site got %d bytes, %v", len(secrets), err)
	}
	if _, err := g.join(t, g.invite(t, model.MemberController, "second"), aKey(t)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "skerry cluster join") {
		t.Errorf("by a site's client: %v", err)
	}
	alone := newUpper(t, model.RoleController)
	_, err = JoinGroup(t.Context(), alone.url, alone.invite(t, model.MemberController, "second"), aKey(t), Newcomer{Address: "b:1", Now: fixed(day)})
	if !fault.Is(err, fault.Invalid) || alone.last().OK {
		t.Errorf("without a group: %v", err)
	}
	// Whoever speaks the protocol himself and says no proper address is refused all the same.
	for _, addr := range []string{"", "b", "http://b:1", "[::]:1"} {
		_, _, err := join(t.Context(), g.url, g.invite(t, model.MemberController, "n"+addr), aKey(t), Newcomer{Address: addr, Now: fixed(day)})
		if !fault.Is(err, fault.Invalid) || g.last().OK {
			t.Errorf("address %q: %v", addr, err)
		}
	}
	for name, conf := range map[string]*Group{"no key": {}, "no nodes": {Key: g.key}} {
		if _, err := NewServer(ServerConfig{CA: g.ca, Members: g, Proposer: g, Self: g.self, Role: model.RoleController, Group: conf}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
