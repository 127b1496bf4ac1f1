package apply_test

import (
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// backup returns a world of the rows as they are now.
func (w *world) backup() *world {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), "rows")
	if err := w.store.Checkpoint(dir); err != nil {
		w.t.Fatal(err)
	}
	s, err := index.Open(filepath.Join(filepath.Dir(dir), "index"), index.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.t.Error(err)
		}
	})
	if err := s.Replace(dir); err != nil {
		w.t.Fatal(err)
	}
	return &world{t: w.t, role: w.role, store: s, n: w.n, at: w.at}
}

var (
	newNode = model.NodeID(id(90))
	oldNode = model.NodeID(id(91))
)

func (w *world) restore(at model.Time) (model.Life, error) {
	w.t.Helper()
	tx := w.store.Begin()
	defer tx.Discard()
	l, err := apply.Restore(tx, apply.Restored{
		Stamp: model.Stamp{Actor: "system", At: at}, From: w.at,
		Node: model.Member{ID: newNode, Kind: model.MemberController, Name: "one", Pin: "pin-new", Epoch: 1, Address: "a:1"},
	})
	if err != nil {
		return l, err
	}
	return l, tx.Commit(w.n, true)
}

func (w *world) down(to model.NodeID, after model.Seq) []model.Item {
	return look(w, func(v *index.View) ([]model.Item, error) {
		items, _, err := v.Directives(to, after, 100, 1<<20, true)
		return items, err
	})
}

func (w *world) head() model.Seq {
	return look(w, func(v *index.View) (model.Seq, error) { return v.DirectiveHead() })
}

func advisory(name, summary string) model.Advisory {
	return model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "osv", ID: name}, Summary: summary}
}

func TestRestoreBeginsAnotherLife(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	hq.must(model.PutController{Stamp: hq.stamp(), Member: oldNode, Name: "one", Address: "a:1", Pin: "pin-old"})
	hq.must(model.Advisories{Stamp: hq.stamp(), Put: []model.Advisory{advisory("A", "one")}})
	hq.must(model.PutAccount{Stamp: hq.stamp(), Account: model.Account{Name: "ann", PasswordHash: "x"}})
	hq.must(model.PutSession{Stamp: hq.stamp(), Session: model.Session{ID: model.SessionID(id(5)), Account: "ann", ExpiresAt: hq.at + 1e9}})
	if l := look(hq, func(v *index.View) (model.Life, error) { return v.Life() }); l.Epoch != 1 {
		t.Fatalf("the first life: %+v", l)
	}
	was, entries := hq.head(), hq.audit().Seq
	const now = model.Time(1_800_000_000_000)
	w := hq.backup()
	// What the group did behind the backup: its numbers must not come again.
	hq.must(model.Advisories{Stamp: hq.stamp(), Put: []model.Advisory{advisory("A", "two")}})
	l, err := w.restore(now)
	if err != nil || l != (model.Life{Epoch: 2, At: now, From: w.at, Node: newNode}) {
		t.Fatalf("%+v, %v", l, err)
	}
	if got := look(w, func(v *index.View) (model.Life, error) { return v.Life() }); got != l {
		t.Errorf("kept %+v of %+v", got, l)
	}
	if e := w.audit(); e.Action != "group.restore" || !e.OK || e.Seq != entries+1 || e.Detail["epoch"] != "2" {
		t.Errorf("the audit record ends with %+v", e)
	}
	for _, m := range look(w, func(v *index.View) ([]model.Member, error) { return v.Members("") }) {
		want := model.MemberEnrolled
		if m.ID == oldNode {
			want = model.MemberRemoved
		}
		if m.Status != want {
			t.Errorf("%s is %s", m.Name, m.Status)
		}
	}
	if n := look(w, func(v *index.View) (n int, err error) {
		return n, v.EachSession(func(model.Session) error { n++; return nil })
	}); n != 0 {
		t.Errorf("%d logins from before the restore hold", n)
	}
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{advisory("A", "new")}}, model.Generation{Stamp: w.stamp()})
	shelf := func(w *world) apply.Shelf {
		return look(w, func(v *index.View) (apply.Shelf, error) { return v.Shelf() })
	}
	for _, n := range [][2]model.Seq{{hq.head(), w.head()}, {shelf(hq).Cursor.Seq, shelf(w).Cursor.Seq}} {
		if n[1] < n[0]+1_000_000 || n[1] >= 1<<53 {
			t.Errorf("numbers went from %d to %d; they are to be far apart, and no more than a reader of JSON can hold", n[0], n[1])
		}
	}
	items := w.down(model.NodeID(berlin), was)
	if len(items) != 2 || items[0].Kind != model.ItemRestored || items[1].Kind != model.ItemShelf {
		t.Errorf("what goes down to a site that held everything: %+v", items)
	}
	if r, err := w.store.Check(t.Context()); err != nil || !r.OK() {
		t.Errorf("%+v, %v", r, err)
	}
	before := w.head()
	if l, err := w.restore(now); err != nil || l.Epoch != 3 || w.head() < before+1_000_000 {
		t.Errorf("restored again: %+v, directives go on at %d after %d, %v", l, w.head(), before, err)
	}
	// Two restores of one backup number differently.
	one, two := hq.backup(), hq.backup()
	for i, w := range []*world{one, two} {
		if _, err := w.restore(now + model.Time(i)*1000); err != nil {
			t.Fatal(err)
		}
	}
	if two.head() < one.head()+1_000_000 {
		t.Errorf("directives go on at %d and at %d", one.head(), two.head())
	}
	// A clock that lost its battery does not bring numbers back.
	late := hq.backup()
	before = late.head()
	if _, err := late.restore(5); err != nil || late.head() < before+1_000_000 {
		t.Errorf("from %d to %d, %v", before, late.head(), err)
	}
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	if _, err := site.restore(now); !fault.Is(err, fault.Invalid) {
		t.Errorf("rows of a site: %v", err)
	}
}

