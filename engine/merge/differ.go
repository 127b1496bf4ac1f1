package merge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// maxDifference bounds each value of a Difference, in bytes.
const maxDifference = 512

// FieldDifferences returns the fields in which two records of one key do not say the same, in a fixed order. What a server
// adds on its own (Cursor, Origin, Affected.Outside, Statement.Outside) is not compared. Resolution and MergeHash are left to the caller.
func FieldDifferences(local, remote model.Advisory) []model.Difference {
	var out []model.Difference
	add := func(name, l, r string) {
		out = append(out, model.Difference{AdvisoryKey: local.AdvisoryKey, Field: name, Local: clip(l, maxDifference), Remote: clip(r, maxDifference)})
	}
	if local.Summary != remote.Summary {
		add("summary", local.Summary, remote.Summary)
	}
	if !slices.Equal(local.Severity, remote.Severity) {
		l, r := severityText(local.Severity), severityText(remote.Severity)
		if l == r {
			l, r = scoresText(local.Severity), scoresText(remote.Severity)
		}
		add("severity", l, r)
	}
	for _, f := range []struct {
		name string
		l, r model.Time
	}{{"published", local.Published, remote.Published}, {"withdrawn", local.Withdrawn, remote.Withdrawn}} {
		if f.l != f.r {
			add(f.name, f.l.String(), f.r.String())
		}
	}
	for _, f := range []struct {
		name string
		l, r []string
	}{{"aliases", local.Aliases, remote.Aliases}, {"upstream", local.Upstream, remote.Upstream}, {"related", local.Related, remote.Related}, {"cwes", local.CWEs, remote.CWEs}} {
		if !slices.Equal(f.l, f.r) {
			add(f.name, strings.Join(without(f.l, f.r), ", "), strings.Join(without(f.r, f.l), ", "))
		}
	}
	if l, r := exploitText(local.Exploit), exploitText(remote.Exploit); l != r {
		add("exploit", l, r)
	}
	if l, r := entries(local.Affected), entries(remote.Affected); !slices.Equal(l, r) {
		add("affected", strings.Join(without(l, r), "; "), strings.Join(without(r, l), "; "))
	}
	if l, r := statements(local.Statements), statements(remote.Statements); !slices.Equal(l, r) {
		add("statements", strings.Join(without(l, r), "; "), strings.Join(without(r, l), "; "))
	}
	// Last, and alone it says little: some sources touch every record.
	if local.Modified != remote.Modified {
		add("modified", local.Modified.String(), remote.Modified.String())
	}
	return out
}

// without returns what a has and b has not, or all of a where only the order is another.
func without(a, b []string) []string {
	had := make(map[string]bool, len(b))
	for _, s := range b {
		had[s] = true
	}
	var out []string
	for _, s := range a {
		if !had[s] {
			out = append(out, s)
		}
	}
	if out == nil && len(a) == len(b) {
		return a
	}
	return out
}

func severityText(scores []model.Score) string {
	rating, _, _ := rate(scores)
	return rating.String()
}

func scoresText(scores []model.Score) string {
	out := make([]string, len(scores))
	for i, s := range scores {
		out[i] = s.Score
		if !strings.HasPrefix(s.Type, "CVSS_V") {
			out[i] = s.Type + " " + s.Score
		}
	}
	return strings.Join(out, ", ")
}

// text returns v in the form in which it is stored, which says everything.
func text(v any) string {
	b, err := model.Encode(v)
	if err != nil { // it holds text that no decoder lets through
		return fmt.Sprintf("%+v", v)
	}
	return string(b)
}

func exploitText(e *model.Exploit) string {
	if e == nil {
		return ""
	}
	return text(e)
}

func entries(list []model.Affected) []string {
	out := make([]string, len(list))
	for i, e := range list {
		e.Outside = false
		out[i] = text(e)
	}
	return out
}

func statements(list []model.Statement) []string {
	out := make([]string, len(list))
	for i := range list {
		s := list[i]
		s.Outside = false
		out[i] = text(s)
	}
	return out
}
