package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
)

type exportInput struct {
	From     string `query:"from" maxLength:"64" doc:"the cursor that the receiver holds; absent: everything"`
	Key      string `query:"key" maxLength:"64" doc:"name of the signing key; absent: the oldest that is active"`
	MaxItems int    `query:"max_items" minimum:"0" maximum:"100000000" doc:"end the bundle after so many changes; the header X-Skerry-More says that there are more, and X-Skerry-Cursor where they begin. 0: as the server is configured"`
	Split    int64  `query:"split" minimum:"0" maximum:"1073741824" doc:"make parts of at most so many bytes; 0: one file"`
	Part     int    `query:"part" minimum:"1" maximum:"1000" default:"1" doc:"which part to send; the header X-Skerry-Parts says how many there are, and X-Skerry-Bundle that they are of one set"`
}

// sets keeps the set of which parts were asked for last, so that its parts come of one state and are made once.
type sets struct {
	mu   sync.Mutex // held while a part is written
	key  string
	set  *bundle.Prepared
	drop *time.Timer
}

// setAge is how long a set is kept for its next part to be asked for.
const setAge = 10 * time.Minute

// exportBundle knows how the bundle ends before it sends the first byte: it says what went wrong in words, and how long the answer is.
func (s *Server) exportBundle(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	const op = "export bundle"
	var from model.Cursor
	if in.From != "" {
		c, err := model.ParseCursor(in.From)
		if err != nil {
			return nil, fault.New(fault.Invalid, op, "from: %w", err)
		}
		from = c
		if err := s.ourCursor(op, from); err != nil {
			return nil, err
		}
	}
	if in.Split > 0 && in.Split < bundle.MinSplit {
		return nil, fault.New(fault.Invalid, op, "split: want at least %d bytes", bundle.MinSplit)
	}
	most := in.MaxItems
	if most == 0 {
		most = s.c.Federation.MaxItems
	}
	key, held, err := s.signer(ctx, in.Key)
	if err != nil {
		return nil, err
	}
	c := bundle.WriteConfig{From: from, Signer: key, Announce: held, MostItems: most, Split: in.Split}
	p, done, err := s.prepared(ctx, c, fmt.Sprint(in.Key, from, most, in.Split), in.Split > 0)
	if fault.Is(err, fault.NotFound) {
		return &huma.StreamResponse{Body: func(hc huma.Context) { hc.SetStatus(http.StatusNoContent) }}, nil
	}
	if err != nil {
		return nil, err
	}
	if in.Part > p.Files() {
		done()
		return nil, fault.New(fault.NotFound, op, "the set has %d parts: there is no part %d", p.Files(), in.Part)
	}
	m := p.Whole()
	s.noteOf(ctx, model.Note{Action: "bundle.export", Object: p.Hash(), OK: true, Detail: map[string]string{
		"from": m.From.String(), "to": m.To.String(), "part": strconv.Itoa(in.Part), "of": strconv.Itoa(p.Files()),
	}})
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer done()
		hc.SetHeader("Content-Type", "application/zstd")
		hc.SetHeader("Content-Length", strconv.FormatInt(p.Size(in.Part), 10))
		hc.SetHeader("Content-Disposition", `attachment; filename="skerry-bundle.zst"`)
		hc.SetHeader("X-Skerry-Cursor", m.To.String())
		hc.SetHeader("X-Skerry-Bundle", p.Hash())
		hc.SetHeader("X-Skerry-Parts", strconv.Itoa(p.Files()))
		if m.More {
			hc.SetHeader("X-Skerry-More", "true")
		}
		hc.SetStatus(http.StatusOK)
		if err := p.Copy(ctx, in.Part, hc.BodyWriter()); err != nil {
			s.c.Log.Warn("export broke off", "request", requestID(ctx), "err", err)
		}
	}}, nil
}

