package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

const day = 24 * 60 * 60 * 1000

var now model.Time = 1_760_000_000_000

// shelf is a detail tier, which counts how often it is asked.
type shelf struct {
	inventories  map[string]model.Inventory
	certificates map[string][]model.Certificate
	asked        int
	err          error
}

func (s *shelf) Inventory(d string) (model.Inventory, bool, error) {
	s.asked++
	i, ok := s.inventories[d]
	return i, ok, s.err
}

func (s *shelf) Certificates(d string) ([]model.Certificate, bool, error) {
	s.asked++
	c, ok := s.certificates[d]
	return c, ok, s.err
}

func baseline(body string) model.Policy {
	return model.Policy{Name: "cis", Kind: model.PolicyBaseline, Body: jsontext.Value(body)}
}

// one is a baseline of one check with that expectation.
func one(expect string) model.Policy {
	return baseline(`{"checks":[{"id":"c","title":"t","severity":"high","expect":` + expect + `}]}`)
}

func full() model.Host {
	return model.Host{
		Facts:   model.Facts{Hostname: "web-1", OS: model.OS{ID: "debian", Version: "12"}, Kernel: "6.1.0", Arch: "x86_64", RebootNeeded: new(false), CPUs: 4, MemoryMB: 4096},
		FactsAt: now - 1000, Status: model.HostUp, LastSeen: now - 1000,
		PackagesDigest: "p", PackagesAt: now, PackageN: 3, CertificatesDigest: "c", CertificatesAt: now, NextCertExpiry: now + 40*day,
		ExposureAt: now, Updates: new(0),
	}
}

