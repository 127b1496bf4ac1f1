package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// fleetRoutes is the operations that ask many sites.
func (s *Server) fleetRoutes() {
	op(s, http.MethodGet, "/certificates/expiring", "certificates-expiring", "Certificates that end soon, the first to end first; a controller asks its sites", s.certificatesExpiring)
	op(s, http.MethodGet, "/packages/where", "packages-where", "The hosts that have a package, or a version of it; a controller asks its sites", s.packagesWhere)
	op(s, http.MethodGet, "/audit/{seq}/evidence", "get-evidence", "What was kept of something that a site refused", s.evidence)
}

// GatherInput is what every question to many sites may say. It is exported so that the fields of it are seen where it is
// embedded.
type GatherInput struct {
	Site   string `query:"site" maxLength:"16384" doc:"the sites to ask, by id or name, with commas between them; absent: all"`
	Q      string `query:"q" maxLength:"4096" doc:"only hosts that this search finds; each site judges it. Only sites that have such hosts in the directory here are asked"`
	Limit  int    `query:"limit" minimum:"1" maximum:"5000" default:"500"`
	Cursor string `query:"cursor" maxLength:"1400" doc:"next of the page before"`
}

// chosen returns the sites that are to be asked.
func (s *Server) chosen(ctx context.Context, in *GatherInput) ([]*place, error) {
	by, err := s.places()
	if err != nil {
		return nil, err
	}
	var having map[string]bool
	if s.c.Role == model.RoleController && in.Site == "" {
		if having, err = s.having(ctx, in.Q, len(by)); err != nil {
			return nil, err
		}
	}
	v, done := s.c.Store.View()
	defer done()
	var sites []*place
	if in.Site != "" {
		seen := map[model.SiteID]bool{}
		for name := range strings.SplitSeq(in.Site, ",") {
			row, err := s.findSite(v, strings.TrimSpace(name))
			if err != nil {
				return nil, err
			}
			if !seen[row.ID] {
				seen[row.ID] = true
				sites = append(sites, placeOf(by, row.ID))
			}
		}
		return sites, nil
	}
	if s.c.Role == model.RoleSite {
		for _, p := range by {
			return []*place{p}, nil
		}
		return nil, errNeverEnrolled()
	}
	for id, p := range by {
		m, ok, err := v.Member(model.NodeID(id))
		if err != nil {
			return nil, err
		}
		if !ok || m.Status == model.MemberRemoved || m.Status == model.MemberPending {
			continue
		}
		if having == nil || having[p.Name] || having[id.String()] {
			sites = append(sites, p)
		}
	}
	return sites, nil
}

// errNeverEnrolled says that a site can have no hosts yet, whose findings could be looked at or accepted.
func errNeverEnrolled() error {
	return fault.New(fault.Conflict, "", "this site has no identity yet, and so no hosts: enroll it at its controller first")
}

// having returns the names or ids of the sites with hosts that a search finds; nil: it finds all.
func (s *Server) having(ctx context.Context, text string, sites int) (map[string]bool, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	x, err := where("query.q", text)
	if err != nil {
		return nil, err
	}
	facets, _, err := s.c.Directory.Facets(ctx, x, s.now(), []query.Field{query.FieldSite}, max(sites, 1))
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, f := range facets {
		for _, v := range f.Values {
			names[v.Value] = true
		}
	}
	return names, nil
}

// maxWithin bounds how far ahead one may look.
const maxWithin = 100 * 366 * 24 * time.Hour

type expiringInput struct {
	GatherInput
	Within  string `query:"within" maxLength:"32" default:"720h" doc:"how far ahead, as 720h or 30d"`
	Expired bool   `query:"expired" default:"true" doc:"also those that have ended already"`
}

func (s *Server) certificatesExpiring(ctx context.Context, in *expiringInput) (*out[schema.CertificatesExpiring], error) {
	within, err := ahead(in.Within)
	if err != nil {
		return nil, err
	}
	g := survey[model.ExpiringCertificate, *model.ExpiringCertificate]{
		s: s, route: model.RouteCertificatesExpiring, q: model.FleetQuestion{Until: model.TimeOf(s.c.Now().Add(within))},
		read: func(raw []byte) (sheet[model.ExpiringCertificate], error) {
			var a model.ExpiringCertificates
			err := model.Decode(raw, &a)
			return sheet[model.ExpiringCertificate]{a.FleetAnswer, 0, a.Rows}, err
		},
		local: func(v any) (sheet[model.ExpiringCertificate], bool) {
			a, ok := v.(model.ExpiringCertificates)
			return sheet[model.ExpiringCertificate]{a.FleetAnswer, 0, a.Rows}, ok
		},
	}
	if !in.Expired {
		g.q.From = s.now()
	}
	rows, top, err := g.run(ctx, &in.GatherInput)
	if err != nil {
		return nil, err
	}
	body := schema.CertificatesExpiring{Gathered: top, Until: g.q.Until.Std(), Certificates: make([]schema.ExpiringCertificate, 0, len(rows))}
	for _, r := range rows {
		body.Certificates = append(body.Certificates, schema.ExpiringCertificate{FleetRow: rowOf(r.site, r.row.FleetRow), Certificate: certificateRow(r.row.Certificate)})
	}
	return &out[schema.CertificatesExpiring]{Body: body}, nil
}

