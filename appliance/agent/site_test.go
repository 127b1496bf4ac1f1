package agent

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/engine/command"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/enroll"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/link"
)

// site is the agents' door of a site: the real link, enrollment and hub on a loopback port, over rows
// that are held in memory. It judges every move by the real life cycle.
type site struct {
	t    *testing.T
	id   model.NodeID
	ca   *enroll.CA
	addr string // once started, kept over a stop

	stopped chan struct{}
	cancel  context.CancelFunc

	mu      sync.Mutex // guards what follows
	moved   *sync.Cond // of mu: something was committed
	commits uint64
	members map[model.NodeID]model.Member
	marks   map[model.NodeID]model.Position
	items   []model.Item // all that were applied, in their order
	down    []model.Item
	tasks   map[model.CommandID]model.Task
	refused []error // moves that the life cycle does not allow
	epoch   model.Epoch
}

func newID[T ~[16]byte]() T { return T(uuid.Must(uuid.NewV7())) }

func newSite(t *testing.T) *site {
	t.Helper()
	ca, err := enroll.OpenCA(t.TempDir(), "test site", nil, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{
		t: t, id: newID[model.NodeID](), ca: ca, members: map[model.NodeID]model.Member{}, marks: map[model.NodeID]model.Position{},
		tasks: map[model.CommandID]model.Task{}, commits: 1, epoch: 1, addr: "127.0.0.1:0",
	}
	s.moved = sync.NewCond(&s.mu)
	s.start()
	t.Cleanup(s.stop)
	return s
}

// start opens the door, at the same address as before.
func (s *site) start() {
	s.t.Helper()
	tcp, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = tcp.Addr().String()
	log := slog.New(slog.DiscardHandler)
	cert := s.ca.Server([]string{"127.0.0.1"}, model.RoleSite)
	server, err := link.NewServer(tcp, link.ServerConfig{Certificate: func(string) (*tls.Certificate, error) { return cert.Get() }})
	if err != nil {
		s.t.Fatal(err)
	}
	door, err := enroll.NewServer(enroll.ServerConfig{CA: s.ca, Members: s, Proposer: s, Self: s.id, Name: "lab", Role: model.RoleSite})
	if err != nil {
		s.t.Fatal(err)
	}
	h := hub.New(hub.Config{
		Self: s.id, Name: "lab", Software: "test", Epoch: func() model.Epoch { return s.epoch }, Proposer: s, Reader: s,
		Now: time.Now, Log: log, Settle: time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.stopped = cancel, make(chan struct{})
	links, enrollments := server.Listen(link.ProtoLink), server.Listen(link.ProtoEnroll)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Run(ctx) })
	wg.Go(func() { _ = door.Run(ctx, enrollments) })
	wg.Go(func() {
		_ = link.Sessions(ctx, links, 16, link.AcceptConfig{Admit: s.admit}, func(ctx context.Context, sess *link.Session) {
			if m, ok, _ := s.MemberByPin(sess.Peer().Pin); ok {
				_ = h.Serve(ctx, sess, &m)
			}
		})
	})
	go func() { wg.Wait(); close(s.stopped) }()
}

func (s *site) stop() {
	s.cancel()
	<-s.stopped
}

func (s *site) admit(_ context.Context, p link.Peer) error {
	if _, ok, _ := s.MemberByPin(p.Pin); !ok {
		return fault.New(fault.Denied, "", "no member has this key")
	}
	return nil
}

// invite makes a token for a new member.
func (s *site) invite(kind model.MemberKind, name string) string {
	s.t.Helper()
	id := newID[model.NodeID]()
	token, err := enroll.NewToken(rand.Reader, kind, id, s.ca.Pin())
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.members[id] = model.Member{
		ID: id, Kind: kind, Name: name, Status: model.MemberPending, TokenHash: token.Hash(),
		TokenExpires: model.TimeOf(time.Now().Add(time.Hour)), Epoch: 1,
	}
	return token.Encode()
}

// dispatch sends an order for the host.
func (s *site) dispatch(host model.HostID, c model.Command) model.CommandID {
	s.t.Helper()
	if c.ID.IsZero() {
		c.ID = newID[model.CommandID]()
	}
	if c.ExpiresAt == 0 {
		c.ExpiresAt = model.TimeOf(time.Now().Add(time.Hour))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.tasks[c.ID]; !known {
		s.tasks[c.ID] = model.Task{Command: c.ID, Host: host, State: model.CommandQueued}
	}
	s.down = append(s.down, orderItem(s.t, model.Seq(len(s.down)+1), model.Order{Command: c, Hosts: []model.HostID{host}}))
	s.committedLocked()
	return c.ID
}

func orderItem(t *testing.T, seq model.Seq, o model.Order) model.Item {
	t.Helper()
	b, err := model.Encode(o)
	if err != nil {
		t.Fatal(err)
	}
	return model.Item{Seq: seq, Kind: model.ItemOrder, Key: o.Command.ID.String(), Payload: b}
}

func (s *site) committedLocked() {
	s.commits++
	s.moved.Broadcast()
}

// until waits for a state of the rows. fn is called with them locked.
func (s *site) until(what string, fn func() bool) {
	s.t.Helper()
	late := time.AfterFunc(20*time.Second, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.moved.Broadcast()
	})
	began := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for !fn() {
		if time.Since(began) > 19*time.Second {
			s.t.Fatalf("waited in vain until %s; tasks %+v, %d items", what, s.tasks, len(s.items))
		}
		s.moved.Wait()
	}
	late.Stop()
}

// ended waits for the end of a command.
func (s *site) ended(id model.CommandID) model.Task {
	s.t.Helper()
	s.until("the command ended", func() bool { return command.Terminal(s.tasks[id].State) })
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tasks[id]
}

// count returns how many items of a kind were applied.
func (s *site) countLocked(kind model.ItemKind) int {
	n := 0
	for _, it := range s.items {
		if it.Kind == kind {
			n++
		}
	}
	return n
}

// Propose implements hub.Proposer and enroll.Proposer.
func (s *site) Propose(_ context.Context, changes ...model.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		switch c := c.(type) {
		case model.Enroll:
			m := s.members[c.Member]
			m.Status, m.Pin, m.TokenHash = model.MemberEnrolled, c.Pin, ""
			s.members[c.Member] = m
		case model.Received:
			s.receivedLocked(c)
		case model.Note:
		default:
			return fmt.Errorf("unexpected change %T", c)
		}
	}
	s.committedLocked()
	return nil
}

