package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/merge"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/feed"
	"github.com/skerryhq/skerry/ui/schema"
)

const shownMalformed = 100

// stream is the part of an input that reads a body too large for memory.
type stream struct {
	reader io.Reader
	typ    string
}

// Resolve keeps the body for the handler.
func (in *stream) Resolve(ctx huma.Context) []error {
	in.reader = ctx.BodyReader()
	in.typ = ctx.Header("Content-Type")
	return nil
}

// zstd insists on the one content type that the streaming operations take.
func (in *stream) zstd() (io.Reader, error) {
	if in.typ != "application/zstd" {
		return nil, newProblem(http.StatusUnsupportedMediaType, fault.Invalid,
			fmt.Sprintf("send the body with Content-Type: application/zstd (got %q)", in.typ))
	}
	return in.reader, nil
}

type ingestInput struct {
	stream
	Source string `query:"source" maxLength:"64" doc:"the records' source, where it is not the folder that each lies in"`
}

func (s *Server) ingest(ctx context.Context, in *ingestInput) (*out[schema.Ingested], error) {
	if err := s.only(model.RoleController, "it imports signed bundles, and advisories are ingested"); err != nil {
		return nil, err
	}
	body, err := in.zstd()
	if err != nil {
		return nil, err
	}
	done, err := s.IngestFrom(ctx, model.RunIngest, in.Source, func(fn func(string, []byte) error) error {
		return feed.Unpack(ctx, body, fn)
	})
	if err != nil {
		return nil, err
	}
	return &out[schema.Ingested]{Body: done}, nil
}

// IngestFrom stores what each hands over, by name, as one run: all of it becomes visible at once, or nothing. What is more than one run
// takes becomes visible in several, each of whole files; the audit record of the last says that it is complete. The same once more goes on
// where a crash ended it, since records that are held are passed over. The bytes are a file of any form that engine/canonical reads. An empty source is guessed from each name. Kind is model.RunIngest or model.RunPull; without
// an account in ctx the system has done it. Bad records are named and counted, and stop nothing. An error of each ends the run and
// drops it; ErrUnderWay in it says that another one is at work.
func (s *Server) IngestFrom(ctx context.Context, kind, source string, each func(fn func(name string, raw []byte) error) error) (schema.Ingested, error) {
	const op = "ingest advisories"
	var done schema.Ingested
	if source != "" {
		if err := canonical.CheckSource(source); err != nil {
			return done, fault.Wrap(op, err)
		}
	}
	release, err := s.hold(ctx)
	if err != nil {
		return done, err
	}
	defer release()
	started := s.c.Now()
	named := map[string]struct{}{}
	begin := func() (*run, error) {
		r, err := s.newRun(ctx, kind, false)
		if err == nil {
			r.wanted = func(v View, now, was *model.Advisory) (bool, error) { return worth(v, now, was, named) }
		}
		return r, err
	}
	r, err := begin()
	if err != nil {
		return done, fault.Wrap(op, err)
	}
	var storing error
	stored := 0 // of done.Read
	err = each(func(name string, raw []byte) error {
		if storing = s.take(ctx, r, source, name, raw, &done); storing != nil || r.staged < s.runBytes {
			return storing
		}
		if storing = s.portion(ctx, r, source, &done, true); storing != nil {
			return storing
		}
		stored = done.Read
		var next *run
		if next, storing = begin(); storing == nil {
			r = next
		}
		return storing
	})
	if err != nil && storing == nil {
		err = sent{err}
	}
	if err == nil {
		err = s.store(ctx, r, source, &done)
	}
	if err != nil {
		r.abandon(ctx)
		if kind == model.RunIngest {
			s.note(ctx, model.Note{Action: "advisories.ingest", Reason: oneLine(err.Error()), Detail: detailOf(r, source, &done)}, r.by)
		}
		kept := "nothing of them was stored"
		if stored > 0 {
			kept = fmt.Sprintf("the first %d of them are stored; the same once more goes on behind them", stored)
		}
		return done, fault.Wrap(fmt.Sprintf("%s (broken off after %d records; %s)", op, done.Read, kept), err)
	}
	v, closeView := s.c.Store.View()
	defer closeView()
	shelf, err := v.Shelf()
	if err != nil {
		return done, err
	}
	done.AdvisoryN, done.Cursor = shelf.AdvisoryN, shelf.Cursor.String()
	done.DurationMS = s.c.Now().Sub(started).Round(time.Millisecond).Milliseconds()
	return done, nil
}