// ahead reads a duration, which may be in days.
func ahead(text string) (time.Duration, error) {
	d, err := query.ParseAge(text)
	switch {
	case err != nil:
		return 0, parameter("within", err.Error())
	case d > maxWithin:
		return 0, parameter("within", quoted(text)+" is too far ahead: up to 36600d")
	}
	return d, nil
}

type whereInput struct {
	GatherInput
	Name    string `query:"name" required:"true" minLength:"1" maxLength:"256" doc:"of the package, as its manager has it"`
	Op      string `query:"op" enum:"lt,le,eq,ge,gt" doc:"how its version stands to the one given, in the order of its ecosystem"`
	Version string `query:"version" maxLength:"256"`
}

func (s *Server) packagesWhere(ctx context.Context, in *whereInput) (*out[schema.PackagesWhere], error) {
	if (in.Op == "") != (in.Version == "") {
		return nil, parameter("version", "op and version belong together: give both or neither")
	}
	g := survey[model.PackageAt, *model.PackageAt]{
		s: s, route: model.RoutePackagesWhere, q: model.FleetQuestion{Name: in.Name, Op: model.VersionOp(in.Op), Version: in.Version},
		read: func(raw []byte) (sheet[model.PackageAt], error) {
			var a model.PackagesWhere
			err := model.Decode(raw, &a)
			return sheet[model.PackageAt]{a.FleetAnswer, a.Unordered, a.Rows}, err
		},
		local: func(v any) (sheet[model.PackageAt], bool) {
			a, ok := v.(model.PackagesWhere)
			return sheet[model.PackageAt]{a.FleetAnswer, a.Unordered, a.Rows}, ok
		},
	}
	rows, top, err := g.run(ctx, &in.GatherInput)
	if err != nil {
		return nil, err
	}
	body := schema.PackagesWhere{Gathered: top, Packages: make([]schema.PackageAt, 0, len(rows))}
	for _, r := range rows {
		body.Packages = append(body.Packages, schema.PackageAt{FleetRow: rowOf(r.site, r.row.FleetRow), Package: packageRow(r.row.Package)})
	}
	return &out[schema.PackagesWhere]{Body: body}, nil
}

func rowOf(site *place, r model.FleetRow) schema.FleetRow {
	return schema.FleetRow{SiteID: site.ID.String(), Site: site.Name, HostID: r.Host.String(), Hostname: r.Hostname, AsOf: at(r.AsOf)}
}

// siteAudit is a page of the audit record of a site, asked of it.
func (s *Server) siteAudit(ctx context.Context, in *auditInput) (*out[schema.Audit], error) {
	q := map[string]string{model.ParamLimit: digits(in.Limit), model.ParamBefore: digits(in.Before)}
	a, err := siteAnswer[model.AuditPage](ctx, s, in.Site, model.RouteSiteAudit, q)
	if err != nil {
		return nil, err
	}
	page := schema.Audit{Entries: each(a.Entries, auditRow), Next: uint64(a.Next)}
	return &out[schema.Audit]{Body: page}, nil
}

type evidenceInput struct {
	Seq  uint64 `path:"seq" minimum:"1" maximum:"9223372036854775807" doc:"of the audit entry"`
	Site string `query:"site" maxLength:"64" doc:"at a controller: whose audit entry, by id or name; that site is asked"`
}

func (s *Server) evidence(ctx context.Context, in *evidenceInput) (*out[schema.Evidence], error) {
	e, err := siteAnswer[model.Evidence](ctx, s, in.Site, model.RouteSiteEvidence, map[string]string{model.ParamSeq: digits(in.Seq)})
	if err != nil {
		return nil, err
	}
	return &out[schema.Evidence]{Body: schema.Evidence{Site: in.Site, Entry: auditRow(e.Entry), Digest: e.Digest, Size: e.Size, Body: e.Body}}, nil
}

// siteAnswer asks one site, by name or id; at a site, this one.
func siteAnswer[T any](ctx context.Context, s *Server, name, route string, params map[string]string) (d T, err error) {
	if s.c.Role == model.RoleSite {
		if _, err := s.thisSite("", name); name != "" && err != nil {
			return d, err
		}
		return questioned[T](ctx, s, model.SiteID{}, route, params)
	}
	if name == "" {
		return d, parameter("site", "it is missing: only sites keep what they refused, and one is asked at a time")
	}
	site, link, _, err := s.siteAsked(name)
	if err != nil {
		return d, err
	}
	v, done := s.c.Store.View()
	n, _, err := v.Counts(site.ID)
	done()
	if err != nil {
		return d, err
	}
	if d, err = questioned[T](ctx, s, site.ID, route, params); err != nil {
		return d, refusal(ctx, site.Name, link, rowsOnly(n), err)
	}
	return d, nil
}
