package search

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// plain is the directory as a map, answering with query.Match and query.Less: slow, and right by its looks.
type plain struct {
	hosts  map[model.HostID]model.Host
	sites  map[model.SiteID]model.Site
	lost   map[model.SiteID]bool
	judged map[model.SiteID]model.Time
}

// shown is a host as it is shown.
func (p *plain) shown(h model.Host) model.Host {
	judged := p.judged[h.Site]
	if h.Status != model.HostUnknown {
		h.StatusAt = max(h.StatusAt, judged)
	}
	if h.Status == model.HostUp {
		h.LastSeen = max(h.LastSeen, judged)
	}
	if p.lost[h.Site] {
		h.Status = model.HostUnknown
	}
	return h
}

func (p *plain) env() query.Env {
	return query.Env{Now: now, Site: func(id model.SiteID) model.Site { return p.sites[id] }}
}

const now model.Time = 1_800_000_000_000

// find returns the hosts that match, in order.
func (p *plain) find(where query.Expr, s query.Sort) []model.Host {
	var out []model.Host
	for _, h := range p.hosts {
		if h = p.shown(h); query.Match(where, &h, p.env()) {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b model.Host) int {
		switch {
		case query.Less(s, &a, &b, p.env()):
			return -1
		case query.Less(s, &b, &a, p.env()):
			return 1
		}
		return 0
	})
	return out
}

func pick[T any](t *rapid.T, of ...T) T { return rapid.SampledFrom(of).Draw(t, "pick") }

func some[T any](t *rapid.T, most int, of ...T) []T {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, most, func(v T) string { return fmt.Sprint(v) }).Draw(t, "some")
}

func drawID(t *rapid.T) model.HostID {
	var id model.HostID
	id[0], id[15] = byte(rapid.IntRange(0, 3).Draw(t, "id")), byte(rapid.IntRange(1, 40).Draw(t, "id"))
	return id
}

func drawSite(t *rapid.T) model.SiteID {
	return model.SiteID{15: byte(rapid.IntRange(1, 4).Draw(t, "site"))}
}

func drawTime(t *rapid.T) model.Time {
	return pick[model.Time](t, 0, now-1000, now-3_600_000, now-7_200_000, now-7_200_001, now+1, now-86_400_000)
}

var hostNames = []string{"web-01", "WEB-02", "db-prod-1", "web", "w", "db.x", "büro-1", "büro", "desktop-k3j", "ber01-web-prod-0001", "a-b-c", "aaaa", "aaab"}

func drawBeat(t *rapid.T) model.HostBeat {
	return model.HostBeat{
		Status:   pick(t, model.HostUp, model.HostUp, model.HostLate, model.HostDown, model.HostUnknown),
		StatusAt: drawTime(t), LastSeen: drawTime(t),
	}
}

func drawHost(t *rapid.T) model.Host {
	id := drawID(t)
	h := model.Host{ID: id, Site: drawSite(t), Agent: model.NodeID(id)}
	h.Hostname = pick(t, hostNames...)
	h.FQDN = pick(t, "", h.Hostname+".corp.example", h.Hostname+".x.example", "other.example", h.Hostname, "web-01.corp.example")
	h.IPv4 = some(t, 3, "10.0.0.1", "10.0.0.2", "10.2.3.4", "192.168.1.1", "10.20.0.1")
	h.IPv6 = some(t, 2, "fd20::1", "fd20:1::2", "::1", "2001:db8::ffff")
	h.MAC = some(t, 2, "52:54:00:00:00:01", "52:54:00:ff:00:02", "00:11:22:33:44:55")
	h.OS = pick(t, model.OS{}, model.OS{ID: "debian", Name: "Debian GNU/Linux 12 (bookworm)", Version: "12"}, model.OS{ID: "debian", Name: "Debian GNU/Linux", Version: "9"},
		model.OS{ID: "rhel", Name: "Red Hat Enterprise Linux", Version: "9.4"}, model.OS{ID: "arch", Name: "Arch Linux"})
	h.Kernel = pick(t, "", "6.1.0-9-amd64", "6.1.0-10-amd64", "5.15.0")
	h.Arch = pick(t, "x86_64", "aarch64", "")
	h.AgentVersion = pick(t, "", "2.4.1", "2.10.0", "2.4.1-rc1")
	h.Tags = some(t, 3, "pci", "lab", "Env:Prod", "env:prod", "dmz")
	h.Owner = pick(t, "", "payments", "Ines")
	h.Serial = pick(t, "", "VMW-1", "vmw-2", "XYZ")
	h.CPUs, h.MemoryMB = pick(t, 0, 4, 64), pick(t, 0, 1024, 16384)
	h.Simulated = rapid.Bool().Draw(t, "simulated")
	if rapid.Bool().Draw(t, "reboot known") {
		need := rapid.Bool().Draw(t, "reboot")
		h.RebootNeeded = &need
	}
	if rapid.Bool().Draw(t, "updates known") {
		n := pick(t, 0, 3, 7)
		h.Updates = &n
	}
	if rapid.Bool().Draw(t, "compliance known") {
		n := pick(t, 0, 79.9, 80, 100.0)
		h.Compliance = &n
	}
	h.BootedAt, h.FirstSeen, h.NextCertExpiry = drawTime(t), drawTime(t), drawTime(t)
	h.PackagesAt, h.PackageN = drawTime(t), pick(t, 0, 10)
	h.ExposureAt = drawTime(t)
	if h.ExposureAt != 0 {
		h.Exposure = model.SeverityCounts{Critical: pick(t, 0, 0, 2), High: pick(t, 0, 5), Low: pick(t, 0, 1), Unknown: pick(t, 0, 1), Uncertain: pick(t, 0, 1)}
	}
	h.SetBeat(drawBeat(t))
	return h
}

