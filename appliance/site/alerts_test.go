package site

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/model"
)

// alertRig is the evaluator on a real store, with a clock and metrics of the test.
type alertRig struct {
	*testing.T
	a       *alerter
	s       *store
	self    model.NodeID
	now     time.Time
	figures alert.Figures
	judged  int // judgements proposed
}

func newAlertRig(t *testing.T, hosts int) *alertRig {
	t.Helper()
	r := &alertRig{T: t, self: model.NodeID(newID(1)), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	r.s = openStore(t, filepath.Join(t.TempDir(), "index"), r.self, model.RoleSite)
	t.Cleanup(func() { _ = r.s.Close() })
	r.a = &alerter{
		store: r.s.Rows.Store, now: func() time.Time { return r.now }, log: quiet, figures: func(map[alert.Metric]bool) alert.Figures { return r.figures },
		propose: func(ctx context.Context, changes ...model.Change) error {
			for _, c := range changes {
				r.judged += len(c.(model.JudgeAlerts).Judged)
			}
			return r.s.Propose(ctx, changes...)
		},
	}
	r.a.known, r.a.told = map[string]*judged{}, map[string]model.Time{}
	gw := model.NodeID(newID(2))
	m := model.Member{ID: gw, Kind: model.MemberGateway, Name: "gw", TokenHash: "t", TokenExpires: r.stamp().At + 1e6}
	r.must(model.Invite{Stamp: r.stamp(), Member: m}, model.Enroll{Stamp: r.stamp(), Member: gw, TokenHash: "t", Pin: "p"})
	run := model.Received{Stamp: r.stamp(), Origin: gw, Epoch: 1}
	for i := range hosts {
		f, err := model.Encode(model.Facts{Hostname: fmt.Sprint("h", i)})
		if err != nil {
			t.Fatal(err)
		}
		run.Items = append(run.Items, model.Item{Seq: model.Seq(i + 1), Kind: model.ItemFacts, Key: r.host(i).String(), AsOf: run.At, Payload: f})
	}
	r.must(run)
	return r
}

func (r *alertRig) host(i int) model.HostID {
	return model.HostID{0: 9, 6: 0x70, 8: 0x80, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}
}

func (r *alertRig) stamp() model.Stamp {
	return model.Stamp{Actor: "account:ann", At: model.TimeOf(r.now)}
}

func (r *alertRig) must(changes ...model.Change) {
	r.Helper()
	if err := r.s.Propose(r.Context(), changes...); err != nil {
		r.Fatal(err)
	}
}

// after looks once, so much later, and returns how long the evaluator would wait.
func (r *alertRig) after(d time.Duration) time.Duration {
	r.Helper()
	r.now = r.now.Add(d)
	wait, err := r.a.look(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	return wait
}

func (r *alertRig) set(status model.HostStatus, hosts ...int) {
	r.Helper()
	c := model.HostStatuses{Stamp: r.stamp()}
	for _, i := range hosts {
		c.Hosts = append(c.Hosts, model.HostStatusAt{Host: r.host(i), Status: status, LastSeen: c.At})
	}
	r.must(c)
}

func (r *alertRig) counts() model.AlertCounts {
	v := r.s.Rows.Store.View()
	defer v.Close()
	n, _, err := v.AlertCounts(model.SiteID(r.self))
	if err != nil {
		r.Fatal(err)
	}
	return n
}

func (r *alertRig) all() (out []model.Alert) {
	v := r.s.Rows.Store.View()
	defer v.Close()
	if err := v.Alerts(model.AlertID{}, false, func(a model.Alert) (bool, error) { out = append(out, a); return true, nil }); err != nil {
		r.Fatal(err)
	}
	return out
}

// only leaves one rule.
func (r *alertRig) only(rule model.Rule) {
	for _, d := range alert.Defaults() {
		r.must(model.DropRule{Stamp: r.stamp(), Name: d.Name})
	}
	r.must(model.PutRule{Stamp: r.stamp(), Rule: rule})
}

func TestAHostGoesDownAndComesBack(t *testing.T) {
	r := newAlertRig(t, 20)
	r.only(model.Rule{Name: "down", Title: "it is down", Scope: model.ScopeHost, When: "status:down", Severity: model.AlertCritical, ForS: 30, ClearS: 10})
	r.after(0)
	if r.judged != 0 {
		t.Fatalf("%d judgements of hosts that are well", r.judged)
	}
	r.set(model.HostDown, 3)
	if wait := r.after(time.Second); wait != alertTick {
		t.Errorf("it would look again in %v", wait)
	}
	if n := r.counts(); n.Critical != 0 || r.judged != 1 {
		t.Fatalf("%+v after %d judgements", n, r.judged)
	}
	if wait := r.after(25 * time.Second); wait != 5*time.Second {
		t.Errorf("it would look again in %v, and the alert is due in 5 s", wait)
	}
	r.after(5 * time.Second)
	all := r.all()
	if len(all) != 1 || all[0].State != model.AlertOpen || all[0].Label != "h3" || all[0].Value != "status down" || all[0].Host != r.host(3) || all[0].Title != "it is down" {
		t.Fatalf("%+v", all)
	}
	if all[0].OpenedAt.Std().Sub(all[0].SinceAt.Std()) != 30*time.Second {
		t.Errorf("opened at %s, since %s", all[0].OpenedAt, all[0].SinceAt)
	}
	before := r.judged
	for range 5 {
		r.after(20 * time.Second)
	}
	if r.judged != before {
		t.Errorf("%d judgements that were no news", r.judged-before)
	}
	r.must(model.AckAlert{Stamp: r.stamp(), Alert: all[0].ID, Note: "mine"})
	r.set(model.HostUp, 3)
	r.after(time.Second)
	r.after(10 * time.Second)
	if all = r.all(); len(all) != 1 || all[0].State != model.AlertResolved || all[0].Reason != model.EndCleared || all[0].Ack.Note != "mine" {
		t.Fatalf("%+v", all)
	}
	// A start in between forgets nothing: what it waits for goes on.
	r.set(model.HostDown, 3)
	r.after(time.Second)
	r.a.forget()
	r.a.place = 0
	r.after(30 * time.Second)
	if n := r.counts(); n.Critical != 1 || n.Ended != 1 {
		t.Errorf("%+v", n)
	}
	// An operator ends it while it holds: nothing more until it has ended.
	r.must(model.AckAlert{Stamp: r.stamp(), Alert: r.all()[0].ID, Resolve: true})
	r.after(time.Hour)
	r.after(time.Hour)
	if n := r.counts(); n.Critical != 0 || n.Ended != 2 {
		t.Errorf("%+v", n)
	}
}

// Ages grow without any change: they are looked for again all the same.
func TestAgesGrow(t *testing.T) {
	r := newAlertRig(t, 3)
	r.only(model.Rule{Name: "silent", Scope: model.ScopeHost, When: "seen:>7d", Severity: model.AlertWarning})
	r.after(time.Second)
	r.after(6 * 24 * time.Hour)
	if n := r.counts(); n.Warning != 0 {
		t.Fatalf("%+v", n)
	}
	r.after(25 * time.Hour)
	if n := r.counts(); n.Warning != 3 {
		t.Fatalf("%+v", n)
	}
	// One that does not read is no rule to stumble over.
	r.must(model.PutRule{Stamp: r.stamp(), Rule: model.Rule{Name: "later", Scope: model.ScopeHost, When: "mood:bad", Severity: model.AlertInfo}})
	r.set(model.HostUp, 0) // heard again, which alone is no change of a host
	r.after(alertWhole)
	if n := r.counts(); n.Warning != 2 {
		t.Fatalf("%+v", n)
	}
}

func TestSiteRules(t *testing.T) {
	r := newAlertRig(t, 2)
	r.figures.Set(alert.UplinkOffline, 0)
	r.figures.Set(alert.DiskFreePercent, 50)
	r.after(0)
	r.figures.Set(alert.UplinkOffline, 16*60)
	r.figures.Set(alert.DiskFreePercent, 9)
	r.after(time.Second)
	if n := r.counts(); n.Warning != 1 || n.Critical != 0 || n.Newest.Rule != "site-offline" {
		t.Fatalf("%+v", n)
	}
	r.after(60 * time.Second)
	if n := r.counts(); n.Warning != 1 || n.Critical != 1 || n.Newest.Rule != "disk-low" {
		t.Fatalf("%+v", n)
	}
	if a := r.all()[0]; !a.Host.IsZero() || a.Label == "" || a.Value != "disk.free_percent is 9 %" {
		t.Errorf("%+v", a)
	}
	// A metric that is not known says nothing, either way.
	r.figures = alert.Figures{}
	r.after(time.Hour)
	r.after(time.Hour)
	if n := r.counts(); n.Warning != 1 || n.Critical != 1 {
		t.Fatalf("%+v", n)
	}
	r.figures.Set(alert.UplinkOffline, 0)
	r.after(time.Second)
	r.after(60 * time.Second)
	if n := r.counts(); n.Warning != 0 || n.Critical != 1 || n.Ended != 1 {
		t.Fatalf("%+v", n)
	}
}

// Ten thousand hosts go and come, in batches, with one search and no look at each.
func TestManyHosts(t *testing.T) {
	hosts := 10_000
	if testing.Short() {
		hosts = 2_000
	}
	r := newAlertRig(t, hosts)
	ids := make([]int, hosts)
	for i := range ids {
		ids[i] = i
	}
	r.after(0)
	r.set(model.HostDown, ids...)
	began := time.Now()
	r.after(time.Second)
	t.Logf("%d alerts opened in %v", hosts, time.Since(began))
	if n := r.counts(); n.Critical != hosts {
		t.Fatalf("%+v", n)
	}
	r.after(2 * time.Second) // reads again what came of it
	before := r.judged
	began = time.Now()
	r.after(2 * time.Second)
	t.Logf("nothing new in %v", time.Since(began))
	r.set(model.HostUp, ids[:10]...)
	began = time.Now()
	r.after(2 * time.Second)
	t.Logf("ten came back: %v", time.Since(began))
	if n := r.counts(); n.Critical != hosts-10 || n.Ended != 10 || r.judged != before+10 {
		t.Fatalf("%+v after %d judgements", n, r.judged-before)
	}
}

// The evaluator runs by the store's notice.
func TestAlerterRuns(t *testing.T) {
	r := newAlertRig(t, 2)
	r.a.now = time.Now
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := r.a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r.set(model.HostDown, 1)
	for seen := uint64(0); ctx.Err() == nil; {
		v, err := r.s.Rows.Store.Wait(ctx, seen)
		if err != nil {
			break
		}
		if seen = v; r.counts().Critical == 1 {
			break
		}
	}
	if n := r.counts(); n.Critical != 1 {
		t.Errorf("%+v", n)
	}
	cancel()
	ended.Wait()
}
