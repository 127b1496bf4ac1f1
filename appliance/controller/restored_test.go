package controller

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/audit"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/sync/exchange"
	"github.com/skerryhq/skerry/sync/hub"
	"github.com/skerryhq/skerry/sync/linktest"
	"github.com/skerryhq/skerry/sync/uplink"
)

// branch is a site with everything that has a part in what rises and falls, linked to whichever controller is there.
type branch struct {
	t      *testing.T
	id     model.NodeID
	rows   serve.Rows
	outbox *queue.Queue
	prop   *uplink.Proposer
	link   *uplink.Link
	seq    model.Seq // of its gateway's items

	mu      sync.Mutex // guards what follows
	upper   *home      // nil: nobody answers
	cut     func()     // ends the links to it
	serving *sync.WaitGroup
}

var gateway = model.NodeID{0x9a}

func newBranch(t *testing.T, id, group model.NodeID) *branch {
	t.Helper()
	b := &branch{t: t, id: id, cut: func() {}, serving: &sync.WaitGroup{}}
	dir := t.TempDir()
	store, err := index.Open(filepath.Join(dir, "index"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.rows = serve.Rows{Store: store}
	if b.outbox, err = queue.Open(filepath.Join(dir, "outbox.db"), queue.Options{}); err != nil {
		t.Fatal(err)
	}
	b.prop = uplink.NewProposer(uplink.ProposerConfig{
		Begin: func() uplink.SiteTx { return store.Begin() }, Outbox: b.outbox, Log: discard,
		Apply: func(tx apply.Tx, c model.Change) ([]model.Item, error) {
			return apply.Change(tx, apply.Env{Role: model.RoleSite}, c)
		},
	})
	b.link = uplink.New(uplink.Config{
		Self: id, Name: "oslo", Software: "test", Upper: group, Outbox: b.outbox, Dial: b.dial, Now: time.Now, Log: discard,
		Sink: &exchange.Received{
			Origin: group, Actor: "controller:" + group.String(), Watermark: b.rows.Watermark, Propose: b.prop.Propose, Now: time.Now,
		},
		Resync:      func(ctx context.Context) error { return b.prop.Propose(ctx, model.Resync{Stamp: now()}) },
		BackoffBase: time.Millisecond, BackoffCap: 20 * time.Millisecond,
	})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = b.prop.Run(ctx) })
	b.propose(model.Found{Stamp: now(), Self: id, Role: model.RoleSite, Name: "oslo"})
	b.propose(model.Invite{Stamp: now(), Member: model.Member{ID: gateway, Kind: model.MemberGateway, Name: "gw", TokenHash: "h", TokenExpires: now().At + 1e9}})
	b.propose(model.Enroll{Stamp: now(), Member: gateway, TokenHash: "h", Pin: "gw"})
	running.Go(func() { _ = b.link.Run(ctx) })
	t.Cleanup(func() {
		b.connect(nil)
		stop()
		running.Wait()
		if err := errors.Join(b.outbox.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// connect puts another controller at the other end; nil is none.
func (b *branch) connect(h *home) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut()
	b.serving.Wait()
	b.upper, b.cut = h, func() {}
}

func (b *branch) dial(context.Context) (exchange.Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.upper
	if h == nil {
		return nil, fault.New(fault.Unreachable, "", "nobody is there")
	}
	m, ok, err := h.Rows.Member(b.id)
	if err != nil || !ok {
		return nil, fault.New(fault.Denied, "", "not a member: %v", err)
	}
	door := hub.New(hub.Config{
		Self: h.me.Upper, Name: "hq", Software: "test", Epoch: h.Rows.Epoch, Continues: true, Member: h.Rows.Member,
		Proposer: h.Node, Reader: h.Rows, ToAll: true, Fresh: h.Fresh, Now: time.Now, Log: discard,
	})
	d, a := linktest.Pair("pin-oslo", "pin-hq", linktest.Faults{})
	ctx, cancel := context.WithCancel(context.Background())
	before := b.cut
	b.cut = func() { cancel(); before() }
	b.serving.Go(func() { _ = door.Serve(ctx, a, &m) })
	return d, nil
}

func (b *branch) propose(changes ...model.Change) {
	b.t.Helper()
	if err := b.prop.Propose(b.t.Context(), changes...); err != nil {
		b.t.Fatal(err)
	}
}

// report says something by the site's gateway.
func (b *branch) report(kind model.ItemKind, key string, payload any) {
	b.t.Helper()
	raw, err := model.Encode(payload)
	if err != nil {
		b.t.Fatal(err)
	}
	b.seq++
	item := model.Item{Seq: b.seq, Kind: kind, Key: key, AsOf: now().At, Payload: raw}
	b.propose(model.Received{Stamp: now(), Origin: gateway, Epoch: 1, Items: []model.Item{item}})
}

func hostID(n int) model.HostID {
	return model.HostID{1, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, byte(n >> 8), byte(n)}
}

func commandID(n byte) model.CommandID {
	return model.CommandID{2, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, n}
}

// hosts reports a range of hosts, each with that name.
func (b *branch) hosts(from, to int, name string) {
	b.t.Helper()
	for n := from; n < to; n++ {
		b.report(model.ItemFacts, hostID(n).String(), model.Facts{Hostname: fmt.Sprint(name, n)})
	}
}

// statuses judges all hosts.
func (b *branch) statuses(from, to int, status model.HostStatus) {
	b.t.Helper()
	c := model.HostStatuses{Stamp: now(), All: true}
	for n := from; n < to; n++ {
		c.Hosts = append(c.Hosts, model.HostStatusAt{Host: hostID(n), Status: status, LastSeen: now().At})
	}
	b.propose(c)
}

func (b *branch) moved(id model.CommandID, n int, states ...model.CommandState) {
	b.t.Helper()
	for _, s := range states {
		m := model.Move{Command: id, Host: hostID(n), State: s, At: now().At, Output: "pong"}
		b.report(model.ItemMove, id.String()+"/"+string(s), m)
	}
}

// until waits until ok, which says what is not yet so.
func until(t *testing.T, what string, ok func() string) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(20 * time.Second); ; {
		not := ok()
		if not == "" {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: %s", what, not)
		}
	}
}

// even waits until each side has all that the other one sent.
func (b *branch) even(h *home) {
	b.t.Helper()
	until(b.t, "both sides have all", func() string {
		v := h.Rows.Store.View()
		defer v.Close()
		head, err := v.DirectiveHead()
		at, e := v.Watermark(b.id)
		items, _, e2 := v.Directives(b.id, 0, 1000, 1<<20, true)
		held, e3 := b.rows.Watermark(h.me.Upper)
		if err := errors.Join(err, e, e2, e3); err != nil {
			b.t.Fatal(err)
		}
		last := held.Seq
		if n := len(items); n > 0 {
			last = items[n-1].Seq
		}
		if b.outbox.Len() > 0 || at.Seq != b.outbox.Head() || held.Seq < last || held.Epoch != h.Rows.Epoch() {
			return fmt.Sprintf("the outbox has %d, the controller holds %+v of %d; the site holds %+v of %d; link %+v", b.outbox.Len(), at, b.outbox.Head(), held, head, b.link.State())
		}
		return ""
	})
}

func (h *home) dispatch(id model.CommandID, n int, site model.NodeID) {
	h.t.Helper()
	h.propose(model.Dispatch{
		Stamp: now(), Hosts: []model.HostID{hostID(n)},
		Command: model.Command{ID: id, Kind: model.CommandPing, Site: model.SiteID(site), ExpiresAt: now().At + 1e8},
	})
}

func (h *home) advise(name, summary string) {
	h.t.Helper()
	a := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "osv", ID: name}, Summary: summary}
	h.propose(model.Advisories{Stamp: now(), Put: []model.Advisory{a}}, model.Generation{Stamp: now()})
}

