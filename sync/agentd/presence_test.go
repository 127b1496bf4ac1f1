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
			r.all = append(r.all, time.Since(r.began))
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
	p := NewPresence(PresenceConfig{Propose: r.Propose, Hosts: r.Hosts, Now: time.Now, Log: quiet})
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
		time.Sleep(100 * time.Second)
		p.Heard(gateway) // speaks for all of its hosts
		r.expect(t, "1m40s: b up, seen 1m40s", "1m40s: c up, seen 1m40s")
		time.Sleep(100 * time.Second)
		r.expect(t, "3m0s: a down, seen never")
	})
}

func TestAFailedProposalIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, r := watch(t, row(hostA, agentA, model.HostUp))
		r.fail = 2
		time.Sleep(179 * time.Second)
		r.expect(t)
		time.Sleep(60 * time.Second)
		r.expect(t, "3m30s: a down, seen never")
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
		r.expect(t, "3m0s: b down, seen never")
	})
}
