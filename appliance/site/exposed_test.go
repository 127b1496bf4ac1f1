package site

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/recalc"
	"github.com/skerryhq/skerry/storage/index"
	"github.com/skerryhq/skerry/sync/bundle"
)

// matching runs the recalculation of a desk until the test ends.
func (d *desk) matching() {
	d.Helper()
	ctx, cancel := context.WithCancel(d.Context())
	ended := make(chan error, 1)
	c := recalc.Config{
		Site: model.SiteID(newID(1)), Wait: d.rows.Wait, Inventories: inventories{d.detail}, Proposer: d.rows,
		View: func() (recalc.View, func()) { v := d.rows.Store.View(); return v, func() { _ = v.Close() } },
		Now:  d.clock.Now, Settle: func(context.Context) error { return nil }, Log: quiet, Idle: 20 * time.Millisecond,
	}
	d.accepting(&c)
	go func() { ended <- recalc.Run(ctx, c) }()
	d.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			d.Error(err)
		}
	})
}

// until waits for rows.
func (d *desk) until(what string, is func(v *index.View) (bool, error)) {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), 20*time.Second)
	defer cancel()
	for {
		seen := d.rows.Version()
		v := d.rows.Store.View()
		ok, err := is(v)
		_ = v.Close()
		if err != nil {
			d.Fatal(err)
		}
		if ok {
			return
		}
		if _, err := d.rows.Wait(ctx, seen); err != nil {
			d.Fatalf("%s: %v", what, err)
		}
	}
}

// level waits until nothing is marked.
func (d *desk) level() {
	d.Helper()
	d.until("all being matched", func(v *index.View) (bool, error) {
		dirty, err := v.DirtyDigests(0)
		h, _, err2 := v.Host(d.host())
		return len(dirty) == 0 && !h.ExposureAt.IsZero(), fault.Wrap("", firstError(err, err2))
	})
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *desk) publish(c model.Advisories) {
	d.Helper()
	c.Stamp = stamp()
	d.propose(c, model.Generation{Stamp: stamp()})
	d.level()
}

// later returns a time behind everything so far, when it is over.
func later() model.Time {
	now := model.TimeOf(time.Now())
	for model.TimeOf(time.Now()) <= now+1 {
		runtime.Gosched()
	}
	return now + 1
}

func advisory(id, pkg, fixed, severity string) model.Advisory {
	a := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "deb", ID: "D-" + id}, Aliases: []string{id}}
	e := model.Affected{Ecosystem: "Debian:12", Name: pkg}
	if fixed != "" {
		e.Ranges = []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}, {Fixed: fixed}}}}
	}
	a.Affected = []model.Affected{e}
	if severity != "" {
		a.Severity = []model.Score{{Type: "Word", Score: severity}}
	}
	return a
}

func TestFindingsAreAnswered(t *testing.T) {
	d := newDesk(t)
	d.report(model.ItemFacts, model.Facts{Hostname: "web-1"})
	if h := answer[model.HostExposed](d, model.RouteHostExposure); h.Lacks == "" || h.Findings == nil {
		t.Errorf("a host that has reported nothing: %+v", h)
	}
	d.report(model.ItemPackages, softwareOf(10))
	vex := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "vendor", ID: "V-1"}, Aliases: []string{"CVE-2026-0004"}, Statements: []model.Statement{
		{Products: []string{"pkg:deb/debian/secret-package-0010"}, Status: model.StatementNotAffected, Justification: "component_not_present"},
	}}
	known := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "kev", ID: "CVE-2026-0003"}, Exploit: &model.Exploit{Known: 1_700_000_000_000}}
	d.propose(model.Advisories{Stamp: stamp(), Put: []model.Advisory{
		advisory("CVE-2026-0001", "secret-package-0007", "20", "critical"), advisory("CVE-2026-0002", "secret-package-0008", "", "high"),
		advisory("CVE-2026-0003", "secret-package-0009", "30", "low"), advisory("CVE-2026-0004", "secret-package-0010", "20", "high"), vex, known,
	}}, model.Generation{Stamp: stamp()})
	d.matching()
	d.level()
	var got []string
	h := answer[model.HostExposed](d, model.RouteHostExposure)
	for _, f := range h.Findings {
		got = append(got, fmt.Sprint(f.Vulnerability, " ", f.Verdict, " ", !f.Known.IsZero(), " ", f.Reason))
	}
	want := []string{
		"CVE-2026-0003 affected true ", // exploited goes before severe
		"CVE-2026-0001 affected false ",
		"CVE-2026-0002 unknown false the record names no versions",
		"CVE-2026-0004 suppressed false not affected (component_not_present), says vendor/V-1",
	}
	if !slices.Equal(got, want) || h.Open != 3 || h.Total != 4 {
		t.Errorf("%+v\n%q\nwant\n%q", h.Answered, got, want)
	}
	p := answer[model.HostExposed](d, model.RouteHostExposure, model.ParamLimit, "3")
	if rest := answer[model.HostExposed](d, model.RouteHostExposure, model.ParamCursor, p.Next); len(p.Findings) != 3 || len(rest.Findings) != 1 || rest.Next != "" {
		t.Errorf("pages of %d and %d", len(p.Findings), len(rest.Findings))
	}
	for id, n := range map[string]int{"cve-2026-0001": 1, "D-CVE-2026-0001": 1, "CVE-2026-0004": 1, "CVE-2026-9999": 0} {
		q := model.FleetQuestion{Limit: 5, Name: id}
		v, err := drill{d.site}.answer(t.Context(), model.RouteExposureCVE, q.Params())
		if err != nil {
			t.Fatal(err)
		}
		if a := v.(model.ExposedWhere); len(a.Rows) != n || a.Hosts != 1 || a.Lacks != 0 || n == 1 && a.Rows[0].Hostname != "web-1" {
			t.Errorf("%s: %+v", id, a)
		}
	}
	q := model.FleetQuestion{Limit: 5}
	if _, err := (drill{d.site}).answer(t.Context(), model.RouteExposureCVE, q.Params()); !fault.Is(err, fault.Invalid) {
		t.Errorf("no identifier: %v", err)
	}
}

