package merge

import (
	"reflect"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/model"
)

// FuzzResolve decides the fields of any two records, as a bundle could bring them: it never panics, the order plays no part,
// and the row agrees with the whole answer.
func FuzzResolve(f *testing.F) {
	f.Add([]byte(`{"source":"nvd","id":"CVE-2024-1000","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],"cwes":["CWE-79"]}`),
		[]byte(`{"source":"debian-dsa","id":"D-1","aliases":["CVE-2024-1000"],"summary":"x","affected":[{"ecosystem":"Debian:12","name":"a","severity":[{"type":"Word","score":"low"}]}]}`))
	f.Add([]byte(`{"source":"cisa-kev","id":"KEV-1","upstream":["CVE-2024-1000"],"exploit":{"known":"2024-01-01T00:00:00Z"}}`),
		[]byte(`{"source":"epss","id":"E-1","upstream":["CVE-2024-1000"],"exploit":{"probability":0.5,"scored_at":"2024-01-01T00:00:00Z"},"withdrawn":"2024-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, one, other []byte) {
		var a, b model.Advisory
		if model.Decode(one, &a) != nil || model.Decode(other, &b) != nil || a.AdvisoryKey == b.AdvisoryKey {
			return
		}
		groups := usual.group(sortedRecords([]model.Advisory{a, b}))
		for _, g := range groups {
			var members []model.Advisory
			for _, e := range g.Members {
				if e.AdvisoryKey == a.AdvisoryKey {
					members = append(members, a)
				} else {
					members = append(members, b)
				}
			}
			c := model.Canonical{ID: g.ID, Hash: Hash(g.ID), Members: g.Members}
			r := Resolve(c, members)
			if n := len(r.Differences()); n != r.Head.Differing || len(r.Members) != len(members) {
				t.Fatalf("%d fields differ, and the row has %d: %+v", n, r.Head.Differing, r)
			}
			for _, x := range r.Fields {
				if x.Value != x.Said[0].Value || !x.Said[0].Agrees || x.From != x.Said[0].AdvisoryKey {
					t.Fatalf("the winner does not win: %+v", x)
				}
			}
			slices.Reverse(members)
			if again := Resolve(c, members); !reflect.DeepEqual(again, r) {
				t.Fatalf("the order of the records counts:\n%+v\n%+v", r, again)
			}
		}
		if d := FieldDifferences(a, a); d != nil {
			t.Fatalf("it differs from itself: %+v", d)
		}
		for _, d := range FieldDifferences(a, b) {
			if d.Field == "" || len(d.Local) > maxDifference || len(d.Remote) > maxDifference {
				t.Fatalf("%+v", d)
			}
		}
		if j := Judge(a, nil); !reflect.DeepEqual(Judge(j, nil), j) || FieldDifferences(a, j) != nil {
			t.Fatalf("judged twice it is another: %+v", j)
		}
	})
}
