package api

import (
	"context"
	"strconv"
	"time"

	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// Bounds of what is remarked about a search.
const (
	maxDoubted = 16   // conditions that are looked into
	maxNotes   = 3    // remarks
	maxNear    = 1000 // values that a suggestion is chosen from
	notesTime  = 250 * time.Millisecond
)

// notes remarks of each value in a search that no host and no site has. An answer that is not empty gets a
// remark only where something like the value exists: -tag:lab is no slip where nobody has the tag. It is advice:
// where it cannot be had in time there is none. Most searches that find something cost nothing here.
func (s *Server) notes(ctx context.Context, text string, x query.Expr, total int) []schema.Note {
	terms := query.Chosen(x, total > 0)
	if len(terms) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, notesTime)
	defer cancel()
	var notes []schema.Note
	for _, t := range terms[:min(len(terms), maxDoubted)] {
		values, nobody := s.others(ctx, t)
		if !nobody {
			continue
		}
		n := query.NoteNobody(text, t, values)
		if total > 0 && len(n.Suggestions) == 0 {
			continue
		}
		if notes = append(notes, schema.Note{Message: n.Msg, Pos: n.Pos, End: n.End, Suggestions: n.Suggestions}); len(notes) == maxNotes {
			break
		}
	}
	return notes
}

// others reports whether nobody has the value that t asks for, and then which values there are.
func (s *Server) others(ctx context.Context, t query.Term) (values []string, nobody bool) {
	if t.Field.OfSite() {
		by, err := s.places()
		if err != nil {
			return nil, false
		}
		for _, p := range by {
			if t.MatchPlace(&p.Site) {
				return nil, false
			}
		}
		for _, p := range by {
			values = append(values, map[query.Field]string{
				query.FieldSite: p.Name, query.FieldRegion: p.Region, query.FieldCountry: p.Country, query.FieldCity: p.City,
			}[t.Field])
		}
	}
	if n, err := s.c.Directory.Count(ctx, t, s.now()); err != nil || n > 0 {
		return nil, false
	}
	if !t.Field.OfSite() {
		for _, v := range s.c.Directory.Values(t.Field, "", maxNear) {
			values = append(values, v.Value)
		}
	}
	return values, true
}

// appendNotes appends the member "notes", where there are any.
func appendNotes(b []byte, notes []schema.Note) []byte {
	for i, n := range notes {
		if i == 0 {
			b = append(b, `,"notes":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"message":`...), n.Message)
		b = strconv.AppendInt(append(b, `,"pos":`...), int64(n.Pos), 10)
		b = strconv.AppendInt(append(b, `,"end":`...), int64(n.End), 10)
		b = append(appendTexts(b, `,"suggestions":`, n.Suggestions), '}')
	}
	if len(notes) > 0 {
		b = append(b, ']')
	}
	return b
}
