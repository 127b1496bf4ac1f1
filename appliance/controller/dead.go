package controller

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

const (
	// strayAfter is how long after its enrollment a controller that is not in the Raft group counts as taken out, where this
	// leader was not the one that did it. One that has only just enrolled is not in the group yet.
	strayAfter = time.Hour
	// shownFor is how long a node that was taken out is shown.
	shownFor = 30 * 24 * time.Hour
)

// retireDead brings the registry to what the group did: a node that it took out since it was dead is no member any more. It
// is then refused, and told so, when it comes back, sites are not sent to it, and its name is free. Where this node ends
// in between, the next leader does it. The leader calls it.
func (k *controller) retireDead(ctx context.Context) error {
	all, err := cluster{k}.controllers()
	if err != nil {
		return err
	}
	n, now := k.group.Load(), time.Now()
	for _, m := range all {
		if m.Status != model.MemberEnrolled || m.ID == k.me.Member {
			continue
		}
		last, gone := n.Gone(m.ID.String())
		if !gone || last.IsZero() && now.Sub(m.EnrolledAt.Std()) < strayAfter {
			continue
		}
		why := "was dead"
		if !last.IsZero() {
			why = "was dead since " + utc(last)
		}
		stamp := model.Stamp{Actor: "system", At: model.TimeOf(now)}
		if err := n.Propose(ctx, model.RemoveMember{Stamp: stamp, Member: m.ID, Reason: why}); err != nil {
			return err
		}
		k.log.Info("a controller was dead for long and is no member any more", "node", m.Name, "id", m.ID, "reason", why)
	}
	return nil
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// byCleanUp says of a controller that the group itself took out when and why that was; "" of any other.
func byCleanUp(m model.Member) string {
	if m.Status != model.MemberRemoved || m.Reason == "" {
		return ""
	}
	return "removed by the clean-up at " + utc(m.StatusAt.Std()) + ", " + m.Reason
}

// takenOut are the nodes that the group itself took out lately, by name, without those whose name a node has again.
func (c cluster) takenOut(now time.Time) (out []schema.ClusterRemoved, err error) {
	v := c.rows.Store.View()
	defer v.Close()
	all, err := v.Members(model.MemberController)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		why := byCleanUp(m)
		replaced := slices.ContainsFunc(all, func(x model.Member) bool { return x.Name == m.Name && x.Status == model.MemberEnrolled })
		if why == "" || replaced || now.Sub(m.StatusAt.Std()) > shownFor {
			continue
		}
		out = append(out, schema.ClusterRemoved{ID: m.ID.String(), Name: m.Name, Address: m.Address, At: m.StatusAt.Std().UTC(), Why: why})
	}
	slices.SortFunc(out, func(a, b schema.ClusterRemoved) int { return cmp.Or(cmp.Compare(a.Name, b.Name), a.At.Compare(b.At)) })
	return out, nil
}
