package api

import (
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// What presses most of a site says what is known of attacks wherever it is shown, and says it anew when that changes.
func TestTopOfASiteSaysWhatIsKnownOfAttacks(t *testing.T) {
	r := newBerlin(t)
	exploited := func(name string, known bool, epss float64) model.Advisory {
		return advisory(name, name+"-CVE-2026-1111", nil, "", "", "", func(a *model.Advisory) {
			a.Affected, a.Upstream, a.Exploit = nil, []string{"CVE-2026-1111"}, &model.Exploit{Probability: epss}
			if known {
				a.Exploit.Known = model.TimeOf(noon)
			}
		})
	}
	r.puts([]model.Advisory{
		advisory("nvd", "CVE-2026-1111", nil, "npm", "express", "4.1.0"), exploited("cisa-kev", true, 0), exploited("epss", false, 0.25),
	})
	rollup := model.Rollup{Stamp: model.Stamp{Actor: "system", At: model.TimeOf(noon)}, Exposure: model.Exposure{
		Site: berlin, At: model.TimeOf(noon), AdvisoryN: 3, MatchedHosts: 2, AffectedHosts: 2,
		Top: []model.TopEntry{{Vulnerability: "CVE-2026-1111", Hosts: 2}, {Vulnerability: "CVE-2026-2222", Hosts: 1}},
	}}
	if err := r.rows.Propose(t.Context(), rollup); err != nil {
		t.Fatal(err)
	}
	expect := func(what string, want ...schema.TopEntry) {
		t.Helper()
		sites := read[[]schema.Site](r.rig, r.do("GET", "/api/v1/sites", nil), 200)
		one := read[schema.Site](r.rig, r.do("GET", "/api/v1/sites/berlin", nil), 200)
		list := read[[]schema.Exposure](r.rig, r.do("GET", "/api/v1/exposure", nil), 200)
		for where, got := range map[string][]schema.TopEntry{"sites": sites[0].Exposure.Top, "site": one.Exposure.Top, "exposure": list[0].Top} {
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: %+v, want %+v", what, where, got, want)
			}
		}
	}
	other := schema.TopEntry{Vulnerability: "CVE-2026-2222", Severity: "unknown", Hosts: 1}
	expect("at first", schema.TopEntry{Vulnerability: "CVE-2026-1111", Severity: "unknown", Hosts: 2, KnownExploited: true, EPSS: 0.25}, other)
	r.puts([]model.Advisory{exploited("epss", false, 0.5)}, model.AdvisoryKey{Source: "cisa-kev", ID: "cisa-kev-CVE-2026-1111"})
	expect("after another run", schema.TopEntry{Vulnerability: "CVE-2026-1111", Severity: "unknown", Hosts: 2, EPSS: 0.5}, other)
}
