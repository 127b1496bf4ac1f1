package node

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/raftfsm"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/link"
	mesh "github.com/skerryhq/skerry/sync/peer"
)

// port is a node of a group with the transport of production: one TCP port, mutual TLS with the keys of the nodes, the
// mesh for questions. Only the registry is not asked who may come in.
type port struct {
	*world
	addr string
	end  func()
}

// tlsStream carries Raft's traffic as appliance/controller does.
type tlsStream struct {
	net.Listener
	me     enroll.Node
	once   sync.Once
	closed chan struct{}
}

func (s *tlsStream) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		<-s.closed
	}
	return conn, err
}

func (s *tlsStream) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Listener.Close()
}

func (s *tlsStream) Dial(addr raft.ServerAddress, limit time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return link.DialConn(ctx, string(addr), s.me.DialNode(link.ProtoRaft, time.Now))
}

func openPort(dir string, ca *enroll.CA, number byte, first bool) (p *port, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = r.(error)
		}
	}()
	put := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	me, err := enroll.FoundNode(dir, ca, enroll.Founding{Member: model.NodeID{number}, Group: model.NodeID{0xee}, Name: fmt.Sprint("n", number)})
	put(err)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	put(err)
	cert := me.Certificate()
	s, err := link.NewServer(tcp, link.ServerConfig{Certificate: func(string) (*tls.Certificate, error) { return &cert, nil }})
	put(err)
	asks := mesh.New(mesh.Config{Self: me.Member.String(), Dial: func(ctx context.Context, addr string) (mesh.Session, error) {
		s, err := link.Dial(ctx, addr, me.DialNode(link.ProtoPeer, time.Now))
		if err != nil {
			return nil, err
		}
		return s, nil
	}})
	store, err := index.Open(filepath.Join(dir, "index"), index.Options{NoWAL: true, CacheBytes: index.ControllerCache, MemBytes: index.ControllerMem})
	put(err)
	p = &port{world: &world{store: store, fsm: raftfsm.New(store, apply.Env{Role: model.RoleController}, nil)}, addr: tcp.Addr().String()}
	ready := make(chan struct{})
	asks.Handle("raft/", func(ctx context.Context, from string, body []byte) ([]byte, error) {
		<-ready
		return p.Answer(ctx, from, mesh.Route(ctx), body)
	})
	asks.HandleStream(SnapshotRoute, func(ctx context.Context, from string, body []byte, conn net.Conn) error {
		<-ready
		return p.ReceiveSnapshot(ctx, from, body, conn)
	})
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	raftConns, peers := s.Listen(link.ProtoRaft), s.Listen(link.ProtoPeer)
	serving.Go(func() { _ = s.Run(ctx) })
	serving.Go(func() {
		_ = link.Each(ctx, peers, 16, func(ctx context.Context, conn net.Conn) {
			from := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
			s, err := link.Accept(ctx, conn, link.AcceptConfig{Admit: func(context.Context, link.Peer) error { return nil }})
			if err != nil {
				return
			}
			defer s.Close()
			defer context.AfterFunc(ctx, func() { _ = s.Close() })()
			_ = asks.Serve(ctx, s, from)
		})
	})
	p.Node, err = Open(ctx, Config{
		Dir: filepath.Join(dir, "raft"), ID: me.Member.String(), Address: p.addr, Stream: &tlsStream{Listener: raftConns, me: me, closed: make(chan struct{})},
		Store: store, FSM: p.fsm, Bootstrap: first, Peers: asks, Streams: asks, Policy: Policy{Beat: 100 * time.Millisecond, StableFor: 300 * time.Millisecond},
		ApplyTimeout: time.Minute,
	})
	put(err)
	close(ready)
	p.end = func() {
		_ = p.Close()
		_ = asks.Close()
		cancel()
		serving.Wait()
		_ = store.Close()
	}
	return p, nil
}

// replicaEnv makes a process of the test binary one node of a group that is measured: "FOLDER NUMBER". It is told what to
// do line by line, and answers each with one line.
const replicaEnv = "SKERRY_TEST_REPLICA"

// theFleet is the fleet that is measured.
func theFleet() *fleet.Fleet { return fleet.New(fleet.Config{Seed: 1, Hosts: 96_000, Sites: 24}) }

