package query_test

import (
	"os"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/appliance/fleet"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// TestWhatThePageSaysToTryFinds: in a fleet like that of the demo, each search finds some hosts, but not most.
func TestWhatThePageSaysToTryFinds(t *testing.T) {
	b, err := os.ReadFile("../../docs/search.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```try\n")
	block, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the page has nothing to try")
	}
	f := fleet.New(fleet.Config{Seed: 1, Hosts: 20_000, Sites: 20})
	sites := map[model.SiteID]model.Site{}
	var hosts []model.Host
	for i, s := range f.Sites {
		row := s.Model()
		sites[row.ID] = row
		for n := range s.Hosts {
			h := f.Host(i, n).Model()
			hosts = append(hosts, h)
		}
	}
	env := query.Env{Now: model.TimeOf(fleet.T0), Site: func(id model.SiteID) model.Site { return sites[id] }}
	for line := range strings.Lines(block) {
		x, err := query.Parse(strings.TrimSpace(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		n := 0
		for i := range hosts {
			if query.Match(x, &hosts[i], env) {
				n++
			}
		}
		if n == 0 || n > len(hosts)/2 {
			t.Errorf("%s finds %d of %d", strings.TrimSpace(line), n, len(hosts))
		}
	}
}
