package controller

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/hub"
)

// register is a controller's rows that a test changes.
type register struct {
	*testing.T
	store   *index.Store
	applied uint64
}

func newRegister(t *testing.T, nodes ...model.NodeID) *register {
	store, err := index.Open(filepath.Join(t.TempDir(), "index"), index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	r := &register{T: t, store: store}
	r.do(model.Found{Stamp: now(), Self: model.NodeID{9}, Role: model.RoleController, Name: "g"})
	for _, id := range nodes {
		r.add(id)
	}
	return r
}

func (r *register) do(c model.Change) {
	r.Helper()
	tx := r.store.Begin()
	defer tx.Discard()
	if _, err := apply.Change(tx, apply.Env{Role: model.RoleController}, c); err != nil {
		r.Fatal(err)
	}
	r.applied++
	if err := tx.Commit(r.applied, false); err != nil {
		r.Fatal(err)
	}
}

// add is for a node that is called by the first byte of its id.
func (r *register) add(id model.NodeID) {
	name := string('a' + rune(id[0]))
	r.do(model.PutController{Stamp: now(), Member: id, Name: name, Address: name + ":1", Pin: "key-" + name})
}

// watching is a controller of these rows that does nothing but to follow them.
func (r *register) watching(self model.NodeID) (*controller, chan error) {
	k := newController(config.Default(model.RoleController), Options{Log: discard})
	k.rows, k.address, k.me.Member = serve.Rows{Store: r.store}, string('a'+rune(self[0]))+":1", self
	k.gate = &gate{member: k.rows.Member}
	k.links = newLinks(self.String(), func(model.NodeID) {}, k.log)
	k.links.mesh = meshOf{&controllers{cut: map[string]bool{"b:1": true, "c:1": true, "d:1": true}}, k.address}
	ended := make(chan error, 1)
	go func() { ended <- k.watch(r.Context()) }()
	return k, ended
}

// TestTheWatchEndsWhereItIsRemoved: also while it listens to other controllers, and while a site is slow to be told.
func TestTheWatchEndsWhereItIsRemoved(t *testing.T) {
	self, other, third := model.NodeID{0}, model.NodeID{1}, model.NodeID{2}
	self[15] = 1
	r := newRegister(t, self, other)
	k, ended := r.watching(self)
	site := model.NodeID{7}
	slow := &slowHub{holding: holding{links: map[model.NodeID]hub.LinkState{site: {Up: true}}}, asked: make(chan string, 8)}
	k.links.open(slow, nil)
	k.links.look(site)
	go func() { _ = k.tellers.run(t.Context()) }()
	eventually(t, "it listens", 10*time.Second, func() bool {
		k.links.mu.Lock()
		defer k.links.mu.Unlock()
		return k.links.addrs[other.String()] != ""
	})
	r.add(third)
	if list := <-slow.asked; list != "a:1 b:1 c:1" {
		t.Errorf("the site was told of %q", list)
	}
	r.do(model.RemoveMember{Stamp: now(), Member: self})
	select {
	case err := <-ended:
		if !errors.Is(err, errRemoved) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(tellTimeout / 2):
		t.Error("a removed controller goes on watching")
	}
}

// slowHub never has an answer.
type slowHub struct {
	holding
	asked chan string
}

func (h *slowHub) Ask(ctx context.Context, _ model.NodeID, _ string, params map[string]string) ([]byte, error) {
	h.asked <- params[model.ParamEndpoints]
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// Each is told one thing at a time, and last what was due last; one that takes long holds up nobody else.
func TestTellers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	slow, quick := model.NodeID{1}, model.NodeID{2}
	began, end := make(chan model.NodeID), make(chan struct{})
	tell := newTellers(func(_ context.Context, id model.NodeID) {
		began <- id
		if id == slow {
			<-end
		}
	})
	ended := make(chan error)
	go func() { ended <- tell.run(ctx) }()
	next := func(want model.NodeID) {
		t.Helper()
		select {
		case id := <-began:
			if id != want {
				t.Errorf("%v is told, want %v", id, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%v is not told", want)
		}
	}
	tell.due(slow)
	next(slow)
	tell.due(slow, slow) // while it is being told
	for range 3 {
		tell.due(quick)
		next(quick)
	}
	end <- struct{}{}
	next(slow)
	end <- struct{}{}
	tell.due(quick)
	next(quick) // and not the slow one, which was told what was due
	tell.due(slow)
	next(slow)
	cancel()
	select {
	case <-ended:
		t.Error("it does not wait for what is under way")
	case end <- struct{}{}:
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