func replica(what string) error {
	debug.SetGCPercent(30) // as appliance/controller does
	var dir string
	var number byte
	if _, err := fmt.Sscan(what, &dir, &number); err != nil {
		return err
	}
	ca, err := enroll.OpenCA(filepath.Join(dir, "ca"), "bench", nil, nil)
	if err != nil {
		return err
	}
	p, err := openPort(filepath.Join(dir, fmt.Sprint("node", number)), ca, number, number == 1)
	if err != nil {
		return err
	}
	defer p.end()
	fmt.Println("is", p.id, p.addr)
	var streams []*fleet.DeltaStream
	var lists [][]model.Received
	ctx := context.Background()
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var do, id, addr string
		var n, size int
		said := ""
		_, _ = fmt.Sscan(in.Text(), &do)
		switch do {
		case "found":
			err = errors.Join(p.WaitLeader(ctx), p.Propose(ctx, found(0xee)))
		case "add":
			_, _ = fmt.Sscan(in.Text(), &do, &id, &addr)
			err = p.AddMember(ctx, id, addr)
		case "voters":
			_, _ = fmt.Sscan(in.Text(), &do, &n)
			err = p.awaitVoters(ctx, n)
		case "load":
			err = p.load(ctx, theFleet())
		case "prepare": // writers, batches of each
			_, _ = fmt.Sscan(in.Text(), &do, &n, &size)
			for w := len(streams); w < n; w++ {
				streams = append(streams, theFleet().Deltas(w, n))
			}
			lists, err = batches(streams, size)
		case "go":
			err = p.ingest(ctx, lists)
		case "fresh": // and how much of the processors it has had
			err = p.Fresh(ctx)
			var r syscall.Rusage
			_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
			said = fmt.Sprint(r.Utime.Nano() + r.Stime.Nano())
		}
		if err != nil {
			return fmt.Errorf("%s: %w", in.Text(), err)
		}
		fmt.Println("did", said)
	}
	return nil
}

func (p *port) awaitVoters(ctx context.Context, n int) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := p.Status(ctx)
		if err == nil && len(s.Members) == n && !slices.ContainsFunc(s.Members, func(m Member) bool { return !m.Voter || !m.Healthy }) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// load enrolls the sites of a fleet and takes in their first reports.
func (p *port) load(ctx context.Context, f *fleet.Fleet) error {
	for s := range f.Sites {
		site := f.Sites[s].Model()
		c := model.Received{Stamp: model.Stamp{Actor: "site:" + f.Sites[s].ID, At: stamp(0).At}, Origin: model.NodeID(site.ID), Epoch: 1}
		m := model.Member{ID: model.NodeID(site.ID), Kind: model.MemberSite, Name: site.Name, TokenHash: fmt.Sprintf("%064x", s+1), TokenExpires: stamp(9).At}
		enrolled := model.Enroll{Stamp: stamp(1), Member: m.ID, TokenHash: m.TokenHash, Pin: fmt.Sprintf("sha256:%064x", s+1)}
		if err := p.Propose(ctx, model.Invite{Stamp: stamp(0), Site: &site, Member: m}, enrolled); err != nil {
			return err
		}
		for h := range f.Sites[s].Hosts {
			item, err := f.Host(s, h).Item()
			if err != nil {
				return err
			}
			item.Seq = model.Seq(h + 1)
			if c.Items = append(c.Items, item); len(c.Items) == batchSize || h+1 == f.Sites[s].Hosts {
				if err := p.Propose(ctx, c); err != nil {
					return err
				}
				c.Items = c.Items[:0]
			}
		}
	}
	return nil
}

const batchSize = 500

// batches makes so many batches of each stream.
func batches(streams []*fleet.DeltaStream, n int) ([][]model.Received, error) {
	lists := make([][]model.Received, len(streams))
	for w := range lists {
		for range n {
			d := streams[w].Next(batchSize)
			c := model.Received{Stamp: model.Stamp{Actor: "site:" + d.SiteID}, Epoch: 2}
			id, err := model.ParseSiteID(d.SiteID)
			if err != nil {
				return nil, err
			}
			c.Origin = model.NodeID(id)
			for i, x := range d.Deltas {
				item, err := x.Item()
				if err != nil {
					return nil, err
				}
				item.Seq = model.Seq(d.Seq*10_000 + uint64(i))
				c.At = max(c.At, item.AsOf)
				c.Items = append(c.Items, item)
			}
			lists[w] = append(lists[w], c)
		}
	}
	return lists, nil
}

