package api

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// What is not resolved comes by severity, the newest first within each, whatever the size of a page.
func TestAlertsComeBySeverity(t *testing.T) {
	var kept []model.Alert // the newest first
	for i := range 30 {
		kept = append(kept, model.Alert{
			ID: model.AlertID{0: 1, 15: byte(30 - i)}, Severity: alertOrder[(i*7)%3], State: model.AlertOpen, OpenedAt: model.Time(100 - i),
		})
	}
	r := siteRig(t, func(c *Config) {
		c.Alerts = func(_ context.Context, f model.AlertFilter) (page model.AlertPage, err error) {
			page = model.AlertPage{At: model.TimeOf(noon), Judged: model.TimeOf(noon)}
			looked, begun := 0, f.After.IsZero()
			for i, a := range kept {
				if !begun {
					begun = a.ID == f.After
					continue
				}
				if len(page.Alerts) == f.Limit || looked == 11 { // it looks only so far for one page
					page.Next = kept[i-1].ID
					return page, nil
				}
				if looked++; f.Severity == "" || f.Severity == a.Severity {
					page.Alerts = append(page.Alerts, a)
				}
			}
			return page, nil
		}
	})
	want := slices.Clone(kept)
	slices.SortStableFunc(want, func(a, b model.Alert) int {
		return slices.Index(alertOrder, a.Severity) - slices.Index(alertOrder, b.Severity)
	})
	for _, c := range []struct {
		query string
		want  []model.Alert
	}{{"", want}, {"&state=open", want}, {"&state=all", kept}} {
		for _, limit := range []int{1, 3, 10, 100} {
			var got []string
			after := ""
			for {
				page := read[schema.Alerts](r, r.do("GET", fmt.Sprintf("/api/v1/alerts?limit=%d%s&after=%s", limit, c.query, after), nil), 200)
				if len(page.Alerts) > limit || page.JudgedAt == nil {
					t.Fatalf("%d alerts of %d, judged %v", len(page.Alerts), limit, page.JudgedAt)
				}
				for _, a := range page.Alerts {
					got = append(got, a.ID)
				}
				if after = page.Next; after == "" {
					break
				}
			}
			if !slices.EqualFunc(got, c.want, func(id string, a model.Alert) bool { return id == a.ID.String() }) {
				t.Errorf("%q by %d: %v", c.query, limit, got)
			}
		}
	}
	for _, after := range []string{"x", "fatal.", "critical.x", model.AlertID{1}.String()} {
		r.refused(r.do("GET", "/api/v1/alerts?after="+after, nil), 422, fault.Invalid, "next of a page")
	}
}
