package gossip

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/link"
)

const pace = 50 * time.Millisecond

var groupKey = bytes.Repeat([]byte{7}, KeyLen)

// group makes nodes with real identities of one authority.
type group struct {
	t      *testing.T
	ca     *enroll.CA
	n      byte
	listen string // where the next node listens; empty: anywhere
}

func newGroup(t *testing.T) *group {
	t.Helper()
	ca, err := enroll.OpenCA(t.TempDir(), "test", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &group{t: t, ca: ca}
}

type node struct {
	*Gossip
	id   enroll.Node
	addr string
	stop func() // the port; after Gossip.Close
}

func (g *group) identity(name string) enroll.Node {
	g.t.Helper()
	g.n++
	id, err := enroll.FoundNode(g.t.TempDir(), g.ca, enroll.Founding{Member: model.NodeID{g.n}, Group: model.NodeID{0xee}, Name: name})
	if err != nil {
		g.t.Fatal(err)
	}
	return id
}

// start opens a port for TCP and UDP, and gossips on it.
func (g *group) start(id enroll.Node, change func(*Config), seeds ...string) *node {
	g.t.Helper()
	var tcp net.Listener
	var packets net.PacketConn
	for try := 0; ; try++ { // somebody may have the UDP port of that number
		var err error
		if tcp, err = net.Listen("tcp", cmp.Or(g.listen, "127.0.0.1:0")); err != nil {
			g.t.Fatal(err)
		}
		if packets, err = Listen(tcp.Addr()); err == nil {
			break
		}
		tcp.Close()
		if try > 20 {
			g.t.Fatal(err)
		}
	}
	n := &node{id: id, addr: tcp.Addr().String()}
	cert := id.Certificate()
	s, err := link.NewServer(tcp, link.ServerConfig{Certificate: func(string) (*tls.Certificate, error) { return &cert, nil }})
	if err != nil {
		g.t.Fatal(err)
	}
	l := s.Listen(link.ProtoGossip)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	c := Config{
		Self: Hint{ID: id.Member.String(), Name: id.Name, Address: n.addr, Software: "skerry test", EntryVersion: 3, Disk: "ok"},
		Key:  groupKey, Packets: packets, Streams: l, Seeds: seeds, Pace: pace,
		Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			return link.DialConn(ctx, addr, id.DialNode(link.ProtoGossip, nil))
		},
	}
	if change != nil {
		change(&c)
	}
	if n.Gossip, err = Open(c); err != nil {
		g.t.Fatal(err)
	}
	var once sync.Once
	n.stop = func() {
		once.Do(func() {
			if err := n.Close(); err != nil {
				g.t.Error(err)
			}
			cancel()
			wg.Wait()
		})
	}
	g.t.Cleanup(n.stop)
	return n
}

// until waits for the hints of n to be as ok wants them.
func (g *group) until(n *node, what string, ok func([]Hint) bool) []Hint {
	g.t.Helper()
	late := time.NewTimer(8 * time.Second)
	defer late.Stop()
	for {
		changed := n.Changed()
		hints := n.Hints()
		if ok(hints) {
			return hints
		}
		select {
		case <-changed:
		case <-late.C:
			g.t.Fatalf("%s: %s never came about; it knows %+v", n.id.Name, what, hints)
		}
	}
}

// alive reports whether exactly these names are known and answer.
func alive(names ...string) func([]Hint) bool {
	return func(hints []Hint) bool {
		var got []string
		for _, h := range hints {
			if h.Alive {
				got = append(got, h.Name)
			}
		}
		slices.Sort(got)
		return slices.Equal(got, names)
	}
}

func (n *node) hint(of *node) Hint {
	for _, h := range n.Hints() {
		if h.ID == of.id.Member.String() {
			return h
		}
	}
	return Hint{}
}

