package site

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/storage/clock"
)

// noBodies is a detail tier with one inventory.
type noBodies struct{}

func (noBodies) Inventory(d string) (model.Inventory, bool, error) {
	return model.Inventory{Packages: []model.Package{{Manager: "dpkg", Name: "telnetd", Version: "1"}}}, d == "p", nil
}

func (noBodies) Certificates(string) ([]model.Certificate, bool, error) { return nil, false, nil }

// evaluatorOf evaluates on the store of an alertRig.
func (r *alertRig) evaluator() (e *evaluator, proposed *int) {
	proposed = new(int)
	return &evaluator{
		store: r.s.Rows.Store, detail: noBodies{}, now: func() time.Time { return r.now }, log: quiet,
		propose: func(ctx context.Context, changes ...model.Change) error {
			for _, c := range changes {
				*proposed += len(c.(model.Evaluated).Hosts)
			}
			return r.s.Propose(ctx, changes...)
		},
	}, proposed
}

// compliance returns how many hosts have which.
func (r *alertRig) compliance() map[string]int {
	r.Helper()
	out := map[string]int{}
	v := r.s.Rows.Store.View()
	defer v.Close()
	err := v.EachHost(func(h model.Host) error {
		c := "none"
		if h.Compliance != nil {
			c = fmt.Sprint(*h.Compliance)
		}
		out[c]++
		return nil
	})
	if err != nil {
		r.Fatal(err)
	}
	return out
}

func (r *alertRig) expect(what string, want map[string]int) {
	r.Helper()
	if got := r.compliance(); fmt.Sprint(got) != fmt.Sprint(want) {
		r.Errorf("%s: %v, want %v", what, got, want)
	}
}

func policyOf(n byte, where string, queries ...string) model.Policy {
	body := ""
	for i, q := range queries {
		body += fmt.Sprintf(`,{"id":"c%d","title":"","severity":"low","expect":%s}`, i, q)
	}
	return model.Policy{ID: model.PolicyID(newID(n)), Name: fmt.Sprint("p", n), Kind: model.PolicyBaseline, Where: where, Body: jsontext.Value(`{"checks":[` + body[1:] + `]}`)}
}

func TestPoliciesAreEvaluated(t *testing.T) {
	const hosts = 1200 // more than one proposal
	r := newAlertRig(t, hosts)
	e, proposed := r.evaluator()
	look := func() int {
		t.Helper()
		*proposed = 0
		if err := e.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		return *proposed
	}
	if n := look(); n != 0 {
		t.Fatalf("%d hosts without a policy", n)
	}
	put := func(p model.Policy) { t.Helper(); r.must(model.PutPolicy{Stamp: r.stamp(), Policy: p}) }
	p := policyOf(1, "", `{"query":"status:up"}`, `{"query":"reboot:no"}`)
	put(p)
	if n := look(); n != hosts {
		t.Errorf("%d hosts were proposed", n)
	}
	r.expect("a policy came", map[string]int{"50": hosts}) // whether a reboot waits is not known
	if n := look(); n != 0 {
		t.Errorf("%d hosts were proposed again", n)
	}
	r.set(model.HostDown, 1, 2, 3)
	if n := look(); n != 3 {
		t.Errorf("%d hosts were proposed where three changed", n)
	}
	r.expect("hosts changed", map[string]int{"0": 3, "50": hosts - 3})
	p.Where = "name:h1*"
	put(p)
	look()
	var h1 int
	for i := range hosts {
		if fmt.Sprint(i)[0] == '1' {
			h1++
		}
	}
	r.expect("the policy is for fewer", map[string]int{"0": 1, "50": h1 - 1, "none": hosts - h1})
	put(policyOf(2, "", `{"package":{"name":"telnetd","state":"absent"}}`))
	look()
	r.expect("a second one", map[string]int{"0": 1 + hosts - h1, "33.3": h1 - 1})
	// What does not read here is not known to be met.
	later := policyOf(3, "name:h0", `{"query":"moon:full"}`)
	put(later)
	look()
	r.expect("one of a newer version", map[string]int{"0": 1 + hosts - h1, "33.3": h1 - 1})
	for n := range byte(3) {
		r.must(model.DropPolicy{Stamp: r.stamp(), Policy: model.PolicyID(newID(n + 1))})
	}
	look()
	r.expect("all are gone", map[string]int{"none": hosts})
	v := r.s.Rows.Store.View()
	defer v.Close()
	if n, _, _ := v.Counts(model.SiteID(r.self)); n.ComplianceN != 0 || n.Compliance != 0 {
		t.Errorf("%+v", n)
	}
}

