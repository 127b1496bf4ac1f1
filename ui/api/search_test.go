package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

// fleet fills two sites with hosts of two systems.
func (r *rig) fleet() {
	r.site(berlin, "berlin", model.HostUp, model.HostDown, model.HostUp, model.HostLate)
	r.site(oslo, "oslo", model.HostUp, model.HostUp)
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	r.links[model.NodeID(oslo)] = Link{Up: true, Since: noon}
	r.mem.sites[berlin] = model.Site{ID: berlin, Name: "berlin", Region: "eu-west", Country: "DE", City: "Berlin"}
	for id, h := range r.mem.hosts {
		h.OS = model.OS{ID: "debian", Version: "12"}
		h.Tags = []string{"web"}
		if id[13]%2 == 0 {
			h.OS = model.OS{ID: "rhel", Version: "9.4"}
			h.Tags = []string{"db", "pci"}
		}
		r.mem.hosts[id] = h
	}
}

func (r *rig) hosts(query string) schema.Hosts {
	r.Helper()
	return read[schema.Hosts](r, r.do("GET", "/api/v1/hosts?"+query, nil), 200)
}

func names(hosts []schema.Host) string {
	var all []string
	for _, h := range hosts {
		all = append(all, h.Hostname)
	}
	return strings.Join(all, " ")
}

func TestSearch(t *testing.T) {
	r := newRig(t)
	r.fleet()
	for q, want := range map[string]string{
		"":                           "berlin-a berlin-b berlin-c berlin-d oslo-a oslo-b",
		"sort=-name":                 "oslo-b oslo-a berlin-d berlin-c berlin-b berlin-a",
		"q=status:down":              "berlin-b",
		"q=status:late+or+site:oslo": "berlin-d oslo-a oslo-b",
		"q=region:eu-*+-tag:pci":     "berlin-a berlin-c",
		"q=os:rhel&sort=-name":       "oslo-b berlin-d berlin-b",
		"q=name:*o-a":                "oslo-a",
	} {
		page := r.hosts(q)
		if got := names(page.Hosts); got != want || page.Total != len(page.Hosts) || page.Next != "" {
			t.Errorf("%s: %s (%d), want %s", q, got, page.Total, want)
		}
	}
	page := r.hosts("q=++site:berlin&facets=status,os&limit=1&sort=-name")
	if page.Query != "site:berlin" || page.Sort != "-name" || !page.AsOf.Equal(noon) || page.Hosts[0].Region != "eu-west" || page.Hosts[0].City != "Berlin" {
		t.Errorf("%+v", page)
	}
	if len(page.Facets) != 2 || page.Facets[0].Field != "status" || fmt.Sprint(page.Facets[0].Values) != "[{up 2} {down 1} {late 1}]" || page.Facets[1].Distinct != 2 {
		t.Errorf("facets %+v", page.Facets)
	}
}

// TestPagesJoin: pages of any size, in any order, are the whole once, and each says its own cursor.
func TestPagesJoin(t *testing.T) {
	r := newRig(t)
	r.fleet()
	for _, sort := range []string{"", "-name", "status", "-os", "id"} {
		whole := names(r.hosts("sort=" + sort).Hosts)
		for limit := 1; limit < 7; limit++ {
			var got []schema.Host
			for after, pages := "", 0; ; pages++ {
				page := r.hosts(fmt.Sprintf("sort=%s&limit=%d&after=%s", sort, limit, after))
				got = append(got, page.Hosts...)
				if after = page.Next; after == "" || pages > 6 {
					break
				}
			}
			if names(got) != whole {
				t.Errorf("sort %q, limit %d: %s, want %s", sort, limit, names(got), whole)
			}
		}
	}
}

// TestJumps: a page can begin anywhere, by the order's beginning or by a cursor, and knows the total and the way on.
func TestJumps(t *testing.T) {
	r := newRig(t)
	r.fleet()
	whole := r.hosts("sort=-name").Hosts
	for skip := range len(whole) + 2 {
		page := r.hosts(fmt.Sprintf("sort=-name&limit=2&skip=%d", skip))
		from, to := min(skip, len(whole)), min(skip+2, len(whole))
		if names(page.Hosts) != names(whole[from:to]) || page.Total != len(whole) || (page.Next != "") != (to < len(whole)) {
			t.Errorf("skip %d: %s, next %q", skip, names(page.Hosts), page.Next)
		}
		if page.Next == "" {
			continue
		}
		if on := r.hosts("sort=-name&limit=1&skip=1&after=" + page.Next); names(on.Hosts) != names(whole[min(to+1, len(whole)):min(to+2, len(whole))]) {
			t.Errorf("skip %d, then one more: %s", skip, names(on.Hosts))
		}
	}
	if page := r.hosts("skip=1073741824"); len(page.Hosts) != 0 || page.Total != len(whole) {
		t.Errorf("%+v", page)
	}
	for _, skip := range []string{"-1", "1073741825", "x", "", "1e3"} {
		r.refused(r.do("GET", "/api/v1/hosts?skip="+skip, nil), 422, fault.Invalid, "skip: want a whole number")
	}
}

