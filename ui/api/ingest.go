package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/skerryhq/skerry/engine/canonical"
	"github.com/skerryhq/skerry/engine/fault"
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
	if in.Source != "" {
		if err := canonical.CheckSource(in.Source); err != nil {
			return nil, fault.Wrap("ingest advisories", err)
		}
	}
	release, err := s.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	started := s.c.Now()
	w := &shelver{s: s, stamp: s.stamp(ctx)}
	var done schema.Ingested
	var storing error
	err = feed.Unpack(ctx, body, func(name string, raw []byte) error {
		done.Read++
		a, err := canonical.DecodeFile(in.Source, name, raw)
		if err != nil {
			done.MalformedN++
			if len(done.Malformed) < shownMalformed {
				done.Malformed = append(done.Malformed, schema.Malformed{Name: name, Reason: oneLine(err.Error())})
			}
			return nil
		}
		storing = w.add(ctx, a)
		return storing
	})
	if err != nil && storing == nil {
		err = sent{err}
	}
	if err == nil {
		err = w.flush(ctx)
	}
	// Whatever was stored is matched, also where the rest did not arrive, and also where a run that
	// broke off earlier had stored it.
	if err == nil || w.changed() {
		end := model.Generation{Stamp: w.stamp}
		note := model.Note{Stamp: w.stamp, Action: "advisories.ingest", OK: err == nil, Detail: map[string]string{
			"read": strconv.Itoa(done.Read), "created": strconv.Itoa(w.created), "updated": strconv.Itoa(w.updated), "malformed": strconv.Itoa(done.MalformedN),
		}}
		if err != nil {
			note.Reason = oneLine(err.Error())
		}
		err = errors.Join(err, s.c.Proposer.Propose(context.WithoutCancel(ctx), end, note))
	}
	if err != nil {
		return nil, fault.Wrap(fmt.Sprintf("ingest advisories (broken off after %d records; %d created and %d updated are stored, "+
			"and ingesting again is safe)", done.Read, w.created, w.updated), err)
	}
	done.Created, done.Updated, done.Unchanged = w.created, w.updated, w.same
	v, closeView := s.c.Store.View()
	defer closeView()
	shelf, err := v.Shelf()
	if err != nil {
		return nil, err
	}
	done.AdvisoryN, done.Cursor = shelf.AdvisoryN, shelf.Cursor.String()
	done.DurationMS = s.c.Now().Sub(started).Round(time.Millisecond).Milliseconds()
	return &out[schema.Ingested]{Body: done}, nil
}
