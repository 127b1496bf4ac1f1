package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

const checks = `{"checks": [{"id":"reboot","title":"no reboot waits","severity":"low","expect":{"query":"reboot:no"}}]}`

func TestPolicies(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp)
	r.site(model.SiteID{15: 3}, "oslo", model.HostUp)
	put := schema.PolicyPut{Name: "cis", Kind: "compliance_baseline", Where: " os:debian ", Body: json.RawMessage(checks), Sites: []string{"berlin"}}
	made := read[schema.Policy](r, r.do("POST", "/api/v1/policies", put), 201)
	if made.Version != 1 || made.Where != "os:debian" || made.ChecksN != 1 || made.Origin != "controller" || len(made.Sites) != 1 || made.Sites[0] != "berlin" || made.By == "" || made.Problem != "" {
		t.Errorf("%+v", made)
	}
	if made.Held == nil || made.Held.Unknown != 1 || len(made.HeldBy) != 1 || made.HeldBy[0].State != "unknown" {
		t.Errorf("%+v %+v", made.Held, made.HeldBy)
	}
	id, _ := model.ParsePolicyID(made.ID)
	held := func(version uint64, at model.Time) schema.PolicyHolder {
		t.Helper()
		r.mem.held[berlin] = model.PoliciesHeld{Site: berlin, At: model.TimeOf(noon), Held: []model.HeldPolicy{{ID: id, Version: version, At: at}}}
		if version == 0 {
			r.mem.held[berlin] = model.PoliciesHeld{Site: berlin, At: model.TimeOf(noon)}
		}
		return read[schema.Policy](r, r.do("GET", "/api/v1/policies/cis", nil), 200).HeldBy[0]
	}
	now := r.mem.policies[id].At
	for _, tc := range []struct {
		version uint64
		at      model.Time
		want    string
	}{{0, 0, "missing"}, {1, now, "current"}, {1, now + 1, "stale"}, {7, now, "stale"}} {
		if got := held(tc.version, tc.at); got.State != tc.want || got.Version != tc.version || got.AsOf == nil {
			t.Errorf("%+v, want %s", got, tc.want)
		}
	}
	held(1, now)
	put.Sites, put.AllSites, put.Version = nil, true, 1
	changed := read[schema.Policy](r, r.do("PUT", "/api/v1/policies/"+made.ID, put), 200)
	if changed.Version != 2 || !changed.AllSites || changed.Held.Stale != 1 || changed.Held.Unknown != 1 {
		t.Errorf("%+v %+v", changed, changed.Held)
	}
	r.refused(r.do("PUT", "/api/v1/policies/"+made.ID, put), 409, fault.Conflict, "version 2")
	if all := read[[]schema.Policy](r, r.do("GET", "/api/v1/policies", nil), 200); len(all) != 1 || all[0].Body != nil || all[0].HeldBy != nil || all[0].Held == nil {
		t.Errorf("%+v", all)
	}
	put.Version = 0
	for name, tc := range map[string]struct {
		change func(*schema.PolicyPut)
		status int
		where  string
		say    string
	}{
		"both":              {func(p *schema.PolicyPut) { p.Sites = []string{"berlin"} }, 422, "body.sites", "one of the two"},
		"unreadable search": {func(p *schema.PolicyPut) { p.Where = "oz:debian" }, 422, "body.where", "did you mean os"},
		"in a check": {
			func(p *schema.PolicyPut) {
				p.Body = json.RawMessage(strings.Replace(checks, "reboot:no", "rebot:no", 1))
			}, 422,
			"body.body.checks[0].expect.query", "did you mean reboot",
		},
		"unknown member": {func(p *schema.PolicyPut) { p.Body = json.RawMessage(strings.Replace(checks, "severity", "sevrity", 1)) }, 422, "body.body", "sevrity is not a member"},
		"wrong kind":     {func(p *schema.PolicyPut) { p.Kind = "wish" }, 422, "body.kind", "kind"},
		"a list":         {func(p *schema.PolicyPut) { p.Kind, p.Body = "firewall_role", json.RawMessage(`[1]`) }, 422, "body.body", "no JSON object"},
		"large": {func(p *schema.PolicyPut) {
			p.Kind, p.Body = "update_profile", json.RawMessage(`{"a":"`+strings.Repeat("x", model.MaxPolicyBody)+`"}`)
		}, 413, "body.body", "limit"},
		"twice": {func(p *schema.PolicyPut) { p.Kind, p.Body = "update_profile", json.RawMessage(`{"a":1,"a":2}`) }, 422, "body.body", "no JSON"},
	} {
		p := put
		tc.change(&p)
		body := read[schema.Problem](r, r.do("POST", "/api/v1/policies", p), tc.status)
		if len(body.Errors) == 0 || body.Errors[0].Location != tc.where || !strings.Contains(body.Detail, tc.say) || len(body.Detail) > 600 {
			t.Errorf("%s: %+v", name, body)
		}
		if strings.Contains(tc.say, "did you mean") && (body.Caret == "" || body.Pos == nil) {
			t.Errorf("%s: it does not point at what is wrong: %+v", name, body)
		}
	}
	put.AllSites, put.Sites = false, []string{"nowhere"}
	r.refused(r.do("POST", "/api/v1/policies", put), 404, fault.NotFound, "nowhere")
	r.refused(r.do("GET", "/api/v1/policies/none", nil), 404, fault.NotFound, "none")
	if w := r.do("DELETE", "/api/v1/policies/cis", nil); w.Code != http.StatusNoContent || len(r.mem.policies) != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPolicyResults(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp)
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	id := model.PolicyID{15: 9}
	r.mem.policies[id] = model.Policy{ID: id, Name: "cis", Kind: model.PolicyBaseline, Version: 3, Body: []byte(checks), Origin: group}
	host := hostID(berlin, 0)
	r.asker.answer = model.PolicyResults{At: model.TimeOf(noon), Policy: id, Version: 2, Hosts: []model.PolicyHost{{Host: host, Name: "berlin-a", Failed: 1, Checks: []model.PolicyCheck{{Check: "reboot", Severity: "low", Outcome: "failed", Reason: "it is not reboot:no"}}}}}
	got := read[schema.PolicyResults](r, r.do("GET", "/api/v1/policies/cis/results?host=berlin-a", nil), 200)
	if got.Site != "berlin" || got.Version != 2 || len(got.Hosts) != 1 || got.Hosts[0].Checks[0].Outcome != "failed" || got.Hosts[0].HostID != host.String() {
		t.Errorf("%+v", got)
	}
	if asked := r.asker.asked[0]; !strings.Contains(asked, model.RoutePolicyResults) || !strings.HasSuffix(asked, host.String()) {
		t.Errorf("asked %q", asked)
	}
	r.refused(r.do("GET", "/api/v1/policies/cis/results", nil), 422, fault.Invalid, "name a host or a site")
	r.links[model.NodeID(berlin)] = Link{Since: noon}
	r.asker.err = fault.New(fault.Unreachable, "", "no link")
	r.refused(r.do("GET", "/api/v1/policies/cis/results?site=berlin", nil), 503, fault.Unreachable, "the compliance of each host is in its row here")

	var asked model.PolicyQuestion
	s := siteRig(t, func(c *Config) {
		c.Results = func(_ context.Context, q model.PolicyQuestion) (model.PolicyResults, error) {
			asked = q
			return model.PolicyResults{At: model.TimeOf(noon), Policy: q.Policy}, nil
		}
	})
	put := schema.PolicyPut{Name: "own", Kind: "update_profile", Body: json.RawMessage(`{"window":"sunday"}`)}
	own := read[schema.Policy](s, s.do("POST", "/api/v1/policies", put), 201)
	if own.Origin != "site" || own.Held != nil || own.Sites != nil {
		t.Errorf("%+v", own)
	}
	read[schema.PolicyResults](s, s.do("GET", "/api/v1/policies/own/results?all=true&limit=5&after=x", nil), 200)
	if asked.Policy.String() != own.ID || !asked.All || asked.Limit != 5 || asked.After != "x" {
		t.Errorf("%+v", asked)
	}
	put.AllSites = true
	s.refused(s.do("POST", "/api/v1/policies", put), 422, fault.Invalid, "for that site alone")
	// Of two with one name a site means its own.
	s.mem.policies[id] = model.Policy{ID: id, Name: "own", Kind: model.PolicyUpdates, Version: 1, Body: []byte("{}"), Origin: group}
	if p := read[schema.Policy](s, s.do("GET", "/api/v1/policies/own", nil), 200); p.ID != own.ID {
		t.Errorf("%+v", p)
	}
}
