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

// stuckView lets a look at one vulnerability wait.
type stuckView struct {
	View
	id           string
	begun, leave chan struct{}
}

func (v stuckView) Canonical(id string) (model.Canonical, bool, error) {
	if id == v.id {
		close(v.begun)
		<-v.leave
	}
	return v.View.Canonical(id)
}

// One list of sites that waits for the disk does not keep another one waiting, and what it read of old advisories is not remembered.
func TestMarksAreReadSideBySide(t *testing.T) {
	r := newBerlin(t)
	epss := func(p float64) model.Advisory {
		return advisory("epss", "epss-CVE-2026-1111", nil, "", "", "", func(a *model.Advisory) {
			a.Affected, a.Upstream, a.Exploit = nil, []string{"CVE-2026-1111"}, &model.Exploit{Probability: p}
		})
	}
	r.puts([]model.Advisory{advisory("nvd", "CVE-2026-1111", nil, "npm", "express", "4.1.0"), epss(0.25)})
	var m marks
	look := func(v View) float64 {
		top := []schema.TopEntry{{Vulnerability: "CVE-2026-1111"}}
		if err := m.set(v, top); err != nil {
			t.Error(err)
		}
		return top[0].EPSS
	}
	v, done := r.rows.View()
	defer done()
	slow := stuckView{View: v, id: "CVE-2026-1111", begun: make(chan struct{}), leave: make(chan struct{})}
	got := make(chan float64)
	go func() { got <- look(slow) }()
	<-slow.begun
	if p := look(v); p != 0.25 { // it would wait for ever
		t.Errorf("beside it: %v", p)
	}
	r.puts([]model.Advisory{epss(0.5)})
	after, done2 := r.rows.View()
	defer done2()
	if p := look(after); p != 0.5 {
		t.Errorf("after a run: %v", p)
	}
	close(slow.leave)
	if p := <-got; p != 0.25 {
		t.Errorf("as its view has it: %v", p)
	}
	if p := look(after); p != 0.5 {
		t.Errorf("what is remembered is old: %v", p)
	}
}