// A command that went on behind the backup: the site says how far it came, and neither side does anything twice.
func TestARestoredControllerLearnsOfItsCommands(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	site.enrolled(model.MemberHost, model.NodeID(hostA), "a")
	var seq model.Seq
	rise := func(to *world, up []model.Item) {
		t.Helper()
		for i := range up {
			seq++
			up[i].Seq = seq
		}
		to.receive(model.NodeID(berlin), up...)
	}
	rise(hq, site.receive(model.NodeID(hostA), item(t, 1, model.ItemFacts, hostA.String(), model.Facts{Hostname: "a"})))
	dispatch := func(n byte) model.CommandID {
		cid := model.CommandID(id(n))
		hq.must(model.Dispatch{Stamp: hq.stamp(), Hosts: []model.HostID{hostA}, Command: model.Command{ID: cid, Kind: model.CommandPing, Site: berlin, ExpiresAt: hq.at + 1e8}})
		return cid
	}
	run, waiting := dispatch(77), dispatch(78)
	held := model.Seq(1)
	deliver := func(from *world, epoch model.Epoch, items []model.Item) []model.Item {
		t.Helper()
		held = items[len(items)-1].Seq
		return site.must(model.Received{Stamp: site.stamp(), Origin: groupID, Epoch: epoch, Items: items})
	}
	old := hq.backup()
	rise(hq, deliver(hq, 1, hq.down(model.NodeID(berlin), 0)[:1])) // the first alone
	lost := dispatch(79)
	deliver(hq, 1, hq.down(model.NodeID(berlin), held)[1:]) // the last; what the site says of it gets lost
	for i, s := range []model.CommandState{model.CommandDelivered, model.CommandRunning, model.CommandSucceeded} {
		m := model.Move{Command: run, Host: hostA, State: s, At: site.at, Output: "pong"}
		rise(hq, site.receive(model.NodeID(hostA), item(t, model.Seq(2+i), model.ItemMove, run.String()+string(s), m)))
	}
	if c := hq.command(run); c.State != model.CommandSucceeded {
		t.Fatalf("%+v", c)
	}
	if _, err := old.restore(1_800_000_000_000); err != nil {
		t.Fatal(err)
	}
	before := site.audit().Seq
	down := old.down(model.NodeID(berlin), held)
	up := deliver(old, 2, down)
	rise(old, up)
	for _, cid := range []model.CommandID{run, waiting} {
		want, got := site.command(cid), old.command(cid)
		if got.State != want.State || !reflect.DeepEqual(got.TaskN, want.TaskN) || got.SiteAt != want.SiteAt {
			t.Errorf("the site has %+v, the controller %+v", want, got)
		}
		task := func(w *world) model.Task {
			return look(w, func(v *index.View) (model.Task, error) { k, _, err := v.Task(cid, hostA); return k, err })
		}
		a, b := task(site), task(old)
		if a.History, b.History = a.History[1:], b.History[1:]; !reflect.DeepEqual(a, b) { // each queued it in its own time
			t.Errorf("the site has %+v, the controller %+v", a, b)
		}
	}
	if c := old.command(run); c.State != model.CommandSucceeded {
		t.Errorf("%+v", c)
	}
	// What the group said behind the backup holds at the site, and what comes of it does no harm above.
	if c := site.command(lost); c.State != model.CommandQueued {
		t.Errorf("the command that the backup does not know is %+v", c)
	}
	rise(old, site.receive(model.NodeID(hostA), item(t, 9, model.ItemMove, "x", model.Move{Command: lost, Host: hostA, State: model.CommandDelivered, At: site.at})))
	if e := old.audit(); e.Action != "item.refuse" {
		t.Errorf("%+v", e)
	}
	// Once more changes nothing: the directive of what has ended is gone, and the numbers are held.
	if again := old.down(model.NodeID(berlin), held); len(again) != 0 {
		t.Errorf("still to be sent: %+v", again)
	}
	said := 0
	for _, e := range look(site, func(v *index.View) ([]model.AuditEntry, error) { return v.Audit(0, 1000) }) {
		if e.Seq > before && e.Action == "controller.restored" {
			said++
		}
		if e.Seq > before && e.Action == "command.receive" && e.Object != waiting.String() {
			t.Errorf("received twice: %+v", e)
		}
	}
	if said != 1 {
		t.Errorf("the site's record says %d times that the controller was restored", said)
	}
	if up := deliver(old, 2, down); len(up) != 0 {
		t.Errorf("the same run again sent up %+v", up)
	}
}

