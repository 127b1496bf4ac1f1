package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/skerryhq/skerry/engine/alert"
	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
	"github.com/skerryhq/skerry/engine/query"
	"github.com/skerryhq/skerry/ui/schema"
)

type ruleInput struct {
	Name string `path:"name" minLength:"1" maxLength:"80" doc:"as the list of rules has it"`
}

type putRuleInput struct {
	Name string `path:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9._-]*$"`
	// New refuses to replace, for who only means to add one.
	New  bool `query:"new" doc:"true: refuse where a rule has that name already; else it is replaced"`
	Body schema.AlertRulePut
}

type ruleOutput struct {
	Status int
	Body   schema.AlertRule
}

func (s *Server) listRules(context.Context, *none) (*out[[]schema.AlertRule], error) {
	v, done := s.c.Store.View()
	defer done()
	self, _, err := v.Self()
	if err != nil {
		return nil, err
	}
	rules, err := v.Rules()
	if err != nil {
		return nil, err
	}
	rows := make([]schema.AlertRule, 0, len(rules))
	for _, r := range rules {
		rows = append(rows, s.ruleRow(r, self.Self))
	}
	return &out[[]schema.AlertRule]{Body: rows}, nil
}

func (s *Server) ruleRow(r model.Rule, self model.NodeID) schema.AlertRule {
	row := schema.AlertRule{
		Name: r.Name, Title: r.Title, Scope: string(r.Scope), When: r.When, Severity: string(r.Severity),
		For: (time.Duration(r.ForS) * time.Second).String(), Clear: (time.Duration(r.ClearS) * time.Second).String(),
		Disabled: r.Disabled, Origin: s.origin(r.Origin, self), By: r.By, At: r.At.Std(),
	}
	if err := readCondition("when", r.Scope, r.When); err != nil {
		row.Problem = oneLine(err.Error())
	}
	return row
}

// readCondition reports what is wrong with a condition; location is where in the request it stood.
func readCondition(location string, scope model.RuleScope, when string) error {
	if scope == model.ScopeHost {
		x, err := where(location, when)
		if _, all := x.(query.All); err == nil && all {
			err = pointed(location, fault.New(fault.Invalid, "", "a search for every host would never end: say which hosts"))
		}
		return err
	}
	_, err := alert.Parse(when)
	var wrong *alert.SyntaxError
	if !errors.As(err, &wrong) {
		return err
	}
	end := min(wrong.End, len(wrong.Text))
	pos := min(wrong.Pos, end)
	return pointed(location, &query.SyntaxError{
		Text: wrong.Text, Pos: pos, End: end, Msg: wrong.Msg, Suggestions: query.Nearest(wrong.Text[pos:end], wrong.Options),
	})
}

func (s *Server) rule(name string) (r model.Rule, known bool, self model.NodeID, err error) {
	v, done := s.c.Store.View()
	defer done()
	me, _, err := v.Self()
	if err != nil {
		return r, false, self, err
	}
	r, known, err = v.Rule(name)
	return r, known, me.Self, err
}

func (s *Server) getRule(_ context.Context, in *ruleInput) (*out[schema.AlertRule], error) {
	r, known, self, err := s.rule(in.Name)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, noNamed("alert rule", in.Name)
	}
	return &out[schema.AlertRule]{Body: s.ruleRow(r, self)}, nil
}

func (s *Server) putRule(ctx context.Context, in *putRuleInput) (*ruleOutput, error) {
	const op = "keep alert rule"
	b := in.Body
	r := model.Rule{
		Name: in.Name, Title: b.Title, Scope: model.RuleScope(b.Scope), When: strings.TrimSpace(b.When), Severity: model.AlertSeverity(b.Severity), Disabled: b.Disabled,
	}
	for _, d := range [...]struct {
		name, text string
		to         *int64
	}{{"for", b.For, &r.ForS}, {"clear", b.Clear, &r.ClearS}} {
		v, err := duration("body."+d.name, d.text, 0, 0, alert.MaxWait*time.Second)
		if err != nil {
			return nil, err
		}
		*d.to = int64(v / time.Second)
	}
	if err := alert.Check(&r); err != nil {
		return nil, err
	}
	if err := readCondition("body.when", r.Scope, r.When); err != nil {
		return nil, err
	}
	was, known, _, err := s.rule(r.Name)
	if err != nil {
		return nil, err
	}
	if known && in.New {
		return nil, fault.New(fault.Exists, op, "there is a rule named %q already: %s; choose another name, or say that it is to be replaced", r.Name, fault.Clip(was.When, 100))
	}
	if err := s.c.Proposer.Propose(ctx, model.PutRule{Stamp: s.stamp(ctx), Rule: r}); err != nil {
		return nil, err
	}
	row, err := s.getRule(ctx, &ruleInput{Name: r.Name})
	if err != nil {
		return nil, err
	}
	status := http.StatusCreated
	if known {
		status = http.StatusOK
	}
	return &ruleOutput{Status: status, Body: row.Body}, nil
}

func (s *Server) dropRule(ctx context.Context, in *ruleInput) (*none, error) {
	_, known, _, err := s.rule(in.Name)
	if err != nil {
		return nil, err
	}
	if !known {
		return nil, noNamed("alert rule", in.Name)
	}
	return nil, s.c.Proposer.Propose(ctx, model.DropRule{Stamp: s.stamp(ctx), Name: in.Name})
}

func (s *Server) listMetrics(context.Context, *none) (*out[[]schema.AlertMetric], error) {
	rows := []schema.AlertMetric{}
	for _, i := range alert.Metrics() {
		rows = append(rows, schema.AlertMetric{Name: i.Name, Doc: i.Doc, Example: i.Example})
	}
	return &out[[]schema.AlertMetric]{Body: rows}, nil
}
