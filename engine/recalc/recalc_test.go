package recalc

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

// world is a site's store with hosts, and the recalculation on it, one drain at a time.
type world struct {
	t      testing.TB
	store  *index.Store
	r      *recalc
	n      uint64
	now    model.Time
	bodies map[string]model.Inventory
	self   model.NodeID
	seq    map[model.HostID]model.Seq
	asked  int // bodies
	judged int // Lookups proposed
	parts  int // matches proposed with their parts
	read   int // changes of records
}

// countedView is a View that counts what is read of the changes of records.
type countedView struct {
	*index.View
	w *world
}

func (v countedView) AdvisoriesAfter(c model.Cursor, fn func(model.AdvisoryChange) error) error {
	return v.View.AdvisoriesAfter(c, func(change model.AdvisoryChange) error {
		v.w.read++
		return fn(change)
	})
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: 1_800_000_000_000, bodies: map[string]model.Inventory{}, self: model.NodeID(id(1)), seq: map[model.HostID]model.Seq{}}
	var err error
	if w.store, err = index.Open(filepath.Join(t.TempDir(), "index"), index.Options{Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.must(model.Found{Stamp: w.stamp(), Self: w.self, Role: model.RoleSite, Name: "berlin"})
	w.start()
	return w
}

func id(n byte) (v [16]byte) {
	v[0], v[6], v[8], v[15] = 1, 0x70, 0x80, n
	return v
}

// start makes a recalculation that knows nothing yet.
func (w *world) start() {
	w.r = newRecalc(Config{
		Site: model.SiteID(w.self), View: func() (View, func()) { v := w.store.View(); return countedView{v, w}, func() { _ = v.Close() } },
		Inventories: w, Proposer: w, Now: func() time.Time { return w.now.Std() }, Log: slog.New(slog.DiscardHandler),
		Holds: func(_ View, a model.Acceptance) bool { return a.By != "forger" },
		Scope: func(_ View, search string, _ model.Time) (func(*model.Host) bool, error) {
			return func(h *model.Host) bool { return search == "" || h.Hostname == search }, nil
		},
	})
}

func (w *world) stamp() model.Stamp { w.now++; return model.Stamp{Actor: "test", At: w.now} }

// Propose implements Proposer.
func (w *world) Propose(_ context.Context, changes ...model.Change) error {
	tx := w.store.Begin()
	for _, c := range changes {
		if m, ok := c.(model.Matched); ok {
			w.judged += len(m.Judged)
			for _, x := range m.Matches {
				if x.Parts != nil {
					w.parts++
				}
			}
		}
		if _, err := apply.Change(tx, apply.Env{Role: model.RoleSite}, c); err != nil {
			tx.Discard()
			return err
		}
	}
	w.n++
	return tx.Commit(w.n, false)
}

func (w *world) must(changes ...model.Change) {
	w.t.Helper()
	if err := w.Propose(w.t.Context(), changes...); err != nil {
		w.t.Fatal(err)
	}
}

// Inventory implements Inventories.
func (w *world) Inventory(digest string) (model.Inventory, bool, error) {
	w.asked++
	inv, ok := w.bodies[digest]
	return inv, ok, nil
}

func (w *world) drain() {
	w.t.Helper()
	w.asked, w.judged, w.parts, w.read = 0, 0, 0, 0
	if err := w.r.drain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// report has a host say what it has; a new host is enrolled first.
func (w *world) report(n byte, packages ...model.Package) (digest string) {
	w.t.Helper()
	host := model.HostID(id(n))
	if w.seq[host] == 0 {
		m := model.Member{ID: model.NodeID(host), Kind: model.MemberHost, Name: fmt.Sprint("h", n), TokenHash: "t", TokenExpires: w.now + 1e6}
		w.must(model.Invite{Stamp: w.stamp(), Member: m}, model.Enroll{Stamp: w.stamp(), Member: m.ID, TokenHash: "t", Pin: m.Name})
	}
	inv := model.Inventory{OS: model.OS{ID: "debian", Version: "12"}, Packages: packages}
	digest = fmt.Sprintf("%x", fmt.Sprint(packages))
	digest = digest[:min(len(digest), 300)]
	w.bodies[digest] = inv
	facts, err := model.Encode(model.Facts{Hostname: fmt.Sprint("h", n)})
	if err != nil {
		w.t.Fatal(err)
	}
	ref, err := model.Encode(model.InventoryRef{Digest: digest, PackageN: len(packages)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.seq[host] += 2
	st := w.stamp()
	w.must(model.Received{Stamp: st, Origin: model.NodeID(host), Epoch: 1, Items: []model.Item{
		{Seq: w.seq[host] - 1, Kind: model.ItemFacts, Key: host.String(), AsOf: st.At, Payload: facts},
		{Seq: w.seq[host], Kind: model.ItemPackages, Key: host.String(), AsOf: st.At, Payload: ref},
	}})
	return digest
}

func (w *world) host(n byte) model.Host {
	w.t.Helper()
	v := w.store.View()
	defer v.Close()
	h, ok, err := v.Host(model.HostID(id(n)))
	if err != nil || !ok {
		w.t.Fatal(ok, err)
	}
	return h
}

// check holds all that is stored against what matching each inventory by itself says.
func (w *world) check() {
	w.t.Helper()
	v := w.store.View()
	defer v.Close()
	sum := exposure.NewRollup()
	err := v.EachMatchHead(func(head model.Match, hosts int) error {
		want, counts, err := exposure.Match(w.bodies[head.Digest], v)
		if err != nil {
			return err
		}
		m, ok, err := v.Match(head.Digest)
		if err != nil || !ok {
			return fmt.Errorf("%v %w", ok, err)
		}
		if len(m.Findings) != len(want) || len(want) > 0 && !reflect.DeepEqual(m.Findings, want) {
			w.t.Fatalf("findings of %+v\n%+v\nwant\n%+v", w.bodies[head.Digest], m.Findings, want)
		}
		if head.Counts != counts || head.FixableN == nil || *head.FixableN != exposure.FixableN(want) {
			w.t.Fatalf("counted %+v, %v fixable; want %+v, %d", head.Counts, head.FixableN, counts, exposure.FixableN(want))
		}
		sum.Add(model.Match{Findings: want}, hosts)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	err = v.EachHost(func(h model.Host) error {
		m, ok, err := v.MatchHead(h.PackagesDigest)
		if err == nil && (!ok || h.Exposure != m.Counts || h.Updates == nil || *h.Updates != *m.FixableN) {
			err = fmt.Errorf("host %s has %+v, its inventory %+v (%v)", h.Hostname, h.Exposure, m, ok)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	got, _, err := v.Exposure(model.SiteID(w.self))
	want := sum.Result()
	want.Site, want.At, want.Generation, want.AdvisoryN = got.Site, got.At, got.Generation, got.AdvisoryN
	if same, err2 := equal(got, want); err != nil || err2 != nil || !same {
		w.t.Fatalf("rolled up %+v, want %+v (%v)", got, want, err)
	}
	if dirty, err := v.DirtyDigests(0); err != nil || len(dirty) > 0 {
		w.t.Fatalf("%q are marked still (%v)", dirty, err)
	}
}

func dpkg(name, version string) model.Package {
	return model.Package{Manager: "dpkg", Name: name + "-bin", Version: version, Source: name, SourceVersion: version}
}

func record(source, id string, fixed string, names ...string) model.Advisory {
	a := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: source, ID: id}}
	for _, n := range names {
		e := model.Affected{Ecosystem: "Debian:12", Name: n, Ranges: []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}}}}}
		if fixed != "" {
			e.Ranges[0].Events = append(e.Ranges[0].Events, model.Event{Fixed: fixed})
		}
		a.Affected = append(a.Affected, e)
	}
	return a
}

// Whatever comes and goes, in whatever order, and wherever the program is started anew: what is stored is what matching every inventory
// from nothing says.
func TestWhatIsKeptIsWhatMatchingFromNothingSays(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 4))
	w := newWorld(t)
	words := []string{"low", "high", "critical", ""}
	statuses := []model.StatementStatus{model.StatementNotAffected, model.StatementAffected, model.StatementFixed, model.StatementUnderReview}
	advisory := func() model.Advisory {
		cve := fmt.Sprintf("CVE-2026-%04d", rng.IntN(12))
		a := record([]string{"a", "b", "c"}[rng.IntN(3)], fmt.Sprint("X-", rng.IntN(25)), []string{"", "3", "5", "7", "bad version"}[rng.IntN(5)])
		for range rng.IntN(3) {
			e := record("", "", []string{"", "3", "6"}[rng.IntN(3)], fmt.Sprint("p", rng.IntN(6))).Affected[0]
			e.Outside = rng.IntN(6) == 0
			a.Affected = append(a.Affected, e)
		}
		switch rng.IntN(4) {
		case 0:
			a.Aliases = []string{cve}
		case 1:
			a.Upstream = []string{cve}
		case 2:
			a.ID = cve
		}
		if s := words[rng.IntN(4)]; s != "" {
			a.Severity = []model.Score{{Type: "Word", Score: s}}
		}
		if rng.IntN(8) == 0 {
			a.Withdrawn = 5
		}
		if rng.IntN(5) == 0 {
			product := fmt.Sprint("pkg:deb/debian/p", rng.IntN(6), []string{"", "", "-bin", "-lib"}[rng.IntN(4)])
			if rng.IntN(2) == 0 {
				product += fmt.Sprint("@", rng.IntN(9))
			}
			a.Statements = []model.Statement{{Products: []string{product}, Status: statuses[rng.IntN(4)], At: model.Time(rng.IntN(5))}}
		}
		return a
	}
	var held []model.AdvisoryKey
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{advisory()}}, model.Generation{Stamp: w.stamp()})
	changes := 0
	for range 60 {
		for range rng.IntN(3) {
			var packages []model.Package
			for range 1 + rng.IntN(5) {
				p := dpkg(fmt.Sprint("p", rng.IntN(7)), []string{"1", "2", "4", "6", "8", "not_one"}[rng.IntN(6)])
				packages = append(packages, p)
				if rng.IntN(2) == 0 {
					p.Name = p.Source + "-lib"
					packages = append(packages, p)
				}
			}
			w.report(byte(10+rng.IntN(6)), packages...)
		}
		if rng.IntN(2) == 0 {
			c := model.Advisories{Stamp: w.stamp()}
			for range rng.IntN(5) {
				a := advisory()
				held = append(held, a.AdvisoryKey)
				if !slices.ContainsFunc(c.Put, func(b model.Advisory) bool { return b.AdvisoryKey == a.AdvisoryKey }) {
					c.Put = append(c.Put, a)
				}
			}
			w.must(c)
			if len(held) > 0 && rng.IntN(2) == 0 {
				w.must(model.Advisories{Stamp: w.stamp(), Delete: []model.AdvisoryKey{held[rng.IntN(len(held))]}})
			}
			w.must(model.Generation{Stamp: w.stamp()})
		}
		if rng.IntN(9) == 0 {
			w.start()
		}
		w.drain()
		w.check()
		v := w.store.View()
		if err := v.EachJudged(func(j model.Judged) error { changes = max(changes, len(j.Changes)); return nil }); err != nil {
			t.Fatal(err)
		}
		_ = v.Close()
	}
	if changes == 0 {
		t.Error("no history was kept")
	}
}