// ourCursor refuses a cursor that this server's log never had: its number stands there with another time, or it lies between two changes
// and is later than the second.
func (s *Server) ourCursor(op string, from model.Cursor) error {
	if from.Seq == 0 {
		return nil
	}
	v, done := s.c.Store.View()
	defer done()
	var next model.Cursor
	found := errors.New("found")
	err := v.ChangesAfter(model.Cursor{At: from.At, Seq: from.Seq - 1}, func(c model.AdvisoryChange) error {
		next = c.Cursor
		return found
	})
	switch {
	case err == nil: // it is after the newest, or there is nothing: that is judged where the bundle is made
		return nil
	case !errors.Is(err, found):
		return err
	case next.Seq == from.Seq && next != from, next.Seq > from.Seq && from.At > next.At:
		return fault.New(fault.Invalid, op, "from: %s is none of this server's changes (there is %s): it is a cursor of another server, or this one was restored; take the one that the receiver shows for this server", from, next)
	}
	return nil
}

// mostFetched is how many changes a bundle for a member holds: as many as one run takes in whatever they are like. Who has it asks for
// the next.
const mostFetched = 100_000

// WriteBundle writes a bundle of the changes after from to w, signed with the key that signs now; a controller that has none makes one. Kind
// NotFound says that there are none, and nothing was written.
func (s *Server) WriteBundle(ctx context.Context, w io.Writer, from model.Cursor) (bundle.Manifest, error) {
	key, held, err := s.signer(ctx, "")
	if err != nil {
		return bundle.Manifest{}, err
	}
	p, err := s.prepare(ctx, bundle.WriteConfig{From: from, Signer: key, Announce: held, MostItems: mostFetched})
	if err != nil {
		return bundle.Manifest{}, err
	}
	defer func() { _ = p.Close() }()
	s.note(ctx, model.Note{Action: "bundle.export", Object: p.Hash(), OK: true, Detail: map[string]string{
		"from": p.Whole().From.String(), "to": p.Whole().To.String(), "for": "the sites below, by their links",
	}}, "system")
	return p.Whole(), p.Copy(ctx, 1, w)
}

// prepared makes a bundle, or gives the set that was made last under that key as long as nothing has changed. Call the func when done
// with it: until then nobody else has a set.
func (s *Server) prepared(ctx context.Context, c bundle.WriteConfig, key string, set bool) (*bundle.Prepared, func(), error) {
	if !set {
		p, err := s.prepare(ctx, c)
		return p, func() { _ = p.Close() }, err
	}
	_, shelf, err := s.held()
	if err != nil {
		return nil, nil, err
	}
	key += " " + shelf.Cursor.String()
	x := &s.sets
	x.mu.Lock()
	if x.set == nil || x.key != key {
		p, err := s.prepare(ctx, c)
		if err != nil {
			x.mu.Unlock()
			return nil, nil, err
		}
		x.forget()
		x.set, x.key = p, key
		x.drop = time.AfterFunc(setAge, func() { x.mu.Lock(); defer x.mu.Unlock(); x.forget() })
	}
	return x.set, x.mu.Unlock, nil
}

// forget gives up the room of the set. The lock is held.
func (x *sets) forget() {
	if x.set != nil {
		_ = x.set.Close()
		x.drop.Stop()
	}
	x.set, x.key = nil, ""
}

func (s *Server) prepare(ctx context.Context, c bundle.WriteConfig) (*bundle.Prepared, error) {
	const op = "export bundle"
	dir, err := s.spool()
	if err != nil {
		return nil, err
	}
	v, done := s.c.Store.View()
	defer done()
	self, ok, err := v.Self()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fault.New(fault.ReadOnly, op, "this server has no identity yet; try again once it is ready")
	}
	shelf, err := v.Shelf()
	if err != nil {
		return nil, err
	}
	if c.From.Compare(shelf.Cursor) > 0 {
		return nil, fault.New(fault.Invalid, op,
			"from: %s is after this server's newest change (%s): it is a cursor of another server, or this one was restored", c.From, shelf.Cursor)
	}
	if shelf.Cursor == c.From {
		return nil, fault.New(fault.NotFound, op, "nothing changed since %s", c.From)
	}
	c.Origin, c.OriginName, c.To, c.Spool = self.Self, self.Name, shelf.Cursor, dir
	c.ExpiresAt = bundle.Expiry(c.To, s.now())
	c.Changes = func(fn func(model.AdvisoryChange) error) error { return v.ChangesAfter(c.From, fn) }
	return bundle.Prepare(ctx, c)
}

// spool returns the folder for bundles on their way.
func (s *Server) spool() (string, error) {
	dir := filepath.Join(s.c.Data, "spool")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fault.New(fault.ReadOnly, "make room for the bundle", "%w", err)
	}
	return dir, nil
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
