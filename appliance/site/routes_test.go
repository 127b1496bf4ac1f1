package site

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// What a controller may ask of a site is listed here once more, so that no route is opened by the way: those that read,
// and those that change something.
func TestWhatAControllerMayAsk(t *testing.T) {
	d := newDesk(t)
	reads := []string{
		model.RouteHostDetail, model.RouteHostPackages, model.RouteHostCertificates, model.RouteHostFacts, model.RouteHostOutput, model.RouteHostHistory,
		model.RouteCertificatesExpiring, model.RoutePackagesWhere, model.RouteSiteAudit, model.RouteSiteEvidence, model.RouteAlertsList, model.RoutePolicyResults,
		model.RouteDigest, model.RouteHostExposure, model.RouteExposureCVE, model.RouteExposureDiff,
	}
	changes := []string{model.RouteEndpoints, model.RouteRepair, model.RouteHostRetire}
	listed := slices.Sorted(slices.Values(slices.Concat(reads, changes)))
	if got := slices.Sorted(maps.Keys(d.answers())); !slices.Equal(got, listed) {
		t.Errorf("a controller may ask %q, and this test knows %q", got, listed)
	}
	// The API of the site itself answers no question that changes something.
	for _, route := range slices.Concat(changes, []string{model.RouteDigest, "", "host", "host.*", "HOST.PACKAGES", "../host.packages", "host.packages\x00", strings.Repeat("a", 100_000)}) {
		if _, err := d.ask(route); !fault.Is(err, fault.NotFound) || len(err.Error()) > 1000 {
			t.Errorf("%.40q: %.100v", route, err)
		}
	}
}

// FuzzDrill asks every question about hosts with parameters from anywhere: a question is answered within its bounds, or
// refused as the asker's fault, and never as damage of what is stored.
func FuzzDrill(f *testing.F) {
	d := newDesk(f)
	d.report(model.ItemFacts, model.Facts{Hostname: "web-1"})
	d.report(model.ItemPackages, softwareOf(5))
	d.report(model.ItemPackages, softwareOf(40))
	d.report(model.ItemCertificates, []model.Certificate{{Path: "/x", Fingerprint: strings.Repeat("0", 64), Subject: "CN=x", Issuer: "CN=y", Serial: "1", NotBefore: 1, NotAfter: 2}})
	first := answer[model.HostPackages](d, model.RouteHostPackages, model.ParamLimit, "3")
	answers := drill{d.site}.answers()
	routes := slices.Sorted(maps.Keys(answers))
	host := d.host().String()
	for i := range routes {
		for _, s := range [][5]string{
			{},
			{first.Next, "3"},
			{first.Digest + ".9223372036854775807", "5000"},
			{first.Digest + ".-1", "1"},
			{strings.Repeat("0", 64) + ".0", "1"},
			{first.Digest + ".", "1"},
			{"." + first.Digest, "0"},
			{first.Digest + ".99999999999999999999", "-1"},
			{strings.ToUpper(first.Digest) + ".1", "1"},
			{"1", "2", "1", "2", "packages"},
			{"18446744073709551615", "100", "0", "18446744073709551615", "packages"},
			{"0", "1", "-1", "x", "facts"},
			{"\xff", "\x00", "\r\n", "\x1b[2J", strings.Repeat("k", 9000)},
			{"", "5", "1", "1767323045000", "secret-package-0001"},
		} {
			f.Add(uint8(i), host, s[0], s[1], s[2], s[3], s[4])
		}
	}
	f.Fuzz(func(t *testing.T, route uint8, host, cursor, limit, from, to, word string) {
		name := routes[int(route)%len(routes)]
		p := map[string]string{
			model.ParamHost: host, model.ParamCursor: cursor, model.ParamLimit: limit, model.ParamFrom: from, model.ParamTo: to,
			model.ParamKind: word, model.ParamCommand: word, model.ParamBefore: cursor, model.ParamSeq: cursor,
			"query": word, "until": to, "name": word, "op": from, "version": to,
		}
		v, err := answers[name](t.Context(), p)
		if err != nil {
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.NotFound {
				t.Errorf("%s is refused with kind %s: %v", name, k, err)
			}
			if s := err.Error(); len(s) > 2000 || strings.ContainsAny(s, "\n\r\x1b") {
				t.Errorf("%s is refused with %d bytes: %.200q", name, len(s), s)
			}
			return
		}
		b, err := model.Encode(v)
		if err != nil || len(b) > model.MaxAnswer(name) {
			t.Fatalf("%s answers with %d bytes, %v", name, len(b), err)
		}
		var page struct {
			Next string `json:"next"`
		}
		_ = json.Unmarshal(b, &page) // next is a number where it is one of the audit record
		if page.Next == "" || name == model.RouteHostDetail {
			return
		}
		if page.Next == cursor {
			t.Errorf("%s: the page behind %q is itself", name, cursor)
		}
		p[model.ParamCursor] = page.Next
		if _, err := answers[name](t.Context(), p); err != nil {
			t.Errorf("%s does not take its own cursor %q: %v", name, page.Next, err)
		}
	})
}
