package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/sync/bundle"
	"github.com/skerryhq/skerry/ui/schema"
)

// What sites answer about findings is given on with all that it says, at the site itself and at its controller.
func TestFindingsAreGivenOn(t *testing.T) {
	host := hostID(berlin, 0)
	row := model.FleetRow{Host: host, Hostname: "berlin-a"}
	finding := model.Finding{
		Vulnerability: "CVE-2026-0001", Advisory: model.AdvisoryKey{Source: "deb", ID: "D-1"}, Package: "libcurl4", Source: "curl", Version: "1", Fixed: "2",
		Severity: model.SeverityHigh, Verdict: model.VerdictSuppressed, Reason: "not affected",
	}
	standing := model.Standing{Finding: finding, Known: 1000, Probability: 0.25, Accepted: &model.AcceptedBy{ID: "i", By: "ann", Reason: "r", Until: 5000}}
	var asked []string
	ask := func(_ context.Context, route string, p map[string]string) (any, error) {
		asked = append(asked, fmt.Sprint(route, " ", p["name"], " ", p["from"], " ", p["until"], " ", p["query"]))
		top := model.FleetAnswer{At: model.TimeOf(noon), Total: 1, Hosts: 1, Note: "noted"}
		switch route {
		case model.RouteHostExposure:
			return model.HostExposed{Answered: model.Answered{Host: host, At: model.TimeOf(noon), Total: 1}, Open: 3, Findings: []model.Standing{standing}}, nil
		case model.RouteExposureCVE:
			return model.ExposedWhere{FleetAnswer: top, Rows: []model.ExposedAt{{FleetRow: row, Standing: standing}}}, nil
		}
		return model.ExposureDiff{FleetAnswer: top, Rows: []model.ExposureChange{
			{FleetRow: row, At: 2000, Opened: true, Finding: finding, Reason: model.ChangeUpgraded, From: "0", To: "1"},
		}}, nil
	}
	for _, role := range []model.Role{model.RoleController, model.RoleSite} {
		t.Run(string(role), func(t *testing.T) {
			asked = nil
			r := newRig(t, func(c *Config) {
				if c.Role = role; role == model.RoleSite {
					c.Asker, c.Answer = nil, ask
				} else {
					c.Asker = askerFunc(ask)
				}
			})
			if role == model.RoleSite {
				r.mem.self = model.Found{Self: model.NodeID(berlin), Role: role, Name: "berlin"}
			}
			r.site(berlin, "berlin", model.HostUp)
			r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
			h := read[schema.HostExposure](r, r.do("GET", "/api/v1/hosts/berlin-a/exposure", nil), 200)
			if x := h.Findings[0]; h.Open != 3 || h.Hostname != "berlin-a" || !x.KnownExploited || x.EPSS == nil || *x.EPSS != 0.25 || x.Accepted.By != "ann" ||
				x.Verdict != "suppressed" || x.Reason != "not affected" || x.SourcePackage != "curl" || x.Source != "deb" || x.Advisory != "D-1" || x.Severity != "high" {
				t.Errorf("%+v", h)
			}
			w := read[schema.ExposedWhere](r, r.do("GET", "/api/v1/exposure/cve/CVE-2026-0001", nil), 200)
			if len(w.Hosts) != 1 || w.Hosts[0].Site != "berlin" || w.Hosts[0].Package != "libcurl4" || w.Answered[0].Note != "noted" || w.Vulnerability != "CVE-2026-0001" {
				t.Errorf("%+v", w)
			}
			d := read[schema.ExposureDiff](r, r.do("GET", "/api/v1/exposure/diff?from=7d&to=2026-03-01T11:00:00Z&host=berlin-a", nil), 200)
			if c := d.Changes[0]; len(d.Changes) != 1 || c.Change != "opened" || c.Why != "package upgraded" || c.From != "0" || c.To != "1" || c.Finding.Fixed != "2" || d.To == nil {
				t.Errorf("%+v", d)
			}
			want := []string{
				model.RouteHostExposure + "    ", model.RouteExposureCVE + " CVE-2026-0001   ",
				model.RouteExposureDiff + "  2026-02-22T12:00:00.000Z 2026-03-01T11:00:00.000Z id:" + host.String(),
			}
			if !slices.Equal(asked, want) {
				t.Errorf("asked %q, want %q", asked, want)
			}
			for path, says := range map[string]string{
				"/exposure/diff?from=yesterday":                                        "neither a time",
				"/exposure/diff?from=1d&to=2d":                                         "not before the end",
				"/exposure/diff?from=2027-01-01T00:00:00Z":                             "not before the end",
				"/exposure/cve/%20":                                                    "empty",
				"/exposure/cve/CVE-2026-0001?q=status:(":                               "",
				"/exposure/diff?from=999999d":                                          "neither a time",
				"/exposure/cve/" + strings.Repeat("x", 300):                            "",
				"/exposure/diff?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z&q=x": "not before the end",
			} {
				if p := read[schema.Problem](r, r.do("GET", "/api/v1"+path, nil), codeOf(r, "/api/v1"+path)); p.Status < 400 || p.Status >= 500 || !strings.Contains(p.Detail+fmt.Sprint(p.Errors), says) || strings.Contains(p.Detail, "--") {
					t.Errorf("%s: %+v, want it to say %q", path, p, says)
				}
			}
		})
	}
}

