package main

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// TestText: the search that a question becomes finds the very hosts that the question is about.
func TestText(t *testing.T) {
	f := fleet.New(fleet.Config{Seed: 4, Hosts: 4000, Sites: 40})
	sites := map[model.SiteID]model.Site{}
	for _, s := range f.Sites {
		m := s.Model()
		sites[m.ID] = m
	}
	env := query.Env{Now: model.TimeOf(fleet.T0), Site: func(id model.SiteID) model.Site { return sites[id] }}
	type pair struct {
		plain fleet.Host
		row   model.Host
	}
	var hosts []pair
	if err := f.Order(100, func(s, n int) error {
		h := f.Host(s, n)
		hosts = append(hosts, pair{h, h.Model()})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, kind := range fleet.Kinds {
		for _, q := range f.Queries(kind, 12) {
			x, err := query.Parse(text(q))
			if err != nil {
				t.Fatalf("%+v became %q: %v", q, text(q), err)
			}
			for i := range hosts {
				want := meets(q, hosts[i].plain)
				if got := query.Match(x, &hosts[i].row, env); got != want {
					t.Fatalf("%s: %q: host %+v: matches %v, want %v", kind, text(q), hosts[i].plain, got, want)
				} else if got {
					found++
				}
			}
		}
	}
	if found < 1000 {
		t.Errorf("all questions together find %d hosts: too few to prove anything", found)
	}
}

// meets is what a question means.
func meets(q fleet.Query, h fleet.Host) bool {
	has := func(tag string) bool { return slices.Contains(h.Tags, tag) }
	return (q.Hostname == "" || h.Hostname == q.Hostname) && strings.HasPrefix(h.Hostname, q.Prefix) && strings.Contains(h.Hostname, q.Substr) &&
		(q.IP == "" || h.IPv4 == q.IP) && (q.CIDR == "" || netip.MustParsePrefix(q.CIDR).Contains(netip.MustParseAddr(h.IPv4))) &&
		(q.SiteID == "" || h.SiteID == q.SiteID) && (q.Status == "" || h.Status == q.Status) && (q.OSName == "" || h.OSName == q.OSName) &&
		(q.OSVersion == "" || h.OSVersion == q.OSVersion) && (q.Region == "" || h.Region == q.Region) &&
		!slices.ContainsFunc(q.Tags, func(t string) bool { return !has(t) }) && !slices.ContainsFunc(q.NotTags, has)
}
