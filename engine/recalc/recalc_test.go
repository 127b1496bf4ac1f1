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
		Site: model.SiteID(w.self), View: func() (View, func()) { v := w.store.View(); return v, func() { _ = v.Close() } },
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
	w.asked, w.judged, w.parts = 0, 0, 0
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
			product := fmt.Sprint("pkg:deb/debian/p", rng.IntN(6))
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
	for round := range 120 {
		for range rng.IntN(3) {
			var packages []model.Package
			for range 1 + rng.IntN(5) {
				packages = append(packages, dpkg(fmt.Sprint("p", rng.IntN(7)), []string{"1", "2", "4", "6", "8", "not_one"}[rng.IntN(6)]))
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
		_ = round
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
