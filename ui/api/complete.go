package api

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

const (
	// completeTime is how long values may be counted among the hosts that the rest of a search finds; they are
	// counted over all hosts where it takes longer. A person is writing.
	completeTime = 100 * time.Millisecond
	// maxAsked bounds the values that are counted so, and the hosts whose names or addresses are looked at.
	maxAsked = 1000
)

// values is where the completion of one search gets its values.
func (s *Server) values(ctx context.Context) query.Values {
	return func(rest query.Expr, f query.Field, prefix string, limit int) []query.Count {
		if rest == nil && f != query.FieldIP {
			return s.c.Directory.Values(f, prefix, limit)
		}
		short, cancel := context.WithTimeout(ctx, completeTime)
		defer cancel()
		var found []query.Count
		var err error
		if f.Info().Counted {
			found, err = s.valuesAmong(short, rest, f, prefix)
		} else {
			found, err = s.textsAmong(short, rest, f, prefix)
		}
		switch {
		case f == query.FieldIP:
		case err != nil:
			found = s.c.Directory.Values(f, prefix, limit)
		case len(found) == 0: // the rest finds nobody who has one: they are there all the same
			found = s.c.Directory.Values(f, prefix, limit)
			for i := range found {
				found[i].N = 0
			}
		}
		return found[:min(len(found), limit)]
	}
}

// valuesAmong counts the values of a field that begin with prefix.
func (s *Server) valuesAmong(ctx context.Context, rest query.Expr, f query.Field, prefix string) ([]query.Count, error) {
	facets, _, err := s.c.Directory.Facets(ctx, rest, s.now(), []query.Field{f}, maxAsked)
	if err != nil || len(facets) != 1 {
		return nil, err
	}
	return slices.DeleteFunc(facets[0].Values, func(c query.Count) bool { return !strings.HasPrefix(query.Fold(c.Value), prefix) }), nil
}

// textsAmong counts host names or addresses that begin with prefix, of the first hosts that have one.
func (s *Server) textsAmong(ctx context.Context, rest query.Expr, f query.Field, prefix string) ([]query.Count, error) {
	t := query.Term{Field: query.FieldName, Op: query.OpIs, Pattern: query.Pattern{Shape: query.ShapePrefix, Text: prefix}}
	if f == query.FieldIP {
		t.Field, t.Pattern.Shape = query.FieldAny, query.ShapeContains
	}
	var x query.Expr = t
	if and, ok := rest.(query.And); ok {
		x = append(slices.Clone(and), t)
	} else if rest != nil {
		x = query.And{rest, t}
	}
	page, err := s.c.Directory.Find(ctx, query.Search{Where: x, Sort: query.Sort{Field: f}, Limit: maxAsked, Now: s.now()})
	if err != nil {
		return nil, err
	}
	n := map[string]int{}
	for i := range page.Hosts {
		for _, text := range texts(f, &page.Hosts[i]) {
			if strings.HasPrefix(query.Fold(text), prefix) {
				n[text]++
			}
		}
	}
	var found []query.Count
	for _, text := range slices.Sorted(maps.Keys(n)) {
		found = append(found, query.Count{Value: text, N: n[text]})
	}
	return found, nil
}

// texts is what completion shows of a host.
func texts(f query.Field, h *model.Host) []string {
	if f != query.FieldIP {
		return []string{h.Hostname}
	}
	var all []string
	for _, text := range slices.Concat(h.IPv4, h.IPv6) {
		if a, ok := query.AddressOf(text); ok {
			all = append(all, a.String())
		}
	}
	return all
}
