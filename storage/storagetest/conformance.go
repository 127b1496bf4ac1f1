// Package storagetest is the suite that every store of rows passes: Conformance for what apply.Tx
// promises, Crash for what a power cut may take away.
//
// It owns the meaning of those promises as tests and nothing else. It knows stores only through the
// interfaces below, and is imported by tests alone.
package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
)

// Tx is a transaction under test.
type Tx interface {
	apply.Tx
	// Match returns a match with its findings.
	Match(digest string) (model.Match, bool, error)
	// Commit makes the writes and the position visible in one step, and durable before it returns
	// where durable says so.
	Commit(applied uint64, durable bool) error
	// Discard drops the writes.
	Discard()
}

// Store is a store under test. One transaction is open at a time.
type Store interface {
	Begin() Tx
	// Applied returns the position of the last commit, also after a restart.
	Applied() uint64
	// Check fails where an index differs from the rows.
	Check() error
	Close() error
}

type suite struct {
	*testing.T
	store Store
}

func (s suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// write commits what fn writes. Then it checks the store.
func (s suite) write(fn func(tx Tx)) {
	s.Helper()
	tx := s.store.Begin()
	defer tx.Discard()
	fn(tx)
	recount(s, tx)
	s.ok(tx.Commit(s.store.Applied()+1, false))
	s.ok(s.store.Check())
}

// twice calls fn where writes were just made, and again in a transaction of its own after the commit: a
// transaction reads its own writes as others will.
func (s suite) twice(writes, reads func(tx Tx)) {
	s.Helper()
	s.write(func(tx Tx) { writes(tx); reads(tx) })
	tx := s.store.Begin()
	defer tx.Discard()
	reads(tx)
}

// row requires that a read found want, or found nothing where there is to be nothing.
func row[T any](s suite, want T, there bool) func(got T, ok bool, err error) {
	s.Helper()
	return func(got T, ok bool, err error) {
		s.Helper()
		s.ok(err)
		a, errA := model.Encode(got)
		b, errB := model.Encode(want)
		s.ok(errors.Join(errA, errB))
		if ok != there || there && string(a) != string(b) {
			s.Fatalf("got %s, %v\nwant %s, %v", a, ok, b, there)
		}
	}
}

func equal[T comparable](s suite, what string, got, want []T) {
	s.Helper()
	if !slices.Equal(got, want) {
		s.Fatalf("%s: got %v; want %v", what, got, want)
	}
}

// Conformance tests a store that open makes, empty, for each part. open cleans up by itself.
func Conformance(t *testing.T, open func(t *testing.T) Store) {
	for _, part := range []struct {
		name string
		run  func(suite)
	}{
		{"transaction", transaction},
		{"rows", plainRows},
		{"members", members},
		{"hosts", hosts},
		{"beats", beats},
		{"outlines", outlines},
		{"controllers", controllers},
		{"trends", trends},
		{"searches", searches},
		{"secrets", secrets},
		{"iterations are ordered and steady", iterations},
		{"advisories", advisories},
		{"canonicals", canonicals},
		{"runs", runs},
		{"partners", partners},
		{"matches", matches},
		{"work", work},
		{"people", people},
		{"directives", directives},
		{"alerts", alerts},
		{"policies", policies},
	} {
		t.Run(part.name, func(t *testing.T) {
			s := suite{t, open(t)}
			part.run(s)
			s.ok(s.store.Check())
		})
	}
}

// recount writes the counts that engine/apply would have kept of the hosts that are there, and of those of site 1,
// where all of them are, that went.
func recount(s suite, tx Tx) {
	s.Helper()
	_, ok, err := tx.Self()
	if s.ok(err); !ok {
		return // nobody compares them
	}
	sums := map[model.SiteID]*model.SiteCounts{{}: {}, {1}: {Site: model.SiteID{1}}}
	s.ok(tx.EachHost(func(h model.Host) error {
		for _, site := range []model.SiteID{{}, h.Site} {
			if sums[site] == nil {
				sums[site] = &model.SiteCounts{Site: site}
			}
			sums[site].Add(&h, 1)
		}
		return nil
	}))
	for site, n := range sums {
		was, _, err := tx.Counts(site)
		if s.ok(err); !was.SameSums(*n) {
			s.ok(tx.PutCounts(*n))
		}
	}
}

func site(n byte) model.Site { return model.Site{ID: model.SiteID{n}, Name: fmt.Sprintf("site %d", n)} }

func host(n byte, digest string) model.Host {
	id := model.HostID{n}
	return model.Host{
		ID: id, Site: model.SiteID{1}, Agent: model.NodeID(id), Status: model.HostUnknown,
		Facts: model.Facts{Hostname: fmt.Sprintf("h%d", n), Tags: []string{"é", "\x00\"<"}}, PackagesDigest: digest,
	}
}

func transaction(s suite) {
	if s.store.Applied() != 0 {
		s.Fatalf("a new store has position %d", s.store.Applied())
	}
	tx := s.store.Begin()
	s.ok(tx.PutSite(site(1)))
	row(s, site(1), true)(tx.Site(model.SiteID{1}))
	tx.Discard()
	tx = s.store.Begin()
	row(s, site(1), false)(tx.Site(model.SiteID{1}))
	s.ok(tx.PutSite(site(2)))
	s.ok(tx.Commit(41, true))
	if s.store.Applied() != 41 {
		s.Fatalf("the position is %d", s.store.Applied())
	}
	tx.Discard() // harmless
	tx = s.store.Begin()
	defer tx.Discard()
	row(s, site(2), true)(tx.Site(model.SiteID{2}))
	s.ok(tx.Commit(42, false)) // a change that writes nothing still moves the position
	if s.store.Applied() != 42 {
		s.Fatalf("the position is %d", s.store.Applied())
	}
}

func plainRows(s suite) {
	lat := 52.5
	found := model.Found{Self: model.NodeID{1}, Role: model.RoleSite, Name: "b"}
	where := model.Site{ID: model.SiteID{1}, Name: "berlin", Lat: &lat}
	counts := model.SiteCounts{Site: model.SiteID{1}, ByStatus: map[string]int64{}, LastItem: 8, JudgedAt: 7} // there is no host to be counted
	shelf := apply.Shelf{Generation: 3, AdvisoryN: 7, Cursor: model.Cursor{At: 5, Seq: 6}, Imported: map[string]model.Cursor{"x": {At: 1, Seq: 2}}}
	exposure := model.Exposure{Site: model.SiteID{1}, Top: []model.TopEntry{{Vulnerability: "CVE-1", Severity: model.SeverityHigh, Hosts: 2}}}
	signer := model.SignerKey{ID: "sha256:aa", Public: "-----BEGIN\n"}
	position := model.Position{Epoch: 2, Seq: 9}
	refusals := apply.Refusals{Day: 86_400_000, By: []apply.Refused{{Origin: model.NodeID{1}, Written: 16, More: 3}}, Total: map[string]uint64{"agent/invalid": 19}}

	s.write(func(tx Tx) {
		row(s, found, false)(tx.Self())
		row(s, where, false)(tx.Site(where.ID))
		row(s, counts, false)(tx.Counts(where.ID))
		row(s, exposure, false)(tx.Exposure(where.ID))
		row(s, signer, false)(tx.Signer(signer.ID))
		empty, err := tx.Shelf()
		row(s, apply.Shelf{}, true)(empty, true, err)
		none, err := tx.Watermark(model.NodeID{1})
		row(s, model.Position{}, true)(none, true, err)
		refused, err := tx.Refusals()
		row(s, apply.Refusals{}, true)(refused, true, err)
	})
	s.twice(func(tx Tx) {
		s.ok(tx.PutSelf(model.Found{Name: "replaced below"}))
		s.ok(tx.PutSelf(found))
		s.ok(tx.PutSite(where))
		s.ok(tx.PutCounts(counts))
		s.ok(tx.PutShelf(shelf))
		s.ok(tx.PutExposure(exposure))
		s.ok(tx.PutSigner(signer))
		s.ok(tx.PutWatermark(model.NodeID{1}, position))
		s.ok(tx.PutRefusals(refusals))
		s.ok(tx.PutImport(model.Imported{BundleHash: "sha256:bb"}, 5))
	}, func(tx Tx) {
		row(s, found, true)(tx.Self())
		row(s, where, true)(tx.Site(where.ID))
		row(s, counts, true)(tx.Counts(where.ID))
		row(s, exposure, true)(tx.Exposure(where.ID))
		row(s, signer, true)(tx.Signer(signer.ID))
		got, err := tx.Shelf()
		row(s, shelf, true)(got, true, err)
		at, err := tx.Watermark(model.NodeID{1})
		row(s, position, true)(at, true, err)
		refused, err := tx.Refusals()
		row(s, refusals, true)(refused, true, err)
		at, err = tx.Watermark(model.NodeID{2})
		row(s, model.Position{}, true)(at, true, err)
	})
}

func members(s suite) {
	m := model.Member{ID: model.NodeID{1}, Kind: model.MemberSite, Name: "berlin", Status: model.MemberPending, TokenHash: "aa"}
	named := func(tx Tx, kind model.MemberKind, name string, want model.NodeID) {
		s.Helper()
		row(s, want, !want.IsZero())(tx.MemberNamed(kind, name))
	}
	s.twice(func(tx Tx) { s.ok(tx.PutMember(m)) }, func(tx Tx) {
		row(s, m, true)(tx.Member(m.ID))
		row(s, m, false)(tx.Member(model.NodeID{2}))
		named(tx, model.MemberSite, "berlin", m.ID)
		named(tx, model.MemberHost, "berlin", model.NodeID{})
		named(tx, model.MemberSite, "berli", model.NodeID{})
		named(tx, model.MemberSite, "berlin2", model.NodeID{})
	})
	m.Name = "hamburg"
	s.twice(func(tx Tx) { s.ok(tx.PutMember(m)) }, func(tx Tx) {
		named(tx, model.MemberSite, "berlin", model.NodeID{})
		named(tx, model.MemberSite, "hamburg", m.ID)
	})
	m.Status = model.MemberRemoved
	s.twice(func(tx Tx) { s.ok(tx.PutMember(m)) }, func(tx Tx) {
		row(s, m, true)(tx.Member(m.ID)) // kept for the record
		named(tx, model.MemberSite, "hamburg", model.NodeID{})
	})
	again := model.Member{ID: model.NodeID{2}, Kind: model.MemberSite, Name: "hamburg", Status: model.MemberPending}
	s.twice(func(tx Tx) { s.ok(tx.PutMember(again)) }, func(tx Tx) { named(tx, model.MemberSite, "hamburg", again.ID) })
}

// with returns the hosts with an inventory, in the order they came.
func with(s suite, tx Tx, digest string) (ids []byte) {
	s.Helper()
	s.ok(tx.HostsWithPackages(digest, func(h model.Host) error { ids = append(ids, h.ID[0]); return nil }))
	return ids
}

func digests(s suite, tx Tx) (all []string) {
	s.Helper()
	s.ok(tx.EachDigest(func(d string) error { all = append(all, d); return nil }))
	return all
}

func hosts(s suite) {
	s.twice(func(tx Tx) {
		for n, d := range map[byte]string{3: "d", 1: "d", 2: "dd", 4: ""} {
			s.ok(tx.PutHost(host(n, d)))
		}
	}, func(tx Tx) {
		row(s, host(3, "d"), true)(tx.Host(model.HostID{3}))
		row(s, host(3, "d"), false)(tx.Host(model.HostID{9}))
		equal(s, "with d", with(s, tx, "d"), []byte{1, 3})
		equal(s, "with dd", with(s, tx, "dd"), []byte{2})
		equal(s, "with none", with(s, tx, ""), nil)
		equal(s, "digests", digests(s, tx), []string{"d", "dd"})
	})
	s.twice(func(tx Tx) {
		s.ok(tx.PutHost(host(1, "e")))
		s.ok(tx.PutHost(host(2, "")))
		s.ok(tx.DeleteHost(model.HostID{3}))
		s.ok(tx.DeleteHost(model.HostID{9}))
	}, func(tx Tx) {
		row(s, host(3, "d"), false)(tx.Host(model.HostID{3}))
		equal(s, "with d", with(s, tx, "d"), nil)
		equal(s, "with e", with(s, tx, "e"), []byte{1})
		equal(s, "digests", digests(s, tx), []string{"e"})
		var all []byte
		s.ok(tx.EachHost(func(h model.Host) error { all = append(all, h.ID[0]); return nil }))
		equal(s, "hosts", all, []byte{1, 2, 4})
	})
}

func iterations(s suite) {
	stop := errors.New("stop")
	s.write(func(tx Tx) {
		for n := byte(100); n > 0; n-- {
			s.ok(tx.PutHost(host(n, "d")))
			s.ok(tx.PutTask(model.Task{Command: model.CommandID{1}, Host: model.HostID{n}}))
			s.ok(tx.PutSession(model.Session{ID: model.SessionID{n}}))
		}
	})
	s.write(func(tx Tx) {
		var last byte
		next := func(n byte) {
			s.Helper()
			if n != last+1 {
				s.Fatalf("%d came after %d", n, last)
			}
			last = n
		}
		s.ok(tx.HostsWithPackages("d", func(h model.Host) error { next(h.ID[0]); return tx.PutHost(host(h.ID[0], "e")) }))
		next(101)
		last = 0
		s.ok(tx.EachHost(func(h model.Host) error {
			next(h.ID[0])
			if h.PackagesDigest != "e" {
				s.Fatalf("host %d kept its digest", h.ID[0])
			}
			s.ok(tx.PutHost(host(h.ID[0]+100, "f"))) // behind where the iteration is: it does not come up
			return tx.DeleteHost(h.ID)
		}))
		next(101)
		last = 0
		s.ok(tx.EachTask(model.CommandID{1}, func(t model.Task) error { next(t.Host[0]); t.State = model.CommandRunning; return tx.PutTask(t) }))
		next(101)
		last = 0
		s.ok(tx.EachSession(func(x model.Session) error { next(x.ID[0]); return tx.DeleteSession(x.ID) }))
		next(101)
		equal(s, "digests", digests(s, tx), []string{"f"})
		for _, err := range []error{
			tx.EachHost(func(model.Host) error { return stop }),
			tx.HostsWithPackages("f", func(model.Host) error { return stop }),
			tx.EachDigest(func(string) error { return stop }),
			tx.EachTask(model.CommandID{1}, func(model.Task) error { return stop }),
		} {
			if err != stop {
				s.Fatalf("the error of fn came back as %v", err)
			}
		}
	})
}
