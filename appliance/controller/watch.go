package controller

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Times of following the registry.
const (
	watchPause  = time.Second      // between two looks at it, however often it changes
	tellTimeout = 10 * time.Second // for a site to take in where the controllers are
	maxTold     = 16               // sites that are told at once
)

// watch follows the registry: it listens to every other controller, and has the sites told where the controllers
// are when that changes.
func (k *controller) watch(ctx context.Context) error {
	type listener struct {
		addr  string
		stop  context.CancelFunc
		ended chan struct{}
	}
	heard := map[model.NodeID]listener{}
	var listening sync.WaitGroup
	defer listening.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // first, or who listens would be waited for without end
	told, seen := "", uint64(0)
	for {
		version, err := k.rows.Wait(ctx, seen)
		if err != nil {
			return nil // the end, of ctx or of the store
		}
		seen = version
		if m, ok, err := k.rows.Member(k.me.Member); err == nil && ok && m.Status == model.MemberRemoved {
			return errRemoved
		}
		k.gate.expel(func(id model.NodeID) bool { return fault.Is(k.gate.removed(id.String()), unwanted) })
		others := k.others()
		now := map[model.NodeID]string{}
		for _, m := range others {
			now[m.ID] = m.Address
		}
		for id, l := range heard {
			if now[id] != l.addr {
				l.stop()
				<-l.ended // it forgets what it heard, and the next one begins to hear
				delete(heard, id)
			}
		}
		for id, addr := range now {
			if _, ok := heard[id]; ok {
				continue
			}
			ctx, cancel := context.WithCancel(ctx)
			l := listener{addr, cancel, make(chan struct{})}
			heard[id] = l
			listening.Go(func() {
				defer close(l.ended)
				k.links.listen(ctx, id.String(), addr)
			})
		}
		if list := k.endpoints(others); list != told {
			if told != "" {
				k.tellers.due(k.links.held()...)
			}
			told = list
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchPause):
		}
	}
}

// endpoints is where the sites find the controllers, in the form of model.ParamEndpoints.
func (k *controller) endpoints(others []model.Member) string {
	list := []string{k.address}
	for _, m := range others {
		list = append(list, m.Address)
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), " ")
}

// tellEndpoints tells one site. Where that fails, the site is told at its next link.
func (k *controller) tellEndpoints(ctx context.Context, id model.NodeID) {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	hub, err := k.links.opened()
	if err == nil {
		_, err = hub.Ask(ctx, id, model.RouteEndpoints, map[string]string{model.ParamEndpoints: k.endpoints(k.others())})
	}
	if err != nil {
		k.log.Debug("a site was not told where the controllers are", "site", id, "err", err)
	}
}

// tellers tell sites something that changes, some at a time: one that is slow holds up nobody else. Each site is told
// one thing at a time, and so what is told last is what was true last.
type tellers struct {
	tell func(ctx context.Context, id model.NodeID)
	wake chan struct{} // 1

	mu      sync.Mutex // guards what follows
	waiting map[model.NodeID]struct{}
	busy    map[model.NodeID]struct{}
}

func newTellers(tell func(context.Context, model.NodeID)) *tellers {
	return &tellers{tell: tell, wake: make(chan struct{}, 1), waiting: map[model.NodeID]struct{}{}, busy: map[model.NodeID]struct{}{}}
}

// due notes that sites are to be told. It is quick.
func (t *tellers) due(ids ...model.NodeID) {
	t.mu.Lock()
	for _, id := range ids {
		t.waiting[id] = struct{}{}
	}
	t.mu.Unlock()
	t.look()
}

func (t *tellers) look() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// take returns one that waits and is not being told, if there is room for one more.
func (t *tellers) take() (model.NodeID, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.busy) < maxTold {
		for id := range t.waiting {
			if _, busy := t.busy[id]; !busy {
				delete(t.waiting, id)
				t.busy[id] = struct{}{}
				return id, true
			}
		}
	}
	return model.NodeID{}, false
}

// run tells until ctx ends, and then waits for what is under way.
func (t *tellers) run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case <-t.wake:
		case <-ctx.Done():
			return nil
		}
		for {
			id, ok := t.take()
			if !ok {
				break
			}
			all.Go(func() {
				t.tell(ctx, id)
				t.mu.Lock()
				delete(t.busy, id)
				t.mu.Unlock()
				t.look()
			})
		}
	}
}
