package api

import (
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// cuts remembers whose links were ended, and why.
type cuts map[model.NodeID]string

func (c cuts) cut(id model.NodeID, why error) { c[id] = why.Error() }

func TestAgentsAreSuspendedRekeyedAndRemoved(t *testing.T) {
	ended := cuts{}
	r := newRig(t, func(c *Config) { c.Role, c.Asker, c.Cut = model.RoleSite, nil, ended.cut })
	r.mem.self = model.Found{Self: model.NodeID(berlin), Role: model.RoleSite, Name: "berlin"}
	agent := model.NodeID{15: 77}
	r.mem.members[agent] = model.Member{
		ID: agent, Kind: model.MemberHost, Name: "web1", Status: model.MemberEnrolled, Machine: "m1", Software: "skerry-agent 1",
		Can: &model.Abilities{Commands: []string{"ping"}, Items: []string{"facts"}}, Clones: []model.Clone{{At: model.TimeOf(noon), Machine: "m2", Remote: "192.0.2.7:5"}},
	}
	m := read[[]schema.Member](r, r.do("GET", "/api/v1/agents", nil), 200)[0]
	if m.Machine != "m1" || m.Software != "skerry-agent 1" || len(m.Commands) != 1 || len(m.Reports) != 1 || len(m.Clones) != 1 || m.Clones[0].Remote != "192.0.2.7:5" {
		t.Errorf("listed as %+v", m)
	}
	m = read[schema.Member](r, r.do("POST", "/api/v1/agents/web1/suspend", `{"reason":"in repair"}`), 200)
	if m.Status != "suspended" || m.Reason != "in repair" || m.StatusAt == nil || !strings.Contains(ended[agent], "suspended here (in repair)") {
		t.Errorf("suspended: %+v; told %q", m, ended[agent])
	}
	delete(ended, agent)
	if m = read[schema.Member](r, r.do("POST", "/api/v1/agents/"+agent.String()+"/resume", `{}`), 200); m.Status != "enrolled" || len(ended) > 0 {
		t.Errorf("resumed: %+v; told %v", m, ended)
	}
	token := read[schema.Token](r, r.do("POST", "/api/v1/agents/web1/rekey", `{"ttl":"90m"}`), 201)
	if token.ID != agent.String() || token.Token != "skerry1.host" || token.ExpiresAt.Sub(noon).Minutes() != 90 || !strings.Contains(ended[agent], "new key") {
		t.Errorf("the token is %+v; told %q", token, ended[agent])
	}
	if x := r.mem.members[agent]; x.TokenHash != "hash-of-"+agent.String() {
		t.Errorf("stored: %+v", x)
	}
	r.refused(r.do("POST", "/api/v1/agents/web1/rekey", `{"ttl":"1000h"}`), 400, fault.Invalid, "ttl")
	if w := r.do("DELETE", "/api/v1/agents/web1?reason=scrapped", nil); w.Code != 204 {
		t.Errorf("removed: %d", w.Code)
	}
	if c, ok := r.mem.proposed[len(r.mem.proposed)-1].(model.SetMemberStatus); !ok || c.Status != model.MemberRemoved || c.Reason != "scrapped" {
		t.Errorf("proposed %+v", c)
	}
	r.refused(r.do("POST", "/api/v1/agents/web1/suspend", `{}`), 404, fault.NotFound, "no agent")
	r.refused(r.do("POST", "/api/v1/sites/berlin/suspend", `{}`), 409, fault.Conflict, "on a controller")
	r.refused(r.do("POST", "/api/v1/agents/web1/suspend", `{"reason":"`+strings.Repeat("x", 600)+`"}`), 422, fault.Invalid, "reason")
}

func TestSitesAreSuspendedAndHostsRetired(t *testing.T) {
	ended := cuts{}
	r := newRig(t, func(c *Config) { c.Cut = ended.cut })
	r.site(berlin, "berlin", model.HostUp)
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	s := read[schema.Site](r, r.do("POST", "/api/v1/sites/berlin/suspend", `{"reason":"moving"}`), 200)
	if s.Status != "suspended" || s.StatusReason != "moving" || s.StatusAt == nil || !strings.Contains(ended[model.NodeID(berlin)], "moving") {
		t.Errorf("suspended: %+v; told %v", s, ended)
	}
	if s = read[schema.Site](r, r.do("POST", "/api/v1/sites/berlin/resume", `{}`), 200); s.Status != "enrolled" {
		t.Errorf("resumed: %+v", s)
	}
	r.refused(r.do("POST", "/api/v1/agents/web1/suspend", `{}`), 409, fault.Conflict, "on a site")

	// A host is retired by its site, which is asked to.
	host := hostID(berlin, 0)
	if w := r.do("DELETE", "/api/v1/hosts/berlin-a?reason=scrapped", nil); w.Code != 204 {
		t.Errorf("retired: %d %s", w.Code, w.Body)
	}
	if want := model.NodeID(berlin).String() + " " + model.RouteHostRetire + " " + host.String(); len(r.asker.asked) != 1 || r.asker.asked[0] != want {
		t.Errorf("asked %q, want %q", r.asker.asked, want)
	}
	if e := r.mem.audit[len(r.mem.audit)-1]; e.Action != "host.retire" || !e.OK || e.Object != host.String() {
		t.Errorf("recorded %+v", e)
	}
	r.asker.err = fault.New(fault.Unreachable, "", "no link")
	r.refused(r.do("DELETE", "/api/v1/hosts/berlin-a", nil), 503, fault.Unreachable, "when the site is back, or at the site itself")
	if e := r.mem.audit[len(r.mem.audit)-1]; e.Action != "host.retire" || e.OK {
		t.Errorf("recorded %+v", e)
	}
	r.refused(r.do("DELETE", "/api/v1/hosts/nobody", nil), 404, fault.NotFound, "nobody")
	if w := r.do("DELETE", "/api/v1/sites/berlin", nil); w.Code != 204 {
		t.Errorf("removed: %d %s", w.Code, w.Body)
	}
}
