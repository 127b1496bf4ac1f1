package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func (s *Server) authorityRoutes() {
	op(s, http.MethodGet, "/advisories/authorities", "list-authorities", "Which ecosystems each source may speak for", s.listAuthorities)
	op(s, http.MethodPut, "/advisories/authorities/{source}", "put-authority", "Say which ecosystems a source may speak for; what is held of it is judged again", s.putAuthority)
}

func (s *Server) listAuthorities(context.Context, *none) (*out[[]schema.Authority], error) {
	v, done := s.c.Store.View()
	defer done()
	rows, err := v.Authorities()
	if err != nil {
		return nil, err
	}
	return &out[[]schema.Authority]{Body: each(merge.Speakers(rows), authorityRow)}, nil
}

func authorityRow(x merge.Speaks) schema.Authority {
	row := schema.Authority{Source: x.Source, Ecosystems: []string{}, BuiltIn: x.Built}
	row.Ecosystems = append(row.Ecosystems, x.Ecosystems...)
	return row
}

type authorityInput struct {
	Source string `path:"source" maxLength:"64"`
	Body   schema.AuthoritySet
}

func (s *Server) putAuthority(ctx context.Context, in *authorityInput) (*out[schema.AuthorityDone], error) {
	const op = "keep authority"
	if err := canonical.CheckSource(in.Source); err != nil {
		return nil, fault.Wrap(op, err)
	}
	var may []string
	for _, e := range in.Body.Ecosystems {
		e, _, _ = strings.Cut(strings.TrimSpace(e), ":") // of every release
		if e == "" {
			return nil, fault.New(fault.Invalid, op, "body.ecosystems: the name of an ecosystem is missing: want it without a release, as Debian or npm, or * for all")
		}
		may = append(may, e)
	}
	slices.Sort(may)
	may = slices.Compact(may)
	release, err := s.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.c.Proposer.Propose(ctx, model.PutAuthority{Stamp: s.stamp(ctx), Source: in.Source, Ecosystems: may}); err != nil {
		return nil, err
	}
	judged, err := s.judgeAgain(unkeyed(ctx), in.Source)
	if err != nil {
		return nil, fault.Wrap("what it may speak for is kept, but what is held was not judged again; say it once more", err)
	}
	v, done := s.c.Store.View()
	defer done()
	rows, err := v.Authorities()
	if err != nil {
		return nil, err
	}
	answer := schema.AuthorityDone{Authority: schema.Authority{Source: in.Source, Ecosystems: []string{}, BuiltIn: len(may) == 0}, JudgedN: judged}
	for _, x := range merge.Speakers(rows) {
		if x.Source == in.Source {
			answer.Authority = authorityRow(x)
		}
	}
	return &out[schema.AuthorityDone]{Body: answer}, nil
}

// judgeAgain judges the records that are held by who may speak for what now, and stores those that come out another way, in one
// run. All sources are looked at: for an ecosystem that is given to one, others without a row may not speak any more.
func (s *Server) judgeAgain(ctx context.Context, source string) (int, error) {
	r, err := s.newRun(ctx, model.RunIngest, false)
	if err != nil {
		return 0, err
	}
	var keys []model.AdvisoryKey
	v, done := s.c.Store.View()
	err = v.EachAdvisory(func(a model.Advisory) error {
		if !sameAuthority(a, merge.Judge(a, r.authorities)) {
			keys = append(keys, a.AdvisoryKey)
		}
		return ctx.Err()
	})
	done()
	for part := range slices.Chunk(keys, maxCompared) {
		if err == nil {
			err = s.addHeld(ctx, r, part)
		}
	}
	if err == nil {
		err = s.store(ctx, r, source, &schema.Ingested{Read: len(keys)})
	}
	if err != nil {
		r.abandon(ctx)
		return 0, err
	}
	return r.updated, nil
}

// sameAuthority reports whether two forms of one record are marked alike.
func sameAuthority(a, b model.Advisory) bool {
	return slices.EqualFunc(a.Affected, b.Affected, func(x, y model.Affected) bool { return x.Outside == y.Outside }) &&
		slices.EqualFunc(a.Statements, b.Statements, func(x, y model.Statement) bool { return x.Outside == y.Outside })
}

// addHeld takes records as they are held into a run, each as one of whoever brought it here.
func (s *Server) addHeld(ctx context.Context, r *run, keys []model.AdvisoryKey) error {
	held := make([]model.Advisory, 0, len(keys))
	v, done := s.c.Store.View()
	for _, key := range keys {
		a, ok, err := v.Advisory(key)
		if err != nil {
			done()
			return err
		}
		if ok {
			held = append(held, a)
		}
	}
	done()
	for _, a := range held {
		r.origin = a.Origin
		if err := r.add(ctx, a); err != nil {
			return err
		}
	}
	return nil
}
