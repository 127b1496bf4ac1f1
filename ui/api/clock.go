package api

import (
	"context"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// Clock is the clock that a server goes by.
type Clock interface {
	State() schema.Clock
	// Accept takes the machine's clock for the truth; Conflict where that would take the time back.
	Accept() (schema.Clock, error)
}

func (s *Server) clock(context.Context, *none) (*out[schema.Clock], error) {
	if s.c.Clock == nil {
		return nil, noClock
	}
	return &out[schema.Clock]{Body: s.c.Clock.State()}, nil
}

var noClock = fault.New(fault.NotFound, "read the clock", "this server goes by its machine's clock: only sites judge theirs")

func (s *Server) acceptClock(ctx context.Context, _ *none) (*out[schema.Clock], error) {
	if s.c.Clock == nil {
		return nil, noClock
	}
	st, err := s.c.Clock.Accept()
	if err != nil {
		return nil, err
	}
	note := model.Note{Stamp: s.stamp(ctx), Action: "clock.accept", OK: true, Detail: map[string]string{"now": st.Now.UTC().Format("2006-01-02T15:04:05Z")}}
	return &out[schema.Clock]{Body: st}, s.c.Proposer.Propose(ctx, note)
}
