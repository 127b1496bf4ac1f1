package model

import (
	"fmt"
	"strconv"
	"strings"
)

// AlertSeverity is how urgent an alert is. The words are stored: add, never rename.
type AlertSeverity string

// The severities of alerts, by rising urgency.
const (
	AlertInfo     AlertSeverity = "info"
	AlertWarning  AlertSeverity = "warning"
	AlertCritical AlertSeverity = "critical"
)

// RuleScope says what a rule looks at.
type RuleScope string

// The scopes of rules.
const (
	ScopeHost RuleScope = "host" // Rule.When is a search; each host that it finds is an object of its own
	ScopeSite RuleScope = "site" // Rule.When compares a metric of the site; the site is the one object
)

// Rule says when an alert opens and when it resolves by itself. Its name is its identity. At a site the rules
// that came from the controller have the name that they have there behind ControllerRule.
type Rule struct {
	Name     string        `json:"name"`           // 1 to 64 of a-z 0-9 . _ -, at a site maybe behind ControllerRule
	Title    string        `json:"title,omitzero"` // one line for people; at most 256 bytes
	Scope    RuleScope     `json:"scope"`
	When     string        `json:"when"` // at most 4,096 bytes; as engine/query or engine/alert reads it
	Severity AlertSeverity `json:"severity"`
	ForS     int64         `json:"for_s,omitzero"`   // seconds for which it must hold before the alert opens; at most 30 days
	ClearS   int64         `json:"clear_s,omitzero"` // seconds for which it must not hold before the alert resolves; at most 30 days
	Disabled bool          `json:"disabled,omitzero"`
	Origin   NodeID        `json:"origin"` // where it was made: this site, or its controller; set by apply
	By       string        `json:"by"`     // who changed it last; set by apply
	At       Time          `json:"at"`     // when; set by apply
}

// ControllerRule stands before the names of the rules that a site has from its controller.
const ControllerRule = "controller:"

// AlertState is a step in the life of an alert: open -> acknowledged -> resolved, or open -> resolved.
type AlertState string

// The states of alerts.
const (
	AlertOpen         AlertState = "open"
	AlertAcknowledged AlertState = "acknowledged"
	AlertResolved     AlertState = "resolved"
)

// Alert is one time that a rule held for one object. There is at most one that is not resolved for each
// (Rule, Host).
type Alert struct {
	ID       AlertID       `json:"id"`
	Rule     string        `json:"rule"`
	Title    string        `json:"title,omitzero"` // of the rule when it opened
	Scope    RuleScope     `json:"scope"`
	Severity AlertSeverity `json:"severity"`
	Host     HostID        `json:"host,omitzero"`  // zero: the site itself
	Label    string        `json:"label"`          // the name of the host or the site when it opened; at most 256 bytes
	Value    string        `json:"value,omitzero"` // what was seen when it opened; at most 256 bytes
	State    AlertState    `json:"state"`
	SinceAt  Time          `json:"since_at"`  // when what it is about began to hold, as far as the site saw
	OpenedAt Time          `json:"opened_at"` // SinceAt and what the rule waits for
	// LastTrueAt is when it was last seen to hold. Of one that is not resolved it is the time that was stored with the
	// newest change of its Watch; while it holds it is as new as the newest judgement of its rule.
	LastTrueAt Time     `json:"last_true_at"`
	Ack        AlertAct `json:"ack,omitzero"`
	End        AlertAct `json:"end,omitzero"` // set once it is resolved
	Reason     AlertEnd `json:"reason,omitzero"`
}

// AlertAct is what somebody did to an alert.
type AlertAct struct {
	By   string `json:"by"`
	At   Time   `json:"at"`
	Note string `json:"note,omitzero"` // at most 1,024 bytes
}

// AlertEnd says why an alert was resolved.
type AlertEnd string

// The reasons.
const (
	EndCleared  AlertEnd = "cleared"       // it does not hold any more
	EndOperator AlertEnd = "operator"      // somebody said so
	EndRuleGone AlertEnd = "rule_removed"  // the rule was removed
	EndRuleOff  AlertEnd = "rule_disabled" // the rule was switched off
	EndHostGone AlertEnd = "host_retired"  // the host is no longer of this site
)

// Watch is what is remembered of a rule and an object for which it holds, or held a moment ago. There is none
// for an object of which there is nothing to remember.
type Watch struct {
	Rule       string  `json:"rule"`
	Host       HostID  `json:"host,omitzero"` // zero: the site itself
	TrueSince  Time    `json:"true_since"`
	FalseSince Time    `json:"false_since,omitzero"` // when it ceased to hold; zero: it holds
	Alert      AlertID `json:"alert,omitzero"`       // the one that is not resolved
	// Held says that an operator resolved the alert while it held: no other is opened before it has ceased to.
	Held bool `json:"held,omitzero"`
}