func (d *desk) diff(from, to model.Time) (out []string) {
	d.Helper()
	q := model.FleetQuestion{Limit: 50, From: from, Until: to}
	v, err := drill{d.site}.answer(d.Context(), model.RouteExposureDiff, q.Params())
	if err != nil {
		d.Fatal(err)
	}
	for _, c := range v.(model.ExposureDiff).Rows {
		word := "closed"
		if c.Opened {
			word = "opened"
		}
		if c.At <= from || to > 0 && c.At > to {
			d.Errorf("%s at %s, which is not between %s and %s", c.Finding.Vulnerability, c.At, from, to)
		}
		out = append(out, fmt.Sprintf("%s %s: %s %s>%s", word, c.Finding.Vulnerability, c.Reason, c.From, c.To))
	}
	slices.Sort(out)
	return out
}

// What opened and closed between two times is told with its reason, whichever it was, and also when it is long past.
func TestWhatOpenedAndClosed(t *testing.T) {
	d := newDesk(t)
	begin := later()
	d.report(model.ItemFacts, model.Facts{Hostname: "web-1"})
	d.report(model.ItemPackages, softwareOf(10))
	d.matching()
	d.publish(model.Advisories{Put: []model.Advisory{advisory("CVE-2026-0009", "nowhere", "1", "low")}}) // it is matched before what is told below
	withdrawn := advisory("CVE-2026-0005", "secret-package-0011", "20", "low")
	d.publish(model.Advisories{Put: []model.Advisory{
		advisory("CVE-2026-0001", "secret-package-0007", "20", "critical"), advisory("CVE-2026-0003", "secret-package-0009", "30", "high"), withdrawn,
		advisory("CVE-2026-0006", "secret-package-0012", "30", ""),
	}})
	first := later()
	withdrawn.Withdrawn = 7
	vex := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "vendor", ID: "V-1"}, Aliases: []string{"CVE-2026-0006"}, Statements: []model.Statement{
		{Products: []string{"pkg:deb/debian/secret-package-0012@10"}, Status: model.StatementFixed},
	}}
	d.publish(model.Advisories{
		Put: []model.Advisory{advisory("CVE-2026-0007", "secret-package-0013", "11", "medium"), withdrawn, vex}, Delete: []model.AdvisoryKey{{Source: "deb", ID: "D-CVE-2026-0003"}},
	})
	byAdvisories := []string{
		"closed CVE-2026-0003: advisory deleted >", "closed CVE-2026-0005: advisory withdrawn >", "closed CVE-2026-0006: vex statement >",
		"opened CVE-2026-0007: advisory published >",
	}
	second := later()
	if got := d.diff(first, 0); !slices.Equal(got, byAdvisories) {
		t.Errorf("since the first time %q, want %q", got, byAdvisories)
	}
	if got := d.diff(second, 0); len(got) != 0 {
		t.Errorf("since the second %q", got)
	}
	newer := softwareOf(10)
	newer.Packages[7].Version = "25"
	newer.Packages = slices.Delete(newer.Packages, 13, 14)
	d.report(model.ItemPackages, newer)
	d.level()
	third := later()
	byHost := []string{"closed CVE-2026-0001: package upgraded 10>25", "closed CVE-2026-0007: package removed 10>"}
	if got := d.diff(second, third); !slices.Equal(got, byHost) {
		t.Errorf("between the second and the third %q, want %q", got, byHost)
	}
	if got := d.diff(first, second); !slices.Equal(got, byAdvisories) {
		t.Errorf("between the first and the second, asked later: %q, want %q", got, byAdvisories)
	}
	// A host that is younger than the span: the advisories came after it.
	young := []string{"opened CVE-2026-0001: advisory published >", "opened CVE-2026-0007: advisory published >"}
	if got := d.diff(begin, second); !slices.Equal(got, young) {
		t.Errorf("from before the host to the second %q, want %q", got, young)
	}
	// Another record of what is open already opens nothing, and of what came before the package the package does.
	again := advisory("CVE-2026-0007", "secret-package-0013", "11", "medium")
	again.ID = "D-again"
	d.publish(model.Advisories{Put: []model.Advisory{again}})
	fourth := later()
	d.report(model.ItemPackages, softwareOf(10))
	d.level()
	byHost = []string{"opened CVE-2026-0001: package downgraded 25>10", "opened CVE-2026-0007: package installed >10"}
	if got := d.diff(third, 0); !slices.Equal(got, byHost) {
		t.Errorf("since the third %q, want %q", got, byHost)
	}
	if got := d.diff(fourth, 0); !slices.Equal(got, byHost) {
		t.Errorf("since the fourth %q, want %q", got, byHost)
	}
	q := model.FleetQuestion{Limit: 5, From: third, Until: first}
	if _, err := (drill{d.site}).answer(t.Context(), model.RouteExposureDiff, q.Params()); !fault.Is(err, fault.Invalid) {
		t.Errorf("an end before its beginning: %v", err)
	}
}

