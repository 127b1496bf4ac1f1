package uplink_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/sync/uplink"
)

// siteStores are the real stores of one site, opened again for each life.
type siteStores struct {
	t     *testing.T
	dir   string
	rows  *index.Store
	out   *queue.Queue
	p     *uplink.Proposer
	stop  func()
	fail  atomic.Pointer[error] // what Commit returns instead of committing
	count atomic.Int64          // commits
	full  atomic.Pointer[error] // why there is no room
	again func() error          // what each Resync ends with; nil: they succeed
}

func openSite(t *testing.T, dir string) *siteStores {
	t.Helper()
	return openFailing(t, dir, nil)
}

// openFailing is openSite where each Resync ends with what again returns.
func openFailing(t *testing.T, dir string, again func() error) *siteStores {
	t.Helper()
	s := &siteStores{t: t, dir: dir, again: again}
	var err error
	if s.rows, err = index.Open(filepath.Join(dir, "index"), index.Options{Log: quiet}); err != nil {
		t.Fatal(err)
	}
	if s.out, err = queue.Open(filepath.Join(dir, "outbox.db"), queue.Options{Log: quiet}); err != nil {
		t.Fatal(err)
	}
	env := apply.Env{Role: model.RoleSite}
	s.p = uplink.NewProposer(uplink.ProposerConfig{
		Begin: func() uplink.SiteTx { return failing{s.rows.Begin(), s} }, Applied: s.rows.Applied(), Outbox: s.out, Log: quiet, Retry: time.Millisecond,
		Apply: func(tx apply.Tx, c model.Change) ([]model.Item, error) {
			if _, ok := c.(model.Resync); ok && s.again != nil {
				if err := s.again(); err != nil {
					return nil, err
				}
			}
			return apply.Change(tx, env, c)
		},
		Room: func([]model.Change) error {
			if err := s.full.Load(); err != nil {
				return *err
			}
			return nil
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.p.Run(ctx) }()
	s.stop = func() {
		cancel()
		<-done
		if err := errors.Join(s.out.Close(), s.rows.Close()); err != nil {
			t.Error(err)
		}
	}
	return s
}

// failing is a transaction whose commit may fail, as if the power went just before it.
type failing struct {
	*index.Tx
	s *siteStores
}

func (f failing) Commit(applied uint64, durable bool) error {
	if err := f.s.fail.Load(); err != nil {
		f.Discard()
		return *err
	}
	if !durable {
		f.s.t.Error("a commit of a site must be durable")
	}
	f.s.count.Add(1)
	return f.Tx.Commit(applied, durable)
}

var (
	stamp = model.Stamp{Actor: "test", At: 1_700_000_000_000}
	agent = model.NodeID{0xa}
)

// found gives the site its identity and an agent that may report.
func (s *siteStores) found() {
	s.t.Helper()
	err := s.p.Propose(s.t.Context(),
		model.Found{Stamp: stamp, Self: self, Role: model.RoleSite, Name: "oslo"},
		model.Invite{Stamp: stamp, Member: model.Member{ID: agent, Kind: model.MemberGateway, Name: "gw", TokenHash: "aa", TokenExpires: stamp.At + 1000}},
		model.Enroll{Stamp: stamp, Member: agent, TokenHash: "aa", Pin: strings.Repeat("ab", 32)},
	)
	if err != nil {
		s.t.Fatal(err)
	}
}

func report(seq model.Seq, name string) model.Received {
	body, err := model.Encode(model.Facts{Hostname: name})
	if err != nil {
		panic(err)
	}
	id := model.HostID{1, byte(seq >> 8), byte(seq)}
	return model.Received{Stamp: stamp, Origin: agent, Epoch: 1, Items: []model.Item{
		{Seq: seq, Kind: model.ItemFacts, Key: id.String(), AsOf: stamp.At + model.Time(seq), Payload: body},
	}}
}

// waiting returns what waits in the outbox: its kind with the host's name (its id where only the status is
// sent), and the host's status.
func (s *siteStores) waiting() map[string]model.HostStatus {
	s.t.Helper()
	items, err := s.out.After(0, 1<<20, 1<<30)
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]model.HostStatus{}
	for _, it := range items {
		var h model.Host
		switch it.Kind {
		case model.ItemHost:
			if err := model.Decode(it.Payload, &h); err != nil {
				s.t.Fatal(err)
			}
		case model.ItemStatus:
			var b model.HostBeat
			if err := model.Decode(it.Payload, &b); err != nil {
				s.t.Fatal(err)
			}
			h.Hostname, h.Status = it.Key, b.Status
		}
		out[string(it.Kind)+" "+h.Hostname] = h.Status
	}
	return out
}

func TestGroupCommit(t *testing.T) {
	s := openSite(t, t.TempDir())
	defer s.stop()
	s.found()
	before := s.count.Load()
	const callers, each = 50, 4
	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() {
			for k := range each {
				// Every tenth caller proposes what is refused, behind something that is not: all or none.
				changes := []model.Change{model.PutAccount{Stamp: stamp, Account: model.Account{Name: fmt.Sprintf("a%d.%d", n, k), PasswordHash: "x"}}}
				if n%10 == 3 {
					changes = append(changes, model.Found{Stamp: stamp, Self: agent, Role: model.RoleSite})
				}
				err := s.p.Propose(t.Context(), changes...)
				if (n%10 == 3) != fault.Is(err, fault.Conflict) || (n%10 != 3) != (err == nil) {
					t.Errorf("caller %d: %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	v := s.rows.View()
	defer v.Close()
	accounts, err := v.Accounts()
	if err != nil || len(accounts) != callers*each*9/10 {
		t.Errorf("%d accounts, %v; want %d", len(accounts), err, callers*each*9/10)
	}
	if n := s.count.Load() - before; n >= callers*each {
		t.Errorf("%d proposals took %d commits", callers*each, n)
	}
}

func TestOutboxAndRowsAreOne(t *testing.T) {
	dir := t.TempDir()
	s := openSite(t, dir)
	s.found()
	if err := s.p.Propose(t.Context(), report(1, "web"), report(2, "db")); err != nil {
		t.Fatal(err)
	}
	if err := s.p.Propose(t.Context(), report(2, "db"), report(1, "web")); err != nil { // a resend
		t.Fatal(err)
	}
	if got := s.waiting(); len(got) != 2 || got["host web"] != model.HostUp || s.out.Head() != 2 {
		t.Errorf("waiting: %v, head %d", got, s.out.Head())
	}
	if s.rows.Applied() != 2 {
		t.Errorf("the rows were committed at %d", s.rows.Applied())
	}

	// The power goes between the outbox and the rows: the tier above would be told that web is down.
	lost := errors.New("no more power")
	s.fail.Store(&lost)
	down := model.HostStatuses{Stamp: stamp, Hosts: []model.HostStatusAt{{Host: model.HostID{1, 0, 1}, Status: model.HostDown}}}
	if err := s.p.Propose(t.Context(), down); !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "no more power") {
		t.Errorf("a failed commit: %v", err)
	}
	if got := s.waiting(); got["status "+down.Hosts[0].Host.String()] != model.HostDown {
		t.Fatalf("the crash was not at the place to be tested: %v", got)
	}
	// It is final, even if the disk seems well again.
	s.fail.Store(nil)
	if err := s.p.Propose(t.Context(), report(3, "mail")); !fault.Is(err, fault.ReadOnly) || s.p.Err() == nil {
		t.Errorf("after a failed commit: %v", err)
	}
	s.stop()

	s = openSite(t, dir)
	if err := s.p.Propose(t.Context(), report(3, "mail")); err != nil {
		t.Fatal(err)
	}
	if got := s.waiting(); got["host web"] != model.HostUp || got["host mail"] != model.HostUp || got["host db"] != model.HostUp {
		t.Errorf("after the restart the tier above would be told %v", got)
	}
	head := s.out.Head()
	s.stop()

	s = openSite(t, dir) // a good end needs nothing sent again
	if err := s.p.Propose(t.Context(), model.PutAccount{Stamp: stamp, Account: model.Account{Name: "a", PasswordHash: "x"}}); err != nil {
		t.Fatal(err)
	}
	if s.out.Head() != head {
		t.Errorf("the head moved from %d to %d", head, s.out.Head())
	}
	s.stop()
}

// TestSendingAgainIsOwed: rows that could not be sent again after a crash are tried again, by the same server and by the
// next one, whatever was committed meanwhile.
func TestSendingAgainIsOwed(t *testing.T) {
	dir := t.TempDir()
	s := openSite(t, dir)
	s.found()
	if err := s.p.Propose(t.Context(), report(1, "web")); err != nil {
		t.Fatal(err)
	}
	lost := errors.New("no more power")
	s.fail.Store(&lost)
	down := model.HostStatuses{Stamp: stamp, Hosts: []model.HostStatusAt{{Host: model.HostID{1, 0, 1}, Status: model.HostDown}}}
	if err := s.p.Propose(t.Context(), down); err == nil {
		t.Fatal("a commit without power")
	}
	s.stop()

	tries := make(chan struct{}, 1000)
	well := false
	var mu sync.Mutex // guards well
	again := func() error {
		mu.Lock()
		defer mu.Unlock()
		tries <- struct{}{}
		if well {
			return nil
		}
		return fault.New(fault.Corrupt, "", "a row cannot be read")
	}
	for n := range 2 {
		s = openFailing(t, dir, again)
		<-tries
		if err := s.p.Propose(t.Context(), model.PutAccount{Stamp: stamp, Account: model.Account{Name: fmt.Sprint(n), PasswordHash: "x"}}); err != nil {
			t.Fatal(err)
		}
		if got := s.waiting(); got["status "+down.Hosts[0].Host.String()] != model.HostDown {
			t.Fatalf("server %d sends %v", n, got)
		}
		if n == 0 { // the next one has to find out by itself
			s.stop()
			for len(tries) > 0 {
				<-tries
			}
		}
	}
	mu.Lock()
	for len(tries) > 0 {
		<-tries
	}
	well = true
	mu.Unlock()
	<-tries
	if err := s.p.Propose(t.Context(), report(2, "db")); err != nil { // after the one that was tried
		t.Fatal(err)
	}
	if got := s.waiting(); got["host web"] != model.HostUp {
		t.Errorf("when nothing fails any more the tier above is told %v", got)
	}
	s.stop()

	s = openFailing(t, dir, again)
	if err := s.p.Propose(t.Context(), report(3, "mail")); err != nil {
		t.Fatal(err)
	}
	if len(tries) > 0 {
		t.Error("what was done is done again")
	}
	s.stop()
}

func TestProposeEnds(t *testing.T) {
	s := openSite(t, t.TempDir())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.p.Propose(t.Context()); err != nil {
		t.Errorf("nothing to propose: %v", err)
	}
	s.stop()
	if err := s.p.Propose(t.Context(), report(1, "x")); !fault.Is(err, fault.ReadOnly) || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("after the end: %v", err)
	}
	idle := uplink.NewProposer(uplink.ProposerConfig{})
	if err := idle.Propose(gone, report(1, "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled ctx: %v", err)
	}
}

// A full disk refuses changes before a store sees them, and lets them in again without a restart.
func TestNoRoom(t *testing.T) {
	s := openSite(t, t.TempDir())
	defer s.stop()
	full := fault.New(fault.Full, "", "the disk is full")
	s.full.Store(&full)
	before := s.count.Load()
	if err := s.p.Propose(t.Context(), report(1, "x")); !fault.Is(err, fault.Full) {
		t.Fatalf("on a full disk: %v", err)
	}
	if n := s.count.Load(); n != before {
		t.Errorf("%d commits on a full disk", n-before)
	}
	s.full.Store(nil)
	if err := s.p.Propose(t.Context(), report(1, "x")); fault.Is(err, fault.Full) {
		t.Errorf("with room again: %v", err)
	}
	if s.count.Load() == before {
		t.Error("nothing was committed with room again")
	}
}
