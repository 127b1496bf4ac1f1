package site

import (
	"context"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// cut ends the link of an agent, and the judgement of a host that was retired.
func (s *site) cut(id model.NodeID, why error) {
	s.hub.End(id, why)
	if _, known, err := s.owner(model.HostID(id)); err == nil && !known {
		s.judge.Forget(model.HostID(id))
	}
}

// answerRetire retires a host because somebody at the controller decided so.
func (s *site) answerRetire(ctx context.Context, params map[string]string) (any, error) {
	const op = "retire host"
	id, err := model.ParseHostID(params[model.ParamHost])
	if err != nil {
		return nil, fault.New(fault.Invalid, op, "%w", err)
	}
	_, known, err := s.owner(id)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, fault.New(fault.NotFound, op, "this site has no host %s", id)
	}
	st := s.stamp()
	st.Actor = "controller:" + s.id.Upper.String()
	if who := fault.Printable(fault.Clip(params[model.ParamActor], 128)); who != "" {
		st.Actor += " " + who
	}
	reason := fault.Clip(params[model.ParamReason], model.MaxReason)
	if err := s.prop.Propose(ctx, model.RetireHosts{Stamp: st, Hosts: []model.HostID{id}, Reason: reason}); err != nil {
		return nil, err
	}
	s.cut(model.NodeID(id), fault.New(fault.Denied, "", "this host was retired: enroll it anew, with a new token and an empty data folder"))
	return nil, nil
}
