package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// How long the life of an enrollment token may be.
const (
	tokenTTL    = 24 * time.Hour
	maxTokenTTL = 30 * 24 * time.Hour
)

// sites returns every site that is not removed; at a site, that site alone.
func (s *Server) sites(v View) ([]schema.Site, error) {
	rows, err := s.siteRows(v)
	if err != nil {
		return nil, err
	}
	sites := make([]schema.Site, 0, len(rows))
	for _, row := range rows {
		site, err := s.site(v, row)
		if err != nil {
			return nil, err
		}
		if site.Status != string(model.MemberRemoved) {
			sites = append(sites, site)
		}
	}
	return sites, nil
}

func (s *Server) siteRows(v View) ([]model.Site, error) {
	if s.c.Role == model.RoleController {
		return v.Sites()
	}
	self, ok, err := v.Self()
	if err != nil || !ok {
		return nil, err
	}
	return []model.Site{{ID: model.SiteID(self.Self), Name: self.Name}}, nil
}

type siteInput struct {
	Site string `path:"site" maxLength:"64" doc:"id or name"`
}

func (s *Server) getSite(_ context.Context, in *siteInput) (*out[schema.Site], error) {
	v, done := s.c.Store.View()
	defer done()
	row, err := s.findSite(v, in.Site)
	if err != nil {
		return nil, err
	}
	site, err := s.site(v, row)
	if err != nil {
		return nil, err
	}
	return &out[schema.Site]{Body: site}, nil
}

// findSite finds a site by its id or by the name it has now.
func (s *Server) findSite(v View, name string) (model.Site, error) {
	unknown := fault.New(fault.NotFound, "", "there is no site %q here; the list of sites has those there are", name)
	if s.c.Role == model.RoleSite {
		rows, err := s.siteRows(v)
		if err != nil {
			return model.Site{}, err
		}
		for _, row := range rows {
			if row.Name == name || row.ID.String() == name {
				return row, nil
			}
		}
		return model.Site{}, unknown
	}
	id, err := model.ParseSiteID(name)
	if err != nil {
		member, ok, err := v.MemberNamed(model.MemberSite, name)
		if err != nil {
			return model.Site{}, err
		}
		if !ok {
			return model.Site{}, unknown
		}
		id = model.SiteID(member)
	}
	row, ok, err := v.Site(id)
	if err != nil {
		return model.Site{}, err
	}
	if !ok {
		return model.Site{}, unknown
	}
	return row, nil
}

type enrollSiteInput struct{ Body schema.SiteEnroll }

type tokenOutput struct {
	Status int
	Body   schema.Token
}