// Ages grow while nothing changes.
func TestPoliciesOfAges(t *testing.T) {
	r := newAlertRig(t, 2)
	e, _ := r.evaluator()
	r.must(model.PutPolicy{Stamp: r.stamp(), Policy: policyOf(1, "", `{"query":"seen:<1d"}`)})
	for _, tc := range []struct {
		later time.Duration
		want  string
	}{{0, "100"}, {23 * time.Hour, "100"}, {2 * time.Hour, "0"}} {
		r.now = r.now.Add(tc.later)
		if err := e.look(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.expect("after "+tc.later.String(), map[string]int{tc.want: 2})
	}
}

// Pages of results go through all hosts, and name what each fails.
func TestPolicyResultsOfSite(t *testing.T) {
	const hosts = 1500
	r := newAlertRig(t, hosts)
	p := policyOf(1, "", `{"query":"status:up"}`, `{"query":"tag:x"}`)
	q := policyOf(2, "", `{"query":"status:up"}`)
	r.must(model.PutPolicy{Stamp: r.stamp(), Policy: p}, model.PutPolicy{Stamp: r.stamp(), Policy: q})
	r.set(model.HostDown, 1, 1400)
	s := &site{rows: r.s.Rows, clock: clock.Open(clock.Config{Path: filepath.Join(t.TempDir(), "clock.json"), Log: quiet})}
	pages := func(ask model.PolicyQuestion) (out []model.PolicyHost, n int) {
		t.Helper()
		for {
			got, err := s.policyResults(t.Context(), ask)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Hosts) > ask.Limit {
				t.Fatalf("%d hosts on a page of %d", len(got.Hosts), ask.Limit)
			}
			out, n = append(out, got.Hosts...), n+1
			if ask.After = got.Next; got.Next == "" {
				return out, n
			}
		}
	}
	all, _ := pages(model.PolicyQuestion{Policy: p.ID, Limit: 7})
	seen := map[model.HostID]bool{}
	for _, h := range all {
		seen[h.Host] = true
	}
	if len(all) != hosts || len(seen) != hosts {
		t.Errorf("%d rows of %d hosts", len(all), len(seen))
	}
	failed, n := pages(model.PolicyQuestion{Policy: q.ID, Limit: 100})
	if len(failed) != 2 || n != 2 || failed[0].Failed != 1 || failed[0].Name != "h1" || failed[0].Checks[0].Check != "c0" || failed[0].Checks[0].Reason == "" {
		t.Errorf("%d pages: %+v", n, failed)
	}
	one, err := s.policyResults(t.Context(), model.PolicyQuestion{Policy: p.ID, Host: r.host(5), All: true, Limit: 1})
	if err != nil || len(one.Hosts) != 1 || one.Hosts[0].Met != 1 || one.Hosts[0].Failed != 1 || len(one.Hosts[0].Checks) != 2 || one.Version != 1 {
		t.Errorf("%+v, %v", one, err)
	}
	if _, err := s.policyResults(t.Context(), model.PolicyQuestion{Policy: model.PolicyID(newID(9)), Limit: 1}); err == nil {
		t.Error("results of no policy")
	}
	if _, err := s.policyResults(t.Context(), model.PolicyQuestion{Policy: p.ID, Host: model.HostID(newID(99)), Limit: 1}); err == nil {
		t.Error("results of no host")
	}
}

// What could not be stored for a while is tried again soon, though no row changes, and not after a day.
func TestPoliciesAreTriedAgain(t *testing.T) {
	r := newAlertRig(t, 3)
	e, _ := r.evaluator()
	e.pause = 20 * time.Millisecond
	propose, failed := e.propose, 0
	e.propose = func(ctx context.Context, changes ...model.Change) error {
		if failed++; failed < 4 {
			return fault.New([]fault.Kind{0, fault.Full, fault.ReadOnly, fault.Busy}[failed], "", "not now")
		}
		return propose(ctx, changes...)
	}
	r.must(model.PutPolicy{Stamp: r.stamp(), Policy: policyOf(1, "", `{"query":"status:up"}`)})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	eventually(t, "the hosts have a compliance", func() bool { return r.compliance()["none"] == 0 })
	stop()
	if err := <-done; err != nil || failed < 4 {
		t.Errorf("%v after %d proposals", err, failed)
	}
}
