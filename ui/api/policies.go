package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/policy"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// policyRoutes is the operations on policies.
func (s *Server) policyRoutes() {
	op(s, http.MethodGet, "/policies", "list-policies", "What hosts ought to be like, by name", s.listPolicies)
	op(s, http.MethodPost, "/policies", "make-policy", "Make a policy; at a controller, for the sites that it is assigned to", s.makePolicy)
	op(s, http.MethodGet, "/policies/{policy}", "get-policy", "One policy with its body and, at a controller, which sites have which version", s.getPolicy)
	op(s, http.MethodPut, "/policies/{policy}", "change-policy", "Change a policy, which gives it the next version", s.changePolicy)
	op(s, http.MethodDelete, "/policies/{policy}", "drop-policy", "Remove a policy, here and at every site", s.dropPolicy)
	op(s, http.MethodGet, "/policies/{policy}/results", "policy-results", "Which hosts fail which checks, judged now at the site", s.policyResults)
}

type policyInput struct {
	Policy string `path:"policy" minLength:"1" maxLength:"64" doc:"id or name"`
}

type policyBodyInput struct{ Body schema.PolicyPut }

type changePolicyInput struct {
	Policy string `path:"policy" minLength:"1" maxLength:"64" doc:"id or name"`
	Body   schema.PolicyPut
}

type policyOutput struct {
	Status int
	Body   schema.Policy
}

func (s *Server) listPolicies(context.Context, *none) (*out[[]schema.Policy], error) {
	v, done := s.c.Store.View()
	defer done()
	all, err := v.Policies()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(x, y model.Policy) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.ID.String(), y.ID.String()))
	})
	held, err := s.holdings(v)
	if err != nil {
		return nil, err
	}
	rows := make([]schema.Policy, 0, len(all))
	for _, p := range all {
		row, err := s.policyRow(v, p, held)
		if err != nil {
			return nil, err
		}
		row.Body, row.HeldBy = nil, nil
		rows = append(rows, row)
	}
	return &out[[]schema.Policy]{Body: rows}, nil
}

// holding is what a site said that it has.
type holding struct {
	site model.Site
	held model.PoliciesHeld
	said bool
	link string
}

// holdings returns what each enrolled site said that it has; nil at a site.
func (s *Server) holdings(v View) ([]holding, error) {
	if s.c.Role != model.RoleController {
		return nil, nil
	}
	sites, err := v.Sites()
	if err != nil {
		return nil, err
	}
	var out []holding
	for _, site := range sites {
		m, ok, err := v.Member(model.NodeID(site.ID))
		if err != nil {
			return nil, err
		}
		if !ok || m.Status == model.MemberRemoved || m.Status == model.MemberPending {
			continue
		}
		h := holding{site: site}
		if h.held, h.said, err = v.PoliciesHeld(site.ID); err != nil {
			return nil, err
		}
		link, err := s.reach(v, m)
		if err != nil {
			return nil, err
		}
		h.link = link.word
		out = append(out, h)
	}
	return out, nil
}

func (s *Server) policyRow(v View, p model.Policy, held []holding) (schema.Policy, error) {
	self, _, err := v.Self()
	if err != nil {
		return schema.Policy{}, err
	}
	row := schema.Policy{
		ID: p.ID.String(), Name: p.Name, Kind: string(p.Kind), Version: p.Version, Where: p.Where, Body: json.RawMessage(p.Body),
		Origin: s.origin(p.Origin, self.Self), By: p.By, At: p.At.Std(),
	}
	x, err := policy.Read(p)
	if err != nil {
		row.Problem = oneLine(err.Error())
	} else {
		row.ChecksN = x.Checks()
	}
	if s.c.Role != model.RoleController {
		return row, nil
	}
	row.AllSites = p.All
	for _, id := range p.Sites {
		site, _, err := v.Site(id)
		if err != nil {
			return row, err
		}
		row.Sites = append(row.Sites, query.SiteText(id, site))
	}
	row.Held = &schema.PolicyHeld{}
	for _, h := range held {
		if holder, ok := holderOf(&p, h, row.Held); ok {
			row.HeldBy = append(row.HeldBy, holder)
		}
	}
	return row, nil
}

