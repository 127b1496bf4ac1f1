package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// Bounds of what one question may ask to have counted.
const (
	maxFacets = 16 // fields
	pageTop   = 10 // values of each, beside a page
)

func facetsParams() []param {
	return []param{
		{name: "q", doc: docQuery},
		{name: "fields", doc: docFields + ". Empty: only the total", otherwise: "status,os,site,region,tag,severity"},
		{name: "top", doc: "values of each field, the most frequent ones", number: true, least: 1, most: 1000, absent: 10},
	}
}

func (s *Server) hostFacets(w http.ResponseWriter, r *http.Request, q asked) error {
	began := time.Now()
	search, err := s.read("query.q", q.text("q"))
	if err != nil {
		return err
	}
	fields, err := counted("query.fields", q.text("fields"), maxFacets)
	if err != nil {
		return err
	}
	c, err := s.facetsOf(r.Context(), search.expr, fields, q.number("top"))
	if err != nil {
		return err
	}
	notes := s.notes(r.Context(), q.text("q"), search.expr, c.total)
	return s.answer(w, r, func(b []byte) []byte {
		b = strconv.AppendInt(append(b, `{"total":`...), int64(c.total), 10)
		b = appendFacets(append(b, `,"facets":`...), c.facets)
		b = appendText(append(b, `,"query":`...), search.text)
		b = strconv.AppendInt(append(b, `,"took_us":`...), time.Since(began).Microseconds(), 10)
		return append(appendNotes(b, notes), '}', '\n')
	})
}

// tally is the facets of one search.
type tally struct {
	facets []query.Facet
	total  int
}

// facetsOf counts within the budget of one search; without fields only how many match.
func (s *Server) facetsOf(ctx context.Context, x query.Expr, fields []query.Field, top int) (tally, error) {
	return within(ctx, budget, func(ctx context.Context) (c tally, err error) {
		if len(fields) == 0 {
			c.total, err = s.c.Directory.Count(ctx, x, s.now())
			return c, err
		}
		c.facets, c.total, err = s.c.Directory.Facets(ctx, x, s.now(), fields, top)
		return c, err
	})
}

type groupInput struct {
	Query string `query:"q" doc:"the search; absent: every host"`
	By    string `query:"by" required:"true" doc:"two fields with a comma between them, as in os,site"`
	Top   int    `query:"top" minimum:"1" maximum:"1000" default:"100" doc:"pairs, the most frequent ones"`
}

func (s *Server) groupHosts(ctx context.Context, in *groupInput) (*out[schema.Grouped], error) {
	began := time.Now()
	x, err := where("query.q", in.Query)
	if err != nil {
		return nil, err
	}
	by, err := counted("query.by", in.By, 2)
	if err != nil {
		return nil, err
	}
	if len(by) != 2 || by[0] == by[1] {
		return nil, parameter("by", "want two different fields with a comma between them, as in os,site; for one field there are facets")
	}
	g, err := within(ctx, budget, func(ctx context.Context) (query.Grouped, error) {
		return s.c.Directory.Group(ctx, x, s.now(), by[0], by[1], in.Top)
	})
	if err != nil {
		return nil, err
	}
	body := schema.Grouped{
		By: []string{by[0].String(), by[1].String()}, Total: g.Total, Distinct: g.Distinct,
		Groups: make([]schema.Group, 0, len(g.Groups)), Query: query.Format(x),
		Notes: s.notes(ctx, in.Query, x, g.Total),
	}
	for _, x := range g.Groups {
		body.Groups = append(body.Groups, schema.Group(x))
	}
	body.TookUS = time.Since(began).Microseconds()
	return &out[schema.Grouped]{Body: body}, nil
}

type completeInput struct {
	Query string `query:"q" doc:"the text so far"`
	At    int    `query:"at" minimum:"-1" maximum:"65536" default:"-1" doc:"byte at which the writer stands; absent: the end"`
}

func (s *Server) completeSearch(ctx context.Context, in *completeInput) (*out[schema.Completion], error) {
	if len(in.Query) > query.MaxText {
		return nil, parameter("q", "a search has at most "+strconv.Itoa(query.MaxText)+" bytes")
	}
	if in.At < 0 || in.At > len(in.Query) {
		in.At = len(in.Query)
	}
	c := query.Complete(in.Query, in.At, s.values(ctx))
	body := schema.Completion{From: c.From, To: c.To, Items: make([]schema.CompletionItem, 0, len(c.Items))}
	for _, i := range c.Items {
		body.Items = append(body.Items, schema.CompletionItem(i))
	}
	return &out[schema.Completion]{Body: body}, nil
}

// kindWords are the names of kinds in the interface.
var kindWords = map[query.Kind]string{
	query.KindText: "text", query.KindWord: "word", query.KindVersion: "version", query.KindOS: "os",
	query.KindNumber: "number", query.KindBool: "bool", query.KindAge: "age", query.KindUntil: "until",
	query.KindAddress: "address", query.KindMAC: "mac", query.KindID: "id", query.KindStatus: "status",
}

func (s *Server) listFields(context.Context, *none) (*out[[]schema.Field], error) {
	rows := make([]schema.Field, 0, len(query.Fields()))
	for _, f := range query.Fields() {
		rows = append(rows, schema.Field{
			Name: f.Name, Aliases: f.Aliases, Kind: kindWords[f.Kind], Sortable: f.Sortable, Counted: f.Counted, Doc: f.Doc, Example: f.Example,
		})
	}
	return &out[[]schema.Field]{Body: rows}, nil
}

// checkStorage holds the store's indexes against its rows. Only one such reading of everything goes on at a time.
func (s *Server) checkStorage(ctx context.Context, _ *none) (*out[schema.StorageReport], error) {
	const op = "check storage"
	if s.c.Check == nil {
		return nil, fault.New(fault.Conflict, op, "this server cannot check its store while it runs: stop it, and have its data folder checked")
	}
	select {
	case s.checking <- struct{}{}:
		defer func() { <-s.checking }()
	default:
		return nil, fault.New(fault.Busy, op, "a check is running already; ask again when it has ended")
	}
	began := time.Now()
	report, err := s.c.Check(ctx)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	report.TookMS = time.Since(began).Milliseconds()
	return &out[schema.StorageReport]{Body: report}, nil
}
