package canonical

import (
	"fmt"

	"github.com/skerryhq/skerry/engine/model"
)

// stating gathers what a document says of products: in affected entries where they name a package, in statements else.
type stating struct {
	a       *model.Advisory
	at      model.Time
	places  map[stated]int  // in a.Statements
	entries map[string]int  // of an affected entry, by ecosystem, name and module
	had     map[string]bool // what is in the entries
	stated  int
}

// stated is what one statement says, without the products it says it of.
type stated struct {
	status              model.StatementStatus
	justification, note string
	at                  model.Time
}

func newStating(a *model.Advisory, at model.Time) *stating {
	return &stating{a: a, at: at, places: map[stated]int{}, entries: map[string]int{}, had: map[string]bool{}}
}

// say takes in what is said of one product. A product without a package URL says nothing that could be held against a package.
func (s *stating) say(p *product, status model.StatementStatus, justification, note string) error {
	u, ok := readPURL(p.purl)
	if !ok {
		return nil
	}
	if s.stated++; s.stated > maxStated {
		return fmt.Errorf("it speaks of more than %d products", maxStated)
	}
	if (status == model.StatementAffected || status == model.StatementFixed) && s.affected(&u, p, status) {
		return nil
	}
	if p.versions != "" && u.version == "" {
		return nil // a statement about the package would be about every version of it
	}
	return s.state(p.purl, status, justification, note)
}

// state adds a product to the statement that says the same of others.
func (s *stating) state(purl string, status model.StatementStatus, justification, note string) error {
	if len(justification) > maxID {
		justification = ""
	}
	key := stated{status, justification, note, s.at}
	n, ok := s.places[key]
	if !ok {
		if n = len(s.a.Statements); n >= maxStatements {
			return fmt.Errorf("it makes more than %d statements", maxStatements)
		}
		s.places[key] = n
		s.a.Statements = append(s.a.Statements, model.Statement{Status: status, Justification: justification, Note: note, At: s.at})
	}
	s.a.Statements[n].Products = append(s.a.Statements[n].Products, purl)
	return nil
}

// affected adds the affected entry that a product stands for; false: it stands for none.
func (s *stating) affected(u *purl, p *product, status model.StatementStatus) bool {
	ecosystem, name, linear, ok := u.ecosystem(p.platform)
	if !ok {
		return false
	}
	version := u.full()
	var e model.Affected
	switch {
	case status == model.StatementFixed && linear && version != "":
		e.Ranges = []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}, {Fixed: version}}}}
	case status == model.StatementFixed:
		return false // other branches of it may be fixed at other versions
	case version != "":
		e.Versions = []string{version}
	case p.versions != "":
		if e.Versions, e.Ranges, ok = versRange(p.versions); !ok {
			return false
		}
	default:
		e.Ranges = []model.Range{{Type: "ECOSYSTEM", Events: []model.Event{{Introduced: "0"}}}}
	}
	e.Ecosystem, e.Name = ecosystem, model.PackageName(ecosystem, name)
	module := u.qualifiers["rpmmod"]
	if module != "" {
		e.Modules = []string{module}
	}
	key := e.Ecosystem + "\x00" + e.Name + "\x00" + module
	n, known := s.entries[key]
	if !known {
		if n = len(s.a.Affected); n >= maxAffected {
			return false
		}
		s.entries[key] = n
		s.a.Affected = append(s.a.Affected, model.Affected{Ecosystem: e.Ecosystem, Name: e.Name, Modules: e.Modules})
	}
	to := &s.a.Affected[n]
	for _, v := range e.Versions {
		if s.fresh(key, v) {
			to.Versions = append(to.Versions, v)
		}
	}
	for _, r := range e.Ranges {
		if s.fresh(key, fmt.Sprint(r)) {
			to.Ranges = append(to.Ranges, r)
		}
	}
	return true
}

// fresh reports whether an entry does not have a version or a range yet.
func (s *stating) fresh(entry, what string) bool {
	what = entry + "\x00" + what
	if s.had[what] {
		return false
	}
	s.had[what] = true
	return true
}

// finish sorts what was gathered.
func (s *stating) finish() {
	for i := range s.a.Statements {
		s.a.Statements[i].Products = sortedOnce(s.a.Statements[i].Products)
	}
}