// Judgement is what a site's evaluator saw of one rule and one object.
type Judgement struct {
	Rule  string  `json:"rule"`
	Seen  Time    `json:"seen"` // Rule.At of the rule that was judged by: of a rule that changed since it says nothing
	Host  HostID  `json:"host,omitzero"`
	Holds bool    `json:"holds"`
	Alert AlertID `json:"alert,omitzero"` // the id of the alert that this may open
	Label string  `json:"label,omitzero"`
	Value string  `json:"value,omitzero"`
}

// AlertCounts is the roll-up of one site's alerts.
type AlertCounts struct {
	Site         SiteID    `json:"site"`
	At           Time      `json:"at"`       // when the site counted
	Critical     int       `json:"critical"` // open, as are the next two
	Warning      int       `json:"warning"`
	Info         int       `json:"info"`
	Acknowledged int       `json:"acknowledged"`    // of all severities
	Newest       *AlertRef `json:"newest,omitzero"` // the one that opened last and is not resolved
	// Ended is how many resolved alerts the site keeps. It does not rise.
	Ended int `json:"ended,omitzero"`
}

// AlertRef is as much of an alert as a list of sites shows.
type AlertRef struct {
	ID       AlertID       `json:"id"`
	Rule     string        `json:"rule"`
	Severity AlertSeverity `json:"severity"`
	Label    string        `json:"label"`
	OpenedAt Time          `json:"opened_at"`
}

// PutRule adds or replaces a rule. Rule.Origin, By and At are set by apply.
type PutRule struct {
	Stamp
	Rule Rule `json:"rule"`
}

// DropRule removes a rule and resolves its alerts; one that is not there is no error.
type DropRule struct {
	Stamp
	Name string `json:"name"`
}

// JudgeAlerts reports what a site's evaluator saw. Which alerts open or resolve by it is decided where it is applied.
type JudgeAlerts struct {
	Stamp
	Judged []Judgement `json:"judged"`
}

// AckAlert acknowledges an alert, or resolves it, in the name of an operator. What is so already is no error.
type AckAlert struct {
	Stamp
	Alert   AlertID `json:"alert"`
	Resolve bool    `json:"resolve,omitzero"`
	Note    string  `json:"note,omitzero"` // at most 1,024 bytes
}

// AskAlert sends down to a site of this controller that an operator here acknowledges one of its alerts, or resolves it.
// What comes of it is decided at the site, and comes back as an AlertDone.
type AskAlert struct {
	Stamp
	Site    SiteID  `json:"site"`
	Alert   AlertID `json:"alert"`
	Resolve bool    `json:"resolve,omitzero"`
	Note    string  `json:"note,omitzero"` // at most 1,024 bytes
}

// AlertAsk is AskAlert on its way to the site.
type AlertAsk struct {
	Alert   AlertID `json:"alert"`
	Resolve bool    `json:"resolve,omitzero"`
	Note    string  `json:"note,omitzero"`
	By      string  `json:"by"` // the actor at the controller
	At      Time    `json:"at"` // when it was asked, by the controller's clock
	// Dated asks for an answer that says which ask it is of. Earlier controllers take an answer for one to whatever is asked
	// by then, and must not be given any other.
	Dated bool `json:"dated,omitzero"`
}

// Key is the key of an ask as an item: asked twice, it is sent once. No source of advisories has a colon in its name.
func (a AlertAsk) Key() string {
	if a.Resolve {
		return "alert-resolve:" + a.Alert.String()
	}
	return "alert-acknowledge:" + a.Alert.String()
}

// AlertDone says what came of an AlertAsk.
type AlertDone struct {
	Alert   AlertID `json:"alert"`
	Resolve bool    `json:"resolve,omitzero"`
	By      string  `json:"by"`          // as in the ask
	At      Time    `json:"at,omitzero"` // as in the ask, if that is Dated
	OK      bool    `json:"ok"`          // what was asked for is so
	Reason  string  `json:"reason,omitzero"`
}

// Tag implements Change.
func (AskAlert) Tag() Tag { return TagAskAlert }

// Tag implements Change.
func (PutRule) Tag() Tag     { return TagPutRule }
func (DropRule) Tag() Tag    { return TagDropRule }
func (JudgeAlerts) Tag() Tag { return TagJudgeAlerts }
func (AckAlert) Tag() Tag    { return TagAckAlert }

