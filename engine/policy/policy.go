// Package policy says what the body of a policy means, and how far hosts are what it asks for.
//
// It owns the form of compliance baselines, the reading of them with every bound, and the judgement of a host against
// them, which has three outcomes: met, failed, and unknown where what it takes to judge is not known. Unknown is never
// met. Update profiles and firewall roles are carried and shown, and not judged. It keeps nothing and asks no clock.
package policy

import (
	"bytes"
	"errors"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
)

// Bounds of a baseline.
const (
	MaxChecks = 500
	MaxText   = 256  // bytes of a title, a package's name or version
	MaxQuery  = 4096 // bytes
	MaxDays   = 10_000
)

// Baseline is the body of a policy of kind model.PolicyBaseline.
type Baseline struct {
	Checks []Check `json:"checks"` // 1 to MaxChecks
}

// Check is one thing that hosts ought to be.
type Check struct {
	ID       string `json:"id"`             // 1 to 64 of a-z 0-9 . _ -, once in a baseline
	Title    string `json:"title"`          // one line for people
	Severity string `json:"severity"`       // low, medium, high, critical: for people, and without a weight
	Where    string `json:"where,omitzero"` // a search: the check is for the hosts that it finds; empty: for all of the policy's
	Expect   Expect `json:"expect"`
}

// Expect is what a check asks for: exactly one of its fields is set.
type Expect struct {
	Query        string            `json:"query,omitzero"` // a search that the host must be found by
	Package      *PackageRule      `json:"package,omitzero"`
	Certificates *CertificatesRule `json:"certificates,omitzero"`
}

// The states of PackageRule.
const (
	Present  = "present"  // it must be installed
	Absent   = "absent"   // it must not
	Optional = "optional" // where it is not installed the check is not for that host
)

// PackageRule is about one package by its name as installed.
type PackageRule struct {
	Name  string `json:"name"`
	State string `json:"state,omitzero"` // Present if empty
	// AtLeast is the lowest version that will do, in the order of the package's own ecosystem. Every installed one of
	// that name must reach it. Not with Absent.
	AtLeast string `json:"at_least,omitzero"`
}

// CertificatesRule is about all certificates found on a host but those of authorities. It is not for hosts without any.
type CertificatesRule struct {
	ValidDays    int  `json:"valid_days,omitzero"`     // each must be valid for so many days more; 0: valid now
	NoSelfSigned bool `json:"no_self_signed,omitzero"` // none may be signed by itself
}

// Error says which part of a policy is wrong. Err may be a *query.SyntaxError, which points into the text there.
type Error struct {
	Where string // as in body.checks[3].expect.query; empty: the whole
	Err   error
}

// Error implements error.
func (e *Error) Error() string { return e.Where + ": " + e.Err.Error() }

// Unwrap returns the cause, which has the kind.
func (e *Error) Unwrap() error { return e.Err }

func wrong(where, format string, args ...any) error {
	return &Error{where, fault.New(fault.Invalid, "", format, args...)}
}

// Program is a policy as it is judged by.
type Program struct {
	Policy model.Policy
	where  query.Expr
	checks []check
	bad    error // why a baseline cannot be judged by
}

type check struct {
	Check
	where, expect query.Expr
}

// Read reads a policy strictly, for whoever makes it. The error is an *Error.
func Read(p model.Policy) (*Program, error) {
	x := &Program{Policy: p}
	var err error
	if x.where, err = search("where", p.Where, true); err != nil {
		return nil, err
	}
	switch p.Kind {
	case model.PolicyBaseline:
	case model.PolicyUpdates, model.PolicyFirewall:
		return x, object(p.Body)
	default:
		return nil, wrong("kind", "there is no kind of policy %q: it is %s, %s or %s", fault.Clip(string(p.Kind), 32), model.PolicyBaseline, model.PolicyUpdates, model.PolicyFirewall)
	}
	if len(p.Body) > model.MaxPolicyBody {
		return nil, &Error{"body", fault.New(fault.TooLarge, "", "it has %d bytes; the limit is %d", len(p.Body), model.MaxPolicyBody)}
	}
	var b Baseline
	if err := json.Unmarshal(p.Body, &b, json.RejectUnknownMembers(true), jsontext.AllowDuplicateNames(false)); err != nil {
		return nil, wrong("body", "%s", unreadable(err))
	}
	if len(b.Checks) == 0 {
		return nil, wrong("body.checks", "there is no check in it")
	}
	if len(b.Checks) > MaxChecks {
		return nil, &Error{"body.checks", fault.New(fault.TooLarge, "", "%d checks are more than %d", len(b.Checks), MaxChecks)}
	}
	seen := map[string]bool{}
	for i := range b.Checks {
		at := "body.checks[" + strconv.Itoa(i) + "]"
		c, err := readCheck(at, b.Checks[i])
		if err != nil {
			return nil, err
		}
		if seen[c.ID] {
			return nil, wrong(at+".id", "there are two checks %q", c.ID)
		}
		seen[c.ID] = true
		x.checks = append(x.checks, c)
	}
	return x, nil
}

// Load is Read for whoever judges by it: a baseline that this version cannot read is one whose outcome is not known.
func Load(p model.Policy) *Program {
	x, err := Read(p)
	if err == nil {
		return x
	}
	x = &Program{Policy: p, bad: err}
	if x.where, err = search("where", p.Where, true); err != nil {
		x.where = query.All{}
	}
	return x
}

