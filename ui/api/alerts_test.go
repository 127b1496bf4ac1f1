package api

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// guidance is what a memory has of alerts and policies.
type guidance struct {
	rules    map[string]model.Rule
	alerts   map[model.AlertID]model.Alert
	counted  map[model.SiteID]model.AlertCounts
	policies map[model.PolicyID]model.Policy
	held     map[model.SiteID]model.PoliciesHeld
	asks     []model.AskAlert
}

func newGuidance() guidance {
	return guidance{
		map[string]model.Rule{}, map[model.AlertID]model.Alert{}, map[model.SiteID]model.AlertCounts{}, map[model.PolicyID]model.Policy{}, map[model.SiteID]model.PoliciesHeld{}, nil,
	}
}

// guide applies the changes of alerts and policies; done: it was one.
func (m *memory) guide(c model.Change) (err error, done bool) {
	switch c := c.(type) {
	case model.PutRule:
		r := c.Rule
		r.Origin, r.By, r.At = m.self.Self, c.Actor, c.At
		m.rules[r.Name] = r
	case model.DropRule:
		delete(m.rules, c.Name)
	case model.AckAlert:
		a := m.alerts[c.Alert]
		if act := (model.AlertAct{By: c.Actor, At: c.At, Note: c.Note}); c.Resolve {
			a.State, a.End, a.Reason = model.AlertResolved, act, model.EndOperator
		} else {
			a.State, a.Ack = model.AlertAcknowledged, act
		}
		m.alerts[c.Alert] = a
	case model.AskAlert:
		m.asks = append(m.asks, c)
	case model.PutPolicy:
		was := m.policies[c.Policy.ID]
		if c.Was != 0 && c.Was != was.Version {
			return fault.New(fault.Conflict, "", "it is at version %d", was.Version), true
		}
		c.Policy.Version, c.Policy.Origin, c.Policy.By, c.Policy.At = was.Version+1, m.self.Self, c.Actor, c.At
		m.policies[c.Policy.ID] = c.Policy
	case model.DropPolicy:
		delete(m.policies, c.Policy)
	default:
		return nil, false
	}
	return nil, true
}

func (r rows) Rule(name string) (model.Rule, bool, error) { return found(r.m.rules, name) }

func (r rows) Rules() (all []model.Rule, err error) {
	for _, x := range r.m.rules {
		all = append(all, x)
	}
	return all, nil
}

func (r rows) Alert(id model.AlertID) (model.Alert, bool, error) { return found(r.m.alerts, id) }

func (r rows) AlertCounts(id model.SiteID) (model.AlertCounts, bool, error) {
	return found(r.m.counted, id)
}

func (r rows) Policy(id model.PolicyID) (model.Policy, bool, error) { return found(r.m.policies, id) }

func (r rows) Policies() (all []model.Policy, err error) {
	for _, x := range r.m.policies {
		all = append(all, x)
	}
	return all, nil
}

func (r rows) PoliciesHeld(id model.SiteID) (model.PoliciesHeld, bool, error) {
	return found(r.m.held, id)
}

func asSite(c *Config) {
	c.Role = model.RoleSite
	c.Uplink = func() *schema.Uplink { return &schema.Uplink{State: "offline"} }
}

// siteRig is a site server by the name of berlin.
func siteRig(t *testing.T, change ...func(*Config)) *rig {
	r := newRig(t, append([]func(*Config){asSite}, change...)...)
	r.mem.self = model.Found{Self: model.NodeID(berlin), Role: model.RoleSite, Name: "berlin"}
	return r
}