// A change of advisories costs what it touches: no body is read, one version of a package is judged, and the inventories keep their parts.
func TestOnlyWhatIsTouchedIsDoneAgain(t *testing.T) {
	w := newWorld(t)
	for n := range byte(40) {
		w.report(10+n, dpkg("shared", "1"), dpkg(fmt.Sprint("own", n), "1"))
	}
	all := model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{record("a", "X-0", "9", "shared")}}
	for n := range 40 {
		all.Put = append(all.Put, record("a", fmt.Sprint("X-", n+1), "5", fmt.Sprint("own", n)))
	}
	w.must(all, model.Generation{Stamp: w.stamp()})
	w.drain()
	w.check()
	if w.asked != 40 || w.judged != 41 || w.parts != 40 {
		t.Errorf("from nothing %d bodies were read, %d package versions judged, %d inventories stored; want 40, 41, 40", w.asked, w.judged, w.parts)
	}
	if w.read != 0 {
		t.Errorf("%d records were read to find what they touch of nothing", w.read)
	}
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{record("a", "X-7", "6", "own6")}}, model.Generation{Stamp: w.stamp()})
	w.drain()
	w.check()
	if w.asked != 0 || w.judged != 1 || w.parts != 0 {
		t.Errorf("for one record %d bodies were read, %d package versions judged, %d inventories stored; want 0, 1, 0", w.asked, w.judged, w.parts)
	}
	if w.read != 1 {
		t.Errorf("for one record %d were read", w.read)
	}
	// After a start the table is made from the rows, and what changed while nobody looked is judged.
	w.must(model.Advisories{Stamp: w.stamp(), Delete: []model.AdvisoryKey{{Source: "a", ID: "X-0"}}}, model.Generation{Stamp: w.stamp()})
	w.start()
	w.drain()
	w.check()
	if w.asked != 0 || w.judged != 1 || w.parts != 0 {
		t.Errorf("after a start %d bodies were read, %d package versions judged, %d inventories stored; want 0, 1, 0", w.asked, w.judged, w.parts)
	}
	// A host with another version of one package has only that one judged.
	w.report(10, dpkg("shared", "2"), dpkg("own0", "1"))
	w.drain()
	w.check()
	if w.asked != 1 || w.judged != 1 || w.parts != 1 {
		t.Errorf("for a host's report %d bodies were read, %d package versions judged, %d inventories stored; want 1, 1, 1", w.asked, w.judged, w.parts)
	}
}

