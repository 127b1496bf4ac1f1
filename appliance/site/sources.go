package site

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/skerryhq/skerry/appliance/serve"
	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/space"
	"github.com/skerryhq/skerry/sync/uplink"
	"github.com/skerryhq/skerry/sync/wire"
	"github.com/skerryhq/skerry/ui/api"
	"github.com/skerryhq/skerry/ui/schema"
)

// sources is what this site takes advisories from: its controller, and the bundles that are configured. It satisfies
// api.Sources.
type sources struct {
	*serve.Pulls
	follow *follower
	name   string // of the controller
	url    string
}

// List implements api.Sources; the controller comes first.
func (s sources) List() []schema.AdvisorySource {
	return slices.Insert(s.Pulls.List(), 0, s.follow.row(s.name, s.url))
}

// Fetch implements api.Sources.
func (s sources) Fetch(name string) error {
	if name != s.name {
		return s.Pulls.Fetch(name)
	}
	if !s.follow.online() {
		return fault.New(fault.Unreachable, "fetch a source", "the controller cannot be reached now; its advisories are fetched when it can")
	}
	s.follow.again()
	return nil
}

// again has the follower look at once, whatever failed before.
func (f *follower) again() {
	f.mu.Lock()
	f.waits = time.Time{}
	f.mu.Unlock()
	f.nudge()
}

// followFolder has what was fetched from the controller, and what is known of that, within the data folder.
const followFolder = "fetch"

// lastImports is how many imports are looked at for the newest of the controller's; further back counts what the follower keeps itself.
const lastImports = 100

// lastOf is when a bundle of an origin last brought this site further, of imports with the newest first; zero: none of them did. What
// somebody else's brought says nothing of it, nor does one that was forced in and goes back.
func lastOf(imports []model.ImportRecord, origin model.NodeID) model.Time {
	for _, i := range imports {
		if i.Imported.Origin == origin && !i.Forced {
			return i.At
		}
	}
	return 0
}

// newFollower returns what keeps this site level with its controller; its take is set when there is something that takes in.
func (s *site) newFollower() (*follower, error) {
	dir := filepath.Join(s.Data, followFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.New(fault.ReadOnly, "open the data folder", "%w", err)
	}
	f := &follower{
		upper: s.id.Upper,
		shelf: func() (apply.Shelf, error) {
			v := s.rows.Store.View()
			defer v.Close()
			return v.Shelf()
		},
		imported: func() (model.Time, error) {
			v := s.rows.Store.View()
			defer v.Close()
			last, err := v.Imports(lastImports)
			return lastOf(last, s.id.Upper), err
		},
		fetch: func(ctx context.Context, from model.Cursor, d *uplink.Download) (wire.Fetched, error) {
			return s.up.Fetch(ctx, from, d)
		},
		online: func() bool { return s.up.State().Online },
		room:   func() error { return s.space.Err(space.Low) },
		now:    s.clock.Now, jitter: func(limit time.Duration) time.Duration { return rand.N(max(limit, 1)) },
		log: s.log, path: filepath.Join(dir, "state.json"), download: uplink.OpenDownload(filepath.Join(dir, "bundle.part")),
	}
	f.renewed = func(ctx context.Context, from model.Cursor, d *uplink.Download) (bool, error) {
		return s.up.Renewed(ctx, from, d)
	}
	f.rules = func() string {
		v := s.rows.Store.View()
		defer v.Close()
		keys, err := v.Signers()
		partners, e := v.Partners()
		raw, e2 := model.Encode([]any{keys, partners})
		if errors.Join(err, e, e2) != nil {
			return "" // whoever takes in says what is wrong
		}
		return merge.Hash(string(raw))
	}
	f.open()
	return f, nil
}

// takeWith has bundles of the controller, which has that name, imported by server.
func (f *follower) takeWith(server *api.Server, name string) {
	f.admit = func(size int64) error { return server.AdmitSize(f.upper, name, size) }
	f.take = func(ctx context.Context, file *os.File) error {
		_, err := server.TakeBundle(ctx, file, api.TakeIn{Linked: true})
		if errors.Is(err, api.ErrUnderWay) {
			err = fault.New(fault.Busy, "", "%w", err)
		}
		return err
	}
}
