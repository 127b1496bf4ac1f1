package compare

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/inventory"
	"github.com/skerryhq/skerry/engine/model"
)

// TestASlowSiteHoldsUpNobody: a site that takes its time is waited for as long as a site may take, and the others are
// compared meanwhile.
func TestASlowSiteHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t, 200)
		for id := range e.here {
			delete(e.here, id)
		}
		e.answer = func(ctx context.Context, site model.SiteID, _ string) (any, error) {
			if site == (model.SiteID{1}) {
				select {
				case <-time.After(askLimit - time.Second):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
			return nil, nil
		}
		began := time.Now()
		e.once(e.comparer())
		if took := time.Since(began); took > 3*siteLimit+Settle {
			t.Errorf("it took %s", took)
		}
		other := 0
		for id := range e.here {
			if id[0] == 2 {
				other++
			}
		}
		if want := 200 * maxBuckets / inventory.DigestBuckets; other < want/2 {
			t.Errorf("%d hosts of the other site were mended, want about %d", other, want)
		}
	})
}

// TestManySitesThatDoNotAnswer: they are asked some at once, and the one that answers is compared.
func TestManySitesThatDoNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t, 5)
		lost := host(2, 3)
		delete(e.here, lost.ID)
		c := e.comparer()
		const dead = 10 * atOnce
		c.c.Linked = func() []model.NodeID {
			sites := []model.NodeID{{1}, {2}}
			for n := range dead {
				sites = append(sites, model.NodeID{9, byte(n)})
			}
			return sites
		}
		e.answer = func(ctx context.Context, site model.SiteID, _ string) (any, error) {
			if site[0] != 9 {
				return nil, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}
		began := time.Now()
		e.once(c)
		if took, most := time.Since(began), (dead/atOnce+1)*askLimit+Settle; took > most {
			t.Errorf("it took %s, want %s at the most", took, most)
		}
		if !e.same() {
			t.Error("the site that answers was not compared")
		}
		if len(c.known) != 1 {
			t.Errorf("%d sites are remembered, want the one that was asked to send again", len(c.known))
		}
	})
}

// TestAnAnswerThatNamesOthersHosts is worth nothing: no host outside the group, and no more than a group can have.
func TestAnAnswerThatNamesOthersHosts(t *testing.T) {
	for _, tc := range []struct {
		name string
		rows func() []model.RowDigest
	}{
		{"another group", func() []model.RowDigest {
			return []model.RowDigest{{Host: model.HostID{9, 15: 1}, Sum: 1}, {Host: model.HostID{9, 15: 2}, Sum: 1}}
		}},
		{"too many", func() (rows []model.RowDigest) {
			for n := range maxRows + 1 {
				rows = append(rows, model.RowDigest{Host: model.HostID{9, byte(n >> 16), byte(n >> 8), byte(n)}, Sum: 1})
			}
			return rows
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newEnds(t, 0)
				looks := 0
				e.answer = func(_ context.Context, _ model.SiteID, route string) (any, error) {
					if route != model.RouteDigest {
						t.Error("it was asked to send again")
					}
					e.mu.Lock()
					defer e.mu.Unlock()
					looks++
					var sums inventory.Digests
					sums[0].Hosts = 1 // the other way round the rows would not be asked for
					return model.DigestAnswer{Form: inventory.DigestForm, Buckets: sums[:], Rows: tc.rows()}, nil
				}
				c := e.comparer()
				for range inventory.DigestBuckets / maxBuckets {
					e.once(c)
				}
				if want := 2 * 2 * inventory.DigestBuckets / maxBuckets; looks != want { // sums and rows, of two sites
					t.Errorf("%d questions were asked, want %d", looks, want)
				}
			})
		})
	}
}

// TestRepairsAreBounded: a site that lacks much here is asked for some of it in one comparison.
func TestRepairsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t, 0)
		rows := map[model.HostID]model.Host{}
		const hosts = 3 * maxRepairs
		for n := range hosts {
			h := host(1, n)
			h.ID[15] = 7 // one group
			h.ID[1], h.ID[2] = byte(n), byte(n>>8)
			rows[h.ID] = h
		}
		e.there[model.SiteID{1}] = rows
		c := e.comparer()
		told := 0
		c.c.Mended = func(model.NodeID, int, int) { told++ }
		for n := 1; n <= 3; n++ {
			e.once(c)
			if len(e.here) != n*maxRepairs || told != n {
				t.Fatalf("after %d comparisons %d hosts are here, and it was told %d times", n, len(e.here), told)
			}
		}
	})
}

// TestARepairThatWasNotAnswered is asked for again at the next comparison: nothing says that it was heard.
func TestARepairThatWasNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t, 10)
		lost := host(1, 1)
		delete(e.here, lost.ID)
		broken := true
		e.answer = func(_ context.Context, _ model.SiteID, route string) (any, error) {
			if route == model.RouteRepair && broken {
				return nil, errors.New("the link broke")
			}
			return nil, nil
		}
		c := e.comparer()
		e.once(c)
		if e.same() {
			t.Fatal("it was mended")
		}
		broken = false
		e.once(c)
		if !e.same() {
			t.Error("it was not asked for again")
		}
	})
}

// TestWhatWaitsIsNoDifference: of hosts whose news wait in the outbox of their site nothing is asked for, neither where
// it says so with the rows nor where it says so when it is asked to send.
func TestWhatWaitsIsNoDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnds(t, 10)
		changed, gone, fresh := host(1, 1), host(1, 2), host(1, 3)
		changed.Hostname = "changed"
		e.there[changed.Site][changed.ID] = changed
		delete(e.there[gone.Site], gone.ID)
		delete(e.here, fresh.ID)
		e.waiting = []model.HostID{changed.ID, gone.ID, fresh.ID}
		c := e.comparer()
		told := 0
		c.c.Mended = func(model.NodeID, int, int) { told++ }
		e.once(c)
		if len(e.repaired) != 0 || told != 0 {
			t.Fatalf("asked for again: %v", e.repaired)
		}
		held := e.waiting
		e.waiting = nil
		e.answer = func(_ context.Context, _ model.SiteID, route string) (any, error) {
			if route == model.RouteRepair {
				return model.Repaired{Waiting: held}, nil
			}
			return nil, nil
		}
		if e.once(c); told != 0 {
			t.Error("what waits was told as mended")
		}
		e.answer = nil
		if e.once(c); !e.same() || told != 1 {
			t.Errorf("what no longer waits: the same %v, told %d times", e.same(), told)
		}
	})
}