// TestBadSearchesArePointedAt: what is wrong, where, and what may have been meant; for every operation that
// takes a search, an order, a cursor or fields.
func TestBadSearchesArePointedAt(t *testing.T) {
	r := newRig(t)
	r.fleet()
	next := r.hosts("limit=1").Next
	for _, c := range []struct {
		path, location, says string
		pos                  int // -1: none
		suggests             string
	}{
		{"/hosts?q=site:berlin+statsu:up", "query.q", "statsu", 12, "status"},
		{"/hosts?q=status:dwn", "query.q", "dwn", 7, "down"},
		{"/hosts?q=(status:up", "query.q", "", 0, ""},
		{"/hosts?sort=nmae", "query.sort", "name", -1, ""},
		{"/hosts?sort=tag", "query.sort", "tag", -1, ""},
		{"/hosts?facets=status,sitee", "query.facets", "sitee", 7, "site"},
		{"/hosts?facets=name", "query.facets", "not counted by name", 0, "status"},
		{"/hosts/facets?q=stat:up", "query.q", "", 0, ""},
		{"/hosts/facets?fields=regoin", "query.fields", "regoin", 0, "region"},
		{"/hosts/group?by=os,sit", "query.by", "sit", 3, "site"},
		{"/hosts/group?by=os", "query.by", "two different fields", -1, ""},
		{"/hosts/group?by=os,os", "query.by", "two different fields", -1, ""},
		{"/hosts/group?by=os,site,tag", "query.by", "more than the 2", -1, ""},
		{"/hosts/export?q=%28", "query.q", "", 1, ""},
		{"/hosts/export?columns=name,nam", "query.columns", `no column "nam"`, -1, ""},
		{"/hosts/watch?q=status:dwn", "query.q", "dwn", 7, "down"},
		{"/hosts?after=x", "query.after", "no cursor", -1, ""},
		{"/hosts?sort=-name&after=" + next, "query.after", "ordered by name", -1, ""},
	} {
		w := r.do("GET", "/api/v1"+c.path, nil)
		r.refused(w, 422, fault.Invalid, c.says)
		p := read[schema.Problem](r, w, 422)
		if len(p.Errors) != 1 || p.Errors[0].Location != c.location || p.Errors[0].Message == "" {
			t.Errorf("%s: errors %+v", c.path, p.Errors)
		}
		if c.pos < 0 {
			continue
		}
		if p.Pos == nil || *p.Pos != c.pos || p.End == nil || *p.End < *p.Pos || !strings.Contains(p.Caret, "\n"+strings.Repeat(" ", c.pos)+"^") {
			t.Errorf("%s: at %v to %v\n%s", c.path, p.Pos, p.End, p.Caret)
		}
		if c.suggests != "" && !slices.Contains(p.Suggestions, c.suggests) {
			t.Errorf("%s: suggests %q, want %q", c.path, p.Suggestions, c.suggests)
		}
	}
}

