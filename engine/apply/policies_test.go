package apply_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/index"
)

func policyID(n byte) model.PolicyID { return model.PolicyID(id(200 - n)) }

func (w *world) policy(id model.PolicyID) (p model.Policy, ok bool) {
	p = look(w, func(v *index.View) (model.Policy, error) {
		p, found, err := v.Policy(id)
		ok = found
		return p, err
	})
	return p, ok
}

func (w *world) goesDown(to model.SiteID, after model.Seq) []model.Item {
	return look(w, func(v *index.View) ([]model.Item, error) {
		items, _, err := v.Directives(model.NodeID(to), after, 100, 1<<20, true)
		return items, err
	})
}

func baseline(n byte, name string) model.Policy {
	return model.Policy{ID: policyID(n), Name: name, Kind: model.PolicyBaseline, All: true, Body: jsontext.Value(`{"checks":[]}`)}
}

func TestPutPolicy(t *testing.T) {
	for _, role := range []model.Role{model.RoleController, model.RoleSite} {
		w := newWorld(t, role, groupID)
		put := model.PutPolicy{Stamp: w.stamp(), Policy: baseline(1, "cis")}
		put.Policy.Version, put.Policy.By, put.Policy.Origin, put.Policy.Sites = 77, "mallory", model.NodeID(oslo), []model.SiteID{oslo, berlin, oslo}
		for range 2 {
			w.must(put)
			p, ok := w.policy(policyID(1))
			if !ok || p.Version != 1 || p.By != "account:ann" || p.Origin != groupID || p.At != put.At || p.All != (role == model.RoleController) {
				t.Fatalf("%+v, %v", p, ok)
			}
			if role == model.RoleController && (len(p.Sites) != 2 || p.Sites[0] != berlin) {
				t.Errorf("%v", p.Sites)
			}
		}
		put.Policy.Where = "os:debian"
		put.Was = 1
		w.must(put)
		if p, _ := w.policy(policyID(1)); p.Version != 2 || w.audit().Action != "policy.change" || w.audit().Detail["version"] != "2" {
			t.Errorf("%+v, %+v", p, w.audit())
		}
		put.Policy.Where = "os:alpine"
		w.refused(fault.Conflict, put) // somebody was faster
		w.refused(fault.Exists, model.PutPolicy{Stamp: w.stamp(), Policy: baseline(2, "cis")})
		for name, tc := range map[string]struct {
			change func(*model.Policy)
			kind   fault.Kind
		}{
			"no id":        {func(p *model.Policy) { p.ID = model.PolicyID{} }, fault.Invalid},
			"a megabyte":   {func(p *model.Policy) { p.Name = strings.Repeat("n", 1<<20) }, fault.Invalid},
			"kind":         {func(p *model.Policy) { p.Kind = "wish" }, fault.Invalid},
			"another kind": {func(p *model.Policy) { p.ID = policyID(1); p.Kind = model.PolicyUpdates }, fault.Invalid},
			"no body":      {func(p *model.Policy) { p.Body = nil }, fault.Invalid},
			"a list":       {func(p *model.Policy) { p.Body = jsontext.Value("[]") }, fault.Invalid},
			"half a body":  {func(p *model.Policy) { p.Body = jsontext.Value(`{"a"`) }, fault.Invalid},
			"large body": {func(p *model.Policy) {
				p.Body = jsontext.Value(`{"a":"` + strings.Repeat("x", model.MaxPolicyBody) + `"}`)
			}, fault.TooLarge},
			"long search":     {func(p *model.Policy) { p.Where = strings.Repeat("x", 4097) }, fault.TooLarge},
			"too many places": {func(p *model.Policy) { p.Sites = make([]model.SiteID, model.MaxPolicySites+1) }, fault.TooLarge},
		} {
			p := baseline(3, "other")
			tc.change(&p)
			if _, err := w.do(model.PutPolicy{Stamp: w.stamp(), Policy: p}); !fault.Is(err, tc.kind) || len(err.Error()) > 300 {
				t.Errorf("%s: %v", name, err)
			}
		}
		drop := model.DropPolicy{Stamp: w.stamp(), Policy: policyID(1)}
		w.must(drop)
		seq := w.audit().Seq
		w.must(drop)
		if _, ok := w.policy(policyID(1)); ok || w.audit().Seq != seq || w.audit().Action != "policy.remove" {
			t.Errorf("%v, %+v", ok, w.audit())
		}
		w.sound()
	}
	w := newWorld(t, model.RoleSite, groupID)
	for i := range 256 {
		p := baseline(1, fmt.Sprint("p", i))
		p.ID[1] = byte(i)
		w.must(model.PutPolicy{Stamp: w.stamp(), Policy: p})
	}
	w.refused(fault.Conflict, model.PutPolicy{Stamp: w.stamp(), Policy: baseline(9, "one-more")})
}

