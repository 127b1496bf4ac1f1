package index

import (
	"fmt"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

func benchStore(b *testing.B) *Store {
	s, err := Open(b.TempDir(), Options{})
	ok(b, err)
	b.Cleanup(func() { ok(b, s.Close()) })
	return s
}

// advisory is a record of about the size of a distribution's: ten packages, eight names.
func advisory(n int) model.Advisory {
	a := model.Advisory{
		AdvisoryKey: model.AdvisoryKey{Source: "debian", ID: fmt.Sprintf("DEBIAN-CVE-%d", n)},
		Aliases:     []string{fmt.Sprintf("CVE-2024-%d", n)}, Published: 1_700_000_000_000, Modified: 1_700_000_000_000,
		Severity: []model.Score{{Type: "CVSS_V3", Score: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},
		Cursor:   model.Cursor{At: 1_700_000_000_000, Seq: model.Seq(n + 1)},
	}
	for i := range 8 {
		a.Related = append(a.Related, fmt.Sprintf("REL-%d-%d", n, i))
	}
	for i := range 10 {
		a.Affected = append(a.Affected, model.Affected{
			Ecosystem: fmt.Sprintf("Debian:%d", 11+i%3), Name: fmt.Sprintf("package-%d", (n*7+i)%9000),
			Ranges: []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}, {Fixed: "1.2.3-4+deb12u1"}}}},
		})
	}
	return a
}

// BenchmarkPutAdvisories loads records in transactions of 500, as an import does; one op is one record.
func BenchmarkPutAdvisories(b *testing.B) {
	s := benchStore(b)
	for n := 0; n < b.N; n += 500 {
		tx := s.Begin()
		for i := n; i < min(n+500, b.N); i++ {
			ok(b, tx.PutAdvisory(advisory(i)))
		}
		ok(b, tx.Commit(uint64(n), false))
	}
}

// BenchmarkPutHosts rewrites the hosts of one site in transactions of 500; one op is one host.
func BenchmarkPutHosts(b *testing.B) {
	s := benchStore(b)
	for n := 0; n < b.N; n += 500 {
		tx := s.Begin()
		for i := n; i < min(n+500, b.N); i++ {
			ok(b, tx.PutHost(host(i%27_000, model.SiteID{1})))
		}
		ok(b, tx.Commit(uint64(n), false))
	}
}

// BenchmarkSearchHosts searches 27,000 hosts; one op is one page.
func BenchmarkSearchHosts(b *testing.B) {
	s := benchStore(b)
	for n := 0; n < 27_000; n += 1000 {
		write(b, s, func(tx *Tx) {
			for i := range 1000 {
				ok(b, tx.PutHost(host(n+i, model.SiteID{byte(i % 2)})))
			}
		})
	}
	v := s.View()
	defer v.Close()
	for name, q := range map[string]model.HostQuery{
		"all": {Limit: 100}, "site": {Limit: 100, Site: model.SiteID{1}}, "rare": {Limit: 100, Text: "web-0123"},
		"common": {Limit: 100, Text: "web"}, "status": {Limit: 100, Status: model.HostDown},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := v.Hosts(q)
				ok(b, err)
			}
		})
	}
}

// BenchmarkDurableCommit writes one host with an fsync; one op is one commit.
func BenchmarkDurableCommit(b *testing.B) {
	s := benchStore(b)
	for n := range b.N {
		tx := s.Begin()
		ok(b, tx.PutHost(host(n%1000, model.SiteID{1})))
		ok(b, tx.Commit(uint64(n), true))
	}
}
