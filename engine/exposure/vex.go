package exposure

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/skerryhq/skerry/engine/model"
)

// statement is what one record says of some packages and a vulnerability.
type statement struct {
	by       model.AdvisoryKey
	status   model.StatementStatus
	why      string // the justification, else the note
	at       model.Time
	products []purl
}

// The bounds of what is looked at of one vulnerability; more is left out.
const (
	statementsMax = 4096
	productsMax   = 20_000
)

// appendStatements appends what a, which names the vulnerability id, states of packages, where it is a that is about it.
func appendStatements(to []statement, a *model.Advisory, id string) []statement {
	if len(a.Statements) == 0 || !slices.ContainsFunc(Identifiers(*a), func(x string) bool { return strings.EqualFold(x, id) }) {
		return to
	}
	n := 0
	for i := range a.Statements {
		s := &a.Statements[i]
		if s.Outside {
			continue
		}
		x := statement{by: a.AdvisoryKey, status: s.Status, why: cmp.Or(s.Justification, s.Note), at: cmp.Or(s.At, a.Modified)}
		for _, text := range s.Products {
			if p, ok := readPURL(text); ok && n < productsMax {
				x.products = append(x.products, p)
				n++
			}
		}
		if len(x.products) > 0 && len(to) < statementsMax {
			to = append(to, x)
		}
	}
	return to
}

// caution orders statuses that were said at the same time: the more careful one counts.
func caution(s model.StatementStatus) int {
	switch s {
	case model.StatementAffected:
		return 3
	case model.StatementUnderReview:
		return 2
	case model.StatementFixed:
		return 1
	}
	return 0
}

// hear applies what statements say to the findings. Of several that are about the package the newest counts, whoever made
// it. "fixed" is of the versions that it names; one that names none says nothing.
func (j *juror) hear() error {
	for i := range j.found {
		f := &j.found[i]
		a, err := j.m.about(f.Vulnerability)
		if err != nil {
			return err
		}
		var last *statement
		for k := range a.statements {
			s := &a.statements[k]
			if !j.concerns(s) {
				continue
			}
			if last == nil || cmp.Or(cmp.Compare(s.at, last.at), caution(s.status)-caution(last.status), last.by.Compare(s.by)) > 0 {
				last = s
			}
			if len(j.leans) < maxLeans {
				j.leans = append(j.leans, s.by)
			}
		}
		if last == nil {
			continue
		}
		switch last.status {
		case model.StatementNotAffected, model.StatementFixed:
			f.Verdict = model.VerdictSuppressed
			f.Reason = clip(fmt.Sprintf("%s, says %s", word(last), last.by))
		case model.StatementUnderReview:
			f.Verdict = model.VerdictUnknown
			f.Reason = clip(fmt.Sprintf("under investigation, says %s", last.by))
		}
	}
	return nil
}

// maxLeans bounds the records that one Lookup leans on.
const maxLeans = 100_000

func word(s *statement) string {
	out := strings.ReplaceAll(string(s.status), "_", " ")
	if s.why != "" {
		out += " (" + s.why + ")"
	}
	return out
}

// concerns reports whether s is about the package in the version that is installed.
func (j *juror) concerns(s *statement) bool {
	for i := range s.products {
		p := &s.products[i]
		if s.status == model.StatementFixed && p.version == "" {
			continue
		}
		if p.is(&j.m.versions, &j.l, j.family) {
			return true
		}
	}
	return false
}