// A policy goes to every site; each keeps what is assigned to it and says which version it has.
func TestPoliciesFromAbove(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	for site, name := range map[model.SiteID]string{berlin: "berlin", oslo: "oslo"} {
		hq.enrolled(model.MemberSite, model.NodeID(site), name)
	}
	here, there := newWorld(t, model.RoleSite, model.NodeID(berlin)), newWorld(t, model.RoleSite, model.NodeID(oslo))
	var seq, up model.Seq
	// round carries down what is new, to both sites and twice, and up what berlin answers.
	round := func() model.PoliciesHeld {
		t.Helper()
		items := hq.goesDown(berlin, seq)
		var last model.PoliciesHeld
		for i := range 2 {
			for _, w := range []*world{here, there} {
				for _, answer := range w.receive(groupID, items...) {
					if answer.Kind != model.ItemPolicies || i > 0 {
						t.Fatalf("went up: %+v", answer)
					}
					if w == here {
						up++
						answer.Seq = up
						hq.receive(model.NodeID(berlin), answer)
					}
				}
			}
		}
		seq = items[len(items)-1].Seq
		last = look(hq, func(v *index.View) (model.PoliciesHeld, error) { h, _, err := v.PoliciesHeld(berlin); return h, err })
		return last
	}
	p := baseline(1, "cis")
	p.All, p.Sites = false, []model.SiteID{berlin}
	hq.must(model.PutPolicy{Stamp: hq.stamp(), Policy: p})
	h := round()
	if len(h.Held) != 1 || h.Held[0].ID != p.ID || h.Held[0].Version != 1 || h.Site != berlin {
		t.Fatalf("%+v", h)
	}
	if got, ok := here.policy(p.ID); !ok || got.Origin != groupID || got.Version != 1 {
		t.Fatalf("%+v", got)
	}
	if _, ok := there.policy(p.ID); ok {
		t.Error("a site has what is not assigned to it")
	}
	here.refused(fault.Denied, model.DropPolicy{Stamp: here.stamp(), Policy: p.ID})
	here.refused(fault.Denied, model.PutPolicy{Stamp: here.stamp(), Policy: p})
	here.must(model.PutPolicy{Stamp: here.stamp(), Policy: baseline(2, "cis")}) // its own may have the name
	p.Where = "os:debian"
	hq.must(model.PutPolicy{Stamp: hq.stamp(), Policy: p})
	if h = round(); len(h.Held) != 1 || h.Held[0].Version != 2 {
		t.Fatalf("%+v", h)
	}
	p.Sites = []model.SiteID{oslo}
	hq.must(model.PutPolicy{Stamp: hq.stamp(), Policy: p})
	if h = round(); len(h.Held) != 0 {
		t.Fatalf("%+v", h)
	}
	if _, ok := there.policy(p.ID); !ok {
		t.Error("it did not come to the other site")
	}
	hq.must(model.DropPolicy{Stamp: hq.stamp(), Policy: p.ID})
	round()
	if _, ok := there.policy(p.ID); ok {
		t.Error("it did not go")
	}
	if _, ok := here.policy(policyID(2)); !ok {
		t.Error("a site's own went")
	}
	// The controller may not touch a site's own, nor send what is none.
	here.receive(groupID, item(t, 900, model.ItemPolicyGone, policyID(2).String(), nil), item(t, 901, model.ItemPolicy, policyID(2).String(), baseline(2, "cis")),
		item(t, 902, model.ItemPolicy, policyID(5).String(), baseline(6, "x")), item(t, 903, model.ItemPolicyGone, "x", nil))
	if _, ok := here.policy(policyID(2)); !ok || here.audit().Action != "item.refuse" {
		t.Errorf("%+v", here.audit())
	}
	// A site that has what is not known here (any more) is told to forget it.
	before := len(hq.goesDown(berlin, 0))
	hq.receive(model.NodeID(berlin), item(t, 50, model.ItemPolicies, "policies", model.PoliciesHeld{Held: []model.HeldPolicy{{ID: policyID(66), Version: 3}}}))
	items := hq.goesDown(berlin, 0)
	if last := items[len(items)-1]; len(items) != before+1 || last.Kind != model.ItemPolicyGone || last.Key != policyID(66).String() {
		t.Errorf("%+v", items)
	}
	hq.sound()
	here.sound()
}