// signed returns an acceptance with the signature of key.
func signed(t testing.TB, key *ecdsa.PrivateKey, a model.Acceptance) model.Acceptance {
	t.Helper()
	payload, err := model.Encode(a)
	if err == nil {
		a.Envelope, err = bundle.Seal(key, model.AcceptanceType, payload)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// An acceptance counts for the hosts that it is of while it holds, and only if a key signed it that may.
func TestAcceptancesCountIfSigned(t *testing.T) {
	d := newDesk(t)
	d.report(model.ItemFacts, model.Facts{Hostname: "web-1"})
	d.report(model.ItemPackages, softwareOf(10))
	d.matching()
	d.publish(model.Advisories{Put: []model.Advisory{advisory("CVE-2026-0001", "secret-package-0007", "20", "critical"), advisory("CVE-2026-0003", "secret-package-0009", "30", "high")}})
	keys := map[string]*ecdsa.PrivateKey{}
	for name, may := range map[string][]string{"risk": {model.PurposeAcceptance}, "stranger": nil} {
		key, err := bundle.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = key
		public, err := bundle.EncodePublic(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		if may != nil {
			d.propose(model.TrustSigner{Stamp: stamp(), Key: model.SignerKey{ID: bundle.KeyID(&key.PublicKey), Name: name, Public: string(public), AddedAt: 1, Purposes: may}})
		}
	}
	st := stamp()
	a := model.Acceptance{ID: "a", Vulnerability: "CVE-2026-0001", Reason: "behind a wall", By: "account:ann", At: st.At, Until: st.At + 3_600_000}
	counts := func(critical, high int) func(v *index.View) (bool, error) {
		return func(v *index.View) (bool, error) {
			h, _, err := v.Host(d.host())
			return h.Exposure.Critical == critical && h.Exposure.High == high, err
		}
	}
	before := later()
	forged := signed(t, keys["risk"], a)
	forged.Vulnerability, forged.ID = "CVE-2026-0003", "forged"
	strange := signed(t, keys["stranger"], model.Acceptance{ID: "b", Vulnerability: "CVE-2026-0003", Reason: "x", By: "me", At: st.At, Until: st.At + 3_600_000})
	elsewhere := signed(t, keys["risk"], model.Acceptance{ID: "c", Vulnerability: "CVE-2026-0003", Hosts: "hostname:db-1", Reason: "x", By: "me", At: st.At, Until: st.At + 3_600_000})
	a.At = before + 1
	for _, x := range []model.Acceptance{forged, strange, elsewhere, signed(t, keys["risk"], a)} {
		d.propose(model.PutAcceptance{Stamp: stamp(), Acceptance: x})
	}
	d.until("the accepted one being out of the counts", counts(0, 1))
	h := answer[model.HostExposed](d, model.RouteHostExposure)
	if len(h.Findings) != 2 || h.Open != 1 || h.Findings[1].Accepted == nil || h.Findings[1].Accepted.By != "account:ann" || h.Findings[0].Accepted != nil {
		t.Errorf("%+v", h)
	}
	later()
	if got := d.diff(before, 0); !slices.Equal(got, []string{"closed CVE-2026-0001: risk accepted >"}) {
		t.Errorf("since before it: %q", got)
	}
	d.propose(model.DropAcceptance{Stamp: stamp(), ID: "a"})
	d.until("the finding being back", counts(1, 1))
}
