package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// The words for what is allowed of an origin.
const (
	partnerEnabled  = "enabled"
	partnerDisabled = "disabled"
	partnerUnknown  = "not_allowed"
)

func (s *Server) federationRoutes() {
	op(s, http.MethodGet, "/federation/export", "export-bundle", "A signed bundle of the advisory changes after a cursor, or one part of several", s.exportBundle, gives("application/zstd"))
	op(s, http.MethodPost, "/federation/import", "import-bundle", "Take in a signed bundle, or one part of several", s.importBundle, takes("application/zstd"))
	op(s, http.MethodPost, "/federation/preview", "preview-bundle", "What an import would do; nothing is changed", s.previewBundle, takes("application/zstd"))
	op(s, http.MethodGet, "/federation/sync/status", "sync-status", "How far each origin's bundles were imported", s.syncStatus)
	op(s, http.MethodGet, "/federation/sites", "list-partners", "The origins of bundles, and what is allowed of each", s.listPartners)
	op(s, http.MethodGet, "/federation/sites/{name}", "get-partner", "One origin of bundles", s.getPartner)
	op(s, http.MethodPut, "/federation/sites/{name}", "put-partner", "Say what is allowed of the bundles of an origin", s.putPartner)
	op(s, http.MethodDelete, "/federation/sites/{name}", "drop-partner", "Forget what was said of an origin", s.dropPartner)
	op(s, http.MethodGet, "/federation/sites/{name}/history", "partner-history", "The bundles of an origin that were imported, newest first", s.partnerHistory)
	op(s, http.MethodPost, "/federation/enroll", "federation-enroll", "Enroll this site at a controller", s.federationEnroll)
}

// maxImports bounds how many imports the history of an origin looks back on.
const maxImports = 10_000

