package site

import (
	"context"
	"errors"
	"net"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/api"
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
	s.damaged = errors.Join(s.damaged, fault.New(fault.ReadOnly, "", "this site is in safe mode and changes nothing: its store %q is damaged (%w). "+
		"Stop the server and run `skerry site rebuild` with its configuration: agents and controller bring again what they have", store, err))
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
	door.Unenrolled()
	server := api.New(a)
	g.Go(func() error { return door.Server.Run(ctx) })
	g.Go(func() error { return server.Serve(ctx, door.Web) })
	g.Go(func() error { return server.ServeSocket(ctx, socket) })
}