// Three nodes find each other by one seed, learn what changes, notice who goes, and find it again at
// another address.
func TestThreeNodes(t *testing.T) {
	g := newGroup(t)
	a := g.start(g.identity("a"), nil)
	b := g.start(g.identity("b"), nil, a.addr)
	c := g.start(g.identity("c"), nil, a.addr)
	nodes := []*node{a, b, c}
	for _, n := range nodes {
		g.until(n, "all three", alive("a", "b", "c"))
		for _, of := range nodes {
			h := n.hint(of)
			want := Hint{ID: of.id.Member.String(), Name: of.id.Name, Address: of.addr, URL: "https://" + of.addr, Software: "skerry test", EntryVersion: 3, Disk: "ok", Alive: true, Since: h.Since}
			if of == n {
				want.URL = ""
			}
			if h != want || h.Since.IsZero() {
				t.Errorf("%s knows %+v, want %+v", n.id.Name, h, want)
			}
		}
	}
	since := a.hint(b).Since
	b.Update(func(h *Hint) {
		h.Ready, h.Links, h.URL, h.Disk, h.EntryVersion = true, 12, "https://hq.example/", "low", 4
		h.ID, h.Alive, h.Since = "someone else", false, time.Time{} // which is not for it to say
	})
	for _, n := range nodes {
		g.until(n, "b's change", func([]Hint) bool { return n.hint(b).Ready })
		if h := n.hint(b); h.Links != 12 || h.URL != "https://hq.example/" || h.Disk != "low" || h.EntryVersion != 4 || !h.Alive {
			t.Errorf("%s knows %+v", n.id.Name, h)
		}
	}
	if a.hint(b).Since != since {
		t.Error("a change looks like a return")
	}
	b.Update(func(h *Hint) { h.Address = strings.Repeat("x", 300) }) // cannot be said, so nothing is
	if h := b.hint(b); h.Address != b.addr {
		t.Errorf("it calls itself %+v", h)
	}

	began := time.Now()
	c.stop() // without a word
	for _, n := range nodes[:2] {
		g.until(n, "that c is silent", alive("a", "b"))
		if h := n.hint(c); h.Alive || h.Address != c.addr || h.Since.Before(began) {
			t.Errorf("%s knows %+v", n.id.Name, h)
		}
	}
	back := g.start(c.id, nil, b.addr) // on another port
	for _, n := range []*node{a, b, back} {
		g.until(n, "that c is back", alive("a", "b", "c"))
		if h := n.hint(c); h.Address != back.addr {
			t.Errorf("%s knows c at %s, want %s", n.id.Name, h.Address, back.addr)
		}
	}
}

// Who leaves on purpose need not be missed first, and may come back.
func TestLeave(t *testing.T) {
	g := newGroup(t)
	slow := func(c *Config) { c.Pace = time.Second } // by which silence is noticed after seconds
	a := g.start(g.identity("a"), slow)
	b := g.start(g.identity("b"), slow, a.addr)
	g.until(a, "both", alive("a", "b"))
	g.until(b, "both", alive("a", "b"))
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := b.Leave(ctx); err != nil {
		t.Fatal(err)
	}
	g.until(a, "that b left", alive("a"))
	if d := time.Since(began); d > 2500*time.Millisecond {
		t.Errorf("it took %s", d)
	}
	b.stop()
	if err := b.Leave(ctx); err != nil {
		t.Errorf("after Close: %v", err)
	}
	g.start(b.id, slow, a.addr)
	g.until(a, "that b is back", alive("a", "b"))
}

// A node finds a seed that was not there at its start, and another node that comes back and knows nobody.
func TestFoundLater(t *testing.T) {
	g := newGroup(t)
	idA := g.identity("a")
	early := g.start(idA, nil)
	g.listen = early.addr
	early.stop()
	idB := g.identity("b")
	g.listen = ""
	b := g.start(idB, nil, early.addr)
	if _, err := b.list.Join([]string{atAddress(early.addr)}); err == nil {
		t.Fatal("somebody answers where nobody is")
	}
	g.listen = early.addr
	for range 2 {
		a := g.start(idA, nil)
		g.until(b, "a", alive("a", "b"))
		g.until(a, "b", alive("a", "b"))
		a.stop()
		g.until(b, "that a is silent", alive("b"))
		b.mu.Lock()
		b.conf.Seeds = nil // from now on it has only what it remembers
		b.mu.Unlock()
	}
}

