package model

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// PolicyKind says what a policy's body is. The words are stored: add, never rename.
type PolicyKind string

// The kinds of policies. Only the baselines are evaluated; of the others it is kept who holds which version.
const (
	PolicyBaseline PolicyKind = "compliance_baseline"
	PolicyUpdates  PolicyKind = "update_profile"
	PolicyFirewall PolicyKind = "firewall_role"
)

// MaxPolicyBody bounds the JSON of a policy's body, in bytes.
const MaxPolicyBody = 256 << 10

// Policy is what hosts ought to be like. One of a controller goes down to the sites that it is assigned to; one of
// a site is that site's own.
type Policy struct {
	ID      PolicyID       `json:"id"`
	Name    string         `json:"name"` // 1 to 64 of a-z 0-9 . _ -; of one origin only one policy has it
	Kind    PolicyKind     `json:"kind"`
	Version uint64         `json:"version"`        // from 1, rising with each change; set by apply
	Where   string         `json:"where,omitzero"` // a search for the hosts that it is for; empty: every host
	Body    jsontext.Value `json:"body"`           // an object; see engine/policy
	All     bool           `json:"all,omitzero"`   // assigned to every site; nothing at a site
	Sites   []SiteID       `json:"sites,omitzero"` // the sites it is assigned to, sorted; at most MaxPolicySites
	Origin  NodeID         `json:"origin"`         // where it was made; set by apply
	By      string         `json:"by"`             // who changed it last; set by apply
	At      Time           `json:"at"`             // when; set by apply
}

// MaxPolicySites bounds the sites that a policy names one by one.
const MaxPolicySites = 2000

// For reports whether the policy is assigned to a site.
func (p *Policy) For(site SiteID) bool {
	if p.All {
		return true
	}
	for _, s := range p.Sites {
		if s == site {
			return true
		}
	}
	return false
}

// HeldPolicy names the version of a policy that a site has.
type HeldPolicy struct {
	ID      PolicyID `json:"id"`
	Version uint64   `json:"version"`
	At      Time     `json:"at"` // Policy.At of that version
}

// PoliciesHeld is which of its controller's policies a site has.
type PoliciesHeld struct {
	Site SiteID       `json:"site"`
	At   Time         `json:"at"`
	Held []HeldPolicy `json:"held"` // by id
}

// HostCompliance is what a host's compliance was found to be.
type HostCompliance struct {
	Host       HostID   `json:"host"`
	Compliance *float64 `json:"compliance,omitzero"` // see Host.Compliance
}

// PutPolicy adds a policy or replaces one. Policy.Version, Origin, By and At are set by apply.
type PutPolicy struct {
	Stamp
	Policy Policy `json:"policy"`
	// Was is the version that this is a change of; 0: whichever there is, or none. Another one is refused.
	Was uint64 `json:"was,omitzero"`
}

// DropPolicy removes a policy; one that is not there is no error.
type DropPolicy struct {
	Stamp
	Policy PolicyID `json:"policy"`
}

// Evaluated keeps what was found of hosts' compliance, of those for which it changed.
type Evaluated struct {
	Stamp
	Hosts []HostCompliance `json:"hosts"`
}

// Tag implements Change.
func (PutPolicy) Tag() Tag  { return TagPutPolicy }
func (DropPolicy) Tag() Tag { return TagDropPolicy }
func (Evaluated) Tag() Tag  { return TagEvaluated }

// PolicyCheck is what came of one check of one host; see engine/policy.
type PolicyCheck struct {
	Check    string `json:"check"`
	Title    string `json:"title,omitzero"`
	Severity string `json:"severity"`
	Outcome  string `json:"outcome"` // met, failed, unknown
	Reason   string `json:"reason,omitzero"`
}

// PolicyHost is what came of a policy for one host.
type PolicyHost struct {
	Host    HostID        `json:"host"`
	Name    string        `json:"name"`
	Met     int           `json:"met"`
	Failed  int           `json:"failed"`
	Unknown int           `json:"unknown"`
	Checks  []PolicyCheck `json:"checks"` // those that were asked for
}

// PolicyResults answers RoutePolicyResults: hosts by id, judged at the time of the answer.
type PolicyResults struct {
	At      Time         `json:"at"`
	Policy  PolicyID     `json:"policy"`
	Version uint64       `json:"version"` // that the site holds
	Kind    PolicyKind   `json:"kind"`
	Problem string       `json:"problem,omitzero"` // why this site cannot judge by it
	Hosts   []PolicyHost `json:"hosts"`
	Next    string       `json:"next,omitzero"` // the cursor of the next page; a page may be short
}

// PolicyQuestion asks for a page of PolicyResults.
type PolicyQuestion struct {
	Policy PolicyID
	Host   HostID // zero: every host that the policy is for
	All    bool   // with the hosts and checks that are met
	After  string
	Limit  int // hosts, 1 to MaxAlertPage
}

// The parameters of RoutePolicyResults, beside ParamHost.
const (
	ParamPolicy      = "policy"
	ParamPolicyAll   = "all" // "true"
	ParamPolicyAfter = "after"
	ParamPolicyLimit = "limit"
)

// Params returns the question as parameters.
func (q *PolicyQuestion) Params() map[string]string {
	p := map[string]string{ParamPolicy: q.Policy.String(), ParamPolicyLimit: strconv.Itoa(q.Limit)}
	if !q.Host.IsZero() {
		p[ParamHost] = q.Host.String()
	}
	if q.All {
		p[ParamPolicyAll] = "true"
	}
	if q.After != "" {
		p[ParamPolicyAfter] = q.After
	}
	return p
}

// ReadPolicyQuestion reads what Params wrote. The error says which parameter is wrong.
func ReadPolicyQuestion(p map[string]string) (q PolicyQuestion, err error) {
	if q.Policy, err = ParsePolicyID(p[ParamPolicy]); err != nil {
		return q, err
	}
	if v := p[ParamHost]; v != "" {
		if q.Host, err = ParseHostID(v); err != nil {
			return q, err
		}
	}
	q.All, q.After = p[ParamPolicyAll] == "true", p[ParamPolicyAfter]
	q.Limit, err = strconv.Atoi(p[ParamPolicyLimit])
	if err != nil || q.Limit < 1 || q.Limit > MaxAlertPage {
		return q, fmt.Errorf("a page has 1 to %d hosts", MaxAlertPage)
	}
	return q, nil
}
