package api

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// TestSitesAreWrittenAsTheirTypeIs holds appendSite to encoding/json.
func TestSitesAreWrittenAsTheirTypeIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64())
		instant := rapid.Map(rapid.Int64Range(1, int64(lastInstant)), func(ms int64) time.Time { return time.UnixMilli(ms).UTC() })
		counts := rapid.Custom(func(t *rapid.T) schema.Counts {
			i := rapid.IntRange(0, 5)
			return schema.Counts{
				Critical: i.Draw(t, "c"), High: i.Draw(t, "h"), Medium: i.Draw(t, "m"), Low: i.Draw(t, "l"), None: i.Draw(t, "n"), Unknown: i.Draw(t, "u"), Uncertain: i.Draw(t, "x"),
			}
		})
		tally := rapid.MapOfN(text, n, 0, 4)
		x := schema.Site{
			ID: text.Draw(t, "id"), Name: text.Draw(t, "name"), Location: text.Draw(t, "location"), Region: text.Draw(t, "region"), Country: text.Draw(t, "country"),
			City: text.Draw(t, "city"), Lat: maybe(t, "lat", rapid.Float64()), Lng: maybe(t, "lng", rapid.Float64Range(-180, 180)), Status: text.Draw(t, "status"),
			Link: text.Draw(t, "link"), LinkSince: maybe(t, "since", instant), Health: text.Draw(t, "health"), HealthReason: text.Draw(t, "reason"),
			InvitedAt: maybe(t, "invited", instant), EnrolledAt: maybe(t, "enrolled", instant), TokenExpires: maybe(t, "token", instant), LastItem: maybe(t, "item", instant),
			Hosts: n.Draw(t, "hosts"), HostsBy: tally.Draw(t, "by"), Sums: schema.SiteSums{
				ByWorst: tally.Draw(t, "worst"), Exposure: counts.Draw(t, "sum"), Reboot: n.Draw(t, "reboot"), Updates: n.Draw(t, "updates"),
				Compliance: maybe(t, "compliance", rapid.Float64Range(0, 100)),
			},
		}
		if rapid.Bool().Draw(t, "exposed") {
			e := schema.Exposure{
				SiteID: text.Draw(t, "site"), Site: text.Draw(t, "of"), AsOf: maybe(t, "asof", instant), AdvisoryN: int(n.Draw(t, "advisories")), Counts: counts.Draw(t, "counts"),
				AffectedHosts: int(n.Draw(t, "affected")), MatchedHosts: int(n.Draw(t, "matched")), Top: []schema.TopEntry{},
			}
			for range rapid.IntRange(0, 3).Draw(t, "top") {
				e.Top = append(e.Top, schema.TopEntry{Vulnerability: text.Draw(t, "cve"), Severity: text.Draw(t, "severity"), Hosts: int(n.Draw(t, "n")), KnownExploited: rapid.Bool().Draw(t, "known"), EPSS: rapid.Float64Range(0, 1).Draw(t, "epss")})
			}
			x.Exposure = &e
		}
		if rapid.Bool().Draw(t, "alerts") {
			i := rapid.IntRange(0, 5)
			x.Alerts = &schema.SiteAlerts{AsOf: maybe(t, "counted", instant), Critical: i.Draw(t, "critical"), Warning: i.Draw(t, "warning"), Info: i.Draw(t, "info"), Acknowledged: i.Draw(t, "acknowledged")}
			if rapid.Bool().Draw(t, "newest") {
				x.Alerts.Newest = &schema.AlertRef{ID: text.Draw(t, "alert"), Rule: text.Draw(t, "rule"), Severity: text.Draw(t, "how"), Label: text.Draw(t, "label"), OpenedAt: instant.Draw(t, "opened")}
			}
		}
		if got, want := append(appendSite(nil, &x), '\n'), plain(t, x); !bytes.Equal(got, want) {
			t.Fatalf("written:\n%s\nby its type:\n%s", got, want)
		}
	})
}

// TestListOfSitesIsOfNow: what is remembered of the list is never shown when a row, a link or the hour has changed.
func TestListOfSitesIsOfNow(t *testing.T) {
	r := newRig(t)
	mem, links := r.mem, r.links
	enrolled := func(id model.SiteID, name string) {
		mem.edit(func() {
			mem.sites[id] = model.Site{ID: id, Name: name}
			mem.members[model.NodeID(id)] = model.Member{ID: model.NodeID(id), Kind: model.MemberSite, Name: name, Status: model.MemberEnrolled}
			mem.counts[id] = model.SiteCounts{Site: id, Hosts: 2, ByStatus: map[string]int64{"up": 2}}
		})
	}
	expect := func(what string, want map[string]string) {
		t.Helper()
		for _, again := range []bool{false, true} {
			sites := read[[]schema.Site](r, r.do(http.MethodGet, "/api/v1/sites", nil), http.StatusOK)
			got := map[string]string{}
			for _, x := range sites {
				got[x.Name] = x.Link + " " + x.Health
			}
			if len(got) != len(want) {
				t.Errorf("%s, again %v: %v, want %v", what, again, got, want)
			}
			for name, state := range want {
				if got[name] != state {
					t.Errorf("%s, again %v: %s is %q, want %q", what, again, name, got[name], state)
				}
			}
		}
	}
	oslo := model.SiteID{9}
	expect("at first", map[string]string{})
	enrolled(berlin, "berlin")
	links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	expect("a site", map[string]string{"berlin": "up ok"})
	enrolled(oslo, "oslo")
	expect("another", map[string]string{"berlin": "up ok", "oslo": "never unknown"})
	links[model.NodeID(oslo)] = Link{Up: true, Since: noon}
	expect("linked", map[string]string{"berlin": "up ok", "oslo": "up ok"})
	links[model.NodeID(berlin)] = Link{Since: noon}
	expect("a link is down", map[string]string{"berlin": "down degraded", "oslo": "up ok"})
	r.now = r.now.Add(2 * patience)
	expect("for long", map[string]string{"berlin": "down down", "oslo": "up ok"})
	mem.edit(func() {
		m := mem.members[model.NodeID(oslo)]
		m.Status = model.MemberRemoved
		mem.members[model.NodeID(oslo)] = m
	})
	expect("removed", map[string]string{"berlin": "down down"})
}