// Without the group's key nobody is heard, whatever certificate it has; nor is noise on the socket.
func TestWrongKey(t *testing.T) {
	g := newGroup(t)
	var mu sync.Mutex
	var said bytes.Buffer
	a := g.start(g.identity("a"), func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(writer(func(b []byte) { mu.Lock(); said.Write(b); mu.Unlock() }), &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	wrong := g.start(g.identity("wrong"), func(c *Config) { c.Key = bytes.Repeat([]byte{8}, KeyLen) }, a.addr)
	if _, err := wrong.list.Join([]string{atAddress(a.addr)}); err == nil {
		t.Error("it joined")
	}
	conn, err := net.Dial("udp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, noise := range [][]byte{{}, {0}, {244}, {244, 3, 'a'}, bytes.Repeat([]byte{1}, 1400), bytes.Repeat([]byte{1}, 9000), []byte("GET / HTTP/1.1")} {
		for range 5 {
			_, _ = conn.Write(noise)
		}
	}
	b := g.start(g.identity("b"), nil, a.addr)
	g.until(a, "b and nobody else", alive("a", "b"))
	g.until(b, "a and nobody else", alive("a", "b"))
	if got := wrong.Hints(); len(got) != 1 || got[0].Name != "wrong" {
		t.Errorf("with the wrong key it knows %+v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(said.String(), "level=WARN"); n != 1 || !strings.Contains(said.String(), "decrypt") {
		t.Errorf("it was told %d times: %s", n, said.String())
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

// A removed node is not listened to, also where others still speak of it.
func TestRemoved(t *testing.T) {
	g := newGroup(t)
	var mu sync.Mutex
	removed := map[string]bool{}
	admit := func(c *Config) {
		c.Admit = func(id string) error {
			mu.Lock()
			defer mu.Unlock()
			if removed[id] {
				return fault.New(fault.Denied, "", "it was removed")
			}
			return nil
		}
	}
	a := g.start(g.identity("a"), admit)
	b := g.start(g.identity("b"), nil, a.addr)
	c := g.start(g.identity("c"), nil, a.addr)
	g.until(a, "all", alive("a", "b", "c"))
	mu.Lock()
	removed[c.id.Member.String()] = true
	mu.Unlock()
	if !alive("a", "b")(a.Hints()) {
		t.Errorf("a knows %+v", a.Hints())
	}
	g.until(b, "all", alive("a", "b", "c"))

	idD := g.identity("d")
	mu.Lock()
	removed[idD.Member.String()] = true
	mu.Unlock()
	g.start(idD, nil, b.addr)
	g.until(b, "d as well", alive("a", "b", "c", "d"))
	e := g.start(g.identity("e"), nil, b.addr) // by the time a hears of it, it would have heard of d
	g.until(a, "e", alive("a", "b", "e"))
	g.until(e, "a", func([]Hint) bool { return e.hint(a).Alive })
}

func TestOpenRefuses(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no id":          func(c *Config) { c.Self.ID = "" },
		"a bad id":       func(c *Config) { c.Self.ID = "a/b" },
		"a reserved id":  func(c *Config) { c.Self.ID = "at=b:1" },
		"no address":     func(c *Config) { c.Self.Address = "" },
		"no port":        func(c *Config) { c.Self.Address = "host" },
		"no key":         func(c *Config) { c.Key = nil },
		"a short key":    func(c *Config) { c.Key = c.Key[:16] },
		"no way to dial": func(c *Config) { c.Dial = nil },
	} {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c := Config{
			Self: Hint{ID: "a", Address: "a:1"}, Key: groupKey, Packets: udp, Streams: tcp,
			Dial: func(context.Context, string) (net.Conn, error) { return nil, net.ErrClosed },
		}
		change(&c)
		if g, err := Open(c); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, %v", name, g, err)
		}
		if _, err := tcp.Accept(); err == nil {
			t.Errorf("%s: the listener was left open", name)
		}
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if _, err := Listen(udp.LocalAddr()); !fault.Is(err, fault.Conflict) {
		t.Errorf("a port that is taken: %v", err)
	}
}

// More nodes than a group can have push out those that are silent, and no others.
func TestBound(t *testing.T) {
	g := newGroup(t)
	a := g.start(g.identity("a"), nil)
	e := ear{a.Gossip}
	now := time.Now()
	a.mu.Lock()
	for i := range maxKnown {
		id := fmt.Sprintf("n%02d", i)
		a.known[id] = Hint{ID: id, Address: "127.0.0.1:1", Alive: i != 5 && i != 9, Since: now.Add(-time.Duration(i) * time.Second)}
	}
	a.mu.Unlock()
	meta, err := appendHint(nil, Hint{Address: "x:1"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"n09", "n05", ""} {
		n := memberNode(fmt.Sprintf("new%d", i), meta)
		err := e.NotifyAlive(n)
		a.mu.Lock()
		_, still := a.known[want]
		a.mu.Unlock()
		if want == "" && !fault.Is(err, fault.TooLarge) || want != "" && (err != nil || still) {
			t.Errorf("%s: %v, %v", want, still, err)
		}
		if err == nil {
			e.NotifyJoin(n)
		}
	}
	n := memberNode("n00", meta)
	n.Addr = net.IPv4(1, 2, 3, 4)
	if err := e.NotifyAlive(n); !fault.Is(err, fault.Corrupt) {
		t.Errorf("an address of its own: %v", err)
	}
}

// A name is looked up beside the packets, never before one.
func TestNames(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := newRoad(udp, tcp, nil, nil)
	defer r.Shutdown()
	asked := make(chan string)
	r.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		asked <- host
		return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.7")}, nil
	}
	if at := r.resolve("[2001:db8::9]:53"); at != netip.MustParseAddrPort("[2001:db8::9]:53") {
		t.Errorf("an address is %s", at)
	}
	if at := r.resolve("hq.example:8443"); at.IsValid() {
		t.Errorf("before it was looked up it is %s", at)
	}
	if host := <-asked; host != "hq.example" {
		t.Errorf("asked for %s", host)
	}
	for !r.resolve("hq.example:8443").IsValid() {
		select {
		case host := <-asked:
			t.Fatalf("asked for %s again", host)
		case <-time.After(time.Millisecond):
		}
	}
	if at := r.resolve("hq.example:8443"); at != netip.MustParseAddrPort("192.0.2.7:8443") { // the socket has no IPv6
		t.Errorf("it is %s", at)
	}
}
