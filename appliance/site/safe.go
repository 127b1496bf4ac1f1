package site

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/link"
	"github.com/skerryhq/skerry/ui/api"
	"github.com/skerryhq/skerry/ui/schema"
)

// The stores of a site, as `skerry site rebuild` names them.
const (
	storeIndex  = "index"
	storeOutbox = "outbox"
	storeDetail = "detail"
)

// Stores are the names of all stores of a site.
func Stores() []string { return []string{storeIndex, storeOutbox, storeDetail} }

func storePath(data, name string) string {
	if name == storeOutbox {
		return filepath.Join(data, "outbox.db")
	}
	return filepath.Join(data, name)
}

// hurt notes that a store cannot be opened because it is damaged; any other error is returned as it is.
func (s *site) hurt(store string, err error) error {
	if !fault.Is(err, fault.Corrupt) {
		return err
	}
	s.log.Error("a store of this site is damaged; serving in safe mode, which changes nothing", "store", store, "reason", err.Error())
	s.damaged = errors.Join(s.damaged, damage(store, err))
	return nil
}

// still is an outbox that takes nothing, in the place of a damaged one.
type still struct {
	head model.Seq
	why  error
}

// Append implements uplink.Appender.
func (s still) Append([]model.Item) (model.Seq, error) { return 0, s.why }

// Head implements uplink.Appender: as the rows have it, so that nothing looks amiss between the two.
func (s still) Head() model.Seq { return s.head }

// serveSafe starts what there is where a store is damaged: the rows are shown if it is not they, and nobody's link is
// taken, since what came could not be kept.
func (s *site) serveSafe(ctx context.Context, g *errgroup.Group, door *serve.Door, socket net.Listener, a api.Config) {
	a.Damaged, a.Links = s.damaged, noLinks{}
	if s.rows.Store == nil {
		a.Store, a.Directory, a.Check, a.Proposer = nil, nil, nil, nil
	}
	_ = door.Joins.Close() // nobody new can be kept either
	server := api.New(a)
	g.Go(func() error { return door.Server.Run(ctx) })
	g.Go(func() error { return s.turnAway(ctx, door.Links) })
	g.Go(func() error { return server.Serve(ctx, door.Web) })
	g.Go(func() error { return server.ServeSocket(ctx, socket) })
}

// failing is a store that says when it can no longer be written.
type failing interface {
	Failed() <-chan struct{} // closed when Err becomes set
	Err() error
}

// safeWait is how long those who are turned away are told to wait: as long as a rebuild may take, and no longer than anybody
// wants to see his hosts unknown after it.
const safeWait = 30 * time.Second

// turnAway tells every agent that dials why it is not let in: what it has to report it keeps, and tries again.
func (s *site) turnAway(ctx context.Context, links net.Listener) error {
	why := fault.Later(fault.New(fault.ReadOnly, "", "site %q is in safe mode, because a store of it is damaged, and takes nothing now: what is to be reported is kept and sent when the site is well; "+
		"its operator finds what to do on its page", s.Name), safeWait)
	conf := link.AcceptConfig{Admit: func(context.Context, link.Peer) error { return why }}
	return link.Sessions(ctx, links, mostTurnedAway, conf, func(context.Context, *link.Session) {})
}

// mostTurnedAway bounds those that are told so at the same moment.
const mostTurnedAway = 256

// inUse are the stores that are open, by name.
func (s *site) inUse() map[string]failing {
	all := map[string]failing{}
	if s.rows.Store != nil {
		all[storeIndex] = s.rows.Store
	}
	if s.outbox != nil {
		all[storeOutbox] = s.outbox
	}
	if s.detail != nil {
		all[storeDetail] = s.detail
	}
	return all
}

// watchStores waits until a store can no longer be written, or is found damaged by whoever reads it. From then on nothing
// is changed any more, in no store: each of them is worth something only beside the others. It returns when ctx ends.
func (s *site) watchStores(ctx context.Context, stores map[string]failing) {
	var all sync.WaitGroup
	for name, store := range stores {
		all.Go(func() {
			select {
			case <-store.Failed():
				s.stop(failure(name, store.Err()), name)
			case <-ctx.Done():
			}
		})
	}
	all.Wait()
}

// stop ends all changes while the site serves. The first reason stays.
func (s *site) stop(why error, store string) {
	if s.later.CompareAndSwap(nil, &why) {
		s.log.Error("nothing is changed any more", "store", store, "reason", why.Error())
	}
}

// selfCheck reads the index and the detail tier whole, once, while the site serves: what no start reads may be damaged
// as well. From the moment that it finds a store damaged, nothing is changed any more; single bodies are no reason for that.
func (s *site) selfCheck(ctx context.Context) {
	began := time.Now()
	for _, store := range []struct {
		name string
		read func() error
	}{
		{storeIndex, func() error { _, err := s.rows.Store.Check(ctx); return errors.Join(err, s.rows.Store.Err()) }},
		{storeDetail, func() error {
			v, err := s.detail.Verify(ctx)
			if v.Damaged > 0 {
				s.log.Warn("bodies of the detail tier are damaged; they are stored again when the same is reported again", "damaged", v.Damaged, "of", v.Bodies, "first", v.First[0])
			}
			return err
		}},
	} {
		err := store.read()
		if ctx.Err() != nil {
			return
		}
		if fault.Is(err, fault.Corrupt) {
			s.stop(damage(store.name, err), store.name)
			return
		}
		if err != nil {
			s.log.Warn("a store could not be read whole", "store", store.name, "reason", err.Error())
		}
	}
	s.log.Info("every store was read whole", "took", time.Since(began).Round(time.Millisecond).String())
}

// check reads the rows and the bodies of the detail tier.
func (s *site) check(ctx context.Context) (schema.StorageReport, error) {
	report, err := s.rows.Check(ctx)
	if err != nil || s.detail == nil {
		return report, err
	}
	v, err := s.detail.Verify(ctx)
	if fault.Is(err, fault.Corrupt) {
		report.OK, report.FaultN, report.Faults, err = false, report.FaultN+1, append(report.Faults, err.Error()), nil
	}
	report.Bodies, report.DamagedN, report.Damaged = v.Bodies, v.Damaged, v.First
	return report, err
}

// unwell says why this site is in safe mode, since its start or since a store failed or was found damaged; nil: it is not.
func (s *site) unwell() error {
	if s.damaged != nil {
		return s.damaged
	}
	if why := s.later.Load(); why != nil {
		return *why
	}
	return nil
}

// failure says what a store has that failed while it was in use.
func failure(store string, err error) error {
	if fault.Is(err, fault.Corrupt) {
		return damage(store, err)
	}
	return fault.New(fault.ReadOnly, "", "this site is in safe mode and changes nothing: its store %q cannot be written (%w). "+
		"See that the disk is well, then restart the server: what was acknowledged is there, and agents send the rest again", store, err)
}

func damage(store string, err error) error {
	return fault.New(fault.ReadOnly, "", "this site is in safe mode and changes nothing: its store %q is damaged (%w). "+
		"Stop the server and run `skerry site rebuild` with its configuration: agents and controller bring again what they have", store, err)
}
