package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

// Detail is the detail tier of a site: what its hosts have, and what they had.
type Detail struct {
	Retention Retention `yaml:"retention,omitempty"`
}

// Retention is how long is kept what is no longer the newest. What a host has now is kept for as long as the host is in
// the directory. Each from 1d to 3650d; a day is 24 hours.
type Retention struct {
	Inventory Days `yaml:"inventory,omitempty"` // former packages and certificates. Default 365d.
	OSFacts   Days `yaml:"os_facts,omitempty"`  // former facts of the system. Default 90d.
	Output    Days `yaml:"output,omitempty"`    // output of commands beyond the task's own row. Default 90d.
	Audit     Days `yaml:"audit,omitempty"`     // what audit entries are about: reports that were refused. Default 731d.
	Retired   Days `yaml:"retired,omitempty"`   // everything but audit of a host that left the directory. Default 30d.
}

func defaultRetention() Retention {
	return Retention{Inventory: 365, OSFacts: 90, Output: 90, Audit: 731, Retired: 30}
}

const maxDays = 3650

func (r Retention) check() error {
	for _, v := range []struct {
		key string
		n   Days
	}{{"inventory", r.Inventory}, {"os_facts", r.OSFacts}, {"output", r.Output}, {"audit", r.Audit}, {"retired", r.Retired}} {
		if v.n < 1 || v.n > maxDays {
			return wrong("detail.retention."+v.key, "%s is out of bounds: want 1d to %dd", v.n, maxDays)
		}
	}
	return nil
}

// detail fills in the retention from the environment.
func (o *overlay) detail(r *Retention) {
	for _, v := range []struct {
		key, name string
		to        *Days
	}{
		{"detail.retention.inventory", "SKERRY_DETAIL_RETENTION_INVENTORY", &r.Inventory},
		{"detail.retention.os_facts", "SKERRY_DETAIL_RETENTION_OS_FACTS", &r.OSFacts},
		{"detail.retention.output", "SKERRY_DETAIL_RETENTION_OUTPUT", &r.Output},
		{"detail.retention.audit", "SKERRY_DETAIL_RETENTION_AUDIT", &r.Audit},
		{"detail.retention.retired", "SKERRY_DETAIL_RETENTION_RETIRED", &r.Retired},
	} {
		text, ok := o.get(v.key, v.name)
		if !ok {
			continue
		}
		n, err := parseDays(text)
		if err != nil && o.err == nil {
			o.err = fault.New(fault.Invalid, "", "environment variable %s: %w", v.name, err)
		}
		*v.to = n
	}
}

// withDetail gives a site the defaults of its detail tier; a controller has none.
func (c Config) withDetail() Config {
	if c.Role == model.RoleSite {
		c.Detail.Retention = defaultRetention()
	}
	return c
}

// Days is a number of whole days, written with its unit: 90d.
type Days int

// Std returns d as a time.Duration, at 24 hours a day.
func (d Days) Std() time.Duration { return time.Duration(d) * 24 * time.Hour }

// String returns the text form.
func (d Days) String() string { return strconv.Itoa(int(d)) + "d" }

// MarshalYAML returns the text form.
func (d Days) MarshalYAML() (any, error) { return d.String(), nil }

// UnmarshalYAML refuses a bare number, as Duration does.
func (d *Days) UnmarshalYAML(n ast.Node) error {
	text := n.String()
	if s, ok := n.(*ast.StringNode); ok {
		text = s.Value
	}
	v, err := parseDays(text)
	if err != nil {
		return &yaml.SyntaxError{Message: err.Error(), Token: n.GetToken()}
	}
	*d = v
	return nil
}

func parseDays(text string) (Days, error) {
	number, ok := strings.CutSuffix(strings.TrimSpace(text), "d")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return 0, fmt.Errorf("%q is no number of days: want a whole number with its unit, as in 90d", fault.Clip(text, maxQuote))
	}
	return Days(n), nil
}