// What a version stored that knew no parts is matched anew from the bodies.
func TestMatchesOfAnEarlierVersion(t *testing.T) {
	w := newWorld(t)
	d := w.report(10, dpkg("p", "1"))
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{record("a", "X-1", "9", "p")}}, model.Generation{Stamp: w.stamp()})
	w.must(model.Matched{Stamp: w.stamp(), Matches: []model.Match{{
		Digest: d, Generation: 1, At: w.now, Counts: model.SeverityCounts{Unknown: 1},
		Findings: []model.Finding{{Vulnerability: "X-1", Advisory: model.AdvisoryKey{Source: "a", ID: "X-1"}, Package: "p-bin", Version: "1", Verdict: model.VerdictAffected, Severity: 1}},
	}}})
	w.drain()
	w.check()
	v := w.store.View()
	defer v.Close()
	if head, _, err := v.MatchHead(d); err != nil || head.PartN != 1 {
		t.Errorf("%+v, %v", head, err)
	}
}

// Acceptances leave the counts of the hosts they are of, and of the site; when they end, by the clock alone, all is as before.
func TestAcceptedFindingsLeaveTheCounts(t *testing.T) {
	w := newWorld(t)
	for n := range byte(3) {
		w.report(10+n, dpkg("p", "1"), dpkg("q", "1"))
	}
	a := record("a", "CVE-2026-0001", "9", "p", "q")
	a.Severity = []model.Score{{Type: "Word", Score: "critical"}}
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{a, record("a", "X-2", "9", "q")}}, model.Generation{Stamp: w.stamp()})
	w.drain()
	w.check()
	site := func() model.Exposure {
		v := w.store.View()
		defer v.Close()
		e, _, err := v.Exposure(model.SiteID(w.self))
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	accept := func(id, vulnerability, pkg, hosts, by string) {
		st := w.stamp()
		w.must(model.PutAcceptance{Stamp: st, Acceptance: model.Acceptance{
			ID: id, Vulnerability: vulnerability, Package: pkg, Hosts: hosts, Reason: "r", By: by, At: st.At, Until: st.At + 1_000_000,
		}})
		w.drain()
	}
	accept("1", "CVE-2026-0001", "", "h10", "ann")
	if h, other := w.host(10), w.host(11); h.Exposure.Critical != 0 || h.Exposure.Unknown != 1 || *h.Updates != 1 || other.Exposure.Critical != 1 || *other.Updates != 2 {
		t.Errorf("%+v %d, and the other %+v %d", h.Exposure, *h.Updates, other.Exposure, *other.Updates)
	}
	if e := site(); len(e.Top) != 2 || e.Top[0].Hosts != 2 || e.Counts.Critical != 1 || e.AffectedHosts != 3 {
		t.Errorf("rolled up %+v", e)
	}
	accept("2", "CVE-2026-0001", "p-bin", "h11", "ann") // q has it still
	accept("6", "CVE-2026-0001", "p", "h12", "ann")     // by its source package
	if h := w.host(12); h.Exposure.Critical != 1 || *h.Updates != 1 {
		t.Errorf("accepted in one source package of two: %+v %d", h.Exposure, *h.Updates)
	}
	accept("3", "X-2", "", "", "forger")
	if h := w.host(11); h.Exposure.Critical != 1 || *h.Updates != 1 {
		t.Errorf("accepted in one package of two: %+v %d", h.Exposure, *h.Updates)
	}
	accept("4", "X-2", "", "h10", "ann")
	if h := w.host(10); h.Exposure != (model.SeverityCounts{}) || *h.Updates != 0 {
		t.Errorf("all is accepted: %+v %d", h.Exposure, *h.Updates)
	}
	if e := site(); e.AffectedHosts != 2 || e.MatchedHosts != 3 {
		t.Errorf("rolled up %+v", e)
	}
	// Another generation, and a start, change nothing of it.
	w.must(model.Advisories{Stamp: w.stamp(), Put: []model.Advisory{record("a", "X-3", "9", "q")}}, model.Generation{Stamp: w.stamp()})
	w.start()
	w.drain()
	if h := w.host(10); h.Exposure != (model.SeverityCounts{Unknown: 1}) {
		t.Errorf("after another generation: %+v", h.Exposure)
	}
	w.now += 2_000_000
	w.drain()
	w.check()
	accept("5", "CVE-2026-0001", "", "", "ann")
	if e := site(); e.Counts.Critical != 0 || w.host(12).Exposure.Critical != 0 {
		t.Errorf("accepted on every host: %+v", e)
	}
	w.must(model.DropAcceptance{Stamp: w.stamp(), ID: "5"})
	w.start() // a program that never knew of it mends the rows as well
	w.drain()
	w.check()
}

