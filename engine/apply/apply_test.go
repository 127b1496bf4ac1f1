package apply_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/audit"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// world is one server's rows, on a real store.
type world struct {
	t     *testing.T
	role  model.Role
	store *index.Store
	n     uint64
	at    model.Time

	version uint32 // of the log entries
}

func id(n byte) (v [16]byte) {
	v[0], v[6], v[8], v[15] = 1, 0x70, 0x80, n
	return v
}

var (
	groupID = model.NodeID(id(1))
	berlin  = model.SiteID(id(2))
	oslo    = model.SiteID(id(3))
	hostA   = model.HostID(id(10))
	hostB   = model.HostID(id(11))
)

func newWorld(t *testing.T, role model.Role, self model.NodeID) *world {
	t.Helper()
	s, err := index.Open(t.TempDir(), index.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, role: role, store: s, at: 1_700_000_000_000}
	w.must(model.Found{Stamp: w.stamp(), Self: self, Role: role, Name: "here"})
	return w
}

func (w *world) stamp() model.Stamp { return model.Stamp{Actor: "account:ann", At: w.at} }

// do applies the changes as one entry: all or nothing.
func (w *world) do(changes ...model.Change) ([]model.Item, error) {
	w.t.Helper()
	w.n++
	w.at += 1000
	tx := w.store.Begin()
	var up []model.Item
	for _, c := range changes {
		out, err := apply.Change(tx, apply.Env{Role: w.role, Version: w.version}, c)
		if err != nil {
			tx.Discard()
			return nil, err
		}
		up = append(up, out...)
	}
	if err := tx.Commit(w.n, false); err != nil {
		w.t.Fatal(err)
	}
	return up, nil
}

func (w *world) must(changes ...model.Change) []model.Item {
	w.t.Helper()
	up, err := w.do(changes...)
	if err != nil {
		w.t.Fatal(err)
	}
	return up
}

func (w *world) refused(kind fault.Kind, c model.Change) {
	w.t.Helper()
	if _, err := w.do(c); !fault.Is(err, kind) {
		w.t.Fatalf("%T: got %v, want an error of kind %s", c, err, kind)
	}
}

