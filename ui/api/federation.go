package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// SyncStatus says how far the bundles of each origin were imported here.
type SyncStatus struct {
	Sites       []SyncOrigin `json:"sites"`
	LocalCursor string       `json:"local_cursor" doc:"of the newest advisory change made here"`
}

// SyncOrigin is one origin whose bundles were imported.
type SyncOrigin struct {
	SiteID     string     `json:"site_id"`
	Name       string     `json:"name"`
	LastSyncAt *time.Time `json:"last_sync_at,omitempty"`
	LastCursor string     `json:"last_cursor"`
	BundlesN   int        `json:"bundles_imported"`
	ItemsN     int        `json:"total_items_imported"`
}

// FederationEnroll asks a site to enroll at a controller.
type FederationEnroll struct {
	Controller string `json:"controller" minLength:"1" maxLength:"512" doc:"the controller's URL" example:"https://hq.example.net:8443"`
	Token      string `json:"token" minLength:"1" maxLength:"1024"`
}

// maxImports bounds how many imports the status looks back on.
const maxImports = 10_000

func (s *Server) syncStatus(_ context.Context, _ *none) (*out[SyncStatus], error) {
	v, done := s.c.Store.View()
	defer done()
	shelf, err := v.Shelf()
	if err != nil {
		return nil, err
	}
	imports, err := v.Imports(maxImports)
	if err != nil {
		return nil, err
	}
	by := map[string]*SyncOrigin{}
	status := SyncStatus{Sites: []SyncOrigin{}, LocalCursor: shelf.Cursor.String()}
	for _, i := range imports {
		id := i.Imported.Origin.String()
		o := by[id]
		if o == nil { // the newest comes first
			o = &SyncOrigin{SiteID: id, Name: i.Imported.OriginName, LastSyncAt: at(i.At), LastCursor: shelf.Imported[id].String()}
			by[id] = o
		}
		o.BundlesN++
		o.ItemsN += i.Imported.Created + i.Imported.Updated + i.Imported.Deleted
	}
	for _, o := range by {
		status.Sites = append(status.Sites, *o)
	}
	slices.SortFunc(status.Sites, func(a, b SyncOrigin) int { return strings.Compare(a.Name+a.SiteID, b.Name+b.SiteID) })
	return &out[SyncStatus]{Body: status}, nil
}

type federationEnrollInput struct{ Body FederationEnroll }

func (s *Server) federationEnroll(ctx context.Context, in *federationEnrollInput) (*out[Enrolled], error) {
	const op = "enroll at controller"
	if err := s.only(model.RoleSite, "`skerry federation enroll` is run"); err != nil {
		return nil, err
	}
	if s.c.Upper == nil {
		return nil, fault.New(fault.Conflict, op, "this site cannot enroll while it runs: stop it, enroll, and start it again")
	}
	done, err := s.c.Upper.Enroll(ctx, in.Body.Controller, in.Body.Token)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	return &out[Enrolled]{Body: done}, nil
}
