package api

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

type importInput struct {
	stream
	DryRun bool `query:"dry_run" doc:"verify and count, change nothing"`
	Force  bool `query:"force" doc:"import also where the bundle is not newer than what is held (audited); a gap is never imported"`
}

// importBundle takes nothing in before all of the bundle has been verified.
func (s *Server) importBundle(ctx context.Context, in *importInput) (*out[schema.ImportResult], error) {
	body, err := in.zstd()
	if err != nil {
		return nil, err
	}
	dir, err := s.spool()
	if err != nil {
		return nil, err
	}
	f, err := bundle.Spool(body, dir, maxBundle)
	if err != nil {
		return nil, sent{err}
	}
	defer func() { _ = f.Close() }()
	release, err := s.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	started := s.c.Now()
	result, err := s.takeIn(ctx, f, in)
	if err != nil {
		if !in.DryRun {
			s.note(ctx, model.Note{
				Action: "bundle.import", Object: result.BundleHash, Reason: oneLine(err.Error()),
				Detail: map[string]string{"origin": result.Origin, "cursor": result.ImportedCursor},
			}, actorOf(ctx).name)
		}
		return nil, err
	}
	result.Success, result.DryRun = true, in.DryRun
	result.DurationMS = s.c.Now().Sub(started).Milliseconds()
	return &out[schema.ImportResult]{Body: result}, nil
}

func (s *Server) takeIn(ctx context.Context, f *os.File, in *importInput) (schema.ImportResult, error) {
	const op = "import bundle"
	var result schema.ImportResult
	signers, err := s.signers()
	if err != nil {
		return result, err
	}
	r, err := bundle.Verify(ctx, f, bundle.VerifyConfig{Trusted: signers, Now: model.TimeOf(s.c.Now())})
	if err != nil {
		return result, sent{err}
	}
	m := r.Manifest()
	result.BundleHash, result.Origin, result.ImportedCursor = r.Hash(), m.Origin.String(), m.To.String()
	self, shelf, err := s.held()
	if err != nil {
		return result, err
	}
	have, known := shelf.Imported[m.Origin.String()]
	if s.c.Role == model.RoleSite && !known && len(shelf.Imported) > 0 {
		return result, fault.New(fault.Conflict, op, "this site holds advisories of another origin than %s (%s), and the logs of two have no common order: "+
			"import the bundle at the controller, which hands it on", m.OriginName, m.Origin)
	}
	if m.Origin == self {
		have = shelf.Cursor
	}
	if err := bundle.Admit(have, m, in.Force); err != nil {
		return result, err
	}
	// A site keeps the cursors of its controller's log. A controller has a log of its own, in which
	// what it learns from another takes a new place: cursors of two origins have no common order.
	w := &shelver{s: s, stamp: s.stamp(ctx), dry: in.DryRun, keep: s.c.Role == model.RoleSite || m.Origin == self}
	err = r.Each(ctx, func(c model.AdvisoryChange) error {
		if c.Advisory == nil {
			return w.drop(ctx, c.Key, c.Cursor)
		}
		return w.add(ctx, *c.Advisory)
	})
	if err == nil {
		err = w.flush(ctx)
	}
	result.Counts = schema.ImportCounts{Created: w.created, Updated: w.updated, Skipped: w.same, Deleted: w.deleted}
	if in.DryRun {
		return result, err
	}
	end := model.Generation{Stamp: w.stamp}
	if err == nil {
		end.Imported = &model.Imported{
			BundleHash: r.Hash(), Origin: m.Origin, OriginName: m.OriginName, From: m.From, To: m.To,
			Forced: in.Force && m.To.Compare(have) <= 0, Signer: strings.Join(r.Signers(), " "),
			Created: w.created, Updated: w.updated, Skipped: w.same, Deleted: w.deleted,
		}
	}
	if err == nil || w.changed() {
		err = errors.Join(err, s.c.Proposer.Propose(context.WithoutCancel(ctx), end))
	}
	if err != nil {
		return result, fault.Wrap(op+" (broken off; importing it again is safe)", err)
	}
	return result, nil
}

func (s *Server) held() (model.NodeID, apply.Shelf, error) {
	v, done := s.c.Store.View()
	defer done()
	self, _, err := v.Self()
	if err != nil {
		return model.NodeID{}, apply.Shelf{}, err
	}
	shelf, err := v.Shelf()
	return self.Self, shelf, err
}
