package index

import (
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

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