// Add counts an alert (by = 1), or takes it out again (by = -1): the one definition of what the sums are.
func (n *AlertCounts) Add(a *Alert, by int) {
	switch {
	case a.State == AlertResolved:
		n.Ended += by
	case a.State == AlertAcknowledged:
		n.Acknowledged += by
	case a.Severity == AlertCritical:
		n.Critical += by
	case a.Severity == AlertWarning:
		n.Warning += by
	default:
		n.Info += by
	}
}

// SameSums reports whether n and d count the same, whatever their site, time and newest alert.
func (n AlertCounts) SameSums(d AlertCounts) bool {
	return n.Critical == d.Critical && n.Warning == d.Warning && n.Info == d.Info && n.Acknowledged == d.Acknowledged && n.Ended == d.Ended
}

// AlertFilter chooses alerts. What is empty chooses all.
type AlertFilter struct {
	States   []AlertState // also more than one
	Severity AlertSeverity
	Host     HostID
	Rule     string
	After    AlertID // the cursor of the page before
	Limit    int     // 1 to MaxAlertPage
}

// MaxAlertPage bounds the alerts of one page.
const MaxAlertPage = 1000

// AlertPage is alerts, the newest first. It answers RouteAlertsList.
type AlertPage struct {
	At     Time    `json:"at"`     // when the site answered
	Judged Time    `json:"judged"` // when it last brought its alerts up to date; zero: not since it started
	Alerts []Alert `json:"alerts"`
	Next   AlertID `json:"next,omitzero"` // the cursor of the next page; zero: this was the last. A page may be short
}

// The parameters of RouteAlertsList.
const (
	ParamAlertStates   = "states" // with commas between them
	ParamAlertSeverity = "severity"
	ParamAlertRule     = "rule"
	ParamAlertAfter    = "after"
	ParamAlertLimit    = "limit"
)

// RouteAlertsList asks a site for an AlertPage, RoutePolicyResults for a PolicyResults.
const (
	RouteAlertsList    = "alerts.list"
	RoutePolicyResults = "policy.results"
)

// Open reports whether the filter leaves the resolved alerts out.
func (f *AlertFilter) Open() bool {
	for _, s := range f.States {
		if s == AlertResolved {
			return false
		}
	}
	return len(f.States) > 0
}

// Match reports whether an alert is chosen.
func (f *AlertFilter) Match(a *Alert) bool {
	in := len(f.States) == 0
	for _, s := range f.States {
		in = in || s == a.State
	}
	return in && (f.Severity == "" || f.Severity == a.Severity) && (f.Host.IsZero() || f.Host == a.Host) && (f.Rule == "" || f.Rule == a.Rule)
}

// Params returns the filter as the parameters of a question.
func (f *AlertFilter) Params() map[string]string {
	p := map[string]string{ParamAlertLimit: strconv.Itoa(f.Limit)}
	put := func(name, v string) {
		if v != "" {
			p[name] = v
		}
	}
	var states []string
	for _, s := range f.States {
		states = append(states, string(s))
	}
	put(ParamAlertStates, strings.Join(states, ","))
	put(ParamAlertSeverity, string(f.Severity))
	put(ParamAlertRule, f.Rule)
	if !f.Host.IsZero() {
		p[ParamHost] = f.Host.String()
	}
	if !f.After.IsZero() {
		p[ParamAlertAfter] = f.After.String()
	}
	return p
}

// ReadAlertFilter reads what Params wrote. The error says which parameter is wrong.
func ReadAlertFilter(p map[string]string) (f AlertFilter, err error) {
	if v := p[ParamAlertStates]; v != "" {
		for _, s := range strings.Split(v, ",") {
			switch s := AlertState(s); s {
			case AlertOpen, AlertAcknowledged, AlertResolved:
				f.States = append(f.States, s)
			default:
				return f, fmt.Errorf("there is no state %q of alerts: they are open, acknowledged or resolved", clip(string(s)))
			}
		}
	}
	switch f.Severity = AlertSeverity(p[ParamAlertSeverity]); f.Severity {
	case "", AlertInfo, AlertWarning, AlertCritical:
	default:
		return f, fmt.Errorf("there is no severity %q of alerts: they are info, warning or critical", clip(string(f.Severity)))
	}
	f.Rule = p[ParamAlertRule]
	if v := p[ParamHost]; v != "" {
		if f.Host, err = ParseHostID(v); err != nil {
			return f, err
		}
	}
	if v := p[ParamAlertAfter]; v != "" {
		if f.After, err = ParseAlertID(v); err != nil {
			return f, err
		}
	}
	f.Limit, err = strconv.Atoi(p[ParamAlertLimit])
	if err != nil || f.Limit < 1 || f.Limit > MaxAlertPage {
		return f, fmt.Errorf("a page has 1 to %d alerts", MaxAlertPage)
	}
	return f, nil
}
