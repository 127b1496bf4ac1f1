package api

import (
	"context"
	"net/http"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// Sources is what this server fetches advisories from by itself. It is safe for concurrent use.
type Sources interface {
	List() []schema.AdvisorySource
	// Fetch has a source fetched as soon as may be, and does not wait for it. NotFound for an unknown one, Conflict where
	// another server fetches.
	Fetch(name string) error
}

func (s *Server) sourceRoutes() {
	op(s, http.MethodGet, "/advisories/sources", "list-advisory-sources", "What this server fetches advisories from, and how old each is", s.listSources)
	op(s, http.MethodPost, "/advisories/sources/{name}/fetch", "fetch-advisory-source", "Fetch a source at once; the list says what came of it", s.fetchSource)
	s.authorityRoutes()
}

func (s *Server) listSources(context.Context, *none) (*out[[]schema.AdvisorySource], error) {
	list := []schema.AdvisorySource{}
	if s.c.Sources != nil {
		list = append(list, s.c.Sources.List()...)
	}
	return &out[[]schema.AdvisorySource]{Body: list}, nil
}

type sourceInput struct {
	Name string `path:"name" maxLength:"64"`
}

func (s *Server) fetchSource(ctx context.Context, in *sourceInput) (*none, error) {
	if s.c.Sources == nil {
		return nil, fault.New(fault.NotFound, "fetch a source", "this server fetches nothing by itself: name sources under advisories.sources in its configuration")
	}
	if err := s.c.Sources.Fetch(in.Name); err != nil {
		return nil, err
	}
	return nil, s.c.Proposer.Propose(ctx, model.Note{Stamp: s.stamp(ctx), Action: "advisories.fetch", Object: in.Name, OK: true})
}
