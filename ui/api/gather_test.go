package api

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

func packageAt(host model.HostID, hostname, version string) model.PackageAt {
	return model.PackageAt{FleetRow: model.FleetRow{Host: host, Hostname: hostname}, Package: model.Package{Manager: "dpkg", Name: "bash", Version: version}}
}

// Whatever the sites' pages hold, the pages of the whole are the rows of all of them in one order, each once.
func TestMergePages(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	r := rand.New(rand.NewPCG(seed, 1))
	for round := range 200 {
		sites := make([][]model.PackageAt, 1+r.IntN(6))
		places := make([]*place, len(sites))
		var all []string
		for i := range sites {
			places[i] = &place{Site: model.Site{ID: model.SiteID{0: byte(i + 1)}}}
			for n := range r.IntN(40) {
				row := packageAt(model.HostID{0: byte(i), 1: byte(n)}, fmt.Sprintf("host-%d", r.IntN(30)), "1")
				sites[i] = append(sites[i], row)
				all = append(all, row.Place())
			}
			slices.SortFunc(sites[i], func(a, b model.PackageAt) int { return strings.Compare(a.Place(), b.Place()) })
		}
		slices.Sort(all)
		var got []string
		after, limit := "", 1+r.IntN(12)
		for pages := 0; ; pages++ {
			if pages > len(all)+1 {
				t.Fatalf("seed %d, round %d: it does not end", seed, round)
			}
			m := joining[model.PackageAt, *model.PackageAt]{limit: limit}
			for _, i := range r.Perm(len(sites)) {
				var rows []model.PackageAt
				for _, row := range sites[i] {
					if row.Place() > after {
						rows = append(rows, row)
					}
				}
				n := len(rows)
				if n > 0 { // a site may send fewer rows than were asked for, but not none
					n = min(n, 1+r.IntN(limit))
				}
				m.add(places[i], rows[:n], n < len(rows))
			}
			m.trim()
			if len(m.rows) > limit {
				t.Fatalf("seed %d, round %d: %d rows of %d", seed, round, len(m.rows), limit)
			}
			for _, row := range m.rows {
				got = append(got, row.at)
			}
			if m.end == "" {
				break
			}
			after = m.end
		}
		if !slices.Equal(got, all) {
			t.Fatalf("seed %d, round %d: got %q\nwant %q", seed, round, got, all)
		}
	}
}

// sitesAsker answers for each site by its id.
type sitesAsker map[model.SiteID]func(context.Context, map[string]string) (any, error)

func (f sitesAsker) Ask(ctx context.Context, id model.NodeID, _ string, params map[string]string) ([]byte, error) {
	v, err := f[model.SiteID(id)](ctx, params)
	if err != nil {
		return nil, err
	}
	return model.Encode(v)
}

