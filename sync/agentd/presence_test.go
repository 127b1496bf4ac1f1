package agentd

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// register is the rows, as far as presence sees them.
type register struct {
	began time.Time

	mu   sync.Mutex // guards what follows
	rows []model.Host
	log  []string
	fail int // proposals that fail from now on
	all  []time.Duration
	as   []time.Duration // of when each of all was said
	told int             // calls of Settled
}

func (r *register) Propose(_ context.Context, changes ...model.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail > 0 {
		r.fail--
		return fault.New(fault.ReadOnly, "", "no quorum")
	}
	for _, c := range changes {
		if c.(model.HostStatuses).All {
			r.all, r.as = append(r.all, time.Since(r.began)), append(r.as, c.(model.HostStatuses).At.Std().Sub(r.began))
		}
		for _, h := range c.(model.HostStatuses).Hosts {
			seen := "never"
			if h.LastSeen != 0 {
				seen = h.LastSeen.Std().Sub(r.began).String()
			}
			r.log = append(r.log, fmt.Sprintf("%v: %x %s, seen %s", time.Since(r.began), h.Host[0], h.Status, seen))
		}
	}
	return nil
}

func (r *register) Hosts(fn func(model.Host) error) error {
	for _, h := range r.rows {
		if err := fn(h); err != nil {
			return err
		}
	}
	return nil
}

// expect checks what was proposed since the last call.
func (r *register) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !reflect.DeepEqual(r.log, want) {
		t.Errorf("proposed %q, want %q", r.log, want)
	}
	r.log = nil
}

func watch(t *testing.T, rows ...model.Host) (*Presence, *register) {
	r := &register{began: time.Now(), rows: rows}
	p := NewPresence(PresenceConfig{Propose: r.Propose, Hosts: r.Hosts, Now: time.Now, Log: quiet, Settled: func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.told++
	}})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p, r
}

func row(id model.HostID, owner model.Member, s model.HostStatus) model.Host {
	return model.Host{ID: id, Agent: owner.ID, Status: s}
}

func TestLateThenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := watch(t)
		p.Heard(agentA)
		p.Accepted(agentA, []model.Item{item(1, model.ItemFacts, hostA, model.Facts{Hostname: "h"})})
		r.expect(t) // the report itself brought it up
		for range 20 {
			time.Sleep(30 * time.Second)
			p.Heard(agentA) // pings are enough
		}
		r.expect(t)
		time.Sleep(119 * time.Second)
		r.expect(t)
		time.Sleep(60 * time.Second)
		r.expect(t, "12m0s: a late, seen 10m0s")
		time.Sleep(20 * time.Second)
		r.expect(t, "13m0s: a down, seen 10m0s")
		time.Sleep(time.Hour)
		r.expect(t) // said once
		p.Heard(agentA)
		r.expect(t, "1h13m19s: a up, seen 1h13m19s") // at once, not at the next look
		time.Sleep(2*time.Minute + 20*time.Second)
		r.expect(t, "1h15m30s: a late, seen 1h13m19s")
		p.Heard(agentA)
		r.expect(t, "1h15m39s: a up, seen 1h15m39s")
	})
}

func TestAfterAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := model.HostID{0xc}
		p, r := watch(t, row(hostA, agentA, model.HostUp), row(hostB, gateway, model.HostDown), row(c, gateway, model.HostUnknown))
		r.expect(t) // too early to say
		time.Sleep(20 * time.Second)
		r.expect(t, "15s: a unknown, seen never") // it was up before, and who is down stays so
		time.Sleep(80 * time.Second)
		p.Heard(gateway) // speaks for all of its hosts
		r.expect(t, "1m40s: b up, seen 1m40s", "1m40s: c up, seen 1m40s")
		time.Sleep(100 * time.Second)
		r.expect(t, "3m0s: a down, seen never")
	})
}

func TestAFailedProposalIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, r := watch(t, row(hostA, agentA, model.HostUp))
		r.mu.Lock()
		r.fail = 3 // twice at 15 s: the look of every quarter, and that at the end of the time to come back
		r.mu.Unlock()
		time.Sleep(29 * time.Second)
		r.expect(t)
		time.Sleep(60 * time.Second)
		r.expect(t, "45s: a unknown, seen never")
	})
}

func TestForeignAndRefusedReportsDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := watch(t, row(hostA, agentA, model.HostDown))
		p.Heard(gateway)
		p.Accepted(gateway, []model.Item{item(1, model.ItemFacts, hostA, model.Facts{Hostname: "h"})})
		refused := item(2, model.ItemPackages, hostB, "")
		refused.Payload = nil
		p.Accepted(gateway, []model.Item{refused})
		time.Sleep(10 * time.Minute)
		r.expect(t)
	})
}

