package serve

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/appliance/config"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/pull"
)

func TestMetricsOfAdvisories(t *testing.T) {
	m := NewMetrics(model.RoleSite, "1.2.3")
	known := true
	m.From(Sources{
		Drift: func() (time.Duration, uint64, bool) { return 90 * time.Minute, 17, known },
		Ages:  func() map[string]time.Duration { return map[string]time.Duration{"kev": time.Hour} },
	})
	want := []string{"skerry_advisories_behind_changes 17", "skerry_advisories_behind_seconds 5400", `skerry_advisory_source_age_seconds{source="kev"} 3600`}
	if got := with(scrape(t, m), "skerry_advisor"); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	// Of a site that was never level nobody knows how long that is.
	known = false
	if got := with(scrape(t, m), "skerry_advisories_behind_seconds"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

// What the list of sources says of each, here and where another node of the group leads.
func TestPulls(t *testing.T) {
	c := config.Default(model.RoleController)
	c.Data = t.TempDir()
	c.Advisories.Sources = []config.AdvisorySource{
		{Name: "mirror", Kind: pull.KindOSV, Path: "/srv/osv", Every: config.Duration(time.Hour), Ecosystems: []string{"npm"}},
		{Name: "known", Kind: pull.KindKEV, URL: "https://kev.example/k.json", Every: config.Duration(time.Hour)},
	}
	dir := filepath.Join(c.Data, "sources")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.UnixMilli(1_800_000_000_000)
	kept := `{"version":1,"sources":{"mirror":{"checked":"` + model.TimeOf(now.Add(-30*time.Minute)).String() + `","next":"` + model.TimeOf(now.Add(time.Minute)).String() +
		`","taken":{"read":9,"created":4,"malformed":1,"example":"x.json: no"}}}}`
	if err := os.WriteFile(filepath.Join(dir, "sources.json"), []byte(kept), 0o600); err != nil {
		t.Fatal(err)
	}
	leads := true
	p, err := OpenPulls(PullsConfig{Config: c, Leads: func() bool { return leads }, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	list := p.List()
	if len(list) != 2 || list[0].State != "current" || *list[0].AgeSec != 1800 || list[0].From != "/srv/osv" || list[0].Read != 9 || list[0].Created != 4 ||
		list[0].Malformed != "x.json: no" || list[0].NextAt == nil || list[0].EverySec != 3600 || !slices.Equal(list[0].Ecosystems, []string{"npm"}) {
		t.Errorf("%+v", list)
	}
	if list[1].State != "never" || list[1].AgeSec != nil || list[1].Of != "cisa-kev" || list[1].From != "https://kev.example/k.json" {
		t.Errorf("%+v", list[1])
	}
	if ages := p.Ages(); len(ages) != 1 || ages["mirror"] != 30*time.Minute {
		t.Errorf("%v", ages)
	}
	now = now.Add(4 * time.Hour)
	if s := p.List()[0].State; s != "old" {
		t.Errorf("after four intervals it is %s", s)
	}
	leads = false
	if list := p.List(); list[0].State != "elsewhere" || list[0].NextAt != nil || p.Ages() != nil {
		t.Errorf("where another leads: %+v", list[0])
	}
	if err := p.Fetch("mirror"); !fault.Is(err, fault.Conflict) {
		t.Errorf("where another leads: %v", err)
	}
}