func (s *Server) enrollSite(ctx context.Context, in *enrollSiteInput) (*tokenOutput, error) {
	if err := s.only(model.RoleController, "sites are enrolled"); err != nil {
		return nil, err
	}
	if (in.Body.Lat == nil) != (in.Body.Lng == nil) {
		return nil, fault.New(fault.Invalid, "enroll site", "lat and lng belong together: give both or neither")
	}
	if in.Body.Name == everySite {
		return nil, fault.New(fault.Invalid, "enroll site", "the name %q stands for every site where trends are asked for; choose another name", everySite)
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	site := model.Site{
		ID: model.SiteID(id), Name: in.Body.Name, Location: in.Body.Location, Region: in.Body.Region,
		Country: in.Body.Country, City: in.Body.City, Lat: in.Body.Lat, Lng: in.Body.Lng,
	}
	return s.invite(ctx, model.Member{ID: model.NodeID(id), Kind: model.MemberSite, Name: in.Body.Name}, &site, in.Body.TTL)
}

type changeSiteInput struct {
	Site string `path:"site" maxLength:"64" doc:"id or name"`
	Body schema.SiteChange
}

// changeSite changes where a site is; what the body does not name stays.
func (s *Server) changeSite(ctx context.Context, in *changeSiteInput) (*out[schema.Site], error) {
	if err := s.only(model.RoleController, "sites are described"); err != nil {
		return nil, err
	}
	row, _, err := s.siteAndMember(in.Site)
	if err != nil {
		return nil, err
	}
	if (in.Body.Lat == nil) != (in.Body.Lng == nil) {
		return nil, fault.New(fault.Invalid, "change site", "lat and lng belong together: give both or neither")
	}
	change := model.PutSite{
		Stamp: s.stamp(ctx), Site: row.ID, Location: in.Body.Location, Region: in.Body.Region,
		Country: in.Body.Country, City: in.Body.City, Lat: in.Body.Lat, Lng: in.Body.Lng, NoPosition: in.Body.NoPosition,
	}
	if err := s.c.Proposer.Propose(ctx, change); err != nil {
		return nil, fault.Wrap("change site", err)
	}
	s.sitesRead.forget()
	return s.getSite(ctx, &siteInput{Site: in.Site})
}

func (s *Server) regenerateToken(ctx context.Context, in *siteInput) (*tokenOutput, error) {
	if err := s.only(model.RoleController, "sites are enrolled"); err != nil {
		return nil, err
	}
	row, member, err := s.siteAndMember(in.Site)
	if err != nil {
		return nil, err
	}
	if member.Status != model.MemberPending {
		return nil, fault.New(fault.Conflict, "regenerate token", "site %q is %s; only a pending site can be given a new token", row.Name, member.Status)
	}
	return s.invite(ctx, member, &row, "")
}

func (s *Server) siteAndMember(name string) (model.Site, model.Member, error) {
	v, done := s.c.Store.View()
	defer done()
	row, err := s.findSite(v, name)
	if err != nil {
		return row, model.Member{}, err
	}
	m, _, err := v.Member(model.NodeID(row.ID))
	return row, m, err
}

// invite makes a token for the member and stores its hash. The token itself is in the answer only.
func (s *Server) invite(ctx context.Context, m model.Member, site *model.Site, ttl string) (*tokenOutput, error) {
	op := "enroll " + string(m.Kind)
	return s.token(ctx, op, m, ttl, func(hash string, expires model.Time) error {
		stamp := s.stamp(ctx)
		m.Status, m.TokenHash, m.TokenExpires = model.MemberPending, hash, expires
		if m.InvitedAt.IsZero() {
			m.InvitedAt = stamp.At
		}
		err := s.c.Proposer.Propose(ctx, model.Invite{Stamp: stamp, Member: m, Site: site})
		s.sitesRead.forget()
		return fault.Wrap(op, err)
	})
}

// token makes a token for a member, whose hash keep stores.
func (s *Server) token(ctx context.Context, op string, m model.Member, ttl string, keep func(hash string, expires model.Time) error) (*tokenOutput, error) {
	life, err := duration("body.ttl", ttl, tokenTTL, time.Second, maxTokenTTL)
	if err != nil {
		return nil, err
	}
	if s.c.Tokens == nil {
		return nil, fault.New(fault.ReadOnly, op, "this server has no identity yet: enroll it at its controller first")
	}
	token, hash, pin, err := s.c.Tokens.NewToken(m.Kind, m.ID)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	expires := model.TimeOf(s.c.Now().Add(life))
	if err := keep(hash, expires); err != nil {
		return nil, err
	}
	if again, err := s.invitedBefore(ctx, m.ID, hash); err != nil || again {
		if err == nil {
			err = repeated(op, fmt.Sprintf("its token is not kept: make another for %q, which voids it", m.Name))
		}
		return nil, err
	}
	return &tokenOutput{Status: http.StatusCreated, Body: schema.Token{
		ID: m.ID.String(), Kind: string(m.Kind), Name: m.Name, Token: token, ExpiresAt: expires.Std(), Pin: pin, URL: s.c.URL,
	}}, nil
}

// invitedBefore reports whether the invitation was that of an earlier attempt, with another token.
func (s *Server) invitedBefore(ctx context.Context, id model.NodeID, hash string) (bool, error) {
	if model.RequestOf(ctx).IsZero() {
		return false, nil
	}
	v, done := s.c.Store.View()
	defer done()
	held, _, err := v.Member(id)
	return held.TokenHash != hash, err
}

// newID mints a UUID of version 7: ids made later sort later.
func (s *Server) newID() ([16]byte, error) {
	id, err := uuid.NewV7FromReader(s.c.Rand)
	if err != nil {
		return id, fmt.Errorf("make id: %w", err)
	}
	return id, nil
}

// duration reads an optional duration between least and most.
func duration(location, text string, absent, least, most time.Duration) (time.Duration, error) {
	if text == "" {
		return absent, nil
	}
	_, name, _ := strings.Cut(location, ".")
	wrong := func(format string, args ...any) error {
		p := newProblem(http.StatusBadRequest, fault.Invalid, oneLine(name+": "+fmt.Sprintf(format, args...)))
		p.Errors = []schema.ProblemError{{Location: location, Message: p.Detail}}
		return p
	}
	d, err := query.ParseAge(text)
	if err != nil {
		if d, perr := time.ParseDuration(text); perr == nil && d >= least && d <= most { // a part of a second
			return d, nil
		}
		return 0, wrong("%v", err)
	}
	if d < least || d > most {
		return 0, wrong("%s is not between %s and %s", text, least, most)
	}
	return d, nil
}