// same compares what both sides have of the site's hosts, and of some commands.
func (b *branch) same(h *home, hosts int, commands ...model.CommandID) {
	b.t.Helper()
	s, c := b.rows.Store.View(), h.Rows.Store.View()
	defer s.Close()
	defer c.Close()
	n := 0
	err := s.EachHost(func(want model.Host) error {
		n++
		got, ok, err := c.Host(want.ID)
		got.LastSeen, got.StatusAt, want.LastSeen, want.StatusAt = 0, 0, 0, 0 // that a host is still there is news at the site alone
		if !ok || !reflect.DeepEqual(got, want) {
			b.t.Errorf("the site has %+v, the controller %+v", want, got)
		}
		return err
	})
	a, _, e := s.Counts(model.SiteID(b.id))
	z, _, e2 := c.Counts(model.SiteID(b.id))
	all, _, e3 := c.Counts(model.SiteID{})
	if err := errors.Join(err, e, e2, e3); err != nil {
		b.t.Fatal(err)
	}
	if n != hosts || !a.SameSums(z) || !a.SameSums(all) || a.Hosts != int64(hosts) {
		b.t.Errorf("%d hosts at the site, want %d; it counts %+v, the controller %+v, of all %+v", n, hosts, a, z, all)
	}
	for _, id := range commands {
		x, _, err := s.Command(id)
		y, _, e := c.Command(id)
		p, e2 := s.Tasks(id, 0)
		q, e3 := c.Tasks(id, 0)
		if err := errors.Join(err, e, e2, e3); err != nil {
			b.t.Fatal(err)
		}
		for _, ts := range [][]model.Task{p, q} {
			for i := range ts {
				ts[i].History[0].At = 0 // each queued it in its own time
			}
		}
		if x.State != y.State || x.SiteAt != y.SiteAt || !reflect.DeepEqual(p, q) {
			b.t.Errorf("the site has command %s %s %+v, the controller %s %+v", id, x.State, p, y.State, q)
		}
	}
	for name, v := range map[string]*index.View{"site": s, "controller": c} {
		entries, err := v.Audit(0, 100_000)
		if err != nil {
			b.t.Fatal(err)
		}
		var last model.AuditEntry
		for i := len(entries) - 1; i >= 0; i-- {
			if err := audit.Verify(last, entries[i]); err != nil {
				b.t.Errorf("the record of the %s: %v", name, err)
			}
			last = entries[i]
		}
	}
	for _, st := range []*index.Store{b.rows.Store, h.Rows.Store} {
		if r, err := st.Check(b.t.Context()); err != nil || !r.OK() {
			b.t.Errorf("%+v, %v", r, err)
		}
	}
}