func drawSiteRow(t *rapid.T) model.Site {
	return model.Site{
		ID: drawSite(t), Name: pick(t, "", "Berlin", "oslo", "berlin"), Region: pick(t, "", "eu-west", "EU-north"),
		Country: pick(t, "", "DE", "NO"), City: pick(t, "", "Berlin", "New York"),
	}
}

func drawPattern(t *rapid.T, words ...string) query.Pattern {
	text := query.Fold(pick(t, words...))
	switch pick(t, query.ShapeExact, query.ShapeExact, query.ShapePrefix, query.ShapeSuffix, query.ShapeContains, query.ShapeGlob, query.ShapeAny) {
	case query.ShapePrefix:
		return query.Pattern{Shape: query.ShapePrefix, Text: text[:rapid.IntRange(min(1, len(text)), len(text)).Draw(t, "cut")]}
	case query.ShapeSuffix:
		return query.Pattern{Shape: query.ShapeSuffix, Text: text[rapid.IntRange(0, max(len(text)-1, 0)).Draw(t, "cut"):]}
	case query.ShapeContains:
		from := rapid.IntRange(0, max(len(text)-1, 0)).Draw(t, "from")
		return query.Pattern{Shape: query.ShapeContains, Text: text[from:rapid.IntRange(min(from+1, len(text)), len(text)).Draw(t, "to")]}
	case query.ShapeGlob:
		at := rapid.IntRange(0, len(text)).Draw(t, "star")
		return query.Pattern{Shape: query.ShapeGlob, Text: text[:at] + "*" + text[at:]}
	case query.ShapeAny:
		return query.Pattern{Shape: query.ShapeAny}
	}
	return query.Pattern{Shape: query.ShapeExact, Text: text}
}