func TestFacetsGroupsAndCompletion(t *testing.T) {
	r := newRig(t)
	r.fleet()
	f := read[schema.Facets](r, r.do("GET", "/api/v1/hosts/facets?q=site:berlin", nil), 200)
	if f.Total != 4 || len(f.Facets) != 6 || f.Query != "site:berlin" {
		t.Fatalf("%+v", f)
	}
	if got := fmt.Sprint(f.Facets); got != "[{status 3 0 [{up 2} {down 1} {late 1}]} {os 2 0 [{debian 12 2} {rhel 9.4 2}]} {site 1 0 [{berlin 4}]}"+
		" {region 1 0 [{eu-west 4}]} {tag 3 0 [{db 2} {pci 2} {web 2}]} {severity 1 0 [{unmatched 4}]}]" {
		t.Errorf("%s", got)
	}
	f = read[schema.Facets](r, r.do("GET", "/api/v1/hosts/facets?fields=tag,region&top=1", nil), 200)
	if got := fmt.Sprint(f.Facets); got != "[{tag 3 0 [{db 3}]} {region 1 2 [{eu-west 4}]}]" {
		t.Errorf("%s", got)
	}
	if f = read[schema.Facets](r, r.do("GET", "/api/v1/hosts/facets?fields=&q=site:berlin", nil), 200); f.Total != 4 || f.Facets == nil || len(f.Facets) != 0 {
		t.Errorf("the total alone: %+v", f)
	}
	g := read[schema.Grouped](r, r.do("GET", "/api/v1/hosts/group?by=os,site&top=2", nil), 200)
	if got := fmt.Sprint(g.By, g.Total, g.Distinct, g.Groups); got != "[os site] 6 4 [{debian 12 berlin 2} {rhel 9.4 berlin 2}]" {
		t.Errorf("%s", got)
	}
	c := read[schema.Completion](r, r.do("GET", "/api/v1/hosts/complete?q=status:up+si", nil), 200)
	if c.From != 10 || c.To != 12 || !slices.ContainsFunc(c.Items, func(i schema.CompletionItem) bool { return strings.HasPrefix(i.Text, "site") }) {
		t.Errorf("%+v", c)
	}
	c = read[schema.Completion](r, r.do("GET", "/api/v1/hosts/complete?q=site:ber+status:up&at=8", nil), 200)
	if len(c.Items) != 1 || !strings.Contains(c.Items[0].Text, "berlin") || c.Items[0].N != 2 {
		t.Errorf("%+v", c)
	}
	fields := read[[]schema.Field](r, r.do("GET", "/api/v1/fields", nil), 200)
	if len(fields) != len(query.Fields()) || fields[0].Name != "name" || fields[0].Kind != "text" || !fields[0].Sortable {
		t.Errorf("%+v", fields)
	}
	for _, f := range fields {
		if f.Kind == "" || f.Doc == "" {
			t.Errorf("%+v", f)
		}
		r.hosts("limit=1&q=" + url.QueryEscape(f.Example))
	}
}

// TestASearchThatTakesTooLongGivesWay: with words that say what to do, and when to come back.
func TestASearchThatTakesTooLongGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.fleet()
		r.mem.slow = make(chan struct{})
		for _, path := range []string{"/hosts", "/hosts/berlin-a", "/hosts/watch"} {
			began := time.Now()
			w := r.do("GET", "/api/v1"+path, nil)
			r.refused(w, http.StatusServiceUnavailable, fault.Busy, "narrow it")
			if w.Header().Get("Retry-After") != "1" || time.Since(began) != budget {
				t.Errorf("%s: after %s, retry after %q", path, time.Since(began), w.Header().Get("Retry-After"))
			}
		}
		close(r.mem.slow)
	})
}

func TestSavedSearches(t *testing.T) {
	r := newRig(t)
	if all := read[[]schema.SavedSearch](r, r.do("GET", "/api/v1/searches", nil), 200); len(all) != 0 {
		t.Errorf("%+v", all)
	}
	body := schema.SearchPut{Query: "status:down  tag:pci", Sort: "-seen", Columns: []string{"name", "os", "last_seen"}}
	s := read[schema.SavedSearch](r, r.do("PUT", "/api/v1/searches/down-pci", body), 201)
	if s.Query != body.Query || s.Account != "local:0" || s.At == nil || !slices.Equal(s.Columns, body.Columns) {
		t.Errorf("%+v", s)
	}
	body.Query = "status:late"
	read[schema.SavedSearch](r, r.do("PUT", "/api/v1/searches/down-pci", body), 200)
	if all := read[[]schema.SavedSearch](r, r.do("GET", "/api/v1/searches", nil), 200); len(all) != 1 || all[0].Query != "status:late" {
		t.Errorf("%+v", all)
	}
	for _, c := range []struct {
		body     schema.SearchPut
		location string
	}{
		{schema.SearchPut{Query: "stat:up"}, "body.query"},
		{schema.SearchPut{Sort: "nmae"}, "body.sort"},
		{schema.SearchPut{Columns: []string{"x"}}, "body.columns"},
	} {
		if p := read[schema.Problem](r, r.do("PUT", "/api/v1/searches/x", c.body), 422); len(p.Errors) != 1 || p.Errors[0].Location != c.location {
			t.Errorf("%+v", p)
		}
	}
	r.refused(r.do("PUT", "/api/v1/searches/Down", body), 422, fault.Invalid, "name: ")
	if got := read[schema.SavedSearch](r, r.do("GET", "/api/v1/searches/down-pci", nil), 200); got.Sort != "-seen" {
		t.Errorf("%+v", got)
	}
	if w := r.do("DELETE", "/api/v1/searches/down-pci", nil); w.Code != 204 {
		t.Errorf("status %d", w.Code)
	}
	r.refused(r.do("DELETE", "/api/v1/searches/down-pci", nil), 404, fault.NotFound, "list of saved searches")
	r.refused(r.do("GET", "/api/v1/searches/down-pci", nil), 404, fault.NotFound, "list of saved searches")
}

