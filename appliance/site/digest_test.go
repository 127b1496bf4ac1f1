package site

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/clock"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/storage/queue"
	"github.com/skerryhq/skerry/sync/compare"
	"github.com/skerryhq/skerry/sync/uplink"
)

// twoTiers is a site and a controller with the stores that they really have, and a line that carries what is asked of it.
type twoTiers struct {
	t    *testing.T
	site *site
	hq   *store
	sent int // items that rose
}

func newTwoTiers(t *testing.T, hosts int) *twoTiers {
	t.Helper()
	dir, self := t.TempDir(), model.NodeID(newID(1))
	rows, err := index.Open(filepath.Join(dir, "index"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := queue.Open(filepath.Join(dir, "outbox.db"), queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{log: quiet, rows: serve.Rows{Store: rows}, outbox: out, clock: clock.Open(clock.Config{Path: filepath.Join(dir, "clock.json")})}
	s.id.Member, s.id.Upper = self, newID(2)
	s.prop = uplink.NewProposer(uplink.ProposerConfig{
		Begin: func() uplink.SiteTx { return rows.Begin() }, Applied: rows.Applied(), Outbox: out, Log: quiet,
		Apply: func(tx apply.Tx, c model.Change) ([]model.Item, error) {
			return apply.Change(tx, apply.Env{Role: model.RoleSite}, c)
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.prop.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = out.Close()
		_ = rows.Close()
	})
	w := &twoTiers{t: t, site: s, hq: openStore(t, filepath.Join(dir, "hq"), newID(2), model.RoleController)}
	t.Cleanup(func() { _ = w.hq.Close() })
	oslo := model.Member{ID: self, Kind: model.MemberSite, Name: "oslo", TokenHash: "t", TokenExpires: stamp().At + 1e6}
	w.do(w.hq.Propose(t.Context(), model.Invite{Stamp: stamp(), Member: oslo, Site: &model.Site{ID: model.SiteID(self), Name: "oslo"}},
		model.Enroll{Stamp: stamp(), Member: self, TokenHash: "t", Pin: "pin"}))
	w.do(s.prop.Propose(t.Context(), model.Found{Stamp: stamp(), Self: self, Role: model.RoleSite, Name: "oslo"}))
	gateway := model.Member{ID: newID(200), Kind: model.MemberGateway, Name: "g", TokenHash: "t", TokenExpires: stamp().At + 1e6}
	w.do(s.prop.Propose(t.Context(), model.Invite{Stamp: stamp(), Member: gateway}, model.Enroll{Stamp: stamp(), Member: gateway.ID, TokenHash: "t", Pin: "g"}))
	var reports []model.Item
	for i := range hosts {
		raw, err := model.Encode(model.Facts{Hostname: fmt.Sprintf("till-%d", i)})
		w.do(err)
		reports = append(reports, model.Item{Seq: model.Seq(i + 1), Kind: model.ItemFacts, Key: hostN(i).String(), AsOf: stamp().At, Payload: raw})
	}
	w.do(s.prop.Propose(t.Context(), model.Received{Stamp: stamp(), Origin: gateway.ID, Epoch: 1, Items: reports}))
	w.carry()
	return w
}

func hostN(i int) (id model.HostID) { id = newID(byte(i)); id[1], id[14] = 7, byte(i>>8); return id }

func (w *twoTiers) do(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// carry brings up all that waits in the outbox.
func (w *twoTiers) carry() {
	w.t.Helper()
	q := w.site.outbox
	items, err := q.After(q.Dropped(), 1<<20, 1<<30)
	w.do(err)
	if len(items) == 0 {
		return
	}
	w.do(w.hq.Propose(w.t.Context(), model.Received{Stamp: stamp(), Origin: w.site.id.Member, Epoch: q.Epoch(), Items: items}))
	w.do(q.DropThrough(items[len(items)-1].Seq))
	w.sent += len(items)
}

// plant writes a row behind everybody's back.
func plant(t *testing.T, rows *index.Store, fn func(tx *index.Tx) error) {
	t.Helper()
	tx := rows.Begin()
	defer tx.Discard()
	if err := fn(tx); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(rows.Applied(), true); err != nil {
		t.Fatal(err)
	}
}

func (w *twoTiers) comparer(asked *int) *compare.Comparer {
	return compare.New(compare.Config{
		Linked: func() []model.NodeID { return []model.NodeID{w.site.id.Member} },
		Ask: func(ctx context.Context, _ model.NodeID, route string, params map[string]string) ([]byte, error) {
			*asked++
			answer := w.site.answerDigest
			if route == model.RouteRepair {
				answer = w.site.answerRepair
			}
			a, err := answer(ctx, params)
			if err != nil {
				return nil, err
			}
			return model.Encode(a)
		},
		EachHost: func(fn func(model.Host) error) error { v := w.hq.Store.View(); defer v.Close(); return v.EachHost(fn) },
		Host: func(id model.HostID) (model.Host, bool, error) {
			v := w.hq.Store.View()
			defer v.Close()
			return v.Host(id)
		},
		Now: time.Now, Settle: time.Millisecond, Log: quiet,
	})
}

// TestDifferencesAreMended: whatever differs between a site and its controller's copy, at either end, is found and sent
// again, and nothing else is.
func TestDifferencesAreMended(t *testing.T) {
	w := newTwoTiers(t, 300)
	asked := 0
	c := w.comparer(&asked)
	before := w.sent
	w.do(c.Once(t.Context()))
	if w.carry(); w.sent != before || asked != 1 {
		t.Fatalf("where nothing differs, %d items rose after %d questions", w.sent-before, asked)
	}
	change := func(id model.HostID, to string) func(tx *index.Tx) error {
		return func(tx *index.Tx) error {
			h, ok, err := tx.Host(id)
			if err != nil || !ok {
				return fmt.Errorf("no host %s: %w", id, err)
			}
			h.Owner = to
			return tx.PutHost(h)
		}
	}
	ghost := model.Host{ID: hostN(9999), Site: model.SiteID(w.site.id.Member), Agent: newID(200), Status: model.HostUp}
	ghost.Hostname = "ghost"
	plant(t, w.hq.Store, change(hostN(5), "nobody"))                                   // the copy differs
	plant(t, w.hq.Store, func(tx *index.Tx) error { return tx.DeleteHost(hostN(17)) }) // the copy is missing
	plant(t, w.hq.Store, func(tx *index.Tx) error { return tx.PutHost(ghost) })        // a copy of nothing
	plant(t, w.site.rows.Store, change(hostN(42), "someone"))                          // what it is a copy of differs
	for range 64/8 + 1 {                                                               // a comparison looks into 8 groups of 64
		w.do(c.Once(t.Context()))
		w.carry()
	}
	if n := w.sent - before; n != 4 {
		t.Errorf("%d items rose for 4 differences", n)
	}
	v, u := w.hq.Store.View(), w.site.rows.Store.View()
	defer v.Close()
	defer u.Close()
	n := 0
	w.do(u.EachHost(func(h model.Host) error {
		n++
		copied, ok, err := v.Host(h.ID)
		if err != nil || !ok {
			t.Errorf("host %s is missing: %v", h.ID, err)
			return err
		}
		a, err := inventory.Digest(h)
		w.do(err)
		b, err := inventory.Digest(copied)
		w.do(err)
		if a != b {
			t.Errorf("host %s still differs", h.ID)
		}
		return nil
	}))
	if _, ok, _ := v.Host(ghost.ID); ok || n != 300 {
		t.Errorf("%d hosts; the ghost is there: %v", n, ok)
	}
}

// TestWhatIsOnItsWayIsNoDifference: rows that wait in the outbox differ, and come by themselves.
func TestWhatIsOnItsWayIsNoDifference(t *testing.T) {
	w := newTwoTiers(t, 20)
	raw, err := model.Encode(model.Facts{Hostname: "renamed"})
	w.do(err)
	w.do(w.site.prop.Propose(t.Context(), model.Received{Stamp: stamp(), Origin: newID(200), Epoch: 1, Items: []model.Item{
		{Seq: 1000, Kind: model.ItemFacts, Key: hostN(3).String(), AsOf: stamp().At + 1, Payload: raw},
	}}))
	asked, repairs := 0, 0
	c := w.comparer(&asked)
	cut := compare.New(compare.Config{
		Linked: func() []model.NodeID { return []model.NodeID{w.site.id.Member} },
		Ask: func(ctx context.Context, _ model.NodeID, route string, params map[string]string) ([]byte, error) {
			if route == model.RouteRepair {
				repairs++
			}
			a, err := w.site.answerDigest(ctx, params)
			if err != nil {
				return nil, err
			}
			if params[model.ParamBucket] != "" {
				w.carry() // it comes while the difference settles
			}
			return model.Encode(a)
		},
		EachHost: func(fn func(model.Host) error) error { v := w.hq.Store.View(); defer v.Close(); return v.EachHost(fn) },
		Host: func(id model.HostID) (model.Host, bool, error) {
			v := w.hq.Store.View()
			defer v.Close()
			return v.Host(id)
		},
		Now: time.Now, Settle: time.Millisecond, Log: quiet,
	})
	for range 9 {
		w.do(cut.Once(t.Context()))
	}
	if repairs != 0 {
		t.Errorf("%d repairs", repairs)
	}
	before := w.sent
	w.do(c.Once(t.Context()))
	if w.carry(); w.sent != before {
		t.Errorf("%d items rose", w.sent-before)
	}
}

// TestWhatWaitsIsNotMended: rows that wait for the window are neither asked for nor sent once more, and nobody is told
// that they were mended; what is damaged beside them is.
func TestWhatWaitsIsNotMended(t *testing.T) {
	w := newTwoTiers(t, 300)
	asked := 0
	c := w.comparer(&asked)
	var hosts []model.HostStatusAt
	for i := range 299 {
		hosts = append(hosts, model.HostStatusAt{Host: hostN(i), Status: model.HostDown})
	}
	w.do(w.site.prop.Propose(t.Context(), model.HostStatuses{Stamp: stamp(), Hosts: hosts}))
	plant(t, w.hq.Store, func(tx *index.Tx) error { return tx.DeleteHost(hostN(299)) })
	entries := func() model.Seq {
		v := w.site.rows.Store.View()
		defer v.Close()
		e, _, err := v.LastAudit()
		w.do(err)
		return e.Seq
	}
	was, waited := entries(), w.site.outbox.Len()
	for range inventory.DigestBuckets / 8 {
		w.do(c.Once(t.Context()))
	}
	if n := entries() - was; n != 1 {
		t.Errorf("%d audit entries for one damaged row", n)
	}
	if n := w.site.outbox.Len() - waited; n != 1 {
		t.Errorf("%d items were added to the outbox for one damaged row", n)
	}
	waits := hostN(5)
	a, err := w.site.answerRepair(t.Context(), map[string]string{model.ParamHosts: waits.String()})
	w.do(err)
	if done := a.(model.Repaired); len(done.Waiting) != 1 || done.Waiting[0] != waits || done.Sent+done.Gone != 0 {
		t.Errorf("asked for a row that waits, it answers %+v", done)
	}
	w.carry()
	seen := asked
	for range inventory.DigestBuckets / 8 {
		w.do(c.Once(t.Context()))
	}
	if n := asked - seen; n != inventory.DigestBuckets/8 {
		t.Errorf("with all carried up, %d questions in %d comparisons", n, inventory.DigestBuckets/8)
	}
}

// TestGatheringEnds: an agent that was let in and never reports keeps a site gathering for some hours after its start.
func TestGatheringEnds(t *testing.T) {
	w := newTwoTiers(t, 1)
	m := model.Member{ID: newID(77), Kind: model.MemberHost, Name: "silent", TokenHash: "s", TokenExpires: stamp().At + 1e6}
	w.do(w.site.prop.Propose(t.Context(), model.Invite{Stamp: stamp(), Member: m}, model.Enroll{Stamp: stamp(), Member: m.ID, TokenHash: "s", Pin: "s"}))
	for _, tc := range []struct {
		up   time.Duration
		want bool
	}{{0, true}, {gatherFor - time.Minute, true}, {gatherFor, false}} {
		w.site.started = time.Now().Add(-tc.up)
		a, err := w.site.answerDigest(t.Context(), nil)
		w.do(err)
		if got := a.(model.DigestAnswer).Gathering; got != tc.want {
			t.Errorf("%s after its start it says %v", tc.up, got)
		}
	}
}
