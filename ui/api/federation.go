package api

import (
	"context"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// maxImports bounds how many imports the status looks back on.
const maxImports = 10_000

func (s *Server) syncStatus(_ context.Context, _ *none) (*out[schema.SyncStatus], error) {
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
	by := map[string]*schema.SyncOrigin{}
	status := schema.SyncStatus{Sites: []schema.SyncOrigin{}, LocalCursor: s.reaches(shelf).String()}
	for _, i := range imports {
		id := i.Imported.Origin.String()
		o := by[id]
		if o == nil { // the newest comes first
			o = &schema.SyncOrigin{SiteID: id, Name: i.Imported.OriginName, LastSyncAt: at(i.At), LastCursor: shelf.Imported[id].String()}
			by[id] = o
		}
		o.BundlesN++
		o.ItemsN += i.Imported.Created + i.Imported.Updated + i.Imported.Deleted
	}
	for _, o := range by {
		status.Sites = append(status.Sites, *o)
	}
	slices.SortFunc(status.Sites, func(a, b schema.SyncOrigin) int { return strings.Compare(a.Name+a.SiteID, b.Name+b.SiteID) })
	return &out[schema.SyncStatus]{Body: status}, nil
}

type federationEnrollInput struct{ Body schema.FederationEnroll }

func (s *Server) federationEnroll(ctx context.Context, in *federationEnrollInput) (*out[schema.Enrolled], error) {
	const op = "enroll at controller"
	if err := s.only(model.RoleSite, "enrolling at a controller is done"); err != nil {
		return nil, err
	}
	if s.c.Upper == nil {
		return nil, fault.New(fault.Conflict, op, "this site cannot enroll while it runs: stop it, enroll, and start it again")
	}
	done, err := s.c.Upper.Enroll(ctx, in.Body.Controller, in.Body.Token)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	return &out[schema.Enrolled]{Body: done}, nil
}