func look[T any](w *world, get func(*index.View) (T, error)) T {
	w.t.Helper()
	v := w.store.View()
	defer v.Close()
	got, err := get(v)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

func (w *world) host(id model.HostID) (h model.Host, ok bool) {
	h = look(w, func(v *index.View) (model.Host, error) {
		h, found, err := v.Host(id)
		ok = found
		return h, err
	})
	return h, ok
}

func (w *world) counts(s model.SiteID) model.SiteCounts {
	return look(w, func(v *index.View) (model.SiteCounts, error) { n, _, err := v.Counts(s); return n, err })
}

func (w *world) command(id model.CommandID) model.Command {
	return look(w, func(v *index.View) (model.Command, error) { c, _, err := v.Command(id); return c, err })
}

// audit returns the newest entry and verifies the whole chain on the way.
func (w *world) audit() model.AuditEntry {
	es := look(w, func(v *index.View) ([]model.AuditEntry, error) { return v.Audit(0, 1000) })
	var last model.AuditEntry
	for i := len(es) - 1; i >= 0; i-- {
		if err := audit.Verify(last, es[i]); err != nil {
			w.t.Fatal(err)
		}
		last = es[i]
	}
	return last
}

func (w *world) enrolled(kind model.MemberKind, member model.NodeID, name string) {
	w.t.Helper()
	m := model.Member{ID: member, Kind: kind, Name: name, TokenHash: "hash", TokenExpires: w.at + 1_000_000}
	inv := model.Invite{Stamp: w.stamp(), Member: m}
	if kind == model.MemberSite {
		inv.Site = &model.Site{ID: model.SiteID(member), Name: name}
	}
	w.must(inv)
	w.must(model.Enroll{Stamp: w.stamp(), Member: member, TokenHash: "hash", Pin: "pin-" + name})
}

func item(t *testing.T, seq model.Seq, kind model.ItemKind, key string, payload any) model.Item {
	t.Helper()
	i := model.Item{Seq: seq, Kind: kind, Key: key, AsOf: model.Time(1_700_000_000_000 + int64(seq))}
	if payload != nil {
		b, err := model.Encode(payload)
		if err != nil {
			t.Fatal(err)
		}
		i.Payload = b
	}
	return i
}

func (w *world) receive(origin model.NodeID, items ...model.Item) []model.Item {
	w.t.Helper()
	return w.must(model.Received{Stamp: w.stamp(), Origin: origin, Epoch: 1, Items: items})
}

func TestFoundOnceAndForAll(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	w.must(model.Found{Stamp: w.stamp(), Self: groupID, Role: model.RoleController, Name: "here"})
	w.refused(fault.Conflict, model.Found{Stamp: w.stamp(), Self: model.NodeID(id(9)), Role: model.RoleController})
}

func TestEnroll(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	member := model.NodeID(berlin)
	invite := model.Invite{
		Stamp: w.stamp(), Site: &model.Site{ID: berlin, Name: "berlin"},
		Member: model.Member{ID: member, Kind: model.MemberSite, Name: "berlin", TokenHash: "h1", TokenExpires: w.at + 60_000},
	}
	w.must(invite)
	enroll := model.Enroll{Stamp: w.stamp(), Member: member, TokenHash: "h1", Pin: "key-1"}

	other := invite
	other.Member.ID, other.Site = model.NodeID(oslo), &model.Site{ID: oslo, Name: "berlin"}
	w.refused(fault.Exists, other)

	wrong := enroll
	wrong.TokenHash = "guess"
	w.refused(fault.Denied, wrong)
	late := enroll
	late.At = invite.Member.TokenExpires + 1
	w.refused(fault.Expired, late)
	w.refused(fault.NotFound, model.Enroll{Stamp: w.stamp(), Member: model.NodeID(oslo), TokenHash: "h1", Pin: "key-1"})

	// A new token voids the old one.
	again := invite
	again.Member.TokenHash = "h2"
	w.must(again)
	w.refused(fault.Denied, enroll)
	enroll.TokenHash = "h2"
	w.must(enroll)
	m := look(w, func(v *index.View) (model.Member, error) { m, _, err := v.Member(member); return m, err })
	if m.Status != model.MemberEnrolled || m.TokenHash != "" || m.EnrolledAt == 0 || m.Pin != "key-1" || m.Epoch != 1 {
		t.Fatalf("after enrolling: %+v", m)
	}
	before := w.audit()
	w.must(enroll) // the answer was lost
	if w.audit().Seq != before.Seq {
		t.Fatal("a repeated enrollment wrote something")
	}
	thief := enroll
	thief.Pin = "key-2"
	w.refused(fault.Denied, thief)
	w.refused(fault.Conflict, again)
}

func TestHostRisesFromAgentToController(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	up := site.receive(model.NodeID(hostA), item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"}),
		item(t, 2, model.ItemPackages, hostA.String(), model.InventoryRef{Digest: "d1", PackageN: 7}))
	if len(up) != 2 || up[1].Kind != model.ItemHost || up[1].Key != hostA.String() {
		t.Fatalf("emitted %+v", up)
	}
	dirty := look(site, func(v *index.View) ([]string, error) { return v.DirtyDigests(10) })
	if fmt.Sprint(dirty) != "[d1]" {
		t.Fatalf("dirty inventories: %v", dirty)
	}
	if n := site.counts(berlin); n.Hosts != 1 || n.ByStatus["up"] != 1 {
		t.Fatalf("counts at the site: %+v", n)
	}

	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	for i := range up {
		up[i].Seq = model.Seq(i + 1)
	}
	for range 2 { // sent twice, stored once
		if out := hq.receive(model.NodeID(berlin), up...); out != nil {
			t.Fatal("a controller emitted something")
		}
	}
	h, ok := hq.host(hostA)
	if !ok || h.Site != berlin || h.Hostname != "a" || h.PackageN != 7 || h.PackagesAt == 0 || h.Status != model.HostUp {
		t.Fatalf("at the controller: %+v", h)
	}
	if n := hq.counts(berlin); n.Hosts != 1 || n.ByStatus["up"] != 1 || n.LastItem == 0 {
		t.Fatalf("counts at the controller: %+v", n)
	}
	at := look(hq, func(v *index.View) (model.Position, error) { return v.Watermark(model.NodeID(berlin)) })
	if at != (model.Position{Epoch: 1, Seq: 2}) {
		t.Fatalf("watermark %+v", at)
	}

	// A gone host leaves no count behind.
	hq.receive(model.NodeID(berlin), item(t, 3, model.ItemHostGone, hostA.String(), nil))
	if _, ok := hq.host(hostA); ok || hq.counts(berlin).Hosts != 0 || len(hq.counts(berlin).ByStatus) != 0 {
		t.Fatalf("after it was removed: %+v", hq.counts(berlin))
	}
}

func TestForeignHostIsRefusedAndTheRestGoesOn(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	hq.enrolled(model.MemberSite, model.NodeID(oslo), "oslo")
	hq.receive(model.NodeID(berlin), item(t, 1, model.ItemHost, hostA.String(), model.Host{ID: hostA, Facts: model.Facts{Hostname: "a"}}))
	hq.receive(model.NodeID(oslo),
		item(t, 1, model.ItemHost, hostA.String(), model.Host{ID: hostA, Site: oslo, Facts: model.Facts{Hostname: "stolen"}}),
		item(t, 2, model.ItemHostGone, hostA.String(), nil),
		model.Item{Seq: 3, Kind: model.ItemHost, Key: hostB.String(), Payload: []byte(`{"id":7}`)},
		item(t, 4, model.ItemAdvisory, "x/y", model.Advisory{}),
		item(t, 5, model.ItemHost, hostB.String(), model.Host{ID: hostB, Facts: model.Facts{Hostname: "b"}}))
	if h, ok := hq.host(hostA); !ok || h.Site != berlin || h.Hostname != "a" {
		t.Fatalf("another site wrote the row: %+v", h)
	}
	if h, ok := hq.host(hostB); !ok || h.Site != oslo {
		t.Fatalf("the item behind the refused ones was lost: %+v", h)
	}
	refused := 0
	for _, e := range look(hq, func(v *index.View) ([]model.AuditEntry, error) { return v.Audit(0, 100) }) {
		if e.Action == "item.refuse" && !e.OK {
			refused++
		}
	}
	if refused != 4 {
		t.Fatalf("%d refusals in the audit record, want 4", refused)
	}
	hq.audit()
	hq.refused(fault.Denied, model.Received{Stamp: hq.stamp(), Origin: model.NodeID(id(99)), Epoch: 1, Items: []model.Item{item(t, 1, model.ItemHostGone, hostA.String(), nil)}})
}

func TestAgentSpeaksForItsOwnHostOnly(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	gateway := model.NodeID(id(50))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	site.enrolled(model.MemberGateway, gateway, "gw")
	site.receive(model.NodeID(hostA), item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"}),
		item(t, 2, model.ItemFacts, hostB.String(), model.Facts{Hostname: "not mine"}))
	site.receive(gateway, item(t, 1, model.ItemFacts, hostB.String(), model.Facts{Hostname: "b"}),
		item(t, 2, model.ItemFacts, hostA.String(), model.Facts{Hostname: "not mine"}))
	a, _ := site.host(hostA)
	b, _ := site.host(hostB)
	if a.Hostname != "a" || a.Agent != model.NodeID(hostA) || b.Hostname != "b" || b.Agent != gateway {
		t.Fatalf("a: %+v\nb: %+v", a, b)
	}
}

func TestCommandGoesDownAndItsResultComesUp(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	var seq model.Seq
	rise := func(up []model.Item) {
		t.Helper()
		for i := range up {
			seq++
			up[i].Seq = seq
		}
		hq.receive(model.NodeID(berlin), up...)
	}
	rise(site.receive(model.NodeID(hostA), item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"})))

	cid := model.CommandID(id(77))
	order := model.Dispatch{
		Stamp: hq.stamp(), Hosts: []model.HostID{hostA},
		Command: model.Command{ID: cid, Kind: model.CommandPing, Site: berlin, ExpiresAt: hq.at + 1e8},
	}
	none := order
	none.Hosts = nil
	hq.refused(fault.Invalid, none)
	stranger := order
	stranger.Hosts = []model.HostID{hostB}
	hq.refused(fault.NotFound, stranger)
	odd := order
	odd.Command.Kind = "rm -rf"
	hq.refused(fault.Invalid, odd)
	hq.must(order)
	hq.must(order)
	if c := hq.command(cid); c.State != model.CommandQueued || c.Targets() != 1 || c.SiteAt != 0 {
		t.Fatalf("dispatched: %+v", c)
	}
	down := look(hq, func(v *index.View) ([]model.Item, error) {
		items, _, err := v.Directives(model.NodeID(berlin), 0, 10, 1<<20, true)
		return items, err
	})
	rise(site.receive(groupID, down...))
	if c := hq.command(cid); c.SiteAt == 0 {
		t.Fatalf("the site has it, the controller does not know: %+v", c)
	}
	toAgent := look(site, func(v *index.View) ([]model.Item, error) {
		items, _, err := v.Directives(model.NodeID(hostA), 0, 10, 1<<20, false)
		return items, err
	})
	if len(toAgent) != 1 || toAgent[0].Kind != model.ItemOrder {
		t.Fatalf("to the agent: %+v", toAgent)
	}
	for i, s := range []model.CommandState{model.CommandDelivered, model.CommandRunning, model.CommandSucceeded} {
		m := model.Move{Command: cid, Host: hostA, State: s, At: site.at, Output: "pong"}
		it := item(t, model.Seq(2+i), model.ItemMove, cid.String()+string(s), m)
		rise(site.receive(model.NodeID(hostA), it))
		if c := hq.command(cid); c.State != s || c.TaskN[s] != 1 || len(c.TaskN) != 1 {
			t.Fatalf("after %s: %+v", s, c)
		}
	}
	back := model.Move{Command: cid, Host: hostA, State: model.CommandFailed, At: site.at}
	if up := site.receive(model.NodeID(hostA), item(t, 9, model.ItemMove, "again", back)); len(up) != 0 {
		t.Fatalf("an illegal move went up: %+v", up)
	}
	if e := site.audit(); e.Action != "item.refuse" || e.OK {
		t.Fatalf("an illegal move left no trace: %+v", e)
	}
	for _, w := range []*world{hq, site} {
		left := look(w, func(v *index.View) ([]model.Item, error) {
			to := model.NodeID(berlin)
			if w == site {
				to = model.NodeID(hostA)
			}
			items, _, err := v.Directives(to, 0, 10, 1<<20, false)
			return items, err
		})
		if len(left) != 0 {
			t.Fatalf("%s still sends an ended command: %+v", w.role, left)
		}
	}
}

func TestMatchedCountsRise(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	site.receive(model.NodeID(hostA), item(t, 1, model.ItemPackages, hostA.String(), model.InventoryRef{Digest: "d1", PackageN: 1}))
	match := model.Match{Digest: "d1", At: site.at, Counts: model.SeverityCounts{High: 2}}
	site.must(model.Generation{Stamp: site.stamp()})
	dirty := func() int {
		return len(look(site, func(v *index.View) ([]string, error) { return v.DirtyDigests(10) }))
	}
	if up := site.must(model.Matched{Stamp: site.stamp(), Matches: []model.Match{match}}); len(up) != 1 || dirty() != 1 {
		t.Fatalf("a match of an older generation: %d items up, %d dirty; want 1 and 1", len(up), dirty())
	}
	match.Generation = 1
	if up := site.must(model.Matched{Stamp: site.stamp(), Matches: []model.Match{match}}); len(up) != 0 || dirty() != 0 {
		t.Fatalf("the same counts again: %d items up, %d dirty; want none", len(up), dirty())
	}
	h, _ := site.host(hostA)
	if h.Exposure.High != 2 || h.ExposureAt == 0 {
		t.Fatalf("%+v", h)
	}
	// Another inventory: what was known no longer holds, and the old match is forgotten.
	site.receive(model.NodeID(hostA), item(t, 2, model.ItemPackages, hostA.String(), model.InventoryRef{Digest: "d2", PackageN: 2}))
	if h, _ = site.host(hostA); h.ExposureAt != 0 || h.Exposure != (model.SeverityCounts{}) || dirty() != 1 {
		t.Fatalf("after another inventory: %+v", h)
	}
	old := look(site, func(v *index.View) (bool, error) { _, ok, err := v.Match("d1"); return ok, err })
	if old {
		t.Fatal("the findings of an inventory that no host has were kept")
	}
}

func TestResyncSendsEveryRow(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	gw := model.NodeID(id(50))
	site.enrolled(model.MemberGateway, gw, "gw")
	site.receive(gw, item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"}), item(t, 2, model.ItemFacts, hostB.String(), model.Facts{Hostname: "b"}))
	site.must(model.Rollup{Stamp: site.stamp()})
	if up := site.must(model.Resync{Stamp: site.stamp()}); len(up) != 5 {
		t.Fatalf("%d items, want two hosts, the roll-up, that there are no alerts and which policies are held: %+v", len(up), up)
	}
}

func TestJudgedRisesWithoutTheRows(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	site.receive(model.NodeID(hostA), item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"}))
	all := model.HostStatuses{Stamp: site.stamp(), All: true}
	up := site.must(all)
	if len(up) != 1 || up[0].Kind != model.ItemJudged || site.counts(berlin).JudgedAt != all.At {
		t.Fatalf("%+v, counts %+v", up, site.counts(berlin))
	}
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	up[0].Seq = 1
	hq.at = site.at
	hq.receive(model.NodeID(berlin), up...)
	if n := hq.counts(berlin); n.JudgedAt != all.At || n.LastItem == 0 {
		t.Fatalf("at the controller: %+v", n)
	}
}

func TestLabelOfAKeyStaysAtTheSite(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.must(model.TrustSigner{Stamp: site.stamp(), Key: model.SignerKey{ID: "k", Name: "mine", Public: "p"}})
	site.receive(groupID, item(t, 1, model.ItemSigner, "k", model.SignerKey{ID: "k", Name: "theirs", Public: "p"}))
	k := look(site, func(v *index.View) (model.SignerKey, error) { k, _, err := v.Signer("k"); return k, err })
	if k.Name != "mine" {
		t.Fatalf("the key is now called %q", k.Name)
	}
}
