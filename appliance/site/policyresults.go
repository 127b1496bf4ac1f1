package site

import (
	"context"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/policy"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/storage/index"
)

// resultScan bounds the hosts that are judged for one page: where few fail, the page is short and its cursor goes on.
const resultScan = 1000

// policyResults judges hosts by one policy, now.
func (s *site) policyResults(ctx context.Context, q model.PolicyQuestion) (model.PolicyResults, error) {
	const op = "read results"
	out := model.PolicyResults{At: model.TimeOf(s.clock.Now()), Policy: q.Policy, Hosts: []model.PolicyHost{}}
	v := s.rows.Store.View()
	defer v.Close()
	row, ok, err := v.Policy(q.Policy)
	if err != nil {
		return out, err
	}
	if !ok {
		return out, fault.New(fault.NotFound, op, "this site has no policy %s: it is not assigned to it, or has not come yet", q.Policy)
	}
	x := policy.Load(row)
	out.Version, out.Kind = row.Version, row.Kind
	if x.Err() != nil {
		out.Problem = x.Err().Error()
	}
	r := results{q: q, x: x, judge: policy.NewJudge(policyEnv(v, out.At), bodies{inventories{s.detail}}), out: &out}
	if !q.Host.IsZero() {
		h, ok, err := v.Host(q.Host)
		if err != nil {
			return out, err
		}
		if !ok {
			return out, fault.New(fault.NotFound, op, "this site has no host %s", q.Host)
		}
		return out, r.add(&h)
	}
	if !x.Judged() {
		return out, nil
	}
	return out, r.page(ctx, s.rows.Store)
}

type results struct {
	q     model.PolicyQuestion
	x     *policy.Program
	judge *policy.Judge
	out   *model.PolicyResults
}

// page adds hosts behind the cursor, by id, until there are enough or enough were looked at.
func (r *results) page(ctx context.Context, store *index.Store) error {
	where, err := query.Parse(r.x.Policy.Where)
	if err != nil {
		where = query.All{}
	}
	ask := query.Search{Where: where, Sort: query.Sort{Field: query.FieldID}, Limit: 200, Now: r.out.At}
	if r.q.After != "" {
		c, err := query.ParseCursor(r.q.After)
		if err != nil {
			return err
		}
		ask.After = &c
	}
	for looked := 0; looked < resultScan; {
		page, err := store.Find(ctx, ask)
		if err != nil {
			return err
		}
		for i := range page.Hosts {
			if len(r.out.Hosts) == r.q.Limit {
				c := query.CursorOf(ask.Sort, &page.Hosts[max(i-1, 0)], query.Env{Now: r.out.At})
				if i == 0 {
					c = *ask.After
				}
				r.out.Next = c.String()
				return nil
			}
			looked++
			if err := r.add(&page.Hosts[i]); err != nil {
				return err
			}
		}
		if page.Next == nil {
			return nil
		}
		ask.After = page.Next
	}
	r.out.Next = ask.After.String()
	return nil
}

// add judges one host. Unless all are asked for, those that meet everything are left out, as is what is met.
func (r *results) add(h *model.Host) error {
	all, err := r.judge.Host(r.x, h)
	if err != nil {
		return err
	}
	row := model.PolicyHost{Host: h.ID, Name: h.Hostname, Checks: []model.PolicyCheck{}}
	for _, c := range all {
		switch c.Outcome {
		case policy.Met:
			row.Met++
		case policy.Failed:
			row.Failed++
		default:
			row.Unknown++
		}
		if r.q.All || c.Outcome != policy.Met {
			row.Checks = append(row.Checks, model.PolicyCheck{Check: c.Check, Title: c.Title, Severity: c.Severity, Outcome: string(c.Outcome), Reason: fault.Clip(c.Reason, 512)})
		}
	}
	if len(row.Checks) > 0 || r.q.All && len(all) > 0 || !r.q.Host.IsZero() {
		r.out.Hosts = append(r.out.Hosts, row)
	}
	return nil
}

// answerPolicy is policyResults for the controller, by the link.
func (s *site) answerPolicy(ctx context.Context, params map[string]string) (any, error) {
	q, err := model.ReadPolicyQuestion(params)
	if err != nil {
		return nil, fault.New(fault.Invalid, "read results", "%w", err)
	}
	return s.policyResults(ctx, q)
}