func (s *site) receivedLocked(c model.Received) {
	for _, it := range c.Items {
		if s.marks[c.Origin].Covers(c.Epoch, it.Seq) {
			continue
		}
		s.items = append(s.items, it)
		s.marks[c.Origin] = model.Position{Epoch: c.Epoch, Seq: it.Seq}
		if it.Kind != model.ItemMove {
			continue
		}
		var m model.Move
		if err := model.Decode(it.Payload, &m); err != nil {
			s.refused = append(s.refused, err)
			continue
		}
		task, _, err := command.Move(s.tasks[m.Command], m)
		if err != nil {
			s.refused = append(s.refused, err)
		}
		s.tasks[m.Command] = task
	}
}

// Member implements enroll.Members.
func (s *site) Member(id model.NodeID) (model.Member, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.members[id]
	return m, ok, nil
}

// MemberByPin implements enroll.Members.
func (s *site) MemberByPin(pin string) (model.Member, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		if m.Pin == pin {
			return m, true, nil
		}
	}
	return model.Member{}, false, nil
}

// Watermark implements hub.Reader.
func (s *site) Watermark(origin model.NodeID) (model.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.marks[origin], nil
}

// Directives implements hub.Reader.
func (s *site) Directives(to model.NodeID, after model.Seq, limit, _ int, _ bool) ([]model.Item, model.Seq, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	head := model.Seq(len(s.down))
	if to == s.id {
		return nil, max(after, head), nil // nothing is addressed to the site itself
	}
	items := s.down[min(after, head):]
	if len(items) > limit {
		return items[:limit], items[limit-1].Seq, nil
	}
	return items, max(after, head), nil
}

// Wait implements hub.Reader.
func (s *site) Wait(ctx context.Context, after uint64) (uint64, error) {
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.moved.Broadcast()
	})
	defer stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.commits <= after {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		s.moved.Wait()
	}
	return s.commits, nil
}
