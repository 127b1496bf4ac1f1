package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// canonicalStream is the name of the stream of changes of canonicals, and of each of its events.
const canonicalStream = "canonical-imported"

// maxEvents is how many events are read at once.
const maxEvents = 200

const eventsPath = base + "/federation/events"

func (s *Server) eventRoutes() {
	events := &huma.Schema{OneOf: []*huma.Schema{jsonOf[schema.CanonicalImported](s).Schema, jsonOf[schema.EventsReset](s).Schema}}
	raw(s, "/federation/events", "watch-imports", "Changes of canonical advisories, in order, as server-sent events: canonical-imported, reset. "+
		"Each has its offset as its id; the header Last-Event-ID or the parameter after takes the stream up behind one", []param{
		{name: "after", doc: "an offset: what came after it is told; 0: all that is kept; absent: what comes from now on"},
	}, map[string]*huma.MediaType{"text/event-stream": {Schema: events}}, s.watchImports)
}

// pageOfEvents reads the events behind a place. Where not all of them are kept, or there were never so many, reset says so and where
// it goes on; nil: nothing is missing.
func pageOfEvents(v View, after model.Seq, limit int) (rows []schema.CanonicalImported, next model.Seq, reset *schema.EventsReset, err error) {
	oldest, newest, err := v.EventBounds()
	if err != nil {
		return nil, after, nil, err
	}
	switch {
	case after > newest:
		reset = &schema.EventsReset{Reason: "this server's stream does not go so far: it was restored, or the offset is of another server"}
		after = newest
	case newest > 0 && after+1 < oldest:
		reset = &schema.EventsReset{Reason: "the events before are not kept any more: look at everything anew"}
		after = oldest - 1
	}
	if reset != nil {
		reset.Oldest, reset.Newest = uint64(oldest), uint64(newest)
	}
	if after >= newest {
		return nil, after, reset, nil
	}
	events, err := v.Events(after, limit)
	if err != nil {
		return nil, after, reset, err
	}
	for _, e := range events {
		row, err := importedRow(v, e)
		if err != nil {
			return nil, after, reset, err
		}
		rows = append(rows, row)
		after = e.Seq
	}
	return rows, after, reset, nil
}

func importedRow(v View, e model.CanonicalEvent) (schema.CanonicalImported, error) {
	row := schema.CanonicalImported{
		Seq: uint64(e.Seq), CanonicalID: e.ID, MergeHash: e.Hash, Action: string(e.Action), BundleHash: e.Bundle, ImportedAt: e.At.Std(),
	}
	if model.IsCVE(e.ID) {
		row.CVE = e.ID
	}
	if !e.Origin.IsZero() {
		row.SiteID = e.Origin.String()
	}
	c, ok, err := v.Canonical(e.ID)
	if err != nil || !ok {
		row.AffectsKey = e.AffectsKey
		return row, err
	}
	for _, m := range c.Members {
		a, ok, err := v.Advisory(m.AdvisoryKey)
		if err != nil {
			return row, err
		}
		if !ok {
			continue
		}
		for _, f := range a.Affected {
			if row.AffectsKey = exposure.PackageURLOf(f.Ecosystem, f.Name); row.AffectsKey != "" {
				return row, nil
			}
		}
	}
	return row, nil
}

// offset reads where the stream is to be taken up: behind what the browser last heard, or where the address says.
func (s *Server) offset(r *http.Request, given string) (model.Seq, error) {
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		given = last
	}
	if given != "" {
		n, err := strconv.ParseUint(strings.TrimSpace(given), 10, 63)
		if err != nil {
			return 0, fault.New(fault.Invalid, "watch imports", "after: %q is no offset: want a whole number, as the id of an event", fault.Clip(given, 48))
		}
		return model.Seq(n), nil
	}
	v, done := s.c.Store.View()
	defer done()
	_, newest, err := v.EventBounds()
	return newest, err
}

// watchImports tells the stream until the other side goes, its login ends or the server stops.
func (s *Server) watchImports(w http.ResponseWriter, r *http.Request, q asked) error {
	after, err := s.offset(r, q.text("after"))
	if err != nil {
		return err
	}
	select {
	case s.watchers <- struct{}{}:
		defer func() { <-s.watchers }()
	default:
		return fault.New(fault.Busy, "watch imports", "%d results are watched already, which is the most: try again later", cap(s.watchers))
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // for proxies that would keep it back
	w.WriteHeader(http.StatusOK)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	t := &tail{s: s, pace: s.pace, who: actorOf(r.Context()), w: w, control: http.NewResponseController(w)}
	if err := t.send([]byte(":\n\n")); err != nil { // it is open
		return nil
	}
	if err := t.imports(ctx, after); err != nil && ctx.Err() == nil {
		s.c.Log.Warn("a stream of imports broke off", "request", requestID(ctx), "err", err)
	}
	return nil
}

// imports tells what comes behind a place, until ctx or the login ends, or nothing more can be written.
func (t *tail) imports(ctx context.Context, after model.Seq) error {
	for {
		seen := t.s.c.Store.Version() // from before looking, so that nothing falls in between
		if !t.s.stillIn(t.who) {
			return nil
		}
		v, done := t.s.c.Store.View()
		rows, next, reset, err := pageOfEvents(v, after, maxEvents)
		done()
		if err != nil {
			return err
		}
		after = next
		var b []byte
		if reset != nil {
			b = numbered(b, "reset", uint64(next)-uint64(len(rows)), reset)
		}
		for _, row := range rows {
			b = numbered(b, canonicalStream, row.Seq, row)
		}
		if len(b) == 0 && time.Since(t.spoke) >= t.pace.silence {
			b = append(b, ":\n\n"...)
		}
		if len(b) > 0 {
			if err := t.send(b); err != nil {
				return nil // the other side is gone
			}
		}
		if len(rows) == maxEvents {
			continue
		}
		wait, cancel := context.WithDeadline(ctx, t.spoke.Add(t.pace.silence))
		_, err = t.s.c.Store.Wait(wait, seen)
		over := wait.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !over {
			return err
		}
	}
}

// numbered appends one event with its offset (the HTML standard, 9.2.6).
func numbered(b []byte, name string, offset uint64, data any) []byte {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err) // the types are above
	}
	b = strconv.AppendUint(append(b, "id: "...), offset, 10)
	b = append(append(b, "\nevent: "...), name...)
	return append(append(append(b, "\ndata: "...), raw...), "\n\n"...)
}