// TestAllIsSaidOnceAnInterval: also where nothing changes, and not while somebody's silence means nothing.
func TestAllIsSaidOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := watch(t, row(hostA, agentA, model.HostUp), row(hostB, gateway, model.HostUp))
		p.Heard(agentA)
		time.Sleep(179 * time.Second) // the clock of the test's own bubble
		synctest.Wait()
		r.mu.Lock()
		if len(r.all) != 0 {
			t.Errorf("said at %v, though the gateway was never heard", r.all)
		}
		r.mu.Unlock()
		for range 4 {
			p.Heard(agentA)
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.all) != 4 {
			t.Errorf("said at %v, want four times in four minutes", r.all)
		}
	})
}

// A host that was retired is judged no more; the others are.
func TestARetiredHostIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := model.HostID{0x0a}, model.HostID{0x0b}
		p, r := watch(t,
			model.Host{ID: one, Agent: model.NodeID(one), Status: model.HostUp},
			model.Host{ID: two, Agent: model.NodeID(two), Status: model.HostUp})
		synctest.Wait()
		p.Forget(one)
		p.Forget(model.HostID{0x0c}) // there is none
		time.Sleep(3 * time.Minute)  // of this bubble
		r.expect(t, "15s: b unknown, seen never", "3m0s: b down, seen never")
	})
}

// TestWhatIsShownAsSeenWasHeard: an agent that falls silent between two judgements of all hosts is not said to have been heard
// until the second of them, and the time at which it is late is none that is before what was said.
func TestWhatIsShownAsSeenWasHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, r := watch(t, row(hostA, agentA, model.HostUp), row(hostB, gateway, model.HostUp))
		for range 20 {
			p.Heard(agentA)
			p.Heard(gateway)
			time.Sleep(10 * time.Second)
		}
		silent := 190 * time.Second // when agentA was heard for the last time
		for range 20 {
			p.Heard(gateway)
			time.Sleep(10 * time.Second)
		}
		r.expect(t, "5m15s: a late, seen 3m10s", "6m15s: a down, seen 3m10s")
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, at := range r.all {
			up := at < silent+2*time.Minute // while it was thought to be up
			if up && r.as[i] > silent {
				t.Errorf("at %v it was said of %v, and agent a was last heard at %v", at, r.as[i], silent)
			}
			if r.as[i] > at || i > 0 && r.as[i] < r.as[i-1] {
				t.Errorf("at %v it was said of %v, after %v", at, r.as[i], r.as[:i])
			}
		}
		if n := len(r.as); n < 5 || r.as[n-1] < 5*time.Minute {
			t.Errorf("said of %v: it does not go on once that agent is late", r.as)
		}
	})
}

// TestSettled: as soon as all were heard who have rows, and else when they had the time to come back.
func TestSettled(t *testing.T) {
	for _, tc := range []struct {
		name  string
		heard []model.Member
		at    time.Duration
	}{
		{"all", []model.Member{agentA, gateway}, 2 * time.Second},
		{"one", []model.Member{agentA, agentA}, 15 * time.Second},
		{"nobody", nil, 15 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, r := watch(t, row(hostA, agentA, model.HostUp), row(hostB, gateway, model.HostUp))
				check := func(want int) {
					t.Helper()
					synctest.Wait()
					r.mu.Lock()
					defer r.mu.Unlock()
					if r.told != want {
						t.Errorf("%v after the start it was told %d times, want %d", time.Since(r.began), r.told, want)
					}
				}
				for _, m := range tc.heard {
					time.Sleep(time.Second)
					p.Heard(m)
				}
				if time.Sleep(tc.at - time.Since(r.began) - time.Millisecond); tc.at > 2*time.Second {
					check(0)
				}
				time.Sleep(2 * time.Millisecond)
				check(1)
				time.Sleep(time.Hour)
				check(1)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		_, r := watch(t)
		synctest.Wait()
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.told != 1 {
			t.Errorf("a site without hosts is told %d times", r.told)
		}
	})
}

// A report and a judgement that meet: whichever was applied last, the next look puts the row right.
func TestAReportMeetsTheJudgementThatItsHostIsDown(t *testing.T) {
	now := time.Now()
	p := NewPresence(PresenceConfig{Now: func() time.Time { return now }, Log: quiet})
	report := []model.Item{item(1, model.ItemFacts, hostA, model.Facts{Hostname: "h"})}
	p.Heard(agentA)
	p.Accepted(agentA, report)
	now = now.Add(10 * time.Minute)
	down := p.changed().changed
	if len(down) != 1 || down[0].Status != model.HostDown {
		t.Fatalf("%+v", down)
	}
	p.Heard(agentA)
	p.stored(down)             // applied behind the report
	p.Accepted(agentA, report) // and yet said first
	if up := p.changed().changed; len(up) != 1 || up[0].Host != hostA || up[0].Status != model.HostUp {
		t.Errorf("the row stays down: %+v", up)
	}
}