// The top of a roll-up has what is known to be exploited first, then by severity and by the probability of an attack.
func TestTheTopIsWhatPresses(t *testing.T) {
	w := newWorld(t)
	w.report(10, dpkg("p", "1"), dpkg("q", "1"))
	w.report(11, dpkg("q", "1"))
	var put []model.Advisory
	for i, x := range []struct {
		name, word string
		known      model.Time
		epss       float64
	}{{"p", "critical", 0, 0.1}, {"p", "low", 5, 0}, {"p", "critical", 0, 0.9}, {"q", "critical", 0, 0.1}} {
		id := fmt.Sprintf("CVE-2026-%04d", i+1)
		a := record("a", id, "9", x.name)
		a.Severity = []model.Score{{Type: "Word", Score: x.word}}
		put = append(put, a, model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "facts", ID: id}, Exploit: &model.Exploit{Known: x.known, Probability: x.epss, ScoredAt: 1}})
	}
	w.must(model.Advisories{Stamp: w.stamp(), Put: put}, model.Generation{Stamp: w.stamp()})
	w.drain()
	v := w.store.View()
	e, _, err := v.Exposure(model.SiteID(w.self))
	_ = v.Close()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range e.Top {
		got = append(got, x.Vulnerability)
	}
	if want := []string{"CVE-2026-0002", "CVE-2026-0003", "CVE-2026-0004", "CVE-2026-0001"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