func drawTerm(t *rapid.T) query.Term {
	info := pick(t, query.Fields()...)
	f := info.Field
	if rapid.IntRange(0, 9).Draw(t, "any") == 0 {
		word := pick(t, "web", "b", "e", "10.", "10.2", "10.2.3.4", "fd20", "fd20:", "::1", "corp", ".corp", "1.x", "b.x", "prod-1", "aa", "ü", drawID(t).String(), "2001:db8::f")
		return query.Term{Field: query.FieldAny, Op: query.OpIs, Pattern: query.Pattern{Shape: query.ShapeContains, Text: word}}
	}
	term := query.Term{Field: f, Op: query.OpIs}
	order := pick(t, query.OpIs, query.OpLess, query.OpLessEqual, query.OpGreater, query.OpGreaterEqual)
	switch info.Kind {
	case query.KindText:
		term.Pattern = drawPattern(t, append([]string{"web-01.corp.example", "other.example", "web.x.example", "VMW-1", "01.corp", "vmw-2"}, hostNames...)...)
	case query.KindWord:
		term.Pattern = drawPattern(t, "x86_64", "Berlin", "oslo", "EU-north", "DE", "New York", "pci", "env:prod", "payments", "Ines", "critical", "high", "clean", "unmatched", "unknown", drawSite(t).String())
	case query.KindVersion, query.KindOS:
		words := []string{"6.1.0-9-amd64", "2.4.1", "2.10.0", "5.15.0"}
		if info.Kind == query.KindOS {
			words = []string{"debian", "rhel", "linux", "red hat enterprise linux", "debian 12", "arch", "rhel9"}
		}
		term.Pattern = drawPattern(t, words...)
		if order != query.OpIs {
			term.Op, term.HasVersion = order, true
			term.Version = pick(t, "9", "9.4", "12", "6.1.0-10-amd64", "2.4.1", "2.9")
		} else if info.Kind == query.KindOS && rapid.Bool().Draw(t, "version") {
			term.HasVersion, term.Version = true, pick(t, "9", "9.4", "12")
		}
	case query.KindNumber:
		term.Op, term.Number = order, pick(t, 0, 1, 2, 3, 7, 10, 79.9, 80, 100, 4, 1024)
		if f == query.FieldCVE {
			term.Part = pick(t, "", "critical", "high", "unknown", "low")
		}
		term.Unknown = order == query.OpIs && rapid.Bool().Draw(t, "unknown")
	case query.KindBool:
		term.Number = pick(t, 0.0, 1)
		term.Unknown = rapid.Bool().Draw(t, "unknown")
	case query.KindAge, query.KindUntil:
		term.Op = order
		if rapid.Bool().Draw(t, "absolute") {
			term.At = pick(t, now-7_200_000, now-1000, now)
		} else {
			term.Age = pick[time.Duration](t, 7200e9, 3600e9, 1e9, 0)
		}
		term.Unknown = order == query.OpIs && rapid.Bool().Draw(t, "unknown")
	case query.KindAddress:
		if term.Unknown = rapid.IntRange(0, 5).Draw(t, "unknown") == 0; !term.Unknown {
			span := pick(t, [2]string{"10.0.0.0", "10.255.255.255"}, [2]string{"10.0.0.1", "10.0.0.1"}, [2]string{"fd20::", "fd20:ffff::"}, [2]string{"::", "ffff::"}, [2]string{"0.0.0.0", "255.255.255.255"})
			term.Low, term.High = netip.MustParseAddr(span[0]), netip.MustParseAddr(span[1])
		}
	case query.KindMAC:
		if term.Unknown = rapid.IntRange(0, 5).Draw(t, "unknown") == 0; !term.Unknown {
			term.MAC = pick(t, "52:54", "52:54:00:00:00:01", "00", "52:54:00")
		}
	case query.KindID:
		term.MAC = drawID(t).String()
	case query.KindStatus:
		term.Status = pick(t, model.HostUp, model.HostLate, model.HostDown, model.HostUnknown)
	}
	return term
}

func drawExpr(t *rapid.T, depth int) query.Expr {
	if depth == 0 {
		return drawTerm(t)
	}
	parts := func() []query.Expr {
		var out []query.Expr
		for range rapid.IntRange(2, 4).Draw(t, "parts") {
			out = append(out, drawExpr(t, depth-1))
		}
		return out
	}
	switch rapid.IntRange(0, 5).Draw(t, "expr") {
	case 0:
		return query.All{}
	case 1:
		return query.Not{X: drawExpr(t, depth-1)}
	case 2:
		return query.Or(parts())
	case 3, 4:
		return query.And(parts())
	}
	return drawTerm(t)
}

func drawSort(t *rapid.T) query.Sort {
	var sortable []query.Info
	for _, i := range query.Fields() {
		if i.Sortable {
			sortable = append(sortable, i)
		}
	}
	s := query.Sort{Field: pick(t, sortable...).Field, Desc: rapid.Bool().Draw(t, "desc")}
	if s.Field == query.FieldCVE {
		s.Part = pick(t, "", "critical", "high")
	}
	return s
}

// world is an index and the plain model of it.
type world struct {
	x *Index
	p plain
}

func newWorld() *world {
	return &world{New(1), plain{map[model.HostID]model.Host{}, map[model.SiteID]model.Site{}, map[model.SiteID]bool{}, map[model.SiteID]model.Time{}}}
}