func codeOf(r *rig, path string) int { return r.do("GET", path, nil).Code }

// An acceptance is signed by a key that is for it, says who, why and until when, and does not count once it was touched.
func TestRisksAreAccepted(t *testing.T) {
	r := newRowRig(t, model.RoleController, group, "hq", func(c *Config) { c.Keys = KeyFolder{Dir: c.Data} })
	r.puts([]model.Advisory{advisory("deb", "D-1", []string{"CVE-2026-0001"}, "Debian:12", "curl", "2")})
	for _, unknown := range []string{"CVE-2020-9", "sha256:" + strings.Repeat("0", 64)} {
		r.refused(r.do("POST", "/api/v1/exposure/acceptances", schema.AcceptanceMake{Vulnerability: unknown, Reason: "r", Until: "1d"}), 404, fault.NotFound, unknown)
	}
	ask := schema.AcceptanceMake{Vulnerability: " cve-2026-0001 ", Hosts: "os:debian", Package: "curl", Reason: "behind a wall", Until: "90d"}
	a := read[schema.Acceptance](r.rig, r.do("POST", "/api/v1/exposure/acceptances", ask), 201)
	if a.Vulnerability != "CVE-2026-0001" || a.State != "active" || a.Key != "acceptance" || a.By != "local:0" || !a.Until.Equal(noon.Add(90*24*time.Hour)) {
		t.Errorf("%+v", a)
	}
	stored := look(r, func(v View) (model.Acceptance, error) { x, _, err := v.Acceptance(a.ID); return x, err })
	keys := look(r, View.Signers)
	if len(keys) != 1 || !slices.Equal(keys[0].Purposes, []string{model.PurposeAcceptance}) {
		t.Errorf("keys %+v", keys)
	}
	payload, _, err := bundle.Unseal(stored.Envelope, model.AcceptanceType, keys, model.TimeOf(noon), model.PurposeAcceptance)
	plain := stored
	plain.Envelope = nil
	if said, _ := model.Encode(plain); err != nil || string(payload) != string(said) {
		t.Errorf("signed %s (%v), stored %s", payload, err, said)
	}
	if again := read[schema.Acceptance](r.rig, r.do("POST", "/api/v1/exposure/acceptances", ask), 201); again.Key != "acceptance" || again.ID == a.ID || len(look(r, View.Signers)) != 1 {
		t.Errorf("a second one: %+v", again)
	}
	forged := stored
	forged.ID, forged.Vulnerability = "forged", "CVE-2026-0009"
	if err := r.rows.Propose(t.Context(), model.PutAcceptance{Stamp: model.Stamp{At: model.TimeOf(noon)}, Acceptance: forged}); err != nil {
		t.Fatal(err)
	}
	states := map[string]int{}
	for _, x := range read[[]schema.Acceptance](r.rig, r.do("GET", "/api/v1/exposure/acceptances", nil), 200) {
		states[x.State]++
		if (x.State == "invalid") != (x.ID == "forged") || (x.Flaw == "") != (x.State == "active") {
			t.Errorf("%+v", x)
		}
	}
	if states["active"] != 2 || states["invalid"] != 1 {
		t.Errorf("%v", states)
	}
	r.pass(91 * 24 * time.Hour)
	for _, x := range read[[]schema.Acceptance](r.rig, r.do("GET", "/api/v1/exposure/acceptances", nil), 200) {
		if x.State == "active" {
			t.Errorf("it ended: %+v", x)
		}
	}
	if w := r.do("DELETE", "/api/v1/exposure/acceptances/"+a.ID, nil); w.Code != 204 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	r.refused(r.do("DELETE", "/api/v1/exposure/acceptances/"+a.ID, nil), 404, fault.NotFound, "there is no acceptance")
	if len(r.audited("risk.accept")) != 3 || len(r.audited("risk.accept_revoke")) != 1 {
		t.Error("not all of it is in the audit record")
	}
	for says, bad := range map[string]schema.AcceptanceMake{
		"is over":    {Vulnerability: "X", Reason: "r", Until: "2020-01-01T00:00:00Z"},
		"two years":  {Vulnerability: "X", Reason: "r", Until: "3000d"},
		"may not be": {Vulnerability: " ", Reason: "r", Until: "1d"},
	} {
		r.refused(r.do("POST", "/api/v1/exposure/acceptances", bad), 400, fault.Invalid, says)
	}
	if w := r.do("POST", "/api/v1/exposure/acceptances", schema.AcceptanceMake{Vulnerability: "X", Reason: "r", Until: "1d", Hosts: "status:("}); w.Code != 422 {
		t.Errorf("a search that cannot be read: %d %s", w.Code, w.Body)
	}
}

