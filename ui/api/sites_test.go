package api

import (
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func TestEnrollSite(t *testing.T) {
	r := newRig(t)
	token := read[schema.Token](r, r.do("POST", "/api/v1/sites", `{"name":"berlin","location":"Berlin","lat":52.5,"lng":13.4,"ttl":"2h"}`), 201)
	if token.Token != "skerry1.site" || !token.ExpiresAt.Equal(noon.Add(2*time.Hour)) || token.Pin != "pin" {
		t.Errorf("%+v", token)
	}
	site := read[schema.Site](r, r.do("GET", "/api/v1/sites/berlin", nil), 200)
	if site.ID != token.ID || site.Status != "pending" || site.Link != "never" || site.Health != "unknown" || site.TokenExpires == nil {
		t.Errorf("%+v", site)
	}
	raw := r.do("GET", "/api/v1/sites", nil).Body.String()
	if strings.Contains(raw, "skerry1") || strings.Contains(raw, "hash-of") {
		t.Errorf("the token or its hash is shown again: %s", raw)
	}
	r.refused(r.do("POST", "/api/v1/sites", `{"name":"berlin"}`), 409, fault.Exists, "berlin")
	again := read[schema.Token](r, r.do("POST", "/api/v1/sites/berlin/token", nil), 201)
	if again.ID != token.ID || len(r.mem.sites) != 1 {
		t.Errorf("%+v", again)
	}
	r.refused(r.do("POST", "/api/v1/sites", `{"name":"all"}`), 400, fault.Invalid, "choose another name")
	r.site(oslo, "oslo")
	r.refused(r.do("POST", "/api/v1/sites/oslo/token", nil), 409, fault.Conflict, "only a pending site")
}

func TestHealthNeverFlatters(t *testing.T) {
	up, down := model.HostUp, model.HostDown
	for name, c := range map[string]struct {
		hosts  []model.HostStatus
		link   *Link
		health string
		reason string
	}{
		"all is well":          {[]model.HostStatus{up, up}, &Link{Up: true, Since: noon.Add(-time.Hour)}, "ok", ""},
		"a host is down":       {[]model.HostStatus{up, down}, &Link{Up: true}, "degraded", "1 of 2 hosts does not report"},
		"a host is not judged": {[]model.HostStatus{up, "unknown"}, &Link{Up: true}, "degraded", "1 of 2 hosts has not been judged"},
		"the only host":        {[]model.HostStatus{down}, &Link{Up: true}, "degraded", "its only host does not report"},
		"two are down":         {[]model.HostStatus{up, down, down}, &Link{Up: true}, "degraded", "2 of 3 hosts do not report"},
		"a critical alert":     {[]model.HostStatus{up, up}, &Link{Up: true, Since: noon.Add(-time.Hour)}, "degraded", "1 critical alert is open"},
		"no hosts":             {nil, &Link{Up: true}, "unknown", "no host reports"},
		"a blip":               {[]model.HostStatus{up}, &Link{Since: noon.Add(-time.Second)}, "degraded", "its link is down"},
		"down for long":        {[]model.HostStatus{up}, &Link{Since: noon.Add(-time.Hour)}, "down", "since 2026-03-01T11:00:00Z"},
		"the link is slow":     {[]model.HostStatus{up}, &Link{Up: true, Late: "nothing was heard for 16s"}, "degraded", "its link is slow: nothing was heard for 16s"},
		"not seen since start": {[]model.HostStatus{up}, nil, "unknown", "has not come back yet since this server started"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.site(berlin, "berlin", c.hosts...)
			if c.link != nil {
				r.links[model.NodeID(berlin)] = *c.link
			}
			if name == "a critical alert" {
				r.mem.counted[berlin] = model.AlertCounts{Site: berlin, At: model.TimeOf(noon), Critical: 1, Warning: 3}
			}
			s := read[schema.Site](r, r.do("GET", "/api/v1/sites/berlin", nil), 200)
			if s.Health != c.health || !strings.Contains(s.HealthReason, c.reason) {
				t.Errorf("%s (%s), want %s (%s)", s.Health, s.HealthReason, c.health, c.reason)
			}
			if s.Link != linkUp && s.Health == "ok" {
				t.Error("ok without a link")
			}
			if name == "not seen since start" { // it is not unknown for ever
				r.pass(settling)
				if s = read[schema.Site](r, r.do("GET", "/api/v1/sites/berlin", nil), 200); s.Link != linkDown || s.Health != "degraded" {
					t.Errorf("a minute later: %s, %s", s.Link, s.Health)
				}
			}
		})
	}
}

