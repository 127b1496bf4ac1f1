package exposure

import (
	"cmp"
	"fmt"
	"maps"
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
//
// Where advisories go by source package, a statement about the source is about all that is built from it, and one about a binary package
// about that alone.
func (j *juror) hear() error {
	for i := range j.found {
		f := &j.found[i]
		a, err := j.m.about(f.Vulnerability)
		if err != nil {
			return err
		}
		if len(a.statements) == 0 {
			continue
		}
		var all said
		var each map[string]said
		for k := range a.statements {
			s := &a.statements[k]
			whole, names := j.concerns(s)
			switch {
			case whole:
				all.hear(said{statement: s, status: s.status})
			case len(names) == 0:
				continue
			}
			for _, n := range names {
				if each == nil {
					each = map[string]said{}
				}
				x := each[n.name]
				x.hear(said{statement: s, status: n.status})
				each[n.name] = x
			}
			if len(j.leans) < maxLeans {
				j.leans = append(j.leans, s.by)
			}
		}
		plain := *f
		f.Verdict, f.Reason = all.verdict(plain)
		f.Apart = apart(f, plain, all, each)
	}
	return nil
}

// said is the statement that counts so far, and the status that it is taken for; the zero value is none.
type said struct {
	*statement
	status model.StatementStatus
}

func (x *said) hear(s said) {
	if x.statement == nil || cmp.Or(cmp.Compare(s.at, x.at), caution(s.status)-caution(x.status), x.by.Compare(s.by)) > 0 {
		*x = s
	}
}

// verdict returns what becomes of a finding.
func (x *said) verdict(plain model.Finding) (model.Verdict, string) {
	switch x.status {
	case model.StatementNotAffected, model.StatementFixed:
		return model.VerdictSuppressed, clip(fmt.Sprintf("%s, says %s", word(x.statement), x.by))
	case model.StatementUnderReview:
		return model.VerdictUnknown, clip(fmt.Sprintf("under investigation, says %s", x.by))
	}
	return plain.Verdict, plain.Reason
}

// apartMax bounds the binary packages of one finding of which something else is said.
const apartMax = 256

// apart returns the binary packages for which something else comes out than for their source, where plain is the finding without any
// statement. Beyond the bound those stay that are concerned: nothing is closed by what is left out.
func apart(f *model.Finding, plain model.Finding, all said, each map[string]said) []model.Apart {
	var out []model.Apart
	for _, name := range slices.Sorted(maps.Keys(each)) {
		x := each[name]
		if all.statement != nil {
			x.hear(all)
		}
		v, reason := x.verdict(plain)
		if v != f.Verdict || reason != f.Reason {
			out = append(out, model.Apart{Package: name, Verdict: v, Reason: reason})
		}
	}
	if len(out) > apartMax {
		slices.SortStableFunc(out, func(a, b model.Apart) int { return cmp.Compare(openness(b.Verdict), openness(a.Verdict)) })
		out = out[:apartMax]
		slices.SortFunc(out, func(a, b model.Apart) int { return strings.Compare(a.Package, b.Package) })
	}
	return slices.Clip(out)
}

func openness(v model.Verdict) int {
	switch v {
	case model.VerdictAffected:
		return 2
	case model.VerdictUnknown:
		return 1
	}
	return 0
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

// named is a binary package that a statement is about, and the status that this comes to.
type named struct {
	name   string
	status model.StatementStatus
}

// concerns reports whether s is about all of what a Lookup stands for, in the version that is installed, and else which binary packages
// it is about that may be among it.
//
// A binary package may have another version than its source, which is not known here: what closes a finding must name that of the source,
// or none; what keeps it open counts whatever version it names, as "affected".
func (j *juror) concerns(s *statement) (whole bool, names []named) {
	for i := range s.products {
		p := &s.products[i]
		if s.status == model.StatementFixed && p.version == "" {
			continue
		}
		how, there := p.of(&j.m.versions, &j.l, j.family)
		switch {
		case how == ofAll && there:
			return true, nil
		case how != ofBinary:
		case there:
			names = append(names, named{p.name, s.status})
		case caution(s.status) > caution(model.StatementFixed):
			names = append(names, named{p.name, model.StatementAffected})
		}
	}
	return false, names
}
