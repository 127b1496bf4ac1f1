package index

import (
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/key"
)

// TestCheckComparesCounts plants counts that are not what the hosts come to.
func TestCheckComparesCounts(t *testing.T) {
	a, b := model.SiteID{1}, model.SiteID{2}
	change := func(site model.SiteID, by func(n *model.SiteCounts)) func(tx *Tx) error {
		return func(tx *Tx) error {
			n, _, err := tx.Counts(site)
			if err != nil {
				return err
			}
			n.Site = site
			by(&n)
			return tx.PutCounts(n)
		}
	}
	whole := key.Describe(key.Counts(model.SiteID{}))
	for name, c := range map[string]struct {
		damage func(tx *Tx) error
		say    []string
	}{
		"a host too many": {change(a, func(n *model.SiteCounts) { n.Hosts++ }), []string{key.Describe(key.Counts(a)) + " differs", "hosts is 4 for 3"}},
		"a status": {change(b, func(n *model.SiteCounts) { n.AddStatus(model.HostUp, -1); n.AddStatus(model.HostDown, 1) }), []string{
			"by status is map[down:1 up:1] for map[up:2]",
		}},
		"a severity":     {change(a, func(n *model.SiteCounts) { n.ByWorst = nil }), []string{"by severity is map[] for map[critical:3]"}},
		"findings":       {change(a, func(n *model.SiteCounts) { n.Exposure.High-- }), []string{"exposure is {3 35 "}},
		"reboots":        {change(a, func(n *model.SiteCounts) { n.Reboot = 0 }), []string{"reboots is 0 for 3"}},
		"updates":        {change(a, func(n *model.SiteCounts) { n.Updates = 22 }), []string{"updates is 22 for 21"}},
		"compliance":     {change(a, func(n *model.SiteCounts) { n.Compliance++; n.ComplianceN++ }), []string{"tenths is 2926 for 2925", "with a compliance is 4 for 3"}},
		"all sites":      {change(model.SiteID{}, func(n *model.SiteCounts) { n.Hosts-- }), []string{whole + " differs", "hosts is 4 for 5"}},
		"a site of none": {change(model.SiteID{9}, func(n *model.SiteCounts) { n.Hosts = 1 }), []string{"hosts is 1 for 0"}},
		"a lost row":     {func(tx *Tx) error { return tx.remove(key.Counts(b)) }, []string{key.Describe(key.Counts(b)) + " is missing, and there are 2 hosts"}},
		"all rows lost": {func(tx *Tx) error {
			for _, site := range []model.SiteID{{}, a, b} {
				if err := tx.remove(key.Counts(site)); err != nil {
					return err
				}
			}
			return nil
		}, []string{whole + " is missing, and there are 5 hosts", key.Describe(key.Counts(a)) + " is missing"}},
		"an uncounted host": {func(tx *Tx) error {
			h := full(9)
			h.Site = a
			return tx.PutHost(h)
		}, []string{"hosts is 3 for 4", "hosts is 5 for 6"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openMem(t)
			write(t, s, func(tx *Tx) {
				ok(t, tx.PutSelf(model.Found{Self: model.NodeID{1}, Role: model.RoleController}))
				for n := range 5 {
					h := full(n)
					if h.Site = a; n > 2 {
						h.Site = b
					}
					ok(t, tx.PutHost(h))
				}
				ok(t, tx.PutCounts(model.SiteCounts{Site: model.SiteID{8}, JudgedAt: 5})) // it has no hosts, which is no fault
				recount(t, tx)
			})
			sound(t, s)
			write(t, s, func(tx *Tx) { ok(t, c.damage(tx)) })
			r, err := s.Check(t.Context())
			ok(t, err)
			for _, say := range c.say {
				if r.OK() || !strings.Contains(strings.Join(r.Faults, "\n"), say) {
					t.Errorf("Check says %d faults %q; want %q", r.FaultN, r.Faults, say)
				}
			}
		})
	}
}

// BenchmarkCheck is one check of 200,000 hosts with their counts, nothing else going on.
func BenchmarkCheck(b *testing.B) {
	s, _, _ := fleetStore(b, 200_000, Options{CacheBytes: 64 << 20})
	defer func() { ok(b, s.Close()) }()
	write(b, s, func(tx *Tx) { recount(b, tx) })
	for b.Loop() {
		sound(b, s)
	}
}