func TestAlertRules(t *testing.T) {
	r := siteRig(t)
	put := schema.AlertRulePut{Scope: "host", When: " status:down tag:prod ", Severity: "critical", For: "15m", Clear: "90s", Title: "prod is down"}
	row := read[schema.AlertRule](r, r.do("PUT", "/api/v1/alert-rules/prod-down", put), 201)
	if row.Name != "prod-down" || row.When != "status:down tag:prod" || row.For != "15m0s" || row.Clear != "1m30s" || row.Origin != "site" || row.By == "" || row.Problem != "" {
		t.Errorf("%+v", row)
	}
	if got := r.mem.rules["prod-down"]; got.ForS != 900 || got.ClearS != 90 {
		t.Errorf("%+v", got)
	}
	read[schema.AlertRule](r, r.do("PUT", "/api/v1/alert-rules/prod-down", put), 200)
	r.refused(r.do("PUT", "/api/v1/alert-rules/prod-down?new=true", put), 409, fault.Exists, `"prod-down" already`)
	read[schema.AlertRule](r, r.do("PUT", "/api/v1/alert-rules/disk", schema.AlertRulePut{Scope: "site", When: "disk.free<5g", Severity: "info"}), 201)
	if all := read[[]schema.AlertRule](r, r.do("GET", "/api/v1/alert-rules", nil), 200); len(all) != 2 {
		t.Errorf("%+v", all)
	}
	if all := read[[]schema.AlertMetric](r, r.do("GET", "/api/v1/alert-metrics", nil), 200); len(all) < 10 || all[0].Example == "" {
		t.Errorf("%+v", all)
	}
	for name, tc := range map[string]struct {
		change func(*schema.AlertRulePut)
		status int
		say    string
	}{
		"unreadable search": {func(p *schema.AlertRulePut) { p.When = "stat:down" }, 422, "did you mean"},
		"every host":        {func(p *schema.AlertRulePut) { p.When = "   " }, 400, "says nothing of when"},
		"a metric":          {func(p *schema.AlertRulePut) { p.When = "disk.free < 5g" }, 422, ""},
		"unknown metric":    {func(p *schema.AlertRulePut) { p.Scope, p.When = "site", "disk.fre < 5g" }, 422, "did you mean disk.free or"},
		"no unit":           {func(p *schema.AlertRulePut) { p.Scope, p.When = "site", "uplink.offline > 15" }, 422, "uplink.offline > 15m"},
		"scope":             {func(p *schema.AlertRulePut) { p.Scope = "fleet" }, 422, "scope"},
		"severity":          {func(p *schema.AlertRulePut) { p.Severity = "mild" }, 422, "severity"},
		"for":               {func(p *schema.AlertRulePut) { p.For = "soon" }, 400, "is no span of time"},
		"for ever":          {func(p *schema.AlertRulePut) { p.Clear = "1000h" }, 400, "is not between"},
		"two lines":         {func(p *schema.AlertRulePut) { p.Title = "a\nb" }, 400, "one line"},
		"long":              {func(p *schema.AlertRulePut) { p.When = strings.Repeat("x ", 4000) }, 422, "when"},
	} {
		p := put
		tc.change(&p)
		w := r.do("PUT", "/api/v1/alert-rules/x", p)
		body := read[schema.Problem](r, w, tc.status)
		if !strings.Contains(body.Detail, tc.say) || len(body.Detail) > 500 {
			t.Errorf("%s: %+v", name, body)
		}
		if strings.HasPrefix(name, "un") && (body.Caret == "" || body.Pos == nil || !strings.Contains(body.Caret, "^") || body.Errors[0].Location != "body.when") {
			t.Errorf("%s: it does not point at what is wrong: %+v", name, body)
		}
	}
	if w := r.do("PUT", "/api/v1/alert-rules/"+strings.Repeat("n", 1<<20), put); w.Code/100 != 4 || w.Body.Len() > 2000 {
		t.Errorf("a name of a megabyte: %d, %d bytes", w.Code, w.Body.Len())
	}
	// What a newer version wrote is shown, and why it is not judged.
	r.mem.rules["controller:later"] = model.Rule{Name: "controller:later", Scope: model.ScopeSite, When: "moon.phase = 1", Origin: group}
	if row := read[schema.AlertRule](r, r.do("GET", "/api/v1/alert-rules/controller:later", nil), 200); row.Problem == "" || row.Origin != "controller" {
		t.Errorf("%+v", row)
	}
	r.refused(r.do("DELETE", "/api/v1/alert-rules/none", nil), 404, fault.NotFound, "none")
	if w := r.do("DELETE", "/api/v1/alert-rules/disk", nil); w.Code != http.StatusNoContent || len(r.mem.rules) != 2 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAlertsOfThisSite(t *testing.T) {
	id := model.AlertID{15: 7}
	var asked model.AlertFilter
	r := siteRig(t, func(c *Config) {
		c.Alerts = func(_ context.Context, f model.AlertFilter) (model.AlertPage, error) {
			asked = f
			return model.AlertPage{At: model.TimeOf(noon), Judged: model.TimeOf(noon), Alerts: []model.Alert{{ID: id, Rule: "down", Host: hostID(berlin, 0), State: model.AlertOpen, OpenedAt: 5}}, Next: id}, nil
		}
	})
	r.mem.alerts[id] = model.Alert{ID: id, Rule: "down", State: model.AlertOpen, OpenedAt: 5}
	page := read[schema.Alerts](r, r.do("GET", "/api/v1/alerts?severity=critical&rule=down&limit=7&host="+hostID(berlin, 0).String()+"&after="+id.String(), nil), 200)
	if page.Site != "berlin" || len(page.Alerts) != 1 || page.Next != id.String() || page.Alerts[0].HostID == "" || page.JudgedAt == nil {
		t.Errorf("%+v", page)
	}
	if len(asked.States) != 2 || asked.Severity != model.AlertCritical || asked.Rule != "down" || asked.Limit != 7 || asked.Host != hostID(berlin, 0) || asked.After != id {
		t.Errorf("%+v", asked)
	}
	read[schema.Alerts](r, r.do("GET", "/api/v1/alerts?state=all", nil), 200)
	if asked.States != nil {
		t.Errorf("%+v", asked)
	}
	read[schema.Alerts](r, r.do("GET", "/api/v1/alerts?state=resolved&site=berlin", nil), 200)
	if len(asked.States) != 1 {
		t.Errorf("%+v", asked)
	}
	r.refused(r.do("GET", "/api/v1/alerts?site=oslo", nil), 404, fault.NotFound, `this is site "berlin"`)
	r.refused(r.do("GET", "/api/v1/alerts?state=sleeping", nil), 422, fault.Invalid, "state")
	r.refused(r.do("GET", "/api/v1/alerts?after=x", nil), 422, fault.Invalid, "next of a page")
	r.refused(r.do("GET", "/api/v1/alerts?host=nobody", nil), 404, fault.NotFound, "nobody")

	got := read[schema.Alert](r, r.do("POST", "/api/v1/alerts/"+id.String()+"/acknowledge", schema.AlertNote{Note: "mine"}), 200)
	if got.State != "acknowledged" || got.AckNote != "mine" || got.AckBy == "" || got.AckAt == nil {
		t.Errorf("%+v", got)
	}
	got = read[schema.Alert](r, r.do("POST", "/api/v1/alerts/"+id.String()+"/resolve", schema.AlertNote{}), 200)
	if got.State != "resolved" || got.Reason != "operator" || got.EndAt == nil || got.AckNote != "mine" {
		t.Errorf("%+v", got)
	}
	r.refused(r.do("GET", "/api/v1/alerts/"+model.AlertID{1}.String(), nil), 404, fault.NotFound, "no alert")
	r.refused(r.do("POST", "/api/v1/alerts/x/resolve", schema.AlertNote{}), 400, fault.Invalid, "is not an id")
	r.refused(r.do("POST", "/api/v1/alerts/"+id.String()+"/resolve", schema.AlertNote{Note: strings.Repeat("x", 1025)}), 422, fault.Invalid, "note")
}

// A controller asks the site, and says what it knows where it cannot.
func TestAlertsThroughTheLink(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp)
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	r.asker.answer = model.AlertPage{At: model.TimeOf(noon), Alerts: []model.Alert{{ID: model.AlertID{7}, Rule: "down", State: model.AlertOpen}}}
	page := read[schema.Alerts](r, r.do("GET", "/api/v1/alerts?site=berlin&state=open&severity=critical", nil), 200)
	if page.Site != "berlin" || len(page.Alerts) != 1 || page.AsOf.IsZero() {
		t.Errorf("%+v", page)
	}
	r.refused(r.do("GET", "/api/v1/alerts", nil), 422, fault.Invalid, "one is asked at a time")
	r.refused(r.do("GET", "/api/v1/alerts?site=nowhere", nil), 404, fault.NotFound, "nowhere")
	r.refused(r.do("POST", "/api/v1/alerts/"+model.AlertID{7}.String()+"/resolve", schema.AlertNote{}), 409, fault.Conflict, "on a site")
	r.links[model.NodeID(berlin)] = Link{Since: noon}
	r.asker.err = fault.New(fault.Unreachable, "", "no link")
	r.mem.counted[berlin] = model.AlertCounts{Site: berlin, At: model.TimeOf(noon), Critical: 3, Newest: &model.AlertRef{Rule: "down", OpenedAt: model.TimeOf(noon)}}
	for _, says := range []string{"its link has been down since", "3 critical", "Ask again when its link is back"} {
		r.refused(r.do("GET", "/api/v1/alerts?site=berlin", nil), 503, fault.Unreachable, says)
	}
	sites := read[[]schema.Site](r, r.do("GET", "/api/v1/sites", nil), 200)
	if a := sites[0].Alerts; a == nil || a.Critical != 3 || a.Newest.Rule != "down" || a.AsOf == nil {
		t.Errorf("%+v", sites[0])
	}
	if o := read[schema.Overview](r, r.do("GET", "/api/v1/overview", nil), 200); o.Alerts.Critical != 3 || o.Alerts.Newest == nil {
		t.Errorf("%+v", o)
	}
}