// A controller of before sends each record by itself: that is refused with the way out, and does not stop what is behind it.
func TestASiteTakesNoSingleRecords(t *testing.T) {
	site := newWorld(t, model.RoleSite, model.NodeID(berlin))
	a := advisory("A", "one")
	a.Cursor = model.Cursor{At: 1_700_000_000_000, Seq: 1}
	b := a
	b.Cursor = model.Cursor{At: 1_700_000_000_000, Seq: 2}
	above := model.Cursor{At: 1_700_000_000_001, Seq: 3}
	state := func() apply.Shelf {
		return look(site, func(v *index.View) (apply.Shelf, error) { return v.Shelf() })
	}
	site.must(model.Received{Stamp: site.stamp(), Origin: groupID, Epoch: 1, Items: []model.Item{
		item(t, 1, model.ItemAdvisoryGone, a.AdvisoryKey.String(), b), item(t, 2, model.ItemAdvisory, a.AdvisoryKey.String(), a),
		item(t, 3, model.ItemGeneration, "generation", nil),
	}})
	if got := state().Above; got != b.Cursor { // so that this site knows that it is behind
		t.Errorf("above is %v, and %v was sent", got, b.Cursor)
	}
	site.must(model.Received{Stamp: site.stamp(), Origin: groupID, Epoch: 1, Items: []model.Item{
		item(t, 4, model.ItemShelf, "shelf", above), item(t, 5, model.ItemGeneration, "generation", nil),
	}})
	shelf := state()
	if shelf.AdvisoryN != 0 || shelf.Generation != 0 || len(shelf.Imported) != 0 || shelf.Above != above {
		t.Errorf("%+v", shelf)
	}
	if e := site.audit(); e.Action != "item.refuse" || !strings.Contains(e.Reason, "upgrade the controller") {
		t.Errorf("%+v", e)
	}
}

func TestOvertakenIsKept(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	ahead := func() model.Position {
		m := look(hq, func(v *index.View) (model.Member, error) { m, _, err := v.Member(model.NodeID(berlin)); return m, err })
		return m.Ahead
	}
	say := func(epoch model.Epoch, seq model.Seq) model.Overtaken {
		return model.Overtaken{Stamp: hq.stamp(), Member: model.NodeID(berlin), Held: model.Position{Epoch: epoch, Seq: seq}}
	}
	hq.refused(fault.Invalid, say(0, 9))
	hq.refused(fault.NotFound, model.Overtaken{Stamp: hq.stamp(), Member: newNode, Held: model.Position{Epoch: 1, Seq: 1}})
	hq.must(say(1, 9))
	entry := hq.audit()
	hq.must(say(1, 12)) // one that dials again and again does not fill the record
	if got := ahead(); got != (model.Position{Epoch: 1, Seq: 9}) || hq.audit().Seq != entry.Seq || entry.OK || entry.Action != "site.ahead" {
		t.Errorf("%+v, %+v", got, entry)
	}
	hq.must(say(2, 3))
	if got := ahead(); got != (model.Position{Epoch: 2, Seq: 3}) {
		t.Errorf("%+v", got)
	}
}

// Sites are told of a place in the log above all that the lost life gave out, so that they fetch what is left of it.
func TestRestoredAdvisoriesAreToldAnew(t *testing.T) {
	w := newWorld(t, model.RoleController, groupID)
	w.must(w.stage("one", 0, []model.Advisory{record("osv", "A")}), w.commit("one", 1))
	old := w.backup()
	w.must(w.stage("two", 0, []model.Advisory{record("osv", "B")}), w.commit("two", 1))
	lost := w.shelf().Cursor
	if _, err := old.restore(w.at); err != nil {
		t.Fatal(err)
	}
	if s := old.shelf(); s.Cursor.Compare(lost) <= 0 || s.AdvisoryN != 1 {
		t.Errorf("%+v, and %v was given out", s, lost)
	}
	for _, it := range old.down(model.NodeID(berlin), 0) {
		if it.Kind == model.ItemShelf {
			return
		}
	}
	t.Error("nobody is told")
}
