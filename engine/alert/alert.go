// Package alert says when an alert opens and when it resolves: what a rule may say, what the conditions about a
// site mean, and the life of what is watched.
//
// It owns the bounds of rules, the metrics of a site with the small language that compares them, the step from one
// judgement to the next, and the rules that a new site begins with. It never looks at a host: whether one is what a
// rule searches for is engine/query's word, and is handed in. It keeps nothing; engine/apply writes the rows.
package alert

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Bounds of rules and of what people write about alerts. Texts are in bytes.
const (
	MaxName  = 64
	MaxTitle = 256
	MaxWhen  = 4096
	MaxNote  = 1024
	MaxLabel = 256
	MaxRules = 256               // of one origin
	MaxWait  = 30 * 24 * 60 * 60 // seconds: for and clear

	// MaxEnded and Keep bound the resolved alerts that a site remembers.
	MaxEnded = 100_000
	Keep     = 90 * 24 * time.Hour
)

// Check reports what is wrong with a rule, its condition apart: a newer version may know searches and metrics that
// this one does not. The kind is fault.TooLarge for what is too long and fault.Invalid for the rest.
func Check(r *model.Rule) error {
	const op = "check rule"
	if !Name(r.Name) {
		return fault.New(fault.Invalid, op, "the name %q is not 1 to %d of a-z 0-9 . _ -", fault.Clip(r.Name, MaxName), MaxName)
	}
	switch r.Scope {
	case model.ScopeHost, model.ScopeSite:
	default:
		return fault.New(fault.Invalid, op, "there is no scope %q: a rule is about a host or a site", fault.Clip(string(r.Scope), 32))
	}
	switch r.Severity {
	case model.AlertInfo, model.AlertWarning, model.AlertCritical:
	default:
		return fault.New(fault.Invalid, op, "there is no severity %q: it is info, warning or critical", fault.Clip(string(r.Severity), 32))
	}
	if err := Text(op, "title", r.Title, MaxTitle); err != nil {
		return err
	}
	if err := Text(op, "condition", r.When, MaxWhen); err != nil {
		return err
	}
	if strings.TrimSpace(r.When) == "" {
		return fault.New(fault.Invalid, op, "rule %q says nothing of when: a rule without a condition would hold for ever", r.Name)
	}
	for _, w := range [...]struct {
		what string
		s    int64
	}{{"for", r.ForS}, {"clear", r.ClearS}} {
		if w.s < 0 || w.s > MaxWait {
			return fault.New(fault.Invalid, op, "%s: %d seconds are not in 0 to %d, which is 30 days", w.what, w.s, MaxWait)
		}
	}
	return nil
}

// Name reports whether s may name a rule or a policy.
func Name(s string) bool {
	if s == "" || len(s) > MaxName {
		return false
	}
	for i := range len(s) {
		if b := s[i]; (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '.' && b != '_' && b != '-' {
			return false
		}
	}
	return true
}

// Text checks one line that somebody wrote.
func Text(op, what, s string, limit int) error {
	switch {
	case len(s) > limit:
		return fault.New(fault.TooLarge, op, "the %s has %d bytes; the limit is %d", what, len(s), limit)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fault.New(fault.Invalid, op, "the %s %q holds what is no text of one line", what, fault.Printable(fault.Clip(strings.ToValidUTF8(s, "?"), 32)))
	}
	return nil
}

// Defaults returns the rules that a new site begins with. They are rules as any other: who does not want one changes
// or removes it.
func Defaults() []model.Rule {
	return []model.Rule{
		{Name: "advisories-old", Title: "What is known of vulnerabilities is out of date", Scope: model.ScopeSite, When: "advisories.age > 3d", Severity: model.AlertWarning, ForS: 60, ClearS: 60},
		{Name: "certificate-expires", Title: "A certificate expires within 14 days", Scope: model.ScopeHost, When: "cert:<14d", Severity: model.AlertWarning, ClearS: 60},
		{Name: "critical-vulnerability", Title: "A critical vulnerability, and updates that fix some", Scope: model.ScopeHost, When: "cve:critical>0 updates:>0", Severity: model.AlertWarning, ForS: 60, ClearS: 60},
		{Name: "disk-low", Title: "The disk of the site is filling up", Scope: model.ScopeSite, When: "disk.free_percent < 10", Severity: model.AlertCritical, ForS: 60, ClearS: 300},
		{Name: "host-down", Title: "A host does not report", Scope: model.ScopeHost, When: "status:down", Severity: model.AlertCritical},
		{Name: "site-offline", Title: "The controller cannot be reached", Scope: model.ScopeSite, When: "uplink.offline > 15m", Severity: model.AlertWarning, ClearS: 60},
	}
}