func TestChangeSite(t *testing.T) {
	r := newRig(t)
	r.fleet()
	if h := r.hosts("q=berlin-a").Hosts[0]; h.Region != "eu-west" {
		t.Fatalf("%+v", h)
	}
	s := read[schema.Site](r, r.do("PATCH", "/api/v1/sites/berlin", `{"region":"eu-central","city":"","lat":52.5,"lng":13.4}`), 200)
	if s.Region != "eu-central" || s.City != "" || s.Country != "DE" || *s.Lat != 52.5 {
		t.Errorf("%+v", s)
	}
	if h := r.hosts("q=berlin-a").Hosts[0]; h.Region != "eu-central" || h.City != "" || *h.Lng != 13.4 {
		t.Errorf("its hosts show it later than at once: %+v", h)
	}
	// What is proposed names nothing else, so that what another changes at that moment stays.
	got, ok := r.mem.proposed[len(r.mem.proposed)-1].(model.PutSite)
	if !ok || got.Site != berlin || *got.Region != "eu-central" || *got.City != "" || *got.Lat != 52.5 || got.Country != nil || got.Location != nil {
		t.Errorf("proposed: %+v", got)
	}
	s = read[schema.Site](r, r.do("PATCH", "/api/v1/sites/berlin", `{"no_position":true}`), 200)
	if s.Lat != nil || s.Lng != nil || s.Region != "eu-central" {
		t.Errorf("without a position: %+v", s)
	}
	if h := r.hosts("q=berlin-a").Hosts[0]; h.Lat != nil || h.Lng != nil {
		t.Errorf("its hosts keep the position: %+v", h)
	}
	r.refused(r.do("PATCH", "/api/v1/sites/berlin", `{"lat":1}`), 400, fault.Invalid, "both or neither")
	r.refused(r.do("PATCH", "/api/v1/sites/rome", `{}`), 404, fault.NotFound, "rome")
	r.refused(r.do("PATCH", "/api/v1/sites/berlin", `{"name":"rome"}`), 422, fault.Invalid, "name: there is no such field")
}

func TestTrend(t *testing.T) {
	r := newRig(t)
	r.fleet()
	now := model.TimeOf(noon)
	slot := func(before time.Duration, hosts int64) model.TrendSlot {
		c := model.SiteCounts{Site: berlin, Hosts: hosts, ByStatus: map[string]int64{"up": hosts}, Compliance: 1500, ComplianceN: 2}
		return model.TrendSlot{Start: now.Add(-before), Counts: c}
	}
	r.mem.trends[trendOf{berlin, model.ResFiveMinutes}] = []model.TrendSlot{
		slot(50*time.Hour, 1), slot(30*time.Hour, 2), slot(time.Hour, 3), slot(0, 4), slot(-time.Hour, 99),
	}
	tr := read[schema.Trend](r, r.do("GET", "/api/v1/sites/berlin/trend", nil), 200)
	if tr.Site != "berlin" || tr.Window != "day" || tr.ResolutionS != 300 || len(tr.Points) != 3 {
		t.Fatalf("%+v", tr)
	}
	for i, want := range []struct {
		at    time.Time
		hosts int64
	}{{noon.Add(-24*time.Hour + 5*time.Minute), 2}, {noon.Add(-time.Hour), 3}, {noon, 4}} {
		if p := tr.Points[i]; !p.At.Equal(want.at) || p.Hosts != want.hosts || p.ByStatus["up"] != want.hosts || *p.Compliance != 75 {
			t.Errorf("point %d: %+v", i, p)
		}
	}
	if tr = read[schema.Trend](r, r.do("GET", "/api/v1/sites/all/trend?window=years", nil), 200); tr.Site != "all" || tr.ResolutionS != 86400 || tr.Points == nil {
		t.Errorf("%+v", tr)
	}
	r.refused(r.do("GET", "/api/v1/sites/all/trend?window=week", nil), 422, fault.Invalid, "window: ")
	r.refused(r.do("GET", "/api/v1/sites/rome/trend", nil), 404, fault.NotFound, "rome")
}

