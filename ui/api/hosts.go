package api

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// maxSkip is beyond any directory. A jump behind the last host is an empty page with the total.
const maxSkip = 1 << 30

func hostsParams() []param {
	return []param{
		{name: "q", doc: docQuery},
		{name: "sort", doc: docSort},
		{name: "after", doc: "next of the page before, with the same q and sort"},
		{name: "skip", doc: "hosts to leave out behind after, or at the beginning: for jumps to any place, where after is for going on", number: true, most: maxSkip},
		{name: "limit", doc: "hosts on this page", number: true, least: 1, most: query.MaxPage, absent: query.DefaultPage},
		{name: "facets", doc: "to be counted as well: " + docFields},
	}
}

// buffers are for the bodies of pages; a page of 50 hosts has about 50 KB.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// maxBuffer bounds what is kept for the next page, in bytes.
const maxBuffer = 1 << 20

func giveBuffer(b *[]byte) {
	if cap(*b) <= maxBuffer {
		buffers.Put(b)
	}
}

func (s *Server) listHosts(w http.ResponseWriter, r *http.Request, q asked) error {
	began := time.Now()
	search, canonical, err := s.searchOf(q)
	if err != nil {
		return err
	}
	fields, err := counted("query.facets", q.text("facets"), maxFacets)
	if err != nil {
		return err
	}
	search.Limit, search.Skip = q.number("limit"), q.number("skip")
	if search.After, err = cursor(q.text("after"), search.Sort); err != nil {
		return err
	}
	page := pages.Get().(*pageRows)
	defer page.give()
	if err := s.findRows(r.Context(), search, &page.Written); err != nil {
		return err
	}
	var c tally
	if len(fields) > 0 {
		if c, err = s.facetsOf(r.Context(), search.Where, fields, pageTop); err != nil {
			return err
		}
	}
	if err := s.findPlaces(page); err != nil {
		return err
	}
	foot := schema.Hosts{
		Total: page.Total, AsOf: s.c.Now().UTC().Truncate(time.Millisecond), TookUS: time.Since(began).Microseconds(),
		Query: canonical, Sort: search.Sort.String(),
	}
	foot.Notes = s.notes(r.Context(), q.text("q"), search.Where, page.Total)
	if page.Next != nil {
		foot.Next = page.Next.String()
	}
	return s.answer(w, r, func(b []byte) []byte {
		b = s.appendHosts(append(b, `{"hosts":[`...), page)
		return appendPage(b, &foot, c.facets)
	})
}

// answer sends the JSON that write appends.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, write func([]byte) []byte) error {
	h := w.Header()
	h["Content-Type"] = jsonType
	if l, ok := w.(*laneWriter); ok {
		l.take(write)
		return nil
	}
	buffer := buffers.Get().(*[]byte)
	defer giveBuffer(buffer)
	*buffer = write((*buffer)[:0])
	h["Content-Length"] = []string{strconv.Itoa(len(*buffer))}
	if _, err := w.Write(*buffer); err != nil {
		s.c.Log.Debug("an answer was not taken", "request", requestID(r.Context()), "err", err)
	}
	return nil
}

// searchOf reads q and sort, and returns q in its canonical form as well.
func (s *Server) searchOf(q asked) (search query.Search, canonical string, err error) {
	r, err := s.read("query.q", q.text("q"))
	if err != nil {
		return search, "", err
	}
	sort, err := order("query.sort", q.text("sort"))
	return query.Search{Where: r.expr, Sort: sort, Now: s.now()}, r.text, err
}

// pageRows is one page while it is made.
type pageRows struct {
	query.Written
	places []*place // of Hosts
}

// pages are used again: what a page has room for is the next one's.
var pages = sync.Pool{New: func() any { return new(pageRows) }}

func (p *pageRows) give() {
	clear(p.Hosts) // the rows are the store's
	clear(p.places)
	pages.Put(p)
}