// A dry run at a site says what would open and close on which host, as long as what is listed of it has an end.
func TestAPreviewOfFindings(t *testing.T) {
	r := newRowRig(t, model.RoleSite, model.NodeID(berlin), "berlin")
	st := model.Stamp{Actor: "system", At: model.TimeOf(noon)}
	l := model.Lookup{Ecosystem: "Debian:12", Name: "curl", Source: "curl", Version: "1"}
	packages := []string{}
	for i := range 30 {
		packages = append(packages, fmt.Sprintf("curl-%02d", i))
	}
	m := model.Match{Digest: "d", PartN: 1, Parts: []model.MatchPart{{Lookup: l.ID(), Packages: packages}}}
	agent := model.Member{ID: model.NodeID{0: 1, 6: 0x70, 8: 0x80, 15: 9}, Kind: model.MemberHost, Name: "web-1", TokenHash: "t", TokenExpires: st.At + 1e6}
	facts, err := model.Encode(model.Facts{Hostname: "web-1"})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := model.Encode(model.InventoryRef{Digest: "d", PackageN: 30})
	if err != nil {
		t.Fatal(err)
	}
	key := agent.ID.String()
	err = r.rows.Propose(t.Context(), model.Invite{Stamp: st, Member: agent}, model.Enroll{Stamp: st, Member: agent.ID, TokenHash: "t", Pin: "p"},
		model.Received{Stamp: st, Origin: agent.ID, Epoch: 1, Items: []model.Item{
			{Seq: 1, Kind: model.ItemFacts, Key: key, AsOf: st.At, Payload: facts}, {Seq: 2, Kind: model.ItemPackages, Key: key, AsOf: st.At, Payload: ref},
		}},
		model.Matched{Stamp: st, Judged: []model.Judged{{ID: l.ID(), Lookup: l}}, Matches: []model.Match{m}})
	if err != nil {
		t.Fatal(err)
	}
	a := model.Advisory{AdvisoryKey: model.AdvisoryKey{Source: "debian", ID: "D-1"}, Affected: []model.Affected{
		{Ecosystem: "Debian:12", Name: "curl", Ranges: []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}, {Fixed: "2"}}}}},
	}}
	var got *schema.FindingsPreview
	err = r.rows.Try([]model.Change{model.Advisories{Stamp: st, Put: []model.Advisory{a}}, model.Generation{Stamp: st}}, func(v View) (err error) {
		got, err = r.server.previewFindings(t.Context(), v)
		return err
	})
	if err != nil || got == nil || got.Appear != 30 || got.Disappear != 0 || got.HostN != 1 || len(got.Hosts) != 1 || got.Hosts[0].AppearN != 30 ||
		len(got.Hosts[0].Appear) != previewNames || got.Hosts[0].Appear[0] != "D-1 curl-00 1" || got.Hosts[0].Hostname != "web-1" || got.Inventories != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