// Sites that do not answer as they should are named, with why; the others are not held up by them.
func TestGatherNamesThePartial(t *testing.T) {
	good := func(_ context.Context, p map[string]string) (any, error) {
		if p[model.ParamActor] != "local:0" || p["name"] != "bash" || p["op"] != "lt" || p["version"] != "5" {
			return nil, fault.New(fault.Invalid, "", "params %q", p)
		}
		return model.PackagesWhere{
			FleetAnswer: model.FleetAnswer{At: model.TimeOf(noon), Total: 1, Hosts: 2, Lacks: 1}, Unordered: 3,
			Rows: []model.PackageAt{packageAt(hostID(berlin, 0), "berlin-a", "4")},
		}, nil
	}
	rows := func(more bool, rows ...model.PackageAt) func(context.Context, map[string]string) (any, error) {
		return func(context.Context, map[string]string) (any, error) {
			return model.PackagesWhere{FleetAnswer: model.FleetAnswer{More: more}, Rows: rows}, nil
		}
	}
	refuses := func(k fault.Kind, text string) func(context.Context, map[string]string) (any, error) {
		return func(context.Context, map[string]string) (any, error) { return nil, fault.New(k, "", "%s", text) }
	}
	for _, x := range []struct {
		name string
		down bool
		oslo func(context.Context, map[string]string) (any, error)
		kind fault.Kind
		says string
	}{
		{"no link", true, nil, fault.Unreachable, "the rows of its 1 hosts (as of 2026-03-01T11:59:00.000Z) are all the controller holds. Ask again when its link is back"},
		{"silent", false, refuses(fault.Unreachable, "no answer"), fault.Unreachable, "its link is up, but no answer"},
		{"older", false, refuses(fault.NotFound, "does not answer"), fault.NotFound, "does not know this question: bring its Skerry up to date"},
		{"refuses", false, refuses(fault.Busy, "too much"), fault.Busy, "site oslo refused: too much"},
		{"host of another site", false, rows(false, packageAt(hostID(berlin, 0), "berlin-a", "1")), fault.Corrupt, "which is of another site"},
		{"no order", false, rows(false, packageAt(hostID(oslo, 1), "b", "1"), packageAt(hostID(oslo, 2), "a", "1")), fault.Corrupt, "not in order"},
		{"twice", false, rows(false, packageAt(hostID(oslo, 1), "b", "1"), packageAt(hostID(oslo, 1), "b", "1")), fault.Corrupt, "not in order"},
		{"more of nothing", false, rows(true), fault.Corrupt, "no rows and says that there are more"},
		{"too many", false, rows(false, packageAt(hostID(oslo, 1), "a", "1"), packageAt(hostID(oslo, 2), "b", "1"), packageAt(hostID(oslo, 3), "c", "1")), fault.Corrupt, "3 rows where 2 were asked for"},
		{"no answer at all", false, func(context.Context, map[string]string) (any, error) { return []int{1}, nil }, fault.Corrupt, "cannot be used"},
	} {
		t.Run(x.name, func(t *testing.T) {
			var noted []Asked
			r := newRig(t, func(c *Config) {
				c.Asker = sitesAsker{berlin: good, oslo: x.oslo}
				c.Asked = func(_ context.Context, q Asked) { noted = append(noted, q) }
			})
			r.site(berlin, "berlin", model.HostUp, model.HostUp)
			r.site(oslo, "oslo", model.HostUp)
			r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
			r.links[model.NodeID(oslo)] = Link{Up: !x.down, Since: noon.Add(-time.Hour)}
			d := read[schema.PackagesWhere](r, r.do("GET", "/api/v1/packages/where?name=bash&op=lt&version=5&limit=2", nil), 200)
			if len(d.Packages) != 1 || d.Packages[0].Site != "berlin" || d.Packages[0].Hostname != "berlin-a" || d.Packages[0].Version != "4" || d.Total != 1 {
				t.Errorf("rows %+v", d)
			}
			if d.AnsweredN != 1 || d.PartialN != 1 || d.Answered[0].Site != "berlin" || d.Answered[0].Lacking != 1 || d.Answered[0].Unordered != 3 {
				t.Errorf("answered %+v", d.Gathered)
			}
			p := d.Partial[0]
			if p.Site != "oslo" || p.Kind != x.kind.String() || !strings.Contains(p.Reason, x.says) || p.Hosts != 1 || p.AsOf == nil || x.down != (p.Since != nil) {
				t.Errorf("partial %+v", p)
			}
			if len(noted) != 1 || noted[0].Actor != "local:0" || noted[0].Route != model.RoutePackagesWhere || noted[0].Detail["answered"] != "1" || noted[0].Detail["silent"] != "1" {
				t.Errorf("noted %+v", noted)
			}
			// The sites may be chosen, by name and by a search.
			for _, q := range []string{"site=berlin", "q=site:berlin"} {
				if d := read[schema.PackagesWhere](r, r.do("GET", "/api/v1/packages/where?name=bash&op=lt&version=5&"+q, nil), 200); d.AnsweredN != 1 || d.PartialN != 0 {
					t.Errorf("%s: %+v", q, d.Gathered)
				}
			}
			r.refused(r.do("GET", "/api/v1/packages/where?name=bash&site=nowhere", nil), 404, fault.NotFound, `no site "nowhere"`)
			r.refused(r.do("GET", "/api/v1/packages/where?name=bash&op=lt", nil), 422, fault.Invalid, "belong together")
			r.refused(r.do("GET", "/api/v1/packages/where?name=bash&cursor=@", nil), 422, fault.Invalid, "not the next of a page")
			r.refused(r.do("GET", "/api/v1/certificates/expiring?within=soon", nil), 422, fault.Invalid, "no span of time")
		})
	}
}

// Who asks one site is written down, with what came of it; and a site's own record is read at its controller.
func TestAskedIsWrittenDown(t *testing.T) {
	var noted []Asked
	r := newRig(t, func(c *Config) { c.Asked = func(_ context.Context, q Asked) { noted = append(noted, q) } })
	r.site(berlin, "berlin", model.HostUp)
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	id := hostID(berlin, 0)
	r.asker.answer = model.HostFacts{Answered: model.Answered{Host: id}}
	read[schema.HostFacts](r, r.do("GET", "/api/v1/hosts/berlin-a/facts", nil), 200)
	r.asker.answer = model.AuditPage{Entries: []model.AuditEntry{{Seq: 7, Actor: "local:0", Action: "x.y"}}, Next: 7}
	a := read[schema.Audit](r, r.do("GET", "/api/v1/audit?site=berlin", nil), 200)
	if len(a.Entries) != 1 || a.Entries[0].Seq != 7 || a.Next != 7 {
		t.Errorf("%+v", a)
	}
	r.asker.answer = model.Evidence{Entry: model.AuditEntry{Seq: 7}, Body: []byte("rubbish"), Size: 9}
	e := read[schema.Evidence](r, r.do("GET", "/api/v1/audit/7/evidence?site=berlin", nil), 200)
	if string(e.Body) != "rubbish" || e.Entry.Seq != 7 || e.Size != 9 {
		t.Errorf("%+v", e)
	}
	r.refused(r.do("GET", "/api/v1/audit/7/evidence", nil), 422, fault.Invalid, "site: it is missing")
	r.links[model.NodeID(berlin)] = Link{Since: noon.Add(-time.Hour)}
	r.asker.err = fault.New(fault.Unreachable, "", "no link")
	for _, path := range []string{"/api/v1/audit?site=berlin", "/api/v1/audit/7/evidence?site=berlin"} {
		r.refused(r.do("GET", path, nil), 503, fault.Unreachable, "site berlin cannot be reached: its link has been down since 2026-03-01T11:00:00Z; the rows of its 1 hosts")
	}
	var got []string
	for _, q := range noted {
		got = append(got, fmt.Sprint(q.Actor, " ", q.Route, " ", q.Object, " ", q.Err == nil))
	}
	want := []string{
		"local:0 host.facts " + id.String() + " true", "local:0 site.audit " + berlin.String() + " true", "local:0 site.evidence " + berlin.String() + " true",
		"local:0 site.audit " + berlin.String() + " false", "local:0 site.evidence " + berlin.String() + " false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("noted %q\nwant  %q", got, want)
	}
}