// take adds what one file holds to the run.
func (s *Server) take(ctx context.Context, r *run, source, name string, raw []byte, done *schema.Ingested) error {
	bad := func(all ...canonical.BadRecord) {
		for _, b := range all {
			done.Read++
			done.MalformedN++
			if len(done.Malformed) < shownMalformed {
				done.Malformed = append(done.Malformed, schema.Malformed{Name: feed.LineOf(b.Name), Reason: oneLine(b.Reason)})
			}
		}
	}
	put := func(a model.Advisory) error {
		done.Read++
		return r.add(ctx, a)
	}
	if canonical.Sniff(raw) == canonical.KindEPSS { // by the quarter of a million: one by one
		var storing error
		lines, err := canonical.EachEPSS(source, name, raw, func(a model.Advisory) error {
			storing = put(a)
			return storing
		})
		bad(lines...)
		if err != nil && storing == nil {
			bad(canonical.BadRecord{Name: name, Reason: err.Error()})
		}
		return storing
	}
	found, err := canonical.Decode(source, name, raw)
	if err != nil {
		found.Bad = append(found.Bad, canonical.BadRecord{Name: name, Reason: err.Error()})
	}
	bad(found.Bad...)
	if found.Document != nil {
		done.Read += len(found.Records)
		return r.document(ctx, found.Document, found.Records)
	}
	for _, a := range found.Records {
		if found.Kind == canonical.KindNVD {
			if older, err := r.isOlder(&a); err != nil {
				return err
			} else if older {
				done.Read++
				r.older++
				continue
			}
		}
		if err := put(a); err != nil {
			return err
		}
	}
	for _, key := range found.Deleted {
		done.Read++
		if err := r.drop(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// store takes the run in.
func (s *Server) store(ctx context.Context, r *run, source string, done *schema.Ingested) error {
	return s.portion(ctx, r, source, done, false)
}

// portion takes the run in; more says that another one follows it.
func (s *Server) portion(ctx context.Context, r *run, source string, done *schema.Ingested, more bool) error {
	commit, err := r.end(ctx)
	if err != nil {
		return err
	}
	commit.Detail = detailOf(r, source, done)
	switch {
	case more:
		commit.Detail["portion"], commit.Detail["complete"] = strconv.Itoa(done.Runs+1), "no"
	case done.Runs > 0:
		commit.Detail["portion"], commit.Detail["complete"] = strconv.Itoa(done.Runs+1), "yes"
	}
	ctx = context.WithoutCancel(ctx)
	switch {
	case r.part > 0:
		err = s.proposeRun(ctx, commit)
	case r.kind == model.RunIngest: // a pull that brings nothing is not worth an entry
		err = s.c.Proposer.Propose(ctx, model.Note{Stamp: commit.Stamp, Action: "advisories.ingest", OK: true, Detail: commit.Detail})
	}
	if err != nil {
		return err
	}
	done.Created, done.Updated, done.Unchanged, done.Deleted = done.Created+r.created, done.Updated+r.updated, done.Unchanged+r.same, done.Deleted+r.deleted
	done.PassedOver, done.OutsideN, done.OlderN = done.PassedOver+r.passed, done.OutsideN+r.outside, done.OlderN+r.older
	if more || done.Runs > 0 {
		done.Runs++
	}
	return nil
}

// detailOf is what the audit record says of a run.
func detailOf(r *run, source string, done *schema.Ingested) map[string]string {
	d := map[string]string{
		"read": strconv.Itoa(done.Read), "created": strconv.Itoa(r.created), "updated": strconv.Itoa(r.updated), "deleted": strconv.Itoa(r.deleted),
		"malformed": strconv.Itoa(done.MalformedN),
	}
	if r.older > 0 {
		d["older"] = strconv.Itoa(r.older)
	}
	if source != "" {
		d["source"] = source
	}
	return d
}

// The least by which an exploit prediction score must have moved for it to be stored again: a tenth of itself, or this much.
const leastMove = 0.01

// worth reports whether a record is to be held. A score of EPSS is, where another record here names the vulnerability, and where it
// moved since it was stored: there are a quarter of a million scores, which all change a little every day. named gathers
// the vulnerabilities that the run itself names.
func worth(v View, now, was *model.Advisory, named map[string]struct{}) (bool, error) {
	x := now.Exploit
	if x == nil || x.ScoredAt.IsZero() || !x.Known.IsZero() || len(now.Affected) > 0 {
		for _, id := range merge.Identities(*now) {
			if model.IsCVE(id) {
				named[id] = struct{}{}
			}
		}
		return true, nil
	}
	if was != nil && was.Exploit != nil && was.Exploit.ScoredAt > x.ScoredAt {
		return false, nil // of a day before
	}
	if was != nil && was.Exploit != nil {
		before, by := was.Exploit.Probability, x.Probability-was.Exploit.Probability
		if by < 0 {
			by = -by
		}
		return by >= leastMove || by > 0 && by >= before/10, nil
	}
	for _, id := range merge.Identities(*now) {
		if _, ok := named[id]; ok {
			return true, nil
		}
		others, err := v.Having(id, 3)
		if err != nil {
			return false, err
		}
		for _, o := range others {
			if o.Source != now.Source {
				return true, nil
			}
		}
	}
	return false, nil
}