// partners returns every origin that was imported from or that somebody named, by name.
func (s *Server) partners(v View) ([]schema.Partner, error) {
	self, _, err := v.Self()
	if err != nil {
		return nil, err
	}
	shelf, err := v.Shelf()
	if err != nil {
		return nil, err
	}
	said, err := v.Partners()
	if err != nil {
		return nil, err
	}
	by := map[string]*schema.Partner{} // by the id of the origin
	origins := map[string]model.NodeID{}
	first := map[string]model.NodeID{} // see holder
	err = v.EachImport(func(i model.ImportHead) error {
		id := i.Origin.String()
		o := by[id]
		if o == nil {
			o = &schema.Partner{SyncOrigin: schema.SyncOrigin{SiteID: id, LastCursor: shelf.Imported[id].String()}}
			by[id], origins[id] = o, i.Origin
		}
		if _, held := first[i.OriginName]; !held && !i.Unsigned {
			first[i.OriginName] = i.Origin
		}
		o.Name, o.LastSyncAt = i.OriginName, at(i.At) // the newest comes last
		o.BundlesN++
		o.ItemsN += i.Created + i.Updated + i.Deleted
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all []schema.Partner
	seen := map[string]bool{}
	for id, o := range by {
		p := s.permitOf(said, self.Self, origins[id], o.Name, first[o.Name])
		o.Enabled, o.Reason = p.why == "", p.why
		for _, x := range said {
			if x.Name == o.Name || x.Name == id {
				seen[x.Name] = true
				policyOf(o, x)
			}
		}
		all = append(all, *o)
	}
	named := slices.Clone(said)
	for _, name := range s.c.Federation.AllowedSites {
		if !slices.ContainsFunc(said, func(x model.Partner) bool { return x.Name == name }) && !slices.ContainsFunc(all, func(o schema.Partner) bool { return o.Name == name || o.SiteID == name }) {
			all = append(all, schema.Partner{SyncOrigin: schema.SyncOrigin{SiteID: name, Name: name, Enabled: true}})
		}
	}
	for _, x := range named {
		if seen[x.Name] {
			continue
		}
		o := schema.Partner{SyncOrigin: schema.SyncOrigin{SiteID: x.Name, Name: x.Name, Enabled: x.Enabled}}
		if !x.Enabled {
			o.Reason = "imports of it are disabled here"
		}
		policyOf(&o, x)
		all = append(all, o)
	}
	for i := range all {
		switch o := &all[i]; {
		case o.Enabled:
			o.Status = partnerEnabled
		case o.Policy:
			o.Status = partnerDisabled
		default:
			o.Status = partnerUnknown
		}
	}
	slices.SortFunc(all, func(a, b schema.Partner) int { return strings.Compare(a.Name+"\x00"+a.SiteID, b.Name+"\x00"+b.SiteID) })
	return all, nil
}

func policyOf(o *schema.Partner, x model.Partner) {
	o.Policy, o.DisplayName, o.MaxBundle, o.AllowedSources, o.SkipSignature = true, x.DisplayName, x.MaxBundle, x.Sources, x.SkipSignature
	o.ChangedAt = at(x.At)
}

func (s *Server) listPartners(_ context.Context, _ *none) (*out[[]schema.Partner], error) {
	v, done := s.c.Store.View()
	defer done()
	all, err := s.partners(v)
	if err != nil {
		return nil, err
	}
	if all == nil {
		all = []schema.Partner{}
	}
	return &out[[]schema.Partner]{Body: all}, nil
}

func (s *Server) syncStatus(_ context.Context, _ *none) (*out[schema.SyncStatus], error) {
	v, done := s.c.Store.View()
	defer done()
	shelf, err := v.Shelf()
	if err != nil {
		return nil, err
	}
	all, err := s.partners(v)
	if err != nil {
		return nil, err
	}
	status := schema.SyncStatus{Sites: []schema.SyncOrigin{}, LocalCursor: shelf.Cursor.String()}
	for _, o := range all {
		status.Sites = append(status.Sites, o.SyncOrigin)
	}
	return &out[schema.SyncStatus]{Body: status}, nil
}

type partnerInput struct {
	Name string `path:"name" maxLength:"256" doc:"the name or id that its bundles carry"`
}

// partner finds one by its name or id.
func (s *Server) partner(v View, name string) (schema.Partner, error) {
	all, err := s.partners(v)
	if err != nil {
		return schema.Partner{}, err
	}
	for _, o := range all {
		if o.Name == name || o.SiteID == name {
			return o, nil
		}
	}
	return schema.Partner{}, fault.New(fault.NotFound, "", "no bundle of %q was imported here, and nobody said what is allowed of it; the list of origins has those there are", name)
}

func (s *Server) getPartner(_ context.Context, in *partnerInput) (*out[schema.Partner], error) {
	v, done := s.c.Store.View()
	defer done()
	o, err := s.partner(v, in.Name)
	if err != nil {
		return nil, err
	}
	return &out[schema.Partner]{Body: o}, nil
}

type putPartnerInput struct {
	Name string `path:"name" minLength:"1" maxLength:"256" doc:"the name or id that its bundles carry"`
	Body schema.PartnerPut
}

func (s *Server) putPartner(ctx context.Context, in *putPartnerInput) (*out[schema.Partner], error) {
	const op = "put partner"
	var before []schema.Partner
	first := false
	row, err := func() (model.Partner, error) {
		v, done := s.c.Store.View()
		defer done()
		said, err := v.Partners()
		if err != nil {
			return model.Partner{}, err
		}
		first = len(said)+len(s.c.Federation.AllowedSites) == 0
		if before, err = s.partners(v); err != nil {
			return model.Partner{}, err
		}
		row, ok, err := v.Partner(in.Name)
		if ok || err != nil {
			return row, err
		}
		known := slices.ContainsFunc(before, func(p schema.Partner) bool { return p.Name == in.Name || p.SiteID == in.Name })
		if !known && !model.IsName(in.Name) { // a slip would shut out everybody else
			return row, fault.New(fault.Invalid, op, "name: %q is no name that a bundle could carry: want 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit, or an id", fault.Clip(in.Name, 64))
		}
		return model.Partner{Name: in.Name, Enabled: true}, nil
	}()
	if err != nil {
		return nil, err
	}
	b := in.Body
	if b.AllowedSources != nil {
		row.Sources = nil
		for _, source := range *b.AllowedSources {
			if err := canonical.CheckSource(source); err != nil {
				return nil, fault.Wrap(op+": allowed_sources", err)
			}
			row.Sources = append(row.Sources, source)
		}
		slices.Sort(row.Sources)
		row.Sources = slices.Compact(row.Sources)
	}
	set(&row.DisplayName, b.DisplayName)
	set(&row.Enabled, b.Enabled)
	set(&row.MaxBundle, b.MaxBundle)
	set(&row.SkipSignature, b.SkipSignature)
	if err := s.c.Proposer.Propose(ctx, model.PutPartner{Stamp: s.stamp(ctx), Partner: row}); err != nil {
		return nil, fault.Wrap(op, err)
	}
	answer, err := s.getPartner(ctx, &partnerInput{Name: in.Name})
	if err != nil {
		return nil, err
	}
	answer.Body.OnlyNamed = first
	answer.Body.ShutOut, err = s.shutOut(before, answer.Body.SiteID)
	return answer, err
}

// shutOut returns the names of the origins, but for one, whose bundles were taken before and are not any more.
func (s *Server) shutOut(before []schema.Partner, but string) ([]string, error) {
	v, done := s.c.Store.View()
	defer done()
	now, err := s.partners(v)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, o := range now {
		was := slices.ContainsFunc(before, func(x schema.Partner) bool { return x.SiteID == o.SiteID && x.Enabled })
		if was && !o.Enabled && o.SiteID != but {
			names = append(names, o.Name)
		}
	}
	return names, nil
}

// set takes what was given.
func set[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

func (s *Server) dropPartner(ctx context.Context, in *partnerInput) (*none, error) {
	v, done := s.c.Store.View()
	was, ok, err := v.Partner(in.Name)
	done()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.NotFound, "", "nobody said what is allowed of %q; the list of origins has those there are", in.Name)
	}
	if err := s.c.Proposer.Propose(ctx, model.DropPartner{Stamp: s.stamp(ctx), Name: in.Name}); err != nil {
		return nil, err
	}
	origin := was.Origin
	if origin.IsZero() {
		origin, _ = model.ParseNodeID(in.Name) // else it has a name alone, and nothing came under it
	}
	if c, err := s.chain(origin); err == nil && !origin.IsZero() {
		if err := c.end(); err != nil {
			s.c.Log.Warn("what is known of bundles of a forgotten origin stays on the disk", "origin", in.Name, "err", err)
		}
	}
	return nil, nil
}

type partnerHistoryInput struct {
	Name  string `path:"name" maxLength:"256" doc:"the name or id that its bundles carry"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"20"`
}

func (s *Server) partnerHistory(_ context.Context, in *partnerHistoryInput) (*out[[]schema.ImportRecord], error) {
	v, done := s.c.Store.View()
	defer done()
	o, err := s.partner(v, in.Name)
	if err != nil {
		return nil, err
	}
	imports, err := v.Imports(maxImports)
	if err != nil {
		return nil, err
	}
	rows := []schema.ImportRecord{}
	for _, i := range imports {
		if i.Origin.String() != o.SiteID && i.OriginName != o.Name {
			continue
		}
		if len(rows) == in.Limit {
			break
		}
		rows = append(rows, schema.ImportRecord{
			At: i.At.Std(), BundleHash: i.BundleHash, Origin: i.Origin.String(), OriginName: i.OriginName, From: i.From.String(), Cursor: i.To.String(),
			Signer: i.Signer, Forced: i.Forced, Unsigned: i.Unsigned, OnConflict: i.OnConflict, Counts: importCounts(i.Imported),
			Conflicts: conflictRows(i.Differences), ConflictN: i.DifferenceN, LeftOut: i.LeftOut, LeftOutN: i.LeftOutN,
		})
	}
	return &out[[]schema.ImportRecord]{Body: rows}, nil
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
