package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// Bounds of questions to several sites.
const (
	atOnce    = 32  // sites under way
	maxTold   = 500 // sites named in each of the lists
	maxPlaced = 1024
	maxNote   = 200 // bytes of what a site remarks about its answer
)

// fleetRow is a row of an answer that several sites give together.
type fleetRow[R any] interface {
	*R
	Place() string
	Row() *model.FleetRow
}

// sited is a row with the site that gave it.
type sited[R any] struct {
	at   string
	site *place
	row  R
}

// joining brings the pages of several sites into one order and keeps the first rows, however many sites there are.
//
// What a page does not reach is not known: where a site has more rows behind its last one, no row behind that place, of
// whichever site, may come yet. The next page begins there.
type joining[R any, P fleetRow[R]] struct {
	limit int
	rows  []sited[R]
	end   string // the last place that is whole; empty: all of it
}

func (m *joining[R, P]) add(site *place, rows []R, more bool) {
	at := ""
	for i := range rows {
		at = P(&rows[i]).Place()
		if m.end == "" || at <= m.end {
			m.rows = append(m.rows, sited[R]{at, site, rows[i]})
		}
	}
	if more && (m.end == "" || at < m.end) {
		m.end = at
	}
	if len(m.rows) > 4*m.limit {
		m.trim()
	}
}

func (m *joining[R, P]) trim() {
	slices.SortFunc(m.rows, func(a, b sited[R]) int {
		return cmp.Or(strings.Compare(a.at, b.at), strings.Compare(a.site.ID.String(), b.site.ID.String()))
	})
	m.rows = slices.CompactFunc(m.rows, func(a, b sited[R]) bool { return a.at == b.at })
	n := len(m.rows)
	if m.end != "" {
		n, _ = slices.BinarySearchFunc(m.rows, m.end+"\x00", func(r sited[R], at string) int { return strings.Compare(r.at, at) })
	}
	if n > m.limit {
		n = m.limit
		m.end = m.rows[n-1].at
	}
	clear(m.rows[n:])
	m.rows = m.rows[:n]
}

// sheet is one site's answer.
type sheet[R any] struct {
	model.FleetAnswer
	unordered int
	rows      []R
}

// survey is a question to several sites.
type survey[R any, P fleetRow[R]] struct {
	s     *Server
	route string
	q     model.FleetQuestion
	read  func(raw []byte) (sheet[R], error) // of a controller's question
	local func(any) (sheet[R], bool)         // of a site's own answer

	mu    sync.Mutex // guards what follows
	merge joining[R, P]
	out   schema.Gathered
}

// run asks the sites, or answers for this one.
func (g *survey[R, P]) run(ctx context.Context, in *GatherInput) ([]sited[R], schema.Gathered, error) {
	var err error
	g.q.Query, g.q.Limit = in.Q, in.Limit
	if g.q.After, err = readPlace(in.Cursor); err != nil {
		return nil, g.out, err
	}
	if _, err := where("query.q", in.Q); err != nil {
		return nil, g.out, err
	}
	g.merge.limit = in.Limit
	g.out.Answered = []schema.SiteAnswer{}
	sites, err := g.s.chosen(ctx, in)
	if err != nil {
		return nil, g.out, err
	}
	if g.s.c.Role == model.RoleSite {
		v, err := g.s.c.Answer(ctx, g.route, g.q.Params())
		if err != nil {
			return nil, g.out, err
		}
		p, ok := g.local(v)
		if !ok {
			return nil, g.out, fault.New(fault.Other, "", "%q was answered with %T", g.route, v)
		}
		g.took(sites[0], &p)
	} else {
		g.scatter(ctx, sites)
		if ctx.Err() != nil {
			return nil, g.out, context.Cause(ctx)
		}
	}
	g.merge.trim()
	if g.merge.end != "" {
		g.out.Next = base64.RawURLEncoding.EncodeToString([]byte(g.merge.end))
	}
	slices.SortFunc(g.out.Answered, func(a, b schema.SiteAnswer) int { return strings.Compare(a.Site, b.Site) })
	slices.SortFunc(g.out.Partial, func(a, b schema.SiteSilence) int { return strings.Compare(a.Site, b.Site) })
	return g.merge.rows, g.out, nil
}

