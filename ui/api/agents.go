package api

import (
	"context"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func (s *Server) listAgents(_ context.Context, _ *none) (*out[[]schema.Member], error) {
	if err := s.only(model.RoleSite, "agents are enrolled"); err != nil {
		return nil, err
	}
	v, done := s.c.Store.View()
	defer done()
	members, err := v.Members("")
	if err != nil {
		return nil, err
	}
	rows := make([]schema.Member, 0, len(members))
	for _, m := range members {
		if m.Status != model.MemberRemoved {
			rows = append(rows, memberRow(m, s.agentLink(v, m)))
		}
	}
	return &out[[]schema.Member]{Body: rows}, nil
}

// agentLink is a word for the link of an agent. A host that was heard before this process started
// has had a link, though this process never saw it.
func (s *Server) agentLink(v View, m model.Member) string {
	if s.c.Links != nil {
		if l, ok := s.c.Links.Live(m.ID); ok {
			if l.Up {
				return linkUp
			}
			return linkDown
		}
	}
	if h, ok, err := v.Host(model.HostID(m.ID)); err == nil && ok && !h.LastSeen.IsZero() {
		return linkDown
	}
	return linkNever
}

type enrollAgentInput struct{ Body schema.AgentEnroll }

func (s *Server) enrollAgent(ctx context.Context, in *enrollAgentInput) (*tokenOutput, error) {
	if err := s.only(model.RoleSite, "agents are enrolled"); err != nil {
		return nil, err
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	kind := model.MemberHost
	if in.Body.Gateway {
		kind = model.MemberGateway
	}
	return s.invite(ctx, model.Member{ID: model.NodeID(id), Kind: kind, Name: in.Body.Name}, nil, in.Body.TTL)
}

type agentInput struct {
	Agent string `path:"agent" maxLength:"64" doc:"id or name"`
}

func (s *Server) regenerateAgentToken(ctx context.Context, in *agentInput) (*tokenOutput, error) {
	if err := s.only(model.RoleSite, "agents are enrolled"); err != nil {
		return nil, err
	}
	m, err := s.findAgent(in.Agent)
	if err != nil {
		return nil, err
	}
	if m.Status != model.MemberPending {
		return nil, fault.New(fault.Conflict, "regenerate token", "agent %q is %s; only a pending agent can be given a new token", m.Name, m.Status)
	}
	return s.invite(ctx, m, nil, "")
}

type rekeyInput struct {
	Agent string `path:"agent" maxLength:"64" doc:"id or name"`
	Body  schema.Rekey
}

// rekeyAgent voids the key of an agent and makes a token for a new one.
func (s *Server) rekeyAgent(ctx context.Context, in *rekeyInput) (*tokenOutput, error) {
	const op = "give agent a new key"
	if err := s.only(model.RoleSite, "agents are enrolled"); err != nil {
		return nil, err
	}
	m, err := s.findAgent(in.Agent)
	if err != nil {
		return nil, err
	}
	return s.token(ctx, op, m, in.Body.TTL, func(hash string, expires model.Time) error {
		err := s.c.Proposer.Propose(ctx, model.Rekey{Stamp: s.stamp(ctx), Member: m.ID, TokenHash: hash, TokenExpires: expires})
		if err == nil {
			s.cut(m.ID, fault.New(fault.Denied, "", "%s %q is to have a new key, and this one is void: use the token for it on the one machine that is %q", m.Kind, m.Name, m.Name))
		}
		return fault.Wrap(op, err)
	})
}

// findAgent finds an agent by its id or by the name it has now.
func (s *Server) findAgent(name string) (model.Member, error) {
	v, done := s.c.Store.View()
	defer done()
	members, err := v.Members("")
	if err != nil {
		return model.Member{}, err
	}
	for _, m := range members {
		if m.Kind != model.MemberSite && m.Status != model.MemberRemoved && (m.Name == name || m.ID.String() == name) {
			return m, nil
		}
	}
	return model.Member{}, fault.New(fault.NotFound, "", "there is no agent %q here; the list of agents has those there are", name)
}