// holderOf says what a site has of a policy, and counts it; false: nothing, and it ought to have nothing.
func holderOf(p *model.Policy, h holding, n *schema.PolicyHeld) (schema.PolicyHolder, bool) {
	x := schema.PolicyHolder{Site: query.SiteText(h.site.ID, h.site), AsOf: at(h.held.At), Link: h.link}
	i := slices.IndexFunc(h.held.Held, func(y model.HeldPolicy) bool { return y.ID == p.ID })
	if i >= 0 {
		x.Version = h.held.Held[i].Version
	}
	switch assigned := p.For(h.site.ID); {
	case !assigned && i < 0:
		return x, false
	case !assigned:
		x.State = "extra"
		n.Extra++
	case !h.said:
		x.State = "unknown"
		n.Unknown++
	case i < 0:
		x.State = "missing"
		n.Missing++
	case h.held.Held[i].Version == p.Version && h.held.Held[i].At == p.At:
		x.State = "current"
		n.Current++
	default:
		x.State = "stale"
		n.Stale++
	}
	return x, true
}

// policy finds a policy by its id, or by its name: this server's own before its controller's.
func (s *Server) policy(v View, name string) (model.Policy, error) {
	if id, err := model.ParsePolicyID(name); err == nil {
		p, ok, err := v.Policy(id)
		if err == nil && !ok {
			err = noNamed("policy", name)
		}
		return p, err
	}
	self, _, err := v.Self()
	if err != nil {
		return model.Policy{}, err
	}
	all, err := v.Policies()
	if err != nil {
		return model.Policy{}, err
	}
	var found model.Policy
	for _, p := range all {
		if p.Name == name && (found.Version == 0 || p.Origin == self.Self) {
			found = p
		}
	}
	if found.Version == 0 {
		return found, noNamed("policy", name)
	}
	return found, nil
}

func (s *Server) getPolicy(_ context.Context, in *policyInput) (*out[schema.Policy], error) {
	v, done := s.c.Store.View()
	defer done()
	p, err := s.policy(v, in.Policy)
	if err != nil {
		return nil, err
	}
	held, err := s.holdings(v)
	if err != nil {
		return nil, err
	}
	row, err := s.policyRow(v, p, held)
	if err != nil {
		return nil, err
	}
	return &out[schema.Policy]{Body: row}, nil
}

func (s *Server) makePolicy(ctx context.Context, in *policyBodyInput) (*policyOutput, error) {
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	return s.putPolicy(ctx, model.PolicyID(id), in.Body, http.StatusCreated)
}

func (s *Server) changePolicy(ctx context.Context, in *changePolicyInput) (*policyOutput, error) {
	v, done := s.c.Store.View()
	p, err := s.policy(v, in.Policy)
	done()
	if err != nil {
		return nil, err
	}
	return s.putPolicy(ctx, p.ID, in.Body, http.StatusOK)
}

func (s *Server) putPolicy(ctx context.Context, id model.PolicyID, b schema.PolicyPut, status int) (*policyOutput, error) {
	p := model.Policy{ID: id, Name: b.Name, Kind: model.PolicyKind(b.Kind), Where: strings.TrimSpace(b.Where), Body: jsontext.Value(b.Body), All: b.AllSites}
	if err := p.Body.Compact(); err != nil {
		return nil, pointed("body.body", fault.New(fault.Invalid, "", "it is no JSON that can be kept: %s", oneLine(fault.Clip(err.Error(), 200))))
	}
	if _, err := policy.Read(p); err != nil {
		return nil, pointedPolicy(err)
	}
	if err := s.assign(&p, b); err != nil {
		return nil, err
	}
	if err := s.c.Proposer.Propose(ctx, model.PutPolicy{Stamp: s.stamp(ctx), Policy: p, Was: b.Version}); err != nil {
		return nil, err
	}
	row, err := s.getPolicy(ctx, &policyInput{Policy: p.ID.String()})
	if err != nil {
		return nil, err
	}
	return &policyOutput{Status: status, Body: row.Body}, nil
}

// assign resolves the sites that a policy is for.
func (s *Server) assign(p *model.Policy, b schema.PolicyPut) error {
	if s.c.Role == model.RoleSite {
		if b.AllSites || len(b.Sites) > 0 {
			return pointed("body.sites", fault.New(fault.Invalid, "", "a policy that is made at a site is for that site alone; one for several sites is made at their controller"))
		}
		return nil
	}
	if b.AllSites && len(b.Sites) > 0 {
		return pointed("body.sites", fault.New(fault.Invalid, "", "all sites and some of them were asked for; give one of the two"))
	}
	v, done := s.c.Store.View()
	defer done()
	for _, name := range b.Sites {
		site, err := s.findSite(v, name)
		if err != nil {
			return err
		}
		p.Sites = append(p.Sites, site.ID)
	}
	return nil
}