func TestJudge(t *testing.T) {
	d := &shelf{
		inventories: map[string]model.Inventory{"p": {OS: model.OS{ID: "debian", Version: "12"}, Packages: []model.Package{
			{Manager: "dpkg", Name: "openssl", Version: "3.0.11-1~deb12u2"},
			{Manager: "dpkg", Name: "telnetd", Version: "0.17-44"},
			{Manager: "dpkg", Name: "linux", Version: "6.1.55-1"},
			{Manager: "dpkg", Name: "linux", Version: "6.1.90-1"},
			{Manager: "own", Name: "odd", Version: "1"},
			{Manager: "dpkg", Name: "broken", Version: "no version!"},
		}}},
		certificates: map[string][]model.Certificate{
			"c":    {{Path: "/a.pem", NotAfter: now + 40*day}, {Path: "/ca.pem", CA: true, SelfSigned: true, NotAfter: now - day}},
			"self": {{Path: "/s.pem", NotAfter: now + 400*day, SelfSigned: true}},
			"cas":  {{CA: true}},
			"none": {},
		},
	}
	for _, tc := range []struct {
		expect string
		change func(*model.Host)
		want   Outcome
		reason string
	}{
		{`{"query":"reboot:no"}`, nil, Met, ""},
		{`{"query":"reboot:no"}`, func(h *model.Host) { h.RebootNeeded = new(true) }, Failed, "it is not reboot:no"},
		{`{"query":"reboot:no"}`, func(h *model.Host) { h.RebootNeeded = nil }, Unknown, "reboot of this host is not known"},
		{`{"query":"-reboot:yes"}`, func(h *model.Host) { h.RebootNeeded = nil }, Unknown, "reboot"},
		{`{"query":"reboot:unknown"}`, func(h *model.Host) { h.RebootNeeded = nil }, Met, ""},
		{`{"query":"cve:critical:0"}`, nil, Met, ""},
		{`{"query":"cve:critical=0"}`, func(h *model.Host) { h.ExposureAt = 0 }, Unknown, "cve"},
		{`{"query":"reboot:no or os:debian"}`, func(h *model.Host) { h.RebootNeeded = nil }, Met, ""},
		{`{"query":"reboot:no os:alpine"}`, func(h *model.Host) { h.RebootNeeded = nil }, Failed, ""},
		{`{"query":"kernel:>=6.1"}`, nil, Met, ""},
		{`{"query":"kernel:>=6.1"}`, func(h *model.Host) { h.Kernel = "" }, Unknown, "kernel"},
		{`{"query":"owner:*"}`, nil, Failed, ""},
		{`{"query":"owner:*"}`, func(h *model.Host) { *h = model.Host{} }, Unknown, "owner"},
		{`{"query":"seen:<1h"}`, nil, Met, ""},
		{`{"query":"cert:>30d"}`, nil, Met, ""},
		{`{"query":"status:up"}`, func(h *model.Host) { h.Status = "" }, Unknown, "status"},
		{`{"package":{"name":"openssl"}}`, nil, Met, ""},
		{`{"package":{"name":"openssl","at_least":"3.0.11-1~deb12u2"}}`, nil, Met, ""},
		{`{"package":{"name":"openssl","at_least":"3.0.11-1"}}`, nil, Failed, "openssl 3.0.11-1~deb12u2 is below 3.0.11-1"},
		{`{"package":{"name":"openssl","at_least":"???"}}`, nil, Unknown, "cannot be compared"},
		{`{"package":{"name":"broken","at_least":"1"}}`, nil, Unknown, "cannot be compared"},
		{`{"package":{"name":"odd","at_least":"0"}}`, nil, Unknown, "cannot be compared"},
		{`{"package":{"name":"linux","at_least":"6.1.60"}}`, nil, Failed, "6.1.55-1"},
		{`{"package":{"name":"none"}}`, nil, Failed, "none is not installed"},
		{`{"package":{"name":"none","state":"optional","at_least":"1"}}`, nil, Beside, ""},
		{`{"package":{"name":"telnetd","state":"absent"}}`, nil, Failed, "telnetd 0.17-44 is installed"},
		{`{"package":{"name":"none","state":"absent"}}`, nil, Met, ""},
		{`{"package":{"name":"none","state":"absent"}}`, func(h *model.Host) { h.PackagesDigest = "" }, Unknown, "not reported yet"},
		{`{"package":{"name":"none","state":"absent"}}`, func(h *model.Host) { h.PackagesDigest = "gone" }, Unknown, "not in the detail tier"},
		{`{"certificates":{"valid_days":30}}`, nil, Met, ""},
		{`{"certificates":{"valid_days":41}}`, nil, Failed, "/a.pem is valid until"},
		{`{"certificates":{"no_self_signed":true}}`, func(h *model.Host) { h.CertificatesDigest = "self" }, Failed, "signed by itself"},
		{`{"certificates":{}}`, func(h *model.Host) { h.CertificatesDigest = "cas" }, Beside, ""},
		{`{"certificates":{}}`, func(h *model.Host) { h.CertificatesDigest = "none" }, Beside, ""},
		{`{"certificates":{}}`, func(h *model.Host) { h.CertificatesDigest = "" }, Unknown, "not reported"},
		{`{"certificates":{}}`, func(h *model.Host) { h.CertificatesDigest = "gone" }, Unknown, "detail tier"},
	} {
		expect := strings.ReplaceAll(tc.expect, "cve:critical:0", "-cve:critical>0")
		x, err := Read(one(expect))
		if err != nil {
			t.Fatalf("%s: %v", expect, err)
		}
		h := full()
		if tc.change != nil {
			tc.change(&h)
		}
		j := NewJudge(query.Env{Now: now}, d)
		for range 2 { // the second time from memory
			got, err := j.Host(x, &h)
			if err != nil {
				t.Fatal(err)
			}
			if tc.want == Beside {
				if len(got) != 0 {
					t.Errorf("%s: %+v, and it is not for this host", expect, got)
				}
				continue
			}
			if len(got) != 1 || got[0].Outcome != tc.want || !strings.Contains(got[0].Reason, tc.reason) || (got[0].Reason == "") != (tc.want == Met) {
				t.Errorf("%s: %+v, want %s %q", expect, got, tc.want, tc.reason)
			}
		}
	}
	d.err = errors.New("disk")
	x, _ := Read(one(`{"package":{"name":"openssl"}}`))
	h := full()
	if _, err := NewJudge(query.Env{Now: now}, d).Compliance([]*Program{x}, &h); !errors.Is(err, d.err) {
		t.Errorf("%v", err)
	}
}