// Err returns why the policy cannot be judged by; nil: it can, or is of a kind that is not judged.
func (x *Program) Err() error { return x.bad }

// Judged reports whether hosts are judged by policies of this kind.
func (x *Program) Judged() bool { return x.Policy.Kind == model.PolicyBaseline }

// Checks returns how many checks a baseline has.
func (x *Program) Checks() int { return len(x.checks) }

// Applies reports whether the policy is for a host.
func (x *Program) Applies(h *model.Host, env query.Env) bool { return query.Match(x.where, h, env) }

func object(body jsontext.Value) error {
	if b := bytes.TrimSpace(body); len(b) == 0 || b[0] != '{' || !jsontext.Value(b).IsValid() {
		return wrong("body", "it is no JSON object")
	}
	if len(body) > model.MaxPolicyBody {
		return &Error{"body", fault.New(fault.TooLarge, "", "it has %d bytes; the limit is %d", len(body), model.MaxPolicyBody)}
	}
	return nil
}

// unreadable is what is wrong with JSON, in one line for people.
func unreadable(err error) string {
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		where := strings.TrimPrefix(string(semantic.JSONPointer), "/")
		if where == "" {
			where = "it"
		}
		if semantic.Err == json.ErrUnknownName {
			return fault.Printable(fault.Clip(where, 80)) + " is not a member that a baseline has"
		}
		return fault.Printable(fault.Clip(where, 80)) + " is not of the form that a baseline has there"
	}
	return "it is no JSON: " + fault.Printable(fault.Clip(strings.ReplaceAll(err.Error(), "\n", " "), 160))
}

// search reads a search, which may not be about what comes of policies themselves.
func search(at, text string, empty bool) (query.Expr, error) {
	if len(text) > MaxQuery {
		return nil, &Error{at, fault.New(fault.TooLarge, "", "it has %d bytes; the limit is %d", len(text), MaxQuery)}
	}
	x, err := query.Parse(text)
	if err != nil {
		return nil, &Error{at, err}
	}
	if _, all := x.(query.All); all && !empty {
		return nil, wrong(at, "a search that finds every host asks for nothing")
	}
	if t, ok := find(x, func(t query.Term) bool { return t.Field == query.FieldCompliance }); ok {
		return nil, &Error{at, &query.SyntaxError{Text: text, Pos: t.Pos, End: t.End, Msg: "a policy cannot ask for the compliance that comes of policies"}}
	}
	return x, nil
}

// find returns the first term of x that is as wanted.
func find(x query.Expr, is func(query.Term) bool) (query.Term, bool) {
	switch x := x.(type) {
	case query.And:
		for _, y := range x {
			if t, ok := find(y, is); ok {
				return t, true
			}
		}
	case query.Or:
		for _, y := range x {
			if t, ok := find(y, is); ok {
				return t, true
			}
		}
	case query.Not:
		return find(x.X, is)
	case query.Term:
		return x, is(x)
	}
	return query.Term{}, false
}

func readCheck(at string, c Check) (check, error) {
	out := check{Check: c}
	if !alert.Name(c.ID) {
		return out, wrong(at+".id", "%q is not 1 to %d of a-z 0-9 . _ -", fault.Printable(fault.Clip(c.ID, 32)), alert.MaxName)
	}
	if err := alert.Text("", "title", c.Title, MaxText); err != nil {
		return out, &Error{at + ".title", err}
	}
	switch c.Severity {
	case "low", "medium", "high", "critical":
	default:
		return out, wrong(at+".severity", "there is no severity %q: it is low, medium, high or critical", fault.Printable(fault.Clip(c.Severity, 32)))
	}
	var err error
	if out.where, err = search(at+".where", c.Where, true); err != nil {
		return out, err
	}
	e, n := c.Expect, 0
	for _, set := range []bool{e.Query != "", e.Package != nil, e.Certificates != nil} {
		if set {
			n++
		}
	}
	switch {
	case n != 1:
		return out, wrong(at+".expect", "it asks for %d things: give exactly one of query, package and certificates", n)
	case e.Query != "":
		out.expect, err = search(at+".expect.query", e.Query, false)
	case e.Package != nil:
		p := *e.Package
		if p.State == "" {
			p.State = Present
		}
		out.Expect.Package = &p
		err = checkPackage(at+".expect.package", &p)
	default:
		if d := e.Certificates.ValidDays; d < 0 || d > MaxDays {
			err = wrong(at+".expect.certificates.valid_days", "%d is not in 0 to %d", d, MaxDays)
		}
	}
	return out, err
}

func checkPackage(at string, p *PackageRule) error {
	if p.Name == "" {
		return wrong(at+".name", "it is missing")
	}
	for _, f := range [...]struct{ what, text string }{{"name", p.Name}, {"at_least", p.AtLeast}} {
		if err := alert.Text("", f.what, f.text, MaxText); err != nil {
			return &Error{at + "." + f.what, err}
		}
	}
	switch p.State {
	case Present, Optional:
	case Absent:
		if p.AtLeast != "" {
			return wrong(at, "what must be absent has no lowest version")
		}
	default:
		return wrong(at+".state", "there is no state %q: it is present, absent or optional", fault.Printable(fault.Clip(p.State, 32)))
	}
	return nil
}