// scatter asks every site whose link is open, and names the others.
func (g *survey[R, P]) scatter(ctx context.Context, sites []*place) {
	asker := ctx
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	params := g.q.Params()
	var next int
	var asking sync.WaitGroup
	for range min(atOnce, len(sites)) {
		asking.Go(func() {
			for {
				g.mu.Lock()
				i := next
				next++
				g.mu.Unlock()
				if i >= len(sites) || asker.Err() != nil {
					return
				}
				g.ask(ctx, sites[i], params)
			}
		})
	}
	asking.Wait()
	err := asker.Err()
	if g.out.AnsweredN == 0 && g.out.PartialN > 0 && err == nil {
		err = fault.New(fault.Unreachable, "", "no site answered")
	}
	g.s.wrote(asker, Asked{Route: g.route, Err: err, Detail: map[string]string{
		"answered": fmt.Sprint(g.out.AnsweredN), "silent": fmt.Sprint(g.out.PartialN),
	}})
}

// ask puts the question to one site.
func (g *survey[R, P]) ask(ctx context.Context, site *place, params map[string]string) {
	link := g.s.linkOf(site)
	if !link.up() {
		g.silent(site, link, fault.New(fault.Unreachable, "", "it has no link now"))
		return
	}
	raw, err := g.s.put(ctx, site.ID, g.route, params)
	if err == nil {
		var p sheet[R]
		if p, err = g.read(raw); err == nil {
			if err = g.check(site, &p); err == nil {
				g.took(site, &p)
				return
			}
		}
		err = fault.New(fault.Corrupt, "", "the answer cannot be used: %w", err)
	}
	if ctx.Err() == context.DeadlineExceeded {
		err = fault.New(fault.Unreachable, "", "no answer within %s", askTime)
	}
	g.silent(site, g.s.linkOf(site), err)
}

// check says whether a page is what was asked for, and about hosts of the site that sent it.
func (g *survey[R, P]) check(site *place, p *sheet[R]) error {
	if len(p.rows) > g.q.Limit {
		return fmt.Errorf("it has %d rows where %d were asked for", len(p.rows), g.q.Limit)
	}
	if p.More && len(p.rows) == 0 {
		return errors.New("it has no rows and says that there are more")
	}
	v, done := g.s.c.Store.View()
	defer done()
	last := g.q.After
	for i := range p.rows {
		row := P(&p.rows[i])
		if at := row.Place(); at <= last {
			return errors.New("its rows are not in order")
		} else if len(at) > maxPlaced {
			return errors.New("a host name in it is too long")
		} else {
			last = at
		}
		h, ok, err := v.Host(row.Row().Host)
		if err != nil {
			return err
		}
		if ok && h.Site != site.ID {
			return fmt.Errorf("it is about host %s, which is of another site", h.ID)
		}
	}
	return nil
}

func (g *survey[R, P]) took(site *place, p *sheet[R]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.merge.add(site, p.rows, p.More)
	g.out.Total += p.Total
	if g.out.AnsweredN++; len(g.out.Answered) < maxTold {
		g.out.Answered = append(g.out.Answered, schema.SiteAnswer{
			SiteID: site.ID.String(), Site: site.Name, At: p.At.Std(), Total: p.Total, Hosts: p.Hosts, Lacking: p.Lacks, Unordered: p.unordered,
			Note: fault.Printable(fault.Clip(oneLine(p.Note), maxNote)),
		})
	}
}

// silent names a site that did not answer, with what is known of it here.
func (g *survey[R, P]) silent(site *place, link reach, err error) {
	n, hosts := model.SiteCounts{}, site.Site
	v, done := g.s.c.Store.View()
	n, _, _ = v.Counts(hosts.ID)
	done()
	x := schema.SiteSilence{SiteID: site.ID.String(), Site: site.Name, Kind: fault.KindOf(err).String(), Hosts: n.Hosts, AsOf: at(n.LastItem)}
	switch {
	case fault.Is(err, fault.Unreachable) || !link.up():
		x.Kind = fault.Unreachable.String()
		x.Reason = untold(site.Name, link, rowsOnly(n), err)
		if !link.up() && !link.since.IsZero() {
			since := link.since
			x.Since = &since
		}
	case fault.Is(err, fault.NotFound):
		x.Reason = fmt.Sprintf("site %s does not know this question: bring its Skerry up to date", site.Name)
	default:
		x.Reason = fmt.Sprintf("site %s refused: %s", site.Name, fault.Clip(oneLine(err.Error()), 300))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.out.PartialN++; len(g.out.Partial) < maxTold {
		g.out.Partial = append(g.out.Partial, x)
	}
}

func readPlace(text string) (string, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) > maxPlaced {
		return "", parameter("cursor", "it is not the next of a page")
	}
	return string(b), nil
}
