package api

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/ui/schema"
)

// A decision about an alert of a site is sent to it: it is said whether the site has done it, or when it will.
func TestDecideSiteAlert(t *testing.T) {
	id := model.AlertID{14: 7, 15: 0xff}
	var row model.Alert
	var unreachable, older, deaf bool
	var r *rig
	r = newRig(t, func(c *Config) {
		c.Asker = askerFunc(func(_ context.Context, route string, params map[string]string) (any, error) {
			f, err := model.ReadAlertFilter(params)
			switch {
			case err != nil || route != model.RouteAlertsList || f.Limit != 1 || f.Open():
				t.Errorf("%s %v: %v", route, params, err)
			case f.After != (model.AlertID{14: 8}):
				t.Errorf("the alert is looked for before %s", f.After)
			case unreachable:
				return nil, fault.New(fault.Unreachable, "", "no answer")
			case older:
				return nil, fault.New(fault.NotFound, "", "no such question")
			}
			if n := len(r.mem.asks); n > 0 && !deaf {
				if row.State = model.AlertAcknowledged; r.mem.asks[n-1].Resolve {
					row.State = model.AlertResolved
				} else if n == 1 {
					row.Ack.Note = r.mem.asks[0].Note
				}
			}
			return model.AlertPage{Alerts: []model.Alert{row}}, nil
		})
	})
	r.server.pace.decide = 200 * time.Millisecond
	r.site(berlin, "berlin", model.HostUp)
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	decide := func(verb string) schema.AlertDecision {
		t.Helper()
		return read[schema.AlertDecision](r, r.do("POST", "/api/v1/sites/berlin/alerts/"+id.String()+"/"+verb, schema.AlertNote{Note: "mine"}), 200)
	}

	row = model.Alert{ID: id, Rule: "down", State: model.AlertOpen}
	d := decide("acknowledge")
	if d.State != "done" || d.Row == nil || d.Row.State != "acknowledged" || d.Site != "berlin" || d.Action != "acknowledge" || len(r.mem.asks) != 1 {
		t.Fatalf("%+v", d)
	}
	if a := r.mem.asks[0]; a.Site != berlin || a.Alert != id || a.Resolve || a.Note != "mine" || a.Actor == "" {
		t.Errorf("%+v", a)
	}
	if d = decide("acknowledge"); d.State != "done" || len(r.mem.asks) != 1 {
		t.Errorf("done already: %+v, %d sent", d, len(r.mem.asks))
	}
	// What somebody else has to say about it is not lost.
	other := read[schema.AlertDecision](r, r.do("POST", "/api/v1/sites/berlin/alerts/"+id.String()+"/acknowledge", schema.AlertNote{Note: "yours"}), 200)
	if n := len(r.mem.asks); other.State != "done" || other.Row == nil || n != 2 || r.mem.asks[1].Note != "yours" || !strings.Contains(other.Message, "its note stays") {
		t.Fatalf("another note: %+v, %d sent", other, n)
	}
	r.mem.asks = r.mem.asks[:1]
	deaf = true
	if d = decide("resolve"); d.State != "sent" || d.Row != nil || !r.mem.asks[1].Resolve {
		t.Errorf("%+v", d)
	}
	unreachable = true
	if d = decide("resolve"); d.State != "waiting" || len(r.mem.asks) != 3 {
		t.Errorf("it has a link and does not answer: %+v", d)
	}
	r.links[model.NodeID(berlin)] = Link{Since: noon}
	if d = decide("acknowledge"); d.State != "waiting" || len(r.mem.asks) != 4 {
		t.Errorf("it has no link: %+v", d)
	}

	unreachable, older = false, true
	r.links[model.NodeID(berlin)] = Link{Up: true, Since: noon}
	path := "/api/v1/sites/berlin/alerts/" + id.String() + "/"
	r.refused(r.do("POST", path+"acknowledge", schema.AlertNote{}), 409, fault.Conflict, "does not answer for alerts")
	older = false
	row.State = model.AlertResolved
	r.refused(r.do("POST", path+"acknowledge", schema.AlertNote{}), 409, fault.Conflict, "was resolved at")
	row.ID = model.AlertID{1}
	r.refused(r.do("POST", path+"acknowledge", schema.AlertNote{}), 404, fault.NotFound, "site berlin has no alert")
	r.refused(r.do("POST", "/api/v1/sites/berlin/alerts/x/resolve", schema.AlertNote{}), 400, fault.Invalid, "is not an id")
	r.refused(r.do("POST", "/api/v1/sites/nowhere/alerts/"+id.String()+"/resolve", schema.AlertNote{}), 404, fault.NotFound, "nowhere")
	if len(r.mem.asks) != 4 {
		t.Errorf("%d were sent", len(r.mem.asks))
	}
}

// A site decides about its own alerts under its own name as well.
func TestDecideOwnAlert(t *testing.T) {
	id := model.AlertID{15: 7}
	r := siteRig(t)
	r.mem.alerts[id] = model.Alert{ID: id, Rule: "down", State: model.AlertOpen}
	d := read[schema.AlertDecision](r, r.do("POST", "/api/v1/sites/berlin/alerts/"+id.String()+"/acknowledge", schema.AlertNote{}), 200)
	if d.State != "done" || d.Row == nil || d.Row.State != "acknowledged" || d.Site != "berlin" {
		t.Errorf("%+v", d)
	}
	r.refused(r.do("POST", "/api/v1/sites/oslo/alerts/"+id.String()+"/acknowledge", schema.AlertNote{}), 404, fault.NotFound, `this is site "berlin"`)
}