// findPlaces finds the site of each host, with one more look where a host is of a site that came since.
func (s *Server) findPlaces(p *pageRows) error {
	by, err := s.places()
	if err != nil {
		return err
	}
	p.places = p.places[:0]
	looked := false
	for i := range p.Hosts {
		id := siteOf(p.Hosts[i].Text)
		at := by[id]
		if at == nil && !looked {
			looked = true
			if by, err = s.readPlaces(); err != nil {
				return err
			}
		}
		p.places = append(p.places, placeOf(by, id))
	}
	return nil
}

// appendHosts appends hosts with commas between them.
func (s *Server) appendHosts(b []byte, page *pageRows) []byte {
	why, d := reasons{s: s}, new(dates)
	for i := range page.Hosts {
		if i > 0 {
			b = append(b, ',')
		}
		h, p := &page.Hosts[i], page.places[i]
		b = d.appendRow(b, h.Text, &h.Beat, p, why.of(h.Beat.Status, p))
	}
	return b
}

type hostInput struct {
	Host string `path:"host" maxLength:"255" doc:"id, or a host name that only one host has"`
}

func (s *Server) getHost(ctx context.Context, in *hostInput) (*out[schema.Host], error) {
	h, err := s.findHost(ctx, in.Host)
	if err != nil {
		return nil, err
	}
	row, err := s.row(h)
	if err != nil {
		return nil, err
	}
	return &out[schema.Host]{Body: row}, nil
}

// row is what is shown of one host. Its status is the effective one; what its site last said of it is
// told where nobody can vouch for it now.
func (s *Server) row(h model.Host) (schema.Host, error) {
	by, err := s.placesFor([]model.Host{h})
	if err != nil {
		return schema.Host{}, err
	}
	p := placeOf(by, h.Site)
	why := reasons{s: s}
	row := hostRow(h, p.Site, why.of(h.Status, p))
	if statusOf(h.Status) != model.HostUnknown || s.linkOf(p).up() {
		return row, nil
	}
	v, done := s.c.Store.View()
	defer done()
	own, ok, err := v.Host(h.ID)
	if err != nil {
		return row, err
	}
	if ok {
		row.StatusReason += "; it last said " + string(statusOf(own.Status))
	}
	return row, nil
}

// findHost finds a host by its id, or by an exact host name or FQDN that only one host has. Its status is
// the effective one.
func (s *Server) findHost(ctx context.Context, name string) (model.Host, error) {
	id, err := model.ParseHostID(name)
	term := named(name)
	if err == nil {
		term = isHost(id)
	}
	page, err := s.find(ctx, query.Search{Where: term, Limit: 2, Now: s.now()})
	switch {
	case err != nil:
		return model.Host{}, err
	case len(page.Hosts) == 1:
		return page.Hosts[0], nil
	case len(page.Hosts) > 1:
		return model.Host{}, fault.New(fault.Conflict, "", "more than one host is named %q (%s and %s): give the id", name, page.Hosts[0].ID, page.Hosts[1].ID)
	case !id.IsZero():
		return model.Host{}, fault.New(fault.NotFound, "", "there is no host %s here; a search finds hosts by name or address", id)
	}
	return model.Host{}, fault.New(fault.NotFound, "", "no host is named %q; the search name:*PART* finds hosts by a part of the name", name)
}

// named is the search for hosts with this host name or FQDN.
func named(name string) query.Term {
	return query.Term{Field: query.FieldName, Op: query.OpIs, Pattern: query.Pattern{Shape: query.ShapeExact, Text: query.Fold(name)}}
}

// isHost is the search for one host.
func isHost(id model.HostID) query.Term {
	return query.Term{Field: query.FieldID, Op: query.OpIs, MAC: id.String()}
}

// ofSite is the search for the hosts of one site.
func ofSite(id model.SiteID) query.Term {
	return query.Term{Field: query.FieldSite, Op: query.OpIs, Pattern: query.Pattern{Shape: query.ShapeExact, Text: id.String()}}
}
