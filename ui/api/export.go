package api

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
)

type exportInput struct {
	From string `query:"from" maxLength:"64" doc:"the cursor that the receiver holds; absent: everything"`
	Key  string `query:"key" maxLength:"64" doc:"name of the signing key; may be absent where the server holds one only"`
}

// exportBundle writes the bundle to a file first: it says what went wrong before the first byte of
// the answer, and the answer's length is known.
func (s *Server) exportBundle(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	const op = "export bundle"
	if err := s.only(model.RoleController, "bundles are exported"); err != nil {
		return nil, err
	}
	var from model.Cursor
	if in.From != "" {
		c, err := model.ParseCursor(in.From)
		if err != nil {
			return nil, fault.New(fault.Invalid, op, "from: %w", err)
		}
		from = c
	}
	key, err := s.signer(in.Key)
	if err != nil {
		return nil, err
	}
	dir, err := s.spool()
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "export-*.zst")
	if err != nil {
		return nil, fault.New(fault.Other, op, "%w", err)
	}
	_ = os.Remove(f.Name()) // nothing is left behind, whatever happens
	m, err := s.writeBundle(ctx, f, from, bundle.WriteConfig{Signer: key})
	if err != nil {
		_ = f.Close()
		if fault.Is(err, fault.NotFound) {
			return &huma.StreamResponse{Body: func(hc huma.Context) { hc.SetStatus(http.StatusNoContent) }}, nil
		}
		return nil, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = f.Close()
		return nil, fault.New(fault.Other, op, "%w", err)
	}
	s.noteOf(ctx, model.Note{Action: "bundle.export", OK: true, Detail: map[string]string{"from": m.From.String(), "to": m.To.String()}})
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer func() { _ = f.Close() }()
		hc.SetHeader("Content-Type", "application/zstd")
		hc.SetHeader("Content-Length", strconv.FormatInt(size, 10))
		hc.SetHeader("Content-Disposition", `attachment; filename="skerry-bundle.zst"`)
		hc.SetHeader("X-Skerry-Cursor", m.To.String())
		hc.SetStatus(http.StatusOK)
		if _, err := io.Copy(hc.BodyWriter(), f); err != nil {
			s.c.Log.Warn("export broke off", "request", requestID(ctx), "err", err)
		}
	}}, nil
}

func (s *Server) writeBundle(ctx context.Context, w io.Writer, from model.Cursor, c bundle.WriteConfig) (bundle.Manifest, error) {
	v, done := s.c.Store.View()
	defer done()
	self, ok, err := v.Self()
	if err != nil {
		return bundle.Manifest{}, err
	}
	if !ok {
		return bundle.Manifest{}, fault.New(fault.ReadOnly, "export bundle", "this server has no identity yet; try again once it is ready")
	}
	shelf, err := v.Shelf()
	if err != nil {
		return bundle.Manifest{}, err
	}
	if from.Compare(shelf.Cursor) > 0 {
		return bundle.Manifest{}, fault.New(fault.Invalid, "export bundle",
			"from: %s is after this server's newest change (%s): it is a cursor of another server, or this one was restored", from, shelf.Cursor)
	}
	c.Origin, c.OriginName = self.Self, self.Name
	c.From, c.To = from, shelf.Cursor
	c.ExpiresAt = bundle.Expiry(c.To, model.TimeOf(s.c.Now()))
	c.Changes = func(fn func(model.AdvisoryChange) error) error { return v.AdvisoriesAfter(from, fn) }
	if shelf.Cursor == from {
		return bundle.Manifest{}, fault.New(fault.NotFound, "export bundle", "nothing changed since %s", from)
	}
	return bundle.Write(ctx, w, c)
}

// spool returns the folder for bundles on their way.
func (s *Server) spool() (string, error) {
	dir := filepath.Join(s.c.Data, "spool")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fault.New(fault.ReadOnly, "make room for the bundle", "%w", err)
	}
	return dir, nil
}