func TestHostsOfALostSiteAreUnknown(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp, model.HostUp, model.HostDown)
	r.site(oslo, "oslo", model.HostUp, model.HostDown)
	r.links[model.NodeID(oslo)] = Link{Up: true, Since: noon}
	r.links[model.NodeID(berlin)] = Link{Since: noon.Add(-time.Hour)}
	count := func(query string) int {
		t.Helper()
		n := 0
		for after := ""; ; {
			page := read[schema.Hosts](r, r.do("GET", "/api/v1/hosts?limit=2"+query+after, nil), 200)
			for _, h := range page.Hosts {
				n++
				if (h.Site == "berlin") != (h.Status == "unknown") {
					t.Errorf("%s of %s is %s", h.Hostname, h.Site, h.Status)
				}
				if h.Site == "berlin" && !strings.Contains(h.StatusReason, "berlin cannot be reached since 2026-03-01T11:00:00Z") {
					t.Errorf("reason %q", h.StatusReason)
				}
			}
			if page.Next == "" {
				if page.Total != n {
					t.Errorf("%q: total %d, and %d were listed", query, page.Total, n)
				}
				return n
			}
			after = "&after=" + page.Next
		}
	}
	for query, want := range map[string]int{
		"": 5, "&q=status:up": 1, "&q=status:down": 1, "&q=status:unknown": 3, "&q=status:up+site:berlin": 0, "&q=status:unknown+site:berlin": 3, "&q=OSLO": 2,
	} {
		if n := count(query); n != want {
			t.Errorf("%q: %d hosts, want %d", query, n, want)
		}
	}
	if h := read[schema.Host](r, r.do("GET", "/api/v1/hosts/berlin-c", nil), 200); !strings.HasSuffix(h.StatusReason, "; it last said down") {
		t.Errorf("%+v", h)
	}
	// Also from the first moment on: a green host of a site that cannot be asked would be a guess.
	r.links[model.NodeID(berlin)] = Link{Since: noon}
	if n := len(read[schema.Hosts](r, r.do("GET", "/api/v1/hosts?q=status:unknown", nil), 200).Hosts); n != 3 {
		t.Errorf("%d hosts are unknown right after the link went down, want 3", n)
	}
	sum := read[schema.Overview](r, r.do("GET", "/api/v1/overview", nil), 200)
	if sum.Sites != 2 || sum.SitesUp != 1 || sum.Hosts != 5 || sum.HostsBy["unknown"] != 3 || sum.HostsBy["up"] != 1 {
		t.Errorf("%+v", sum)
	}
}

func TestGetHostByName(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp, model.HostUp)
	id := hostID(berlin, 0)
	for _, name := range []string{id.String(), "berlin-a", "BERLIN-A"} {
		if h := read[schema.Host](r, r.do("GET", "/api/v1/hosts/"+name, nil), 200); h.ID != id.String() || h.AsOf.Facts == nil {
			t.Errorf("%s: %+v", name, h)
		}
	}
	r.refused(r.do("GET", "/api/v1/hosts/berlin", nil), 404, fault.NotFound, "no host is named")
	other := r.mem.hosts[hostID(berlin, 1)]
	other.Hostname = "berlin-a"
	r.mem.hosts[other.ID] = other
	r.refused(r.do("GET", "/api/v1/hosts/berlin-a", nil), 409, fault.Conflict, "give the id")
}

func TestHostDetailIsAskedOfItsSite(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp)
	id := hostID(berlin, 0)
	row := r.mem.hosts[id]
	row.Site = oslo // a site cannot say whose host it is
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	r.asker.answer = model.HostDetail{
		Host: row, At: model.TimeOf(noon), Packages: []model.Package{{Manager: "dpkg", Name: "curl", Version: "1"}},
		Findings: []model.Finding{{Vulnerability: "CVE-2026-1", Package: "curl", Severity: model.SeverityHigh, Verdict: model.VerdictAffected}},
	}
	d := read[schema.HostDetail](r, r.do("GET", "/api/v1/hosts/berlin-a/detail", nil), 200)
	if d.AnsweredBy != "berlin" || d.Host.Site != "berlin" || len(d.Packages) != 1 || d.Findings[0].Severity != "high" || d.Certificates == nil {
		t.Errorf("%+v", d)
	}
	if want := model.NodeID(berlin).String() + " host.detail " + id.String(); len(r.asker.asked) != 1 || r.asker.asked[0] != want {
		t.Errorf("asked %q, want %q", r.asker.asked, want)
	}
	other := row
	other.ID = hostID(oslo, 0)
	r.asker.answer = model.HostDetail{Host: other}
	r.refused(r.do("GET", "/api/v1/hosts/berlin-a/detail", nil), 500, fault.Corrupt, "another host")

	r.asker.err = fault.New(fault.Unreachable, "ask", "no link")
	r.links[model.NodeID(berlin)] = Link{Since: noon.Add(-time.Hour)}
	r.refused(r.do("GET", "/api/v1/hosts/berlin-a/detail", nil), 503, fault.Unreachable,
		"site berlin cannot be reached: its link has been down since 2026-03-01T11:00:00Z; the directory row (as of 2026-03-01T11:59:00.000Z) is all the controller holds")
}

