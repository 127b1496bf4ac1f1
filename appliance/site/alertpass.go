package site

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/index"
)

// pass is one look at all rules.
type pass struct {
	*alerter
	ctx     context.Context
	v       *index.View
	now     time.Time
	stamp   model.Stamp
	site    model.Site
	figures alert.Figures
	changed []model.HostID               // hosts to look at one by one
	rows    map[model.HostID]*model.Host // of changed; nil: it is gone
	out     []model.Judgement
	of      []*judged // whose judgement each of out is
}

// judge finds the objects for which a rule holds and proposes what is news of them.
func (p *pass) judge(j *judged, all bool) error {
	if err := p.watches(j); err != nil {
		return err
	}
	if j.rule.Scope == model.ScopeSite {
		holds, known, seen := j.cond.Holds(&p.figures)
		if !known {
			return nil
		}
		return p.step(j, model.HostID{}, holds, func() (string, string, error) { return p.site.Name, seen, nil })
	}
	var err error
	if all || j.holds == nil || p.now.Sub(j.whole) >= alertWhole || p.now.Before(j.whole) {
		err = p.search(j)
	} else {
		err = p.renew(j)
	}
	if err != nil {
		return err
	}
	hosts := slices.Collect(maps.Keys(j.holds))
	for id := range j.watches {
		if !j.holds[id] {
			hosts = append(hosts, id)
		}
	}
	slices.SortFunc(hosts, func(x, y model.HostID) int { return bytes.Compare(x[:], y[:]) })
	for _, id := range hosts {
		if err := p.step(j, id, j.holds[id], func() (string, string, error) { return p.words(j, id) }); err != nil {
			return err
		}
	}
	return nil
}

// watches reads what is remembered of a rule, unless that is known.
func (p *pass) watches(j *judged) error {
	if !j.stale && j.watches != nil {
		return nil
	}
	j.watches, j.stale = map[model.HostID]model.Watch{}, false
	return p.v.EachWatch(j.rule.Name, func(w model.Watch) error {
		j.watches[w.Host] = w
		return nil
	})
}

func (p *pass) env() query.Env {
	return query.Env{Now: p.stamp.At, Site: func(id model.SiteID) model.Site {
		if id == p.site.ID {
			return p.site
		}
		return model.Site{ID: id}
	}}
}

// search asks the directory for all hosts that a rule holds for.
func (p *pass) search(j *judged) error {
	ctx, cancel := context.WithTimeout(p.ctx, alertFinds)
	defer cancel()
	j.holds, j.whole = map[model.HostID]bool{}, p.now
	n, err := p.store.Count(ctx, j.where, p.stamp.At)
	if err != nil || n == 0 {
		return err
	}
	q := query.Search{Where: j.where, Sort: query.Sort{Field: query.FieldID}, Limit: alertPage, Now: p.stamp.At}
	for {
		page, err := p.store.Find(ctx, q)
		if err != nil {
			return err
		}
		for i := range page.Hosts {
			j.holds[page.Hosts[i].ID] = true
		}
		if page.Next == nil {
			return nil
		}
		q.After = page.Next
	}
}

// renew looks at the hosts that changed.
func (p *pass) renew(j *judged) error {
	env := p.env()
	for _, id := range p.changed {
		h, read := p.rows[id]
		if !read {
			row, ok, err := p.v.Host(id)
			if err != nil {
				return err
			}
			if ok {
				h = &row
			}
			p.rows[id] = h
		}
		if h != nil && query.Match(j.where, h, env) {
			j.holds[id] = true
		} else {
			delete(j.holds, id)
		}
	}
	return nil
}

// step proposes a judgement where it is news.
func (p *pass) step(j *judged, host model.HostID, holds bool, words func() (label, value string, err error)) error {
	was := j.watches[host]
	next, event := alert.Step(&j.rule, was, holds, p.stamp.At)
	if next.TrueSince != 0 {
		next.Host = host
	}
	if event == alert.None && next == was {
		return nil
	}
	out := model.Judgement{Rule: j.rule.Name, Seen: j.rule.At, Host: host, Holds: holds}
	if event == alert.Open {
		var err error
		if out.Alert, err = newAlertID(); err != nil {
			return err
		}
		if out.Label, out.Value, err = words(); err != nil {
			return err
		}
	}
	p.out, p.of = append(p.out, out), append(p.of, j)
	if len(p.out) < alertBatch {
		return nil
	}
	return p.flush()
}

// flush proposes what was judged. What came of it is read again at the next look.
func (p *pass) flush() error {
	if len(p.out) == 0 {
		return nil
	}
	err := p.propose(p.ctx, model.JudgeAlerts{Stamp: p.stamp, Judged: p.out})
	for _, j := range p.of {
		j.stale = true
	}
	p.out, p.of = nil, nil
	return err
}

// due returns in how long a rule must be looked at again though nothing changes.
func (p *pass) due(j *judged) time.Duration {
	wait := alertTick
	for _, w := range j.watches {
		if at := alert.Due(&j.rule, w); at != 0 {
			wait = min(wait, max(at.Std().Sub(p.stamp.At.Std()), 0))
		}
	}
	return wait
}

// words returns the name of a host and what the rule found of it.
func (p *pass) words(j *judged, id model.HostID) (label, value string, err error) {
	h, ok, err := p.v.Host(id)
	if err != nil || !ok {
		return id.String(), "", err
	}
	label = h.Hostname
	if label == "" {
		label = id.String()
	}
	return label, values(j.where, &h, p.env()), nil
}

// values says what a host has of the fields that a search is about: "status down, cve:critical 3".
func values(x query.Expr, h *model.Host, env query.Env) string {
	var out []string
	var walk func(query.Expr)
	walk = func(x query.Expr) {
		switch x := x.(type) {
		case query.And:
			for _, y := range x {
				walk(y)
			}
		case query.Or:
			for _, y := range x {
				walk(y)
			}
		case query.Not:
			walk(x.X)
		case query.Term:
			name := x.Field.String()
			if x.Part != "" {
				name += ":" + x.Part
			}
			text := valueOf(&x, h, env)
			if name != "" && text != "" && len(out) < alertValues && !slices.Contains(out, name+" "+text) {
				out = append(out, name+" "+text)
			}
		}
	}
	walk(x)
	return strings.Join(out, ", ")
}

func valueOf(t *query.Term, h *model.Host, env query.Env) string {
	if at, ok := query.TimeValue(t.Field, h); ok {
		return at.String()
	}
	var texts []string
	query.EachValue(t.Field, h, env, func(s string) { texts = append(texts, s) })
	if texts != nil {
		return strings.Join(texts[:min(len(texts), alertValues)], " ")
	}
	n, known := query.NumberValue(t.Field, t.Part, h)
	switch {
	case !known:
		return ""
	case t.Field == query.FieldCompliance:
		return strconv.FormatFloat(float64(n)/10, 'f', -1, 64)
	}
	return strconv.FormatInt(n, 10)
}