func TestCompliance(t *testing.T) {
	check := func(id, where, q string) string {
		return fmt.Sprintf(`{"id":%q,"title":"","severity":"low","where":%q,"expect":{"query":%q}}`, id, where, q)
	}
	a := baseline(`{"checks":[` + check("a", "", "os:debian") + "," + check("b", "", "reboot:no") + "," + check("c", "os:alpine", "tag:x") + `]}`)
	b := baseline(`{"checks":[` + check("a", "", "tag:x") + `]}`)
	b.Where = "name:web-*"
	updates := model.Policy{Kind: model.PolicyUpdates, Body: jsontext.Value(`{"any":1}`)}
	var all []*Program
	for _, p := range []model.Policy{a, b, updates} {
		x, err := Read(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	for name, tc := range map[string]struct {
		change func(*model.Host)
		want   string
	}{
		"two of three":             {nil, "66.6"},
		"unknown is not met":       {func(h *model.Host) { h.RebootNeeded = nil }, "33.3"},
		"one policy is for others": {func(h *model.Host) { h.Hostname = "db" }, "100"},
		"another system":           {func(h *model.Host) { h.OS.ID = "alpine"; h.Tags = []string{"x"} }, "75"},
	} {
		h := full()
		if tc.change != nil {
			tc.change(&h)
		}
		got, err := NewJudge(query.Env{Now: now}, &shelf{}).Compliance(all, &h)
		if err != nil || got == nil || fmt.Sprint(*got) != tc.want {
			t.Errorf("%s: %v, %v; want %s", name, got, err, tc.want)
		}
	}
	h := full()
	h.Hostname = "db"
	if got, err := NewJudge(query.Env{Now: now}, &shelf{}).Compliance(all[1:], &h); got != nil || err != nil {
		t.Errorf("none applies: %v, %v", got, err)
	}
	// What a newer version wrote is not known to be met.
	later := baseline(`{"checks":[{"id":"a","title":"","severity":"low","expect":{"moon":"full"}}]}`)
	x := Load(later)
	if x.Err() == nil {
		t.Fatal("it reads")
	}
	if got, err := NewJudge(query.Env{Now: now}, &shelf{}).Compliance([]*Program{x}, &h); err != nil || got == nil || *got != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// What many hosts share is looked up once.
func TestSharedInventory(t *testing.T) {
	d := &shelf{inventories: map[string]model.Inventory{"p": {}}}
	x, err := Read(one(`{"package":{"name":"a","state":"absent"}}`))
	if err != nil {
		t.Fatal(err)
	}
	j := NewJudge(query.Env{Now: now}, d)
	for range 1000 {
		h := full()
		if _, err := j.Host(x, &h); err != nil {
			t.Fatal(err)
		}
	}
	if d.asked != 1 {
		t.Errorf("the inventory was read %d times", d.asked)
	}
}

func TestRead(t *testing.T) {
	for name, tc := range map[string]struct {
		p     model.Policy
		where string
		says  string
		kind  fault.Kind
	}{
		"kind":            {model.Policy{Kind: "wish", Body: jsontext.Value("{}")}, "kind", "there is no kind", fault.Invalid},
		"no object":       {model.Policy{Kind: model.PolicyFirewall, Body: jsontext.Value("[]")}, "body", "no JSON object", fault.Invalid},
		"no JSON":         {baseline("{"), "body", "no JSON", fault.Invalid},
		"empty":           {baseline("{}"), "body.checks", "no check", fault.Invalid},
		"unknown member":  {baseline(`{"checks":[],"cheks":[]}`), "body", "cheks is not a member", fault.Invalid},
		"wrong type":      {baseline(`{"checks":{"a":1}}`), "body", "not of the form", fault.Invalid},
		"twice":           {baseline(`{"checks":[],"checks":[]}`), "body", "no JSON", fault.Invalid},
		"where":           {model.Policy{Kind: model.PolicyBaseline, Where: "os:", Body: jsontext.Value("{}")}, "where", "", fault.Invalid},
		"circle":          {model.Policy{Kind: model.PolicyBaseline, Where: "os:debian compliance:<50", Body: jsontext.Value("{}")}, "where", "cannot ask for the compliance", fault.Invalid},
		"circle in check": {one(`{"query":"-(os:debian or compliance:100)"}`), "body.checks[0].expect.query", "cannot ask for the compliance", fault.Invalid},
		"unreadable":      {one(`{"query":"stauts:up"}`), "body.checks[0].expect.query", "did you mean status", fault.Invalid},
		"every host":      {one(`{"query":"  "}`), "body.checks[0].expect.query", "asks for nothing", fault.Invalid},
		"nothing":         {one(`{}`), "body.checks[0].expect", "0 things", fault.Invalid},
		"two things":      {one(`{"query":"os:debian","package":{"name":"a"}}`), "body.checks[0].expect", "2 things", fault.Invalid},
		"package name":    {one(`{"package":{"state":"absent"}}`), "body.checks[0].expect.package.name", "missing", fault.Invalid},
		"package state":   {one(`{"package":{"name":"a","state":"shiny"}}`), "body.checks[0].expect.package.state", "no state", fault.Invalid},
		"absent version":  {one(`{"package":{"name":"a","state":"absent","at_least":"1"}}`), "body.checks[0].expect.package", "no lowest version", fault.Invalid},
		"long version":    {one(`{"package":{"name":"a","at_least":"` + strings.Repeat("1", 300) + `"}}`), "body.checks[0].expect.package.at_least", "limit", fault.TooLarge},
		"days":            {one(`{"certificates":{"valid_days":-1}}`), "body.checks[0].expect.certificates.valid_days", "not in 0 to", fault.Invalid},
		"id":              {baseline(`{"checks":[{"id":"A b","title":"","severity":"low","expect":{"query":"os:debian"}}]}`), "body.checks[0].id", "is not 1 to", fault.Invalid},
		"severity":        {baseline(`{"checks":[{"id":"a","title":"","severity":"","expect":{"query":"os:debian"}}]}`), "body.checks[0].severity", "no severity", fault.Invalid},
		"title":           {baseline(`{"checks":[{"id":"a","title":"a\nb","severity":"low","expect":{"query":"os:debian"}}]}`), "body.checks[0].title", "one line", fault.Invalid},
		"two of one id":   {baseline(`{"checks":[` + strings.Repeat(`,{"id":"a","title":"","severity":"low","expect":{"query":"os:debian"}}`, 2)[1:] + `]}`), "body.checks[1].id", "two checks", fault.Invalid},
		"too many":        {baseline(`{"checks":[` + strings.Repeat(`,{"id":"a","title":"","severity":"low","expect":{"query":"os:debian"}}`, MaxChecks+1)[1:] + `]}`), "body.checks", "more than", fault.TooLarge},
		"too large":       {baseline(`{"checks":"` + strings.Repeat("x", model.MaxPolicyBody) + `"}`), "body", "limit", fault.TooLarge},
	} {
		_, err := Read(tc.p)
		var e *Error
		if !errors.As(err, &e) || e.Where != tc.where || !strings.Contains(err.Error(), tc.says) || !fault.Is(err, tc.kind) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !must(t, one(`{"query":"seen:<1h"}`)).Ages() || !must(t, one(`{"certificates":{}}`)).Ages() || must(t, one(`{"query":"os:debian"}`)).Ages() {
		t.Error("which of them change with time is not known")
	}
}

func must(t *testing.T, p model.Policy) *Program {
	t.Helper()
	x, err := Read(p)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func FuzzRead(f *testing.F) {
	f.Add("", `{"checks":[{"id":"c","title":"t","severity":"high","where":"os:debian","expect":{"query":"reboot:no"}}]}`)
	f.Add("tag:x", `{"checks":[{"id":"c","title":"t","severity":"high","expect":{"package":{"name":"a","state":"optional","at_least":"1"}}}]}`)
	f.Add("", `{"checks":[{"id":"c","title":"t","severity":"low","expect":{"certificates":{"valid_days":3,"no_self_signed":true}}}]}`)
	f.Add("\xff", `{"checks":[[[[`)
	d := &shelf{inventories: map[string]model.Inventory{"p": {Packages: []model.Package{{Manager: "dpkg", Name: "a", Version: "2"}}}}, certificates: map[string][]model.Certificate{"c": {{}}}}
	f.Fuzz(func(t *testing.T, where, body string) {
		p := baseline(body)
		p.Where = where
		x, err := Read(p)
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Fatalf("%v", err)
		}
		if err != nil {
			x = Load(p)
		}
		for _, h := range []model.Host{full(), {}} {
			c, err := NewJudge(query.Env{Now: now}, d).Compliance([]*Program{x}, &h)
			if err != nil || c != nil && (*c < 0 || *c > 100) {
				t.Fatalf("%v, %v", c, err)
			}
		}
	})
}
