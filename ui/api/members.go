package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// memberRoutes is what is done to sites, agents and hosts that are there.
func (s *Server) memberRoutes() {
	op(s, http.MethodPost, "/agents/{agent}/suspend", "suspend-agent", "Let an agent in no more, until it is resumed; its link ends at once", s.suspendAgent)
	op(s, http.MethodPost, "/agents/{agent}/resume", "resume-agent", "Let a suspended agent in again", s.resumeAgent)
	op(s, http.MethodPost, "/agents/{agent}/rekey", "rekey-agent", "Void an agent's key, and make a token with which one machine gets a new one for the same host", s.rekeyAgent)
	op(s, http.MethodDelete, "/agents/{agent}", "remove-agent", "End the membership of an agent for good; its hosts stay in the directory until they are retired", s.removeAgent)
	op(s, http.MethodPost, "/sites/{site}/suspend", "suspend-site", "Let a site in no more, until it is resumed; its link ends at once", s.suspendSite)
	op(s, http.MethodPost, "/sites/{site}/resume", "resume-site", "Let a suspended site in again", s.resumeSite)
	op(s, http.MethodDelete, "/sites/{site}", "remove-site", "End the membership of a site for good; its rows go within a short time", s.removeSite)
	op(s, http.MethodDelete, "/hosts/{host}", "retire-host", "Take a host out of the directory for good, on both tiers; at a controller its site is asked to", s.retireHost)
}

type agentActInput struct {
	Agent string `path:"agent" maxLength:"64" doc:"id or name"`
	Body  schema.MemberAct
}

type siteActInput struct {
	Site string `path:"site" maxLength:"64" doc:"id or name"`
	Body schema.MemberAct
}

type agentGoneInput struct {
	Agent  string `path:"agent" maxLength:"64" doc:"id or name"`
	Reason string `query:"reason" maxLength:"512" doc:"why; it is told to whoever is refused because of it"`
}

type siteGoneInput struct {
	Site   string `path:"site" maxLength:"64" doc:"id or name"`
	Reason string `query:"reason" maxLength:"512" doc:"why; it is told to whoever is refused because of it"`
}

type retireInput struct {
	Host   string `path:"host" maxLength:"255" doc:"id, or unique host name"`
	Reason string `query:"reason" maxLength:"512" doc:"why, for the audit record"`
}

func (s *Server) suspendAgent(ctx context.Context, in *agentActInput) (*out[schema.Member], error) {
	return s.agentTo(ctx, in.Agent, model.MemberSuspended, in.Body.Reason)
}

func (s *Server) resumeAgent(ctx context.Context, in *agentActInput) (*out[schema.Member], error) {
	return s.agentTo(ctx, in.Agent, model.MemberEnrolled, in.Body.Reason)
}

func (s *Server) removeAgent(ctx context.Context, in *agentGoneInput) (*none, error) {
	_, err := s.agentTo(ctx, in.Agent, model.MemberRemoved, in.Reason)
	return nil, err
}

func (s *Server) agentTo(ctx context.Context, name string, to model.MemberStatus, reason string) (*out[schema.Member], error) {
	if err := s.only(model.RoleSite, "agents are enrolled"); err != nil {
		return nil, err
	}
	m, err := s.findAgent(name)
	if err != nil {
		return nil, err
	}
	if m, err = s.setStatus(ctx, m, to, reason); err != nil {
		return nil, err
	}
	v, done := s.c.Store.View()
	defer done()
	return &out[schema.Member]{Body: memberRow(m, s.agentLink(v, m))}, nil
}

func (s *Server) suspendSite(ctx context.Context, in *siteActInput) (*out[schema.Site], error) {
	return s.siteTo(ctx, in.Site, model.MemberSuspended, in.Body.Reason)
}

func (s *Server) resumeSite(ctx context.Context, in *siteActInput) (*out[schema.Site], error) {
	return s.siteTo(ctx, in.Site, model.MemberEnrolled, in.Body.Reason)
}

func (s *Server) removeSite(ctx context.Context, in *siteGoneInput) (*none, error) {
	_, err := s.siteTo(ctx, in.Site, model.MemberRemoved, in.Reason)
	return nil, err
}

func (s *Server) siteTo(ctx context.Context, name string, to model.MemberStatus, reason string) (*out[schema.Site], error) {
	if err := s.only(model.RoleController, "sites are enrolled"); err != nil {
		return nil, err
	}
	row, m, err := s.siteAndMember(name)
	if err != nil {
		return nil, err
	}
	if _, err := s.setStatus(ctx, m, to, reason); err != nil {
		return nil, err
	}
	s.sitesRead.forget()
	return s.getSite(ctx, &siteInput{Site: row.ID.String()})
}

// setStatus suspends, resumes or removes a member, and ends the link of one that is no longer let in.
func (s *Server) setStatus(ctx context.Context, m model.Member, to model.MemberStatus, reason string) (model.Member, error) {
	if err := s.c.Proposer.Propose(ctx, model.SetMemberStatus{Stamp: s.stamp(ctx), Member: m.ID, Status: to, Reason: reason}); err != nil {
		return m, err
	}
	if to != model.MemberEnrolled {
		why := ""
		if reason != "" {
			why = " (" + reason + ")"
		}
		s.cut(m.ID, fault.New(fault.Denied, "", "%s %q is %s here%s: ask an operator of this server", m.Kind, m.Name, to, why))
	}
	v, done := s.c.Store.View()
	defer done()
	m, _, err := v.Member(m.ID)
	return m, err
}

func (s *Server) cut(id model.NodeID, why error) {
	if s.c.Cut != nil {
		s.c.Cut(id, why)
	}
}

// retireHost takes a host out of the directory. Whose the host is decides: a controller asks its site.
func (s *Server) retireHost(ctx context.Context, in *retireInput) (*none, error) {
	const op = "retire host"
	host, err := s.findHost(ctx, in.Host)
	if err != nil {
		return nil, err
	}
	stamp := s.stamp(ctx)
	if s.c.Role == model.RoleSite {
		err := s.c.Proposer.Propose(ctx, model.RetireHosts{Stamp: stamp, Hosts: []model.HostID{host.ID}, Reason: in.Reason})
		if err == nil {
			s.cut(model.NodeID(host.ID), fault.New(fault.Denied, "", "this host was retired: enroll it anew, with a new token and an empty data folder"))
		}
		return nil, fault.Wrap(op, err)
	}
	by, err := s.placesFor([]model.Host{host})
	if err != nil {
		return nil, err
	}
	site := placeOf(by, host.Site).Site
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	_, err = s.c.Asker.Ask(ctx, model.NodeID(host.Site), model.RouteHostRetire, map[string]string{
		model.ParamHost: host.ID.String(), model.ParamReason: in.Reason, model.ParamActor: stamp.Actor,
	})
	note := model.Note{Stamp: stamp, Action: "host.retire", Object: host.ID.String(), OK: err == nil, Detail: map[string]string{"hostname": host.Hostname, "site": site.Name}}
	if err != nil {
		note.Reason = err.Error()
		if fault.Is(err, fault.Unreachable) {
			err = fault.New(fault.Unreachable, op, "host %s belongs to site %q, which cannot be reached now (%w): retire it when the site is back, or at the site itself", in.Host, site.Name, err)
		} else if fault.Is(err, fault.Login) {
			err = fault.New(fault.Denied, op, "site %s: %w", site.Name, errors.New(err.Error()))
		}
	}
	if noted := s.c.Proposer.Propose(context.WithoutCancel(ctx), note); err == nil {
		err = noted
	}
	return nil, fault.Wrap(op, err)
}
