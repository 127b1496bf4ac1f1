package site

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/index"
)

// Bounds of the evaluator of alerts.
const (
	alertTick   = 10 * time.Second // a look without any change: the metrics of the site, and what must hold for a while
	alertGap    = time.Second      // between two looks
	alertWhole  = time.Minute      // between two whole searches of a rule: ages grow while no host changes
	alertBatch  = 500              // judgements of one proposal
	alertTold   = 4096             // changed hosts that are looked at one by one; beyond, the search is done anew
	alertPage   = query.MaxPage
	alertFinds  = 30 * time.Second // one whole search
	alertValues = 4                // fields of a search that an alert says the values of
)

// alerter judges the rules of this site. It keeps nothing that the rows do not have: after a start the first look
// makes everything anew. One that holds for no host and of which nobody changed costs a look at a number.
type alerter struct {
	store   *index.Store
	propose func(context.Context, ...model.Change) error
	figures func(need map[alert.Metric]bool) alert.Figures
	now     func() time.Time
	log     *slog.Logger

	last atomic.Int64 // model.Time of the newest look that was whole, for those who show alerts

	place  uint64 // of index.Store.HostChanges
	known  map[string]*judged
	counts model.AlertCounts // as they were when the watches were read
	told   map[string]model.Time
}

// judged is what is known of one rule.
type judged struct {
	rule    model.Rule
	where   query.Expr            // of a host rule
	cond    alert.Condition       // of a site rule
	bad     error                 // it does not read
	holds   map[model.HostID]bool // of a host rule: for which it holds
	whole   time.Time             // when holds was searched for
	watches map[model.HostID]model.Watch
	stale   bool // the watches are to be read again
}

// Run judges until ctx ends, and then returns nil. An error of the store ends it.
func (a *alerter) Run(ctx context.Context) error {
	a.known, a.told = map[string]*judged{}, map[string]model.Time{}
	var seen uint64
	wait := alertGap
	for {
		v, err := a.await(ctx, seen, wait)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			seen = v
			wait, err = a.look(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case fault.Is(err, fault.ReadOnly), fault.Is(err, fault.Full), fault.Is(err, fault.Busy), errors.Is(err, context.DeadlineExceeded):
			a.log.Warn("alerts are not up to date", "err", err)
			a.forget()
			wait = alertTick
		case err != nil:
			return fault.Wrap("judge alerts", err)
		}
	}
}

// await returns when the rows changed, and a little later, or after most.
func (a *alerter) await(ctx context.Context, seen uint64, most time.Duration) (uint64, error) {
	short, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	v, err := a.store.Wait(short, seen)
	if err != nil {
		if short.Err() != nil {
			return seen, ctx.Err()
		}
		return seen, err
	}
	t := time.NewTimer(min(alertGap, most))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return v, ctx.Err()
}

// forget makes the next look a whole one, since what was proposed may have come through or not.
func (a *alerter) forget() { a.known = map[string]*judged{} }

// Last returns when the alerts were last brought up to date; zero: never.
func (a *alerter) Last() model.Time { return model.Time(a.last.Load()) }

// look judges every rule and returns how long to wait where nothing changes.
func (a *alerter) look(ctx context.Context) (time.Duration, error) {
	changed, all := a.changed()
	v := a.store.View()
	defer v.Close()
	rules, err := v.Rules()
	if err != nil {
		return 0, err
	}
	self, ok, err := v.Self()
	if err != nil || !ok {
		return alertTick, err
	}
	n, _, err := v.AlertCounts(model.SiteID(self.Self))
	if err != nil {
		return 0, err
	}
	foreign := !n.SameSums(a.counts) || n.At != a.counts.At
	a.counts = n
	p := pass{alerter: a, ctx: ctx, v: v, now: a.now(), changed: changed, rows: map[model.HostID]*model.Host{}}
	p.stamp = model.Stamp{Actor: "system", At: model.TimeOf(p.now)}
	if p.site, _, err = v.Site(model.SiteID(self.Self)); err != nil {
		return 0, err
	}
	p.site.ID = model.SiteID(self.Self)
	if p.site.Name == "" {
		p.site.Name = self.Name
	}
	next := map[string]*judged{}
	for _, r := range rules {
		if !r.Disabled {
			next[r.Name] = a.prepare(r, foreign)
		}
	}
	a.known = next
	p.figures = a.figures(a.needed())
	wait := alertTick
	for _, r := range rules {
		j := next[r.Name]
		if j == nil || j.bad != nil {
			continue
		}
		if err := p.judge(j, all); err != nil {
			return 0, err
		}
		wait = min(wait, p.due(j))
	}
	if err := p.flush(); err != nil {
		return 0, err
	}
	a.last.Store(int64(p.stamp.At))
	return max(wait, 50*time.Millisecond), nil
}

// changed returns the hosts that changed since the last look; all: too many, or not known.
func (a *alerter) changed() (ids []model.HostID, all bool) {
	ids, upto, lost := a.store.HostChanges(a.place, alertTold)
	if lost || len(ids) == alertTold || a.place == 0 {
		_, upto, _ = a.store.HostChanges(0, 0)
		ids, all = nil, true
	}
	a.place = upto
	return ids, all
}

// prepare returns what is known of a rule, made anew where the rule is another one than before.
func (a *alerter) prepare(r model.Rule, foreign bool) *judged {
	j := a.known[r.Name]
	if j != nil && j.rule == r {
		j.stale = j.stale || foreign
		return j
	}
	j = &judged{rule: r, stale: true}
	if r.Scope == model.ScopeSite {
		j.cond, j.bad = alert.Parse(r.When)
	} else {
		j.where, j.bad = query.Parse(r.When)
	}
	if j.bad != nil && a.told[r.Name] != r.At {
		a.told[r.Name] = r.At // once for each change of the rule
		a.log.Warn("an alert rule does not read here and is not judged; it may be of a newer version", "rule", r.Name, "reason", j.bad.Error())
	}
	return j
}

// needed returns the metrics that any rule compares.
func (a *alerter) needed() map[alert.Metric]bool {
	need := map[alert.Metric]bool{}
	for _, j := range a.known {
		if j.rule.Scope == model.ScopeSite && j.bad == nil {
			need[j.cond.Metric] = true
		}
	}
	return need
}

// newAlertID mints the id of an alert that a judgement may open.
func newAlertID() (model.AlertID, error) {
	id, err := uuid.NewV7()
	return model.AlertID(id), err
}
