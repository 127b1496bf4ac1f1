package index

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kind requires an error of that kind whose text holds every one of parts.
func kind(t testing.TB, err error, k fault.Kind, parts ...string) {
	t.Helper()
	if !fault.Is(err, k) {
		t.Fatalf("got %v (kind %v); want kind %v", err, fault.KindOf(err), k)
	}
	for _, p := range parts {
		if !bytes.Contains([]byte(err.Error()), []byte(p)) {
			t.Fatalf("%q does not say %q", err, p)
		}
	}
}

const testDir = "/data/index"

func openMem(t testing.TB) *Store {
	t.Helper()
	s, err := Open(testDir, Options{Disk: NewMemDisk(), CacheBytes: 4 << 20})
	ok(t, err)
	t.Cleanup(func() { ok(t, s.Close()) })
	return s
}

func write(t testing.TB, s *Store, fn func(tx *Tx)) {
	t.Helper()
	tx := s.Begin()
	defer tx.Discard()
	fn(tx)
	ok(t, tx.Commit(s.Applied()+1, false))
}

// recount writes the counts of every site as engine/apply would have kept them.
func recount(t interface{ Fatal(...any) }, tx *Tx) {
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	sums := map[model.SiteID]*model.SiteCounts{{}: {}}
	check(eachCounts(tx, func(n model.SiteCounts) { sums[n.Site] = &model.SiteCounts{Site: n.Site, JudgedAt: n.JudgedAt} }))
	check(tx.EachHost(func(h model.Host) error {
		for _, site := range []model.SiteID{{}, h.Site} {
			if sums[site] == nil {
				sums[site] = &model.SiteCounts{Site: site}
			}
			sums[site].Add(&h, 1)
		}
		return nil
	}))
	for _, n := range sums {
		check(tx.PutCounts(*n))
	}
}

// regroup writes the canonicals as engine/apply would have kept them.
func regroup(t testing.TB, tx *Tx) {
	t.Helper()
	var old []string
	ok(t, tx.EachCanonical("", func(c model.Canonical) error { old = append(old, c.ID); return nil }))
	for _, id := range old {
		ok(t, tx.DeleteCanonical(id))
	}
	all := newIdentities()
	ok(t, tx.EachAdvisory(func(a model.Advisory) error { all.add(a); return nil }))
	ok(t, all.each(func(g merge.Group) error {
		members, err := tx.members(g)
		ok(t, err)
		return tx.PutCanonical(model.Canonical{ID: g.ID, Hash: merge.Hash(g.ID), Members: g.Members, Head: merge.Head(g.ID, members)})
	}))
}

// eachCounts calls fn with the counts of every site that has some.
func eachCounts(tx *Tx, fn func(model.SiteCounts)) error {
	return tx.scan(key.SpaceCounts.Prefix(), func(k, v []byte) error {
		site, err := key.ReadCounts(k)
		if err != nil {
			return err
		}
		var n model.SiteCounts
		if err := tx.rows.readCounts(v, site, &n); err != nil {
			return err
		}
		fn(n)
		return nil
	})
}

func read[T any](t testing.TB, s *Store, fn func(v *View) (T, error)) T {
	t.Helper()
	v := s.View()
	defer func() { ok(t, v.Close()) }()
	got, err := fn(v)
	ok(t, err)
	return got
}

func sound(t testing.TB, s *Store) Report {
	t.Helper()
	r, err := s.Check(t.Context())
	ok(t, err)
	if !r.OK() {
		t.Fatalf("%d faults: %q", r.FaultN, r.Faults)
	}
	return r
}

// hostID returns the id of the n-th host of a test, from 0.
func hostID(n int) (id model.HostID) {
	id[0] = 1
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// host is a row of about the size of a real one.
func host(n int, site model.SiteID) model.Host {
	id := hostID(n)
	return model.Host{
		ID: id, Site: site, Agent: model.NodeID(id), Status: model.HostUp, StatusAt: 1_700_000_000_000,
		Facts: model.Facts{
			Hostname: fmt.Sprintf("web-%05d", n), FQDN: fmt.Sprintf("web-%05d.branch.example.org", n),
			IPv4: []string{fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255)}, MAC: []string{"02:00:00:00:00:01"},
			OS:     model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12", Codename: "bookworm"},
			Kernel: "6.1.0-18-amd64", Arch: "x86_64", BootedAt: 1_700_000_000_000, AgentVersion: "0.1.0",
		},
		FactsAt: 1_700_000_000_000, LastSeen: 1_700_000_000_000, PackageN: 412,
		PackagesDigest: fmt.Sprintf("%064x", n%97), PackagesAt: 1_700_000_000_000,
	}
}