// ingest proposes the batches of each writer, one after the other.
func (p *port) ingest(ctx context.Context, lists [][]model.Received) error {
	errs := make([]error, len(lists))
	var all sync.WaitGroup
	for w, list := range lists {
		all.Go(func() {
			for _, c := range list {
				if errs[w] = p.Propose(ctx, c); errs[w] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// process is a replica as its parent sees it.
type process struct {
	b        *testing.B
	id, addr string
	in       io.WriteCloser
	out      *bufio.Scanner
}

// tell has a process do something, and returns what it says.
func (p *process) tell(format string, args ...any) string {
	p.b.Helper()
	if format != "" {
		fmt.Fprintf(p.in, format+"\n", args...)
	}
	if !p.out.Scan() {
		p.b.Fatalf("a node ended: %v", p.out.Err())
	}
	word, rest, _ := strings.Cut(p.out.Text(), " ")
	if word == "failed:" {
		p.b.Fatal(rest)
	}
	return rest
}

// processes starts a group of so many nodes, each a process of its own, with the fleet in it; the first leads.
func processes(b *testing.B, n int) []*process {
	dir := b.TempDir()
	var all []*process
	for i := range n {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", replicaEnv, dir, i+1))
		c.Stderr = os.Stderr
		in, err := c.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		out, err := c.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
		p := &process{b: b, in: in, out: bufio.NewScanner(out)}
		b.Cleanup(func() {
			_ = in.Close()
			_ = c.Wait()
		})
		if _, err := fmt.Sscan(p.tell(""), &p.id, &p.addr); err != nil {
			b.Fatal(err)
		}
		if all = append(all, p); i == 0 {
			p.tell("found")
		} else {
			all[0].tell("add %s %s", p.id, p.addr)
		}
	}
	all[0].tell("voters %d", n)
	all[0].tell("load")
	return all
}

// fresh waits until all nodes have everything, and returns how much time of the processors they have had.
func fresh(group []*process) (worked time.Duration) {
	for _, p := range group {
		var had time.Duration
		if _, err := fmt.Sscan(p.tell("fresh"), (*int64)(&had)); err != nil {
			p.b.Fatal(err)
		}
		worked += had
	}
	return worked
}

// BenchmarkReplicated proposes host deltas, 500 in a batch as a site sends them, to a group of one node and to a group of
// three, in turns, each node a process on this machine, with its TCP port and mutual TLS. One op is one turn of both; the
// rates are medians, in batches a second until all nodes have them.
func BenchmarkReplicated(b *testing.B) {
	const each = 480
	for _, writers := range []int{8, 24} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			groups := [2][]*process{processes(b, 1), processes(b, 3)}
			var alone, three, ratio []float64
			for turn := 0; b.Loop(); turn++ {
				var rate, work [2]float64
				for i := range groups { // who begins changes from turn to turn
					at := (i + turn) % 2
					b.StopTimer()
					groups[at][0].tell("prepare %d %d", writers, each/writers)
					had := fresh(groups[at])
					b.StartTimer()
					began := time.Now()
					groups[at][0].tell("go")
					worked := fresh(groups[at]) - had
					rate[at] = each / time.Since(began).Seconds()
					work[at] = worked.Seconds() * 1000 / each
				}
				alone, three, ratio = append(alone, rate[0]), append(three, rate[1]), append(ratio, 100*rate[1]/rate[0])
				b.Logf("alone %.0f/s with %.1f ms of the processors each, three nodes %.0f/s with %.1f ms: %.0f %%", rate[0], work[0], rate[1], work[1], 100*rate[1]/rate[0])
			}
			b.ReportMetric(median(alone), "alone/s")
			b.ReportMetric(median(three), "three/s")
			b.ReportMetric(median(ratio), "of-alone-%")
		})
	}
}

func median[T cmp.Ordered](list []T) T {
	list = slices.Clone(list)
	slices.Sort(list)
	return list[len(list)/2]
}
