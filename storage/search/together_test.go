package search

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

func numbered(n int) model.Host {
	return model.Host{
		ID: model.HostID{1, byte(n >> 16), byte(n >> 8), byte(n)}, Site: model.SiteID{byte(n % 3)}, Status: model.HostUp,
		Facts: model.Facts{Hostname: fmt.Sprintf("host-%06d", n), Tags: []string{"all"}, IPv4: []string{fmt.Sprintf("10.0.%d.%d", n>>8&255, n&255)}},
	}
}

// TestReadersAndWriter asks costly questions while hosts change, come and go. Hosts that do not change are in
// every answer exactly once, though the questions let the writer through in between.
func TestReadersAndWriter(t *testing.T) {
	const stay, churn = 70_000, 500
	x := New(1)
	x.tuning.cheapWork = 0
	var first []Change
	for n := range stay {
		h := numbered(n)
		first = append(first, Change{ID: h.ID, Host: &h})
	}
	x.Apply(first)
	for x.Tend() {
	}
	ctx, stop := context.WithCancel(t.Context())
	var writer, readers sync.WaitGroup
	writer.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			h := numbered(stay + n%churn)
			h.Hostname = fmt.Sprintf("coming-%d", n)
			x.Apply([]Change{{ID: h.ID, Host: &h}, {ID: numbered(n % stay).ID, Beat: &model.HostBeat{Status: model.HostUp, LastSeen: model.Time(n + 1)}}})
			x.Apply([]Change{{ID: numbered(stay + (n+churn/2)%churn).ID, Gone: true}})
			if n%64 == 0 {
				x.Reach(model.SiteID{2}, n%128 == 0)
				x.Tend()
			}
		}
	})
	text := func(f query.Field, shape query.Shape, s string) query.Term {
		return query.Term{Field: f, Op: query.OpIs, Pattern: query.Pattern{Shape: shape, Text: s}}
	}
	questions := []query.Expr{
		text(query.FieldName, query.ShapeContains, "host-0"),
		query.And{text(query.FieldTag, query.ShapeExact, "all"), text(query.FieldName, query.ShapeGlob, "host*0*")},
		query.And{text(query.FieldName, query.ShapePrefix, "host-"), query.Term{Field: query.FieldUpdates, Op: query.OpIs, Unknown: true}},
		query.Not{X: text(query.FieldName, query.ShapeContains, "coming")},
	}
	for r := range 2 {
		readers.Go(func() {
			for i := range 40 {
				where := questions[(i+r)%len(questions)]
				n, err := x.Count(ctx, query.And{where, text(query.FieldSerial, query.ShapeExact, "")}, 1<<40)
				if err != nil || n < stay || n > stay+churn {
					t.Errorf("%s: %d hosts, %v", query.Format(where), n, err)
				}
				f, err := x.Find(ctx, query.Search{Where: questions[0], Sort: query.Sort{Field: query.FieldSeen, Desc: true}, Limit: 50, Now: 1 << 40})
				if err != nil || len(f.Hits) != 50 || f.Total < stay {
					t.Errorf("%d hits of %d, %v", len(f.Hits), f.Total, err)
				}
				if _, _, err := x.Facets(ctx, questions[0], 1<<40, []query.Field{query.FieldTag, query.FieldSite, query.FieldStatus}, 10); err != nil {
					t.Error(err)
				}
			}
		})
	}
	readers.Wait()
	stop()
	writer.Wait()
	if lines := x.Census(); len(lines) > 0 {
		t.Fatal(lines)
	}
}

// TestNamesAndATest asks for the beginning of a name and a number while names come and go: the number is read
// host by host, and the order of names moves meanwhile.
func TestNamesAndATest(t *testing.T) {
	const stay = 40_000
	x := New(1)
	x.tuning.cheapWork, x.tuning.longStretch, x.tuning.pauseEvery = 0, 1<<30, 1
	var first []Change
	for n := range stay {
		h := numbered(n)
		h.CPUs = 4
		first = append(first, Change{ID: h.ID, Host: &h})
	}
	x.Apply(first)
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			h := numbered(stay + n%5000)
			h.Hostname = fmt.Sprintf("a-%05d", n%5000)
			if n/5000%2 == 0 {
				x.Apply([]Change{{ID: h.ID, Host: &h}})
			} else {
				x.Apply([]Change{{ID: h.ID, Gone: true}})
			}
		}
	})
	where := query.And{
		query.Term{Field: query.FieldHostname, Op: query.OpIs, Pattern: query.Pattern{Shape: query.ShapePrefix, Text: "host-0"}},
		query.Term{Field: query.FieldCPUs, Op: query.OpGreater, Number: 2},
	}
	for range 60 {
		f, err := x.Find(ctx, query.Search{Where: where, Limit: 20})
		if err != nil || f.Total != stay || len(f.Hits) != 20 || f.Hits[0].ID != numbered(0).ID {
			t.Fatalf("%d hosts, %d hits, %v", f.Total, len(f.Hits), err)
		}
	}
	stop()
	writer.Wait()
}

// TestBudget asks what takes too long, or too much.
func TestBudget(t *testing.T) {
	x := New(1)
	var all []Change
	for n := range 5000 {
		h := numbered(n)
		all = append(all, Change{ID: h.ID, Host: &h})
	}
	x.Apply(all)
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	if _, err := x.Count(late, query.All{}, 1); err == nil {
		t.Error("a question whose time was over was answered")
	}
	q, err := x.ask(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer q.done()
	if q.spend(maxWork + 1); !fault.Is(q.err, fault.Busy) {
		t.Errorf("a question beyond its budget: %v", q.err)
	}
	if q.pause() {
		t.Error("it goes on all the same")
	}
}