func (w *world) step(t *rapid.T) {
	switch rapid.IntRange(0, 19).Draw(t, "step") {
	case 0, 1, 2:
		id := drawID(t)
		delete(w.p.hosts, id)
		w.x.Apply([]Change{{ID: id, Gone: true}})
	case 3, 4, 5:
		id, b := drawID(t), drawBeat(t)
		if h, ok := w.p.hosts[id]; ok {
			h.SetBeat(b)
			w.p.hosts[id] = h
		}
		w.x.Apply([]Change{{ID: id, Beat: &b}})
	case 6:
		s := drawSiteRow(t)
		w.p.sites[s.ID] = s
		w.x.PutSite(s)
	case 7:
		id, up := drawSite(t), rapid.Bool().Draw(t, "up")
		w.p.lost[id] = !up
		w.x.Reach(id, up)
	case 8:
		id, at := drawSite(t), drawTime(t)
		w.p.judged[id] = max(w.p.judged[id], at)
		w.x.Judged(id, at)
	case 9:
		for w.x.grams.freshN > 0 && rapid.Bool().Draw(t, "grams") {
			w.x.grams.bound = 0
			w.x.Tend()
		}
	case 10:
		w.reload(t)
	default:
		h := drawHost(t)
		w.p.hosts[h.ID] = h
		w.x.Apply([]Change{{ID: h.ID, Host: &h}})
	}
}