// records returns how many entries of an action the site has.
func (b *branch) records(action string) int {
	v := b.rows.Store.View()
	defer v.Close()
	all, err := v.Audit(0, 100_000)
	if err != nil {
		b.t.Fatal(err)
	}
	n := 0
	for _, e := range all {
		if e.Action == action {
			n++
		}
	}
	return n
}

// above is how far the site was told that the advisories of its controller go.
func (b *branch) above() model.Cursor {
	v := b.rows.Store.View()
	defer v.Close()
	s, err := v.Shelf()
	if err != nil {
		b.t.Fatal(err)
	}
	return s.Above
}

// TestASiteAheadOfItsController is what a restore is for: the controller goes back to its backup, and the site does not.
func TestASiteAheadOfItsController(t *testing.T) {
	t.Parallel()
	h := openHome(t, filepath.Join(t.TempDir(), "data"))
	oslo := model.NodeID{0x51}
	h.propose(model.Invite{Stamp: now(), Member: model.Member{ID: oslo, Kind: model.MemberSite, Name: "oslo", TokenHash: "h", TokenExpires: now().At + 1e9}, Site: &model.Site{ID: model.SiteID(oslo), Name: "oslo"}})
	h.propose(model.Enroll{Stamp: now(), Member: oslo, TokenHash: "h", Pin: "pin-oslo"})
	b := newBranch(t, oslo, h.me.Upper)
	defer b.connect(nil) // before any controller closes
	b.connect(h)
	ran, waiting, lost, since := commandID(1), commandID(2), commandID(3), commandID(4)

	// What the backup knows.
	b.hosts(0, 30, "host")
	b.statuses(0, 30, model.HostUp)
	h.advise("A", "one")
	h.advise("B", "one")
	b.even(h)
	h.dispatch(ran, 3, oslo)
	b.even(h)
	b.moved(ran, 3, model.CommandDelivered)
	b.even(h)
	b.connect(nil)
	h.dispatch(waiting, 4, oslo) // the site has not got it
	path := h.backup()

	// What it does not: the site hears of it, and says much more.
	b.connect(h)
	b.hosts(25, 50, "later")
	b.statuses(10, 20, model.HostDown)
	b.moved(ran, 3, model.CommandRunning, model.CommandSucceeded)
	h.advise("A", "two")
	h.advise("C", "new")
	b.even(h)
	h.dispatch(lost, 5, oslo)
	b.even(h)
	b.same(h, 50, ran, waiting, lost)
	cursor := func(h *home) model.Cursor {
		v := h.Rows.Store.View()
		defer v.Close()
		s, err := v.Shelf()
		if err != nil {
			t.Fatal(err)
		}
		return s.Cursor
	}
	newest := cursor(h)
	b.connect(nil)
	h.end()
	b.hosts(45, 60, "alone")
	b.moved(waiting, 4, model.CommandDelivered, model.CommandRunning)
	received := b.records("command.receive")

	data := filepath.Join(t.TempDir(), "data")
	if _, err := Restore(t.Context(), configOf(data), path); err != nil {
		t.Fatal(err)
	}
	n := openHome(t, data)
	b.connect(n)
	b.even(n)
	b.same(n, 60, ran, waiting)
	// Of advisories it is told a place above all that it fetched, so that it fetches what is left of them.
	if at := b.above(); at != cursor(n) || at.Compare(newest) <= 0 {
		t.Errorf("the site is told of %v; the controller is at %v, and was at %v", at, cursor(n), newest)
	}
	if got := b.records("command.receive"); got != received {
		t.Errorf("orders were taken %d times for %d commands", got, received)
	}
	if got := b.records("controller.restored"); got != 1 {
		t.Errorf("the site was told %d times", got)
	}
	task := func(id model.CommandID, host int) model.Task {
		v := b.rows.Store.View()
		defer v.Close()
		k, _, err := v.Task(id, hostID(host))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	if k := task(lost, 5); k.State != model.CommandQueued {
		t.Errorf("the command that the backup does not know is %+v", k)
	}

	// Both go on, and nothing is taken for old.
	n.dispatch(since, 6, oslo)
	n.advise("A", "three")
	b.moved(lost, 5, model.CommandDelivered)
	b.moved(waiting, 4, model.CommandSucceeded)
	b.even(n)
	b.moved(since, 6, model.CommandDelivered, model.CommandRunning, model.CommandSucceeded)
	b.hosts(0, 5, "again")
	b.even(n)
	b.same(n, 60, ran, waiting, since)
	if k := task(since, 6); b.above() != cursor(n) || k.State != model.CommandSucceeded {
		t.Errorf("above is %v, the command %+v", b.above(), k)
	}
	if c := cursor(n); c.Compare(newest) <= 0 {
		t.Errorf("the cursor went from %s to %s", newest, c)
	}
	b.connect(nil)
	b.connect(n) // a link more, and nothing is sent again
	heard := b.outbox.Head()
	b.hosts(0, 1, "last")
	b.even(n)
	if got := b.outbox.Head(); got != heard+1 {
		t.Errorf("%d items rose for one", got-heard)
	}

	// A node of the group as it was comes back.
	b.connect(nil)
	old := openHome(t, h.data)
	b.connect(old)
	until(t, "the old life is refused", func() string {
		if e := b.link.State().LastError; !strings.Contains(e, "holds directives of epoch 2, and \"hq\" is in epoch 1") {
			return e
		}
		return ""
	})
}