// pointedPolicy makes of what is wrong with a policy the problem that points at it.
func pointedPolicy(err error) error {
	var wrong *policy.Error
	if !errors.As(err, &wrong) {
		return err
	}
	where := "body." + wrong.Where
	var text *query.SyntaxError
	if !errors.As(err, &text) {
		p, _ := pointed(where, wrong.Err).(*problem)
		p.Detail = oneLine(err.Error())
		if fault.Is(err, fault.TooLarge) {
			q := newProblem(http.StatusRequestEntityTooLarge, fault.TooLarge, p.Detail)
			q.Errors = p.Errors
			return q
		}
		return p
	}
	p, _ := pointed(where, text).(*problem)
	p.Detail = oneLine(err.Error())
	return p
}

func (s *Server) dropPolicy(ctx context.Context, in *policyInput) (*none, error) {
	v, done := s.c.Store.View()
	p, err := s.policy(v, in.Policy)
	done()
	if err != nil {
		return nil, err
	}
	return nil, s.c.Proposer.Propose(ctx, model.DropPolicy{Stamp: s.stamp(ctx), Policy: p.ID})
}

type resultsInput struct {
	Policy string `path:"policy" minLength:"1" maxLength:"64" doc:"id or name"`
	Host   string `query:"host" maxLength:"255" doc:"one host alone, by id or unique host name"`
	Site   string `query:"site" maxLength:"64" doc:"at a controller: whose hosts, by id or name; that site is asked. Not needed with host"`
	All    bool   `query:"all" doc:"true: with the hosts and checks that are met"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	After  string `query:"after" maxLength:"2048" doc:"next of the page before"`
}

func (s *Server) policyResults(ctx context.Context, in *resultsInput) (*out[schema.PolicyResults], error) {
	v, done := s.c.Store.View()
	p, err := s.policy(v, in.Policy)
	done()
	if err != nil {
		return nil, err
	}
	q := model.PolicyQuestion{Policy: p.ID, All: in.All, After: in.After, Limit: in.Limit}
	if in.Host != "" {
		h, err := s.findHost(ctx, in.Host)
		if err != nil {
			return nil, err
		}
		q.Host = h.ID
		if in.Site == "" && s.c.Role == model.RoleController {
			in.Site = h.Site.String()
		}
	}
	site, r, err := s.resultsOf(ctx, in.Site, q)
	if err != nil {
		return nil, err
	}
	return &out[schema.PolicyResults]{Body: resultsBody(site, r)}, nil
}

func (s *Server) resultsOf(ctx context.Context, name string, q model.PolicyQuestion) (site model.Site, r model.PolicyResults, err error) {
	const op = "read results"
	if s.c.Role == model.RoleSite {
		if site, err = s.thisSite(op, name); err != nil {
			return site, r, err
		}
		if s.c.Results == nil {
			return site, r, fault.New(fault.Conflict, op, "this site is not enrolled yet, and so judges no hosts: enroll it first")
		}
		r, err = s.c.Results(ctx, q)
		return site, r, err
	}
	if name == "" {
		return site, r, parameter("site", "it is missing: hosts are judged at their sites, and one is asked at a time; name a host or a site")
	}
	site, link, _, err := s.siteAsked(name)
	if err != nil {
		return site, r, err
	}
	raw, err := s.askSite(ctx, site, link, model.RoutePolicyResults, q.Params(), "which checks a host fails is known at its site; the compliance of each host is in its row here")
	if err != nil {
		return site, r, err
	}
	if err := model.Decode(raw, &r); err != nil {
		return site, r, fault.New(fault.Corrupt, "ask site "+site.Name, "the answer cannot be read: %w", err)
	}
	return site, r, nil
}

func resultsBody(site model.Site, r model.PolicyResults) schema.PolicyResults {
	body := schema.PolicyResults{
		Site: site.Name, AsOf: r.At.Std(), Policy: r.Policy.String(), Version: r.Version, Problem: oneLine(r.Problem), Next: r.Next,
		Hosts: make([]schema.PolicyHostResult, 0, len(r.Hosts)),
	}
	for _, h := range r.Hosts {
		row := schema.PolicyHostResult{HostID: h.Host.String(), Host: h.Name, Met: h.Met, Failed: h.Failed, Unknown: h.Unknown, Checks: make([]schema.PolicyCheckResult, 0, len(h.Checks))}
		for _, c := range h.Checks {
			row.Checks = append(row.Checks, schema.PolicyCheckResult(c))
		}
		body.Hosts = append(body.Hosts, row)
	}
	return body
}