// reload puts an index in the place of the present one that was loaded from its checkpoint.
func (w *world) reload(t *rapid.T) {
	next := New(1)
	next.tuning = w.x.tuning
	for _, s := range w.p.sites {
		next.PutSite(s)
	}
	for id, lost := range w.p.lost {
		next.Reach(id, !lost)
	}
	for id, at := range w.p.judged {
		next.Judged(id, at)
	}
	if err := next.Load(func(yield func([]byte, error) bool) {
		for b := range w.x.Chunks() {
			if !yield(bytes.Clone(b), nil) {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	for id, h := range w.p.hosts {
		b := h.Beat()
		next.Apply([]Change{{ID: id, Beat: &b}})
	}
	w.x = next
}

func (w *world) verify(t *rapid.T) {
	for _, h := range w.p.hosts {
		for _, line := range w.x.Verify(&h) {
			t.Fatalf("%s: %s", h.ID, line)
		}
	}
	for _, line := range w.x.Census() {
		t.Fatal(line)
	}
	if w.x.Len() != len(w.p.hosts) {
		t.Fatalf("%d hosts in the index, %d in the model", w.x.Len(), len(w.p.hosts))
	}
}

// compare asks one question of both.
func (w *world) compare(t *rapid.T) {
	ctx := context.Background()
	where, s := drawExpr(t, rapid.IntRange(0, 2).Draw(t, "depth")), drawSort(t)
	want := w.p.find(where, s)
	text := fmt.Sprintf("%s sorted by %s", query.Format(where), s)
	limit := rapid.IntRange(1, 12).Draw(t, "limit")
	var got []model.HostID
	for after, pages := (*query.Cursor)(nil), 0; ; pages++ {
		f, err := w.x.Find(ctx, query.Search{Where: where, Sort: s, After: after, Limit: limit, Now: now})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if f.Total != len(want) {
			t.Fatalf("%s: total %d, want %d", text, f.Total, len(want))
		}
		for _, hit := range f.Hits {
			got = append(got, hit.ID)
			h := w.p.hosts[hit.ID]
			if shown := w.p.shown(h); hit.Beat != shown.Beat() {
				t.Fatalf("%s: host %s is shown as %v, want %v", text, hit.ID, hit.Beat, shown.Beat())
			}
		}
		if !f.More {
			break
		}
		if len(f.Hits) == 0 || pages > len(want) {
			t.Fatalf("%s: %d hits, and more behind", text, len(f.Hits))
		}
		h := w.p.shown(w.p.hosts[f.Hits[len(f.Hits)-1].ID])
		c := query.CursorOf(s, &h, w.p.env())
		after = &c
	}
	var ids []model.HostID
	for _, h := range want {
		ids = append(ids, h.ID)
	}
	if !slices.Equal(got, ids) {
		t.Fatalf("%s: got %v, want %v", text, got, ids)
	}
	if skip := rapid.IntRange(0, 5).Draw(t, "skip"); skip < len(ids) {
		f, err := w.x.Find(ctx, query.Search{Where: where, Sort: s, Skip: skip, Limit: 1, Now: now})
		if err != nil || len(f.Hits) != 1 || f.Hits[0].ID != ids[skip] {
			t.Fatalf("%s: behind %d hosts there is %v, %v; want %s", text, skip, f.Hits, err, ids[skip])
		}
	}
	w.compareCounts(t, where, want, text)
}

func (w *world) compareCounts(t *rapid.T, where query.Expr, want []model.Host, text string) {
	ctx := context.Background()
	n, err := w.x.Count(ctx, where, now)
	if err != nil || n != len(want) {
		t.Fatalf("%s: %d counted (%v), want %d", text, n, err, len(want))
	}
	var counted []query.Field
	for _, i := range query.Fields() {
		if i.Counted {
			counted = append(counted, i.Field)
		}
	}
	facets, total, err := w.x.Facets(ctx, where, now, counted, 100)
	if err != nil || total != len(want) {
		t.Fatalf("%s: facets of %d hosts, %v", text, total, err)
	}
	for i, f := range facets {
		sums := map[string]int{}
		for _, h := range want {
			for _, v := range w.values(counted[i], &h) {
				sums[v]++
			}
		}
		if none := sums[""]; f.None != none {
			t.Fatalf("%s: %d hosts without %s, want %d", text, f.None, f.Field, none)
		}
		delete(sums, "")
		for _, v := range f.Values {
			if sums[v.Value] != v.N {
				t.Fatalf("%s: %d hosts with %s %q, want %d", text, v.N, f.Field, v.Value, sums[v.Value])
			}
		}
		if len(sums) != len(f.Values) || f.Distinct != len(sums) || !slices.IsSortedFunc(f.Values, compareCounts) {
			t.Fatalf("%s: values of %s: %v, want %v", text, f.Field, f.Values, sums)
		}
	}
	a, b := pick(t, counted...), pick(t, counted...)
	g, err := w.x.Group(ctx, where, now, a, b, 1000)
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[[2]string]int{}
	for _, h := range want {
		for _, va := range w.values(a, &h) {
			for _, vb := range w.values(b, &h) {
				pairs[[2]string{va, vb}]++
			}
		}
	}
	for _, p := range g.Groups {
		if pairs[[2]string{p.A, p.B}] != p.N {
			t.Fatalf("%s: %d hosts with %s %q and %s %q, want %d", text, p.N, a, p.A, b, p.B, pairs[[2]string{p.A, p.B}])
		}
	}
	if len(pairs) != len(g.Groups) || g.Distinct != len(pairs) || g.Total != len(want) {
		t.Fatalf("%s: groups by %s and %s: %+v, want %v", text, a, b, g, pairs)
	}
}

// values are what a host counts for in a facet; "" is no value.
func (w *world) values(f query.Field, h *model.Host) []string {
	site := w.p.sites[h.Site]
	one := func(s string) []string { return []string{s} }
	switch f {
	case query.FieldStatus:
		return one(string(h.Status))
	case query.FieldOS:
		return one(query.OSText(h.OS))
	case query.FieldKernel:
		return one(h.Kernel)
	case query.FieldArch:
		return one(h.Arch)
	case query.FieldSite:
		return one(query.SiteText(h.Site, site))
	case query.FieldRegion:
		return one(site.Region)
	case query.FieldCountry:
		return one(site.Country)
	case query.FieldCity:
		return one(site.City)
	case query.FieldAgent:
		return one(h.AgentVersion)
	case query.FieldOwner:
		return one(h.Owner)
	case query.FieldSeverity:
		return one(h.Worst())
	case query.FieldReboot:
		return one(rebootWords[rebootNumber(h.RebootNeeded)])
	case query.FieldSimulated:
		if h.Simulated {
			return one("yes")
		}
		return one("no")
	case query.FieldTag:
		if len(h.Tags) > 0 {
			return h.Tags
		}
		return one("")
	}
	panic(fmt.Sprint("no values of ", f))
}

// TestModel holds the index against the plain model over random hosts, beats, removals, sites, reloads and
// questions.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		if rapid.Bool().Draw(t, "tuned") {
			small := func(what string) int { return rapid.IntRange(0, 5).Draw(t, what) }
			w.x.tuning = tuning{small("sort"), uint64(small("read")), small("stretch"), int32(small("wear")), small("cheap")}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.step(t)
		}
		w.verify(t)
		for range 4 {
			w.compare(t)
		}
	})
}
