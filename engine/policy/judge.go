package policy

import (
	"fmt"
	"math"

	"github.com/skerryhq/skerry/engine/exposure"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// Outcome is what came of one check of one host.
type Outcome string

// The outcomes.
const (
	Met     Outcome = "met"
	Failed  Outcome = "failed"
	Unknown Outcome = "unknown"        // what it takes to judge is not known
	Beside  Outcome = "not_applicable" // the check is not for the host
)

// Result is what came of one check of one host.
type Result struct {
	Check    string // its id
	Title    string
	Severity string
	Outcome  Outcome
	Reason   string // why it failed or is not known; empty else
}

// Detail gives what only the site has of hosts, by the digests in their rows; false: there is no such body.
type Detail interface {
	Inventory(digest string) (model.Inventory, bool, error)
	Certificates(digest string) ([]model.Certificate, bool, error)
}

// Judge judges hosts. It remembers what came of inventories and certificates, since many hosts have the same: keep one
// for as long as a run over many hosts takes, and no longer. It is used by one goroutine.
type Judge struct {
	env    query.Env
	detail Detail
	known  map[string]map[*check]Result // by digest
	most   int
	digest string // of the inventory that was read last: the checks of one host come together
	held   model.Inventory
	ok     bool
}

// maxRemembered bounds the digests whose outcomes a Judge remembers.
const maxRemembered = 4096

// NewJudge returns a Judge for the time that env has.
func NewJudge(env query.Env, d Detail) *Judge {
	return &Judge{env: env, detail: d, known: map[string]map[*check]Result{}, most: maxRemembered}
}

// Host returns what came of each check of a policy that is for the host; none where the policy is not, or is not
// judged. Errors are those of Detail.
func (j *Judge) Host(x *Program, h *model.Host) ([]Result, error) {
	if !x.Judged() || !x.Applies(h, j.env) {
		return nil, nil
	}
	if x.bad != nil {
		return []Result{{Check: "policy", Title: "the policy can be read", Severity: "high", Outcome: Unknown, Reason: "this site cannot read the policy: " + x.bad.Error()}}, nil
	}
	out := make([]Result, 0, len(x.checks))
	for i := range x.checks {
		r, err := j.check(&x.checks[i], h)
		if err != nil {
			return nil, err
		}
		if r.Outcome != Beside {
			out = append(out, r)
		}
	}
	return out, nil
}

// Compliance returns what of all checks that are for the host it meets, in percent with one decimal; nil: none is.
func (j *Judge) Compliance(all []*Program, h *model.Host) (*float64, error) {
	met, n := 0, 0
	for _, x := range all {
		results, err := j.Host(x, h)
		if err != nil {
			return nil, err
		}
		for _, r := range results {
			n++
			if r.Outcome == Met {
				met++
			}
		}
	}
	if n == 0 {
		return nil, nil
	}
	percent := math.Floor(1000*float64(met)/float64(n)) / 10 // so that only all is 100
	return &percent, nil
}

func (j *Judge) check(c *check, h *model.Host) (Result, error) {
	r := Result{Check: c.ID, Title: c.Title, Severity: c.Severity}
	switch truth(c.where, h, j.env) {
	case no:
		r.Outcome = Beside
		return r, nil
	case maybe:
		r.Outcome, r.Reason = Unknown, "it is not known whether the check is for this host: "+missing(c.where, h)
		return r, nil
	}
	digest := ""
	switch {
	case c.expect != nil:
		switch truth(c.expect, h, j.env) {
		case yes:
			r.Outcome = Met
		case no:
			r.Outcome, r.Reason = Failed, "it is not "+query.Format(c.expect)
		default:
			r.Outcome, r.Reason = Unknown, missing(c.expect, h)
		}
		return r, nil
	case c.Expect.Package != nil:
		if digest = h.PackagesDigest; digest == "" {
			r.Outcome, r.Reason = Unknown, "its packages were not reported yet"
			return r, nil
		}
	default:
		if digest = h.CertificatesDigest; digest == "" {
			r.Outcome, r.Reason = Unknown, "its certificates were not reported yet"
			return r, nil
		}
	}
	if known, ok := j.known[digest][c]; ok {
		return known, nil
	}
	var err error
	if c.Expect.Package != nil {
		r.Outcome, r.Reason, err = j.packages(c.Expect.Package, digest)
	} else {
		r.Outcome, r.Reason, err = j.certificates(c.Expect.Certificates, digest)
	}
	if err != nil {
		return r, err
	}
	if j.known[digest] == nil {
		if len(j.known) >= j.most {
			clear(j.known)
		}
		j.known[digest] = map[*check]Result{}
	}
	j.known[digest][c] = r
	return r, nil
}

func (j *Judge) packages(rule *PackageRule, digest string) (Outcome, string, error) {
	if digest != j.digest {
		var err error
		if j.held, j.ok, err = j.detail.Inventory(digest); err != nil {
			return "", "", err
		}
		j.digest = digest
	}
	inv, ok := j.held, j.ok
	if !ok {
		return Unknown, "its packages are not in the detail tier", nil
	}
	installed, unsure := 0, ""
	for _, p := range inv.Packages {
		if p.Name != rule.Name {
			continue
		}
		installed++
		if rule.State == Absent {
			return Failed, rule.Name + " " + p.Version + " is installed", nil
		}
		if rule.AtLeast == "" {
			continue
		}
		c, ok := exposure.Compare(exposure.OrderOf(inv.OS, p), p.Version, rule.AtLeast)
		switch {
		case !ok:
			unsure = fmt.Sprintf("the versions %s and %s of %s cannot be compared", p.Version, rule.AtLeast, rule.Name)
		case c < 0:
			return Failed, fmt.Sprintf("%s %s is below %s", rule.Name, p.Version, rule.AtLeast), nil
		}
	}
	switch {
	case unsure != "":
		return Unknown, unsure, nil
	case installed > 0 || rule.State == Absent:
		return Met, "", nil
	case rule.State == Optional:
		return Beside, "", nil
	}
	return Failed, rule.Name + " is not installed", nil
}

func (j *Judge) certificates(rule *CertificatesRule, digest string) (Outcome, string, error) {
	all, ok, err := j.detail.Certificates(digest)
	if err != nil {
		return "", "", err
	}
	if !ok {
		return Unknown, "its certificates are not in the detail tier", nil
	}
	const day = 24 * 60 * 60 * 1000
	n := 0
	for _, c := range all {
		if c.CA {
			continue
		}
		n++
		switch {
		case c.NotAfter < j.env.Now+model.Time(rule.ValidDays)*day:
			return Failed, fmt.Sprintf("%s is valid until %s", c.Path, c.NotAfter), nil
		case rule.NoSelfSigned && c.SelfSigned:
			return Failed, c.Path + " is signed by itself", nil
		}
	}
	if n == 0 {
		return Beside, "", nil
	}
	return Met, "", nil
}
