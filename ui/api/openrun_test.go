package api

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/apply"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// TestARunOfANodeThatIsDown is given up by whoever comes next and knows that it is down; that of one that is well is waited for.
func TestARunOfANodeThatIsDown(t *testing.T) {
	r := newHQ(t, func(c *Config) { c.Group, c.Node = &fakeGroup{}, model.NodeID{15: 0xa} })
	begin := func(id string) {
		r.Helper()
		if err := r.rows.Propose(t.Context(), model.Stage{
			Stamp: model.Stamp{Actor: "x", At: model.TimeOf(r.clock())}, Run: id, Put: []model.Advisory{{AdvisoryKey: model.AdvisoryKey{Source: "x", ID: "X-1"}}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	open := func() bool {
		_, there := look2(r, func(v View) (apply.Run, bool, error) { return v.OpenRun() })
		return there
	}
	drop := func(id string) {
		r.Helper()
		if err := r.rows.Propose(t.Context(), model.Abandon{Run: id}); err != nil {
			t.Fatal(err)
		}
	}
	const short, never = 20 * time.Millisecond, time.Hour
	down, well, nobody := runOf(model.NodeID{15: 0xc}.String())+"1", runOf(nodeB)+"1", runOf("a node that was removed")+"1"

	begin(down)
	if err := r.server.makeWay(t.Context(), waits{short, never, never}); !errors.Is(err, ErrUnderWay) || !open() {
		t.Errorf("of a node that is down, by one look: %v, open %v", err, open())
	}
	if err := r.server.makeWay(t.Context(), waits{never, never, short}); err != nil || open() {
		t.Errorf("of a node that is down: %v, open %v", err, open())
	}
	begin(runOf(nodeA) + "1")
	if err := r.server.makeWay(t.Context(), waits{never, never, never}); err != nil || open() {
		t.Errorf("of this node: %v, open %v", err, open())
	}
	begin(well)
	err := r.server.makeWay(t.Context(), waits{short, 0, short})
	if !errors.Is(err, ErrUnderWay) || fault.KindOf(err) != fault.Conflict || !open() {
		t.Errorf("of a node that is well: %v, open %v", err, open())
	}
	for _, want := range []string{"b is taking in", "came at " + model.TimeOf(r.clock()).String(), "given up at " + model.TimeOf(r.clock().Add(model.RunPatience)).String()} {
		if err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	// It ends its run while it is waited for.
	ended := make(chan error, 1)
	go func() { ended <- r.server.makeWay(t.Context(), waits{never, never, never}) }()
	drop(well)
	if err := <-ended; err != nil {
		t.Errorf("when it has ended: %v", err)
	}
	begin(nobody)
	if err := r.server.makeWay(t.Context(), waits{short, never, short}); !errors.Is(err, ErrUnderWay) || !open() {
		t.Errorf("of a node that nobody knows, at first: %v, open %v", err, open())
	}
	if err := r.server.makeWay(t.Context(), waits{never, short, short}); err != nil || open() {
		t.Errorf("of a node that nobody knows, when it is quiet: %v, open %v", err, open())
	}
	begin(down)
	if got := r.ingest(packed(t, records(2, "8.0"))); got.AdvisoryN != 2 {
		t.Errorf("%+v", got)
	}
}
