package index

import (
	"slices"
	"sync"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// Where sites are to be vouched for, a site is unknown from its first host on, whatever is said of others: before
// its link came up for the first time, after a Replace, and with the index in memory from its checkpoint.
func TestVouched(t *testing.T) {
	disk := NewMemDisk()
	open := func() *Store {
		s, err := Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20, Vouched: true})
		ok(t, err)
		return s
	}
	s := open()
	put := func(n int, site byte) {
		write(t, s, func(tx *Tx) {
			h := full(n)
			h.Site = model.SiteID{site}
			ok(t, tx.PutHost(h))
		})
	}
	same := func(want ...string) {
		t.Helper()
		p, err := s.Find(t.Context(), query.Search{})
		ok(t, err)
		var got []string
		for _, h := range p.Hosts {
			got = append(got, h.Hostname+" "+string(h.Status))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q; want %q", got, want)
		}
		sound(t, s)
	}
	s.SetReach(model.SiteID{1}, true) // before it has a host
	put(1, 1)
	put(2, 2)
	same("web-00001 up", "web-00002 unknown")
	ok(t, s.Checkpoint("/data/copy"))
	put(3, 3)
	same("web-00001 up", "web-00002 unknown", "web-00003 unknown")
	ok(t, s.Replace("/data/copy"))
	put(4, 4)
	same("web-00001 up", "web-00002 unknown", "web-00004 unknown")
	s.SetReach(model.SiteID{2}, true)
	s.SetReach(model.SiteID{1}, false)
	same("web-00001 unknown", "web-00002 up", "web-00004 unknown")
	s.checkpointNow(1)
	ok(t, s.Close())
	s = open() // nothing was heard of any site since
	same("web-00001 unknown", "web-00002 unknown", "web-00004 unknown")
	s.SetReach(model.SiteID{4}, true)
	same("web-00001 unknown", "web-00002 unknown", "web-00004 up")
	ok(t, s.Close())
}

// Whether a site is reached, and the places of watchers, outlive a Replace; what they say is of the new rows.
func TestReachAndChangesOverReplace(t *testing.T) {
	disk := NewMemDisk()
	s, err := Open(testDir, Options{Disk: disk, CacheBytes: 1 << 20})
	ok(t, err)
	defer func() { ok(t, s.Close()) }()
	put := func(ids ...int) {
		write(t, s, func(tx *Tx) {
			for _, n := range ids {
				h := full(n)
				h.Site = model.SiteID{byte(1 + n%2)}
				ok(t, tx.PutHost(h))
			}
		})
	}
	statuses := func() (all []string) {
		t.Helper()
		p, err := s.Find(t.Context(), query.Search{})
		ok(t, err)
		for _, h := range p.Hosts {
			all = append(all, h.Hostname+" "+string(h.Status))
		}
		return all
	}
	same := func(got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Fatalf("got %q; want %q", got, want)
		}
	}
	put(1, 2)
	ok(t, s.Checkpoint("/data/copy"))
	put(3)
	s.SetReach(model.SiteID{2}, false)
	same(statuses(), "web-00001 unknown", "web-00002 up", "web-00003 unknown")
	_, place, lost := s.HostChanges(0, 0)
	put(4)
	ids, next, lost2 := s.HostChanges(place, 10)
	if lost || lost2 || !slices.Equal(ids, []model.HostID{hostID(4)}) || next <= place {
		t.Fatalf("the change is %v at %d after %d, lost %v %v", ids, next, place, lost, lost2)
	}
	ok(t, s.Replace("/data/copy"))
	same(statuses(), "web-00001 unknown", "web-00002 up")
	if _, _, lost := s.HostChanges(next, 10); !lost {
		t.Fatal("a watcher was not told that everything may be different")
	}
	_, place, _ = s.HostChanges(0, 0)
	put(6)
	if ids, _, lost := s.HostChanges(place, 10); lost || !slices.Equal(ids, []model.HostID{hostID(6)}) {
		t.Fatalf("behind the Replace the change is %v, lost %v", ids, lost)
	}
	s.SetReach(model.SiteID{2}, true)
	same(statuses(), "web-00001 up", "web-00002 up", "web-00006 up")
	sound(t, s)
	var of []model.HostID
	v := s.View()
	defer v.Close()
	ok(t, v.HostsOfSite(model.SiteID{1}, func(h model.Host) error { of = append(of, h.ID); return nil }))
	if !slices.Equal(of, []model.HostID{hostID(2), hostID(6)}) {
		t.Fatalf("the hosts of the site are %v", of)
	}
}

// TestReachBesideCommits: while sites are lost and found, commits and checks go on; no check sees a site that is half
// shown as reached, and in the end the last word holds.
func TestReachBesideCommits(t *testing.T) {
	s := openMem(t)
	rng := seeded(t)
	sites := []model.SiteID{{1}, {2}}
	const hosts = 4000
	put := func(n int, site model.SiteID) {
		write(t, s, func(tx *Tx) {
			h := host(n, site)
			ok(t, tx.PutHost(h))
		})
	}
	write(t, s, func(tx *Tx) {
		for n := range hosts {
			ok(t, tx.PutHost(host(n, sites[n%2])))
		}
	})
	var others sync.WaitGroup
	stop := make(chan struct{})
	for _, site := range sites {
		others.Go(func() {
			for up := true; ; up = !up {
				select {
				case <-stop:
					s.SetReach(site, false)
					return
				default:
					s.SetReach(site, up)
				}
			}
		})
	}
	finish := sync.OnceFunc(func() {
		close(stop)
		others.Wait()
	})
	t.Cleanup(finish)
	for range 2 {
		for range 20 {
			switch n := rng.IntN(hosts); rng.IntN(3) {
			case 0:
				write(t, s, func(tx *Tx) { ok(t, tx.DeleteHost(hostID(n))) })
			default:
				put(n, sites[rng.IntN(2)])
			}
		}
		sound(t, s)
	}
	finish()
	sound(t, s)
	where, err := query.Parse("status:unknown")
	ok(t, err)
	unknown, err := s.Count(t.Context(), where, 0)
	ok(t, err)
	if known := read(t, s, func(v *View) (int, error) { return v.memory.Len(), nil }); unknown != known {
		t.Fatalf("%d of %d hosts of sites that were lost last are unknown", unknown, known)
	}
}
