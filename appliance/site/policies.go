package site

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/policy"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/index"
)

// Bounds of the evaluation of policies.
const (
	policyGap   = 2 * time.Second  // between two looks
	policyTick  = 15 * time.Minute // between two looks at all hosts where a policy asks for ages
	policyRest  = 24 * time.Hour   // the same where none does: what was missing in the detail tier may have come
	policyBatch = 500              // hosts of one proposal
)

// evaluator keeps the compliance of this site's hosts what the policies that it holds say. It holds nothing that
// the rows do not have, and needs no link.
type evaluator struct {
	store   *index.Store
	detail  policy.Detail
	propose func(context.Context, ...model.Change) error
	now     func() time.Time
	log     *slog.Logger
	pause   time.Duration // until the next attempt where one failed; alertTick if zero

	place    uint64 // of index.Store.HostChanges
	held     []model.HeldPolicy
	programs []*policy.Program // those that are judged
	whole    time.Time         // of the newest look at all hosts
	failed   bool              // what the last look found was not stored
}

// Run evaluates until ctx ends, and then returns nil. An error of the store ends it.
func (e *evaluator) Run(ctx context.Context) error {
	var seen uint64
	for {
		v, err := e.await(ctx, seen)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			seen, err = v, e.look(ctx)
		}
		e.failed = err != nil
		switch {
		case ctx.Err() != nil:
			return nil
		case fault.Is(err, fault.ReadOnly), fault.Is(err, fault.Full), fault.Is(err, fault.Busy), errors.Is(err, context.DeadlineExceeded):
			e.log.Warn("the compliance of hosts is not up to date", "err", err)
			e.whole = time.Time{}
		case err != nil:
			return fault.Wrap("evaluate policies", err)
		}
	}
}

// await returns when the rows changed and a little later, or when all hosts are due.
func (e *evaluator) await(ctx context.Context, seen uint64) (uint64, error) {
	most := policyRest
	for _, x := range e.programs {
		if x.Ages() {
			most = policyTick
		}
	}
	if len(e.programs) == 0 && !e.whole.IsZero() {
		most = 365 * 24 * time.Hour
	}
	if !e.whole.IsZero() {
		most = max(most-e.now().Sub(e.whole), policyGap)
	}
	if e.failed {
		most = cmp.Or(e.pause, alertTick) // nobody says when there is room again
	}
	short, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	v, err := e.store.Wait(short, seen)
	if err != nil {
		if short.Err() != nil {
			e.whole = time.Time{}
			return seen, ctx.Err()
		}
		return seen, err
	}
	t := time.NewTimer(policyGap)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return v, ctx.Err()
}

// look evaluates what changed, or all hosts where the policies did.
func (e *evaluator) look(ctx context.Context) error {
	ids, upto, lost := e.store.HostChanges(e.place, alertTold)
	if e.place == 0 || len(ids) == alertTold {
		lost = true
	}
	if lost {
		_, upto, _ = e.store.HostChanges(0, 0)
	}
	v := e.store.View()
	defer v.Close()
	changed, err := e.load(v)
	if err != nil {
		return err
	}
	due := e.whole.IsZero() || e.now().Before(e.whole)
	for _, x := range e.programs {
		due = due || x.Ages() && e.now().Sub(e.whole) >= policyTick
	}
	p := e.begin(ctx, v)
	switch {
	case changed || due || lost && len(e.programs) > 0:
		if err := v.EachHost(func(h model.Host) error { return p.host(&h) }); err != nil {
			return err
		}
		e.whole = e.now()
	case len(e.programs) > 0:
		for _, id := range ids {
			h, ok, err := v.Host(id)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			if err := p.host(&h); err != nil {
				return err
			}
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	e.place = upto
	return nil
}

// load reads the policies where they are others than before.
func (e *evaluator) load(v *index.View) (changed bool, err error) {
	all, err := v.Policies()
	if err != nil {
		return false, err
	}
	same := len(all) == len(e.held)
	held := make([]model.HeldPolicy, len(all))
	for i, p := range all {
		held[i] = model.HeldPolicy{ID: p.ID, Version: p.Version, At: p.At}
		same = same && held[i] == e.held[i]
	}
	if same {
		return false, nil
	}
	e.held, e.programs = held, nil
	for _, p := range all {
		x := policy.Load(p)
		if !x.Judged() {
			continue
		}
		if x.Err() != nil {
			e.log.Warn("a policy does not read here; what it asks for counts as not known", "policy", p.Name, "reason", x.Err().Error())
		}
		e.programs = append(e.programs, x)
	}
	return true, nil
}

// evaluation is one look at hosts.
type evaluation struct {
	*evaluator
	ctx   context.Context
	judge *policy.Judge
	stamp model.Stamp
	out   []model.HostCompliance
}

func (e *evaluator) begin(ctx context.Context, v *index.View) *evaluation {
	at := model.TimeOf(e.now())
	return &evaluation{evaluator: e, ctx: ctx, judge: policy.NewJudge(policyEnv(v, at), e.detail), stamp: model.Stamp{Actor: "system", At: at}}
}

// policyEnv is what searches are judged with: this site's own name and place.
func policyEnv(v *index.View, at model.Time) query.Env {
	known := map[model.SiteID]model.Site{}
	return query.Env{Now: at, Site: func(id model.SiteID) model.Site {
		s, ok := known[id]
		if !ok {
			s, _, _ = v.Site(id)
			known[id] = s
		}
		return s
	}}
}

func (p *evaluation) host(h *model.Host) error {
	c, err := p.judge.Compliance(p.programs, h)
	if err != nil || c == nil && h.Compliance == nil || c != nil && h.Compliance != nil && *c == *h.Compliance {
		return err
	}
	p.out = append(p.out, model.HostCompliance{Host: h.ID, Compliance: c})
	if len(p.out) < policyBatch {
		return nil
	}
	return p.flush()
}

func (p *evaluation) flush() error {
	if len(p.out) == 0 {
		return nil
	}
	err := p.propose(p.ctx, model.Evaluated{Stamp: p.stamp, Hosts: p.out})
	p.out = nil
	return err
}

// bodies gives what the detail tier has of hosts to the policies. A body that is damaged is one that there is not.
type bodies struct{ inventories }

// Inventory implements policy.Detail.
func (b bodies) Inventory(digest string) (model.Inventory, bool, error) {
	inv, ok, err := b.inventories.Inventory(digest)
	if fault.Is(err, fault.Corrupt) {
		return inv, false, nil
	}
	return inv, ok, err
}

// Certificates implements policy.Detail.
func (b bodies) Certificates(digest string) (all []model.Certificate, ok bool, err error) {
	body, ok, err := b.Body(digest)
	if err != nil || !ok {
		if fault.Is(err, fault.Corrupt) {
			err = nil
		}
		return nil, false, err
	}
	if model.Decode(body, &all) != nil {
		return nil, false, nil
	}
	return all, true, nil
}
