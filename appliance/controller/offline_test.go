package controller

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/link"
)

// hq serves the enrollment of a controller, and returns its URL.
func hq(t *testing.T, h *home) string {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := h.ca.IssueServer([]string{"127.0.0.1"}, model.RoleController)
	if err != nil {
		t.Fatal(err)
	}
	s, err := link.NewServer(tcp, link.ServerConfig{Certificate: func(string) (*tls.Certificate, error) { return &cert, nil }})
	if err != nil {
		t.Fatal(err)
	}
	joins, err := enroll.NewServer(enroll.ServerConfig{
		CA: h.ca, Members: h.Rows, Proposer: h.Node, Self: h.me.Upper, Name: "hq", Role: model.RoleController, Log: discard,
		Group: &enroll.Group{
			Key: h.me.Secrets.GroupKey,
			Nodes: func() ([]enroll.NodeAddress, error) {
				return []enroll.NodeAddress{{ID: h.me.Member, Name: "one", Address: "127.0.0.1:8443"}}, nil
			},
			Joined: func(context.Context, model.Member) error { return nil },
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	running.Go(func() { _ = joins.Run(ctx, s.Listen(link.ProtoEnroll)) })
	t.Cleanup(func() { stop(); running.Wait() })
	return "https://" + tcp.Addr().String()
}

// invite makes a token that holds for a while, or ended a while ago.
func (h *home) invite(kind model.MemberKind, n byte, holds time.Duration) string {
	h.t.Helper()
	k, err := enroll.NewToken(&counting{n}, kind, model.NodeID{n}, h.ca.Pin())
	if err != nil {
		h.t.Fatal(err)
	}
	m := model.Member{ID: k.Member, Kind: kind, Name: "n" + string('a'+rune(n)), TokenHash: k.Hash(), TokenExpires: model.TimeOf(time.Now().Add(holds))}
	c := model.Invite{Stamp: now(), Member: m}
	if kind == model.MemberSite {
		c.Site = &model.Site{ID: model.SiteID(k.Member), Name: m.Name}
	}
	h.propose(c)
	return k.Encode()
}

// counting is a source of bytes that are all different from those of another.
type counting struct{ n byte }

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = c.n
		c.n += 3
	}
	return len(b), nil
}

func TestJoin(t *testing.T) {
	t.Parallel()
	h := openHome(t, filepath.Join(t.TempDir(), "data"))
	url := hq(t, h)
	fresh := func() config.Config {
		c := configOf(filepath.Join(t.TempDir(), "data"))
		c.Cluster = config.Cluster{}
		c.Listen, c.Names = "0.0.0.0:9443", []string{"two.example", "10.0.0.2"}
		return c
	}
	c, token := fresh(), h.invite(model.MemberController, 1, time.Hour)
	want := JoinedNode{Name: "nb", Group: "hq"}
	for range 2 { // the answer to the first was lost
		if got, err := Join(t.Context(), c, token, url, "", "test"); err != nil || got != want {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	n, err := enroll.LoadNode(c.Data)
	if err != nil || n.Member != (model.NodeID{1}) || n.Upper != h.me.Upper || n.Founder() || !slices.Equal(n.Secrets.GroupKey, h.me.Secrets.GroupKey) {
		t.Errorf("%+v, %v", n.Identity, err)
	}
	if m, _, err := h.Rows.Member(model.NodeID{1}); err != nil || m.Status != model.MemberEnrolled || m.Address != "two.example:9443" || m.Pin != n.Pin() {
		t.Errorf("%+v, %v", m, err)
	}
	c2 := fresh()
	if _, err := Join(t.Context(), c2, h.invite(model.MemberController, 2, time.Hour), url, "10.1.1.1:443", "test"); err != nil {
		t.Fatal(err)
	}
	if m, _, err := h.Rows.Member(model.NodeID{2}); err != nil || m.Address != "10.1.1.1:443" {
		t.Errorf("%+v, %v", m, err)
	}

	join := func(c config.Config, token string) error {
		_, err := Join(t.Context(), c, token, url, "", "test")
		return err
	}
	with := func(name string) config.Config {
		c := fresh()
		if err := os.MkdirAll(filepath.Join(c.Data, name), 0o700); err != nil {
			t.Fatal(err)
		}
		return c
	}
	site, port0 := fresh(), fresh()
	site.Role, port0.Listen, port0.Names = model.RoleSite, "127.0.0.1:0", nil
	other := openHome(t, filepath.Join(t.TempDir(), "data"))
	for name, x := range map[string]struct {
		err  error
		kind fault.Kind
		text string
	}{
		"nonsense":               {join(fresh(), "nonsense"), fault.Invalid, "skerry1."},
		"a site's token":         {join(fresh(), h.invite(model.MemberSite, 3, time.Hour)), fault.Invalid, "join-token"},
		"the configuration":      {join(site, token), fault.Invalid, "role: controller"},
		"no port":                {join(port0, h.invite(model.MemberController, 4, time.Hour)), fault.Invalid, "--address"},
		"spent":                  {join(fresh(), token), fault.Denied, "used already"},
		"expired":                {join(fresh(), h.invite(model.MemberController, 5, -time.Hour)), fault.Expired, "make a new one"},
		"another federation's":   {join(fresh(), other.invite(model.MemberController, 6, time.Hour)), fault.Denied, ""},
		"a store":                {join(with("index"), h.invite(model.MemberController, 7, time.Hour)), fault.Conflict, "holds a store already"},
		"a restored backup":      {join(with(restoreReady), h.invite(model.MemberController, 8, time.Hour)), fault.Conflict, "was restored"},
		"a node already":         {join(c, h.invite(model.MemberController, 9, time.Hour)), fault.Conflict, "for another member"},
		"a node of another":      {join(configOf(other.data), h.invite(model.MemberController, 10, time.Hour)), fault.Conflict, "for another member"},
		"an address of nonsense": {second(Join(t.Context(), fresh(), h.invite(model.MemberController, 11, time.Hour), url, "http://x/y", "test")), fault.Invalid, "address"},
		"nobody there":           {second(Join(t.Context(), fresh(), h.invite(model.MemberController, 12, time.Hour), "https://127.0.0.1:1", "", "test")), fault.Unreachable, ""},
	} {
		refused(t, name, x.err, x.kind, x.text)
	}
}

func second[T any](_ T, err error) error { return err }

// What a machine says of itself before it serves is what it says when it does.
func TestOwnAddress(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		listen  string
		names   []string
		cluster string
	}{
		{"127.0.0.1:0", nil, ""},
		{"127.0.0.1:0", []string{"a.example", "b.example"}, ""},
		{"0.0.0.0:0", nil, ""},
		{":0", nil, ""},
		{"[::]:0", []string{"10.0.0.9"}, ""},
	} {
		conf := configOf(t.TempDir())
		conf.Listen, conf.Names, conf.Cluster.Address = c.listen, c.names, c.cluster
		tcp, err := net.Listen("tcp", c.listen)
		if err != nil {
			t.Fatal(err)
		}
		door, err := serve.OpenDoor(tcp, authority(t), conf, discard)
		if err != nil {
			t.Fatal(err)
		}
		want, err := link.Address(door.URL(conf))
		if err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		l, _, err := net.SplitHostPort(c.listen)
		if err != nil {
			t.Fatal(err)
		}
		conf.Listen = net.JoinHostPort(l, port)
		if got, err := ownAddress(conf); err != nil || got != want {
			t.Errorf("%s %v: %q, %v; a running one says %q (this is %s)", c.listen, c.names, got, err, want, host)
		}
		_ = tcp.Close()
	}
	conf := configOf(t.TempDir())
	if got, err := ownAddress(conf); err != nil || got != "10.0.0.2:8443" {
		t.Errorf("%q, %v", got, err)
	}
	conf.Cluster.Address, conf.Listen = "", "nonsense"
	if _, err := ownAddress(conf); !fault.Is(err, fault.Invalid) {
		t.Errorf("%v", err)
	}
}
