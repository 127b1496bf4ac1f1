package canonical

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skerryhq/skerry/engine/fault"
	"github.com/skerryhq/skerry/engine/model"
)

const (
	opCSAF = "read CSAF document"
	// maxStatements bounds the statements of one record, and maxStated the products of them all together.
	maxStatements = 2_000
	maxStated     = 20_000
	maxNote       = 64 << 10 // bytes of a text; a longer one is none
)

// The members of a CSAF 2.0 document (docs.oasis-open.org/csaf/csaf/v2.0) that are facts.
type (
	csafDocument struct {
		Document struct {
			Category string `json:"category"`
			Version  string `json:"csaf_version"`
			Title    string `json:"title"`
			Rating   struct {
				Text string `json:"text"`
			} `json:"aggregate_severity"`
			Tracking struct {
				ID      string         `json:"id"`
				Status  string         `json:"status"`
				Initial string         `json:"initial_release_date"`
				Current string         `json:"current_release_date"`
				Version jsontext.Value `json:"version"`
			} `json:"tracking"`
		} `json:"document"`
		Tree            csafTree                  `json:"product_tree"`
		Vulnerabilities listOf[csafVulnerability] `json:"vulnerabilities"`
	}
	csafVulnerability struct {
		CVE string `json:"cve"`
		IDs []struct {
			Text string `json:"text"`
		} `json:"ids"`
		Title string `json:"title"`
		CWE   struct {
			ID string `json:"id"`
		} `json:"cwe"`
		Status struct {
			Affected      []string `json:"known_affected"`
			FirstAffected []string `json:"first_affected"`
			LastAffected  []string `json:"last_affected"`
			Fixed         []string `json:"fixed"`
			FirstFixed    []string `json:"first_fixed"`
			NotAffected   []string `json:"known_not_affected"`
			Review        []string `json:"under_investigation"`
		} `json:"product_status"`
		Scores  listOf[csafScores] `json:"scores"`
		Flags   listOf[csafNote]   `json:"flags"`
		Threats listOf[csafNote]   `json:"threats"`
	}
	csafScores struct {
		V3 csafScore `json:"cvss_v3"`
		V2 csafScore `json:"cvss_v2"`
	}
	csafScore struct {
		Vector string `json:"vectorString"`
	}
	csafNote struct {
		Label    string   `json:"label"`
		Category string   `json:"category"`
		Details  string   `json:"details"`
		Products []string `json:"product_ids"`
		Groups   []string `json:"group_ids"`
	}
)

// csaf makes one record of each vulnerability of a security advisory or VEX document. Its id is the document's and the
// vulnerability's; the document's id is related, so that it is found by it.
//
// A product with a package URL that names a package of an ecosystem becomes an affected entry: fixed in a release of a distribution
// is every version below, and what is affected is its version, its range, or all there is. Everything else that has a package
// URL becomes a statement.
func (d *Decoded) csaf(source string, raw []byte) error {
	var in csafDocument
	if err := decodeAs(opCSAF, raw, &in); err != nil {
		return err
	}
	doc := &in.Document
	if !strings.HasPrefix(doc.Category, "csaf_") {
		return fault.New(fault.Invalid, opCSAF, "its category is %s; want one that begins with csaf_", quote(doc.Category))
	}
	if !strings.HasPrefix(doc.Version, "2.") {
		return fault.New(fault.Version, opCSAF, "it is of CSAF version %s; only 2.x is read", quote(doc.Version))
	}
	if err := checkID(doc.Tracking.ID); err != nil {
		return fault.Wrap(opCSAF+": tracking", err)
	}
	products, err := in.Tree.products()
	if err != nil {
		return err
	}
	r := csafReader{source: source, doc: &in, products: products, groups: map[string][]string{}}
	for _, g := range in.Tree.Groups {
		r.groups[g.ID] = g.Products
	}
	if r.published, err = when(doc.Tracking.Initial); err != nil {
		return fault.New(fault.Invalid, opCSAF, "initial_release_date: %w", err)
	}
	if r.modified, err = when(doc.Tracking.Current); err != nil {
		return fault.New(fault.Invalid, opCSAF, "current_release_date: %w", err)
	}
	r.revision = revisionOf(doc.Tracking.Version)
	d.Document = &Document{
		Source: source, ID: doc.Tracking.ID, Own: doc.Tracking.ID, Prefix: doc.Tracking.ID + ":", related: doc.Tracking.ID, At: cmp.Or(r.modified, r.published), Revision: r.revision,
	}
	defer func() { d.Document.Whole = len(d.Bad) == 0 }()
	seen := map[string]bool{}
	for i := range in.Vulnerabilities {
		a, err := r.advisory(&in.Vulnerabilities[i])
		if err == nil && seen[a.ID] {
			err = fault.New(fault.Invalid, opCSAF, "%s is there twice; the first counts", a.ID)
		}
		if err != nil {
			d.bad(doc.Tracking.ID, fmt.Sprintf("vulnerability %d", i+1), err)
			continue
		}
		seen[a.ID] = true
		if err := d.add(a); err != nil {
			return err
		}
	}
	return nil
}