func TestEvaluated(t *testing.T) {
	w := alertSite(t)
	c := model.Evaluated{Stamp: w.stamp(), Hosts: []model.HostCompliance{{Host: hostA, Compliance: new(87.5)}, {Host: hostB}, {Host: model.HostID(id(77)), Compliance: new(1.0)}}}
	up := w.must(c)
	if h, _ := w.host(hostA); h.Compliance == nil || *h.Compliance != 87.5 {
		t.Errorf("%+v", h)
	}
	if len(up) != 1 || up[0].Kind != model.ItemHost || up[0].Key != hostA.String() {
		t.Errorf("went up: %v", up)
	}
	if n := w.counts(berlin); n.Compliance != 875 || n.ComplianceN != 1 {
		t.Errorf("%+v", n)
	}
	if up := w.must(c); len(up) != 0 {
		t.Errorf("again: %v", up)
	}
	w.must(model.Evaluated{Stamp: w.stamp(), Hosts: []model.HostCompliance{{Host: hostA}}})
	if h, _ := w.host(hostA); h.Compliance != nil || w.counts(berlin).ComplianceN != 0 {
		t.Errorf("%+v", h)
	}
	w.refused(fault.Invalid, model.Evaluated{Stamp: w.stamp(), Hosts: []model.HostCompliance{{Host: hostA, Compliance: new(100.1)}}})
	w.sound()
}

// A restored controller says its rules and policies again, since a site may have those of after the backup.
func TestRestoreRetellsPolicies(t *testing.T) {
	hq := newWorld(t, model.RoleController, groupID)
	hq.enrolled(model.MemberSite, model.NodeID(berlin), "berlin")
	hq.must(model.PutPolicy{Stamp: hq.stamp(), Policy: baseline(1, "cis")})
	hq.must(model.PutRule{Stamp: hq.stamp(), Rule: model.Rule{Name: "down", Scope: model.ScopeHost, When: "status:down", Severity: model.AlertWarning}})
	items := hq.goesDown(berlin, 0)
	seq := items[len(items)-1].Seq
	tx := hq.store.Begin()
	node := model.Member{ID: model.NodeID(id(5)), Kind: model.MemberController, Name: "n", Pin: "p"}
	if _, err := apply.Restore(tx, apply.Restored{Stamp: hq.stamp(), Node: node, From: hq.at}); err != nil {
		t.Fatal(err)
	}
	hq.n++
	if err := tx.Commit(hq.n, false); err != nil {
		t.Fatal(err)
	}
	kinds := map[model.ItemKind]int{}
	for _, i := range hq.goesDown(berlin, seq) {
		kinds[i.Kind]++
	}
	if kinds[model.ItemPolicy] != 1 || kinds[model.ItemRule] != 1 {
		t.Errorf("%v", kinds)
	}
}