func TestStorageCheck(t *testing.T) {
	r := newRig(t)
	r.refused(r.do("POST", "/api/v1/storage/check", nil), 409, fault.Conflict, "have its data folder checked")
	running, finish := make(chan struct{}), make(chan struct{})
	r = newRig(t, func(c *Config) {
		c.Check = func(ctx context.Context) (schema.StorageReport, error) {
			if at, ok := ctx.Deadline(); !ok || time.Until(at) < 10*time.Minute {
				t.Errorf("it has until %v", at)
			}
			close(running)
			<-finish
			return schema.StorageReport{OK: true, Rows: 7}, nil
		}
	})
	done := make(chan schema.StorageReport)
	go func() { done <- read[schema.StorageReport](r, r.do("POST", "/api/v1/storage/check", nil), 200) }()
	<-running
	r.refused(r.do("POST", "/api/v1/storage/check", nil), 503, fault.Busy, "running already")
	close(finish)
	if report := <-done; !report.OK || report.Rows != 7 {
		t.Errorf("%+v", report)
	}
}

// TestDispatchBySearch: the targets of a search are those of one site, shown before and never nobody.
func TestDispatchBySearch(t *testing.T) {
	r := newRig(t)
	r.fleet()
	body := schema.Dispatch{Kind: "ping", Site: "berlin", Query: "os:rhel or site:oslo", DryRun: true}
	c := read[schema.Command](r, r.do("POST", "/api/v1/commands", body), 200)
	if len(c.Tasks) != 2 || c.Tasks[0].Hostname != "berlin-b" || c.Tasks[1].Hostname != "berlin-d" {
		t.Errorf("%+v", c.Tasks)
	}
	for _, x := range []struct {
		body   schema.Dispatch
		status int
		says   string
	}{
		{schema.Dispatch{Kind: "ping", Site: "berlin", Query: "site:oslo"}, 400, "finds no host of site berlin"},
		{schema.Dispatch{Kind: "ping", Site: "berlin", Query: "tag:web", Hosts: []string{"berlin-a"}}, 400, "exclude each other"},
		{schema.Dispatch{Kind: "ping", Site: "berlin", Query: "tga:web"}, 422, "tga"},
		{schema.Dispatch{Kind: "ping", Site: "berlin"}, 400, "no hosts are named"},
	} {
		r.refused(r.do("POST", "/api/v1/commands", x.body), x.status, fault.Invalid, x.says)
	}
	// More names than are looked for at a time, of which one host has two.
	var many []string
	for i := range 300 {
		h := benchHost(i)
		h.ID, h.Hostname = model.HostID{1, byte(i >> 8), byte(i)}, fmt.Sprintf("many-%03d", i)
		r.mem.hosts[h.ID] = h
		many = append(many, strings.ToUpper(h.Hostname))
	}
	many = append(many, model.HostID{1, 0, 7}.String())
	c = read[schema.Command](r, r.do("POST", "/api/v1/commands", schema.Dispatch{Kind: "ping", Site: "berlin", Hosts: many, DryRun: true}), 200)
	if c.TaskN["queued"] != 300 || len(c.Tasks) != 300 || !slices.IsSortedFunc(c.Tasks, func(a, b schema.Task) int { return strings.Compare(a.HostID, b.HostID) }) {
		t.Errorf("%v, %d tasks", c.TaskN, len(c.Tasks))
	}
}

// TestCompletionCountsTheRest: what a value is said to have is what choosing it gives.
func TestCompletionCountsTheRest(t *testing.T) {
	r := newRig(t)
	r.fleet()
	for id, h := range r.mem.hosts {
		h.IPv4 = []string{fmt.Sprintf("10.%d.0.%d", id[13]%2+2, id[15])}
		r.mem.hosts[id] = h
	}
	for _, c := range []struct{ q, want string }{
		{"site:", "berlin 4, oslo 2"},
		{"status:up site:", "berlin 2, oslo 2"},
		{"status:down site:", "berlin 1"},
		{"os:rhel tag:", "db 3, pci 3"},
		{"status:down tag:w", "web 0"}, // nobody of the rest has it, but it is there
		{"status:down berlin", "berlin-b 1"},
		{"status:late berlin", "berlin-d 1"},
	} {
		body := read[schema.Completion](r, r.do("GET", "/api/v1/hosts/complete?q="+url.QueryEscape(c.q), nil), 200)
		var got []string
		for _, i := range body.Items {
			if i.N > 0 || i.Doc == "" {
				got = append(got, fmt.Sprintf("%s %d", i.Text, i.N))
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %v, want %s", c.q, got, c.want)
		}
	}
	body := read[schema.Completion](r, r.do("GET", "/api/v1/hosts/complete?q=status:down+ip:10.", nil), 200)
	if len(body.Items) < 2 || body.Items[0].Text != "10.0.0.0/8" || body.Items[1].N != 1 {
		t.Errorf("%+v", body.Items)
	}
}