func TestSiteShowsItselfAlone(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Role = model.RoleSite
		c.Uplink = func() *schema.Uplink { return &schema.Uplink{State: "offline", Pending: 7} }
	})
	r.mem.self = model.Found{Self: model.NodeID(berlin), Role: model.RoleSite, Name: "berlin"}
	r.site(berlin, "berlin", model.HostUp)
	delete(r.mem.sites, berlin)
	sites := read[[]schema.Site](r, r.do("GET", "/api/v1/sites", nil), 200)
	if len(sites) != 1 || sites[0].Name != "berlin" || sites[0].Status != "enrolled" || sites[0].HostsBy["up"] != 1 ||
		sites[0].Link != "down" || sites[0].Health != "degraded" || !strings.Contains(sites[0].HealthReason, "on its own") {
		t.Errorf("%+v", sites)
	}
	if h := read[schema.Host](r, r.do("GET", "/api/v1/hosts/berlin-a", nil), 200); h.Status != "up" || h.Site != "berlin" {
		t.Errorf("local autonomy: %+v", h)
	}
	if n := read[schema.Node](r, r.do("GET", "/api/v1/node", nil), 200); n.Uplink == nil || n.Uplink.Pending != 7 {
		t.Errorf("%+v", n)
	}
	token := read[schema.Token](r, r.do("POST", "/api/v1/agents", `{"name":"web1","gateway":true}`), 201)
	if token.Token != "skerry1.gateway" {
		t.Errorf("%+v", token)
	}
	again := read[schema.Token](r, r.do("POST", "/api/v1/agents/web1/token", nil), 201)
	if again.ID != token.ID || again.Kind != "gateway" {
		t.Errorf("%+v", again)
	}
	r.refused(r.do("POST", "/api/v1/agents/nobody/token", nil), 404, fault.NotFound, "the list of agents")
	if agents := read[[]schema.Member](r, r.do("GET", "/api/v1/agents", nil), 200); len(agents) != 2 {
		t.Errorf("%+v", agents)
	}
	r.refused(r.do("POST", "/api/v1/sites", `{"name":"oslo"}`), 409, fault.Conflict, "this server is a site: sites are enrolled on a controller")
	r.refused(r.do("GET", "/api/v1/federation/export", nil), 404, fault.NotFound, "generate one first") // its own, signed with its own
}

// TestJudgedHostsAreAsOfTheJudgement: rows that did not change hold as of when their site last judged all.
func TestJudgedHostsAreAsOfTheJudgement(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp, model.HostDown, model.HostUnknown)
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	n := r.mem.counts[berlin]
	n.JudgedAt = model.TimeOf(noon.Add(-time.Second))
	r.mem.counts[berlin] = n
	for _, h := range read[schema.Hosts](r, r.do("GET", "/api/v1/hosts", nil), 200).Hosts {
		asOf := h.AsOf.Status != nil && h.AsOf.Status.Equal(noon.Add(-time.Second))
		seen := h.LastSeen != nil && h.LastSeen.Equal(noon.Add(-time.Second))
		if asOf != (h.Status != "unknown") || seen != (h.Status == "up") {
			t.Errorf("%s is %s as of %v, last seen %v", h.Hostname, h.Status, h.AsOf.Status, h.LastSeen)
		}
	}
}

// TestSitesCarryTheirSums: what the hosts of a site come to is told with the site, also while nobody can reach it.
func TestSitesCarryTheirSums(t *testing.T) {
	r := newRig(t)
	r.site(berlin, "berlin", model.HostUp, model.HostDown)
	r.site(oslo, "oslo")
	n := r.mem.counts[berlin]
	n.ByWorst, n.Exposure = map[string]int64{"critical": 1, "clean": 1}, model.SeverityCounts{Critical: 3, High: 4}
	n.Reboot, n.Updates, n.Compliance, n.ComplianceN = 1, 17, 1955, 2
	r.mem.counts[berlin] = n
	for _, up := range []bool{true, false} {
		r.links[model.NodeID(berlin)] = Link{Up: up, Since: noon}
		for _, s := range read[[]schema.Site](r, r.do("GET", "/api/v1/sites", nil), 200) {
			switch sums := s.Sums; {
			case s.Name == "oslo":
				if sums.Compliance != nil || sums.ByWorst == nil || len(sums.ByWorst) > 0 || sums.Updates != 0 {
					t.Errorf("%+v", sums)
				}
			case sums.Exposure != schema.Counts{Critical: 3, High: 4} || sums.ByWorst["critical"] != 1 || sums.Reboot != 1 || sums.Updates != 17 ||
				sums.Compliance == nil || *sums.Compliance != 97.75:
				t.Errorf("up %v: %+v", up, sums)
			}
		}
	}
}

func TestExpiredTokenIsSaidToBe(t *testing.T) {
	r := newRig(t)
	read[schema.Token](r, r.do("POST", "/api/v1/sites", `{"name":"lost","ttl":"1m"}`), 201)
	r.pass(2 * time.Minute)
	if s := read[schema.Site](r, r.do("GET", "/api/v1/sites/lost", nil), 200); !strings.Contains(s.HealthReason, "expired unused") {
		t.Errorf("%+v", s)
	}
}