// csafReader is what the vulnerabilities of a document share.
type csafReader struct {
	source              string
	doc                 *csafDocument
	products            map[string]product
	groups              map[string][]string
	published, modified model.Time
	revision            string
}

func (r *csafReader) advisory(v *csafVulnerability) (a model.Advisory, err error) {
	document := r.doc.Document.Tracking.ID
	var names []string
	if v.CVE != "" {
		id, err := cve(v.CVE)
		if err != nil {
			return a, err
		}
		names = append(names, id)
	}
	for _, id := range v.IDs {
		if checkID(id.Text) == nil && len(v.IDs) <= maxIdentifiers {
			names = append(names, id.Text)
		}
	}
	if len(names) == 0 {
		return a, fmt.Errorf("it has no cve and no ids that could name it")
	}
	a.AdvisoryKey = model.AdvisoryKey{Source: r.source, ID: document}
	if !strings.EqualFold(document, names[0]) {
		a.ID += ":" + names[0]
		a.Related = []string{document}
	}
	if err := checkID(a.ID); err != nil {
		return a, err
	}
	if a.Aliases, err = identifiers("ids", slices.DeleteFunc(names[:1], func(s string) bool { return s == a.ID })); err != nil {
		return a, err
	}
	a.Published, a.Modified, a.Revision = r.published, cmp.Or(r.modified, r.published), r.revision
	a.Summary = oneLine(orElse(v.Title, r.doc.Document.Title), maxSummary)
	a.CWEs = weaknesses(v.CWE.ID)
	var vectors []score
	for _, s := range v.Scores {
		for _, x := range []score{{"CVSS_V3", s.V3.Vector}, {"CVSS_V2", s.V2.Vector}} {
			if x.Score != "" && !slices.Contains(vectors, x) {
				vectors = append(vectors, x)
			}
		}
	}
	if a.Severity, err = scores(vectors, r.doc.Document.Rating.Text); err != nil {
		return a, err
	}
	return a, r.state(&a, v)
}

// state puts what v says of products into a.
func (r *csafReader) state(a *model.Advisory, v *csafVulnerability) error {
	justified, impact := r.noted(v.Flags, ""), r.noted(v.Threats, "impact")
	to := newStating(a, cmp.Or(r.modified, r.published))
	for _, s := range []struct {
		status model.StatementStatus
		lists  [][]string
	}{
		{model.StatementAffected, [][]string{v.Status.Affected, v.Status.FirstAffected, v.Status.LastAffected}},
		{model.StatementFixed, [][]string{v.Status.Fixed, v.Status.FirstFixed}},
		{model.StatementNotAffected, [][]string{v.Status.NotAffected}},
		{model.StatementUnderReview, [][]string{v.Status.Review}},
	} {
		for _, list := range s.lists {
			for _, id := range list {
				p, ok := r.products[id]
				if !ok {
					return fmt.Errorf("the product %s is not in the tree", quote(id))
				}
				why, note := "", ""
				if s.status == model.StatementNotAffected {
					why, note = justified[id], oneLine(impact[id], maxSummary)
				}
				if err := to.say(&p, s.status, why, note); err != nil {
					return err
				}
			}
		}
	}
	to.finish()
	return nil
}

// noted returns, by product, the label of the first note about it; of a category its details.
func (r *csafReader) noted(notes []csafNote, category string) map[string]string {
	out := map[string]string{}
	for i := range notes {
		n := &notes[i]
		text := n.Label
		if category != "" {
			text = n.Details
		}
		if n.Category != category && category != "" || text == "" || len(text) > maxNote {
			continue
		}
		lists := [][]string{n.Products}
		for _, g := range n.Groups {
			lists = append(lists, r.groups[g])
		}
		for _, list := range lists {
			for _, id := range list {
				if _, ok := out[id]; !ok {
					out[id] = text
				}
			}
		}
	}
	return out
}
